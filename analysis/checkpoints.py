"""Checkpoints: the state of a run in its folder, from which it goes on as if nothing had happened.

::

    checkpoint/state         all that changes but the tables, replaced as a whole
    checkpoint/PLACE.rows    the rows of a table, to which more are only ever added

A checkpoint is there from the moment in which its `state` has been renamed: that says how many rows
of each table are part of it, and their checksums. Rows beyond are left over from a write that was
cut short, and cut off when the run goes on. Nothing is unpacked before its checksum was compared.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from agents.state import StateFault
from analysis.columns import wrong_entry
from model.checkpoint import Arrays, kept, resumed
from model.collective import CollectiveModel
from model.memory import free_memory
from model.scenario import InputError

FOLDER: Final = "checkpoint"
VERSION: Final = 1
"""Version of the layout; raised when a file changes its meaning."""

MAGIC: Final = b"multicopy checkpoint\n"
TYPES: Final = ("<f8", "<f4", "<i8", "<i4", "<i2", "|i1", "|b1")
"""Types of arrays."""

HEADER: Final[Mapping[str, type]] = {
    "every": int,
    "how": dict,
    "versions": dict,
    "tables": dict,
    "arrays": list,
    "state": dict,
}
HOW: Final[Mapping[str, type]] = {"seconds": float, "plugins": dict, "resumed": list}
BLOCK: Final = 2**20
"""Bytes that are read at a time."""


# --- writing --------------------------------------------------------------------------------------


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
    temporary = path.with_name(".state.part")
    temporary.unlink(missing_ok=True)
    with temporary.open("xb") as file:
        file.write(MAGIC + json.dumps(first).encode() + b"\n" + header)
        for array in arrays:
            file.write(array.data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def _order(array: NDArray[Any]) -> str:
    """Whether an array lies row by row (C) or column by column (F), as loops expect it again."""
    return "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"


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


# --- reading --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read and is whole; its tables stay in their files until they are asked.

    Attributes
    ----------
    folder
        Of the run.
    header
        What it tells of the run beside arrays and tables.
    arrays
        Arrays by their places in the model.
    """

    folder: Path
    header: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    tails: dict[str, Tail] = field(default_factory=dict)

    def blocks(self, place: str, dtype: str, width: int, rows: int) -> Iterator[NDArray[Any]]:
        """Rows of a table, whose checksum was compared; some at a time.

        Raises
        ------
        StateFault
            If its file is none, too short, or differs from what was written.
        """
        path = self.folder / FOLDER / f"{place}.rows"
        kind = _dtype(dtype)
        size = rows * width * kind.itemsize
        if not 0 < width < BLOCK or size < 0 or not is_ours(path):
            raise StateFault(f"{path.name} is missing")
        digest = hashlib.sha256()
        for part in _parts(path, size, BLOCK):
            digest.update(part)
        if digest.hexdigest() != self.header["tables"].get(place):
            raise StateFault(f"the checksum of {path.name} is wrong")
        self.tails[place] = Tail(path, rows, size, digest)
        step = max(1, BLOCK // (width * kind.itemsize)) * width * kind.itemsize
        parts = _parts(path, size, step)
        return (_checked(part, kind, place).reshape(-1, width) for part in parts)

    def model(self) -> CollectiveModel:
        """The run as it was.

        Raises
        ------
        InputError
            If the values do not make one.
        """
        try:
            return resumed(self.header["state"], self)
        except StateFault as fault:
            raise _damaged(self.folder, str(fault)) from None

    def keeper(self, how: Mapping[str, Any]) -> Keeper:
        """What writes the checkpoints of the run from here on."""
        return Keeper(self.folder, self.header["every"], how, self.header["versions"], self.tails)


def require(folder: Path) -> Path:
    """The state of a run's checkpoint; `InputError` if there is none."""
    path = folder / FOLDER / "state"
    if path.parent.is_symlink() or not path.is_file() or path.is_symlink():
        raise InputError(
            f"{folder}: has no checkpoint to go on from; "
            "a run writes them with --checkpoint-every, and removes them when it has ended"
        )
    return path


def read(folder: Path) -> Checkpoint:
    """Read the checkpoint of a run folder.

    Raises
    ------
    InputError
        If there is none, or it is damaged, of another program or a newer version, or too large.
    """
    path = require(folder)
    try:
        content, length = _read_state(path)
        header = json.loads(content[:length], parse_constant=_refuse)
    except InputError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(folder, str(error)) from None
    if type(header) is not dict:
        raise _damaged(folder, "it tells nothing")
    if wrong := wrong_entry(header, HEADER) or wrong_entry(header["how"], HOW):
        raise _damaged(folder, f"it {wrong}")
    if not header["every"]:
        raise _damaged(folder, "it has no rounds between checkpoints")
    try:
        arrays = _arrays(header["arrays"], memoryview(content)[length:])
    except StateFault as fault:
        raise _damaged(folder, str(fault)) from None
    return Checkpoint(folder, header, arrays)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _damaged(folder: Path, why: str) -> InputError:
    return InputError(f"{folder / FOLDER}: is damaged, no run can go on from it: {why}")


def _read_state(path: Path) -> tuple[bytes, int]:
    """What a state holds after its first lines, and how much of it is the header."""
    with path.open("rb") as file:
        if file.readline(len(MAGIC)) != MAGIC:
            raise InputError(f"{path}: is no checkpoint of this program")
        first = json.loads(file.readline(300))
        told = first if type(first) is dict else {}
        if type(told.get("version")) is int and told["version"] != VERSION:
            raise InputError(
                f"{path}: written in version {told['version']} of the layout; "
                f"this program reads version {VERSION}"
            )
        if wrong := wrong_entry(told, {"version": int, "length": int, "sha256": str}):
            raise ValueError(f"it {wrong}")
        size, free = os.fstat(file.fileno()).st_size, free_memory()
        if free is not None and 3 * size > free:
            raise InputError(
                f"{path}: has {size:,} bytes, more than a third of the {free:,} that are free"
            )
        content = file.read()
    if hashlib.sha256(content).hexdigest() != told["sha256"] or told["length"] > len(content):
        raise ValueError("the checksum of its state is wrong")
    return content, told["length"]


def _arrays(told: list[Any], content: memoryview) -> dict[str, NDArray[Any]]:
    """Arrays that lie one after the other, none larger than what there is."""
    arrays, at = {}, 0
    for entry in told:
        if not (isinstance(entry, list) and [*map(type, entry)] == [str, str, str, list]):
            raise StateFault("an array is not told")
        place, dtype, order, shape = entry
        if (
            len(shape) > 3
            or order not in ("C", "F")
            or not all(type(n) is int and 0 <= n <= len(content) for n in shape)
        ):
            raise StateFault(f"{place} has no shape")
        kind = _dtype(dtype)
        end = at + math.prod(shape) * kind.itemsize
        if end > len(content):
            raise StateFault(f"{place} is larger than the file")
        numbers = _checked(content[at:end], kind, place)
        arrays[place] = numbers.reshape(shape, order=order)
        at = end
    if at != len(content):
        raise StateFault("it has more than its arrays")
    return arrays


def _dtype(name: str) -> np.dtype[Any]:
    if name not in TYPES:
        raise StateFault(f"numbers are of an unknown type {name!r:.20}")
    return np.dtype(name)


def _checked(content: Any, kind: np.dtype[Any], place: str) -> NDArray[Any]:
    """Numbers that are numbers, as an array of their own."""
    flags = kind.kind == "b"
    array = np.frombuffer(content, np.uint8 if flags else kind)
    if not np.isfinite(array).all():
        raise StateFault(f"{place} has numbers that are none")
    return array != 0 if flags else array.copy()


def _parts(path: Path, size: int, step: int) -> Iterator[bytes]:
    """The first `size` bytes of a file, `step` at a time; `StateFault` if it is shorter."""
    with path.open("rb") as file:
        for at in range(0, size, step):
            part = file.read(min(step, size - at))
            if len(part) != min(step, size - at):
                raise StateFault(f"{path.name} is shorter than it was")
            yield part
