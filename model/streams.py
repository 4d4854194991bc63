"""Randomness addressed by (seed, process, round).

Each stochastic process of a round asks for its own generator and draws for the whole population, so
a draw depends on nothing but its address: not on which processes exist beside it, nor on the order
in which they are asked. Two arms of an experiment therefore share all draws that they can.
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

import numpy as np


@dataclass(frozen=True, slots=True)
class Streams:
    """The random streams of one run."""

    seed: int

    def at(self, process: str, round_: int) -> np.random.Generator:
        """Generator of `process` in `round_`; the same address always gives the same draws.

        The name enters by its CRC-32 (stable across versions and machines, unlike `hash`).
        """
        key = (crc32(process.encode()), round_)
        address = np.random.SeedSequence(self.seed, spawn_key=key)
        return np.random.Generator(np.random.PCG64(address))
