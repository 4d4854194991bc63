"""How a run on the page is set up: values by which it can be made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from agents.parameters import Parameters
from model.scenario import InputError, ParameterInfo, resolve, table

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
"""Policy that the lab can change during a run: path of the parameter, and step of its slider."""

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
    """A slider or a choice, as the schema declares it."""

    path: str
    label: str
    unit: str
    value: Any
    low: float = 0.0
    high: float = 1.0
    step: float = 0.0
    choices: tuple[str, ...] = ()


def control(parameters: Parameters, path: str) -> Control:
    """The control of a parameter, at its value in `parameters`."""
    info = declared(parameters)[path]
    if info.low is None:
        return Control(
            path, info.meaning, info.unit, info.default, choices=tuple(info.kind.split(" | "))
        )
    high = ENDS.get(path, info.high)
    assert high is not None
    step = (LIVE | MAKE_UP)[path]
    top = max(high, info.default)
    return Control(path, info.meaning, info.unit, info.default, info.low, top, step)


def declared(parameters: Parameters) -> dict[str, ParameterInfo]:
    """Declaration of every parameter by path."""
    return {info.path: info for info in table(parameters)}


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
