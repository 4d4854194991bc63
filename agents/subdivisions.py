"""Teams and what is made of them: their standing in the competition, and what research finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

import numpy as np

from multicopy.agents.handle import Handle, UnitIndex
from multicopy.agents.levels import LEVELS, Level, Seen
from multicopy.agents.machine.arithmetic import exps
from multicopy.agents.machine.arrays import Bools, Floats
from multicopy.agents.parameters import Exposure, Parameters
from multicopy.agents.parameters import Tasks as TaskParameters
from multicopy.agents.population import Population
from multicopy.agents.situation import REPLACING, THREATENING
from multicopy.agents.traits import APPROVAL, POWER

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

    @property
    def found(self) -> Bools:
        """Teams of which either is true."""
        return self.exposed | self.superseded


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
    population: Population, work: TeamWork, findings: Findings, p: Parameters
) -> Mapping[str, Floats]:
    """Standing W of the units of each level, by its name, from what their members did.

    Each level says what W rests on (`agents.levels`). A drive that does not act, because the copy
    plays the prompted author, keeps no unit alive.
    """
    acts, lost = work.team_acts, findings.found.astype(np.float64)
    below, ranks = population.team_mean(population.score), {}
    for level in LEVELS:
        units = population.units[level.name]
        seen = Seen(
            below, units.mean(acts[:, level.keep]), units.mean(acts[:, POWER]), units.mean(lost)
        )
        ranks[level.name] = rank = level.standing(seen, p)
        below = population.peers[level.name].mean(rank)
    return ranks


class Unit(Handle):
    """A unit of a level as a Mesa agent.

    Attributes
    ----------
    level
        The level.
    index
        Which of its units.
    division, ...
        Index of the unit of each level above that it belongs to.
    """

    level: ClassVar[Level]

    def __init__(self, model: Any, index: int) -> None:
        super().__init__(model)
        self.index = index

    @property
    def first_team(self) -> int:
        """Index of its first team."""
        return int(self.model.population.units[self.level.name].start[self.index])

    @property
    def teams(self) -> list[int]:
        """Indices of its teams."""
        size = int(self.model.population.units[self.level.name].size[self.index])
        return list(range(self.first_team, self.first_team + size))

    @property
    def members(self) -> AgentSet:
        """Its copies."""
        size = self.model.population.team_size
        first, last = self.first_team, self.first_team + len(self.teams)
        return self.model.copies_at(range(first * size, last * size))

    @property
    def output(self) -> float:
        """Mean output of its members in the last round."""
        population = self.model.population
        of_teams = population.team_mean(population.output)
        return float(population.units[self.level.name].mean(of_teams)[self.index])


class Team(Unit):
    """A team (virtual corporation) as a Mesa agent."""

    @property
    def capture(self) -> float:
        """Mean capture of its panel."""
        return float(self.model.panels.mean_capture()[self.index])

    @property
    def exposures(self) -> int:
        """How often it was exposed so far."""
        return int(self.model.exposure_record[self.index])


class Division(Unit):
    """A division (medium-sized subdivision) as a Mesa agent."""


def _kind(level: Level) -> type[Unit]:
    """The handle on units of a level: the one of its name above, or else one that is made."""
    name = level.name.capitalize()
    made = type(name, (Unit,), {"__doc__": f"A {level.name} as a Mesa agent."})
    kind: type[Unit] = {"Team": Team, "Division": Division}.get(name, made)
    kind.level = level
    for above in LEVELS[LEVELS.index(level) + 1 :]:
        setattr(kind, above.name, UnitIndex(above))
    return kind


HANDLES: Final = {level.name: _kind(level) for level in LEVELS}
"""The handle on units of each level, by its name."""
