"""A run of a sweep: its parameters, what is measured, and how it failed if it did."""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from math import isfinite
from typing import Any, Final

import pandas as pd
import pyarrow as pa
from threadpoolctl import threadpool_limits

from multicopy.agents.machine import compiled
from multicopy.agents.parameters import Parameters
from multicopy.analysis.files import columns, plugins, versions
from multicopy.analysis.many import design as designs
from multicopy.analysis.many.design import ENDING, IDENTITY, LAST, Design, Stop
from multicopy.analysis.many.factors import Factor
from multicopy.analysis.many.points import Job
from multicopy.model.collective import CollectiveModel
from multicopy.model.health import NumericFault
from multicopy.model.measures import DERIVED
from multicopy.model.scenario import InputError, fingerprint, resolve, scale_rounds

Simulate = Callable[[Parameters, int], Mapping[str, float | str]]

LONGEST: Final = 1_000
"""Characters of a failure's message."""

PACKAGES: Final = ("mesa", "numpy", "scipy", "numba", "SALib")


class NoNumber(ValueError):
    """A run whose measure is NaN, infinite or not a number."""


class OtherMeasures(ValueError):
    """A run whose measures do not fit into the table."""


@dataclass(frozen=True, slots=True)
class Work:
    """What all runs of a sweep have in common; it travels with every chunk.

    Attributes
    ----------
    limit
        Seconds that a run may take.
    measures
        What each run brings, and whether it is text; None until it is known.
    plugged
        Plug-ins that the runs need.
    """

    base: Parameters
    rounds_scale: float
    factors: tuple[Factor, ...]
    keep: tuple[str, ...] = ()
    stop: Stop | None = None
    detail: bool = False
    simulate: Simulate | None = None
    limit: float | None = None
    measures: Mapping[str, bool] | None = None
    plugged: tuple[str, ...] = ()

    @classmethod
    def of(cls, design: Design, simulate: Simulate | None) -> Work:
        """What the runs of a design have in common."""
        base = resolve(design.scenario, design.fixed)
        own = dict.fromkeys((*ENDING, *designs.measures(base, design.detail)), False)
        return cls(
            base,
            design.rounds_scale,
            design.parsed(),
            design.keep,
            design.stop,
            design.detail,
            simulate,
            design.run_limit_seconds,
            None if simulate else own | {"outcome": True, "reason": True},
            tuple(plugins.loaded()),
        )

    def parameters(self, job: Job) -> Parameters:
        """Parameters of a run."""
        return designs.at_point(self.base, self.factors, job.held, self.rounds_scale)


Outcome = tuple[dict[str, Any], dict[str, pd.DataFrame] | None]
"""A row of `runs` and the tables that are kept of the run, or a row of `failures` and None."""


def settle(work: Work, job: Job) -> Outcome:
    """Do a run, whatever comes of it; only an interrupt goes through."""
    try:
        return run(work, job)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # code of others may raise anything, or ask to exit
        return failure(work, job, *_in_words(error)), None


def warm_up() -> None:
    """Load or compile what runs need, by the shortest run that there is."""
    CollectiveModel(scale_rounds(resolve(overrides={"copies": 64}), 0.001), 0, detail=False).run()


def one_thread() -> None:
    """Keep this process to one core: the runs are the parallel part."""
    threadpool_limits(1)
    compiled.limit_threads(1)


def run(work: Work, job: Job) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """One run: its row, and the other tables that are kept of it."""
    parameters = work.parameters(job)
    measured: dict[str, Any]
    tables: dict[str, pd.DataFrame] = {}
    if work.simulate:
        measured = _plain_measures(work.simulate(parameters, job.seed))
    else:
        measured, tables = simulate(work, parameters, job.seed)
    wrong = [n for n, v in measured.items() if not isinstance(v, str) and not isfinite(v)]
    if wrong:
        raise NoNumber(f"{wrong[0]} is {measured[wrong[0]]}")
    place = {"run_id": run_id(parameters, job.seed), **_place(work, job)}
    if taken := place.keys() & measured.keys():
        raise OtherMeasures(f"returned {min(taken)!r}, which says which run it is")
    row = place | measured
    for frame in tables.values():
        frame.insert(0, "run", job.run)
    return row, tables


def _plain_measures(told: Any) -> dict[str, Any]:
    """Measures of a function of others as numbers and texts that a table can hold."""
    if not isinstance(told, Mapping):
        raise OtherMeasures(f"returned {type(told).__name__}, not a mapping of measures")
    found: dict[str, Any] = {}
    for name, value in told.items():
        if not isinstance(name, str):
            raise OtherMeasures(f"returned a measure {name!r}, whose name is not text")
        try:
            found[_utf8(name)] = _utf8(value) if isinstance(value, str) else float(value)
        except (TypeError, ValueError, OverflowError):
            raise NoNumber(f"{name} is {str(value)[:100]}") from None
        if why := _misfit(name, isinstance(value, str)):
            raise OtherMeasures(f"returned {name!r} = {value!r}: no column of that name is {why}")
    return found


@cache
def _misfit(name: str, text: bool) -> str:
    """Why a table that has such a column could not be read again; nothing if it could."""
    return columns.wrong_column(name, pa.chunked_array([["text"] if text else [1.0]]))


def _utf8(text: str) -> str:
    """A text that can be written."""
    return text.encode("utf-8", "backslashreplace").decode()


def run_id(parameters: Parameters, seed: int) -> str:
    """Hash of resolved parameters and seed."""
    text = f"{fingerprint(parameters)}:{seed}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def brought(work: Work, texts: Mapping[str, bool]) -> dict[str, bool]:
    """The measures among the columns of a row, and whether they are text."""
    place = {*IDENTITY, *(factor.name for factor in work.factors)}
    return {name: text for name, text in texts.items() if name not in place}


def unlike(work: Work, row: Mapping[str, Any]) -> str:
    """Why a row does not fit into the table of runs; nothing if it does."""
    known = work.measures or {}
    found = brought(work, {name: isinstance(value, str) for name, value in row.items()})
    for name in known.keys() ^ found.keys():
        told = f"lacks {name!r}, which" if name in known else f"has {name!r}, which none of"
        return f"returned other measures than the runs before: it {told} they have"
    for name, text in found.items():
        if text != known[name]:
            was = "text" if known[name] else "a number"
            return f"returned {name!r} = {row[name]!r}, which was {was} in the runs before"
    return ""


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
    model = CollectiveModel(parameters, rng=seed, detail=work.detail)
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
        **summary(pd.DataFrame(model.records.rows[-window:]), parameters),
        **{name: model.records.rows[-1][measure] for name, measure in LAST.items()},
    }
    tables = {"events": model.records.events.frame()}
    if "phases" in work.keep:
        tables["phases"] = phase_summaries(model.records.rounds(), parameters)
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


def summary(rounds: pd.DataFrame, p: Parameters) -> dict[str, float]:
    """Means of all measures over these rounds."""
    numbers = rounds.select_dtypes("number").drop(columns=["round", "phase_round"])
    means = dict(zip(map(str, numbers.columns), numbers.to_numpy(float).mean(axis=0), strict=True))
    derived = {name: one.of(rounds, p).mean() for name, one in DERIVED.items()}
    return {name: float(mean) for name, mean in (means | derived).items()}


def phase_summaries(rounds: pd.DataFrame, p: Parameters) -> pd.DataFrame:
    """Means of all measures over the last rounds of each phase, a row a phase."""
    window = p.outcome.window
    rows = [
        {"phase": str(name), "rounds": len(part), **summary(part.iloc[-window:], p)}
        for name, part in rounds.groupby("phase", observed=True, sort=False)
    ]
    return pd.DataFrame(rows)


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """A table with text for categories, which differ from run to run; its columns lie together."""
    return frame.astype({n: "str" for n in frame.select_dtypes("category").columns}).copy()


# --- failures -------------------------------------------------------------------------------------


def failure(work: Work, job: Job, kind: str, message: str, trace: str = "") -> dict[str, Any]:
    """A row of `failures`."""
    told = {"kind": kind, "message": _utf8(message)[:LONGEST], "traceback": _utf8(trace)}
    return {**_place(work, job), **told}


def _in_words(error: BaseException) -> tuple[str, str, str]:
    """Kind and message of a failure, and where it came from."""
    trace = traceback.format_exc()
    if isinstance(error, InputError):
        return "parameters", f"not allowed: {str(error).splitlines()[0]}", trace
    if isinstance(error, MemoryError):
        return "memory", "ran out of memory" + (f": {error}" if str(error) else ""), trace
    if isinstance(error, NoNumber):
        return "no number", f"{error}, not a finite number", trace
    if isinstance(error, OtherMeasures):
        return "measures", str(error), trace
    if isinstance(error, NumericFault):
        return "no number", str(error), trace
    told = "".join(traceback.format_exception_only(error)).strip()
    return "error", f"raised {told}", trace


def code_version() -> str:
    """Hash of all that the result of a run depends on beside its parameters and seed."""
    told = [versions.code(), *sorted(plugins.loaded().values())]
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            told.append(f"{package}=={version(package)}")
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]
