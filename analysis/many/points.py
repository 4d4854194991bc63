"""The points of a design, by SciPy's and SALib's samplers, and the runs at them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multicopy.analysis.many.design import Design, Method
from multicopy.analysis.many.factors import Factor


@dataclass(frozen=True, slots=True)
class Job:
    """One run: where it stands in the plan, its seed, and what its point holds."""

    run: int
    point: int
    replicate: int
    seed: int
    held: tuple[Any, ...]


class Plan:
    """All runs of a design: run r is replicate ``r % replicates`` of point ``r // replicates``.

    Only a number for each point and factor is kept; runs are made when they are asked for.
    """

    def __init__(self, design: Design) -> None:
        self.design = design
        self.factors = design.parsed()
        self._columns = columns(design, self.factors)
        self.points = len(self._columns[0])
        self.replicates = design.runs_a_point

    def __len__(self) -> int:
        return self.points * self.replicates

    def held(self, point: int) -> tuple[Any, ...]:
        """What a point holds, factor by factor."""
        return tuple(column[point].item() for column in self._columns)

    def job(self, run: int) -> Job:
        """One run."""
        point, replicate = divmod(run, self.replicates)
        if self.design.seeds is not None:
            seed = self.design.seeds[replicate]
        elif self.design.random_numbers == "common":
            seed = _seed(self.design.seed, replicate)
        else:
            seed = _seed(self.design.seed, point, replicate)
        return Job(run, point, replicate, seed, self.held(point))

    def jobs(self, runs: Sequence[int]) -> Iterator[Job]:
        """Runs by their numbers."""
        return (self.job(run) for run in runs)


def _seed(*key: int) -> int:
    """A seed from the design's and a place in it."""
    sequence = np.random.SeedSequence(key[0], spawn_key=key[1:])
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


def columns(design: Design, factors: Sequence[Factor]) -> list[NDArray[Any]]:
    """What the points hold, a column a factor; in a grid the last factor changes fastest."""
    if design.method != "grid":
        unit = unit_points(design, len(factors))
        return [factor.from_unit(unit[:, i]) for i, factor in enumerate(factors)]
    sizes = [len(factor.levels) for factor in factors]
    place = np.arange(int(np.prod(sizes)))
    return [column.astype(np.int32) for column in np.unravel_index(place, sizes)]


def unit_points(design: Design, width: int) -> NDArray[np.float64]:
    """Points in the unit cube, a row each, by the method of a design that is not a grid."""
    return _unit_points(design.method, design.samples or 0, design.seed, width)


@lru_cache(1)
def _unit_points(method: Method, count: int, seed: int, width: int) -> NDArray[np.float64]:
    """The same; the last ones are kept, since a design is checked, run and analyzed."""
    from scipy.stats import qmc

    rng = np.random.default_rng(np.random.SeedSequence(seed))
    if method == "random":
        return rng.random((count, width))
    if method == "latin":
        return np.asarray(qmc.LatinHypercube(width, rng=rng).random(count))
    if method == "sobol":
        return np.asarray(qmc.Sobol(width, rng=rng).random(count))
    problem = unit_problem(width)
    if method == "saltelli":
        from SALib.sample import sobol

        return np.asarray(sobol.sample(problem, count, calc_second_order=False, seed=rng))
    from SALib.sample.morris import sample

    return np.asarray(sample(problem, count, num_levels=4, seed=rng))


def unit_problem(width: int) -> dict[str, Any]:
    """SALib's description of the unit cube."""
    names = [f"x{i}" for i in range(width)]
    return {"num_vars": width, "names": names, "bounds": [[0.0, 1.0]] * width}
