"""What commands print with, and the codes that they exit with."""

from __future__ import annotations

import os
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
    """Print a line; once nobody reads any more, go on without a word."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        mute()


def mute() -> None:
    """Send what is still printed nowhere, so that Python does not complain at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(text: str, kind: str = "error") -> None:
    """Tell an error, a line each: only what can be printed, and no more than can be read."""
    for line in text.split("\n"):
        told = "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
        if len(told) > LONGEST:
            told = f"{told[: LONGEST * 2 // 3]} ... {told[-LONGEST // 3 :]}"
        sys.stderr.write(f"{kind}: {told}\n")


@contextmanager
def warnings_told() -> Iterator[None]:
    """Warnings of Python's are told as lines meanwhile, each once."""
    told = set[str]()

    def tell(message: Warning | str, *_: object, **__: object) -> None:
        if str(message) not in told:
            told.add(str(message))
            complain(str(message), "warning")

    with warnings.catch_warnings():
        warnings.showwarning = tell
        yield


def progress_bar(what: str) -> Callable[[int, int], None]:
    """A function to be told (done, total); without a terminal it prints ten lines."""
    start, printed = time.perf_counter(), [0]

    def told(done: int, total: int) -> None:
        seconds = time.perf_counter() - start
        left = seconds / done * (total - done)
        line = f"{done}/{total} {what}, {seconds:.0f} s, {left:.0f} s left"
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{line}   " + ("\n" if done == total else ""))
            sys.stderr.flush()
        elif done == total or 10 * done // total > printed[0]:
            printed[0] = 10 * done // total
            sys.stderr.write(line + "\n")

    return told


def print_table(rows: Sequence[Sequence[str]], heads: Sequence[str], title: str = "") -> None:
    """Print a table as wide as it needs to be."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=None)
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def duration(seconds: float) -> str:
    """A time in words, as exact as one wants to know it."""
    if seconds < 9.5:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
