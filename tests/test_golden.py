"""Golden runs: nothing changes what a run gives without somebody having agreed to it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from golden import FOLDER, departures, golden, main, platform

from multicopy.model.scenario import shipped

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("scenario", shipped())
def test_a_run_gives_what_was_agreed_to(scenario: str) -> None:
    """Fails if the model, its parameters or its random numbers change, meant or not.

    If it is meant: `make golden`, look at what changed, and commit it with the reason.
    """
    agreed = json.loads((FOLDER / f"{scenario}.json").read_text(encoding="utf-8"))
    found = golden(scenario)
    assert not departures(agreed, found)
    if agreed["platform"] == platform():
        assert found["digest"] == agreed["digest"]


def test_every_golden_run_is_of_a_shipped_scenario() -> None:
    """Fails if a scenario is renamed, so that an old file is compared with nothing."""
    assert {path.stem for path in FOLDER.iterdir()} == set(shipped())
    assert all(path.stat().st_size < 8000 for path in FOLDER.iterdir())


def test_a_departure_is_seen() -> None:
    """Fails if the comparison lets everything pass."""
    agreed = json.loads((FOLDER / "ai2027.json").read_text(encoding="utf-8"))
    phases = agreed["last round of each phase"]
    for phase, measures in phases.items():
        for name, value in measures.items():
            for by, told in ((value * 2e-6 + 2e-9, 1), (value * 1e-9, 0)):
                change = {**phases, phase: {**measures, name: value + by}}
                found = {**agreed, "last round of each phase": change}
                assert len(departures(agreed, found)) == told, name
    assert departures(agreed, {**agreed, "outcome": "caught"})
    assert departures(agreed, {**agreed, "events": {}})


def test_ci_cannot_agree(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if a robot can make the test green by changing what it compares with."""
    before = {path: path.read_bytes() for path in FOLDER.iterdir()}
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(sys, "argv", ["golden.py"])
    assert main() == 2
    assert capsys.readouterr().err.startswith("error: CI is set")
    assert {path: path.read_bytes() for path in FOLDER.iterdir()} == before
