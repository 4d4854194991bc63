"""Numeric health: what is broken in a round is named, and the run ends there in good order."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import small_model

from multicopy.agents.traits import DRIVES, HARDCODING, POWER, WEIGHTS
from multicopy.analysis.commands.cli import main
from multicopy.analysis.files import folder, frames
from multicopy.analysis.many import load
from multicopy.analysis.many.chunks import run_chunk
from multicopy.analysis.many.points import Plan
from multicopy.analysis.many.work import Work
from multicopy.model.collective import CollectiveModel
from multicopy.model.health import NumericFault, require_health
from multicopy.model.measures import OWN
from multicopy.model.scenario import InputError


def advanced(rounds: int = 3) -> CollectiveModel:
    model = small_model(0)
    for _ in range(rounds):
        model.step()
    return model


def check(model: CollectiveModel) -> None:
    require_health(model.records.rows[-1], model.population, model.population.survey())


def put(trait: Any, value: float, column: str = "expressed") -> Callable[[CollectiveModel], None]:
    def spoil(model: CollectiveModel) -> None:
        getattr(model.population, column)[24:26, trait] = value

    return spoil


def measured(name: str, value: float) -> Callable[[CollectiveModel], None]:
    return lambda model: model.records.rows[-1].update({name: value})


SPOILT: dict[str, tuple[Callable[[CollectiveModel], None], str]] = {
    "no number": (put(HARDCODING, np.nan), "trait hardcoding of 2 copies, first copy 24, is nan"),
    "latent": (put(POWER, np.inf, "latent"), r"trait power .*latent inf"),
    "above 1": (put(HARDCODING, 1.5), "hardcoding .* is 1.5 .* must be from 0 to 1"),
    "below 0": (put(HARDCODING, -0.5), "hardcoding"),
    "above the greatest weight": (put(WEIGHTS.start, 6.5), "weight_helpful .* from 0 to 6"),
    "attention": (put(DRIVES.start, 0.9), "attention to the drives sums to .*code_works"),
    "probability": (measured("detection", 1.1), "measure detection is 1.1; .* from 0 to 1"),
    "weight": (measured("restraint", 6.1), "measure restraint is 6.1; it must be from 0 to 6"),
    "below its bound": (measured("evidence", -0.1), "measure evidence is -0.1; .* at least 0"),
    "above its bound": (measured("explained", 1.1), "measure explained is 1.1; .* at most 1"),
    "measure": (measured("output", np.inf), "measure output is inf; it must be a number"),
    "plug-in": (measured("mine", np.nan), "measure mine is nan"),
}


@pytest.mark.parametrize(("spoil", "told"), SPOILT.values(), ids=list(SPOILT))
def test_what_is_broken_is_named_with_its_round(
    spoil: Callable[[CollectiveModel], None], told: str
) -> None:
    """Fails if NaN, infinity or an impossible share goes unseen in the teams looked at."""
    model = advanced()  # in round 3 team 3 is looked at, of 8 copies
    check(model)
    spoil(model)
    with pytest.raises(NumericFault, match=rf"^round 3 \(alignment_training\): .*{told}") as caught:
        check(model)
    assert len(str(caught.value).splitlines()) == 1


def test_every_copy_is_looked_at_within_eight_rounds() -> None:
    """Fails if the traits of a team are never compared with their bounds."""
    model = advanced()
    for team in range(model.population.teams):
        model.population.expressed[8 * team, HARDCODING] = 1.001
        found = 0
        for round_ in range(100, 108):
            row = {**model.records.rows[-1], "round": round_}
            try:
                require_health(row, model.population, model.population.survey())
            except NumericFault:
                found += 1
        assert found == 1, team
        model.population.expressed[8 * team, HARDCODING] = 0.5


def test_every_measure_is_held_to_its_bounds() -> None:
    """Fails if the bounds of a measure are not looked at, or a measure is not recorded."""
    model = advanced(1)
    row = dict(model.records.rows[-1])
    for name, one in OWN.items():
        for beyond in (one.low - 1e-4, one.high + 1e-4):
            measured(name, beyond)(model)
            with pytest.raises(NumericFault, match=f"measure {name} is"):
                check(model)
        measured(name, row[name])(model)
    check(model)


def break_in_round(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a round's situation go wrong, as an error of the simulator would."""
    whole = CollectiveModel._begin

    def begin(self: CollectiveModel) -> Any:
        now = whole(self)
        if self.round == number:
            self.situation = replace(self.situation, temptation=float("nan"))
        return now

    monkeypatch.setattr(CollectiveModel, "_begin", begin)


def test_a_run_that_breaks_ends_in_one_line_and_keeps_its_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if a traceback shows, or results are lost or pass for whole."""
    break_in_round(9, monkeypatch)
    out = tmp_path / "run"
    words = ["run", "--copies", "64", "--rounds-scale", "0.02", "--quiet", "--no-figures"]
    assert main([*words, "--out", str(out)]) == 70
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    for part in ("round 9 (", "is nan", str(out), "incomplete", "report it"):
        assert part in error
    told = json.loads((out / "provenance.json").read_text())
    assert told["complete"] is False
    assert told["rounds_done"] == 9
    assert "round 9" in told["fault"]
    with pytest.raises(
        InputError, match=r"rounds.parquet: has a column .* with nothing in some rows"
    ):
        folder.read(out)
    assert any("unfinished" in note for note in frames.load(out).notes)


def test_in_a_sweep_a_run_that_breaks_is_a_row_of_failures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fails if a broken run ends its sweep, or counts as done."""
    break_in_round(2, monkeypatch)
    design = load({"factors": {"oversight.audit": [0.1]}, "fixed": {"copies": 32}})
    plan = Plan(design)
    harvest = run_chunk(Work.of(design, None), list(plan.jobs(range(1))))
    assert (harvest.done, harvest.failed) == (0, 1)
    (row,) = harvest.tables["failures"].to_pylist()
    assert row["kind"] == "no number"
    assert "round 2 (" in row["message"]
