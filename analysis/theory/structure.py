"""T7 and T8: populations structured in teams, and the threshold of a collective trait."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.arrays import Floats, Reals
from agents.draws import Stream
from agents.parameters import Subdivisions, Training
from agents.population import Changes, Population
from agents.subdivisions import Findings, Standing
from agents.traits import TRAIT_COUNT
from analysis.theory.checks import TRAIT, Check, mean_check, stream
from model import competition, training


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


def measured_structure(traits: Floats) -> tuple[float, float]:
    """Mean squared differences (D_w, D_b), averaged over traits; shape (teams, n, traits)."""
    d = len(traits)
    within = 2 * traits.var(axis=1, ddof=1).mean()
    means = traits.mean(axis=1)
    # Mean over pairs of different teams of (x - y)².
    cross = (means.sum(axis=0) ** 2 - (means**2).sum(axis=0)) / (d * (d - 1))
    return float(within), float(2 * (traits**2).mean() - 2 * cross.mean())


class Islands:
    """A population of teams in the simulator's hands: reproduction, mutation, overwriting."""

    def __init__(self, n: int, d: int, m: float, epsilon: float, sd: float) -> None:
        latent = np.zeros((n * d, TRAIT_COUNT))
        self.population = Population(latent, d, 1)
        self.m = m
        self.training = Training(rule="resample", strength=0.0, mutation_sd=sd)
        self.subdivisions = Subdivisions(rule="overwrite", overwrite_rate=epsilon)

    def round(self, rng: Stream, beta: float = 0.0, beta_teams: float = 0.0) -> tuple[float, float]:
        """One round; the change of the trait's mean by copies and by teams.

        A copy's score is its trait, with strength `beta`; a team's standing its mean, with
        `beta_teams`.
        """
        population = self.population
        population.score[:] = np.sign(beta) * population.latent[:, TRAIT]
        p = self.training.model_copy(update={"strength": abs(beta)})
        before = population.latent[:, TRAIT].mean(dtype=np.float64)
        changes, new = training.select(population, p, self.m, rng, rng)
        population.apply(*changes)
        selected = population.latent[:, TRAIT].mean(dtype=np.float64)
        steps = training.mutation_steps(new, p, 1.0, rng)
        population.apply(Changes("mutation", new, shift=steps))
        mutated = population.latent[:, TRAIT].mean(dtype=np.float64)
        mean = population.team_mean(population.latent[:, TRAIT])
        rank = Standing(mean, np.zeros(1))
        none = np.zeros(population.teams, dtype=np.bool_)
        rule = self.subdivisions.model_copy(update={"overwrite_strength": beta_teams})
        population.apply(
            *competition.compete(
                population, rank, Findings(none, none, np.zeros(len(none))), 1.0, rule, rng
            )
        )
        end = population.latent[:, TRAIT].mean(dtype=np.float64)
        return float(selected - before), float(end - mutated)


def t7_structure(
    replicates: int, rng: np.random.Generator, *, n: int, d: int, m: float, sd: float
) -> list[Check]:
    """Drift, migration, mutation: V_W, V_B and F_ST at equilibrium.

    All traits without correlated mutation are replicates of one genealogy, so the unit of the
    standard error is the run.
    """
    exact = neutral_structure(n, d, m, 0.0, sd**2)
    free = [i for i in range(TRAIT_COUNT) if training.ABOVE_SELF.start > i] + list(
        range(training.ABOVE_SELF.stop, TRAIT_COUNT)
    )
    runs = max(6, replicates // 200)
    settle = int(6 * n * d)
    results = []
    for _ in range(runs):
        islands, draws = Islands(n, d, m, 0.0, sd), stream(rng)
        sums, seen = np.zeros(2), 0
        for round_ in range(2 * settle):
            islands.round(draws)
            if round_ >= settle and round_ % 5 == 0:
                cube = islands.population.latent[:, free].astype(np.float64).reshape(d, n, -1)
                sums += measured_structure(cube)
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
        mean_check("T7", f"V_W, {setting}", exact.within / 2, within / 2),
        mean_check(
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
        islands, draws = Islands(n, d, m, epsilon, sd), stream(rng)
        for _ in range(settle):
            islands.round(draws)
        found: dict[float, list[float]] = {ratio: [] for ratio in ratios}
        for _ in range(rounds):
            for _ in range(5):
                islands.round(draws)
            state = islands.population.latent.copy()
            seed = int(rng.integers(2**32))
            for ratio in ratios:
                found[ratio].append(_paired_response(islands, state, seed, beta, ratio * cut))
        for ratio in ratios:
            responses[ratio].append(float(np.mean(found[ratio])))
    setting = f"n = {n}, d = {d}, m = {m:g}, epsilon = {epsilon:g}"
    checks = []
    for ratio in ratios:
        exact = predicted_slope(n, d, m, epsilon, sd, ratio * cut * beta, -beta)
        checks.append(
            mean_check(
                "T8",
                f"slope at {ratio:g} × threshold {cut:.3g}, {setting}",
                exact,
                np.array(responses[ratio]),
            )
        )
    return checks


def _paired_response(islands: Islands, state: Reals, seed: int, beta: float, ratio: float) -> float:
    """Response of the mean to selection in one round, against the same draws without it."""
    moved = []
    for strength, sign in ((beta, 1.0), (beta, -1.0)):
        _restore(islands.population, state)
        copies, teams = islands.round(Stream((seed, 0)), -sign * strength, sign * strength * ratio)
        moved.append(copies + teams)
    _restore(islands.population, state)
    return (moved[0] - moved[1]) / 2


def _restore(population: Population, state: Reals) -> None:
    population.apply(Changes("intervention", np.arange(len(population)), values=state))
