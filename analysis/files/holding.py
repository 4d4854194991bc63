"""Who may write to a run folder: whether it holds a run, who holds it, which command goes on.

A folder is claimed before a simulation begins, and let go when all that belongs to it is written.
The system lets a claim go with the process; its file stays behind then, and says that the run was
killed.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from multicopy.analysis.files import keeping
from multicopy.analysis.files.columns import Damaged, read_json
from multicopy.analysis.files.writing import held
from multicopy.model.scenario import InputError

TABLES: Final = ("rounds", "ledger", "events", "copies", "archetypes")
PROVENANCE: Final[Mapping[str, type]] = {
    "complete": bool,
    "fingerprint": str,
    "rounds_done": int,
    "rounds_planned": int,
    "seed": int,
    "versions": dict,
}
"""What the provenance of every run holds, beside the schema."""

CLAIM: Final = ".running"
"""File that a folder holds while a run is to be written to it."""

SCENARIO: Final = "scenario.toml"
"""File of the scenario within a run folder."""

FIGURES: Final = "figures"
"""Folder of the figures within a run folder."""

FILES: Final = {SCENARIO, "outcome.json", "provenance.json", "report.html", CLAIM}

MARK: Final = b"multicopy"
"""Key under which the metadata of a table say what it belongs to."""


@contextmanager
def claimed(folder: Path, force: bool, command: str = "") -> Iterator[None]:
    """Make sure that a run can be written to `folder`, and keep others from it meanwhile.

    What the folder held stays until `folder.write`. If nothing is written, a folder that was made
    for the run goes away again. `command` begins the run anew: the folder tells it if the process
    is killed.

    Raises
    ------
    InputError
        If it exists and holds anything (with `force`: anything that is no part of a run of this
        program), or cannot be made or written to.
    """
    try:
        if folder.is_dir():
            _refuse_if_in_use(folder, force)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made: {error.strerror or error}") from None
    with held(folder, CLAIM, command, new=not force):
        yield


def _refuse_if_in_use(folder: Path, force: bool) -> None:
    entries = sorted(folder.iterdir())
    if not entries:
        return
    if not force:
        on = f", or: {way_on(folder)}" if keeping.has_state(folder) else ""
        raise InputError(
            f"{folder}: exists and is not empty; choose another --out, or use --force{on}"
        )
    if not is_run(folder):
        raise InputError(
            f"{folder}: holds something that is not a run of this program; "
            "it is not replaced, choose another --out"
        )
    foreign = [entry.name for entry in entries if not is_ours(entry)]
    if foreign:
        raise InputError(
            f"{folder}: holds {foreign[0]!r}, which is not part of a run; "
            "it is not replaced, choose another --out"
        )


def is_run(folder: Path) -> bool:
    """Whether a run was ever written to a folder, or begun in it."""
    if (folder / CLAIM).is_file() or (folder / keeping.FOLDER).is_dir():
        return True
    return _provenance(folder).keys() >= {"schema", *PROVENANCE}


def _provenance(folder: Path) -> dict[str, Any]:
    try:
        told = read_json(folder / "provenance.json")
    except (OSError, Damaged):
        return {}
    return told if isinstance(told, dict) else {}


def way_on(folder: Path) -> str:
    """The command that goes on with a run whose folder is not all that it is to be."""
    resume = f"python run.py resume {shlex.quote(str(folder))}"
    if keeping.has_state(folder):
        return f"{resume} goes on from its checkpoint"
    if _provenance(folder).get("complete") is True and not replaced(folder):
        return f"{resume} adds what is missing"
    return anew(folder)


def anew(folder: Path) -> str:
    """The command that begins the run of a folder anew, as far as the folder tells it."""
    command = begun(folder) or _provenance(folder).get("command")
    if not isinstance(command, str):
        command = "python run.py run SCENARIO"
    if "--out" not in command:
        command += f" --out {shlex.quote(str(folder))}"
    return f"{command}{'' if '--force' in command.split() else ' --force'} begins it anew"


def begun(folder: Path) -> str:
    """The command of the run that holds a folder, or held it when it was killed; or nothing."""
    try:
        told = (folder / CLAIM).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
    command = told.partition("\n")[2]
    return command.removesuffix("\n") if command.endswith("\n") else ""  # half a line is none


def replaced(folder: Path) -> str:
    """The command of a run that was to replace the one in the folder, and was killed; or nothing.

    What the folder tells is then of the run before.
    """
    command = begun(folder)
    return command if command and command != _provenance(folder).get("command") else ""


def is_ours(entry: Path) -> bool:
    """Whether this program wrote a file or folder of a run folder."""
    if entry.name == FIGURES:
        is_folder = entry.is_dir() and not entry.is_symlink()
        return is_folder and all(f.suffix == ".png" or is_part(f) for f in entry.iterdir())
    if entry.name == keeping.FOLDER:
        is_folder = entry.is_dir() and not entry.is_symlink()
        return is_folder and all(map(keeping.is_ours, entry.iterdir()))
    if entry.name in FILES or (entry.suffix == ".parquet" and entry.stem in TABLES):
        return entry.is_file()
    if is_part(entry):
        return True
    return entry.suffix == ".parquet" and entry.is_file() and _has_mark(entry)


def is_part(entry: Path) -> bool:
    """Whether a file is what a write that was cut short left over."""
    return entry.suffix == ".part" and entry.name.startswith(".") and entry.is_file()


def _has_mark(path: Path) -> bool:
    try:
        return MARK in (pq.read_schema(path).metadata or {})
    except (OSError, pa.ArrowException):
        return False
