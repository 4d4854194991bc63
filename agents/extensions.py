"""What users add in files of their own: measures, responses of the lab, overseers, games.

The registries are empty unless a plug-in fills them (docs/extending.md has the contracts); nothing
that the project ships is in them. They lie below all else, so that every module may look into them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import PlainSerializer, ValidatorFunctionWrapHandler, WrapValidator

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure of the rounds table: `of` gets the model after all changes of a round."""

    meaning: str
    of: Callable[[Any], float]


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


def measure(name: str, meaning: str) -> Callable[[Function], Function]:
    """Add a column to the rounds table: decorates ``function(model) -> float``."""
    return _added("measure", name, lambda function: Measure(meaning, function))


def lab_response(name: str) -> Callable[[Function], Function]:
    """Add a value of ``lab.response``: decorates ``function(lab, round, p) -> Decision``."""
    return _added("lab_response", name, lambda function: function)


def overseer(name: str, reads_neuralese: bool = True) -> Callable[[Function], Function]:
    """Add a kind of overseer for panels: decorates ``function(situation, p) -> general Elo``."""
    return _added("overseer", name, lambda function: Overseer(function, reads_neuralese))


def game(name: str, guard: tuple[float, float], houdini: tuple[float, float]) -> None:
    """Add a value of ``oversight.game``: slope and intercept of each side's domain Elo."""
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


def or_added(registry: Mapping[str, Any]) -> tuple[WrapValidator, PlainSerializer]:
    """Annotations of a field that lets a name pass which a plug-in added."""

    def validate(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
        return value if isinstance(value, str) and value in registry else check(value)

    return WrapValidator(validate), PlainSerializer(lambda value: value, return_type=str)
