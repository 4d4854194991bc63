"""What a check against theory is, when it passes, and where a result holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats

from multicopy.agents.machine.arrays import Floats
from multicopy.agents.machine.draws import Stream
from multicopy.agents.traits import index

FALSE_ALARM: Final = 1e-6
"""Chance that a statistical check fails though simulator and theory agree."""

FEWEST: Final = 200
"""Replicates with which an oracle can be asked at all: so few events would say nothing."""

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
        Largest relative difference of an identity, to a value of at least 1; unused where `se` is
        above 0.
    chance
        Chance of a difference at least as large, on either side, if the two agree; 1 for
        identities.
    """

    oracle: str
    setting: str
    exact: float
    measured: float
    se: float = 0.0
    tolerance: float = 1e-9
    chance: float = 1.0

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
            return self.chance > FALSE_ALARM
        return abs(self.measured - self.exact) <= self.tolerance * max(1.0, abs(self.exact))


def mean_check(
    oracle: str, setting: str, exact: float, sample: Floats, *, within: float = 0.0
) -> Check:
    """Check of a mean over independent replicates by Student's t, which allows for few of them.

    Parameters
    ----------
    oracle, setting, exact
        As in `Check`.
    sample
        A value a replicate, at least two.
    within
        Relative error of the exact value itself; a difference counts from there.
    """
    mean, se = float(sample.mean()), float(sample.std(ddof=1) / np.sqrt(len(sample)))
    if se == 0:
        return Check(oracle, setting, exact, mean, tolerance=max(within, 1e-9))
    beyond = max(0.0, abs(mean - exact) - within * abs(exact))
    chance = 2 * float(stats.t.sf(beyond / se, len(sample) - 1))
    return Check(oracle, setting, exact, mean, se, chance=chance)


def share_check(oracle: str, setting: str, exact: float, hits: int, trials: int) -> Check:
    """Check of a probability by the binomial law, which allows for rare hits.

    The standard error is the one that the share has if the exact value holds.
    """
    se = float(np.sqrt(exact * (1 - exact) / trials))
    tails = stats.binom.cdf(hits, trials, exact), stats.binom.sf(hits - 1, trials, exact)
    return Check(oracle, setting, exact, hits / trials, se, chance=min(1.0, 2 * float(min(tails))))


def require(oracle: str, holds: bool, domain: str) -> None:
    """Refuse settings in which a result does not hold.

    Raises
    ------
    ValueError
        If `holds` is false; `domain` says where it does.
    """
    if not holds:
        raise ValueError(f"{oracle} holds for {domain}")


def stream(rng: np.random.Generator) -> Stream:
    """A stream of the simulator's own draws, with a key that `rng` picks."""
    high, low = rng.integers(2**32, size=2).tolist()
    return Stream((high, low))
