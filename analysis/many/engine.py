"""Where chunks of runs are done: in this process, or on a Dask cluster, embedded or joined.

An engine takes chunks and gives back what has ended, in any order. What was taken back is released
at once, so that only the chunks under way take memory.
"""

from __future__ import annotations

import ast
import logging
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Final, Protocol

from multicopy.analysis.files.places import require_files, require_folder
from multicopy.analysis.many.apart import close
from multicopy.analysis.many.chunks import Harvest, run_chunk
from multicopy.analysis.many.points import Job
from multicopy.analysis.many.work import Work
from multicopy.model.scenario import InputError

Chunk = Sequence[Job]

REACHED_WITHIN: Final = 10
"""Seconds within which a scheduler has to answer."""

DESERTED: Final = 300
"""Seconds after which a cluster without any worker is given up."""

SETTINGS: Final = {
    # One core a worker: the runs are the parallel part.
    "distributed.nanny.pre-spawn-environ.NUMBA_NUM_THREADS": 1,
    # A chunk that lost two workers is not given to a third; see `Drive` for what becomes of it.
    "distributed.scheduler.allowed-failures": 1,
    # A worker that has not come back by then is made anew; see `OnDask.count_workers`.
    "distributed.deploy.lost-worker-timeout": "20s",
    # Runs are alike: where their time goes is no question for each sweep.
    "distributed.worker.profile.enabled": False,
    # Each connection remembers its last messages, which hold whole chunks of runs.
    "distributed.admin.low-level-log-length": 10,
}


class EngineLost(Exception):
    """The engine is gone: what was under way is lost, what was taken back is not."""


class Engine(Protocol):
    """What does chunks of some work."""

    work: Work

    @property
    def workers(self) -> int:
        """How many there are now."""

    @property
    def under_way(self) -> int:
        """Chunks that were begun and not taken back."""

    def submit(self, chunk: Chunk, apart: bool = False) -> None:
        """Begin a chunk, whose runs may be done in a process that they may end."""

    def ended(self, seconds: float) -> list[tuple[Chunk, Harvest | None]]:
        """Chunks that have ended, after so many seconds at most; None if its workers died."""


class InProcess:
    """Does the chunks in this process."""

    workers = 1

    def __init__(self, work: Work) -> None:
        self.work = work
        self._waiting: deque[Chunk] = deque()

    @property
    def under_way(self) -> int:
        """Chunks that were begun and not taken back."""
        return len(self._waiting)

    def submit(self, chunk: Chunk, apart: bool = False) -> None:
        """Begin a chunk."""
        self._waiting.append(chunk)

    def ended(self, seconds: float) -> list[tuple[Chunk, Harvest | None]]:
        """Do the next chunk."""
        if not self._waiting:
            return []
        chunk = self._waiting.popleft()
        return [(chunk, run_chunk(self.work, chunk))]


class OnDask:
    """Does the chunks on a Dask cluster.

    Parameters
    ----------
    work
        What all runs have in common.
    client
        Client of the cluster.
    own
        The cluster, if it is our own to keep up; then it has so many `wanted` workers.
    say
        Is told when there is no worker.
    """

    def __init__(
        self,
        work: Work,
        client: Any,
        own: Any = None,
        wanted: int = 0,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.work = work
        self._say = say
        self._client = client
        self._own, self._wanted = own, wanted
        self._seen, self._told = time.monotonic(), False
        self._futures: dict[Any, Chunk] = {}
        self._keys = count()
        self._sweep = os.urandom(4).hex()
        self.workers = 1
        self.count_workers()

    @property
    def under_way(self) -> int:
        """Chunks that were begun and not taken back."""
        return len(self._futures)

    def count_workers(self) -> None:
        """See how many workers there are now; a cluster may grow and shrink.

        Dask restarts a worker that dies, but not one that dies while it is starting: the process
        that looks after it gives up. A cluster of our own is told to make those anew.
        """
        try:
            self.workers = len(self._client.nthreads())
            if self._own and self.workers < self._wanted:
                self._own.scale(self._wanted)
        except Exception as error:
            raise EngineLost(f"the scheduler does not answer: {error}") from None
        if self.workers:
            self._seen, self._told = time.monotonic(), False
            return
        if time.monotonic() - self._seen > DESERTED:
            raise EngineLost(f"the cluster had no worker for {DESERTED} s")
        if not self._told:
            self._told = True
            self._say(f"the cluster has no worker; waiting for one, {DESERTED} s at most")

    def submit(self, chunk: Chunk, apart: bool = False) -> None:
        """Begin a chunk."""
        key = f"runs-{self._sweep}-{next(self._keys)}"
        try:
            future = self._client.submit(run_chunk, self.work, chunk, apart, key=key, pure=False)
        except Exception as error:
            raise EngineLost(f"the scheduler is gone: {error}") from None
        self._futures[future] = chunk

    def ended(self, seconds: float) -> list[tuple[Chunk, Harvest | None]]:
        """Chunks that have ended, after so many seconds at most; None if its workers died."""
        from distributed import TimeoutError, wait

        if not self._futures:
            return []
        try:
            wait(list(self._futures), timeout=seconds, return_when="FIRST_COMPLETED")
        except TimeoutError:
            return []
        except Exception as error:
            raise EngineLost(f"the scheduler is gone: {error}") from None
        found = [f for f in self._futures if f.status != "pending"]
        return [(self._futures.pop(future), self._take(future)) for future in found]

    def _take(self, future: Any) -> Harvest | None:
        """What a future holds, which is released."""
        from distributed import KilledWorker

        try:
            harvest: Harvest = future.result()
        except KilledWorker:
            return None
        except Exception as error:
            raise EngineLost(f"a worker cannot do its runs: {_in_short(error)}") from None
        finally:
            future.release()
        return harvest


def require_main_guard() -> None:
    """Refuse to start processes for a script that would start them in each of them again.

    Processes import the script that is run; what it does outside of ``if __name__ == "__main__":``
    they do too.

    Raises
    ------
    InputError
        If the line of the script that asks for it stands outside.
    """
    main, frame = sys.modules["__main__"], sys._getframe()
    path = getattr(main, "__file__", None)
    while frame is not None and frame.f_globals is not vars(main):
        frame = frame.f_back  # type: ignore[assignment]
    while frame is not None and frame.f_code.co_name != "<module>":
        frame = frame.f_back  # type: ignore[assignment]
    if frame is None or path is None or not Path(path).is_file():
        return
    line = frame.f_lineno
    for node in ast.walk(ast.parse(Path(path).read_bytes())):
        if not isinstance(node, ast.If) or not node.lineno <= line <= (node.end_lineno or line):
            continue
        if "__name__" in ast.unparse(node.test):
            return
    raise InputError(
        f"{path}, line {line}: starts processes that import this script, and would start more: "
        'put it under `if __name__ == "__main__":`, or say workers=0'
    )


def require_workers(workers: int | None, scheduler: str | None) -> None:
    """Refuse what would keep the workers of this machine from starting, before anything is written.

    Raises
    ------
    InputError
        If the script that asks for them would start more in each, or Dask's folder for what it
        keeps meanwhile cannot be written to.
    """
    if scheduler is not None or workers == 0:
        return
    import dask

    require_main_guard()
    if scratch := dask.config.get("temporary-directory", None):
        try:
            require_folder(Path(scratch))
            require_files(Path(scratch), ())
        except InputError as error:
            raise InputError(f"DASK_TEMPORARY_DIRECTORY: {error}") from None


@contextmanager
def engine(
    work: Work,
    workers: int | None,
    scheduler: str | None,
    say: Callable[[str], None] = lambda text: None,
) -> Iterator[Engine]:
    """An engine for a sweep: `workers` processes on this machine (0: none but this), or a cluster.

    Raises
    ------
    InputError
        If the scheduler cannot be reached.
    EngineLost
        If no cluster could be started on this machine.
    """
    if scheduler is None and workers == 0:
        try:
            yield InProcess(work)
        finally:
            close()
        return
    import dask
    import distributed  # noqa: F401  # its defaults must be there before, and stay when ours go

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with dask.config.set(SETTINGS):
        if scheduler is None:
            wanted = workers or _cores()
            with (
                _closed(_local_cluster(wanted)) as cluster,
                _closed(_client_of(cluster)) as client,
            ):
                yield OnDask(work, client, cluster, wanted, say)
        else:
            with _closed(_join(scheduler)) as client:
                yield OnDask(work, client, say=say)


@contextmanager
def _closed(connection: Any) -> Iterator[Any]:
    """Close a client or cluster at the end; one that is too busy or dead to answer is left."""
    try:
        yield connection
    finally:
        with suppress(Exception):
            connection.close(timeout=10)


def _join(address: str) -> Any:
    from distributed import Client

    try:
        client = Client(address, timeout=REACHED_WITHIN)
    except (OSError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"--scheduler {address}: cannot be reached within {REACHED_WITHIN} s ({reason})"
        ) from None
    return client


def _local_cluster(workers: int) -> Any:
    from distributed import LocalCluster

    try:
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",  # a free port, for this machine only
            silence_logs=logging.CRITICAL,
        )
    except Exception as error:
        raise EngineLost(f"the workers could not be started: {_in_short(error)}") from None


def _client_of(cluster: Any) -> Any:
    from distributed import Client

    try:
        return Client(cluster)
    except Exception as error:
        raise EngineLost(f"the cluster does not answer: {_in_short(error)}") from None


def _in_short(error: BaseException) -> str:
    """What went wrong first, in one line."""
    while (below := error.__cause__ or error.__context__) is not None:
        error = below
    text = str(error).splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
