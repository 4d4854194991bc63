"""The commands of `run.py`: arguments in, files and words out.

Nothing heavy is imported until a command needs it, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shlex
import signal
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from analysis import commands, lineage, report
from analysis.options import resolved, scenario_options, whole_from_zero
from analysis.sweep.commands import COMMANDS as SWEEP_COMMANDS

DONE, BAD_INPUT, STOPPED = 0, 2, 75
WIDTH = 100
"""Columns of what is printed; less on a narrower terminal."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, with the nearest valid command or option."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        """Print one line and leave with 2."""
        if self._subparsers is not None:
            message = _with_nearest(message, self._subparsers._group_actions[0].choices)
        sys.stderr.write(f"error: {message}\n")
        raise SystemExit(BAD_INPUT)


def _with_nearest(message: str, parsers: Any) -> str:
    """The message of an unknown command or option with the nearest that there is."""
    if unknown := re.search(r"invalid choice: (.+?) \(choose", message):
        given, known = unknown[1].strip("'\""), list(parsers)
        near = get_close_matches(given, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        return f"there is no command {given!r}{hint} Commands are {', '.join(known)}."
    if unknown := re.search(r"unrecognized arguments: (--[\w-]+)", message):
        options = [name for parser in parsers.values() for name in parser._option_string_actions]
        near = get_close_matches(unknown[1], options, n=1)
        return message + (f"; did you mean {near[0]}?" if near else "")
    return message


def parser() -> Parser:
    """The command line."""
    top = Parser(prog="run.py", description="Multicopy: a collective of AI copies in training.")
    subparsers = top.add_subparsers(dest="command", metavar="COMMAND")
    for name, (setup, text) in COMMANDS.items():
        setup(subparsers.add_parser(name, help=text, description=text))
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        try:
            return _dispatch(words)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        mute()
        return DONE
    except KeyboardInterrupt as stop:
        sys.stderr.write(f"stopped {stop}".rstrip() + "\n")
        return STOPPED
    except OSError as error:
        sys.stderr.write(f"error: {error}\n")
        return STOPPED
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("", "agents", "model", "analysis"):
            raise
        sys.stderr.write(f"error: {error.name} is not installed; use `make`, or its .venv\n")
        return BAD_INPUT


def _dispatch(words: Sequence[str]) -> int:
    arguments = parser().parse_args(words)
    arguments.words = words
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


def say(text: str = "") -> None:
    """Print a line; once nobody reads any more, go on without a word."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        mute()


def mute() -> None:
    """Send what is still printed nowhere, so that Python does not complain at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# --- run ---------------------------------------------------------------------------------------


def _setup_run(p: argparse.ArgumentParser) -> None:
    p.add_argument("scenario", nargs="?", default="ai2027", help="name or TOML file")
    p.add_argument("--seed", type=whole_from_zero, default=0)
    scenario_options(p)
    p.add_argument("--out", type=Path, metavar="DIR", help="default: results/SCENARIO-seedN")
    p.add_argument("--force", action="store_true", help="replace an existing run")
    p.add_argument("--no-figures", action="store_true")
    p.add_argument("--lineage", action="store_true", help="keep the parent of each replaced copy")
    p.add_argument("--quiet", action="store_true", help="no progress, no summary")
    p.set_defaults(function=run)


def run(arguments: argparse.Namespace) -> int:
    """Run a scenario; write its folder and tell how it went."""
    with _listening() as stop:
        parameters, overrides = resolved(arguments)
        out = arguments.out or _default_folder(parameters.name, arguments.seed)
        model, seconds = _simulate(parameters, overrides, out, arguments, stop)
        if model.running:
            raise KeyboardInterrupt(
                f"after round {model.round} of {model.schedule.total}; "
                f"what there is, is in {out}, marked incomplete"
            )
        try:
            if stop.asked:
                raise KeyboardInterrupt
            clock = time.perf_counter()
            if not arguments.no_figures:
                _draw(out)
            if not arguments.quiet:
                _tell(model)
                rest = _duration(time.perf_counter() - clock)
                took = f"{_duration(seconds)} for {model.round} rounds, {rest} for the rest"
                say(f"\nThat took {took}. Files are in {out}/")
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"after the last round; the tables in {out} are whole"
            ) from None
    return DONE


def _simulate(
    parameters: Any,
    overrides: Mapping[str, Any],
    out: Path,
    arguments: argparse.Namespace,
    stop: Stop,
) -> tuple[Any, float]:
    """Run the model and write its tables; the model, and the seconds that took."""
    from agents.compiled import is_first_use
    from analysis import folder, plugins
    from model.collective import CollectiveModel
    from model.genealogy import Genealogy

    with folder.claimed(out, arguments.force):
        if is_first_use() and not arguments.quiet:
            say("Compiling the inner loops (once, about 15 s) ...")
        started, clock = _now(), time.perf_counter()
        model = CollectiveModel(parameters, rng=arguments.seed)
        if arguments.lineage:
            model.genealogy = Genealogy()
        stop.gently = True
        _advance(model, stop, arguments.quiet)
        seconds = time.perf_counter() - clock
        how = {
            "overrides": overrides,
            "rounds_scale": arguments.rounds_scale,
            "plugins": plugins.loaded(),
            "command": shlex.join(["python", "run.py", *arguments.words]),
            "started": started,
            "ended": _now(),
            "seconds": round(seconds, 3),
        }
        folder.write(out, model, how)
        stop.gently = False
    return model, seconds


class Stop:
    """What signals ask for: to stop at once, or gently, once a round has ended and is kept."""

    def __init__(self) -> None:
        self.gently = self.asked = False

    def __call__(self, *_: object) -> None:
        """Note the first signal if there is something to keep; else, and at the next, interrupt."""
        if self.asked or not self.gently:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def _listening() -> Iterator[Stop]:
    stop = Stop()
    before = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _default_folder(scenario: str, seed: int) -> Path:
    """Where a run goes that is not told; a scenario's name may be any text."""
    name = re.sub(r"[^\w.-]+", "-", scenario).strip(".-") or "unnamed"
    return Path("results") / f"{name}-seed{seed}"


def _advance(model: Any, stop: Stop, quiet: bool) -> None:
    """Run to the end, or to the end of the round in which a signal came."""
    report = _reporter(model, quiet)
    try:
        while model.running and not (stop.asked and model.round):
            model.step()
            report(False)
    finally:
        report(True)


def _reporter(model: Any, quiet: bool) -> Callable[[bool], None]:
    """A function to be called with False after each round, and with True at the end."""
    if quiet:
        return lambda end: None
    return _bar_reporter(model) if sys.stdout.isatty() else _line_reporter(model)


def _bar_reporter(model: Any) -> Callable[[bool], None]:
    """A progress bar, for a terminal."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.0f} rounds/s"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    task = bar.add_task("", total=model.schedule.total, rate=0.0)
    bar.start()

    def report(end: bool) -> None:
        if end:
            bar.stop()
            return
        rate = bar.tasks[0].speed or 0.0
        bar.update(task, completed=model.round, description=f"{_phase(model):<22}", rate=rate)

    return report


def _line_reporter(model: Any) -> Callable[[bool], None]:
    """One line a phase, for a pipe or a log."""
    start, told = time.perf_counter(), 0

    def report(end: bool) -> None:
        nonlocal told
        turn = model.schedule.turn(model.round) if model.round else None
        if turn is None or told == model.round or not (end or turn.place == turn.phase.rounds):
            return
        told, total = model.round, model.schedule.total
        seconds = time.perf_counter() - start
        left = (
            "" if told == total or end else f", {_duration(seconds / told * (total - told))} left"
        )
        rate = told / seconds
        say(f"{_phase(model):<22} {told:>4}/{total} rounds, {rate:.0f} rounds/s{left}")

    return report


def _phase(model: Any) -> str:
    turn = model.schedule.turn(model.round)
    return str(turn.phase.label or turn.name)


def _duration(seconds: float) -> str:
    """A time in words, as exact as one wants to know it."""
    if seconds < 9.5:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def _draw(out: Path) -> None:
    from analysis import figures, folder

    run_ = folder.read(out)
    drawn = figures.all_figures(run_)
    folder.add_figures(out, lambda to: figures.save(drawn, to))


def _tell(model: Any) -> None:
    """Print the summary, in colors only on a terminal."""
    from rich.console import Console

    from analysis.summary import summary

    terminal = sys.stdout.isatty()
    console = Console(width=min(WIDTH, Console().width) if terminal else WIDTH)
    records, ledger = model.records, model.ledger
    tables = records.rounds(), ledger.frame(), records.events.frame()
    with console.capture() as caught:
        console.print(summary(*tables, model.outcome(), model.parameters, console.width))
    for line in caught.get().splitlines():
        say(line.rstrip())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


# --- scenarios, parameters, serve -----------------------------------------------------------------


def _setup_scenarios(p: argparse.ArgumentParser) -> None:
    p.set_defaults(function=scenarios)


def scenarios(arguments: argparse.Namespace) -> int:
    """List the shipped scenarios, a line each."""
    from model.scenario import DEFAULT, resolve, shipped

    for name in shipped():
        marked = f"{name} (default)" if name == DEFAULT else name
        first, _, _ = " ".join(resolve(name).description.split()).partition(". ")
        say(f"{marked:<18} {textwrap.shorten(first.rstrip('.'), WIDTH - 19, placeholder=' …')}")
    return DONE


def _setup_parameters(p: argparse.ArgumentParser) -> None:
    p.add_argument("scenario", nargs="?", default="ai2027", help="name or TOML file")
    p.add_argument("--search", metavar="WORD", default="", help="only rows with this word")
    p.add_argument("--markdown", action="store_true", help="as a Markdown table")
    p.set_defaults(function=parameters)


def parameters(arguments: argparse.Namespace) -> int:
    """Print every parameter: path, value, what is allowed, unit, meaning, source."""
    from model.scenario import InputError, resolve, table

    parameters = resolve(arguments.scenario)
    word = arguments.search.lower()
    rows = [
        (i.path, _value(i.default), _allowed(i), i.unit, i.meaning, i.source)
        for i in table(parameters)
    ]
    rows = [row for row in rows if word in " ".join(row).lower()]
    if not rows:
        raise InputError(f"--search {arguments.search!r}: no parameter of {parameters.name} has it")
    if arguments.markdown:
        say(f"# Parameters of the scenario {parameters.name}\n")
        say("Made with `python run.py parameters --markdown`; each can be set with")
        say("`--set PATH=VALUE` or in a scenario file. Source *spec*: the project's own choice,")
        say("whose reasons [model.md](model.md) gives.\n")
        heads = ("path", "default", "allowed", "unit", "meaning", "source")
        say("| " + " | ".join(heads) + " |\n" + "| --- " * len(heads) + "|")
        for row in rows:
            say("| " + " | ".join(cell.replace("|", "or") for cell in row) + " |")
        return DONE
    for line in _listing(parameters, rows):
        say(line)
    return DONE


def _listing(parameters: Any, rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Parameters for reading in a terminal: path and value, below them what they mean."""
    description = " ".join(parameters.description.split())
    yield from textwrap.wrap(f"{parameters.name}: {description}", WIDTH)
    yield "Each can be changed with --set PATH=VALUE."
    for path, value, allowed, unit, meaning, source in rows:
        yield ""
        yield f"{path} = {value}"
        bounds = f"{allowed}; {unit}" if unit not in ("", "choice", "text") else allowed
        cited = "" if source in ("", "spec") else f" [{source}]"
        indent = " " * 4
        yield from textwrap.wrap(
            f"{meaning} ({bounds}){cited}", WIDTH, initial_indent=indent, subsequent_indent=indent
        )


def _allowed(info: Any) -> str:
    return str(info.kind if info.allowed == info.kind else f"{info.kind}, {info.allowed}")


def _value(value: Any) -> str:
    """A value as `--set` takes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k} = {_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(f'"{v}"' for v in value) + "]"
    return "(not set)" if value is None else str(value)


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
    "outcomes": (commands.setup_outcomes, "how often each scenario ends in each outcome"),
    "report": (report.setup_report, "write one page about a run, with figures, for any browser"),
    "lineage": (lineage.setup_lineage, "founders left, sweeps and descent of a run --lineage"),
    "personas": (commands.setup_personas, "distortion against switching of the persona"),
    "explain": (commands.setup_explain, "say which process moved a measure of a run"),
    "probe": (commands.setup_probe, "retrain a run's population, or add noise to its weights"),
    "fork": (commands.setup_fork, "continue a run under different responses of the lab"),
    "validate": (commands.setup_validate, "compare the simulator's code with exact theory"),
    **SWEEP_COMMANDS,
    "serve": (_setup_serve, "watch a run in the browser"),
}
"""Commands, what sets up their options, and what they do."""
