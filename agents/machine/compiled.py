"""Compiled loops over copies, and the threads that share them.

A *kernel* is a function ``kernel(first, last, ...)`` that does a piece of a round for the teams (or
rows) from `first` up to `last` and writes only there, so the result does not depend on who does
which of them, nor in what order.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from multicopy.agents.machine.arrays import Floats, Reals

try:
    import numba
    from llvmlite import ir
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic
except ImportError as error:  # pragma: no cover
    raise ImportError(
        "Multicopy needs Numba, which compiles its inner loops: install what pyproject.toml names"
    ) from error
if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
    raise ImportError(
        f"NUMBA_DISABLE_JIT = {os.environ.get('NUMBA_DISABLE_JIT')!r} is not allowed: "
        "Multicopy's inner loops have to be compiled; unset it"
    )

BLOCK: Final = 512
"""Copies that a kernel works on at a time, in whole teams, so that what it keeps stays in cache."""

ZERO, ONE = np.float32(0.0), np.float32(1.0)
"""Constants for loops in single precision; double ones would make the loops slower."""

WORTH_A_THREAD: Final = 8192
"""Copies from which on a second thread saves more than it costs to wake."""


def compiled(function: Callable[..., Any], inline: bool = False) -> Any:
    """Compile a function on first use, releasing the interpreter lock; keep it on disk if possible.

    Floating-point operations are neither reordered nor fused, so results do not depend on how the
    loop is vectorized.
    """
    options: Any = {
        "nogil": True,
        "error_model": "numpy",
        "inline": "always" if inline else "never",
    }
    return numba.njit(function, cache=CACHE is not None, **options)


def _cache() -> Path | None:
    """Folder for compiled code, named after the sources; None if none can be written.

    Numba looks only at the file of a function, and would keep using what was inlined from another
    file that has changed since. It does not use what was compiled from a file that has moved or was
    written anew, even with the same text: then the folder is another too, see `is_first_use`.
    """
    parts = ("agents/machine", "agents", "model")
    sources = sorted(path for part in parts for path in (_ROOT / part).glob("*.py"))
    hashed = sha256()
    for path in sources:
        hashed.update(f"{path}:{path.stat().st_mtime_ns}:".encode(errors="surrogateescape"))
        hashed.update(path.read_bytes())
    digest = hashed.hexdigest()[:16]
    named = os.environ.get("NUMBA_CACHE_DIR")
    places = [Path.home() / ".cache" / "multicopy"]
    if (_ROOT.parent / "run.py").is_file():  # the checkout; what is installed is left as it is
        places.insert(0, _ROOT.parent / ".compiled")
    if named:
        places = [Path(named)]
    for place in places:
        with suppress(OSError, RuntimeError):
            (place / digest).mkdir(parents=True, exist_ok=True)
            if os.access(place / digest, os.W_OK):
                return place / digest
    warnings.warn(
        f"{' and '.join(map(str, places))} cannot be written, so the inner loops are compiled anew "
        "in each process (about 25 s); the variable NUMBA_CACHE_DIR names another place",
        stacklevel=2,
    )
    return None


_ROOT: Final = Path(__file__).absolute().parents[2]
CACHE: Final = _cache()
"""Where compiled code is kept."""
if CACHE is not None:
    numba.config.CACHE_DIR = str(CACHE)  # type: ignore[attr-defined]


def is_first_use() -> bool:
    """Whether nothing is compiled yet, so that the first rounds take some seconds longer."""
    return CACHE is None or next(CACHE.rglob("*.nbi"), None) is None


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a small function into the loop that calls it, which may then be vectorized."""
    return compiled(function, inline=True)


@compiled
def add_times(factor: float, values: Reals, sums: Reals) -> None:
    """Add a multiple of some values to sums."""
    for i in range(len(values)):
        sums[i] += factor * values[i]


@compiled
def average(values: Reals) -> float:
    """Arithmetic mean of a contiguous array, as a float.

    It keeps many sums, since each addition would wait for the one before; and always as many, so
    that the result is the same on every machine.
    """
    flat = values.reshape(-1)
    sums = np.zeros(BLOCK)
    for begin in range(0, len(flat), BLOCK):
        part = flat[begin : begin + BLOCK]
        for k in range(len(part)):
            sums[k] += part[k]
    added = 0.0
    for k in range(BLOCK):
        added += sums[k]
    return added / len(flat)


@compiled
def team_means(column: NDArray[Any], size: int, means: Floats) -> None:
    """Write the mean of a column in each team."""
    for team in range(len(means)):
        added, mine = 0.0, column[team * size : (team + 1) * size]
        for i in range(size):
            added += mine[i]
        means[team] = added / size


@compiled
def column_means(table_: Reals, means: Floats) -> None:
    """Write the mean of each column of a contiguous two-dimensional array."""
    means[:] = 0.0
    for i in range(len(table_)):
        row = table_[i]
        for k in range(len(means)):
            means[k] += row[k]
    for k in range(len(means)):
        means[k] /= len(table_)


@compiled
def copy_to(values: Reals, out: Reals) -> None:
    """Copy values; unlike a copy of slices, a loop that converts types is vectorized."""
    for i in range(len(out)):
        out[i] = values[i]


def table(width: int, copies: int, dtype: Any = np.float64) -> Any:
    """An empty array of shape (copies, width) that keeps each of its columns together.

    Loops over the copies of one column are then vectorized; `columns_of` gives the columns.
    """
    return np.empty((width, copies), dtype).T


def columns_of(values: Any, dtype: Any = None) -> Any:
    """The columns of an array of shape (copies, width), as a contiguous one of (width, copies).

    The same memory if that is how the array keeps them (and its type is `dtype`, if one is asked).
    """
    return np.ascontiguousarray(np.asarray(values).T, dtype)


def _prefetch(typing: Any, rows: Any, row: Any, column: Any) -> Any:
    """Ask for the line of the cache that holds an entry of a contiguous two-dimensional array.

    It changes nothing.

    Rows picked here and there come from memory one after the other, and each takes as long as some
    hundred operations, unless they are asked for ahead.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(rows)(context, builder, arguments[0])
        strides = cgutils.unpack_tuple(builder, array.strides)  # type: ignore[no-untyped-call]
        byte = ir.IntType(8).as_pointer()
        at = builder.bitcast(array.data, byte)
        for argument, kind, stride in zip(arguments[1:], (row, column), strides, strict=True):
            index = context.cast(builder, argument, kind, types.intp)
            at = builder.gep(at, [builder.mul(index, stride)])
        flag = ir.IntType(32)
        takes = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        hint = builder.module.declare_intrinsic("llvm.prefetch", [byte], takes)
        read, near, data = (ir.Constant(flag, value) for value in (0, 3, 1))
        builder.call(hint, [at, read, near, data])
        return context.get_dummy_value()

    return types.void(rows, row, column), generate


prefetch: Any = intrinsic(_prefetch)


def processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_limit = [processors()]


def limit_threads(threads: int) -> None:
    """Let crews made from now on have no more threads than this."""
    _limit[0] = threads


class Crew:
    """Threads that share the teams of one population.

    Parameters
    ----------
    copies
        Size of the population.
    threads
        How many, at least 1; by default as many as this process may use (see `limit_threads`) for
        a population large enough to keep them busy, else 1.
    """

    def __init__(self, copies: int, threads: int | None = None) -> None:
        if threads is None:
            threads = _limit[0] if copies >= WORTH_A_THREAD else 1
        self.threads = threads

    def share(self, kernel: Callable[..., None], teams: int, *arguments: Any) -> None:
        """Run a kernel over all teams."""
        if self.threads == 1 or teams < 2 * self.threads:
            kernel(0, teams, *arguments)
            return
        ends = [teams * i // self.threads for i in range(self.threads + 1)]
        jobs, done = _helpers(self.threads - 1), SimpleQueue[BaseException | None]()
        for first, last in pairwise(ends[1:]):
            jobs.put((kernel, (first, last, *arguments), done))
        kernel(0, ends[1], *arguments)
        for error in [done.get() for _ in ends[2:]]:
            if error is not None:
                raise error


def alone(kernel: Callable[..., None], teams: int, *arguments: Any) -> None:
    """Run a kernel over all teams in this thread: for what is done before another would wake."""
    kernel(0, teams, *arguments)


@cache
def _helpers(threads: int) -> SimpleQueue[Any]:
    """Where jobs are put for threads that only help; a queue wakes one sooner than a future."""
    jobs: SimpleQueue[Any] = SimpleQueue()
    for number in range(threads):
        Thread(target=_help, args=(jobs,), name=f"crew-{number}", daemon=True).start()
    return jobs


def _help(jobs: SimpleQueue[Any]) -> None:
    while True:
        kernel, arguments, done = jobs.get()
        error = None
        try:
            kernel(*arguments)
        except BaseException as raised:  # for the thread that waits for it
            error = raised
        done.put(error)
        del kernel, arguments, done, error  # or the arrays of the last job would stay


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_helpers.cache_clear)  # threads do not outlive a fork
