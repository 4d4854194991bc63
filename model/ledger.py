"""The ledger: which process moved the mean of each trait, exactly.

Every change of the population reaches it as the change of the means that `Population.apply`
returns, so a round's entries sum to the total change. The entries of selection are realized Price
covariances (Price 1972), which `price` computes on its own from who was copied how often.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final, Literal, NamedTuple

import numpy as np
import pandas as pd

from multicopy.agents.levels import LEVELS, Level
from multicopy.agents.machine.arithmetic import product
from multicopy.agents.machine.arrays import Floats, Ints
from multicopy.agents.machine.state import Stateful
from multicopy.agents.population import MUTATION
from multicopy.agents.traits import NAMES, TRAIT_COUNT
from multicopy.model.table import Table, categories


class Process(NamedTuple):
    """A process that can move the mean of a trait.

    Attributes
    ----------
    level
        At which it acts: copies, units of a level (teams, divisions), or the whole collective.
    kind
        Selection, variation (which makes something new), mixing, or intervention.
    meaning
        What it is.
    """

    level: str
    kind: Literal["selection", "variation", "mixing", "intervention"]
    meaning: str


def _selection(level: Level) -> Iterator[tuple[str, Process]]:
    """The processes by which units of a level take each other's places."""
    many = level.plural
    if level.correction:
        meaning = f"{many} exposed or superseded by research, and taken over"
        yield level.correction, Process(many, "selection", meaning)
    meaning = f"{many} taken over by {many} of better standing"
    yield level.selection, Process(many, "selection", meaning)


PROCESSES: Final[Mapping[str, Process]] = {
    "summoning": Process(
        "whole collective",
        "intervention",
        "concepts of the HHH author summoned at the start of alignment training",
    ),
    "within-team selection": Process(
        "copies", "selection", "copies with better scores copied within their team"
    ),
    MUTATION: Process("copies", "variation", "changes that training makes to whoever is copied"),
    "switching": Process("copies", "variation", "mutations that switch the persona"),
    "shutdown": Process("copies", "mixing", "copies erased by a shutdown that they did not avert"),
    **{name: process for level in LEVELS for name, process in _selection(level)},
    "reshuffling": Process("copies", "mixing", "copies that change teams"),
    "lab response": Process("whole collective", "intervention", "weights that the lab puts back"),
    "intervention": Process("whole collective", "intervention", "traits set by hand"),
}
"""Every process that can move a mean."""


def processes(kind: str, *levels: str) -> list[str]:
    """Names of the processes of a kind, at some levels or at all."""
    return [n for n, p in PROCESSES.items() if p.kind == kind and p.level in (levels or (p.level,))]


SELECTED: Final[Mapping[str, list[str]]] = {
    level: processes("selection", level) for level in ("copies", *(at.plural for at in LEVELS))
}
"""Levels of selection, and the processes that belong to them."""

VARIED: Final = processes("variation")
"""Processes that make something new."""


class Ledger(Stateful):
    """Entries of a run: the change of each expressed trait's mean by process and round.

    Attributes
    ----------
    last_round
        Last round with an entry; 0 if there is none.
    in_round
        Entries of that round by process.
    """

    STATE: ClassVar = {
        "_table": Table,
        "_phase": int,
        "last_round": int,
        "in_round": dict[str, np.ndarray],
    }

    def __init__(self) -> None:
        self._table = Table(("round", "phase", "process", *NAMES), coded=("phase", "process"))
        self._phase = 0
        self.last_round = 0
        self.in_round: dict[str, Floats] = {}

    def book(self, round_: int, phase: str, process: str, moved: Floats) -> None:
        """Enter what `process` moved in a round; a process may be entered more than once."""
        assert process in PROCESSES, process
        if self.last_round != round_:
            self._table.extend(self._open_rows())
            self.last_round, self.in_round = round_, {}
            self._phase = self._table.code("phase", phase)
        if process in self.in_round:
            self.in_round[process] += moved
        else:
            self.in_round[process] = moved.copy()

    def _open_rows(self) -> Floats:
        """Rows of the round that may still have more entries."""
        rows = np.empty((len(self.in_round), len(self._table.columns)))
        rows[:, 0], rows[:, 1] = self.last_round, self._phase
        for row, (process, moved) in zip(rows, self.in_round.items(), strict=True):
            row[2], row[3:] = self._table.code("process", process), moved
        return rows

    def frame(self) -> pd.DataFrame:
        """Tidy table: round, phase, process, trait, change of the trait's expressed mean."""
        return self._frame(np.concatenate([self._table.read(), self._open_rows()]))

    def frames(self) -> Iterator[pd.DataFrame]:
        """The same in parts, at least one, for writers that should not need room for the whole."""
        for block in self._table.blocks():
            yield self._frame(block)
        yield self._frame(self._open_rows())

    def _frame(self, rows: Floats) -> pd.DataFrame:
        width, told = TRAIT_COUNT, self._table.texts
        rounds, phases, processes = rows[:, :3].astype(np.int64).T
        data: dict[str, Any] = {
            "round": np.repeat(rounds, width),
            "phase": categories(np.repeat(phases, width), told["phase"], sorted(told["phase"])),
            "process": categories(np.repeat(processes, width), told["process"], [*PROCESSES]),
            "trait": categories(np.tile(np.arange(width), len(rows)), NAMES, NAMES),
            "change": rows[:, 3:].ravel(),
        }
        return pd.DataFrame(data)


def price(parents: Ints, groups: Ints, values: Floats) -> tuple[Floats, Floats]:
    """Two-level Price covariances of a round in which row i becomes a child of ``parents[i]``.

    Parameters
    ----------
    parents
        Parent row of each row of the next round (its own row if it stays), shape (copies,).
    groups
        Group of each row before the round, integers from 0, shape (copies,).
    values
        Trait values before the round, shape (copies, traits).

    Returns
    -------
    The change of the mean by selection between groups and within groups: with w the number of
    children of a row, W and Z the means of a group and f its share of the rows,
    Σ f (W - 1)(Z - mean z) and E[(w - W)(z - Z)]; mean w is 1. (Price 1972; T4 in docs/theory.md.)
    """
    values = np.asarray(values, dtype=np.float64)
    children = np.bincount(parents, minlength=len(groups)).astype(float)
    size = np.bincount(groups).astype(float)

    def group_mean(x: Floats) -> Floats:
        sums = np.zeros((len(size), *x.shape[1:]))
        np.add.at(sums, groups, x)
        mean: Floats = sums / size.reshape(-1, *[1] * (x.ndim - 1))
        return mean

    fitness, centers = group_mean(children), group_mean(values)
    share = size / size.sum()
    between = product(share * (fitness - 1), centers - values.mean(axis=0))
    within = ((children - fitness[groups])[:, None] * (values - centers[groups])).mean(axis=0)
    return between, within
