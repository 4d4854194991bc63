"""What a check against theory is, and when it passes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from agents.arrays import Floats
from agents.draws import Stream
from agents.traits import index

Z_LIMIT: Final = 4.9
"""A stochastic check fails beyond this many standard errors: false alarm 1e-6 each."""

TRAIT: Final = index("weight_helpful")
"""Latent trait that stands for the one of theory: its own link, no correlated mutation."""


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison.

    Attributes
    ----------
    oracle, setting
        Which result, in which setting.
    exact, measured
        The two values.
    se
        Standard error of the measured one; 0 for identities.
    tolerance
        Largest relative difference of an identity; unused where `se` is above 0.
    """

    oracle: str
    setting: str
    exact: float
    measured: float
    se: float = 0.0
    tolerance: float = 1e-9

    @property
    def z(self) -> float:
        """Difference in standard errors; 0 for identities."""
        return (self.measured - self.exact) / self.se if self.se > 0 else 0.0

    @property
    def passed(self) -> bool:
        """Whether the two agree."""
        if not (np.isfinite(self.exact) and np.isfinite(self.measured)):
            return False
        if self.se > 0:
            return abs(self.z) < Z_LIMIT
        return abs(self.measured - self.exact) <= self.tolerance * max(1.0, abs(self.exact))


def mean_check(oracle: str, setting: str, exact: float, sample: Floats) -> Check:
    """Check of a mean over independent replicates."""
    se = float(sample.std(ddof=1) / np.sqrt(len(sample)))
    return Check(oracle, setting, exact, float(sample.mean()), max(se, 1e-300))


def share_check(oracle: str, setting: str, exact: float, hits: int, trials: int) -> Check:
    """Check of a probability, with the standard error that it has if the exact value holds."""
    se = float(np.sqrt(max(exact * (1 - exact), 1e-12) / trials))
    return Check(oracle, setting, exact, hits / trials, se)


def stream(rng: np.random.Generator) -> Stream:
    """A stream of the simulator's own draws, with a key that `rng` picks."""
    high, low = rng.integers(2**32, size=2).tolist()
    return Stream((high, low))
