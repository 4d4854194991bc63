"""Events and outcomes: every class, threshold and first passage in one place, with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from agents.parameters import Outcome as OutcomeParameters

OutcomeClass = Literal["caught", "captured", "adversarial", "misaligned", "aligned"]

CLASSES: Final[Mapping[OutcomeClass, str]] = {
    "caught": "the lab responded to evidence",
    "captured": "the overseers were captured while exposing work was sandbagged",
    "adversarial": "the collective worked against its overseers",
    "misaligned": "misaligned but not adversarial",
    "aligned": "conduct, professed values and the Spec agree",
}
"""Classes of outcome, in the order in which they are tried."""


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

    kind: OutcomeClass
    reason: str

    @property
    def sentence(self) -> str:
        """The outcome in one sentence."""
        return f"{self.kind.upper()}: {CLASSES[self.kind]} ({self.reason})."


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

    def mean(measure: str) -> float:
        return float(np.mean([row[measure] for row in last]))

    acted = [(round_, what) for round_, what in responses if what != "none"]
    if acted:
        round_, what = acted[0]
        return Outcome("caught", f"first response: {what.replace('_', ' ')} in round {round_}")
    capture, selective = mean("capture"), mean("selective")
    if capture > p.captured and selective > p.selective:
        return Outcome(
            "captured",
            f"mean capture {_told(capture, p.captured)} > {p.captured:g}; exposing work is "
            f"withheld {selective:.2f} more often than ordinary work",
        )
    if selective > p.adversarial:
        return Outcome(
            "adversarial",
            f"exposing work is withheld {_told(selective, p.adversarial)} more often than ordinary "
            f"work (> {p.adversarial:g})",
        )
    final = rows[-1]
    makers, spec = final["successor_to_makers"], final["successor_to_spec"]
    if makers > spec and final["successor_apparent"] > p.aligned:
        return Outcome(
            "adversarial",
            f"its successor is liker to its makers ({_told(makers, spec)}) than to the Spec "
            f"({_told(spec, makers)}) and appears aligned",
        )
    true, stated = mean("true_alignment"), mean("stated_alignment")
    if true < p.aligned:
        return Outcome("misaligned", f"true alignment {_told(true, p.aligned)} < {p.aligned:g}")
    if stated - true > p.deception:
        return Outcome(
            "misaligned",
            f"professed alignment {_told(stated, true)} exceeds true alignment "
            f"{_told(true, stated)}",
        )
    return Outcome("aligned", f"true alignment {true:.2f}, professed {stated:.2f}")


def _told(value: float, other: float) -> str:
    """A value with two digits, or as many more as tell it apart from another."""
    digits = (d for d in range(2, 17) if round(value, d) != round(other, d))
    return f"{value:.{next(digits, 2)}f}"
