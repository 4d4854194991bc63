"""The page's server as a user starts it, and what its runs are really set to."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from multicopy.analysis import app
from multicopy.model.scenario import resolve, to_toml

ROOT = Path(__file__).parents[1]

WATCHED = """
import json, operator, os, re, sys, threading, time, weakref

from multicopy.analysis.app.session import Session
from multicopy.analysis.app.settings import LIVE, MAKE_UP, in_force
from multicopy.analysis.commands.cli import main
from multicopy.model.collective import CollectiveModel

begin, step, sessions = Session.__init__, CollectiveModel.step, []


def begun(session, *given):
    sessions.append(weakref.ref(session))  # a set must not grow while it is read
    begin(session, *given)


def broken(model):
    step(model)
    if model.round == 3 and model.seed == 13:
        raise ZeroDivisionError("three is too much")


def state(session):
    setup, models = session.setup, [live.model for live in session.lives]
    first = models[0].parameters
    other = next(iter(setup.other), "")
    found = in_force(models[0]) | {path: operator.attrgetter(path)(first) for path in MAKE_UP}
    found |= {"round": models[0].round, "copies": first.copies, "seed": models[0].seed}
    found |= {"scenario": setup.scenario, "speed": session._rate, "measure": session._measure}
    found |= {"other": other, "other-value": in_force(models[-1])[other] if other else None}
    return {re.sub(r"\\W", "-", name): value for name, value in found.items()}


def states():
    for session in filter(None, (known() for known in list(sessions))):
        try:
            if not session.ended:
                yield state(session)
        except (AttributeError, IndexError, RuntimeError):  # it has no run yet, or ends
            yield None


def watch():
    while True:
        served = sys.modules.get("multicopy.analysis.app.server")
        application = getattr(served, "application", None)
        routes = [route.path for route in application.routes] if application else []
        with open("seen.part", "w") as file:
            json.dump({"runs": list(states()), "routes": routes}, file)
        os.replace("seen.part", "seen.json")
        time.sleep(0.03)


Session.__init__, CollectiveModel.step = begun, broken
threading.Thread(target=watch, daemon=True).start()
sys.exit(main(["serve", *sys.argv[1:]]))
"""
"""`run.py serve` that tells what its runs are set to, and in which a run of seed 13 fails."""


@dataclass(frozen=True)
class Served:
    """A server, its process, and the file in which it tells what it holds."""

    url: str
    port: int
    process: subprocess.Popen[bytes]
    told: Path

    def seen(self) -> Mapping[str, Any]:
        """What the server holds now: the state of each run, and its routes."""
        found: Mapping[str, Any] = json.loads(self.told.read_text(encoding="utf-8"))
        return found

    def state(self) -> Mapping[str, Any]:
        """What the only run is set to; nothing while there is none."""
        runs = self.seen()["runs"]
        return runs[0] if len(runs) == 1 and runs[0] else {}


def free_port() -> int:
    """A port that nothing uses."""
    with socket.socket() as probe:
        probe.bind((app.HOST, 0))
        return int(probe.getsockname()[1])


def wait_for(true: Callable[[], Any], seconds: float = 120) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "never came"
        time.sleep(0.02)


def answers(url: str) -> bool:
    """Whether a page can be had."""
    try:
        with urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def write_short(folder: Path) -> Path:
    """A scenario of 256 copies in which each phase has 20 rounds."""
    phases = {f"phases.{name}.rounds": 20 for name in resolve().phases}
    file = folder / "short.toml"
    file.write_text(to_toml(resolve(overrides={"copies": 256, **phases})), encoding="utf-8")
    return file


@contextmanager
def serving(
    scenario: Path, folder: Path, stop: int = signal.SIGINT, port: int | None = None
) -> Iterator[Served]:
    """The watched server; `stop` is the signal by which it is ended, to leave with 0."""
    (folder / "watched.py").write_text(WATCHED, encoding="utf-8")
    port = port or free_port()
    command = [sys.executable, "watched.py", "--scenario", str(scenario), "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=folder, env=environment) as process:
        served = Served(f"http://{app.HOST}:{port}", port, process, folder / "seen.json")
        try:
            wait_for(lambda: process.poll() is not None or answers(served.url), 240)
            yield served
        finally:
            if process.poll() is None:
                process.send_signal(stop)
                try:
                    stopped = process.wait(60)
                finally:
                    process.kill()
                assert stopped == 0
