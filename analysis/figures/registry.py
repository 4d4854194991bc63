"""The figures of a run: each is declared where it is drawn; what shows them reads them here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from multicopy.agents.extensions import guarded
from multicopy.agents.parameters import Parameters
from multicopy.analysis.figures.look import panel


class Tables(Protocol):
    """What the figures of a run are drawn from: `analysis.load`, or a run read back."""

    @property
    def rounds(self) -> pd.DataFrame:
        """A row a round."""

    @property
    def events(self) -> pd.DataFrame:
        """A row an event."""

    @property
    def ledger(self) -> pd.DataFrame:
        """A row for each round, process and trait."""

    @property
    def archetypes(self) -> pd.DataFrame:
        """A row an author of pretraining."""

    @property
    def parameters(self) -> Parameters | None:
        """The scenario, if it can be read."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture of a run.

    Attributes
    ----------
    name
        Name of the function that draws it.
    group
        Figure that it is a part of, one above the other with its likes.
    needs
        Tables of the run that it is drawn from, in the order of its arguments. Nothing is drawn
        without rows in the first.
    draw
        ``(*tables, ax) -> Axes``; without `ax` it makes its own.
    says
        What it shows, for a caption and for who cannot see.
    height
        Inches.
    wide
        Whether a page shows it at its whole width.
    begins
        Measure that is 0 while there is nothing to show; none by default.
    options
        Arguments of `draw` by name.
    """

    name: str
    group: str
    needs: tuple[str, ...]
    draw: Callable[..., Axes]
    says: str
    height: float = 2.5
    wide: bool = False
    begins: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def paint(self, data: Tables, ax: Axes) -> Axes:
        """Draw it from the tables of a run."""
        return self.draw(*(getattr(data, name) for name in self.needs), ax, **self.options)


@dataclass(frozen=True, slots=True)
class Whole:
    """A figure of a run that lays out its axes itself: ``draw(data, width) -> Figure``."""

    needs: tuple[str, ...]
    draw: Callable[[Tables, float], Figure]
    says: str


PANELS: Final[dict[str, list[Panel]]] = {}
"""Panels of a run, by the figure that they make up."""

WHOLES: Final[dict[str, Whole]] = {}
"""Figures of a run that are not panels, by name."""


def figure(
    group: str,
    needs: str | Sequence[str] = "rounds",
    says: str = "",
    height: float = 2.5,
    wide: bool = False,
    begins: str = "",
) -> Callable[[Callable[..., Axes]], Callable[..., Axes]]:
    """Declare a picture of a run: decorates ``function(*tables, ax) -> Axes``.

    Run folders, reports and the gallery have it from then on. It is drawn in the project's style,
    on axes of its own if it gets none.

    Parameters
    ----------
    group, needs, says, height, wide, begins
        As `Panel` has them; unless told, a picture says the first sentence of its function's
        documentation.

    Raises
    ------
    ValueError
        If the group is no name or a figure of its own, or there is a picture of this name.
    """

    def add(draw: Callable[..., Axes]) -> Callable[..., Axes]:
        name, told = draw.__name__, says or " ".join((draw.__doc__ or "").split("\n\n")[0].split())
        drawn = panel(draw if is_own(draw) else guarded(f"figure {name!r}", draw))
        tables = (needs,) if isinstance(needs, str) else tuple(needs)
        declare(Panel(name, group, tables, drawn, told, height, wide, begins))
        return drawn

    return add


def declare(one: Panel) -> None:
    """Add a panel to the figure of its group."""
    if not one.group.isidentifier() or one.group in WHOLES:
        raise ValueError(f"figure {one.name!r}: {one.group!r} can be no group of panels")
    if any(one.name == other.name and one.options == other.options for other in panels()):
        raise ValueError(f"figure {one.name!r}: there is one of this name already")
    PANELS.setdefault(one.group, []).append(one)


def whole(
    name: str, needs: str, says: str
) -> Callable[[Callable[..., Figure]], Callable[..., Figure]]:
    """Declare a figure of a run that lays out its axes itself."""

    def add(draw: Callable[..., Figure]) -> Callable[..., Figure]:
        WHOLES[name] = Whole((needs,), draw, says)
        return draw

    return add


def panels() -> list[Panel]:
    """All panels, in their order."""
    return [one for group in PANELS.values() for one in group]


def is_own(function: Callable[..., Any]) -> bool:
    """Whether a function is the project's, not a plug-in's."""
    return function.__module__.startswith("multicopy.")


def keep_own() -> None:
    """Take away the panels that plug-ins declared."""
    for group, some in [*PANELS.items()]:
        some[:] = [one for one in some if is_own(one.draw)]
        if not some:
            del PANELS[group]


def drawable(data: Tables) -> list[str]:
    """Names of the figures that a run has something for."""
    wholes = {name: [one] for name, one in WHOLES.items()}
    every: Mapping[str, Sequence[Panel | Whole]] = {**PANELS, **wholes}
    return [name for name, parts in every.items() if any(_has(data, part) for part in parts)]


def _has(data: Tables, part: Panel | Whole) -> bool:
    """Whether there is something to draw."""
    if not len(data.rounds) or not len(getattr(data, part.needs[0])):
        return False
    begins = part.begins if isinstance(part, Panel) else ""
    return not begins or (begins in data.rounds and data.rounds[begins].max() > 0)
