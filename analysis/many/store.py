"""The folder of a sweep: numbered parts in Parquet, each there whole or not at all.

::

    sweep.json      the design, code version, provenance; whether the sweep is complete
    runs/           part-000001.parquet, ...: a row a run (its outcome and measures)
    failures/       a row a run that failed
    events/         and, if the design keeps them, phases/, rounds/, ledger/
    checksums/      part-000001.sha256, ...: what `sha256sum --check` takes

A file is written under a temporary name, flushed to the disk and renamed. The checksums of a part
come last: its runs are done if and only if they are there. What else lies there without them is
left over from a write that was cut short. A part of which a file is not what its checksum says
does not count, and its runs are done again.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import ValidationError

from multicopy.agents.parameters import nearest
from multicopy.analysis.files.columns import Damaged, read_json, wrong_entry
from multicopy.analysis.files.writing import written
from multicopy.analysis.many import parts
from multicopy.analysis.many.design import IDENTITY, Design
from multicopy.analysis.many.parts import COMMITS, DETAILS, MARK, SUMS, TABLES, Tables, at
from multicopy.model.scenario import InputError

SCHEMA: Final = 2
"""Version of the folder's layout; raised when a table or file changes its meaning."""

MANIFEST: Final = "sweep.json"
LOCK: Final = ".lock"
"""File that a folder has while a sweep is writing to it, or was killed."""

OURS: Final = frozenset({*TABLES, SUMS, LOCK})
"""What a sweep's folder has beside its manifest."""


class Store:
    """The folder of a sweep while it is locked for writing.

    Parameters
    ----------
    folder
        Where.
    identity
        What decides the numbers of a run (design, code, function), which every part carries.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self.folder = folder
        self._mark = json.dumps(identity).encode()

    def next_part(self) -> int:
        """A number that no part has had."""
        numbers = [int(p.name[5:11]) for p in self.folder.glob("*/part-*")]
        return 1 + max(numbers, default=0)

    def write(self, number: int, tables: Tables) -> None:
        """Write a part; one of the same number that was cut short is written over."""
        part, sums = f"part-{number:06d}", dict[str, str]()
        for table in (name for name in TABLES if name in tables):
            path = at(self.folder, table, part)
            parts.write_table(path, tables[table].replace_schema_metadata({MARK: self._mark}))
            sums[table] = parts.sum_of(path)
        parts.write_sums(self.folder, part, sums)

    def settled(self, say: Callable[[str], None]) -> tuple[NDArray[np.int64], int]:
        """Numbers of the runs that are done or failed, and how many of them failed.

        Every file is held against its checksum. What was left over is removed; parts that are
        damaged are set aside, and said.
        """
        for temporary in self.folder.glob("**/.*.part"):
            temporary.unlink()
        runs: list[NDArray[np.int64]] = []
        failed, whole = 0, set()
        for part in parts.names(self.folder):
            try:
                done, lost = self._runs_of(part)
            except Damaged as error:
                parts.set_aside(self.folder, part)
                say(f"{error}; set aside as {part}.*.damaged, its runs are done again")
                continue
            whole |= {at(self.folder, table, part) for table in parts.sums_of(self.folder, part)}
            runs += [done, lost]
            failed += len(lost)
        for table in TABLES:
            for path in set(self.folder.glob(f"{table}/part-*.parquet")) - whole:
                path.unlink()
        numbers = np.concatenate(runs) if runs else np.empty(0, dtype=np.int64)
        if len(np.unique(numbers)) != len(numbers):
            raise InputError(f"{self.folder}: has some runs twice; another program changed it")
        return numbers, failed

    def _runs_of(self, part: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Runs that a part says are done, and that failed; `Damaged` if it is not whole."""
        found = dict.fromkeys(COMMITS, np.empty(0, dtype=np.int64))
        for table, known in parts.sums_of(self.folder, part).items():
            path = parts.expect(self.folder, table, part, known)
            if table in COMMITS:
                rows = parts.read_table(path, ["run"])
                if (rows.schema.metadata or {}).get(MARK) != self._mark:
                    raise InputError(f"{path}: belongs to another sweep, or to other code")
                found[table] = rows["run"].to_numpy()
        return found["runs"], found["failures"]

    def forget_failures(self) -> None:
        """Remove all failures, so that their runs are done again."""
        for part in parts.names(self.folder):
            with suppress(Damaged):  # which `settled` tells
                sums = parts.sums_of(self.folder, part)
                if sums.pop("failures", None):
                    parts.write_sums(self.folder, part, sums)

    def columns(self) -> pa.Schema | None:
        """Columns of the runs that are there, if there are any."""
        path = next(self.folder.glob("runs/part-*.parquet"), None)
        return pq.read_schema(path) if path else None


# --- manifest and reading -------------------------------------------------------------------------


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write what the folder tells of its sweep, with a checksum."""
    told = {**manifest, "sha256": _sum_of(manifest)}
    text = json.dumps(told, indent=2, ensure_ascii=False) + "\n"
    with written(folder / MANIFEST) as file:
        file.write(text.encode())


def _sum_of(manifest: Mapping[str, Any]) -> str:
    content = {name: entry for name, entry in manifest.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def is_whole(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest is what its checksum says; those of the first layout had none."""
    return manifest.get("sha256", "") == (_sum_of(manifest) if "sha256" in manifest else "")


def told(folder: Path) -> dict[str, Any]:
    """Read what a folder tells of its sweep; `Damaged` if it cannot be trusted.

    Raises
    ------
    InputError
        If it holds no sweep, or one of another schema version.
    """
    path = folder / MANIFEST
    try:
        found = read_json(path)
    except FileNotFoundError:
        raise InputError(f"{folder}: is not the folder of a sweep, it lacks {MANIFEST}") from None
    except Damaged as error:
        raise Damaged(f"{path}: {error}") from None
    if not isinstance(found, dict):
        raise Damaged(f"{path}: is damaged, it has no entries")
    whole = is_whole(found)
    if found.get("schema") != SCHEMA and whole:
        raise InputError(
            f"{folder}: written in version {found.get('schema')} of the layout; "
            f"this program reads version {SCHEMA}"
        )
    entries = {"fingerprint": str, "runs": int, "complete": bool, "design": dict}
    if wrong := wrong_entry(found, entries):
        raise Damaged(f"{path}: is damaged, it {wrong}")
    if not whole:
        raise Damaged(f"{path}: is damaged or was changed, it has another checksum")
    return found


def manifest(folder: str | Path) -> dict[str, Any]:
    """Read what a folder tells of its sweep.

    Raises
    ------
    InputError
        If it holds no sweep, one of another schema version, or its manifest is damaged.
    """
    try:
        found = told(Path(folder))
    except Damaged as error:
        raise InputError(f"{error}; {MEND}") from None
    design(found)
    return found


MEND: Final = "sweep again with --resume, which mends it"


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
    path, manifested = Path(folder), manifest(folder)
    planned = design(manifested)
    if table not in TABLES:
        raise InputError(f"a sweep has no table {table!r}{nearest(table, TABLES)}")
    if table in DETAILS and table not in ("events", *planned.keep):
        raise InputError(f"{folder}: its design does not keep {table!r}")
    found, count = [], dict.fromkeys(COMMITS, 0)
    try:
        for part in parts.names(path):
            sums = parts.checked(path, part, table)
            if table in sums:
                found.append(parts.read_table(at(path, table, part)))
            for commit in sums.keys() & count.keys():
                count[commit] += pq.read_metadata(at(path, commit, part)).num_rows
    except Damaged as error:
        raise InputError(f"{error}; {MEND}") from None
    frame = _merged(path / table, found, [*IDENTITY, *planned.factors] if table == "runs" else [])
    if table == "runs" and found and (foreign := off_design(frame, planned)):
        raise InputError(f"{path / table}: has values of {foreign} that its design does not have")
    done, failed = count["runs"], count["failures"]
    if table != "failures" and done + failed < manifested["runs"]:
        warnings.warn(f"{folder}: has {done} of {manifested['runs']} runs yet", stacklevel=2)
    frame.attrs = {"planned": manifested["runs"], "done": done, "failed": failed}
    return frame


def _merged(place: Path, tables: list[pa.Table], needed: list[str]) -> pd.DataFrame:
    """Parts of a table as one, in the order of the plan."""
    try:
        merged = pa.concat_tables(tables) if tables else pa.table({"run": []})
    except pa.ArrowException:
        raise InputError(f"{place}: its parts differ in their columns") from None
    if missing := [name for name in needed if tables and name not in merged.column_names]:
        raise InputError(f"{place}: lacks the column {missing[0]!r}")
    frame = merged.replace_schema_metadata().to_pandas()
    return frame.sort_values("run", kind="stable", ignore_index=True)


def off_design(runs: pd.DataFrame, planned: Design) -> str:
    """A factor of which the runs have a value that the design does not have; nothing if none."""
    for factor in planned.parsed():
        known = {factor.shown(at) for at in range(len(factor.levels))}
        if known and factor.name in runs and not runs[factor.name].isin(known).all():
            return factor.name
    return ""


def count_outcomes(folder: str | Path) -> dict[str, int]:
    """How many runs ended in each outcome; those that have none count as done."""
    counts: dict[str, int] = {}
    for part in sorted((Path(folder) / "runs").glob("part-*.parquet")):
        names = pq.read_schema(part).names
        outcomes = parts.read_table(part, ["outcome"])["outcome"] if "outcome" in names else None
        if outcomes is None:
            counts["done"] = counts.get("done", 0) + int(pq.read_metadata(part).num_rows)
            continue
        for entry in outcomes.value_counts().to_pylist():
            counts[entry["values"]] = counts.get(entry["values"], 0) + entry["counts"]
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def failures(folder: str | Path) -> pd.DataFrame:
    """Read the failures of a sweep: a row a run that failed, with its point and traceback."""
    return read(folder, "failures")
