"""The command line: what it prints, what it writes, and what it refuses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from analysis import folder
from analysis.cli import main
from model.scenario import InputError, resolve, table

ROOT = Path(__file__).parent.parent
SMALL = ["--copies", "64", "--rounds-scale", "0.02", "--no-figures"]


def run_small(out: Path, *more: str) -> int:
    return main(["run", *SMALL, "--out", str(out), *more])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    assert run_small(out, "--seed", "3") == 0
    return out


BAD = {
    "unknown scenario": (["run", "ai2028"], ["ai2028", "did you mean 'ai2027'"]),
    "unknown file": (["run", "nowhere/x.toml"], ["nowhere/x.toml"]),
    "unknown key": (["run", "--set", "oversight.audits=1"], ["oversight.audits", "'audit'"]),
    "unknown top key": (["run", "--set", "copy=64"], ["copy", "copies"]),
    "unknown phase": (["run", "--set", "phases.agency.rounds=3"], ["agency_training"]),
    "out of bounds": (
        ["run", "--set", "oversight.audit=1.5"],
        ["oversight.audit = 1.5", "0 to 1", "audited"],
    ),
    "wrong type": (["run", "--set", "oversight.audit=much"], ["oversight.audit", "number"]),
    "no value": (["run", "--set", "oversight.audit"], ["PATH=VALUE"]),
    "twice": (["run", "--copies", "64", "--set", "copies=64"], ["twice"]),
    "teams do not divide": (["run", "--set", "teams=7", "--set", "copies=64"], ["7 teams"]),
    "copies do not divide": (["run", "--copies", "100"], ["copies = 100", "96"]),
    "no copies": (["run", "--copies", "0"], ["copies = 0"]),
    "zero rounds": (["run", "--set", "phases.pretraining.rounds=0"], ["rounds = 0"]),
    "scale of zero": (["run", "--rounds-scale", "0"], ["rounds-scale"]),
    "scale of nan": (["run", "--rounds-scale", "nan"], ["rounds-scale"]),
    "negative seed": (["run", "--seed", "-1"], ["seed", "-1"]),
    "broken seed": (["run", "--seed", "1.5"], ["seed", "1.5"]),
    "unknown command": (["rum"], ["rum", "did you mean 'run'"]),
    "unknown option": (["run", "--sed", "1"], ["--sed"]),
}


@pytest.mark.parametrize(("arguments", "told"), BAD.values(), ids=list(BAD))
def test_bad_input_is_one_clear_line_and_nothing_is_written(
    arguments: list[str], told: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A traceback, a silent default, a wrong exit code or a half-made folder would break it."""
    out = tmp_path / "out"
    extra = ["--out", str(out)] if arguments[0] == "run" else []
    try:
        code = main([*arguments, *extra])
    except SystemExit as end:
        code = int(end.code or 0)
    error = capsys.readouterr().err
    assert code == 2
    assert not out.exists()
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1
    for part in told:
        assert part in error


def test_malformed_toml_is_told_with_file_and_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A parser's traceback, or a message without the place, would break it."""
    file = tmp_path / "mine.toml"
    file.write_text('base = "ai2027"\n[oversight\naudit = 1\n')
    assert main(["run", str(file), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert str(file) in error
    assert "line 2" in error


def test_a_folder_that_cannot_be_made_is_refused_before_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run whose results have nowhere to go would break it."""
    (tmp_path / "file").write_text("")
    assert run_small(tmp_path / "file" / "out") == 2
    assert "cannot be made" in capsys.readouterr().err


def test_an_existing_run_is_kept_unless_forced(done: Path, tmp_path: Path) -> None:
    """Results that are lost to a second run would break it."""
    out = tmp_path / "run"
    assert run_small(out) == 0
    assert run_small(out) == 2
    assert run_small(out, "--force", "--seed", "9") == 0
    assert folder.read(out).seed == 9


def test_force_never_replaces_what_is_no_run(tmp_path: Path) -> None:
    """`--force --out` of a home folder that is emptied would break it."""
    (tmp_path / "precious.txt").write_text("keep me")
    assert run_small(tmp_path, "--force") == 2
    assert (tmp_path / "precious.txt").read_text() == "keep me"


@pytest.mark.parametrize("name", folder.TABLES)
def test_the_same_run_twice_gives_the_same_bytes(done: Path, tmp_path: Path, name: str) -> None:
    """Anything but scenario and seed in a table (time, order, platform noise) would break it."""
    again = tmp_path / "again"
    assert run_small(again, "--seed", "3") == 0
    assert (again / f"{name}.parquet").read_bytes() == (done / f"{name}.parquet").read_bytes()


def test_the_written_scenario_repeats_the_run(done: Path, tmp_path: Path) -> None:
    """A scenario file that loses a parameter would break it."""
    again = tmp_path / "again"
    scenario = str(done / "scenario.toml")
    assert main(["run", scenario, "--seed", "3", "--no-figures", "--out", str(again)]) == 0
    one, other = folder.read(done), folder.read(again)
    pd.testing.assert_frame_equal(one.rounds, other.rounds, check_exact=True)
    pd.testing.assert_frame_equal(one.copies, other.copies, check_exact=True)


def test_the_summary_tells_outcome_and_phases(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that ends without saying how would break it."""
    out = tmp_path / "run"
    assert main(["run", *SMALL[:-1], "--out", str(out)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert folder.read(out).outcome["reason"].split(" (")[0].split(";")[0] in told
    for phase in resolve().phases.values():
        assert phase.label in told
    for part in ("keep_team", "exposed by their own alignment research", str(out)):
        assert part in told
    assert len(list((out / "figures").glob("*.png"))) == 7


def test_an_interrupted_run_leaves_what_it_has(tmp_path: Path) -> None:
    """A stopped run that loses its rounds, or passes for a whole one, would break it."""
    out = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "run.py", "run", "--copies", "256", "--out", str(out)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    assert "Pretraining" in process.stdout.readline()
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 75
    assert "marked incomplete" in error
    run = folder.read(out)
    assert not run.complete
    assert len(run.rounds) == run.provenance["rounds_done"] >= 20


def test_help_is_quick_because_it_imports_little() -> None:
    """Heavy imports at the top of a module would break it."""
    code = "import sys; sys.argv = ['run.py', '--help']; import runpy\n"
    code += "try: runpy.run_path('run.py', run_name='__main__')\nexcept SystemExit: pass\n"
    code += "print([m for m in ('mesa', 'pandas', 'pydantic', 'numpy') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().endswith("[]")


def test_parameters_and_scenarios_are_listed_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """A parameter or scenario that the lists forget would break it."""
    assert main(["parameters"]) == 0
    listed = capsys.readouterr().out
    for info in table():
        assert info.path in listed
    assert main(["scenarios"]) == 0
    listed = capsys.readouterr().out
    for path in (ROOT / "model" / "scenarios").glob("*.toml"):
        assert path.stem in listed


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda run: (run / "rounds.parquet").unlink(), "lacks rounds.parquet"),
        (lambda run: (run / "rounds.parquet").write_bytes(b"PAR1 no"), "cannot be read"),
        (lambda run: (run / "provenance.json").write_text("{"), "cannot be read"),
        (lambda run: (run / "provenance.json").write_text('{"schema": 99}'), "version 99"),
        (lambda run: (run / "provenance.json").unlink(), "is no run folder"),
    ],
    ids=["missing table", "broken table", "broken provenance", "newer version", "no run"],
)
def test_a_damaged_folder_is_told(done: Path, tmp_path: Path, spoil: object, told: str) -> None:
    """A damaged folder that is read as if it were whole would break it."""
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(done, copy)
    assert callable(spoil)
    spoil(copy)
    with pytest.raises(InputError, match=told):
        folder.read(copy)
