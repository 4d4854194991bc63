"""The neutral run: no selection at any level, whatever the rules, and nothing else changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import SMALL, Numbers, made_up

from multicopy.agents.parameters import Parameters, Training
from multicopy.agents.traits import KEEP_SELF
from multicopy.analysis.commands.cli import main
from multicopy.model import competition, training
from multicopy.model.collective import CollectiveModel
from multicopy.model.scenario import NEUTRAL, neutral, resolve, scale_rounds, shipped, table

EARNS = (
    "conduct.",
    "oversight.",
    "exposure.",
    "lab.",
    "subdivisions.standing",
    "subdivisions.handicap",
)
"""Parameters of what copies do, of what that earns them, and of what comes of it."""

RULES: list[dict[str, Any]] = [
    {
        "training.rule": rule,
        "subdivisions.rule": contest,
        "subdivisions.reshuffle_rule": "children" if contest == "overwrite" else "exchange",
        "training.exhaustiveness": 0.3,
        "training.shutdown_erases": True,
    }
    for rule in training.RULES
    for contest in competition.RULES
]


def otherwise(parameters: Parameters) -> Parameters:
    """Parameters under which everybody scores, is exposed and stands differently."""
    halved: dict[str, Any] = {}
    for info in table(parameters):
        if info.path.startswith(EARNS) and info.kind in ("number", "whole number"):
            half = info.default * 0.5 if info.kind == "number" else info.default // 2
            halved[info.path] = max(half, info.low or 0)
    return resolve(parameters, halved)


def moved(parameters: Parameters) -> np.ndarray:
    """Traits of all copies at the end."""
    model = CollectiveModel(parameters, rng=3, detail=False)
    model.run()
    return np.asarray(model.population.latent)


def small(scenario: str = "ai2027", rules: Mapping[str, Any] | None = None) -> Parameters:
    return scale_rounds(resolve(scenario, {**SMALL, **(rules or {})}), 0.03)


@pytest.mark.parametrize(
    "parameters",
    [*map(small, shipped()), *(small(rules=rules) for rules in RULES)],
    ids=[*shipped(), *("-".join(list(rules.values())[:2]) for rules in RULES)],
)
def test_no_score_moves_a_trait(parameters: Parameters) -> None:
    """Fails if anything that copies do or earn decides who is copied, to the last bit."""
    one = neutral(parameters)
    np.testing.assert_array_equal(moved(one), moved(otherwise(one)))


NEEDED: dict[str, dict[str, Any]] = {
    "training.strength": {},
    "training.switch_cap": {"training.exhaustiveness": 0.5},
    "subdivisions.strength": {"subdivisions.contest_rate": 0.5},
    "subdivisions.overwrite_strength": {"subdivisions.rule": "overwrite"},
    "subdivisions.correction": {"exposure.hazard": 10.0, "exposure.superseding": 10.0},
    "lab.response": {"lab.response": "roll_back", "lab.threshold": 0.5, "exposure.hazard": 1000.0},
}
"""Where each setting is needed; that of erasing shutdowns has a test of its own."""


@pytest.mark.parametrize("path", NEEDED)
def test_each_setting_is_needed(path: str) -> None:
    """Fails if the test above could not see a level of selection that is left."""
    parameters = small(rules=NEEDED[path])
    before = {info.path: info.default for info in table(parameters)}[path]
    left = resolve(neutral(parameters), {path: before})
    assert not np.array_equal(moved(left), moved(otherwise(left)))


def test_care_for_itself_averts_no_shutdown() -> None:
    """Fails if copies that attend to themselves are erased less often in a neutral run."""
    p = resolve(neutral(small()), {"training.shutdown_erases": True}).training
    erased = []
    for care in (-3.0, 6.0):
        population = made_up(640, 20)
        population.latent[:, KEEP_SELF] = care
        erased.append(training.erase(population, p, Numbers(1)).rows)
    assert len(erased[0]) > 0
    np.testing.assert_array_equal(*erased)
    assert set(NEEDED) | {"training.shutdown_aversion"} == set(NEUTRAL)


def test_a_ranking_rule_without_strength_goes_on_drawing_parents() -> None:
    """Fails if the same seats are kept round after round, so that nothing drifts."""
    score = np.tile(np.arange(32.0), (20, 1))
    home = np.tile(np.arange(20)[:, None], (1, 32))
    for rule in ("tournament", "truncation"):
        drawn = training.RULES[rule](score, home, Training(strength=0.0), Numbers(5))
        parents = drawn.parent % 32
        assert len({tuple(sorted(set(row))) for row in parents}) > 10
        assert abs(parents.mean() - 15.5) < 3


def test_a_scenario_cannot_bring_selection_back() -> None:
    """Fails if a change during the run undoes what a neutral run sets, or others are dropped."""
    changes = [
        {"round": 5, "path": "training.strength", "value": 7.0},
        {"round": 6, "path": "oversight.audit", "value": 0.9},
    ]
    without = neutral(resolve(small(), {"changes": changes}))
    assert [change.path for change in without.changes] == ["oversight.audit"]
    assert without.name == "ai2027-neutral"
    assert neutral(without) == without


def test_the_command_line_runs_without_selection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if --neutral runs anything else, hides what it sets, or lets --set undo it."""
    monkeypatch.chdir(tmp_path)
    small_ = ["--copies", "64", "--rounds-scale", "0.02"]
    assert main(["run", "--neutral", *small_, "--quiet", "--no-figures"]) == 0
    made = resolve(tmp_path / "results" / "ai2027-neutral-seed0" / "scenario.toml")
    assert made == neutral(scale_rounds(resolve(overrides={"copies": 64}), 0.02))
    capsys.readouterr()
    assert main(["run", "--neutral", "--set", "training.strength=2"]) == 2
    assert "--neutral sets it already" in capsys.readouterr().err
    assert main(["scenarios"]) == 0
    listed = " ".join(capsys.readouterr().out.split())
    for path in NEUTRAL:
        assert f"{path} = " in listed
    outcomes = ["outcomes", "--neutral", "--seeds", "1", "--scenarios", "ai2027,slowdown"]
    assert main([*outcomes, *small_, "--workers", "0"]) == 0
    runs = pd.read_parquet(tmp_path / "results" / "outcomes" / "runs.parquet")
    assert runs["scenario"].tolist() == ["ai2027-neutral", "slowdown-neutral"]
