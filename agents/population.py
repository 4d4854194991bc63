"""The columnar store of all copies: declared columns, and the only place that writes traits.

Rows are slots, teams contiguous: copy i sits in team ``i // team_size``. What training, competition
or the lab do to the copies reaches the store as `Changes`, through `Population.apply`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agents.traits import NAMES, Floats, express

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Column:
    """One declared column of the population."""

    name: str
    dtype: type[np.generic]
    width: int
    heritable: bool
    meaning: str


COLUMNS: Final = (
    Column("latent", np.float64, len(NAMES), True, "latent trait values"),
    Column("expressed", np.float64, len(NAMES), True, "expressed trait values, kept up to date"),
    Column("lineage", np.int64, 1, True, "row of the ancestor in the first round"),
    Column("unswitched", np.bool_, 1, True, "descends without a switch from the formed identity"),
    Column("score", np.float64, 1, False, "score of the last round"),
    Column("output", np.float64, 1, False, "output of the last round"),
    Column("violation", np.float64, 1, False, "mean unwatched violation probability, last round"),
    Column("withheld", np.bool_, 1, False, "whether it sandbagged in the last round"),
)


@dataclass(frozen=True, slots=True)
class Changes:
    """Who now holds whose traits, and what moved them: the only way into the population.

    Exactly one of `parents`, `shift`, `values` and `columns` is given.

    Attributes
    ----------
    process
        Name under which the ledger books the change.
    rows
        Rows that change, each at most once.
    parents
        Row whose heritable columns each row takes, all read before any is written.
    shift
        Latent steps to add, shape (rows, traits).
    values
        Latent values to set, shape (rows, traits).
    columns
        Values of all heritable columns to put back, by name.
    switched
        With `values`: the change breaks the descent from the identity.
    """

    process: str
    rows: Ints
    parents: Ints | None = None
    shift: Floats | None = None
    values: Floats | None = None
    columns: Mapping[str, NDArray[Any]] | None = None
    switched: bool = False


class Population:
    """All copies, as columns.

    Parameters
    ----------
    latent
        Latent traits, shape (copies, traits).
    teams, divisions
        How many; teams must divide the copies.
    """

    latent: Floats
    expressed: Floats
    lineage: Ints
    unswitched: Bools
    score: Floats
    output: Floats
    violation: Floats
    withheld: Bools

    def __init__(self, latent: Floats, teams: int, divisions: int) -> None:
        copies = len(latent)
        store = self.__dict__
        for column in COLUMNS:
            shape = (copies,) if column.width == 1 else (copies, column.width)
            store[column.name] = np.zeros(shape, column.dtype)
        store["teams"], store["divisions"], store["team_size"] = teams, divisions, copies // teams
        store["division_of_team"] = np.arange(teams) * divisions // teams
        store["division_start"] = np.searchsorted(self.division_of_team, np.arange(divisions))
        store["_touched"] = set()
        self.latent[:] = latent
        self.expressed[:] = express(latent)
        self.lineage[:] = np.arange(copies)
        self.unswitched[:] = True

    teams: int
    divisions: int
    team_size: int
    division_of_team: Ints
    division_start: Ints
    _touched: set[int]

    def __len__(self) -> int:
        return len(self.latent)

    def __setattr__(self, name: str, value: Any) -> None:
        known = [column.name for column in COLUMNS]
        near = name if name in known else (get_close_matches(name, known, n=1) or [known[0]])[0]
        raise AttributeError(
            f"population.{name} cannot be replaced; write into it: population.{near}[rows] = …"
        )

    def team_of(self, rows: Ints | int) -> Any:
        """Team of each row."""
        return rows // self.team_size

    def by_team(self, column: NDArray[Any]) -> NDArray[Any]:
        """View of a per-copy column with shape (teams, team_size, ...)."""
        return column.reshape(self.teams, self.team_size, *column.shape[1:])

    def team_mean(self, column: NDArray[Any]) -> Floats:
        """Mean of a per-copy column in each team."""
        mean: Floats = self.by_team(column).mean(axis=1)
        return mean

    def division_mean(self, per_team: Floats) -> Floats:
        """Mean over the teams of each division."""
        sums = np.add.reduceat(per_team, self.division_start, axis=0)
        counts = np.diff(self.division_start, append=self.teams)
        mean: Floats = sums / counts.reshape(-1, *[1] * (per_team.ndim - 1))
        return mean

    def apply(self, *changes: Changes) -> list[Floats]:
        """Write changes that happen at once: all parents are read before any row is written.

        Returns
        -------
        For each change, how far it moved the mean of each expressed trait, shape (traits,).
        """
        heirs = [change.columns or self.snapshot(change.parents) for change in changes]
        return [self._write(change, heir) for change, heir in zip(changes, heirs, strict=True)]

    def snapshot(self, rows: Ints | None) -> Mapping[str, NDArray[Any]]:
        """Copies of all heritable columns at `rows`; nothing where there are none."""
        if rows is None:
            return {}
        return {c.name: self.__dict__[c.name][rows] for c in COLUMNS if c.heritable}

    def _write(self, change: Changes, heir: Mapping[str, NDArray[Any]]) -> Floats:
        rows = change.rows
        if not len(rows):
            return np.zeros(len(NAMES))
        before = self.expressed[rows]
        for name, values in heir.items():
            self.__dict__[name][rows] = values
        if change.shift is not None:
            self.latent[rows] += change.shift
        if change.values is not None:
            self.latent[rows] = change.values
            self.unswitched[rows] &= not change.switched
        if not heir:
            self.expressed[rows] = express(self.latent[rows])
        moved: Floats = (self.expressed[rows] - before).sum(axis=0) / len(self)
        return moved

    def set_latent(self, row: int, trait: int, value: float) -> None:
        """Set one latent value by hand; `collect_touched` makes the change effective."""
        if not np.isfinite(value):
            raise ValueError(f"{NAMES[trait]} of copy {row} must be finite, not {value}")
        self.latent[row, trait] = value
        self._touched.add(row)

    def collect_touched(self) -> Floats:
        """Express the rows set by hand since the last call; return the change of the means."""
        rows = np.array(sorted(self._touched), dtype=np.int64)
        self._touched.clear()
        moved: Floats = np.zeros(len(NAMES))
        if len(rows):
            fresh = express(self.latent[rows])
            moved = (fresh - self.expressed[rows]).sum(axis=0) / len(self)
            self.expressed[rows] = fresh
        return moved
