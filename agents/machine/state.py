"""How parts of a model declare their state, so that a run can be saved and resumed.

Each part names what changes during a run in `STATE`, with its kind, and in `MADE` what the
scenario and the seed make anew. Nothing else may be on it: who adds an attribute says which of the
two it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np


class StateFault(ValueError):
    """A state that cannot be kept or taken over; the message says of which part, and why."""


class Stateful:
    """A part of a model that can be kept.

    Attributes
    ----------
    STATE
        Kind of each attribute that changes: ``int``, ``float``, ``bool``, ``str``, ``np.ndarray``,
        lists, tuples, sets and mappings of those, frozen data classes, tables, other parts, or one
        of these or None.
    MADE
        Attributes that are made anew, the same for the same scenario and seed.
    """

    STATE: ClassVar[Mapping[str, Any]] = {}
    MADE: ClassVar[frozenset[str]] = frozenset()

    def state(self) -> dict[str, Any]:
        """All that changes, by name.

        Raises
        ------
        StateFault
            If there is an attribute that is neither declared as state nor as made anew.
        """
        if unknown := vars(self).keys() - self.STATE.keys() - self.MADE:
            raise StateFault(
                f"no checkpoint can be written: it would lose {type(self).__name__}."
                f"{min(unknown)}, an attribute in neither STATE nor MADE"
            )
        return {name: getattr(self, name) for name in self.STATE}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a state, all of the kinds that are declared.

        Raises
        ------
        StateFault
            If an array has another shape or type than the one that it takes the place of.
        """
        for name, value in state.items():
            held = getattr(self, name)
            if isinstance(held, Stateful):
                held.restore(value)
            elif isinstance(held, np.ndarray):
                if (held.shape, held.dtype) != (value.shape, value.dtype):
                    raise StateFault(f"{name} has the shape {value.shape} and type {value.dtype}")
                held[...] = value
            else:
                vars(self)[name] = value
