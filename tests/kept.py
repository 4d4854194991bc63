"""What tests of checkpoints share: runs that are cut and gone on with, and forged states."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from conftest import SMALL

from multicopy.agents.parameters import Parameters
from multicopy.analysis.files import checkpoints, keeping, versions
from multicopy.model.collective import CollectiveModel
from multicopy.model.genealogy import Genealogy
from multicopy.model.scenario import resolve, scale_rounds

ROOT = Path(__file__).parents[1]

HOW = {"plugins": {}, "resumed": [], "overrides": {}}

SCENARIOS: dict[str, dict[str, Any]] = {
    "ai2027": {},
    "slowdown": {"lab.threshold": 0.3},  # the lab puts weights back
    "psm": {},  # what switches learn from scores
    "agent3_overseers": {"oversight.panel_size": 1},
    "no_subdivisions": {"lab.response": "retrain", "lab.threshold": 0.3},
}


def parameters(name: str = "ai2027") -> Parameters:
    """A small scenario with all its phases, in 26 rounds."""
    return scale_rounds(resolve(name, {**SMALL, **SCENARIOS[name]}), 0.03)


def advanced(rounds: int = 9, seed: int = 1) -> CollectiveModel:
    """A small run in its midst."""
    model = begun(parameters(), seed)
    for _ in range(rounds):
        model.step()
    return model


def begun(parameters: Parameters, seed: int, detail: bool = True) -> CollectiveModel:
    """A run before its first round that keeps its genealogy."""
    model = CollectiveModel(parameters, seed, detail=detail)
    model.genealogy = Genealogy()
    return model


def cut_and_resumed(
    model: CollectiveModel,
    cuts: Collection[int],
    folder: Path,
    step: Callable[[Any], None] = lambda model: model.step(),
) -> CollectiveModel:
    """Run a model to its end; after each round of `cuts` it is kept, thrown away and read again."""
    folder.mkdir()
    keeper = keeping.Keeper(folder, 1, HOW, versions.versions())
    while model.running:
        step(model)
        if model.round in cuts:
            keeper.save(model, 1.0)
            keeper.close()
            checkpoint = checkpoints.read(folder)
            model = checkpoint.model()
            keeper = checkpoint.keeper(HOW)
    keeper.close()
    return model


def tables(model: CollectiveModel) -> list[pd.DataFrame]:
    """All that a run leaves, as tables."""
    population, situation = model.population, model.situation
    copies = {name: getattr(population, name) for name in ("lineage", "score", "output")}
    told = json.dumps([asdict(situation), model.lab.state(), model.steps])
    assert model.genealogy is not None
    return [
        model.records.rounds(),
        model.ledger.frame(),
        model.records.events.frame(),
        model.genealogy.frame(),
        model.datacollector.get_model_vars_dataframe(),
        pd.DataFrame(population.latent),
        pd.DataFrame(population.expressed),
        pd.DataFrame(copies),
        pd.DataFrame(model.panels.capture),
        pd.DataFrame([{"state": told, "outcome": model.outcome().sentence}]),
    ]


def assert_same(one: CollectiveModel, other: CollectiveModel) -> None:
    """Fail unless two runs left the same, bit for bit."""
    for mine, its in zip(tables(one), tables(other), strict=True):
        pd.testing.assert_frame_equal(mine, its, check_exact=True)


def kept_folder(model: CollectiveModel, folder: Path) -> None:
    """A run folder that holds a checkpoint of a model, and no more."""
    folder.mkdir()
    keeper = keeping.Keeper(folder, 4, HOW, versions.versions())
    keeper.save(model, 1.0)
    keeper.close()


def parts_of(state: Path) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """First line, header and arrays of a state."""
    magic, first, rest = state.read_bytes().split(b"\n", 2)
    told = json.loads(first)
    assert magic + b"\n" == keeping.MAGIC
    return told, json.loads(rest[: told["length"]]), rest[told["length"] :]


def signed(state: Path, first: dict[str, Any], header: Any, arrays: bytes) -> None:
    """Write a state whose checksum is right, whatever it holds."""
    rest = json.dumps(header).encode(errors="replace")
    digest = hashlib.sha256(rest + arrays).hexdigest()
    told = {**first, "length": len(rest), "sha256": digest}
    state.write_bytes(keeping.MAGIC + json.dumps(told).encode() + b"\n" + rest + arrays)


def program(folder: Path) -> Path:
    """A copy of the program, as it can be imported and installed from."""
    for part in ("agents", "model", "analysis", "multicopy"):
        without = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, folder / part, symlinks=True, ignore=without)
    for file in ("pyproject.toml", "LICENSE", "run.py"):
        shutil.copy(ROOT / file, folder)
    return folder
