"""The commands of `run.py`: arguments in, files and words out."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from analysis import commands

DONE, BAD_INPUT, STOPPED = 0, 2, 75


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, with the nearest valid command."""

    def error(self, message: str) -> NoReturn:
        """Print one line and leave with 2."""
        if "invalid choice" in message and self._subparsers is not None:
            known = list(COMMANDS)
            given = message.split("'")[1]
            near = get_close_matches(given, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            message = f"there is no command {given!r}{hint} Commands are {', '.join(known)}."
        sys.stderr.write(f"error: {message}\n")
        raise SystemExit(BAD_INPUT)


def whole_from_zero(text: str) -> int:
    """A whole number from 0, for argparse."""
    try:
        value = int(text)
    except ValueError:
        value = -1
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: a whole number from 0")
    return value


def positive(text: str) -> float:
    """A number above 0, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: above 0, up to 1000")
    return value


def parser() -> Parser:
    """The command line."""
    top = Parser(prog="run.py", description="Multicopy: a collective of AI copies in training.")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    for name, (setup, text) in COMMANDS.items():
        setup(commands.add_parser(name, help=text, description=text))
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    arguments = parser().parse_args(argv)
    if arguments.command is None:
        parser().print_help()
        return DONE
    from model.scenario import InputError

    try:
        return int(arguments.function(arguments))
    except InputError as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"error: {line}\n")
        return BAD_INPUT
    except BrokenPipeError:
        sys.stderr.close()
        return DONE
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return STOPPED


def _scenario_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="override")
    p.add_argument("--copies", type=whole_from_zero, metavar="N", help="number of copies")
    p.add_argument(
        "--rounds-scale", type=positive, default=1.0, metavar="X", help="scale of phases"
    )


def resolved(arguments: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    """Parameters that the options ask for, and the overrides among them."""
    from model.scenario import InputError, parse_assignment, resolve, scale_rounds

    overrides: dict[str, Any] = {}
    for text in arguments.set:
        path, value = parse_assignment(text)
        if path in overrides:
            raise InputError(f"--set {path}: given twice")
        overrides[path] = value
    if arguments.copies is not None:
        if "copies" in overrides:
            raise InputError("copies is given twice: by --copies and by --set")
        overrides["copies"] = arguments.copies
    parameters = resolve(arguments.scenario, overrides)
    if arguments.rounds_scale != 1.0:
        parameters = scale_rounds(parameters, arguments.rounds_scale)
    return parameters, overrides


# --- run ---------------------------------------------------------------------------------------


def _setup_run(p: argparse.ArgumentParser) -> None:
    p.add_argument("scenario", nargs="?", default="ai2027", help="name or TOML file")
    p.add_argument("--seed", type=whole_from_zero, default=0)
    _scenario_options(p)
    p.add_argument("--out", type=Path, metavar="DIR", help="default: results/SCENARIO-seedN")
    p.add_argument("--force", action="store_true", help="replace an existing run")
    p.add_argument("--no-figures", action="store_true")
    p.add_argument("--quiet", action="store_true", help="no progress, no summary")
    p.set_defaults(function=run)


def run(arguments: argparse.Namespace) -> int:
    """Run a scenario and write its folder."""
    from rich.console import Console

    parameters, overrides = resolved(arguments)
    from analysis import folder as folders
    from model.collective import CollectiveModel

    out = arguments.out or Path("results") / f"{parameters.name}-seed{arguments.seed}"
    folders.prepare(out, arguments.force)
    started, clock = _now(), time.perf_counter()
    model = CollectiveModel(parameters, rng=arguments.seed)
    whole = _advance(model, quiet=arguments.quiet)
    seconds = time.perf_counter() - clock
    folders.write(out, model, overrides, _command(), started, _now(), seconds)
    if not whole:
        sys.stderr.write(
            f"stopped after round {model.round} of {model.schedule.total}; "
            f"what there is, is in {out}, marked incomplete\n"
        )
        return STOPPED
    if not arguments.no_figures:
        _draw(out)
    if not arguments.quiet:
        from analysis.summary import summary

        console = Console(width=None if sys.stdout.isatty() else 100)
        tables = (model.records.rounds(), model.ledger.frame(), model.records.event_frame())
        console.print(summary(*tables, model.outcome(), parameters))
        total = time.perf_counter() - clock
        console.print(f"\n{seconds:.1f} s of simulation, {total:.1f} s in all. Files are in {out}/")
    return DONE


def _draw(out: Path) -> None:
    from analysis import figures, folder

    run_ = folder.read(out)
    figures.save(figures.all_figures(run_.rounds, run_.ledger, run_.archetypes), out / "figures")


def _advance(model: Any, quiet: bool) -> bool:
    """Run to the end with a progress bar; False if the user or the system stopped it."""
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True

    before = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        report = _reporter(model, quiet)
        while model.running and not stopped:
            model.step()
            report()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        report(True)
    return not stopped


def _reporter(model: Any, quiet: bool) -> Callable[..., None]:
    """A function to be called after each round, and with True at the end."""
    if quiet:
        return lambda end=False: None
    if not sys.stdout.isatty():
        return _line_reporter(model)
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.0f} rounds/s"),
        TimeRemainingColumn(),
    )
    task = bar.add_task("", total=model.schedule.total, rate=0.0)
    bar.start()

    def report(end: bool = False) -> None:
        if end:
            bar.stop()
            return
        turn = model.schedule.turn(model.round)
        rate = bar.tasks[task].speed or 0.0
        label = turn.phase.label or turn.name
        bar.update(task, completed=model.round, description=label, rate=rate)

    return report


def _line_reporter(model: Any) -> Callable[..., None]:
    """One line a phase, for a pipe or a log."""
    start = time.perf_counter()

    def report(end: bool = False) -> None:
        if end:
            return
        turn = model.schedule.turn(model.round)
        if turn.place == turn.phase.rounds:
            label = turn.phase.label or turn.name
            seconds = time.perf_counter() - start
            done = f"{model.round:>4}/{model.schedule.total} rounds"
            print(f"{label:<24} {done}  {model.round / seconds:>5.0f} rounds/s", flush=True)

    return report


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _command() -> str:
    return "python run.py " + " ".join(shlex.quote(word) for word in sys.argv[1:])


# --- scenarios, parameters, serve -----------------------------------------------------------------


def _setup_scenarios(p: argparse.ArgumentParser) -> None:
    p.set_defaults(function=scenarios)


def scenarios(arguments: argparse.Namespace) -> int:
    """List the shipped scenarios."""
    from model.scenario import DEFAULT, resolve, shipped

    for name in shipped():
        text = " ".join(resolve(name).description.split())
        print(f"{name:<18} {'(default) ' if name == DEFAULT else ''}{text}")
    return DONE


def _setup_parameters(p: argparse.ArgumentParser) -> None:
    p.add_argument("scenario", nargs="?", default="ai2027", help="name or TOML file")
    p.add_argument("--search", metavar="WORD", default="", help="only rows with this word")
    p.add_argument("--markdown", action="store_true", help="as a Markdown table")
    p.set_defaults(function=parameters)


def parameters(arguments: argparse.Namespace) -> int:
    """Print every parameter: path, value, what is allowed, unit, meaning, source."""
    from model.scenario import resolve, table

    rows = [
        (i.path, _value(i.default), i.allowed, i.unit, i.meaning, i.source)
        for i in table(resolve(arguments.scenario))
    ]
    wanted = [r for r in rows if arguments.search.lower() in " ".join(r).lower()]
    heads = ("path", "value", "allowed", "unit", "meaning", "source")
    if arguments.markdown:
        print("| " + " | ".join(heads) + " |\n" + "| --- " * len(heads) + "|")
        for row in wanted:
            print("| " + " | ".join(cell.replace("|", "or") for cell in row) + " |")
        return DONE
    widths = [max(len(row[i]) for row in (*wanted, heads)) for i in range(4)]
    for row in (heads, *wanted):
        start = "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=False))
        source = "" if row[5] in ("", "spec") else f" [{row[5]}]"
        print(f"{start}  {row[4]}{source}".rstrip())
    return DONE


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {v:g}" for k, v in value.items())
    if isinstance(value, tuple):
        return " to ".join(map(str, value))
    return "as oversight.audit" if value is None else str(value)


def _setup_serve(p: argparse.ArgumentParser) -> None:
    p.add_argument("--scenario", default="ai2027", help="name or TOML file")
    p.add_argument("--port", type=whole_from_zero, default=8765)
    p.set_defaults(function=serve)


def serve(arguments: argparse.Namespace) -> int:
    """Serve the interactive page on this machine."""
    from analysis import app
    from model.scenario import resolve

    resolve(arguments.scenario)
    return app.serve(arguments.scenario, arguments.port)


COMMANDS: dict[str, tuple[Callable[[argparse.ArgumentParser], None], str]] = {
    "run": (_setup_run, "run a scenario; write tables, figures and a summary"),
    "scenarios": (_setup_scenarios, "list the shipped scenarios"),
    "parameters": (_setup_parameters, "print every parameter with bounds and meaning"),
    "ablate": (commands.setup_ablate, "switch each cause off and see which effect vanishes"),
    "personas": (commands.setup_personas, "distortion against switching of the persona"),
    "explain": (commands.setup_explain, "say which process moved a measure of a run"),
    "probe": (commands.setup_probe, "retrain a run's population, or add noise to its weights"),
    "fork": (commands.setup_fork, "continue a run under different responses of the lab"),
    "validate": (commands.setup_validate, "compare the simulator's code with exact theory"),
    "serve": (_setup_serve, "watch a run in the browser"),
}
"""Commands, what sets up their options, and what they do."""
