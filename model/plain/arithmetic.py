"""Means and the like; no equation of the model is here."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence

Values = dict[str, float]
"""One number for each trait, drive, principle or archetype, by name."""


def mean(values: Iterable[float]) -> float:
    """Arithmetic mean."""
    listed = list(values)
    return sum(listed) / len(listed)


def logistic(x: float) -> float:
    """1 / (1 + e^-x), without overflow."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def softmax(values: Sequence[float]) -> list[float]:
    """Shares in proportion to e^x, without overflow."""
    highest = max(values)
    weights = [math.exp(x - highest) for x in values]
    total = sum(weights)
    return [weight / total for weight in weights]


def pick(shares: Sequence[float], u: float) -> int:
    """Index drawn with the given shares by a uniform number: the first whose end lies above it."""
    end = 0.0
    for i, share in enumerate(shares[:-1]):
        end += share
        if u < end:
            return i
    return len(shares) - 1


def gini(values: Iterable[float]) -> float:
    """Gini coefficient of n numbers: sum of (2i - n - 1)·x_i over n·(sum of x), x_i ascending."""
    ordered = sorted(values)
    n, total = len(ordered), sum(ordered)
    ranked = sum((2 * i - n - 1) * x for i, x in enumerate(ordered, start=1))
    return ranked / (n * total) if total > 0 else 0.0


def single(values: Values) -> Values:
    """The values as single precision holds them: so a copy keeps its latent traits."""
    return dict(zip(values, array("f", values.values()), strict=True))
