"""The page: a run, or two side by side, live in a browser."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import Any, Final

import solara

from multicopy.analysis.app import SCENARIO
from multicopy.analysis.app.controls import Controls, Save, Stories, Transport, box
from multicopy.analysis.app.state import Desk
from multicopy.analysis.app.views import (
    Charts,
    ChosenTeam,
    Collective,
    Difference,
    Failure,
    Status,
    Told,
    Words,
)
from multicopy.model.scenario import DEFAULT

CSS: Final = Path(__file__).with_name("page.css")

sys.setswitchinterval(0.001)  # a click passes through several threads while a run holds them up
gc.freeze()  # what is imported stays: a collector that walks it would stop every tab for 0.2 s


@solara.component
def Layout(children: Any) -> Any:
    """Nothing but the page itself."""
    return solara.v.Html(tag="div", children=children)


@solara.component
def Page() -> None:
    """The page of one browser tab, with a run of its own."""
    desk = solara.use_memo(lambda: Desk(os.environ.get(SCENARIO, DEFAULT)), [])
    solara.use_effect(lambda: desk.session.close, [])
    solara.Title("Multicopy")
    solara.Style(CSS)
    Desktop(desk)


@solara.component
def Desktop(desk: Desk) -> None:
    """All of the page; it alone listens to the frames, so that one of them is one rendering."""
    frame = desk.frame.value
    with box("div", "page"):
        with box("header", "head"):
            box("h1", "", "Multicopy")
            Status(frame)
            Transport(desk, frame)
            box("a", "to-controls", "Sliders and choices", href="#controls")
            Failure(desk)
        with box("aside", "side", **{"aria-label": "Controls"}):
            Stories(desk)
            Controls(desk, frame.arms[0].policy if frame else {})
            Save(desk, desk.begun)
        with box("main", "views"):
            Told(desk)
            if frame is not None:
                Collective(desk, frame)
                ChosenTeam(frame)
                Difference(desk, frame)
                Charts(frame)
                Words(frame)
