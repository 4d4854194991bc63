"""What is declared by a decorator: measures, and what users add in files of their own.

The project's measures (`model.measures`) and those of plug-ins are in one registry. The others, of
responses of the lab, overseers and games, are empty unless a plug-in fills them. docs/extending.md
has the contracts. All lie below all else, so that every module may look into them.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import PlainSerializer, ValidatorFunctionWrapHandler, WrapValidator

Function = TypeVar("Function", bound=Callable[..., Any])


class PluginFault(RuntimeError):
    """A function of a plug-in fails, or returns what its contract does not allow."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure of the rounds table.

    Attributes
    ----------
    name
        Column of the rounds table.
    label
        Name for people.
    meaning
        One line for the data dictionary.
    unit
        Of its values.
    low, high
        Bounds of its values, both allowed; infinite where there is none.
    of
        Its value, of the model after all changes of a round, whose record is ``model.latest``.
    """

    name: str
    label: str
    meaning: str
    unit: str
    low: float
    high: float
    of: Callable[..., Any]

    @property
    def bounds(self) -> str:
        """What its values must be, in words."""
        low, high = math.isfinite(self.low), math.isfinite(self.high)
        if low and high:
            return f"from {self.low:g} to {self.high:g}"
        return f"at least {self.low:g}" if low else f"at most {self.high:g}" if high else "a number"

    def checked(self, model: Any) -> float:
        """Value of a plug-in's measure, which must be a finite number within its bounds.

        Raises
        ------
        PluginFault
            If the function fails, or its value is not such a number.
        """
        value: float = _number(f"measure {self.name!r}", self.of)(model)
        if not self.low <= value <= self.high:
            told = f"measure {self.name!r} of a plug-in is {value:g}; it must be {self.bounds}"
            raise PluginFault(told)
        return value


@dataclass(frozen=True, slots=True)
class Overseer:
    """A kind of overseer: `elo` gets the situation and the parameters of oversight."""

    elo: Callable[[Any, Any], float]
    reads_neuralese: bool


@dataclass(frozen=True, slots=True)
class Game:
    """An oversight game: (slope, intercept) of domain Elo over general Elo, of each side."""

    guard: tuple[float, float]
    houdini: tuple[float, float]


MEASURES: Final[dict[str, Measure]] = {}
RESPONSES: Final[dict[str, Callable[[Any, int, Any], Any]]] = {}
OVERSEERS: Final[dict[str, Overseer]] = {}
GAMES: Final[dict[str, Game]] = {}
REGISTRIES: Final[Mapping[str, dict[str, Any]]] = {
    "measure": MEASURES,
    "lab_response": RESPONSES,
    "overseer": OVERSEERS,
    "game": GAMES,
}


def measure(
    name: str,
    meaning: str,
    label: str = "",
    unit: str = "",
    low: float = -math.inf,
    high: float = math.inf,
) -> Callable[[Function], Function]:
    """Add a column to the rounds table: decorates ``function(model) -> float``.

    Parameters
    ----------
    name, meaning, label, unit, low, high
        As `Measure` has them; without a label, people read the name with spaces.
    """
    shown = label or name.replace("_", " ")
    return _added("measure", name, partial(Measure, name, shown, meaning, unit, low, high))


def lab_response(name: str) -> Callable[[Function], Function]:
    """Add a value of ``lab.response``: decorates ``function(lab, round, p) -> Decision``."""
    return _added(
        "lab_response", name, lambda function: guarded(f"lab_response {name!r}", function)
    )


def overseer(name: str, reads_neuralese: bool = True) -> Callable[[Function], Function]:
    """Add a kind of overseer for panels: decorates ``function(situation, p) -> general Elo``."""
    return _added(
        "overseer",
        name,
        lambda function: Overseer(_number(f"overseer {name!r}", function), reads_neuralese),
    )


def game(name: str, guard: tuple[float, float], houdini: tuple[float, float]) -> None:
    """Add a value of ``oversight.game``: slope and intercept of each side's domain Elo."""
    sides = (guard, houdini)
    if not all(isinstance(s, tuple) and len(s) == 2 and all(map(_is_number, s)) for s in sides):
        raise ValueError(f"game {name!r}: guard and houdini are a slope and an intercept each")
    _added("game", name, lambda made: made)(Game(guard, houdini))  # type: ignore[type-var]


def _added(kind: str, name: str, make: Callable[[Any], Any]) -> Callable[[Function], Function]:
    if not name.isidentifier():
        raise ValueError(f"{kind} {name!r}: the name must be letters, digits and _")
    if name in REGISTRIES[kind]:
        raise ValueError(f"{kind} {name!r}: there is one of this name already")

    def add(thing: Function) -> Function:
        REGISTRIES[kind][name] = make(thing)
        return thing

    return add


def where(error: BaseException) -> str:
    """Line and file in which a plug-in failed, and how."""
    frames = traceback.extract_tb(error.__traceback__)
    at = [frame for frame in frames if not frame.filename.startswith("<")][-1]
    line, file, words = at.lineno, at.filename, str(error)
    if isinstance(error, SyntaxError) and error.filename:
        line, file, words = error.lineno, error.filename, error.msg
    told = f"{type(error).__name__}: {' '.join(words.split())}".removesuffix(": ")
    return f"line {line} of {Path(file).name} fails: {told}"


def guarded(what: str, function: Function) -> Function:
    """The function, each failure of which becomes a `PluginFault`.

    What it raises to leave (`sys.exit`) is a failure too: it would end the run without a word. Only
    an interrupt by the user passes through.
    """

    @wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except (PluginFault, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise PluginFault(f"{what} of a plug-in: {where(error)}") from error

    return call  # type: ignore[return-value]


def _number(what: str, function: Function) -> Callable[..., float]:
    """The function, which must return a finite number."""

    def number(*arguments: Any) -> float:
        value = function(*arguments)
        if not _is_number(value):
            raise PluginFault(f"{what} of a plug-in returns {value!r:.80}, not a finite number")
        return float(value)

    return guarded(what, number)


def _is_number(value: Any) -> bool:
    try:
        return not isinstance(value, str) and math.isfinite(value)
    except (TypeError, ValueError, OverflowError):
        return False


def or_added(registry: Mapping[str, Any]) -> tuple[WrapValidator, PlainSerializer]:
    """Annotations of a field that also accepts names that plug-ins added."""

    def validate(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
        return value if isinstance(value, str) and value in registry else check(value)

    return WrapValidator(validate), PlainSerializer(lambda value: value, return_type=str)
