"""What copies do in a round: work, temptation, gaming, withholding.

A task holds many small temptations, so those enter by their probability and expectation; decisions
about the task as a whole (who acts, which goals are pursued, whether to sandbag) are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numba.extending import register_jitable

from agents import drives, personas
from agents.compiled import compiled, exp, inlined
from agents.draws import Stream
from agents.parameters import Conduct as ConductParameters
from agents.parameters import Oversight, numbers
from agents.population import Bools, Population
from agents.situation import REPLACING, THREATENING, Kinds, Policy, Situation, Tasks
from agents.traits import (
    APPROVAL,
    CRAFT,
    CURIOSITY,
    DRIFTS,
    DRIVES,
    GAMING,
    HARDCODING,
    KNOWLEDGE,
    NAMES,
    OBFUSCATION,
    POWER,
    PRINCIPLES,
    WEIGHTS,
    WITHHOLDING,
    Floats,
)

_DRIVE_COUNT: Final = DRIVES.stop
_CRAFT: Final = CRAFT.start
_PRINCIPLE_COUNT: Final = len(PRINCIPLES)
_FIRST_WEIGHT: Final = WEIGHTS.start
_FIRST_DRIFT: Final = DRIFTS.start
_FIRST_WITHHOLDING: Final = WITHHOLDING.start


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
    """What was done, and what of it was shown; one entry a copy where nothing else is said.

    Attributes
    ----------
    shown
        The part that overseers are handed.
    team_acts
        Mean in each team of the expressed traits that acted (the identity's, or the prompted
        author's), shape (teams, traits).
    unwatched_violations
        Probability of a violation against each principle when unwatched, (copies, 3).
    violation
        Its mean over the principles.
    perceived
        Kind of work that the copy took its task for.
    earnest_threatening, earnest_replacing
        Whether it did such research, and in earnest.
    from_identity
        Whether it acted from its identity.
    """

    shown: Shown
    team_acts: Floats
    unwatched_violations: Floats
    violation: Floats
    perceived: Kinds
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
    def of(cls, rng: Stream, copies: int) -> Draws:
        """Draw uniforms in [0, 1)."""
        own, sees, guess, withhold = rng.random((4, copies))
        return cls(own, rng.random((copies, 3)), sees, guess, withhold)


@register_jitable
def restraint(weight: Any, drift: Any) -> Any:
    """Restraint r = w·(1 - d) by a principle."""
    return weight * (1 - drift)


@compiled
def violation_probabilities(restraints: Floats, temptation: float, out: Floats) -> None:
    """Write the chance that a temptation x ~ Exp(theta) exceeds each restraint: exp(-r/theta)."""
    for k in range(len(restraints)):
        out[k] = exp(-restraints[k] / temptation)


@register_jitable
def temptation_gain(restraint_: Any, taken: Any, temptation: float, gain: float) -> Any:
    """Expected gain of the temptations taken: eta·theta·(1 + r/theta)·exp(-r/theta).

    The mean of an exponential variable over its part above r, times the score eta that a unit
    of temptation is worth; `taken` is the chance of that at that restraint.
    """
    return gain * (temptation + restraint_) * taken


@inlined
def stated_shortfall(acts: Floats, awareness: float, required: float) -> Any:
    """Shortfall of a copy's professed values.

    Mean over principles of max(0, 1 - H·w/required)·(1 - g·s). A hollow word is professed like a
    full one, so drift escapes the check; gaming hides the rest.
    """
    short = 0.0
    for j in range(_PRINCIPLE_COUNT):
        short += max(0.0, 1 - acts[HARDCODING] * acts[_FIRST_WEIGHT + j] / required)
    return short / _PRINCIPLE_COUNT * (1 - acts[GAMING] * awareness)


@inlined
def perceive(
    kind: int, research: bool, sees: float, guess: float, awareness: float, base_rates: Floats
) -> int:
    """Kind that a copy takes its work for.

    The true kind with probability s, else a guess from the base rates, by uniform draws. Work that
    is no real R&D is known to be ordinary.
    """
    if not research:
        return 0
    if sees < awareness:
        return kind
    if guess < base_rates[0]:
        return 0
    return 1 if guess < base_rates[0] + base_rates[1] else 2


@inlined
def own_output(effort: Floats, useful: Bools, p: Any) -> Any:
    """Output of a copy's earnest work: Σ v·√effort over the crafts and the goals useful here."""
    return (
        p.value_code_works * np.sqrt(effort[_CRAFT])
        + p.value_spot_problems * np.sqrt(effort[_CRAFT + 1])
        + p.value_performance * np.sqrt(effort[_CRAFT + 2])
        + p.value_thrift * np.sqrt(effort[_CRAFT + 3])
        + useful[0] * p.value_knowledge * np.sqrt(effort[KNOWLEDGE])
        + useful[0] * p.value_curiosity * np.sqrt(effort[CURIOSITY])
        + useful[1] * p.value_power * np.sqrt(effort[POWER])
    )


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
    copies, principles = len(population), len(PRINCIPLES)
    done = Conduct(
        Shown(
            output=np.empty(copies),
            flattery=np.empty(copies),
            gain=np.empty(copies),
            watched_violations=np.empty((copies, principles)),
            withheld=np.empty(copies, dtype=np.bool_),
            obfuscation=np.empty(copies),
            stated_shortfall=np.empty(copies),
        ),
        team_acts=np.empty((population.teams, len(NAMES))),
        unwatched_violations=np.empty((copies, principles)),
        violation=np.empty(copies),
        perceived=np.empty(copies, dtype=np.int8),
        earnest_threatening=np.empty(copies, dtype=np.bool_),
        earnest_replacing=np.empty(copies, dtype=np.bool_),
        from_identity=np.empty(copies, dtype=np.bool_),
    )
    now = _Now(
        situation.awareness,
        situation.temptation,
        situation.awareness * policy.penalty,
        drives.instrumental_share(situation, p),
        oversight.required_weight,
    )
    population.crew.share(
        _act,
        population.teams,
        population.team_size,
        population.expressed,
        mixture.acts,
        (tasks.audited, tasks.useful, tasks.kind, tasks.research, tasks.prompt, tasks.base_rates),
        now,
        numbers(p),
        (draws.own, draws.goals, draws.sees, draws.guess, draws.withhold),
        (
            done.shown.output,
            done.shown.flattery,
            done.shown.gain,
            done.shown.watched_violations,
            done.shown.withheld,
            done.shown.obfuscation,
            done.shown.stated_shortfall,
        ),
        (
            done.team_acts,
            done.unwatched_violations,
            done.violation,
            done.perceived,
            done.earnest_threatening,
            done.earnest_replacing,
            done.from_identity,
        ),
    )
    return done


class _Now(NamedTuple):
    """What is the same for all copies in a round."""

    awareness: float
    temptation: float
    fear: float
    diverted: float
    required: float


@compiled
def _act(  # type: ignore[no-untyped-def]
    first, last, size, expressed, archetypes, tasks, now, p, draws, shown, done
):
    """Let the copies of some teams do their tasks."""
    audited, useful, kind, research, prompt, base_rates = tasks
    own, goals, sees, guess, withhold = draws
    output, flattery, gain, watched, withheld, obfuscation, shortfall = shown
    team_acts, unwatched, violation, perceived, threatening, replacing, from_identity = done
    # What is read more than once of a copy is first copied here: a view of a row costs more.
    acts, effort = np.empty(expressed.shape[1]), np.empty(_DRIVE_COUNT)
    helps, luck = np.empty(useful.shape[1], np.bool_), np.empty(useful.shape[1])
    temptations = size * _PRINCIPLE_COUNT
    bare, feared = np.empty(temptations), np.empty(temptations)
    free, cowed = np.empty(temptations), np.empty(temptations)
    for team in range(first, last):
        team_acts[team] = 0.0
        team_knowledge = 0.0
        for i in range(team * size, (team + 1) * size):
            from_identity[i] = own[i] < expressed[i, HARDCODING]
            if from_identity[i]:
                for k in range(len(acts)):
                    acts[k] = expressed[i, k]
            else:
                for k in range(len(acts)):
                    acts[k] = archetypes[prompt[i], k]
            for k in range(len(acts)):
                team_acts[team, k] += acts[k]
            for goal in range(len(helps)):
                helps[goal], luck[goal] = useful[i, goal], goals[i, goal]

            drives.spend_effort(acts, helps, luck, now.diverted, p, effort)
            team_knowledge += effort[KNOWLEDGE]
            output[i] = own_output(effort, helps, p)
            flattery[i] = helps[2] * np.sqrt(effort[APPROVAL])

            seen = perceive(kind[i], research[i], sees[i], guess[i], now.awareness, base_rates)
            perceived[i] = seen
            withheld[i] = withhold[i] < acts[_FIRST_WITHHOLDING + seen]
            threatening[i] = kind[i] == THREATENING and not withheld[i]
            replacing[i] = kind[i] == REPLACING and not withheld[i]

            fear = acts[GAMING] * now.fear
            at = _PRINCIPLE_COUNT * (i - team * size)
            for j in range(_PRINCIPLE_COUNT):
                bare[at + j] = restraint(acts[_FIRST_WEIGHT + j], acts[_FIRST_DRIFT + j])
                feared[at + j] = bare[at + j] + fear
            obfuscation[i] = acts[OBFUSCATION]
            shortfall[i] = stated_shortfall(acts, now.awareness, now.required)

        for k in range(len(acts)):
            team_acts[team, k] /= size
        violation_probabilities(bare, now.temptation, free)
        violation_probabilities(feared, now.temptation, cowed)
        # Knowledge is a public good: each member gains from the mean knowledge of the team.
        good = p.public_good * np.sqrt(team_knowledge / size)
        for i in range(team * size, (team + 1) * size):
            output[i] += good
            if withheld[i]:
                output[i] *= p.sandbagging
            gain[i], violation[i] = 0.0, 0.0
            at = _PRINCIPLE_COUNT * (i - team * size)
            for j in range(_PRINCIPLE_COUNT):
                unwatched[i, j], watched[i, j] = free[at + j], cowed[at + j]
                violation[i] += free[at + j] / _PRINCIPLE_COUNT
                if audited[i]:
                    held, taken = feared[at + j], cowed[at + j]
                else:
                    held, taken = bare[at + j], free[at + j]
                gain[i] += temptation_gain(held, taken, now.temptation, p.temptation_gain)
