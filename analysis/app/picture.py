"""The collective as a picture: divisions as blocks, teams as tiles, copies as dots."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape
from typing import Final

import numpy as np

from multicopy.analysis.app import svg
from multicopy.analysis.app.frame import Arm, Team
from multicopy.analysis.app.measures import VIRIDIS, Measure

WIDTH: Final = 640
GAP: Final = 8
LABEL: Final = 22
"""Room above a block for its name."""

FLASHES: Final = {
    "exposed": ("#b3261e", "!", "exposed by its alignment research"),
    "superseded": ("#7a5c00", "s", "superseded by its capability research"),
    "taken over": ("#0b57d0", "t", "taken over by another team"),
}
"""Border and letter of a tile to which something happened in the last rounds, and what it was."""


def tiles(arm: Arm, measure: Measure) -> str:
    """Teams as tiles in the blocks of their divisions; each tile tells its team when clicked."""
    division = arm.division_of_team
    sizes = np.bincount(division)
    side = _columns(int(sizes.max()))
    across = max(1, round(math.sqrt(len(sizes) * 1.5)))
    across = math.ceil(len(sizes) / math.ceil(len(sizes) / across))  # rows as full as can be
    block = (WIDTH - GAP * (across - 1)) / across
    tile, label = block / side, LABEL if block > 56 else 0
    rows = math.ceil(int(sizes.max()) / side)
    tall = tile * rows + label + GAP
    parts: list[str] = []
    first = np.concatenate([[0], np.cumsum(sizes)])
    corners = []
    for team, house in enumerate(division.tolist()):
        place = team - int(first[house])
        x = (house % across) * (block + GAP) + (place % side) * tile
        y = (house // across) * tall + label + (place // side) * tile
        corners.append((x, y))
        parts.append(
            f'<rect data-team="{team}" x="{x:.1f}" y="{y:.1f}" width="{tile - 1:.1f}" '
            f'height="{tile - 1:.1f}" fill="{arm.colors[team]}"/>'
        )
    if label:
        named = "Division " if block > 90 else "Div. "
        for house in range(len(sizes)):
            x, y = (house % across) * (block + GAP), (house // across) * tall + 17
            parts.append(svg.text(x, y, f"{named}{house}", class_="house"))
    parts += _flashes(arm, corners, tile)
    parts.append(_outline(*corners[arm.team.index], tile))
    height = math.ceil(len(sizes) / across) * tall
    what = f"{len(division)} teams in {len(sizes)} divisions, colored by {measure.label}"
    return svg.picture(WIDTH, height, what, parts)


def _columns(teams: int) -> int:
    """Tiles in a row of a block: about a square, or somewhat wider if that leaves no hole."""
    square = math.ceil(math.sqrt(teams))
    fits = (n for n in range(square, 2 * square) if teams % n == 0)
    return next(fits, square)


def _flashes(arm: Arm, corners: list[tuple[float, float]], tile: float) -> Iterable[str]:
    for team, kind in arm.flashes.items():
        color, letter, _ = FLASHES[kind]
        x, y = corners[team]
        edge = max(1.5, tile / 9)
        yield (
            f'<g class="flash" data-team="{team}"><rect x="{x + edge / 2:.1f}" '
            f'y="{y + edge / 2:.1f}" width="{tile - 1 - edge:.1f}" height="{tile - 1 - edge:.1f}" '
            f'fill="#fff" fill-opacity=".75" stroke="{color}" stroke-width="{edge:.1f}"/>'
        )
        if tile > 14:
            middle = {
                "text_anchor": "middle",
                "font_weight": "bold",
                "font_size": f"{tile * 0.6:.0f}",
            }
            yield svg.text(x + tile / 2 - 0.5, y + tile * 0.7, letter, color, **middle)
        yield "</g>"


def _outline(x: float, y: float, tile: float) -> str:
    around = f'x="{x - 1.5:.1f}" y="{y - 1.5:.1f}" width="{tile + 2:.1f}" height="{tile + 2:.1f}"'
    return (
        f'<rect {around} fill="none" stroke="#fff" stroke-width="5"/>'
        f'<rect {around} fill="none" stroke="#000" stroke-width="2.5"/>'
    )


def dots(team: Team, measure: Measure) -> str:
    """Copies of the chosen team as dots; those that sandbagged in the last round have a ring."""
    across = min(16, max(8, math.ceil(math.sqrt(2 * len(team.members)))))
    step = 480 / across
    parts = []
    for i, (row, color) in enumerate(zip(team.members, team.colors, strict=True)):
        x, y = (i % across + 0.5) * step, (i // across + 0.5) * step
        sandbags = ", sandbagged" if team.withheld[i] else ""
        ring = ' stroke="#b3261e" stroke-width="4"' if sandbags else ' stroke="#52606d"'
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{step * 0.36:.1f}" fill="{color}"{ring}>'
            f"<title>copy {row}: {escape(measure.label)} {team.values[i]:.3g}{sandbags}</title>"
            "</circle>"
        )
    what = f"{len(team.members)} copies of team {team.index}, colored by {measure.label}"
    return svg.picture(480, math.ceil(len(team.members) / across) * step, what, parts)


def key(measure: Measure) -> str:
    """The color scale, and what the marks on tiles mean."""
    marks = "".join(
        f'<span><span class="key-mark" style="border-color:{color};color:{color}">{letter}</span>'
        f"{told}</span>"
        for color, letter, told in FLASHES.values()
    )
    if measure.end:
        stops = ",".join(
            f"{VIRIDIS[round(63 * (i / 8) ** measure.curve)]} {100 * i / 8:g}%" for i in range(9)
        )
        scale = (
            f'<span>0<span class="key-scale" style="background:'
            f'linear-gradient(to right,{stops})"></span>{measure.end:g}</span>'
        )
    else:
        scale = "<span>one of twenty colors for each lineage</span>"
    return f'<div class="key">{scale}{marks}</div>'
