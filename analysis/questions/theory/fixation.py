"""T1 to T3 and T9: fixation in one team, and in teams that compete."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from multicopy.agents.levels import LEVELS, Rivalry
from multicopy.agents.machine.arrays import Floats
from multicopy.agents.parameters import Subdivisions, Training
from multicopy.agents.population import Changes, Population, homes
from multicopy.agents.traits import TRAIT_COUNT
from multicopy.analysis.questions.theory.checks import (
    TRAIT,
    Check,
    mean_check,
    require,
    share_check,
    stream,
)
from multicopy.model import competition, training


def fixation(
    players: int,
    score: Callable[[Any], Floats],
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
    draws = stream(rng)
    while len(mutant):
        round_ += 1
        source = homes(*mutant.shape)
        succession = training.challenge(score(mutant), source, p, draws)
        heirs = mutant.ravel()[succession.parent]
        mutant = np.where(succession.replaced, heirs, mutant)
        count = mutant.sum(axis=1)
        fixed += int((count == players).sum())
        times.extend([round_] * int((count == players).sum()))
        mutant = mutant[(count > 0) & (count < players)]
    return fixed, np.array(times, dtype=float)


def t1_neutral_fixation(replicates: int, rng: np.random.Generator, *, n: int = 10) -> list[Check]:
    """A neutral copy takes over a team of n with probability 1/n, in 2(n-1)² challenges.

    In the Moran process it takes n(n-1). Here nobody challenges itself (n-1 for n), and a neutral
    challenge succeeds half of the time (2).

    Holds for n from 2; the time is measured from some 20 fixations on, a chance of 1/n each.
    """
    require("T1", 2 <= n <= replicates / 20, f"n from 2 to replicates/20, not {n}")
    fixed, times = fixation(n, lambda m: np.zeros(m.shape), 1.0, replicates, rng)
    return [
        share_check("T1", f"fixation of a neutral copy, n = {n}", 1 / n, fixed, replicates),
        mean_check("T1", f"challenges until then, n = {n}", 2 * (n - 1) ** 2, times),
    ]


def t2_advantage(
    replicates: int, rng: np.random.Generator, *, n: int = 10, s: float = 0.5
) -> list[Check]:
    """A constant advantage s (beta-scaled): phi = (1 - e^-s)/(1 - e^-ns).

    Holds for n from 2 and any s but 0, which is T1.
    """
    require("T2", n >= 2, f"n from 2, not {n}")
    require("T2", s != 0 and abs(n * s) < 700, f"s other than 0, n·|s| below 700, not s = {s:g}")
    fixed, _ = fixation(n, lambda m: m * s, 1.0, replicates, rng)
    exact = float(np.expm1(-s) / np.expm1(-n * s))
    return [share_check("T2", f"advantage s = {s:g}, n = {n}", exact, fixed, replicates)]


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
    replicates: int,
    rng: np.random.Generator,
    *,
    n: int = 10,
    beta: float = 0.1,
    game: Any = ((3.0, 0.0), (5.0, 1.0)),
) -> list[Check]:
    """Two-strategy games, payoff rows (R, S), (T, P): fixation of strategy 0 and of strategy 1.

    Holds for n from 2, beta from 0 and finite payoffs.
    """
    payoff = np.array(game, dtype=float)
    require("T3", n >= 2 and beta >= 0, f"n from 2 and beta from 0, not n = {n}, beta = {beta:g}")
    finite = payoff.shape == (2, 2) and bool(np.isfinite(payoff).all())
    require("T3", finite, f"a game [[R, S], [T, P]] of finite payoffs, not {game!r}")
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
        checks.append(share_check("T3", setting, exact, fixed, replicates))
    return checks


# --- T9: two levels -----------------------------------------------------------------------------


def two_level_chain(
    n: int, d: int, rates: tuple[float, float, float], beta: float, beta_teams: float
) -> tuple[float, float]:
    """Exact fixation of one mutant among d teams of n, and its mean time in events.

    Each event is a challenge in a team (a member takes a mate's type with probability
    logistic(beta·difference of scores); the mutant scores 1, the other 0), a contest (a team takes
    the composition of another with logistic(beta_teams·difference of mean types)), or an exchange
    of two copies, with the given rates. The chain runs over the numbers of mutants in the teams.
    """
    states = list(product(range(n + 1), repeat=d))
    where = {state: i for i, state in enumerate(states)}
    chain = np.zeros((len(states), len(states)))
    total = sum(rates)
    for state, i in where.items():
        for target, p in _challenges(state, n, beta):
            chain[i, where[target]] += rates[0] / total * p
        for target, p in _contests(state, n, beta_teams):
            chain[i, where[target]] += rates[1] / total * p
        for target, p in _exchanges(state, n):
            chain[i, where[target]] += rates[2] / total * p
    empty, full = where[(0,) * d], where[(n,) * d]
    inner = [i for i in range(len(states)) if i not in (empty, full)]
    stay = np.eye(len(inner)) - chain[np.ix_(inner, inner)]
    reach = np.linalg.solve(stay, chain[inner, full])
    time = np.linalg.solve(stay, np.ones(len(inner)))
    first = inner.index(where[(1,) + (0,) * (d - 1)])
    return float(reach[first]), float(time[first])


def _fermi(difference: float) -> float:
    return float(1 / (1 + np.exp(-difference)))


def _moved(state: tuple[int, ...], *steps: tuple[int, int]) -> tuple[int, ...]:
    counts = list(state)
    for team, step in steps:
        counts[team] += step
    return tuple(counts)


def _challenges(state: tuple[int, ...], n: int, beta: float) -> list[tuple[tuple[int, ...], float]]:
    moves, stay = [], 1.0
    for team, k in enumerate(state):
        meet = k * (n - k) / (n * (n - 1)) / len(state)
        for step, accept in ((1, _fermi(beta)), (-1, _fermi(-beta))):
            if meet:
                moves.append((_moved(state, (team, step)), meet * accept))
                stay -= meet * accept
    return [*moves, (state, stay)]


def _contests(state: tuple[int, ...], n: int, beta: float) -> list[tuple[tuple[int, ...], float]]:
    d, moves, stay = len(state), [], 1.0
    for team, rival in product(range(d), repeat=2):
        if team != rival:
            p = _fermi(beta * (state[rival] - state[team]) / n) / (d * (d - 1))
            moves.append((_moved(state, (team, state[rival] - state[team])), p))
            stay -= p
    return [*moves, (state, stay)]


def _exchanges(state: tuple[int, ...], n: int) -> list[tuple[tuple[int, ...], float]]:
    size, moves, stay = n * len(state), [], 1.0
    for one, other in product(range(len(state)), repeat=2):
        if one != other:
            # A mutant of `one` changes places with another type of `other`.
            p = 2 * state[one] * (n - state[other]) / (size * (size - 1))
            if p:
                moves.append((_moved(state, (one, -1), (other, 1)), p))
                stay -= p
    return [*moves, (state, stay)]


def t9_two_levels(
    replicates: int,
    rng: np.random.Generator,
    *,
    n: int = 3,
    d: int = 3,
    beta: float = -0.5,
    beta_teams: float = 2.0,
    rates: tuple[float, float, float] = (0.6, 0.3, 0.1),
) -> list[Check]:
    """Two levels at any strength of selection, against the exact Markov chain.

    Each replicate is a division of d teams; each round has one event in each replicate, done by the
    simulator's challenge, contest and exchange.

    Holds for any strengths. `rates` are those of the three events; with one of them 0 a mixed
    population may stay so for ever. The chain is solved up to 2,000 states, (n + 1)^d.
    """
    require("T9", n >= 2 and d >= 2, f"n and d from 2, not n = {n}, d = {d}")
    require("T9", (n + 1) ** d <= 2000, f"(n + 1)^d up to 2000, not {n + 1}^{d}")
    require("T9", len(rates) == 3 and min(rates) > 0, f"three rates above 0, not {rates}")
    exact, exact_time = two_level_chain(n, d, rates, beta, beta_teams)
    cut = np.cumsum(rates) / np.sum(rates)
    mutant = np.zeros((replicates, d, n), dtype=np.bool_)
    mutant[:, 0, 0] = True
    fixed, times, round_ = 0, [], 0
    while len(mutant):
        round_ += 1
        event = np.searchsorted(cut, rng.random(len(mutant)), side="right")
        for kind, act in enumerate((_one_challenge, _one_contest, _one_exchange)):
            due = np.flatnonzero(event == kind)
            if len(due):
                mutant[due] = act(mutant[due], beta_teams if kind == 1 else beta, rng)
        count = mutant.sum(axis=(1, 2))
        over = (count == 0) | (count == n * d)
        fixed += int((count == n * d).sum())
        times.extend([round_] * int(over.sum()))
        mutant = mutant[~over]
    setting = f"d = {d} teams of {n}, beta = {beta:g}, beta_teams = {beta_teams:g}"
    return [
        share_check("T9", f"fixation, {setting}", exact, fixed, replicates),
        mean_check("T9", f"events to absorption, {setting}", exact_time, np.array(times, float)),
    ]


def _one_challenge(mutant: Any, beta: float, rng: np.random.Generator) -> Any:
    """One challenge in one team of each replicate."""
    count, d, n = mutant.shape
    teams = mutant.reshape(count * d, n)
    p = Training(schedule="single", strength=abs(beta))
    draws = stream(rng)
    source = homes(count * d, n)
    succession = training.challenge(np.sign(beta) * teams, source, p, draws)
    chosen = rng.integers(d, size=count) + d * np.arange(count)
    replaced = np.zeros_like(succession.replaced)
    replaced[chosen] = succession.replaced[chosen]
    return np.where(replaced, teams.ravel()[succession.parent], teams).reshape(count, d, n)


def _one_contest(mutant: Any, beta: float, rng: np.random.Generator) -> Any:
    """One contest among the teams of each replicate."""
    count, d, n = mutant.shape
    latent = np.zeros((mutant.size, TRAIT_COUNT))
    latent[:, TRAIT] = mutant.ravel()
    population = Population(latent, count * d, count)
    rank = np.sign(beta) * mutant.mean(axis=2).ravel()
    none = np.zeros(count * d, dtype=np.bool_)
    p = Rivalry(rate=1.0, strength=abs(beta), own=1.0)
    contests = competition.contest(population, LEVELS[0], rank, none, 1.0, p, stream(rng))
    # All teams were contested; of each replicate one is kept.
    chosen = rng.integers(d, size=count) + d * np.arange(count)
    for change in contests:
        assert change.parents is not None
        keep = np.isin(change.rows // n, chosen)
        population.apply(Changes("team selection", change.rows[keep], parents=change.parents[keep]))
    return (population.latent[:, TRAIT] > 0.5).reshape(count, d, n)


def _one_exchange(mutant: Any, beta: float, rng: np.random.Generator) -> Any:
    """Two copies of each replicate change places."""
    p = Subdivisions(schedule="single")
    size = mutant[0].size
    population = Population(np.zeros((size, TRAIT_COUNT)), mutant.shape[1], 1)
    flat = mutant.reshape(len(mutant), size).copy()
    draws = stream(rng)
    for row in flat:
        change = competition.exchange(population, p, draws)
        assert change.parents is not None
        row[change.rows] = row[change.parents]
    return flat.reshape(mutant.shape)
