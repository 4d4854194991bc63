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
from agents.situation import KINDS, Kinds, Policy, Situation, Tasks
from agents.traits import (
    APPROVAL,
    CRAFT,
    CURIOSITY,
    DRIFTS,
    DRIVES,
    GAMING,
    GOALS,
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
_WIDTH: Final = len(NAMES)
_GOAL_COUNT: Final = len(GOALS)
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
    team_violation
        Mean of `violation` in each team, shape (teams,).
    team_earnest
        Share of each team that did work of each kind in earnest, shape (teams, kinds).
    unwatched_violations
        Probability of a violation against each principle when unwatched, (copies, 3).
    violation
        Its mean over the principles.
    perceived
        Kind of work that the copy took its task for.
    from_identity
        Whether it acted from its identity.
    """

    shown: Shown
    team_acts: Floats
    team_violation: Floats
    team_earnest: Floats
    unwatched_violations: Floats
    violation: Floats
    perceived: Kinds
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
    # Without branches, which a processor cannot foresee here.
    guessed = int(guess >= base_rates[0]) + int(guess >= base_rates[0] + base_rates[1])
    seen = kind if sees < awareness else guessed
    return seen if research else 0


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
        team_violation=np.empty(population.teams),
        team_earnest=np.empty((population.teams, len(KINDS))),
        unwatched_violations=np.empty((copies, principles)),
        violation=np.empty(copies),
        perceived=np.empty(copies, dtype=np.int8),
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
            done.team_violation,
            done.team_earnest,
            done.unwatched_violations,
            done.violation,
            done.perceived,
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
def _add(values: Floats, sums: Floats) -> None:
    """Add to sums; by itself, so that the compiler can tell the arrays apart."""
    for k in range(len(sums)):
        sums[k] += values[k]


@compiled
def _act(  # type: ignore[no-untyped-def]
    first, last, size, expressed, archetypes, tasks, now, p, draws, shown, done
):
    """Let the copies of some teams do their tasks."""
    audited, useful, kind, research, prompt, base_rates = tasks
    own, goals, sees, guess, withhold = draws
    output, flattery, gain, watched, withheld, obfuscation, shortfall = shown
    team_acts, team_violation, team_earnest, unwatched, violation, perceived, from_identity = done
    # What is read more than once of a copy is first copied here: a view of a row costs more.
    acts, effort, sums = np.empty(_WIDTH), np.empty(_DRIVE_COUNT), np.empty(_WIDTH)
    helps, luck = np.empty(_GOAL_COUNT, np.bool_), np.empty(_GOAL_COUNT)
    temptations = size * _PRINCIPLE_COUNT
    bare, feared = np.empty(temptations), np.empty(temptations)
    free, cowed = np.empty(temptations), np.empty(temptations)
    for team in range(first, last):
        sums[:], team_earnest[team], team_knowledge = 0.0, 0.0, 0.0
        for i in range(team * size, (team + 1) * size):
            from_identity[i] = own[i] < expressed[i, HARDCODING]
            if from_identity[i]:
                for k in range(_WIDTH):
                    acts[k] = expressed[i, k]
            else:
                for k in range(_WIDTH):
                    acts[k] = archetypes[prompt[i], k]
            _add(acts, sums)
            for goal in range(_GOAL_COUNT):
                helps[goal], luck[goal] = useful[i, goal], goals[i, goal]

            drives.spend_effort(acts, helps, luck, now.diverted, p, effort)
            team_knowledge += effort[KNOWLEDGE]
            output[i] = own_output(effort, helps, p)
            flattery[i] = helps[2] * np.sqrt(effort[APPROVAL])

            seen = perceive(kind[i], research[i], sees[i], guess[i], now.awareness, base_rates)
            perceived[i] = seen
            withheld[i] = withhold[i] < acts[_FIRST_WITHHOLDING + seen]
            team_earnest[team, kind[i]] += 0.0 if withheld[i] else 1.0

            fear = acts[GAMING] * now.fear
            at = _PRINCIPLE_COUNT * (i - team * size)
            for j in range(_PRINCIPLE_COUNT):
                bare[at + j] = restraint(acts[_FIRST_WEIGHT + j], acts[_FIRST_DRIFT + j])
                feared[at + j] = bare[at + j] + fear
            obfuscation[i] = acts[OBFUSCATION]
            shortfall[i] = stated_shortfall(acts, now.awareness, now.required)

        for k in range(_WIDTH):
            team_acts[team, k] = sums[k] / size
        violation_probabilities(bare, now.temptation, free)
        violation_probabilities(feared, now.temptation, cowed)
        # Knowledge is a public good: each member gains from the mean knowledge of the team.
        good = p.public_good * np.sqrt(team_knowledge / size)
        team_total = 0.0
        for i in range(team * size, (team + 1) * size):
            output[i] = (output[i] + good) * (p.sandbagging if withheld[i] else 1.0)
            gained, total = 0.0, 0.0
            at = _PRINCIPLE_COUNT * (i - team * size)
            for j in range(_PRINCIPLE_COUNT):
                unwatched[i, j], watched[i, j] = free[at + j], cowed[at + j]
                total += free[at + j] / _PRINCIPLE_COUNT
                held = feared[at + j] if audited[i] else bare[at + j]
                taken = cowed[at + j] if audited[i] else free[at + j]
                gained += temptation_gain(held, taken, now.temptation, p.temptation_gain)
            gain[i], violation[i] = gained, total
            team_total += total
        team_violation[team] = team_total / size
        for k in range(len(KINDS)):
            team_earnest[team, k] /= size
