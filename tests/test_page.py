"""The page without a browser: its sessions, pictures, controls, stories and downloads."""

from __future__ import annotations

import io
import re
import time
import tomllib
import weakref
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from threading import Condition
from typing import Any

import numpy as np
import pandas as pd
import pytest

from multicopy.agents.traits import NAMES
from multicopy.analysis.app import charts, download, picture, session, svg, tables
from multicopy.analysis.app.frame import (
    DRAWN,
    EVENTS,
    LAST_ROUNDS,
    NOTES,
    POINTS,
    Frame,
    Live,
    PageModel,
)
from multicopy.analysis.app.measures import MEASURES
from multicopy.analysis.app.session import Session
from multicopy.analysis.app.settings import (
    FINEST,
    LIVE,
    MAKE_UP,
    Control,
    Setup,
    control,
    declared,
    sizes,
    typed,
)
from multicopy.analysis.app.stories import STORIES
from multicopy.analysis.commands import cli
from multicopy.model import measures
from multicopy.model.collective import CollectiveModel
from multicopy.model.events import Event
from multicopy.model.scenario import resolve, scale_rounds, shipped, to_toml

SMALL = {"copies": 64, "teams": 8, "divisions": 3}


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A scenario file of 64 copies in which each phase has four rounds."""
    file = tmp_path_factory.mktemp("scenario") / "short.toml"
    short = resolve(resolve(), {f"phases.{name}.rounds": 4 for name in resolve().phases} | SMALL)
    file.write_text(to_toml(short), encoding="utf-8")
    return str(file)


class Tab:
    """A session with somebody who watches it."""

    def __init__(self, setup: Setup) -> None:
        self.frames: list[Frame] = []
        self.failures: list[str] = []
        self._told = Condition()
        self.session = Session(setup, self._see, self._hear)
        self.session.drawn()

    def _see(self, frame: Frame) -> None:
        with self._told:
            self.frames.append(frame)
            self._told.notify_all()

    def _hear(self, failure: str) -> None:
        with self._told:
            self.failures.append(failure)
            self._told.notify_all()

    def until(self, true: Callable[[], Any]) -> None:
        """Wait for something, and tell each frame that it was drawn."""
        with self._told:
            for _ in range(600):
                if true():
                    return
                self.session.drawn()
                self._told.wait(0.05)
        raise AssertionError(f"never came: {self.frames[-1:]} {self.failures}")

    def shows(self, round_: int) -> None:
        """Wait until a round is shown and nothing goes on."""
        self.until(lambda: self.frames and self.frame.arms[0].round == round_)
        self.until(lambda: not self.frame.playing)

    @property
    def frame(self) -> Frame:
        return self.frames[-1]


@pytest.fixture
def open_tab(scenario: str) -> Iterator[Callable[..., Tab]]:
    """Open tabs on the short scenario, and close them after the test."""
    tabs: list[Tab] = []

    def opened(**given: Any) -> Tab:
        tabs.append(Tab(Setup(scenario, **given)))
        tabs[-1].shows(0)
        return tabs[-1]

    yield opened
    for tab in tabs:
        tab.session.close()


# --- sessions -----------------------------------------------------------------------------------


def test_steps_phases_and_play_go_as_far_as_they_say(open_tab: Callable[..., Tab]) -> None:
    """Fails if there is a round too many, a phase missed, or a run beyond its end."""
    tab = open_tab()
    tab.session.step()
    tab.shows(1)
    tab.session.next_phase()
    tab.shows(4)
    tab.session.next_phase()
    tab.shows(8)
    tab.session.play()
    tab.shows(24)
    assert not tab.frame.running
    assert tab.frame.arms[0].outcome
    tab.session.step()
    assert tab.session.ask(lambda: tab.session.lives[0].model.round) == 24


def test_the_page_plays_the_same_run_as_the_model(open_tab: Callable[..., Tab]) -> None:
    """Fails if the page draws random numbers of the run, or changes it by looking."""
    tab = open_tab(seed=5)
    tab.session.look("lineage", 3)
    tab.session.play()
    tab.shows(24)
    model = CollectiveModel(tab.session.setup.scenario, rng=5)
    model.run()
    shown = tab.session.ask(lambda: tab.session.lives[0].model.records.rounds())
    pd.testing.assert_frame_equal(shown, model.records.rounds())


def test_pause_holds_a_run(open_tab: Callable[..., Tab]) -> None:
    """Fails if a run goes on behind a paused page."""
    tab = open_tab()
    tab.session.set_rate(20)
    tab.session.play()
    tab.until(lambda: tab.frame.arms[0].round >= 2)
    tab.session.pause()
    tab.until(lambda: not tab.frame.playing)
    held = tab.session.ask(lambda: tab.session.lives[0].model.round)
    assert held < 24
    assert tab.session.ask(lambda: tab.session.lives[0].model.round) == held


def test_policy_changes_from_the_next_round_and_is_marked(open_tab: Callable[..., Tab]) -> None:
    """Fails if a change comes at once, late, never or unmarked."""
    tab = open_tab()
    tab.session.next_phase()
    tab.session.next_phase()
    tab.shows(4)
    tab.session.next_phase()
    tab.shows(8)
    tab.session.change("oversight.audit", 0.9)
    tab.until(lambda: tab.frame.arms[0].axis.marks)
    tab.session.next_phase()
    tab.shows(12)
    audits = tab.session.ask(
        lambda: [row["audit"] for row in tab.session.lives[0].model.records.rows]
    )
    assert audits[4:8] == [1.0] * 4  # alignment training has its own
    assert audits[8:12] == [0.9] * 4
    assert [round_ for round_, _ in tab.frame.arms[0].axis.marks] == [9]
    assert "to 0.9" in tables.log(tab.frame.arms[0])
    told = tomllib.loads(download.scenario_file(tab.session).decode())
    assert told["oversight"]["audit"] == 0.5
    assert told["changes"] == [{"round": 9, "path": "oversight.audit", "value": 0.9}]


def test_policy_before_the_first_round_is_part_of_the_scenario(
    open_tab: Callable[..., Tab],
) -> None:
    """Fails if round 0 gets a mark, or the scenario file forgets the slider."""
    tab = open_tab()
    tab.session.change("oversight.audit", 0.25)
    tab.until(lambda: tab.session.setup.overrides)
    assert b"audit = 0.25" in download.scenario_file(tab.session)


def test_the_policy_shown_is_that_of_the_next_round(
    open_tab: Callable[..., Tab], tmp_path: Path
) -> None:
    """Fails if the page states another policy than the run has, whoever changed it."""
    changes = [{"round": 3, "path": "oversight.penalty", "value": 7.0}]
    file = tmp_path / "changing.toml"
    setup = open_tab().session.setup
    file.write_text(to_toml(resolve(setup.scenario, {"changes": changes})), encoding="utf-8")
    tab = open_tab()
    tab.session.restart(Setup(str(file)))
    tab.until(lambda: tab.session.setup.scenario == str(file))

    def shown(path: str) -> Any:
        return tab.frame.arms[0].policy[path]

    seen = []
    for round_ in range(1, 4):
        tab.session.step()
        tab.shows(round_)
        seen.append(shown("oversight.penalty"))
    assert seen == [4.0, 7.0, 7.0]
    for value in (0.9, 0.2):
        tab.session.change("oversight.audit", value)
        tab.until(lambda value=value: shown("oversight.audit") == value)
    tab.session.change("oversight.audit", 0.2)
    tab.session.ask(lambda: None)
    assert [round_ for round_, _ in tab.frame.arms[0].axis.marks] == [4, 4]
    tab.session.play()
    tab.shows(24)
    tab.session.change("lab.response", "retrain")
    tab.until(lambda: shown("lab.response") == "retrain")


def test_two_runs_share_a_seed_and_differ_in_a_policy(open_tab: Callable[..., Tab]) -> None:
    """Fails if the arms are the same, on other seeds, or not in step."""
    tab = open_tab(seed=2, other={"oversight.audit": 0.0})
    tab.session.change("oversight.penalty", 9.0)
    tab.session.play()
    tab.shows(24)
    a, b = tab.session.ask(lambda: [live.model for live in tab.session.lives])
    assert (a.seed, a.round) == (b.seed, b.round) == (2, 24)
    assert (a.parameters.oversight.audit, b.parameters.oversight.audit) == (0.5, 0.0)
    assert a.parameters.oversight.penalty == b.parameters.oversight.penalty == 9.0
    first, second = (m.records.rounds()["audit"].to_numpy() for m in (a, b))
    assert np.array_equal(first[4:8], second[4:8])
    assert not np.array_equal(first, second)
    assert "B − A" in charts.difference(tab.frame.arms, "true_alignment")


def test_a_policy_that_b_differs_in_changes_in_a_alone(open_tab: Callable[..., Tab]) -> None:
    """Fails if a slider ends the comparison unnoticed."""
    tab = open_tab(other={"oversight.audit": 0.0})
    tab.session.step()
    tab.shows(1)
    tab.session.change("oversight.audit", 1.0)
    tab.until(lambda: tab.frame.arms[0].axis.marks)
    tab.session.step()
    tab.shows(2)
    a, b = tab.session.ask(lambda: [live.model.parameters for live in tab.session.lives])
    assert (a.oversight.audit, b.oversight.audit) == (1.0, 0.0)
    assert not tab.frame.arms[1].axis.marks


def test_a_failing_run_tells_and_reset_begins_anew(
    open_tab: Callable[..., Tab], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Fails if a thread dies silently, or the page stays broken."""
    tab = open_tab()
    step = CollectiveModel.step

    def broken(model: CollectiveModel) -> None:
        step(model)
        if model.round == 3:
            raise ZeroDivisionError("three is too much")

    with monkeypatch.context() as patched:
        patched.setattr(CollectiveModel, "step", broken)
        tab.session.play()
        tab.until(lambda: any("ZeroDivisionError: three" in f for f in tab.failures))
        tab.until(lambda: not tab.frame.playing)
    assert "Traceback" in capsys.readouterr().err
    assert tab.session.ask(lambda: tab.session.lives[0].model.round) == 3
    tab.session.restart(tab.session.setup)
    tab.shows(0)
    assert tab.failures[-1] == ""
    tab.session.play()
    tab.shows(24)


def test_a_make_up_that_cannot_be_is_told_and_the_run_stays(open_tab: Callable[..., Tab]) -> None:
    """Fails if a traceback shows, or the page loses its run."""
    tab = open_tab()
    tab.session.step()
    tab.shows(1)
    tab.session.restart(replace(tab.session.setup, overrides={"copies": 63}))
    tab.until(lambda: any("63" in f for f in tab.failures))
    tab.session.step()
    tab.shows(2)


def test_sessions_do_not_share_state(open_tab: Callable[..., Tab]) -> None:
    """Fails if a policy, round or choice of one tab shows in another."""
    tabs = [open_tab(seed=seed) for seed in range(4)]
    for steps, tab in enumerate(tabs):
        tab.session.change("oversight.penalty", float(steps))
        tab.session.look("gaming" if steps % 2 else "drift", steps % 8)
        if steps:
            tab.session.next_phase()
    for steps, tab in enumerate(tabs):
        tab.shows(4 if steps else 0)
        tab.until(lambda tab=tab, steps=steps: tab.frame.arms[0].team.index == steps % 8)
        tab.until(lambda tab=tab, m="gaming" if steps % 2 else "drift": tab.frame.measure == m)
        model = tab.session.ask(lambda tab=tab: tab.session.lives[0].model)
        assert (model.seed, model.parameters.oversight.penalty) == (steps, float(steps))


def test_a_closed_session_stops_its_run(open_tab: Callable[..., Tab]) -> None:
    """Fails if a thread plays on, or a model is kept, for nobody."""
    tab = open_tab()
    tab.session.set_rate(1)
    tab.session.play()
    model = weakref.ref(tab.session.ask(lambda: tab.session.lives[0].model))
    tab.session.close()
    tab.until(lambda: tab.session.ended)
    assert model() is None


def test_a_browser_that_does_not_draw_is_not_flooded(open_tab: Callable[..., Tab]) -> None:
    """Fails if frames go to a browser that still draws the last one."""
    tab = open_tab()
    shown = len(tab.frames)
    for _ in range(20):
        tab.session.step()
        tab.session.ask(lambda: None)
    assert len(tab.frames) - shown <= 3


def test_a_browser_that_draws_slowly_is_sent_fewer_frames(open_tab: Callable[..., Tab]) -> None:
    """Fails if a browser has no time left to hear clicks."""
    tab = open_tab()
    for seconds, pause in ((0.0, 0.125), (0.2, 0.4), (9.0, session.PATIENCE)):
        tab.session._drawn, tab.session._sent = False, time.monotonic() - seconds
        tab.session.drawn()
        left = tab.session._next_frame - tab.session._last_frame
        assert left == pytest.approx(pause, rel=0.2)


def test_a_wish_while_a_frame_is_made_does_not_wait_for_the_next_ones_time(
    open_tab: Callable[..., Tab], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if a click is answered late since it came at the wrong moment."""
    tab = open_tab()
    monkeypatch.setattr(session, "FRAMES", 1e-6)
    monkeypatch.setattr(session, "PATIENCE", 1e6)

    def click(frame: Frame) -> None:
        tab._see(frame)
        if len(wishes) < 3:
            wishes.append(len(wishes) + 1)
            tab.session.look(team=wishes[-1])

    wishes: list[int] = []
    tab.session._publish = click
    tab.session.look(team=0)
    tab.until(lambda: tab.frame.arms[0].team.index == 3)


def test_only_what_the_page_offers_can_be_chosen(scenario: str) -> None:
    """Fails if a browser makes the server read any file, or run out of memory."""
    pytest.importorskip("solara", reason="the page needs the extra `serve`")
    from multicopy.analysis.app.state import Desk

    desk = Desk(scenario)
    wrong: list[tuple[Callable[[Any], None], Any]] = [
        (desk.set_scenario, "/etc/passwd"),
        (desk.set_scenario, "../../pyproject.toml"),
        (desk.set_copies, "1000000000"),
        (desk.set_copies, "many"),
        (desk.set_measure, "__class__"),
        (desk.set_compared, "round"),
        (desk.set_rate, "1e9"),
        (partial(desk.set_policy, "oversight.audit"), 1.5),
        (partial(desk.set_policy, "oversight.audit"), "much"),
        (partial(desk.set_policy, "oversight.nothing"), 1),
    ]
    before = desk.draft.peek()
    for choose, value in wrong:
        with pytest.raises(ValueError, match=r"among the choices|invalid literal|audit|nothing"):
            choose(value)
    assert desk.draft.peek() == before
    assert not desk.failure.peek()
    desk.set_scenario("slowdown")
    desk.set_scenario(scenario)
    desk.session.close()


# --- what is shown ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def live(scenario: str) -> Live:
    """A run at the end of its last phase but one."""
    live = Live("", PageModel(scenario, 0))
    for _ in range(20):
        live.step()
    return live


def test_takeovers_are_those_that_happened() -> None:
    """Fails if a team that kept its members counts as taken over, or the reverse."""
    model = PageModel(scale_rounds(resolve(overrides={"copies": 256}), 0.05), 3)
    taken = 0
    while model.running:
        before = model.population.latent.copy()
        model.step()
        after = model.population.latent.reshape(8, 32, -1)
        same = (before.reshape(after.shape) == after).all(axis=2).mean(axis=1)
        # Training renews a tenth of a team; a team of which more is new was refilled.
        if model.round > 2:
            assert set(np.flatnonzero(same < 0.3)) <= set(model.refilled)
        for loser, winner in model.refilled.items():
            if winner not in model.refilled:
                assert (after[loser] == after[winner]).all(axis=1).mean() > 0.8
        taken += len(model.refilled)
    assert taken > 5


@pytest.mark.parametrize("measure", MEASURES)
def test_every_team_and_copy_is_drawn_in_its_color(live: Live, measure: str) -> None:
    """Fails if a team is missing, in another's color, or cannot be clicked."""
    arm = live.arm(measure, 5)
    shown = picture.tiles(arm, MEASURES[measure])
    drawn = re.findall(r'<rect data-team="(\d+)"[^>]*fill="(#\w+)"', shown)
    assert drawn == [(str(team), color) for team, color in enumerate(arm.colors)]
    assert picture.dots(arm.team, MEASURES[measure]).count("<circle") == 8
    assert arm.team.members == list(range(40, 48))
    if MEASURES[measure].end:
        mean = np.mean(np.asarray(arm.team.values))
        assert arm.values[5] == pytest.approx(mean)


def test_colors_tell_values_apart() -> None:
    """Fails if a color scale ends before its values or runs backwards."""
    low, middle, high, beyond = MEASURES["violations"].colors([0.0, 0.5, 1.0, 7.0])
    assert low != middle != high == beyond


def test_a_chosen_team_beyond_the_last_is_the_last(live: Live) -> None:
    """Fails if a reset to fewer teams gives a traceback."""
    assert live.arm("gaming", 10**6).team.index == 7


def test_the_ledger_adds_up_the_last_rounds(live: Live) -> None:
    """Fails if it adds entries of other rounds, or leaves processes out."""
    shown = live.arm("gaming", 0).ledger
    frame = live.model.ledger.frame()
    last = frame[frame["round"] > 20 - LAST_ROUNDS]
    told = last.groupby(["process", "trait"], observed=True)["change"].sum()
    for process, moved in shown.items():
        for trait, value in zip(NAMES, moved, strict=True):
            assert value == pytest.approx(told.get((process, trait), 0.0), abs=1e-12)
    assert set(shown) == set(last["process"])
    assert tables.ledger(shown).count("<tr>") == len(tables.TRAITS) + 1


def test_views_show_a_run_before_and_after_rounds(scenario: str, live: Live) -> None:
    """Fails if a view crashes on a fresh run, or with two of them."""
    fresh = Live("B", PageModel(scenario, 0)).arm("capture", 0)
    old = live.arm("capture", 0)
    for arms in ((fresh,), (old,), (old, fresh)):
        for _, _, series, _ in charts.CARDS:
            assert set(series) <= set(DRAWN)
            shown = charts.over_time(arms, series, "x", 1.0)
            extra = len(arms) - 1  # names the dashes
            assert shown.count("<polyline") == len(series) * len(arms) + extra
        for series in (charts.SHOWN, charts.TRUE):
            assert set(series) <= set(old.history)
        assert charts.cards(arms).count("<section") == len(charts.CARDS)
        assert f"{measures.label('gap')}, Elo" in charts.cards(arms)
        assert charts.shown_against_true(arms).count("<svg") == 2
        assert tables.personas(arms).count("hhh") == 1
    for measure in charts.COMPARED:
        assert "nan" not in charts.difference((old, old), measure)
    assert "Nothing has happened yet" in tables.log(fresh)
    assert "refilled from team" in tables.log(old) or "held its place" in tables.log(old)
    assert "Panel:" in tables.team(old.team, old.means)


def test_the_timeline_is_filled_as_far_as_the_run_has_come(live: Live) -> None:
    """Fails if phases are out of order, or a run seems further than it is."""
    shown = tables.timeline(replace(live.arm("gaming", 0), round=6))
    assert re.findall(r"--played:([\d.]+)%", shown) == ["100.0", "50.0", *["0.0"] * 4]
    assert re.findall(r'aria-current="step"><span>([^<]+)', shown) == ["Alignment training"]


@pytest.mark.parametrize(
    ("ends", "ticks"),
    [
        ((-0.01, 0.17), [-0.05, 0, 0.05, 0.1, 0.15, 0.2]),
        ((0.2, 0.4), [0, 0.1, 0.2, 0.3, 0.4]),
        ((0, 870), [0, 500, 1000]),
        ((0, 0), 2),
    ],
)
def test_ticks_hold_all_values_and_zero(ends: tuple[float, float], ticks: Any) -> None:
    """Fails if the zero of a chart cannot be seen, or its lines are cut."""
    found = svg._ticks(*ends)
    assert len(found) == ticks if isinstance(ticks, int) else found == pytest.approx(ticks)


def test_charts_place_values_on_their_scale() -> None:
    """Fails if lines are upside down, outside of the axes or at wrong rounds."""
    axis = svg.TimeAxis(100, [("a", 40), ("b", 100)], [(40, "x < y")])
    shown = svg.chart(axis, [svg.Line("l", [1, 50, 100], [0.0, 1.0, 3.0], "#000")], "c", high=1.0)
    points = re.search(r'<polyline points="([^"]*)"', shown)
    assert points
    (x0, y0), (x1, y1), (x2, y2) = (map(float, p.split(",")) for p in points[1].split())
    assert x0 < x1 < x2 == svg.WIDTH - svg.RIGHT
    assert y0 == svg.HEIGHT - svg.BOTTOM
    assert y1 == y2 < y0
    assert 'class="mark"' in shown
    assert "x &lt; y" in shown


@pytest.mark.parametrize(
    ("value", "end"), [(0.03, 0.05), (1.0, 1.0), (1.2, 2.0), (870, 1000), (0, 1)]
)
def test_scales_end_at_round_numbers(value: float, end: float) -> None:
    """Fails if an axis ends below its value, or at a number that is not round."""
    assert svg.nice_end(value) == pytest.approx(end)


def test_what_a_run_is_remembered_by_is_bounded_and_ends_with_the_last_round() -> None:
    """Fails if the page keeps or sends more with every round."""
    rounds = {f"phases.{name}.rounds": 60 for name in resolve().phases}
    live = Live("", PageModel(resolve(overrides=SMALL | rounds), 0))
    for _ in range(341):
        live.step()
    live.notes.extend(live.events[0] for _ in range(1000))
    live.marks.extend((1, "a policy") for _ in range(1000))
    arm = live.arm("gaming", 0)
    assert arm.rounds == [*range(3, 340, 3), 341]
    assert len(arm.path) == len(arm.rounds) <= POINTS + 1
    assert {len(values) for values in arm.history.values()} == {len(arm.rounds)}
    table = live.model.records.rounds().set_index("round")
    for name in DRAWN:
        assert arm.history[name] == table.loc[arm.rounds, name].tolist()
    assert len(arm.turning_points) == len(arm.axis.marks) == NOTES
    assert len(arm.events) == EVENTS
    assert len(live.moved) == LAST_ROUNDS
    assert live.events[-1] == next(e for e in reversed(live.model.records.events) if e.team >= 0)


def test_a_run_that_ended_earlier_is_compared_where_both_have_rounds(scenario: str) -> None:
    """Fails if values of different rounds are subtracted."""
    ended, other = (Live(name, PageModel(scenario, 0)) for name in "AB")
    for live, rounds in ((ended, 7), (other, 20)):
        for _ in range(rounds):
            live.step()
    shown = charts.difference([live.arm("gaming", 0) for live in (ended, other)], "capture")
    points = re.search(r'<polyline points="([^"]*)"', shown)
    assert points
    heights = {point.split(",")[1] for point in points[1].split()}
    assert len(points[1].split()) == 7
    assert len(heights) == 1  # two runs on one seed


def test_names_of_a_scenario_are_escaped_wherever_they_are_drawn() -> None:
    """Fails if the text of a scenario is taken for markup."""
    phases = resolve().phases
    names = {f"phases.{name}.label": f'<img src=x> "{i}' for i, name in enumerate(phases)}
    live = Live('"<img>', PageModel(resolve(overrides={"copies": 64, **names}), 0))
    for _ in range(30):
        live.step()
    live.notes.append(Event(30, "<img>", "policy", -1, 0.0, "the lab sets <img>"))
    live.marks.append((30, "<img>"))
    arms = [live.arm("lineage", 0)] * 2
    drawn = (
        charts.cards(arms) + charts.shown_against_true(arms) + charts.difference(arms, "capture")
    )
    drawn += tables.timeline(arms[0]) + tables.log(arms[0]) + tables.personas(arms)
    drawn += picture.tiles(arms[0], MEASURES["lineage"]) + tables.ledger(arms[0].ledger)
    assert "&lt;img" in drawn
    assert "<img" not in drawn
    assert not re.search(r'="[^"]*"[^\s/>]', drawn)  # a quotation mark that ends an attribute


# --- controls, stories --------------------------------------------------------------------------


@pytest.mark.parametrize("name", shipped())
def test_controls_are_those_of_the_schema(name: str) -> None:
    """Fails if a slider shows another value, or goes where the schema would refuse."""
    parameters = resolve(name)
    for path in {**LIVE, **MAKE_UP}:
        shown, info = control(parameters, path), declared(parameters)[path]
        assert (shown.value, shown.unit, shown.label) == (info.default, info.unit, info.meaning)
        ends = shown.choices or (shown.low, shown.value, shown.high)
        for value in ends:
            resolve(parameters, {path: typed(path, value)})
        if not shown.choices:
            assert shown.low <= shown.value <= shown.high


def reached(shown: Control, value: float) -> bool:
    """Whether a slider can stand at a value, as a browser counts its steps."""
    low, step, high = (Fraction(repr(float(x))) for x in (shown.low, shown.step, shown.high))
    steps = (Fraction(repr(float(value))) - low) / step
    return steps.denominator == 1 and low <= low + steps * step <= high


@pytest.mark.parametrize("name", shipped())
@pytest.mark.parametrize("path", [p for p, step in {**LIVE, **MAKE_UP}.items() if step])
def test_every_slider_can_be_put_back_to_the_scenarios_value(name: str, path: str) -> None:
    """Fails if steps leave out the declared value, an end, or where the slider stands now."""
    scenario = resolve(name)
    own = declared(scenario)[path].default
    coarse = control(scenario, path)
    for value in (own, coarse.low, coarse.high, round(coarse.low + 3 * coarse.step, 9)):
        shown = control(scenario, path, value)
        assert all(reached(shown, x) for x in (own, value, shown.low, shown.high))
        assert shown.high == coarse.high
        assert shown.high - shown.low <= shown.step * FINEST


@pytest.mark.parametrize(("value", "step"), [(0.123, 0.001), (0.2, 0.01), (1 / 3, 0)])
def test_a_value_of_many_digits_makes_steps_finer_or_none(value: float, step: float) -> None:
    """Fails if a scenario's value that no step meets makes millions of steps, or is left out."""
    shown = control(resolve(overrides={"oversight.audit": value}), "oversight.audit")
    assert (shown.value, shown.step) == (value, step)


def test_only_sizes_that_fit_the_scenario_are_offered() -> None:
    """Fails if a choice fails at a reset."""
    assert sizes(resolve(overrides={"copies": 480, "teams": 48})) == [480]
    assert sizes(resolve()) == [256, 1024, 4096, 16_384, 100_000]


@pytest.mark.parametrize("name", STORIES)
def test_stories_can_be_told(name: str) -> None:
    """Fails if a story is about a phase, measure or policy that does not exist."""
    story = STORIES[name]
    parameters = story.setup.parameters()
    resolve(parameters, story.setup.other)
    assert not story.setup.begin or story.setup.begin in parameters.phases
    assert story.measure in MEASURES
    assert 2 <= len(story.text) <= 4


def test_a_story_begins_at_its_phase(open_tab: Callable[..., Tab]) -> None:
    """Fails if a story leaves its readers to wait for 270 rounds."""
    tab = open_tab()
    tab.session.restart(replace(tab.session.setup, begin="deployment_agent3"))
    tab.shows(12)


# --- downloads ----------------------------------------------------------------------------------


def test_the_scenario_repeats_the_run_exactly(open_tab: Callable[..., Tab], tmp_path: Path) -> None:
    """Fails if tables of `run.py run` differ from those of the page in any value."""
    tab = open_tab(seed=4, overrides={"oversight.audit": 0.3})
    tab.session.next_phase()
    tab.shows(4)
    tab.session.change("oversight.penalty", 9)
    tab.session.change("lab.response", "retrain")
    tab.session.play()
    tab.shows(24)
    file = tmp_path / "mine.toml"
    file.write_bytes(download.scenario_file(tab.session))
    out = tmp_path / "out"
    options = ["--seed", "4", "--out", str(out), "--quiet", "--no-figures"]
    assert cli.main(["run", str(file), *options]) == 0
    with zipfile.ZipFile(io.BytesIO(download.archive(tab.session))) as packed:
        for name in ("rounds", "ledger", "events", "copies", "archetypes"):
            mine = pd.read_parquet(io.BytesIO(packed.read(f"run/{name}.parquet")))
            pd.testing.assert_frame_equal(mine, pd.read_parquet(out / f"{name}.parquet"))
        assert len(tomllib.loads(packed.read("run/scenario.toml").decode())["changes"]) == 2
        assert len(pd.read_csv(io.BytesIO(packed.read("run/rounds.csv")))) == 24


def test_both_runs_are_downloaded(open_tab: Callable[..., Tab]) -> None:
    """Fails if only one run of a comparison can be taken away."""
    tab = open_tab(other={"oversight.audit": 0.0})
    tab.session.step()
    tab.shows(1)
    with zipfile.ZipFile(io.BytesIO(download.archive(tab.session))) as packed:
        names = {name.split("/")[0] for name in packed.namelist()}
        other = tomllib.loads(packed.read("B/scenario.toml").decode())
    assert names == {"A", "B"}
    assert other["oversight"]["audit"] == 0.0
