"""The simulator beside its peers: ``make peers``.

EGTTools computes fixation probabilities of two-strategy games under the Fermi rule; the simulator
measures them with its own challenges (T3).
"""

import argparse
import time

import numpy as np
from egttools.analytical import PairwiseComparison
from egttools.games import Matrix2PlayerGameHolder

from multicopy.analysis.questions.theory import fixation

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


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=4000)
    print_games(parser.parse_args().replicates)


if __name__ == "__main__":
    main()
