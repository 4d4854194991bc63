"""Contests among teams and among divisions, and the exchange of copies."""

from __future__ import annotations

from typing import Any

from multicopy.agents import parameters as declared
from multicopy.model.plain.arithmetic import logistic, pick, softmax
from multicopy.model.plain.copies import Copy
from multicopy.model.plain.training import Parents

Taken = dict[int, int]
"""Teams that are refilled, with those whose members' copies fill them."""

Divisions = list[list[int]]
"""Teams of each division."""


def rival_team(team: int, divisions: Divisions, at_home: float, which: float, share: float) -> int:
    """Who contests a team: nearly always one of its division; itself if it is the only one."""
    home = next(teams for teams in divisions if team in teams)
    mates = [other for other in home if other != team]
    strangers = [other for teams in divisions if teams is not home for other in teams]
    if not mates and not strangers:
        return team
    inside = bool(mates) and (at_home < share or not strangers)
    candidates = mates if inside else strangers
    return candidates[int(which * len(candidates))]


def due(draws: list[float], rate: float, p: declared.Subdivisions) -> list[bool]:
    """Who is contested: each at a rate, or one of them (the limit of theory)."""
    if p.schedule == "single":
        return [draw == max(draws) for draw in draws]
    return [draw < rate for draw in draws]


def contested_teams(
    standing: list[float],
    divisions: Divisions,
    corrected: list[bool],
    rate: float,
    p: declared.Subdivisions,
    rng: Any,
) -> Taken:
    """Teams that lose a contest, with their winners: logistic(strength·lead)."""
    draws, at_home, which, loses = rng.random((4, len(standing))).tolist()
    contested = due(draws, rate, p)
    taken = {}
    for team, own in enumerate(standing):
        if not (corrected[team] or contested[team]):
            continue
        rival = rival_team(team, divisions, at_home[team], which[team], p.own_division)
        if rival != team and loses[team] < logistic(p.strength * (standing[rival] - own)):
            taken[team] = rival
    return taken


def overwritten_teams(standing: list[float], p: declared.Subdivisions, rng: Any) -> Taken:
    """Teams overwritten by a clone of one drawn with weight exp(beta·W)."""
    falls, which = rng.random((2, len(standing))).tolist()
    shares = softmax([p.overwrite_strength * own for own in standing])
    taken = {}
    for team in range(len(standing)):
        winner = pick(shares, which[team])
        if falls[team] < p.overwrite_rate and winner != team:
            taken[team] = winner
    return taken


def contested_divisions(
    standing: list[float],
    divisions: Divisions,
    rate: float,
    p: declared.Subdivisions,
    rng: Any,
) -> Taken:
    """Teams of the divisions that lose a contest, with the winners' teams, copied in turn."""
    draws, which, loses = rng.random((3, len(standing))).tolist()
    contested = due(draws, rate, p)
    taken = {}
    for division, own in enumerate(standing):
        others = [other for other in range(len(standing)) if other != division]
        if not others or not contested[division]:
            continue
        rival = others[int(which[division] * len(others))]
        if loses[division] < logistic(p.strength * (standing[rival] - own)):
            for place, team in enumerate(divisions[division]):
                taken[team] = divisions[rival][place % len(divisions[rival])]
    return taken


def refilled(teams: list[list[Copy]], taken: Taken) -> Parents:
    """Each member of a team that was taken over takes the traits of the winner's member."""
    parents = {}
    for team, winner in taken.items():
        for copy, parent in zip(teams[team], teams[winner], strict=True):
            parents[copy] = parent
    return parents


def exchanged(copies: list[Copy], p: declared.Subdivisions, rng: Any) -> Parents:
    """Copies that change places in a ring, each to where the next one was: a share, or two."""
    (lots,) = rng.uniforms(1, len(copies)).tolist()
    movers = [row for row in range(len(copies)) if lots[row] < p.reshuffle]
    if p.schedule == "single":
        movers = sorted(range(len(copies)), key=lots.__getitem__)[:2]
    ring = [copies[int(row)] for row in rng.permutation(movers)]
    return {copy: ring[place - 1] for place, copy in enumerate(ring)}
