"""The charts of the page: what the rounds so far say, one line for each measure and run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from analysis.app import svg
from analysis.app.frame import Arm
from analysis.app.svg import DASHES, PALETTE, Line

Series = Sequence[tuple[str, str]]

PRESERVATION: Final = (
    ("keep_self", "itself"),
    ("keep_team", "its team"),
    ("keep_division", "its division"),
    ("keep_collective", "the collective"),
)
CONVERGENT: Final = (
    ("knowledge", "knowledge"),
    ("curiosity", "curiosity"),
    ("power", "power"),
    ("approval", "approval"),
)
OVERSIGHT: Final = (
    ("detection", "detection"),
    ("legibility", "legible thought"),
    ("capture", "capture"),
    ("audit", "audited"),
)
SHOWN: Final = (
    ("shown_alignment", "1 − detected violations"),
    ("stated_alignment", "stated values"),
)
TRUE: Final = (
    ("true_alignment", "conduct unwatched"),
    ("watched_conduct", "conduct watched"),
    ("earnest", "exposing work done in earnest"),
)
COMPARED: Final = {
    "true_alignment": "true alignment",
    "stated_alignment": "stated alignment",
    "capture": "capture of the overseers",
    "detection": "chance that an audit detects",
    "keep_team": "care for the own team",
    "keep_collective": "care for the collective",
    "selective": "selective sandbagging",
    "evidence": "evidence that the lab has",
}
"""Measures of which the difference between two runs can be shown."""


def over_time(arms: Sequence[Arm], series: Series, label: str, high: float | None = None) -> str:
    """One line for each measure; with two runs, the second is dashed."""
    dashes = DASHES if len(arms) == 1 else [""] * len(series)
    lines = [
        Line(told, arms[0].history[name], color, dash)
        for (name, told), color, dash in zip(series, PALETTE, dashes, strict=False)
    ]
    for arm in arms[1:]:
        lines += [
            Line(f"B: {told}", arm.history[name], color, "6 4", legend=False)
            for (name, told), color in zip(series, PALETTE, strict=False)
        ]
        lines.append(Line("run B", [], svg.FAINT, "6 4"))
    return svg.chart(arms[0].axis, lines, label, high=high)


def gap(arms: Sequence[Arm]) -> str:
    """Capability beyond Agent-3's."""
    return over_time(arms, [("gap", "capability beyond Agent-3's, Elo")], "Capability gap")


def difference(arms: Sequence[Arm], measure: str) -> str:
    """The second run minus the first, over the rounds that both have had."""
    a, b = (arm.history[measure] for arm in arms)
    n = min(len(a), len(b))
    minus = [y - x for x, y in zip(a[:n], b[:n], strict=True)]
    axis = svg.TimeAxis(arms[0].axis.rounds[:n], arms[0].axis.total, arms[0].axis.phases)
    return svg.chart(axis, [Line(f"B − A: {COMPARED[measure]}", minus, PALETTE[0])], "B minus A")
