"""The folder of a sweep: numbered parts in Parquet, each there whole or not at all.

::

    sweep.json      the design, code version, provenance; whether the sweep is complete
    runs/           part-000001.parquet, ...: a row a run (its outcome and measures)
    failures/       a row a run that failed
    events/         and, if the design keeps them, phases/, rounds/, ledger/

A part is written under a temporary name, flushed to the disk and renamed. Its tables of `runs` and
`failures` come last: a run is done if and only if it has a row in one of the two. What else lies
there without them is left over from a write that was cut short, and removed on the next start.
"""

from __future__ import annotations

import fcntl
import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import ValidationError

from agents.parameters import nearest
from analysis import places
from analysis.columns import Damaged, read_json, wrong_entry
from analysis.columns import read as read_table
from analysis.sweep.design import IDENTITY, Design
from analysis.sweep.work import Tables
from model.scenario import InputError

SCHEMA: Final = 1
"""Version of the folder's layout; raised when a table or file changes its meaning."""

MANIFEST: Final = "sweep.json"
LOCK: Final = ".lock"
MARK: Final = b"multicopy"
DETAILS: Final = ("events", "phases", "rounds", "ledger")
COMMITS: Final = ("runs", "failures")
"""Tables whose parts say that runs are done; written after the others."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder: a lock of the system's, which ends with the process that has it.

    Raises
    ------
    InputError
        If another sweep holds it, or it cannot be made.
    """
    places.require_folder(folder)
    try:
        handle = (folder / LOCK).open("a+")
    except OSError as error:
        raise InputError(f"{folder}: cannot be written to: {error.strerror or error}") from None
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.seek(0)
            who = handle.read().strip() or "another process"
            raise InputError(f"{folder}: another sweep is writing to it ({who})") from None
        handle.truncate(0)
        handle.write(f"process {os.getpid()} on {os.uname().nodename}")
        handle.flush()
        yield


def publish(path: Path, write_to: Callable[[Path], object]) -> None:
    """Write a file whole or not at all, and make sure that it outlives the machine."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        with places.named(path):
            write_to(temporary)
            _flush(temporary)
            os.replace(temporary, path)
            _flush(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Store:
    """The folder of a sweep while it is locked for writing.

    Parameters
    ----------
    folder
        Where.
    sweep
        Fingerprint of the design, which every part carries.
    """

    def __init__(self, folder: Path, sweep: str) -> None:
        self.folder = folder
        self.sweep = sweep

    def next_part(self) -> int:
        """A number that no part has had."""
        numbers = [int(p.name[5:11]) for p in self.folder.glob("*/part-*.parquet*")]
        return 1 + max(numbers, default=0)

    def write(self, number: int, tables: Tables) -> None:
        """Write a part; one of the same number that was cut short is written over."""
        name = f"part-{number:06d}.parquet"
        beside = {t: len(tables[t]) for t in DETAILS if t in tables}
        identity = {"schema": SCHEMA, "sweep": self.sweep, "beside": beside}
        for table in (*DETAILS, *COMMITS):
            if table in tables:
                (self.folder / table).mkdir(exist_ok=True)
                _write_part(self.folder / table / name, tables[table], identity)

    def settled(self, say: Callable[[str], None]) -> tuple[NDArray[np.int64], int]:
        """Numbers of the runs that are done or failed, and how many of them failed.

        What was left over is removed; parts that are damaged are set aside, and said.
        """
        for temporary in self.folder.glob("**/.*.part"):
            temporary.unlink()
        names = {p.name for p in self.folder.glob("*/part-*.parquet")}
        runs: list[NDArray[np.int64]] = []
        failed = 0
        for name in sorted(names):
            try:
                done, lost = _runs_of_part(self.folder, name, self.sweep)
            except Damaged as error:
                _set_aside(self.folder, name)
                say(f"{error}; set aside as {name}.damaged, its runs are done again")
                continue
            if not len(done) + len(lost):
                for table in DETAILS:
                    (self.folder / table / name).unlink(missing_ok=True)
            runs += [done, lost]
            failed += len(lost)
        numbers = np.concatenate(runs) if runs else np.empty(0, dtype=np.int64)
        if len(np.unique(numbers)) != len(numbers):
            raise InputError(f"{self.folder}: has runs twice; it was changed by something else")
        return numbers, failed

    def forget_failures(self) -> None:
        """Remove all failures, so that their runs are done again."""
        for path in (self.folder / "failures").glob("part-*.parquet"):
            path.unlink()


def _write_part(path: Path, table: pa.Table, identity: Mapping[str, Any]) -> None:
    marked = table.replace_schema_metadata({MARK: json.dumps(identity).encode()})
    publish(
        path,
        lambda to: pq.write_table(marked, to, compression="zstd", write_page_checksum=True),
    )


def _runs_of_part(
    folder: Path, name: str, sweep: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Runs that a part says are done, and that failed; `Damaged` if it is not whole."""
    found, beside = [], dict[str, int]()
    for table in COMMITS:
        path = folder / table / name
        if path.exists():
            rows = _read_part(path)
            identity = _identity(rows, path)
            if identity.get("sweep") != sweep:
                raise InputError(f"{path}: belongs to another sweep")
            beside |= identity["beside"] if table == "runs" else {}
            found.append(rows["run"].to_numpy())
        else:
            found.append(np.empty(0, dtype=np.int64))
    for table, rows_expected in beside.items():
        path = folder / table / name
        if not path.exists():
            raise Damaged(f"{path} is missing")
        if _part_rows(path) != rows_expected:
            raise Damaged(f"{path} has not the rows it should have")
    return found[0], found[1]


def _identity(rows: pa.Table, path: Path) -> dict[str, Any]:
    """What a part says that it belongs to."""
    try:
        identity = dict(json.loads((rows.schema.metadata or {})[MARK]))
        dict(identity["beside"])
    except (KeyError, TypeError, ValueError):
        raise Damaged(f"{path} is damaged (it does not say what it belongs to)") from None
    return identity


def _part_rows(path: Path) -> int:
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException) as error:
        raise Damaged(f"{path} is damaged ({str(error).splitlines()[0]})") from None


def _read_part(path: Path, only: list[str] | None = None) -> pa.Table:
    try:
        part = read_table(path, only)
    except Damaged as error:
        raise Damaged(f"{path} is damaged (it {error})") from None
    if "run" not in part.column_names and (only is None or "run" in only):
        raise Damaged(f"{path} is damaged (it lacks the column 'run')")
    return part


def _set_aside(folder: Path, name: str) -> None:
    for table in (*COMMITS, *DETAILS):
        path = folder / table / name
        if path.exists():
            path.rename(path.with_name(f"{name}.damaged"))


# --- manifest and reading -------------------------------------------------------------------------


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write what the folder tells of its sweep."""
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    publish(folder / MANIFEST, lambda to: to.write_text(text, encoding="utf-8"))


def manifest(folder: str | Path) -> dict[str, Any]:
    """Read what a folder tells of its sweep.

    Raises
    ------
    InputError
        If it holds no sweep, or one of another schema version.
    """
    path = Path(folder) / MANIFEST
    try:
        found = read_json(path)
    except FileNotFoundError:
        raise InputError(f"{folder}: is no folder of a sweep, it lacks {MANIFEST}") from None
    except Damaged as error:
        raise InputError(f"{path}: {error}") from None
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        version = found.get("schema") if isinstance(found, dict) else None
        raise InputError(
            f"{folder}: written in version {version} of the layout; "
            f"this program reads version {SCHEMA}"
        )
    entries = {"fingerprint": str, "runs": int, "complete": bool, "design": dict}
    if wrong := wrong_entry(found, entries):
        raise InputError(f"{path}: is damaged, it {wrong}")
    design(found)
    return found


def design(told: Mapping[str, Any]) -> Design:
    """The design that a manifest tells; `InputError` if this version cannot read it."""
    try:
        found = Design.model_validate(told["design"])
        found.parsed()
    except (ValidationError, InputError):
        raise InputError(f"{MANIFEST}: its design cannot be read by this version") from None
    return found


def read(folder: str | Path, table: str = "runs") -> pd.DataFrame:
    """Read a table of a sweep: a row a run, in the order of the plan.

    Parameters
    ----------
    folder
        The folder of the sweep.
    table
        `runs`, or `events`, `phases`, `rounds`, `ledger` (which have a column ``run``).

    Returns
    -------
    The table. Its ``attrs`` tell how many runs were planned, are done and failed; of a sweep that
    has not ended there is a warning, and what there is.

    Raises
    ------
    InputError
        If it is no folder of a sweep, or a part of it is damaged.
    """
    path, told = Path(folder), manifest(folder)
    planned = design(told)
    if table not in (*COMMITS, *DETAILS):
        near = nearest(table, (*COMMITS, *DETAILS))
        raise InputError(f"a sweep has no table {table!r}{near}")
    if table in DETAILS and table not in ("events", *planned.keep):
        raise InputError(f"{folder}: its design does not keep {table!r}")
    home = "failures" if table == "failures" else "runs"
    done, parts = 0, []
    try:
        for part in sorted((path / home).glob("part-*.parquet")):
            _runs_of_part(path, part.name, told["fingerprint"])
            done += _part_rows(part)
            at = path / table / part.name
            parts += [_read_part(at)] if at.exists() else []
    except Damaged as error:
        raise InputError(f"{error}; sweep again with --resume, which does its runs again") from None
    try:
        merged = pa.concat_tables(parts) if parts else pa.table({"run": []})
    except pa.ArrowException:
        raise InputError(f"{path / table}: its parts differ in their columns") from None
    needed = [*IDENTITY, *planned.factors] if table == "runs" and parts else ["run"]
    if missing := [name for name in needed if name not in merged.column_names]:
        raise InputError(f"{path / table}: lacks the column {missing[0]!r}")
    frame = (
        merged.replace_schema_metadata()
        .to_pandas()
        .sort_values("run", kind="stable", ignore_index=True)
    )
    if table == "runs" and parts and (foreign := off_design(frame, planned)):
        raise InputError(f"{path / table}: has values of {foreign} that its design does not have")
    failed = sum(_part_rows(p) for p in (path / "failures").glob("part-*.parquet"))
    if table != "failures" and done + failed < told["runs"]:
        warnings.warn(f"{folder}: has {done} of {told['runs']} runs yet", stacklevel=2)
    frame.attrs = {"planned": told["runs"], "done": done, "failed": failed}
    return frame


def off_design(runs: pd.DataFrame, planned: Design) -> str:
    """A factor of which the runs have a value that the design does not have; nothing if none."""
    for factor in planned.parsed():
        known = {factor.shown(at) for at in range(len(factor.levels))}
        if known and factor.name in runs and not runs[factor.name].isin(known).all():
            return factor.name
    return ""


def count_outcomes(folder: str | Path) -> dict[str, int]:
    """How many runs ended in each outcome; those that brought only measures count as done."""
    counts: dict[str, int] = {}
    for part in sorted((Path(folder) / "runs").glob("part-*.parquet")):
        names = pq.read_schema(part).names
        outcomes = _read_part(part, ["outcome"])["outcome"] if "outcome" in names else None
        if outcomes is None:
            counts["done"] = counts.get("done", 0) + _part_rows(part)
            continue
        for entry in outcomes.value_counts().to_pylist():
            counts[entry["values"]] = counts.get(entry["values"], 0) + entry["counts"]
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def failures(folder: str | Path) -> pd.DataFrame:
    """Read the failures of a sweep: a row a run that failed, with its point and traceback."""
    return read(folder, "failures")
