"""The page in a real browser: headless Chromium against the running server.

Skipped, with the reason, where the server or a browser is missing; `make test-page` installs what
Python can. Screenshots are left in results/page/.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import product
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pandas as pd
import pytest

from analysis import app
from model.collective import CollectiveModel
from model.scenario import resolve, to_toml

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
if CHROMIUM is None:
    pytest.skip("no Chromium is installed on this machine", allow_module_level=True)
sync_api = pytest.importorskip("playwright.sync_api", reason="needs the extra `browser`")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs `browser`")
pytest.importorskip("solara", reason="the page needs the extra `serve`")

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
SHOTS = app.ROOT / "results" / "page"
KNOWN = ("Failed to evaluate Vue script",)
"""What Solara's own elements warn of."""

WATCHED = """
import os, threading, time
from analysis.app.page import Layout, Page
from model.collective import CollectiveModel

step = CollectiveModel.step


def broken(model):
    step(model)
    if model.round == 3 and model.seed == 13:
        raise ZeroDivisionError("three is too much")


def count():
    while True:
        runs = sum(thread.name == "multicopy-run" for thread in threading.enumerate())
        with open("runs.part", "w") as file:
            file.write(str(runs))
        os.replace("runs.part", "runs")
        time.sleep(0.1)


CollectiveModel.step = broken
threading.Thread(target=count, daemon=True).start()
"""
"""The page, in which a run of seed 13 fails, and which tells how many runs have a thread."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((app.HOST, 0))
        return int(probe.getsockname()[1])


def wait_for(true: Callable[[], Any], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "never came"
        time.sleep(0.05)


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scenario of 256 copies in which each phase has 20 rounds."""
    phases = {f"phases.{name}.rounds": 20 for name in resolve().phases}
    file = tmp_path_factory.mktemp("scenario") / "short.toml"
    file.write_text(to_toml(resolve(overrides={"copies": 256, **phases})), encoding="utf-8")
    return file


@contextmanager
def serving(scenario: Path) -> Iterator[str]:
    """The server as a user starts it; its address."""
    port = free_port()
    command = [sys.executable, "run.py", "serve", "--scenario", str(scenario), "--port", str(port)]
    with subprocess.Popen(command, cwd=app.ROOT) as process:
        url = f"http://{app.HOST}:{port}"
        try:
            wait_for(lambda: answers(url), 60)
            yield url
        finally:
            process.send_signal(signal.SIGINT)
            stopped = process.wait(10)
        assert stopped == 0


@pytest.fixture(scope="module")
def server(scenario: Path) -> Iterator[str]:
    with serving(scenario) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Tab:
    """A tab on the page, that remembers what it complained of."""

    def __init__(self, browser: Any, url: str, width: int = 1440) -> None:
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, accept_downloads=True
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
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
        for _ in range(400):
            if true():
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"never came; round {self.round}, faults {self.faults}")

    def stays_at(self, round_: int) -> None:
        self.wait(lambda: self.round == round_)
        self.page.wait_for_timeout(300)
        assert self.round == round_

    def slide(self, label: str, value: float) -> None:
        """Move a slider to a value and let it go."""
        self.page.get_by_label(label).evaluate(
            """(input, value) => {
                input.value = value;
                input.dispatchEvent(new Event('input'));
                input.dispatchEvent(new Event('change'));
            }""",
            value,
        )

    def shot(self, name: str) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png", full_page=True)

    def close(self) -> None:
        self.page.goto("about:blank")  # as a closed tab, tells the server that it goes
        self.context.close()


@pytest.fixture
def tab(browser: Any, server: str) -> Iterator[Tab]:
    """A tab that must not have complained of anything in the end."""
    tab = Tab(browser, server)
    yield tab
    faults = list(tab.faults)
    tab.close()
    assert not faults


def test_play_pause_step_phase_and_reset(tab: Tab) -> None:
    """A button that does nothing, or something else than it says, would break it."""
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


def test_a_policy_moved_during_the_run_is_marked_and_told(tab: Tab) -> None:
    """A slider without effect, or whose effect cannot be seen on the time axis, would break it."""
    tab.press("Run to next phase")
    tab.stays_at(20)
    tab.slide("score lost by a detected violation", 9)
    tab.page.locator(".log li", has_text="round 21: the lab sets").wait_for()
    tab.wait(lambda: tab.page.locator("g.mark").count() >= 6)


def test_make_up_asks_for_a_reset(tab: Tab) -> None:
    """A run that changes its seed under way, or a choice that gets lost, would break it."""
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
    """A picture that cannot be asked what a tile is would break it."""
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
    """A tile that is made anew under the mouse button, so that no click comes, would break it."""
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
    """A scenario from elsewhere that runs a script in the page would break it."""
    evil = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>{{7*7}}'
    labels = {f"phases.{name}.label": f"{i}{evil}" for i, name in enumerate(resolve().phases)}
    rounds = {f"phases.{name}.rounds": 2 for name in resolve().phases}
    changed = {"copies": 64, "description": evil, "name": evil, **labels, **rounds}
    file = tmp_path / "<img src=x onerror=hacked()>.toml"
    text = to_toml(resolve(overrides=changed)).replace("bystander", "<b class=hacked>")
    file.write_text(text.replace("[archetypes.<b class=hacked>", '[archetypes."<b class=hacked>"'))
    with serving(file) as url:
        tab = Tab(browser, f"{url}/?x=<script>window.hacked=1</script>&scenario={evil}")
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
    """A path that leads out of the folders of the page would break it."""
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
    """A second run that does not show, or no difference between them, would break it."""
    tab.page.get_by_label("policy in which B differs").select_option("oversight.audit")
    tab.page.get_by_role("heading", name="Difference: B minus A").wait_for()
    tab.slide("B: chance that a task is audited", 0.1)
    changed = "B: the lab sets “chance that a task is audited” to 0.1"
    tab.page.get_by_role("heading", name=changed).wait_for()
    tab.page.get_by_label("Speed").select_option("0")
    tab.press("Play")
    tab.wait(lambda: tab.round == 120)
    assert tab.page.locator(".arm svg[aria-label*='divisions']").count() == 2
    tab.shot("compared-1440")


@pytest.mark.slow
def test_stories_are_told_beside_the_picture(tab: Tab) -> None:
    """A story without text or run would break it."""
    tab.press("5. Captured or caught")
    tab.page.get_by_role("heading", name="5. Captured or caught").wait_for()
    tab.wait(lambda: tab.round == 270)
    assert tab.page.locator(".told p").count() >= 2
    assert tab.page.get_by_role("heading", name=re.compile("^B: .* to roll back$")).count() == 1
    tab.shot("story-1440")


def test_what_is_downloaded_repeats_the_run(tab: Tab, tmp_path: Path) -> None:
    """A scenario file or tables of another run would break it."""
    tab.page.get_by_label("seed").fill("7")
    tab.page.get_by_label("seed").blur()
    tab.slide("chance that a task is audited", 0.35)
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
def test_the_page_fits_and_is_accessible(browser: Any, server: str, width: int) -> None:
    """Something wider than the screen, too faint, or without a name would break it."""
    tab = Tab(browser, server, width)
    for end in range(20, 101, 20):
        tab.press("Run to next phase")
        tab.wait(lambda end=end: tab.round == end)
    tab.page.wait_for_timeout(500)  # until nothing flashes
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
    tab.shot(f"page-{width}")
    wanted = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
    found = axe.Axe().run(tab.page, options={"runOnly": wanted, "resultTypes": ["violations"]})
    violations = [v for v in found.response["violations"] if v["id"] != "meta-viewport"]
    assert not violations, json.dumps(violations, indent=1)[:4000]
    assert not tab.faults
    tab.close()


def test_a_narrow_screen_has_a_way_to_the_sliders(browser: Any, server: str) -> None:
    """Sliders that are found only below all pictures would break it."""
    tab = Tab(browser, server, 390)
    tab.page.get_by_role("link", name="Sliders and choices").click()
    sync_api.expect(tab.page.get_by_label("scenario", exact=True)).to_be_in_viewport()
    tab.press("Step")
    tab.stays_at(1)
    assert not tab.faults
    tab.close()


def test_everything_is_reached_by_keyboard_with_visible_focus(tab: Tab) -> None:
    """A control that only a mouse reaches, or a focus that cannot be seen, would break it."""
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


@pytest.fixture(scope="module")
def watched(scenario: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server of the watched page: its address, and the file that tells the number of runs."""
    folder, port = tmp_path_factory.mktemp("watched"), free_port()
    (folder / "watched.py").write_text(WATCHED, encoding="utf-8")
    command = [sys.executable, "-m", "solara", "run", "watched", "--production", "--no-open"]
    command += ["--no-check-version", "--host", app.HOST, "--port", str(port)]
    search = os.pathsep.join([str(folder), str(app.ROOT)])
    environment = {**app._environment(str(scenario)), "PYTHONPATH": search}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stderr=subprocess.DEVNULL
    ) as process:
        url = f"http://{app.HOST}:{port}"
        wait_for(lambda: answers(url), 60)
        yield url, folder / "runs"
        process.terminate()


@pytest.mark.slow
def test_ten_tabs_do_not_share_state_and_closed_ones_stop(
    browser: Any, watched: tuple[str, Path]
) -> None:
    """A run that shows in another tab, or that plays on for a closed one, would break it."""
    url, runs = watched
    tabs = [Tab(browser, url) for _ in range(10)]
    for steps, tab in enumerate(tabs):
        for done in range(steps % 3):
            tab.press("Step")
            tab.wait(lambda tab=tab, done=done: tab.round == done + 1)
        tab.page.locator(f"rect[data-team='{steps % 8}']").first.click()
    for steps, tab in enumerate(tabs):
        assert tab.round == steps % 3
        tab.page.get_by_role("heading", name=f"Team {steps % 8}").wait_for()
        assert not tab.faults
    wait_for(lambda: runs.read_text() == "10")
    for tab in tabs:
        tab.page.get_by_label("Speed").select_option("1")
        tab.press("Play")
        tab.page.goto("about:blank")
        tab.context.close()
    wait_for(lambda: runs.read_text() == "0")


@pytest.mark.slow
def test_a_failing_run_says_what_happened(browser: Any, watched: tuple[str, Path]) -> None:
    """A page that just stops, or takes the server down with it, would break it."""
    tab, other = (Tab(browser, watched[0]) for _ in range(2))
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
