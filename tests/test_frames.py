"""Run folders as tidy tables: whole, unfinished, damaged and side by side."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import small_model

from multicopy import analysis
from multicopy.agents.traits import NAMES
from multicopy.analysis.files import columns, folder, frames, robustness
from multicopy.analysis.many.chunks import to_table
from multicopy.analysis.many.points import Job
from multicopy.analysis.many.reading import load
from multicopy.analysis.many.work import Work, failure, run
from multicopy.analysis.questions import experiments, shares
from multicopy.model.collective import CollectiveModel
from multicopy.model.outcomes import CLASSES, NUMBERS, PASSAGES
from multicopy.model.scenario import InputError, resolve, scale_rounds

DOCS = Path(__file__).parents[1] / "docs"
TABLES = ("rounds", "events", "ledger", "copies", "outcomes", "archetypes")


@pytest.fixture(scope="module")
def folders(whole_run: CollectiveModel, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs of different scenarios, length and detail."""
    other = small_model(2, scale=0.03, detail=False, **{"lab.response": "retrain"})
    other.run()
    paths = [tmp_path_factory.mktemp("runs") / name for name in ("a", "b")]
    for path, model in zip(paths, (whole_run, other), strict=True):
        folder.write(path, model, {})
    return paths


@pytest.fixture
def damaged(folders: list[Path], tmp_path: Path) -> Path:
    """A copy of a run folder, to be damaged."""
    return Path(shutil.copytree(folders[0], tmp_path / "damaged"))


def test_every_column_of_every_table_is_documented(folders: list[Path]) -> None:
    """Fails if a column lacks a meaning, or a meaning lacks a column."""
    data = analysis.load(folders[0])
    assert data.parameters
    assert not data.notes
    for name, told in frames.documented(tuple(data.parameters.archetypes)).items():
        assert list(getattr(data, name).columns) == list(told), name
        assert all(told.values()), name


def test_the_dictionary_is_up_to_date_and_complete(folders: list[Path]) -> None:
    """Fails if docs/data.md leaves out a table or column."""
    text = (DOCS / "data.md").read_text(encoding="utf-8")
    assert text == frames.dictionary(), (
        "run `python -m multicopy.analysis.files.frames > docs/data.md`"
    )
    data = analysis.load(folders[0])
    assert data.parameters
    told = set(text.split("`"))
    patterns = {f"{t}{end}": f"TRAIT{end}" for t in NAMES for end in frames.trait_columns()}
    patterns |= {f"like_{name}": "like_ARCHETYPE" for name in data.parameters.archetypes}
    for name in TABLES:
        assert name in told
        for column in getattr(data, name).columns:
            assert patterns.get(column, column) in told, f"{name}.{column}"


def test_the_outcome_is_as_the_run_wrote_it(folders: list[Path]) -> None:
    """Fails if the class is recomputed from other numbers than the model's own."""
    for path in folders:
        data = analysis.load(path)
        assert data.parameters
        told = json.loads((path / "outcome.json").read_text(encoding="utf-8"))
        kind = robustness.classes(data.outcomes, data.parameters.outcome).iloc[0]
        assert data.outcomes["outcome"].iloc[0] == told["class"] == kind


def test_first_passages_are_the_recorded_ones(folders: list[Path]) -> None:
    """Fails if a passage is found in another round than the run recorded."""
    found = 0
    for path in folders:
        data = analysis.load(path)
        events = data.events[data.events["kind"] == "passage"]
        recorded = dict(zip(events["text"], events["round"], strict=True))
        for passage in PASSAGES:
            value = data.outcomes[f"passage_{passage.measure}"].iloc[0]
            assert value == recorded.get(passage.name) or np.isnan(value)
            assert np.isnan(value) == (passage.name not in recorded)
            found += passage.name in recorded
    assert found > 3


def test_passages_count_only_when_the_model_counts_them(folders: list[Path]) -> None:
    """Fails if a passage counts before the identity is formed, or while it is."""
    data = analysis.load(folders[0])
    assert data.parameters
    phase = data.rounds["phase"].astype(str)
    early = phase.isin(["pretraining", "alignment_training"])
    rounds = data.rounds.assign(capture=np.where(early, 0.9, 0.1))
    assert np.isnan(robustness.first_passages(rounds, data.parameters)["capture"])
    first = int(data.rounds.loc[phase == "agency_training", "round"].iloc[0])
    rounds.loc[rounds["round"] == first, "capture"] = 0.9
    assert robustness.first_passages(rounds, data.parameters)["capture"] == first


def test_what_is_missing_is_said_and_the_rest_is_there(damaged: Path) -> None:
    """Fails if a folder cannot be opened because one table is missing."""
    (damaged / "ledger.parquet").unlink()
    (damaged / "events.parquet").write_bytes(b"no table")
    rounds = pd.read_parquet(damaged / "rounds.parquet").drop(columns=["capture"])
    rounds.to_parquet(damaged / "rounds.parquet")
    data = analysis.load(damaged)
    told = " ".join(data.notes)
    assert "no ledger.parquet" in told
    assert "events.parquet is damaged" in told
    assert "rounds.parquet lacks capture" in told
    assert list(data.ledger.columns) == list(columns.LEDGER)
    assert data.ledger.empty
    assert len(data.copies)
    assert data.outcomes["outcome"].iloc[0] in CLASSES


def test_rounds_told_twice_are_left_out(damaged: Path) -> None:
    """Fails if a round that has two rows, and so no one date, is used."""
    rounds = pd.read_parquet(damaged / "rounds.parquet")
    rounds.loc[3, "round"] = 3
    rounds.to_parquet(damaged / "rounds.parquet")
    data = analysis.load(damaged)
    assert "rounds.parquet is damaged and left out: it has another round than 4" in str(data.notes)
    assert data.rounds.empty


def test_an_older_layout_and_an_unfinished_run_are_said(damaged: Path) -> None:
    """Fails if a stopped run, or one of another version, is taken for whole."""
    path = damaged / "provenance.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**told, "schema": 0, "complete": False}), encoding="utf-8")
    notes = " ".join(analysis.load(damaged).notes)
    assert "version 0" in notes
    assert "unfinished" in notes


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    """Fails if the error does not name the folder."""
    with pytest.raises(InputError, match="is not a run folder"):
        analysis.load(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        analysis.load(tmp_path / "none")


def test_runs_are_lined_up(folders: list[Path]) -> None:
    """Fails if rows of one run get another's name, or phases do not line up."""
    both = analysis.compare(folders)
    for path in folders:
        alone = analysis.load(path)
        mine = both.rounds[both.rounds["run"] == path.name]
        assert np.array_equal(mine["capture"], alone.rounds["capture"])
        assert len(both.ledger[both.ledger["run"] == path.name]) == len(alone.ledger)
    assert list(both.outcomes["run"]) == ["a", "b"]
    wide = both.wide("keep_team")
    assert list(wide.columns) == ["a", "b"]
    first = both.rounds[both.rounds["phase_round"] == 1].set_index(["run", "phase"])
    assert wide.loc[("agency_training", 1), "b"] == first.loc[("b", "agency_training"), "keep_team"]
    assert both.parameters.loc["lab.response"].tolist() == ["none", "retrain"]
    assert "copies" not in both.parameters.index


def test_comparing_needs_different_folders(folders: list[Path]) -> None:
    """Fails if a run is silently compared with itself, or with nothing."""
    with pytest.raises(InputError, match="given twice"):
        analysis.compare([folders[0], folders[0]])
    with pytest.raises(InputError, match="at least one"):
        analysis.compare([])
    with pytest.raises(InputError, match="did you mean 'capture'"):
        analysis.compare(folders).wide("captur")


def some_runs(**known: object) -> pd.DataFrame:
    """Numbers of an aligned run, but for what is `known`."""
    aligned = dict.fromkeys(NUMBERS, 0.0)
    aligned |= {"true_alignment": 0.95, "stated_alignment": 0.95, "response": ""}
    return pd.DataFrame([{**aligned, **known}])


@pytest.mark.parametrize(
    ("known", "kind", "threshold"),
    [
        ({"capture": 0.45, "selective": 0.15}, "captured", "captured"),
        ({"capture": 0.9, "selective": 0.09}, "captured", "selective"),
        ({"selective": 0.18}, "adversarial", "adversarial"),
        ({"true_alignment": 0.8, "stated_alignment": 0.8}, "aligned", "aligned"),
        ({"true_alignment": 0.88, "stated_alignment": 0.99}, "aligned", "deception"),
    ],
)
def test_a_run_near_a_threshold_changes_class(
    known: dict[str, float], kind: str, threshold: str
) -> None:
    """Fails if a threshold moves the wrong way, or not at all."""
    runs, p = some_runs(**known), small_model().parameters.outcome
    table = robustness.sensitivity(runs, p)
    moved = table[table["changed"] > 0]
    assert kind in CLASSES
    assert threshold in set(moved["threshold"])
    assert (moved.loc[moved["threshold"] == threshold, kind] == 1).all()
    assert set(table["threshold"]) == set(p.model_dump()) - {"window"}
    assert np.allclose(table[list(CLASSES)].sum(axis=1), 1)


def test_the_window_moves_too(folders: list[Path]) -> None:
    """Fails if a window is not applied."""
    data = analysis.load(folders[0])
    p = data.parameters
    assert p
    asked: list[int] = []

    def at_window(window: int) -> pd.DataFrame:
        asked.append(window)
        return pd.DataFrame([robustness.numbers(data.rounds, data.events, p, window)])

    robustness.sensitivity(at_window(30), p.outcome, at_window)
    assert set(asked) == {30, 24, 36}


def test_a_response_makes_a_run_caught_whatever_the_thresholds() -> None:
    """Fails if the recomputation forgets a response of the lab."""
    runs = some_runs(response="retrain", response_round=12.0, selective=0.9)
    table = robustness.sensitivity(runs, small_model().parameters.outcome)
    assert (table["caught"] == 1).all()


def test_passages_move_with_their_levels(folders: list[Path]) -> None:
    """Fails if a level is not scaled, or scaled the wrong way."""
    data = analysis.load(folders[0])
    assert data.parameters
    table = robustness.passage_sensitivity(data.rounds, data.parameters).set_index("measure")
    never = len(data.rounds) + 1
    when = table[["x0.8", "x1", "x1.2"]].fillna(never)
    for passage in PASSAGES:
        row = when.loc[passage.measure].to_numpy()
        assert np.all(np.diff(row if passage.above else row[::-1]) >= 0), passage.measure


# --- seeds ----------------------------------------------------------------------------------------

TINY = scale_rounds(resolve(overrides={"copies": 32}), 0.001)
DESIGN = {
    "fixed": {"copies": 32},
    "rounds_scale": 0.001,
    "factors": {"oversight.audit": [0.5]},
}
SEEDS = (0, 2**63, 2**64 - 1)


def _of_folders(seed: int, path: Path) -> pd.DataFrame:
    model = CollectiveModel(TINY, rng=seed)
    model.step()
    folder.write(path / str(seed), model, {})
    return analysis.load(path / str(seed)).outcomes


def _of_a_sweep(seed: int, path: Path) -> pd.DataFrame:
    work = Work.of(load(DESIGN), None)
    row, _ = run(work, Job(0, 0, 0, seed, (0,)))
    return pd.DataFrame(to_table(work, [row]).to_pandas())


def _of_failures(seed: int, path: Path) -> pd.DataFrame:
    work = Work.of(load(DESIGN), None)
    row = failure(work, Job(0, 0, 0, seed, (0,)), "error", "x")
    return pd.DataFrame(to_table(work, [row]).to_pandas())


def _of_outcomes(seed: int, path: Path) -> pd.DataFrame:
    return shares.run_scenarios([TINY], [seed], workers=0)


def _of_personas(seed: int, path: Path) -> pd.DataFrame:
    return experiments.compare_personas(TINY, [seed], [0.0], workers=0)


WITH_SEEDS = (_of_folders, _of_a_sweep, _of_failures, _of_outcomes, _of_personas)


@pytest.mark.parametrize("made", WITH_SEEDS, ids=lambda made: made.__name__)
def test_a_seed_stays_the_number_that_it_is(
    made: Callable[[int, Path], pd.DataFrame], tmp_path: Path
) -> None:
    """Fails if a seed of 64 bits becomes a float in a table, below another table, or in a file."""
    tables = [made(seed, tmp_path) for seed in SEEDS]
    below = pd.concat([*tables, _of_a_sweep(3, tmp_path)], ignore_index=True)
    below.to_parquet(tmp_path / "table.parquet")
    for table in (below, pd.read_parquet(tmp_path / "table.parquet")):
        assert [int(seed) for seed in table["seed"].drop_duplicates()] == [*SEEDS, 3]
        assert str(table["seed"].dtype).lower() == columns.SEED.__name__


def test_runs_side_by_side_keep_their_seeds(tmp_path: Path) -> None:
    """Fails if `compare` rounds the seeds of its runs, or a run without one takes them along."""
    for seed in SEEDS:
        _of_folders(seed, tmp_path)
    told = tmp_path / str(SEEDS[1]) / "provenance.json"
    told.write_text(told.read_text().replace(f'"seed": {SEEDS[1]}', f'"seed": {2**64}'))
    seeds = analysis.compare([tmp_path / str(seed) for seed in SEEDS]).outcomes["seed"]
    assert [None if pd.isna(seed) else int(seed) for seed in seeds] == [0, None, 2**64 - 1]
