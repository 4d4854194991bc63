"""Figures as SVG inside a page: small, sharp, and in the page's colors, light or dark."""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from multicopy.analysis.figures.look import NARROW, WIDTH, canvas, style

INKS: Final = {
    "#000000": "ink",
    "#262626": "ink",
    "#4d4d4d": "ink",
    "#555555": "gray",
    "#595959": "muted",
    "#808080": "muted",
    "#999999": "edge",
    "#bfbfbf": "bar",
    "#ebebeb": "grid",
    "#f4f4f4": "band",
    "#ffffff": "paper",
}
"""Grays of the figures, and the colors of the page that take their place."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure with its caption; `wide` is None where one width does for page and phone."""

    narrow: Markup
    caption: str
    wide: Markup | None = None


def environment() -> Environment:
    """Templates of the report; everything that is put into them is escaped."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def marked(text: str) -> Markup:
    """Text in which what stands in backticks is code."""
    parts = str(escape(text)).split("`")
    return Markup("".join(f"<code>{t}</code>" if i % 2 else t for i, t in enumerate(parts)))


def command(words: Sequence[str]) -> Markup:
    """A command that a page breaks between its options only."""
    parts: list[list[str]] = [[]]
    for word in words:
        if word.startswith("--"):
            parts.append([])
        parts[-1].append(word)
    told = Markup(" ").join(Markup("<span>{}</span>").format(shlex.join(p)) for p in parts)
    return Markup('<code class="command">{}</code>').format(told)


def small(key: str, paint: Callable[[Axes], Axes], says: str, height: float = 2.9) -> Picture:
    """A picture that a phone has room for; wider pages show two abreast."""
    with style():
        figure, ax = canvas(1, 1, height, NARROW)
        paint(ax)
    return Picture(inline(figure, key, says), says)


def one_width(key: str, draw: Callable[[float], Figure], says: str) -> Picture:
    """The same of what is drawn by being told the width."""
    return Picture(inline(draw(NARROW), key, says), says)


def both(key: str, draw: Callable[[float], Figure], says: str) -> Picture:
    """A picture for a page and for a phone; `draw` is told the width."""
    narrow = inline(draw(NARROW), f"{key}-narrow", says)
    return Picture(narrow, says, inline(draw(WIDTH), f"{key}-wide", says))


def inline(figure: Figure, name: str, alt: str) -> Markup:
    """A figure as an SVG element that stands in a page without anything from outside.

    Parameters
    ----------
    figure
        What to show.
    name
        Makes the identifiers within the picture its own.
    alt
        What it shows, for who cannot see.
    """
    text = io.StringIO()
    with style():
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    svg = text.getvalue()
    body = svg[svg.index(">", svg.index("<svg")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\b(id=")', rf"\1{name}-", body)
    body = re.sub(r'(?:xlink:)?href="#', f'href="#{name}-', body)
    body = body.replace("url(#", f"url(#{name}-")
    body = re.sub(r'\bd="[^"]*"', lambda path: _rounded(path[0]), body)
    body = re.sub(r"#[0-9a-f]{6}\b", lambda c: _ink(c[0]), body)
    body = re.sub(r"\s*\n\s*", "\n", body)
    width, height = figure.get_size_inches() * 72
    return Markup(
        f'<svg viewBox="0 0 {width:.1f} {height:.1f}" role="img" aria-label="{escape(alt)}">{body}'
    )


def _rounded(path: str) -> str:
    """A path with a tenth of a point, which is finer than it is drawn."""
    return re.sub(r"-?\d+\.\d{2,}", lambda number: f"{float(number[0]):.1f}", path)


def _ink(color: str) -> str:
    return f"var(--{INKS[color]})" if color in INKS else color
