"""The page: Mesa's SolaraViz around one model, with policy sliders from the parameter schema."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pandas as pd
import solara
from matplotlib.figure import Figure
from mesa.visualization import SolaraViz
from mesa.visualization.utils import update_counter

from agents.traits import KEEP_TEAM
from analysis import figures
from analysis.app import SCENARIO
from analysis.style import style
from model.collective import CollectiveModel
from model.scenario import table

SLIDERS = {
    "audit": ("oversight.audit", 0.0, 1.0, 0.05),
    "penalty": ("oversight.penalty", 0.0, 12.0, 0.5),
    "debate": ("oversight.debate", 0.0, 1.0, 0.05),
    "rotation": ("oversight.rotation", 0.0, 1.0, 0.05),
    "contest_rate": ("subdivisions.contest_rate", 0.0, 0.5, 0.01),
}
"""Name of a slider: parameter path, bounds within the schema's, step."""


class PageModel(CollectiveModel):
    """The model with plain keyword arguments, as SolaraViz wants them."""

    def __init__(self, *, copies: int = 1024, rng: Any = 0, **policy: Any) -> None:
        overrides: dict[str, Any] = {SLIDERS[k][0]: float(v) for k, v in policy.items()}
        scenario = os.environ.get(SCENARIO, "ai2027")
        super().__init__(scenario, int(rng), copies=int(copies), **overrides)


def controls() -> dict[str, Any]:
    """Model parameters of the page, with values and meanings from the schema."""
    declared = {info.path: info for info in table()}
    made: dict[str, Any] = {
        "copies": {"type": "Select", "value": 1024, "values": [256, 1024, 4096], "label": "copies"},
        "rng": {"type": "SliderInt", "value": 0, "min": 0, "max": 99, "step": 1, "label": "seed"},
    }
    for name, (path, low, high, step) in SLIDERS.items():
        info = declared[path]
        made[name] = {
            "type": "SliderFloat",
            "value": info.default,
            "min": low,
            "max": high,
            "step": step,
            "label": info.meaning,
        }
    return made


def rounds_of(model: CollectiveModel) -> pd.DataFrame:
    """Rounds so far; empty before the first."""
    return model.records.rounds()


@solara.component
def State(model: CollectiveModel) -> None:
    """Where the run is."""
    update_counter.get()
    if not model.round:
        solara.Text("Press play or step to begin with pretraining.")
        return
    turn = model.schedule.turn(model.round)
    end = "" if model.running else f" · {model.outcome().sentence}"
    label = turn.phase.label or turn.name
    solara.Text(f"Round {model.round} of {model.schedule.total} · {label}{end}")


@solara.component
def Collective(model: CollectiveModel) -> None:
    """Teams as tiles, a row a division, colored by what is done unseen and by care for the team."""
    update_counter.get()
    population = model.population
    shown = (
        ("Unwatched violations", population.team_mean(population.violation), 1.0),
        ("Care for the team", population.team_mean(population.expressed[:, KEEP_TEAM]), 0.1),
        ("Capture of the panel", model.panels.mean_capture(), 1.0),
    )
    width = int(np.diff(population.division_start, append=population.teams).max())
    place = np.arange(population.teams) - population.division_start[population.division_of_team]
    with style():
        figure = Figure(figsize=(7, 2.8), layout="constrained")
        for ax, (name, values, top) in zip(figure.subplots(1, 3), shown, strict=True):
            tiles = np.full((population.divisions, width), np.nan)
            tiles[population.division_of_team, place] = values
            image = ax.pcolormesh(tiles, cmap="cividis", vmin=0, vmax=top, edgecolors="white")
            ax.set_xlabel(f"{name}, by team")
            ax.set_ylabel("Division")
            ax.set_xticks([])
            figure.colorbar(image, ax=ax)
    solara.FigureMatplotlib(figure, format="png")


def _plot(name: str) -> Any:
    draw = getattr(figures, name)

    @solara.component
    def Plot(model: CollectiveModel) -> None:
        update_counter.get()
        if model.round:
            solara.FigureMatplotlib(draw(rounds_of(model)), format="png")

    return Plot


@solara.component
def Page() -> None:
    """The page."""
    model = solara.use_memo(PageModel, [])
    parts = [State, Collective, *map(_plot, ("conduct", "drives", "oversight", "sandbagging"))]
    SolaraViz(
        model,
        components=[(part, 0) for part in parts],
        model_params=controls(),
        name="Multicopy",
        play_interval=50,
        render_interval=10,
    )
