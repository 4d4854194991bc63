"""The simulator beside its peers: ``make peers``.

EGTTools computes fixation probabilities of two-strategy games under the Fermi rule; the simulator
measures them with its own challenges (T3). The plain-Mesa twin does a training round of Agent-4
copy by copy, from the same states as the columns.
"""

import argparse
import time

import numpy as np
from bench import in_training
from egttools.analytical import PairwiseComparison
from egttools.games import Matrix2PlayerGameHolder
from twin import Twin

from agents.traits import NAMES
from analysis.theory import fixation

GAMES = {
    "prisoner's dilemma": [[3.0, 0.0], [5.0, 1.0]],
    "stag hunt": [[4.0, 1.0], [3.0, 2.0]],
    "snowdrift": [[3.0, 2.0], [4.0, 0.0]],
}
SETTINGS = ((10, 0.1), (20, 0.1), (20, 0.5))


def print_games(replicates: int) -> None:
    """Fixation of strategy 0 in strategy 1: closed form, EGTTools, the simulator, with times."""
    print(
        f"{'game':<20}{'N':>4}{'beta':>6}{'closed form':>13}{'EGTTools':>13}{'ms':>8}"
        f"{'simulator':>13}{'± s.e.':>9}{'z':>7}{'ms':>8}"
    )
    for name, game in GAMES.items():
        payoff = np.array(game)
        for n, beta in SETTINGS:
            start = time.perf_counter()
            holder = Matrix2PlayerGameHolder(2, payoff)  # they do not keep it alive
            peer = PairwiseComparison(n, holder)
            theirs = peer.calculate_fixation_probability(0, 1, beta)
            middle = time.perf_counter()
            rng = np.random.default_rng(n)
            check, _ = fixation.t3_game(replicates, rng, n=n, beta=beta, game=game)
            end = time.perf_counter()
            print(
                f"{name:<20}{n:>4}{beta:>6}{check.exact:>13.6f}{theirs:>13.6f}"
                f"{1e3 * (middle - start):>8.2f}{check.measured:>13.6f}{check.se:>9.4f}"
                f"{check.z:>7.2f}{1e3 * (end - middle) / 2:>8.0f}"
            )


def print_round(copies: int, seeds: int) -> None:
    """Means after one training round of the columns and of the twin, over seeds."""
    measures = ("score", "output", "capture", "keep_team", "withhold_threatening", "gaming")
    columns, twins, times = [], [], [0.0, 0.0]
    for seed in range(seeds):
        model = in_training(copies, 1, seed)
        twin = Twin(model, seed)
        start = time.perf_counter()
        twin.step()
        middle = time.perf_counter()
        model.step()
        times[0] += middle - start
        times[1] += time.perf_counter() - middle
        row, expressed = model.records.rows[-1], np.array([c.traits for c in twin.copies])
        columns.append([row[name] for name in measures])
        seats = [overseer.capture for panel in twin.panels for overseer in panel]
        means = dict(zip(NAMES, expressed.mean(axis=0), strict=True))
        means |= {
            "score": np.mean([c.score for c in twin.copies]),
            "output": np.mean([c.output for c in twin.copies]),
            "capture": np.mean(seats),
        }
        twins.append([means[name] for name in measures])
    print(f"\none training round of {copies:,} copies, {seeds} seeds, from the same states")
    print(f"{'mean':<24}{'columns':>12}{'twin':>12}{'difference':>12}{'± s.e.':>10}{'z':>7}")
    difference = np.array(twins) - np.array(columns)
    for k, name in enumerate(measures):
        off, se = difference[:, k].mean(), difference[:, k].std(ddof=1) / np.sqrt(seeds)
        print(
            f"{name:<24}{np.mean(columns, axis=0)[k]:>12.5f}{np.mean(twins, axis=0)[k]:>12.5f}"
            f"{off:>12.5f}{se:>10.5f}{off / max(se, 1e-12):>7.2f}"
        )
    print(
        f"twin {1e3 * times[0] / seeds:.1f} ms a round, columns {1e3 * times[1] / seeds:.2f} ms: "
        f"{times[0] / times[1]:.0f} times as fast"
    )


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=4000)
    parser.add_argument("--copies", type=int, default=1024)
    parser.add_argument("--seeds", type=int, default=40)
    arguments = parser.parse_args()
    print_games(arguments.replicates)
    print_round(arguments.copies, arguments.seeds)


if __name__ == "__main__":
    main()
