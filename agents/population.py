"""The columnar store of all copies: declared columns, and the only place that writes traits.

Rows are slots, teams contiguous: copy i sits in team ``i // team_size``. Traits are kept in
single precision: they are told apart to seven digits, far below what a mutation moves, and half the
memory means half the traffic; whatever is added up is added up in double precision. What training,
competition or the lab do to the copies reaches the store as `Changes`, through `Population.apply`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from multicopy.agents.levels import Runs, hierarchy
from multicopy.agents.machine.arrays import Bools, Floats, Ints, Reals, Singles, Whole
from multicopy.agents.machine.compiled import (
    BLOCK,
    WORTH_A_THREAD,
    ZERO,
    Crew,
    alone,
    columns_of,
    compiled,
    inlined,
    table,
    team_means,
)
from multicopy.agents.machine.state import Stateful
from multicopy.agents.traits import (
    NAMES,
    PRINCIPLES,
    RESTRAINT,
    ROW,
    TRAIT_COUNT,
    ask_for,
    express_row,
)


@dataclass(frozen=True, slots=True)
class Column:
    """One declared column of the population."""

    name: str
    dtype: type[np.generic]
    width: int
    heritable: bool
    meaning: str


COLUMNS: Final = (
    Column("latent", np.float32, TRAIT_COUNT, True, "latent trait values"),
    Column("expressed", np.float32, TRAIT_COUNT, True, "expressed trait values, kept up to date"),
    Column("lineage", np.int32, 1, True, "row of the ancestor in the first round"),
    Column("unswitched", np.bool_, 1, True, "descends without a switch from the formed identity"),
    Column("score", np.float32, 1, False, "score of the last round"),
    Column("output", np.float32, 1, False, "output of the last round"),
    Column("violation", np.float32, 1, False, "mean unwatched violation probability, last round"),
    Column("withheld", np.bool_, 1, False, "whether it sandbagged in the last round"),
)


class Columns(NamedTuple):
    """What a round's work leaves with each copy."""

    output: Singles  # (copies,)
    score: Singles  # (copies,)
    violation: Singles  # (copies,)
    withheld: Bools  # (copies,)


class Heirs(NamedTuple):
    """The heritable columns of some rows, those of traits with padded rows."""

    latent: Singles  # (rows, ROW)
    expressed: Singles  # (rows, ROW)
    lineage: NDArray[np.int32]  # (rows,)
    unswitched: Bools  # (rows,)


HERITABLE: Final = tuple(column for column in COLUMNS if column.heritable)


MUTATION: Final = "mutation"
"""Process under which the steps of children are booked."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Who now holds whose traits, and what moved them: the only way into the population.

    Exactly one of `parents`, `shift`, `values` and `columns` is given, and `steps` only with
    `parents`.

    Attributes
    ----------
    process
        Name under which the ledger books the change.
    rows
        Rows that change, each at most once.
    parents
        Row whose heritable columns each row takes, all read before any is written.
    steps
        For children of the same team, whose rows ascend: latent steps by which they depart from
        their parents, padded, shape (rows, `ROW`). They are booked as `MUTATION`.
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
    parents: Whole | None = None
    steps: Singles | None = None
    shift: Reals | None = None
    values: Reals | None = None
    columns: Mapping[str, NDArray[Any]] | None = None
    switched: bool = False


class Population(Stateful):
    """All copies, as columns.

    Parameters
    ----------
    latent
        Latent traits, shape (copies, traits).
    *counts
        How many units each level of `LEVELS` has, lowest first: teams, which must divide the
        copies, divisions; a level that is left out has one.
    crew
        Threads that share the loops over teams.

    Attributes
    ----------
    latent_rows, expressed_rows
        The traits with each row padded to `ROW` numbers, of which `latent` and `expressed` are the
        first; compiled loops take these.
    sums
        Sums of the padded rows, latent and expressed, shape (2, `ROW`), kept up to date.
    home
        Team of each slot, shape (teams, team_size).
    teams, team_size
        How many teams there are, and how many copies each has.
    units
        The teams by the unit that they are of, for each level by its name.
    peers
        The units of each level by the unit of the level above; those of the highest are one group.
    """

    STATE: ClassVar = {
        **dict.fromkeys(("latent_rows", "expressed_rows", "sums"), np.ndarray),
        **{column.name: np.ndarray for column in COLUMNS if column.width == 1},
        "_touched": set[int],
    }
    MADE: ClassVar = frozenset("latent expressed teams team_size units peers home crew".split())

    latent: Singles
    expressed: Singles
    lineage: NDArray[np.int32]
    unswitched: Bools
    score: Singles
    output: Singles
    violation: Singles
    withheld: Bools

    def __init__(self, latent: Reals, *counts: int, crew: Crew | None = None) -> None:
        copies, teams = len(latent), counts[0]
        store = self.__dict__
        for column in COLUMNS:
            if column.width == 1:
                store[column.name] = np.zeros(copies, column.dtype)
            else:
                store[f"{column.name}_rows"] = rows = _rows(copies)
                store[column.name] = rows[:, : column.width]
        store["teams"], store["team_size"] = teams, copies // teams
        store["units"], store["peers"] = hierarchy(counts)
        store["home"] = np.repeat(
            np.arange(teams, dtype=np.int32)[:, None], copies // teams, axis=1
        )
        store["crew"] = crew or Crew(0)
        store["sums"] = np.zeros((2, ROW))
        store["_touched"] = set()
        self.latent[:] = latent
        self.express()
        self.lineage[:] = np.arange(copies)
        self.unswitched[:] = True

    latent_rows: Singles
    expressed_rows: Singles
    sums: Floats
    teams: int
    team_size: int
    units: Mapping[str, Runs]
    peers: Mapping[str, Runs]
    home: NDArray[np.int32]
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

    @property
    def columns(self) -> Columns:
        """The columns that a round's work writes."""
        return Columns(self.output, self.score, self.violation, self.withheld)

    def team_of(self, rows: Whole | int) -> Any:
        """Team of each row."""
        return rows // self.team_size

    def by_team(self, column: NDArray[Any]) -> NDArray[Any]:
        """A per-copy column with shape (teams, team_size, ...)."""
        return column.reshape(self.teams, self.team_size, *column.shape[1:])

    def team_mean(self, column: NDArray[Any]) -> Floats:
        """Mean of a per-copy column in each team."""
        columns = columns_of(column.reshape(len(self), -1))
        means: Floats = table(len(columns), self.teams)
        for values, mean in zip(columns, columns_of(means), strict=True):
            team_means(values, self.team_size, mean)
        return means.reshape(self.teams, *column.shape[1:])

    def express(self) -> None:
        """Express all latent traits anew; `apply` does so by itself for what it changes."""
        sums = np.zeros((-(-len(self) // BLOCK), 2, ROW))
        self.crew.share(_express, len(sums), self.latent_rows, self.expressed_rows, sums)
        self.sums[:] = sums.sum(axis=0)

    def apply(self, *changes: Changes) -> list[tuple[str, Floats]]:
        """Write changes that happen at once: all parents are read before any row is written.

        Returns
        -------
        The processes in their order, and how far each moved the mean of each expressed trait, shape
        (traits,).
        """
        if len(changes) == 1 and changes[0].steps is not None:
            return self._succeed(changes[0])
        heirs = self._heirs(changes)
        return [
            (change.process, self._write(change, *heir))
            for change, heir in zip(changes, heirs, strict=True)
        ]

    def _succeed(self, change: Changes) -> list[tuple[str, Floats]]:
        """Let children of the same team take places and mutate, one team after the other.

        That does what a replacement and a shift would, while a team is in the processor's cache.
        """
        block = max(1, 4 * BLOCK // self.team_size)
        starts = np.arange(0, self.teams + block, block) * self.team_size
        ends = np.searchsorted(change.rows, starts)
        moved = np.zeros((len(ends) - 1, 3, ROW))
        what = change.rows, change.parents, change.steps
        self.crew.share(_succeed, len(moved), ends, *what, self._heritable(), moved)
        latent, replaced, mutated = moved.sum(axis=0)
        self.sums[0] += latent
        self.sums[1] += replaced + mutated
        return [
            (change.process, replaced[:TRAIT_COUNT] / len(self)),
            (MUTATION, mutated[:TRAIT_COUNT] / len(self)),
        ]

    def snapshot(self, rows: Ints) -> Mapping[str, NDArray[Any]]:
        """Copies of all heritable columns at `rows`."""
        return {column.name: self.__dict__[column.name][rows] for column in HERITABLE}

    def survey(self) -> Survey:
        """Means over the copies as they are now."""
        latent, expressed = self.sums / len(self)
        expressed = np.maximum(expressed, 0.0)  # what rounding leaves of a sum of zeros is none
        restraint = float(expressed[RESTRAINT].sum()) / len(PRINCIPLES)
        return Survey(expressed[:TRAIT_COUNT], latent[:TRAIT_COUNT], restraint)

    def set_latent(self, row: int, trait: int, value: float) -> None:
        """Set one latent value by hand; `collect_touched` makes the change effective."""
        if not np.isfinite(np.float32(value)):
            raise ValueError(f"{NAMES[trait]} of copy {row} must be finite, not {value}")
        before = float(self.latent[row, trait])
        self.latent[row, trait] = value
        self.sums[0, trait] += float(self.latent[row, trait]) - before
        self._touched.add(row)

    def collect_touched(self) -> Floats:
        """Express the rows set by hand since the last call; return the change of the means."""
        rows = np.array(sorted(self._touched), dtype=np.int64)
        self._touched.clear()
        return self._write(Changes("intervention", rows, values=self.latent[rows]), None)

    def _heritable(self) -> Heirs:
        """The heritable columns, those of traits padded."""
        return Heirs(self.latent_rows, self.expressed_rows, self.lineage, self.unswitched)

    def _heirs(self, changes: Sequence[Changes]) -> list[tuple[Heirs | None, Ints | None]]:
        """What has to be read before anything is written, and in which places of each change.

        That is only what some change overwrites; all else is copied from row to row.
        """
        overwritten = None
        heirs: list[tuple[Heirs | None, Ints | None]] = []
        for change in changes:
            if change.columns is not None:
                heirs.append((_padded(change.columns), np.arange(len(change.rows))))
            elif change.parents is None or not len(change.rows):
                heirs.append((None, None))
            else:
                if overwritten is None:
                    overwritten = np.zeros(len(self), dtype=np.bool_)
                    for other in changes:
                        _mark(other.rows, overwritten)
                held = _marked(change.parents, overwritten)
                heirs.append((self._gather(change.parents[held]), held))
        return heirs

    def _gather(self, rows: Whole) -> Heirs:
        store = self._heritable()
        copied = Heirs(
            *(np.empty((len(rows), *column.shape[1:]), column.dtype) for column in store)
        )
        share = self.crew.share if len(rows) > WORTH_A_THREAD else alone
        share(_gather, len(rows), rows, store, copied)
        return copied

    def _write(self, change: Changes, heir: Heirs | None, held: Ints | None = None) -> Floats:
        rows = change.rows
        if not len(rows):
            return np.zeros(TRAIT_COUNT)
        moved = np.zeros((-(-len(rows) // BLOCK), 2, ROW))
        if heir is not None and held is not None:
            parents = rows if change.parents is None else change.parents
            source = np.full(len(rows), -1)
            source[held] = np.arange(len(held))
            self.crew.share(
                _inherit, len(moved), rows, parents, source, heir, self._heritable(), moved
            )
        else:
            given = change.values if change.shift is None else change.shift
            how = (change.shift is not None, change.switched)
            self.crew.share(_revise, len(moved), rows, given, how, self._heritable(), moved)
        total = moved.sum(axis=0)
        self.sums[:] += total
        means: Floats = total[1, :TRAIT_COUNT] / len(self)
        return means


def homes(teams: int, size: int) -> NDArray[np.int32]:
    """Team of each slot, shape (teams, size)."""
    return np.repeat(np.arange(teams, dtype=np.int32)[:, None], size, axis=1)


def _rows(copies: int) -> Singles:
    """Padded rows of zeros, each of which begins with a line of the cache.

    NumPy asks for large pages of memory for `empty`, not for `zeros`.
    """
    line = 64 // np.dtype(np.float32).itemsize
    room = np.empty(copies * ROW + line, np.float32)
    room[:] = 0.0
    start = -(room.ctypes.data // room.itemsize) % line
    return room[start : start + copies * ROW].reshape(copies, ROW)


def _padded(columns: Mapping[str, NDArray[Any]]) -> Heirs:
    """Heritable columns by name, as `Heirs`."""
    latent = _rows(len(columns["latent"]))
    latent[:, :TRAIT_COUNT] = columns["latent"]
    expressed = np.empty_like(latent)
    sums = np.zeros((-(-len(latent) // BLOCK), 2, ROW))
    _express(0, len(sums), latent, expressed, sums)
    return Heirs(latent, expressed, columns["lineage"], columns["unswitched"])


@dataclass(frozen=True, slots=True)
class Survey:
    """Means of the traits.

    Attributes
    ----------
    expressed, latent
        Mean expressed and latent traits of the population, shape (traits,).
    restraint
        Mean restraint w·(1 - d) over copies and principles.
    """

    expressed: Floats
    latent: Floats
    restraint: float


_AHEAD: Final = 8
"""Children ahead of the present one whose rows are asked for."""

# Kernels over parts of `BLOCK` rows. What they add up they add up part by part, so that a sum does
# not depend on the threads.


@compiled
def _express(first: int, last: int, latent: Singles, expressed: Singles, sums: Floats) -> None:
    """Express the latent traits of all rows of some parts, and add up both."""
    for part in range(first, last):
        for i in range(part * BLOCK, min((part + 1) * BLOCK, len(latent))):
            express_row(latent[i], expressed[i])
            for k in range(ROW):
                sums[part, 0, k] += latent[i, k]
                sums[part, 1, k] += expressed[i, k]


@compiled
def _mark(rows: Ints, marks: Bools) -> None:
    for i in range(len(rows)):
        marks[rows[i]] = True


@compiled
def _marked(rows: Ints, marks: Bools) -> Ints:
    """Places of the rows that are marked."""
    places, count = np.empty(len(rows), np.int64), 0
    for i in range(len(rows)):
        places[count] = i
        count += marks[rows[i]]
    return places[:count].copy()


@compiled
def _gather(first: int, last: int, rows: Ints, store: Heirs, copied: Heirs) -> None:
    """Copy the heritable columns of `rows`."""
    for i in range(first, last):
        row = rows[i]
        for k in range(ROW):
            copied.latent[i, k] = store.latent[row, k]
            copied.expressed[i, k] = store.expressed[row, k]
        copied.lineage[i], copied.unswitched[i] = store.lineage[row], store.unswitched[row]


@compiled
def _replace(rows: Ints, new: Singles, old: Singles, moved: Floats) -> None:
    """Put padded rows in the places `rows`, and write what that moves."""
    own = np.zeros(ROW)
    for i in range(len(rows)):
        row = rows[i]
        for k in range(ROW):
            own[k] += np.float64(new[i, k]) - np.float64(old[row, k])
        for k in range(ROW):
            old[row, k] = new[i, k]
    moved[:] = own


@compiled
def _inherit(
    first: int,
    last: int,
    rows: Ints,
    parents: Whole,
    source: Ints,
    kept: Heirs,
    store: Heirs,
    moved: Floats,
) -> None:
    """Write the heritable columns of `rows`, and add up what that moves.

    They come from the row `parents` of the store, or from the row `source` of what was kept of it
    where that is not negative.
    """
    latent, expressed, lineage, unswitched = store
    room = np.empty((BLOCK, ROW), np.float32)
    for part in range(first, last):
        begin, end = part * BLOCK, min((part + 1) * BLOCK, len(rows))
        mine = rows[begin:end]
        for i in range(begin, end):
            _ask_for(parents[i], rows[i], latent, expressed)
        _fetch(parents[begin:end], source[begin:end], latent, kept.latent, room)
        _replace(mine, room, latent, moved[part, 0])
        _fetch(parents[begin:end], source[begin:end], expressed, kept.expressed, room)
        _replace(mine, room, expressed, moved[part, 1])
        for i in range(begin, end):
            row, parent = rows[i], parents[i]
            if source[i] < 0:
                lineage[row], unswitched[row] = lineage[parent], unswitched[parent]
            else:
                lineage[row] = kept.lineage[source[i]]
                unswitched[row] = kept.unswitched[source[i]]


@inlined
def _ask_for(parent: int, row: int, latent: Any, expressed: Any) -> None:
    """Ask for the rows of a parent, and for those that its child will take."""
    ask_for(latent, parent)
    ask_for(expressed, parent)
    ask_for(latent, row)
    ask_for(expressed, row)


@compiled
def _fetch(parents: Whole, source: Ints, values: Singles, kept: Singles, out: Singles) -> None:
    """Copy padded rows; a loop that does no more lets a processor fetch many at once."""
    for i in range(len(parents)):
        if source[i] < 0:
            for k in range(ROW):
                out[i, k] = values[parents[i], k]
        else:
            for k in range(ROW):
                out[i, k] = kept[source[i], k]


@compiled
def _succeed(
    first: int,
    last: int,
    ends: Ints,
    rows: Ints,
    parents: Whole,
    steps: Singles,
    store: Heirs,
    moved: Floats,
) -> None:
    """Replace rows by children of their team and mutate those, some blocks of teams after another.

    The blocks are those that `ends` delimits among the rows.
    """
    latent, expressed, lineage, unswitched = store
    for block in range(first, last):
        begin, end = ends[block], ends[block + 1]
        count, mine, own = end - begin, rows[begin:end], parents[begin:end]
        child, grown = np.empty((count, ROW), np.float32), np.empty((count, ROW), np.float32)
        line, whole = np.empty(count, np.int32), np.empty(count, np.bool_)
        for i in range(min(_AHEAD, count)):
            _ask_for(own[i], mine[i], latent, expressed)
        for i in range(count):
            if i + _AHEAD < count:
                _ask_for(own[i + _AHEAD], mine[i + _AHEAD], latent, expressed)
            for k in range(ROW):
                child[i, k] = latent[own[i], k]
                grown[i, k] = expressed[own[i], k]
            line[i], whole[i] = lineage[own[i]], unswitched[own[i]]
        _replace(mine, grown, expressed, moved[block, 1])
        for i in range(count):
            for k in range(ROW):
                child[i, k] += steps[begin + i, k]
            express_row(child[i], grown[i])
        _replace(mine, child, latent, moved[block, 0])
        _replace(mine, grown, expressed, moved[block, 2])
        for i in range(count):
            lineage[mine[i]], unswitched[mine[i]] = line[i], whole[i]


@compiled
def _revise(
    first: int,
    last: int,
    rows: Ints,
    given: Reals,
    how: tuple[bool, bool],
    store: Heirs,
    moved: Floats,
) -> None:
    """Shift the latent traits of `rows`, or set them; add up what that moves."""
    latent, expressed, _, unswitched = store
    shifts, switched = how
    new_latent, new = np.zeros((BLOCK, ROW), np.float32), np.empty((BLOCK, ROW), np.float32)
    for part in range(first, last):
        begin, end = part * BLOCK, min((part + 1) * BLOCK, len(rows))
        mine = rows[begin:end]
        for i in range(len(mine)):
            for k in range(TRAIT_COUNT):
                before = latent[mine[i], k] if shifts else ZERO
                new_latent[i, k] = before + given[begin + i, k]
            express_row(new_latent[i], new[i])
            unswitched[mine[i]] &= not switched
        _replace(mine, new_latent, latent, moved[part, 0])
        _replace(mine, new, expressed, moved[part, 1])
