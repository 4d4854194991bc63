"""Speed and memory of the simulator at several sizes, printed side by side.

Every row is measured in this one run: time to build, rounds of Agent-4's training after a warm-up,
agent-rounds a second, and the memory of the population's columns.
"""

import argparse
import time

from agents.population import COLUMNS
from model.collective import CollectiveModel
from model.phases import Turn

WARM_UP = 2


def measure(copies: int, rounds: int) -> tuple[float, float, float]:
    """Seconds to build, seconds a round, bytes a copy of the columns."""
    start = time.perf_counter()
    model = CollectiveModel(rng=0, copies=copies, **{f"phases.{p}.rounds": 1 for p in EARLY})
    built = time.perf_counter() - start
    for _ in range(len(EARLY) + WARM_UP):
        model.step()
    turn: Turn = model.schedule.turn(model.round)
    assert turn.name == "training_agent4", turn.name
    start = time.perf_counter()
    for _ in range(rounds):
        model.step()
    a_round = (time.perf_counter() - start) / rounds
    columns = sum(model.population.__dict__[column.name].nbytes for column in COLUMNS)
    return built, a_round, columns / copies


EARLY = ("pretraining", "alignment_training", "agency_training", "deployment_agent3")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024, 4096, 32768, 131072])
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    print(
        f"{'copies':>9} {'build s':>9} {'s/round':>9} {'M agent-rounds/s':>17} {'bytes/copy':>11}"
    )
    for copies in options.sizes:
        built, a_round, size = measure(copies, options.rounds)
        rate = copies / a_round / 1e6
        print(f"{copies:>9} {built:>9.2f} {a_round:>9.4f} {rate:>17.2f} {size:>11.0f}")


if __name__ == "__main__":
    main()
