"""Whether rounds have become much slower: ``make bench-ratio``, some seconds.

A round of Agent-4's training is timed beside a fixed piece of work in plain Python and NumPy, turn
by turn in one process, so that a fast machine or a busy one does both alike. The speed is how many
rounds are done in the time of one such piece. Its median of five is compared with the one in
`expected.toml`; only less than half of that is a failure (exit code 1).
"""

import sys
import time
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

import numpy as np
from bench import EARLY

from multicopy.model.collective import CollectiveModel

EXPECTED = Path(__file__).with_name("expected.toml")
MEASUREMENTS = 5
ROUNDS = 24
"""Rounds in a measurement."""

LEAST = 0.5
"""Share of the expected speed below which rounds are too slow."""


def in_training(copies: int) -> CollectiveModel:
    """A model in Agent-4's training, its loops compiled, that records all and has one thread."""
    early = {f"phases.{phase}.rounds": 1 for phase in EARLY}
    model = CollectiveModel(rng=0, copies=copies, threads=1, **early)
    for _ in range(len(EARLY) + 3):
        model.step()
    return model


def fixed_work(copies: int) -> Callable[[], None]:
    """Work like that of a round: some of the interpreter's, and some for each copy.

    Nothing of it is the simulator's, nor of the kind that NumPy does in another way on each
    processor. Its size must stay as it is, or `expected.toml` is to be measured anew.
    """
    rng = np.random.default_rng(0)
    rows = rng.random((copies, 32), dtype=np.float32)
    order = rng.permutation(copies)

    def work() -> None:
        total = 0
        for i in range(20_000):
            total += i
        taken = rows.take(order, axis=0)
        for _ in range(4):
            np.sqrt(taken * rows, out=taken)
        taken.sum(axis=1)

    return work


def seconds(work: Callable[[], None]) -> float:
    """Processor time of one call, in which waiting for others does not count."""
    start = time.process_time()
    work()
    return time.process_time() - start


def speeds(copies: int) -> list[float]:
    """Rounds in the time of one piece of fixed work, once for each measurement."""
    model, work = in_training(copies), fixed_work(copies)
    work()
    measured = []
    for _ in range(MEASUREMENTS):
        turns = [(seconds(work), seconds(model.step)) for _ in range(ROUNDS)]
        fixed, rounds = map(sum, zip(*turns, strict=True))
        measured.append(fixed / rounds)
    return measured


def too_slow(measured: Mapping[int, list[float]], expected: Mapping[int, float]) -> list[int]:
    """Numbers of copies at which the median is below half of what is expected."""
    return [n for n, each in measured.items() if median(each) < LEAST * expected[n]]


def main() -> int:
    """Print all measurements beside what is expected; 1 if rounds are too slow, else 0."""
    told = tomllib.loads(EXPECTED.read_text("utf-8"))
    expected = {int(copies): speed for copies, speed in told["speed"].items()}
    print(f"rounds in the time of one piece of fixed work; expected as of {told['measured']}")
    measured = {copies: speeds(copies) for copies in expected}
    for copies, each in measured.items():
        print(
            f"{copies:>9,} copies: {' '.join(f'{speed:.2f}' for speed in each)}, "
            f"median {median(each):.2f}, expected {expected[copies]:.2f}"
        )
    slow = too_slow(measured, expected)
    for copies in slow:
        print(f"with {copies:,} copies, rounds are less than half as fast as expected")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
