"""What the page does in a real browser: rounds a second, the time to an answer, memory.

Usage: make .venv/.browser && PYTHONPATH=. .venv/bin/python benchmarks/page.py

A headless Chromium plays runs as fast as they go, with all views drawing; meanwhile teams are
clicked, and the time until the page has drawn them is taken, by the page's own clock. The browser
shares the processors with the server.
"""

from __future__ import annotations

import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
from playwright.sync_api import sync_playwright

from multicopy.analysis.app import HOST
from multicopy.model.scenario import resolve, to_toml

ROOT = Path(__file__).parents[1]
CLICKS = 60
TABS = 30
PAUSE = 333
"""Milliseconds between two clicks."""

ANSWER = """
team => new Promise(done => {
    const begin = performance.now();
    const shown = () => [...document.querySelectorAll('.team h2')].some(
        heading => heading.innerText === `Team ${team}`);
    const look = new MutationObserver(() => {
        if (!shown()) return;
        look.disconnect();
        requestAnimationFrame(() => setTimeout(() => done(performance.now() - begin)));
    });
    look.observe(document.body, {childList: true, subtree: true, characterData: true});
    document.querySelector(`rect[data-team='${team}']`)
        .dispatchEvent(new MouseEvent('click', {bubbles: true}));
})
"""
"""Clicks a team; milliseconds until the browser has painted it as the chosen one."""


@contextmanager
def served(copies: int, rounds: int | None = None) -> Iterator[tuple[str, int]]:
    """A server of `ai2027`, each phase with so many rounds; its address and process id."""
    changed = {f"phases.{name}.rounds": rounds for name in resolve().phases} if rounds else {}
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        file = Path(folder) / "page.toml"
        file.write_text(to_toml(resolve(overrides={"copies": copies, **changed})), encoding="utf-8")
        probe.bind((HOST, 0))
        port = str(probe.getsockname()[1])
        probe.close()
        command = [sys.executable, "run.py", "serve", "--scenario", str(file), "--port", port]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
            _until_answered(f"http://{HOST}:{port}")
            try:
                yield f"http://{HOST}:{port}", process.pid
            finally:
                process.terminate()


def _until_answered(url: str) -> None:
    for _ in range(600):
        try:
            urlopen(url, timeout=2).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"no answer from {url}")


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser."""
    with sync_playwright() as playwright:
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def tab(url: str) -> Iterator[Any]:
    """A tab in which a run plays as fast as it goes."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(url)
        page.wait_for_selector("rect[data-team]")
        page.get_by_label("Speed").select_option("0")
        page.get_by_role("button", name="Play", exact=True).click()
        yield page


def round_of(page: Any) -> int:
    """Round that the page shows."""
    found = re.search(r"Round (\d+) of", page.locator(".status").inner_text())
    assert found
    return int(found[1])


def until_round(page: Any, round_: int) -> None:
    """Wait until the page shows a round."""
    while round_of(page) < round_:
        page.wait_for_timeout(100)


def speed(copies: int) -> None:
    """Print rounds a second, and how long the page takes to show a team that is clicked."""
    with served(copies, 2000) as (url, _), tab(url) as page:
        until_round(page, 20)
        begin, clock, answers = round_of(page), time.perf_counter(), []
        for click in range(CLICKS):
            answers.append(page.evaluate(ANSWER, click % 5 + 1))
            page.wait_for_timeout(PAUSE)
        rate = (round_of(page) - begin) / (time.perf_counter() - clock)
        print(
            f"{copies:>7,} copies: {rate:.1f} rounds/s with all views; "
            f"{CLICKS} clicks are answered within "
            f"{statistics.median(answers):.0f} ms (median; {max(answers):.0f} at most)",
            flush=True,
        )


def memory() -> None:
    """Print the memory of the server while a run of 2,400 rounds is played."""
    with served(256, 400) as (url, pid), tab(url) as page:
        for round_ in (200, 500, 1000, 1500, 2000, 2400):
            until_round(page, round_)
            print(f"round {round_:>5}: server {psutil.Process(pid).memory_info().rss / 1e6:.0f} MB")


def closed_tabs(copies: int = 4096, tabs: int = TABS, times: int = 5) -> None:
    """Print the memory of the server each time after `tabs` tabs were open at once and closed."""
    with served(copies) as (url, pid):
        for closed in range(tabs, tabs * times + 1, tabs):
            with chromium() as browser:
                pages = [
                    browser.new_page(viewport={"width": 800, "height": 600}) for _ in range(tabs)
                ]
                for page in pages:
                    page.set_default_timeout(300_000)
                    page.goto(url)
                    page.get_by_role("button", name="Step", exact=True).click()
                    page.get_by_text("Round 1 of").wait_for()
                for page in pages:
                    page.goto("about:blank")  # as a closed tab, tells the server that it goes
            time.sleep(20)  # a tab that could not say so is let go after 15 s
            held = psutil.Process(pid).memory_info().rss / 1e6
            print(f"{closed:>4} tabs closed: server {held:.0f} MB", flush=True)


if __name__ == "__main__":
    for size in (4096, 100_000):
        speed(size)
    memory()
    closed_tabs()
