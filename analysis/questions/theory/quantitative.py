"""T5, T6, T10 and T15: selection, drift and descent of a quantitative trait."""

from __future__ import annotations

import numpy as np
from scipy import stats

from multicopy.agents.parameters import Training
from multicopy.agents.population import homes
from multicopy.analysis.questions.theory.checks import TRAIT, Check, mean_check, require, stream
from multicopy.model import training


def t5_noisy_score(replicates: int, rng: np.random.Generator, *, h2: float = 0.5) -> list[Check]:
    """Selection on trait plus noise: intensities of truncation and tournaments, gain h² of them.

    Holds for h² above 0 and below 1.
    """
    require("T5", 0 < h2 < 1, f"h2 above 0 and below 1, not {h2:g}")
    teams, size = replicates // 4, 50
    rules: list[tuple[str, Training, float]] = [
        ("truncation", Training(rule="truncation", truncation=0.2), truncation_intensity(10, 50)),
        *(
            ("tournament", Training(rule="tournament", tournament_size=k), expected_maximum(k))
            for k in (2, 3, 5)
        ),
    ]
    checks, draws = [], stream(rng)
    for rule, p, intensity in rules:
        trait = rng.normal(0, np.sqrt(h2), (teams, size))
        score = trait + rng.normal(0, np.sqrt(1 - h2), (teams, size))
        source = homes(teams, size)
        parent = training.RULES[rule](score, source, p, draws).parent
        setting = f"{rule} {p.tournament_size if rule == 'tournament' else '10 of 50'}"
        gains = score.ravel()[parent].mean(axis=1)
        checks.append(mean_check("T5", f"intensity of {setting}", intensity, gains))
        gains = trait.ravel()[parent].mean(axis=1)
        checks.append(mean_check("T5", f"gain in trait, {setting}", h2 * intensity, gains))
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
    replicates: int,
    rng: np.random.Generator,
    *,
    n: int = 20,
    generations: int = 30,
    sd: float = 0.35,
) -> list[Check]:
    """No selection: E[s²(t)] = n·V + (s²(0) - n·V)(1 - 1/n)^t, and heterozygosity.

    Holds for any time; it is measured up to 3·n generations, while teams still differ enough.
    """
    require("T6", n >= 2 and sd > 0, f"n from 2 and sd above 0, not n = {n}, sd = {sd:g}")
    short = 1 <= generations <= 3 * n
    require("T6", short, f"1 to 3·n generations, not {generations} with n = {n}")
    teams = replicates // 10
    trait = rng.normal(0, 1, (teams, n))
    start = trait.var(axis=1, ddof=1)
    founder = np.tile(np.arange(n), (teams, 1))
    p = Training(rule="resample")
    draws, rows = stream(rng), np.arange(teams * n)
    for _ in range(generations):
        source = homes(teams, n)
        parent = training.resample(np.zeros((teams, n)), source, p, draws).parent
        trait, founder = trait.ravel()[parent], founder.ravel()[parent]
        steps = training.mutation_steps(rows, Training(mutation_sd=sd), 1.0, draws)
        trait = trait + steps[:, TRAIT].reshape(teams, n)
    v = sd**2
    kept = (1 - 1 / n) ** generations
    setting = f"n = {n}, {generations} generations, sd = {sd:g}"
    # The start varies among teams; the expectation is linear in it.
    left = trait.var(axis=1, ddof=1) - start * kept
    same = (founder[:, :, None] == founder[:, None, :]).sum(axis=(1, 2)) / n**2
    return [
        mean_check("T6", f"variance, {setting}", n * v * (1 - kept), left),
        mean_check("T6", f"heterozygosity, {setting}", (1 - 1 / n) * kept, 1 - same),
    ]


def t10_stabilizing(
    replicates: int,
    rng: np.random.Generator,
    *,
    n: int = 200,
    sd: float = 0.1,
    vs: float = 1.0,
) -> list[Check]:
    """Stabilizing selection exp(-z²/2V_s) on clones: V = (U + √(U² + 4·V_m·V_s))/2, to 1 %.

    U is V_m less the V_s/n that drift costs. Holds for mutations smaller than the optimum is wide,
    and for n from 100 and so large that drift takes a share √V_s/(2·n·sd) of at most .03.
    """
    require("T10", 0 < sd <= np.sqrt(vs) / 2, f"sd up to half of √V_s, not {sd:g} with {vs:g}")
    least = max(100, int(np.ceil(np.sqrt(vs) / (0.06 * sd))))
    require("T10", n >= least, f"n from {least} at sd = {sd:g}, V_s = {vs:g}, not {n}")
    teams = max(20, replicates // 200)
    trait = np.zeros((teams, n))
    p, mutation = Training(rule="resample", strength=1.0), Training(mutation_sd=sd)
    seen = []
    draws, rows = stream(rng), np.arange(teams * n)
    settle = int(20 * np.sqrt(vs) / sd)
    for round_ in range(2 * settle):
        source = homes(teams, n)
        parent = training.resample(-(trait**2) / (2 * vs), source, p, draws).parent
        steps = training.mutation_steps(rows, mutation, 1.0, draws)[:, TRAIT]
        trait = trait.ravel()[parent] + steps.reshape(teams, n)
        if round_ >= settle:
            seen.append(trait.var(axis=1, ddof=1))
    vm = sd**2
    less = vm - vs / n
    exact = float(less + np.sqrt(less**2 + 4 * vm * vs)) / 2
    measured = np.mean(seen, axis=0)
    return [mean_check("T10", f"variance, n = {n}, V_s = {vs:g}", exact, measured, within=0.01)]


def t15_homology(
    replicates: int, rng: np.random.Generator, *, rounds: int = 50, sd: float = 0.35
) -> list[Check]:
    """Two lines that parted `rounds` mutations ago differ by E[(z_i - z_j)²] = 2·V_m·rounds.

    Holds for any time from 1 and any size of mutations.
    """
    require("T15", rounds >= 1 and sd > 0, f"rounds from 1, sd above 0, not {rounds} and {sd:g}")
    trait = np.zeros((2, replicates))
    p = Training(mutation_sd=sd)
    draws, rows = stream(rng), np.arange(trait.size)
    for _ in range(rounds):
        steps = training.mutation_steps(rows, p, 1.0, draws)[:, TRAIT]
        trait += steps.reshape(trait.shape)
    exact = 2 * sd**2 * rounds
    setting = f"{rounds} rounds apart, sd = {sd:g}"
    return [mean_check("T15", setting, exact, (trait[0] - trait[1]) ** 2)]
