"""What few runs say of a mean: its interval and how many standard errors it lies from zero.

One observation, or observations that are all the same, say nothing of chance: there is no
interval then, and no number stands for it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm, t

CONFIDENCE: Final = 0.95
"""How sure intervals are, in the whole project."""

CLEAR: Final = 3.0
"""Standard errors beyond which a difference is not chance, where there are very many runs."""


class Mean(NamedTuple):
    """A mean with its interval, and with the standard errors it lies from zero.

    ``low``, ``high`` and ``z`` are NaN where the values cannot tell; ``seeds`` counts them.
    """

    mean: float
    low: float
    high: float
    z: float
    seeds: int

    def clear(self, sign: int = 1) -> bool:
        """Whether the mean lies on the side `sign` of zero by more than chance.

        `CLEAR` standard errors, or as many more as few runs need to be as sure (Student's t).
        """
        return bool(sign * self.z > t.isf(norm.sf(CLEAR), self.seeds - 1))


def of_mean(values: ArrayLike) -> Mean:
    """Mean of independent values, such as paired differences over seeds, with its t interval."""
    told = np.asarray(values, dtype=float)
    mean, count = float(told.mean()), len(told)
    if count < 2 or np.ptp(told) <= 1e-12 * np.abs(told).max():
        return Mean(mean, np.nan, np.nan, np.nan, count)
    error = float(told.std(ddof=1) / np.sqrt(count))
    half = error * float(t.isf((1 - CONFIDENCE) / 2, count - 1))
    return Mean(mean, mean - half, mean + half, mean / error, count)
