"""Designs, functions to sweep over and processes that the tests of sweeps share.

Workers import this module by name, so it holds what they run.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from multicopy.agents.parameters import Parameters

ROOT = Path(__file__).parent.parent
SMALL: dict[str, Any] = {
    "replicates": 2,
    "rounds_scale": 0.02,
    "fixed": {"copies": 64},
    "factors": {"oversight.audit": [0.1, 0.5], "oversight.rotation": [0.05, 0.5]},
}
"""Eight runs of the model."""

DRILL = """
method = "grid"
replicates = 15
rounds_scale = 0.02
keep = ["phases", "rounds", "ledger"]
[fixed]
copies = 64
[factors]
"oversight.audit" = [0.1, 0.5]
"oversight.rotation" = [0.05, 0.2, 0.5, 0.8]
"""
"""120 runs of the model, for drills."""


def trivial(parameters: Parameters, seed: int) -> dict[str, float]:
    """A run that takes no time."""
    return {"value": parameters.oversight.audit + (seed % 1000) / 1000}


def troubled(parameters: Parameters, seed: int) -> dict[str, float]:
    """One point raises, one runs out of memory, one returns no number."""
    match parameters.oversight.audit:
        case 0.1:
            raise RuntimeError("the point is cursed")
        case 0.2:
            raise MemoryError
        case 0.3:
            return {"value": float("nan")}
    return {"value": 1.0}


def deadly(parameters: Parameters, seed: int) -> dict[str, float]:
    """One point takes its worker with it, as the kernel does when memory runs out."""
    if parameters.oversight.audit == 0.1:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"value": 1.0}


def start(*arguments: str) -> subprocess.Popen[str]:
    """`run.py` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "run.py", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Worker processes of a running sweep."""
    try:
        children = psutil.Process(process.pid).children()
        return [c for c in children if any("spawn_main" in part for part in c.cmdline())]
    except psutil.NoSuchProcess:
        return []


def wait_for(true: Callable[[], Any], seconds: float = 60) -> None:
    """Wait until something is true; fail if it never is."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def parts(out: Path) -> int:
    """Parts that a sweep has written."""
    return len(list(out.glob("runs/part-*.parquet")))


def _dask(*arguments: str, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as handle:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
            stdout=handle,
            stderr=subprocess.STDOUT,
        )


def end(process: subprocess.Popen[Any]) -> None:
    """End a process that a test started, and its children."""
    try:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(True)]
    except psutil.NoSuchProcess:
        family = []
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    process.wait()


@contextmanager
def cluster(folder: Path, workers: int = 1) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """`dask scheduler` and `dask worker` as processes of their own; address, the scheduler."""
    folder.mkdir(exist_ok=True)
    where = folder / "scheduler.json"
    where.unlink(missing_ok=True)
    common = ("--no-dashboard",)
    at = ("--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(where))
    scheduler = _dask("scheduler", *at, *common, log=folder / "scheduler.log")
    started = [scheduler]
    try:
        wait_for(where.exists)
        wait_for(lambda: "tcp://" in where.read_text())
        for i in range(workers):
            arguments = ("--scheduler-file", str(where), "--nthreads", "1", *common)
            scratch = ("--local-directory", str(folder))
            started.append(_dask("worker", *arguments, *scratch, log=folder / f"worker{i}.log"))
        yield json.loads(where.read_text())["address"], scheduler
    finally:
        for process in started:
            end(process)
