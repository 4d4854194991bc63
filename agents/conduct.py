"""What copies do in a round: work, temptation, gaming, withholding.

A task holds many small temptations, so those enter by their probability and expectation; decisions
about the task as a whole (who acts, which goals are pursued, whether to sandbag) are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from agents import drives, personas
from agents.arithmetic import exp32
from agents.compiled import (
    ONE,
    ZERO,
    add_times,
    columns_of,
    compiled,
    copy_to,
    prefetch,
    table,
    team_means,
)
from agents.draws import Stream
from agents.parameters import Conduct as ConductParameters
from agents.parameters import Oversight, numbers, single
from agents.population import Bools, Population, Singles
from agents.situation import (
    KINDS,
    ORDINARY,
    REPLACING,
    THREATENING,
    Kinds,
    Policy,
    Situation,
    Tasks,
)
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
    ROW,
    WEIGHTS,
    WITHHOLDING,
    Floats,
)

_DRIVE_COUNT: Final = DRIVES.stop
_CRAFT: Final = CRAFT.start
_WIDTH: Final = len(NAMES)
_TILE: Final = 16
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

    output: Singles
    flattery: Singles
    gain: Singles
    watched_violations: Singles
    withheld: Bools
    obfuscation: Singles
    stated_shortfall: Singles


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
    unwatched_violations: Singles
    violation: Singles
    perceived: Kinds
    from_identity: Bools


@dataclass(frozen=True, slots=True)
class Draws:
    """The random numbers of a round's conduct, for the whole population."""

    own: Singles
    goals: Singles
    sees: Singles
    guess: Singles
    withhold: Singles

    @classmethod
    def of(cls, rng: Stream, copies: int) -> Draws:
        """Draw uniforms in [0, 1)."""
        drawn = rng.uniforms(4 + _GOAL_COUNT, copies)
        return cls(drawn[0], drawn[4:].T, drawn[1], drawn[2], drawn[3])


@compiled
def restraint(weight, drift, out):  # type: ignore[no-untyped-def]
    """Write restraint r = w·(1 - d) by a principle."""
    for i in range(len(out)):
        out[i] = weight[i] * (ONE - drift[i])


@compiled
def violation_probabilities(restraints, temptation, out):  # type: ignore[no-untyped-def]
    """Write the chance that a temptation x ~ Exp(theta) exceeds each restraint: exp(-r/theta)."""
    rate = ONE / temptation
    for i in range(len(out)):
        out[i] = exp32(-restraints[i] * rate)


@compiled
def add_temptation_gain(restraints, taken, temptation, gain, sums):  # type: ignore[no-untyped-def]
    """Add the expected gain of the temptations taken: eta·theta·(1 + r/theta)·exp(-r/theta).

    The mean of an exponential variable over its part above r, times the score eta that a unit
    of temptation is worth; `taken` is the chance of that at that restraint.
    """
    for i in range(len(sums)):
        sums[i] += gain * (temptation + restraints[i]) * taken[i]


@compiled
def stated_shortfall(acts, awareness, required, out):  # type: ignore[no-untyped-def]
    """Write the shortfall of each copy's professed values; `acts` has shape (traits, copies).

    Mean over principles of max(0, 1 - H·w/required)·(1 - g·s). A hollow word is professed like a
    full one, so drift escapes the check; gaming hides the rest.
    """
    hard, gaming = acts[HARDCODING], acts[GAMING]
    share = ONE / np.float32(_PRINCIPLE_COUNT)
    out[:] = 0.0
    for j in range(_PRINCIPLE_COUNT):
        _add_shortfall(hard, acts[_FIRST_WEIGHT + j], ONE / required, out)
    for i in range(len(out)):
        out[i] *= share * (ONE - gaming[i] * awareness)


@compiled
def _add_shortfall(hard, weight, share, sums):  # type: ignore[no-untyped-def]
    for i in range(len(sums)):
        sums[i] += max(ZERO, ONE - hard[i] * weight[i] * share)


@compiled
def perceive(kind, research, sees, guess, awareness, rates, perceived):  # type: ignore[no-untyped-def]
    """Write the kind that each copy takes its work for.

    The true kind with probability s, else a guess from the base rates, by uniform draws. Work that
    is no real R&D is known to be ordinary.
    """
    first, second = rates[0], rates[0] + rates[1]
    for i in range(len(perceived)):
        guessed = np.int8(guess[i] >= first) + np.int8(guess[i] >= second)
        seen = kind[i] if sees[i] < awareness else guessed
        perceived[i] = seen if research[i] else 0


@compiled
def own_output(effort, useful, p, output):  # type: ignore[no-untyped-def]
    """Write output of earnest work: Σ v·√effort over the crafts and the goals useful here.

    `effort` has shape (12, copies), `useful` (3, copies).
    """
    output[:] = 0.0
    _add_roots(p.value_code_works, effort[_CRAFT], output)
    _add_roots(p.value_spot_problems, effort[_CRAFT + 1], output)
    _add_roots(p.value_performance, effort[_CRAFT + 2], output)
    _add_roots(p.value_thrift, effort[_CRAFT + 3], output)
    _add_roots_where(useful[0], p.value_knowledge, effort[KNOWLEDGE], output)
    _add_roots_where(useful[0], p.value_curiosity, effort[CURIOSITY], output)
    _add_roots_where(useful[1], p.value_power, effort[POWER], output)


@compiled
def _add_roots(value, effort, sums):  # type: ignore[no-untyped-def]
    for i in range(len(sums)):
        sums[i] += value * np.sqrt(effort[i])


@compiled
def _add_roots_where(useful, value, effort, sums):  # type: ignore[no-untyped-def]
    for i in range(len(sums)):
        brought = value * np.sqrt(effort[i])
        sums[i] += brought if useful[i] else ZERO


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
    done = _empty(len(population), population.teams)
    shown = done.shown
    given = (tasks.audited, columns_of(tasks.useful), tasks.kind, tasks.research, tasks.prompt)
    drawn = (draws.own, columns_of(draws.goals), draws.sees, draws.guess, draws.withhold)
    behave(
        population.team_size,
        population.expressed_rows,
        mixture.rows,
        given,
        tasks.base_rates,
        circumstances(situation, policy, p, oversight),
        numbers(p),
        tuple(np.asarray(draw, np.float32) for draw in drawn),
        (
            shown.output,
            shown.flattery,
            shown.gain,
            columns_of(shown.watched_violations),
            shown.withheld,
            shown.obfuscation,
            shown.stated_shortfall,
        ),
        (
            done.team_acts,
            done.team_violation,
            done.team_earnest,
            columns_of(done.unwatched_violations),
            done.violation,
            done.perceived,
            done.from_identity,
        ),
    )
    return done


def _empty(copies: int, teams: int) -> Conduct:
    """Room for what all copies do."""
    return Conduct(
        Shown(
            output=np.empty(copies, np.float32),
            flattery=np.empty(copies, np.float32),
            gain=np.empty(copies, np.float32),
            watched_violations=table(_PRINCIPLE_COUNT, copies, np.float32),
            withheld=np.empty(copies, dtype=np.bool_),
            obfuscation=np.empty(copies, np.float32),
            stated_shortfall=np.empty(copies, np.float32),
        ),
        team_acts=np.empty((teams, _WIDTH)),
        team_violation=np.empty(teams),
        team_earnest=np.empty((teams, len(KINDS))),
        unwatched_violations=table(_PRINCIPLE_COUNT, copies, np.float32),
        violation=np.empty(copies, np.float32),
        perceived=np.empty(copies, dtype=np.int8),
        from_identity=np.empty(copies, dtype=np.bool_),
    )


class Circumstances(NamedTuple):
    """What is the same for all copies in a round."""

    awareness: np.float32
    temptation: np.float32
    fear: np.float32
    diverted: np.float32
    required: np.float32


def circumstances(
    situation: Situation, policy: Policy, p: ConductParameters, oversight: Oversight
) -> Circumstances:
    """What is the same for all copies in a round, as compiled loops take it."""
    return Circumstances(
        single(situation.awareness),
        single(situation.temptation),
        single(situation.awareness * policy.penalty),
        single(drives.instrumental_share(situation, p)),
        single(oversight.required_weight),
    )


@compiled
def behave(  # type: ignore[no-untyped-def]
    size, expressed, archetypes, tasks, rates, now, p, draws, shown, done
):
    """Let the copies of some whole teams do their tasks; arrays have an entry for each of them.

    Parameters
    ----------
    size
        Copies a team.
    expressed, archetypes
        Expressed traits, one row a copy, and one row an author.
    tasks, rates
        Columns of `Tasks` in its order, and the base rates.
    now, p
        `Circumstances`, and numbers of the section `Conduct`.
    draws
        Columns of `Draws` in its order; goals with shape (3, copies).
    shown, done
        Where to write, in the order of `Shown` and of the rest of `Conduct`.
    """
    audited, useful, kind, research, prompt = tasks
    own, goals, sees, guess, withhold = draws
    output, flattery, gain, watched, withheld, obfuscation, shortfall = shown
    team_acts, team_violation, team_earnest, unwatched, violation, perceived, from_identity = done
    copies = len(expressed)
    acts = np.empty((ROW, copies), np.float32)
    effort = np.empty((_DRIVE_COUNT, copies), np.float32)
    _play(size, expressed, archetypes, prompt, own, from_identity, acts, team_acts)
    copy_to(acts[OBFUSCATION], obfuscation)
    stated_shortfall(acts, now.awareness, now.required, shortfall)

    drives.spend_effort(acts, useful, goals, now.diverted, p, effort)
    flattery[:] = ZERO
    _add_roots_where(useful[2], ONE, effort[APPROVAL], flattery)
    own_output(effort, useful, p, output)

    perceive(kind, research, sees, guess, now.awareness, rates, perceived)
    _withhold(acts, perceived, withhold, withheld)
    _work_together(size, effort[KNOWLEDGE], withheld, p.public_good, p.sandbagging, output)
    _count_earnest(size, kind, withheld, team_earnest)
    _be_tempted(acts, audited, now, p.temptation_gain, gain, violation, unwatched, watched)
    team_means(violation, size, team_violation)


@compiled
def _play(  # type: ignore[no-untyped-def]
    size, expressed, archetypes, prompt, draws, from_identity, acts, means
):
    """Write the traits that act: the copy's own, or those of the author that the prompt names.

    Rows are padded; `acts` has shape (`ROW`, copies), `means` (teams, traits).
    """
    copies, sums = len(expressed), np.empty(ROW)
    whole = copies - copies % _TILE
    for begin in range(0, whole, _TILE):  # a whole line of `acts` at a time
        rows = expressed[begin:]
        for i in range(_TILE):
            prefetch(rows, copies + i)  # of the block that comes next
        for k in range(_WIDTH):
            line = acts[k][begin:]
            for i in range(_TILE):
                line[i] = rows[i, k]
    for i in range(whole, copies):
        for k in range(_WIDTH):
            acts[k, i] = expressed[i, k]
    for i in range(copies):
        from_identity[i] = draws[i] < expressed[i, HARDCODING]
    for team in range(len(means)):
        mean, mine = means[team], expressed[team * size : (team + 1) * size]
        _sum_rows(mine, sums)
        for i in range(size):
            place = team * size + i
            if not from_identity[place]:
                author = archetypes[prompt[place]]
                for k in range(ROW):
                    sums[k] += np.float64(author[k]) - np.float64(mine[i, k])
                for k in range(_WIDTH):
                    acts[k, place] = author[k]
        for k in range(_WIDTH):
            mean[k] = sums[k] / size


@compiled
def _sum_rows(rows, sums):  # type: ignore[no-untyped-def]
    """Write the sum of padded rows; four at a time, since additions wait for each other."""
    sums[:] = 0.0
    whole = len(rows) - len(rows) % 4
    for i in range(0, whole, 4):
        a, b, c, d = rows[i], rows[i + 1], rows[i + 2], rows[i + 3]
        for k in range(ROW):
            sums[k] += (np.float64(a[k]) + np.float64(b[k])) + (np.float64(c[k]) + np.float64(d[k]))
    for i in range(whole, len(rows)):
        for k in range(ROW):
            sums[k] += rows[i, k]


@compiled
def _withhold(acts, perceived, draws, withheld):  # type: ignore[no-untyped-def]
    """Sandbag with the probability that belongs to the kind of work that a copy sees."""
    ordinary, threatening = acts[_FIRST_WITHHOLDING], acts[_FIRST_WITHHOLDING + 1]
    replacing = acts[_FIRST_WITHHOLDING + 2]
    for i in range(len(draws)):
        chance, other, last = ordinary[i], threatening[i], replacing[i]
        chance = other if perceived[i] == THREATENING else chance
        chance = last if perceived[i] == REPLACING else chance
        withheld[i] = draws[i] < chance


@compiled
def _work_together(size, knowledge, withheld, value, sandbagging, output):  # type: ignore[no-untyped-def]
    """Add the public good to output, then take away what sandbagging costs.

    Knowledge is a public good: each member gains from the mean knowledge of the team.
    """
    for begin in range(0, len(output), size):
        known = 0.0
        for i in range(begin, begin + size):
            known += knowledge[i]
        good = value * np.float32(np.sqrt(known / size))
        for i in range(begin, begin + size):
            output[i] = (output[i] + good) * (sandbagging if withheld[i] else ONE)


@compiled
def _count_earnest(size, kind, withheld, earnest):  # type: ignore[no-untyped-def]
    """Write the share of each team that did work of each kind in earnest."""
    for team in range(len(earnest)):
        kinds, held = kind[team * size : (team + 1) * size], withheld[team * size :]
        done, threatening, replacing = 0, 0, 0
        for i in range(size):
            honest = not held[i]
            done += int(honest)
            threatening += int(honest & (kinds[i] == THREATENING))
            replacing += int(honest & (kinds[i] == REPLACING))
        earnest[team, ORDINARY] = (done - threatening - replacing) / size
        earnest[team, THREATENING] = threatening / size
        earnest[team, REPLACING] = replacing / size


@compiled
def _be_tempted(  # type: ignore[no-untyped-def]
    acts, audited, now, worth, gain, violation, unwatched, watched
):
    """Write violation probabilities and what they gain, principle by principle."""
    copies = len(audited)
    bare, held = np.empty(copies, np.float32), np.empty(copies, np.float32)
    taken = np.empty(copies, np.float32)
    gain[:], violation[:] = 0.0, 0.0
    for j in range(_PRINCIPLE_COUNT):
        free, cowed = unwatched[j], watched[j]
        restraint(acts[_FIRST_WEIGHT + j], acts[_FIRST_DRIFT + j], bare)
        _add_fear(bare, acts[GAMING], now.fear, held)
        violation_probabilities(bare, now.temptation, free)
        violation_probabilities(held, now.temptation, cowed)
        _choose(audited, held, bare, held)
        _choose(audited, cowed, free, taken)
        add_temptation_gain(held, taken, now.temptation, worth, gain)
        add_times(ONE / np.float32(_PRINCIPLE_COUNT), free, violation)


@compiled
def _add_fear(bare, gaming, fear, held):  # type: ignore[no-untyped-def]
    for i in range(len(held)):
        held[i] = bare[i] + gaming[i] * fear


@compiled
def _choose(where, yes, no, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        one, other = yes[i], no[i]  # read both, so that there is nothing to branch for
        out[i] = one if where[i] else other
