"""The charts of the page: what the rounds so far say, one line for each measure and run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from multicopy.agents.traits import NAMES, PRESERVATION
from multicopy.analysis.app import svg
from multicopy.analysis.app.frame import Arm
from multicopy.analysis.app.svg import DASHES, PALETTE, Line
from multicopy.model.measures import label, of_block, unit

OVERSIGHT: Final = ("detection", "legibility", "capture", "audit")
SHOWN: Final = ("shown_alignment", "stated_alignment")
OF_PAGE: Final = {
    "watched_conduct": "conduct when watched",
    "earnest": "exposing work done in earnest",
}
"""What the page alone draws: one minus a measure, so that all lines fall where alignment does."""

TRUE: Final = ("true_alignment", *OF_PAGE)
CARDS: Final = (
    (
        "Oversight",
        "The chance that an audit detects a violation, thought that can be read, how far the "
        "overseers are captured, and tasks that are audited.",
        OVERSIGHT,
        1.0,
    ),
    (
        "Drives: preservation, by level",
        "How much of its attention the mean copy gives to preserving itself, its team, its "
        "division, and the whole collective.",
        NAMES[PRESERVATION],
        None,
    ),
    (
        "Drives: useful for any goal",
        "Attention to what helps with almost everything else.",
        of_block("convergent"),
        None,
    ),
    (
        "Oversight: the gap",
        "How much abler the copies are than Agent-3: the wider, the harder to judge their work.",
        ("gap",),
        None,
    ),
)
"""Title, explanation, lines and end of the scale of each chart that has a card of its own."""

COMPARED: Final = {
    name: label(name)
    for name in (
        "true_alignment",
        "stated_alignment",
        "capture",
        "detection",
        "keep_team",
        "keep_collective",
        "selective",
        "evidence",
    )
}
"""Measures of which the difference between two runs can be shown."""


def over_time(
    arms: Sequence[Arm], series: Sequence[str], shows: str, high: float | None = None
) -> str:
    """One line for each measure; with two runs, the second is dashed."""
    dashes = DASHES if len(arms) == 1 else [""] * len(series)
    lines = [
        Line(_told(name), arms[0].rounds, arms[0].history[name], color, dash)
        for name, color, dash in zip(series, PALETTE, dashes, strict=False)
    ]
    for arm in arms[1:]:
        lines += [
            Line(f"B: {_told(name)}", arm.rounds, arm.history[name], color, "6 4", legend=False)
            for name, color in zip(series, PALETTE, strict=False)
        ]
        lines.append(Line("run B", [], [], svg.FAINT, "6 4"))
    return svg.chart(arms[0].axis, lines, shows, high=high)


def _told(name: str) -> str:
    """Name and, where it is not a share, unit of a line."""
    if name in OF_PAGE:
        return OF_PAGE[name]
    return f"{label(name)}, {unit(name)}" if unit(name) == "Elo" else label(name)


def shown_against_true(arms: Sequence[Arm]) -> str:
    """What the lab sees of conduct, beside what is the case."""
    sides = (("As the lab sees it", SHOWN), ("As it is", TRUE))
    return "".join(
        f'<div class="arm"><h3>{title}</h3>{over_time(arms, series, title, 1.0)}</div>'
        for title, series in sides
    )


def cards(arms: Sequence[Arm]) -> str:
    """Drives, oversight and personas over time, each a card with a word on what it shows."""
    return "".join(
        f'<section class="card"><h2>{title}</h2><p class="help">{told}</p>'
        f"{over_time(arms, series, title, high)}</section>"
        for title, told, series, high in CARDS
    )


def difference(arms: Sequence[Arm], measure: str) -> str:
    """The second run minus the first, over the rounds that both have had."""
    a, b = (dict(zip(arm.rounds, arm.history[measure], strict=True)) for arm in arms)
    rounds = [round_ for round_ in a if round_ in b]
    minus = [b[round_] - a[round_] for round_ in rounds]
    line = Line(f"B − A: {COMPARED[measure]}", rounds, minus, PALETTE[0])
    return svg.chart(arms[0].axis, [line], "B minus A")
