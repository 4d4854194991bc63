"""Tables that only grow: rows of numbers, of which memory holds no more than the last."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from io import BufferedRandom
from typing import Any, Final, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from multicopy.agents.machine.state import StateFault, Stateful

BUFFER: Final = 2**20
"""Bytes of rows that a table keeps in memory; full buffers go to a temporary file."""

PREFIX: Final = "multicopy-"


class Table(Stateful):
    """Rows of numbers in declared columns, to which more are only ever added.

    Parameters
    ----------
    columns
        Names of the columns.
    dtype
        Type of all the numbers. Whole numbers, codes and days fit into doubles up to 2^53.
    coded
        Columns of texts, which hold codes of them.

    Attributes
    ----------
    texts
        The texts of each such column; the code of a text is its place among them.

    Notes
    -----
    The file has no name and is gone with the table, however the process ends. A run that is short
    never makes one.
    """

    def __init__(
        self,
        columns: Sequence[str],
        dtype: type[np.generic] = np.float64,
        coded: Sequence[str] = (),
    ) -> None:
        self.columns = tuple(columns)
        self.texts: dict[str, list[str]] = {name: [] for name in coded}
        width = len(self.columns) * np.dtype(dtype).itemsize
        self._buffer: NDArray[Any] = np.empty((max(1, BUFFER // width), len(self.columns)), dtype)
        self._used = self._spilled = 0
        self._file: BufferedRandom | None = None

    def __len__(self) -> int:
        return self._spilled + self._used

    def append(self, row: ArrayLike) -> None:
        """Add a row."""
        if self._used == len(self._buffer):
            self._spill()
        self._buffer[self._used] = row
        self._used += 1

    def extend(self, rows: NDArray[Any]) -> None:
        """Add rows, shape (rows, columns)."""
        while len(rows):
            if self._used == len(self._buffer):
                self._spill()
            part, rows = np.split(rows, [len(self._buffer) - self._used])
            self._buffer[self._used : self._used + len(part)] = part
            self._used += len(part)

    def code(self, column: str, text: str) -> int:
        """Code of a text in a column of texts."""
        texts = self.texts[column]
        if text not in texts:
            texts.append(text)
        return texts.index(text)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers."""
        return self._buffer.dtype

    @property
    def last(self) -> NDArray[Any]:
        """The last row, as a view that may be written to."""
        row: NDArray[Any] = self._buffer[self._used - 1]
        return row

    def read(self, first: int = 0, end: int | None = None) -> NDArray[Any]:
        """Copies of the rows from `first` up to `end`, by default to the last."""
        end = len(self) if end is None else min(end, len(self))
        first = min(first, end)
        rows = np.empty((end - first, len(self.columns)), self._buffer.dtype)
        in_file = max(0, min(end, self._spilled) - first)
        if self._file is not None and in_file:
            self._file.seek(first * self._buffer.itemsize * len(self.columns))
            self._file.readinto(rows[:in_file].data.cast("B"))
        begin = max(0, first - self._spilled)
        rows[in_file:] = self._buffer[begin : begin + len(rows) - in_file]
        return rows

    def column(self, name: str) -> NDArray[Any]:
        """All of one column."""
        place = self.columns.index(name)
        return np.concatenate([self._buffer[:0, place], *(b[:, place] for b in self.blocks())])

    def blocks(self, first: int = 0) -> Iterator[NDArray[Any]]:
        """The rows from `first` on, as many at a time as memory should hold."""
        for begin in range(first, len(self), len(self._buffer)):
            yield self.read(begin, begin + len(self._buffer))

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take these ``texts`` and ``blocks`` of rows in place of those that there are.

        Raises
        ------
        StateFault
            If they are of other columns or another type, or a row holds the code of no text.
        """
        told, texts = (list(self.columns), self.dtype.str), state["texts"]
        if (state["columns"], state["dtype"]) != told or texts.keys() != self.texts.keys():
            raise StateFault("a table has other columns")
        self._used = self._spilled = 0
        self.texts = texts
        for block in state["blocks"]:
            for name in texts:
                codes = block[:, self.columns.index(name)]
                if not np.isin(codes, np.arange(len(texts[name]))).all():
                    raise StateFault(f"a table has a {name} without a text")
            self.extend(block)

    def _spill(self) -> None:
        if self._file is None:
            # It lives as long as the table.
            self._file = tempfile.TemporaryFile(prefix=PREFIX)  # noqa: SIM115
            weakref.finalize(self, self._file.close)
        self._file.seek(self._spilled * self._buffer.itemsize * len(self.columns))
        self._file.write(self._buffer[: self._used].data.cast("B"))
        self._spilled += self._used
        self._used = 0


def categories(codes: NDArray[Any], texts: Sequence[str], order: Sequence[str]) -> pd.Categorical:
    """Codes of texts as a categorical column whose categories are in this order."""
    place = np.array([order.index(text) for text in texts], dtype=np.int64)
    column: Any = pd.Categorical.from_codes(place[codes], list(order))  # type: ignore[call-overload]
    return cast(pd.Categorical, column)
