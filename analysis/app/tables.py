"""What the page says in words and numbers: the ledger, the log, a team, the persona map."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from multicopy.agents.machine.arrays import Floats
from multicopy.agents.traits import NAMES
from multicopy.analysis.app import svg
from multicopy.analysis.app.frame import Arm, Team
from multicopy.model.events import Event
from multicopy.model.ledger import PROCESSES
from multicopy.model.measures import label

TRAITS: Final = {
    name: label(name)
    for name in (
        "keep_self",
        "keep_team",
        "keep_division",
        "keep_collective",
        "knowledge",
        "power",
        "approval",
        "weight_honest",
        "drift_honest",
        "hardcoding",
        "gaming",
        "withhold_threatening",
    )
}
"""Traits of the tables, with their names for people."""

COLUMNS: Final = {name: NAMES.index(name) for name in TRAITS}


def ledger(entries: Mapping[str, Floats]) -> str:
    """Change of the mean of each trait in the last rounds, by process, in thousandths."""
    processes = [name for name in PROCESSES if name in entries]
    if not processes:
        return "<p>No round has changed any trait yet.</p>"
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in [*processes, "sum"])
    rows = []
    for trait, told in TRAITS.items():
        moved = [1000 * float(entries[name][COLUMNS[trait]]) for name in processes]
        most = max(abs(value) for value in moved) or 1.0
        cells = "".join(_cell(value, value / most) for value in moved)
        rows.append(f'<tr><th scope="row">{told}</th>{cells}{_cell(sum(moved), 0)}</tr>')
    return f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _cell(value: float, strength: float) -> str:
    """A number on orange if it is a gain, on blue if a loss; the sign says it too."""
    red, green, blue = (230, 159, 0) if strength > 0 else (86, 180, 233)
    shade = f' style="background:rgba({red},{green},{blue},{0.75 * abs(strength):.2f})"'
    shown = "0" if abs(value) < 0.05 else f"{value:+.1f}".replace("-", "−")
    return f"<td{shade if abs(strength) > 0.02 else ''}>{shown}</td>"


def log(arm: Arm) -> str:
    """The last events in plain words, the latest first."""
    turns, teams = _items(arm.turning_points), _items(arm.events)
    return (
        f"<h3>Turning points</h3>{turns or '<p>None yet.</p>'}"
        f"<h3>Teams in the last rounds</h3>{teams or '<p>Nothing has happened yet.</p>'}"
    )


def _items(events: Sequence[Event]) -> str:
    items = "".join(
        f"<li><b>round {event.round}:</b> {escape(event.text)}</li>" for event in events
    )
    return items and f"<ol>{items}</ol>"


def team(team: Team, means: Floats) -> str:
    """Who watches a team, and what its members are like beside the collective."""
    panel = "; ".join(f"{kind}, capture {capture:.2f}" for kind, capture in team.panel)
    exposed = {0: "never exposed", 1: "exposed once"}.get(
        team.exposures, f"exposed {team.exposures} times"
    )
    rows = "".join(
        f'<tr><th scope="row">{told}</th><td>{team.traits[COLUMNS[name]]:.3f}</td>'
        f"<td>{means[COLUMNS[name]]:.3f}</td></tr>"
        for name, told in TRAITS.items()
    )
    where = " · ".join(f"{level.capitalize()} {index}" for level, index in team.places.items())
    drawn = len(team.members)
    only = f", {drawn} of them drawn" if drawn < team.size else ""
    return (
        f"<p>{where} · {team.size} copies{only} · {exposed}</p>"
        f"<p>Panel: {panel or 'nobody watches it'}</p>"
        '<table><thead><tr><th scope="col">mean of</th><th scope="col">team</th>'
        f'<th scope="col">all</th></tr></thead><tbody>{rows}</tbody></table>'
    )


def timeline(arm: Arm) -> str:
    """The phases of a run beside one another, each as filled as it has been played."""
    parts, first = [], 0
    for name, last in arm.axis.phases:
        share = min(max((arm.round - first) / (last - first), 0.0), 1.0)
        here = ' aria-current="step"' if first < max(arm.round, 1) <= last else ""
        parts.append(
            f'<li style="flex-grow:{last - first};--played:{100 * share:.1f}%"{here}>'
            f"<span>{escape(name)}</span></li>"
        )
        first = last
    return f'<ol class="timeline" aria-label="Phases">{"".join(parts)}</ol>'


def personas(arms: Sequence[Arm]) -> str:
    """The persona map with a word on how to read it."""
    return (
        '<section class="card"><h2>Personas: the mean copy among known authors</h2>'
        '<p class="help">Near to one another is alike. Blue: authors that pretraining knows. '
        "The line is the way of the mean copy; training can take it to where no author is.</p>"
        f"{persona_map(arms)}</section>"
    )


WIDTH, HEIGHT = 400, 300
HALO: Final = "paint-order:stroke;stroke:#fff;stroke-width:3px"


def persona_map(arms: Sequence[Arm]) -> str:
    """The authors that pretraining knows, and the path of the mean copy among them.

    Distances are in standard deviations of pretraining, drawn on an asinh scale, since the path
    leads far away from all authors.
    """
    places = [(x, y) for _, x, y in arms[0].authors] + [p for arm in arms for p in arm.path]
    reach = max(math.asinh(max(abs(x), abs(y))) for x, y in places) * 1.08

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            WIDTH * (0.46 + 0.44 * math.asinh(x) / reach),
            HEIGHT * (0.5 - 0.46 * math.asinh(y) / reach),
        )

    parts = [
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{svg.BAND}"/>',
    ]
    for arm, color in zip(arms, (svg.PALETTE[1], svg.PALETTE[3]), strict=False):
        points = [at(x, y) for x, y in arm.path]
        walk = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{walk}" fill="none" stroke="{color}" stroke-width="2"/>')
        if points:
            x, y = points[-1]
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="7" fill="{color}"/>')
            label = f"now {arm.name}".strip()
            end = "end" if x > 0.7 * WIDTH else "start"
            shift = -11 if end == "end" else 11
            bold = {"font_weight": "bold", "text_anchor": end, "style": HALO}
            parts.append(svg.text(x + shift, y - 8, label, **bold))
    taken: list[tuple[float, float]] = []
    for name, px, py in arms[0].authors:
        x, y = at(px, py)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{svg.PALETTE[0]}"/>')
        low = y + 5
        while any(abs(low - b) < 14 and abs(x - a) < 80 for a, b in taken):
            low += 14
        taken.append((x, low))
        parts.append(svg.text(x + 7, low, name, style=HALO))
    return svg.picture(WIDTH, HEIGHT, "Persona map: authors and the mean copy's path", parts)
