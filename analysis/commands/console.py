"""What commands print with, and the codes that they exit with."""

from __future__ import annotations

import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DONE, CHECK_FAILED, BAD_INPUT, SOME_FAILED, BROKEN, STOPPED = 0, 1, 2, 3, 70, 75
"""Exit codes; `SOME_FAILED`: of many runs; `BROKEN`: the simulator's own numbers went wrong."""

LONGEST = 600
"""Characters of a line that tells of an error; what quotes more of the input is cut."""

WIDTH = 100
"""Columns of what is printed; less on a narrower terminal."""


def say(text: str = "") -> None:
    """Print a line at once."""
    print(text, flush=True)


def tell_first_use() -> None:
    """Say that the inner loops are compiled first, if they are."""
    from multicopy.agents.machine.compiled import is_first_use

    if is_first_use():
        sys.stderr.write("note: compiling the inner loops (once, about 25 s) ...\n")
        sys.stderr.flush()


def complain(text: str, kind: str = "error") -> None:
    """Print an error, or what else `kind` says, a line each: what can be printed and read."""
    for line in text.split("\n"):
        told = "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
        if len(told) > LONGEST:
            told = f"{told[: LONGEST * 2 // 3]} ... {told[-LONGEST // 3 :]}"
        sys.stderr.write(f"{kind}: {told}\n")


def note(text: str) -> None:
    """Tell what the user should know."""
    complain(text, "note")


@contextmanager
def warnings_told() -> Iterator[None]:
    """Meanwhile Python's warnings are printed as lines, each once."""
    told = set[str]()

    def tell(message: Warning | str, *_: object, **__: object) -> None:
        if str(message) not in told:
            told.add(str(message))
            complain(str(message), "warning")

    with warnings.catch_warnings():
        warnings.showwarning = tell
        yield


def progress_bar(what: str) -> Callable[..., None]:
    """A function to be told (done, total, what else to say), which prints it, to a file in tenths.

    It is made when the work begins. What is done when it is first told, and what comes next, which
    may load and compile code, say nothing of how long the rest takes.
    """
    tell_first_use()
    start, pace = time.perf_counter(), Pace()
    printed, before = -1, -1

    def told(done: int, total: int, also: str = "") -> None:
        nonlocal printed, before
        before = done if before < 0 else before
        left = pace.left(done, total) if done > before else None
        line = f"{done:,} of {total:,} {what}{also}, {duration(time.perf_counter() - start)}"
        line += f", {duration(left)} left" if left else ""
        tenth = 10 * done // max(total, 1)
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{line:<90}" + ("\n" if done == total else ""))
        elif tenth > printed:
            sys.stderr.write(line + "\n")
        sys.stderr.flush()
        printed = tenth

    return told


def sweep_progress() -> Callable[[Any], None]:
    """A function to be told the status of a sweep."""
    tell = progress_bar("runs")

    def told(status: Any) -> None:
        also = f" on {status.workers} workers" if status.workers else ""
        also += f", {status.failed:,} failed" if status.failed else ""
        tell(status.done + status.failed, status.planned, also)

    return told


@contextmanager
def runs_kept(folder: Path, way_on: str) -> Iterator[None]:
    """A sweep meanwhile ends early on SIGTERM, as a batch system sends it, as on Ctrl-C.

    What ends it is told with the folder in which all is kept that is done, and with the way on.

    Raises
    ------
    KeyboardInterrupt
        Whatever ended it early; its message says how.
    """
    from multicopy.analysis.many.driver import Stopped

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except (Stopped, KeyboardInterrupt, OSError) as end:
        why = f": {end}" if isinstance(end, Stopped) else ""
        if isinstance(end, OSError):
            why = f": {folder}: {end.strerror or end}"
        kept = f"what is done is kept in {folder}; {way_on} goes on"
        told = kept if folder.exists() else "nothing was begun"
        raise KeyboardInterrupt(f"early{why}; {told}") from end
    finally:
        signal.signal(signal.SIGTERM, before)


class Pace:
    """How fast something goes, counted from the first call on."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None

    def rate(self, done: int) -> float | None:
        """Things a second since the first call; None while that is not known."""
        now = time.perf_counter()
        self._first = self._first or (done, now)
        before, start = self._first
        return (done - before) / (now - start) if done > before and now > start else None

    def left(self, done: int, total: int) -> float | None:
        """Seconds that are left; None if that is not known, or nothing is."""
        rate = self.rate(done)
        return (total - done) / rate if rate and done < total else None


def print_table(rows: Sequence[Sequence[str]], heads: Sequence[str], title: str = "") -> None:
    """Print a table as wide as it needs to be; its cells are text, whatever they look like."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=None)
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*row)
    width = None if sys.stdout.isatty() else 120
    Console(width=width, markup=False, emoji=False).print(table)


def duration(seconds: float) -> str:
    """A time in words, as exact as one wants to know it."""
    if seconds < 9.5:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
