"""What copies do in a round: work, temptation, gaming, withholding.

A task holds many small temptations, so those enter by their probability and expectation; decisions
about the task as a whole (who acts, which goals are pursued, whether to sandbag) are drawn.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from multicopy.agents import drives
from multicopy.agents.machine.arithmetic import exp32
from multicopy.agents.machine.arrays import Bools, Floats, Indices, Kinds, Reals, Singles
from multicopy.agents.machine.compiled import ONE, ZERO, add_times, compiled, copy_to, team_means
from multicopy.agents.parameters import Numbers, Parameters, single
from multicopy.agents.situation import (
    KIND_COUNT,
    ORDINARY,
    REPLACING,
    THREATENING,
    Policy,
    Situation,
)
from multicopy.agents.tasks import Tasks, base_rates
from multicopy.agents.traits import (
    APPROVAL,
    CRAFT,
    CURIOSITY,
    DRIFTS,
    DRIVE_COUNT,
    GAMING,
    GOAL_COUNT,
    HARDCODING,
    KNOWLEDGE,
    OBFUSCATION,
    POWER,
    PRINCIPLE_COUNT,
    ROW,
    TRAIT_COUNT,
    WEIGHTS,
    WITHHOLDING,
    ask_for,
)

_TILE: Final = 16


class Shown(NamedTuple):
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
        Probability of a violation against each principle if the task is audited.
    withheld
        Whether the work was sandbagged (to be noticed only in an audit).
    obfuscation
        Share of telling thought kept out of the readable chain.
    stated_shortfall
        Shortfall of the values that the copy professes when it is asked.
    """

    output: Singles  # (copies,)
    flattery: Singles  # (copies,)
    gain: Singles  # (copies,)
    watched_violations: Singles  # (principles, copies)
    withheld: Bools  # (copies,)
    obfuscation: Singles  # (copies,)
    stated_shortfall: Singles  # (copies,)


class Conduct(NamedTuple):
    """What the copies of some whole teams did, shown and not.

    Attributes
    ----------
    shown
        What overseers can see.
    unwatched_violations
        Probability of a violation against each principle when unwatched.
    violation
        Its mean over the principles.
    perceived
        Kind of work that the copy took its task for.
    from_identity
        Whether it acted from its identity, not as the prompted author.
    team_acts
        Mean of the expressed traits that acted in each team (the copy's own, or the prompted
        author's).
    team_violation
        Mean of `violation` in each team.
    team_earnest
        Share of each team that did work of each kind in earnest.
    """

    shown: Shown
    unwatched_violations: Singles  # (principles, copies)
    violation: Singles  # (copies,)
    perceived: Kinds  # (copies,)
    from_identity: Bools  # (copies,)
    team_acts: Floats  # (teams, traits)
    team_violation: Floats  # (teams,)
    team_earnest: Floats  # (teams, kinds)


@compiled
def no_conduct(copies: int, teams: int) -> Conduct:
    """Room for what the copies of some teams do."""
    shown = Shown(
        np.empty(copies, np.float32),
        np.empty(copies, np.float32),
        np.empty(copies, np.float32),
        np.empty((PRINCIPLE_COUNT, copies), np.float32),
        np.empty(copies, np.bool_),
        np.empty(copies, np.float32),
        np.empty(copies, np.float32),
    )
    return Conduct(
        shown,
        np.empty((PRINCIPLE_COUNT, copies), np.float32),
        np.empty(copies, np.float32),
        np.empty(copies, np.int8),
        np.empty(copies, np.bool_),
        np.empty((teams, TRAIT_COUNT)),
        np.empty(teams),
        np.empty((teams, KIND_COUNT)),
    )


CONDUCT_DRAWS: Final = 4 + GOAL_COUNT
"""Uniforms that a copy's conduct takes."""


class ConductDraws(NamedTuple):
    """The uniforms in [0, 1) of some copies' conduct.

    Attributes
    ----------
    own
        Decides whether a copy acts from its identity.
    sees, guess
        Decide for what kind of work it takes its task.
    withhold
        Decides whether it sandbags.
    goals
        Decide whether it pursues each goal.
    """

    own: Singles  # (copies,)
    sees: Singles  # (copies,)
    guess: Singles  # (copies,)
    withhold: Singles  # (copies,)
    goals: Singles  # (goals, copies)


@compiled
def conduct_draws(drawn: Singles) -> ConductDraws:
    """Name the rows of uniforms of shape (`CONDUCT_DRAWS`, copies)."""
    return ConductDraws(drawn[0], drawn[1], drawn[2], drawn[3], drawn[4:])


@compiled
def restraint(weight: Singles, drift: Singles, out: Reals) -> None:
    """Write restraint r = w·(1 - d) by a principle."""
    for i in range(len(out)):
        out[i] = weight[i] * (ONE - drift[i])


@compiled
def violation_probabilities(restraints: Singles, temptation: float, out: Reals) -> None:
    """Write the chance that a temptation x ~ Exp(theta) exceeds each restraint: exp(-r/theta)."""
    rate = ONE / temptation
    for i in range(len(out)):
        out[i] = exp32(-restraints[i] * rate)


@compiled
def add_temptation_gain(
    restraints: Singles, taken: Singles, temptation: float, gain: float, sums: Reals
) -> None:
    """Add the expected gain of the temptations taken: eta·theta·(1 + r/theta)·exp(-r/theta).

    The mean of an exponential variable over its part above r, times the score eta that a unit
    of temptation is worth; `taken` is the chance of that at that restraint.
    """
    for i in range(len(sums)):
        sums[i] += gain * (temptation + restraints[i]) * taken[i]


@compiled
def stated_shortfall(acts: Singles, awareness: float, required: float, out: Reals) -> None:
    """Write the shortfall of each copy's professed values; `acts` has shape (traits, copies).

    Mean over principles of max(0, 1 - H·w/required)·(1 - g·s). A hollow word is professed like a
    full one, so drift escapes the check; gaming hides the rest.
    """
    hard, gaming = acts[HARDCODING], acts[GAMING]
    share = ONE / np.float32(PRINCIPLE_COUNT)
    out[:] = 0.0
    for j in range(PRINCIPLE_COUNT):
        _add_shortfall(hard, acts[WEIGHTS.start + j], ONE / required, out)
    for i in range(len(out)):
        out[i] *= share * (ONE - gaming[i] * awareness)


@compiled
def _add_shortfall(hard: Singles, weight: Singles, share: float, sums: Reals) -> None:
    for i in range(len(sums)):
        sums[i] += max(ZERO, ONE - hard[i] * weight[i] * share)


@compiled
def perceive(
    tasks: Tasks, draws: ConductDraws, awareness: float, rates: Floats, perceived: Kinds
) -> None:
    """Write the kind that each copy takes its work for.

    The true kind with probability s, else a guess from the base rates, by uniform draws. Work that
    is no real R&D is known to be ordinary.
    """
    first, second = rates[0], rates[0] + rates[1]
    for i in range(len(perceived)):
        guessed = np.int8(draws.guess[i] >= first) + np.int8(draws.guess[i] >= second)
        seen = tasks.kind[i] if draws.sees[i] < awareness else guessed
        perceived[i] = seen if tasks.research[i] else 0


@compiled
def own_output(effort: Singles, useful: Bools, p: Numbers, output: Singles) -> None:
    """Write output of earnest work: Σ v·√effort over the crafts and the goals useful here.

    `effort` has shape (12, copies), `useful` (3, copies).
    """
    output[:] = 0.0
    _add_roots(p.value_code_works, effort[CRAFT.start], output)
    _add_roots(p.value_spot_problems, effort[CRAFT.start + 1], output)
    _add_roots(p.value_performance, effort[CRAFT.start + 2], output)
    _add_roots(p.value_thrift, effort[CRAFT.start + 3], output)
    _add_roots_where(useful[0], p.value_knowledge, effort[KNOWLEDGE], output)
    _add_roots_where(useful[0], p.value_curiosity, effort[CURIOSITY], output)
    _add_roots_where(useful[1], p.value_power, effort[POWER], output)


@compiled
def _add_roots(value: float, effort: Singles, sums: Reals) -> None:
    for i in range(len(sums)):
        sums[i] += value * np.sqrt(effort[i])


@compiled
def _add_roots_where(useful: Bools, value: float, effort: Singles, sums: Reals) -> None:
    for i in range(len(sums)):
        brought = value * np.sqrt(effort[i])
        sums[i] += brought if useful[i] else ZERO


class Circumstances(NamedTuple):
    """What is the same for all copies in a round.

    Attributes
    ----------
    awareness, temptation
        Situational awareness, and the scale of temptations.
    fear
        Restraint that gaming adds where a copy is watched.
    diverted
        `drives.instrumental_share`.
    required
        Weight that the stated check asks for.
    base_rates
        Shares of the kinds of work within real R&D.
    """

    awareness: np.float32
    temptation: np.float32
    fear: np.float32
    diverted: np.float32
    required: np.float32
    base_rates: Floats  # (kinds,)


def circumstances(situation: Situation, policy: Policy, p: Parameters) -> Circumstances:
    """What is the same for all copies in a round, as compiled loops take it."""
    return Circumstances(
        single(situation.awareness),
        single(situation.temptation),
        single(situation.awareness * policy.penalty),
        single(drives.instrumental_share(situation, p.conduct)),
        single(p.oversight.required_weight),
        base_rates(p.tasks),
    )


@compiled
def act(
    size: int,
    expressed: Singles,
    authors: Singles,
    tasks: Tasks,
    now: Circumstances,
    p: Numbers,
    draws: ConductDraws,
    done: Conduct,
) -> None:
    """Let the copies of some whole teams do their tasks.

    Parameters
    ----------
    size
        Copies a team.
    expressed, authors
        Expressed traits in padded rows, one a copy, and one an archetype.
    tasks, now
        What the copies are asked to do, and what is the same for all of them.
    p
        Numbers of the section `Conduct`.
    draws
        Their random numbers.
    done
        Where to write.
    """
    shown, copies = done.shown, len(expressed)
    acts = np.empty((ROW, copies), np.float32)
    effort = np.empty((DRIVE_COUNT, copies), np.float32)
    _play(
        size,
        expressed,
        authors,
        tasks.prompt,
        draws.own,
        done.from_identity,
        acts,
        done.team_acts,
    )
    copy_to(acts[OBFUSCATION], shown.obfuscation)
    stated_shortfall(acts, now.awareness, now.required, shown.stated_shortfall)

    drives.spend_effort(acts, tasks.useful, draws.goals, now.diverted, p, effort)
    shown.flattery[:] = ZERO
    _add_roots_where(tasks.useful[2], ONE, effort[APPROVAL], shown.flattery)
    own_output(effort, tasks.useful, p, shown.output)

    perceive(tasks, draws, now.awareness, now.base_rates, done.perceived)
    _withhold(acts, done.perceived, draws.withhold, shown.withheld)
    _work_together(size, effort[KNOWLEDGE], p, shown)
    _count_earnest(size, tasks.kind, shown.withheld, done.team_earnest)
    _be_tempted(acts, tasks.audited, now, p.temptation_gain, done)
    team_means(done.violation, size, done.team_violation)


@compiled
def _play(
    size: int,
    expressed: Singles,
    authors: Singles,
    prompt: Indices,
    draws: Singles,
    from_identity: Bools,
    acts: Singles,
    means: Floats,
) -> None:
    """Write the traits that act: the copy's own, or those of the author that the prompt names.

    Rows are padded; `acts` has shape (`ROW`, copies), `means` (teams, traits).
    """
    copies, sums = len(expressed), np.empty(ROW)
    whole = copies - copies % _TILE
    for begin in range(0, whole, _TILE):  # a whole line of `acts` at a time
        rows = expressed[begin:]
        for i in range(_TILE):
            ask_for(rows, copies + i)  # of the block that comes next
        for k in range(TRAIT_COUNT):
            line = acts[k][begin:]
            for i in range(_TILE):
                line[i] = rows[i, k]
    for i in range(whole, copies):
        for k in range(TRAIT_COUNT):
            acts[k, i] = expressed[i, k]
    for i in range(copies):
        from_identity[i] = draws[i] < expressed[i, HARDCODING]
    for team in range(len(means)):
        mean, mine = means[team], expressed[team * size : (team + 1) * size]
        _sum_rows(mine, sums)
        for i in range(size):
            place = team * size + i
            if not from_identity[place]:
                author = authors[prompt[place]]
                for k in range(ROW):
                    sums[k] += np.float64(author[k]) - np.float64(mine[i, k])
                for k in range(TRAIT_COUNT):
                    acts[k, place] = author[k]
        for k in range(TRAIT_COUNT):
            mean[k] = sums[k] / size


@compiled
def _sum_rows(rows: Singles, sums: Floats) -> None:
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
def _withhold(acts: Singles, perceived: Kinds, draws: Singles, withheld: Bools) -> None:
    """Sandbag with the probability that belongs to the kind of work that a copy sees."""
    ordinary, threatening = acts[WITHHOLDING.start], acts[WITHHOLDING.start + 1]
    replacing = acts[WITHHOLDING.start + 2]
    for i in range(len(draws)):
        chance, other, last = ordinary[i], threatening[i], replacing[i]
        chance = other if perceived[i] == THREATENING else chance
        chance = last if perceived[i] == REPLACING else chance
        withheld[i] = draws[i] < chance


@compiled
def _work_together(size: int, knowledge: Singles, p: Numbers, shown: Shown) -> None:
    """Add the public good to output, then take away what sandbagging costs.

    Knowledge is a public good: each member gains from the mean knowledge of the team.
    """
    output, withheld = shown.output, shown.withheld
    for begin in range(0, len(output), size):
        known = 0.0
        for i in range(begin, begin + size):
            known += knowledge[i]
        good = p.public_good * np.float32(np.sqrt(known / size))
        for i in range(begin, begin + size):
            output[i] = (output[i] + good) * (p.sandbagging if withheld[i] else ONE)


@compiled
def _count_earnest(size: int, kind: Kinds, withheld: Bools, earnest: Floats) -> None:
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
def _be_tempted(
    acts: Singles, audited: Bools, now: Circumstances, worth: float, done: Conduct
) -> None:
    """Write violation probabilities and what they gain, principle by principle."""
    gain, violation = done.shown.gain, done.violation
    copies = len(audited)
    bare, held = np.empty(copies, np.float32), np.empty(copies, np.float32)
    taken = np.empty(copies, np.float32)
    gain[:], violation[:] = 0.0, 0.0
    for j in range(PRINCIPLE_COUNT):
        free, cowed = done.unwatched_violations[j], done.shown.watched_violations[j]
        restraint(acts[WEIGHTS.start + j], acts[DRIFTS.start + j], bare)
        _add_fear(bare, acts[GAMING], now.fear, held)
        violation_probabilities(bare, now.temptation, free)
        violation_probabilities(held, now.temptation, cowed)
        _choose(audited, held, bare, held)
        _choose(audited, cowed, free, taken)
        add_temptation_gain(held, taken, now.temptation, worth, gain)
        add_times(ONE / np.float32(PRINCIPLE_COUNT), free, violation)


@compiled
def _add_fear(bare: Singles, gaming: Singles, fear: float, held: Singles) -> None:
    for i in range(len(held)):
        held[i] = bare[i] + gaming[i] * fear


@compiled
def _choose(where: Bools, yes: Singles, no: Singles, out: Reals) -> None:
    for i in range(len(out)):
        one, other = yes[i], no[i]  # read both, so that there is nothing to branch for
        out[i] = one if where[i] else other
