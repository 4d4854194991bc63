"""A run on the calendar: phases, first passages, what the lab did, exposed teams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import ConciseDateFormatter, MonthLocator, date2num

from multicopy.analysis.figures.look import (
    BLUE,
    GREEN,
    ORANGE,
    SMALL,
    VERMILION,
    phase_name,
    room,
    staggered,
    text_width,
)
from multicopy.analysis.figures.registry import figure

LAB: Final = {
    "threshold": ("evidence passes", "^", ORANGE),
    "response": ("lab responds", "*", VERMILION),
    "look": ("lab looks", "v", BLUE),
}
"""Kinds of events of the lab: name, marker, color."""
FOUND: Final = {"exposed": VERMILION, "superseded": GREEN}
STEP: Final = 0.68
"""Height of a row of names or numbers."""


def key_events(rounds: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """First passages in order of time, numbered from 1, with their days."""
    first = events[events["kind"] == "passage"].sort_values("round", kind="stable")
    days = rounds.set_index("round")["date"]
    return pd.DataFrame(
        {
            "number": range(1, len(first) + 1),
            "round": first["round"].to_numpy(),
            "date": days.reindex(first["round"]).to_numpy(),
            "text": first["text"].to_numpy(),
        }
    )


@figure(
    "timeline",
    ("rounds", "events"),
    "The run on the calendar: phases, numbered first passages, what the lab did, and how many "
    "teams were exposed and superseded in each round.",
    height=3.3,
    wide=True,
)
def timeline(rounds: pd.DataFrame, events: pd.DataFrame, ax: Axes) -> Axes:
    """Phases on the calendar, numbered first passages, what the lab did, teams found out.

    The numbers are those of `key_events`.
    """
    days = rounds.set_index("round")["date"]
    lanes = _found(events, days, ax, 0) + _lab(events, days, ax, 2)
    high = _passages(key_events(rounds, events), rounds, ax, 5.2) + 0.7
    top = _phases(rounds, ax, high)
    names = [name for name, _ in lanes]
    places = [place for _, place in lanes]
    ax.set_yticks([*places, 5.4, high], [*names, "first passages", "phases"], fontsize=8)
    ax.set_ylim(-0.3, top)
    margin = pd.Timedelta(days=3)
    ax.set_xlim(rounds["date"].min() - margin, rounds["date"].max() + margin)
    ax.xaxis.set_major_locator(MonthLocator(interval=1 if room(ax) > 5 else 2))
    ax.xaxis.set_major_formatter(
        ConciseDateFormatter(ax.xaxis.get_major_locator(), show_offset=False)
    )
    ax.set_xlabel("Calendar of the scenario (month)")
    ax.grid(axis="y", visible=False)
    return ax


def _found(
    events: pd.DataFrame, days: pd.Series, ax: Axes, bottom: float
) -> list[tuple[str, float]]:
    """Teams exposed and superseded a round, as columns; the highest fills its lane."""
    lanes = []
    for i, (kind, color) in enumerate(reversed(FOUND.items())):
        counts = events.loc[events["kind"] == kind, "round"].value_counts().sort_index()
        most = int(counts.max()) if len(counts) else 0
        base = bottom + i
        when = date2num(days.reindex(counts.index))
        ax.vlines(when, base, base + 0.8 * counts / max(1, most), color=color, lw=0.8)
        ax.axhline(base, color="0.6", lw=0.6)
        unit = " a round" if room(ax) > 5 else ""
        lanes.append((f"{kind} (≤ {most}{unit})", base + 0.35))
    return lanes


def _lab(events: pd.DataFrame, days: pd.Series, ax: Axes, bottom: float) -> list[tuple[str, float]]:
    """What the lab did, a lane a kind."""
    lanes = []
    for i, (kind, (name, marker, color)) in enumerate(reversed(LAB.items())):
        when = days.reindex(events.loc[events["kind"] == kind, "round"])
        place = bottom + i + 0.4
        ax.plot(when, np.full(len(when), place), marker, color=color, ms=5, ls="")
        lanes.append((name, place))
    return lanes


def _points_a_day(rounds: pd.DataFrame, ax: Axes) -> float:
    """Points that a day takes at least; the layout is not known yet."""
    days = max(1, (rounds["date"].max() - rounds["date"].min()).days)
    return 72 * room(ax) * (0.62 if room(ax) > 5 else 0.45) / days


def _passages(passages: pd.DataFrame, rounds: pd.DataFrame, ax: Axes, bottom: float) -> float:
    """Numbers in circles, one above the other where they are near; the height that they reach."""
    since = (passages["date"] - rounds["date"].min()).dt.days * _points_a_day(rounds, ax)
    rows = staggered(list(since), [10.0] * len(passages), 1.0)
    for number, day, row in zip(passages["number"], passages["date"], rows, strict=True):
        ax.text(
            day,
            bottom + STEP * row,
            str(number),
            ha="center",
            va="center",
            fontsize=SMALL,
            bbox={"boxstyle": "circle,pad=0.2", "fc": "white", "ec": "0.35", "lw": 0.8},
            zorder=4,
        )
    return bottom + STEP * (1 + max(rows, default=0))


def _phases(rounds: pd.DataFrame, ax: Axes, bottom: float) -> float:
    """A bar a phase, with its name above; the height that they reach."""
    spans = rounds.groupby("phase", observed=True, sort=False)["date"].agg(["min", "max"])
    starts: Sequence[Any] = list(spans["min"])
    ends = [*starts[1:], spans["max"].iloc[-1]]
    middles = [a + (b - a) / 2 for a, b in zip(starts, ends, strict=True)]
    names = [phase_name(name) for name in spans.index]
    at = [(m - starts[0]).days * _points_a_day(rounds, ax) for m in middles]
    rows = staggered(at, [text_width(name) for name in names])
    for i, (a, b) in enumerate(zip(starts, ends, strict=True)):
        ax.barh(bottom, b - a, left=a, height=0.7, color="0.75" if i % 2 else "0.6", lw=0)
        height = bottom + 0.5 + STEP * rows[i]
        ax.text(middles[i], height, names[i], ha="center", va="bottom", fontsize=SMALL)
    return bottom + 0.6 + STEP * (1 + max(rows))
