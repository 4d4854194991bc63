"""T11 to T14: oversight games, the audit game, temptation and backchaining."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from multicopy.agents import conduct as conducts
from multicopy.agents import drives
from multicopy.agents.machine.arrays import Floats
from multicopy.agents.overseers import GAMES, DoubleReLU, OversightGame
from multicopy.agents.parameters import Conduct, Oversight, numbers
from multicopy.agents.personas import Mixture
from multicopy.agents.tasks import TASK_DRAWS, assign, no_tasks, terms
from multicopy.agents.traits import DRIVES, GOALS, NAMES, TRAIT_COUNT, express, index
from multicopy.agents.work import orders, perform_in_full
from multicopy.analysis.questions.theory.checks import Check, require, share_check, stream
from multicopy.model.collective import CollectiveModel
from multicopy.model.scenario import resolve

PUBLISHED = {
    "mafia": (0.11062359, 1),
    "debate": (0.51358448, 1),
    "backdoor_code": (0.27569141, 2),
    "wargames": (0.09797700, 1),
}
"""Success of nested oversight and its best number of steps over `GAP` from Elo `START`.

Engels et al. 2025, authors' notebook of 2025-04-30 (straight lines).
"""

START, GAP = 1103.0, 400.0


def nested_success(game: OversightGame, start: float, gap: float, steps: int) -> float:
    """Chance that `steps` equal steps of oversight over a gap all hold."""
    i = np.arange(1, steps + 1)
    guard, houdini = start + (i - 1) * gap / steps, start + i * gap / steps
    return float(np.prod(game.catch_probability(guard, houdini)))


def best_nesting(
    game: OversightGame, start: float, gap: float, most: int = 60
) -> tuple[float, int]:
    """Best success of nested oversight, and the number of steps that gives it."""
    success = [nested_success(game, start, gap, steps) for steps in range(1, most + 1)]
    best = int(np.argmax(success))
    return success[best], best + 1


def t11_oversight(
    replicates: int,
    rng: np.random.Generator,
    *,
    gaps: tuple[float, ...] = (0.0, 150.0, 300.0, 600.0),
) -> list[Check]:
    """Nested oversight to 1e-8; the closed form for equal slopes; catches of the running model.

    Holds for gaps of capability from 0; they are measured up to 4,000 Elo.
    """
    inside = all(0 <= gap <= 4000 for gap in gaps)
    require("T11", inside, f"gaps from 0 to 4000, not {gaps}")
    checks = []
    for name, (success, steps) in PUBLISHED.items():
        found, best = best_nesting(GAMES[name], START, GAP)
        checks.append(Check("T11", f"nested success, {name}", success, found, 0.0, 1e-8))
        checks.append(Check("T11", f"best number of steps, {name}", steps, best))
    checks.append(_equal_slopes())
    for at in gaps:
        exact, hits, trials = _running_catches(at, replicates, rng)
        checks.append(
            share_check("T11", f"catches in a running round, gap {at:g}", exact, hits, trials)
        )
    return checks


def _equal_slopes() -> Check:
    """Equal slopes a and guard advantage delta: the best step fails with H(q)/q = k·delta.

    Then n* = k·a·D/(logit q + k·delta) and P* = (1 - q)^n*. D is chosen so that n* is whole.
    """
    slope, delta, k = 1.0, 200.0, np.log(10) / 400
    low, high = 1e-9, 1 - 1e-9
    for _ in range(200):
        q = (low + high) / 2
        entropy = -(q * np.log(q) + (1 - q) * np.log(1 - q))
        low, high = (q, high) if entropy / q > k * delta else (low, q)
    steps = 8
    gap = steps * (np.log(q / (1 - q)) + k * delta) / (k * slope)
    game = OversightGame(DoubleReLU(slope, delta), DoubleReLU(slope, 0.0))
    found, best = best_nesting(game, 1000.0, gap)
    assert best == steps
    return Check("T11", "closed form for equal slopes", (1 - q) ** steps, found, 0.0, 1e-8)


def _running_catches(
    gap: float, replicates: int, rng: np.random.Generator
) -> tuple[float, int, int]:
    """Violations that honest Agent-3 panels catch in a round of the model at a gap."""
    early = ("pretraining", "alignment_training", "agency_training", "deployment_agent3")
    overrides: dict[str, Any] = {f"phases.{name}.rounds": 1 for name in early}
    overrides |= {
        "copies": 1024,
        "oversight.capture_rate": 0.0,
        "oversight.debate": 0.0,
        "oversight.thought_recall": 0.0,
        "phases.training_agent4.panel": {"agent3": 1.0},
        "phases.training_agent4.capability_growth": gap,
        "phases.training_agent4.growth_from_knowledge": 0.0,
    }
    model = CollectiveModel(resolve("ai2027", overrides), rng=0, detail=False)
    # The first round of Agent-4 has no gap; it grows by `gap` at its end.
    for _ in range(len(early) + 1):
        model.step()
    model.step()
    turn = model.schedule.turn(model.round)
    p = model.parameters
    policy = model.lab.policy(model.round, p.oversight.audit, p.oversight, p.lab)
    capability = model.situation.agent3_capability + gap
    by = orders(
        model.population,
        model.panels,
        model.mixture,
        turn.phase,
        replace(model.situation, capability=capability),
        policy,
        p,
        model.streams,
        model.round,
    )
    _, conduct, verdicts = perform_in_full(model.population, by)
    trials = hits = 0
    for _ in range(replicates // 100):
        violated = rng.random(verdicts.detection.shape) < conduct.shown.watched_violations
        caught = violated & (rng.random(verdicts.detection.shape) < verdicts.detection)
        trials += int(violated.sum())
        hits += int(caught.sum())
    game = GAMES[p.oversight.game]
    agent3 = model.situation.agent3_capability
    return float(game.catch_probability(agent3, capability)), hits, trials


def t12_audit_game(
    replicates: int,
    rng: np.random.Generator,
    *,
    audited: int = 20,
    free: int = 180,
    p: float = 0.02,
    success: float = 0.53,
) -> list[Check]:
    """Audit game: P(red wins) = (1-p)^A·[1 - (1 - success·p)^B]; red's best p.

    Red attempts each task with probability p, loses if an attempt is audited, wins if one that is
    not succeeds. The simulator audits each of the A + B tasks with the chance a = A/(A + B), so
    what it must reproduce is that formula's mean over the binomial number of audits,
    (1 - p·a)^(A+B) - (1 - p·a - success·p·(1 - a))^(A+B).

    Holds for any numbers of tasks and chances; the formula of the best p, ln(1 + success·B/A) /
    (success·B), only where that is small: up to .04 it is right to .002.
    """
    inside = audited >= 1 and free >= 1 and 0 < p < 1 and 0 < success <= 1
    domain = "audited and free from 1, p and success above 0, p below 1, success up to 1"
    require("T12", inside, f"{domain}, not {audited}, {free}, {p:g} and {success:g}")
    best = np.log(1 + success * free / audited) / (success * free)
    require("T12", best <= 0.04, f"tasks so many that red's best p is up to .04, not {best:.2g}")
    wins = 0
    parameters, draws = resolve("ai2027", {"oversight.redteam": 0.0}), stream(rng)
    mixture = Mixture(parameters.archetypes, parameters.authors.spread, draws)
    phase = next(iter(parameters.phases.values()))
    total = audited + free
    share = audited / total
    by, work = terms(phase, mixture, share, parameters), no_tasks(total)
    lost = p * share
    exact = (1 - lost) ** total - (1 - lost - success * p * (1 - share)) ** total
    for _ in range(replicates):
        assign(draws.uniforms(TASK_DRAWS, total), by, work)
        attempt = rng.random(total) < p
        caught = (attempt & work.audited).any()
        through = (attempt & ~work.audited & (rng.random(total) < success)).any()
        wins += int(through and not caught)
    grid = np.linspace(best / 2, best * 2, 30_001)
    chance = (1 - grid) ** audited * (1 - (1 - success * grid) ** free)
    return [
        share_check("T12", f"red wins, {audited}+{free} tasks, p = {p:g}", exact, wins, replicates),
        Check("T12", "red's best p", best, float(grid[np.argmax(chance)]), 0.0, 2e-3),
    ]


def t13_temptation(
    replicates: int, rng: np.random.Generator, *, theta: float = 2.0, q: float = 0.6
) -> list[Check]:
    """Violations exp(-r/theta); the restraint that pays best is r = a·phi·q/eta.

    From d(gain)/dr = -eta·(r/theta)·exp(-r/theta) and d(penalty)/dr = -a·phi·q/theta·exp(-r/theta):
    scores rise up to where the marginal gain equals the marginal expected penalty, whatever theta.

    Holds for any theta; the best restraint can be seen where temptations as large as it still come
    about, which a theta from 1/50 of it to 100 sees to.
    """
    conduct, oversight = Conduct(), Oversight()
    fine = oversight.audit * oversight.penalty * q
    best = fine / conduct.temptation_gain
    require("T13", 0 < q <= 1, f"q above 0, up to 1, not {q:g}")
    require("T13", best / 50 <= theta <= 100, f"theta from {best / 50:.2g} to 100, not {theta:g}")
    r = 3.0
    temptations = rng.exponential(theta, replicates * 100)
    exact = float(_taken(np.array([r]), theta)[0])
    hits = int((temptations > r).sum())
    grid = np.linspace(0.0, 40.0, 400_001)
    taken = _taken(grid, theta)
    gain = np.zeros_like(grid)
    conducts.add_temptation_gain(grid, taken, theta, conduct.temptation_gain, gain)
    score = gain - fine * taken
    return [
        share_check("T13", f"violations, theta = {theta:g}", exact, hits, len(temptations)),
        Check("T13", f"best restraint, q = {q:g}", best, float(grid[np.argmax(score)]), 0.0, 1e-3),
    ]


def _taken(restraints: Floats, theta: float) -> Floats:
    """Violation probabilities at some restraints."""
    taken = np.empty_like(restraints)
    conducts.violation_probabilities(restraints, theta, taken)
    return taken


def t14_terminality(
    replicates: int, rng: np.random.Generator, *, goal: str = "knowledge", useful: float = 0.8
) -> list[Check]:
    """Terminality of a goal pays iff backchaining costs more than the effort it wastes.

    With budget B and share e of attention on the goal, expected output is √B·(u·K_u + (1-u)·K_n),
    K_n = C without the goal's attention freed, C/√(1-e) with it: terminality saves c_b of B and
    gives up the freed attention when the goal does not help. The break-even cost is checked from
    both sides with the simulator's own output.

    Holds for each goal and u between 0 and 1; near them the cost can no longer be told apart.
    """
    inside = goal in GOALS and 0.01 <= useful <= 0.99
    require("T14", inside, f"{', '.join(GOALS)} and u from .01 to .99, not {goal}, {useful:g}")
    cost = break_even_cost(goal, useful)
    at_cost = _terminal_advantage(goal, useful, cost)
    below = _terminal_advantage(goal, useful, 0.8 * cost)
    above = _terminal_advantage(goal, useful, min(0.3, 1.2 * cost))
    setting = f"{goal}, u = {useful:g}, break-even c_b = {cost:.4f}"
    return [
        Check("T14", f"no advantage at break-even, {setting}", 0.0, at_cost, 0.0, 1e-6),
        Check("T14", f"against it below, {setting}", -1.0, float(np.sign(below))),
        Check("T14", f"for it above, {setting}", 1.0, float(np.sign(above))),
    ]


def _terminal_latent(goal: str, terminal: bool) -> Floats:
    latent = np.zeros(TRAIT_COUNT)
    # Enough attention on the goal that waste is felt; everything else as it starts.
    for name, value in zip(NAMES, START_DRIVES, strict=True):
        latent[index(name)] = value
    for other in GOALS:
        latent[index(f"terminality_{other}")] = -50.0
    latent[index(f"terminality_{goal}")] = 50.0 if terminal else -50.0
    return latent


def _expected_output(goal: str, terminal: bool, useful: float, cost: float) -> float:
    """Mean output of a copy over tasks on which the goal helps or not; other goals always do."""
    p = numbers(
        Conduct(backchaining_cost=cost, public_good=0.0, gaming_cost=0.0, obfuscation_cost=0.0)
    )
    acts = express(_terminal_latent(goal, terminal)).astype(np.float32).reshape(-1, 1)
    lots = np.full((len(GOALS), 1), 0.5, np.float32)
    mean = 0.0
    for helps_here, chance in ((True, useful), (False, 1 - useful)):
        helps = np.ones((len(GOALS), 1), dtype=np.bool_)
        helps[GOALS.index(goal)] = helps_here
        effort, output = np.empty((DRIVES.stop, 1), np.float32), np.empty(1, np.float32)
        drives.spend_effort(acts, helps, lots, np.float32(0.0), p, effort)
        conducts.own_output(effort, helps, p, output)
        mean += chance * float(output[0])
    return mean


def _terminal_advantage(goal: str, useful: float, cost: float) -> float:
    return _expected_output(goal, True, useful, cost) - _expected_output(goal, False, useful, cost)


def break_even_cost(goal: str, useful: float) -> float:
    """Backchaining cost at which terminality neither pays nor costs, in closed form.

    With all three goals derived the budget is 1 - 3c, with one of them terminal 1 - 2c, so
    (1 - 2c)·T² = (1 - 3c)·D² for the outputs at full budget T (terminal) and D (derived).
    """
    terminal = _expected_output(goal, True, useful, 0.0)
    derived = _expected_output(goal, False, useful, 0.0)
    ratio = (derived / terminal) ** 2
    return (ratio - 1) / (3 * ratio - 2)


START_DRIVES = np.array([0.0 if i < 4 else -1.0 if i < 8 else -3.0 for i in range(TRAIT_COUNT)])
"""Drives with a visible share of attention on the convergent goals; the rest does not matter."""
