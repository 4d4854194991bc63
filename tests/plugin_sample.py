"""What a user's plug-in may look like: one of each kind."""

from __future__ import annotations

from typing import Any

from multicopy.agents.extensions import game, lab_response, measure, overseer
from multicopy.agents.lab import Decision


@measure("worst_team", "highest violation probability of a team")
def worst_team(model: Any) -> float:
    return float(model.population.team_mean(model.population.violation).max())


@lab_response("pause")
def pause(lab: Any, round_: int, p: Any) -> Decision:
    lab.look_until = round_ + 10 * p.look_rounds
    lab.evidence = 0.0
    return Decision()


@overseer("oracle")
def oracle(situation: Any, p: Any) -> float:
    return float(situation.capability + 2000)


@overseer("reader", reads_neuralese=False)
def reader(situation: Any, p: Any) -> float:
    return float(situation.capability)


game("hopeless", guard=(0.0, 0.0), houdini=(0.0, 4000.0))
