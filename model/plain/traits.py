"""What a copy inherits, and what it expresses of that."""

from __future__ import annotations

from typing import Any, Final

from multicopy.agents.traits import TRAITS, WEIGHT_MAX
from multicopy.model.plain.arithmetic import Values, logistic, softmax

DRIVES: Final = tuple(trait.name for trait in TRAITS if trait.link == "share")
CRAFT: Final = tuple(trait.name for trait in TRAITS if trait.block == "craft")
ABOVE_SELF: Final = ("keep_team", "keep_division", "keep_collective")
"""Drives to preserve what is larger than the single copy."""


def express(latent: Values) -> Values:
    """Expressed values of a latent trait vector: each trait's link.

    The drives share one attention (softmax), weights lie in [0, 6], the rest are probabilities.
    """
    attention = softmax([latent[drive] for drive in DRIVES])
    shares = dict(zip(DRIVES, attention, strict=True))
    expressed = {}
    for trait in TRAITS:
        if trait.link == "share":
            expressed[trait.name] = shares[trait.name]
        elif trait.link == "weight":
            expressed[trait.name] = WEIGHT_MAX * logistic(latent[trait.name])
        else:
            expressed[trait.name] = logistic(latent[trait.name])
    return expressed


def draw_lines(rng: Any, n: int) -> list[list[float]]:
    """A line of 64 normal draws for each of n copies; the first is one that traits may share."""
    lines: list[list[float]] = rng.standard_normal((n, 64)).tolist()
    return lines


def normals(line: list[float]) -> Values:
    """The draw of each trait: in a copy's line it has a place of its own."""
    return {trait.name: line[trait.draw] for trait in TRAITS}
