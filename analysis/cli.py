"""The command line of `run.py`: its parser, its table of commands, and what ends a command.

Nothing heavy is imported until a command needs it, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from analysis import lineage, report
from analysis.commands import again, compare, examine, listing, run, serve, validate
from analysis.commands.console import (
    BAD_INPUT,
    BROKEN,
    DONE,
    STOPPED,
    complain,
    mute,
    warnings_told,
)
from analysis.sweep.commands import COMMANDS as SWEEP_COMMANDS


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, with the nearest valid command or option."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        """Print one line and leave with 2."""
        if self._subparsers is not None:
            message = _with_nearest(message, self._subparsers._group_actions[0].choices)
        complain(" ".join(message.splitlines()))
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
            with warnings_told():
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
        complain(str(error))
        return STOPPED
    except MemoryError as error:
        complain(f"there is not enough memory: {error}")
        return STOPPED
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("", "agents", "model", "analysis"):
            raise
        complain(f"{error.name} is not installed; use `make`, or its .venv")
        return BAD_INPUT


def _dispatch(words: Sequence[str]) -> int:
    arguments = parser().parse_args(words)
    arguments.words = words
    if arguments.command is None:
        parser().print_help()
        return DONE
    threads = os.environ.get("NUMBA_NUM_THREADS", "1")
    if not threads.isdecimal() or int(threads) < 1:
        complain(f"NUMBA_NUM_THREADS = {threads!r} is not allowed: a whole number from 1")
        return BAD_INPUT
    from agents.extensions import PluginFault
    from model.health import NumericFault
    from model.scenario import InputError

    try:
        return int(arguments.function(arguments))
    except (InputError, PluginFault) as error:
        complain(str(error))
        return BAD_INPUT
    except NumericFault as error:
        complain(f"{error}. This is a fault of the simulator: please report it, with the scenario")
        return BROKEN


COMMANDS: dict[str, tuple[Callable[[argparse.ArgumentParser], None], str]] = {
    "run": (run.setup_run, "run a scenario; write tables, figures and a summary"),
    "resume": (again.setup_resume, "go on with a run that was killed, from its last checkpoint"),
    "reproduce": (again.setup_reproduce, "make a run again from its own files, and compare"),
    "scenarios": (listing.setup_scenarios, "list the shipped scenarios"),
    "parameters": (listing.setup_parameters, "print every parameter with bounds and meaning"),
    "ablate": (compare.setup_ablate, "switch each cause off and see which effect vanishes"),
    "outcomes": (compare.setup_outcomes, "how often each scenario ends in each outcome"),
    "report": (report.setup_report, "write one page about a run, with figures, for any browser"),
    "lineage": (lineage.setup_lineage, "founders left, sweeps and descent of a run --lineage"),
    "personas": (compare.setup_personas, "distortion against switching of the persona"),
    "explain": (examine.setup_explain, "say which process moved a measure of a run"),
    "probe": (examine.setup_probe, "retrain a run's population, or add noise to its weights"),
    "fork": (examine.setup_fork, "continue a run under different responses of the lab"),
    "validate": (validate.setup_validate, "compare the simulator's code with exact theory"),
    **SWEEP_COMMANDS,
    "serve": (serve.setup_serve, "watch a run in the browser"),
}
"""Commands, what sets up their options, and what they do."""
