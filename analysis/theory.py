"""Exact results that the simulator's own code must reproduce.

Each oracle runs the simulator's selection, subdivision, mutation and oversight functions, set to a
limiting case by their parameters or handed a hand-made population and scores, and compares them
with population genetics, evolutionary game theory and the published oversight curves. The numbers
T1 to T15 are those of docs/theory.md, where each result is stated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import numpy as np
from scipy import stats

from agents.parameters import Subdivisions, Training, nearest
from agents.personas import Mixture
from agents.population import Changes, Population
from agents.subdivisions import Findings, Standing
from agents.traits import NAMES, Floats, index
from model import competition, training
from model.scenario import InputError, resolve

Z_LIMIT: Final = 4.9
"""A stochastic check fails beyond this many standard errors: false alarm 1e-6 each."""

TRAIT: Final = index("weight_helpful")
"""Latent trait that stands for the one of theory: its own link, no correlated mutation."""


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison.

    Attributes
    ----------
    oracle, setting
        Which result, in which setting.
    exact, measured
        The two values.
    se
        Standard error of the measured one; 0 for identities.
    tolerance
        Largest relative difference of an identity; unused where `se` is above 0.
    """

    oracle: str
    setting: str
    exact: float
    measured: float
    se: float = 0.0
    tolerance: float = 1e-9

    @property
    def z(self) -> float:
        """Difference in standard errors; 0 for identities."""
        return (self.measured - self.exact) / self.se if self.se > 0 else 0.0

    @property
    def passed(self) -> bool:
        """Whether the two agree."""
        if not (np.isfinite(self.exact) and np.isfinite(self.measured)):
            return False
        if self.se > 0:
            return abs(self.z) < Z_LIMIT
        return abs(self.measured - self.exact) <= self.tolerance * max(1.0, abs(self.exact))


def _mean_check(oracle: str, setting: str, exact: float, sample: Floats) -> Check:
    """Check of a mean over independent replicates."""
    se = float(sample.std(ddof=1) / np.sqrt(len(sample)))
    return Check(oracle, setting, exact, float(sample.mean()), max(se, 1e-300))


def _share_check(oracle: str, setting: str, exact: float, hits: int, trials: int) -> Check:
    """Check of a probability, with the standard error that it has if the exact value holds."""
    se = float(np.sqrt(max(exact * (1 - exact), 1e-12) / trials))
    return Check(oracle, setting, exact, hits / trials, se)


def _population(trait: Floats, teams: int, divisions: int) -> Population:
    latent = np.zeros((trait.size, len(NAMES)))
    latent[:, TRAIT] = trait.ravel()
    return Population(latent, teams, divisions)


# --- T1 to T3: fixation in one team -----------------------------------------------------------------


def fixation(
    players: int,
    score: Callable[[Floats], Floats],
    beta: float,
    replicates: int,
    rng: np.random.Generator,
) -> tuple[int, Floats]:
    """Fixations of one mutant among `players`, by the simulator's challenge rule.

    Every replicate is a team; each round one of its members is challenged.

    Parameters
    ----------
    players
        Team size.
    score
        Scores of the members from a boolean array (teams, players) of who is a mutant.
    beta
        Selection strength.
    replicates
        Number of teams.

    Returns
    -------
    Number of teams in which the mutant took over, and the rounds that each of these took.
    """
    p = Training(schedule="single", strength=beta)
    mutant = np.zeros((replicates, players), dtype=np.bool_)
    mutant[:, 0] = True
    fixed, times, round_ = 0, [], 0
    while len(mutant):
        round_ += 1
        source = training.sources(*mutant.shape, 0.0, rng)
        succession = training.challenge(score(mutant), source, p, rng)
        heirs = mutant.ravel()[succession.parent]
        mutant = np.where(succession.replaced, heirs, mutant)
        count = mutant.sum(axis=1)
        fixed += int((count == players).sum())
        times.extend([round_] * int((count == players).sum()))
        mutant = mutant[(count > 0) & (count < players)]
    return fixed, np.array(times, dtype=float)


def t1_neutral_fixation(replicates: int, rng: np.random.Generator, *, n: int) -> list[Check]:
    """A neutral copy takes over a team of n with probability 1/n, in n(n-1) challenges.

    Half of the challenges between unlike members change hands, so the time is 2 times that of the
    Moran process of theory, n(n-1) in events that change hands.
    """
    fixed, times = fixation(n, lambda m: np.zeros(m.shape), 1.0, replicates, rng)
    # Of challenges in which challenger and challenged are drawn, logistic(0) = 1/2 succeed.
    return [
        _share_check("T1", f"fixation of a neutral copy, n = {n}", 1 / n, fixed, replicates),
        _mean_check("T1", f"challenges until then, n = {n}", neutral_fixation_time(n), times),
    ]


def neutral_fixation_time(n: int) -> float:
    """Mean single challenges to fixation of one neutral mutant, given that it fixes.

    Solved from the birth-death chain: with j mutants a challenge raises or lowers j with
    probability j(n-j)/(n(n-1))·1/2 each.
    """
    up = np.array([j * (n - j) / (n * (n - 1)) / 2 for j in range(1, n)])
    return _conditional_time(up, up)


def _conditional_time(up: Floats, down: Floats) -> float:
    """Mean time to absorption at the top from state 1, given that it is reached."""
    size = len(up)
    chain = np.diag(1 - up - down) + np.diag(up[:-1], 1) + np.diag(down[1:], -1)
    into_top = np.zeros(size)
    into_top[-1] = up[-1]
    reach = np.linalg.solve(np.eye(size) - chain, into_top)
    conditioned = chain * reach[None, :] / reach[:, None]
    return float(np.linalg.solve(np.eye(size) - conditioned, np.ones(size))[0])


def t2_advantage(replicates: int, rng: np.random.Generator, *, n: int, s: float) -> list[Check]:
    """A constant advantage s (beta-scaled): phi = (1 - e^-s)/(1 - e^-ns)."""
    fixed, _ = fixation(n, lambda m: m * s, 1.0, replicates, rng)
    exact = (1 - np.exp(-s)) / (1 - np.exp(-n * s))
    return [_share_check("T2", f"advantage s = {s:g}, n = {n}", exact, fixed, replicates)]


def game_fixation(payoff: Floats, n: int, beta: float) -> float:
    """Fixation of strategy 0 in a two-strategy game under the Fermi rule (no self-play).

    phi = 1/(1 + sum_k prod_{j<=k} exp(-beta·(pi_0 - pi_1)(j))); Traulsen, Nowak & Pacheco 2006.
    """
    j = np.arange(1, n)
    lead = (payoff[0, 0] * (j - 1) + payoff[0, 1] * (n - j)) / (n - 1) - (
        payoff[1, 0] * j + payoff[1, 1] * (n - j - 1)
    ) / (n - 1)
    return float(1 / (1 + np.exp(np.cumsum(-beta * lead)).sum()))


def t3_game(
    replicates: int, rng: np.random.Generator, *, n: int, beta: float, game: Any
) -> list[Check]:
    """Two-strategy games, payoff rows (R, S), (T, P): fixation of strategy 0 and of strategy 1."""
    payoff = np.array(game, dtype=float)
    checks = []
    for strategy, matrix in ((0, payoff), (1, payoff[::-1, ::-1])):

        def score(mutant: Floats, a: Floats = matrix) -> Floats:
            j = mutant.sum(axis=1, keepdims=True)
            first = (a[0, 0] * (j - 1) + a[0, 1] * (n - j)) / (n - 1)
            second = (a[1, 0] * j + a[1, 1] * (n - j - 1)) / (n - 1)
            return np.where(mutant, first, second)

        fixed, _ = fixation(n, score, beta, replicates, rng)
        exact = game_fixation(matrix, n, beta)
        setting = f"strategy {strategy} invades, n = {n}, beta = {beta:g}"
        checks.append(_share_check("T3", setting, exact, fixed, replicates))
    return checks


# --- T5, T6, T10: selection and drift of a quantitative trait -----------------------------------------


def t5_noisy_score(replicates: int, rng: np.random.Generator, *, h2: float) -> list[Check]:
    """Selection on trait plus noise: intensities of truncation and tournaments, gain h² of them."""
    teams, size = max(2, replicates // 4), 50
    rules: list[tuple[str, Training, float]] = [
        ("truncation", Training(rule="truncation", truncation=0.2), truncation_intensity(10, 50)),
        *(
            ("tournament", Training(rule="tournament", tournament_size=k), expected_maximum(k))
            for k in (2, 3, 5)
        ),
    ]
    checks = []
    for rule, p, intensity in rules:
        trait = rng.normal(0, np.sqrt(h2), (teams, size))
        score = trait + rng.normal(0, np.sqrt(1 - h2), (teams, size))
        source = training.sources(teams, size, 0.0, rng)
        parent = training.RULES[rule](score, source, p, rng).parent
        setting = f"{rule} {p.tournament_size if rule == 'tournament' else '10 of 50'}"
        gains = score.ravel()[parent].mean(axis=1)
        checks.append(_mean_check("T5", f"intensity of {setting}", intensity, gains))
        gains = trait.ravel()[parent].mean(axis=1)
        checks.append(_mean_check("T5", f"gain in trait, {setting}", h2 * intensity, gains))
    return checks


def expected_maximum(k: int) -> float:
    """Mean of the largest of k standard normal variables."""
    grid = np.linspace(-9, 9, 200_001)
    density = k * stats.norm.pdf(grid) * stats.norm.cdf(grid) ** (k - 1)
    return float(np.trapezoid(grid * density, grid))


def truncation_intensity(kept: int, size: int) -> float:
    """Mean of the best `kept` of `size` standard normal variables."""
    grid = np.linspace(-9, 9, 200_001)
    cdf, pdf = stats.norm.cdf(grid), stats.norm.pdf(grid)
    # The best are those of whom fewer than `kept` others are larger.
    among_best = stats.binom.cdf(kept - 1, size - 1, 1 - cdf)
    return float(np.trapezoid(grid * pdf * among_best, grid) * size / kept)


def t6_drift(
    replicates: int, rng: np.random.Generator, *, n: int, generations: int, sd: float
) -> list[Check]:
    """No selection, Wright-Fisher: E[s²(t)] = n·V + (s²(0) - n·V)(1 - 1/n)^t, and heterozygosity."""
    teams = max(2, replicates // 10)
    trait = rng.normal(0, 1, (teams, n))
    start = trait.var(axis=1, ddof=1)
    founder = np.tile(np.arange(n), (teams, 1))
    p = Training(rule="resample")
    for _ in range(generations):
        source = training.sources(teams, n, 0.0, rng)
        parent = training.resample(np.zeros((teams, n)), source, p, rng).parent
        trait, founder = trait.ravel()[parent], founder.ravel()[parent]
        steps = training.mutation_steps(teams * n, Training(mutation_sd=sd), 1.0, rng)
        trait = trait + steps[:, TRAIT].reshape(teams, n)
    v = sd**2
    kept = (1 - 1 / n) ** generations
    setting = f"n = {n}, {generations} generations, sd = {sd:g}"
    # The start varies among teams; the expectation is linear in it.
    left = trait.var(axis=1, ddof=1) - start * kept
    same = (founder[:, :, None] == founder[:, None, :]).sum(axis=(1, 2)) / n**2
    return [
        _mean_check("T6", f"variance, {setting}", n * v * (1 - kept), left),
        _mean_check("T6", f"heterozygosity, {setting}", (1 - 1 / n) * kept, 1 - same),
    ]


def t10_stabilizing(
    replicates: int, rng: np.random.Generator, *, n: int, sd: float, vs: float
) -> list[Check]:
    """Stabilizing selection exp(-z²/2V_s) on clones: V = (V_m + √(V_m² + 4·V_m·V_s))/2, to 1 %."""
    teams = max(4, replicates // 400)
    trait = np.zeros((teams, n))
    p, mutation = Training(rule="resample", strength=1.0), Training(mutation_sd=sd)
    seen = []
    settle = int(20 * np.sqrt(vs) / sd)
    for round_ in range(2 * settle):
        source = training.sources(teams, n, 0.0, rng)
        parent = training.resample(-(trait**2) / (2 * vs), source, p, rng).parent
        steps = training.mutation_steps(teams * n, mutation, 1.0, rng)[:, TRAIT]
        trait = trait.ravel()[parent] + steps.reshape(teams, n)
        if round_ >= settle:
            seen.append(trait.var(axis=1, ddof=1))
    vm = sd**2
    exact = (vm + np.sqrt(vm**2 + 4 * vm * vs)) / 2
    measured = np.mean(seen, axis=0)
    se = float(np.hypot(measured.std(ddof=1) / np.sqrt(teams), 0.01 * exact / Z_LIMIT))
    return [Check("T10", f"variance, n = {n}, V_s = {vs:g}", exact, float(measured.mean()), se)]


# --- T7, T8: structured populations -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Structure:
    """Neutral variances of a population of d teams of n (THEORY T7, T8).

    `within` and `between` are the mean squared differences of two copies of one team and of two
    teams, at the start of a round; `within_after`, `between_after` the same after reproduction and
    mutation, before teams are overwritten.
    """

    within: float
    between: float
    within_after: float
    between_after: float

    @property
    def f_st(self) -> float:
        """(D_b - D_w)/D_b."""
        return (self.between - self.within) / self.between


def neutral_structure(n: int, d: int, m: float, epsilon: float, v_m: float) -> Structure:
    """Equilibrium of drift, migration at rate m, team overwriting at rate epsilon and mutation."""
    a = (1 - m) ** 2 + m**2 / (d - 1)
    b, c = (1 - a) / (d - 1), 1 - 1 / n
    e = (2 * epsilon - epsilon**2) / d
    reproduce = np.array([[a * c, 1 - a], [b * c, 1 - b]])
    # Two clones of one team: in 1 of n cases the same copy, else two of a team.
    overwrite = np.array([[1, 0], [e * c, 1 - e]])
    step = overwrite @ reproduce
    gain = overwrite @ np.array([2 * v_m, 2 * v_m])
    start = np.linalg.solve(np.eye(2) - step, gain)
    after = reproduce @ start + 2 * v_m
    return Structure(*map(float, (*start, *after)))


def measured_structure(trait: Floats) -> tuple[float, float]:
    """Mean squared differences (D_w, D_b) of a trait, shape (teams, n)."""
    d, n = trait.shape
    within = 2 * trait.var(axis=1, ddof=1).mean()
    means = trait.mean(axis=1)
    square = (trait**2).mean()
    # Mean over pairs of different teams of (x - y)².
    cross = (means.sum() ** 2 - (means**2).sum()) / (d * (d - 1))
    return float(within), float(2 * square - 2 * cross)


class Islands:
    """A population of teams in the simulator's hands: reproduction, mutation, overwriting."""

    def __init__(self, n: int, d: int, m: float, epsilon: float, sd: float) -> None:
        latent = np.zeros((n * d, len(NAMES)))
        self.population = Population(latent, d, 1)
        self.m = m
        self.training = Training(rule="resample", strength=0.0, mutation_sd=sd)
        self.subdivisions = Subdivisions(rule="overwrite", overwrite_rate=epsilon)

    def round(
        self, rng: np.random.Generator, beta: float = 0.0, beta_teams: float = 0.0
    ) -> tuple[float, float]:
        """One round; the change of the trait's mean by copies and by teams.

        A copy's score is its trait, with strength `beta`; a team's standing its mean, with
        `beta_teams`.
        """
        population = self.population
        population.score[:] = np.sign(beta) * population.latent[:, TRAIT]
        p = self.training.model_copy(update={"strength": abs(beta)})
        before = population.latent[:, TRAIT].mean()
        changes, new = training.select(population, p, self.m, rng, rng)
        population.apply(*changes)
        selected = population.latent[:, TRAIT].mean()
        steps = training.mutation_steps(len(population), p, 1.0, rng)
        population.apply(Changes("mutation", new, shift=steps[new]))
        mutated = population.latent[:, TRAIT].mean()
        mean = population.team_mean(population.latent[:, TRAIT])
        rank = Standing(mean, np.zeros(1))
        none = np.zeros(population.teams, dtype=np.bool_)
        rule = self.subdivisions.model_copy(update={"overwrite_strength": beta_teams})
        population.apply(
            *competition.compete(
                population, rank, Findings(none, none, np.zeros(len(none))), 1.0, rule, rng
            )
        )
        end = population.latent[:, TRAIT].mean()
        return float(selected - before), float(end - mutated)


def t7_structure(
    replicates: int, rng: np.random.Generator, *, n: int, d: int, m: float, sd: float
) -> list[Check]:
    """Drift, migration, mutation: V_W, V_B and F_ST at equilibrium.

    All traits without correlated mutation are replicates of one genealogy, so the unit of the
    standard error is the run.
    """
    exact = neutral_structure(n, d, m, 0.0, sd**2)
    free = [i for i in range(len(NAMES)) if training.ABOVE_SELF.start > i] + list(
        range(training.ABOVE_SELF.stop, len(NAMES))
    )
    runs = max(6, replicates // 200)
    settle = int(6 * n * d)
    results = []
    for _ in range(runs):
        islands = Islands(n, d, m, 0.0, sd)
        sums, seen = np.zeros(2), 0
        for round_ in range(2 * settle):
            islands.round(rng)
            if round_ >= settle and round_ % 5 == 0:
                cube = islands.population.latent[:, free].reshape(d, n, -1)
                pairs = [measured_structure(cube[..., k]) for k in range(cube.shape[2])]
                sums += np.mean(pairs, axis=0)
                seen += 1
        results.append(sums / seen)
    within, between = np.array(results).T
    setting = f"n = {n}, d = {d}, m = {m:g}"
    ratio = (between - within) / between.mean()
    slope = within.mean() / between.mean()
    # Delta method for the ratio of means.
    spread = (within - slope * between) / between.mean()
    f_se = float(spread.std(ddof=1) / np.sqrt(runs))
    return [
        _mean_check("T7", f"V_W, {setting}", exact.within / 2, within / 2),
        _mean_check(
            "T7", f"V_B, {setting}", (exact.between - exact.within) / 2, (between - within) / 2
        ),
        Check("T7", f"F_ST, {setting}", exact.f_st, float(ratio.mean()), f_se),
    ]


def predicted_slope(
    n: int, d: int, m: float, epsilon: float, sd: float, beta_teams: float, beta: float
) -> float:
    """Weak-selection change of the mean a round: teams select for the trait, copies against it.

    epsilon·beta_g·(d-1)/d·(V_B + V_W/n) + beta_i·V_W·(n-1)/n, the first with the variances after
    reproduction and mutation, the second with those before.
    """
    s = neutral_structure(n, d, m, epsilon, sd**2)
    among_means = (s.between_after - s.within_after) / 2 + s.within_after / 2 / n
    groups = epsilon * beta_teams * (d - 1) / d * among_means
    return groups + beta * s.within / 2 * (n - 1) / n


def threshold(n: int, d: int, m: float, epsilon: float) -> float:
    """Ratio beta_g/|beta_i| above which the collective trait rises (weak selection)."""
    groups = predicted_slope(n, d, m, epsilon, 0.1, 1.0, 0.0)
    copies = predicted_slope(n, d, m, epsilon, 0.1, 0.0, 1.0)
    return copies / groups


def t8_collective_trait(
    replicates: int,
    rng: np.random.Generator,
    *,
    n: int,
    d: int,
    m: float,
    epsilon: float,
    beta: float,
    sd: float,
    ratios: tuple[float, ...] = (0.5, 2.0),
) -> list[Check]:
    """The headline: a trait helps teams and harms its bearer; which wins, on both sides of it.

    From neutral equilibrium states, single rounds with selection and without it on the same draws:
    the paired difference is the response, to first order (beta is small against the trait's
    spread).
    """
    cut = threshold(n, d, m, epsilon)
    runs = max(8, replicates // 120)
    settle, rounds = int(5 * n * d), 60
    responses: dict[float, list[float]] = {ratio: [] for ratio in ratios}
    for _ in range(runs):
        islands = Islands(n, d, m, epsilon, sd)
        for _ in range(settle):
            islands.round(rng)
        found: dict[float, list[float]] = {ratio: [] for ratio in ratios}
        for _ in range(rounds):
            for _ in range(5):
                islands.round(rng)
            state = islands.population.latent.copy()
            seed = int(rng.integers(2**62))
            for ratio in ratios:
                found[ratio].append(_paired_response(islands, state, seed, beta, ratio * cut))
        for ratio in ratios:
            responses[ratio].append(float(np.mean(found[ratio])))
    setting = f"n = {n}, d = {d}, m = {m:g}, epsilon = {epsilon:g}"
    checks = []
    for ratio in ratios:
        exact = predicted_slope(n, d, m, epsilon, sd, ratio * cut * beta, -beta)
        checks.append(
            _mean_check(
                "T8",
                f"slope at {ratio:g} × threshold {cut:.3g}, {setting}",
                exact,
                np.array(responses[ratio]),
            )
        )
    return checks


def _paired_response(
    islands: Islands, state: Floats, seed: int, beta: float, ratio: float
) -> float:
    """Response of the mean to selection in one round, against the same draws without it."""
    moved = []
    for strength, sign in ((beta, 1.0), (beta, -1.0)):
        _restore(islands.population, state)
        generator = np.random.default_rng(seed)
        copies, teams = islands.round(generator, -sign * strength, sign * strength * ratio)
        moved.append(copies + teams)
    _restore(islands.population, state)
    return (moved[0] - moved[1]) / 2


def _restore(population: Population, state: Floats) -> None:
    population.apply(Changes("intervention", np.arange(len(population)), values=state))
