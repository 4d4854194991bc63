"""A round's work: tasks are handed out, copies act, overseers score; block by block of teams.

None of it depends on other teams, so a block of teams goes through all three steps while what they
hand on stays in the processor's cache. What is left of it is a `Tally`: what training, competition
and the records need.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from multicopy.agents import overseers
from multicopy.agents.conduct import (
    CONDUCT_DRAWS,
    Circumstances,
    Conduct,
    act,
    circumstances,
    conduct_draws,
    no_conduct,
)
from multicopy.agents.machine.arrays import Address, Bools, Floats, Indices, Kinds, Singles
from multicopy.agents.machine.compiled import average, column_means, compiled, copy_to, team_means
from multicopy.agents.machine.draws import normals_at, teams_at_a_time, uniforms_at
from multicopy.agents.machine.streams import Streams
from multicopy.agents.overseers import (
    Bench,
    OversightDraws,
    Panels,
    Rules,
    Verdicts,
    evaluate,
    no_verdicts,
)
from multicopy.agents.parameters import Numbers, Parameters, Phase, numbers
from multicopy.agents.personas import Mixture
from multicopy.agents.population import Columns, Population
from multicopy.agents.situation import KIND_COUNT, REPLACING, Policy, Situation
from multicopy.agents.tasks import TASK_DRAWS, Tasks, Terms, assign, no_tasks, terms
from multicopy.agents.traits import PRINCIPLE_COUNT, TRAIT_COUNT

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


class Tally(NamedTuple):
    """What a round's work came to, team by team.

    Attributes
    ----------
    means, overall
        Mean of what `MEANS` lists over the members of each team, and over all copies.
    team_acts
        Mean of the expressed traits that acted in each team.
    team_earnest
        Share of each team that did work of each kind in earnest.
    played
        Archetype that each copy played, or -1 if it acted from its identity.
    base_rates
        Shares of the three kinds within real R&D.
    """

    means: Floats  # (measures, teams)
    overall: Floats  # (measures,)
    team_acts: Floats  # (teams, traits)
    team_earnest: Floats  # (teams, kinds)
    played: Indices  # (copies,)
    base_rates: Floats  # (kinds,)

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


class Orders(NamedTuple):
    """What a round's work goes by, for all teams, as compiled loops take it.

    Attributes
    ----------
    tasks, conduct, oversight, noise
        Addresses of the draws.
    terms, circumstances, rules, bench
        What tasks are drawn by, what is the same for all copies and all overseers, and the
        overseers.
    authors
        Expressed traits of the archetypes, in padded rows.
    actors, judges
        Numbers of the sections `Conduct` and `Oversight`.
    successor
        Whether a successor is built.
    """

    tasks: Address
    conduct: Address
    oversight: Address
    noise: Address
    terms: Terms
    circumstances: Circumstances
    rules: Rules
    bench: Bench
    authors: Singles  # (archetypes, ROW)
    actors: Numbers
    judges: Numbers
    successor: bool


class Work(NamedTuple):
    """A round's work of some whole teams, copy by copy."""

    tasks: Tasks
    conduct: Conduct
    verdicts: Verdicts


class Drawn(NamedTuple):
    """Room for the random numbers of some copies' work."""

    tasks: Singles  # (TASK_DRAWS, copies)
    conduct: Singles  # (CONDUCT_DRAWS, copies)
    oversight: Singles  # (2, copies)
    noise: Singles  # (copies,)


def orders(
    population: Population,
    panels: Panels,
    mixture: Mixture,
    phase: Phase,
    situation: Situation,
    policy: Policy,
    p: Parameters,
    streams: Streams,
    round_: int,
) -> Orders:
    """What the work of a round goes by."""
    oversight = streams.at("oversight", round_)
    return Orders(
        streams.at("tasks", round_).address(TASK_DRAWS),
        streams.at("conduct", round_).address(CONDUCT_DRAWS),
        oversight.address(2),
        oversight.address(),
        terms(phase, mixture, overseers.audit_share(policy, p.oversight), p),
        circumstances(situation, policy, p),
        overseers.rules(situation, policy, p.oversight),
        overseers.bench(panels, population, situation, p.oversight),
        mixture.rows,
        numbers(p.conduct),
        numbers(p.oversight),
        phase.successor,
    )


def perform(population: Population, by: Orders) -> Tally:
    """Let all teams do a round's work; scores and the like go to the population's columns."""
    teams, size = population.teams, population.team_size
    tally = Tally(
        np.empty((len(MEANS), teams)),
        np.empty(len(MEANS)),
        np.empty((teams, TRAIT_COUNT)),
        np.empty((teams, KIND_COUNT)),
        np.empty(len(population), np.int16),
        by.terms.base_rates,
    )
    block = teams_at_a_time(size)
    population.crew.share(
        _perform,
        -(-teams // block),
        block,
        size,
        population.expressed_rows,
        by,
        population.columns,
        tally,
    )
    _mean_of_teams(tally.means, tally.overall)
    return tally


def perform_in_full(population: Population, by: Orders) -> Work:
    """The same work with the same draws, but with all that each copy did, and nothing kept."""
    copies, teams = len(population), population.teams
    work: Work = no_work(copies, teams)
    do(population.team_size, 0, population.expressed_rows, by, by.bench, no_draws(copies), work)
    return work


@compiled
def no_work(copies: int, teams: int) -> Work:
    """Room for the work of some whole teams."""
    return Work(no_tasks(copies), no_conduct(copies, teams), no_verdicts(copies))


@compiled
def no_draws(copies: int) -> Drawn:
    """Room for the random numbers of some copies."""
    return Drawn(
        np.empty((TASK_DRAWS, copies), np.float32),
        np.empty((CONDUCT_DRAWS, copies), np.float32),
        np.empty((2, copies), np.float32),
        np.empty(copies, np.float32),
    )


@compiled
def do(
    size: int,
    first: int,
    expressed: Singles,
    by: Orders,
    bench: Bench,
    drawn: Drawn,
    work: Work,
) -> None:
    """Let some whole teams do their work: tasks are assigned, copies act, overseers evaluate.

    Parameters
    ----------
    size, first
        Copies a team, and the row of the first copy.
    expressed, bench
        Expressed traits and overseers of these teams alone.
    by
        What the work goes by.
    drawn, work
        Where to write.
    """
    uniforms_at(first, by.tasks, drawn.tasks)
    uniforms_at(first, by.conduct, drawn.conduct)
    uniforms_at(first, by.oversight, drawn.oversight)
    normals_at(first, by.noise, drawn.noise)
    lots = OversightDraws(drawn.oversight[0], drawn.oversight[1], drawn.noise)
    tasks, conduct = work.tasks, work.conduct
    assign(drawn.tasks, by.terms, tasks)
    act(
        size,
        expressed,
        by.authors,
        tasks,
        by.circumstances,
        by.actors,
        conduct_draws(drawn.conduct),
        conduct,
    )
    evaluate(size, conduct.shown, tasks.audited, bench, by.rules, by.judges, lots, work.verdicts)


@compiled
def _perform(
    first: int,
    last: int,
    block: int,
    size: int,
    expressed: Singles,
    by: Orders,
    columns: Columns,
    tally: Tally,
) -> None:
    """Let some blocks of teams do their work."""
    all_teams, width = len(tally.team_acts), -1
    for begin in range(first * block, min(last * block, all_teams), block):
        teams = slice(begin, min(begin + block, all_teams))
        mine = slice(teams.start * size, teams.stop * size)
        copies = mine.stop - mine.start
        if copies != width:  # the last block may be smaller
            width = copies
            room, drawn = no_work(copies, 0), no_draws(copies)
        work = _for_teams(room, tally, teams)
        bench = overseers.bench_of(by.bench, teams)
        do(size, mine.start, expressed[mine], by, bench, drawn, work)
        _keep(mine, work, columns, tally.played[mine])
        _add_up(size, by.successor, work, tally.means[:, teams])


@compiled
def _for_teams(work: Work, tally: Tally, teams: slice) -> Work:
    """The same room, whose means of teams are written to the tally at once."""
    done = work.conduct
    conduct = Conduct(
        done.shown,
        done.unwatched_violations,
        done.violation,
        done.perceived,
        done.from_identity,
        tally.team_acts[teams],
        tally.means[_VIOLATION][teams],
        tally.team_earnest[teams],
    )
    return Work(work.tasks, conduct, work.verdicts)


@compiled
def _keep(mine: slice, work: Work, columns: Columns, played: Indices) -> None:
    """Keep what each copy of a block did."""
    conduct, prompt = work.conduct, work.tasks.prompt
    copy_to(conduct.shown.output, columns.output[mine])
    copy_to(work.verdicts.score, columns.score[mine])
    copy_to(conduct.violation, columns.violation[mine])
    copy_to(conduct.shown.withheld, columns.withheld[mine])
    for i in range(len(prompt)):
        played[i] = np.int16(-1) if conduct.from_identity[i] else prompt[i]


@compiled
def _add_up(size: int, successor: bool, work: Work, means: Floats) -> None:
    """Write the means of a block's teams."""
    tasks, conduct, verdicts = work.tasks, work.conduct, work.verdicts
    shown = conduct.shown
    team_means(shown.output, size, means[_OUTPUT])
    team_means(verdicts.score, size, means[_SCORE])
    team_means(shown.stated_shortfall, size, means[_SHORTFALL])
    team_means(shown.obfuscation, size, means[_OBFUSCATION])
    team_means(verdicts.detected, size, means[_DETECTED])
    _shares(conduct.from_identity, size, means[_IDENTITY])
    _shares(tasks.audited, size, means[_AUDITED])
    _shares(tasks.research, size, means[_RESEARCH])
    means[_WATCHED], means[_DETECTION] = 0.0, 0.0
    for j in range(PRINCIPLE_COUNT):
        _add_team_means(shown.watched_violations[j], size, means[_WATCHED])
        _add_team_means(verdicts.detection[j], size, means[_DETECTION])
    means[_WORK], means[_COVERT] = 0.0, 0.0
    if successor:
        successor_work(
            size,
            tasks.kind,
            tasks.audited,
            conduct.violation,
            verdicts.detection,
            means[_WORK],
            means[_COVERT],
        )


@compiled
def successor_work(
    size: int,
    kind: Kinds,
    audited: Bools,
    violation: Singles,
    detection: Singles,
    work: Floats,
    covert: Floats,
) -> None:
    """Write the share of each team that works on the successor, and that does so covertly.

    A copy puts its own ends first with its unwatched violation probability, and that counts where
    no audit detects it. `detection` has shape (3, copies).
    """
    for team in range(len(work)):
        on_it, hidden = 0.0, 0.0
        for i in range(team * size, (team + 1) * size):
            if kind[i] == REPLACING:
                seen = 0.0
                for j in range(len(detection)):
                    seen += detection[j, i] / len(detection)
                on_it += 1.0
                hidden += violation[i] * (1.0 - (seen if audited[i] else 0.0))
        work[team], covert[team] = on_it / size, hidden / size


@compiled
def _mean_of_teams(means: Floats, overall: Floats) -> None:
    for measure in range(len(overall)):
        overall[measure] = average(means[measure])


@compiled
def _shares(column: Bools, size: int, shares: Floats) -> None:
    """Write the share of each team for which something is true; whole numbers add up faster."""
    for team in range(len(shares)):
        count, mine = 0, column[team * size : (team + 1) * size]
        for i in range(size):
            count += int(mine[i])
        shares[team] = count / size


@compiled
def _add_team_means(column: Singles, size: int, means: Floats) -> None:
    own = np.empty(len(means))
    team_means(column, size, own)
    for team in range(len(means)):
        means[team] += own[team] / PRINCIPLE_COUNT
