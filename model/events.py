"""The log of what happened in a run: single events, and take-overs in columns, a batch a round."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agents.population import Ints
from model.phases import Turn


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a round.

    Attributes
    ----------
    round, phase
        When.
    kind
        ``exposed``, ``superseded``, ``passage``, ``threshold``, ``response``, ``look`` or
        ``phase``.
    team
        Team concerned, or -1.
    value
        A number that goes with it (team it was refilled from, level of a measure, ...).
    text
        The event in plain words.
    """

    round: int
    phase: str
    kind: str
    team: int
    value: float
    text: str


@dataclass(frozen=True, slots=True)
class _Batch:
    """Events of one kind in one round; without a `text` of its own each is a take-over."""

    round: int
    phase: str
    kind: str
    teams: NDArray[np.int32]
    values: NDArray[np.float64]
    text: str | None = None

    def texts(self) -> list[str]:
        if self.text is not None:
            return [self.text]
        head = f"{self.kind} by its own {RESEARCH[self.kind]}"
        return [
            f"team {team} {head}, "
            + (f"refilled from team {int(winner)}" if winner >= 0 else "held its place")
            for team, winner in zip(self.teams.tolist(), self.values.tolist(), strict=True)
        ]

    def events(self) -> list[Event]:
        columns = zip(self.teams.tolist(), self.values.tolist(), self.texts(), strict=True)
        return [Event(self.round, self.phase, self.kind, *told) for told in columns]


RESEARCH = {"exposed": "alignment research", "superseded": "capability research"}
"""Research that exposes or supersedes the team that does it."""


class EventLog(Sequence[Event]):
    """The events of a run, in order.

    A large collective has millions of exposures, so those are kept as columns; an `Event` is made
    when it is asked for.
    """

    def __init__(self) -> None:
        self._batches: list[_Batch] = []
        self._ends: list[int] = []

    def add(self, turn: Turn, kind: str, text: str, team: int = -1, value: float = 0.0) -> None:
        """Add one event."""
        teams, values = np.array([team], np.int32), np.array([value], np.float64)
        self._append(_Batch(turn.round, turn.name, kind, teams, values, text))

    def add_findings(self, turn: Turn, kind: str, teams: Ints, winners: Ints) -> None:
        """Add that research exposed or superseded teams; a winner of -1 is none."""
        if len(teams):
            batch = _Batch(
                turn.round, turn.name, kind, teams.astype(np.int32), winners.astype(np.float64)
            )
            self._append(batch)

    def _append(self, batch: _Batch) -> None:
        self._batches.append(batch)
        self._ends.append(len(self) + len(batch.teams))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, place: int) -> Event: ...
    @overload
    def __getitem__(self, place: slice) -> list[Event]: ...
    def __getitem__(self, place: int | slice) -> Event | list[Event]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        at = place + len(self) if place < 0 else place
        if not 0 <= at < len(self):
            raise IndexError(f"there is no event {place}")
        which = bisect_right(self._ends, at)
        return self._batches[which].events()[at - self._ends[which]]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EventLog) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Any:
        return (event for batch in self._batches for event in batch.events())

    def frame(self) -> pd.DataFrame:
        """Tidy table, one row an event: round, phase, kind, team, value, text."""
        sizes = [len(batch.teams) for batch in self._batches]

        def repeated(name: str) -> Any:
            return np.repeat([getattr(batch, name) for batch in self._batches], sizes)

        texts = (text for batch in self._batches for text in batch.texts())
        return pd.DataFrame(
            {
                "round": repeated("round").astype(np.int64),
                "phase": pd.Series(repeated("phase"), dtype="str"),
                "kind": pd.Series(repeated("kind"), dtype="str"),
                "team": np.concatenate([[], *(b.teams for b in self._batches)]).astype(np.int64),
                "value": np.concatenate([[], *(b.values for b in self._batches)]),
                "text": pd.Series(list(texts), dtype="str"),
            }
        )
