"""Where the collective stands among the authors of pretraining."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator
from matplotlib.transforms import Bbox

from multicopy.agents.personas import PERSONA
from multicopy.agents.traits import NAMES
from multicopy.analysis.figures.look import (
    BLUE,
    GRAY,
    GREEN,
    ORANGE,
    SMALL,
    VERMILION,
    figure_of,
    legend,
    lines,
    phase_name,
)
from multicopy.analysis.figures.registry import figure

PLACES = tuple(
    (float(r * np.cos(angle)), float(r * np.sin(angle)))
    for r in (6, 11, 17, 25, 34, 45)
    for angle in np.linspace(0, 2 * np.pi, 12, endpoint=False)
)
"""Places for a label around its point, in points, the nearest first."""


@figure(
    "personas",
    ("rounds", "archetypes"),
    "The authors of pretraining on a plane, with the path of the mean copy.",
    height=3.4,
)
def persona_map(rounds: pd.DataFrame, archetypes: pd.DataFrame, ax: Axes) -> Axes:
    """Archetypes on a plane, and the path of the mean copy through the phases.

    The plane is spanned by the first two principal components of the archetypes and of the path,
    in expressed traits measured in standard deviations of the pretraining distribution.
    """
    authors, walk = _plane(rounds, archetypes)
    ax.plot(walk[:, 0], walk[:, 1], color=GRAY, lw=1, zorder=2)
    for rows, marker in zip(_rows_of_phases(rounds), "ov^sDPX*", strict=False):
        label = f"end: {phase_name(rounds['phase'].iloc[rows[-1]])}"
        ax.plot(*walk[rows[-1]], marker=marker, ms=6, color=VERMILION, ls="", label=label, zorder=3)
    ax.scatter(authors["x"], authors["y"], color=BLUE, s=18, zorder=4)
    # The path leads far away from all authors; asinh keeps both ends legible.
    ax.set_xscale("asinh", linear_width=1.0)
    ax.set_yscale("asinh", linear_width=1.0)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(FixedLocator([-100, -30, -10, -3, -1, 0, 1, 3, 10, 30, 100]))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(NullLocator())
    ax.margins(0.12)
    ax.set_xlabel("First component (prior s.d.)")
    ax.set_ylabel("Second component (prior s.d.)")
    legend(ax)
    ends = [walk[rows[-1]] for rows in _rows_of_phases(rounds)]
    _label(ax, list(authors.index), authors.to_numpy(), ends)
    return ax


@figure("personas", height=2.4)
def typicality(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Typicality, what authors explain, likeness to HHH, and descent."""
    what = {"typicality": BLUE, "explained": GREEN, "resemblance": ORANGE, "homology": GRAY}
    lines(rounds, ax, what, "Share, likeness (0 to 1)")
    ax.set_ylim(-0.02, 1.02)
    return ax


def _rows_of_phases(rounds: pd.DataFrame) -> list[Any]:
    """Places of the rows of each phase."""
    groups = rounds.reset_index(drop=True).groupby("phase", observed=True, sort=False)
    return [rows.index for _, rows in groups]


def _plane(rounds: pd.DataFrame, archetypes: pd.DataFrame) -> tuple[pd.DataFrame, Any]:
    """Places of the authors (x, y) and of the mean copy in each round."""
    names = [NAMES[i] for i in PERSONA]
    table = archetypes.set_index("archetype")
    spread = table.loc["prior_sd", names].to_numpy(dtype=float)
    authors = table.drop("prior_sd")
    points = authors[names].to_numpy(dtype=float) / spread
    path = rounds[names].to_numpy() / spread
    center = points.mean(axis=0)
    ends = path[[rows[-1] for rows in _rows_of_phases(rounds)]]
    _, _, axes = np.linalg.svd(np.vstack([points, ends]) - center, full_matrices=False)
    flat = (points - center) @ axes[:2].T
    return pd.DataFrame(flat, authors.index, ["x", "y"]), (path - center) @ axes[:2].T


def _label(ax: Axes, names: Sequence[str], points: Any, others: Any) -> None:
    """Name points, each at the first place around it that covers no name, nor any point."""
    figure = figure_of(ax)
    figure.draw_without_rendering()  # lays the axes out, so that places in points are known
    dots = ax.transData.transform(points)
    unit = figure.dpi / 72
    marks = [*dots, *ax.transData.transform(others)]
    taken = [Bbox.from_bounds(x - 4 * unit, y - 4 * unit, 8 * unit, 8 * unit) for x, y in marks]
    for name, point, dot in zip(names, points, dots, strict=True):
        text = ax.annotate(
            name, point, xytext=(0, 0), textcoords="offset points", fontsize=SMALL, va="center"
        )
        size = text.get_window_extent()
        boxes = [_box(dot, place, size, unit) for place in PLACES]
        within = [
            not any(box.overlaps(other) for other in taken)
            and ax.bbox.x0 < box.x0
            and box.x1 < ax.bbox.x1
            and ax.bbox.y0 < box.y0
            and box.y1 < ax.bbox.y1
            for box in boxes
        ]
        best = within.index(True) if True in within else 0
        taken.append(boxes[best])
        dx, dy = PLACES[best]
        text.set_horizontalalignment("left" if dx >= 0 else "right")
        text.set_position((dx, dy))
        if np.hypot(dx, dy) > 12:
            ax.annotate(
                "",
                point,
                xytext=(dx, dy),
                textcoords="offset points",
                arrowprops={"arrowstyle": "-", "color": "0.6", "lw": 0.6},
                zorder=1,
            )


def _box(dot: Any, place: tuple[float, float], size: Bbox, unit: float) -> Bbox:
    """Where a label of some size comes to lie."""
    x, y = dot + np.array(place) * unit
    left = x if place[0] >= 0 else x - size.width
    return Bbox.from_bounds(left, y - size.height / 2, size.width, size.height)
