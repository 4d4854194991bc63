"""Commands that end at any event of theirs in the file system: killed there, or the disk is full.

`undisturbed` numbers the events of a command under a folder; `disturbed` runs it again and lets it
end at one of them; `drill` does so for each and then runs the commands that are documented to go
on. A command is what stands after ``run.py``. It runs in a process forked from one that has
imported everything (`warmed`), so that an event costs little more than the command itself.

An event is what Python does: a file opened to be written, each write to it, each cut of its length,
flushed to the disk, locked; a file or folder renamed, removed or made. A kill in a write lets half
of it through, and so does a disk that is full; from then on nothing more fits on it, but what is
removed can be removed. What a library writes behind Python's back has no number: `Ended.unseen`
names files whose content did not come by, so a test can insist that there are none. Processes that
the command starts are not followed.
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import io
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing import forkserver
from pathlib import Path
from typing import Any, Final, Literal

Fault = Literal["kill", "full"]
Words = Sequence[str]

NEEDS_ROOM: Final = frozenset({"open", "write", "fsync", "mkdir"})
"""Events that a full disk does not allow."""

AUDITED: Final = {
    "os.rename": "rename",
    "os.remove": "remove",
    "os.mkdir": "mkdir",
    "os.rmdir": "rmdir",
    "os.truncate": "truncate",
}
"""Events that Python tells its audit hooks, and their names here."""

SECONDS: Final = 300
"""How long a command may take."""

ROOT: Final = Path(__file__).parents[1]


@dataclass(frozen=True)
class Ended:
    """A command that has ended.

    Attributes
    ----------
    code
        Its exit code; minus the signal if it was killed.
    told, complained
        What it printed, and its errors.
    events
        What it did under the folder, in order: "write run/rounds.parquet".
    unseen
        Files that hold more or less than was seen to be written.
    """

    code: int
    told: str
    complained: str
    events: tuple[str, ...]
    unseen: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Drilled:
    """A command that ended at an event, and what was tried after it.

    Attributes
    ----------
    at
        Number of the event, from 0.
    event
        What it was.
    first
        How the command ended.
    after
        How the commands ended that were run after it, the last one well if any did.
    """

    at: int
    event: str
    first: Ended
    after: tuple[Ended, ...]


def undisturbed(words: Words, under: Path) -> Ended:
    """Run a command; its events under a folder."""
    return _forked(words, under, None, "kill")


def disturbed(words: Words, under: Path, at: int, fault: Fault) -> Ended:
    """Run a command that ends at its event number `at`, from 0."""
    return _forked(words, under, at, fault)


def drill(
    begin: Words,
    again: Sequence[Words],
    under: Path,
    fault: Fault,
    points: Sequence[int] | None = None,
    before: Path | None = None,
) -> Iterator[Drilled]:
    """End a command at each of its events, and run what is documented to go on.

    Parameters
    ----------
    begin
        The command.
    again
        Commands to try after it, in order, until one exits with 0.
    under
        Folder whose events count; it is removed before each time, so let it be one of the test's.
    fault
        `kill`: the process is killed with -9. `full`: from there on the disk is full.
    points
        Numbers of the events; all if none are given.
    before
        What `under` is a copy of at the beginning; nothing lies there if it is not given.

    Yields
    ------
    Each event with how the commands ended, while `under` still is as they left it.
    """

    def prepare() -> None:
        shutil.rmtree(under, ignore_errors=True)
        if before is not None:
            shutil.copytree(before, under)

    prepare()
    events = undisturbed(begin, under).events
    for at in range(len(events)) if points is None else points:
        prepare()
        first = disturbed(begin, under, at, fault)
        after: list[Ended] = []
        for words in again:
            after.append(undisturbed(words, under))
            if after[-1].code == 0:
                break
        yield Drilled(at, events[at], first, tuple(after))


# --- processes ------------------------------------------------------------------------------------


@cache
def _server() -> Any:
    """What forks a process that has imported all; it is itself started from nothing."""
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["warmed"])
    before = os.environ.get("PYTHONPATH")
    # Up to Python 3.12 it looks for what it is to import along this path only.
    os.environ["PYTHONPATH"] = os.pathsep.join(map(str, (ROOT, ROOT / "tests")))
    try:
        forkserver.ensure_running()
    finally:
        del os.environ["PYTHONPATH"]
        if before is not None:
            os.environ["PYTHONPATH"] = before
    return server


def _forked(words: Words, under: Path, at: int | None, fault: Fault) -> Ended:
    server = _server()
    with tempfile.TemporaryDirectory() as scratch:
        where = Path(scratch)
        child = server.Process(target=_command, args=(list(words), under, at, fault, where))
        child.start()
        child.join(SECONDS)
        if child.exitcode is None:
            child.kill()
            child.join()
            raise TimeoutError(f"{words} at event {at} did not end in {SECONDS} s")
        told, complained = ((where / name).read_text() for name in ("out", "err"))
        events = tuple((where / "events").read_text().splitlines())
        seen = where / "unseen"
        unseen = frozenset(json.loads(seen.read_text())) if seen.exists() else frozenset()
    return Ended(child.exitcode, told, complained, events, unseen)


def _command(words: list[str], under: Path, at: int | None, fault: Fault, where: Path) -> None:
    """What the child does."""
    from multicopy.analysis.commands.cli import main

    os.chdir(ROOT)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(where / name, os.O_WRONLY | os.O_CREAT), number)
    watch = _Watch(under, at, fault, where / "events")
    watch.begin()
    try:
        code = main(words)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    sys.stdout.flush()
    watch.end()
    (where / "unseen").write_text(json.dumps(sorted(watch.unseen())))
    os._exit(code)


class _Watch:
    """Numbers the events of this process under a folder, and acts at one of them."""

    def __init__(self, under: Path, at: int | None, fault: Fault, log: Path) -> None:
        self.under = os.fspath(under.resolve())
        self.at = at
        self.fault = fault
        self.log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.count = 0
        self.watching = False
        self.written: dict[tuple[int, int], int] = {}

    def begin(self) -> None:
        """Watch from here on. Python forgets an audit hook only when the process ends."""
        opened, fsync, flock = io.open, os.fsync, fcntl.flock

        def watched_fsync(file: Any) -> None:
            self.note("fsync", _path_of(file))
            fsync(file)

        def watched_flock(file: Any, operation: int) -> None:
            self.note("flock", _path_of(file))
            flock(file, operation)

        def watched_open(file: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
            path = _path_of(file)
            if not set(mode) & set("wax+") or self.relative(path) is None:
                return opened(file, mode, *more, **named)
            return _open(self, path, file, mode, *more, **named)

        io.open = builtins.open = watched_open  # type: ignore[assignment]
        os.fsync, fcntl.flock = watched_fsync, watched_flock
        self.watching = True
        sys.addaudithook(self.audit)

    def end(self) -> None:
        """Watch no more."""
        self.watching = False

    def audit(self, name: str, values: tuple[Any, ...]) -> None:
        """Hear what Python is about to do."""
        if not self.watching:
            return
        if name == "open":
            path, _, flags = values
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writes and not isinstance(path, int):
                self.note("open", os.fspath(path))
        elif name in AUDITED:
            path, folder = values[0], values[-1]
            within = isinstance(folder, int) and folder >= 0 and name in ("os.remove", "os.rmdir")
            base = _path_of(folder) if within else ""
            self.note(AUDITED[name], os.path.join(base, os.fsdecode(path)))

    def relative(self, path: str | bytes | None) -> str | None:
        """A path as it is told; None if it is not under the folder."""
        if path is None:
            return None
        full = os.path.realpath(os.path.dirname(os.fsdecode(path)) or ".")
        full = os.path.join(full, os.path.basename(os.fsdecode(path)))
        if full != self.under and not full.startswith(self.under + os.sep):
            return None
        return os.path.relpath(full, os.path.dirname(self.under))

    def note(self, kind: str, path: Any, half: Callable[[], object] = lambda: None) -> None:
        """Take down an event; if it is the one, do half of it and end."""
        told = self.relative(path) if self.watching else None
        if told is None:
            return
        number, self.count = self.count, self.count + 1
        os.write(self.log, f"{kind} {told}\n".encode())
        if self.at is None or number < self.at:
            return
        if self.fault == "kill":
            half()
            os.kill(os.getpid(), signal.SIGKILL)
        if kind in NEEDS_ROOM:
            if number == self.at:
                half()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), _named(kind, path))

    def unseen(self) -> Iterator[str]:
        """Files under the folder of which some was written that was not seen."""
        for folder, _, names in os.walk(self.under):
            for name in names:
                path = os.path.join(folder, name)
                about = os.stat(path)
                if self.written.get((about.st_dev, about.st_ino)) != about.st_size:
                    yield os.path.relpath(path, os.path.dirname(self.under))


def _named(kind: str, path: Any) -> str | None:
    """The file that the system names in an error: that of a call that was given a name."""
    return os.fsdecode(path) if kind in ("open", "mkdir") else None


def _path_of(file: Any) -> str | None:
    """Path of a file by its name, descriptor or object; None if it has none."""
    if isinstance(file, (str, bytes, os.PathLike)):
        return os.fsdecode(file)
    number = file if isinstance(file, int) else file.fileno()
    try:
        return os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        return None


class _File(io.FileIO):
    """A file each of whose writes is an event."""

    def __init__(self, watch: _Watch, path: str | None, *how: Any, **named: Any) -> None:
        super().__init__(*how, **named)
        self.watch = watch
        self.path = path
        about = os.fstat(self.fileno())
        self.place = about.st_dev, about.st_ino
        watch.written[self.place] = about.st_size

    def write(self, content: Any) -> int:
        view = memoryview(content).cast("B")
        self.watch.note("write", self.path, lambda: self.put(view[: len(view) // 2]))
        return self.put(view)

    def put(self, content: memoryview) -> int:
        """Write, and take down how long the file is."""
        done = super().write(content)
        ends = max(self.watch.written[self.place], self.tell())
        self.watch.written[self.place] = ends
        return done

    def truncate(self, size: int | None = None) -> int:
        self.watch.note("truncate", self.path)
        self.watch.written[self.place] = length = super().truncate(size)
        return length


def _open(
    watch: _Watch,
    path: str | None,
    file: Any,
    mode: str,
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,
    opener: Any = None,
) -> Any:
    """What `open` gives, on a file that is watched."""
    plain = mode.replace("b", "").replace("t", "")
    raw = _File(watch, path, file, plain, closefd=closefd, opener=opener)
    if buffering == 0:
        return raw
    buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
    if "b" in mode:
        return buffered
    return io.TextIOWrapper(buffered, encoding, errors, newline, line_buffering=buffering == 1)
