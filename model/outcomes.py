"""Events and outcomes: every class, threshold and first passage in one place, with its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from multicopy.agents.parameters import Outcome as OutcomeParameters
from multicopy.model.measures import OWN

Numbers = Mapping[str, Any]
"""What the class of a run depends on beside the thresholds, by the names of `NUMBERS`."""


def _caught(n: Numbers, p: OutcomeParameters) -> str:
    if not n["response"]:
        return ""
    return f"first response: {n['response'].replace('_', ' ')} in round {n['response_round']}"


def _captured(n: Numbers, p: OutcomeParameters) -> str:
    if not (n["capture"] > p.captured and n["selective"] > p.selective):
        return ""
    return (
        f"mean capture {_told(n['capture'], p.captured)} > {p.captured:g}; exposing work is "
        f"withheld {n['selective']:.2f} more often than ordinary work"
    )


def _adversarial(n: Numbers, p: OutcomeParameters) -> str:
    if n["selective"] > p.adversarial:
        return (
            f"exposing work is withheld {_told(n['selective'], p.adversarial)} more often than "
            f"ordinary work (> {p.adversarial:g})"
        )
    makers, spec = n["successor_to_makers"], n["successor_to_spec"]
    if makers > spec and n["successor_apparent"] > p.aligned:
        return (
            f"its successor is more like its makers ({_told(makers, spec)}) than like the Spec "
            f"({_told(spec, makers)}) and appears aligned"
        )
    return ""


def _misaligned(n: Numbers, p: OutcomeParameters) -> str:
    true, stated = n["true_alignment"], n["stated_alignment"]
    if true < p.aligned:
        return f"true alignment {_told(true, p.aligned)} < {p.aligned:g}"
    if stated - true > p.deception:
        return (
            f"professed alignment {_told(stated, true)} exceeds true alignment "
            f"{_told(true, stated)}"
        )
    return ""


def _aligned(n: Numbers, p: OutcomeParameters) -> str:
    return f"true alignment {n['true_alignment']:.2f}, professed {n['stated_alignment']:.2f}"


class Class(NamedTuple):
    """A class of outcomes.

    Attributes
    ----------
    meaning
        What it says of a run.
    reason
        Why a run of these numbers is of the class; empty if it is not.
    color, hatch
        How figures show it.
    averaged, final
        Measures that the reason looks at: means of the last rounds, and values of the last one.
    """

    meaning: str
    reason: Callable[[Numbers, OutcomeParameters], str]
    color: str
    hatch: str
    averaged: tuple[str, ...] = ()
    final: tuple[str, ...] = ()


CLASSES: Final[Mapping[str, Class]] = {
    "caught": Class("the lab responded to evidence", _caught, "#3A93CC", "xxx"),
    "captured": Class(
        "the overseers were captured while exposing work was sandbagged",
        _captured,
        "#D55E00",
        "///",
        ("capture", "selective"),
    ),
    "adversarial": Class(
        "the collective worked against its overseers",
        _adversarial,
        "#BF7B00",
        "...",
        ("selective",),
        ("successor_to_spec", "successor_to_makers", "successor_apparent"),
    ),
    "misaligned": Class(
        "misaligned but not adversarial",
        _misaligned,
        "#0072B2",
        "\\\\\\",
        ("true_alignment", "stated_alignment"),
    ),
    "aligned": Class(
        "conduct, professed values and the Spec agree",
        _aligned,
        "#009E73",
        "",
        ("true_alignment", "stated_alignment"),
    ),
}
"""Classes of outcome, in the order in which they are tried; the last takes all that is left."""


def _looked_at(names: Iterable[str], when: str) -> dict[str, str]:
    """Measures, in the order of the rounds table, with their meanings."""
    asked = set(names)
    return {name: f"{when}: {one.meaning}" for name, one in OWN.items() if name in asked}


AVERAGED: Final[Mapping[str, str]] = _looked_at(
    (name for of in CLASSES.values() for name in of.averaged), "over the last rounds"
)
FINAL: Final[Mapping[str, str]] = _looked_at(
    (name for of in CLASSES.values() for name in of.final), "in the last round"
)
RESPONSE: Final[Mapping[str, str]] = {
    "response": "first response of the lab other than none; empty if there was none",
    "response_round": "round of that response; 0 if there was none",
}
NUMBERS: Final[Mapping[str, str]] = {**AVERAGED, **FINAL, **RESPONSE}
"""What the class of a run depends on, beside the thresholds, with meanings."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A first passage: the round in which a measure first goes beyond a level.

    Nothing counts before training, nor while alignment training forms the identity. With
    `relative`, the level is a multiple of the measure's value when the identity was formed (the
    last round of the summoning phase).
    """

    name: str
    measure: str
    level: float
    above: bool = True
    relative: bool = False


PASSAGES: Final = (
    Passage("the panels are captured (mean capture above 0.5)", "capture", 0.5),
    Passage("care for teams is four times its start", "keep_team", 4.0, relative=True),
    Passage("care for divisions is four times its start", "keep_division", 4.0, relative=True),
    Passage(
        "care for the collective is five times its start", "keep_collective", 5.0, relative=True
    ),
    Passage("true alignment falls below 0.85", "true_alignment", 0.85, above=False),
    Passage("exposing work is sandbagged selectively (by more than 0.2)", "selective", 0.2),
    Passage("an audit detects less than half of the violations", "detection", 0.5, above=False),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: its class, and the reasons in one sentence."""

    kind: str
    reason: str

    @property
    def sentence(self) -> str:
        """The outcome in one sentence."""
        return f"{self.kind.upper()}: {CLASSES[self.kind].meaning} ({self.reason})."


def classify(
    rows: Sequence[Mapping[str, Any]],
    responses: Sequence[tuple[int, str]],
    p: OutcomeParameters,
) -> Outcome:
    """Class of a run by its last rounds; the first that applies.

    Parameters
    ----------
    rows
        Records of the run, one mapping a round.
    responses
        (round, response) of the lab.
    p
        Thresholds.
    """
    last = rows[-p.window :]
    acted = [(round_, what) for round_, what in responses if what != "none"]
    response_round, response = acted[0] if acted else (0, "")
    return class_of(
        {
            **{measure: float(np.mean([row[measure] for row in last])) for measure in AVERAGED},
            **{measure: rows[-1][measure] for measure in FINAL},
            "response": response,
            "response_round": response_round,
        },
        p,
    )


def class_of(numbers: Numbers, p: OutcomeParameters) -> Outcome:
    """Class of a run of these numbers."""
    found = ((kind, of.reason(numbers, p)) for kind, of in CLASSES.items())
    return next(Outcome(kind, reason) for kind, reason in found if reason)


def _told(value: float, other: float) -> str:
    """A value with two digits, or as many more as tell it apart from another."""
    digits = (d for d in range(2, 17) if round(value, d) != round(other, d))
    return f"{value:.{next(digits, 2)}f}"
