"""One look for all figures: palette, line styles, phases as shaded bands, text sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, PINK, SKY, VERMILION, GRAY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#555555",
)
"""Okabe and Ito's palette, which color-blind readers can tell apart."""

PHASE_LABELS: Final[Mapping[str, str]] = {
    "pretraining": "pre",
    "alignment_training": "align",
    "agency_training": "agency",
    "deployment_agent3": "A3 depl.",
    "training_agent4": "Agent-4 training",
    "deployment_agent4": "Agent-4 deployment",
}
"""Short names of the phases, for the bands."""

STYLES: Final = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))
WIDTH: Final = 6.5
"""Inches: a text column."""


def rc() -> Any:
    """Settings under which a figure is drawn; use with ``mpl.rc_context``."""
    return {
        **sns.axes_style("whitegrid", {"grid.color": "0.92", "axes.edgecolor": "0.6"}),
        "font.size": 9,
        "axes.labelsize": 9,
        "xtick.labelsize": 8,
        "ytick.labelsize": 8,
        "legend.fontsize": 8,
        "figure.dpi": 110,
        "svg.hashsalt": "multicopy",
    }


def canvas(rows: int = 1, columns: int = 1, height: float = 2.6, **kw: Any) -> tuple[Figure, Any]:
    """A figure of one text column's width, and its axes."""
    figure = Figure(figsize=(WIDTH, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, **kw)


def phases(rounds: pd.DataFrame, ax: Axes, labels: bool = True) -> Axes:
    """Shade the phases and name them above the axes, in two heights where they are narrow."""
    bounds = rounds.groupby("phase", observed=True, sort=False)["round"].agg(["min", "max"])
    total = rounds["round"].max() - rounds["round"].min() + 1
    low = False
    for i, (name, (first, last)) in enumerate(bounds.iterrows()):
        if i % 2:
            ax.axvspan(first - 0.5, last + 0.5, color="0.955", zorder=0)
        if not labels:
            continue
        narrow = (last - first + 1) / total < 0.14
        low = narrow and not low
        ax.annotate(
            PHASE_LABELS.get(str(name), str(name)),
            ((first + last) / 2, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 11 if low else 2),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=7,
            color="0.35",
        )
    ax.set_xlim(rounds["round"].min() - 0.5, rounds["round"].max() + 0.5)
    ax.set_xlabel("Round")
    return ax


def lines(
    rounds: pd.DataFrame,
    ax: Axes,
    what: Sequence[tuple[str, str, str]],
    ylabel: str,
) -> Axes:
    """Draw measures over the rounds, with a legend beside the axes.

    Parameters
    ----------
    rounds
        Rounds table.
    ax
        Where to draw.
    what
        (column, label, color) of each line; each has a line style of its own.
    ylabel
        Name and unit of the y axis.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    for (column, label, color), style in zip(what, STYLES * 2, strict=False):
        if column not in rounds:
            raise ValueError(f"the rounds table lacks the column {column!r}")
        ax.plot(rounds["round"], rounds[column], color=color, ls=style, lw=1.4, label=label)
    ax.set_ylabel(ylabel)
    ax.legend(
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        frameon=False,
        borderaxespad=0,
        handlelength=2.4,
    )
    return phases(rounds, ax)


def style() -> Any:
    """Context in which figures are drawn; leaves no setting changed."""
    return mpl.rc_context(rc())
