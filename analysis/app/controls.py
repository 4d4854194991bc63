"""The controls of the page, with names, bounds and units from the schema of the parameters."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import solara

from multicopy.agents.parameters import Parameters
from multicopy.analysis.app.download import archive, scenario_file
from multicopy.analysis.app.frame import Frame
from multicopy.analysis.app.settings import LIVE, MAKE_UP, RATES, Control, control, sizes
from multicopy.analysis.app.state import Desk
from multicopy.analysis.app.stories import STORIES
from multicopy.analysis.app.widgets import Input
from multicopy.model.scenario import table


def box(tag: str, class_: str = "", *children: Any, **attributes: str) -> Any:
    """An element of the page; use with `with` to fill it."""
    given = {"attributes": attributes} if attributes else {}
    return solara.v.Html(tag=tag, class_=class_, children=list(children), **given)


def options(named: Mapping[str, str]) -> str:
    """Choices of a control with their names for people, as the browser reads them.

    As text: Reacton would look for elements in a list of them at each frame.
    """
    return json.dumps([{"value": value, "text": text} for value, text in named.items()])


@solara.component
def Transport(desk: Desk, frame: Frame | None) -> None:
    """Play, pause, step, run to the next phase, reset; speed."""
    session = desk.session
    playing, running = (frame.playing, frame.running) if frame else (False, False)
    asks = desk.asks.value
    with box("div", "transport", role="group", **{"aria-label": "Run"}):
        if playing:
            solara.Button("Pause", color="primary", on_click=session.pause)
        else:
            solara.Button("Play", color="primary", on_click=session.play, disabled=not running)
        solara.Button("Step", on_click=session.step, disabled=playing or not running)
        solara.Button("Run to next phase", on_click=session.next_phase, disabled=not running)
        solara.Button(
            "Reset to apply" if asks else "Reset",
            on_click=desk.reset,
            color="warning" if asks else None,
        )
        Input(
            path="speed",
            label="Speed",
            value=desk.rate.value,
            choices=options(RATES),
            event_changed=desk.set_rate,
        )


@solara.component
def Declared(
    shown: Control, changed: Callable[[Any], None], note: str = "", name: str = "", run: str = ""
) -> None:
    """The control of one parameter, under another name and for another run if they are given."""
    Input(
        path=name or shown.path,
        label=f"{run}{shown.label}",
        unit=shown.unit,
        note=note,
        value=shown.value,
        low=shown.low,
        high=shown.high,
        step=shown.step,
        choices=_named(shown.choices),
        event_changed=changed,
    )


@solara.component
def Stories(desk: Desk) -> None:
    """Buttons that begin the stories."""
    with box("section", "card stories"):
        box("h2", "", "Stories")
        for name, story in STORIES.items():
            solara.Button(
                story.title,
                text=True,
                classes=["story", "chosen"] if desk.story.value == name else ["story"],
                on_click=lambda name=name: desk.tell(name),
            )


@solara.component
def Controls(desk: Desk, policy: Mapping[str, Any]) -> None:
    """Scenario, policy (`policy` is in force in the first run), make-up and the second run."""
    draft, parameters, scenario = desk.draft.value, desk.parameters(), desk.declared()
    values = {**{info.path: info.default for info in table(parameters)}, **policy}
    names = {name: Path(name).stem for name in desk.scenarios}
    with box("section", "card", id="controls"):
        box("h2", "", "Scenario")
        Input(
            path="scenario",
            label="scenario",
            value=draft.scenario,
            choices=options(names),
            note=parameters.description,
            event_changed=desk.set_scenario,
        )
    with box("section", "card"):
        box("h2", "", "Policy of the lab")
        box("p", "help", "Takes effect from the next round, and is marked on the time axis.")
        for path in LIVE:
            Declared(
                control(scenario, path, values[path]),
                lambda value, path=path: desk.set_policy(path, value),
                _note(parameters, path),
            )
    with box("section", "card"):
        box("h2", "", "Make-up of the run")
        box("p", "help", "Takes effect at a reset.")
        Input(
            path="copies",
            label="copies of the AI",
            value=str(parameters.copies),
            choices=options({str(n): f"{n:,}" for n in sizes(parameters)}),
            event_changed=desk.set_copies,
        )
        Input(
            path="seed",
            label="seed: another run of the same scenario",
            value=draft.seed,
            low=0,
            high=2**32 - 1,
            whole=True,
            event_changed=desk.set_seed,
        )
        for path in MAKE_UP:
            Declared(
                control(scenario, path, values[path]),
                lambda value, path=path: desk.set_make_up(path, value),
            )
    Versus(desk, values)


def _named(choices: Sequence[str]) -> str:
    return options({c: c.replace("_", " ") for c in choices}) if choices else ""


def _note(parameters: Parameters, path: str) -> str:
    if path != "oversight.audit":
        return ""
    own = [p.label or name for name, p in parameters.phases.items() if p.audit is not None]
    return f"Not in {', '.join(own)}, which has its own." if own else ""


@solara.component
def Versus(desk: Desk, values: Mapping[str, Any]) -> None:
    """A second run on the same seed that differs in one policy from `values` of the first."""
    draft, scenario = desk.draft.value, desk.declared()
    path = next(iter(draft.other), "")
    labels = {"": "none: one run only", **{p: control(scenario, p).label for p in LIVE}}

    def choose(chosen: str) -> None:
        shown = control(scenario, chosen, values[chosen]) if chosen else None
        if shown is None:
            desk.set_other({})
        elif shown.choices:
            desk.set_other({chosen: next(c for c in shown.choices if c != shown.value)})
        else:
            far = shown.high if shown.value - shown.low < shown.high - shown.value else shown.low
            desk.set_other({chosen: float(far)})

    with box("section", "card"):
        box("h2", "", "Compare: run B")
        box("p", "help", "Two runs on one seed, side by side; B differs in one policy.")
        Input(
            path="other",
            label="policy in which B differs",
            value=path,
            choices=options(labels),
            event_changed=choose,
        )
        if path:
            Declared(
                control(scenario, path, draft.other[path]),
                lambda value: desk.set_other({path: value}),
                name="other-value",
                run="B: ",
            )


@solara.component
def Save(desk: Desk, begun: bool) -> None:
    """Downloads of the run's tables and of its scenario."""
    session = desk.session
    name = f"{Path(session.setup.scenario).stem}-seed{session.setup.seed}"
    tables = solara.use_memo(lambda: lambda: archive(session), [session])
    scenario = solara.use_memo(lambda: lambda: scenario_file(session), [session])
    with box("section", "card"):
        box("h2", "", "Save")
        if not begun:
            box("p", "help", "Once a round has been played.")
            return
        with solara.FileDownload(tables, f"{name}.zip", mime_type="application/zip"):
            solara.Button("Tables (zip)")
        with solara.FileDownload(scenario, f"{name}.toml", mime_type="application/toml"):
            solara.Button("Scenario (TOML)")
