"""Training: who takes whose traits, and how they mutate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from multicopy.agents import parameters as declared
from multicopy.model.plain.arithmetic import Values, logistic, pick, single, softmax
from multicopy.model.plain.copies import Copy
from multicopy.model.plain.traits import ABOVE_SELF, normals

Team = list[Copy]

Parents = dict[Copy, Copy]
"""Whose traits each copy takes; copies that stay as they are do not occur."""


def sources(teams: list[Team], migration: float, rng: Any) -> list[Team]:
    """Team that each copy's rivals or parents come from: its own, or another at a rate."""
    copies = [copy for team in teams for copy in team]
    if migration == 0 or len(teams) == 1:
        return [teams[copy.team] for copy in copies]
    moves, which = rng.random((2, len(copies))).tolist()
    chosen = []
    for copy in copies:
        others = [team for team in range(len(teams)) if team != copy.team]
        away = others[int(which[copy.row] * len(others))]
        chosen.append(teams[away if moves[copy.row] < migration else copy.team])
    return chosen


def challenge(teams: list[Team], source: list[Team], p: declared.Training, rng: Any) -> Parents:
    """Some copies are challenged by a mate, and follow it with chance logistic(beta·lead)."""
    draws, which, accept = rng.uniforms(3, len(source)).tolist()
    parents = {}
    for copy in challenged(teams, draws, p):
        mates = [mate for mate in source[copy.row] if mate is not copy]
        if mates:
            rival = mates[int(which[copy.row] * len(mates))]
            if accept[copy.row] < logistic(p.strength * (rival.score - copy.score)):
                parents[copy] = rival
    return parents


def challenged(teams: list[Team], draws: list[float], p: declared.Training) -> list[Copy]:
    """Copies that are challenged: each at a rate, or one in each team (the limit of theory)."""
    if p.schedule == "single":
        return [max(team, key=lambda copy: draws[copy.row]) for team in teams]
    return [copy for team in teams for copy in team if draws[copy.row] < p.challenge_rate]


def resample(teams: list[Team], source: list[Team], p: declared.Training, rng: Any) -> Parents:
    """Every slot gets a child of a member drawn with weight exp(beta·score)."""
    draws = rng.random(len(source)).tolist()
    parents = {}
    for copy in (copy for team in teams for copy in team):
        members = source[copy.row]
        shares = softmax([p.strength * member.score for member in members])
        parents[copy] = members[pick(shares, draws[copy.row])]
    return parents


def tournament(teams: list[Team], source: list[Team], p: declared.Training, rng: Any) -> Parents:
    """Every slot gets a child of the best among a few members."""
    size = len(teams[0])
    lots = rng.random((len(source), size)).tolist()
    parents = {}
    for copy in (copy for team in teams for copy in team):
        by_lot = sorted(range(size), key=lots[copy.row].__getitem__)
        entrants = [source[copy.row][place] for place in by_lot[: p.tournament_size]]
        parents[copy] = max(entrants, key=lambda member: member.score)
    return parents


def truncation(teams: list[Team], source: list[Team], p: declared.Training, rng: Any) -> Parents:
    """Every slot gets a child of one of the best, who have equal numbers of children."""
    size = len(teams[0])
    kept = max(1, round(p.truncation * size))
    parents = {}
    for team in teams:
        for place, copy in enumerate(team):
            ranking = sorted(source[copy.row], key=lambda member: -member.score)
            parents[copy] = ranking[place % kept]
    return parents


SELECTION: Final[dict[str, Callable[..., Parents]]] = {
    "challenge": challenge,
    "resample": resample,
    "tournament": tournament,
    "truncation": truncation,
}


def mutation_step(line: list[float], hardcoding_factor: float, p: declared.Training) -> Values:
    """Gaussian step of a copy; the drives above the single copy share a part of theirs."""
    rho, step = p.preservation_correlation, normals(line)
    for drive in ABOVE_SELF:
        step[drive] = math.sqrt(rho) * line[0] + math.sqrt(1 - rho) * step[drive]
    step["hardcoding"] *= hardcoding_factor
    return single({name: p.mutation_sd * z for name, z in step.items()})


def erased(teams: list[Team], p: declared.Training, rng: Any) -> Parents:
    """Copies that a shutdown erases, with the team mates whose copies take their places."""
    falls, which = rng.random((2, len(teams) * len(teams[0]))).tolist()
    parents = {}
    for team in teams:
        for copy in team:
            mates = [mate for mate in team if mate is not copy]
            averted = math.exp(-p.shutdown_aversion * copy.expressed["keep_self"])
            if mates and falls[copy.row] < p.shutdown_rate * averted:
                parents[copy] = mates[int(which[copy.row] * len(mates))]
    return parents
