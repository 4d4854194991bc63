"""Sweeps over designs of runs: planned, run on any number of workers, stored, and read.

`sweep` runs a design and returns its table; `read` and `failures` read the folder of a sweep;
`evaluate` is the model as a function of a matrix of points, for SALib and the like.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multicopy.analysis.many.design import Design
    from multicopy.analysis.many.driver import evaluate, sweep
    from multicopy.analysis.many.reading import load
    from multicopy.analysis.many.store import failures, read

__all__ = ["Design", "evaluate", "failures", "load", "read", "sweep"]

_HOMES = {
    "Design": "design",
    "evaluate": "driver",
    "failures": "store",
    "load": "reading",
    "read": "store",
    "sweep": "driver",
}


def __getattr__(name: str) -> Any:
    """Import on first use, so that the command line's help need not wait for pandas."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
