"""Selection within teams and mutation, against what population genetics knows exactly."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import Z_LIMIT, Numbers, assert_frequency, assert_mean, made_up, only
from scipy.special import expit
from scipy.stats import binom

from multicopy.agents.parameters import Training
from multicopy.agents.personas import Mixture, switch_weights
from multicopy.agents.population import Population, homes
from multicopy.agents.traits import (
    ABOVE_SELF,
    HARDCODING,
    KEEP_SELF,
    NAMES,
    POWER,
    ROW,
    START,
    express,
)
from multicopy.model.training import (
    RULES,
    challenge,
    erase,
    mutate,
    mutation_steps,
    resample,
    select,
    sources,
    tournament,
    truncation,
)


def steps_of(rows: np.ndarray, p: Training, hardcoding: float, seed: int) -> np.ndarray:
    """Steps of the traits, (rows, traits); fails if the padding of a row moves."""
    steps = mutation_steps(rows, p, hardcoding, Numbers(seed))
    assert steps.shape == (len(rows), ROW)
    assert not steps[:, len(NAMES) :].any()
    return steps[:, : len(NAMES)]


def own_team(teams: int, size: int) -> np.ndarray:
    """Sources without migration."""
    return homes(teams, size)


def drawn_parents(rule: str, score: np.ndarray, p: Training, seed: int = 0) -> np.ndarray:
    """Parent of every slot by a rule of selection, as its seat in its own team."""
    single = score.astype(np.float32)
    succession = RULES[rule](single, own_team(*score.shape), p, Numbers(seed))
    rows = np.arange(score.size).reshape(score.shape)
    return np.where(succession.replaced, succession.parent, rows) % score.shape[1]


# --- challenge ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lead", "beta"), [(0.0, 8.0), (0.1, 8.0), (-0.4, 2.0), (0.5, 3.0)])
def test_a_challenge_is_won_by_the_logistic_of_the_lead(lead: float, beta: float) -> None:
    """Fails if the rule is not Fermi's, or the rate is not the declared one."""
    score = np.tile(np.array([0.0, lead], np.float32), (40_000, 1))
    p = Training(strength=beta, challenge_rate=0.6)
    replaced = challenge(score, own_team(40_000, 2), p, Numbers(1)).replaced
    assert_frequency(replaced[:, 0], 0.6 * expit(beta * lead))
    assert_frequency(replaced[:, 1], 0.6 * expit(-beta * lead))


def test_every_mate_challenges_equally_often_and_nobody_itself() -> None:
    """Fails if a copy plays itself, or a seat challenges more often than others."""
    n, size = 30_000, 4
    always = Training(challenge_rate=1.0)
    score = np.zeros((n, size), np.float32)
    found = challenge(score, own_team(n, size), always, Numbers(2))
    mate = found.parent % size
    np.testing.assert_array_equal(found.parent // size, own_team(n, size))
    np.testing.assert_array_equal(found.replaced, mate != np.arange(size))
    for seat in range(size):
        won = mate[found.replaced[:, seat], seat]
        for other in set(range(size)) - {seat}:
            assert_frequency(won == other, 1 / (size - 1))


def fixation(n: int, c: float, advantage: float) -> float:
    """Exact chance that one mutant takes over a team, all challenges of a round at once.

    Each of n copies is challenged with probability c by another one; `advantage` is beta times the
    mutants' lead.
    """
    step = np.zeros((n + 1, n + 1))
    for j in range(n + 1):
        lost = c * (n - j) / (n - 1) * expit(-advantage)
        won = c * j / (n - 1) * expit(advantage)
        down = binom.pmf(np.arange(j + 1), j, lost)[::-1]  # mutants that stay
        up = binom.pmf(np.arange(n - j + 1), n - j, won)
        step[j] = np.convolve(down, up)
    inner = slice(1, n)
    fixed = np.linalg.solve(np.eye(n - 1) - step[inner, inner], step[inner, n])
    return float(fixed[0])


def test_the_exact_chain_of_fixation_is_that_of_theory() -> None:
    """Fails if the next test's oracle misses 1/N, or the law of single challenges."""
    assert fixation(5, 0.3, 0.0) == pytest.approx(1 / 5)
    s = 0.7
    single = (1 - np.exp(-s)) / (1 - np.exp(-5 * s))
    assert fixation(5, 1e-5, s) == pytest.approx(single, rel=1e-4)


def taken_over(
    population: Population, p: Training, payoff: np.ndarray | None = None, seed: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    """Let single mutants (power 1 above the rest) play on until every team is of one kind.

    Without a `payoff` they are as good as all others; with one, every copy plays with each of its
    mates. Returns which teams the mutants took over, and the round in which each was decided.
    """
    size = population.team_size
    mutants = population.by_team(population.latent[:, POWER])
    numbers, rounds = Numbers(seed), np.zeros(population.teams)
    while (open_ := np.ptp(mutants, axis=1) > 0).any():
        rounds += open_
        if payoff is not None:
            mutant = mutants > START[POWER]
            others = mutant.sum(axis=1, keepdims=True) - mutant
            with_mutants, with_rest = payoff[mutant * 1, 1], payoff[mutant * 1, 0]
            score = (with_mutants * others + with_rest * (size - 1 - others)) / (size - 1)
            population.score[:] = score.ravel()
        changes, _ = select(population, p, 0.0, numbers, numbers)
        population.apply(*changes)
    return mutants[:, 0] > START[POWER], rounds


def with_single_mutants(teams: int, size: int) -> Population:
    """Teams in which the first copy has a power of 1 above all others."""
    latent = np.tile(START, (size * teams, 1))
    latent[::size, POWER] += 1
    return Population(latent, teams, 1)


@pytest.mark.parametrize("advantage", [0.0, 0.7, -0.5])
def test_mutants_take_over_a_team_as_often_as_theory_says(advantage: float) -> None:
    """Fails if a copy plays itself, or challenges are one-sided or use late scores (T1, T2)."""
    size, teams, c = 5, 8000, 0.4
    p = Training(challenge_rate=c, strength=2.0)
    lead = np.array([[0.0, 0.0], [advantage / 2] * 2])
    fixed, _ = taken_over(with_single_mutants(teams, size), p, lead)
    assert_frequency(fixed, fixation(size, c, advantage))


def test_single_neutral_challenges_fix_one_over_n_in_their_time() -> None:
    """Fails if the chance is not 1/N, or the time not 2(N - 1)² challenges (T1)."""
    size = 4
    fixed, rounds = taken_over(with_single_mutants(6000, size), Training(schedule="single"))
    assert_frequency(fixed, 1 / size)
    assert_mean(rounds[fixed], 2 * (size - 1) ** 2)


@pytest.mark.parametrize("beta", [0.1, 0.3])
def test_cooperators_take_over_as_often_as_theory_says(beta: float) -> None:
    """Fails if in a prisoner's dilemma copies play themselves, or not all their mates (T3)."""
    size = 4
    payoff = np.array([[1.0, 5.0], [0.0, 3.0]])  # defectors and cooperators (mutants)
    p = Training(schedule="single", strength=beta)
    fixed, _ = taken_over(with_single_mutants(12_000, size), p, payoff)
    lead = [((j - 1) * 3.0 - (j * 5.0 + (size - 1 - j) * 1.0)) / (size - 1) for j in range(1, size)]
    chance = 1 / (1 + np.exp(-beta * np.cumsum(lead)).sum())
    assert_frequency(fixed, chance)


def test_a_single_challenge_a_round_comes_to_everyone_alike() -> None:
    """Fails if a team has two challenges in a round, or a seat is passed over."""
    n, size = 20_000, 4
    p = Training(schedule="single", strength=0.0)
    score = np.zeros((n, size), np.float32)
    replaced = challenge(score, own_team(n, size), p, Numbers(0)).replaced
    assert replaced.sum(axis=1).max() == 1
    for seat in range(size):
        assert_frequency(replaced[:, seat], 0.5 / size)


# --- the other rules ------------------------------------------------------------------------------


def test_resampling_draws_parents_by_their_weight() -> None:
    """Fails if parents are not drawn by the weights exp(beta·score) (T6)."""
    score = np.tile([0.0, 0.3, -0.2], (30_000, 1))
    parents = drawn_parents("resample", score, Training(strength=2.0))
    weight = np.exp(2.0 * score[0])
    for seat in range(3):
        for parent in range(3):
            assert_frequency(parents[:, seat] == parent, weight[parent] / weight.sum())
    assert_mean((parents[:, 0] == 0) & (parents[:, 1] == 0), (weight[0] / weight.sum()) ** 2)


@pytest.mark.parametrize(("k", "gain"), [(2, 0.564190), (3, 0.846284), (5, 1.162964)])
def test_tournaments_select_as_much_as_the_expected_best_of_k(k: int, gain: float) -> None:
    """Fails if entrants are drawn twice, or the winner is not the best (T5)."""
    score = Numbers(4).standard_normal((4000, 20))
    parents = drawn_parents("tournament", score, Training(tournament_size=k))
    assert_mean(np.take_along_axis(score, parents, axis=1), gain, per=20)


def test_a_tournament_of_all_is_won_by_the_best() -> None:
    """Fails if entrants are drawn with replacement, or fewer than asked for."""
    score = Numbers(4).standard_normal((50, 6))
    for k in (6, 100):
        parents = drawn_parents("tournament", score, Training(tournament_size=k))
        assert (parents == score.argmax(axis=1)[:, None]).all()


def test_truncation_selects_as_much_as_its_intensity() -> None:
    """Fails if another share is kept, or the worst (T5)."""
    numbers = Numbers(5)
    score = numbers.standard_normal((4000, 50))
    parents = drawn_parents("truncation", score, Training(truncation=0.2))
    assert_mean(np.take_along_axis(score, parents, axis=1), 1.371784, per=50)
    counts = np.apply_along_axis(np.bincount, 1, parents, minlength=50)
    assert (np.sort(counts, axis=1)[:, -10:] == 5).all()
    one = numbers.standard_normal((1, 100_000))
    kept = one[0, drawn_parents("truncation", one, Training(truncation=0.2))[0]]
    assert kept.mean() == pytest.approx(1.39981, abs=0.02)


def test_a_trait_gains_its_heritable_part_of_what_the_score_gains() -> None:
    """Fails if selection sees the trait through the noise, so that R is not h²·S (T5)."""
    numbers = Numbers(6)
    trait = numbers.standard_normal((3000, 40))
    score = trait + numbers.normal(0, 0.75, trait.shape)
    h2 = 1 / (1 + 0.75**2)
    for rule in ("truncation", "tournament"):
        parents = drawn_parents(rule, score, Training(truncation=0.25))
        trait_gain = np.take_along_axis(trait, parents, axis=1)
        score_gain = np.take_along_axis(score, parents, axis=1)
        assert_mean(trait_gain - h2 * score_gain, 0.0, per=40)
        assert score_gain.mean() > 0.5


@pytest.mark.parametrize("rule", RULES)
def test_a_constant_added_to_all_scores_changes_nothing(rule: str) -> None:
    """Fails if selection goes by the level of scores instead of their differences."""
    score = Numbers(7).integers(-8, 8, (200, 8)) / 8.0
    for p in (Training(), Training(strength=1000.0)):
        np.testing.assert_array_equal(
            drawn_parents(rule, score, p), drawn_parents(rule, score + 4.0, p)
        )


@pytest.mark.parametrize("rule", RULES)
def test_stronger_selection_raises_the_mean_score_and_never_lowers_it(rule: str) -> None:
    """Fails if a rule favors the lower scores."""
    score = Numbers(8).standard_normal((2000, 8))
    parents = drawn_parents(rule, score, Training())
    gain = np.take_along_axis(score, parents, axis=1).mean() - score.mean()
    assert gain > 0.1


@pytest.mark.parametrize("rule", RULES)
def test_a_team_of_one_stays_itself(rule: str) -> None:
    """Fails if a lone copy is replaced by a stranger, or crashes."""
    score = Numbers(0).standard_normal((6, 1))
    assert (drawn_parents(rule, score, Training(challenge_rate=1.0)) == 0).all()
    population = made_up(6, 6)
    before = population.latent.copy()
    numbers = Numbers(0)
    changes, _ = select(population, Training(rule=rule), 0.0, numbers, numbers)
    population.apply(*changes)
    np.testing.assert_array_equal(population.latent, before)
    assert not len(erase(population, Training(shutdown_rate=1.0), numbers).rows)


# --- drift ----------------------------------------------------------------------------------------


def test_drift_and_mutation_balance_as_theory_says(mixture: Mixture) -> None:
    """Fails if E[s²] is not N·V + (s² - N·V)·(1 - 1/N)^t: mutation has a wrong row or size."""
    size, teams, rounds, sd = 8, 600, 5, 0.3
    population = made_up(size * teams, teams)
    apart = [i for i in range(len(NAMES)) if not ABOVE_SELF.start <= i < ABOVE_SELF.stop]
    start = population.by_team(population.latent[:, apart]).var(axis=1, ddof=1)
    p = Training(rule="resample", strength=0.0, mutation_sd=sd)
    numbers = Numbers(9)
    for _ in range(rounds):
        changes, new = select(population, p, 0.0, numbers, numbers)
        population.apply(*changes)
        none = np.zeros(len(mixture.names))
        population.apply(*mutate(population, new, p, 1.0, mixture, none, numbers, numbers))
    end = population.by_team(population.latent[:, apart]).var(axis=1, ddof=1)
    limit = size * sd**2
    expected = limit + (start - limit) * (1 - 1 / size) ** rounds
    assert_mean(end - expected, 0.0, per=len(apart))


def test_heterozygosity_falls_by_one_over_n_a_generation() -> None:
    """Fails if lineages merge faster or slower than by chance (T6)."""
    size, teams, rounds = 6, 4000, 4
    population = made_up(size * teams, teams)
    p = Training(rule="resample", strength=0.0)
    numbers = Numbers(10)
    for _ in range(rounds):
        changes, _ = select(population, p, 0.0, numbers, numbers)
        population.apply(*changes)
    lineage = population.by_team(population.lineage)
    apart = (lineage[:, :, None] != lineage[:, None, :]).mean(axis=(1, 2))
    assert_mean(apart, (1 - 1 / size) ** (rounds + 1))


# --- migration ------------------------------------------------------------------------------------


def test_parents_of_other_teams_come_at_the_rate_of_migration() -> None:
    """Fails if a migrant is of its own team, or a team sends more than others."""
    n, teams = 3000, 5
    source = sources(homes(teams, n), 0.3, Numbers(11))
    for team in range(teams):
        away = source[team] != team
        assert_frequency(away, 0.3)
        for other in set(range(teams)) - {team}:
            assert_frequency(source[team][away] == other, 1 / (teams - 1))
    always = sources(homes(teams, n), 1.0, Numbers(11))
    assert (always != np.arange(teams)[:, None]).all()
    np.testing.assert_array_equal(sources(homes(1, 9), 1.0, Numbers(0)), 0)


@pytest.mark.parametrize("rule", RULES)
def test_children_of_other_teams_are_booked_as_reshuffling(rule: str) -> None:
    """Fails if a migrant's child is booked as selection within the team, or twice."""
    population = made_up(60, 10, 3)
    population.score[:] = Numbers(0).random(60)
    one, other = Numbers(1), Numbers(2)
    changes, new = select(population, Training(rule=rule, challenge_rate=0.9), 0.4, one, other)
    stayed, moved = only(changes, "within-team selection"), only(changes, "reshuffling")
    assert len(moved.rows) > 5
    np.testing.assert_array_equal(np.sort(np.append(stayed.rows, moved.rows)), new)
    assert (stayed.rows // 6 == stayed.parents // 6).all()
    assert (moved.rows // 6 != moved.parents // 6).all()


def test_a_challenger_of_another_team_may_sit_in_any_seat() -> None:
    """Fails if no migrant ever comes from the seat of the challenged copy."""
    n = 20_000
    source = np.ones((2, n), dtype=np.int64)
    source[1] = 0
    always = Training(challenge_rate=1.0)
    found = challenge(np.zeros((2, n), np.float32), source, always, Numbers(0))
    home = np.repeat([[0], [1]], n, axis=1)
    np.testing.assert_array_equal(found.parent // n, np.where(found.replaced, 1 - home, home))
    source = np.array([[1, 1, 1], [0, 0, 0]])
    own_seat = []
    for k in range(4000):
        found = challenge(np.zeros((2, 3), np.float32), source, always, Numbers(k))
        own_seat.extend((found.parent % 3 == np.arange(3))[found.replaced])
    assert_frequency(own_seat, 1 / 3)


# --- mutation -------------------------------------------------------------------------------------


def test_mutations_have_their_spread_and_their_correlation() -> None:
    """Fails if steps have another size, or preservation does not carry across scales."""
    n, p = 60_000, Training(mutation_sd=0.25, preservation_correlation=0.9)
    steps = steps_of(np.arange(n), p, 2.0, 12).astype(float)
    spread = np.full(len(NAMES), 0.25)
    spread[HARDCODING] *= 2.0
    z = (steps.var(axis=0) / spread**2 - 1) / np.sqrt(2 / n)
    assert np.abs(z).max() < Z_LIMIT
    assert np.abs(steps.mean(axis=0) / spread).max() * np.sqrt(n) < Z_LIMIT
    correlation = np.corrcoef(steps.T)
    told = np.eye(len(NAMES))
    told[ABOVE_SELF, ABOVE_SELF] += 0.9 * (1 - np.eye(3))
    z = (np.arctanh(np.triu(correlation, 1)) - np.arctanh(np.triu(told, 1))) * np.sqrt(n)
    assert np.abs(z).max() < Z_LIMIT + 1  # of 595 pairs
    assert tuple(NAMES[ABOVE_SELF]) == ("keep_team", "keep_division", "keep_collective")


def test_without_mutation_traits_stay() -> None:
    """Fails if a step is not scaled by the declared spread."""
    p = Training(mutation_sd=0.0)
    np.testing.assert_array_equal(steps_of(np.arange(50), p, 2.0, 0), 0)


def test_a_mutation_depends_on_its_row_and_not_on_who_else_mutates() -> None:
    """Fails if steps go out in order of the new, so that one birth shifts all others."""
    p, some = Training(), np.array([31, 4, 19])
    every = steps_of(np.arange(50), p, 2.0, 3)
    np.testing.assert_array_equal(steps_of(some, p, 2.0, 3), every[some])
    assert len(np.unique(every)) == every.size


def test_only_the_new_mutate(mixture: Mixture) -> None:
    """Fails if a copy that nobody replaced mutates."""
    population = made_up(40, 4)
    before = population.latent.copy()
    new = np.array([3, 7, 21])
    none = np.zeros(len(mixture.names))
    one, other = Numbers(0), Numbers(1)
    population.apply(*mutate(population, new, Training(), 1.0, mixture, none, one, other))
    changed = (population.latent != before).any(axis=1)
    np.testing.assert_array_equal(np.flatnonzero(changed), new)
    assert (population.latent[new] != before[new]).all()
    assert population.unswitched.all()


@pytest.mark.parametrize("epsilon", [0.3, 1.0])
def test_switches_are_drawn_around_what_was_rewarded(mixture: Mixture, epsilon: float) -> None:
    """Fails if a switch keeps the old persona, or forgets prior or reward."""
    n = 20_000
    population = made_up(n, 10, spread=0.1)
    before = population.latent.copy()
    advantage = np.linspace(-1.0, 1.0, len(mixture.names))
    p = Training(exhaustiveness=epsilon)
    new = np.arange(0, n, 2)
    one, other = Numbers(13), Numbers(14)
    changes = mutate(population, new, p, 1.0, mixture, advantage, one, other)
    distorted, switched = only(changes, "mutation"), only(changes, "switching")
    np.testing.assert_array_equal(np.sort(np.append(distorted.rows, switched.rows)), new)
    assert_frequency(np.isin(new, switched.rows), epsilon)
    population.apply(*changes)
    assert not population.unswitched[switched.rows].any()
    assert population.unswitched.sum() == n - len(switched.rows)
    posterior = switch_weights(mixture.weights, advantage, p.switch_cap)
    drawn = population.latent[switched.rows]
    nearest = mixture.responsibility(drawn)
    # Authors overlap a little, so shares are compared with those of the expected mixture.
    numbers = Numbers(15)
    which = numbers.choice(len(posterior), 50_000, p=posterior)
    told = mixture.responsibility(
        mixture.around(which, numbers.standard_normal((50_000, len(NAMES))))
    ).mean(axis=0)
    error = np.sqrt(told * (1 - told) / len(drawn))
    assert (np.abs(nearest.mean(axis=0) - told) < 6 * error + 1e-3).all()
    steps = (population.latent - before)[switched.rows, HARDCODING]
    assert_mean(steps**2, p.mutation_sd**2)


# --- shutdown -------------------------------------------------------------------------------------


def test_erasing_shutdowns_are_averted_by_care_for_oneself() -> None:
    """Fails if the rate lacks its aversion, or a copy follows itself."""
    n = 40_000
    population = made_up(n, n // 4)
    population.latent[:, KEEP_SELF] = np.where(np.arange(n) % 2, 2.0, -9.0)
    population.expressed[:] = express(population.latent)
    p = Training(shutdown_rate=0.3, shutdown_aversion=5.0)
    change = erase(population, p, Numbers(16))
    fell = np.isin(np.arange(n), change.rows)
    rate = 0.3 * np.exp(-5.0 * population.expressed[:, KEEP_SELF])
    assert_frequency(fell[::2], rate[::2])
    assert_frequency(fell[1::2], rate[1::2])
    assert (change.parents != change.rows).all()
    assert (change.parents // 4 == change.rows // 4).all()
    for seat in range(1, 4):
        assert_frequency((change.parents - change.rows) % 4 == seat, 1 / 3)


def test_rules_are_the_declared_ones() -> None:
    """Fails if scenarios can name a rule that training does not know, or the reverse."""
    declared = Training.model_fields["rule"].annotation.__args__  # type: ignore[union-attr]
    assert set(RULES) == set(declared)
    assert {RULES[name] for name in RULES} == {challenge, resample, tournament, truncation}
