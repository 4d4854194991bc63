"""Phase diagrams: a measure, or the share of an outcome, over two factors of a sweep."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from multicopy.analysis.figures.look import style
from multicopy.analysis.figures.sweeps import phase_cells
from multicopy.analysis.many.design import Design
from multicopy.analysis.many.factors import Factor
from multicopy.analysis.questions.measured import factor_of, measured, state
from multicopy.model.outcomes import CLASSES
from multicopy.model.scenario import InputError

BINS = 8
"""Cells of a factor that has a range."""


def table(
    runs: pd.DataFrame, design: Design, measure: str, x: str, y: str, by: str | None = None
) -> pd.DataFrame:
    """Mean and number of runs in each cell; a factor with a range is cut into equal bins.

    Returns
    -------
    A row a cell: the columns x, y and by, ``mean``, ``runs``.
    """
    names = [name for name in (x, y, by) if name]
    if len(set(names)) < len(names):
        raise InputError("--x, --y and --by must be different factors")
    factors = {name: factor_of(design, name) for name in names}
    cells = {name: binned(runs[name], factor) for name, factor in factors.items()}
    frame = pd.DataFrame({**cells, "value": measured(runs, measure)})
    grouped = frame.groupby(names, observed=True, sort=True)["value"]
    return grouped.agg(mean="mean", runs="size").reset_index()


def binned(values: pd.Series, factor: Factor) -> pd.Series:
    """Levels in their order, or the middle of the bin that a value of a range lies in."""
    if factor.levels:
        levels = [factor.shown(i) for i in range(len(factor.levels))]
        return pd.Series(pd.Categorical(values, levels, ordered=True), values.index)
    space = np.geomspace if factor.scale == "log" else np.linspace
    edges = space(factor.low, factor.high, BINS + 1)
    middle = (
        np.sqrt(edges[1:] * edges[:-1]) if factor.scale == "log" else edges[1:] - np.diff(edges) / 2
    )
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, BINS - 1)
    labels = [float(f"{m:.3g}") for m in middle]
    return pd.Series(pd.Categorical([labels[i] for i in place], labels, ordered=True), values.index)


def figure(
    cells: pd.DataFrame,
    runs: pd.DataFrame,
    title: str,
    measure: str,
    x: str,
    y: str,
    by: str | None = None,
) -> Figure:
    """Heat maps, a panel for each level of `by`, with the mean and the number of runs in a cell."""
    panels = [(None, cells)] if by is None else list(cells.groupby(by, observed=True))
    share = measure in CLASSES
    low, high = (0.0, 1.0) if share else (cells["mean"].min(), cells["mean"].max())
    columns, rows = cells[x].nunique(), cells[y].nunique()
    wide = max(2.4, 0.62 * columns + 0.5)
    with style():
        drawn = Figure(
            figsize=(wide * len(panels) + 1.9, max(2.2, 0.5 * rows + 1.4)), layout="constrained"
        )
        axes = np.atleast_1d(drawn.subplots(1, len(panels), sharey=True))
        for i, (level, part) in enumerate(panels):
            bar = of(measure) if i == len(panels) - 1 else ""
            phase_cells(part, axes[i], x=x, y=y, limits=(low, high), bar=bar, counts=True)
            if i:
                axes[i].set_ylabel("")
            if by:
                axes[i].set_title(f"{by} = {_short(level)}", fontsize=9)
        drawn.suptitle(
            f"{title}\n{state(runs)}; in each cell the {of(measure)} and its runs", fontsize=9
        )
    return drawn


def of(measure: str) -> str:
    """What a cell tells of a measure."""
    return f"share {measure}" if measure in CLASSES else f"mean {measure}"


def _short(level: Any) -> str:
    return f"{level:g}" if isinstance(level, float) else str(level)
