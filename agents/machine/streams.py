"""Randomness addressed by (seed, process, round).

Each stochastic process of a round asks for its own stream and draws for the whole population, so a
draw depends on nothing but its address: not on which processes exist beside it, nor on the order in
which they are asked. Two arms of an experiment therefore share all draws that they can.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from zlib import crc32

import numpy as np

from multicopy.agents.machine.compiled import Crew
from multicopy.agents.machine.draws import Stream


@dataclass(frozen=True, slots=True)
class Streams:
    """The random streams of one run."""

    seed: int
    crew: Crew | None = None
    _keys: dict[str, tuple[int, int]] = field(default_factory=dict, init=False, repr=False)

    def at(self, process: str, round_: int) -> Stream:
        """Stream of `process` in `round_`; the same address always gives the same draws.

        The name enters by its CRC-32 (stable across versions and machines, unlike `hash`).
        """
        key = self._keys.get(process)
        if key is None:
            address = np.random.SeedSequence(self.seed, spawn_key=(crc32(process.encode()),))
            high, low = address.generate_state(2)
            key = self._keys[process] = (int(high), int(low))
        return Stream(key, round_, self.crew)
