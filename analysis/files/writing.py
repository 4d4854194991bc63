"""Files that are there whole or not at all, whenever the process or the machine ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of `path` once all of it is on the disk.

    It is written under a temporary name beside `path`: a dot before the name, `.part` after it.
    What ends the block early leaves `path` as it was.

    Raises
    ------
    OSError
        If it cannot be written; it names `path`.
    """
    temporary, done = path.with_name(f".{path.name}.part"), False
    try:
        # What lies there may be a link to somewhere else: it is not followed.
        temporary.unlink(missing_ok=True)
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        done = True
        flush(path.parent)
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(temporary)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        if not done:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def flush(folder: Path) -> None:
    """Let what was renamed in a folder outlive the machine."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
