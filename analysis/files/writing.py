"""Files that are there whole or not at all, whenever a process ends, and folders that one holds."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from multicopy.analysis.files import places
from multicopy.model.scenario import InputError


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


@contextmanager
def held(folder: Path, name: str, command: str = "", new: bool = False) -> Iterator[None]:
    """Hold a folder, which is made if there is none, by a lock of the system's on a file in it.

    The lock ends with the process. The file tells the process and a command; it goes at the end,
    with the folder if it was made for this and nothing was written to it, and stays behind if the
    process is killed.

    Parameters
    ----------
    folder, name
        The folder, and the name of the file.
    command
        What the file is to tell beside the process.
    new
        Whether the file must not be there yet.

    Raises
    ------
    InputError
        If another process holds the folder, or it cannot be made or written to.
    """
    made = not folder.exists()
    places.require_folder(folder)
    path = folder / name
    try:
        file = path.open("x+" if new else "a+", encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise InputError(f"{folder}: cannot be written to: {error.strerror or error}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(file.fileno()), path.stat()):
                raise BlockingIOError  # whoever had it has let go, and another may hold it anew
        except OSError:
            file.seek(0)
            who = file.readline().strip() or "which has not told its number yet"
            raise InputError(f"{folder}: another process is writing to it ({who})") from None
        try:
            file.truncate(0)
            file.write(f"process {os.getpid()} on {os.uname().nodename}\n{command}\n")
            file.flush()
            yield
        finally:
            with suppress(OSError):
                path.unlink()
                if made:
                    folder.rmdir()
