"""What many runs say: each figure a function of a tidy table (`questions.sweep_summary`)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from multicopy.analysis.figures.look import (
    BLUE,
    GRAY,
    GREEN,
    ORANGE,
    PINK,
    SKY,
    SMALL,
    STYLES,
    VERMILION,
    figure_of,
    is_narrow,
    legend,
    panel,
    room,
    text_width,
)
from multicopy.model.measures import label, title
from multicopy.model.outcomes import CLASSES

COLORS: Final = (BLUE, VERMILION, GREEN, ORANGE, GRAY, PINK, SKY)
ANNOTATED: Final = 8
"""Columns of a phase diagram at most in whose cells the number is written."""

DOTS: Final = 1500
"""Points off the frontier that are drawn at most."""


@panel
def outcome_bars(table: pd.DataFrame, ax: Axes, by: str = "") -> Axes:
    """Shares of the classes of outcome as stacked bars, one a group.

    Parameters
    ----------
    table
        Columns ``group`` (categorical), ``outcome``, ``runs``, ``share``.
    ax
        Where to draw.
    by
        What the groups are levels of.
    """
    wide = table.pivot(index="group", columns="outcome", values="share").sort_index()
    runs = table.groupby("group", observed=True)["runs"].first()
    left = np.zeros(len(wide))
    for outcome, of in CLASSES.items():
        width = wide[outcome].to_numpy()
        ax.barh(
            range(len(wide)), width, left=left, color=of.color, hatch=of.hatch, edgecolor="white",
            label=outcome,
        )  # fmt: skip
        left += width
    ax.set_yticks(range(len(wide)), [f"{name} ({runs[name]:,} runs)" for name in wide.index])
    ax.invert_yaxis()
    ax.set_xlim(0, 1)
    ax.set_xlabel("Share of runs")
    ax.set_ylabel(_broken(by))
    ax.grid(False, axis="y")
    # Below, names of groups may be long: it ends with the axes and begins where it must.
    legend(ax, **({"loc": "upper right", "bbox_to_anchor": (1.0, 0.0)} if is_narrow(ax) else {}))
    return ax


@panel
def phase_cells(
    cells: pd.DataFrame,
    ax: Axes,
    x: str,
    y: str,
    limits: tuple[float, float] | None = None,
    bar: str = "Mean",
    counts: bool = False,
) -> Axes:
    """A measure over two factors: a cell a pair of levels, light where it is high.

    Parameters
    ----------
    cells
        As `analysis.questions.phase_map.table` returns: the columns x and y, ``mean``, ``runs``.
    ax
        Where to draw.
    x, y
        Columns of the factors.
    limits
        Ends of the scale of colors; those of the cells if not told.
    bar
        What the scale of colors says; without it there is none.
    counts
        Whether the number of runs stands in each cell too.
    """
    means = cells.pivot(index=y, columns=x, values="mean").iloc[::-1].astype(float)
    runs = cells.pivot(index=y, columns=x, values="runs").iloc[::-1].to_numpy(float)
    low, high = limits or (means.min().min(), means.max().max())
    digits = int(np.clip(1 - np.floor(np.log10(max(high - low, 1e-9) / 2)), 2, 4))
    texts = [
        [
            "" if np.isnan(n) else _bare(m, digits) + (f"\n({n:.0f})" if counts else "")
            for m, n in both
        ]
        for both in (zip(*row, strict=True) for row in zip(means.to_numpy(), runs, strict=True))
    ]
    written = means.shape[1] <= ANNOTATED or counts
    sns.heatmap(
        means, annot=np.array(texts) if written else None, fmt="", ax=ax, vmin=low, vmax=high,
        cmap="cividis", linewidths=0.5, cbar=bool(bar), cbar_kws={"label": bar},
        annot_kws={"fontsize": SMALL},
    )  # fmt: skip
    for text in ax.texts:
        # Not quite seaborn's two, which a page in dark exchanges while the cells stay.
        text.set_color("#fefefe" if text.get_color() == "w" else "#272727")
    _ticks(ax, [_short(level) for level in means.columns], [_short(level) for level in means.index])
    ax.set_xlabel(x)
    ax.set_ylabel(_broken(y))
    return ax


def _ticks(ax: Axes, across: list[str], up: list[str]) -> None:
    """Names of levels, upright where they would touch."""
    points = 0.6 * 72 * room(ax) / len(across)
    turned = max(text_width(name, 8) for name in across) > points - 4
    ax.set_xticks(np.arange(len(across)) + 0.5, across, rotation=90 if turned else 0)
    ax.set_yticks(np.arange(len(up)) + 0.5, up, rotation=0)


def _bare(value: float, digits: int) -> str:
    """A number for a small cell: without the zero before its point."""
    text = f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 else text


def _short(level: Any) -> str:
    return f"{level:g}" if isinstance(level, float) else str(level)


def _broken(path: str) -> str:
    """A parameter's path with a line for each of its parts."""
    return path.replace(".", ".\n")


@panel
def factor_shares(table: pd.DataFrame, ax: Axes) -> Axes:
    """What each factor alone explains of measures: a group of bars a factor, a mark a measure.

    Parameters
    ----------
    table
        As `analysis.questions.sweep_summary.explained` returns: ``measure``, ``factor``, ``share``.
    ax
        Where to draw.
    """
    factors = list(dict.fromkeys(table["factor"]))
    measures = list(dict.fromkeys(table["measure"]))
    step = 0.8 / len(measures)
    for i, (measure, color, marker) in enumerate(zip(measures, COLORS, "osD^vPX", strict=False)):
        rows = table[table["measure"] == measure].set_index("factor")["share"]
        at = np.arange(len(factors)) + (i - (len(measures) - 1) / 2) * step
        values = rows.reindex(factors).to_numpy()
        ax.hlines(at, 0, values, color=color, lw=1.2)
        ax.plot(values, at, marker, color=color, ms=4, ls="", label=label(measure))
    ax.set_yticks(range(len(factors)), [_broken(name) for name in factors])
    ax.set_ylim(len(factors) - 0.5, -0.5)
    ax.set_xlim(-0.02, 1.02)
    ax.set_xlabel("Share of the variance over runs")
    ax.grid(False, axis="y")
    legend(ax)
    return ax


@panel
def index_bars(table: pd.DataFrame, ax: Axes, measure: str) -> Axes:
    """Sobol or Morris indices of one measure, with their 95 % intervals.

    Parameters
    ----------
    table
        As `analysis.questions.sensitivity.indices` returns.
    ax
        Where to draw.
    measure
        Which of its measures.
    """
    part = table[table["measure"] == measure]
    morris = "mu_star" in part
    series = (
        [("mu_star", "mean absolute effect μ*", BLUE, "")]
        if morris
        else [("ST", "with interactions, ST", BLUE, ""), ("S1", "alone, S1", ORANGE, "///")]
    )
    place = np.arange(len(part))[::-1]
    for i, (key, told, color, hatch) in enumerate(series):
        shift = 0.0 if morris else 0.18 - 0.36 * i
        error = part[f"{key}_conf"]
        ax.barh(
            place + shift, part[key], 0.34, xerr=error, color=color, hatch=hatch,
            edgecolor="white", ecolor="0.3", label=told,
        )  # fmt: skip
    ax.set_yticks(place, [_broken(name) for name in part["factor"]])
    name = label(measure)
    ax.set_xlabel(f"Effect on {name}" if morris else f"Share of the variance of {name}")
    ax.grid(False, axis="y")
    legend(ax)
    return ax


@panel
def time_curves(table: pd.DataFrame, ax: Axes, by: str = "") -> Axes:
    """Share of runs that an event has come to, by round, with 95 % intervals; a line a group.

    Parameters
    ----------
    table
        As `analysis.questions.sweep_summary.times` returns.
    ax
        Where to draw.
    by
        What the groups are levels of.
    """
    groups = list(table.groupby("group", sort=False, observed=True))
    for i, (name, rows) in enumerate(groups):
        color, dash = COLORS[i % len(COLORS)], STYLES[i % len(STYLES)]
        came, runs = rows["came"].iloc[0], rows["runs"].iloc[0]
        ax.step(
            rows["round"], rows["share"], where="post", color=color, ls=dash, lw=1.4,
            label=f"{name} ({came:,} of {runs:,})",
        )  # fmt: skip
        if len(groups) <= 4:
            ax.fill_between(
                rows["round"], rows["low"], rows["high"], step="post", color=color, alpha=0.15, lw=0
            )
    ax.set_xlim(left=0)
    ax.set_ylim(0, 1.02)
    ax.set_xlabel("Round")
    ax.set_ylabel("Share of runs")
    if groups:
        legend(ax, title=by or None, alignment="left")
    return ax


@panel
def frontier(points: pd.DataFrame, ax: Axes) -> Axes:
    """Safety over usefulness, a dot a point, darker where oversight is cheaper.

    Parameters
    ----------
    points
        As `analysis.questions.sweep_summary.points` returns; those on the frontier are squares.
    ax
        Where to draw.
    """
    on, off = points[points["frontier"]], points[~points["frontier"]]
    off = off.iloc[:: max(1, -(-len(off) // DOTS))]
    cost = points["oversight_cost"]
    scale = {"cmap": "cividis", "vmin": cost.min(), "vmax": cost.max()}
    for part, marker, size, edge, name in (
        (off, "o", 16, "0.6", "a point of the design"),
        (on, "s", 34, "0.15", "on the frontier"),
    ):
        seen = ax.scatter(
            part["usefulness"], part["true_alignment"], c=part["oversight_cost"], s=size,
            marker=marker, edgecolors=edge, linewidths=0.6, label=name, zorder=3, **scale,
        )  # fmt: skip
    figure_of(ax).colorbar(seen, ax=ax, label=title("oversight_cost"))
    ax.set_xlabel(title("usefulness"))
    ax.set_ylabel("Safety (true alignment, 0 to 1)")
    down = (0.0, -0.22 if room(ax) > 5 else -0.3)
    names = ax.legend(
        loc="upper left", bbox_to_anchor=down, ncols=2 if room(ax) > 5 else 1, frameon=False
    )
    for handle in names.legend_handles:
        if handle is not None:
            handle.set(array=None, facecolor="0.6")
    return ax


@panel
def class_moves(table: pd.DataFrame, ax: Axes) -> Axes:
    """Share of runs whose class changes as each threshold moves by a fifth, down and up.

    Parameters
    ----------
    table
        As `analysis.files.robustness.sensitivity` returns.
    ax
        Where to draw.
    """
    names = list(dict.fromkeys(table["threshold"]))
    for factor, color, marker in ((0.8, BLUE, "o"), (1.2, VERMILION, "s")):
        rows = table[table["factor"] == factor].set_index("threshold")["changed"].reindex(names)
        shift = 0.12 if factor > 1 else -0.12
        at = np.arange(len(names)) + shift
        ax.hlines(at, 0, rows, color=color, lw=1.2)
        ax.plot(rows, at, marker, color=color, ms=4, label=f"threshold × {factor:g}")
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlim(left=0)
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    ax.set_xlabel("Runs whose class changes")
    ax.grid(False, axis="y")
    legend(ax)
    return ax
