"""Bad input of all kinds, made up by Hypothesis: one clear line and exit code 2, or success."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import fuzz
import pyarrow.parquet as pq
import pytest
from fuzz import KINDS, Case, Stock, attempt, tried
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[1]
PLUGIN = ["--plugin", "mine.py", "--set", "lab.response=pause"]


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Stock:
    """A run and a sweep to be spoilt."""
    return Stock.laid_in(tmp_path_factory.mktemp("stock"))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where inputs are made."""
    return tmp_path / "place"


def check(kind: str, rng: Random, stock: Stock, place: Path) -> None:
    """Make an input of a kind and try it."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    case, _, fault = tried(kind, rng, stock, place)
    assert not fault, f"{case.words}: {fault}"


def tries(count: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorator of a test that is given `rng`; what fails is not made smaller, which takes long."""

    def decorated(test: Callable[..., None]) -> Callable[..., None]:
        how = settings(max_examples=count, phases=[Phase.explicit, Phase.generate])
        return how(given(rng=st.randoms(use_true_random=False))(test))

    return decorated


@tries(60)
def test_scenarios(rng: Random, stock: Stock, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Fails if a scenario leads to a traceback, a hang, a NaN, or out of its folder."""
    check("scenario", rng, stock, tmp_path_factory.getbasetemp() / "scenario")


@tries(10)
def test_extremes(rng: Random, stock: Stock, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Fails if a run at the ends of what is allowed ends well and then cannot be reported."""
    check("extreme", rng, stock, tmp_path_factory.getbasetemp() / "extreme")


@tries(40)
def test_overrides(rng: Random, stock: Stock, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Fails if a value on the command line gives a traceback, or silently means something else."""
    check("override", rng, stock, tmp_path_factory.getbasetemp() / "override")


@tries(40)
def test_designs(rng: Random, stock: Stock, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Fails if a design fails once its runs are under way instead of before."""
    check("design", rng, stock, tmp_path_factory.getbasetemp() / "design")


@tries(6)
def test_run_folders(rng: Random, stock: Stock, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Fails if a damaged table, JSON or scenario is taken for whole, or gives a traceback."""
    check("run folder", rng, stock, tmp_path_factory.getbasetemp() / "runs")


@tries(6)
def test_sweep_folders(rng: Random, stock: Stock, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Fails if a damaged part or manifest is taken for whole, or gives a traceback."""
    check("sweep folder", rng, stock, tmp_path_factory.getbasetemp() / "sweeps")


@tries(40)
def test_checkpoints(rng: Random, stock: Stock, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Fails if a damaged or forged state is taken for whole, or gives a traceback."""
    check("checkpoint", rng, stock, tmp_path_factory.getbasetemp() / "kept")


@tries(30)
def test_plugins(rng: Random, stock: Stock, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Fails if a plug-in that fails, at its start or in the middle of a run, gives a traceback."""
    check("plug-in", rng, stock, tmp_path_factory.getbasetemp() / "plugins")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_of_each_kind(kind: str, stock: Stock, place: Path) -> None:
    """Fails if any of the above does, with more cases; `make fuzz` tries as many as one likes."""
    for i in range(12 * KINDS[kind][1]):
        check(kind, Random(f"many {kind} {i}"), stock, place)


# --- what the checks above can see ----------------------------------------------------------------


RIGHT = (
    ["explain", "run"],
    ["lineage", "run"],
    ["reproduce", "run"],
    ["resume", "again", "--quiet", "--no-figures"],
    ["sweep", "design.toml", *fuzz.TINY, "--dry-run", "--workers", "1"],
    ["run", *fuzz.TINY, *PLUGIN, "--quiet", "--no-figures", "--out", "with"],
)
"""Calls that are right."""

RIGHT_BUT_SLOW = (
    ["report", "run"],
    ["report", "sweep"],
    ["map", "sweep", "--x", "oversight.audit", "--y", "oversight.rotation"],
)


@pytest.mark.parametrize(
    "words", [*RIGHT, *(pytest.param(w, marks=pytest.mark.slow) for w in RIGHT_BUT_SLOW)], ids=str
)
def test_what_is_right_is_accepted(words: list[str], stock: Stock) -> None:
    """Fails if the fuzzer's inputs are all refused, for whatever reason, and so show nothing."""
    shutil.copy(ROOT / "tests" / "plugin_sample.py", stock.folder / "mine.py")
    shutil.copytree(stock.folder / "kept", stock.folder / "again", dirs_exist_ok=True)
    case = Case(words, ("run", "sweep", "with", "again"))
    assert attempt(case, stock.folder, may_load=True) == (0, "")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("open('escaped', 'w')", "writes .*escaped"),
        ("import os; os.system('true')", "os.system"),
        ("import subprocess; subprocess.run(['true'])", "subprocess.Popen"),
        ("import time; time.sleep(5)", "hangs"),
        ("raise KeyError(3)", "error: --plugin|adds nothing|^$"),
        ("import sys; sys.exit(4)", "^$"),
    ],
)
def test_the_fuzzer_sees_what_it_looks_for(
    code: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if the watch sees nothing, and so lets everything pass."""
    monkeypatch.setattr(fuzz, "LIMIT", 0.5)
    (tmp_path / "mine.py").write_text(code)
    words = ["run", *fuzz.TINY, "--plugin", "mine.py", "--out", "out"]
    _, fault = attempt(Case(words, ("out",)), tmp_path, may_load=True)
    assert re.search(told, fault), fault


def test_code_in_the_folder_is_seen_when_it_runs(tmp_path: Path) -> None:
    """Fails if a plug-in that is loaded without being asked for goes unnoticed."""
    shutil.copy(ROOT / "tests" / "plugin_sample.py", tmp_path / "mine.py")
    words = ["run", *fuzz.TINY, "--plugin", "mine.py", "--quiet", "--no-figures", "--out", "out"]
    _, fault = attempt(Case(words, ("out",)), tmp_path)
    assert "runs code" in fault


# --- what a damaged file could say and nobody would notice ----------------------------------------


def test_tables_are_checked_against_their_checksums(stock: Stock, tmp_path: Path) -> None:
    """Fails if a flipped bit in a column of numbers is read as another number."""
    run = shutil.copytree(stock.folder / "run", tmp_path / "run")
    path = run / "copies.parquet"
    meta = pq.ParquetFile(path).metadata.row_group(0)
    names = [meta.column(i).path_in_schema for i in range(meta.num_columns)]
    chunk = meta.column(names.index("power_latent"))
    content = bytearray(path.read_bytes())
    end = chunk.file_offset or chunk.data_page_offset + chunk.total_compressed_size
    content[max(end, chunk.data_page_offset + chunk.total_compressed_size) - 9] ^= 1
    path.write_bytes(bytes(content))
    code, fault = attempt(Case(["explain", "run"], ("run",)), tmp_path)
    assert (code, fault) == (2, "")


@pytest.mark.parametrize("name", ["rounds", "copies"])
def test_rows_that_are_missing_are_missed(name: str, stock: Stock, tmp_path: Path) -> None:
    """Fails if half a table passes under the name of the whole."""
    run = shutil.copytree(stock.folder / "run", tmp_path / "run")
    table = pq.read_table(run / f"{name}.parquet")
    pq.write_table(table.slice(1), run / f"{name}.parquet")
    assert attempt(Case(["explain", "run"], ("run",)), tmp_path) == (2, "")


def test_a_plugin_that_fails_in_the_middle_keeps_what_there_is(tmp_path: Path) -> None:
    """Fails if a plug-in that fails in its last round loses a long run."""
    (tmp_path / "mine.py").write_text(
        "from multicopy.agents.extensions import measure\n"
        "@measure('mine', 'x')\n"
        "def mine(model):\n"
        "    return 1 / (5 - model.round)\n"
    )
    words = ["run", *fuzz.TINY, "--plugin", "mine.py", "--quiet", "--no-figures", "--out", "out"]
    assert attempt(Case(words, ("out",)), tmp_path, may_load=True) == (2, "")
    told = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert told["complete"] is False
    assert "measure 'mine' of a plug-in: line 4 of mine.py fails: ZeroDivision" in told["fault"]
    assert len(pq.read_table(tmp_path / "out" / "rounds.parquet")) == told["rounds_done"]
