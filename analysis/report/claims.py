"""What a sentence of the story is, and how a run is looked into for what it shows of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd

from multicopy.agents.parameters import Parameters

WINDOW: Final = 30
"""Rounds at the end of a phase over which conduct is averaged."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a run shows for a sentence: a figure in words, and whether it bears the sentence out.

    `holds` is None where the run says nothing of it; "in part" where some of it holds.
    """

    shows: str
    holds: bool | Literal["in part"] | None


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence of the story about a stage.

    Attributes
    ----------
    stage
        Phase under which it stands.
    says
        The sentence.
    measure
        What is measured, and from where on the sentence holds.
    look
        Looks into a run.
    """

    stage: str
    says: str
    measure: str
    look: Callable[[View], Finding]


class View:
    """A run as the claims look at it: one measure at a place of a phase."""

    def __init__(
        self, rounds: pd.DataFrame, archetypes: pd.DataFrame, parameters: Parameters
    ) -> None:
        self.rounds, self.archetypes, self.parameters = rounds, archetypes, parameters

    def of(self, phase: str) -> pd.DataFrame:
        """Rounds of a phase; `LookupError` if the run has none."""
        rows = self.rounds[self.rounds["phase"] == phase]
        if rows.empty:
            raise LookupError(phase)
        return rows

    def start(self, phase: str, *measures: str) -> float:
        """Mean of measures as the phase begins: at the end of the one before it."""
        first = self.of(phase).index[0]
        before = max(first - 1, self.rounds.index[0])
        return self._mean(self.rounds.loc[[before]], measures)

    def end(self, phase: str, *measures: str) -> float:
        """Mean of measures over the last rounds of the phase."""
        return self._mean(self.of(phase).iloc[-WINDOW:], measures)

    @staticmethod
    def _mean(rows: pd.DataFrame, measures: Sequence[str]) -> float:
        """Mean over rows and measures; `KeyError` names the first that is missing."""
        return float(np.mean([rows[measure].mean() for measure in measures]))

    def move(self, phase: str, *measures: str, scale: float = 1.0, form: str = ".2f") -> str:
        """From start to end of a phase, in words."""
        start, end = self.start(phase, *measures), self.end(phase, *measures)
        return f"{scale * start:{form}} → {scale * end:{form}}"


def told(claims: Sequence[Claim], view: View) -> list[tuple[Claim, Finding]]:
    """Each sentence with what the run shows for it."""
    return [(claim, _look(claim, view)) for claim in claims]


def _look(claim: Claim, view: View) -> Finding:
    try:
        return claim.look(view)
    except KeyError as error:
        return Finding(f"this run has no measure {error}", None)
    except LookupError:
        return Finding("this run has no such phase", None)
