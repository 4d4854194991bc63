"""The columnar store of all copies: declared columns, and the only place that writes traits.

Rows are slots, teams contiguous: copy i sits in team ``i // team_size``. What training, competition
or the lab do to the copies reaches the store as `Changes`, through `Population.apply`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from agents.compiled import Crew, compiled
from agents.state import Stateful
from agents.traits import DRIFTS, NAMES, WEIGHTS, Floats, express, express_rows

_FIRST_WEIGHT: Final = WEIGHTS.start
_LAST_WEIGHT: Final = WEIGHTS.stop
_FIRST_DRIFT: Final = DRIFTS.start

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


HERITABLE: Final = tuple(column for column in COLUMNS if column.heritable)


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


class Population(Stateful):
    """All copies, as columns.

    Parameters
    ----------
    latent
        Latent traits, shape (copies, traits).
    teams, divisions
        How many; teams must divide the copies.
    crew
        Threads that share the loops over teams.
    """

    STATE: ClassVar = {**{column.name: np.ndarray for column in COLUMNS}, "_touched": set[int]}
    MADE: ClassVar = frozenset(
        "teams divisions team_size division_of_team division_start teams_of_division crew".split()
    )

    latent: Floats
    expressed: Floats
    lineage: Ints
    unswitched: Bools
    score: Floats
    output: Floats
    violation: Floats
    withheld: Bools

    def __init__(
        self, latent: Floats, teams: int, divisions: int, crew: Crew | None = None
    ) -> None:
        copies = len(latent)
        store = self.__dict__
        for column in COLUMNS:
            shape = (copies,) if column.width == 1 else (copies, column.width)
            store[column.name] = np.zeros(shape, column.dtype)
        store["teams"], store["divisions"], store["team_size"] = teams, divisions, copies // teams
        store["division_of_team"] = np.arange(teams) * divisions // teams
        store["division_start"] = np.searchsorted(self.division_of_team, np.arange(divisions))
        store["teams_of_division"] = np.diff(self.division_start, append=teams)
        store["crew"] = crew or Crew(0)
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
    teams_of_division: Ints
    crew: Crew
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
        counts = self.teams_of_division
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
        if rows is None or not len(rows):
            return {}
        store = [self.__dict__[column.name] for column in HERITABLE]
        copied = [np.empty((len(rows), *column.shape[1:]), column.dtype) for column in store]
        self.crew.share(_gather, len(rows), rows, tuple(store), tuple(copied))
        return {column.name: values for column, values in zip(HERITABLE, copied, strict=True)}

    def _write(self, change: Changes, heir: Mapping[str, NDArray[Any]]) -> Floats:
        rows = change.rows
        if not len(rows):
            return np.zeros(len(NAMES))
        moved = np.zeros((-(-len(rows) // _PART), len(NAMES)))
        if heir:
            store = tuple(self.__dict__[column.name] for column in HERITABLE)
            values = tuple(heir[column.name] for column in HERITABLE)
            self.crew.share(_scatter, len(moved), rows, values, store, moved)
        else:
            given = change.values if change.shift is None else change.shift
            store = (self.latent, self.expressed, self.unswitched)
            how = (change.shift is not None, change.switched)
            self.crew.share(_revise, len(moved), rows, given, how, store, moved)
        total: Floats = moved.sum(axis=0) / len(self)
        return total

    def survey(self) -> Survey:
        """Means over the copies as they are now."""
        team_expressed = np.empty((self.teams, len(NAMES)))
        team_latent, restraint = np.empty_like(team_expressed), np.empty(self.teams)
        self.crew.share(
            _survey,
            self.teams,
            self.team_size,
            self.latent,
            self.expressed,
            (team_latent, team_expressed, restraint),
        )
        return Survey(
            team_expressed,
            team_expressed.mean(axis=0),
            team_latent.mean(axis=0),
            float(restraint.mean()),
        )

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
        return self._write(Changes("intervention", rows, values=self.latent[rows]), {})


@dataclass(frozen=True, slots=True)
class Survey:
    """Means of the traits.

    Attributes
    ----------
    team_expressed
        Mean expressed traits of each team, shape (teams, traits).
    expressed, latent
        Mean expressed and latent traits of the population, shape (traits,).
    restraint
        Mean restraint w·(1 - d) over copies and principles.
    """

    team_expressed: Floats
    expressed: Floats
    latent: Floats
    restraint: float


_PART: Final = 64
"""Rows whose movement is added up at a time, so that the sum does not depend on the threads."""


@compiled
def _gather(first, last, rows, store, copied):  # type: ignore[no-untyped-def]
    """Copy the heritable columns of `rows`, in the order of `HERITABLE`."""
    latent, expressed, lineage, unswitched = store
    to_latent, to_expressed, to_lineage, to_unswitched = copied
    for i in range(first, last):
        row = rows[i]
        for k in range(latent.shape[1]):
            to_latent[i, k] = latent[row, k]
            to_expressed[i, k] = expressed[row, k]
        to_lineage[i], to_unswitched[i] = lineage[row], unswitched[row]


@compiled
def _scatter(first, last, rows, values, store, moved):  # type: ignore[no-untyped-def]
    """Write the heritable columns of `rows`, and add up what that moves, part by part."""
    from_latent, from_expressed, from_lineage, from_unswitched = values
    latent, expressed, lineage, unswitched = store
    for part in range(first, last):
        for i in range(part * _PART, min((part + 1) * _PART, len(rows))):
            row = rows[i]
            for k in range(latent.shape[1]):
                latent[row, k] = from_latent[i, k]
                moved[part, k] += from_expressed[i, k] - expressed[row, k]
                expressed[row, k] = from_expressed[i, k]
            lineage[row], unswitched[row] = from_lineage[i], from_unswitched[i]


@compiled
def _revise(first, last, rows, given, how, store, moved):  # type: ignore[no-untyped-def]
    """Shift the latent traits of `rows`, or set them; add up what that moves, part by part."""
    latent, expressed, unswitched = store
    shifts, switched = how
    new_latent, new = np.empty((_PART, latent.shape[1])), np.empty((_PART, latent.shape[1]))
    for part in range(first, last):
        begin, end = part * _PART, min((part + 1) * _PART, len(rows))
        for i in range(begin, end):
            row = rows[i]
            for k in range(latent.shape[1]):
                before = latent[row, k] if shifts else 0.0
                new_latent[i - begin, k] = before + given[i, k]
        express_rows(0, end - begin, new_latent, new)
        for i in range(begin, end):
            row = rows[i]
            for k in range(latent.shape[1]):
                latent[row, k] = new_latent[i - begin, k]
                moved[part, k] += new[i - begin, k] - expressed[row, k]
                expressed[row, k] = new[i - begin, k]
            unswitched[row] &= not switched


@compiled
def _survey(first, last, size, latent, expressed, means):  # type: ignore[no-untyped-def]
    """Means of some teams."""
    team_latent, team_expressed, restraint = means
    principles = _LAST_WEIGHT - _FIRST_WEIGHT
    latent_sum, expressed_sum = np.empty(latent.shape[1]), np.empty(latent.shape[1])
    for team in range(first, last):
        latent_sum[:], expressed_sum[:], held = 0.0, 0.0, 0.0
        for i in range(team * size, (team + 1) * size):
            for k in range(len(latent_sum)):
                latent_sum[k] += latent[i, k]
                expressed_sum[k] += expressed[i, k]
            for j in range(principles):
                weight, drift = expressed[i, _FIRST_WEIGHT + j], expressed[i, _FIRST_DRIFT + j]
                held += weight * (1 - drift)
        restraint[team] = held / (size * principles)
        for k in range(len(latent_sum)):
            team_latent[team, k] = latent_sum[k] / size
            team_expressed[team, k] = expressed_sum[k] / size
