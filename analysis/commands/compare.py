"""The commands `ablate`, `personas` and `outcomes`: many runs against each other."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from math import isnan
from pathlib import Path
from typing import Any

from multicopy.analysis.commands.console import (
    DONE,
    SOME_FAILED,
    note,
    print_table,
    runs_kept,
    sweep_progress,
)
from multicopy.analysis.commands.options import (
    comma_list,
    neutral_option,
    resolved,
    scenario_options,
    whole_from_one,
    workers_option,
)


def _shared_options(p: argparse.ArgumentParser, out: str) -> None:
    scenario_options(p)
    workers_option(p)
    p.add_argument("--out", type=Path, metavar="DIR", help=f"default: results/{out}")
    p.add_argument("--force", action="store_true", help="replace an existing result")


RUNS = ".runs"
"""Folder of a sweep within that of a result, until the result is written."""


@contextmanager
def _runs(arguments: argparse.Namespace, out: Path) -> Iterator[dict[str, Any]]:
    """How the runs of a command are done: by a sweep in its folder, with which it goes on."""
    if arguments.force:
        shutil.rmtree(out / RUNS, ignore_errors=True)
    with runs_kept(out / RUNS, "the same command without --force"):
        yield {
            "out": out / RUNS,
            "workers": arguments.workers,
            "resume": True,
            "report": sweep_progress(),
            "say": note,
        }


def _ended(out: Path, failed: int) -> int:
    """Say where the result is; the exit code. Runs that failed stay, with why."""
    if failed:
        note(f"{failed:,} runs failed and are left out; {out / RUNS / 'failures'} says why")
    else:
        shutil.rmtree(out / RUNS)
    print(f"Files are in {out}/")
    return SOME_FAILED if failed else DONE


def setup_ablate(p: argparse.ArgumentParser) -> None:
    """Options of `ablate`."""
    p.add_argument("--scenario", default="ai2027", help="name or TOML file")
    p.add_argument("--seeds", type=whole_from_one, default=12, metavar="N", help="seeds 0 to N-1")
    p.add_argument(
        "--effects", type=comma_list, metavar="E1,E4", help="only these (E1 means all E1-...)"
    )
    p.add_argument("--file", type=Path, metavar="TOML", help="effects of your own, in its form")
    _shared_options(p, "ablate-SCENARIO")
    p.set_defaults(function=ablate)


def ablate(arguments: argparse.Namespace) -> int:
    """Run base, neutral and control arms, print and write the effects and their forest plot."""
    from multicopy.analysis.files import folder
    from multicopy.analysis.questions import experiments

    parameters, _ = resolved(arguments)
    effects = experiments.load_effects(arguments.file or experiments.EFFECTS)
    if arguments.effects:
        effects = experiments.choose(effects, arguments.effects)
    out = arguments.out or Path("results") / f"ablate-{parameters.name}"
    folder.prepare_files(out, ("effects.parquet", "effects.png"), arguments.force)
    with _runs(arguments, out) as how:
        table = experiments.ablate(effects, parameters, range(arguments.seeds), **how)
    from multicopy.analysis.figures import forest, look
    from multicopy.model.scenario import fingerprint

    identity = {"schema": str(folder.SCHEMA), "scenario": fingerprint(parameters)}
    folder.write_table(out / "effects.parquet", table, identity)
    look.save(forest(table), out / "effects.png")
    rows = [
        (
            r["effect"],
            r["measure"],
            r["arm"],
            f"{r['with_cause']:.3f}",
            f"{r['neutral']:.3f}",
            "" if isnan(r["z_neutral"]) else f"{r['z_neutral']:+.1f}",
            f"{r['without_cause']:.3f}" if r["arm"] else "",
            f"{r['difference']:+.3f}{between(r['low'], r['high'])}" if r["arm"] else "",
            r["verdict"],
        )
        for r in table.to_dict("records")
    ]
    heads = (
        *("effect", "measure", "without", "with it", "neutral", "z"),
        *("without", "difference, 95 %", "verdict"),
    )
    print_table(rows, heads, f"{parameters.copies} copies, {arguments.seeds} seeds")
    if arguments.seeds == 1:
        print("One seed says nothing about chance: no interval, z or verdict. Give more --seeds.")
    return _ended(out, table.attrs["failed"])


def between(low: float, high: float) -> str:
    """An interval as tables tell it; nothing where there is none."""
    return "" if isnan(low) else f" [{low:+.3f}, {high:+.3f}]"


def setup_personas(p: argparse.ArgumentParser) -> None:
    """Options of `personas`."""
    p.add_argument("--scenario", default="ai2027", help="name or TOML file")
    p.add_argument("--seeds", type=whole_from_one, default=4, metavar="N", help="seeds 0 to N-1")
    _shared_options(p, "personas-SCENARIO")
    p.set_defaults(function=personas)


def personas(arguments: argparse.Namespace) -> int:
    """Run distortion (0), switching (1) and half of each; compare what tells them apart."""
    from multicopy.analysis import figures
    from multicopy.analysis.figures import look
    from multicopy.analysis.files import folder
    from multicopy.analysis.questions import experiments
    from multicopy.model.scenario import fingerprint

    parameters, _ = resolved(arguments)
    out = arguments.out or Path("results") / f"personas-{parameters.name}"
    folder.prepare_files(out, ("personas.parquet", "personas.png"), arguments.force)
    with _runs(arguments, out) as how:
        table = experiments.compare_personas(parameters, range(arguments.seeds), **how)
    identity = {"schema": str(folder.SCHEMA), "scenario": fingerprint(parameters)}
    folder.write_table(out / "personas.parquet", table, identity)
    look.save(figures.persona_models(table), out / "personas.png")
    likes = [c for c in table.columns if c.startswith("like_")]
    measures = ["typicality", "explained", "homology", "resemblance"]
    last = table[table["round"] == table["round"].max()]
    rows = []
    for value, frame in last.groupby("exhaustiveness"):
        mean = frame[[*measures, *likes]].mean()
        liked = str(mean[likes].idxmax()).removeprefix("like_")
        share = f"{liked} {mean[likes].max():.2f}"
        rows.append([f"{value:g}", *(f"{mean[m]:.3f}" for m in measures), share])
    heads = ("exhaustiveness", *measures, "most responsible")
    print_table(rows, heads, f"At the end, {parameters.copies} copies, {arguments.seeds} seeds")
    return _ended(out, table.attrs["failed"])


def setup_outcomes(p: argparse.ArgumentParser) -> None:
    """Options of `outcomes`."""
    p.add_argument(
        "--scenarios",
        type=comma_list,
        default="ai2027,slowdown,strong_oversight,self_oversight,no_subdivisions",
        metavar="A,B",
        help="names or TOML files",
    )
    p.add_argument("--seeds", type=whole_from_one, default=100, metavar="N", help="seeds 0 to N-1")
    neutral_option(p)
    _shared_options(p, "outcomes")
    p.set_defaults(function=outcomes)


def outcomes(arguments: argparse.Namespace) -> int:
    """Run scenarios over many seeds; print, draw and write the shares of the outcome classes."""
    from multicopy.analysis.figures import look
    from multicopy.analysis.files import folder
    from multicopy.analysis.questions import shares
    from multicopy.model.outcomes import CLASSES
    from multicopy.model.scenario import InputError

    scenarios = []
    for name in arguments.scenarios:
        arguments.scenario = name
        scenarios.append(resolved(arguments)[0])
    names = [parameters.name for parameters in scenarios]
    if twice := [name for at, name in enumerate(names) if name in names[:at]]:
        raise InputError(f"--scenarios: two of them have the name {twice[0]!r}")
    out = arguments.out or Path("results") / "outcomes"
    files = ("runs.parquet", "outcomes.parquet", "outcomes.png")
    folder.prepare_files(out, files, arguments.force)
    with _runs(arguments, out) as how:
        runs = shares.run_scenarios(scenarios, range(arguments.seeds), **how)
    table = shares.shares(runs)
    identity = {"schema": str(folder.SCHEMA)}
    folder.write_table(out / "runs.parquet", runs, identity)
    folder.write_table(out / "outcomes.parquet", table, identity)
    look.save(shares.figure(table), out / "outcomes.png")
    rows = [
        [str(scenario), *(f"{r.share:.2f} [{r.low:.2f}, {r.high:.2f}]" for r in part.itertuples())]
        for scenario, part in table.groupby("scenario", observed=True)
    ]
    sizes = sorted({parameters.copies for parameters in scenarios})
    title = f"{', '.join(map(str, sizes))} copies, {arguments.seeds} seeds; 95 % intervals"
    print_table(rows, ("scenario", *CLASSES), title)
    return _ended(out, runs.attrs["failed"])
