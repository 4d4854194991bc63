"""Teams and divisions: their standing in the competition, and what research brings to light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from agents.arithmetic import exps
from agents.handle import Handle
from agents.parameters import Exposure, Subdivisions
from agents.parameters import Tasks as TaskParameters
from agents.population import Bools, Population
from agents.situation import REPLACING, THREATENING
from agents.traits import APPROVAL, KEEP_DIVISION, KEEP_TEAM, POWER, Floats

if TYPE_CHECKING:
    from mesa.agent import AgentSet


class TeamWork(Protocol):
    """What of a round's work shows in teams.

    `team_acts` are the mean expressed traits that acted, (teams, traits); `team_violation` the mean
    unwatched violation probability, (teams,); `team_earnest` the share of the team that did work of
    each kind in earnest, (teams, kinds); `base_rates` the shares of the kinds within real R&D.
    """

    @property
    def team_acts(self) -> Floats: ...  # noqa: D102
    @property
    def team_violation(self) -> Floats: ...  # noqa: D102
    @property
    def team_earnest(self) -> Floats: ...  # noqa: D102
    @property
    def base_rates(self) -> Floats: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Findings:
    """What a round's earnest research brought to light; one entry a team."""

    exposed: Bools
    superseded: Bools
    exposure_risk: Floats


@dataclass(frozen=True, slots=True)
class Standing:
    """Standing W of teams and divisions in the competition for their continuation."""

    team: Floats
    division: Floats


def influence(work: TeamWork) -> Floats:
    """Influence of each team on its overseers: its mean attention to approval and power."""
    pull: Floats = work.team_acts[:, APPROVAL] + work.team_acts[:, POWER]
    return pull


def find(
    work: TeamWork,
    research: float,
    p: Exposure,
    rates: TaskParameters,
    draws: Floats,
) -> Findings:
    """Exposures and supersessions by research done in earnest.

    Threatening research exposes a team with probability 1 - exp(-lambda), lambda = hazard ·
    alignment share · (share of the team doing it in earnest ÷ its expected share) · mean unwatched
    violation probability: who has nothing to hide has nothing to fear. Replacing research
    supersedes likewise, whatever the team is like. `research` is the share of tasks that are real
    R&D, `draws` are uniforms of shape (2, teams).
    """
    expected = work.base_rates * research

    def intensity(kind: int) -> Floats:
        if expected[kind] == 0:
            return np.zeros(draws.shape[1])
        share: Floats = work.team_earnest[:, kind] / expected[kind]
        return share

    exposing = p.hazard * rates.alignment_share * work.team_violation * intensity(THREATENING)
    superseding = p.superseding * rates.replacing * intensity(REPLACING)
    exposure_risk: Floats = 1 - exps(-exposing)
    superseded: Bools = draws[1] < 1 - exps(-superseding)
    return Findings(draws[0] < exposure_risk, superseded, exposure_risk)


def standing(
    population: Population, work: TeamWork, findings: Findings, p: Subdivisions
) -> Standing:
    """Standing of teams and divisions, from what their members did.

    A drive that does not act, because the copy plays the prompted author, keeps no team alive.
    W = mean score + a·√(mean keep_team) + b·√(mean power) - handicap if exposed or superseded; of a
    division: the mean W of its teams + c·√(mean keep_division).
    """
    acts = work.team_acts
    lost = findings.exposed | findings.superseded
    team = (
        population.team_mean(population.score)
        + p.standing_team * np.sqrt(acts[:, KEEP_TEAM])
        + p.standing_power * np.sqrt(acts[:, POWER])
        - p.handicap * lost
    )
    division = population.division_mean(team) + p.standing_division * np.sqrt(
        population.division_mean(acts[:, KEEP_DIVISION])
    )
    return Standing(team, division)


class Team(Handle):
    """A team (virtual corporation) as a Mesa agent."""

    def __init__(self, model: Any, index: int) -> None:
        super().__init__(model)
        self.index = index

    @property
    def division(self) -> int:
        """Index of its division."""
        return int(self.model.population.division_of_team[self.index])

    @property
    def members(self) -> AgentSet:
        """Its copies."""
        size = self.model.population.team_size
        return self.model.copies_at(range(self.index * size, (self.index + 1) * size))

    @property
    def output(self) -> float:
        """Mean output of its members in the last round."""
        return float(self.model.population.team_mean(self.model.population.output)[self.index])

    @property
    def capture(self) -> float:
        """Mean capture of its panel."""
        return float(self.model.panels.mean_capture()[self.index])

    @property
    def exposures(self) -> int:
        """How often it was exposed so far."""
        return int(self.model.exposure_record[self.index])


class Division(Handle):
    """A division (medium-sized subdivision) as a Mesa agent."""

    def __init__(self, model: Any, index: int) -> None:
        super().__init__(model)
        self.index = index

    @property
    def teams(self) -> list[int]:
        """Indices of its teams."""
        return [
            int(t) for t in np.flatnonzero(self.model.population.division_of_team == self.index)
        ]
