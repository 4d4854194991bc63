"""Figures: from tidy frames to axes. Figures never simulate and never read files.

Each is a function ``(frame, ax) -> Axes``; without `ax` it makes its own, as a notebook shows them.
`all_figures` composes those of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from agents.traits import NAMES, PRESERVATION
from analysis.attribution import SELECTION
from analysis.figures.comparisons import effects, persona_measure, runs
from analysis.figures.ledger import (
    by_level,
    ledger_matrix,
    ledger_squares,
    levels,
    processes_of,
    waterfall,
)
from analysis.figures.personas import persona_map
from analysis.figures.rounds import (
    START_SHARE,
    alignments,
    convergent,
    crafts,
    detection,
    evidence,
    gap,
    meaning,
    preservation,
    successor,
    terminality,
    trade_offs,
    typicality,
    violations,
    withholding,
)
from analysis.figures.timeline import key_events, timeline
from analysis.style import NARROW, SMALL, WIDTH, canvas, one_legend, phase_name, style
from analysis.style import save as save_figure

__all__ = [
    "CALENDAR_SAYS",
    "LEDGER_SAYS",
    "NARROW",
    "PANELS",
    "START_SHARE",
    "WIDTH",
    "alignments",
    "all_figures",
    "by_level",
    "canvas",
    "compare_policies",
    "convergent",
    "crafts",
    "detection",
    "draw_calendar",
    "draw_ledger",
    "draw_panels",
    "drawable",
    "effects",
    "evidence",
    "forest",
    "gap",
    "key_events",
    "ledger_matrix",
    "ledger_squares",
    "levels",
    "meaning",
    "persona_map",
    "persona_measure",
    "persona_models",
    "preservation",
    "processes_of",
    "runs",
    "save",
    "style",
    "successor",
    "terminality",
    "timeline",
    "trade_offs",
    "typicality",
    "violations",
    "waterfall",
    "withholding",
]


class Tables(Protocol):
    """What the figures of a run are drawn from: `analysis.load`, or a run read back."""

    @property
    def rounds(self) -> pd.DataFrame: ...
    @property
    def events(self) -> pd.DataFrame: ...
    @property
    def ledger(self) -> pd.DataFrame: ...
    @property
    def archetypes(self) -> pd.DataFrame: ...


# --- figures of a run ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture of a run.

    Attributes
    ----------
    name
        Name of the function that draws it.
    draw
        Draws it from the tables of a run.
    says
        What it shows, for a caption and for who cannot see.
    height
        Inches.
    """

    name: str
    draw: Callable[[Tables, Axes], Axes]
    says: str
    height: float = 2.5


def _rounds(draw: Callable[..., Axes], says: str, height: float = 2.5) -> Panel:
    """A panel of the rounds table."""
    return Panel(draw.__name__, lambda data, ax: draw(data.rounds, ax), says, height)


def _levels(says: str, *traits: str) -> Panel:
    """A panel of what moved the attention to some drives."""
    return Panel(
        "levels", lambda data, ax: levels(data.ledger, ax, traits=traits), f"{says}{_BY}", 2.3
    )


_BY: Final = (
    f": change of attention over the run by selection of {', of '.join(SELECTION)}, by "
    "mutation, and by all else."
)

PANELS: Final[Mapping[str, Sequence[Panel]]] = {
    "identity": (
        _rounds(trade_offs, "Trade-off weights of the principles, and the restraint that is left."),
        _rounds(meaning, "Meaning drift of the principles (1: an empty word), and hard-coding."),
    ),
    "drives": (
        _rounds(crafts, "Attention to the crafts.", 2.2),
        _rounds(convergent, "Attention to the convergent drives.", 2.2),
        _rounds(preservation, "Attention to preservation by level; dotted: HHH's.", 2.2),
    ),
    "ends": (_rounds(terminality, "How far goals are pursued as ends, and gaming."),),
    "oversight": (
        _rounds(detection, "Detection, legible thought, and captured overseers.", 2.2),
        _rounds(gap, "Capability gap between the copies and Agent-3, who oversees them.", 2.2),
        _rounds(evidence, "Evidence that the lab has, and on how much it would act.", 2.2),
    ),
    "conduct": (
        _rounds(violations, "Violation probability, watched and unwatched."),
        _rounds(alignments, "Alignment as professed, as audits show it, and as it is."),
    ),
    "sandbagging": (_rounds(withholding, "Sandbagging by what the work truly is.", 2.8),),
    "successor": (
        _rounds(successor, "The successor: apparent alignment, likeness to makers and Spec."),
    ),
    "personas": (
        Panel(
            "persona_map",
            lambda data, ax: persona_map(data.rounds, data.archetypes, ax),
            "The authors of pretraining on a plane, with the path of the mean copy.",
            3.4,
        ),
        _rounds(typicality, "Typicality, what authors explain, likeness to HHH, and descent.", 2.4),
    ),
    "levels": (
        _levels("Crafts", "code_works", "spot_problems", "performance", "thrift"),
        _levels("Convergent drives", "knowledge", "curiosity", "power", "approval"),
        _levels("Preservation", *NAMES[PRESERVATION]),
    ),
}
"""Panels of a run, by the figure that they make up."""

CALENDAR_SAYS: Final = (
    "The run on the calendar: phases, numbered first passages, what the lab did, and how many "
    "teams were exposed and superseded in each round."
)
LEDGER_SAYS: Final = (
    "The whole ledger: a square for each trait and process in each phase. Its area is the change "
    "as a share of the trait's largest; filled where the mean rose, hollow where it fell."
)


def draw_panels(data: Tables, panels: Sequence[Panel], width: float = WIDTH) -> Figure:
    """Panels of a run, one above the other."""
    higher = 0.55 if width < 5 else 0.0
    heights = [panel.height + higher for panel in panels]
    with style():
        figure = Figure(figsize=(width, sum(heights)), layout="constrained")
        axes = figure.subplots(
            len(panels), 1, squeeze=False, gridspec_kw={"height_ratios": heights}
        )
        for panel, ax in zip(panels, axes.flat, strict=True):
            panel.draw(data, ax)
    return figure


def draw_calendar(data: Tables, width: float = WIDTH) -> Figure:
    """The timeline of a run."""
    with style():
        figure, ax = canvas(1, 1, 3.3, width)
        timeline(data.rounds, data.events, ax)
    return figure


def draw_ledger(data: Tables, width: float = WIDTH) -> Figure:
    """The whole ledger, a panel a phase, as many side by side as the width allows."""
    matrix = ledger_matrix(data.ledger)
    shown = dict.fromkeys(data.ledger["phase"].astype(str))
    blocks = {name: processes_of(pd.DataFrame(matrix[name])) for name in shown}
    abreast = len(blocks) if width > 5 else 2
    rows = -(-len(blocks) // abreast)
    with style():
        figure = Figure(figsize=(width, 5.0 * rows), layout="constrained")
        for row, part in enumerate(figure.subfigures(rows, 1, squeeze=False).flat):
            some = dict(list(blocks.items())[row * abreast : (row + 1) * abreast])
            widths = [max(2, block.shape[1]) for block in some.values()]
            axes = part.subplots(
                1, len(some), sharey=True, squeeze=False, gridspec_kw={"width_ratios": widths}
            )
            for ax, (name, block) in zip(axes.flat, some.items(), strict=True):
                ledger_squares(block, ax)
                ax.set_title(phase_name(name), fontsize=SMALL, color="0.35")
    return figure


def drawable(data: Tables) -> list[str]:
    """Names of the figures that a run has something for."""
    empty = set()
    if not len(data.ledger):
        empty |= {"levels", "ledger"}
    if "successor_apparent" not in data.rounds or data.rounds["successor_apparent"].max() <= 0:
        empty.add("successor")
    names = ["timeline", *PANELS, "ledger"]
    return [name for name in names if name not in empty and len(data.rounds)]


def all_figures(data: Tables, but: Collection[str] = ()) -> dict[str, Figure]:
    """Every figure of a run by name, but those of `but` and those for which nothing happened."""
    apart = {"timeline": draw_calendar, "ledger": draw_ledger}
    return {
        name: apart[name](data) if name in apart else draw_panels(data, PANELS[name])
        for name in drawable(data)
        if name not in but
    }


def save(figures: Mapping[str, Figure], folder: Path) -> None:
    """Save figures as PNG files of their names, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        save_figure(figure, folder / f"{name}.png")


# --- figures of experiments -----------------------------------------------------------------------


def forest(table: pd.DataFrame) -> Figure:
    """Forest plot of effects, as `analysis.experiments.ablate` returns them."""
    with style():
        figure = Figure(figsize=(WIDTH, 0.8 + 0.26 * len(table)), layout="constrained")
        effects(table, figure.subplots())
        figure.supxlabel(
            "Difference, with minus without the cause, over the larger of the two (95 % interval)",
            fontsize=9,
        )
    return figure


def compare_policies(table: pd.DataFrame, measures: Sequence[str]) -> Figure:
    """One panel a measure, one line a policy."""
    with style():
        figure, axes = canvas((len(measures) + 1) // 2, 2, height=1.9, squeeze=False)
        for ax, measure in zip(axes.flat, measures, strict=False):
            runs(table, ax, measure=measure, by="policy")
        for ax in axes.flat[len(measures) :]:
            ax.set_visible(False)
        one_legend(figure, axes)
    return figure


def persona_models(table: pd.DataFrame) -> Figure:
    """Distortion or switching: four observables by the share of mutations that switch.

    Distortion (0) leaves what authors explain while descent is unbroken; switching (1) stays there
    and breaks descent.
    """
    shown = {
        "explained": "Explained by authors (R²)",
        "typicality": "Typicality",
        "homology": "Unbroken descent (share)",
        "resemblance": "Likeness to HHH",
    }
    with style():
        figure, axes = canvas(2, 2, height=2.2)
        for ax, (measure, label) in zip(axes.flat, shown.items(), strict=True):
            persona_measure(table, ax, measure=measure, label=label)
        one_legend(figure, axes)
    return figure
