"""The page in a real browser: headless Chromium against the running server.

Skipped, with the reason, where the server or a browser is missing; `make test-page` installs what
Python can. Screenshots are left in results/page/.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import signal
import time
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from page_support import ROOT, Served, free_port, serving, wait_for, write_short

from multicopy.analysis.app.settings import LIVE, MAKE_UP
from multicopy.model.collective import CollectiveModel
from multicopy.model.scenario import resolve, to_toml

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
if CHROMIUM is None:
    pytest.skip("no Chromium is installed on this machine", allow_module_level=True)
sync_api = pytest.importorskip("playwright.sync_api", reason="needs the extra `browser`")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs `browser`")
pytest.importorskip("solara", reason="the page needs the extra `serve`")
pytestmark = pytest.mark.slow

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
SHOTS = ROOT / "results" / "page"
PATIENCE = 90
"""Seconds after which something that should come is given up, on however busy a machine."""
KNOWN = ("Failed to evaluate Vue script",)
"""What Solara's own elements warn of."""

CONTROLS = {*LIVE, *MAKE_UP, "speed", "scenario", "copies", "seed", "other", "measure", "compared"}
"""What the page must have a control for, at least."""


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_short(tmp_path_factory.mktemp("scenario"))


@pytest.fixture(scope="module")
def watched(scenario: Path) -> Iterator[Served]:
    with serving(scenario, scenario.parent) as served:
        yield served


@pytest.fixture(scope="module")
def server(watched: Served) -> str:
    return watched.url


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Tab:
    """A tab on the page, that remembers what it complained of."""

    def __init__(self, browser: Any, url: str, width: int = 1440) -> None:
        phone = width < 600
        self.context = browser.new_context(
            viewport={"width": width, "height": 900},
            accept_downloads=True,
            has_touch=phone,
            is_mobile=phone,
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(1000 * PATIENCE)
        self.faults: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("requestfailed", lambda request: self.faults.append(f"failed: {request.url}"))
        origin = url.split("/?")[0]
        self.page.on("request", lambda request: self._watch(request.url, origin))
        self.page.goto(url)
        self.page.wait_for_selector("rect[data-team]")

    def _hear(self, message: Any) -> None:
        known = any(text in message.text for text in KNOWN)
        if message.type in ("error", "warning") and not known:
            self.faults.append(f"{message.type}: {message.text}")

    def _watch(self, asked: str, origin: str) -> None:
        if not asked.startswith((origin, "data:", "blob:")):
            self.faults.append(f"request leaves the machine: {asked}")

    @property
    def round(self) -> int:
        found = re.search(r"Round (\d+) of", self.page.locator(".status").inner_text())
        assert found
        return int(found[1])

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def wait(self, true: Callable[[], Any]) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if true():
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"never came; round {self.round}, faults {self.faults}")

    def stays_at(self, round_: int) -> None:
        self.wait(lambda: self.round == round_)
        self.page.wait_for_timeout(300)
        assert self.round == round_

    def arrow(self, label: str, value: float) -> None:
        """Move a slider to a value with the arrow keys."""
        slider = self.page.get_by_label(label)
        slider.focus()
        for _ in range(100):
            away = value - float(slider.input_value())
            if abs(away) < 1e-9:
                return
            self.page.keyboard.press("ArrowRight" if away > 0 else "ArrowLeft")
        raise AssertionError(f"{label} cannot be put to {value}")

    @property
    def controls(self) -> list[str]:
        """The page's own list of its controls."""
        found: list[str] = self.page.eval_on_selector_all(
            ".control [id]", "all => all.map(e => e.id)"
        )
        return found

    def shot(self, name: str) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png", full_page=True)

    def close(self) -> None:
        self.page.goto("about:blank")  # as a closed tab, tells the server that it goes
        self.context.close()


@pytest.fixture
def opened(browser: Any, server: str) -> Iterator[Callable[[int], Tab]]:
    """Opens tabs of a width, which must not have complained of anything in the end."""
    tabs: list[Tab] = []

    def opened(width: int) -> Tab:
        tabs.append(Tab(browser, server, width))
        return tabs[-1]

    yield opened
    faults = [fault for tab in tabs for fault in tab.faults]
    for tab in tabs:
        tab.close()
    assert not faults


@pytest.fixture
def tab(opened: Callable[[int], Tab]) -> Tab:
    """A tab of a wide screen."""
    return opened(1440)


def test_play_pause_step_phase_and_reset(tab: Tab) -> None:
    """Fails if a button does nothing, or something else than it says."""
    assert tab.round == 0
    tab.press("Step")
    tab.stays_at(1)
    tab.press("Run to next phase")
    tab.stays_at(20)
    tab.press("Play")
    tab.wait(lambda: tab.round > 24)
    tab.press("Pause")
    tab.page.get_by_role("button", name="Play", exact=True).wait_for()
    tab.stays_at(tab.round)
    tab.page.get_by_label("Speed").select_option("0")
    tab.press("Play")
    tab.wait(lambda: tab.round == 120)
    assert re.search(r"^[A-Z]+: ", tab.page.locator(".outcome").inner_text())
    tab.press("Reset")
    tab.stays_at(0)
    assert tab.page.locator(".outcome").count() == 0


class Hand:
    """Moves controls as people do: through the browser's own input, never by events of a script."""

    def __init__(self, tab: Tab, way: str) -> None:
        self.page, self.way = tab.page, way
        self.touch = tab.context.new_cdp_session(tab.page)

    def move(self, control: Any) -> None:
        """Move any control to another value."""
        control.scroll_into_view_if_needed()
        kind = control.evaluate("e => e.type")
        if self.way == "keyboard":
            control.focus()
        if kind == "range":
            self._slide(control)
        elif kind == "number":
            self._count(control)
        else:
            self._choose(control)

    def _slide(self, slider: Any) -> None:
        low, high, now = slider.evaluate("e => [+e.min, +e.max, +e.value]")
        share = (now - low) / (high - low)
        if self.way == "keyboard":
            self.page.keyboard.press("ArrowRight" if share < 1 else "ArrowLeft")
            return
        box, aim = slider.bounding_box(), 0.25 if share > 0.5 else 0.75
        ends = [box["x"] + 8 + (box["width"] - 16) * x for x in (share, aim)]
        self._drag(ends[0], ends[1], box["y"] + box["height"] / 2)

    def _drag(self, x: float, to: float, y: float) -> None:
        """Press, move on the way of a hand, wait a moment, let go."""
        places = [x + (to - x) * part / 6 for part in range(7)]
        if self.way == "mouse":
            self.page.mouse.move(x, y)
            self.page.mouse.down()
            for place in places:
                self.page.mouse.move(place, y)
                self.page.wait_for_timeout(10)
            self.page.mouse.up()
            return
        self._fingers([[{"x": place, "y": y}] for place in places])

    def pinch(self, x: float, y: float) -> None:
        """Spread two fingers."""
        ways = range(20, 140, 10)
        self._fingers([[{"x": x + s * w, "y": y, "id": int(s > 0)} for s in (-1, 1)] for w in ways])

    def _fingers(self, places: list[list[dict[str, float]]]) -> None:
        """Put fingers on the screen, move them from place to place, and take them off."""
        kinds = ["touchStart", *["touchMove"] * (len(places) - 1), "touchEnd"]
        for kind, points in zip(kinds, [*places, []], strict=True):
            self.touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
            self.page.wait_for_timeout(10)

    def _press(self, control: Any, across: float = 0.5, down: float = 0.5) -> None:
        box = control.bounding_box()
        place = box["x"] + box["width"] * across, box["y"] + box["height"] * down
        (self.page.mouse.click if self.way == "mouse" else self.page.touchscreen.tap)(*place)

    def _count(self, field: Any) -> None:
        if self.way == "mouse":
            field.hover()
            self._press(field, 1 - 10 / field.bounding_box()["width"], 0.3)  # the upper button
        elif self.way == "touch":
            self._press(field)
            self.page.keyboard.press("Control+A")
            self.page.keyboard.type("1")
            self.page.keyboard.press("Enter")
        else:
            self.page.keyboard.press("ArrowUp")

    def _choose(self, select: Any) -> None:
        """Open it, where it is not the keyboard's, and go to another line of it."""
        last = select.evaluate("e => e.selectedIndex === e.options.length - 1")
        if self.way != "keyboard":
            self._press(select)
            self.page.wait_for_timeout(100)
        self.page.keyboard.press("ArrowUp" if last else "ArrowDown")
        if self.way != "keyboard":
            self.page.keyboard.press("Enter")


@pytest.mark.parametrize(
    ("way", "width"),
    [
        ("mouse", 1440),
        ("touch", 390),
        ("keyboard", 1440),
    ],
)
def test_every_control_sets_the_run_to_what_it_shows(
    opened: Callable[[int], Tab], watched: Served, way: str, width: int
) -> None:
    """Fails if a control springs back, does nothing, or shows what the run is not set to."""
    tab = opened(width)
    tab.wait(watched.state)
    hand, moved = Hand(tab, way), list[str]()
    while rest := [name for name in tab.controls if name not in moved]:
        name = next((n for n in rest if n != "control-scenario"), rest[0])  # which changes others
        control, key = tab.page.locator(f"#{name}"), name.removeprefix("control-")
        before = control.input_value()
        hand.move(control)
        tab.wait(lambda control=control, before=before: control.input_value() != before)
        shown = control.input_value()
        if key == "compared":
            title = control.evaluate("e => e.selectedOptions[0].text")
            tab.page.get_by_text(f"B − A: {title}").first.wait_for()
        else:
            tab.wait(lambda key=key, shown=shown: same(watched.state().get(key), shown))
        tab.page.wait_for_timeout(50)
        assert control.input_value() == shown, f"{name} sprang back"
        label = tab.page.locator(f"output[for='{name}']")
        assert not label.count() or float(label.inner_text().split()[0]) == float(shown)
        moved.append(name)
    assert {re.sub(r"\W", "-", name) for name in {*CONTROLS, "other-value"}} == {
        name.removeprefix("control-") for name in moved
    }


def same(held: Any, shown: str) -> bool:
    """Whether the run is set to what a control shows."""
    return str(held) == shown or (isinstance(held, int | float) and float(held) == float(shown))


def test_a_policy_moved_during_the_run_is_marked_and_told(tab: Tab, watched: Served) -> None:
    """Fails if a drag changes the policy on its way, or cannot be seen on the time axis."""
    tab.press("Run to next phase")
    tab.stays_at(20)
    tab.page.get_by_label("Speed").select_option("1")
    tab.press("Play")
    slider = tab.page.get_by_label("score lost by a detected violation")
    Hand(tab, "mouse").move(slider)
    told = f"the lab sets “score lost by a detected violation” to {float(slider.input_value()):g}"
    tab.page.locator(".log li", has_text=told).wait_for()
    tab.press("Pause")
    assert tab.page.locator(".log li", has_text="the lab sets").count() == 1
    tab.wait(lambda: tab.page.locator("g.mark").count() >= 6)
    tab.arrow("score lost by a detected violation", 6)
    tab.press("Step")  # the value is told before that
    tab.page.locator(".log li", has_text="violation” to 6").first.wait_for()
    tab.wait(lambda: watched.state().get("oversight-penalty") == 6)


def test_make_up_asks_for_a_reset(tab: Tab) -> None:
    """Fails if a run changes its seed under way, or a choice gets lost."""
    tab.press("Step")
    tab.stays_at(1)
    tab.page.get_by_label("copies of the AI").select_option("1024")
    tab.page.get_by_role("button", name="Reset to apply").wait_for()
    assert tab.page.locator("rect[data-team]").count() == 8
    tab.press("Reset to apply")
    tab.wait(lambda: tab.page.locator("rect[data-team]").count() == 32)
    tab.page.get_by_label("scenario", exact=True).select_option("slowdown")
    tab.wait(lambda: "of 870" in tab.page.locator(".status").inner_text())


def test_a_team_is_chosen_by_mouse_and_by_keyboard(tab: Tab) -> None:
    """Fails if the picture cannot be asked what a tile is."""
    tab.page.locator("rect[data-team='5']").first.click()
    tab.page.get_by_role("heading", name="Team 5").wait_for()
    assert tab.page.locator(".team circle").count() == 32
    assert "Panel: a human" in tab.page.locator(".team").inner_text()
    tab.page.get_by_label("Teams: the arrow keys choose another one").focus()
    tab.page.keyboard.press("ArrowRight")
    tab.page.get_by_role("heading", name="Team 6").wait_for()
    tab.page.keyboard.press("ArrowLeft")
    tab.page.get_by_role("heading", name="Team 5").wait_for()
    for measure, told in (("lineage", "descends from"), ("capture", "judge as it wishes")):
        tab.page.get_by_label("color", exact=True).select_option(measure)
        tab.page.get_by_text(told).first.wait_for()


def test_a_team_pressed_while_the_picture_changes_is_chosen(tab: Tab) -> None:
    """Fails if a tile is made anew under the mouse button, so that no click comes."""
    tab.page.get_by_label("Speed").select_option("20")
    tab.press("Play")
    tab.wait(lambda: tab.round > 5)
    for team in (6, 3):
        before, place = tab.round, tab.page.locator(f"rect[data-team='{team}']").first
        box = place.bounding_box()
        assert box
        tab.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        tab.page.mouse.down()
        tab.wait(lambda before=before: tab.round > before + 4)
        tab.page.mouse.up()
        tab.page.get_by_role("heading", name=f"Team {team}").wait_for()


def test_names_of_a_scenario_are_text(browser: Any, tmp_path: Path) -> None:
    """Fails if a downloaded scenario runs a script in the page."""
    evil = "<img src onerror=hacked=1><script>hacked=1</script>{{7*7}}"
    labels = {f"phases.{name}.label": f"{i}{evil}" for i, name in enumerate(resolve().phases)}
    rounds = {f"phases.{name}.rounds": 2 for name in resolve().phases}
    changed = {"copies": 64, "description": evil, "name": evil, **labels, **rounds}
    file = tmp_path / "<img src=x onerror=hacked()>.toml"
    text = to_toml(resolve(overrides=changed)).replace("bystander", "<b class=hacked>")
    file.write_text(text.replace("[archetypes.<b class=hacked>", '[archetypes."<b class=hacked>"'))
    with serving(file, tmp_path) as served:
        tab = Tab(browser, f"{served.url}/?x=<script>window.hacked=1</script>&scenario={evil}")
        tab.page.get_by_label("policy in which B differs").select_option("oversight.audit")
        tab.press("Play")
        tab.wait(lambda: tab.round == 12)
        shown = tab.page.inner_text("body")
        assert shown.count(evil) >= 2  # the phase, and the description
        assert "<b class=hacked>" in tab.page.content().replace("&lt;", "<").replace("&gt;", ">")
        assert tab.page.evaluate("window.hacked") is None
        assert tab.page.locator("img, .hacked").count() == 0
        assert "49" not in tab.page.locator(".status").inner_text()
        assert not tab.faults
        tab.close()


def test_no_file_beside_the_page_is_given_out(server: str) -> None:
    """Fails if a path leads out of the folders of the page."""
    starts = ("/static/public/", "/static/assets/", "/_solara/cdn/", "/static/", "/")
    ways = ("../" * 12, "..%2f" * 12, "....//" * 12, "%2e%2e/" * 12, "/")
    for start, way, file in product(starts, ways, ("etc/passwd", "pyproject.toml")):
        connection = HTTPConnection(server.removeprefix("http://"), timeout=10)
        connection.request("GET", start + way + file)
        answer = connection.getresponse().read()
        connection.close()
        assert b"root:" not in answer, start + way
        assert b"[project]" not in answer, start + way


def test_two_runs_are_compared(tab: Tab) -> None:
    """Fails if a second run does not show, or no difference between them."""
    tab.page.get_by_label("policy in which B differs").select_option("oversight.audit")
    tab.page.get_by_role("heading", name="Difference: B minus A").wait_for()
    tab.arrow("B: chance that a task is audited", 0.1)
    changed = "B: the lab sets “chance that a task is audited” to 0.1"
    tab.page.get_by_role("heading", name=changed).wait_for()
    tab.page.get_by_label("Speed").select_option("0")
    tab.press("Play")
    tab.wait(lambda: tab.round == 120)
    assert tab.page.locator(".arm svg[aria-label*='divisions']").count() == 2
    tab.shot("compared-1440")


def test_stories_are_told_beside_the_picture(tab: Tab) -> None:
    """Fails if a story lacks text or run."""
    tab.press("5. Captured or caught")
    tab.page.get_by_role("heading", name="5. Captured or caught").wait_for()
    tab.wait(lambda: tab.round == 270)
    assert tab.page.locator(".told p").count() >= 2
    assert tab.page.get_by_role("heading", name=re.compile("^B: .* to roll back$")).count() == 1
    tab.shot("story-1440")


def test_what_is_downloaded_repeats_the_run(tab: Tab, tmp_path: Path) -> None:
    """Fails if the scenario file or tables are of another run."""
    tab.page.get_by_label("seed").fill("7")
    tab.page.get_by_label("seed").blur()
    tab.arrow("chance that a task is audited", 0.35)
    tab.page.get_by_label("Speed").select_option("0")
    tab.press("Play")
    tab.wait(lambda: tab.round == 120)
    files = {}
    for button in ("Tables (zip)", "Scenario (TOML)"):
        with tab.page.expect_download() as waiting:
            tab.press(button)
        files[button] = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(files[button])
    assert files["Scenario (TOML)"].name == "short-seed7.toml"
    parameters = resolve(files["Scenario (TOML)"])
    assert parameters.oversight.audit == 0.35
    model = CollectiveModel(parameters, rng=7)
    model.run()
    with zipfile.ZipFile(files["Tables (zip)"]) as packed:
        rounds = pd.read_parquet(io.BytesIO(packed.read("run/rounds.parquet")))
        assert tomllib.loads(packed.read("run/scenario.toml").decode())["copies"] == 256
    again = model.records.rounds().astype({"date": rounds["date"].dtype})
    pd.testing.assert_frame_equal(rounds, again)


@pytest.mark.parametrize("width", [1440, 390])
def test_the_page_fits_and_is_accessible(opened: Callable[[int], Tab], width: int) -> None:
    """Fails if something is wider than the screen, too faint, or without a name."""
    tab = opened(width)
    for end in range(20, 101, 20):
        tab.press("Run to next phase")
        tab.wait(lambda end=end: tab.round == end)
    tab.page.wait_for_timeout(500)  # until nothing flashes
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
    tab.shot(f"page-{width}")
    wanted = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
    found = axe.Axe().run(tab.page, options={"runOnly": wanted, "resultTypes": ["violations"]})
    violations = found.response["violations"]
    assert not violations, json.dumps(violations, indent=1)[:4000]


def test_a_narrow_screen_has_a_way_to_the_sliders(opened: Callable[[int], Tab]) -> None:
    """Fails if the sliders are found only below all pictures."""
    tab = opened(390)
    tab.page.get_by_role("link", name="Sliders and choices").click()
    sync_api.expect(tab.page.get_by_label("scenario", exact=True)).to_be_in_viewport()
    tab.press("Step")
    tab.stays_at(1)


def test_everything_is_reached_by_keyboard_with_visible_focus(tab: Tab) -> None:
    """Fails if only a mouse reaches a control, or a focus cannot be seen."""
    reached = set()
    for _ in range(100):
        tab.page.keyboard.press("Tab")
        name, outline = tab.page.evaluate(
            """() => {
                const e = document.activeElement, s = getComputedStyle(e);
                if (e === document.body) return [null, true];
                const label = e.labels && e.labels.length ? e.labels[0].innerText : '';
                return [label || e.getAttribute('aria-label') || e.innerText.trim(),
                        s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2];
            }"""
        )
        if name is None:  # all around
            break
        reached.add(name)
        assert outline, f"the focus on {name!r} cannot be seen"
    for name in (
        "Play",
        "Step",
        "Run to next phase",
        "Reset",
        "Speed",
        "1. Identity forms",
        "scenario",
        "chance that a task is audited",
        "copies of the AI",
        "policy in which B differs",
        "Teams: the arrow keys choose another one",
    ):
        assert name in reached, f"{name!r} is not among {sorted(reached)}"
    tab.page.get_by_role("button", name="Step", exact=True).focus()
    tab.page.keyboard.press("Enter")
    tab.stays_at(1)


def test_a_phone_can_zoom_in(opened: Callable[[int], Tab]) -> None:
    """Fails if those who cannot read small print are kept from making it larger."""
    tab = opened(390)
    Hand(tab, "touch").pinch(190, 400)
    tab.wait(lambda: tab.page.evaluate("visualViewport.scale") > 1.5)


def test_a_tab_comes_back_after_a_restart_of_the_server(
    browser: Any, scenario: Path, tmp_path: Path
) -> None:
    """Fails if a tab stays dead until someone reloads it, or drops a run that is still there."""
    port = free_port()
    with serving(scenario, tmp_path, port=port) as served:
        tab = Tab(browser, served.url)
        tab.press("Step")
        tab.stays_at(1)
        tab.page.evaluate("solara.debug.dropConnection()")  # as a machine that wakes up
        tab.page.wait_for_timeout(5000)
        tab.press("Step")
        tab.stays_at(2)
    for stop in (signal.SIGKILL, signal.SIGTERM):
        tab.page.get_by_text("Server disconnected").wait_for()
        with serving(scenario, tmp_path, port=port) as served:
            tab.page.get_by_text("Round 0 of").wait_for(timeout=120_000)
            tab.press("Step")
            tab.stays_at(1)
            if stop == signal.SIGKILL:
                served.process.kill()
                served.process.wait(60)
    tab.close()


def test_ten_tabs_do_not_share_state_and_closed_ones_stop(browser: Any, watched: Served) -> None:
    """Fails if a run shows in another tab, or plays on for a closed one."""
    wait_for(lambda: not watched.seen()["runs"])
    tabs = [Tab(browser, watched.url) for _ in range(10)]
    for steps, tab in enumerate(tabs):
        for done in range(steps % 3):
            tab.press("Step")
            tab.wait(lambda tab=tab, done=done: tab.round == done + 1)
        tab.page.locator(f"rect[data-team='{steps % 8}']").first.click()
    for steps, tab in enumerate(tabs):
        assert tab.round == steps % 3
        tab.page.get_by_role("heading", name=f"Team {steps % 8}").wait_for()
        assert not tab.faults
    wait_for(lambda: len(watched.seen()["runs"]) == 10)
    for tab in tabs:
        tab.page.get_by_label("Speed").select_option("1")
        tab.press("Play")
        tab.page.goto("about:blank")
        tab.context.close()
    wait_for(lambda: not watched.seen()["runs"])


def test_a_failing_run_says_what_happened(browser: Any, server: str) -> None:
    """Fails if the page just stops, or takes the server down with it."""
    tab, other = (Tab(browser, server) for _ in range(2))
    tab.page.get_by_label("seed").fill("13")
    tab.page.get_by_label("seed").blur()
    tab.press("Run to next phase")
    told = tab.page.get_by_role("alert")
    told.wait_for()
    assert "failed in round 3: ZeroDivisionError: three is too much" in told.inner_text()
    other.press("Run to next phase")
    other.stays_at(20)
    tab.page.get_by_label("seed").fill("14")
    tab.page.get_by_label("seed").blur()
    tab.press("Reset to apply")
    told.wait_for(state="detached")
    tab.press("Run to next phase")
    tab.stays_at(20)
    assert not tab.faults + other.faults
    tab.context.close()
    other.context.close()
