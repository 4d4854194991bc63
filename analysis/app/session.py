"""One browser tab's run: a thread of its own plays rounds, and hands out frames at a bounded rate.

Only that thread touches the model. The page leaves wishes (play, change a policy, choose a team),
which are looked at between two rounds.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, Final, TypeVar

from multicopy.agents.parameters import Parameters
from multicopy.analysis.app.frame import Frame, Live, PageModel
from multicopy.analysis.app.measures import MEASURES
from multicopy.analysis.app.memory import give_back
from multicopy.analysis.app.settings import Setup, declared, in_force
from multicopy.model.events import Event
from multicopy.model.scenario import InputError, resolve

T = TypeVar("T")

FRAMES: Final = 8.0
"""Frames a second at most."""

PATIENCE: Final = 0.6
"""Seconds after which a browser that has not drawn the last frame is sent another."""


class Session:
    """A run, or two on one seed, and the thread that plays it.

    Parameters
    ----------
    setup
        What to begin with.
    publish
        Called with each frame, in the session's thread.
    fail
        Called with what went wrong in words, or with nothing once that is over.
    """

    def __init__(
        self, setup: Setup, publish: Callable[[Frame], None], fail: Callable[[str], None]
    ) -> None:
        self.setup = setup
        self.lives: list[Live] = []
        self._publish, self._fail = publish, fail
        self._measure, self._team = next(iter(MEASURES)), 0
        self._rate = 0.0
        self._playing = self._broken = self._closed = self._dirty = self._urgent = False
        self._target = 0
        self._number = 0
        self._next_round = self._sent = self._last_frame = 0.0
        self._drawn, self._drawing = True, 0.0
        self._asked: Setup | None = setup
        self._wanted: dict[str, Any] = {}
        self._jobs: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._wake = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="multicopy-run", daemon=True)
        self._thread.start()

    # --- wishes, from any thread ------------------------------------------------------------------

    def restart(self, setup: Setup) -> None:
        """Begin anew."""
        self._wish(_asked=setup, _playing=False, _target=0)

    def play(self) -> None:
        """Go on until paused."""
        self._wish(_playing=True, _dirty=True, _urgent=True)

    def pause(self) -> None:
        """Stop after the present round."""
        self._wish(_playing=False, _target=0, _dirty=True, _urgent=True)

    def step(self) -> None:
        """Play one round."""
        with self._wake:
            self._target = max(self._round, self._target) + 1
            self._wake.notify()

    def next_phase(self) -> None:
        """Play to the end of the present phase, as fast as it goes."""
        self._wish(_target=self._end_of_phase())

    def set_rate(self, rate: float) -> None:
        """Play `rate` rounds a second; 0: as many as it can."""
        self._wish(_rate=rate, _next_round=0.0)

    def look(self, measure: str | None = None, team: int | None = None) -> None:
        """Show another measure, or another team, without waiting for the next frame's time."""
        new: dict[str, Any] = {} if measure is None else {"_measure": measure}
        new |= {} if team is None else {"_team": team}
        self._wish(**new, _dirty=True, _urgent=True)

    def change(self, path: str, value: Any) -> None:
        """Change a policy from the next round on."""
        with self._wake:
            self._wanted[path] = value
            self._urgent = True
            self._wake.notify()

    def drawn(self) -> None:
        """Take note that the browser has drawn the last frame."""
        with self._wake:
            if not self._drawn:
                self._drawn, self._drawing = True, time.monotonic() - self._sent
                self._wake.notify()

    def ask(self, job: Callable[[], T]) -> T:
        """Result of `job`, done between two rounds."""
        future: Future[T] = Future()
        with self._wake:
            self._jobs.append((future, job))
            self._wake.notify()
        return future.result(60)

    def close(self) -> None:
        """End the thread after its present round."""
        self._wish(_closed=True)

    @property
    def ended(self) -> bool:
        """Whether the thread has ended."""
        return not self._thread.is_alive()

    def _wish(self, **values: Any) -> None:
        with self._wake:
            for name, value in values.items():
                setattr(self, name, value)
            self._wake.notify()

    # --- the thread -------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._wake:
                while not self._closed and (rest := self._rest()) != 0:
                    self._wake.wait(rest)
                if self._closed:
                    break
            try:
                self._turn()
            except Exception as error:
                self._report(error)
        self.lives = []
        give_back()

    def _rest(self) -> float | None:
        """Seconds until something is to be done; None: until there is a wish."""
        if self._asked or self._jobs or self._wanted:
            return 0.0
        due = [self._next_round] if self._advancing else []
        due += [self._next_frame] if self._dirty and self.lives else []
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _turn(self) -> None:
        if self._jobs:
            future, job = self._jobs.popleft()
            _fulfill(future, job)
        if self._asked:
            self._begin()
        if self._wanted:
            self._take_over_policy()
        # Before the next round, which whoever clicked would have to wait for.
        if self._dirty and self.lives and time.monotonic() >= self._next_frame:
            self._show()
        if self._advancing and time.monotonic() >= self._next_round:
            self._play_round()

    @property
    def _round(self) -> int:
        return self.lives[0].model.round if self.lives else 0

    @property
    def _running(self) -> bool:
        return any(live.model.running for live in self.lives)

    @property
    def _advancing(self) -> bool:
        return self._running and not self._broken and (self._playing or self._target > self._round)

    @property
    def _next_frame(self) -> float:
        if self._urgent:
            return 0.0
        # A browser that takes long to draw is left as long in peace: it has clicks to hear, too.
        pause = max(1 / FRAMES, 2 * self._drawing)
        return self._last_frame + (min(pause, PATIENCE) if self._drawn else PATIENCE)

    def _begin(self) -> None:
        setup, self._asked = self._asked, None
        assert setup is not None
        start = setup.parameters()
        lives = [Live("A" if setup.other else "", PageModel(start, setup.seed))]
        if setup.other:
            other = resolve(start, setup.other)
            differs = "; ".join(_in_words(*item, start) for item in setup.other.items())
            lives.append(Live("B", PageModel(other, setup.seed), differs))
        self.setup, self.lives = setup, lives
        give_back()  # the model before
        self._broken, self._dirty = False, True
        if setup.begin:
            self._target = self._first_round_of(setup.begin) - 1
        self._fail("")

    def _first_round_of(self, phase: str) -> int:
        first = 1
        for name, settings in self.lives[0].model.schedule.phases.items():
            if name == phase:
                return first
            first += settings.rounds
        return 1

    def _end_of_phase(self) -> int:
        if not self.lives:
            return 0
        end = 0
        for phase in self.lives[0].model.schedule.phases.values():
            end += phase.rounds
            if end > self._round:
                break
        return end

    def _take_over_policy(self) -> None:
        with self._wake:
            wanted, self._wanted = self._wanted, {}
        if not self.lives:
            return
        if self._round == 0:
            self._asked = replace(self.setup, overrides={**self.setup.overrides, **wanted})
            return
        for live in self.lives:
            kept = self.setup.other if live.name == "B" else ()
            now = in_force(live.model)
            for path, value in wanted.items():
                if path not in kept and value != now[path]:
                    live.model.change_policy(path, value)
                    self._note(live, _in_words(path, value, live.model.parameters))
        self._dirty = True

    def _note(self, live: Live, words: str) -> None:
        round_ = live.model.round + 1
        if live.model.running:
            turn = live.model.schedule.turn(round_)
            live.marks.append((round_, words))
            live.notes.append(Event(round_, turn.name, "policy", -1, 0.0, f"the lab sets {words}"))

    def _play_round(self) -> None:
        now = time.monotonic()
        for live in self.lives:
            if live.model.running:
                live.step()
        fast = self._target > self._round or not self._rate
        self._next_round = 0.0 if fast else max(now, self._next_round + 1 / self._rate)
        self._dirty = True
        if not self._running:
            self._playing = False

    def _show(self) -> None:
        with self._wake:  # a wish that comes from here on is for the next frame
            self._dirty = self._urgent = self._drawn = False
            measure, team, playing = self._measure, self._team, self._advancing
        arms = tuple(live.arm(measure, team) for live in self.lives)
        self._number += 1
        self._sent = time.monotonic()
        self._publish(Frame(self._number, arms, measure, playing))
        # Counted from the end: what drawing takes is not taken from the rounds as well.
        self._last_frame = time.monotonic()

    def _report(self, error: Exception) -> None:
        """Tell what failed; the run stays as it is, and the page goes on."""
        self._playing, self._target = False, 0
        if isinstance(error, InputError):
            self._fail(str(error))
        else:
            traceback.print_exc(file=sys.stderr)
            self._broken = True
            what = f"{type(error).__name__}: {error}"
            self._fail(f"The run failed in round {self._round}: {what}. Reset begins it anew.")
        self._dirty = True


def _fulfill(future: Future[Any], job: Callable[[], Any]) -> None:
    try:
        future.set_result(job())
    except Exception as error:
        future.set_exception(error)


def _in_words(path: str, value: Any, parameters: Parameters) -> str:
    meaning = declared(parameters)[path].meaning
    shown = f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")
    return f"“{meaning}” to {shown}"
