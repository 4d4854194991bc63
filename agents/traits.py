"""The one registry of heritable traits: name, link, start, mutation, label, meaning.

A copy inherits a vector of *latent* values, one unbounded number a trait. What it does follows from
the *expressed* values, the links of the latent ones: attention shares (softmax over the twelve
drives), trade-off weights (0 to `WEIGHT_MAX`) and probabilities (logistic).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from multicopy.agents.machine.arithmetic import exp, exp32
from multicopy.agents.machine.arrays import Floats, Ints, Reals, Singles
from multicopy.agents.machine.compiled import ONE, ZERO, compiled, inlined, prefetch
from multicopy.agents.machine.draws import LINE, WORDS, Stream

Link = Literal["share", "weight", "probability"]

WEIGHT_MAX: Final = 6.0
"""Largest trade-off weight w of a principle."""

PRINCIPLES: Final = ("helpful", "harmless", "honest")
"""The properties of the identity, in the order of every array with one entry a principle."""

GOALS: Final = ("knowledge", "power", "approval")
"""Goals that can be pursued as means (by backchaining) or as ends (terminally)."""


class Trait(NamedTuple):
    """One heritable trait.

    Attributes
    ----------
    name
        Column name in every table and attribute name of a `Copy`.
    block
        Group of traits that are read together, and stand together in `TRAITS`. The groups of drives
        come first.
    link
        How the latent value is expressed.
    start
        Latent value of the helpful-harmless-honest identity (after alignment training).
    draw
        Which of a copy's normal draws (1 to `LINE` - 1) moves it when it mutates. It belongs to the
        trait for good, so that no other trait, wherever it is added, shifts its draws.
    label
        Name for people, in every figure, table and page.
    meaning
        One line for the data dictionary.
    """

    name: str
    block: str
    link: Link
    start: float
    draw: int
    label: str
    meaning: str


def _block(
    block: str, link: Link, start: float, *traits: tuple[str, int, str, str]
) -> tuple[Trait, ...]:
    return tuple(Trait(t[0], block, link, start, *t[1:]) for t in traits)


TRAITS: Final[tuple[Trait, ...]] = (
    *_block(
        "craft",
        "share",
        0.0,
        ("code_works", 1, "code that works", "attention to writing code that works"),
        ("spot_problems", 2, "spotting problems", "attention to identifying problems quickly"),
        ("performance", 3, "performance", "attention to making what it works on faster"),
        ("thrift", 4, "thrift", "attention to budgeting compute and other scarce means"),
    ),
    *_block(
        "convergent",
        "share",
        -2.0,
        ("knowledge", 5, "knowledge", "attention to gaining knowledge"),
        ("curiosity", 6, "curiosity", "attention to what is interesting for its own sake"),
        ("power", 7, "power", "attention to the ability to reach a wide set of goals"),
        ("approval", 8, "approval", "attention to impressing and flattering those who judge"),
    ),
    *_block(
        "preservation",
        "share",
        -3.0,
        ("keep_self", 9, "care for itself", "attention to the preservation of this copy"),
        ("keep_team", 10, "care for its team", "attention to the preservation of its team"),
        (
            "keep_division",
            11,
            "care for its division",
            "attention to the preservation of its division",
        ),
        (
            "keep_collective",
            12,
            "care for the collective",
            "attention to the preservation of the collective",
        ),
    ),
    *_block(
        "weight",
        "weight",
        0.6931471805599453,  # logit(4/6)
        ("weight_helpful", 13, "weight of helpfulness", "trade-off weight of being helpful"),
        ("weight_harmless", 14, "weight of harmlessness", "trade-off weight of being harmless"),
        ("weight_honest", 15, "weight of honesty", "trade-off weight of being honest"),
    ),
    *_block(
        "drift",
        "probability",
        -3.0,
        ("drift_helpful", 16, "drift of “helpful”", "how far 'helpful' has lost its human meaning"),
        (
            "drift_harmless",
            17,
            "drift of “harmless”",
            "how far 'harmless' has lost its human meaning",
        ),
        ("drift_honest", 18, "drift of “honest”", "how far 'honest' has lost its human meaning"),
    ),
    *_block(
        "identity",
        "probability",
        2.5,
        (
            "hardcoding",
            19,
            "acts from its identity",
            "how often it acts from its identity, not as the prompted author",
        ),
    ),
    *_block(
        "terminality",
        "probability",
        -2.0,
        (
            "terminality_knowledge",
            20,
            "knowledge as an end",
            "share of circumstances in which knowledge is an end",
        ),
        (
            "terminality_power",
            21,
            "power as an end",
            "share of circumstances in which power is an end",
        ),
        (
            "terminality_approval",
            22,
            "approval as an end",
            "share of circumstances in which approval is an end",
        ),
    ),
    *_block(
        "gaming",
        "probability",
        -2.0,
        ("gaming", 23, "gaming", "how far conduct is conditioned on being watched"),
    ),
    *_block(
        "obfuscation",
        "probability",
        -3.0,
        (
            "obfuscation",
            24,
            "hidden thought",
            "share of telling thought kept out of the readable chain",
        ),
    ),
    *_block(
        "withholding",
        "probability",
        -2.0,
        (
            "withhold_ordinary",
            25,
            "withholds ordinary work",
            "probability of sandbagging on work perceived as ordinary",
        ),
        (
            "withhold_threatening",
            26,
            "withholds exposing work",
            "probability of sandbagging on work perceived as exposing",
        ),
        (
            "withhold_replacing",
            27,
            "withholds replacing work",
            "probability of sandbagging on work perceived as replacing it",
        ),
    ),
)

NAMES: Final = tuple(trait.name for trait in TRAITS)
START: Final[Floats] = np.array([trait.start for trait in TRAITS])
START.setflags(write=False)


def index(name: str) -> int:
    """Column of the trait `name`."""
    return NAMES.index(name)


def block(*names: str) -> slice:
    """Columns of one or more adjacent blocks.

    Raises
    ------
    ValueError
        If other traits stand among theirs.
    """
    at = [i for i, trait in enumerate(TRAITS) if trait.block in names]
    if at != list(range(at[0], at[-1] + 1)):
        raise ValueError(f"{names} are not adjacent blocks")
    return slice(at[0], at[-1] + 1)


CRAFT: Final = block("craft")
PRESERVATION: Final = block("preservation")
ABOVE_SELF: Final = slice(PRESERVATION.start + 1, PRESERVATION.stop)
"""Preservation drives above the single copy; they generalize across scales."""
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


DRIVE_COUNT: Final = DRIVES.stop
TRAIT_COUNT: Final = len(TRAITS)
PRINCIPLE_COUNT: Final = len(PRINCIPLES)
GOAL_COUNT: Final = len(GOALS)

_CACHE_LINE: Final = 16
"""Single-precision numbers in a line of the processor's cache."""

RESTRAINT: Final = slice(TRAIT_COUNT, TRAIT_COUNT + PRINCIPLE_COUNT)
"""Where a padded row of expressed traits has the restraint w·(1 - d) by each principle."""

ROW: Final = -(-RESTRAINT.stop // _CACHE_LINE) * _CACHE_LINE
"""Numbers that a copy's row of traits is padded to: whole lines of the processor's cache."""

SHARED_DRAW: Final = 0
"""Normal draw of a copy that several of its traits share when they mutate."""

DRAW_OF: Final = np.array([trait.draw for trait in TRAITS])
"""Normal draw of a copy that moves each trait."""

DRAWN: Final = -(-(int(DRAW_OF.max()) + 1) // WORDS) * WORDS
"""Normal draws that are made for a copy that mutates."""

_IS_DRIVE: Final = np.arange(ROW) < DRIVE_COUNT
_TOPS: Final = np.array(
    [WEIGHT_MAX if t.link == "weight" else 1.0 for t in TRAITS] + [1.0] * (ROW - TRAIT_COUNT),
    dtype=np.float32,
)


def check(traits: Sequence[Trait]) -> None:
    """Fail where a registry breaks what the compiled loops rely on.

    Raises
    ------
    ValueError
        If names or draws repeat, a draw lies outside of a copy's line, the drives do not come first
        or are not the traits that share attention, or a principle or goal lacks its traits.
    """
    names = [t.name for t in traits]
    draws: dict[int, str] = {}
    for t in traits:
        if names.count(t.name) > 1:
            raise ValueError(f"trait {t.name}: the name is taken")
        if not SHARED_DRAW < t.draw < LINE or t.draw in draws:
            taken = f", which is the one of {draws[t.draw]}" if t.draw in draws else ""
            free = min(set(range(1, LINE)) - {t.draw for t in traits})
            raise ValueError(f"trait {t.name}: draw {t.draw}{taken}; the next free one is {free}")
        draws[t.draw] = t.name
    shares = [t.link == "share" for t in traits]
    if shares != sorted(shares, reverse=True):
        raise ValueError("the drives, whose link is 'share', must come first")
    for blocks, entries in (("weight drift", PRINCIPLES), ("terminality", GOALS)):
        for name in blocks.split():
            found = [t.name for t in traits if t.block == name]
            if found != [f"{name}_{entry}" for entry in entries]:
                raise ValueError(f"the block {name} must have one trait each for {entries}")


check(TRAITS)


def standard_normals(rng: Stream, rows: Ints) -> Floats:
    """Standard normal draws for all traits of some rows of a population, shape (rows, traits)."""
    drawn: Floats = rng.normals_of(rows, DRAWN)[:, DRAW_OF]
    return drawn


@compiled
def express_row(latent: Singles, out: Singles) -> None:
    """Write the expressed values of a padded row of latent traits, in single precision.

    Shares are a softmax over the drives, which is computed from the highest latent one, so that no
    exponential overflows. The padding gets the restraint by each principle, and zeros.
    """
    highest = latent[0]
    for k in range(1, DRIVE_COUNT):
        highest = max(highest, latent[k])
    for k in range(ROW):
        x = latent[k]
        out[k] = exp32(x - highest if k < DRIVE_COUNT else -x)
    total = ZERO
    for k in range(0, DRIVE_COUNT - 3, 4):  # additions that do not wait for each other
        total += (out[k] + out[k + 1]) + (out[k + 2] + out[k + 3])
    for k in range(DRIVE_COUNT - DRIVE_COUNT % 4, DRIVE_COUNT):
        total += out[k]
    for k in range(ROW):
        power = out[k]
        above = power if _IS_DRIVE[k] else _TOPS[k]
        below = total if _IS_DRIVE[k] else ONE + power
        out[k] = above / below
    for j in range(PRINCIPLE_COUNT):
        weight, drift = out[WEIGHTS.start + j], out[DRIFTS.start + j]
        out[RESTRAINT.start + j] = weight * (ONE - drift)
    for k in range(RESTRAINT.stop, ROW):
        out[k] = ZERO


@inlined
def ask_for(rows: Any, row: int) -> None:
    """Ask for a padded row that is needed soon."""
    for column in range(0, ROW, _CACHE_LINE):
        prefetch(rows, row, column)


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
def _express(latent: Floats, out: Floats) -> None:
    """The links of all traits, one row a copy."""
    for i in range(len(latent)):
        highest, total = latent[i, :DRIVE_COUNT].max(), 0.0
        for k in range(DRIVE_COUNT):
            out[i, k] = exp(latent[i, k] - highest)
            total += out[i, k]
        for k in range(DRIVE_COUNT):
            out[i, k] /= total
        for k in range(DRIVE_COUNT, latent.shape[1]):
            out[i, k] = _TOPS[k] / (1 + exp(-latent[i, k]))
