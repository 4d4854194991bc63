"""Arms, policies and settings compared: each figure a function of a tidy table."""

from __future__ import annotations

from typing import Final

import pandas as pd
from matplotlib.axes import Axes

from multicopy.analysis.figures.look import (
    BLUE,
    GRAY,
    GREEN,
    ORANGE,
    SMALL,
    STYLES,
    VERMILION,
    legend,
    panel,
    phases,
)
from multicopy.analysis.files.columns import HOLDS
from multicopy.model.measures import title

COLORS: Final = (BLUE, VERMILION, GREEN, ORANGE, GRAY)


@panel
def effects(table: pd.DataFrame, ax: Axes) -> Axes:
    """Effects with their intervals, in units of the larger arm; a dot holds, a cross does not.

    Parameters
    ----------
    table
        As `analysis.questions.experiments.ablate` returns.
    ax
        Where to draw.
    """
    table = table[table["arm"] != ""]
    scale = table[["with_cause", "without_cause"]].abs().max(axis=1).clip(lower=1e-12)
    for y, (row, unit) in enumerate(zip(table.itertuples(), scale, strict=True)):
        holds = row.verdict == HOLDS
        color, marker = (BLUE, "o") if holds else (GRAY, "X")
        ax.plot([row.low / unit, row.high / unit], [y, y], color=color, lw=2)
        ax.plot(row.difference / unit, y, marker, color=color, ms=5)
    ax.axvline(0, color="0.3", lw=0.8)
    names = [f"{r.effect} · {r.measure} · {r.arm}" for r in table.itertuples()]
    ax.set_yticks(range(len(table)), names, fontsize=SMALL)
    ax.invert_yaxis()
    ax.margins(y=0.01)
    return ax


@panel
def runs(
    rounds: pd.DataFrame, ax: Axes, measure: str = "capture", by: str = "run", label: str = ""
) -> Axes:
    """One measure over the rounds, a line a run (or a policy, ...).

    Parameters
    ----------
    rounds
        Rounds of several runs, such as `analysis.compare` returns.
    ax
        Where to draw.
    measure, by
        Columns of the measure and of what tells the lines apart.
    label
        Name and unit of the y axis; without it, those of the measure.
    """
    groups = rounds.groupby(by, sort=False, observed=True)
    for i, (name, rows) in enumerate(groups):
        ax.plot(
            rows["round"],
            rows[measure],
            color=COLORS[i % len(COLORS)],
            ls=STYLES[i % len(STYLES)],
            lw=1.3,
            label=str(name),
        )
    ax.set_ylabel(label or title(measure))
    ax.set_xlabel("Round")
    legend(ax)
    return ax


@panel
def persona_measure(table: pd.DataFrame, ax: Axes, measure: str, label: str = "") -> Axes:
    """One persona observable by the share of mutations that switch; the seeds' range shaded."""
    first = table[
        (table["seed"] == table["seed"].iloc[0])
        & (table["exhaustiveness"] == table["exhaustiveness"].iloc[0])
    ]
    for (value, rows), color, dash in zip(
        table.groupby("exhaustiveness"),
        (BLUE, ORANGE, VERMILION, GREEN),
        ("-", "--", "-.", ":"),
        strict=False,
    ):
        by_round = rows.groupby("round")[measure]
        low, mean, high = by_round.min(), by_round.mean(), by_round.max()
        ax.fill_between(mean.index, low, high, color=color, alpha=0.15, lw=0)
        ax.plot(mean.index, mean, color=color, ls=dash, lw=1.4, label=f"ε = {value:g}")
    ax.set_ylabel(label or title(measure))
    ax.set_ylim(-0.02, 1.02)
    return phases(first, ax)
