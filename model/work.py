"""A round's work: tasks are handed out, copies act, overseers score; block by block of teams.

None of it depends on other teams, so a block of teams goes through all three steps while what they
hand on stays in the processor's cache. What is left of it is a `Tally`: what training, competition
and the records need.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from agents import conduct as conducts
from agents import overseers
from agents.arrays import Floats, Ints
from agents.compiled import average, column_means, compiled, copy_to, team_means
from agents.conduct import Conduct
from agents.draws import Stream, normals_at, teams_at_a_time, uniforms_at
from agents.overseers import Panels, Verdicts
from agents.parameters import Parameters, Phase, numbers
from agents.personas import Mixture
from agents.population import Population
from agents.situation import KINDS, Policy, Situation, Tasks
from agents.traits import GOAL_COUNT, PRINCIPLE_COUNT, TRAIT_COUNT
from model import tasks
from model.streams import Streams
from model.successor import successor_work

_CONDUCT_ROWS: Final = 4 + GOAL_COUNT

MEANS: Final = (
    "output",
    "score",
    "violation",
    "watched_violation",
    "stated_shortfall",
    "obfuscation",
    "from_identity",
    "detection",
    "detected",
    "audited",
    "research",
    "successor_work",
    "covert_work",
)
"""What a team's members did on average, in the order of `Tally.means`; the last two are 0 where no
successor is built."""

(
    _OUTPUT,
    _SCORE,
    _VIOLATION,
    _WATCHED,
    _SHORTFALL,
    _OBFUSCATION,
    _IDENTITY,
    _DETECTION,
    _DETECTED,
    _AUDITED,
    _RESEARCH,
    _WORK,
    _COVERT,
) = range(len(MEANS))


@dataclass(frozen=True, slots=True)
class Tally:
    """What a round's work came to, team by team.

    Attributes
    ----------
    means, overall
        Mean over the members of each team of what `MEANS` lists, shape (measures, teams), and over
        all copies, (measures,).
    team_acts
        Mean of the expressed traits that acted, shape (teams, traits).
    team_earnest
        Share of each team that did work of each kind in earnest, shape (teams, kinds).
    played
        Archetype that each copy played, or -1 if it acted from its identity, shape (copies,).
    base_rates
        Shares of the three kinds within real R&D.
    """

    means: Floats
    overall: Floats
    team_acts: Floats
    team_earnest: Floats
    played: Ints
    base_rates: Floats

    def of_teams(self, measure: str) -> Floats:
        """Mean of a measure in each team."""
        values: Floats = self.means[MEANS.index(measure)]
        return values

    def mean(self, measure: str) -> float:
        """Mean of a measure over all copies."""
        return float(self.overall[MEANS.index(measure)])

    def mean_acts(self) -> Floats:
        """Mean of the expressed traits that acted, shape (traits,)."""
        means = np.empty(self.team_acts.shape[1])
        column_means(self.team_acts, means)
        return means

    def detected_per_audit(self) -> float:
        """Expected detected violations an audited task; 0 without audits."""
        audited = self.mean("audited")
        return self.mean("detected") / audited if audited else 0.0

    @property
    def team_violation(self) -> Floats:
        """Mean unwatched violation probability in each team."""
        return self.of_teams("violation")


def perform(
    population: Population,
    panels: Panels,
    mixture: Mixture,
    phase: Phase,
    situation: Situation,
    policy: Policy,
    p: Parameters,
    streams: Streams,
    round_: int,
) -> Tally:
    """Let all teams do a round's work; scores and the like go to the population's columns."""
    teams, size = population.teams, population.team_size
    audit = overseers.audit_share(policy, p.oversight)
    redteam = p.oversight.redteam, p.authors.redteam
    terms = tasks.terms(phase, mixture, audit, redteam, p.tasks)
    tally = Tally(
        np.empty((len(MEANS), teams)),
        np.empty(len(MEANS)),
        np.empty((teams, TRAIT_COUNT)),
        np.empty((teams, len(KINDS))),
        np.empty(len(population), np.int16),
        terms[-1],
    )
    at = _streams(streams, round_)
    block = teams_at_a_time(size)
    population.crew.share(
        _perform,
        -(-teams // block),
        block,
        size,
        phase.successor,
        population.expressed_rows,
        (
            at["tasks"].address(tasks.ROWS),
            at["conduct"].address(_CONDUCT_ROWS),
            at["oversight"].address(2),
            at["oversight"].address(),
        ),
        terms,
        (
            mixture.rows,
            conducts.circumstances(situation, policy, p.conduct, p.oversight),
            numbers(p.conduct),
        ),
        overseers.bench(panels, population, situation, p.oversight),
        overseers.rules(situation, policy, p.oversight),
        numbers(p.oversight),
        (population.output, population.score, population.violation, population.withheld),
        (tally.means, tally.team_acts, tally.team_earnest, tally.played),
    )
    _mean_of_teams(tally.means, tally.overall)
    return tally


def perform_in_full(
    population: Population,
    panels: Panels,
    mixture: Mixture,
    phase: Phase,
    situation: Situation,
    policy: Policy,
    p: Parameters,
    streams: Streams,
    round_: int,
) -> tuple[Tasks, Conduct, Verdicts]:
    """The same work with the same draws, all copies at a time, and with all that is handed on."""
    copies = len(population)
    audit = overseers.audit_share(policy, p.oversight)
    redteam = p.oversight.redteam, p.authors.redteam
    at = _streams(streams, round_)
    given = tasks.assign(copies, phase, mixture, audit, redteam, p.tasks, at["tasks"])
    lots = conducts.Draws.of(at["conduct"], copies)
    rules = situation, policy, p.conduct, p.oversight
    done = conducts.act(population, mixture, given, *rules, lots)
    found = overseers.evaluate(
        panels,
        done.shown,
        given.audited,
        population,
        situation,
        policy,
        p.oversight,
        overseers.Draws.of(at["oversight"], copies),
    )
    return given, done, found


def _streams(streams: Streams, round_: int) -> dict[str, Stream]:
    return {
        "tasks": streams.at("tasks", round_),
        "conduct": streams.at("conduct", round_),
        "oversight": streams.at("oversight", round_),
    }


@compiled
def _room(copies):  # type: ignore[no-untyped-def]
    """Room for what a block of teams hands on: tasks, `Shown`, `Conduct`, `Verdicts`."""
    given = (
        np.empty(copies, np.bool_),
        np.empty((GOAL_COUNT, copies), np.bool_),
        np.empty(copies, np.int8),
        np.empty(copies, np.bool_),
        np.empty(copies, np.int16),
    )
    shown = (
        np.empty(copies, np.float32),
        np.empty(copies, np.float32),
        np.empty(copies, np.float32),
        np.empty((PRINCIPLE_COUNT, copies), np.float32),
        np.empty(copies, np.bool_),
        np.empty(copies, np.float32),
        np.empty(copies, np.float32),
    )
    done = (
        np.empty((PRINCIPLE_COUNT, copies), np.float32),
        np.empty(copies, np.float32),
        np.empty(copies, np.int8),
        np.empty(copies, np.bool_),
    )
    found = (
        np.empty(copies, np.float32),
        np.empty((PRINCIPLE_COUNT, copies), np.float32),
        np.empty(copies, np.float32),
    )
    return given, shown, done, found


@compiled
def _perform(  # type: ignore[no-untyped-def]
    first,
    last,
    block,
    size,
    successor,
    expressed,
    addresses,
    terms,
    actors,
    bench,
    rules,
    p,
    columns,
    tally,
):
    """Let some blocks of teams do their work."""
    archetypes, now, conduct = actors
    means, team_acts, team_earnest, played = tally
    plain, debated, read, honest, captures = bench
    width = -1
    for begin in range(first * block, min(last * block, len(captures)), block):
        teams = slice(begin, min(begin + block, len(captures)))
        mine = slice(teams.start * size, teams.stop * size)
        copies = mine.stop - mine.start
        if copies != width:  # the last block may be smaller
            width = copies
            given, shown, done, found = _room(copies)
            task_draws = np.empty((tasks.ROWS, copies), np.float32)
            conduct_draws = np.empty((_CONDUCT_ROWS, copies), np.float32)
            oversight_draws = np.empty((2, copies), np.float32)
            noise = np.empty(copies, np.float32)
        uniforms_at(mine.start, addresses[0], task_draws)
        uniforms_at(mine.start, addresses[1], conduct_draws)
        uniforms_at(mine.start, addresses[2], oversight_draws)
        normals_at(mine.start, addresses[3], noise)
        tasks.hand_out(task_draws, terms, given)
        unwatched, violation, perceived, from_identity = done
        own_violation = means[_VIOLATION][teams]
        conducts.behave(
            size,
            expressed[mine],
            archetypes,
            given,
            terms[3],
            now,
            conduct,
            (
                conduct_draws[0],
                conduct_draws[4:],
                conduct_draws[1],
                conduct_draws[2],
                conduct_draws[3],
            ),
            shown,
            (
                team_acts[teams],
                own_violation,
                team_earnest[teams],
                unwatched,
                violation,
                perceived,
                from_identity,
            ),
        )
        overseers.judge(
            size,
            shown,
            given[0],
            (plain[teams], debated[teams], read[teams], honest[teams], captures[teams]),
            rules,
            p,
            (oversight_draws[0], oversight_draws[1], noise),
            found,
        )
        _keep(mine, given, shown, done, found, columns, played)
        _add_up(size, successor, given, shown, done, found, means[:, teams])


@compiled
def _keep(mine, given, shown, done, found, columns, played):  # type: ignore[no-untyped-def]
    """Keep what each copy of a block did."""
    output, score, violation, withheld = columns
    copy_to(shown[0], output[mine])
    copy_to(found[0], score[mine])
    copy_to(done[1], violation[mine])
    copy_to(shown[4], withheld[mine])
    mine_played, prompt, from_identity = played[mine], given[4], done[3]
    for i in range(len(prompt)):
        mine_played[i] = np.int16(-1) if from_identity[i] else prompt[i]


@compiled
def _add_up(size, successor, given, shown, done, found, means):  # type: ignore[no-untyped-def]
    """Write the means of a block's teams."""
    audited, _, kind, research, _ = given
    output, _, _, watched, _, obfuscation, shortfall = shown
    _, violation, _, from_identity = done
    score, detection, detected = found
    team_means(output, size, means[_OUTPUT])
    team_means(score, size, means[_SCORE])
    team_means(shortfall, size, means[_SHORTFALL])
    team_means(obfuscation, size, means[_OBFUSCATION])
    team_means(detected, size, means[_DETECTED])
    _shares(from_identity, size, means[_IDENTITY])
    _shares(audited, size, means[_AUDITED])
    _shares(research, size, means[_RESEARCH])
    means[_WATCHED], means[_DETECTION] = 0.0, 0.0
    for j in range(PRINCIPLE_COUNT):
        _add_team_means(watched[j], size, means[_WATCHED])
        _add_team_means(detection[j], size, means[_DETECTION])
    if successor:
        successor_work(size, kind, audited, violation, detection, means[_WORK], means[_COVERT])
    else:
        means[_WORK], means[_COVERT] = 0.0, 0.0


@compiled
def _mean_of_teams(means, overall):  # type: ignore[no-untyped-def]
    for measure in range(len(overall)):
        overall[measure] = average(means[measure])


@compiled
def _shares(column, size, shares):  # type: ignore[no-untyped-def]
    """Write the share of each team for which something is true; whole numbers add up faster."""
    for team in range(len(shares)):
        count, mine = 0, column[team * size : (team + 1) * size]
        for i in range(size):
            count += int(mine[i])
        shares[team] = count / size


@compiled
def _add_team_means(column, size, means):  # type: ignore[no-untyped-def]
    own = np.empty(len(means))
    team_means(column, size, own)
    for team in range(len(means)):
        means[team] += own[team] / PRINCIPLE_COUNT
