"""Factors of a design: what is varied, over which values, and what each value sets."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sized
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from multicopy.agents.machine.arithmetic import exps, log
from multicopy.agents.parameters import nearest
from multicopy.model.scenario import InputError, resolve

WHOLE: Final = "scenario"
"""What a factor sets where it holds scenarios as a whole: names, files, or parameters."""

SCALES: Final = ("linear", "log", "integer")
MOST_LEVELS: Final = 1_000
FORMS: Final = "[a, b, ...], { low = , high = , scale = } or { choices = { label = { PATH = } } }"


@dataclass(frozen=True, slots=True)
class Factor:
    """One dimension of a design.

    A factor has either `levels`, of which a point holds the place, or a range from `low` to `high`,
    of which it holds the value.

    Attributes
    ----------
    name
        Path of the parameter; of a factor with named choices, any name.
    levels
        What the table of runs shows, one for each level; empty for a range.
    settings
        What each level sets: overrides by path.
    low, high, scale
        The range.
    """

    name: str
    levels: tuple[Any, ...] = ()
    settings: tuple[Mapping[str, Any], ...] = ()
    low: float = 0.0
    high: float = 1.0
    scale: str = "linear"

    @property
    def paths(self) -> tuple[str, ...]:
        """Parameters that the factor sets."""
        return tuple(dict.fromkeys(p for s in self.settings for p in s)) or (self.name,)

    def with_scenarios(self, fixed: Mapping[str, Any]) -> Factor:
        """The factor with the scenarios that it holds resolved, and with what is fixed in them."""
        if WHOLE not in self.paths:
            return self
        whole = [
            {**setting, WHOLE: resolve(setting[WHOLE], fixed)} if WHOLE in setting else setting
            for setting in self.settings
        ]
        return replace(self, settings=tuple(whole))

    @property
    def type(self) -> pa.DataType:
        """Type of the factor's column."""
        if not self.levels:
            return pa.int64() if self.scale == "integer" else pa.float64()
        if all(isinstance(level, bool) for level in self.levels):
            return pa.bool_()
        if all(_is_number(level) for level in self.levels):
            whole = all(isinstance(level, int) for level in self.levels)
            return pa.int64() if whole else pa.float64()
        return pa.string()

    def from_unit(self, unit: NDArray[np.float64]) -> NDArray[Any]:
        """What points hold, from numbers in [0, 1]."""
        if self.levels:
            return np.minimum((unit * len(self.levels)).astype(np.int64), len(self.levels) - 1)
        if self.scale == "integer":
            count = int(self.high) - int(self.low) + 1
            return int(self.low) + np.minimum((unit * count).astype(np.int64), count - 1)
        if self.scale == "log":
            low, high = log(self.low), log(self.high)
            return np.clip(exps(low + unit * (high - low)), self.low, self.high)
        return self.low + unit * (self.high - self.low)

    def shown(self, held: Any) -> Any:
        """What the table of runs shows for what a point holds."""
        if self.levels:
            level = self.levels[int(held)]
            return level if _is_plain(level) else json.dumps(level)
        return int(held) if self.scale == "integer" else float(held)

    def overrides(self, held: Any) -> Mapping[str, Any]:
        """What the model is told for what a point holds."""
        return self.settings[int(held)] if self.levels else {self.name: self.shown(held)}


def parse(name: str, spec: Any, grid: bool) -> Factor:
    """Read a factor from a design; in a grid a range is cut into its ``steps``.

    Raises
    ------
    InputError
        If it is not well formed, in one line.
    """
    where = f"factors.{name}"
    if isinstance(spec, list):
        return _of_list(name, where, spec)
    if not isinstance(spec, Mapping):
        raise InputError(f"{where} = {spec!r} is not allowed: {FORMS}")
    known = ("choices",) if "choices" in spec else ("low", "high", "scale", "steps")
    for key in spec:
        if key not in known:
            raise InputError(f"{where}.{key}: there is no such field{nearest(key, known)}")
    if "choices" in spec:
        return _of_choices(name, where, spec["choices"])
    return _of_range(name, where, spec, grid)


def _of_list(name: str, where: str, levels: list[Any]) -> Factor:
    if not levels:
        raise InputError(f"{where}: the list is empty")
    _refuse_many(where, levels)
    if repeated := [a for i, a in enumerate(levels) if a in levels[:i]]:
        raise InputError(f"{where}: {repeated[0]!r} is given twice")
    return Factor(name, tuple(levels), tuple({name: level} for level in levels))


def _refuse_many(where: str, levels: Sized) -> None:
    if len(levels) > MOST_LEVELS:
        raise InputError(
            f"{where}: has {len(levels):,} levels; at most {MOST_LEVELS:,} are allowed"
        )


def _of_choices(name: str, where: str, choices: Any) -> Factor:
    if not isinstance(choices, Mapping) or not choices:
        raise InputError(f"{where}.choices: must be a table of named choices")
    _refuse_many(where, choices)
    for label, settings in choices.items():
        if not isinstance(settings, Mapping) or not settings:
            raise InputError(f"{where}.choices.{label}: must be a table of PATH = VALUE")
    return Factor(name, tuple(choices), tuple(dict(s) for s in choices.values()))


def _of_range(name: str, where: str, spec: Mapping[str, Any], grid: bool) -> Factor:
    scale = spec.get("scale", "linear")
    if scale not in SCALES:
        near = nearest(str(scale), SCALES)
        raise InputError(f"{where}.scale = {scale!r} is not allowed: {' | '.join(SCALES)}{near}")
    for end in ("low", "high"):
        if not _is_number(spec.get(end)) or not math.isfinite(spec[end]):
            raise InputError(f"{where}.{end} = {spec.get(end)!r} is not allowed: it is a number")
        if scale == "integer" and spec[end] != int(spec[end]):
            raise InputError(f"{where}.{end} = {spec[end]!r} is not allowed: a whole number")
    if not spec["low"] < spec["high"]:
        raise InputError(f"{where}: the range {spec['low']} to {spec['high']} is empty")
    if scale == "log" and spec["low"] <= 0:
        raise InputError(f"{where}.low = {spec['low']}: a log scale begins above 0")
    factor = Factor(name, low=spec["low"], high=spec["high"], scale=scale)
    if not grid:
        if "steps" in spec:
            raise InputError(f"{where}.steps: only a grid has steps; samples say how many points")
        return factor
    steps = spec.get("steps")
    if isinstance(steps, bool) or not isinstance(steps, int) or not 2 <= steps <= MOST_LEVELS:
        raise InputError(
            f"{where}.steps = {steps!r}: in a grid a range has steps, 2 to {MOST_LEVELS:,}"
        )
    return _of_list(name, where, _cut(factor, steps))


def _cut(factor: Factor, steps: int) -> list[Any]:
    if factor.scale == "integer":
        return [int(v) for v in np.unique(np.linspace(factor.low, factor.high, steps).round())]
    # Rounded to 12 digits, so that a tenth is a tenth.
    return [float(f"{v:.12g}") for v in factor.from_unit(np.linspace(0, 1, steps))]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_plain(value: Any) -> bool:
    return isinstance(value, (bool, int, float, str))
