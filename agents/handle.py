"""What all agents of the model have in common."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from mesa import Agent


class _Counters:
    """Counters of agents, each kept by its model.

    Mesa 3.3 keeps them in a dictionary by model, which so would never be let go: a sweep's memory
    would grow with every run.
    """

    def __getitem__(self, model: Any) -> Iterator[int]:
        counter: Iterator[int] = model.__dict__.setdefault("_agent_counter", count(1))
        return counter


class Handle(Agent):  # type: ignore[misc]
    """An agent that is a thin handle on rows of the model's columns."""

    _ids = _Counters()
