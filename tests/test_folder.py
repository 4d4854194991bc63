"""Run folders: what is written, what is read back, and what is never replaced."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from matplotlib.figure import Figure

from multicopy.agents.traits import NAMES
from multicopy.analysis import figures
from multicopy.analysis.commands.cli import main
from multicopy.analysis.files import folder, versions
from multicopy.model.collective import CollectiveModel
from multicopy.model.scenario import InputError, fingerprint, resolve, scale_rounds

ROUNDS = sum(phase.rounds for phase in scale_rounds(resolve(), 0.02).phases.values())
SMALL = ["--copies", "64", "--rounds-scale", "0.02", "--no-figures", "--quiet"]


def run_small(out: Path, *more: str) -> int:
    return main(["run", *SMALL, "--out", str(out), *more])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; only to be looked at."""
    out = tmp_path_factory.mktemp("runs") / "run"
    assert run_small(out, "--seed", "3", "--set", "oversight.audit=0.4") == 0
    return out


@pytest.fixture
def run(done: Path, tmp_path: Path) -> Path:
    """A finished run of one's own."""
    return Path(shutil.copytree(done, tmp_path / "run"))


# --- what is written ----------------------------------------------------------------------------


def test_a_folder_holds_what_is_promised_and_no_more(done: Path) -> None:
    """Fails if a file is left out, or a temporary one left behind."""
    tables = {f"{name}.parquet" for name in folder.TABLES}
    assert {path.name for path in done.iterdir()} == tables | {
        "scenario.toml",
        "outcome.json",
        "provenance.json",
    }


@pytest.mark.parametrize("name", folder.TABLES)
def test_the_same_run_twice_gives_the_same_bytes(done: Path, tmp_path: Path, name: str) -> None:
    """Fails if a table holds anything but scenario and seed (a time, a path, an order)."""
    again = tmp_path / "again"
    assert run_small(again, "--seed", "3", "--set", "oversight.audit=0.4") == 0
    assert (again / f"{name}.parquet").read_bytes() == (done / f"{name}.parquet").read_bytes()


def test_the_written_scenario_repeats_the_run_to_the_bit(done: Path, tmp_path: Path) -> None:
    """Fails if the scenario file loses a parameter or rounds a number."""
    again = tmp_path / "again"
    arguments = ["--seed", "3", "--no-figures", "--quiet", "--out", str(again)]
    assert main(["run", str(done / "scenario.toml"), *arguments]) == 0
    for name in ("scenario.toml", *(f"{name}.parquet" for name in folder.TABLES)):
        assert (again / name).read_bytes() == (done / name).read_bytes()


def test_another_seed_is_another_run(done: Path, tmp_path: Path) -> None:
    """Fails if a seed is not handed on."""
    assert run_small(tmp_path / "run", "--seed", "4", "--set", "oversight.audit=0.4") == 0
    one, other = folder.read(done), folder.read(tmp_path / "run")
    assert not one.rounds.equals(other.rounds)
    assert one.provenance["fingerprint"] == other.provenance["fingerprint"]


@pytest.mark.parametrize("name", folder.TABLES)
def test_every_table_says_what_it_belongs_to(done: Path, name: str) -> None:
    """Fails if a table cannot be traced to its scenario and seed."""
    metadata = pq.read_schema(done / f"{name}.parquet").metadata
    told = json.loads(metadata[b"multicopy"])
    run = folder.read(done)
    assert told == {"schema": "1", "scenario": fingerprint(run.parameters), "seed": "3"}


def test_the_provenance_tells_how_to_make_the_run_again(done: Path) -> None:
    """Fails if a version, seed, override, command or time is missing or wrong."""
    told = json.loads((done / "provenance.json").read_text())
    assert (told["schema"], told["scenario"], told["seed"]) == (1, "ai2027", 3)
    assert told["complete"] is True
    assert told["rounds_done"] == told["rounds_planned"] == ROUNDS
    assert told["overrides"] == {"oversight.audit": 0.4, "copies": 64}
    assert told["rounds_scale"] == 0.02
    assert told["command"].startswith("python run.py run --copies 64 --rounds-scale 0.02")
    assert "--seed 3 --set oversight.audit=0.4" in told["command"]
    assert f"{done}/scenario.toml --seed 3" in told["again"]
    assert told["started"] <= told["ended"]
    assert told["seconds"] > 0
    assert set(told["versions"]) >= {"multicopy", "python", "numpy", "pandas", "mesa"}


def test_the_copies_are_the_final_population() -> None:
    """Fails if a column is mixed up, or the population is of another round."""
    model = CollectiveModel(scale_rounds(resolve(), 0.02), rng=2, copies=64)
    model.run()
    frame, population = folder.copy_frame(model), model.population
    assert list(frame["copy"]) == list(range(64))
    assert list(frame["team"]) == [row // 32 for row in range(64)]
    assert list(frame["division"]) == list(population.units["division"].of[frame["team"]])
    for name in ("lineage", "unswitched", "score", "output", "violation", "withheld"):
        np.testing.assert_array_equal(frame[name], getattr(population, name))
    np.testing.assert_array_equal(frame[list(NAMES)], population.expressed)
    np.testing.assert_array_equal(frame[[f"{n}_latent" for n in NAMES]], population.latent)


# --- what is read -------------------------------------------------------------------------------


def test_what_is_read_is_what_was_simulated(done: Path) -> None:
    """Fails if a type, order or digit is lost on the disk."""
    run = folder.read(done)
    model = CollectiveModel(run.parameters, rng=run.seed)
    outcome = model.run()
    # Parquet knows no whole seconds.
    rounds = model.records.rounds().astype({"date": "datetime64[ms]"})
    pd.testing.assert_frame_equal(run.rounds, rounds, check_exact=True)
    pd.testing.assert_frame_equal(run.ledger, model.ledger.frame(), check_exact=True)
    pd.testing.assert_frame_equal(run.copies, folder.copy_frame(model), check_exact=True)
    assert list(run.events["text"]) == [event.text for event in model.records.events]
    assert run.outcome["class"] == outcome.kind
    assert run.outcome["sentence"] == outcome.sentence
    assert run.complete


def test_a_folder_is_read_the_same_wherever_it_lies(done: Path, tmp_path: Path) -> None:
    """Fails if a folder's name turns into a column (as in seed=3)."""
    moved = shutil.copytree(done, tmp_path / "audit=1" / "seed=9")
    pd.testing.assert_frame_equal(folder.read(moved).rounds, folder.read(done).rounds)


def replace_in(name: str, old: str, new: str) -> Callable[[Path], object]:
    return lambda run: (run / name).write_text((run / name).read_text().replace(old, new))


def truncate(run: Path) -> None:
    path = run / "rounds.parquet"
    path.write_bytes(path.read_bytes()[:5000])


def repeat_a_round(run: Path) -> None:
    path = run / "rounds.parquet"
    table = pq.read_table(path)
    told = table["round"].to_numpy().copy()
    told[3] = 3
    place = table.column_names.index("round")
    pq.write_table(table.set_column(place, "round", pa.array(told)), path)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (shutil.rmtree, "there is no such folder"),
    "no run": (lambda run: (run / "provenance.json").unlink(), "is not a run folder"),
    "missing table": (lambda run: (run / "rounds.parquet").unlink(), "lacks rounds.parquet"),
    "missing scenario": (lambda run: (run / "scenario.toml").unlink(), "scenario.toml"),
    "missing outcome": (lambda run: (run / "outcome.json").unlink(), "outcome.json"),
    "no table": (lambda run: (run / "rounds.parquet").write_bytes(b"no"), "cannot be read"),
    "half a table": (truncate, "cannot be read"),
    "a round told twice": (repeat_a_round, "another round than 4"),
    "table of another run": (replace_in("provenance.json", '"seed": 3', '"seed": 4'), "another"),
    "broken provenance": (lambda run: (run / "provenance.json").write_text("{"), "cannot be read"),
    "provenance of a list": (lambda run: (run / "provenance.json").write_text("[]"), "damaged"),
    "provenance without seed": (replace_in("provenance.json", '"seed"', '"sead"'), "lacks 'seed'"),
    "newer layout": (replace_in("provenance.json", '"schema": 1', '"schema": 9'), "version 9"),
    "broken scenario": (lambda run: (run / "scenario.toml").write_text("copies"), "not valid TOML"),
}


@pytest.mark.parametrize(("spoil", "told"), DAMAGE.values(), ids=list(DAMAGE))
def test_a_damaged_folder_is_told(run: Path, spoil: Callable[[Path], object], told: str) -> None:
    """Fails if a damaged folder is read as if it were whole, or gives a traceback."""
    spoil(run)
    with pytest.raises(InputError, match=told) as caught:
        folder.read(run)
    assert str(run) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_stopped_run_is_read_but_not_as_a_complete_one(tmp_path: Path) -> None:
    """Fails if an analysis takes half a run for a whole one."""
    model = CollectiveModel(scale_rounds(resolve(), 0.02), rng=2, copies=64)
    for _ in range(5):
        model.step()
    with folder.claimed(tmp_path / "run", force=False):
        folder.write(tmp_path / "run", model, {})
    assert len(folder.read(tmp_path / "run").rounds) == 5
    with pytest.raises(InputError, match=f"stopped after round 5 of {ROUNDS}"):
        folder.read_complete(tmp_path / "run")


# --- what is replaced, and what never is ----------------------------------------------------------


def test_an_existing_run_is_kept_unless_forced(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if a second run destroys results."""
    assert run_small(run) == 2
    assert "use --force" in capsys.readouterr().err
    assert folder.read(run).seed == 3
    assert run_small(run, "--force", "--seed", "9") == 0
    assert folder.read(run).seed == 9


def test_what_belonged_to_the_replaced_run_goes_with_it(run: Path) -> None:
    """Fails if a figure or table of the old run seems to be one of the new."""
    (run / "figures").mkdir()
    (run / "figures" / "old.png").write_bytes(b"old")
    shutil.copy(run / "rounds.parquet", run / "probe-noise.parquet")
    assert run_small(run, "--force") == 0
    assert not (run / "figures").exists()
    assert not (run / "probe-noise.parquet").exists()


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    """Fails if a folder made beforehand is refused, or replaced by another."""
    number = tmp_path.stat().st_ino
    assert run_small(tmp_path) == 0
    assert tmp_path.stat().st_ino == number


def foreign_provenance(at: Path) -> None:
    (at / "provenance.json").write_text('{"museum": "Louvre"}')


def own_notes(at: Path) -> None:
    (at / "notes.txt").write_text("a day's work")


def own_table(at: Path) -> None:
    pd.DataFrame({"mine": [1]}).to_parquet(at / "mine.parquet")


def own_figure_folder(at: Path) -> None:
    (at / "figures").mkdir()
    (at / "figures" / "drawing.svg").write_text("<svg/>")


def own_link(at: Path) -> None:
    photos = at.parent / "photos"
    photos.mkdir()
    (photos / "child.png").write_bytes(b"child")
    (at / "figures").symlink_to(photos)


@pytest.mark.parametrize("with_run", [False, True], ids=["no run", "beside a run"])
@pytest.mark.parametrize("put", [own_notes, own_table, own_figure_folder, own_link])
def test_force_never_replaces_what_is_no_part_of_a_run(
    done: Path,
    tmp_path: Path,
    put: Callable[[Path], None],
    with_run: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Fails if `--force --out` empties a home folder."""
    at = tmp_path / "home"
    if with_run:
        shutil.copytree(done, at)
    else:
        at.mkdir()
    put(at)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert run_small(at, "--force") == 2
    assert "not replaced" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_provenance_of_something_else_is_no_run(tmp_path: Path) -> None:
    """Fails if a folder is replaced merely for a file's name."""
    foreign_provenance(tmp_path)
    assert run_small(tmp_path, "--force") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["provenance.json"]


def test_a_run_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if a crash leaves a half-made folder."""

    def crash(self: CollectiveModel) -> None:
        raise RuntimeError("a fault in the model")

    monkeypatch.setattr(CollectiveModel, "step", crash)
    with pytest.raises(RuntimeError):
        run_small(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_forced_run_that_fails_leaves_the_old_one(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if old results are thrown away before there are new ones."""

    def crash(self: CollectiveModel) -> None:
        raise RuntimeError("a fault in the model")

    monkeypatch.setattr(CollectiveModel, "step", crash)
    with pytest.raises(RuntimeError):
        run_small(run, "--force")
    assert folder.read(run).seed == 3


def test_a_write_that_fails_leaves_a_folder_marked_incomplete(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if half a file gets its final name, or tables of two runs pass as one."""

    class Crash(pq.ParquetWriter):
        def write_table(self, table: Any, *how: Any) -> None:
            super().write_table(table, *how)
            if "change" in table.column_names:
                raise RuntimeError("power failure in the ledger")

    monkeypatch.setattr(folder.pq, "ParquetWriter", Crash)
    with pytest.raises(RuntimeError):
        run_small(run, "--force", "--seed", "9")
    assert {path.name for path in run.iterdir()} == {
        "provenance.json",
        "scenario.toml",
        "rounds.parquet",
    }
    assert json.loads((run / "provenance.json").read_text())["complete"] is False
    with pytest.raises(InputError, match=r"lacks ledger\.parquet"):
        folder.read(run)
    monkeypatch.undo()
    assert run_small(run, "--force") == 0


def test_two_runs_cannot_write_to_one_folder(tmp_path: Path) -> None:
    """Fails if a second run is lost, or mixed with the first, when they end."""
    out = tmp_path / "run"
    with folder.claimed(out, force=False), pytest.raises(InputError, match="not empty"):
        folder.claimed(out, force=False).__enter__()
    assert not out.exists()


def test_a_folder_whose_run_was_killed_is_told_and_can_be_forced(tmp_path: Path) -> None:
    """Fails if a folder can never be read or replaced again."""
    (tmp_path / folder.CLAIM).write_text("1\n")
    with pytest.raises(InputError, match="killed"):
        folder.read(tmp_path)
    assert run_small(tmp_path) == 2
    assert run_small(tmp_path, "--force") == 0
    assert folder.read(tmp_path).complete


# --- figures and versions -------------------------------------------------------------------------


def few_figures(monkeypatch: pytest.MonkeyPatch, fail_at: str = "") -> None:
    """Let a run have two small figures, and let one of them fail while it is saved."""

    class Small(Figure):
        def savefig(self, *how: Any, **named: Any) -> None:
            super().savefig(*how, **named)
            if self.get_label() == fail_at:
                raise KeyboardInterrupt

    def two(data: Any, but: Collection[str] = ()) -> dict[str, Figure]:
        return {n: Small(figsize=(1, 1), label=n) for n in ("levels", "ends") if n not in but}

    monkeypatch.setattr(figures, "all_figures", two)


def test_what_is_missing_in_the_folder_of_a_complete_run_is_added(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if a run that ended while it was drawn never has its figures, or keeps leftovers."""
    words = ["resume", str(run)]
    few_figures(monkeypatch, fail_at="ends")
    assert main(words) == 75
    assert f"python run.py resume {run} adds what is missing" in capsys.readouterr().err
    assert [path.name for path in (run / "figures").iterdir()] == ["levels.png"]
    drawn = (run / "figures" / "levels.png").stat().st_mtime_ns
    for left in (".running", "figures/.ends.png.part", ".rounds.parquet.part"):
        (run / left).write_bytes(b"")
    (run / "checkpoint").mkdir()
    (run / "checkpoint" / "ledger._table.rows").write_bytes(b"left")
    few_figures(monkeypatch)
    for count in (1, 0):
        assert main(words) == 0
        assert f"complete; figures drawn: {count}" in capsys.readouterr().out
        assert {path.name for path in run.glob("**/*") if path.is_file()} == {
            *("levels.png", "ends.png", "scenario.toml", "outcome.json", "provenance.json"),
            *(f"{name}.parquet" for name in folder.TABLES),
        }
    assert (run / "figures" / "levels.png").stat().st_mtime_ns == drawn


def test_versions_come_without_git_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Fails if a checkout without git, or git's complaint, stops a run."""
    monkeypatch.setenv("PATH", str(tmp_path))
    told = versions.versions()
    assert "commit" not in told
    assert told["multicopy"].count(".") == 2
