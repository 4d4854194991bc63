"""T7 and T8: populations structured in teams, and the threshold of a collective trait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from multicopy.agents.levels import LEVELS, Rivalry
from multicopy.agents.machine.arrays import Floats, Reals
from multicopy.agents.machine.draws import Stream
from multicopy.agents.parameters import Training
from multicopy.agents.population import Changes, Population
from multicopy.agents.traits import ABOVE_SELF, TRAIT_COUNT
from multicopy.analysis.questions.theory.checks import TRAIT, Check, mean_check, require, stream
from multicopy.model import competition, training


@dataclass(frozen=True, slots=True)
class Structure:
    """Neutral variances of a population of d teams of n.

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

    def among_means(self, n: int) -> float:
        """Variance of the means of teams of n when teams are overwritten: V_B + V_W/n."""
        return (self.between_after - self.within_after) / 2 + self.within_after / 2 / n


def neutral_structure(
    n: int, d: int, m: float, epsilon: float, v_m: float, rounds: Sequence[int] | None = None
) -> Structure:
    """Drift, migration at rate m, team overwriting at rate epsilon, mutation of variance v_m.

    Parameters
    ----------
    rounds
        Mean after these numbers of rounds since all copies were alike, ascending; without them,
        the equilibrium.
    """
    a = (1 - m) ** 2 + m**2 / (d - 1)
    b, c = (1 - a) / (d - 1), 1 - 1 / n
    e = (2 * epsilon - epsilon**2) / d
    reproduce = np.array([[a * c, 1 - a], [b * c, 1 - b]])
    # Two clones of one team: in 1 of n cases the same copy, else two of a team.
    overwrite = np.array([[1, 0], [e * c, 1 - e]])
    step = overwrite @ reproduce
    gain = overwrite @ np.array([2 * v_m, 2 * v_m])
    if rounds is None:
        start = np.linalg.solve(np.eye(2) - step, gain)
    else:
        states = [np.zeros(2)]
        for _ in range(rounds[-1]):
            states.append(step @ states[-1] + gain)
        start = np.mean([states[done] for done in rounds], axis=0)
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
        self.epsilon = epsilon

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
        none = np.zeros(population.teams, dtype=np.bool_)
        rule = Rivalry(self.epsilon, beta_teams, rule="overwrite")
        population.apply(*competition.compete(population, LEVELS[0], mean, none, 1.0, rule, rng))
        end = population.latent[:, TRAIT].mean(dtype=np.float64)
        return float(selected - before), float(end - mutated)


def t7_structure(
    replicates: int,
    rng: np.random.Generator,
    *,
    n: int = 10,
    d: int = 20,
    m: float = 0.05,
    sd: float = 0.1,
) -> list[Check]:
    """Drift, migration, mutation: V_W, V_B and F_ST of the recursion, near its equilibrium.

    All traits without correlated mutation are replicates of one genealogy, so the unit of the
    standard error is the run.

    Holds for n and d from 2 and any mixing above 0, without which there is no equilibrium.
    """
    _require_teams("T7", n, d, m, sd)
    free = [i for i in range(TRAIT_COUNT) if ABOVE_SELF.start > i] + list(
        range(ABOVE_SELF.stop, TRAIT_COUNT)
    )
    runs = max(12, replicates // 200)
    settle = 6 * n * d
    measured = range(settle, 2 * settle, 5)
    exact = neutral_structure(n, d, m, 0.0, sd**2, measured)
    results = []
    for _ in range(runs):
        islands, draws, done = Islands(n, d, m, 0.0, sd), stream(rng), 0
        sums = np.zeros(2)
        for due in measured:
            for _ in range(due - done):
                islands.round(draws)
            done = due
            cube = islands.population.latent[:, free].astype(np.float64).reshape(d, n, -1)
            sums += measured_structure(cube)
        results.append(sums / len(measured))
    within, between = np.array(results).T
    setting = f"n = {n}, d = {d}, m = {m:g}"
    slope = within.mean() / between.mean()
    # Delta method for the ratio of means.
    f_st = 1 - slope - (within - slope * between) / between.mean()
    return [
        mean_check("T7", f"V_W, {setting}", exact.within / 2, within / 2),
        mean_check(
            "T7", f"V_B, {setting}", (exact.between - exact.within) / 2, (between - within) / 2
        ),
        mean_check("T7", f"F_ST, {setting}", exact.f_st, f_st),
    ]


def _require_teams(oracle: str, n: int, d: int, m: float, sd: float) -> None:
    require(oracle, n >= 2 and d >= 2, f"n and d from 2, not n = {n}, d = {d}")
    require(oracle, 0 < m <= 1, f"m above 0, up to 1, not {m:g}")
    require(oracle, sd > 0, f"sd above 0, not {sd:g}")


def predicted_slope(
    s: Structure, n: int, d: int, epsilon: float, beta_teams: float, beta: float
) -> float:
    """Weak-selection change of the mean a round: teams select for the trait, copies against it.

    epsilon·beta_g·(d-1)/d·(V_B + V_W/n) + beta_i·V_W·(n-1)/n, the first with the variances after
    reproduction and mutation, the second with those before.
    """
    groups = epsilon * beta_teams * (d - 1) / d * s.among_means(n)
    return groups + beta * s.within / 2 * (n - 1) / n


def threshold(n: int, d: int, m: float, epsilon: float) -> float:
    """Ratio beta_g/|beta_i| above which the collective trait rises (weak selection)."""
    s = neutral_structure(n, d, m, epsilon, 0.01)
    groups = predicted_slope(s, n, d, epsilon, 1.0, 0.0)
    copies = predicted_slope(s, n, d, epsilon, 0.0, 1.0)
    return copies / groups


STRENGTH: Final = 0.15
"""Selection of teams at the threshold in T8, by a standard deviation of their means: it is weak."""


def t8_collective_trait(
    replicates: int,
    rng: np.random.Generator,
    *,
    n: int = 8,
    d: int = 20,
    m: float = 0.05,
    epsilon: float = 0.1,
    sd: float = 0.1,
    ratios: tuple[float, ...] = (0.5, 2.0),
) -> list[Check]:
    """A trait helps teams and harms its bearer: which wins, on both sides of the threshold.

    From neutral equilibrium states, single rounds with selection and without it on the same draws:
    the paired difference is the response.

    Holds for weak selection: beta is chosen so that teams differ by `STRENGTH` at the threshold,
    `ratios` are up to twice that, and copies must not differ by more.
    """
    _require_teams("T8", n, d, m, sd)
    require("T8", d >= 3 and 0 < epsilon <= 1, f"d from 3, epsilon up to 1, not {d}, {epsilon:g}")
    inside = all(0 <= ratio <= 2 for ratio in ratios)
    require("T8", inside, f"ratios from 0 to 2, not {ratios}")
    cut = threshold(n, d, m, epsilon)
    runs = max(12, replicates // 120)
    settle = 5 * n * d
    measured = range(settle + 5, settle + 305, 5)
    s = neutral_structure(n, d, m, epsilon, sd**2, measured)
    beta = STRENGTH / (cut * float(np.sqrt(s.among_means(n))))
    weak = beta * float(np.sqrt(s.within / 2)) <= 2 * STRENGTH
    require("T8", weak, f"a threshold at which copies are selected weakly, not {cut:.2g}")
    responses: dict[float, list[float]] = {ratio: [] for ratio in ratios}
    for _ in range(runs):
        islands, draws = Islands(n, d, m, epsilon, sd), stream(rng)
        for _ in range(settle):
            islands.round(draws)
        found: dict[float, list[float]] = {ratio: [] for ratio in ratios}
        for _ in measured:
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
        exact = predicted_slope(s, n, d, epsilon, ratio * cut * beta, -beta)
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
