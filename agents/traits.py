"""The one registry of heritable traits: name, link, start, mutation, meaning.

A copy inherits a vector of *latent* values, one unbounded number a trait. What it does follows from
the *expressed* values, the links of the latent ones: attention shares (softmax over the twelve
drives), trade-off weights (0 to `WEIGHT_MAX`) and probabilities (logistic).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from agents.arithmetic import exp, exp32, log
from agents.compiled import ONE, ZERO, compiled

Link = Literal["share", "weight", "probability"]
Floats = NDArray[np.float64]
Reals = NDArray[np.floating[Any]]

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
        float(log(4 / 2)),  # logit(4/6)
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


_DRIVE_COUNT: Final = DRIVES.stop
_WEIGHT_STOP: Final = WEIGHTS.stop

ROW: Final = 32
"""Numbers that a copy's row of traits is padded to: two lines of the processor's cache."""

RESTRAINT: Final = slice(len(TRAITS), len(TRAITS) + len(PRINCIPLES))
"""Where a padded row of expressed traits has the restraint w·(1 - d) by each principle."""

_PRINCIPLE_COUNT: Final = len(PRINCIPLES)
_FIRST_WEIGHT: Final = WEIGHTS.start
_FIRST_DRIFT: Final = DRIFTS.start
_FIRST_RESTRAINT: Final = RESTRAINT.start
_IS_DRIVE: Final = np.arange(ROW) < _DRIVE_COUNT
_TOPS: Final = np.array(
    [WEIGHT_MAX if t.link == "weight" else 1.0 for t in TRAITS] + [1.0] * (ROW - len(TRAITS)),
    dtype=np.float32,
)


@compiled
def express_row(latent, out):  # type: ignore[no-untyped-def]
    """Write the expressed values of a padded row of latent traits, in single precision.

    Shares are a softmax over the drives, which is computed from the highest latent one, so that no
    exponential overflows. The padding gets the restraint by each principle, and zeros.
    """
    low, mid, top = max(latent[0], latent[1]), max(latent[4], latent[5]), max(latent[8], latent[9])
    low = max(low, max(latent[2], latent[3]))
    mid = max(mid, max(latent[6], latent[7]))
    top = max(top, max(latent[10], latent[11]))
    highest = max(low, max(mid, top))
    for k in range(ROW):
        x = latent[k]
        out[k] = exp32(x - highest if k < _DRIVE_COUNT else -x)
    low = (out[0] + out[1]) + (out[2] + out[3])
    mid = (out[4] + out[5]) + (out[6] + out[7])
    top = (out[8] + out[9]) + (out[10] + out[11])
    total = low + mid + top
    for k in range(ROW):
        power = out[k]
        above = power if _IS_DRIVE[k] else _TOPS[k]
        below = total if _IS_DRIVE[k] else ONE + power
        out[k] = above / below
    for j in range(_PRINCIPLE_COUNT):
        weight, drift = out[_FIRST_WEIGHT + j], out[_FIRST_DRIFT + j]
        out[_FIRST_RESTRAINT + j] = weight * (ONE - drift)
    for k in range(RESTRAINT.stop, ROW):
        out[k] = ZERO


def express(latent: Reals) -> Floats:
    """Expressed values of latent trait vectors, in double precision.

    Parameters
    ----------
    latent
        Shape (..., number of traits), unbounded.

    Returns
    -------
    Array of the same shape: attention shares that sum to 1 over the drives, weights in
    [0, `WEIGHT_MAX`], probabilities in [0, 1].
    """
    rows = np.ascontiguousarray(latent, np.float64).reshape(-1, len(NAMES))
    expressed = np.empty_like(rows)
    _express(rows, expressed)
    return expressed.reshape(latent.shape)


@compiled
def _express(latent, out):  # type: ignore[no-untyped-def]
    """The links of all traits, one row a copy."""
    for i in range(len(latent)):
        highest, total = latent[i, :_DRIVE_COUNT].max(), 0.0
        for k in range(_DRIVE_COUNT):
            out[i, k] = exp(latent[i, k] - highest)
            total += out[i, k]
        for k in range(_DRIVE_COUNT):
            out[i, k] /= total
        for k in range(_DRIVE_COUNT, latent.shape[1]):
            top = WEIGHT_MAX if k < _WEIGHT_STOP else 1.0
            out[i, k] = top / (1 + exp(-latent[i, k]))
