"""What sweeping costs: against bare runs, on two workers, and for a million runs.

Usage: PYTHONPATH=. python benchmarks/sweep.py [--runs N] [--million [--settle N]]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

from multicopy.agents.parameters import Parameters
from multicopy.analysis.many.driver import How, Status, run_sweep
from multicopy.analysis.many.reading import load


def compute(parameters: Parameters, seed: int) -> dict[str, float]:
    """About a second of computing."""
    total = 0.0
    for i in range(16_000_000):
        total += i * 1e-9
    return {"value": total}


def rest(parameters: Parameters, seed: int) -> dict[str, float]:
    """A second of waiting, which other processes on the machine do not lengthen."""
    time.sleep(1.0)
    return {"value": 1.0}


def trivial(parameters: Parameters, seed: int) -> dict[str, float]:
    """Nothing."""
    return {"value": parameters.oversight.audit}


def plan(runs: int) -> dict[str, object]:
    return {
        "method": "latin",
        "samples": runs,
        "factors": {
            "oversight.audit": {"low": 0.1, "high": 0.9},
            "oversight.penalty": {"low": 0.5, "high": 16, "scale": "log"},
            "oversight.rotation": {"low": 0.0, "high": 1.0},
        },
    }


class Clock:
    """When the first status with runs came, and when the last."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.start = time.perf_counter()
        self.first: tuple[float, int] | None = None
        self.last = (0.0, 0)
        self.memory = 0.0
        self.stop_at = stop_at

    def __call__(self, status: Status) -> None:
        now = time.perf_counter() - self.start
        self.memory = max(self.memory, psutil.Process().memory_info().rss / 1e6)
        if status.done:
            self.first = self.first or (now, status.done)
            self.last = (now, status.done)
        if self.stop_at and status.done >= self.stop_at:
            raise KeyboardInterrupt


def timed(runs: int, workers: int, simulate: object) -> Clock:
    clock = Clock()
    with tempfile.TemporaryDirectory() as out:
        run_sweep(load(plan(runs)), Path(out), How(workers, report=clock), simulate)  # type: ignore[arg-type]
    return clock


def bare(runs: int, simulate: object) -> float:
    start = time.perf_counter()
    for seed in range(runs):
        simulate(None, seed)  # type: ignore[operator]
    return time.perf_counter() - start


def overhead(runs: int) -> None:
    """Seconds a run, bare and swept; the cluster's start is left out and told apart."""
    for simulate in (rest, compute):
        alone = bare(max(5, runs // 4), simulate) / max(5, runs // 4)
        for workers in (0, 1, 2):
            clock = timed(runs, workers, simulate)
            assert clock.first is not None
            (at, done), (end, all_done) = clock.first, clock.last
            each = (end - at) / (all_done - done)
            print(
                f"{simulate.__name__:>8}, {workers} workers: bare {alone:.3f} s, swept {each:.3f} s"
                f" a run; efficiency {alone / each / max(1, workers):.3f};"
                f" first result after {at:.1f} s",
                flush=True,
            )


def million(settle: int | None) -> None:
    """Time to the first result, rate and greatest memory of the driver of 10^6 runs."""
    clock = Clock(settle)
    with tempfile.TemporaryDirectory() as out:
        with suppress(KeyboardInterrupt):
            run_sweep(load(plan(1_000_000)), Path(out), How(2, report=clock), trivial)
        size = sum(path.stat().st_size for path in Path(out).rglob("*") if path.is_file())
    assert clock.first is not None
    rate = clock.last[1] / (clock.last[0] - clock.first[0])
    print(
        f"10^6 runs planned: first result after {clock.first[0]:.1f} s; {clock.last[1]:,} done at "
        f"{rate:.0f} a second; driver {clock.memory:.0f} MB; {size / clock.last[1]:.0f} B a run"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--settle", type=int, help="stop after so many runs")
    arguments = parser.parse_args()
    if arguments.million:
        million(arguments.settle)
    else:
        overhead(arguments.runs)
