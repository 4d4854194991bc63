"""The commands `scenarios` and `parameters`: what there is to choose from."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from multicopy.analysis.commands.console import DONE, WIDTH, say


def setup_scenarios(p: argparse.ArgumentParser) -> None:
    """Options of `scenarios`."""
    p.set_defaults(function=scenarios)


def scenarios(arguments: argparse.Namespace) -> int:
    """List the shipped scenarios, a line each, and what takes selection out of any of them."""
    from multicopy.model.scenario import DEFAULT, NEUTRAL, resolve, shipped

    for name in shipped():
        marked = f"{name} (default)" if name == DEFAULT else name
        first, _, _ = " ".join(resolve(name).description.split()).partition(". ")
        say(f"{marked:<18} {textwrap.shorten(first.rstrip('.'), WIDTH - 19, placeholder=' …')}")
    settings = ", ".join(f"{path} = {_value(value)}" for path, value in NEUTRAL.items())
    for line in textwrap.wrap(f"--neutral, no selection at any level, sets {settings}.", WIDTH):
        say(line)
    return DONE


def setup_parameters(p: argparse.ArgumentParser) -> None:
    """Options of `parameters`."""
    p.add_argument("scenario", nargs="?", default="ai2027", help="name or TOML file")
    p.add_argument("--search", metavar="WORD", default="", help="only rows with this word")
    p.add_argument("--markdown", action="store_true", help="as a Markdown table")
    p.set_defaults(function=parameters)


def parameters(arguments: argparse.Namespace) -> int:
    """Print every parameter: path, value, what is allowed, unit, meaning, source."""
    from multicopy.model.scenario import InputError, resolve, table

    parameters = resolve(arguments.scenario)
    word = arguments.search.lower()
    rows = [
        (i.path, _value(i.default), _allowed(i), i.unit, i.meaning, i.source)
        for i in table(parameters)
    ]
    rows = [row for row in rows if word in " ".join(row).lower()]
    if not rows:
        raise InputError(f"--search {arguments.search!r}: nothing in {parameters.name} matches")
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
