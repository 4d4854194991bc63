"""Options that several commands share, and what they mean."""

from __future__ import annotations

import argparse
from typing import Any


def whole_from_zero(text: str) -> int:
    """A whole number from 0, for argparse."""
    try:
        value = int(text)
    except ValueError:
        value = -1
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: a whole number from 0")
    return value


def whole_from_one(text: str) -> int:
    """A whole number from 1, for argparse."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: a whole number from 1")
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


def comma_list(text: str) -> list[str]:
    """Names with commas between them, each once, for argparse."""
    names = [name.strip() for name in text.split(",")]
    for at, name in enumerate(names):
        if not name:
            raise argparse.ArgumentTypeError(f"{text!r} is not allowed: names between commas")
        if name in names[:at]:
            raise argparse.ArgumentTypeError(f"{name!r} is given twice")
    return names


def scenario_options(p: argparse.ArgumentParser) -> None:
    """Add the options that change a scenario."""
    p.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="override")
    p.add_argument("--copies", type=whole_from_zero, metavar="N", help="number of copies")
    p.add_argument(
        "--rounds-scale", type=positive, default=1.0, metavar="X", help="scale of phases"
    )
    plugin_option(p)


def neutral_option(p: argparse.ArgumentParser) -> None:
    """Add the option that takes all selection away."""
    p.add_argument(
        "--neutral", action="store_true", help="no selection at any level; `scenarios` says how"
    )


def workers_option(p: Any) -> None:
    """Add the option that says how many processes share the runs, to a parser or a group."""
    p.add_argument(
        "--workers", type=whole_from_zero, metavar="N", help="processes; 0: none but this"
    )


def plugin_option(p: argparse.ArgumentParser) -> None:
    """Add the option that loads plug-ins."""
    p.add_argument(
        "--plugin", action="append", default=[], metavar="FILE", help="see docs/extending.md"
    )


def load_plugins(arguments: argparse.Namespace) -> dict[str, str]:
    """Load the plug-ins that are asked for; those loaded, with their versions."""
    from multicopy.analysis.files import plugins

    plugins.load(arguments.plugin)
    return plugins.loaded()


def resolved(arguments: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    """Parameters that the options ask for, and the overrides among them."""
    from multicopy.model.scenario import NEUTRAL, InputError, neutral, resolve, scale_rounds

    overrides, scale = scenario_changes(arguments)
    parameters = resolve(arguments.scenario, overrides)
    if getattr(arguments, "neutral", False):
        for path in NEUTRAL.keys() & overrides.keys():
            raise InputError(f"--set {path}: --neutral sets it already, to {NEUTRAL[path]}")
        parameters, overrides = neutral(parameters), {**overrides, **NEUTRAL}
    if scale != 1.0:
        parameters = scale_rounds(parameters, scale)
    return parameters, overrides


def scenario_changes(arguments: argparse.Namespace) -> tuple[dict[str, Any], float]:
    """Overrides by path that the options ask for, and the scale of phases."""
    from multicopy.model.scenario import InputError, parse_assignment

    load_plugins(arguments)
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
    return overrides, arguments.rounds_scale
