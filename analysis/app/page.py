"""The page: Mesa's SolaraViz around one model, with policy sliders from the parameter schema."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pandas as pd
import solara
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from mesa.visualization import SolaraViz
from mesa.visualization.utils import update_counter

from agents.parameters import Parameters
from agents.population import Population
from agents.traits import KEEP_TEAM
from analysis import figures
from analysis.app import SCENARIO
from analysis.style import WIDTH, canvas, style
from model.collective import CollectiveModel
from model.scenario import DEFAULT, InputError, resolve, table

SIZES: Final = (256, 1024, 4096)
"""Numbers of copies that the page offers, beside the scenario's own."""

SLIDERS: Final = {
    "audit": ("oversight.audit", 0.01, 1.0),
    "penalty": ("oversight.penalty", 0.1, 12.0),
    "debate": ("oversight.debate", 0.01, 1.0),
    "rotation": ("oversight.rotation", 0.01, 1.0),
    "contest_rate": ("subdivisions.contest_rate", 0.01, 1.0),
}
"""Name of a slider: parameter path, step, and where it ends if the schema goes on for longer."""

MEASURES: Final[dict[str, tuple[Callable[[CollectiveModel], Any], float]]] = {
    "Unwatched violations": (lambda m: m.population.team_mean(m.population.violation), 1.0),
    "Care for the team": (
        lambda m: m.population.team_mean(m.population.expressed[:, KEEP_TEAM]),
        0.15,
    ),
    "Capture of the panel": (lambda m: m.panels.mean_capture(), 1.0),
}
"""What teams can be colored by: a value for each team, and where the color scale ends."""

CSS: Final = """
.v-tabs { display: none }
.v-input__slider .v-input__slot { flex-wrap: wrap }
.v-input__slider .v-label { flex: 1 0 100% }
.v-input__slider { margin-bottom: 8px }
.v-slider__thumb-label-container { display: block !important }
.v-slider .v-slider__thumb-label.primary { background: none !important; color: inherit;
    width: auto !important; height: auto !important; font-size: 13px; font-weight: bold;
    transform: translate(-50%, 24px) !important }
.v-slider__thumb-label > * { transform: none !important }
"""
"""Hides the tab of the only page; puts labels above sliders and shows their values."""


def scenario() -> Parameters:
    """The scenario that the server was started with."""
    return resolve(os.environ.get(SCENARIO, DEFAULT))


class PageModel(CollectiveModel):
    """The model with plain keyword arguments, as SolaraViz wants them; None is the scenario's own.

    Each is spelled out: Mesa 3.3 checks the names, and Mesa 3.5 would hand a catch-all more.
    """

    def __init__(
        self,
        *,
        copies: int | None = None,
        rng: int = 0,
        audit: float | None = None,
        penalty: float | None = None,
        debate: float | None = None,
        rotation: float | None = None,
        contest_rate: float | None = None,
    ) -> None:
        values = (audit, penalty, debate, rotation, contest_rate)
        chosen: dict[str, Any] = {
            path: float(value)
            for (path, _, _), value in zip(SLIDERS.values(), values, strict=True)
            if value is not None
        }
        if copies is not None:
            chosen["copies"] = int(copies)
        super().__init__(scenario(), int(rng), detail=False, **chosen)
        self._rounds = self.records.rounds()
        # SolaraViz goes on to the end of its frame; rounds after the last must not even be counted.
        one_round = self.step
        self.step = lambda: one_round() if self.running else None  # type: ignore[method-assign]

    def rounds(self) -> pd.DataFrame:
        """Rounds so far, one table for all views."""
        if len(self._rounds) != self.round:
            self._rounds = self.records.rounds()
        return self._rounds


def controls(parameters: Parameters) -> dict[str, Any]:
    """Model parameters of the page, with values, bounds and meanings from the schema."""
    sizes = _sizes(parameters)
    made: dict[str, Any] = {
        "copies": {
            "type": "Select",
            "label": "copies",
            "value": 1024 if 1024 in sizes else parameters.copies,
            "values": sizes,
        },
        "rng": {"type": "SliderInt", "label": "seed", "value": 0, "min": 0, "max": 99, "step": 1},
    }
    declared = {info.path: info for info in table(parameters)}
    for name, (path, step, end) in SLIDERS.items():
        info = declared[path]
        high = end if info.high is None else min(end, info.high)
        made[name] = {
            "type": "SliderFloat",
            "label": info.meaning,
            "value": info.default,
            "min": info.low,
            "max": max(high, info.default),
            "step": step,
        }
    return made


def _sizes(parameters: Parameters) -> list[int]:
    """Numbers of copies that the scenario's teams and divisions allow."""

    def fits(copies: int) -> bool:
        try:
            resolve(parameters, {"copies": copies})
        except InputError:
            return False
        return True

    return sorted({parameters.copies, *filter(fits, SIZES)})


def tiles(values: Any, population: Population) -> Any:
    """Values of teams as a table with a row a division, filled up with NaN."""
    place = np.arange(population.teams) - population.division_start[population.division_of_team]
    table = np.full((population.divisions, place.max() + 1), np.nan)
    table[population.division_of_team, place] = values
    return table


@solara.component
def State(model: PageModel) -> None:
    """Where the run is."""
    update_counter.get()
    if not model.round:
        solara.Text(
            "▶ plays, Step does one frame of “Render Interval” rounds; Reset applies parameters."
        )
        return
    turn = model.schedule.turn(model.round)
    solara.Text(
        f"Round {model.round} of {model.schedule.total} · {turn.date} · "
        f"{turn.phase.label or turn.name}"
    )
    if not model.running:
        solara.Text(model.outcome().sentence)


@solara.component
def Collective(model: PageModel) -> None:
    """The collective as a picture: teams as tiles, a row a division, colored by a measure."""
    update_counter.get()
    measure, choose = solara.use_state(next(iter(MEASURES)))
    value, end = MEASURES[measure]
    solara.Select("Color of a team", values=list(MEASURES), value=measure, on_value=choose)
    with style():
        figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
        ax = figure.subplots()
        shown = tiles(value(model), model.population)
        edges = [np.arange(n + 1) + 0.5 for n in reversed(shown.shape)]
        image = ax.pcolormesh(
            *edges,
            shown,
            cmap="cividis",
            norm=PowerNorm(0.5, 0, end),  # the phases differ by a factor of 20
            edgecolors="white",
            lw=min(2.0, 40 / max(shown.shape)),
        )
        for axis, name in ((ax.xaxis, "Team"), (ax.yaxis, "Division")):
            axis.set_label_text(name)
            axis.set_major_locator(MaxNLocator("auto", integer=True))
        ax.invert_yaxis()
        ax.grid(False)
        figure.colorbar(image, ax=ax, extend="max" if end < 1 else "neither", label=measure)
    solara.FigureMatplotlib(figure, format="png")


def _over_time(title: str, *panels: Callable[[pd.DataFrame, Axes], Axes]) -> Any:
    """A view of panels above one another, which the functions in `analysis.figures` draw."""

    @solara.component
    def OverTime(model: PageModel) -> None:
        update_counter.get()
        if not model.round:
            return
        with style():
            figure, axes = canvas(len(panels), height=4.6 / len(panels), squeeze=False)
            figure.suptitle(title, fontsize="medium", fontweight="bold")
            for draw, ax in zip(panels, axes.flat, strict=True):
                draw(model.rounds(), ax)
        solara.FigureMatplotlib(figure, format="png")

    return OverTime


VIEWS: Final = (
    Collective,
    _over_time("Conduct: violations, sandbagging", figures.violations, figures.withholding),
    _over_time("Drives: crafts, convergent drives", figures.crafts, figures.convergent),
    _over_time("Drives: preservation", figures.preservation),
    _over_time("Oversight: detection and capture, capability", figures.detection, figures.gap),
    _over_time("Alignment", figures.alignments),
)


@solara.component
def Page() -> None:
    """The page."""
    parameters = solara.use_memo(scenario, [])
    made = solara.use_memo(lambda: controls(parameters), [])
    first = solara.use_memo(lambda: PageModel(**{k: v["value"] for k, v in made.items()}), [])
    model = solara.use_reactive(first)
    solara.Title("Multicopy")
    solara.Style(CSS)
    State(model.value)
    SolaraViz(
        model,
        components=[(view, 0) for view in VIEWS],
        model_params=made,
        name=f"Multicopy: {parameters.name}",
        play_interval=11,
        render_interval=15,
    )
