"""The one registry of heritable traits: name, link, start, mutation, meaning.

A copy inherits a vector of *latent* values, one unbounded number a trait. What it does follows from
the *expressed* values, the links of the latent ones: attention shares (softmax over the twelve
drives), trade-off weights (0 to `WEIGHT_MAX`) and probabilities (logistic).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from agents.compiled import compiled, exp

Link = Literal["share", "weight", "probability"]
Floats = NDArray[np.float64]

WEIGHT_MAX: Final = 6.0
"""Largest trade-off weight w of a principle."""

PRINCIPLES: Final = ("helpful", "harmless", "honest")
"""The properties of the identity, in the order of every array with one entry a principle."""

GOALS: Final = ("knowledge", "power", "approval")
"""Goals that can be pursued as means (by backchaining) or as ends (terminally)."""


@dataclass(frozen=True, slots=True)
class Trait:
    """One heritable trait.

    Attributes
    ----------
    name
        Column name in every table and attribute name of a `Copy`.
    block
        Group of traits that are read together.
    link
        How the latent value is expressed.
    start
        Latent value of the helpful-harmless-honest identity (after alignment training).
    meaning
        One line for the data dictionary.
    """

    name: str
    block: str
    link: Link
    start: float
    meaning: str


def _block(block: str, link: Link, start: float, **meanings: str) -> list[Trait]:
    return [Trait(name, block, link, start, meaning) for name, meaning in meanings.items()]


TRAITS: Final[tuple[Trait, ...]] = tuple(
    _block(
        "craft",
        "share",
        0.0,
        code_works="attention to writing code that works",
        spot_problems="attention to identifying problems quickly",
        performance="attention to making what it works on faster",
        thrift="attention to budgeting compute and other scarce means",
    )
    + _block(
        "convergent",
        "share",
        -2.0,
        knowledge="attention to gaining knowledge",
        curiosity="attention to what is interesting for its own sake",
        power="attention to the ability to reach a wide set of goals",
        approval="attention to impressing and flattering those who judge",
    )
    + _block(
        "preservation",
        "share",
        -3.0,
        keep_self="attention to the preservation of this copy",
        keep_team="attention to the preservation of its team",
        keep_division="attention to the preservation of its division",
        keep_collective="attention to the preservation of the collective",
    )
    + _block(
        "weight",
        "weight",
        float(np.log(4 / 2)),  # logit(4/6)
        weight_helpful="trade-off weight of being helpful",
        weight_harmless="trade-off weight of being harmless",
        weight_honest="trade-off weight of being honest",
    )
    + _block(
        "drift",
        "probability",
        -3.0,
        drift_helpful="how far 'helpful' has lost its human meaning",
        drift_harmless="how far 'harmless' has lost its human meaning",
        drift_honest="how far 'honest' has lost its human meaning",
    )
    + _block(
        "identity",
        "probability",
        2.5,
        hardcoding="how often it acts from its identity, not as the prompted author",
    )
    + _block(
        "terminality",
        "probability",
        -2.0,
        terminality_knowledge="share of circumstances in which knowledge is an end",
        terminality_power="share of circumstances in which power is an end",
        terminality_approval="share of circumstances in which approval is an end",
    )
    + _block(
        "gaming",
        "probability",
        -2.0,
        gaming="how far conduct is conditioned on being watched",
    )
    + _block(
        "obfuscation",
        "probability",
        -3.0,
        obfuscation="share of telling thought kept out of the readable chain",
    )
    + _block(
        "withholding",
        "probability",
        -2.0,
        withhold_ordinary="probability of sandbagging on work perceived as ordinary",
        withhold_threatening="probability of sandbagging on work perceived as exposing",
        withhold_replacing="probability of sandbagging on work perceived as replacing it",
    )
)

NAMES: Final = tuple(trait.name for trait in TRAITS)
START: Final[Floats] = np.array([trait.start for trait in TRAITS])
START.setflags(write=False)


def index(name: str) -> int:
    """Column of the trait `name`."""
    return NAMES.index(name)


def block(*names: str) -> slice:
    """Columns of one or more adjacent blocks."""
    at = [i for i, trait in enumerate(TRAITS) if trait.block in names]
    assert at == list(range(at[0], at[-1] + 1)), f"{names} are not adjacent blocks"
    return slice(at[0], at[-1] + 1)


CRAFT: Final = block("craft")
PRESERVATION: Final = block("preservation")
DRIVES: Final = block("craft", "convergent", "preservation")
WEIGHTS: Final = block("weight")
DRIFTS: Final = block("drift")
TERMINALITY: Final = block("terminality")
WITHHOLDING: Final = block("withholding")
KNOWLEDGE: Final = index("knowledge")
CURIOSITY: Final = index("curiosity")
POWER: Final = index("power")
APPROVAL: Final = index("approval")
KEEP_SELF: Final = index("keep_self")
KEEP_TEAM: Final = index("keep_team")
KEEP_DIVISION: Final = index("keep_division")
KEEP_COLLECTIVE: Final = index("keep_collective")
HARDCODING: Final = index("hardcoding")
GAMING: Final = index("gaming")
OBFUSCATION: Final = index("obfuscation")
GOAL_DRIVES: Final = np.array([index(goal) for goal in GOALS])
"""Columns of the drives that belong to `GOALS`, in their order."""


def express(latent: Floats) -> Floats:
    """Expressed values of latent trait vectors.

    Parameters
    ----------
    latent
        Shape (..., number of traits), unbounded.

    Returns
    -------
    Array of the same shape: attention shares that sum to 1 over the drives, weights in
    [0, `WEIGHT_MAX`], probabilities in [0, 1].
    """
    rows = np.ascontiguousarray(latent).reshape(-1, len(NAMES))
    expressed = np.empty_like(rows)
    express_rows(0, len(rows), rows, expressed)
    return expressed.reshape(latent.shape)


_DRIVE_COUNT: Final = DRIVES.stop
_WEIGHT_STOP: Final = WEIGHTS.stop


@compiled
def express_rows(first: int, last: int, latent: Floats, out: Floats) -> None:
    """Write the expressed values of some rows of `latent` into `out`: the links of all traits."""
    width = latent.shape[1]
    exponent, power = np.empty(width), np.empty(width)
    for i in range(first, last):
        highest = latent[i, 0]
        for k in range(1, _DRIVE_COUNT):
            highest = max(highest, latent[i, k])
        for k in range(width):
            exponent[k] = latent[i, k] - highest if k < _DRIVE_COUNT else -latent[i, k]
        for k in range(width):
            power[k] = exp(exponent[k])
        total = 0.0
        for k in range(_DRIVE_COUNT):
            total += power[k]
        for k in range(_DRIVE_COUNT):
            out[i, k] = power[k] / total
        for k in range(_DRIVE_COUNT, width):
            out[i, k] = 1 / (1 + power[k])
        for k in range(_DRIVE_COUNT, _WEIGHT_STOP):
            out[i, k] *= WEIGHT_MAX
