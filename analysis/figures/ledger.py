"""Which process, at which level, moved what: each figure a function of the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from multicopy.agents.traits import DRIVES, NAMES, TRAITS
from multicopy.analysis.figures.look import (
    BLUE,
    GRAY,
    GREEN,
    ORANGE,
    PINK,
    SKY,
    SMALL,
    VERMILION,
    legend,
    panel,
    phase_name,
)
from multicopy.analysis.figures.registry import Panel, declare
from multicopy.model.ledger import PROCESSES, SELECTED, VARIED
from multicopy.model.measures import label, of_block

LEVELS: Final[Mapping[str, Sequence[str]]] = {
    **{f"selection of {level}": of for level, of in SELECTED.items()},
    "mutation": VARIED,
}
"""Levels, and the processes of the ledger that belong to them."""

MARKS: Final = (("o", BLUE), ("s", VERMILION), ("D", GREEN), ("^", PINK), ("v", SKY))
"""Marks of levels of selection, in their order; that of others begins anew."""
OTHERS: Final = (("x", GRAY), ("*", ORANGE))
"""Marks of mutation and of all else."""
SIDE: Final = 8.5
"""Points: the side of the largest square."""


def ledger_matrix(entries: pd.DataFrame) -> pd.DataFrame:
    """Sum of changes by trait and (phase, process), as shares of a trait's largest entry."""
    sums = entries.pivot_table(
        index="trait",
        columns=["phase", "process"],
        values="change",
        aggfunc="sum",
        observed=True,
        sort=False,
    )
    sums = sums.reindex([name for name in NAMES if name in sums.index])
    return sums.div(sums.abs().max(axis=1).replace(0, 1), axis=0)


def processes_of(matrix: pd.DataFrame) -> pd.DataFrame:
    """One phase of a ledger matrix, with the processes that moved something, in their order."""
    moved = [p for p in PROCESSES if p in matrix.columns and matrix[p].abs().max() > 1e-9]
    return matrix[moved].fillna(0.0)


@panel
def ledger_squares(block: pd.DataFrame, ax: Axes) -> Axes:
    """One phase of the ledger: a square for each trait and process, its area the change.

    Filled: the process raised the mean; hollow: it lowered it.

    Parameters
    ----------
    block
        Traits by processes, from -1 to 1, as `processes_of` gives.
    ax
        Where to draw.
    """
    values = block.to_numpy()
    row, column = np.nonzero(np.abs(values) > 0.005)
    size = SIDE**2 * np.abs(values[row, column])
    up = values[row, column] > 0
    ax.scatter(column[up], row[up], size[up], marker="s", color=BLUE, lw=0.8)
    ax.scatter(
        column[~up], row[~up], size[~up], marker="s", facecolor="none", edgecolor=VERMILION, lw=0.9
    )
    ax.set_xticks(range(values.shape[1]), block.columns, rotation=90, fontsize=SMALL)
    ax.set_yticks(range(len(block)), [label(t) for t in block.index], fontsize=SMALL)
    ax.set_xlim(-0.6, max(1, values.shape[1]) - 0.4)
    ax.set_ylim(len(block) - 0.4, -0.6)
    ax.tick_params(length=0)
    return ax


def by_level(entries: pd.DataFrame) -> pd.DataFrame:
    """Change of each trait's mean over the run by level: a row a trait, in the trait's unit."""
    moved = entries.pivot_table(
        index="trait", columns="process", values="change", aggfunc="sum", observed=True
    ).reindex(columns=list(PROCESSES), fill_value=0.0)
    table = pd.DataFrame({level: moved[list(of)].sum(axis=1) for level, of in LEVELS.items()})
    table["all else"] = moved.sum(axis=1) - table.sum(axis=1)
    return table.reindex([name for name in NAMES if name in table.index])


@panel
def levels(entries: pd.DataFrame, ax: Axes, traits: Sequence[str] = NAMES[DRIVES]) -> Axes:
    """Which level moved the attention to which drive, in points of 100, over the whole run."""
    table = 100 * by_level(entries).reindex(list(traits), fill_value=0.0)
    place = np.arange(len(table))
    marks = (*islice(cycle(MARKS), len(SELECTED)), *OTHERS)
    spread = np.linspace(-0.28, 0.28, len(marks))
    ax.axvline(0, color="0.5", lw=0.8, zorder=1)
    for (level, values), (marker, color), off in zip(table.items(), marks, spread, strict=True):
        ax.hlines(place + off, 0, values, color=color, lw=1.1, zorder=2)
        ax.plot(values, place + off, marker, color=color, ms=4, ls="", label=str(level), zorder=3)
    ax.set_yticks(place, [label(str(trait)) for trait in table.index])
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.set_xlabel("Change of attention (points of 100)")
    legend(ax)
    return ax


@panel
def waterfall(table: pd.DataFrame, start: float, ax: Axes, label: str) -> Axes:
    """An explanation as a waterfall from `start`: one bar for each process in each phase.

    Filled: the process raised the measure; hollow: it lowered it. Bars that move less than a
    hundredth of the largest are summed as "rest" of their phase.
    """
    largest = table["change"].abs().max() if len(table) else 0.0
    names, level = [], start
    position = 0
    for phase, rows in table.groupby("phase", sort=False):
        small = rows["change"].abs() < 0.01 * largest
        bars = list(zip(rows.loc[~small, "process"], rows.loc[~small, "change"], strict=True))
        if small.any():
            bars.append(("rest", float(rows.loc[small, "change"].sum())))
        for process, change in bars:
            color = BLUE if change >= 0 else "none"
            edge = BLUE if change >= 0 else VERMILION
            ax.barh(position, change, left=level, color=color, edgecolor=edge, height=0.7)
            level += change
            names.append(f"{process} · {phase_name(phase)}")
            position += 1
    ax.axvline(start, color="0.6", linewidth=0.8, linestyle=":")
    ax.axvline(level, color="0.2", linewidth=0.8)
    ax.set_yticks(range(position), names, fontsize=SMALL)
    ax.invert_yaxis()
    ax.set_xlabel(label)
    return ax


for _block in dict.fromkeys(trait.block for trait in TRAITS[DRIVES]):
    declare(
        Panel(
            "levels",
            "levels",
            ("ledger",),
            levels,
            f"Drives, {_block}: change of attention over the run by selection of "
            f"{', of '.join(SELECTED)}, by mutation, and by all else.",
            2.3,
            options={"traits": of_block(_block)},
        )
    )
