"""Sweeps that are killed: workers, the scheduler, the whole; and then resumed."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pandas as pd
import pytest
from sweep_support import DRILL, cluster, deadly, end, parts, start, wait_for, workers_of

from multicopy.analysis.many import failures, read, sweep
from multicopy.analysis.many.parts import SUMS, TABLES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """A design of 120 runs, and its table when nothing disturbs it."""
    path = tmp_path_factory.mktemp("drill") / "drill.toml"
    path.write_text(DRILL)
    return path, sweep(path, drill_folder(path), workers=0)


def drill_folder(design: Path) -> Path:
    """Where the sweep lies that nothing disturbed."""
    return design.with_name("undisturbed")


def test_the_table_is_the_same_for_any_number_of_workers(
    drill: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    """Fails if results depend on who ran them, or in what order."""
    design, undisturbed = drill
    for workers in (1, 2, 4):
        pd.testing.assert_frame_equal(sweep(design, workers=workers), undisturbed, check_exact=True)
    with cluster(tmp_path / "cluster") as (address, _):
        joined = sweep(design, tmp_path / "joined", scheduler=address)
    pd.testing.assert_frame_equal(joined, undisturbed, check_exact=True)


def test_workers_killed_in_the_middle(drill: tuple[Path, pd.DataFrame], tmp_path: Path) -> None:
    """Fails if runs are lost, or done twice, when the system kills a worker."""
    design, undisturbed = drill
    out = tmp_path / "out"
    process = start("sweep", str(design), "--workers", "2", "--out", str(out))
    try:
        for kills in range(3):
            wait_for(lambda least=kills: parts(out) > least and len(workers_of(process)) == 2)
            workers_of(process)[0].kill()
        _, told = process.communicate(timeout=300)
    finally:
        end(process)
    assert process.returncode == 0, told
    pd.testing.assert_frame_equal(read(out), undisturbed, check_exact=True)


def test_workers_killed_while_they_start(tmp_path: Path) -> None:
    """Fails if the sweep waits for ever for workers that Dask does not replace."""
    design, out = tmp_path / "long.toml", tmp_path / "out"
    design.write_text(DRILL.replace("replicates = 15", "replicates = 150"))
    process = start("sweep", str(design), "--workers", "2", "--out", str(out))
    try:
        wait_for(lambda: parts(out) and len(workers_of(process)) == 2)
        for worker in workers_of(process):
            known = {w.pid for w in workers_of(process)}
            worker.kill()
            wait_for(lambda old=known: {w.pid for w in workers_of(process)} - old)
            for young in workers_of(process):
                if young.pid not in known:
                    young.kill()
        _, told = process.communicate(timeout=300)
    finally:
        end(process)
    assert process.returncode == 0, told
    assert list(read(out)["run"]) == list(range(1200))


def spoil(out: Path, moments: random.Random) -> None:
    """Turn a byte of a file of a table, if there is any."""
    table = moments.choice([*TABLES, SUMS])
    if files := sorted((out / table).glob("part-*[!d]")):
        file = moments.choice(files)
        content = bytearray(file.read_bytes())
        content[moments.randrange(len(content))] ^= 0xFF
        file.write_bytes(content)


def test_the_whole_sweep_killed_at_ten_random_moments(
    drill: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    """Fails if half a part or a stale lock is left, or runs are lost or done twice.

    Each time a part of some table is damaged as well.
    """
    design, undisturbed = drill
    out, moments = tmp_path / "out", random.Random(20270404)
    for _ in range(10):
        process = start("sweep", str(design), "--workers", "2", "--out", str(out), "--resume")
        time.sleep(moments.uniform(0.5, 9.0))
        workers = workers_of(process)
        process.kill()
        process.communicate()
        wait_for(lambda gone=workers: not any(w.is_running() for w in gone))
        spoil(out, moments)
    process = start("sweep", str(design), "--workers", "2", "--out", str(out), "--resume")
    _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    pd.testing.assert_frame_equal(read(out), undisturbed, check_exact=True)
    for table in ("events", "phases", "rounds", "ledger"):
        found, whole = read(out, table), read(drill_folder(design), table)
        pd.testing.assert_frame_equal(found, whole, check_exact=True)


def test_the_scheduler_killed_in_the_middle(
    drill: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    """Fails if a sweep hangs, or loses what it had, when its scheduler dies."""
    design, undisturbed = drill
    out = tmp_path / "out"
    with cluster(tmp_path / "cluster") as (address, scheduler):
        process = start("sweep", str(design), "--scheduler", address, "--out", str(out))
        try:
            wait_for(lambda: parts(out))
            scheduler.kill()
            _, told = process.communicate(timeout=90)
        finally:
            end(process)
    assert process.returncode == 75, told
    assert "--resume goes on" in told
    with pytest.warns(UserWarning, match="of 120 runs yet"):
        assert 0 < len(read(out)) < len(undisturbed)
    with cluster(tmp_path / "cluster") as (address, _):
        resumed = sweep(design, out, scheduler=address, resume=True)
    pd.testing.assert_frame_equal(resumed, undisturbed, check_exact=True)


def test_a_run_that_kills_its_worker_is_a_failure_and_the_only_one(tmp_path: Path) -> None:
    """Fails if the other runs of its chunk are blamed, or it is retried for ever."""
    design = {"replicates": 6, "factors": {"oversight.audit": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]}}
    table = sweep(design, tmp_path, simulate=deadly, workers=2)
    assert sorted(table["run"]) == list(range(6, 36))
    found = failures(tmp_path)
    assert list(found["run"]) == list(range(6))
    assert set(found["kind"]) == {"died"}
    assert found["message"].str.contains("by signal 9 .SIGKILL").all()
