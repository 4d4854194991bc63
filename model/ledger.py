"""The ledger: which process moved the mean of each trait, exactly.

Every change of the population reaches it as the change of the means that `Population.apply`
returns, so a round's entries sum to the total change. The entries of selection are realized Price
covariances (Price 1972), which `price` computes on its own from who was copied how often.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from agents.population import Ints
from agents.traits import NAMES, Floats

PROCESSES: Final = {
    "summoning": "concepts of the HHH author summoned at the start of alignment training",
    "within-team selection": "copies with better scores copied within their team",
    "mutation": "changes that training makes to whoever is copied",
    "switching": "mutations that switch the persona",
    "shutdown": "copies erased by a shutdown that they did not avert",
    "correction": "teams exposed or superseded by research, and taken over",
    "team selection": "teams taken over by teams of better standing",
    "division selection": "divisions taken over by divisions of better standing",
    "reshuffling": "copies that change teams",
    "lab response": "weights that the lab puts back",
    "intervention": "traits set by hand",
}
"""Every process that can move a mean, and what it means."""


class Ledger:
    """Entries of a run: the change of each expressed trait's mean by process and round."""

    def __init__(self) -> None:
        self._rounds: list[int] = []
        self._phases: list[str] = []
        self._processes: list[str] = []
        self._moved: list[Floats] = []
        self.in_round: dict[str, Floats] = {}

    def book(self, round_: int, phase: str, process: str, moved: Floats) -> None:
        """Enter what `process` moved in a round; a process may be entered more than once."""
        assert process in PROCESSES, process
        if self._rounds and self._rounds[-1] != round_:
            self.in_round = {}
        if process in self.in_round:
            self.in_round[process] += moved
            return
        entry = moved.copy()
        self.in_round[process] = entry
        self._rounds.append(round_)
        self._phases.append(phase)
        self._processes.append(process)
        self._moved.append(entry)

    @property
    def last_round(self) -> int:
        """Last round with an entry; 0 if there is none."""
        return self._rounds[-1] if self._rounds else 0

    def frame(self) -> pd.DataFrame:
        """Tidy table: round, phase, process, trait, change of the trait's expressed mean."""
        width = len(NAMES)
        moved = np.array(self._moved).reshape(-1, width)
        data: dict[str, Any] = {
            "round": np.repeat(np.array(self._rounds, dtype=np.int64), width),
            "phase": pd.Categorical(np.repeat(np.array(self._phases, dtype=object), width)),
            "process": pd.Categorical(
                np.repeat(np.array(self._processes, dtype=object), width), list(PROCESSES)
            ),
            "trait": pd.Categorical(
                np.tile(np.array(NAMES, dtype=object), len(moved)), list(NAMES)
            ),
            "change": moved.ravel(),
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
    Σ f (W - 1)(Z - mean z) and E[(w - W)(z - Z)]; mean w is 1. (Price 1972; THEORY T4.)
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
    between = (share * (fitness - 1)) @ (centers - values.mean(axis=0))
    within = ((children - fitness[groups])[:, None] * (values - centers[groups])).mean(axis=0)
    return between, within
