"""Sweeps: designs and what is refused, the engine, the store, and what is read from it."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import forked
from sweep_support import ROOT, SMALL, trivial, troubled

from multicopy.analysis.commands.cli import main
from multicopy.analysis.files.writing import held
from multicopy.analysis.many import evaluate, failures, load, read, store, sweep, work
from multicopy.analysis.many.design import measures
from multicopy.analysis.many.driver import Stopped
from multicopy.analysis.many.engine import EngineLost, InProcess
from multicopy.analysis.many.points import Plan
from multicopy.analysis.many.reading import check
from multicopy.model.collective import CollectiveModel
from multicopy.model.scenario import InputError, fingerprint, resolve, scale_rounds

AUDITS: dict[str, Any] = {"factors": {"oversight.audit": [0.1, 0.2, 0.3, 0.4, 0.5]}}


def ranged(method: str, samples: int, **more: Any) -> dict[str, Any]:
    """A design over a linear, a logarithmic and a whole-numbered range and a list."""
    factors = {
        "oversight.audit": {"low": 0.2, "high": 0.6},
        "oversight.penalty": {"low": 0.5, "high": 32, "scale": "log"},
        "oversight.panel_size": {"low": 1, "high": 4, "scale": "integer"},
        "training.rule": ["challenge", "tournament"],
    }
    return {"method": method, "samples": samples, "factors": factors, **more}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sweep of eight runs with all tables."""
    out = tmp_path_factory.mktemp("sweep") / "small"
    sweep(SMALL | {"keep": ["phases", "rounds", "ledger"]}, out, workers=0)
    return out


# --- designs --------------------------------------------------------------------------------------


def test_a_grid_has_every_combination_and_common_seeds() -> None:
    """Fails if a combination is left out, or replicates differ between points."""
    plan = Plan(load(SMALL))
    jobs = list(plan.jobs(range(len(plan))))
    shown = {tuple(f.shown(h) for f, h in zip(plan.factors, j.held, strict=True)) for j in jobs}
    assert shown == {(0.1, 0.05), (0.1, 0.5), (0.5, 0.05), (0.5, 0.5)}
    assert [j.run for j in jobs] == list(range(8))
    assert len({j.seed for j in jobs}) == 2
    assert {(j.replicate, j.seed) for j in jobs[:2]} == {(j.replicate, j.seed) for j in jobs[2:4]}


def test_independent_random_numbers_differ_everywhere() -> None:
    """Fails if two runs have one seed."""
    plan = Plan(load(SMALL | {"random_numbers": "independent"}))
    assert len({job.seed for job in plan.jobs(range(8))}) == 8


@pytest.mark.parametrize(
    ("method", "samples", "points"),
    [
        ("latin", 40, 40),
        ("sobol", 32, 32),
        ("random", 40, 40),
        ("saltelli", 8, 48),
        ("morris", 5, 25),
    ],
)
def test_samplers_fill_the_ranges(method: str, samples: int, points: int) -> None:
    """Fails if values leave their range, a scale is ignored, or points change."""
    plan = Plan(load(ranged(method, samples)))
    assert plan.points == points
    held = np.array([plan.held(point) for point in range(points)])
    audit, penalty, size, rule = held.T
    assert 0.2 <= audit.min() < 0.35 < 0.45 < audit.max() <= 0.6
    assert 0.5 <= penalty.min() < 1 < 16 < penalty.max() <= 32
    assert 1.5 < np.median(penalty) < 9, "half of the points of a log scale lie below its middle, 4"
    assert set(size) == {1, 2, 3, 4}
    assert set(rule) == {0, 1}
    again = Plan(load(ranged(method, samples)))
    assert [again.held(p) for p in range(points)] == [plan.held(p) for p in range(points)]
    other = Plan(load(ranged(method, samples, seed=1)))
    assert [other.held(p) for p in range(points)] != [plan.held(p) for p in range(points)]


def test_a_choice_sets_several_parameters() -> None:
    """Fails if a label sets only one of them, or is passed on as a value."""
    panels = {
        kind: {
            f"phases.{phase}.panel": {kind: 1.0} for phase in ("agency_training", "training_agent4")
        }
        for kind in ("human", "agent3")
    }
    design = load({"factors": {"panel": {"choices": panels}}})
    plan, base = Plan(design), work.Work.of(design, None)
    for job, kind in zip(plan.jobs(range(2)), panels, strict=True):
        phases = base.parameters(job).phases
        assert phases["agency_training"].panel == phases["training_agent4"].panel == {kind: 1.0}
        assert phases["deployment_agent4"].panel != {kind: 1.0}


BAD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "unknown factor": (
        {"factors": {"oversight.audits": [0.1]}},
        ["oversight.audits", "'oversight.audit'"],
    ),
    "level out of bounds": ({"factors": {"oversight.audit": [0.5, 1.5]}}, ["1.5", "0 to 1"]),
    "range out of bounds": (
        {"method": "latin", "samples": 4, "factors": {"oversight.audit": {"low": 0.5, "high": 2}}},
        ["oversight.audit = 2", "0 to 1"],
    ),
    "empty range": (
        {
            "method": "latin",
            "samples": 4,
            "factors": {"oversight.audit": {"low": 0.5, "high": 0.5}},
        },
        ["oversight.audit", "empty"],
    ),
    "log from zero": (
        {"factors": {"oversight.audit": {"low": 0, "high": 1, "scale": "log", "steps": 3}}},
        ["above 0"],
    ),
    "unknown scale": (
        {"factors": {"oversight.audit": {"low": 0.1, "high": 1, "scale": "logs", "steps": 3}}},
        ["'logs'", "did you mean 'log'"],
    ),
    "no steps": ({"factors": {"oversight.audit": {"low": 0.1, "high": 1}}}, ["steps"]),
    "empty list": ({"factors": {"oversight.audit": []}}, ["oversight.audit", "empty"]),
    "a level twice": ({"factors": {"oversight.audit": [0.1, 0.1]}}, ["0.1", "twice"]),
    "no factors": ({}, ["factors", "at least one"]),
    "zero replicates": (
        SMALL | {"replicates": 0},
        ["replicates = 0", "greater than or equal to 1"],
    ),
    "unknown field": (SMALL | {"replicate": 3}, ["replicate", "did you mean 'replicates'"]),
    "unknown method": (SMALL | {"method": "gird"}, ["'gird'", "'grid'"]),
    "no samples": (ranged("latin", 4) | {"samples": None}, ["samples"]),
    "no power of two": (ranged("sobol", 100), ["samples = 100", "128"]),
    "factor is fixed": (SMALL | {"fixed": {"oversight.audit": 0.1}}, ["also set by fixed"]),
    "unknown scenario": (SMALL | {"scenario": "ai2028"}, ["did you mean 'ai2027'"]),
    "unknown table": (SMALL | {"keep": ["phase"]}, ["keep", "'phases'"]),
    "unknown phase": (SMALL | {"stop": {"phase": "agency"}}, ["'agency'", "agency_training"]),
    "stop without level": (SMALL | {"stop": {"measure": "capture"}}, ["above and below"]),
    "stop at nothing known": (
        SMALL | {"stop": {"measure": "captures", "above": 1.0}},
        ["did you mean 'capture'"],
    ),
    "no combination": (
        {"fixed": {"copies": 64}, "factors": {"teams": [8, 7]}},
        ["factors.teams", "64", "7 teams"],
    ),
    "name of a result": (
        {"factors": {"capture": {"choices": {"a": {"oversight.audit": 0.1}}}}},
        ["capture", "column"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_designs_get_one_clear_line(case: str) -> None:
    """Fails if a design fails in the middle of the night instead of at once."""
    design, told = BAD[case]
    with pytest.raises(InputError) as caught:
        load(design)
    assert len(str(caught.value).splitlines()) == 1
    for word in told:
        assert word in str(caught.value)


def test_bad_arguments_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if a traceback shows, or a scheduler is waited for without end."""
    design = tmp_path / "design.toml"
    design.write_text("[factors]\n'oversight.audit' = [0.1]\n")
    out = ["--out", str(tmp_path / "out")]
    monkeypatch.setattr("multicopy.analysis.many.engine.REACHED_WITHIN", 1)
    assert main(["sweep", str(design), *out, "--scheduler", "tcp://127.0.0.1:9"]) == 2
    assert "--scheduler tcp://127.0.0.1:9: cannot be reached within 1 s" in capsys.readouterr().err
    assert not (tmp_path / "out").exists(), "the next try would be refused"
    assert main(["sweep", str(tmp_path / "none.toml"), *out]) == 2
    assert "there is no design" in capsys.readouterr().err
    assert main(["sensitivity", str(design), *out]) == 2
    assert "'saltelli'" in capsys.readouterr().err
    assert main(["map", str(tmp_path), "--x", "a", "--y", "b"]) == 2
    assert "is not the folder of a sweep" in capsys.readouterr().err


def test_a_dry_run_tells_what_there_would_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if a dry run writes something, or counts wrongly."""
    design = ROOT / "designs" / "audits.toml"
    options = [
        "--dry-run",
        "--copies",
        "64",
        "--rounds-scale",
        "0.02",
        "--out",
        str(tmp_path / "x"),
    ]
    assert main(["sweep", str(design), *options]) == 0
    told = capsys.readouterr().out
    runs = len(Plan(load(design)))
    assert f"{runs:,} runs" in told
    assert "oversight.penalty" in told
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("path", sorted((ROOT / "designs").glob("*.toml")), ids=lambda p: p.stem)
def test_shipped_designs_are_sound(path: Path) -> None:
    """Fails if a change of the parameters makes a design invalid."""
    assert 50 < len(Plan(load(path))) < 2000


# --- runs -----------------------------------------------------------------------------------------


def test_a_row_is_what_the_model_says(small: Path) -> None:
    """Fails if a row has other parameters or another seed than it says."""
    row = read(small).iloc[5]
    told = {name: row[name] for name in SMALL["factors"]}
    parameters = scale_rounds(resolve("ai2027", {"copies": 64, **told}), 0.02)
    model = CollectiveModel(parameters, rng=int(row["seed"]), detail=False)
    outcome = model.run()
    last = model.records.rounds().iloc[-parameters.outcome.window :]
    assert row["outcome"] == outcome.kind
    assert row["rounds"] == model.round
    assert row["capture"] == pytest.approx(last["capture"].mean(), rel=1e-12)
    assert row["run_id"] == work.run_id(parameters, int(row["seed"]))
    assert fingerprint(parameters) != fingerprint(resolve("ai2027"))


def test_tables_beside_the_runs(small: Path) -> None:
    """Fails if tables lack runs, or do not agree with each other."""
    runs, rounds = read(small), read(small, "rounds")
    assert list(runs["run"]) == list(range(8))
    assert runs["run_id"].is_unique
    assert (rounds.groupby("run").size().to_numpy() == runs["rounds"].to_numpy()).all()
    phases, ledger, events = (read(small, table) for table in ("phases", "ledger", "events"))
    assert (phases.groupby("run")["rounds"].sum().to_numpy() == runs["rounds"].to_numpy()).all()
    assert set(ledger["run"]) == set(events["run"]) == set(range(8))
    assert set(measures(resolve())) < set(runs.columns)
    with pytest.raises(InputError, match="no table 'round'; did you mean 'rounds'"):
        read(small, "round")


def test_one_line_of_pandas_reads_a_sweep(small: Path) -> None:
    """Fails if other programs cannot read the files, or read them twice."""
    table = pd.read_parquet(small / "runs")
    assert len(table) == 8
    assert table.drop(columns="run").equals(read(small).drop(columns="run"))


@pytest.mark.parametrize(
    ("stop", "rounds"),
    [
        ({"phase": "alignment_training"}, 1 + 1),
        ({"measure": "capture", "above": -1.0}, 1),
        ({"measure": "capture", "below": 2.0}, 1),
        ({"measure": "capture", "above": 2.0}, None),
    ],
)
def test_runs_stop_by_rule(stop: dict[str, Any], rounds: int | None) -> None:
    """Fails if a rule is ignored, or ends other runs."""
    table = sweep(SMALL | {"replicates": 1, "stop": stop}, workers=0)
    total = sum(p.rounds for p in scale_rounds(resolve(), 0.02).phases.values())
    assert set(table["rounds"]) == {rounds or total}
    assert set(table["stopped"]) == {rounds is not None}


def test_failures_are_rows_and_all_else_is_done(tmp_path: Path) -> None:
    """Fails if one bad point ends the sweep, or is silently lost."""
    table = sweep(AUDITS | {"replicates": 2}, tmp_path, simulate=troubled, workers=0)
    assert list(table["oversight.audit"]) == [0.4, 0.4, 0.5, 0.5]
    assert table.attrs == {"planned": 10, "done": 4, "failed": 6}
    found = failures(tmp_path).drop_duplicates("point").set_index("oversight.audit")
    assert "RuntimeError: the point is cursed" in found.loc[0.1, "message"]
    assert "cursed" in found.loc[0.1, "traceback"]
    assert found.loc[0.2, "message"] == "ran out of memory"
    assert found.loc[0.3, "message"] == "value is nan, not a finite number"
    assert set(pq.read_schema(next((tmp_path / "failures").iterdir())).names) >= {"run", "seed"}


def test_failed_runs_are_done_again_only_if_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if a resume repeats failures for ever, or a retry repeats everything."""
    sweep(AUDITS, tmp_path, simulate=troubled, workers=0)
    resumed = sweep(AUDITS, tmp_path, simulate=troubled, workers=0, resume=True)
    assert resumed.attrs["failed"] == 3
    seen = []

    def mended(parameters: Any, seed: int) -> dict[str, float]:
        seen.append(parameters.oversight.audit)
        return {"value": 2.0}

    mended.__module__, mended.__qualname__ = troubled.__module__, troubled.__qualname__
    table = sweep(AUDITS, tmp_path, simulate=mended, workers=0, retry_failed=True)
    assert seen == [0.1, 0.2, 0.3]
    assert list(table["value"]) == [2.0, 2.0, 2.0, 1.0, 1.0]
    assert failures(tmp_path).empty


def test_exit_code_and_words_of_a_sweep_with_failures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if a sweep with failures looks like one without."""
    real = work.simulate
    monkeypatch.setattr(
        work, "simulate", lambda work, p, seed: (troubled(p, seed), real(work, p, seed))[1]
    )
    design = tmp_path / "design.toml"
    design.write_text(
        "rounds_scale = 0.02\n[fixed]\ncopies = 64\n[factors]\n'oversight.audit' = [0.1, 0.5]\n"
    )
    assert main(["sweep", str(design), "--workers", "0", "--out", str(tmp_path / "out")]) == 3
    told = capsys.readouterr()
    assert "raised RuntimeError: the point is cursed" in told.out
    assert "1 failed" in told.err


def test_two_workers_give_the_same_table(small: Path) -> None:
    """Fails if results depend on who ran them."""
    pd.testing.assert_frame_equal(sweep(SMALL, workers=2), read(small), check_exact=True)


@pytest.mark.slow
def test_one_process_can_start_workers_twice(tmp_path: Path) -> None:
    """Fails if the settings of the first cluster take those of the second with them."""
    script = tmp_path / "twice.py"
    script.write_text(
        "from multicopy.analysis.many import sweep\n"
        "design = {'fixed': {'copies': 64}, 'rounds_scale': 0.01, "
        "'factors': {'oversight.audit': [0.1]}}\n"
        "if __name__ == '__main__':\n"
        "    print([len(sweep(design, workers=1)) for _ in range(2)])\n"
    )
    where = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=where)
    assert done.stdout == "[1, 1]\n", done.stderr


# --- the folder -----------------------------------------------------------------------------------


def test_a_folder_holds_one_sweep(small: Path, tmp_path: Path) -> None:
    """Fails if another design, other code or foreign files are mixed with a sweep."""
    design = SMALL | {"keep": ["phases", "rounds", "ledger"]}
    with pytest.raises(InputError, match="--resume goes on"):
        sweep(design, small, workers=0)
    with pytest.raises(InputError, match="another design"):
        sweep(design | {"replicates": 3}, small, workers=0, resume=True)
    with pytest.raises(InputError, match=r"made by sweep_support\.trivial|made by model"):
        sweep(design, small, simulate=trivial, workers=0, resume=True)
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match=r"not empty \(thesis.txt\)"):
        sweep(design, tmp_path, workers=0)


def test_other_code_is_not_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if a table is half from one version of the model and half from another."""
    sweep(AUDITS, tmp_path, simulate=trivial, workers=0)
    monkeypatch.setattr("multicopy.analysis.many.driver.code_version", lambda: "another")
    with pytest.raises(InputError, match="another version"):
        sweep(AUDITS, tmp_path, simulate=trivial, workers=0, resume=True)


def test_a_second_sweep_is_refused_and_a_dead_ones_lock_is_not(tmp_path: Path) -> None:
    """Fails if one folder has two writers, or a killed sweep locks it for ever."""
    below, above = os.pipe()
    holder = os.fork()
    if holder == 0:
        with held(tmp_path, store.LOCK):
            os.write(above, b"held")
            time.sleep(60)
        os._exit(0)
    assert os.read(below, 4) == b"held"
    with pytest.raises(InputError, match=f"another process is writing to it .process {holder} "):
        sweep(AUDITS, tmp_path, simulate=trivial, workers=0)
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    assert len(sweep(AUDITS, tmp_path, simulate=trivial, workers=0)) == 5


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of the model with a part for every run; not to be changed."""
    out = tmp_path_factory.mktemp("parts") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("multicopy.analysis.many.driver.PART_BYTES", 0)
        patch.setattr("multicopy.analysis.many.driver.CHUNK_SECONDS", 0.0)
        sweep(SMALL, out, workers=0)
    assert len(list((out / "runs").iterdir())) == 8
    return out


@pytest.fixture
def in_parts(undisturbed: Path, tmp_path: Path) -> Path:
    """The same, to be damaged."""
    return Path(shutil.copytree(undisturbed, tmp_path / "out"))


@pytest.mark.parametrize("table", ["runs", "events"])
def test_a_truncated_part_is_told_and_done_again(
    table: str, in_parts: Path, undisturbed: Path
) -> None:
    """Fails if a damaged part ends the sweep, hides, or takes others with it."""
    part = in_parts / table / "part-000003.parquet"
    part.write_bytes(part.read_bytes()[:-200])
    with pytest.raises(InputError, match=f"{table}/part-000003.parquet is damaged"):
        read(in_parts, table)
    told: list[str] = []
    resumed = sweep(SMALL, in_parts, workers=0, resume=True, say=told.append)
    assert len(told) == 1
    assert "part-000003" in told[0]
    pd.testing.assert_frame_equal(resumed, read(undisturbed), check_exact=True)
    assert (in_parts / "runs" / "part-000003.parquet.damaged").exists()
    assert read(in_parts, "events")["run"].nunique() == 8


def test_a_flipped_byte_is_found(in_parts: Path) -> None:
    """Fails if a table is read with wrong numbers in it."""
    part = in_parts / "runs" / "part-000002.parquet"
    column = pq.read_metadata(part).row_group(0).column(0)
    content = bytearray(part.read_bytes())
    content[column.data_page_offset + column.total_compressed_size // 2] ^= 0xFF
    part.write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"part-000002.parquet is damaged"):
        read(in_parts)


def test_what_a_kill_left_over_is_removed(in_parts: Path, undisturbed: Path) -> None:
    """Fails if half a part counts, or events count twice after a resume."""
    events = read(in_parts, "events")
    (in_parts / "checksums" / "part-000004.sha256").unlink()  # its tables were written before
    (in_parts / "runs" / ".part-000009.parquet.part").write_bytes(b"PAR1 half")
    with pytest.warns(UserWarning, match="7 of 8 runs"):
        assert len(read(in_parts)) == 7
    resumed = sweep(SMALL, in_parts, workers=0, resume=True)
    pd.testing.assert_frame_equal(resumed, read(undisturbed), check_exact=True)
    pd.testing.assert_frame_equal(read(in_parts, "events"), events)
    assert not list(in_parts.glob("**/.*.part"))


def test_a_missing_table_is_found(in_parts: Path) -> None:
    """Fails if the events of a run are silently gone."""
    (in_parts / "events" / "part-000001.parquet").unlink()
    with pytest.raises(InputError, match=r"events/part-000001.parquet is missing"):
        read(in_parts)


def test_a_full_disk_stops_the_sweep_and_loses_nothing(tmp_path: Path) -> None:
    """Fails if a refused write leaves half a part, or a traceback."""
    design, out = tmp_path / "design.toml", tmp_path / "out"
    tree = SMALL | {"keep": ["rounds"]}
    design.write_text(
        "replicates = 2\nrounds_scale = 0.02\nkeep = ['rounds']\n[fixed]\ncopies = 64\n[factors]\n"
        "'oversight.audit' = [0.1, 0.5]\n'oversight.rotation' = [0.05, 0.5]\n"
    )
    words = ["sweep", str(design), "--workers", "0", "--out", str(out), "--resume"]

    def without_room() -> int:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
        return main(words)

    full = forked(without_room)
    assert full.code == 75, full.err
    assert "File too large" in full.err
    assert "--resume goes on" in full.err
    assert "Traceback" not in full.err
    assert not list(out.glob("**/.*.part"))
    assert main(words) == 0
    pd.testing.assert_frame_equal(read(out), sweep(tree, workers=0), check_exact=True)


def test_the_manifest_tells_how_to_make_it_again(small: Path) -> None:
    """Fails if nobody knows where a table comes from."""
    told = json.loads((small / store.MANIFEST).read_text())
    assert told["complete"] is True
    assert told["design"]["factors"] == SMALL["factors"]
    assert load(told["design"]).fingerprint() == told["fingerprint"]
    assert {"python", "numpy"} <= set(told["versions"])


def test_a_folder_of_a_newer_layout_is_refused(tmp_path: Path) -> None:
    """Fails if numbers are read in a layout that they were not written in."""
    (tmp_path / store.MANIFEST).write_text('{"schema": 99}')
    with pytest.raises(InputError, match="version 99"):
        read(tmp_path)


class Vanishing(InProcess):
    """An engine whose cluster dies after three chunks."""

    taken = 0

    def ended(self, seconds: float) -> Any:
        Vanishing.taken += 1
        if Vanishing.taken > 3:
            raise EngineLost("the scheduler is gone")
        return super().ended(seconds)


def test_a_lost_engine_keeps_what_was_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if finished runs are thrown away when the cluster dies."""
    monkeypatch.setattr("multicopy.analysis.many.engine.InProcess", Vanishing)
    monkeypatch.setattr("multicopy.analysis.many.driver.CHUNK_SECONDS", 0.0)
    with pytest.raises(Stopped, match="scheduler is gone"):
        sweep(AUDITS, tmp_path, simulate=trivial, workers=0)
    with pytest.warns(UserWarning, match="3 of 5"):
        assert len(read(tmp_path)) == 3


# --- with others' tools ---------------------------------------------------------------------------


def test_salibs_own_interface_runs_the_model() -> None:
    """Fails if SALib cannot call an entry point."""
    from SALib import ProblemSpec

    names = ["oversight.audit", "oversight.rotation"]
    problem = ProblemSpec(
        {"names": names, "bounds": [[0.1, 0.9], [0.0, 1.0]], "outputs": ["capture"]}
    )
    problem.sample_sobol(2, calc_second_order=False, seed=1)
    problem.evaluate(evaluate, names, ["capture"], rounds_scale=0.02, copies=64)
    problem.analyze_sobol(calc_second_order=False, seed=1)
    assert problem.results.shape == (8,)
    assert np.ptp(problem.results) > 0
    both = evaluate(problem.samples[:1], names, ["capture", "audit"], rounds_scale=0.02, copies=64)
    assert both.shape == (1, 2)
    assert both[0, 0] == problem.results[0]


def test_the_check_of_a_design_is_quick_for_a_million_runs() -> None:
    """Fails if a check or a plan grows in memory with the number of runs."""
    design = load(ranged("random", 1_000_000))
    check(design)
    plan = Plan(design)
    assert len(plan) == 1_000_000
    assert sum(column.nbytes for column in plan._columns) <= 1_000_000 * 4 * 8


def test_help_imports_nothing_heavy() -> None:
    """Fails if the command line loads Dask to print its help."""
    script = (
        "import sys; from multicopy.analysis.commands.cli import parser; parser()\n"
        "print([m for m in ('dask', 'distributed', 'SALib', 'pandas', 'mesa') if m in sys.modules])"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "[]"
