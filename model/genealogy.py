"""Who descends from whom: the parent of every row that was replaced, if a run is to keep it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from multicopy.agents.machine.state import Stateful
from multicopy.agents.population import Changes
from multicopy.model.table import Table, categories

MOVES: Final = 64
"""Moves of a table that are told at a time; each may replace all copies."""


class Genealogy(Stateful):
    """Every replacement of a run; what happens at once is one step.

    Mutations are no replacements, and traits set by hand neither. Weights that the lab puts back
    have the same row of the stored generation as their parent.
    """

    STATE: ClassVar = {"_moves": Table, "_replaced": Table, "_step": int}

    def __init__(self) -> None:
        self._moves = Table(("step", "round", "process", "count"), np.int64, coded=("process",))
        self._replaced = Table(("row", "parent"), np.int32)
        self._step = 0

    def book(self, round_: int, changes: Sequence[Changes]) -> None:
        """Keep the replacements among changes that happen at once."""
        self._step += 1
        for change in changes:
            parents = change.rows if change.columns is not None else change.parents
            if parents is not None and len(change.rows):
                process = self._moves.code("process", change.process)
                self._moves.append((self._step, round_, process, len(change.rows)))
                self._replaced.extend(np.stack([change.rows, parents], axis=1).astype(np.int32))

    def frame(self) -> pd.DataFrame:
        """Tidy table: step, round, process, row that was replaced, row of its parent."""
        return self._frame(self._moves.read(), self._replaced.read())

    def frames(self) -> Iterator[pd.DataFrame]:
        """The same in parts, at least one, for writers that should not need room for the whole."""
        done = 0
        for first in range(0, max(1, len(self._moves)), MOVES):
            moves = self._moves.read(first, first + MOVES)
            end = done + int(moves[:, 3].sum())
            yield self._frame(moves, self._replaced.read(done, end))
            done = end

    def _frame(self, moves: NDArray[np.int64], replaced: NDArray[np.int32]) -> pd.DataFrame:
        steps, rounds, processes, counts = moves.T
        codes, known = np.repeat(processes, counts), self._moves.texts["process"]
        return pd.DataFrame(
            {
                "step": np.repeat(steps.astype(np.int32), counts),
                "round": np.repeat(rounds.astype(np.int32), counts),
                "process": categories(codes, known, sorted(known)),
                "row": replaced[:, 0],
                "parent": replaced[:, 1],
            }
        )
