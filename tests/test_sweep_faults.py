"""What may go wrong in a sweep, and that nothing is lost: damage, odd functions, no workers."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numba
import pandas as pd
import pytest
from sweep_support import cluster, deadly, start, wait_for, workers_of

from multicopy.agents.parameters import Parameters
from multicopy.analysis.commands.cli import main
from multicopy.analysis.files.columns import documented
from multicopy.analysis.many import failures, load, read, sweep, work
from multicopy.analysis.many.design import ENDING, IDENTITY
from multicopy.analysis.many.driver import Stopped
from multicopy.analysis.many.engine import EngineLost, OnDask
from multicopy.analysis.many.parts import DETAILS, TABLES
from multicopy.analysis.many.store import MANIFEST
from multicopy.analysis.many.work import Work
from multicopy.analysis.questions.measured import measured, require_measure
from multicopy.model.outcomes import CLASSES
from multicopy.model.scenario import InputError

SAMPLE = Path(__file__).with_name("plugin_sample.py")
LEVELS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
KEPT: dict[str, Any] = {
    "rounds_scale": 0.01,
    "fixed": {"copies": 64},
    "keep": ["phases", "rounds", "ledger"],
    "factors": {"oversight.audit": LEVELS},
}
"""Seven runs of the model, of which the last one fails."""


# --- damage ---------------------------------------------------------------------------------------


class Counted:
    """The model's own run, which counts the runs and fails at the last level."""

    def __init__(self) -> None:
        self.real = work.simulate
        self.seen: list[float] = []

    def __call__(self, work: Work, parameters: Parameters, seed: int) -> Any:
        self.seen.append(parameters.oversight.audit)
        if parameters.oversight.audit == LEVELS[-1]:
            raise RuntimeError("the level is cursed")
        return self.real(work, parameters, seed)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Counted]]:
    """A sweep with every table and a part for every run, and what counts when runs are done."""
    out = tmp_path_factory.mktemp("kept") / "sweep"
    with pytest.MonkeyPatch.context() as patch:
        counted = Counted()
        patch.setattr(work, "simulate", counted)
        patch.setattr("multicopy.analysis.many.driver.PART_BYTES", 0)
        patch.setattr("multicopy.analysis.many.driver.CHUNK_SECONDS", 0.0)
        sweep(KEPT, out, workers=0)
        yield out, counted


def all_tables(out: Path) -> dict[str, pd.DataFrame]:
    """Every table of a sweep."""
    return {table: read(out, table) for table in TABLES}


def assert_same(found: Path, whole: Path) -> None:
    """Fail unless two sweeps are the same bit for bit."""
    for table, frame in all_tables(whole).items():
        pd.testing.assert_frame_equal(read(found, table), frame, check_exact=True)


def flip(file: Path, rng: Random) -> None:
    """Turn a bit of a file."""
    content = bytearray(file.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    file.write_bytes(content)


def cut(file: Path, rng: Random) -> None:
    """Cut the end of a file off."""
    file.write_bytes(file.read_bytes()[: rng.randrange(file.stat().st_size)])


def lose(file: Path, rng: Random) -> None:
    """Remove a file."""
    file.unlink()


def file_of(out: Path, table: str, part: int) -> Path:
    """A file of a part; `checksums` is one as well."""
    return next((out / table).glob(f"part-{part:06d}.*"))


def test_damage_to_any_table_is_mended_and_nothing_else_is_done_again(
    kept: tuple[Path, Counted], tmp_path: Path
) -> None:
    """Fails if `--resume` leaves a damaged table as it is, for ever, or does whole runs again."""
    whole, counted = kept
    out = Path(shutil.copytree(whole, tmp_path / "out"))
    damaged = {table: part for part, table in enumerate((*DETAILS, "runs", "checksums"), 1)}
    damaged["failures"] = len(LEVELS)
    assert set(damaged) == {p.name for p in out.iterdir() if p.is_dir()}
    for table, part in damaged.items():
        flip(file_of(out, table, part), Random(part))
    flip(out / MANIFEST, Random(8))
    for table in TABLES:
        with pytest.raises(InputError, match="--resume, which mends it"):
            read(out, table)
    counted.seen, told = [], list[str]()
    sweep(KEPT, out, workers=0, resume=True, say=told.append)
    assert counted.seen == [LEVELS[part - 1] for part in sorted(damaged.values())]
    assert len(told) == len(damaged) + 1
    assert all("again" in line or "anew" in line for line in told)
    assert_same(out, whole)
    counted.seen, told = [], []
    sweep(KEPT, out, workers=0, resume=True, say=told.append)
    assert (counted.seen, told) == ([], []), "what was mended is damaged again"


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [flip, cut, lose])
@pytest.mark.parametrize("table", [*TABLES, "checksums", MANIFEST])
def test_damage_anywhere_in_a_table_is_mended(
    table: str, spoil: Callable[[Path, Random], None], kept: tuple[Path, Counted], tmp_path: Path
) -> None:
    """Fails if there is a byte whose damage is read, or outlives `--resume`."""
    whole, counted = kept
    rng = Random(f"{table} {spoil.__name__}")
    for attempt in range(1 if spoil is lose else 12):
        out = Path(shutil.copytree(whole, tmp_path / str(attempt)))
        part = len(LEVELS) if table == "failures" else rng.randint(1, len(LEVELS) - 1)
        spoil(out / MANIFEST if table == MANIFEST else file_of(out, table, part), rng)
        counted.seen = []
        sweep(KEPT, out, workers=0, resume=True)
        assert len(counted.seen) <= 1
        assert_same(out, whole)


def test_the_checksums_are_those_of_a_common_tool(kept: tuple[Path, Counted]) -> None:
    """Fails if `sha256sum --check` cannot read them, or not each file has one."""
    import hashlib

    out, _ = kept
    told = {}
    for file in (out / "checksums").iterdir():
        for line in file.read_text().splitlines():
            known, name = line.split("  ")
            told[out / name] = known
    assert told.keys() == {*out.glob("*/part-*.parquet")}
    assert all(hashlib.sha256(f.read_bytes()).hexdigest() == known for f, known in told.items())


def test_the_measures_that_are_known_before_are_those_of_the_runs(
    kept: tuple[Path, Counted],
) -> None:
    """Fails if a measure that the runs have is refused before them, or the other way round."""
    runs, design = read(kept[0]), load(KEPT)
    for name in [*runs.columns, *CLASSES, "nosuch"]:
        verdicts = []
        for asked in (partial(measured, runs), partial(require_measure, design)):
            try:
                asked(name)
            except InputError:
                verdicts.append(False)
            else:
                verdicts.append(True)
        assert verdicts[0] == verdicts[1] or name in IDENTITY, name


# --- functions of others --------------------------------------------------------------------------

RETURNED: dict[str, tuple[Any, str]] = {
    "a number": ({"mine": 1.0}, ""),
    "a whole number": ({"mine": 3}, ""),
    "another": ({"mine": 1.0, "more": 2.0}, "it has 'more', which none of they have"),
    "fewer": ({}, "it lacks 'mine', which they have"),
    "a text": ({"mine": "high"}, "'mine' = 'high', which was a number"),
    "no mapping": (3.0, "returned float, not a mapping"),
    "no name": ({"mine": 1.0, 3: 1.0}, "a measure 3, whose name is not text"),
    "nothing": ({"mine": None}, "mine is None, not a finite number"),
    "a list": ({"mine": [1.0, 2.0]}, "mine is [1.0, 2.0], not a finite number"),
    "too much": ({"mine": 10**400}, "not a finite number"),
    "infinity": ({"mine": float("inf")}, "mine is inf, not a finite number"),
    "half a sign": ({"mine": 1.0, "\ud800": "\ud800"}, "which none of they have"),
    "a column": (
        {"mine": 1.0, "phase": 3.0},
        "'phase' = 3.0: no column of that name is of type double",
    ),
    "a flag": (
        {"mine": 1.0, "stopped": 3.0},
        "'stopped' = 3.0: no column of that name is of type double",
    ),
    **{
        f"identity {name}": ({"mine": 1.0, name: 5}, f"{name!r}, which says which run it is")
        for name in (*IDENTITY, "which")
    },
}
"""What a function may return, and what is said of it; the first decides what there is."""

CHOICES: dict[str, Any] = {
    "factors": {
        "which": {"choices": {name: {"lab.look_rounds": i + 1} for i, name in enumerate(RETURNED)}}
    }
}


def returns(parameters: Parameters, seed: int) -> Any:
    """What stands in the table above, one thing a run."""
    return list(RETURNED.values())[parameters.lab.look_rounds - 1][0]


@pytest.mark.parametrize("chunks", [0.0, 4.0], ids=["one by one", "together"])
def test_measures_that_do_not_fit_are_failures(
    chunks: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if they overwrite what says which run it is, or lose the runs that do fit."""
    monkeypatch.setattr("multicopy.analysis.many.driver.CHUNK_SECONDS", chunks)
    table = sweep(CHOICES, tmp_path, simulate=returns, workers=0)
    assert list(table["which"]) == ["a number", "a whole number"]
    assert list(table["mine"]) == [1.0, 3.0]
    told = failures(tmp_path).set_index("which")["message"]
    assert set(told.index) == {name for name, (_, why) in RETURNED.items() if why}
    for name, message in told.items():
        assert RETURNED[str(name)][1] in message
    again = sweep(CHOICES, tmp_path, simulate=returns, workers=0, retry_failed=True)
    pd.testing.assert_frame_equal(again, table)


def test_every_column_that_the_readers_know_is_guarded() -> None:
    """Fails if a function can return a name that makes the table it is in unreadable."""
    names = {name for table in documented(()).values() for name in table} | {*ENDING, "message"}
    for name in names:
        fitting = [text for text in (True, False) if not work._misfit(name, text)]
        assert len(fitting) < 2 or name in ("scenario", "fingerprint", "complete"), name


class Odd(Exception):
    """An error whose text cannot be made."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


RAISED: dict[float, BaseException] = {
    0.1: Odd(),
    0.2: SystemExit(3),
    0.3: RuntimeError("\ud800" + "x" * 10_000),
    0.4: GeneratorExit(),
}


def raises(parameters: Parameters, seed: int) -> Mapping[str, float]:
    """One error after the other."""
    if error := RAISED.get(parameters.oversight.audit):
        raise error
    return {"mine": 1.0}


def test_whatever_is_raised_is_a_failure(tmp_path: Path) -> None:
    """Fails if a run that asks to exit ends the sweep, or one whose error cannot be written."""
    design = {"factors": {"oversight.audit": [*RAISED, 0.5]}}
    assert len(sweep(design, tmp_path, simulate=raises, workers=0)) == 1
    told = failures(tmp_path)["message"]
    assert len(told) == len(RAISED)
    assert told.str.len().max() <= work.LONGEST
    assert told[1] == "raised SystemExit: 3"


# --- runs that die, or do not end -----------------------------------------------------------------


@numba.njit
def _spin() -> float:  # pragma: no cover
    x = 0.0
    while x >= 0.0:
        x = (x + 1.0) % 1000.0
    return x


def hard(parameters: Parameters, seed: int) -> dict[str, float]:
    """Runs that are stuck in various ways, or take their process with them."""
    match parameters.oversight.audit:
        case 0.1:
            _spin()
        case 0.2:
            while True:
                pass
        case 0.3:
            time.sleep(1000)
        case 0.4:
            os._exit(7)
        case 0.5:
            os.kill(os.getpid(), signal.SIGSEGV)
    return {"mine": 1.0}


TOLD = {
    0.1: ("time", "took longer than 1 s"),
    0.2: ("time", "took longer than 1 s"),
    0.3: ("time", "took longer than 1 s"),
    0.4: ("died", "ended its process with exit code 7"),
    0.5: ("died", "ended its process by signal 11 (SIGSEGV, Segmentation fault)"),
}


def assert_told(out: Path, levels: list[float]) -> None:
    """Fail unless each of these levels failed as it does, and nothing else."""
    found = failures(out).set_index("oversight.audit")
    assert list(found.index) == levels
    for level in levels:
        assert tuple(found.loc[level, ["kind", "message"]]) == TOLD[level]


def test_a_run_past_its_limit_is_a_failure(tmp_path: Path) -> None:
    """Fails if a loop of compiled code that does not end holds up the sweep."""
    design = {"run_limit_seconds": 1, "factors": {"oversight.audit": [0.6, 0.1]}}
    assert len(sweep(design, tmp_path, simulate=hard, workers=0)) == 1
    assert_told(tmp_path, [0.1])
    assert "settle" in failures(tmp_path)["traceback"][0], "it does not say where it was"


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_every_way_of_not_ending_is_told_as_what_is_known(workers: int, tmp_path: Path) -> None:
    """Fails if a run that is stuck or dies is reported as something else, or takes down others."""
    levels = {"oversight.audit": [*TOLD, 0.6, 0.7]}
    design = {"run_limit_seconds": 1, "factors": levels}
    assert len(sweep(design, tmp_path / "limit", simulate=hard, workers=workers)) == 2
    assert_told(tmp_path / "limit", [*TOLD])
    if workers:
        levels = {"oversight.audit": [0.4, 0.5, 0.6, 0.7]}
        out = tmp_path / "none"
        assert len(sweep({"factors": levels}, out, simulate=hard, workers=workers)) == 2
        assert_told(out, [0.4, 0.5])
        assert not list(out.glob("**/*.damaged"))


def test_a_limit_is_no_other_design(tmp_path: Path) -> None:
    """Fails if runs that were too slow cannot be tried again with more time."""
    short, long = (load(CHOICES | {"run_limit_seconds": limit}) for limit in (1, 2.5))
    assert short.fingerprint() == long.fingerprint() == load(CHOICES).fingerprint()
    for wrong in (0, -1, float("inf"), "1 h"):
        with pytest.raises(InputError, match=r"run_limit_seconds = .* is not allowed"):
            load(CHOICES | {"run_limit_seconds": wrong})


# --- clusters -------------------------------------------------------------------------------------


def small_design(folder: Path) -> Path:
    """A file of a design of two runs."""
    path = folder / "design.toml"
    path.write_text(
        "rounds_scale = 0.01\n[fixed]\ncopies = 64\n[factors]\n'oversight.audit' = [0.1, 0.5]\n"
    )
    return path


def test_a_cluster_that_does_not_start_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if it ends in a traceback, or the next try is refused."""

    def no_cluster(**how: Any) -> None:
        try:
            raise RuntimeError("Nanny failed to start worker process")
        except RuntimeError as error:
            raise RuntimeError("Cluster failed to start") from error

    monkeypatch.setattr("distributed.LocalCluster", no_cluster)
    words = ["sweep", str(small_design(tmp_path)), "--out", str(tmp_path / "out"), "--workers"]
    assert main([*words, "1"]) == 75
    told = capsys.readouterr().err.splitlines()
    assert told[-1] == (
        "stopped early: the workers could not be started: "
        "RuntimeError: Nanny failed to start worker process; nothing was begun"
    )
    assert not (tmp_path / "out").exists()
    assert main([*words, "0"]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.0, 1.0])
def test_a_worker_killed_while_the_cluster_starts(delay: float, tmp_path: Path) -> None:
    """Fails if it ends in a traceback, or with another code than 75."""
    out = tmp_path / "out"
    process = start("sweep", str(small_design(tmp_path)), "--workers", "1", "--out", str(out))
    wait_for(lambda: workers_of(process))
    time.sleep(delay)
    for worker in workers_of(process):
        worker.kill()
    _, told = process.communicate(timeout=300)
    assert process.returncode in (0, 75), told  # 0 if it was up already and came back
    assert "Traceback" not in told
    if process.returncode == 75:
        assert "could not be started" in told.splitlines()[-1]
        assert not out.exists()


class NoWorkers:
    """A client of a cluster without any."""

    def nthreads(self) -> dict[str, int]:
        """Threads of each worker."""
        return {}


def test_a_cluster_without_workers_is_told_at_once_and_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fails if a sweep waits without a word, or without end."""
    told: list[str] = []
    machine = OnDask(Work.of(load(CHOICES), None), NoWorkers(), say=told.append)
    machine.count_workers()
    assert told == ["the cluster has no worker; waiting for one, 300 s at most"]
    monkeypatch.setattr("multicopy.analysis.many.engine.DESERTED", -1)
    with pytest.raises(EngineLost, match="had no worker"):
        machine.count_workers()


@pytest.mark.slow
def test_a_joined_cluster_without_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if the same is not so of a real one."""
    monkeypatch.setattr("multicopy.analysis.many.engine.DESERTED", 3)
    told: list[str] = []
    how: dict[str, Any] = {"simulate": deadly, "say": told.append}
    with cluster(tmp_path / "cluster", workers=0) as (address, _), pytest.raises(Stopped):
        sweep(CHOICES, tmp_path / "out", scheduler=address, **how)
    assert len(told) == 1
