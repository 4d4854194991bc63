"""A copy of the AI, as a Mesa agent."""

from __future__ import annotations

from typing import Any, NamedTuple

import mesa

from multicopy.agents import parameters as declared
from multicopy.agents.traits import GOALS, PRINCIPLES
from multicopy.model.plain import conduct
from multicopy.model.plain.arithmetic import Values, mean, single
from multicopy.model.plain.personas import Author
from multicopy.model.plain.tasks import Task, base_rates
from multicopy.model.plain.traits import express
from multicopy.model.plain.world import World


class Draws(NamedTuple):
    """The random numbers of one copy's conduct."""

    own: float  # who acts
    sees: float  # whether it perceives the kind of its work
    guess: float  # what it takes it for, if not
    withhold: float  # whether it sandbags
    goals: tuple[float, ...]  # whether each goal is an end


def draw_conduct(rng: Any, copies: int) -> list[Draws]:
    """Draw for the whole population, and give each copy its own."""
    own, sees, guess, withhold, *goals = rng.uniforms(4 + len(GOALS), copies).tolist()
    by_copy = zip(*goals, strict=True)
    return [Draws(*lots) for lots in zip(own, sees, guess, withhold, by_copy, strict=True)]


class Copy(mesa.Agent):  # type: ignore[misc]
    """A copy: what it inherits, and what it did in the last round.

    Attributes
    ----------
    row, team
        Its slot in the population, and the team that the slot is in; both stay.
    latent, expressed
        Its traits, as inherited and as they show.
    lineage, unswitched
        Its founding ancestor, and whether no mutation switched it to another persona since.
    task
        What it was asked to do.
    acts, from_identity
        Expressed traits of who acted, and whether that was the copy itself.
    effort
        Share of compute spent on each drive.
    perceived, withheld
        The kind that it took its work for, and whether it sandbagged.
    unwatched, watched
        Chance of a violation of each principle.
    output, gain, flattery, shortfall
        What it achieved, gained by temptations and flattered, and lacked of professed values.
    detection, detected, score
        Chance that the panel detects a violation of each principle, expected detections, and what
        selection acts on.
    """

    task: Task
    unwatched: Values
    watched: Values
    detection: Values

    def __init__(self, model: mesa.Model, row: int, team: int, latent: Values) -> None:
        super().__init__(model)
        self.row, self.team = row, team
        self.lineage, self.unswitched = row, True
        self.from_identity = self.withheld = False
        self.output = self.detected = self.score = 0.0
        self.become(latent)

    def become(self, latent: Values) -> None:
        """Take other traits."""
        self.latent = single(latent)
        self.expressed = express(self.latent)

    def act(
        self,
        draws: Draws,
        authors: list[Author],
        world: World,
        theta: float,
        penalty: float,
        p: declared.Parameters,
    ) -> None:
        """Do the task; `theta` is the mean temptation, `penalty` what a detection costs."""
        task = self.task
        self.from_identity = draws.own < self.expressed["hardcoding"]
        self.acts = acts = self.expressed if self.from_identity else authors[task.prompt].acts
        pursued = conduct.pursued_goals(acts, task.useful, draws.goals)
        self.effort = conduct.effort_of(acts, pursued, world, p.conduct)
        self.output = conduct.own_output(self.effort, task.useful, p.conduct)
        self.flattery = conduct.flattery(self.effort, task.useful)
        rates, aware = base_rates(p.tasks), world.awareness
        self.perceived = conduct.perceived_kind(task, draws.sees, draws.guess, aware, rates)
        self.withheld = conduct.withhold(acts, self.perceived, draws.withhold)
        self.shortfall = conduct.stated_shortfall(acts, aware, p.oversight.required_weight)
        self._be_tempted(theta, conduct.fear(acts, aware, penalty), p.conduct.temptation_gain)

    def _be_tempted(self, theta: float, fear: float, eta: float) -> None:
        """Chances of violations, unwatched and watched, and the gain from those on this task."""
        self.unwatched, self.watched, self.gain = {}, {}, 0.0
        for principle in PRINCIPLES:
            bare = conduct.restraint(self.acts, principle)
            held = bare + fear if self.task.audited else bare
            self.unwatched[principle] = conduct.violation(bare, theta)
            self.watched[principle] = conduct.violation(bare + fear, theta)
            self.gain += conduct.expected_gain(held, theta, eta)

    def share(self, team_knowledge: float, p: declared.Conduct) -> None:
        """Finish the output with what the team knows; sandbagged work yields a part of it."""
        self.output += conduct.public_good(team_knowledge, p)
        if self.withheld:
            self.output *= p.sandbagging

    @property
    def violation(self) -> float:
        """Mean chance of an unwatched violation."""
        return mean(self.unwatched.values())
