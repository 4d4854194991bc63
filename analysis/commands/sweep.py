"""The commands `sweep`, `sensitivity`, `discover` and `map`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from math import isnan
from pathlib import Path
from typing import Any

from multicopy.analysis.commands.console import (
    DONE,
    SOME_FAILED,
    duration,
    note,
    print_table,
    runs_kept,
    sweep_progress,
)
from multicopy.analysis.commands.options import (
    comma_list,
    scenario_changes,
    scenario_options,
    workers_option,
)

Setup = Callable[[argparse.ArgumentParser], None]


def setup_sweep(p: argparse.ArgumentParser) -> None:
    """Options of `sweep`."""
    _sweep_options(p)
    p.add_argument("--dry-run", action="store_true", help="only say what there would be to do")
    p.set_defaults(function=sweep)


def _sweep_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("design", type=Path, metavar="DESIGN.toml")
    scenario_options(p)
    p.add_argument("--out", type=Path, metavar="DIR", help="default: results/sweep-DESIGN")
    where = p.add_mutually_exclusive_group()
    workers_option(where)
    where.add_argument("--scheduler", metavar="tcp://HOST:PORT", help="join a Dask cluster")
    p.add_argument("--resume", action="store_true", help="go on with what the folder has")
    p.add_argument("--retry-failed", action="store_true", help="resume, and do failed runs again")


def sweep(arguments: argparse.Namespace) -> int:
    """Run a design."""
    design = _design(arguments)
    if arguments.dry_run:
        return _dry_run(design, arguments)
    out = arguments.out or Path("results") / f"sweep-{design.name}"
    code = _run(design, out, arguments)
    _tell(out)
    return code


def _design(arguments: argparse.Namespace) -> Any:
    from multicopy.analysis.many.reading import load

    fixed, scale = scenario_changes(arguments)
    changes: dict[str, Any] = {"fixed": fixed}
    return load(arguments.design, **changes, **({} if scale == 1.0 else {"rounds_scale": scale}))


def _run(design: Any, out: Path, arguments: argparse.Namespace) -> int:
    """Run a design into a folder, with progress; the exit code."""
    from multicopy.analysis.many.driver import How, run_sweep

    how = How(
        arguments.workers,
        arguments.scheduler,
        arguments.resume,
        arguments.retry_failed,
        sweep_progress(),
        note,
    )
    with runs_kept(out, "--resume"):
        status = run_sweep(design, out, how)
    return SOME_FAILED if status.failed else DONE


def _dry_run(design: Any, arguments: argparse.Namespace) -> int:
    """Say how many runs there would be, how long they would take, and the first of them."""
    from multicopy.analysis.many.driver import estimate
    from multicopy.analysis.many.points import Plan

    plan, one = Plan(design), estimate(design)
    workers = arguments.workers or os.cpu_count() or 1
    print(
        f"{len(plan):,} runs: {plan.points:,} points ({design.method}) × {plan.replicates} "
        f"replicates, {design.random_numbers} random numbers"
    )
    seconds = one["seconds"] * len(plan) / workers
    print(
        f"The first took {one['seconds']:.2f} s: about {duration(seconds)} on {workers} workers, "
        f"{one['bytes'] * len(plan) / 1e6:,.1f} MB at most"
    )
    names = [factor.name for factor in plan.factors]
    rows = []
    for job in plan.jobs(range(min(6, len(plan)))):
        shown = [str(f.shown(h)) for f, h in zip(plan.factors, job.held, strict=True)]
        rows.append([str(job.run), str(job.point), str(job.seed), *shown])
    print_table(rows, ("run", "point", "seed", *names), "The first of them")
    return DONE


def _tell(out: Path) -> None:
    """Say how the runs of a sweep ended."""
    from multicopy.analysis.many.store import count_outcomes, failures

    for outcome, count in count_outcomes(out).items():
        print(f"{count:>9,}  {outcome}")
    failed = failures(out)
    for message, count in failed.get("message", failed["run"]).value_counts().head(3).items():
        print(f"{count:>9,}  failed: {message}")
    print(f"Files are in {out}/")


# --- analyses -----------------------------------------------------------------------------------


def setup_sensitivity(p: argparse.ArgumentParser) -> None:
    """Options of `sensitivity`."""
    _sweep_options(p)
    p.add_argument(
        "--measure",
        type=comma_list,
        default="captured,true_alignment",
        metavar="A,B",
        help="outcomes or measures",
    )
    p.set_defaults(function=sensitivity)


def sensitivity(arguments: argparse.Namespace) -> int:
    """Run a Saltelli or Morris design, or go on with it, and print the indices of its factors."""
    from multicopy.analysis.files import places
    from multicopy.analysis.files.writing import written
    from multicopy.analysis.many import store
    from multicopy.analysis.questions import sensitivity as analysis

    design = _design(arguments)
    analysis.require(design, arguments.measure)
    out = arguments.out or Path("results") / f"sweep-{design.name}"
    if os.path.isdir(out):
        places.require_files(out, ("sensitivity.parquet", "sensitivity.png"))
    code = _run(design, out, arguments)
    runs = store.read(out)
    table = analysis.indices(runs, design, arguments.measure)
    columns = [str(c) for c in table if c not in ("measure", "factor")]
    columns = [c for c in columns if not c.endswith("_conf")]
    rows = []
    for row in table.to_dict("records"):
        widths = [row.get(f"{c}_conf", float("nan")) for c in columns]
        told = zip((row[c] for c in columns), widths, strict=True)
        cells = [f"{at:.3f}" if isnan(wide) else f"{at:.3f} ± {wide:.3f}" for at, wide in told]
        rows.append([row["measure"], row["factor"], *cells])
    print_table(rows, ("measure", "factor", *columns), f"{len(runs)} runs, 95 % intervals")
    with written(out / "sensitivity.parquet") as file:
        table.to_parquet(file)
    _save(analysis.figure(table, runs, design.title or design.name), out / "sensitivity.png")
    return code


def setup_discover(p: argparse.ArgumentParser) -> None:
    """Options of `discover`."""
    p.add_argument("sweep", type=Path, metavar="DIR")
    p.add_argument("--outcome", default="captured", help="a class of outcomes")
    p.set_defaults(function=discover)


def discover(arguments: argparse.Namespace) -> int:
    """Find where an outcome happens, in words and a figure."""
    from multicopy.analysis.files import places
    from multicopy.analysis.questions import discovery

    design, runs = _read(arguments.sweep)
    places.require_files(arguments.sweep, [f"discover-{arguments.outcome}.png"])
    box = discovery.discover(runs, design, arguments.outcome)
    sentence = box.sentence(discovery.factor_table(runs, design))
    print(f"{sentence[0].upper()}{sentence[1:]}.")
    title = f"Where runs end {arguments.outcome}: {design.title or design.name}"
    path = arguments.sweep / f"discover-{arguments.outcome}.png"
    _save(discovery.figure(box, runs, design, title), path)
    return DONE


def setup_map(p: argparse.ArgumentParser) -> None:
    """Options of `map`."""
    p.add_argument("sweep", type=Path, metavar="DIR")
    p.add_argument("--x", required=True, metavar="FACTOR")
    p.add_argument("--y", required=True, metavar="FACTOR")
    p.add_argument("--by", metavar="FACTOR", help="a panel for each of its levels")
    p.add_argument("--measure", default="captured", help="an outcome (its share) or a measure")
    p.set_defaults(function=map_)


def map_(arguments: argparse.Namespace) -> int:
    """Draw a measure, or the share of an outcome, over two factors."""
    from multicopy.analysis.files import places
    from multicopy.analysis.questions import phase_map

    design, runs = _read(arguments.sweep)
    places.require_files(arguments.sweep, [f"map-{arguments.measure}.png"])
    axes = (arguments.measure, arguments.x, arguments.y, arguments.by)
    cells = phase_map.table(runs, design, *axes)
    path = arguments.sweep / f"map-{arguments.measure}.png"
    _save(phase_map.figure(cells, runs, design.title or design.name, *axes), path)
    return DONE


def _read(folder: Path) -> tuple[Any, Any]:
    """Design and runs of a sweep; a word if it has not ended."""
    import warnings

    from multicopy.analysis.many import store
    from multicopy.model.scenario import InputError

    design = store.design(store.manifest(folder))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        runs = store.read(folder)
    for warning in caught:
        note(str(warning.message))
    if runs.empty:
        raise InputError(f"{folder}: has no run that is done")
    return design, runs


def _save(figure: Any, path: Path) -> None:
    from multicopy.analysis.figures.look import save

    save(figure, path)
    print(f"The figure is {path}")


COMMANDS: dict[str, tuple[Setup, str]] = {
    "sweep": (setup_sweep, "run a design: very many runs, on this machine or a cluster"),
    "sensitivity": (setup_sensitivity, "which factors a measure depends on"),
    "discover": (setup_discover, "the factor values at which an outcome happens"),
    "map": (setup_map, "a measure over two factors of a sweep"),
}
"""Commands, what sets up their options, and what they do."""
