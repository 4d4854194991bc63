"""Genealogies: forward, backward and as a tree sequence they say what the population says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import small_model

from multicopy.agents.population import Changes
from multicopy.analysis.commands.cli import main
from multicopy.analysis.files import folder
from multicopy.analysis.questions import trees
from multicopy.model.collective import CollectiveModel
from multicopy.model.genealogy import Genealogy
from multicopy.model.scenario import InputError

RESTORED = {"lab.response": "roll_back", "lab.threshold": 0.01, "lab.cooldown": 5}


def kept(path: Path, **how: Any) -> tuple[CollectiveModel, trees.Lineage]:
    """A small run that keeps its replacements, and its folder read back."""
    model = small_model(4, scale=0.1, **how)
    model.genealogy = Genealogy()
    model.run()
    folder.write(path, model, {})
    return model, trees.read(path)


@pytest.fixture(scope="module", params=[{}, RESTORED], ids=["default", "weights put back"])
def run(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[CollectiveModel, trees.Lineage]:
    model, lineage = kept(tmp_path_factory.mktemp("lineage") / "run", **request.param)
    put_back = (lineage.replaced["process"] == "lab response").any()
    assert put_back == bool(request.param)
    return model, lineage


def test_replacements_are_kept_as_they_come() -> None:
    """Fails if a step counts from elsewhere, a mutation is kept, or a parent is lost."""
    rows, parents = np.array([3, 4]), np.array([0, 1])
    traits = np.zeros((2, 1))
    genealogy = Genealogy()
    columns = ["step", "round", "process", "row", "parent"]
    assert genealogy.frame().columns.tolist() == columns
    assert len(genealogy.frame()) == 0
    nothing = np.array([], dtype=int)
    genealogy.book(1, [Changes("mutation", rows, shift=traits)])
    genealogy.book(1, [Changes("team selection", rows, parents)])
    genealogy.book(
        2,
        [
            Changes("correction", np.array([7]), np.array([2])),
            Changes("division selection", nothing, nothing),
        ],
    )
    genealogy.book(2, [Changes("lab response", rows, columns={"lineage": rows})])
    assert genealogy.frame().to_numpy().tolist() == [
        [2, 1, "team selection", 3, 0],
        [2, 1, "team selection", 4, 1],
        [3, 2, "correction", 7, 2],
        [4, 2, "lab response", 3, 3],
        [4, 2, "lab response", 4, 4],
    ]


def test_founders_are_those_that_the_population_knows(
    run: tuple[CollectiveModel, trees.Lineage],
) -> None:
    """Fails if a replacement is lost, doubled or out of order."""
    model, lineage = run
    *_, (last, founder) = trees.forward(lineage)
    assert last == model.round
    assert np.array_equal(founder, model.population.lineage)
    left = trees.founders_left(lineage)
    assert left["founders"].iloc[-1] == len(np.unique(founder))
    assert 1 <= left["founders"].iloc[-1] < lineage.copies
    assert left["largest"].iloc[-1] == np.bincount(founder).max() / lineage.copies


def test_ancestors_are_the_founders(run: tuple[CollectiveModel, trees.Lineage]) -> None:
    """Fails if the walk back takes another way than the walk forward."""
    model, lineage = run
    *_, (first, rows) = trees.ancestors(lineage, np.arange(lineage.copies))
    assert first == 1
    assert np.array_equal(rows, model.population.lineage)


def test_the_tree_sequence_has_a_root_a_founder(
    run: tuple[CollectiveModel, trees.Lineage],
) -> None:
    """Fails if samples are in another order, or an edge has the wrong parent."""
    pytest.importorskip("tskit", reason="needs the extra `lineage`")
    model, lineage = run
    sequence = trees.tree_sequence(lineage)
    tree = sequence.first()
    assert sequence.num_samples == lineage.copies
    found = [{int(s) for s in tree.samples(root)} for root in tree.roots]
    founder = model.population.lineage
    families = [set(map(int, np.flatnonzero(founder == f))) for f in np.unique(founder)]
    assert sorted(map(sorted, found)) == sorted(map(sorted, families))


def test_keeping_them_changes_nothing(run: tuple[CollectiveModel, trees.Lineage]) -> None:
    """Fails if the recording takes random numbers."""
    model, lineage = run
    changed = {} if (lineage.replaced["process"] != "lab response").all() else RESTORED
    other = small_model(4, scale=0.1, **changed)
    other.run()
    assert np.array_equal(other.population.latent, model.population.latent)


def test_a_sweep_is_traced_to_its_origin() -> None:
    """Fails if the sweep is traced to another copy or team, or given another duration."""
    # Row 5 spreads: to row 4 in round 2, to rows 0 and 1 in round 3, to rows 2 and 3 in round 4.
    replaced = pd.DataFrame(
        [(1, 2, 4, 5), (2, 3, 0, 5), (2, 3, 1, 4), (3, 4, 2, 0), (3, 4, 3, 1)],
        columns=["step", "round", "row", "parent"],
    ).assign(process="team selection")
    made_up = SimpleNamespace(
        parameters=SimpleNamespace(team_count=3, phases={}),
        copies=pd.DataFrame({"keep_team": [0.9] * 6}),
        rounds=pd.DataFrame({"round": range(1, 6), "phase": "training"}),
    )
    lineage = trees.Lineage(made_up, replaced)  # type: ignore[arg-type]
    found = trees.sweep(lineage, "keep_team")
    assert (found.origin, found.team, found.carriers) == (2, 2, 1.0)
    assert found.rounds == 2
    assert trees.founders_left(lineage)["founders"].tolist() == [6, 5, 3, 1, 1]
    with pytest.raises(InputError, match="did you mean 'keep_team'"):
        trees.sweep(lineage, "keep_teams")


def test_a_run_without_replacements_is_said(
    whole_run: CollectiveModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if a traceback shows in place of a sentence."""
    folder.write(tmp_path / "run", whole_run, {})
    assert main(["lineage", str(tmp_path / "run")]) == 2
    assert "run it with --lineage" in capsys.readouterr().err
    (tmp_path / "run" / trees.FILE).write_bytes(b"no table")
    assert main(["lineage", str(tmp_path / "run")]) == 2
    assert "lineage.parquet: cannot be read" in capsys.readouterr().err


def test_the_commands_keep_and_tell_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if the option keeps nothing, or no one can open the export."""
    tskit = pytest.importorskip("tskit", reason="needs the extra `lineage`")
    out, file = tmp_path / "run", tmp_path / "run.trees"
    small = "--copies 64 --rounds-scale 0.02 --lineage --no-figures --quiet --out".split()
    assert main(["run", *small, str(out)]) == 0
    capsys.readouterr()
    assert main(["lineage", str(out), "--tskit", str(file)]) == 0
    assert "Descent from the identity is unbroken" in capsys.readouterr().out
    assert tskit.load(str(file)).num_samples == 64


@pytest.mark.usefixtures("no_pictures")
def test_a_run_in_which_nobody_is_replaced_has_a_genealogy_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if `lineage` or `report` breaks where every founder is left, and nobody else."""
    still = {
        "training.challenge_rate": 0.0,
        "subdivisions.contest_rate": 0.0,
        "subdivisions.division_rate": 0.0,
        "subdivisions.reshuffle": 0.0,
        "subdivisions.correction": False,
    }
    model, lineage = kept(tmp_path / "run", **still)
    assert list(lineage.steps()) == []
    assert len(lineage.replaced) == 0
    assert (trees.founders_left(lineage)["founders"] == 64).all()
    for command in ("lineage", "report"):
        assert main([command, str(tmp_path / "run")]) == 0
    assert "64 of 64 founding lineages left" in capsys.readouterr().out
    if importlib.util.find_spec("tskit"):
        assert trees.tree_sequence(lineage).num_samples == len(model.population)
