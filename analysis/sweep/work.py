"""What a worker does: run a chunk of runs and return their tables.

A run that fails, in whatever way, becomes a row of `failures`; it never ends its chunk.
"""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from math import isfinite
from pathlib import Path
from threading import Lock
from time import perf_counter
from typing import Any, Final

import pandas as pd
import pyarrow as pa

from agents.parameters import Parameters
from analysis import parallel
from analysis.columns import SEED
from analysis.experiments import DERIVED
from analysis.sweep import design as designs
from analysis.sweep.design import LAST, Design, Stop
from analysis.sweep.factors import Factor
from analysis.sweep.points import Job
from model.collective import CollectiveModel
from model.health import NumericFault
from model.scenario import InputError, fingerprint, resolve

Simulate = Callable[[Parameters, int], Mapping[str, float | str]]
Tables = dict[str, pa.Table]

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("mesa", "numpy", "scipy", "numba", "SALib")
_ONE_AT_A_TIME: Final = Lock()
"""A worker may have been given several threads, a run wants one core."""


class NotFinite(ValueError):
    """A run whose measure is no number."""


@dataclass(frozen=True, slots=True)
class Work:
    """What all runs of a sweep have in common; it travels with every chunk."""

    base: Parameters
    rounds_scale: float
    factors: tuple[Factor, ...]
    keep: tuple[str, ...]
    stop: Stop | None
    simulate: Simulate | None

    @classmethod
    def of(cls, design: Design, simulate: Simulate | None) -> Work:
        """What the runs of a design have in common."""
        base = resolve(design.scenario, design.fixed)
        scale = design.rounds_scale
        return cls(base, scale, design.parsed(), design.keep, design.stop, simulate)

    def parameters(self, job: Job) -> Parameters:
        """Parameters of a run."""
        told = designs.overrides(self.factors, job.held)
        return designs.scaled(resolve(self.base, told), self.rounds_scale)


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


def run_chunk(work: Work, jobs: Sequence[Job]) -> Harvest:
    """Run a chunk of runs in this process, one after the other."""
    with _ONE_AT_A_TIME:
        parallel.one_thread()
        start = perf_counter()
        harvest, rows, failures = Harvest(code_version()), [], []
        frames: dict[str, list[pd.DataFrame]] = {}
        for job in jobs:
            try:
                row, tables = run(work, job)
            except Exception as error:
                failures.append(failure(work, job, *_in_words(error)))
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


def run(work: Work, job: Job) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """One run: its row, and the other tables that are kept of it."""
    parameters = work.parameters(job)
    measured: dict[str, Any]
    tables: dict[str, pd.DataFrame] = {}
    if work.simulate:
        measured = dict(work.simulate(parameters, job.seed))
    else:
        measured, tables = simulate(work, parameters, job.seed)
    wrong = [n for n, v in measured.items() if not isinstance(v, str) and not isfinite(v)]
    if wrong:
        raise NotFinite(f"{wrong[0]} is {measured[wrong[0]]}")
    row = {"run_id": run_id(parameters, job.seed), **_place(work, job), **measured}
    for frame in tables.values():
        frame.insert(0, "run", job.run)
    return row, tables


def run_id(parameters: Parameters, seed: int) -> str:
    """Hash of resolved parameters and seed."""
    text = f"{fingerprint(parameters)}:{seed}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _place(work: Work, job: Job) -> dict[str, Any]:
    """Columns that say which run a row is."""
    place = {"run": job.run, "point": job.point, "replicate": job.replicate, "seed": job.seed}
    shown = {f.name: f.shown(held) for f, held in zip(work.factors, job.held, strict=True)}
    return place | shown


# --- one run of the model -------------------------------------------------------------------------


def simulate(
    work: Work, parameters: Parameters, seed: int
) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Run the model; the measures at its end, and the tables to keep."""
    model = CollectiveModel(parameters, rng=seed, detail=False)
    stopped = False
    while model.running and not stopped:
        model.step()
        stopped = _stops(work.stop, model)
    outcome, window = model.outcome(), parameters.outcome.window
    row = {
        "outcome": outcome.kind,
        "reason": outcome.reason,
        "rounds": model.round,
        "stopped": stopped and model.running,
        **summary(pd.DataFrame(model.records.rows[-window:])),
        **{name: model.records.rows[-1][measure] for name, measure in LAST.items()},
    }
    tables = {"events": model.records.events.frame()}
    if "phases" in work.keep:
        tables["phases"] = phase_summaries(model.records.rounds(), window)
    if "rounds" in work.keep:
        tables["rounds"] = _plain(model.records.rounds())
    if "ledger" in work.keep:
        tables["ledger"] = _plain(model.ledger.frame())
    return row, tables


def _stops(stop: Stop | None, model: CollectiveModel) -> bool:
    """Whether a run ends here."""
    if stop is None:
        return False
    if stop.phase is not None:
        turn = model.schedule.turn(model.round)
        if turn.name == stop.phase and turn.place == turn.phase.rounds:
            return True
    if stop.measure is None:
        return False
    value = model.records.rows[-1][stop.measure]
    if stop.above is not None:
        return bool(value > stop.above)
    return bool(stop.below is not None and value < stop.below)


def summary(rounds: pd.DataFrame) -> dict[str, float]:
    """Means of all measures over these rounds."""
    numbers = rounds.select_dtypes("number").drop(columns=["round", "phase_round"])
    means = dict(zip(map(str, numbers.columns), numbers.to_numpy(float).mean(axis=0), strict=True))
    derived = {name: of(rounds).mean() for name, (_, of) in DERIVED.items()}
    return {name: float(mean) for name, mean in (means | derived).items()}


def phase_summaries(rounds: pd.DataFrame, window: int) -> pd.DataFrame:
    """Means of all measures over the last rounds of each phase, a row a phase."""
    rows = [
        {"phase": str(name), "rounds": len(part), **summary(part.iloc[-window:])}
        for name, part in rounds.groupby("phase", observed=True, sort=False)
    ]
    return pd.DataFrame(rows)


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """A table with text for categories, which differ from run to run."""
    return frame.astype({name: "str" for name in frame.select_dtypes("category").columns})


# --- failures -------------------------------------------------------------------------------------


def failure(work: Work, job: Job, kind: str, message: str, trace: str = "") -> dict[str, Any]:
    """A row of `failures`."""
    return {**_place(work, job), "kind": kind, "message": message, "traceback": trace}


def _in_words(error: Exception) -> tuple[str, str, str]:
    """Kind and message of a failure, and where it came from."""
    trace = traceback.format_exc()
    if isinstance(error, InputError):
        return "parameters", f"not allowed: {str(error).splitlines()[0]}", trace
    if isinstance(error, MemoryError):
        return "memory", "ran out of memory" + (f": {error}" if str(error) else ""), trace
    if isinstance(error, NotFinite):
        return "no number", f"{error}, which is no number", trace
    if isinstance(error, NumericFault):
        return "no number", str(error), trace
    return "error", f"raised {type(error).__name__}: {error}", trace


# --- tables ---------------------------------------------------------------------------------------


def to_table(work: Work, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows of `runs` or `failures` with the same types whatever the values are."""
    if not rows:
        return pa.table({})
    whole = {"run", "point", "replicate", "rounds"}
    known = {name: pa.int64() for name in whole} | {"stopped": pa.bool_()}
    known["seed"] = pa.from_numpy_dtype(SEED)
    known |= {factor.name: factor.type for factor in work.factors}

    def kind(name: str, value: Any) -> pa.DataType:
        return known.get(name) or (pa.string() if isinstance(value, str) else pa.float64())

    schema = pa.schema([(name, kind(name, value)) for name, value in rows[0].items()])
    return pa.Table.from_pylist(rows, schema)


@cache
def code_version() -> str:
    """Hash of all that the result of a run depends on beside its parameters and seed."""
    digest = hashlib.sha256()
    for path in sorted([*ROOT.glob("agents/**/*.py"), *ROOT.glob("model/**/*.py"), Path(__file__)]):
        digest.update(path.relative_to(ROOT).as_posix().encode())
        digest.update(path.read_bytes())
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            digest.update(f"{package}=={version(package)}".encode())
    return digest.hexdigest()[:16]
