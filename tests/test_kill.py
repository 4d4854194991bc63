"""Runs that end at any moment, killed or out of disk space, and what goes on with them."""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from file_events import Drilled, Fault, disturbed, drill, undisturbed

from multicopy.analysis.files import folder

ROOT = Path(__file__).parents[1]
SMALL = ["--copies", "64", "--rounds-scale", "0.02", "--seed", "5", "--quiet", "--lineage"]
EVERY = ["--checkpoint-every", "6"]
"""Of 18 rounds: a checkpoint, another that adds to its tables, and then the end."""

FAULTS: tuple[Fault, ...] = ("kill", "full")
KILLED = -9


def files_of(place: Path) -> dict[str, bytes]:
    """All files of a folder by their paths; not what its provenance holds, which tells times."""
    found = {str(p.relative_to(place)): p.read_bytes() for p in place.rglob("*") if p.is_file()}
    return {**found, "provenance.json": b""} if "provenance.json" in found else found


class Drill:
    """A run that has to be the same whatever happens to it.

    Parameters
    ----------
    place
        A folder of the test's.
    words
        Options of the run.
    """

    def __init__(self, place: Path, *words: str) -> None:
        self.place = place
        self.under = place / "under"
        self.out = self.under / "run"
        self.begin = ["run", *SMALL, *words, "--out", str(self.out)]
        self.resume = ["resume", str(self.out), *(w for w in words if w == "--no-figures")]
        self.anew = [*self.begin, "--force"]
        ended = undisturbed(self.begin, self.under)
        assert ended.code == 0, ended.complained
        assert not ended.unseen, "something was written that no event tells of"
        self.whole = files_of(self.out)
        self.events = [event.replace("under/run/", "") for event in ended.events]

    def kept(self, name: str) -> Path:
        """A copy of what lies there now, to begin from."""
        return Path(shutil.copytree(self.under, self.place / name))

    def all_go_on(
        self,
        begin: Sequence[str],
        again: Sequence[Sequence[str]],
        fault: Fault,
        points: Sequence[int] | None = None,
        before: Path | None = None,
    ) -> None:
        """Fail unless the run is the same, whichever event of `begin` it ended at."""
        count = 0
        for drilled in drill(begin, again, self.under, fault, points, before):
            self.went_on(drilled, fault)
            count += 1
        assert count
        print(f"{' '.join(begin[:1])}, {fault}: the same after each of {count} events")

    def went_on(self, drilled: Drilled, fault: Fault) -> None:
        """Fail unless commands that were named went on to the same folder."""
        first, *refused, last = drilled.first, *drilled.after
        assert first.code in ((KILLED,) if fault == "kill" else (0, 2, 75)), drilled
        assert len(first.complained.splitlines()) == (first.code > 0), drilled
        for ended in refused:
            lines = ended.complained.splitlines()
            assert ended.code == 2, drilled
            assert len(lines) == 1, drilled
            named = f"--out {self.out} --force begins it anew"
            nothing = "there is no such folder", "is not a run folder"
            assert any(told in lines[0] for told in (named, *nothing)), drilled
        assert last.code == 0, drilled
        found = files_of(self.out)
        assert found.keys() == self.whole.keys(), drilled
        assert [name for name in found if found[name] != self.whole[name]] == [], drilled
        assert folder.read_complete(self.out).seed == 5


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drill:
    """A run with figures."""
    return Drill(tmp_path_factory.mktemp("drawn"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Drill:
    """A run without figures that writes checkpoints."""
    return Drill(tmp_path_factory.mktemp("plain"), "--no-figures", *EVERY)


def test_a_run_that_is_killed_goes_on_as_if_nothing_had_happened(plain: Drill) -> None:
    """Fails if a kill at one of a few events is the end of a run, or changes it."""
    events = plain.events
    points = [
        events.index("rename .provenance.json.part"),
        events.index("rename .events.parquet.part"),
        events.index("remove checkpoint/state"),
    ]
    plain.all_go_on(plain.begin, [plain.resume, plain.anew], "kill", points)


def test_a_run_that_has_no_room_left_goes_on_once_it_has(plain: Drill) -> None:
    """Fails if a full disk leaves a folder that nothing goes on with, or more than one line."""
    point = plain.events.index("write .copies.parquet.part")
    plain.all_go_on(plain.begin, [plain.resume, plain.anew], "full", [point])


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_run_goes_on_from_every_event(plain: Drill, fault: Fault) -> None:
    """Fails if there is an event at which a kill, or a full disk, is the end of a run."""
    plain.all_go_on(plain.begin, [plain.resume, plain.anew], fault)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_run_that_replaces_another_goes_on_from_every_event(plain: Drill, fault: Fault) -> None:
    """Fails if a folder is neither the old run nor the new one, and cannot be begun anew."""
    shutil.rmtree(plain.under, ignore_errors=True)
    other = ["run", *SMALL, "--seed", "6", *EVERY, "--no-figures", "--out", str(plain.out)]
    assert undisturbed(other, plain.under).code == 0
    (plain.out / "figures").mkdir()
    (plain.out / "figures" / "levels.png").write_bytes(b"of the run before")
    before = plain.kept(f"replaced-{fault}")
    plain.all_go_on(plain.anew, [plain.anew], fault, before=before)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_run_that_is_resumed_goes_on_from_every_event(plain: Drill, fault: Fault) -> None:
    """Fails if what goes on after a kill does not outlive a kill itself."""
    shutil.rmtree(plain.under, ignore_errors=True)
    at = plain.events.index("rename .ledger.parquet.part")
    assert disturbed(plain.begin, plain.under, at, "kill").code == KILLED
    before = plain.kept(f"resumed-{fault}")
    plain.all_go_on(plain.resume, [plain.resume, plain.anew], fault, before=before)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_figures_are_drawn_from_every_event(drawn: Drill, fault: Fault) -> None:
    """Fails if a run that ends while its figures are drawn never has all of them, or others."""
    shutil.rmtree(drawn.under, ignore_errors=True)
    at = drawn.events.index("mkdir figures")
    assert disturbed(drawn.begin, drawn.under, at, "kill").code == KILLED
    before = drawn.kept(f"undrawn-{fault}")
    drawn.all_go_on(drawn.resume, [drawn.resume], fault, before=before)


# --- at random moments ----------------------------------------------------------------------------

WORDS = ["--copies", "128", "--seed", "5", "--quiet", "--no-figures", "--lineage"]


def start(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "run.py", *words], cwd=ROOT, stderr=subprocess.PIPE)


def holds(out: Path, process: subprocess.Popen[bytes]) -> bool:
    """Whether the process has begun to play the run."""
    claim = out / ".running"
    return claim.exists() and claim.read_text().startswith(f"{process.pid}\n")


@pytest.mark.slow
def test_fifty_kills_at_random_moments(tmp_path: Path) -> None:
    """Fails if a kill changes a run wherever it falls: in a round, in a write, between two.

    What resumes it is killed too. A run that ends before it is killed is begun anew.
    """
    whole, out, moments = tmp_path / "whole", tmp_path / "run", random.Random(20270404)
    assert start("run", *WORDS, "--out", str(whole)).wait(timeout=300) == 0
    begin = ["run", *WORDS, "--checkpoint-every", "3", "--force", "--out", str(out)]
    again = ["resume", str(out), "--quiet", "--no-figures"]
    killed = went_on = 0
    while killed < 50:
        ready = (out / "checkpoint" / "state").exists()
        process = start(*(again if ready else begin))
        # Python takes longer to start than the run: what is drawn is the time after that.
        while process.poll() is None and not holds(out, process):
            time.sleep(0.005)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moments.uniform(0, 1.5))
        if process.poll() is None:
            process.kill()
            killed, went_on = killed + 1, went_on + ready
        error = process.communicate()[1]
        assert process.returncode in (0, KILLED), error
        if process.returncode == 0:
            assert files_of(out) == files_of(whole)
    ready = (out / "checkpoint" / "state").exists()
    assert start(*(again if ready else begin)).wait(timeout=300) == 0
    assert files_of(out) == files_of(whole)
    assert went_on > 20
