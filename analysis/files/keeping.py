"""Checkpoints: the state of a run in its folder, from which it goes on as if nothing had happened.

::

    checkpoint/state         all that changes but the tables, replaced as a whole
    checkpoint/PLACE.rows    the rows of a table, to which more are only ever added

A checkpoint is there from the moment in which its `state` has been renamed: that says how many rows
of each table are part of it, and their checksums. Rows beyond are left over from a write that was
cut short, and cut off when the run goes on. `analysis.files.checkpoints` reads
what this module writes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from numpy.typing import NDArray

from multicopy.agents.machine.state import StateFault
from multicopy.analysis.files.writing import written
from multicopy.model.checkpoint import Arrays, kept
from multicopy.model.collective import CollectiveModel
from multicopy.model.scenario import InputError

FOLDER: Final = "checkpoint"
VERSION: Final = 1
"""Version of the layout; raised when a file changes its meaning."""

MAGIC: Final = b"multicopy checkpoint\n"


@dataclass(slots=True)
class Tail:
    """The end of a table's file, where more is added."""

    path: Path
    rows: int = 0
    length: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    file: BinaryIO | None = None

    def open(self) -> BinaryIO:
        """Open the file to go on after `length` bytes; what follows them is cut off."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        file = os.fdopen(os.open(self.path, flags, 0o666), "r+b")
        file.truncate(self.length)
        file.seek(self.length)
        return file

    def follow(self, rows: NDArray[Any]) -> str:
        """Add rows; the checksum of all that there are."""
        self.file = file = self.file or self.open()
        content = rows.tobytes()
        file.write(content)
        self.digest.update(content)
        self.rows += len(rows)
        file.flush()
        os.fsync(file.fileno())
        return str(self.digest.hexdigest())


class Keeper:
    """Writes checkpoints of a run into its folder, in a thread of its own while the run goes on.

    Parameters
    ----------
    folder
        Folder of the run, which is `claimed`.
    every
        Rounds between checkpoints.
    how
        How the run was made, for its provenance.
    versions
        Versions of what the run depends on.
    tails
        Ends of the tables' files, if the run goes on from a checkpoint.
    """

    def __init__(
        self,
        folder: Path,
        every: int,
        how: Mapping[str, Any],
        versions: Mapping[str, str],
        tails: Mapping[str, Tail] | None = None,
    ) -> None:
        self.folder = folder / FOLDER
        self.every = every
        self.how = how
        self.versions = versions
        self._tails = dict(tails or {})
        self._round = -1
        self._thread = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None
        if tails is None:
            discard(folder)
            self.folder.mkdir()

    def after_round(self, model: CollectiveModel, seconds: float) -> None:
        """Write a checkpoint if it is time for one; `seconds` is how long the run took so far."""
        if model.running and model.round % self.every == 0:
            self.save(model, seconds)

    def save(self, model: CollectiveModel, seconds: float) -> None:
        """Write a checkpoint of this round, unless there is one.

        Raises
        ------
        InputError
            If the model has something that no checkpoint can keep.
        OSError
            If the one before could not be written.
        """
        if model.round == self._round:
            return
        self._wait()
        try:
            state, arrays, tables = kept(model)
        except StateFault as fault:
            raise InputError(str(fault)) from None
        for place in tables.keys() - self._tails.keys():
            self._tails[place] = Tail(self.folder / f"{place}.rows")
        rows = {place: table.read(self._tails[place].rows) for place, table in tables.items()}
        copies = {place: array.copy("K") for place, array in arrays.items()}
        self._round = model.round
        self._writing = self._thread.submit(self._write, state, copies, rows, seconds)

    def _write(self, state: dict[str, Any], arrays: Arrays, rows: Arrays, seconds: float) -> None:
        header = {
            "every": self.every,
            "how": {**self.how, "seconds": round(seconds, 3)},
            "versions": self.versions,
            "tables": {place: self._tails[place].follow(more) for place, more in rows.items()},
            "arrays": [[p, a.dtype.str, _order(a), a.shape] for p, a in arrays.items()],
            "state": state,
        }
        told = json.dumps(header, allow_nan=False).encode()
        _publish(self.folder / "state", told, [a.ravel("K") for a in arrays.values() if a.size])

    def _wait(self) -> None:
        """Let what is being written be there, or its error be known."""
        if self._writing is not None:
            self._writing.result()

    def close(self) -> None:
        """End once all is written."""
        try:
            self._wait()
        finally:
            self._thread.shutdown()
            for tail in self._tails.values():
                if tail.file is not None:
                    tail.file.close()


def _publish(path: Path, header: bytes, arrays: list[NDArray[Any]]) -> None:
    """Write a state, whole or not at all, so that it outlives the machine."""
    digest = hashlib.sha256(header)
    for array in arrays:
        digest.update(array.data)
    first = {"version": VERSION, "length": len(header), "sha256": digest.hexdigest()}
    with written(path) as file:
        file.write(MAGIC + json.dumps(first).encode() + b"\n" + header)
        for array in arrays:
            file.write(array.data)


def _order(array: NDArray[Any]) -> str:
    """Whether an array lies row by row (C) or column by column (F), as loops expect it again."""
    return "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"


def has_state(folder: Path) -> bool:
    """Whether a run folder has a checkpoint to go on from."""
    path = folder / FOLDER / "state"
    return not path.parent.is_symlink() and path.is_file() and not path.is_symlink()


def discard(folder: Path) -> None:
    """Remove the checkpoint of a run folder, if there is one."""
    place = folder / FOLDER
    if not place.is_dir() or place.is_symlink():
        return
    # The state goes first: without it what is left is no checkpoint, whenever the process ends.
    for file in sorted(place.iterdir(), key=lambda file: file.name != "state"):
        if is_ours(file):
            file.unlink()
    with suppress(OSError):
        place.rmdir()


def is_ours(file: Path) -> bool:
    """Whether a file in the folder of a checkpoint is one of its own."""
    named = file.name in ("state", ".state.part") or file.suffix == ".rows"
    return named and file.is_file() and not file.is_symlink()
