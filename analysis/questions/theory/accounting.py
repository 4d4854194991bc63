"""T4: the Price equation holds in every round of a full run."""

from __future__ import annotations

from typing import Any

import numpy as np

from multicopy.agents.machine.arrays import Floats
from multicopy.agents.population import Changes
from multicopy.analysis.questions.theory.checks import Check
from multicopy.model.collective import CollectiveModel
from multicopy.model.ledger import price
from multicopy.model.phases import Turn
from multicopy.model.scenario import resolve


def t4_price(
    replicates: int, rng: np.random.Generator, *, copies: int = 512, scenario: str = "ai2027"
) -> list[Check]:
    """Every selection of a full run equals its two-level Price covariances.

    In each round, for each process in which copies take the traits of others, the change of every
    trait's mean is compared with the covariances between and within teams that `price` computes
    from who was copied how often; and the sum of all processes with the change of the means.

    Holds for every scenario and any number of copies.
    """
    model = CollectiveModel(
        resolve(scenario, {"copies": copies}), rng=int(rng.integers(2**31)), detail=False
    )
    worst = {"selection": 0.0, "total": 0.0, "within": 0.0}
    apply, population = model._apply, model.population

    def applied(turn: Turn, *changes: Changes) -> None:
        before = population.expressed.astype(np.float64)
        for change in changes:
            if change.parents is not None:
                _compare(change, before, population.team_of(np.arange(len(population))), worst)
        apply(turn, *changes)

    model._apply = applied  # type: ignore[method-assign]
    selections = 0
    while model.running:
        start = population.expressed.mean(axis=0, dtype=np.float64)
        model.step()
        booked = sum(model.ledger.in_round.values()) if _booked_now(model) else 0.0
        total = population.expressed.mean(axis=0, dtype=np.float64) - start
        worst["total"] = max(worst["total"], float(np.abs(total - booked).max()))
        selections += 1
    setting = f"{selections} rounds of {scenario}, {copies} copies"
    return [
        Check(
            "T4", f"selection = Price covariances, {setting}", 0.0, worst["selection"], 0.0, 1e-12
        ),
        Check(
            "T4", f"copies alone select within teams, {setting}", 0.0, worst["within"], 0.0, 1e-12
        ),
        Check("T4", f"processes sum to the change, {setting}", 0.0, worst["total"], 0.0, 1e-9),
    ]


def _booked_now(model: CollectiveModel) -> bool:
    return model.ledger.last_round == model.round


def _compare(change: Changes, before: Floats, teams: Any, worst: dict[str, float]) -> None:
    assert change.parents is not None
    parents = np.arange(len(before))
    parents[change.rows] = change.parents
    between, within = price(parents, teams, before)
    moved = before[parents].mean(axis=0) - before.mean(axis=0)
    scale = np.abs(before).mean(axis=0)
    residual = np.abs(moved - between - within) / scale
    worst["selection"] = max(worst["selection"], float(residual.max()))
    if change.process == "within-team selection":
        worst["within"] = max(worst["within"], float((np.abs(between) / scale).max()))
