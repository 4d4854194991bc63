"""The standard streams of a process: printing never ends the work that is printed about.

After `secure`, what nobody reads any more is dropped, and so is what goes to a stream that was
closed from the start. Anything else that keeps the output from being written, such as a full disk,
is remembered for the end of the command, see `lost`.
"""

from __future__ import annotations

import io
import os
import sys
from select import select
from typing import Any, TextIO

NAMES = ("stdin", "stdout", "stderr")
"""By their descriptors, 0 to 2."""


class Unfailing(io.FileIO):
    """A descriptor that can always be written to.

    Once that fails it leads nowhere, also for the processes that are started from then on.
    """

    fault: OSError | None = None

    def write(self, data: Any) -> int:
        """Write what there is; all of it is lost if nobody reads it or it cannot be written."""
        try:
            while (count := super().write(data)) is None:
                select([], [self], [])  # another process has made the pipe one that does not wait
            return count
        except OSError as error:
            if not isinstance(error, (BrokenPipeError, ConnectionResetError)):
                self.fault = error
            _lead_nowhere(self.fileno())
            return memoryview(data).nbytes


def secure() -> None:
    """Make the standard streams of this process unfailing; what replaced them is left alone."""
    for number, name in enumerate(NAMES):
        stream = getattr(sys, name)
        if not _is_open(number):
            _lead_nowhere(number)
            stream = io.TextIOWrapper(io.FileIO(number, "r" if number == 0 else "w", closefd=False))
            _replace(name, stream)
        if number and stream is getattr(sys, f"__{name}__"):
            _replace(name, _unfailing(stream, "replace" if name == "stdout" else stream.errors))


def _unfailing(stream: Any, errors: str) -> TextIO:
    """A stream like another, which it takes the place of."""
    raw = Unfailing(stream.fileno(), "w", closefd=False)
    unbuffered = isinstance(stream.buffer, io.RawIOBase)
    return io.TextIOWrapper(
        raw if unbuffered else io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=errors,
        newline="\n",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def lost() -> OSError | None:
    """Why some of what was printed on standard output could not be written, if so."""
    sys.stdout.flush()
    buffer = getattr(sys.stdout, "buffer", None)
    return getattr(getattr(buffer, "raw", buffer), "fault", None)


def _replace(name: str, stream: TextIO) -> None:
    setattr(sys, name, stream)
    setattr(sys, f"__{name}__", stream)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _lead_nowhere(descriptor: int) -> None:
    """Let nothing come from a descriptor and nothing written to it stay; child processes too."""
    null = os.open(os.devnull, os.O_RDWR)
    if null != descriptor:
        os.dup2(null, descriptor)
        os.close(null)
    os.set_inheritable(descriptor, True)
