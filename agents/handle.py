"""What all agents of the model have in common."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any, NoReturn

from mesa import Agent

from multicopy.agents.levels import Level
from multicopy.agents.machine.state import Stateful
from multicopy.agents.parameters import nearest


class Fixed(TypeError):
    """Something that Mesa's agents do and handles cannot, since it would change no run."""


class _Counters:
    """Counters of agents, each kept by its model.

    Mesa 3.3 keeps them in a dictionary by model, which so would never be let go: a sweep's memory
    would grow with every run.
    """

    def __getitem__(self, model: Any) -> Iterator[int]:
        counter: Iterator[int] = model.__dict__.setdefault("_agent_counter", count(1))
        return counter


class Handle(Agent):  # type: ignore[misc]
    """An agent that is a thin handle on rows of the model's columns.

    What would change the handle alone, and so no run, is refused.
    """

    _ids = _Counters()

    def __init__(self, model: Any) -> None:
        model.require_making(type(self).__name__)  # before Mesa counts it
        super().__init__(model)

    def __setattr__(self, name: str, value: Any) -> None:
        kind = type(self)
        known = name == "pos" or hasattr(getattr(kind, name, None), "__set__")
        # The model's parts say what they hold by themselves; the rest is set once, when made.
        free = known or isinstance(self, Stateful) or "model" not in vars(self) or self.model.making
        if not free:
            near = nearest(name, (n for n in dir(kind) if hasattr(getattr(kind, n), "__set__")))
            raise AttributeError(f"{name} of a {kind.__name__} cannot be set: no run uses it{near}")
        super().__setattr__(name, value)

    def step(self) -> NoReturn:
        """Refuse: nobody acts outside of a round."""
        raise Fixed(f"a {type(self).__name__} does not step alone: model.step() is a round of all")

    advance = step


class UnitIndex:
    """Attribute of a handle: index of the unit of a level that it belongs to (read only).

    The handle tells its `first_team`: the one that it is in, or the first that is in it.
    """

    def __init__(self, level: Level) -> None:
        self.level = level
        self.__doc__ = f"Index of its {level.name}."

    def __get__(self, handle: Any, owner: type[Handle]) -> Any:
        if handle is None:
            return self
        units = handle.model.population.units[self.level.name]
        return int(units.of[handle.first_team])

    def __set__(self, handle: Handle, value: object) -> None:
        raise AttributeError(f"{self.level.name} follows from its place; it cannot be set")
