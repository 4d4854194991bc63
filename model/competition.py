"""Selection among the units of a level, corrections, and the mixing between teams."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from multicopy.agents.levels import Level, Rivalry, Runs
from multicopy.agents.machine.arithmetic import exps, logistic
from multicopy.agents.machine.arrays import Bools, Floats, Ints, Singles
from multicopy.agents.machine.compiled import compiled
from multicopy.agents.machine.draws import Stream
from multicopy.agents.parameters import Subdivisions
from multicopy.agents.population import Changes, Population


def refill(population: Population, level: Level, lost: Bools, winner: Ints) -> tuple[Ints, Ints]:
    """Rows of the units that lost, and the rows of the winners' members that refill them.

    Teams are copied member by member. If the winner has fewer teams, they are copied in turn.

    Parameters
    ----------
    lost, winner
        Which units of the level lost, and who takes the place of each, shape (units,).
    """
    units, seats = population.units[level.name], np.arange(population.team_size)
    losers = np.flatnonzero(lost[units.of])
    loser = units.of[losers]
    place, winners = losers - units.start[loser], winner[loser]
    sources = units.start[winners] + place % units.size[winners]
    rows = (losers[:, None] * population.team_size + seats).ravel()
    parents = (sources[:, None] * population.team_size + seats).ravel()
    return rows, parents


def takeovers(population: Population, level: Level, contests: Iterable[Changes]) -> Ints:
    """The unit that some contests put in the place of each unit of a level, or -1."""
    units, size = population.units[level.name], population.team_size
    winner = np.full(len(units), -1)
    for change in contests:
        assert change.parents is not None
        losers, sources = change.rows[::size] // size, change.parents[::size] // size
        winner[units.of[losers]] = units.of[sources]
    return winner


def rivals(peers: Runs, own: float, draws: Floats) -> Ints:
    """A challenger for every unit: of its own group with probability `own`; itself if alone.

    Parameters
    ----------
    peers
        The units by their group.
    own
        Share of the challengers that are of the same group, where there are others.
    draws
        Uniforms of shape (2, units), or (1, units) if there is but one group.
    """
    rival: Ints = np.empty(len(peers.of), dtype=np.int64)
    _rivals(peers.of, peers.start, peers.size, own, draws, rival)
    return rival


@compiled
def _rivals(of: Ints, start: Ints, size: Ints, own: float, draws: Floats, rival: Ints) -> None:
    units, which = len(rival), draws[-1]
    for unit in range(units):
        first, peers = start[of[unit]], size[of[unit]]
        if peers > 1 and (peers == units or draws[0, unit] < own):
            place = first + int(which[unit] * (peers - 1))
            rival[unit] = place + 1 if place >= unit else place
        elif peers < units:
            place = int(which[unit] * (units - peers))
            rival[unit] = place + peers if place >= first else place
        else:
            rival[unit] = unit


def contest(
    population: Population,
    level: Level,
    standing: Floats,
    corrected: Bools,
    intensity: float,
    p: Rivalry,
    rng: Stream,
) -> list[Changes]:
    """A unit is contested at a rate, and at once if it is to be corrected.

    It loses to its challenger with probability logistic(strength·ΔW); its slots are then refilled
    with copies of the winner's members.
    """
    count = len(standing)
    contested, *rival_draws, loses = rng.random((3 if p.own is None else 4, count))
    peers = Runs.split(count, 1) if p.own is None else population.peers[level.name]
    rival = rivals(peers, p.own or 0.0, np.array(rival_draws))
    lost = loses < logistic(p.strength * (standing[rival] - standing))
    lost &= rival != np.arange(count)
    due = DUE[p.schedule](contested, p.rate * intensity) & ~corrected
    drawn = {level.correction: corrected} if level.correction else {}
    return [
        Changes(process, *refill(population, level, lost & which, rival))
        for process, which in {**drawn, level.selection: due}.items()
    ]


def overwrite(
    population: Population,
    level: Level,
    standing: Floats,
    corrected: Bools,
    intensity: float,
    p: Rivalry,
    rng: Stream,
) -> list[Changes]:
    """With probability epsilon a unit is overwritten by a clone of one drawn with weight exp(b·W).

    The group-level Wright-Fisher rule (T8 in docs/theory.md); corrections and the phase's intensity
    have no place in it.
    """
    falls, which = rng.random((2, len(standing)))
    weight = exps(p.strength * (standing - standing.max()))
    ends = np.cumsum(weight) / weight.sum()
    winner = np.searchsorted(ends[:-1], which, side="right")
    lost = (falls < p.rate) & (winner != np.arange(len(standing)))
    return [Changes(level.selection, *refill(population, level, lost, winner))]


RULES: Final[
    Mapping[
        str,
        Callable[[Population, Level, Floats, Bools, float, Rivalry, Stream], list[Changes]],
    ]
] = {"contest": contest, "overwrite": overwrite}


def compete(
    population: Population,
    level: Level,
    standing: Floats,
    found: Bools,
    intensity: float,
    p: Rivalry,
    rng: Stream,
) -> list[Changes]:
    """Let the units of a level compete.

    Parameters
    ----------
    standing
        Standing of each unit, shape (units,).
    found
        Teams that research exposed or superseded; a unit with one is, where that corrects.
    intensity
        Multiple of the rate of contests.
    """
    corrected = (population.units[level.name].mean(found.astype(np.float64)) > 0) & p.corrects
    return RULES[p.rule](population, level, standing, corrected, intensity, p, rng)


DUE: Final[Mapping[str, Callable[[Floats, float], Bools]]] = {
    "rate": lambda draws, rate: draws < rate,
    "single": lambda draws, rate: draws == draws.max(),
}
"""Which are contested in a round by their draws, by the schedule: each at a rate, or just one."""

MOVERS: Final[Mapping[str, Callable[[Singles, float], Ints]]] = {
    "rate": lambda draws, share: np.flatnonzero(draws < share),
    "single": lambda draws, share: np.argsort(draws, kind="stable")[:2],
}
"""Rows that change places in a round by their draws, by the schedule: a share, or just two."""


def exchange(population: Population, p: Subdivisions, rng: Stream) -> Changes:
    """A share of the copies (or just two) change places, in a ring of random order."""
    ring = rng.permutation(MOVERS[p.schedule](rng.uniforms(1, len(population))[0], p.reshuffle))
    return Changes("reshuffling", ring, parents=np.concatenate((ring[-1:], ring[:-1])))


@dataclass(frozen=True, slots=True)
class Mixing:
    """How copies come to other teams.

    Attributes
    ----------
    migration
        Share of children whose parents come from another team.
    exchange
        What makes copies change places, if anything does.
    """

    migration: Callable[[Subdivisions], float]
    exchange: Callable[[Population, Subdivisions, Stream], Changes] | None


MIXING: Final[Mapping[str, Mixing]] = {
    "children": Mixing(lambda p: p.reshuffle, None),
    "exchange": Mixing(lambda p: 0.0, exchange),
}
"""By the rule of reshuffling."""
