"""Runs that are killed with -9 at random moments, and resumed until they have ended."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from analysis import folder

ROOT = Path(__file__).parents[1]
WORDS = ["--copies", "128", "--seed", "5", "--quiet", "--no-figures", "--lineage"]


def start(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "run.py", *words], cwd=ROOT, stderr=subprocess.PIPE)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run when nothing disturbs it."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert start("run", *WORDS, "--out", str(out)).wait(timeout=300) == 0
    return out


def holds(out: Path, process: subprocess.Popen[bytes]) -> bool:
    """Whether the process has begun to play the run."""
    claim = out / ".running"
    return claim.exists() and claim.read_text().startswith(f"{process.pid}\n")


def drill(kills: int, whole: Path, place: Path, every: int) -> int:
    """Kill a run and what resumes it `kills` times; how many of these went on from a checkpoint.

    A run that ends before it is killed is begun anew, and has to be the same each time.
    """
    out, moments = place / "run", random.Random(20270404)
    begin = ["run", *WORDS, "--checkpoint-every", str(every), "--force", "--out", str(out)]
    again = ["resume", str(out), "--quiet", "--no-figures"]
    killed = went_on = 0
    while killed < kills:
        ready = (out / "checkpoint" / "state").exists()
        process = start(*(again if ready else begin))
        # Python takes longer to start than the run: what is drawn is the time after that.
        while process.poll() is None and not holds(out, process):
            time.sleep(0.005)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moments.uniform(0, 1.5))
        if process.poll() is None:
            process.kill()
            killed, went_on = killed + 1, went_on + ready
        error = process.communicate()[1]
        assert process.returncode in (0, -9), error
        if process.returncode == 0:
            assert_same(out, whole)
    if (out / "checkpoint" / "state").exists():
        assert start(*again).wait(timeout=300) == 0
    else:
        assert start(*begin).wait(timeout=300) == 0
    assert_same(out, whole)
    return went_on


def assert_same(out: Path, whole: Path) -> None:
    for name in [*folder.TABLES, "lineage"]:
        table = f"{name}.parquet"
        assert (out / table).read_bytes() == (whole / table).read_bytes(), name
    assert not (out / "checkpoint").exists()
    assert folder.read_complete(out).seed == 5


def test_a_run_that_is_killed_goes_on_as_if_nothing_had_happened(
    whole: Path, tmp_path: Path
) -> None:
    """A row lost or doubled, or a state half written, would break it."""
    drill(3, whole, tmp_path, every=5)


@pytest.mark.slow
def test_fifty_kills_at_random_moments(whole: Path, tmp_path: Path) -> None:
    """The same, wherever a kill can fall: in a write, between two of them, at the start or end."""
    assert drill(50, whole, tmp_path, every=3) > 20
