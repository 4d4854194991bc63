"""Speed and memory of the simulator, side by side and from one run: ``make bench``.

Every figure is measured here and now, each size in a process of its own (so that peak memory is
that of the size). ``--quick`` leaves out the long ones.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

EARLY = ("pretraining", "alignment_training", "agency_training", "deployment_agent3")
SIZES = (1_024, 10_240, 100_000, 300_000, 1_000_000)
ROW_BYTES = 32 * 4
BYTES_TOUCHED = {
    "expressed traits, read by conduct": ROW_BYTES,
    "score, output, violation, withheld, played, written": 3 * 4 + 1 + 2,
    "challenges: 3 draws written and read, scores read, parents written and read": 2 * 12 + 4 + 13,
    "9 % of copies: steps written and read, two rows of a parent read, two written": 9
    * 8
    * 128
    // 100,
    "15 % of copies in teams taken over: two rows read and two written": 15 * 6 * 128 // 100,
    "an eighth of all rows, looked at for their health": 2 * ROW_BYTES // 8,
    "draws of the exchange, written and read": 8,
}
"""Bytes that a round of Agent-4's training moves for each copy between processor and memory.

By count of the columns that it uses; a row that is written is read first. What a block of teams
hands on from step to step stays in cache and is not counted.
"""


def fresh(task: str, **options: Any) -> dict[str, Any]:
    """Run a task of this file in a new process; its figures."""
    words = [sys.executable, __file__, "--task", task, "--options", json.dumps(options)]
    done = subprocess.run(words, check=True, capture_output=True, text=True, env=_environment())
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


# --- tasks ----------------------------------------------------------------------------------------


SOON: dict[str, Any] = {f"phases.{phase}.rounds": 1 for phase in EARLY}
"""Parameters with which Agent-4 is trained from the fifth round on."""


def in_training(copies: int, threads: int | None = None) -> Any:
    """A model in the training of Agent-4."""
    from multicopy.model.collective import CollectiveModel

    model = CollectiveModel(rng=0, copies=copies, threads=threads, detail=False, **SOON)
    for _ in range(len(EARLY) + 3):
        model.step()
    assert model.schedule.turn(model.round).name == "training_agent4"
    return model


def task_rounds(copies: int, threads: int, rounds: int) -> dict[str, float]:
    """Seconds a round, time to build, peak memory beyond that of a model of 64 copies."""
    in_training(64)
    base = peak()
    start = time.perf_counter()
    model = in_training(copies, threads)
    built = time.perf_counter() - start
    best = min(timed(model.step) for _ in range(rounds))
    return {"seconds": best, "built": built, "bytes": (peak() - base) / copies}


def task_twin(copies: int) -> dict[str, float]:
    """Seconds of a training round of Agent-4 of the plain model, with the same draws."""
    from multicopy.model.plain.twin import Twin
    from multicopy.model.scenario import resolve

    twin = Twin(resolve(overrides={"copies": copies, **SOON}), 0)
    for _ in range(len(EARLY) + 1):
        twin.step()
    assert twin.schedule.turn(twin.steps).name == "training_agent4"
    return {"seconds": timed(twin.step)}


def task_parts(copies: int, threads: int | None, detail: bool) -> dict[str, Any]:
    """Seconds of a whole `ai2027`, by part of a round."""
    from multicopy.model.collective import CollectiveModel

    CollectiveModel(rng=0, copies=64, detail=detail).run()
    parts: dict[str, float] = defaultdict(float)
    start = time.perf_counter()
    model = CollectiveModel(rng=0, copies=copies, threads=threads, detail=detail)
    parts["build"] = time.perf_counter() - start
    for name in ("_work", "_find", "_train", "_compete", "_build", "_govern", "_record"):
        setattr(model, name, _clocked(getattr(model, name), parts, name.strip("_")))
    start = time.perf_counter()
    model.run()
    whole = time.perf_counter() - start
    parts["all else in a round"] = whole - (sum(parts.values()) - parts["build"])
    return {"seconds": whole, "parts": parts}


def _clocked(function: Any, parts: dict[str, float], name: str) -> Any:
    def clocked(*arguments: Any) -> Any:
        begun = time.perf_counter()
        result = function(*arguments)
        parts[name] += time.perf_counter() - begun
        return result

    return clocked


def timed(function: Any) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def peak() -> int:
    """Most memory that this process has had, bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def bandwidth() -> float:
    """Bytes a second that one thread reads and writes: the best copy of 256 MB."""
    source = np.ones(32 * 2**20)
    target = np.empty_like(source)
    best = min(timed(lambda: np.copyto(target, source)) for _ in range(5))
    return 2 * source.nbytes / best


def task_bandwidth() -> dict[str, float]:
    """Bytes a second; in a process of its own, whose peak memory others would inherit."""
    return {"bytes": bandwidth()}


TASKS = {"bandwidth": task_bandwidth, "rounds": task_rounds, "twin": task_twin, "parts": task_parts}
TWINS = (1_024, 10_240, 100_000)
"""Sizes at which the plain model (`model/plain`), the twin, is run too."""


# --- the table ------------------------------------------------------------------------------------


def command(*words: str) -> tuple[float, float]:
    """Seconds and peak megabytes of a command of run.py."""
    program = str(Path(__file__).parents[1] / "run.py")
    script = (
        "import resource, subprocess, sys; "
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", script, sys.executable, program, *words],
        check=True,
        capture_output=True,
        text=True,
    )
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return time.perf_counter() - start, int(done.stdout) / unit


def print_sizes(sizes: list[int], rounds: int) -> None:
    """Rates, memory and growth by size and threads."""
    moved = fresh("bandwidth")["bytes"]
    touched = sum(BYTES_TOUCHED.values())
    print(f"memory bandwidth of one thread {moved / 1e9:.1f} GB/s; by count a round moves")
    for what, count in BYTES_TOUCHED.items():
        print(f"  {count:>5} bytes a copy: {what}")
    print(
        f"\n{'copies':>9} {'threads':>7} {'build s':>8} {'ms/round':>9} {'M copies/s':>11} "
        f"{'of bandwidth':>12} {'growth':>7} {'bytes/copy':>10} {'twin ms':>9} {'times':>7}"
    )
    seconds: dict[tuple[int, int], float] = {}
    for copies in sizes:
        slow = fresh("twin", copies=copies)["seconds"] if copies in TWINS else None
        for threads in (1, 2):
            figures = fresh("rounds", copies=copies, threads=threads, rounds=rounds)
            took = seconds[copies, threads] = figures["seconds"]
            print(
                f"{copies:>9,} {threads:>7} {figures['built']:>8.2f} {took * 1e3:>9.2f} "
                f"{copies / took / 1e6:>11.2f} {copies * touched / took / moved:>12.2f} "
                f"{growth(seconds, copies, threads):>7} {figures['bytes']:>10.0f}"
                + (f" {slow * 1e3:>9.0f} {slow / took:>7.0f}" if slow else ""),
                flush=True,
            )
    for threads in (1, 2):
        print(
            f"growth from {SIZES[1]:,} to {sizes[-1]:,} copies, {threads} thread(s): "
            f"{growth(seconds, sizes[-1], threads, SIZES[1])}"
        )
    for copies in sizes:
        gain = seconds[copies, 1] / seconds[copies, 2]
        print(f"two threads are {gain:.2f} times as fast as one at {copies:,} copies")


def growth(
    seconds: dict[tuple[int, int], float], copies: int, threads: int, since: int | None = None
) -> str:
    """Exponent of time over copies, from the size before or from `since`; nothing at first."""
    smaller = [n for n, t in seconds if t == threads and n < copies]
    if not smaller:
        return ""
    start = since or smaller[-1]
    ratio = seconds[copies, threads] / seconds[start, threads]
    return f"{np.log(ratio) / np.log(copies / start):.2f}"


def print_parts(copies: int, threads: int | None, detail: bool) -> None:
    """A whole run by part of a round."""
    figures = fresh("parts", copies=copies, threads=threads, detail=detail)
    print(
        f"\nwhole ai2027, {copies:,} copies, {threads or 'default'} threads, "
        f"{'in full detail' if detail else 'without detail'}: {figures['seconds']:.2f} s of rounds"
    )
    for part, seconds in sorted(figures["parts"].items(), key=lambda item: -item[1]):
        print(f"  {seconds:>8.2f} s  {part.strip('_').replace('_', ' ')}")


def main() -> None:
    """Print all tables, or do one task for another process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="sizes up to 100,000 only")
    parser.add_argument("--rounds", type=int, default=10, help="rounds, of which the best counts")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("--options", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.task:
        print(json.dumps(TASKS[arguments.task](**arguments.options)))
        return
    sizes = [size for size in SIZES if size <= 100_000 or not arguments.quick]
    print_sizes(sizes, arguments.rounds)
    print_parts(4096, 1, False)
    with tempfile.TemporaryDirectory() as place:
        if not arguments.quick:
            print_parts(300_000, None, True)
            seconds, peak_mb = command(
                "run", "--copies", "300000", "--quiet", "--out", f"{place}/large"
            )
            print(f"\nrun.py run --copies 300000: {seconds:.1f} s, peak memory {peak_mb:.0f} MB")
        seconds, peak_mb = command("run", "--quiet", "--out", f"{place}/default")
        print(f"run.py run: {seconds:.1f} s, peak memory {peak_mb:.0f} MB")
        tiny = ("run", "--copies", "64", "--rounds-scale", "0.02", "--no-figures", "--quiet")
        seconds, _ = command(*tiny, "--out", f"{place}/tiny")
        print(f"run.py run of 64 copies, 17 rounds, without figures: {seconds:.2f} s")
    print(f"run.py --help: {min(command('--help')[0] for _ in range(3)):.2f} s")


if __name__ == "__main__":
    main()
