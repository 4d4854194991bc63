"""What commands print with, and the codes that they exit with."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

DONE, CHECK_FAILED, BAD_INPUT, BROKEN, STOPPED = 0, 1, 2, 70, 75
"""Exit codes; `BROKEN`: the simulator's own numbers went wrong."""

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
    """Print errors, a line each: only printable characters, and no more than can be read."""
    for line in text.split("\n"):
        told = "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
        if len(told) > LONGEST:
            told = f"{told[: LONGEST * 2 // 3]} ... {told[-LONGEST // 3 :]}"
        sys.stderr.write(f"{kind}: {told}\n")


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


def progress_bar(what: str) -> Callable[[int, int], None]:
    """A function to be told (done, total); without a terminal it prints ten lines.

    It is made when the work begins. What comes first, which may load and compile code, says nothing
    of how long the rest takes.
    """
    tell_first_use()
    start, printed, first = time.perf_counter(), [0], Pace()

    def told(done: int, total: int) -> None:
        left = first.left(done, total)
        seconds = time.perf_counter() - start
        line = f"{done}/{total} {what}, {seconds:.0f} s" + (f", {left:.0f} s left" if left else "")
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{line}   " + ("\n" if done == total else ""))
            sys.stderr.flush()
        elif done == total or 10 * done // total > printed[0]:
            printed[0] = 10 * done // total
            sys.stderr.write(line + "\n")

    return told


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
