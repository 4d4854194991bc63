"""Sweeps that end at any event in the file system, killed or out of disk space, and go on."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from file_events import Fault, Words, drill, undisturbed

from multicopy.analysis.many import read
from multicopy.analysis.many.parts import SUMS, TABLES
from multicopy.analysis.many.store import manifest

pytestmark = pytest.mark.slow

DESIGN = """
rounds_scale = 0.01
keep = ["phases", "rounds", "ledger"]
[fixed]
copies = 64
[factors]
"oversight.audit" = [0.1, 0.3, 0.5]
"""
PLUGIN = """
from multicopy.agents.extensions import measure

@measure("cursed", "fails at one level")
def cursed(model):
    if model.parameters.oversight.audit == 0.3:
        raise RuntimeError("the level is cursed")
    return 0.0
"""
"""What makes one of the runs fail, so that there is a table of failures."""

FAILED = 3
"""What a sweep exits with of which some runs failed."""


class Swept:
    """A sweep in this process that has to be the same whatever happens to it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.under = place / "under"
        self.out = self.under / "sweep"
        (place / "design.toml").write_text(DESIGN)
        (place / "cursed.py").write_text(PLUGIN)
        told = [str(place / "design.toml"), "--plugin", str(place / "cursed.py"), "--workers", "0"]
        self.begin = ["sweep", *told, "--out", str(self.out)]
        self.resume = [*self.begin, "--resume"]
        self.retry = [*self.begin, "--retry-failed"]
        ended = undisturbed(self.begin, self.under)
        assert ended.code == FAILED, ended.complained
        assert not ended.unseen, "something was written that no event tells of"
        self.whole = self.tables()

    def tables(self) -> dict[str, pd.DataFrame]:
        """All that there is to be read; where in the program a run failed is no part of it."""
        found = {table: read(self.out, table) for table in TABLES}
        return {**found, "failures": found["failures"].drop(columns="traceback")}

    def kept(self, name: str) -> Path:
        """A copy of what lies there now, to begin from."""
        return Path(shutil.copytree(self.under, self.place / name))

    def goes_on(
        self, begin: Words, again: Sequence[Words], fault: Fault, before: Path | None = None
    ) -> None:
        """Fail unless the sweep is the same, whichever event of `begin` it ended at."""
        count = 0
        for drilled in drill(begin, again, self.under, fault, before=before):
            first, last = drilled.first, drilled.after[-1]
            # How many parts there are is a question of time: the event may not have come.
            assert first.code in ((-9, FAILED) if fault == "kill" else (2, 75, FAILED)), drilled
            assert "Traceback" not in first.complained + last.complained, drilled
            assert last.code == FAILED, drilled
            for table, frame in self.tables().items():
                pd.testing.assert_frame_equal(frame, self.whole[table], check_exact=True)
            assert manifest(self.out)["complete"] is True, drilled
            assert not list(self.out.glob("**/.*.part")), drilled
            count += 1
        assert count > 20
        print(f"{begin[-1]}, {fault}: the same after each of {count} events")


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    """A sweep of three runs, one of which fails, with all tables."""
    return Swept(tmp_path_factory.mktemp("swept"))


FAULTS: tuple[Fault, ...] = ("kill", "full")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_sweep_goes_on_from_every_event(swept: Swept, fault: Fault) -> None:
    """Fails if there is an event at which a kill, or a full disk, loses a run or the sweep."""
    swept.goes_on(swept.begin, [swept.resume], fault)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("table", ["ledger", SUMS, "sweep.json"])
def test_mending_goes_on_from_every_event(swept: Swept, table: str, fault: Fault) -> None:
    """Fails if what mends a damaged folder leaves one that cannot be mended when it ends early."""
    shutil.rmtree(swept.under, ignore_errors=True)
    assert undisturbed(swept.begin, swept.under).code == FAILED
    file = swept.out / table
    if file.is_dir():
        file = next(file.iterdir())
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)
    swept.goes_on(swept.resume, [swept.resume], fault, swept.kept(f"{file.name}-{fault}"))


@pytest.mark.parametrize("fault", FAULTS)
def test_trying_failures_again_goes_on_from_every_event(swept: Swept, fault: Fault) -> None:
    """Fails if a run is lost, or done twice, between its failure and the next try."""
    shutil.rmtree(swept.under, ignore_errors=True)
    assert undisturbed(swept.begin, swept.under).code == FAILED
    swept.goes_on(swept.retry, [swept.resume], fault, swept.kept(f"retry-{fault}"))
