"""Compiled loops over copies, and the threads that share them.

A *kernel* is a function ``kernel(first, last, ...)`` that does a piece of a round for the teams (or
rows) from `first` up to `last` and writes only there, so the result does not depend on who does
which of them, nor in what order.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any, Final

try:
    import numba
except ImportError as error:  # pragma: no cover
    raise ImportError(
        "Multicopy needs Numba, which compiles its inner loops: install what pyproject.toml names"
    ) from error

WORTH_A_THREAD: Final = 8192
"""Copies from which on a second thread saves more than it costs to wake."""


def compiled(function: Callable[..., Any], inline: bool = False) -> Any:
    """Compile a function on first use, releasing the interpreter lock; keep it on disk if possible.

    Floating-point operations are neither reordered nor fused, so results do not depend on how the
    loop is vectorized.
    """
    options = {"nogil": True, "error_model": "numpy", "inline": "always" if inline else "never"}
    try:
        return numba.njit(function, cache=True, **options)
    except RuntimeError:  # Numba found no directory that it may write into
        _warn_of_no_cache()
        return numba.njit(function, **options)


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a small function into the loop that calls it, which may then be vectorized."""
    return compiled(function, inline=True)


@cache
def _warn_of_no_cache() -> None:
    warnings.warn(
        "neither the program's folder nor the user's cache can be written, so the inner loops are "
        "compiled anew in each process (about 20 s); NUMBA_CACHE_DIR names another place",
        stacklevel=4,
    )


@compiled
def average(values):  # type: ignore[no-untyped-def]
    """Arithmetic mean of a contiguous array, as a float; adds in the order of the entries."""
    total = 0.0
    for value in values.flat:
        total += value
    return total / values.size


class Crew:
    """Threads that share the teams of one population.

    Parameters
    ----------
    threads
        How many, at least 1; by default as many as this process may use for a population large
        enough to keep them busy, else 1.
    copies
        Size of the population.
    """

    def __init__(self, copies: int, threads: int | None = None) -> None:
        if threads is None:
            threads = len(os.sched_getaffinity(0)) if copies >= WORTH_A_THREAD else 1
        self.threads = threads

    def share(self, kernel: Callable[..., None], teams: int, *arguments: Any) -> None:
        """Run a kernel over all teams."""
        if self.threads == 1 or teams < 2 * self.threads:
            kernel(0, teams, *arguments)
            return
        ends = [teams * i // self.threads for i in range(self.threads + 1)]
        pool = _pool(self.threads - 1)
        others = [
            pool.submit(kernel, first, last, *arguments) for first, last in pairwise(ends[1:])
        ]
        kernel(0, ends[1], *arguments)
        for other in others:
            other.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="crew")
