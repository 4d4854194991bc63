"""Reading checkpoints: nothing is unpacked before its checksum is compared; no file is trusted."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from multicopy.agents.machine.state import StateFault
from multicopy.analysis.files.columns import wrong_entry
from multicopy.analysis.files.holding import anew
from multicopy.analysis.files.keeping import (
    FOLDER,
    MAGIC,
    VERSION,
    Keeper,
    Tail,
    has_state,
    is_ours,
)
from multicopy.model.checkpoint import resumed
from multicopy.model.collective import CollectiveModel
from multicopy.model.memory import free_memory
from multicopy.model.scenario import InputError

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


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read and is whole; its tables stay in their files until asked for.

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


def read(folder: Path) -> Checkpoint:
    """Read the checkpoint of a run folder.

    Raises
    ------
    InputError
        If there is none, or it is damaged, of another program or a newer version, or too large.
    """
    path = folder / FOLDER / "state"
    if not has_state(folder):
        raise InputError(f"{folder}: has no checkpoint to go on from")
    try:
        content, length = _read_state(path)
        header = json.loads(content[:length], parse_constant=_refuse)
    except InputError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(folder, str(error)) from None
    if type(header) is not dict:
        raise _damaged(folder, "it has no entries")
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
    raise ValueError(f"{constant} is not a number")


def _damaged(folder: Path, why: str) -> InputError:
    return InputError(
        f"{folder / FOLDER}: is damaged, no run can go on from it: {why}; {anew(folder)}"
    )


def _read_state(path: Path) -> tuple[bytes, int]:
    """What a state holds after its first lines, and how much of it is the header."""
    with path.open("rb") as file:
        if file.readline(len(MAGIC)) != MAGIC:
            raise InputError(f"{path}: is not a checkpoint of this program")
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
    """Arrays that lie one after the other, none beyond the end of the content."""
    arrays, at = {}, 0
    for entry in told:
        if not (isinstance(entry, list) and [*map(type, entry)] == [str, str, str, list]):
            raise StateFault("an array is not described")
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
        raise StateFault("it has more bytes than its arrays")
    return arrays


def _dtype(name: str) -> np.dtype[Any]:
    if name not in TYPES:
        raise StateFault(f"numbers are of an unknown type {name!r:.20}")
    return np.dtype(name)


def _checked(content: Any, kind: np.dtype[Any], place: str) -> NDArray[Any]:
    """Numbers as an array of their own; `StateFault` if one is NaN or infinite."""
    flags = kind.kind == "b"
    array = np.frombuffer(content, np.uint8 if flags else kind)
    if not np.isfinite(array).all():
        raise StateFault(f"{place} contains NaN or infinity")
    return array != 0 if flags else array.copy()


def _parts(path: Path, size: int, step: int) -> Iterator[bytes]:
    """The first `size` bytes of a file, `step` at a time; `StateFault` if it is shorter."""
    with path.open("rb") as file:
        for at in range(0, size, step):
            part = file.read(min(step, size - at))
            if len(part) != min(step, size - at):
                raise StateFault(f"{path.name} is shorter than it was")
            yield part
