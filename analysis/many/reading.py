"""Reading designs from TOML or a mapping, and checking them before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import ValidationError

from multicopy.agents.parameters import Parameters, nearest
from multicopy.analysis.many.design import (
    ENDING,
    IDENTITY,
    Design,
    Stop,
    at_point,
    measures,
    round_measures,
)
from multicopy.analysis.many.factors import Factor
from multicopy.analysis.many.points import Plan
from multicopy.model.scenario import InputError, legible, read_toml, resolve

MOST: Final = 10_000_000
"""Most points of a design times its factors, and most runs; a number is kept for each."""

MOST_SAMPLES: Final = {"morris": 1_000, "saltelli": 16_384}
"""Most samples of methods whose points, or what is made of them, take long: some seconds then."""

CHECKED: Final = 300
"""Points of a design, and levels of a factor, that are resolved before it runs, evenly spaced."""


def load(source: str | Path | Mapping[str, Any] | Design, **changes: Any) -> Design:
    """Read a design from a TOML file or a mapping, and check it.

    Parameters
    ----------
    source
        Path of a TOML file, a mapping of the same form, or a design.
    **changes
        Fields to replace; `fixed` is laid over the design's own.

    Raises
    ------
    InputError
        If it cannot be read or anything in it is not allowed.
    """
    tree, where = _tree(source)
    fixed = {**_table(tree, "fixed"), **changes.pop("fixed", {})}
    try:
        design = Design.model_validate({**tree, **changes, "fixed": fixed})
    except ValidationError as error:
        raise InputError("\n".join(f"{where}{line}" for line in _explain(error))) from None
    try:
        check(design)
    except InputError as error:
        raise InputError("\n".join(f"{where}{line}" for line in str(error).splitlines())) from None
    return design


def _tree(source: str | Path | Mapping[str, Any] | Design) -> tuple[dict[str, Any], str]:
    if isinstance(source, Design):
        return dict(source), ""
    if isinstance(source, Mapping):
        return dict(source), ""
    path = Path(source)
    if not path.exists():
        raise InputError(f"there is no design {str(path)!r}")
    tree = read_toml(path)
    tree.setdefault("name", path.stem)
    if isinstance(scenario := tree.get("scenario"), str) and (path.parent / scenario).is_file():
        tree["scenario"] = str((path.parent / scenario).resolve())
    return tree, f"{path}: "


def _table(tree: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = tree.get(name, {})
    if not isinstance(table, Mapping):
        raise InputError(f"{name} = {table!r} must be a table of PATH = VALUE")
    return table


def _explain(error: ValidationError) -> Iterator[str]:
    """One line a fault."""
    for fault in error.errors():
        names = [legible(str(part)) for part in fault["loc"]]
        path, owner = ".".join(names), Stop if names[:1] == ["stop"] else Design
        field = owner.model_fields.get(names[-1] if owner is Stop else names[0]) if names else None
        if fault["type"] == "extra_forbidden":
            yield f"{path}: there is no such field{nearest(names[-1], owner.model_fields)}"
        elif fault["type"] == "value_error":
            yield str(fault["ctx"]["error"])
        else:
            told = f" ({field.description})" if field else ""
            yield f"{path} = {fault['input']!r} is not allowed: {fault['msg'].lower()}{told}"


# --- checks -------------------------------------------------------------------------------------


def check(design: Design) -> None:
    """Check all that can be known before anything runs.

    Raises
    ------
    InputError
        With the first fault, in one line.
    """
    base, parsed = resolve(design.scenario, design.fixed), design.parsed()
    if not parsed:
        raise InputError("factors: a design needs at least one")
    _check_samples(design)
    _check_size(design, parsed)
    _check_names(design, base, parsed)
    _check_stop(design.stop, base)
    _check_values(design, base, parsed)


def _check_samples(design: Design) -> None:
    method, samples = design.method, design.samples
    if method == "grid":
        if samples is not None:
            raise InputError("samples: a grid has none; the levels say how many points there are")
        return
    if samples is None:
        raise InputError(f"samples: method {method!r} needs the number of samples")
    if method in ("sobol", "saltelli") and samples & (samples - 1):
        near = 2 ** round(np.log2(samples))
        raise InputError(
            f"samples = {samples}: a Sobol sequence wants a power of 2, such as {near}"
        )
    if method == "morris" and samples < 2:
        raise InputError("samples = 1: Morris screening needs two trajectories or more")
    most = MOST_SAMPLES.get(method, samples)
    if samples > most:
        raise InputError(f"samples = {samples:,}: method {method!r} takes {most:,} at most")


def _check_size(design: Design, parsed: tuple[Factor, ...]) -> None:
    """Refuse more points than a plan can hold, before any is made."""
    width, samples = len(parsed), design.samples or 0
    each = {"saltelli": width + 2, "morris": width + 1}.get(design.method, 1)
    grid = design.method == "grid"
    points = prod(len(factor.levels) for factor in parsed) if grid else samples * each
    if points * max(width, 2) > MOST:
        raise InputError(
            f"the design has {points:,} points of {width} factors: "
            f"at most {MOST // max(width, 2):,} are allowed"
        )
    if points * design.runs_a_point > MOST:
        raise InputError(
            f"the design has {points * design.runs_a_point:,} runs: at most {MOST:,} are allowed"
        )


def _check_names(design: Design, base: Parameters, parsed: tuple[Factor, ...]) -> None:
    taken = {*IDENTITY, *ENDING, *measures(base, design.detail)}
    sets: dict[str, str] = dict.fromkeys(design.fixed, "fixed")
    for factor in parsed:
        if factor.name in taken:
            raise InputError(f"factors.{factor.name}: is the name of a column of the result")
        for path in factor.paths:
            if path in sets:
                raise InputError(f"factors.{factor.name}: {path} is also set by {sets[path]}")
            sets[path] = f"factors.{factor.name}"


def _check_stop(stop: Stop | None, base: Parameters) -> None:
    if stop and stop.phase is not None and stop.phase not in base.phases:
        near = nearest(stop.phase, base.phases)
        raise InputError(f"stop.phase: there is no phase {stop.phase!r}{near}")
    if stop and stop.measure is not None and stop.measure not in round_measures(base):
        near = nearest(stop.measure, round_measures(base))
        raise InputError(f"stop.measure: there is no measure {stop.measure!r}{near}")


def _check_values(design: Design, base: Parameters, parsed: tuple[Factor, ...]) -> None:
    plan = Plan(design)

    def check_one(held: tuple[Any, ...], where: str) -> None:
        try:
            at_point(base, parsed, held, design.rounds_scale)
        except InputError as error:
            raise InputError(f"{where}: {str(error).splitlines()[0]}") from None

    start = plan.held(0)
    for place, factor in enumerate(parsed):
        ends = _spread(len(factor.levels)) if factor.levels else (factor.low, factor.high)
        for held in ends:
            check_one((*start[:place], held, *start[place + 1 :]), f"factors.{factor.name}")
    for point in _spread(plan.points):
        check_one(plan.held(point), f"point {point}")


def _spread(count: int) -> list[int]:
    """Places from 0 to `count` - 1: all if they are few, else evenly spaced ones with both ends."""
    return [int(at) for at in np.unique(np.linspace(0, count - 1, CHECKED).astype(np.int64))]
