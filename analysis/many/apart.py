"""Runs in a process beside this one, which may die or be ended; how it ended is reported.

Only the system can end a run that is stuck in compiled code, and a run that crashes takes its
process with it. So such runs are done by a child of whoever is to do them, which lives on.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import IO, Any, Final

import cloudpickle  # type: ignore[import-untyped]

from multicopy.analysis.files import plugins
from multicopy.analysis.many.points import Job
from multicopy.analysis.many.work import Outcome, Work, failure, one_thread, settle, warm_up

GRACE: Final = 10.0
"""Seconds after a run's time is up within which its process has to have ended itself."""

TOLD: Final = 4_000
"""Characters that are kept of what a process that died had to say."""

BEGIN: Final = "from multicopy.analysis.many.apart import serve; serve()"


class Child:
    """A process that does runs one by one; it is made when it is needed, and again if it died.

    Parameters
    ----------
    work
        What all runs have in common; its limit of time holds for each.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._words: IO[bytes] | None = None

    def settle(self, job: Job) -> Outcome:
        """Do a run; a row of `failures` if the process ended."""
        limit = self._work.limit
        try:
            pipe = self._pipe or self._begin()
            pipe.send(job)
            if limit is not None and not pipe.poll(limit + GRACE):
                self._end()
                return self._too_long(job), None
            outcome: Outcome = pipe.recv()
        except (EOFError, OSError):
            code = self._end()
            return (self._too_long(job) if code == -signal.SIGALRM else self._died(job, code)), None
        return outcome

    def _begin(self) -> Connection:
        here, there = Pipe()
        if self._words is not None:
            self._words.close()
        self._words = tempfile.TemporaryFile()  # noqa: SIM115
        path = os.pathsep.join(part or os.getcwd() for part in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-c", BEGIN],
            stdin=there.fileno(),
            stderr=self._words,
            env={**os.environ, "PYTHONPATH": path},
        )
        there.close()
        self._pipe = here
        here.send_bytes(cloudpickle.dumps(self._work))
        here.recv()  # it is ready: what the first run does is not counted as the run's time
        return here

    def _end(self) -> int:
        """End the process, unless it did so itself; its exit code."""
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None
        if self._process is None:
            return 0
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.5)
        self._process.kill()
        return self._process.wait()

    def close(self) -> None:
        """End the process."""
        self._end()
        if self._words is not None:
            self._words.close()

    def _too_long(self, job: Job) -> dict[str, Any]:
        message = f"took longer than {self._work.limit:g} s"
        return failure(self._work, job, "time", message, self._last_words())

    def _died(self, job: Job, code: int) -> dict[str, Any]:
        return failure(self._work, job, "died", how_it_ended(code), self._last_words())

    def _last_words(self) -> str:
        if self._words is None:
            return ""
        self._words.seek(0)
        told = self._words.read().decode(errors="replace")
        return told.partition("\nExtension modules:")[0][-TOLD:]


def how_it_ended(code: int) -> str:
    """What is known of a process by its exit code."""
    if code >= 0:
        return f"ended its process with exit code {code}"
    told = f"ended its process by signal {-code}"
    with suppress(ValueError):
        told += f" ({signal.Signals(-code).name}, {signal.strsignal(-code)})"
    return told + (", as the system does when memory runs out" if code == -signal.SIGKILL else "")


_CHILDREN: Final[dict[bytes, Child]] = {}


def child(work: Work) -> Child:
    """The child of this process that does runs of some work; there is one at most."""
    key = cloudpickle.dumps(work)
    if key not in _CHILDREN:
        close()
        _CHILDREN[key] = Child(work)
    return _CHILDREN[key]


def close() -> None:
    """End the child of this process, if there is one."""
    while _CHILDREN:
        _CHILDREN.popitem()[1].close()


# --- in the child ---------------------------------------------------------------------------------


def serve() -> None:
    """Do the runs that come, until no more do; what a process is that `Child` has begun."""
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who began it ends it
    pipe = Connection(os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    one_thread()
    warm_up()
    with suppress(EOFError, OSError):
        work: Work = cloudpickle.loads(pipe.recv_bytes())
        plugins.load(work.plugged)
        pipe.send(None)
        while True:
            job = pipe.recv()
            pipe.send(_timed(work, job))


def _timed(work: Work, job: Job) -> Outcome:
    """Do a run; the system ends this process once its time is up, whatever it is doing then."""
    if work.limit is None:
        return settle(work, job)
    faulthandler.unregister(signal.SIGALRM)  # the run before may have changed what becomes of it
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    faulthandler.register(signal.SIGALRM, all_threads=False, chain=True)
    signal.setitimer(signal.ITIMER_REAL, work.limit)
    try:
        return settle(work, job)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
