"""Every command with each standard stream closed, unread or full: ``python tests/streams.py``.

A command is done once undisturbed and once with each disturbance, each time in a process and a
folder of its own. It must leave the same files and the same exit code, and no traceback; only where
what it prints on standard output cannot be written, it says so and ends with 75.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pandas as pd

from multicopy.analysis.commands.cli import COMMANDS, main
from multicopy.analysis.commands.console import DONE, STOPPED

ROOT = Path(__file__).parents[1]
SMALL = "--copies 32 --rounds-scale 0.001"
PORT = "{port}"
DESIGN = """\
method = "saltelli"
samples = 2
rounds_scale = 0.001
fixed = { copies = 32 }
factors = { "oversight.rotation" = { low = 0.0, high = 1.0 } }
"""

CALLS = {
    "run": f"run {SMALL} --no-figures --out new",
    "resume": "resume run",  # refused: it has nothing to go on from
    "reproduce": "reproduce run",
    "scenarios": "scenarios",
    "parameters": "parameters",
    "ablate": f"ablate {SMALL} --effects E1-team --seeds 2 --workers 1 --out new",
    "outcomes": f"outcomes {SMALL} --scenarios ai2027 --seeds 2 --workers 0 --out new",
    "report": "report run",
    "lineage": "lineage run --tskit new.trees",
    "personas": f"personas {SMALL} --seeds 1 --workers 0 --out new",
    "explain": "explain run",
    "probe": "probe retrain run --rounds 1",
    "fork": "fork run --at 3",
    "validate": "validate --only T11 --replicates 200 --out new",
    "sweep": "sweep design.toml --workers 1 --out new",
    "sensitivity": "sensitivity design.toml --workers 0 --measure output --out new",
    "discover": "discover sweep",
    "map": "map sweep --x oversight.rotation --y oversight.rotation",
    "serve": f"serve --port {PORT}",
}
"""A cheap call of each command, in a folder with a run, a sweep and a design."""


@dataclass(frozen=True)
class Ended:
    """How a call ended: its code, what it told where it could, and the files it left."""

    code: int
    told: str
    files: dict[str, str]


@dataclass(frozen=True)
class Disturbance:
    """Descriptors that are closed, unread from the start, unread after a while, and full."""

    closed: Sequence[int] = ()
    unread: Sequence[int] = ()
    left: Sequence[int] = ()
    full: Sequence[int] = ()


DISTURBANCES = {
    "stdin closed": Disturbance(closed=[0]),
    "stdout closed": Disturbance(closed=[1]),
    "stderr closed": Disturbance(closed=[2]),
    "all closed": Disturbance(closed=[0, 1, 2]),
    "stdout unread": Disturbance(unread=[1]),
    "stderr unread": Disturbance(unread=[2]),
    "both unread": Disturbance(unread=[1, 2]),
    "stdout left": Disturbance(left=[1]),
    "stderr left": Disturbance(left=[2]),
    "stdout full": Disturbance(full=[1]),
    "stderr full": Disturbance(full=[2]),
}


def call(words: Sequence[str], where: Path, how: Disturbance) -> Ended:
    """Do a call in a folder and a process of its own, disturbed."""
    port = free_port()
    words = [word.replace(PORT, str(port)) for word in words]
    ends = {fd: _ends(fd, how) for fd in (0, 1, 2)}
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "run.py"), *words],
        cwd=where,
        stdin=ends[0][1],
        stdout=ends[1][1],
        stderr=ends[2][1],
        preexec_fn=lambda: [os.close(fd) for fd in how.closed],
    )
    for _, theirs in ends.values():
        os.close(theirs)  # so that a pipe ends with the process
    if words[0] == "serve":
        _stop_when_served(process, port)
    told = "".join(_read(reader, fd in how.left) for fd, (reader, _) in ends.items() if reader)
    code = process.wait(timeout=600)
    return Ended(code, told, dict(sorted(fingerprints(where))))


def _ends(fd: int, how: Disturbance) -> tuple[BinaryIO | None, int]:
    """What reads a descriptor, if anything does, and what a process gets as it."""
    if fd == 0 or fd in how.closed:
        return None, os.open(os.devnull, os.O_RDWR)
    if fd in how.full:
        return None, os.open("/dev/full", os.O_WRONLY)
    below, above = os.pipe()
    if fd in how.unread:
        os.close(below)
        return None, above
    return os.fdopen(below, "rb", buffering=0), above


def _read(reader: BinaryIO, leave: bool) -> str:
    """What comes, to its end; or nothing but that something did, and then nobody reads it."""
    with reader:
        return "" if leave and reader.read(1) else reader.read().decode(errors="replace")


def _stop_when_served(process: subprocess.Popen[bytes], port: int) -> None:
    """Stop the server once it answers."""
    until = time.monotonic() + 300
    while process.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            process.send_signal(signal.SIGINT)
            return
        time.sleep(0.2)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- what a call leaves ---------------------------------------------------------------------------

VOLATILE = {"started", "ended", "seconds", "pid"}
"""What differs from one time to the next, in any JSON."""


def fingerprints(folder: Path) -> Iterator[tuple[str, str]]:
    """Hashes of all files of a folder, or of what they say if their bytes depend on the time."""
    parts: dict[Path, list[Path]] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != ".lock"):
        if path.suffix == ".sha256":
            yield str(path.relative_to(folder)), "checksums of parts, which lie as their runs ended"
        elif path.name.startswith("part-"):
            parts.setdefault(path.parent, []).append(path)
        elif path.suffix == ".json":
            told = json.loads(path.read_text(encoding="utf-8"))
            told = {key: value for key, value in told.items() if key not in VOLATILE}
            yield str(path.relative_to(folder)), json.dumps(told, sort_keys=True)
        elif path.suffix == ".trees":
            yield str(path.relative_to(folder)), "a tree sequence, which tells when it was made"
        else:
            text = path.read_bytes()
            yield str(path.relative_to(folder)), hashlib.sha256(text).hexdigest()
    for place, files in parts.items():
        whole = pd.concat([pd.read_parquet(file) for file in files])
        rows = whole.sort_values([*whole.columns[:2]], kind="stable").to_csv(index=False)
        yield str(place.relative_to(folder)), hashlib.sha256(rows.encode()).hexdigest()


def prepare(folder: Path) -> None:
    """A run, a sweep and a design, for the calls to work on."""
    (folder / "design.toml").write_text(DESIGN, encoding="utf-8")
    words = f"run {SMALL} --lineage --no-figures --quiet --out {folder / 'run'}"
    assert main(words.split()) == DONE
    words = f"sweep {folder / 'design.toml'} --workers 0 --out {folder / 'sweep'}"
    unseen = io.StringIO()
    with contextlib.redirect_stderr(unseen), contextlib.redirect_stdout(unseen):
        assert main(words.split()) == DONE


# --- verdicts -------------------------------------------------------------------------------------


def faults(usual: Ended, ended: Ended, how: Disturbance) -> Iterator[str]:
    """What is wrong with a disturbed call."""
    if "Traceback" in ended.told or "Exception ignored" in ended.told:
        yield f"a traceback: {ended.told[-300:]}"
    codes = {usual.code}
    if 1 in how.full and usual.code == DONE:
        codes = {STOPPED}
        if "could not be written: No space left on device" not in ended.told:
            yield "no word of what could not be written"
    if ended.code not in codes:
        yield f"exit code {ended.code}, not {' or '.join(map(str, codes))}: {ended.told[-300:]}"
    for name in sorted({*usual.files, *ended.files}):
        if usual.files.get(name) != ended.files.get(name):
            yield f"the file {name} is not as usual"


def try_all(
    commands: Sequence[str], folder: Path, tell: Callable[[str], object] = print
) -> tuple[int, list[str]]:
    """Try each command with each disturbance; how many calls there were, and what was wrong."""
    made = folder / "made"
    made.mkdir()
    prepare(made)
    count, wrong = 0, []
    for command in commands:
        words, start = CALLS[command].split(), time.monotonic()
        usual = _fresh(words, made, folder, Disturbance())
        codes = set()
        for name, how in DISTURBANCES.items():
            ended = _fresh(words, made, folder, how)
            codes.add(ended.code)
            wrong += [f"{command}, {name}: {fault}" for fault in faults(usual, ended, how)]
            count += 1
        seconds = time.monotonic() - start
        tell(
            f"{command:<12} {usual.code} {sorted(codes)} {len(usual.files)} files, {seconds:.0f} s"
        )
    return count, wrong


def _fresh(words: Sequence[str], made: Path, folder: Path, how: Disturbance) -> Ended:
    """Do a call in a fresh copy of a folder, always of the same name."""
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(made, work)
    return call(words, work, how)


def cli() -> int:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("commands", nargs="*", default=list(COMMANDS), help="only these")
    with tempfile.TemporaryDirectory() as folder:
        count, wrong = try_all(
            p.parse_args().commands, Path(folder), lambda t: print(t, flush=True)
        )
    print(f"{count} disturbed calls, {len(wrong)} faults", *wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(cli())
