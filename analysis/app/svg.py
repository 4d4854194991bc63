"""Pictures as SVG text: quick to make for every frame, sharp at every size."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from multicopy.analysis.figures.look import BLUE, VERMILION

INK, FAINT, BAND = "#1f2933", "#52606d", "#eef1f4"
DARK_GREEN, PURPLE, BROWN = "#007a59", "#8e3b8a", "#7a5c00"
PALETTE: Final = (BLUE, VERMILION, DARK_GREEN, PURPLE, BROWN)
"""Colors of lines; each stands out from white by 3 to 1 or more."""

DASHES: Final = ("", "7 3", "2 3", "9 3 2 3", "4 2")
WIDTH, HEIGHT = 400, 230
LEFT, RIGHT, BOTTOM = 46, 10, 30
SIZE: Final = 14
"""Size of the text, in units of the picture."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart: name, rounds, values at them, color, dashes, if it is named."""

    label: str
    rounds: Sequence[int]
    values: Sequence[float]
    color: str
    dash: str = ""
    legend: bool = True


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """The time axis that all charts share.

    Attributes
    ----------
    total
        Rounds of the run.
    phases
        (name, last round) of each phase.
    marks
        (round, what was changed) of every change of policy.
    """

    total: int
    phases: Sequence[tuple[str, int]]
    marks: Sequence[tuple[int, str]] = ()

    def x(self, round_: float) -> float:
        """Place of a round in the picture."""
        return LEFT + (WIDTH - LEFT - RIGHT) * round_ / max(1, self.total)


def text(x: float, y: float, content: str, color: str = INK, **attributes: str | float) -> str:
    """A piece of text."""
    more = "".join(f' {k.rstrip("_").replace("_", "-")}="{v}"' for k, v in attributes.items())
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{color}"{more}>{escape(content)}</text>'


def picture(width: float, height: float, label: str, parts: Iterable[str]) -> str:
    """A whole picture; `label` tells those who do not see it what it shows."""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}" '
        f'font-size="{SIZE}" xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def chart(axis: TimeAxis, lines: Sequence[Line], label: str, high: float | None = None) -> str:
    """Lines over the rounds of a run, with the phases as bands and changes of policy as marks.

    Without `high` the scale ends above the largest value.
    """
    legend, top = _legend([line for line in lines if line.legend])
    bottom, plot = HEIGHT - BOTTOM, HEIGHT - BOTTOM - top
    values = [v for line in lines for v in line.values if math.isfinite(v)]
    ticks = _ticks(min(values, default=0.0), max(values, default=1.0) if high is None else high)
    start, end = ticks[0], ticks[-1]

    def y(value: float) -> float:
        return bottom - plot * (min(max(value, start), end) - start) / (end - start)

    parts = [*_bands(axis, top, bottom), *_grid(ticks, y), *legend]
    for line in lines:
        at = zip(line.rounds, line.values, strict=True)
        points = " ".join(f"{axis.x(round_):.1f},{y(value):.1f}" for round_, value in at)
        dash = f' stroke-dasharray="{line.dash}"' if line.dash else ""
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{line.color}" '
            f'stroke-width="2"{dash}/>'
        )
    now = "; ".join(f"{line.label} {line.values[-1]:.3g}" for line in lines if len(line.values))
    parts += [*_round_labels(axis), *_marks(axis, top, bottom)]
    return picture(WIDTH, HEIGHT, f"{label}. Now: {now or 'nothing yet'}", parts)


def nice_end(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if value <= step * power * (1 + 1e-9))


def _legend(lines: Sequence[Line]) -> tuple[list[str], float]:
    """Samples of the lines with their names, in as many rows as it takes; where the plot begins."""
    parts, x, y = [], 4.0, 12.0
    for line in lines:
        room = 38 + 7.0 * len(line.label)
        if x + room > WIDTH and x > 4:
            x, y = 4.0, y + 18
        dash = f' stroke-dasharray="{line.dash}"' if line.dash else ""
        parts.append(
            f'<line x1="{x:g}" x2="{x + 24:g}" y1="{y - 5:g}" y2="{y - 5:g}" '
            f'stroke="{line.color}" stroke-width="3"{dash}/>'
        )
        parts.append(text(x + 28, y, line.label))
        x += room
    return parts, y + 14


def _bands(axis: TimeAxis, top: float, bottom: float) -> Iterable[str]:
    first = 0
    for i, (name, last) in enumerate(axis.phases):
        left, right = axis.x(first), axis.x(last)
        fill = BAND if i % 2 else "#ffffff"
        yield (
            f'<rect x="{left:.1f}" y="{top:g}" width="{right - left:.1f}" '
            f'height="{bottom - top:g}" fill="{fill}"><title>{escape(name)}</title></rect>'
        )
        first = last


def _ticks(least: float, most: float) -> list[float]:
    """Round numbers, zero among them, from below the least value to above the largest."""
    least, most = min(least, 0.0), max(most, 0.0)
    step = nice_end((most - least) / 4)
    low, high = math.floor(least / step + 1e-9), math.ceil(most / step - 1e-9)
    return [step * i for i in range(low, max(high, low + 1) + 1)]


def _grid(ticks: Sequence[float], y: Callable[[float], float]) -> Iterable[str]:
    for value in ticks:
        color = FAINT if value == 0 else "#d5dae0"
        yield (
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}" '
            f'stroke="{color}"/>'
        )
        yield text(LEFT - 6, y(value) + 5, f"{value:,.6g}", FAINT, text_anchor="end")


def _round_labels(axis: TimeAxis) -> Iterable[str]:
    step = nice_end(max(1, axis.total / 5))
    for i in range(int(axis.total // step) + 1):
        round_ = i * step
        yield text(axis.x(round_), HEIGHT - 10, f"{round_:g}", FAINT, text_anchor="middle")


def _marks(axis: TimeAxis, top: float, bottom: float) -> Iterable[str]:
    for round_, what in axis.marks:
        x = axis.x(round_)
        yield (
            f'<g class="mark"><line x1="{x:.1f}" x2="{x:.1f}" y1="{top:g}" y2="{bottom:g}" '
            f'stroke="{INK}" stroke-dasharray="3 2"/>'
            f'<path d="M{x - 5:.1f} {top - 7:g}h10l-5 8z" fill="{INK}"/>'
            f"<title>round {round_}: {escape(what)}</title></g>"
        )
