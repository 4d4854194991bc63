"""Run folders whose files were changed by hand: who reads one is told, and nobody repeats it."""

from __future__ import annotations

import argparse
import json
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from matplotlib.figure import Figure

from multicopy import analysis
from multicopy.analysis import figures
from multicopy.analysis.commands.cli import COMMANDS, main, parser
from multicopy.analysis.files import folder
from multicopy.analysis.questions import trees

WORDS = ["--copies", "64", "--rounds-scale", "0.02", "--quiet", "--no-figures", "--lineage"]
TOLD = "scenario.toml and rounds.parquet changed since the run was written"

MORE = {
    "fork": ["--at", "3"],
    "map": ["--x", "a", "--y", "b"],
    "probe": ["--rounds", "1"],
    "resume": ["--no-figures"],
}
"""What a command needs so that it takes a small run, and no time."""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; only to be looked at."""
    out = tmp_path_factory.mktemp("runs") / "run"
    assert main(["run", *WORDS, "--seed", "3", "--out", str(out)]) == 0
    return out


@pytest.fixture
def run(done: Path, tmp_path: Path) -> Path:
    """A finished run of one's own."""
    return Path(shutil.copytree(done, tmp_path / "run"))


def edit_scenario(run: Path) -> None:
    """Let the scenario say that more work was audited."""
    path = run / "scenario.toml"
    text = path.read_text()
    assert "audit = 0.5\n" in text
    path.write_text(text.replace("audit = 0.5\n", "audit = 0.4\n", 1))


def edit_table(run: Path) -> None:
    """Let the rounds say that the collective was never captured."""
    path = run / "rounds.parquet"
    table = pq.read_table(path)
    at = table.column_names.index("capture")
    pq.write_table(table.set_column(at, "capture", pc.multiply(table["capture"], 0.0)), path)


def words_for(command: str, run: Path) -> list[str]:
    """Words that give a command a run folder; none if it takes no path."""
    positional = [a for a in commands()[command]._actions if not a.option_strings]
    if Path not in [action.type for action in positional]:
        return []
    given = [str(run) if a.type is Path else next(iter(a.choices or [])) for a in positional]
    return [command, *given, *MORE.get(command, [])]


def commands() -> dict[str, argparse.ArgumentParser]:
    """Parsers of all commands."""
    subparsers: Any = parser()._subparsers
    return dict(subparsers._group_actions[0].choices)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_reads_a_run_folder_warns(
    command: str,
    run: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fails if a command believes a scenario or a table that was changed, and says nothing."""
    if not (words := words_for(command, run)):
        return
    monkeypatch.setattr(figures, "drawable", lambda data: [])
    monkeypatch.setattr(figures, "compare_policies", lambda *_: Figure())
    edit_scenario(run)
    edit_table(run)
    code, error = main(words), capsys.readouterr().err
    if command == "reproduce":
        assert code == 2
        assert f"error: {run}/scenario.toml: was changed since the run was made" in error
    elif code == 0:
        (told,) = [line for line in error.splitlines() if line.startswith("warning: ")]
        assert TOLD in told
    else:
        assert code == 2, error
        assert "RUN_DIR" not in commands()[command].format_usage()  # of a design, or a sweep
        assert "sweep" in error or "TOML" in error or "cannot be read" in error


READERS: dict[str, Callable[[Path], object]] = {
    "load": analysis.load,
    "compare": lambda run: analysis.compare([run]),
    "read": folder.read,
    "read_complete": folder.read_complete,
    "lineage": trees.read,
}


@pytest.mark.parametrize("read", READERS.values(), ids=list(READERS))
def test_every_reader_warns(read: Callable[[Path], object], run: Path) -> None:
    """Fails if a notebook gets numbers of a folder that was changed, or a warning without cause."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(run)
    edit_scenario(run)
    edit_table(run)
    with pytest.warns(UserWarning, match=TOLD):
        read(run)


def files(run: Path) -> Iterator[str]:
    """All files of a run folder but the one that tells of the others."""
    return (path.name for path in sorted(run.iterdir()) if path.name != "provenance.json")


def test_a_change_of_any_file_is_seen(done: Path, tmp_path: Path) -> None:
    """Fails if a file of a run folder is not compared with what was written."""
    for name in files(done):
        run = Path(shutil.copytree(done, tmp_path / name))
        path = run / name
        if name == "scenario.toml":
            edit_scenario(run)
        elif name == "outcome.json":
            path.write_text(path.read_text().replace('"reason": "', '"reason": "not '))
        else:
            pq.write_table(pq.read_table(path), path, compression="gzip")
        with pytest.warns(UserWarning, match=f"run: {name} changed|{name} changed"):
            folder.read(run)
        assert f"{name} was changed since the run was written." in noted(run)


def noted(run: Path) -> tuple[str, ...]:
    """What `analysis.load` notes of a run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return analysis.load(run).notes


def test_a_folder_without_checksums_is_read(run: Path) -> None:
    """Fails if an older folder is refused, or its scenario believed unseen."""
    path = run / "provenance.json"
    told = json.loads(path.read_text())
    del told["sha256"]
    path.write_text(json.dumps(told))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        folder.read(run)
        assert analysis.load(run).notes == ()
    edit_scenario(run)
    with pytest.warns(UserWarning, match=r"scenario\.toml changed"):
        folder.read(run)


def test_a_scenario_that_says_the_same_in_other_words_is_the_same(run: Path) -> None:
    """Fails if a comment in a scenario is reported as a change of the run."""
    path = run / "scenario.toml"
    path.write_text(f"# as published\n{path.read_text()}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        folder.read(run, to_repeat=True)
