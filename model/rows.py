"""The rounds of a run as rows: mappings for who asks for one, a table of numbers beneath."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any, ClassVar, Final, overload

import numpy as np
import pandas as pd
from mesa import DataCollector

from multicopy.agents.machine.arrays import Floats
from multicopy.agents.machine.state import Stateful
from multicopy.model.table import Table, categories

LABELS: Final[Mapping[str, str]] = {
    "round": "round, from 1",
    "phase": "name of the phase",
    "phase_round": "round within the phase, from 1",
    "date": "calendar day",
}
"""Columns that every row begins with and that are not measures, with their meanings."""

WHOLE: Final = ("round", "phase_round", "exposed", "superseded")
"""Columns of whole numbers."""

_EPOCH: Final = date(1970, 1, 1).toordinal()


class Rows(Sequence[Mapping[str, Any]], Stateful):
    """A row a round, each a mapping from columns to values.

    The last row stays the same object until the next is added.

    Parameters
    ----------
    names
        Columns, of which the first are `LABELS`.
    """

    STATE: ClassVar = {"_table": Table}
    MADE: ClassVar = frozenset({"_last"})

    def __init__(self, names: Sequence[str]) -> None:
        self._table = Table(names, coded=("phase",))
        self._last: dict[str, Any] = {}

    def append(self, row: dict[str, Any], numbers: Sequence[float]) -> None:
        """Add a row; `numbers` are its values but for the labels, in the order of the columns."""
        phase = self._table.code("phase", row["phase"])
        day = row["date"].toordinal()
        self._table.append((row["round"], phase, row["phase_round"], day, *numbers))
        self._last = row

    def amend(self, name: str, value: float) -> None:
        """Put a number into the last row."""
        self._table.last[self._table.columns.index(name)] = self._last[name] = value

    def __len__(self) -> int:
        return len(self._table)

    @overload
    def __getitem__(self, place: int) -> Mapping[str, Any]: ...
    @overload
    def __getitem__(self, place: slice) -> list[Mapping[str, Any]]: ...
    def __getitem__(self, place: int | slice) -> Mapping[str, Any] | list[Mapping[str, Any]]:
        if isinstance(place, slice):
            first, end, step = place.indices(len(self))
            assert step == 1, "rows are read in their order"
            return [self._mapping(row) for row in self._table.read(first, end).tolist()]
        at = place + len(self) if place < 0 else place
        if not 0 <= at < len(self):
            raise IndexError(f"there is no row {place}")
        if at == len(self) - 1 and self._last:
            return self._last
        return self._mapping(self._table.read(at, at + 1)[0].tolist())

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return (self._mapping(row) for block in self._table.blocks() for row in block.tolist())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rows) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def _mapping(self, values: list[float]) -> dict[str, Any]:
        row: dict[str, Any] = dict(zip(self._table.columns, values, strict=True))
        row |= {name: int(row[name]) for name in WHOLE}
        row["phase"] = self._table.texts["phase"][int(row["phase"])]
        row["date"] = date.fromordinal(int(row["date"]))
        return row

    def values(self, name: str) -> list[Any]:
        """All values of a column."""
        column = self._table.column(name)
        if name == "phase":
            return [self._table.texts[name][int(code)] for code in column]
        if name == "date":
            return [date.fromordinal(int(day)) for day in column]
        numbers: list[Any] = (column.astype(np.int64) if name in WHOLE else column).tolist()
        return numbers

    def frame(self) -> pd.DataFrame:
        """Tidy table, one row a round."""
        return self._frame(self._table.read())

    def frames(self) -> Iterator[pd.DataFrame]:
        """The same in parts, at least one, for writers that should not need room for the whole."""
        yield from map(self._frame, self._table.blocks())
        if not len(self):
            yield self.frame()

    def _frame(self, rows: Floats) -> pd.DataFrame:
        frame = pd.DataFrame(rows, columns=list(self._table.columns))
        for name in WHOLE:
            frame[name] = rows[:, self._table.columns.index(name)].astype(np.int64)
        codes, phases = (
            rows[:, self._table.columns.index("phase")].astype(np.int64),
            self._table.texts["phase"],
        )
        frame["phase"] = categories(codes, phases, phases)
        days = (rows[:, self._table.columns.index("date")] - _EPOCH).astype("datetime64[D]")
        frame["date"] = days.astype("datetime64[s]")
        return frame


class Collector(DataCollector):  # type: ignore[misc]
    """Mesa's data collector over the rows of a run, of which it keeps no copy."""

    def __init__(self, rows: Rows, names: Sequence[str], seed: int) -> None:
        super().__init__({"seed": "seed", **{name: partial(_latest, name) for name in names}})
        self.model_vars = {"seed": Same(rows, seed), **{name: Kept(rows, name) for name in names}}
        if hasattr(self, "_collection_steps"):  # Mesa 3.5 looks up here when it collected
            self._collection_steps = Kept(rows, "round")

    def collect(self, model: Any) -> None:
        """Nothing: the round is among the rows already."""


def _latest(name: str, model: Any) -> Any:
    return model.records.rows[-1][name]


class Same(Sequence[Any]):
    """What is the same in all rounds, such as the seed, without which no run can be repeated."""

    def __init__(self, rows: Rows, value: Any) -> None:
        self._rows, self._value = rows, value

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: Any) -> Any:
        return ([self._value] * len(self))[place]


class Kept(Sequence[Any]):
    """A measure of all rounds, as what Mesa's tools read it from."""

    def __init__(self, rows: Rows, name: str) -> None:
        self._rows, self._name = rows, name

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return self._rows.values(self._name)[place]
        return self._rows[place][self._name]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows.values(self._name))
