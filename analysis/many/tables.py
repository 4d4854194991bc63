"""The folder of a sweep as tables, as far as it can be read: what is missing is told in notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa

from multicopy.analysis.files.columns import Damaged, read_json
from multicopy.analysis.files.columns import read as read_table
from multicopy.analysis.many import parts
from multicopy.analysis.many.design import ENDING, IDENTITY, Design
from multicopy.analysis.many.store import MANIFEST, SCHEMA, is_whole, off_design
from multicopy.analysis.many.store import design as stored_design
from multicopy.model.scenario import InputError

HAPPENED: Final = ("passage", "response")
"""Kinds of events whose times are of interest: there are few of them in a run."""


@dataclass(frozen=True)
class SweepData:
    """A sweep as tidy tables.

    Attributes
    ----------
    design
        What was varied and how; None if this program cannot read it.
    manifest
        What the folder tells of itself.
    runs
        A row a run; empty if there is none.
    events
        First passages and responses of the lab: run, round, kind, text.
    failures
        A row a run that failed.
    notes
        What is missing or unusual, a sentence each.
    """

    folder: Path
    design: Design | None
    manifest: Mapping[str, Any]
    runs: pd.DataFrame
    events: pd.DataFrame
    failures: pd.DataFrame
    notes: tuple[str, ...]


def is_sweep(folder: str | Path) -> bool:
    """Whether a folder is one of a sweep."""
    return (Path(folder) / MANIFEST).is_file()


def gather(folder: str | Path) -> SweepData:
    """Read the folder of a sweep, as far as it can be read.

    Raises
    ------
    InputError
        If it is none.
    """
    path = Path(folder)
    if not is_sweep(path):
        raise InputError(f"{folder}: is not the folder of a sweep, it lacks {MANIFEST}")
    notes: list[str] = []
    manifest = _manifest(path, notes)
    design = _design(manifest, notes)
    runs = _parts(path / "runs", notes)
    if design and (foreign := off_design(runs, design)):
        notes.append(f"The runs have values of {foreign} that the design does not: left out.")
        runs = runs.iloc[:0]
    failures = _parts(path / "failures", notes)
    events = _parts(path / "events", notes, ["run", "round", "kind", "text"], HAPPENED)
    _tell_state(manifest, len(runs), len(failures), notes)
    _tell_missing(runs, design, notes)
    if len(runs) and not (path / "events").is_dir():
        notes.append("There are no events, so times to events are left out.")
    return SweepData(path, design, manifest, runs, events, failures, tuple(notes))


def _manifest(path: Path, notes: list[str]) -> dict[str, Any]:
    try:
        found = read_json(path / MANIFEST)
    except (FileNotFoundError, Damaged):
        found = None
    if not isinstance(found, dict):
        notes.append(f"{MANIFEST} is damaged and left out.")
        return {}
    if not is_whole(found):
        notes.append(f"{MANIFEST} was changed, or is damaged: what it says may be wrong.")
    if found.get("schema") != SCHEMA:
        notes.append(
            f"The folder is of version {found.get('schema')} of the layout; this program writes "
            f"version {SCHEMA}. What it can read is shown."
        )
    return found


def _design(manifest: Mapping[str, Any], notes: list[str]) -> Design | None:
    if not manifest:
        return None
    try:
        return stored_design(manifest)
    except (KeyError, InputError):
        notes.append("Its design cannot be read by this version: factors are left out.")
        return None


def _parts(
    folder: Path,
    notes: list[str],
    columns: Sequence[str] | None = None,
    kinds: Sequence[str] | None = None,
) -> pd.DataFrame:
    """All parts of a table that can be read, in the order of the plan."""
    wanted = [("kind", "in", list(kinds))] if kinds else None
    tables = []
    for part in sorted(folder.glob("part-*.parquet")):
        try:
            if not _known(part):
                continue
            tables.append(read_table(part, columns, filters=wanted))
        except Damaged as error:
            notes.append(f"{folder.name}/{part.name} is damaged and left out: it {error}.")
    tables = [table for table in tables if table.num_rows]
    try:
        merged = pa.concat_tables(tables, promote_options="default") if tables else None
    except pa.ArrowException:
        notes.append(f"The parts of {folder.name} differ in their columns and are left out.")
        merged = None
    if merged is None:
        return pd.DataFrame(columns=list(columns or ()))
    frame = merged.replace_schema_metadata().to_pandas()
    return frame.sort_values("run", kind="stable", ignore_index=True) if "run" in frame else frame


def _known(file: Path) -> bool:
    """Whether a file counts; `Damaged` if it is not what its checksum says."""
    folder, table = file.parents[1], file.parent.name
    if not (folder / parts.SUMS).is_dir():  # as in older layouts
        return True
    if not (folder / parts.SUMS / f"{file.stem}.sha256").exists():  # it is left over
        return False
    try:
        known = parts.sums_of(folder, file.stem).get(table)
    except Damaged:
        raise Damaged("has a checksum that is damaged itself") from None
    if known is not None and parts.sum_of(file) != known:
        raise Damaged("has another checksum")
    return known is not None


def _tell_state(manifest: Mapping[str, Any], done: int, failed: int, notes: list[str]) -> None:
    planned = manifest.get("runs")
    if not done:
        notes.append("The sweep is empty: no run is done yet.")
    elif isinstance(planned, int) and done + failed < planned:
        notes.append(f"The sweep is unfinished: {done:,} of {planned:,} runs are done.")
    if failed:
        notes.append(f"{failed:,} runs failed; they are left out of all that follows.")


def _tell_missing(runs: pd.DataFrame, design: Design | None, notes: list[str]) -> None:
    if not len(runs):
        return
    needed = [*IDENTITY, *ENDING, *(f.name for f in (design.parsed() if design else ()))]
    missing = [name for name in needed if name not in runs]
    if missing:
        notes.append(f"The table of runs lacks {', '.join(missing)}.")
