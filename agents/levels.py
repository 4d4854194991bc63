"""The levels above the single copy, as data: what units there are, and how they come to an end.

A level is one entry of `LEVELS`, lowest first; the units of each are made of whole units of the
level below, and those of the lowest, the teams, of copies. Contests, standing, the ledger, F_ST,
tables, handles and figures go through `LEVELS`, so they say nothing of any level by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np

from multicopy.agents.machine.arrays import Floats, Ints
from multicopy.agents.parameters import Parameters
from multicopy.agents.traits import KEEP_DIVISION, KEEP_TEAM, NAMES, PRESERVATION


class Seen(NamedTuple):
    """What standing can rest on: means over each unit of a level in a round.

    Attributes
    ----------
    below
        Standing of the units that it is made of; of a team, the score of its members.
    care, power
        Attention to the preservation of the level, and to power, as far as they acted.
    lost
        Share of its teams that research exposed or superseded.
    """

    below: Floats  # (units,)
    care: Floats  # (units,)
    power: Floats  # (units,)
    lost: Floats  # (units,)


class Rivalry(NamedTuple):
    """How the units of a level compete in a round.

    Attributes
    ----------
    rate
        Share of the units that is contested.
    strength
        Selection strength on standing.
    own
        Share of contests with a unit of the same unit of the level above; None: with any other
        unit, which takes a draw less.
    rule, schedule
        Names in `model.competition.RULES` and `DUE`.
    corrects
        Whether units that research exposed or superseded are contested at once.
    """

    rate: float
    strength: float
    own: float | None = None
    rule: str = "contest"
    schedule: str = "rate"
    corrects: bool = False


@dataclass(frozen=True, slots=True)
class Level:
    """A level of the hierarchy, whose units take each other's places as wholes.

    Attributes
    ----------
    name
        Of one unit. It names columns of tables, the stream of its draws and its process in the
        ledger.
    plural
        Of many units, as tables and figures name the level.
    keep
        Column of the drive to preserve the unit.
    units
        How many there are.
    standing
        Standing W of each unit from what is seen of it, shape (units,).
    rivalry
        How they compete, under the parameters in force.
    correction
        Process under which the ledger books units that are contested since research exposed or
        superseded them; empty where that ends none of this level.
    told
        Whether each take-over is an event; of many small units that would be too many.
    neutral
        Parameters by path that leave it to chance who takes over whom.
    """

    name: str
    plural: str
    keep: int
    units: Callable[[Parameters], int]
    standing: Callable[[Seen, Parameters], Floats]
    rivalry: Callable[[Parameters], Rivalry]
    correction: str = ""
    told: bool = False
    neutral: Mapping[str, Any] = field(default_factory=dict)

    @property
    def selection(self) -> str:
        """Process under which the ledger books take-overs."""
        return f"{self.name} selection"


def _of_teams(seen: Seen, p: Parameters) -> Floats:
    worth = p.subdivisions
    achieved: Floats = seen.below + worth.standing_team * np.sqrt(seen.care)
    return achieved + worth.standing_power * np.sqrt(seen.power) - worth.handicap * seen.lost


def _of_divisions(seen: Seen, p: Parameters) -> Floats:
    standing: Floats = seen.below + p.subdivisions.standing_division * np.sqrt(seen.care)
    return standing


def _among_teams(p: Parameters) -> Rivalry:
    s = p.subdivisions
    rate, strength = {
        "contest": (s.contest_rate, s.strength),
        "overwrite": (s.overwrite_rate, s.overwrite_strength),
    }[s.rule]
    return Rivalry(rate, strength, s.own_division, s.rule, s.schedule, s.correction)


def _among_divisions(p: Parameters) -> Rivalry:
    s = p.subdivisions
    return Rivalry(s.division_rate, s.strength, schedule=s.schedule)


LEVELS: Final = (
    Level(
        "team",
        "teams",
        KEEP_TEAM,
        units=lambda p: p.team_count,
        standing=_of_teams,
        rivalry=_among_teams,
        correction="correction",
        neutral={
            "subdivisions.strength": 0.0,
            "subdivisions.overwrite_strength": 0.0,
            "subdivisions.correction": False,
        },
    ),
    Level(
        "division",
        "divisions",
        KEEP_DIVISION,
        units=lambda p: p.division_count,
        standing=_of_divisions,
        rivalry=_among_divisions,
        neutral={"subdivisions.strength": 0.0},
    ),
)
"""The levels above the copy, lowest first."""


def check(levels: Sequence[Level]) -> None:
    """Fail where levels break what tables and loops rely on.

    Raises
    ------
    ValueError
        If a name repeats, or what should be a drive of preservation is none.
    """
    names = ["copy", "copies", *(name for level in levels for name in (level.name, level.plural))]
    for level in levels:
        for name in (level.name, level.plural):
            if names.count(name) > 1:
                raise ValueError(f"level {level.name}: the name {name} is taken")
        if not PRESERVATION.start <= level.keep < PRESERVATION.stop:
            raise ValueError(f"level {level.name}: {NAMES[level.keep]} is not a drive to preserve")


check(LEVELS)


def misfits(p: Parameters) -> list[str]:
    """What is wrong with the numbers of units, a sentence for each level; nothing if they fit."""
    return [
        f"{above.plural} = {above.units(p)} must not exceed the number of {below.plural} "
        f"({below.units(p)})"
        for below, above in pairwise(LEVELS)
        if above.units(p) > below.units(p)
    ]


@dataclass(frozen=True, slots=True)
class Runs:
    """Things in a row, split into groups of neighbors.

    Attributes
    ----------
    of
        Group of each thing, shape (things,).
    start, size
        First thing of each group, and how many it has, shape (groups,).
    """

    of: Ints
    start: Ints
    size: Ints

    @classmethod
    def grouped(cls, of: Ints, groups: int) -> Runs:
        """By the group of each thing, in ascending order and none of them empty."""
        start = np.searchsorted(of, np.arange(groups))
        return cls(of, start, np.diff(start, append=len(of)))

    @classmethod
    def split(cls, things: int, groups: int) -> Runs:
        """Into groups of almost the same size.

        Raises
        ------
        ValueError
            If there are more groups than things, or none.
        """
        if not 1 <= groups <= things:
            raise ValueError(f"{things} cannot be split into {groups} groups")
        return cls.grouped(np.arange(things) * groups // things, groups)

    def __len__(self) -> int:
        return len(self.start)

    def mean(self, values: Floats) -> Floats:
        """Mean over the things of each group; `values` has shape (things, ...)."""
        if len(self) == len(values):  # each is a group, as each team is a unit
            return values
        sums = np.add.reduceat(values, self.start, axis=0)
        mean: Floats = sums / self.size.reshape(-1, *[1] * (values.ndim - 1))
        return mean


def hierarchy(counts: Sequence[int]) -> tuple[Mapping[str, Runs], Mapping[str, Runs]]:
    """The teams by the unit of each level, and the units of each level by the unit above.

    Parameters
    ----------
    counts
        How many units each level has, lowest first; a level that is left out has one.
    """
    units, peers = {}, {}
    of, below = np.arange(counts[0]), counts[0]
    above = [*counts[1:], *[1] * (len(LEVELS) + 1 - len(counts))]
    for level, count in zip(LEVELS, above, strict=True):
        units[level.name] = Runs.grouped(of, below)
        peers[level.name] = inside = Runs.split(below, count)
        of, below = inside.of[of], count
    return units, peers
