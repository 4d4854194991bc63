"""The parts of a sweep: a file a table, and a file of checksums without which they do not count.

See `analysis.many.store` for the folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from multicopy.analysis.files import columns
from multicopy.analysis.files.columns import Damaged
from multicopy.analysis.files.writing import written

MARK: Final = b"multicopy"
"""Key under which a part says what it belongs to."""

DETAILS: Final = ("events", "phases", "rounds", "ledger")
COMMITS: Final = ("runs", "failures")
"""Tables of which each run that is done has a row in one."""

TABLES: Final = (*DETAILS, *COMMITS)
SUMS: Final = "checksums"

Tables = dict[str, pa.Table]
"""Tables of a part, by name."""


def at(folder: Path, table: str, part: str) -> Path:
    """Where a table of a part lies."""
    return folder / table / f"{part}.parquet"


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table of a part."""
    path.parent.mkdir(exist_ok=True)
    with written(path) as file:
        pq.write_table(table, file, compression="zstd", write_page_checksum=True)


# --- checksums ------------------------------------------------------------------------------------


def names(folder: Path) -> list[str]:
    """Names of the parts that are there, in the order in which they were written."""
    return sorted(path.stem for path in folder.glob(f"{SUMS}/part-*.sha256"))


def sum_of(path: Path) -> str:
    """Checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_sums(folder: Path, part: str, sums: Mapping[str, str]) -> None:
    """Write the checksums of a part's tables; without any, remove the file."""
    path = folder / SUMS / f"{part}.sha256"
    if not sums:
        path.unlink()
        return
    path.parent.mkdir(exist_ok=True)
    text = "".join(f"{known}  {table}/{part}.parquet\n" for table, known in sums.items())
    with written(path) as file:
        file.write(text.encode("ascii"))


def sums_of(folder: Path, part: str) -> dict[str, str]:
    """Checksum of each table of a part; `Damaged` if they cannot be read."""
    path, found = folder / SUMS / f"{part}.sha256", dict[str, str]()
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError) as error:
        raise Damaged(f"{path} is damaged (it cannot be read: {error})") from None
    for line in lines:
        known, _, name = line.partition("  ")
        table = name.partition("/")[0]
        if name != f"{table}/{part}.parquet" or table not in TABLES or table in found:
            raise Damaged(f"{path} is damaged (it has the line {line!r})")
        found[table] = known
    if "runs" not in found and (not found or found.keys() & set(DETAILS)):
        raise Damaged(f"{path} is damaged (it is cut off)")
    return found


def expect(folder: Path, table: str, part: str, known: str) -> Path:
    """A file of a part that is what its checksum says; else `Damaged`."""
    path = at(folder, table, part)
    try:
        found = sum_of(path)
    except FileNotFoundError:
        raise Damaged(f"{path} is missing") from None
    except OSError as error:
        raise Damaged(f"{path} is damaged ({error.strerror or error})") from None
    if found != known:
        raise Damaged(f"{path} is damaged (it has another checksum)")
    return path


def checked(folder: Path, part: str, table: str) -> dict[str, str]:
    """Checksums of a part of which one table is to be read; `Damaged` if that cannot be trusted.

    The table and those of `COMMITS` must be what their checksums say, and all others be there.
    """
    sums = sums_of(folder, part)
    for other, known in sums.items():
        if other in (table, *COMMITS):
            expect(folder, other, part, known)
        elif not at(folder, other, part).exists():
            raise Damaged(f"{at(folder, other, part)} is missing")
    return sums


def read_table(path: Path, only: list[str] | None = None) -> pa.Table:
    """Read a table of a part; `Damaged` with its name if that cannot be."""
    try:
        part = columns.read(path, only)
    except Damaged as error:
        raise Damaged(f"{path} is damaged (it {error})") from None
    if "run" not in part.column_names and (only is None or "run" in only):
        raise Damaged(f"{path} is damaged (it lacks the column 'run')")
    return part


def set_aside(folder: Path, part: str) -> None:
    """Rename all of a part, its checksums first: without them it counts no more."""
    for path in (folder / SUMS / f"{part}.sha256", *(at(folder, t, part) for t in TABLES)):
        if path.exists():
            path.rename(path.with_name(f"{path.name}.damaged"))
