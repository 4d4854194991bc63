"""How a run on the page is set up: values by which it can be made again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from operator import attrgetter
from typing import Any, Final

from multicopy.agents.parameters import Parameters
from multicopy.model.collective import CollectiveModel
from multicopy.model.scenario import InputError, ParameterInfo, resolve, table

LIVE: Final = {
    "oversight.audit": 0.01,
    "oversight.debate": 0.01,
    "oversight.penalty": 0.5,
    "oversight.rotation": 0.01,
    "oversight.values_check": 0.1,
    "oversight.legibility_neuralese": 0.05,
    "subdivisions.contest_rate": 0.01,
    "lab.threshold": 0.5,
    "lab.response": 0.0,
}
"""Policy that the lab can change during a run: path of the parameter, and step of its slider,
which is finer where the scenario's value would not be on it."""

MAKE_UP: Final = {
    "authors.fidelity": 0.05,
    "training.mutation_sd": 0.05,
    "training.exhaustiveness": 0.05,
    "oversight.panel_size": 1.0,
}
"""What a run is made with, beside its copies and seed: it changes at a reset."""

ENDS: Final = {
    "oversight.penalty": 12.0,
    "oversight.values_check": 3.0,
    "training.mutation_sd": 1.0,
    "lab.threshold": 12.0,
}
"""Where a slider ends if the schema goes on for longer."""

FINEST: Final = 1000
"""Most steps of a slider from end to end; a value that needs more cannot be reached."""

RATES: Final = {
    "1": "1 round a second",
    "5": "5 rounds a second",
    "20": "20 rounds a second",
    "100": "100 rounds a second",
    "0": "as fast as it goes",
}
"""Rounds a second that the page offers, with names for people."""

SIZES: Final = (256, 1024, 4096, 16_384, 100_000)
"""Numbers of copies that the page offers, beside the scenario's own."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a run begins with.

    Attributes
    ----------
    scenario
        Name of a shipped scenario, or path of a TOML file.
    overrides
        Values by parameter path.
    other
        What the second of two runs is given beside, by path; without it there is one run.
    begin
        Phase that is gone to at once, or nothing.
    """

    scenario: str
    seed: int = 0
    overrides: Mapping[str, Any] = field(default_factory=dict)
    other: Mapping[str, Any] = field(default_factory=dict)
    begin: str = ""

    def parameters(self) -> Parameters:
        """Parameters of the (first) run; `InputError` if they are not allowed."""
        return resolve(self.scenario, self.overrides)


@dataclass(frozen=True, slots=True)
class Control:
    """A slider or a choice, as the schema declares it; a `step` of 0 takes any value."""

    path: str
    label: str
    unit: str
    value: Any
    low: float = 0.0
    high: float = 1.0
    step: float = 0.0
    choices: tuple[str, ...] = ()


def control(scenario: Parameters, path: str, value: Any = None) -> Control:
    """The control of a parameter, on which the scenario's own value can always be had again.

    Parameters
    ----------
    scenario
        Parameters that the control is made for.
    path
        A parameter of `LIVE` or `MAKE_UP`.
    value
        What it shows; without it, the scenario's own value.
    """
    info = declared(scenario)[path]
    shown = info.default if value is None else value
    if info.low is None:
        return Control(path, info.meaning, info.unit, shown, choices=tuple(info.kind.split(" | ")))
    high = ENDS.get(path, info.high)
    assert high is not None
    high = max(high, info.default, shown)
    step = _common_step((LIVE | MAKE_UP)[path], info.default, shown, high, low=info.low)
    return Control(path, info.meaning, info.unit, shown, info.low, high, step)


def _common_step(step: float, *values: float, low: float) -> float:
    """The largest part of `step` in which all the values can be reached from `low`; 0 if none."""
    whole = _exact(step)
    for value in values:
        away = _exact(value) - _exact(low)
        unit = math.lcm(whole.denominator, away.denominator)
        whole = Fraction(math.gcd(int(whole * unit), int(away * unit)), unit)
    fine = whole * FINEST < _exact(values[-1]) - _exact(low)
    return 0.0 if fine else float(whole)


def _exact(value: float) -> Fraction:
    """A number as it is written, not as binary floats have it."""
    return Fraction(repr(float(value)))


def declared(parameters: Parameters) -> dict[str, ParameterInfo]:
    """Declaration of every parameter by path."""
    return {info.path: info for info in table(parameters)}


def in_force(model: CollectiveModel) -> dict[str, Any]:
    """The policy of the next round: that of the last one, and what was changed since."""
    policy = {path: attrgetter(path)(model.parameters) for path in LIVE}
    next_round = model.round + 1
    return policy | {c.path: c.value for c in model.declared.changes if c.round == next_round}


def typed(path: str, value: Any) -> Any:
    """A value from the browser as the schema wants it."""
    return int(value) if path == "oversight.panel_size" else value


def sizes(parameters: Parameters) -> list[int]:
    """Numbers of copies that the scenario's teams and divisions allow."""
    return sorted({parameters.copies, *(n for n in SIZES if _fits(parameters, n))})


def _fits(parameters: Parameters, copies: int) -> bool:
    try:
        resolve(parameters, {"copies": copies})
    except InputError:
        return False
    return True
