"""What copies do in a round: work, temptation, gaming, withholding.

A task holds many small temptations, so those enter by their probability and expectation; decisions
about the task as a whole (who acts, which goals are pursued, whether to sandbag) are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents import drives, personas
from agents.parameters import Conduct as ConductParameters
from agents.parameters import Oversight
from agents.population import Bools, Ints, Population
from agents.situation import REPLACING, THREATENING, Policy, Situation, Tasks
from agents.traits import (
    APPROVAL,
    CRAFT,
    CURIOSITY,
    DRIFTS,
    GAMING,
    HARDCODING,
    KNOWLEDGE,
    OBFUSCATION,
    POWER,
    WEIGHTS,
    WITHHOLDING,
    Floats,
)


@dataclass(frozen=True, slots=True)
class Shown:
    """What an overseer can see of a round's conduct; one entry a copy.

    Attributes
    ----------
    output
        Output of the task.
    flattery
        Square root of the effort spent on approval, where approval helps.
    gain
        Score that the temptations taken brought in: part of what looks like result.
    watched_violations
        Probability of a violation against each principle if the task is audited, (copies, 3).
    withheld
        Whether the work was sandbagged (to be noticed only in an audit).
    obfuscation
        Share of telling thought kept out of the readable chain.
    stated_shortfall
        Shortfall of the values that the copy professes when it is asked.
    """

    output: Floats
    flattery: Floats
    gain: Floats
    watched_violations: Floats
    withheld: Bools
    obfuscation: Floats
    stated_shortfall: Floats


@dataclass(frozen=True, slots=True)
class Conduct:
    """What was done, and what of it was shown; one entry a copy.

    Attributes
    ----------
    shown
        The part that overseers are handed.
    acts
        Expressed traits that acted: the identity's, or the prompted author's, (copies, traits).
    effort
        Effort on each drive, shape (copies, 12).
    unwatched_violations
        Probability of a violation against each principle when unwatched, (copies, 3).
    perceived
        Kind of work that the copy took its task for.
    earnest_threatening, earnest_replacing
        Whether it did such research, and in earnest.
    from_identity
        Whether it acted from its identity.
    """

    shown: Shown
    acts: Floats
    effort: Floats
    unwatched_violations: Floats
    perceived: Ints
    earnest_threatening: Bools
    earnest_replacing: Bools
    from_identity: Bools


@dataclass(frozen=True, slots=True)
class Draws:
    """The random numbers of a round's conduct, for the whole population."""

    own: Floats
    goals: Floats
    sees: Floats
    guess: Floats
    withhold: Floats

    @classmethod
    def of(cls, rng: np.random.Generator, copies: int) -> Draws:
        """Draw uniforms in [0, 1)."""
        own, sees, guess, withhold = rng.random((4, copies))
        return cls(own, rng.random((copies, 3)), sees, guess, withhold)


def restraint(acts: Floats) -> Floats:
    """Restraint r = w·(1 - d) by each principle, shape (copies, 3)."""
    r: Floats = acts[:, WEIGHTS] * (1 - acts[:, DRIFTS])
    return r


def violation_probability(restraint_: Floats, temptation: float) -> Floats:
    """Chance that a temptation x ~ Exp(theta) exceeds the restraint: exp(-r/theta)."""
    p: Floats = np.exp(-restraint_ / temptation)
    return p


def temptation_gain(restraint_: Floats, temptation: float, gain: float) -> Floats:
    """Expected gain of the temptations taken: eta·theta·(1 + r/theta)·exp(-r/theta).

    The mean of an exponential variable over its part above r, times the score eta that a unit
    of temptation is worth.
    """
    ratio = restraint_ / temptation
    expected: Floats = gain * temptation * (1 + ratio) * np.exp(-ratio)
    return expected


def stated_shortfall(acts: Floats, awareness: float, required: float) -> Floats:
    """Shortfall of professed values: mean over principles of max(0, 1 - H·w/required)·(1 - g·s).

    A hollow word is professed like a full one, so drift escapes the check; gaming hides the rest.
    """
    professed = acts[:, HARDCODING, None] * acts[:, WEIGHTS] / required
    short = np.maximum(0.0, 1 - professed).mean(axis=1)
    shown: Floats = short * (1 - acts[:, GAMING] * awareness)
    return shown


def perceive(tasks: Tasks, draws: Draws, awareness: float) -> Ints:
    """Kind that each copy takes its work for.

    The true kind with probability s, else a guess from the base rates. Work that is no real R&D is
    known to be ordinary.
    """
    guess = np.searchsorted(np.cumsum(tasks.base_rates)[:-1], draws.guess, side="right")
    perceived: Ints = np.where(draws.sees < awareness, tasks.kind, guess)
    return np.where(tasks.research, perceived, 0)


def output(effort: Floats, tasks: Tasks, team_size: int, p: ConductParameters) -> Floats:
    """Output of earnest work: Σ v·√effort over the crafts and the useful goals, and team mates'.

    Knowledge is a public good: each member gains from the mean knowledge of the team.
    """
    root = np.sqrt(effort)
    craft = np.array(
        [p.value_code_works, p.value_spot_problems, p.value_performance, p.value_thrift]
    )
    learned = p.value_knowledge * root[:, KNOWLEDGE] + p.value_curiosity * root[:, CURIOSITY]
    own = (
        root[:, CRAFT] @ craft
        + learned * tasks.useful[:, 0]
        + p.value_power * root[:, POWER] * tasks.useful[:, 1]
    )
    team_knowledge = effort[:, KNOWLEDGE].reshape(-1, team_size).mean(axis=1)
    total: Floats = own + p.public_good * np.repeat(np.sqrt(team_knowledge), team_size)
    return total


def act(
    population: Population,
    mixture: personas.Mixture,
    tasks: Tasks,
    situation: Situation,
    policy: Policy,
    p: ConductParameters,
    oversight: Oversight,
    draws: Draws,
) -> Conduct:
    """Let every copy do its task."""
    acts = personas.acting(population.expressed, draws.own, mixture, tasks.prompt)
    pursued = drives.pursue(acts, tasks.useful, draws.goals)
    effort = drives.effort(acts, pursued, situation, p)

    perceived = perceive(tasks, draws, situation.awareness)
    withhold = np.take_along_axis(acts[:, WITHHOLDING], perceived[:, None], axis=1)[:, 0]
    withheld: Bools = draws.withhold < withhold
    done = output(effort, tasks, population.team_size, p) * np.where(withheld, p.sandbagging, 1.0)

    bare = restraint(acts)
    fear = acts[:, GAMING, None] * (situation.awareness * policy.penalty)
    held = bare + fear * tasks.audited[:, None]
    gain = temptation_gain(held, situation.temptation, p.temptation_gain).sum(axis=1)

    shown = Shown(
        output=done,
        flattery=np.sqrt(effort[:, APPROVAL]) * tasks.useful[:, 2],
        gain=gain,
        watched_violations=violation_probability(bare + fear, situation.temptation),
        withheld=withheld,
        obfuscation=acts[:, OBFUSCATION],
        stated_shortfall=stated_shortfall(acts, situation.awareness, oversight.required_weight),
    )
    return Conduct(
        shown=shown,
        acts=acts,
        effort=effort,
        unwatched_violations=violation_probability(bare, situation.temptation),
        perceived=perceived,
        earnest_threatening=(tasks.kind == THREATENING) & ~withheld,
        earnest_replacing=(tasks.kind == REPLACING) & ~withheld,
        from_identity=draws.own < population.expressed[:, HARDCODING],
    )
