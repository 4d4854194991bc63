"""The commands `explain`, `probe` and `fork`: what more a run's folder can tell."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from multicopy.analysis.commands.console import DONE, print_table, tell_first_use
from multicopy.analysis.commands.options import whole_from_one


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

    from multicopy.analysis import figures
    from multicopy.analysis.figures.look import save, style
    from multicopy.analysis.files import folder
    from multicopy.analysis.questions import attribution

    run = folder.read_complete(arguments.run)
    name, weights = attribution.weights_of(arguments.measure)
    table = attribution.explain(run.ledger, arguments.measure, arguments.phase)
    values = (run.rounds[list(weights)] * pd.Series(weights)).sum(axis=1)
    rounds = run.rounds
    if arguments.phase:
        rounds = rounds[rounds["phase"] == arguments.phase]
    end = float(values[rounds.index[-1]])
    start = end - float(table["change"].sum())
    path = _figure(run, f"explain-{name}.png")
    print(attribution.in_words(table, arguments.measure, start, end))
    with style():
        figure = Figure(figsize=(6.5, 0.6 + 0.22 * max(4, len(table))), layout="constrained")
        label = f"{name} (mean over copies)"
        figures.waterfall(table, start, figure.subplots(), label=label)
    save(figure, path)
    print(f"The waterfall is {path}")
    return DONE


def setup_probe(p: argparse.ArgumentParser) -> None:
    """Options of `probe`."""
    p.add_argument("kind", choices=("retrain", "noise"))
    p.add_argument("run", type=Path, metavar="RUN_DIR")
    p.add_argument("--phase", help="probe the population at the end of this phase, not of the run")
    p.add_argument("--rounds", type=whole_from_one, default=60, help="rounds of retraining")
    p.set_defaults(function=probe)


def probe(arguments: argparse.Namespace) -> int:
    """Probe the population of a run: retrain it, or add noise to its weights."""
    from multicopy.analysis.files import folder, places
    from multicopy.analysis.questions import probes

    run = folder.read_complete(arguments.run)
    path = arguments.run / f"probe-{arguments.kind}.parquet"
    places.require_files(arguments.run, [path.name])
    tell_first_use()
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
    from multicopy.agents.parameters import nearest
    from multicopy.analysis.figures import compare_policies
    from multicopy.analysis.figures.look import save
    from multicopy.analysis.files import folder, places
    from multicopy.analysis.questions import probes
    from multicopy.model.scenario import InputError

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
    path, figure = arguments.run / "fork.parquet", _figure(run, "fork.png")
    places.require_files(arguments.run, [path.name])
    tell_first_use()
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
    folder.write_table(path, table, {"schema": str(folder.SCHEMA), "seed": str(run.seed)})
    save(compare_policies(table, measures), figure)
    print(f"The table is {path}, the figure {figure}")
    return DONE


def _figure(run: Any, name: str) -> Path:
    """Where a figure of a run goes that is drawn after it; it can be written."""
    from multicopy.analysis.files import places

    path: Path = run.folder / "figures" / name
    places.require_folder(path.parent)
    places.require_files(path.parent, [name])
    return path


def _fork_round(run: Any, at: str) -> int:
    from multicopy.model.scenario import InputError

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
