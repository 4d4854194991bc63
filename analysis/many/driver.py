"""Running a sweep: chunks out, harvests in, parts to the disk."""

from __future__ import annotations

import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from multicopy.analysis.files import versions
from multicopy.analysis.files.columns import Damaged
from multicopy.analysis.files.writing import held
from multicopy.analysis.many import store as stores
from multicopy.analysis.many.chunks import Harvest, run_chunk, to_table
from multicopy.analysis.many.design import Design
from multicopy.analysis.many.engine import Engine, EngineLost, OnDask, engine, require_workers
from multicopy.analysis.many.factors import Factor
from multicopy.analysis.many.parts import Tables
from multicopy.analysis.many.points import Job, Plan
from multicopy.analysis.many.reading import load
from multicopy.analysis.many.store import Store
from multicopy.analysis.many.work import Simulate, Work, brought, code_version, failure, run
from multicopy.model.scenario import InputError, resolve

CHUNK_SECONDS: Final = 4.0
"""How long a chunk is to take: long against what handing it out takes, short against a sweep."""

CHUNK_RUNS: Final = 500
WINDOW: Final = 16
"""Chunks under way at least; two a worker if those are more."""

PART_SECONDS: Final = (1.0, 300.0)
"""Least and most time between two parts; meanwhile it is a hundredth of the time so far, so that a
sweep that is killed loses about 1 % of its work and a long one has not too many parts."""

PART_BYTES: Final = 64_000_000
LOST: Final = "lost its worker each time, even when it ran alone: the worker's log may tell why"


class Stopped(Exception):
    """A sweep that ended early; what it did is kept, and it can be resumed."""


@dataclass(slots=True)
class Status:
    """How far a sweep is.

    `done` and `failed` include what was there before a resume.
    """

    planned: int
    done: int = 0
    failed: int = 0
    workers: int = 0

    @property
    def left(self) -> int:
        """Runs that are still to come."""
        return self.planned - self.done - self.failed


@dataclass(frozen=True, slots=True)
class How:
    """How a sweep is run.

    Attributes
    ----------
    workers, scheduler
        Processes on this machine (0: none but this; None: one a core), or a Dask scheduler.
    resume, retry_failed
        Go on with what the folder has; also do again what failed.
    report
        Is told the status, about once a second.
    say
        Is told what the user should know.
    """

    workers: int | None = None
    scheduler: str | None = None
    resume: bool = False
    retry_failed: bool = False
    report: Callable[[Status], None] = field(default=lambda status: None)
    say: Callable[[str], None] = field(default=lambda text: None)


def sweep(
    design: str | Path | Mapping[str, Any] | Design,
    out: str | Path | None = None,
    *,
    simulate: Simulate | None = None,
    **how: Any,
) -> pd.DataFrame:
    """Run a design and return its table, a row a run.

    Parameters
    ----------
    design
        A `Design`, a mapping of the same form, or the path of a TOML file.
    out
        Folder to keep it in; without one nothing is kept but the table.
    simulate
        A function ``(parameters, seed) -> {measure: number}`` in place of the model's own run and
        measures (``outcome`` may be text). It must be importable by the workers.
    **how
        Fields of `How`: ``workers``, ``scheduler``, ``resume``, ``retry_failed``, ...

    Returns
    -------
    The runs that went well; ``attrs`` tell how many did not. `failures` says why.
    """
    return tables(design, out, ("runs",), simulate=simulate, **how)[0]


def tables(
    design: str | Path | Mapping[str, Any] | Design,
    out: str | Path | None,
    names: Sequence[str],
    *,
    simulate: Simulate | None = None,
    **how: Any,
) -> list[pd.DataFrame]:
    """Run a design as `sweep` does and return the tables of these names, as `store.read` does."""
    with nullcontext(out) if out else tempfile.TemporaryDirectory() as folder:
        run_sweep(load(design), Path(folder), How(**how), simulate)
        return [stores.read(folder, name) for name in names]


def require_any(runs: pd.DataFrame, failures: pd.DataFrame) -> None:
    """Refuse to go on with no run.

    Raises
    ------
    InputError
        With why the first failed, if there are no runs.
    """
    if runs.empty:
        raise InputError(f"no run went well; the first {failures['message'].iloc[0]}")


def evaluate(
    points: NDArray[np.float64],
    names: Sequence[str],
    measures: Sequence[str],
    seeds: Iterable[int] = (0,),
    scenario: str = "ai2027",
    rounds_scale: float = 1.0,
    **fixed: Any,
) -> NDArray[np.float64]:
    """The model as a function of a matrix of points, in this process: for SALib's `evaluate`.

    Parameters
    ----------
    points
        A row a point, a column a parameter.
    names
        Paths of the parameters.
    measures
        What to return: columns of the table of runs.
    seeds
        Seeds to take the mean over, the same at each point.
    scenario, rounds_scale, **fixed
        What is the same for all points.

    Returns
    -------
    A row a point and a column a measure; one measure gives a flat array.
    """
    factors = tuple(Factor(name, low=-np.inf, high=np.inf) for name in names)
    work = Work(resolve(scenario, fixed), rounds_scale, factors)
    rows = []
    for i, point in enumerate(np.atleast_2d(points)):
        runs = [run(work, Job(i, i, r, s, tuple(point)))[0] for r, s in enumerate(seeds)]
        rows.append([np.mean([row[measure] for row in runs]) for measure in measures])
    found = np.array(rows)
    return found[:, 0] if len(measures) == 1 else found


def run_sweep(design: Design, out: Path, how: How, simulate: Simulate | None = None) -> Status:
    """Run a checked design into a folder, or go on with it.

    Raises
    ------
    InputError
        If the folder is in use, or holds something else.
    Stopped
        If the cluster was lost.
    """
    require_workers(how.workers, how.scheduler)
    with held(out, stores.LOCK):
        identity = {
            "schema": stores.SCHEMA,
            "fingerprint": design.fingerprint(),
            "code": code_version(),
            "simulate": _named(simulate),
        }
        manifest = _begin(design, out, how, identity)
        store, plan = Store(out, identity), Plan(design)
        if how.retry_failed:
            store.forget_failures()
        settled, failed = store.settled(how.say)
        todo = np.setdiff1d(np.arange(len(plan)), settled, assume_unique=True)
        status = Status(len(plan), len(settled) - failed, failed)
        how.report(status)
        if len(todo):
            work = Work.of(design, simulate)
            try:
                with engine(work, how.workers, how.scheduler, how.say) as machine:
                    stores.write_manifest(out, manifest)  # not before: nothing is left of no engine
                    Drive(plan, work, store, machine, status, how).go(todo)
            except EngineLost as error:
                raise Stopped(str(error)) from None
        stores.write_manifest(
            out,
            manifest | {"complete": True, "failed": status.failed, "ended": _now()},
        )
    return status


def _begin(design: Design, out: Path, how: How, identity: Mapping[str, Any]) -> dict[str, Any]:
    """Make sure that the folder is new, or that of this very sweep; the manifest it is to have."""
    again = how.resume or how.retry_failed
    manifest = {
        **identity,
        "runs": len(Plan(design)),
        "complete": False,
        "design": design.model_dump(mode="json"),
        "started": _now(),
        "versions": versions.versions(),
    }
    if not (out / stores.MANIFEST).exists():
        ours = stores.OURS if again else {stores.LOCK}
        foreign = [p.name for p in out.iterdir() if p.name not in ours and p.suffix != ".part"]
        if foreign:
            raise InputError(f"{out}: is not empty ({foreign[0]}); choose another --out")
        return manifest
    if not again:
        found = stores.manifest(out)
        raise InputError(
            f"{out}: holds a sweep of {found['runs']} runs; --resume goes on with it, "
            "or choose another --out"
        )
    try:
        found = stores.told(out)
    except Damaged as error:
        how.say(f"{error}; it is written anew")
    else:
        _refuse_other(out, found, identity)
        manifest = found | {"complete": False, "design": manifest["design"]}
    stores.write_manifest(out, manifest)
    return manifest


def _refuse_other(out: Path, found: Mapping[str, Any], mine: Mapping[str, Any]) -> None:
    why = {
        "fingerprint": "its sweep has another design (or its scenario was changed)",
        "code": "its runs were made by another version of the model or of its libraries",
        "simulate": f"its runs were made by {found.get('simulate')}",
    }
    for key, text in why.items():
        if found.get(key) != mine[key]:
            raise InputError(f"{out}: {text}; choose another --out")


def _named(simulate: Simulate | None) -> str:
    """What decides the measures of a run: a function by its name, a value by all it holds."""
    if simulate is None:
        return "model"
    name = getattr(simulate, "__qualname__", None)
    return f"{simulate.__module__}.{name}" if name else repr(simulate)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class Drive:
    """Gives chunks to an engine and puts what comes back into the store."""

    def __init__(
        self, plan: Plan, work: Work, store: Store, machine: Engine, status: Status, how: How
    ) -> None:
        self._plan, self._work, self._store = plan, work, store
        self._engine, self._status, self._how = machine, status, how
        self._suspects: deque[Job] = deque()
        self._buffer: list[Tables] = []
        self._bytes, self._part = 0, store.next_part()
        self._seconds_a_run = 0.0
        self._start = self._told = self._flushed = time.monotonic()

    def go(self, todo: NDArray[np.int64]) -> None:
        """Do all these runs; what is done is kept however it ends."""
        try:
            self._know_measures(self._store.columns())
            self._do_all(todo)
            self._do_suspects()
        finally:
            self._flush()
            self._status.workers = self._engine.workers
            self._how.report(self._status)

    def _do_all(self, todo: NDArray[np.int64]) -> None:
        at = 0
        while at < len(todo) or self._engine.under_way:
            while at < len(todo) and self._engine.under_way < self._window():
                size = self._chunk_size(len(todo) - at)
                self._engine.submit(list(self._plan.jobs(todo[at : at + size].tolist())))
                at += size
            for chunk, harvest in self._engine.ended(1.0):
                if harvest is None:
                    self._suspects.extend(chunk)
                else:
                    self._take(harvest)
            self._keep_house()

    def _do_suspects(self) -> None:
        """Do runs whose chunk lost its workers again, one by one and alone, to see which it is."""
        while self._suspects:
            job = self._suspects.popleft()
            self._engine.submit([job], apart=True)
            while self._engine.under_way:
                for _, harvest in self._engine.ended(1.0):
                    self._take(harvest or self._lost(job))
                self._keep_house()

    def _lost(self, job: Job) -> Harvest:
        row = failure(self._work, job, "died", LOST)
        tables: Tables = {"failures": to_table(self._work, [row])}
        return Harvest(code_version(), failed=1, tables=tables)

    def _take(self, harvest: Harvest) -> None:
        if harvest.code != code_version():
            raise EngineLost("a worker runs another version of the model or of its libraries")
        count = harvest.done + harvest.failed
        if harvest.seconds:
            latest = harvest.seconds / count
            before = self._seconds_a_run or latest
            self._seconds_a_run = 0.7 * before + 0.3 * latest
        self._status.done += harvest.done
        self._status.failed += harvest.failed
        self._buffer.append(harvest.tables)
        if "runs" in harvest.tables:
            self._know_measures(harvest.tables["runs"].schema)
        self._bytes += sum(table.nbytes for table in harvest.tables.values())

    def _know_measures(self, columns: pa.Schema | None) -> None:
        """Hold all runs to the measures of the first; it is for runs of a function of others."""
        if self._work.measures is None and columns is not None:
            texts = {field.name: pa.types.is_string(field.type) for field in columns}
            self._work = replace(self._work, measures=brought(self._work, texts))
            self._engine.work = self._work

    def _window(self) -> int:
        """Chunks under way at most; one until the measures are known, whoever is the first."""
        return 1 if self._work.measures is None else max(WINDOW, 2 * self._engine.workers)

    def _chunk_size(self, left: int) -> int:
        """Runs of the next chunk; towards the end fewer, so that all workers end together."""
        if not self._seconds_a_run:
            return 1
        fair = left // (3 * max(1, self._engine.workers))
        wanted = int(CHUNK_SECONDS / self._seconds_a_run)
        return max(1, min(wanted, fair, CHUNK_RUNS))

    def _keep_house(self) -> None:
        """Write a part and tell the status when it is time."""
        now = time.monotonic()
        least, most = PART_SECONDS
        if (
            now - self._flushed > min(max(least, (now - self._start) / 100), most)
            or self._bytes > PART_BYTES
        ):
            self._flush()
        if now - self._told > 1.0:
            self._told = now
            if isinstance(self._engine, OnDask):
                self._engine.count_workers()
            self._status.workers = self._engine.workers
            self._how.report(self._status)

    def _flush(self) -> None:
        """Write what there is as a part.

        An interrupt may come at any point: what was not written by then is written over, under the
        same number, by the last call.
        """
        if self._buffer:
            names = dict.fromkeys(name for tables in self._buffer for name in tables)
            self._store.write(
                self._part,
                {n: pa.concat_tables([t[n] for t in self._buffer if n in t]) for n in names},
            )
            self._buffer = []
            self._part, self._bytes = self._part + 1, 0
        self._flushed = time.monotonic()


def estimate(design: Design) -> dict[str, float]:
    """Seconds and bytes of a run, measured by running the first of the plan.

    It is run twice: the first time loads and compiles code.
    """
    plan, work = Plan(design), Work.of(design, None)
    run_chunk(work, [plan.job(0)])
    harvest = run_chunk(work, [plan.job(0)])
    size = sum(table.nbytes for table in harvest.tables.values())
    return {"seconds": harvest.seconds, "bytes": size}
