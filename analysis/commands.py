"""Commands that compare, explain, probe and validate; see `analysis.cli` for the others."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from analysis.options import resolved, scenario_options, whole_from_one, whole_from_zero

DONE, CHECK_FAILED = 0, 1


def progress_bar(what: str) -> Callable[[int, int], None]:
    """A function to be told (done, total); without a terminal it prints ten lines."""
    start, printed = time.perf_counter(), [0]

    def told(done: int, total: int) -> None:
        seconds = time.perf_counter() - start
        left = seconds / done * (total - done)
        line = f"{done}/{total} {what}, {seconds:.0f} s, {left:.0f} s left"
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{line}   " + ("\n" if done == total else ""))
            sys.stderr.flush()
        elif done == total or 10 * done // total > printed[0]:
            printed[0] = 10 * done // total
            sys.stderr.write(line + "\n")

    return told


def print_table(rows: Sequence[Sequence[str]], heads: Sequence[str], title: str = "") -> None:
    """Print a table as wide as it needs to be."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=None)
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 120).print(table)


# --- ablate -------------------------------------------------------------------------------------


def setup_ablate(p: argparse.ArgumentParser) -> None:
    """Options of `ablate`."""
    p.add_argument("--scenario", default="ai2027", help="name or TOML file")
    p.add_argument("--seeds", type=whole_from_one, default=12, metavar="N", help="seeds 0 to N-1")
    p.add_argument("--effects", metavar="E1,E4", help="only these (E1 means all E1-...)")
    p.add_argument("--file", type=Path, metavar="TOML", help="effects of your own, in its form")
    scenario_options(p)
    p.add_argument(
        "--workers", type=whole_from_zero, metavar="N", help="processes; 0: none but this"
    )
    p.add_argument("--out", type=Path, metavar="DIR", help="default: results/ablate-SCENARIO")
    p.add_argument("--force", action="store_true", help="replace an existing result")
    p.set_defaults(function=ablate)


def ablate(arguments: argparse.Namespace) -> int:
    """Run base and control arms, print and write the table of effects and its forest plot."""
    from analysis import experiments, folder

    parameters, _ = resolved(arguments)
    effects = experiments.load_effects(arguments.file or experiments.EFFECTS)
    if arguments.effects:
        effects = experiments.choose(effects, arguments.effects.split(","))
    out = arguments.out or Path("results") / f"ablate-{parameters.name}"
    folder.prepare_files(out, ("effects.parquet", "effects.png"), arguments.force)
    table = experiments.ablate(
        effects, parameters, range(arguments.seeds), arguments.workers, progress_bar("runs")
    )
    from analysis.figures import forest
    from model.scenario import fingerprint

    identity = {"schema": str(folder.SCHEMA), "scenario": fingerprint(parameters)}
    folder.write_table(out / "effects.parquet", table, identity)
    forest(table).savefig(out / "effects.png", dpi=150, facecolor="white")
    rows = [
        (
            str(r.effect),
            str(r.measure),
            str(r.arm),
            f"{r.with_cause:.3f}",
            f"{r.without_cause:.3f}",
            f"{r.difference:+.3f} [{r.low:+.3f}, {r.high:+.3f}]",
            str(r.verdict),
        )
        for r in table.itertuples()
    ]
    heads = ("effect", "measure", "without", "with it", "without", "difference, 95 %", "verdict")
    print_table(rows, heads, f"{parameters.copies} copies, {arguments.seeds} seeds")
    print(f"Files are in {out}/")
    return DONE


def setup_personas(p: argparse.ArgumentParser) -> None:
    """Options of `personas`."""
    p.add_argument("--scenario", default="ai2027", help="name or TOML file")
    p.add_argument("--seeds", type=whole_from_one, default=4, metavar="N", help="seeds 0 to N-1")
    scenario_options(p)
    p.add_argument(
        "--workers", type=whole_from_zero, metavar="N", help="processes; 0: none but this"
    )
    p.add_argument("--out", type=Path, metavar="DIR", help="default: results/personas-SCENARIO")
    p.add_argument("--force", action="store_true", help="replace an existing result")
    p.set_defaults(function=personas)


def personas(arguments: argparse.Namespace) -> int:
    """Run distortion (0), switching (1) and half of each; compare what tells them apart."""
    from analysis import experiments, figures, folder
    from model.scenario import fingerprint

    parameters, _ = resolved(arguments)
    out = arguments.out or Path("results") / f"personas-{parameters.name}"
    folder.prepare_files(out, ("personas.parquet", "personas.png"), arguments.force)
    table = experiments.compare_personas(
        parameters,
        range(arguments.seeds),
        workers=arguments.workers,
        progress=progress_bar("runs"),
    )
    identity = {"schema": str(folder.SCHEMA), "scenario": fingerprint(parameters)}
    folder.write_table(out / "personas.parquet", table, identity)
    figures.persona_models(table).savefig(out / "personas.png", dpi=150, facecolor="white")
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
    print(f"Files are in {out}/")
    return DONE


# --- outcomes -----------------------------------------------------------------------------------


def setup_outcomes(p: argparse.ArgumentParser) -> None:
    """Options of `outcomes`."""
    p.add_argument(
        "--scenarios",
        default="ai2027,slowdown,strong_oversight,self_oversight,no_subdivisions",
        metavar="A,B",
        help="names or TOML files",
    )
    p.add_argument("--seeds", type=whole_from_one, default=100, metavar="N", help="seeds 0 to N-1")
    scenario_options(p)
    p.add_argument(
        "--workers", type=whole_from_zero, metavar="N", help="processes; 0: none but this"
    )
    p.add_argument("--out", type=Path, metavar="DIR", help="default: results/outcomes")
    p.add_argument("--force", action="store_true", help="replace an existing result")
    p.set_defaults(function=outcomes)


def outcomes(arguments: argparse.Namespace) -> int:
    """Run scenarios over many seeds; print, draw and write the shares of the outcome classes."""
    from analysis import folder, shares
    from model.outcomes import CLASSES

    scenarios = []
    for name in arguments.scenarios.split(","):
        arguments.scenario = name
        scenarios.append(resolved(arguments)[0])
    out = arguments.out or Path("results") / "outcomes"
    files = ("runs.parquet", "outcomes.parquet", "outcomes.png")
    folder.prepare_files(out, files, arguments.force)
    runs = shares.run_scenarios(
        scenarios, range(arguments.seeds), arguments.workers, progress_bar("runs")
    )
    table = shares.shares(runs)
    identity = {"schema": str(folder.SCHEMA)}
    folder.write_table(out / "runs.parquet", runs, identity)
    folder.write_table(out / "outcomes.parquet", table, identity)
    shares.figure(table).savefig(out / "outcomes.png", dpi=150, facecolor="white")
    rows = [
        [str(scenario), *(f"{r.share:.2f} [{r.low:.2f}, {r.high:.2f}]" for r in part.itertuples())]
        for scenario, part in table.groupby("scenario", observed=True)
    ]
    sizes = sorted({parameters.copies for parameters in scenarios})
    title = f"{', '.join(map(str, sizes))} copies, {arguments.seeds} seeds; 95 % intervals"
    print_table(rows, ("scenario", *CLASSES), title)
    print(f"Files are in {out}/")
    return DONE


# --- explain ------------------------------------------------------------------------------------


def setup_explain(p: argparse.ArgumentParser) -> None:
    """Options of `explain`."""
    p.add_argument("run", type=Path, metavar="RUN_DIR")
    p.add_argument("--measure", default="keep_team", help="a trait or a measure")
    p.add_argument("--phase", help="only this phase")
    p.set_defaults(function=explain)


def explain(arguments: argparse.Namespace) -> int:
    """Say which process, at which level, in which phase, moved a measure; draw the waterfall."""
    import pandas as pd
    from matplotlib.figure import Figure

    from analysis import attribution, folder
    from analysis.style import style

    run = folder.read_complete(arguments.run)
    name, weights = attribution.weights_of(arguments.measure)
    table = attribution.explain(run.ledger, arguments.measure, arguments.phase)
    values = (run.rounds[list(weights)] * pd.Series(weights)).sum(axis=1)
    rounds = run.rounds
    if arguments.phase:
        rounds = rounds[rounds["phase"] == arguments.phase]
    end = float(values[rounds.index[-1]])
    start = end - float(table["change"].sum())
    print(attribution.in_words(table, arguments.measure, start, end))
    with style():
        figure = Figure(figsize=(6.5, 0.6 + 0.22 * max(4, len(table))), layout="constrained")
        attribution.waterfall(table, start, figure.subplots(), name)
    path = arguments.run / "figures" / f"explain-{name}.png"
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=150, facecolor="white")
    print(f"The waterfall is {path}")
    return DONE


# --- probe and fork -----------------------------------------------------------------------------


def setup_probe(p: argparse.ArgumentParser) -> None:
    """Options of `probe`."""
    p.add_argument("kind", choices=("retrain", "noise"))
    p.add_argument("run", type=Path, metavar="RUN_DIR")
    p.add_argument("--phase", help="probe the population at the end of this phase, not of the run")
    p.add_argument("--rounds", type=whole_from_one, default=60, help="rounds of retraining")
    p.set_defaults(function=probe)


def probe(arguments: argparse.Namespace) -> int:
    """Probe the population of a run: retrain it, or add noise to its weights."""
    from analysis import folder, probes

    run = folder.read_complete(arguments.run)
    if arguments.kind == "retrain":
        table = probes.retrain(run.parameters, run.seed, arguments.phase, arguments.rounds)
        measures = ("watched_violations", "unwatched_violations", "gaming", "restraint")
        rows = []
        for arm, frame in table.groupby("arm", sort=False):
            first, last = frame.iloc[0], frame.iloc[-1]
            rows.append([str(arm), *(f"{first[m]:.3f} → {last[m]:.3f}" for m in measures)])
        print_table(rows, ("population", *measures), f"{arguments.rounds} rounds of retraining")
    else:
        table = probes.noise_on_run(run.parameters, run.seed, arguments.phase)
        rows = [
            [
                str(r.arm),
                f"{r.noise:g}",
                f"{r.output:.3f}",
                f"{r.relative:.3f}",
                f"{r.withheld:.3f}",
            ]
            for r in table.itertuples()
        ]
        heads = ("population", "noise (latent s.d.)", "output", "over no noise", "sandbagged")
        print_table(rows, heads, "Exposing research under noise in the weights")
    path = arguments.run / f"probe-{arguments.kind}.parquet"
    folder.write_table(path, table, {"schema": str(folder.SCHEMA), "seed": str(run.seed)})
    print(f"The table is {path}")
    return DONE


POLICIES: dict[str, dict[str, Any]] = {
    "race": {"lab.response": "none"},
    "slowdown": {"lab.response": "roll_back"},
    "retrain": {"lab.response": "retrain"},
    "shut_down": {"lab.response": "shut_down"},
}
"""Policies that a run can be continued under."""


def setup_fork(p: argparse.ArgumentParser) -> None:
    """Options of `fork`."""
    p.add_argument("run", type=Path, metavar="RUN_DIR")
    p.add_argument("--at", default="caught", help="'caught' (evidence passes), or a round")
    p.add_argument(
        "--policy",
        default="slowdown|race",
        metavar="A|B",
        help="|".join(POLICIES) + ", two or more",
    )
    p.set_defaults(function=fork)


def fork(arguments: argparse.Namespace) -> int:
    """Continue one state of a run under different responses of the lab, and compare."""
    from agents.parameters import nearest
    from analysis import folder, probes
    from analysis.figures import compare_policies
    from model.scenario import InputError

    names = [name for name in arguments.policy.split("|") if name]
    for name in names:
        if name not in POLICIES:
            raise InputError(
                f"there is no policy {name!r}{nearest(name, POLICIES) or '.'} "
                f"Known are {', '.join(POLICIES)}."
            )
    if len(set(names)) < 2:
        raise InputError(
            f"--policy {arguments.policy!r}: name two or more of {', '.join(POLICIES)}, "
            "with | between them"
        )
    run = folder.read_complete(arguments.run)
    at = _fork_round(run, arguments.at)
    table = probes.fork(run.parameters, run.seed, at, {name: POLICIES[name] for name in names})
    measures = (
        "evidence",
        "capture",
        "true_alignment",
        "stated_alignment",
        "successor_to_spec",
        "successor_to_makers",
    )
    last = table.groupby("policy", sort=False)[list(measures)].last()
    rows = [[str(name), *(f"{row[m]:.3f}" for m in measures)] for name, row in last.iterrows()]
    print_table(rows, ("policy", *measures), f"Continued from round {at}")
    path = arguments.run / "fork.parquet"
    folder.write_table(path, table, {"schema": str(folder.SCHEMA), "seed": str(run.seed)})
    figure = arguments.run / "figures" / "fork.png"
    figure.parent.mkdir(exist_ok=True)
    compare_policies(table, measures).savefig(figure, dpi=150, facecolor="white")
    print(f"The table is {path}, the figure {figure}")
    return DONE


def _fork_round(run: Any, at: str) -> int:
    from model.scenario import InputError

    total = len(run.rounds)
    if at == "caught":
        crossed = run.events[run.events["kind"].isin(["threshold", "response"])]
        deployed = crossed[crossed["phase"] == list(run.parameters.phases)[-1]]
        if deployed.empty:
            raise InputError(
                f"{run.folder}: in its last phase evidence never passed the lab's threshold; "
                f"give --at a round from 1 to {total}"
            )
        # The state just before the evidence is acted on.
        return int(deployed["round"].iloc[0]) - 1
    if not at.isdigit() or not 1 <= int(at) <= total:
        raise InputError(f"--at {at!r} is not allowed: 'caught', or a round from 1 to {total}")
    return int(at)


# --- validate -----------------------------------------------------------------------------------


def setup_validate(p: argparse.ArgumentParser) -> None:
    """Options of `validate`."""
    p.add_argument("--only", metavar="T7,T8", help="only these oracles")
    p.add_argument("--replicates", type=whole_from_one, default=4000, metavar="K")
    p.add_argument("--seed", type=whole_from_zero, default=0)
    p.add_argument("--set", action="append", default=[], metavar="T8.n=16", help="a setting")
    p.add_argument("--out", type=Path, metavar="DIR", help="also write table and figures there")
    p.add_argument("--force", action="store_true", help="replace an existing result")
    p.set_defaults(function=validate)


def validate(arguments: argparse.Namespace) -> int:
    """Compare the simulator's own code with exact theory; 1 if any check fails."""
    from analysis import theory
    from model.scenario import parse_assignment

    keys = arguments.only.split(",") if arguments.only else list(theory.ORACLES)
    settings = theory.configure(dict(parse_assignment(text) for text in arguments.set))
    oracles = theory.choose([*keys])
    if arguments.out:
        from analysis import folder

        folder.prepare_files(arguments.out, theory.files(oracles), arguments.force)
    start, checks = time.perf_counter(), []
    for check in theory.validate(oracles, arguments.replicates, arguments.seed, settings):
        checks.append(check)
        spread = f"± {check.se:.2g}, z = {check.z:+.2f}" if check.se > 0 else "(identity)"
        verdict = "ok" if check.passed else "FAILS"
        print(
            f"{check.oracle:<4} {check.setting:<74} {check.exact:>12.6g} "
            f"{check.measured:>12.6g} {spread:<22} {verdict}",
            flush=True,
        )
    failed = [check for check in checks if not check.passed]
    print(
        f"\n{len(checks) - len(failed)} of {len(checks)} checks hold, "
        f"{time.perf_counter() - start:.0f} s. "
        f"If all is right, one fails with probability {theory.false_alarm(checks):.1e}."
    )
    if arguments.out:
        theory.write(arguments.out, checks)
        theory.draw(arguments.out, oracles, arguments.replicates, arguments.seed, settings)
        print(f"The table and figures are in {arguments.out}/")
    return CHECK_FAILED if failed else DONE
