"""The views of the page; each shows the latest frame."""

from __future__ import annotations

from typing import Any, Final

import solara

from multicopy.analysis.app import charts, picture, tables
from multicopy.analysis.app.charts import COMPARED
from multicopy.analysis.app.controls import box, options
from multicopy.analysis.app.frame import LAST_ROUNDS, Arm, Frame
from multicopy.analysis.app.measures import MEASURES
from multicopy.analysis.app.state import Desk
from multicopy.analysis.app.stories import STORIES
from multicopy.analysis.app.widgets import Drawing, Input

ARROWS: Final = "Teams: the arrow keys choose another one"
SHOWN: Final = "All that the lab has to go by, beside what only this page knows."
LEDGER: Final = (
    "How much each process changed the mean of each trait, in thousandths: orange where it rose, "
    "blue where it fell. The entries of a row sum to the whole change."
)


@solara.component
def Status(frame: Frame | None) -> None:
    """Where the run is, and how it ended."""
    if frame is None:
        box("p", "status", "Making the copies …")
        return
    first = frame.arms[0]
    where = f"Round {first.round} of {first.axis.total} · {first.date} · {first.phase}"
    box("p", "status", where)
    Drawing(html=tables.timeline(first))
    for arm in frame.arms:
        if arm.outcome:
            box("p", "outcome", f"{arm.name} {arm.outcome}".strip())


@solara.component
def Failure(desk: Desk) -> None:
    """What went wrong."""
    if desk.failure.value:
        box("p", "failure", desk.failure.value, role="alert")


@solara.component
def Told(desk: Desk) -> None:
    """The text of the story that was begun."""
    if not desk.story.value:
        return
    story = STORIES[desk.story.value]
    with box("section", "card told"):
        box("h2", "", story.title)
        for paragraph in story.text:
            box("p", "", paragraph)


def card(title: str, *children: Any, class_: str = "") -> Any:
    """A view with its title."""
    return box("section", f"card {class_}".strip(), box("h2", "", title), *children)


@solara.component
def Collective(desk: Desk, frame: Frame) -> None:
    """The collective as a picture, for each run, and the chosen team."""
    measure = MEASURES[frame.measure]
    with box("section", "card broad" if len(frame.arms) == 1 else "card wide"):
        box("h2", "", "The collective")
        Input(
            path="measure",
            label="color",
            value=desk.measure.value,
            note=measure.help,
            choices=options({name: m.label for name, m in MEASURES.items()}),
            event_changed=desk.set_measure,
        )
        Drawing(html=picture.key(measure))
        with box("div", "arms"):
            for i, arm in enumerate(frame.arms):
                _picture_of(desk, frame, arm, first=i == 0)


def _picture_of(desk: Desk, frame: Frame, arm: Arm, first: bool) -> None:
    with box("div", "arm"):
        if arm.name:
            box("h3", "", f"{arm.name}: the lab sets {arm.differs}" if arm.differs else arm.name)
        Drawing(
            html=picture.tiles(arm, MEASURES[frame.measure]),
            number=frame.number,
            arrows=f"{arm.name} {ARROWS}".strip(),
            event_choose=desk.set_team,
            event_move=desk.move,
            event_drawn=lambda _: desk.session.drawn() if first else None,
        )


@solara.component
def ChosenTeam(frame: Frame) -> None:
    """Members, panel and traits of the chosen team."""
    for arm in frame.arms:
        title = f"{arm.name} Team {arm.team.index}".strip()
        card(
            title,
            Drawing(
                html=picture.dots(arm.team, MEASURES[frame.measure])
                + tables.team(arm.team, arm.means)
            ),
            class_="team",
        )


@solara.component
def Difference(desk: Desk, frame: Frame) -> None:
    """Run B minus run A over time."""
    if len(frame.arms) < 2:
        return
    with box("section", "card"):
        box("h2", "", "Difference: B minus A")
        Input(
            path="compared",
            label="measure",
            value=desk.compared.value,
            choices=options(dict(COMPARED)),
            event_changed=desk.set_compared,
        )
        Drawing(html=charts.difference(frame.arms, desk.compared.value))


@solara.component
def Charts(frame: Frame) -> None:
    """What the rounds so far say."""
    arms = frame.arms
    with box("section", "card broad"):
        box("h2", "", "Shown against true")
        box("p", "help", SHOWN)
        Drawing(html=f'<div class="arms">{charts.shown_against_true(arms)}</div>')
    # One element for all of them, since each is a message to the browser.
    Drawing(html=charts.cards(arms) + tables.personas(arms))


@solara.component
def Words(frame: Frame) -> None:
    """The ledger of the last rounds, and the log."""
    for arm in frame.arms:
        name = f"{arm.name}: " if arm.name else ""
        card(
            f"{name}What moved the means in the last {LAST_ROUNDS} rounds",
            box("p", "help", LEDGER),
            box("div", "scroll", Drawing(html=tables.ledger(arm.ledger)), tabindex="0"),
            class_="broad",
        )
        card(
            f"{name}Log",
            box("div", "scroll log", Drawing(html=tables.log(arm)), tabindex="0"),
            class_="wide",
        )
