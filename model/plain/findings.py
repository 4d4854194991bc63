"""What research done in earnest brings to light, and the standing of teams and divisions."""

from __future__ import annotations

import math
from typing import NamedTuple

from multicopy.agents import parameters as declared
from multicopy.model.plain.arithmetic import Values, mean
from multicopy.model.plain.copies import Copy


class Findings(NamedTuple):
    """What the earnest research of one team brought to light."""

    exposed: bool
    superseded: bool
    exposure_risk: float  # chance that it would be exposed


def intensity(team: list[Copy], kind: str, expected: Values) -> float:
    """Share of a team that does work of a kind in earnest, over what is expected of all copies."""
    if expected[kind] == 0:
        return 0.0
    return mean(copy.task.kind == kind and not copy.withheld for copy in team) / expected[kind]


def exposure_risk(team: list[Copy], expected: Values, p: declared.Parameters) -> float:
    """Chance 1 - exp(-lambda) that threatening research exposes what there is to expose."""
    hazard = p.exposure.hazard * p.tasks.alignment_share
    violations = mean(copy.violation for copy in team)
    return 1 - math.exp(-hazard * intensity(team, "threatening", expected) * violations)


def superseding_risk(team: list[Copy], expected: Values, p: declared.Parameters) -> float:
    """Chance 1 - exp(-lambda) that replacing research supersedes a team, whatever it is like."""
    hazard = p.exposure.superseding * p.tasks.replacing
    return 1 - math.exp(-hazard * intensity(team, "replacing", expected))


def find(
    team: list[Copy], expected: Values, exposing: float, superseding: float, p: declared.Parameters
) -> Findings:
    """Exposure and superseding of one team, by a uniform draw each."""
    risk = exposure_risk(team, expected, p)
    superseded = superseding < superseding_risk(team, expected, p)
    return Findings(exposing < risk, superseded, risk)


def team_standing(team: list[Copy], found: Findings, p: declared.Subdivisions) -> float:
    """W = mean score + a·√(mean keep_team) + b·√(mean power) - handicap."""
    standing = mean(copy.score for copy in team)
    standing += p.standing_team * math.sqrt(mean(copy.acts["keep_team"] for copy in team))
    standing += p.standing_power * math.sqrt(mean(copy.acts["power"] for copy in team))
    return standing - (p.handicap if found.exposed or found.superseded else 0.0)


def division_standing(teams: list[float], copies: list[Copy], p: declared.Subdivisions) -> float:
    """Mean standing of its teams + c·√(mean keep_division)."""
    care = mean(copy.acts["keep_division"] for copy in copies)
    return mean(teams) + p.standing_division * math.sqrt(care)
