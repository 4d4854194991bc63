"""What commands do with streams, names and folders that cannot be read or written."""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import os
import runpy
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import distributed  # noqa: F401  # its settings must not come and go with those of a test
import pytest
import streams

from multicopy.analysis.commands.cli import COMMANDS, main, parser
from multicopy.analysis.commands.console import BAD_INPUT
from multicopy.analysis.files import places
from multicopy.analysis.files.standard_streams import Unfailing
from multicopy.analysis.many import engine, sweep
from multicopy.model.collective import CollectiveModel
from multicopy.model.scenario import InputError

ROOT = Path(__file__).parents[1]
READ_ONLY = {"scenarios", "parameters", "reproduce", "serve"}
"""Commands that write no file."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, a sweep and a design; not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    streams.prepare(folder)
    return folder


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be simulated."""
    monkeypatch.setattr(CollectiveModel, "step", lambda self: pytest.fail("it simulates"))
    monkeypatch.setattr(CollectiveModel, "__init__", lambda *_, **__: pytest.fail("it simulates"))


def names_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


# --- streams ------------------------------------------------------------------------------------


def test_every_command_is_disturbed() -> None:
    """Fails if a command has no call that `tests/streams.py` disturbs."""
    assert set(streams.CALLS) == set(COMMANDS)


@pytest.mark.parametrize("name", streams.DISTURBANCES)
def test_streams_that_are_closed_unread_or_full_are_no_traceback(name: str, tmp_path: Path) -> None:
    """Fails if a command ends with a trace or another exit code because of its streams."""
    how = streams.DISTURBANCES[name]
    usual = streams.Ended(0, "", {})
    assert not list(streams.faults(usual, streams.call(["--help"], tmp_path, how), how))


@pytest.mark.parametrize("name", ["both unread", "stdout full"])
def test_a_run_goes_on_when_it_cannot_print(name: str, tmp_path: Path) -> None:
    """Fails if results are lost to `| head -1`, or to a full disk that only the log is on."""
    words = "run --copies 32 --rounds-scale 0.001 --no-figures --out".split()
    assert main([*words, str(tmp_path / "usual"), "--quiet"]) == 0
    how = streams.DISTURBANCES[name]
    ended = streams.call([*words, "disturbed"], tmp_path, how)
    codes = streams.faults(streams.Ended(0, "", ended.files), ended, how)
    assert not list(codes)
    for table in (tmp_path / "usual").glob("*.parquet"):
        assert (tmp_path / "disturbed" / table.name).read_bytes() == table.read_bytes()


@pytest.mark.slow
def test_every_command_with_every_disturbance(tmp_path: Path) -> None:
    """Fails if a command leaves other files, another code or a trace because of its streams."""
    count, wrong = streams.try_all(list(COMMANDS), tmp_path)
    assert count == len(COMMANDS) * len(streams.DISTURBANCES)
    assert not wrong


def test_what_cannot_be_written_goes_nowhere_and_is_remembered() -> None:
    """Fails if a broken pipe counts as a fault, a full disk as none, or either is raised."""
    below, above = os.pipe()
    os.close(below)
    full = os.open("/dev/full", os.O_WRONLY)
    for descriptor, fault in ((above, None), (full, errno.ENOSPC)):
        with Unfailing(descriptor, "w") as stream:
            for _ in range(2):
                assert stream.write(b"lost") == 4
            assert getattr(stream.fault, "errno", None) == fault
            assert os.path.sameopenfile(stream.fileno(), os.open(os.devnull, os.O_WRONLY))


def test_a_pipe_that_does_not_wait_gets_all_of_it() -> None:
    """Fails if output is lost, or work ends, where another process made the pipe non-blocking."""
    below, above = os.pipe()
    os.set_blocking(above, False)
    read: list[bytes] = []

    def drain() -> None:
        with os.fdopen(below, "rb") as reader:
            read.append(reader.read())

    reader = threading.Thread(target=drain)
    text = b"x" * 1_000_000
    with io.BufferedWriter(Unfailing(above, "w")) as stream:
        reader.start()
        stream.write(text)
    reader.join()
    assert read == [text]


# --- names and folders --------------------------------------------------------------------------


def paths_of(command: str) -> Iterator[tuple[str, argparse.Action]]:
    """Arguments of a command that are paths."""
    (of,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    for action in of.choices[command]._actions:
        if action.type is Path or action.dest in ("scenario", "scenarios", "plugin"):
            yield command, action


PATHS = [pair for command in COMMANDS for pair in paths_of(command)]


def calling(command: str, action: argparse.Action, name: str) -> list[str]:
    """The call of a command with a name for one of its arguments."""
    words = [word.replace(streams.PORT, "1") for word in streams.CALLS[command].split()]
    if action.option_strings:
        return [*words, action.option_strings[0], name]
    if action.nargs == "?":
        return [command, name, *words[1:]]
    words[2 if command == "probe" else 1] = name
    return words


@pytest.mark.parametrize("name", ["a/b\udcff", "a\nb", "a\x1b[2Jb", "x" * 5000])
@pytest.mark.usefixtures("idle")
def test_names_that_cannot_be_written_down_are_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if a command computes before it says so, or says so in a trace or several lines."""
    monkeypatch.chdir(tmp_path)
    assert len(PATHS) > len(COMMANDS)
    for command, action in PATHS:
        assert main(calling(command, action, name)) == BAD_INPUT, command
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert "is not allowed: it" in error or name == "x" * 5000, command
        assert len(error.splitlines()) == 1
        assert error.strip().isprintable()
    assert main(["run", "--set", f"copies=32{name}"]) == BAD_INPUT
    assert not names_in(tmp_path)


OUT = [c for c, words in streams.CALLS.items() if " --out new" in words]


@pytest.mark.parametrize("command", OUT)
@pytest.mark.usefixtures("idle")
def test_folders_that_cannot_be_made_are_refused_before_the_work(
    command: str, made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if a command computes what it cannot write, or leaves half a folder."""
    monkeypatch.chdir(made)
    before = names_in(made)
    for out in ("design.toml", "design.toml/new", "/proc/new", "x" * 300):
        words = streams.CALLS[command].replace("--out new", f"--out {out}").split()
        assert main(words) == BAD_INPUT
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith(f"error: {out}: ")
        told = ("is a file", "cannot be made", "not allowed", "too long")
        assert any(words in error for words in told), error
    assert names_in(made) == before


@pytest.mark.parametrize("command", sorted({*COMMANDS} - READ_ONLY - {*OUT, "resume"}))
@pytest.mark.usefixtures("idle")
def test_folders_that_cannot_be_written_to_are_refused_before_the_work(
    command: str, made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if a command that adds to a folder computes what it cannot write there."""

    def refuse(dir: Path) -> Any:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.chdir(made)
    monkeypatch.setattr(places, "TemporaryFile", refuse)
    assert main(streams.CALLS[command].split()) == BAD_INPUT
    captured = capsys.readouterr()
    assert "cannot be written to: Read-only file system" in captured.err.splitlines()[-1]
    assert not captured.out


@pytest.mark.parametrize(
    ("command", "taken"),
    [
        ("report", "run/report.html"),
        ("lineage", "new.trees"),
        ("explain", "run/figures/explain-keep_team.png"),
        ("probe", "run/probe-retrain.parquet"),
        ("fork", "run/fork.parquet"),
        ("fork", "run/figures/fork.png"),
        ("map", "sweep/map-captured.png"),
        ("discover", "sweep/discover-captured.png"),
        ("validate", "new/T11.png"),
        ("ablate", "new/effects.png"),
        ("outcomes", "new/runs.parquet"),
        ("personas", "new/personas.png"),
    ],
)
@pytest.mark.usefixtures("idle")
def test_a_folder_in_the_place_of_a_file_is_refused_before_the_work(
    command: str,
    taken: str,
    made: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Fails if what is computed cannot take its place in the end."""
    monkeypatch.chdir(made)
    Path(taken).mkdir(parents=True)
    force = ["--force"] if taken.startswith("new/") else []
    try:
        assert main([*streams.CALLS[command].split(), *force]) == BAD_INPUT
    finally:
        Path(taken).rmdir()
        with contextlib.suppress(OSError):
            Path(taken).parent.rmdir()
    assert capsys.readouterr().err == f"error: {taken}: is a folder, not a file\n"


# --- the environment ----------------------------------------------------------------------------


def test_settings_of_python_and_matplotlib_make_no_difference(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if a figure is drawn under the user's settings, or the project is not found."""
    folder = tmp_path / "made"
    subprocess.run(["cp", "-r", str(made), str(folder)], check=True)
    (folder / "matplotlibrc").write_text("axes.facecolor: red\nfont.family: serif\nnonsense: 3\n")
    monkeypatch.chdir(made)
    assert main(["explain", "run"]) == 0
    subprocess.run(
        [sys.executable, str(ROOT / "run.py"), "explain", "run"],
        cwd=folder,
        env={**os.environ, "MPLBACKEND": "foo", "PYTHONSAFEPATH": "1"},
        check=True,
        capture_output=True,
    )
    one, other = (at / "run" / "figures" / "explain-keep_team.png" for at in (made, folder))
    assert one.read_bytes() == other.read_bytes()


def test_a_numba_that_does_not_compile_is_one_clear_line(tmp_path: Path) -> None:
    """Fails if the switch that turns Numba off gives a traceback."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "run.py"), "run", "--out", str(tmp_path / "out")],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == BAD_INPUT
    assert done.stderr.startswith("error: NUMBA_DISABLE_JIT = '1' is not allowed")
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("idle")
def test_a_folder_of_dasks_that_cannot_be_written_is_refused_before_the_sweep(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if workers that cannot start are a traceback, or leave a sweep that never began."""
    monkeypatch.chdir(made)
    with dask.config.set({"temporary-directory": str(made / "design.toml")}):
        assert main(streams.CALLS["sweep"].split()) == BAD_INPUT
    assert capsys.readouterr().err.startswith("error: DASK_TEMPORARY_DIRECTORY: ")
    assert not (made / "new").exists()


GUARD = 'if __name__ == "__main__":\n    '


@pytest.mark.parametrize("guard", ["", "if True:\n    ", GUARD])
def test_a_script_without_a_main_guard_is_told_its_line(guard: str, tmp_path: Path) -> None:
    """Fails if each worker starts workers of its own, and each tells it in hundreds of lines."""
    script = tmp_path / "script.py"
    begin = "from multicopy.analysis.many import engine\n\n\n"
    text = f"{begin}{guard}engine.require_main_guard()\n"
    script.write_text(text, encoding="utf-8")
    if guard == GUARD:
        runpy.run_path(str(script), run_name="__main__")
        return
    with pytest.raises(InputError, match=f"script.py, line {4 + bool(guard)}: starts processes"):
        runpy.run_path(str(script), run_name="__main__")


def test_workers_are_not_started_without_the_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if something that starts processes does not ask for the guard."""

    def refuse() -> None:
        raise InputError("no guard")

    monkeypatch.setattr(engine, "require_main_guard", refuse)
    with pytest.raises(InputError, match="no guard"):
        sweep({"factors": {"oversight.rotation": [0.1]}}, workers=2)
