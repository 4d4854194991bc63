"""What is asked of a table of runs: a measure, or how often an outcome came."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from multicopy.agents.parameters import nearest
from multicopy.analysis.many.design import Design, measures
from multicopy.analysis.many.factors import Factor
from multicopy.model.outcomes import CLASSES
from multicopy.model.scenario import InputError


def measured(runs: pd.DataFrame, name: str) -> pd.Series:
    """A measure of each run: a column, or 1 and 0 for an outcome (such as ``captured``).

    Raises
    ------
    InputError
        If there is no such measure.
    """
    if name in CLASSES and "outcome" in runs:
        return (runs["outcome"] == name).astype(float)
    if name in runs and pd.api.types.is_numeric_dtype(runs[name]):
        return runs[name].astype(float)
    known = [*(CLASSES if "outcome" in runs else ()), *runs.select_dtypes("number").columns]
    raise InputError(f"there is no measure {name!r}{nearest(name, known)}")


def require_measure(design: Design, name: str) -> None:
    """`InputError` unless the runs of a design will have a measure, as `measured` knows it."""
    numbers = [f.name for f in design.parsed() if not pa.types.is_string(f.type)]
    known = [*CLASSES, *measures(design.resolved()), "rounds", "stopped", *numbers]
    if name not in known:
        raise InputError(f"there is no measure {name!r}{nearest(name, known)}")


def factor_of(design: Design, name: str) -> Factor:
    """A factor of a design by its name.

    Raises
    ------
    InputError
        If it has no such factor.
    """
    known = {factor.name: factor for factor in design.parsed()}
    if name not in known:
        raise InputError(
            f"the design has no factor {name!r}{nearest(name, known) or '.'} "
            f"It has {', '.join(known)}."
        )
    return known[name]


def state(runs: pd.DataFrame) -> str:
    """How many runs a figure is made of, in words."""
    planned, done = runs.attrs["planned"], runs.attrs["done"]
    return f"{done:,} runs" if done == planned else f"{done:,} of {planned:,} runs"
