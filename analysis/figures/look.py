"""One look for all figures: palette, line styles, phases as shaded bands, text sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from pathlib import Path
from typing import Any, Final, Literal

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from multicopy.analysis.files.writing import written
from multicopy.model.measures import label

BLUE, ORANGE, GREEN, PINK, SKY, VERMILION, GRAY = (
    "#0072B2",
    "#BF7B00",
    "#009E73",
    "#B7588F",
    "#3A93CC",
    "#D55E00",
    "#555555",
)
"""Okabe and Ito's palette, which color-blind readers can tell apart; the light ones are darkened
until they stand out from white by 3 to 1."""

STYLES: Final = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))
WIDTH, NARROW = 6.5, 3.6
"""Inches: a text column, and a phone."""

SMALL: Final = 7
"""Points: the smallest text, at the size at which a figure is printed."""

BAND_ROWS: Final = 6
"""Rows of names above the bands at most; a name without a place is left out."""


_GRID: Final = {
    "axes.axisbelow": True,
    "axes.edgecolor": "0.6",
    "axes.grid": True,
    "axes.labelcolor": ".15",
    "grid.color": "0.92",
    "lines.solid_capstyle": "round",
    "patch.edgecolor": "w",
    "patch.force_edgecolor": True,
    "text.color": ".15",
    "xtick.bottom": False,
    "xtick.color": ".15",
    "ytick.color": ".15",
    "ytick.left": False,
}
"""Seaborn's white grid, repeated here since loading Seaborn takes longer than drawing a figure."""


def rc() -> Any:
    """Every setting under which a figure is drawn, so that no setting of the user's applies."""
    kept = ("backend", "backend_fallback", "interactive", "toolbar")
    return {
        **{name: value for name, value in mpl.rcParamsDefault.items() if name not in kept},
        **_GRID,
        "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib
        "text.parse_math": False,  # titles and names with two dollar signs are no mathematics
        "font.size": 9,
        "axes.labelsize": 9,
        "xtick.labelsize": 8,
        "ytick.labelsize": 8,
        "legend.fontsize": 8,
        "figure.dpi": 110,
        "svg.hashsalt": "multicopy",
    }


def canvas(
    rows: int = 1, columns: int = 1, height: float = 2.6, width: float = WIDTH, **kw: Any
) -> tuple[Figure, Any]:
    """A figure, of one text column's width unless told, and its axes."""
    figure = Figure(figsize=(width, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, **kw)


def panel(draw: Callable[..., Axes]) -> Callable[..., Axes]:
    """Let a function ``(*frames, ax)`` draw in the project's style, on new axes if it gets none.

    New axes are pyplot's, so that a notebook shows them.
    """

    @wraps(draw)
    def drawn(*frames: Any, ax: Axes | None = None, **options: Any) -> Axes:
        if frames and isinstance(frames[-1], Axes):
            *frames, ax = frames  # type: ignore[assignment]
        figure = _new_figure() if ax is None else None
        with style():
            return draw(*frames, ax=figure.subplots() if figure else ax, **options)

    return drawn


def _new_figure() -> Figure:
    """A figure of pyplot's.

    Made outside of `style`: the first one of a notebook makes pyplot interactive, which that would
    undo, so that later figures were not shown.
    """
    from matplotlib import pyplot as plt

    return plt.figure(figsize=(WIDTH, 2.8), layout="constrained", dpi=rc()["figure.dpi"])


def figure_of(ax: Axes) -> Figure:
    """The whole figure that axes belong to."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure


def room(ax: Axes) -> float:
    """Width of the place that axes have in their figure, in inches."""
    spec = ax.get_subplotspec()
    columns = spec.get_gridspec().ncols if spec else 1
    return float(figure_of(ax).get_figwidth()) / columns


def is_narrow(ax: Axes) -> bool:
    """Whether a legend has no place beside the axes."""
    return room(ax) < 5


def legend(ax: Axes, **settings: Any) -> None:
    """A legend beside the axes, or below where they are narrow."""
    if is_narrow(ax):
        down = ScaledTranslation(0, -36 / 72, figure_of(ax).dpi_scale_trans)
        place: dict[str, Any] = {
            "bbox_to_anchor": (0.0, 0.0),
            "bbox_transform": ax.transAxes + down,
        }
        place |= {"ncols": _columns(ax), "columnspacing": 1.0}
    else:
        place = {"bbox_to_anchor": (1.01, 1.0)}
    usual = {"loc": "upper left", "frameon": False, "borderaxespad": 0, "handlelength": 2.4}
    ax.legend(**(usual | place | settings))


def one_legend(
    figure: Figure,
    axes: Any,
    columns: int = 4,
    side: Literal["outside upper center", "outside lower center"] = "outside upper center",
) -> None:
    """One legend above all axes (or below) in place of one in each."""
    handles, labels = axes.flat[0].get_legend_handles_labels()
    for ax in axes.flat:
        if beside := ax.get_legend():
            beside.remove()
    figure.legend(
        handles,
        labels,
        loc=side,
        ncols=columns,
        frameon=False,
    )


def _columns(ax: Axes) -> int:
    """Columns of a legend that narrow axes have room for."""
    size, handle = 8, 32
    labels = ax.get_legend_handles_labels()[1]
    widest = max((text_width(label, size) for label in labels), default=0.0) + handle
    return int(np.clip(0.76 * 72 * room(ax) // widest, 1, 2))


@cache
def text_width(text: str, size: float = SMALL) -> float:
    """Width of a line of text in points."""
    return float(TextPath((0, 0), text, size=size).get_extents().width) if text.strip() else 0.0


def staggered(centers: Sequence[float], widths: Sequence[float], gap: float = 5.0) -> list[int]:
    """Row of each label, so that none overlaps another of its row; the lowest row is 0.

    Parameters
    ----------
    centers, widths
        In points, from left to right.
    gap
        Points between two labels of a row.
    """
    ends: list[float] = []
    rows = []
    for center, width in zip(centers, widths, strict=True):
        left = center - width / 2
        row = next((i for i, end in enumerate(ends) if left >= end + gap), len(ends))
        ends[row:] = [center + width / 2, *ends[row + 1 :]]
        rows.append(row)
    return rows


def phase_name(phase: object) -> str:
    """Name of a phase as figures show it."""
    return str(phase).replace("_", " ")


def phases(rounds: pd.DataFrame, ax: Axes, labels: bool = True) -> Axes:
    """Shade the phases and name them above the axes, in as many rows as they need."""
    bounds = rounds.groupby("phase", observed=True, sort=False)["round"].agg(["min", "max"])
    start, total = rounds["round"].min() - 0.5, len(rounds)
    for first, last in bounds.to_numpy()[1::2]:
        ax.axvspan(first - 0.5, last + 0.5, color="0.955", zorder=0)
    if labels:
        # The layout is not known yet; the axes take at least this share of their place.
        points = room(ax) * 72 * (0.78 if is_narrow(ax) else 0.58)
        middle = bounds.mean(axis=1).to_numpy()
        names = [phase_name(name) for name in bounds.index]
        widths = [text_width(name) for name in names]
        rows = staggered(list((middle - start) / total * points), widths)
        for name, x, row in zip(names, middle, rows, strict=True):
            if row < BAND_ROWS:
                _name_band(ax, name, x, row)
    ax.set_xlim(start, start + total)
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    ax.set_xlabel("Round")
    return ax


def _name_band(ax: Axes, name: str, x: float, row: int) -> None:
    ax.annotate(
        name,
        (x, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(0, 2 + 9 * row),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=SMALL,
        color="0.35",
    )


def lines(
    rounds: pd.DataFrame,
    ax: Axes,
    what: Mapping[str, str],
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
        Color of each measure; each has a line style of its own, and its label in the legend.
    ylabel
        Name and unit of the y axis.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    for (column, color), style in zip(what.items(), STYLES * 2, strict=False):
        if column not in rounds:
            raise ValueError(f"the rounds table lacks the column {column!r}")
        ax.plot(rounds["round"], rounds[column], color=color, ls=style, lw=1.4, label=label(column))
    ax.set_ylabel(ylabel)
    legend(ax)
    return phases(rounds, ax)


def style() -> Any:
    """Context in which figures are drawn, and saved; leaves no setting changed."""
    return mpl.rc_context(rc())


def save(figure: Figure, path: Path) -> None:
    """Save a figure as PNG, whole or not at all; much of it is drawn only then."""
    with style(), written(path) as file:
        figure.savefig(file, format="png", dpi=150, facecolor="white")
