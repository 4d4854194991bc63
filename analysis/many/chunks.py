"""What a worker does: run a chunk of runs and return their tables.

A run that fails, in whatever way, becomes a row of `failures`; it never ends its chunk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing import parent_process
from threading import Lock
from time import perf_counter
from typing import Any, Final

import pandas as pd
import pyarrow as pa

from multicopy.analysis.files import plugins, standard_streams
from multicopy.analysis.files.columns import SEED
from multicopy.analysis.many.apart import child
from multicopy.analysis.many.parts import Tables
from multicopy.analysis.many.points import Job
from multicopy.analysis.many.work import (
    Work,
    brought,
    code_version,
    failure,
    one_thread,
    settle,
    unlike,
)

_ONE_AT_A_TIME: Final = Lock()
"""A worker may have been given several threads, a run wants one core."""


@dataclass(slots=True)
class Harvest:
    """What a chunk brought: rows by table, and how long it took.

    `code` is the worker's `code_version`; the tables of `runs` and `failures` hold each run once.
    """

    code: str
    seconds: float = 0.0
    done: int = 0
    failed: int = 0
    tables: Tables = field(default_factory=dict)


def run_chunk(work: Work, jobs: Sequence[Job], apart: bool = False) -> Harvest:
    """Run a chunk of runs, one after the other.

    They are done in this process, or `apart` from it, as runs with a limit of time are: then one
    that ends its process is a row of `failures` that says how.
    """
    with _ONE_AT_A_TIME:
        one_thread()
        if parent_process() is not None:
            standard_streams.secure()
        plugins.load(work.plugged)
        start = perf_counter()
        harvest, rows, failures = Harvest(code_version()), [], []
        frames: dict[str, list[pd.DataFrame]] = {}
        apart = apart or work.limit is not None
        do = child(replace(work, measures=None)).settle if apart else partial(settle, work)
        for job in jobs:
            row, tables = do(job)
            if tables is None:
                failures.append(row)
                continue
            if work.measures is None:
                known = {name: isinstance(value, str) for name, value in row.items()}
                work = replace(work, measures=brought(work, known))
            if why := unlike(work, row):
                failures.append(failure(work, job, "measures", why))
                continue
            rows.append(row)
            for name, frame in tables.items():
                frames.setdefault(name, []).append(frame)
        harvest.done, harvest.failed = len(rows), len(failures)
        harvest.tables = {
            "runs": to_table(work, rows),
            "failures": to_table(work, failures),
            **{
                name: pa.Table.from_pandas(
                    pd.concat(parts, ignore_index=True), preserve_index=False
                )
                for name, parts in frames.items()
            },
        }
        harvest.tables = {
            n: t.replace_schema_metadata() for n, t in harvest.tables.items() if len(t)
        }
        harvest.seconds = perf_counter() - start
    return harvest


def to_table(work: Work, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows of `runs` or `failures` with the same columns and types whatever the values are."""
    if not rows:
        return pa.table({})
    whole = ("run", "point", "replicate", *(() if work.simulate else ("rounds",)))
    known = {name: pa.int64() for name in whole} | {"stopped": pa.bool_()}
    known["seed"] = pa.from_numpy_dtype(SEED)
    known |= {factor.name: factor.type for factor in work.factors}

    def kind(name: str, value: Any) -> pa.DataType:
        return known.get(name) or (pa.string() if isinstance(value, str) else pa.float64())

    measures = [name for name in work.measures or () if name in rows[0]]
    names = [*(name for name in rows[0] if name not in measures), *measures]
    schema = pa.schema([(name, kind(name, rows[0][name])) for name in names])
    return pa.Table.from_pylist(rows, schema)
