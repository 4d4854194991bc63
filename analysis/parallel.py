"""Run independent jobs over the cores, in order, with progress."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

from agents import compiled
from analysis import plugins

Job = TypeVar("Job")
Result = TypeVar("Result")


def run_all(
    function: Callable[[Job], Result], jobs: Sequence[Job], workers: int | None = None
) -> Iterator[Result]:
    """Yield ``function(job)`` for each job, in the order of the jobs.

    Parameters
    ----------
    function
        A function at the top level of a module.
    jobs
        Its arguments, which can be pickled.
    workers
        Processes to use, by default one a core; 0 runs the jobs in this process.
    """
    count = os.cpu_count() or 1 if workers is None else workers
    if count == 0 or len(jobs) <= 1:
        yield from map(function, jobs)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        min(count, len(jobs)),
        mp_context=context,
        initializer=_begin_worker,
        initargs=(tuple(plugins.loaded()),),
    ) as executor:
        yield from executor.map(function, jobs)


def _begin_worker(plugged: Sequence[str]) -> None:
    one_thread()
    plugins.load(plugged)


def one_thread() -> None:
    """Keep this process to one core: the runs are the parallel part."""
    threadpool_limits(1)
    compiled.limit_threads(1)
