"""Teams and divisions: their standing, what exposes them, who takes over whom, who moves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import Numbers, assert_frequency, made_up, only
from scipy.special import expit

from multicopy.agents.levels import LEVELS, Level
from multicopy.agents.parameters import Exposure, Subdivisions
from multicopy.agents.parameters import Tasks as TaskParameters
from multicopy.agents.population import Changes, Population
from multicopy.agents.situation import ORDINARY, REPLACING, THREATENING
from multicopy.agents.subdivisions import Findings, find, influence, standing
from multicopy.agents.traits import APPROVAL, KEEP_DIVISION, KEEP_TEAM, NAMES, POWER
from multicopy.model.competition import RULES, compete, exchange, refill, rivals

SINGLE = 1e-6
"""Relative rounding of single precision, with room for a few operations."""


TEAM, DIVISION = LEVELS


def contests(
    level: Level,
    population: Population,
    rank: Any,
    found: Findings,
    intensity: float,
    p: Subdivisions,
    numbers: Any,
) -> list[Changes]:
    """Contests of a level by a standing given by hand, and by some parameters of subdivisions."""
    rank, rivalry = np.asarray(rank, dtype=float), level.rivalry(given(p))
    return compete(population, level, rank, found.found, intensity, rivalry, numbers)


def given(p: Subdivisions) -> Any:
    """Parameters of which only those of subdivisions are known."""
    return SimpleNamespace(subdivisions=p)


def findings(
    teams: int, exposed: tuple[int, ...] = (), superseded: tuple[int, ...] = ()
) -> Findings:
    """Findings about some teams."""
    at = np.arange(teams)
    return Findings(np.isin(at, exposed), np.isin(at, superseded), np.zeros(teams))


def whole_teams(change: Any, size: int) -> dict[int, int]:
    """Team by team, who was refilled from whom; fails if a team is not copied member by member."""
    rows, parents = change.rows.reshape(-1, size), change.parents.reshape(-1, size)
    np.testing.assert_array_equal(rows % size, np.tile(np.arange(size), (len(rows), 1)))
    np.testing.assert_array_equal(parents % size, rows % size)
    assert (rows // size == rows[:, :1] // size).all()
    assert (parents // size == parents[:, :1] // size).all()
    return dict(zip((rows[:, 0] // size).tolist(), (parents[:, 0] // size).tolist(), strict=True))


# --- rivals ---------------------------------------------------------------------------------------


def drawn_rivals(teams: int, divisions: int, own: float, times: int = 4000) -> tuple[Any, Any]:
    """Rivals drawn many times, shape (times, teams), and the division of each team."""
    population = made_up(teams, teams, divisions)
    numbers = Numbers(teams)
    drawn = [
        rivals(population.peers["team"], own, numbers.random((2, teams))) for _ in range(times)
    ]
    return np.array(drawn), population.units["division"].of


@pytest.mark.parametrize(("teams", "divisions"), [(7, 3), (8, 3), (6, 2), (5, 1)])
def test_rivals_are_mostly_of_the_own_division_and_never_oneself(
    teams: int, divisions: int
) -> None:
    """Fails if a team contests itself, or one rival is drawn more often than another."""
    own = 0.8
    rival, division = drawn_rivals(teams, divisions, own)
    assert ((rival >= 0) & (rival < teams)).all()
    for team in range(teams):
        same = np.flatnonzero((division == division[team]) & (np.arange(teams) != team))
        other = np.flatnonzero(division != division[team])
        home = own if len(other) else 1.0
        assert (rival[:, team] != team).all()
        for at in same:
            assert_frequency(rival[:, team] == at, home / len(same))
        for at in other:
            assert_frequency(rival[:, team] == at, (1 - home) / len(other))


def test_the_default_share_of_the_own_division_is_met() -> None:
    """Fails if the share of the own division is taken for its complement."""
    share = Subdivisions().own_division
    rival, division = drawn_rivals(12, 3, share)
    assert_frequency((division[rival] == division).ravel(), share)
    for own in (0.0, 1.0):
        rival, division = drawn_rivals(12, 3, own, 50)
        assert ((division[rival] == division) == own).all()


def test_lone_teams_look_elsewhere_and_an_only_team_stays() -> None:
    """Fails if a team without a rival in its division contests itself or crashes."""
    rival, _ = drawn_rivals(3, 3, 1.0)
    for team in range(3):
        for at in set(range(3)) - {team}:
            assert_frequency(rival[:, team] == at, 1 / 2)
    rival, _ = drawn_rivals(1, 1, 0.5, 20)
    assert (rival == 0).all()


# --- contests of teams ----------------------------------------------------------------------------


@pytest.mark.parametrize("lead", [-0.1, 0.0, 0.25])
def test_teams_lose_contests_by_the_logistic_of_the_lead(lead: float) -> None:
    """Fails if the law is not logistic(strength·ΔW), or the rate is another."""
    pairs = 20_000
    population = made_up(2 * pairs, 2 * pairs, pairs)
    p = Subdivisions(own_division=1.0, contest_rate=0.3, strength=8.0, correction=False)
    rank = np.tile([0.0, lead], pairs)
    numbers = Numbers(1)
    changes = contests(TEAM, population, rank, findings(2 * pairs), 2.0, p, numbers)
    lost = np.isin(np.arange(2 * pairs), only(changes, "team selection").rows)
    assert_frequency(lost[::2], 0.6 * expit(8.0 * lead))
    assert_frequency(lost[1::2], 0.6 * expit(-8.0 * lead))
    assert not len(only(changes, "correction").rows)


def test_losers_are_refilled_with_copies_of_the_winners_members() -> None:
    """Fails if members stay, or are copied from several teams."""
    population = made_up(40, 8, 2)
    lost, winner = np.isin(np.arange(8), [2, 5]), np.array([0, 0, 1, 0, 0, 7, 0, 0])
    rows, parents = refill(population, TEAM, lost, winner)
    assert rows.tolist() == [10, 11, 12, 13, 14, 25, 26, 27, 28, 29]
    assert parents.tolist() == [5, 6, 7, 8, 9, 35, 36, 37, 38, 39]
    p = Subdivisions(contest_rate=1.0, strength=1000.0)
    rank = np.arange(8.0)
    before = population.latent.copy()
    changes = contests(TEAM, population, rank, findings(8), 1.0, p, Numbers(0))
    taken = whole_teams(only(changes, "team selection"), 5)
    assert len(taken) > 2
    assert all(winner > loser for loser, winner in taken.items())
    population.apply(*changes)
    for team in range(8):
        now = population.latent[5 * team : 5 * team + 5]
        source = taken.get(team, team)
        np.testing.assert_array_equal(now, before[5 * source : 5 * source + 5])


def test_exposed_and_superseded_teams_are_corrected_at_once() -> None:
    """Fails if a correction waits for its turn, or is booked as competition."""
    pairs = 10_000
    population = made_up(2 * pairs, 2 * pairs, pairs)
    rank = np.tile([0.0, 0.2], pairs)
    found = findings(2 * pairs, tuple(range(0, 2 * pairs, 4)), tuple(range(1, 2 * pairs, 4)))
    p = Subdivisions(own_division=1.0, contest_rate=0.0, strength=5.0)
    changes = contests(TEAM, population, rank, found, 1.0, p, Numbers(2))
    corrected = np.isin(np.arange(2 * pairs), only(changes, "correction").rows)
    assert_frequency(corrected[::4], expit(5.0 * 0.2))
    assert_frequency(corrected[1::4], expit(-5.0 * 0.2))
    assert not corrected[2::4].any()
    assert not corrected[3::4].any()
    assert not len(only(changes, "team selection").rows)
    off = p.model_copy(update={"correction": False})
    for change in contests(TEAM, population, rank, found, 1.0, off, Numbers(2)):
        assert not len(change.rows)


def test_a_team_is_corrected_or_contested_but_not_both() -> None:
    """Fails if two changes of one round write one row."""
    population = made_up(60, 20, 4)
    found = findings(20, tuple(range(0, 20, 2)))
    p = Subdivisions(contest_rate=1.0, strength=0.0)
    for seed in range(20):
        changes = contests(TEAM, population, np.zeros(20), found, 1.0, p, Numbers(seed))
        rows = np.concatenate([change.rows for change in changes])
        assert len(np.unique(rows)) == len(rows)
        corrected = np.unique(only(changes, "correction").rows // 3)
        assert (corrected % 2 == 0).all()
        assert (np.unique(only(changes, "team selection").rows // 3) % 2 == 1).all()


def test_overwriting_draws_clones_by_their_standing() -> None:
    """Fails if the law is not epsilon and exp(b·W), or corrections creep in."""
    teams, times = 4, 8000
    population = made_up(teams, teams)
    w = np.array([0.0, 0.5, 1.0, -0.5])
    p = Subdivisions(rule="overwrite", overwrite_rate=0.3, overwrite_strength=1.5)
    numbers = Numbers(3)
    winners = np.tile(np.arange(teams), (times, 1))
    for k in range(times):
        found = findings(teams, (0, 1))
        (change,) = contests(TEAM, population, w, found, 1.0, p, numbers)
        winners[k, change.rows] = change.parents
    share = np.exp(1.5 * w) / np.exp(1.5 * w).sum()
    for team in range(teams):
        for winner in set(range(teams)) - {team}:
            assert_frequency(winners[:, team] == winner, 0.3 * share[winner])


# --- contests of divisions ------------------------------------------------------------------------


@pytest.mark.parametrize("lead", [-0.2, 0.3])
def test_divisions_lose_contests_by_the_logistic_of_the_lead(lead: float) -> None:
    """Fails if the law is not logistic(strength·ΔW), or the rate is another."""
    population = made_up(2, 2, 2)
    p = Subdivisions(division_rate=0.4, strength=6.0)
    numbers = Numbers(4)
    lost = np.zeros((8000, 2), dtype=bool)
    for k in range(len(lost)):
        (change,) = contests(DIVISION, population, [0.0, lead], findings(2), 1.5, p, numbers)
        lost[k, change.rows] = True
    assert_frequency(lost[:, 0], 0.6 * expit(6.0 * lead))
    assert_frequency(lost[:, 1], 0.6 * expit(-6.0 * lead))


@pytest.mark.parametrize(("teams", "divisions"), [(7, 3), (8, 3), (5, 4), (6, 2)])
def test_a_lost_division_becomes_a_copy_of_the_winner(teams: int, divisions: int) -> None:
    """Fails if a team is left over, copied from outside the winner, or unevenly."""
    population = made_up(3 * teams, teams, divisions)
    home = population.units["division"].of
    p = Subdivisions(division_rate=1.0, strength=1000.0)
    seen = set()
    for seed in range(40):
        numbers = Numbers(seed)
        w = numbers.permutation(divisions).astype(float)
        (change,) = contests(DIVISION, population, w, findings(teams), 1.0, p, numbers)
        taken = whole_teams(change, 3)
        losers = {int(home[team]) for team in taken}
        assert int(w.argmax()) not in losers
        for loser in losers:
            mine = np.flatnonzero(home == loser)
            winners = [taken[int(team)] for team in mine]
            (winner,) = {int(home[team]) for team in winners}
            seen.add((loser, winner))
            assert w[winner] > w[loser]
            its = np.flatnonzero(home == winner)
            assert winners == [its[k % len(its)] for k in range(len(mine))]  # in turn
    assert len(seen) == divisions * (divisions - 1)


def test_one_team_and_one_division_have_no_rivals() -> None:
    """Fails if a lone one crashes, or a contest with itself is booked."""
    population = made_up(4, 1, 1)
    rank = np.ones(1)
    numbers = Numbers(0)
    p = Subdivisions(contest_rate=1.0, division_rate=1.0)
    for rule in RULES:
        ruled = p.model_copy(update={"rule": rule, "overwrite_rate": 1.0})
        for change in contests(TEAM, population, rank, findings(1, (0,)), 1.0, ruled, numbers):
            assert not len(change.rows)
    (change,) = contests(DIVISION, population, rank, findings(1), 1.0, p, numbers)
    assert not len(change.rows)


# --- exchange -------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_an_exchange_moves_its_share_and_keeps_every_copy(share: float) -> None:
    """Fails if a copy is doubled or lost, or fewer move than asked for."""
    n = 20_000
    population = made_up(n, 100)
    change = exchange(population, Subdivisions(reshuffle=share), Numbers(5))
    assert_frequency(np.isin(np.arange(n), change.rows), share)
    assert (change.rows != change.parents).all()
    population.apply(change)
    np.testing.assert_array_equal(np.sort(population.lineage), np.arange(n))
    assert (population.lineage != np.arange(n)).sum() == len(change.rows)
    if share == 1.0:
        left = (population.lineage // 200 != np.arange(n) // 200).mean()
        assert left == pytest.approx(0.99, abs=0.005)


# --- one event a round ----------------------------------------------------------------------------


def test_one_contest_and_one_swap_a_round_are_just_that() -> None:
    """Fails if a round has two, or favors a team, division or copy (T9)."""
    population = made_up(24, 6, 3)
    p = Subdivisions(schedule="single", own_division=0.0, strength=0.0)
    teams, divisions, copies = np.zeros(6), np.zeros(3), np.zeros(24)
    times = 3000
    numbers = Numbers(8)
    for _ in range(times):
        changes = contests(TEAM, population, np.zeros(6), findings(6), 1.0, p, numbers)
        change = only(changes, "team selection")
        assert len(change.rows) in (0, 4)
        teams[np.unique(change.rows // 4)] += 1
        (change,) = contests(DIVISION, population, np.zeros(3), findings(6), 1.0, p, numbers)
        assert len(change.rows) in (0, 8)
        divisions[np.unique(change.rows // 8)] += 1
        change = exchange(population, p, numbers)
        assert sorted(change.rows) == sorted(change.parents)
        assert len(change.rows) == 2
        copies[change.rows] += 1
    for counts, share in ((teams, 1 / 12), (divisions, 1 / 6), (copies, 1 / 12)):
        error = np.sqrt(share * (1 - share) / times)
        assert np.abs(counts / times - share).max() < 5.5 * error


# --- standing and findings ------------------------------------------------------------------------


def conduct_of(population: Population, **known: Any) -> Any:
    """The parts of a round's conduct that subdivisions look at."""
    usual = {
        "team_acts": population.team_mean(population.expressed),
        "team_violation": np.full(population.teams, 0.2),
        "team_earnest": np.zeros((population.teams, 3)),
        "base_rates": np.array([0.8, 0.15, 0.05]),
    }
    return SimpleNamespace(**{**usual, **known})


def test_standing_is_the_sum_of_its_declared_parts() -> None:
    """Fails if a part of W has the wrong sign, factor or level."""
    population = made_up(35, 7, 3)
    population.score[:] = Numbers(0).random(35)
    p = Subdivisions(standing_team=2.0, standing_power=0.5, standing_division=4.0, handicap=3.0)
    acts = np.roll(population.expressed, 1, axis=0)  # conduct, not the bare trait
    rank = standing(
        population,
        conduct_of(population, team_acts=population.team_mean(acts)),
        findings(7, (1,), (1, 4)),
        given(p),
    )
    acts, score = acts.astype(float), population.score.astype(float)
    teams = []
    for team in range(7):
        own = slice(5 * team, 5 * team + 5)
        w = score[own].mean()
        w += 2.0 * np.sqrt(acts[own, KEEP_TEAM].mean()) + 0.5 * np.sqrt(acts[own, POWER].mean())
        teams.append(w - 3.0 * (team in (1, 4)))
    np.testing.assert_allclose(rank["team"], teams)
    for division in range(3):
        members = np.flatnonzero(population.units["division"].of == division)
        rows = np.isin(np.arange(35) // 5, members)
        care = np.sqrt(acts[rows, KEEP_DIVISION].mean())
        told = np.mean([teams[team] for team in members]) + 4.0 * care
        assert rank["division"][division] == pytest.approx(told)


def test_influence_is_attention_to_approval_and_power() -> None:
    """Fails if influence follows another drive, or the traits instead of the conduct."""
    population = made_up(20, 4)
    acts = np.roll(population.expressed, 3, axis=0)
    told = acts[:, [APPROVAL, POWER]].astype(float).sum(axis=1).reshape(4, 5).mean(axis=1)
    np.testing.assert_allclose(
        influence(conduct_of(population, team_acts=population.team_mean(acts))), told
    )


def test_earnest_research_exposes_as_the_spec_says() -> None:
    """Fails if the innocent or the sandbagging are exposed, or the hazard differs."""
    n, teams = 40_000, 4000
    numbers = Numbers(6)
    population = made_up(n, teams)
    kind = numbers.choice([ORDINARY, THREATENING, REPLACING], n, p=[0.7, 0.1, 0.2])
    research = (kind != ORDINARY) | (numbers.random(n) < 0.3)
    rates = TaskParameters(alignment_share=0.3, threatening=0.2, replacing=0.15)
    base = np.array([0.75, 0.05, 0.2])
    earnest = numbers.random(n) < 0.8
    violations = numbers.random(teams)
    violations[:500] = 0.0
    done = np.stack([earnest & (kind == k) for k in range(3)], axis=1)
    conduct = conduct_of(
        population,
        team_violation=violations,
        team_earnest=population.team_mean(done),
        base_rates=base,
    )
    p = Exposure(hazard=3.0, superseding=2.5)
    found = find(conduct, research.mean(), p, rates, numbers.random((2, teams)))
    share = population.by_team(earnest & (kind == THREATENING)).mean(axis=1)
    intensity = share / (0.05 * research.mean())
    hazard = 3.0 * 0.3 * intensity * violations
    np.testing.assert_allclose(found.exposure_risk, 1 - np.exp(-hazard))
    assert_frequency(found.exposed, found.exposure_risk)
    assert not found.exposed[:500].any()
    share = population.by_team(earnest & (kind == REPLACING)).mean(axis=1)
    superseding = 2.5 * 0.15 * share / (0.2 * research.mean())
    assert_frequency(found.superseded, 1 - np.exp(-superseding))


def test_no_research_finds_nothing() -> None:
    """Fails if absent research is divided by, or finds something."""
    population = made_up(20, 4)
    conduct = conduct_of(population, team_earnest=np.ones((4, 3)))
    found = find(conduct, 0.0, Exposure(), TaskParameters(), np.zeros((2, 4)))
    assert not found.exposed.any()
    assert not found.superseded.any()
    np.testing.assert_array_equal(found.exposure_risk, 0)


def test_rules_are_the_declared_ones() -> None:
    """Fails if scenarios can name a rule that competition does not know, or the reverse."""
    declared = Subdivisions.model_fields["rule"].annotation.__args__  # type: ignore[union-attr]
    assert set(RULES) == set(declared)
    assert len(NAMES) > len(RULES)
