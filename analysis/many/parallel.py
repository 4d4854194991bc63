"""Run independent jobs over the cores, in order, with progress."""

from __future__ import annotations

import ast
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TypeVar

from threadpoolctl import threadpool_limits

from multicopy.agents.machine import compiled
from multicopy.analysis.files import plugins, standard_streams
from multicopy.model.scenario import InputError

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

    Raises
    ------
    InputError
        If the script that asks for it would do so in each of the processes again.
    ChildProcessError
        If a process ends before its job.
    """
    count = os.cpu_count() or 1 if workers is None else workers
    if count == 0 or len(jobs) <= 1:
        yield from map(function, jobs)
        return
    require_main_guard()
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(
            min(count, len(jobs)),
            mp_context=context,
            initializer=_begin_worker,
            initargs=(tuple(plugins.loaded()),),
        ) as executor:
            yield from executor.map(function, jobs)
    except BrokenProcessPool:
        raise ChildProcessError(
            "a worker process ended before its job, most likely for lack of memory; "
            "fewer --workers need less"
        ) from None


def require_main_guard() -> None:
    """Refuse to start processes for a script that would start them in each of them again.

    Processes import the script that is run; what it does outside of ``if __name__ == "__main__":``
    they do too.

    Raises
    ------
    InputError
        If the line of the script that asks for it stands outside.
    """
    main, frame = sys.modules["__main__"], sys._getframe()
    path = getattr(main, "__file__", None)
    while frame is not None and frame.f_globals is not vars(main):
        frame = frame.f_back  # type: ignore[assignment]
    while frame is not None and frame.f_code.co_name != "<module>":
        frame = frame.f_back  # type: ignore[assignment]
    if frame is None or path is None or not Path(path).is_file():
        return
    line = frame.f_lineno
    for node in ast.walk(ast.parse(Path(path).read_bytes())):
        if not isinstance(node, ast.If) or not node.lineno <= line <= (node.end_lineno or line):
            continue
        if "__name__" in ast.unparse(node.test):
            return
    raise InputError(
        f"{path}, line {line}: starts processes that import this script, and would start more: "
        'put it under `if __name__ == "__main__":`, or say workers=0'
    )


def _begin_worker(plugged: Sequence[str]) -> None:
    standard_streams.secure()
    one_thread()
    plugins.load(plugged)


def one_thread() -> None:
    """Keep this process to one core: the runs are the parallel part."""
    threadpool_limits(1)
    compiled.limit_threads(1)
