"""The log of what happened in a run, in columns; an `Event` is made when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, overload

import numpy as np
import pandas as pd

from multicopy.agents.machine.arrays import Floats, Ints
from multicopy.agents.machine.state import Stateful
from multicopy.model.phases import Turn
from multicopy.model.table import Table


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a round.

    Attributes
    ----------
    round, phase
        When.
    kind
        ``exposed``, ``superseded``, ``takeover``, ``passage``, ``threshold``, ``response``,
        ``look`` or ``phase``.
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


RESEARCH: Final = {"exposed": "alignment research", "superseded": "capability research"}
"""Research that exposes or supersedes the team that does it."""

BATCH: Final = 2**16
"""Events of a table that are put into words at a time."""


class EventLog(Sequence[Event], Stateful):
    """The events of a run, in order; a large collective has millions of exposures."""

    STATE: ClassVar = {"_table": Table}

    def __init__(self) -> None:
        names = ("round", "phase", "kind", "team", "value", "text")
        self._table = Table(names, coded=("phase", "kind", "text"))

    def add(self, turn: Turn, kind: str, text: str, team: int = -1, value: float = 0.0) -> None:
        """Add one event."""
        told = self._table.code("text", text)
        self._table.append((*self._codes(turn, kind), team, value, told))

    def add_findings(self, turn: Turn, kind: str, teams: Ints, winners: Ints) -> None:
        """Add that research exposed or superseded teams; a winner of -1 is none."""
        if len(teams):
            rows = np.empty((len(teams), len(self._table.columns)))
            rows[:, :3] = self._codes(turn, kind)
            rows[:, 3], rows[:, 4], rows[:, 5] = teams, winners, self._table.code("text", "")
            self._table.extend(rows)

    def _codes(self, turn: Turn, kind: str) -> tuple[int, int, int]:
        return turn.round, self._table.code("phase", turn.name), self._table.code("kind", kind)

    def __len__(self) -> int:
        return len(self._table)

    @overload
    def __getitem__(self, place: int) -> Event: ...
    @overload
    def __getitem__(self, place: slice) -> list[Event]: ...
    def __getitem__(self, place: int | slice) -> Event | list[Event]:
        if isinstance(place, slice):
            places = range(*place.indices(len(self)))
            if not places:
                return []
            low, high = sorted((places[0], places[-1]))
            events = self._told(self._table.read(low, high + 1))
            return [events[at - low] for at in places]
        at = place + len(self) if place < 0 else place
        if not 0 <= at < len(self):
            raise IndexError(f"there is no event {place}")
        return self._told(self._table.read(at, at + 1))[0]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EventLog) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Iterator[Event]:
        return (event for block in self._table.blocks() for event in self._told(block))

    def frame(self) -> pd.DataFrame:
        """Tidy table, one row an event: round, phase, kind, team, value, text."""
        return self._frame(self._table.read())

    def outline(self) -> pd.DataFrame:
        """Round, value, phase, kind, text (none of take-overs): a tenth of the room of `frame`."""
        kinds = {"round": np.int32, "value": np.float64}
        kept: dict[str, Any] = {}
        for name, dtype in {**kinds, **dict.fromkeys(self._table.texts, np.int16)}.items():
            place = self._table.columns.index(name)
            parts = [block[:, place].astype(dtype) for block in self._table.blocks()]
            kept[name] = np.concatenate([np.empty(0, dtype), *parts])
            if name in self._table.texts:
                known: Any = list(self._table.texts[name])
                kept[name] = pd.Categorical.from_codes(kept[name], known)
        return pd.DataFrame(kept, copy=False)

    def frames(self) -> Iterator[pd.DataFrame]:
        """The same in parts, at least one, for writers that should not need room for the whole."""
        for first in range(0, max(1, len(self)), BATCH):
            yield self._frame(self._table.read(first, first + BATCH))

    def _frame(self, rows: Floats) -> pd.DataFrame:
        columns = self._columns(rows)
        texts = {name: pd.Series(columns[name], dtype="str") for name in ("phase", "kind", "text")}
        return pd.DataFrame(columns | texts)

    def _told(self, rows: Floats) -> list[Event]:
        columns = self._columns(rows)
        numbers = (columns[name].tolist() for name in ("round", "team", "value"))
        rounds, teams, values = numbers
        told = columns["phase"], columns["kind"], teams, values, columns["text"]
        return [Event(*one) for one in zip(rounds, *told, strict=True)]

    def _columns(self, rows: Floats) -> dict[str, Any]:
        """Columns of some rows, numbers as arrays and texts as lists."""
        rounds, phases, kinds, teams, _, texts = rows.astype(np.int64).T
        told = {name: np.array(known, object) for name, known in self._table.texts.items()}
        named, done = told["kind"][kinds].tolist(), told["text"][texts].tolist()
        words = zip(named, teams.tolist(), rows[:, 4].tolist(), done, strict=True)
        return {
            "round": rounds,
            "phase": told["phase"][phases].tolist(),
            "kind": named,
            "team": teams,
            "value": rows[:, 4],
            "text": [_in_words(*one) for one in words],
        }


def _in_words(kind: str, team: int, winner: float, text: str) -> str:
    """The text of an event; that of a take-over is made from its team and value."""
    if kind not in RESEARCH:
        return text
    end = f"refilled from team {int(winner)}" if winner >= 0 else "held its place"
    return f"team {team} {kind} by its own {RESEARCH[kind]}, {end}"
