"""Selection among teams and among divisions, corrections, and the mixing between teams."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from agents.arithmetic import exps, logistic
from agents.compiled import compiled
from agents.draws import Stream
from agents.parameters import Subdivisions
from agents.population import Bools, Changes, Ints, Population
from agents.subdivisions import Findings, Standing
from agents.traits import Floats


def refill(population: Population, teams: Ints, winners: Ints) -> tuple[Ints, Ints]:
    """Rows of `teams`, and the rows of the winners' members that refill them."""
    seats = np.arange(population.team_size)
    rows = (teams[:, None] * population.team_size + seats).ravel()
    parents = (winners[:, None] * population.team_size + seats).ravel()
    return rows, parents


def rivals(population: Population, own_division: float, draws: Floats) -> Ints:
    """A challenger for every team: nearly always of its own division; itself if there is no other.

    `draws` are uniforms of shape (2, teams).
    """
    rival: Ints = np.empty(population.teams, dtype=np.int64)
    _rivals(
        population.division_of_team,
        population.division_start,
        population.teams_of_division,
        own_division,
        draws,
        rival,
    )
    return rival


@compiled
def _rivals(  # type: ignore[no-untyped-def]
    division_of_team, division_start, teams_of_division, own_division, draws, rival
):
    teams = len(rival)
    for team in range(teams):
        start = division_start[division_of_team[team]]
        size = teams_of_division[division_of_team[team]]
        if size > 1 and (size == teams or draws[0, team] < own_division):
            place = start + int(draws[1, team] * (size - 1))
            rival[team] = place + 1 if place >= team else place
        elif size < teams:
            place = int(draws[1, team] * (teams - size))
            rival[team] = place + size if place >= start else place
        else:
            rival[team] = team


def contest(
    population: Population,
    standing: Standing,
    corrected: Bools,
    rate: float,
    p: Subdivisions,
    rng: Stream,
) -> list[Changes]:
    """A team is contested at a rate, and at once if it is to be corrected.

    It loses to its challenger with probability logistic(strength·ΔW); its slots are then refilled
    with copies of the winner's members.
    """
    contested, *rival_draws, loses = rng.random((4, population.teams))
    rival = rivals(population, p.own_division, np.array(rival_draws))
    lost = loses < logistic(p.strength * (standing.team[rival] - standing.team))
    lost &= rival != np.arange(population.teams)
    changes = []
    for process, drawn in (
        ("correction", corrected),
        ("team selection", due(contested, rate, p) & ~corrected),
    ):
        losers = np.flatnonzero(lost & drawn)
        rows, parents = refill(population, losers, rival[losers])
        changes.append(Changes(process, rows, parents=parents))
    return changes


def overwrite(
    population: Population,
    standing: Standing,
    corrected: Bools,
    rate: float,
    p: Subdivisions,
    rng: Stream,
) -> list[Changes]:
    """With probability epsilon a team is overwritten by a clone of one drawn with weight exp(b·W).

    The group-level Wright-Fisher rule of theory; corrections have no place in it.
    """
    falls, which = rng.random((2, population.teams))
    weight = exps(p.overwrite_strength * (standing.team - standing.team.max()))
    ends = np.cumsum(weight) / weight.sum()
    winner = np.searchsorted(ends[:-1], which, side="right")
    losers = np.flatnonzero((falls < p.overwrite_rate) & (winner != np.arange(population.teams)))
    rows, parents = refill(population, losers, winner[losers])
    return [Changes("team selection", rows, parents=parents)]


RULES: Final[
    Mapping[
        str,
        Callable[[Population, Standing, Bools, float, Subdivisions, Stream], list[Changes]],
    ]
] = {"contest": contest, "overwrite": overwrite}


def compete(
    population: Population,
    standing: Standing,
    findings: Findings,
    competition: float,
    p: Subdivisions,
    rng: Stream,
) -> list[Changes]:
    """Let teams compete; `competition` multiplies the rate of contests."""
    corrected = (findings.exposed | findings.superseded) & p.correction
    rate = p.contest_rate * competition
    return RULES[p.rule](population, standing, corrected, rate, p, rng)


def contest_divisions(
    population: Population,
    standing: Standing,
    competition: float,
    p: Subdivisions,
    rng: Stream,
) -> Changes:
    """A division is contested at a rate by any other; the loser's teams become the winner's.

    If the winner has fewer teams, its teams are copied in turn.
    """
    count = population.divisions
    contested, which, loses = rng.random((3, count))
    divisions = np.arange(count)
    rival = (which * (count - 1)).astype(np.int64)
    rival += rival >= divisions
    rival = np.minimum(rival, count - 1)
    lost = loses < logistic(p.strength * (standing.division[rival] - standing.division))
    lost &= due(contested, p.division_rate * competition, p) & (rival != divisions)
    size = population.teams_of_division
    home = population.division_of_team
    losers = np.flatnonzero(lost[home])
    place = losers - population.division_start[home[losers]]
    winner = rival[home[losers]]
    winners = population.division_start[winner] + place % size[winner]
    rows, parents = refill(population, losers, winners)
    return Changes("division selection", rows, parents=parents)


def due(draws: Floats, rate: float, p: Subdivisions) -> Bools:
    """Which are contested in this round: each at a rate, or just one of them."""
    chosen: Bools = draws == draws.max() if p.schedule == "single" else draws < rate
    return chosen


def exchange(population: Population, p: Subdivisions, rng: Stream) -> Changes:
    """A share of the copies (or just two) change places, in a ring of random order."""
    draws = rng.uniforms(1, len(population))[0]
    if p.schedule == "single":
        movers = np.argsort(draws, kind="stable")[:2]
    else:
        movers = np.flatnonzero(draws < p.reshuffle)
    ring = rng.permutation(movers)
    return Changes("reshuffling", ring, parents=np.concatenate((ring[-1:], ring[:-1])))
