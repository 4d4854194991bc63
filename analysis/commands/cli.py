"""The command line of `run.py`: its parser, its table of commands, and what ends a command.

Nothing heavy is imported until a command needs it, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from errno import ELOOP, ENAMETOOLONG
from pathlib import Path
from typing import Any, NoReturn

from multicopy.analysis.commands import (
    again,
    compare,
    examine,
    lineage,
    listing,
    report,
    run,
    serve,
    validate,
)
from multicopy.analysis.commands.console import (
    BAD_INPUT,
    BROKEN,
    DONE,
    STOPPED,
    complain,
    warnings_told,
)
from multicopy.analysis.commands.sweep import COMMANDS as SWEEP_COMMANDS
from multicopy.analysis.files import standard_streams


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, with the nearest valid command or option."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        """Print one line and leave with 2."""
        unknown = re.search(r"invalid choice: (.+?) \(choose", message)
        if self._subparsers is not None and unknown:
            given, known = unknown[1].strip("'\""), list(COMMANDS)
            near = get_close_matches(given, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            message = f"there is no command {given!r}{hint} Commands are {', '.join(known)}."
        complain(" ".join(message.splitlines()))
        raise SystemExit(BAD_INPUT)


def parser() -> Parser:
    """The command line."""
    top = Parser(prog="run.py", description="Multicopy: a collective of AI copies in training.")
    subparsers = top.add_subparsers(dest="command", metavar="COMMAND")
    for name, (setup, text) in COMMANDS.items():
        p = subparsers.add_parser(name, help=text, description=text)
        setup(p)
        p.set_defaults(options=[option for option in p._option_string_actions if option[1] == "-"])
    return top


def _parsed(words: Sequence[str]) -> argparse.Namespace:
    """Parse the words; `SystemExit` if they name something unknown, or ask for help."""
    top = parser()
    arguments, unknown = top.parse_known_args(words)
    if unknown:
        command, options = arguments.command or "run.py", getattr(arguments, "options", ["--help"])
        option, _, _ = next((word for word in unknown if word[:1] == "-"), "").partition("=")
        plain = {known.lstrip("-"): known for known in options}
        near = get_close_matches(option.lstrip("-"), plain, n=1)
        hint = f"; did you mean {plain[near[0]]}?" if near else ""
        if option:
            top.error(f"{command}: there is no option {option}{hint}")
        top.error(f"{command}: does not know what to do with {' '.join(unknown)!r}")
    arguments.words = words
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code.

    Without `argv` it is that of this process, whose standard streams and environment are the
    command's own.
    """
    if argv is None:
        standard_streams.secure()
        os.environ["MPLBACKEND"] = "agg"  # figures go to files, whatever the user's windows are
    code = _ended(list(sys.argv[1:] if argv is None else argv))
    if error := standard_streams.lost():
        complain(f"the output could not be written: {_in_words(error)}")
        return code or STOPPED
    return code


def _ended(words: Sequence[str]) -> int:
    """Run a command; say why it failed, if it did, and return its exit code."""
    try:
        arguments = _parsed(words)
    except SystemExit as end:  # argparse has told what is wrong, or printed the help
        return int(end.code or DONE)
    try:
        with warnings_told():
            return _dispatch(arguments)
    except KeyboardInterrupt as stop:
        sys.stderr.write(f"stopped {stop}".rstrip() + "\n")
        return STOPPED
    except OSError as error:
        complain(_in_words(error))
        return BAD_INPUT if error.errno in (ENAMETOOLONG, ELOOP) else STOPPED
    except MemoryError as error:
        complain(f"there is not enough memory: {error}")
        return STOPPED
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("", "agents", "model", "analysis"):
            raise
        complain(f"{error.name} is not installed; use `make`, or its .venv")
        return BAD_INPUT
    except ImportError as error:
        if error.name is not None:
            raise
        complain(str(error))  # what the project cannot work with
        return BAD_INPUT


def _in_words(error: OSError) -> str:
    """What the system refused to do, and with which file."""
    why = error.strerror or str(error)
    return f"{error.filename}: {why}" if error.filename else why


def _dispatch(arguments: argparse.Namespace) -> int:
    if arguments.command is None:
        parser().print_help()
        return DONE
    threads = os.environ.get("NUMBA_NUM_THREADS", "1")
    if not threads.isdecimal() or int(threads) < 1:
        complain(f"NUMBA_NUM_THREADS = {threads!r} is not allowed: a whole number from 1")
        return BAD_INPUT
    from multicopy.agents.extensions import PluginFault
    from multicopy.model.health import NumericFault
    from multicopy.model.scenario import InputError

    try:
        _require_legible(arguments)
        return int(arguments.function(arguments))
    except (InputError, PluginFault) as error:
        complain(str(error))
        return BAD_INPUT
    except NumericFault as error:
        complain(f"{error}. This is a fault of the simulator: please report it, with the scenario")
        return BROKEN


def _require_legible(arguments: argparse.Namespace) -> None:
    """Refuse names that cannot be written down with the results."""
    from multicopy.analysis.files.places import require_name, require_unicode

    for word in arguments.words:
        require_unicode(word)
    for option, value in vars(arguments).items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, (str, Path)) and option not in ("set", "words"):
                require_name(one)


COMMANDS: dict[str, tuple[Callable[[argparse.ArgumentParser], None], str]] = {
    "run": (run.setup_run, "run a scenario; write tables, figures and a summary"),
    "resume": (again.setup_resume, "go on with a run that was killed; draw what figures it lacks"),
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
