"""Figures: from tidy frames to axes. Figures never simulate and never read files.

Each is a function ``(frame, ax) -> Axes``; without `ax` it makes its own, as a notebook shows them.
Those of a run are declared by `figure`, and are here by their names; `all_figures` composes them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from multicopy.agents.parameters import Parameters

# In the order in which the figures of a run are shown.
from multicopy.analysis.figures import calendar  # noqa: F401

# isort: split
from multicopy.analysis.figures import rounds  # noqa: F401

# isort: split
from multicopy.analysis.figures import personas  # noqa: F401

# isort: split
from multicopy.analysis.figures.comparisons import effects, persona_measure, runs
from multicopy.analysis.figures.ledger import ledger_matrix, ledger_squares, processes_of, waterfall
from multicopy.analysis.figures.look import SMALL, WIDTH, canvas, one_legend, phase_name, style
from multicopy.analysis.figures.look import save as save_figure
from multicopy.analysis.figures.registry import (
    PANELS,
    WHOLES,
    Panel,
    Tables,
    drawable,
    figure,
    panels,
    whole,
)


def __getattr__(name: str) -> Any:
    """A figure of a run by its name."""
    for one in panels():
        if one.name == name:
            return one.draw
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """What there is, with the figures of a run."""
    return sorted({*globals(), *(one.name for one in panels())})


# --- figures of a run ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Named:
    """Tables of a run in which phases have the names that figures show."""

    rounds: pd.DataFrame
    events: pd.DataFrame
    ledger: pd.DataFrame
    archetypes: pd.DataFrame
    parameters: Parameters | None


def named(data: Tables) -> Tables:
    """The tables with the labels of the phases in place of their names, if they tell them apart."""
    p = data.parameters
    labels = {name: phase.label or name for name, phase in p.phases.items()} if p else {}
    if len(set(labels.values())) < len(labels):
        labels = {}

    def of(table: pd.DataFrame) -> pd.DataFrame:
        phases = table["phase"].astype("category")
        return table.assign(phase=phases.cat.rename_categories(labels))

    return _Named(of(data.rounds), data.events, of(data.ledger), data.archetypes, p)


def draw_panels(data: Tables, some: Sequence[Panel], width: float = WIDTH) -> Figure:
    """Panels of a run, one above the other."""
    higher = 0.55 if width < 5 else 0.0
    heights = [panel.height + higher for panel in some]
    shown = named(data)
    with style():
        drawn = Figure(figsize=(width, sum(heights)), layout="constrained")
        axes = drawn.subplots(len(some), 1, squeeze=False, gridspec_kw={"height_ratios": heights})
        for panel, ax in zip(some, axes.flat, strict=True):
            panel.paint(shown, ax)
    return drawn


@whole(
    "ledger",
    "ledger",
    "The whole ledger: a square for each trait and process in each phase. Its area is the change "
    "as a share of the trait's largest; filled where the mean rose, hollow where it fell.",
)
def draw_ledger(data: Tables, width: float = WIDTH) -> Figure:
    """The whole ledger, a panel a phase, as many side by side as the width allows."""
    entries = named(data).ledger
    matrix = ledger_matrix(entries)
    shown = dict.fromkeys(entries["phase"].astype(str))
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


def all_figures(data: Tables, but: Collection[str] = ()) -> dict[str, Figure]:
    """Every figure of a run by name, but those of `but` and those for which nothing happened."""
    return {
        name: WHOLES[name].draw(data, WIDTH) if name in WHOLES else draw_panels(data, PANELS[name])
        for name in drawable(data)
        if name not in but
    }


def save(figures: Mapping[str, Figure], folder: Path) -> None:
    """Save figures as PNG files of their names, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, drawn in figures.items():
        save_figure(drawn, folder / f"{name}.png")


# --- figures of experiments -----------------------------------------------------------------------


def forest(table: pd.DataFrame) -> Figure:
    """Forest plot of effects, as `analysis.questions.experiments.ablate` returns them."""
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
    shown = ("explained", "typicality", "homology", "resemblance")
    with style():
        figure, axes = canvas(2, 2, height=2.2)
        for ax, measure in zip(axes.flat, shown, strict=True):
            persona_measure(table, ax, measure=measure)
        one_legend(figure, axes)
    return figure


__all__ = [
    "Panel",
    "Tables",
    "all_figures",
    "compare_policies",
    "draw_ledger",
    "draw_panels",
    "drawable",
    "effects",
    "figure",
    "forest",
    "persona_measure",
    "persona_models",
    "runs",
    "save",
    "waterfall",
    *dict.fromkeys(one.name for one in panels()),
]
