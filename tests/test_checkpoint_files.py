"""Checkpoints as files: what is damaged, forged, foreign or in use, and the command line."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import forked
from file_events import undisturbed
from hypothesis import given, settings
from hypothesis import strategies as st
from kept import HOW, advanced, begun, kept_folder, parameters, parts_of, signed

from multicopy.analysis.commands.cli import main
from multicopy.analysis.files import checkpoints, folder, keeping, versions
from multicopy.model import collective
from multicopy.model.collective import CollectiveModel
from multicopy.model.health import NumericFault
from multicopy.model.scenario import InputError

# --- what is refused ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders with checkpoints, of different runs."""
    place = tmp_path_factory.mktemp("made")
    kept_folder(advanced(), place / "run")
    kept_folder(advanced(12, seed=2), place / "other")
    return place


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """A folder with a checkpoint of one's own, beside another."""
    shutil.copytree(made / "other", tmp_path / "other")
    return Path(shutil.copytree(made / "run", tmp_path / "run"))


def refused(run: Path, capsys: pytest.CaptureFixture[str], *told: str) -> None:
    """Fail unless `resume` says so in one line, and changes nothing."""
    before = {f: f.read_bytes() for f in run.parent.rglob("*") if f.is_file()}
    assert main(["resume", str(run), "--quiet", "--no-figures"]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1, error
    assert error.startswith("error: ")
    for part in told:
        assert part in error, error
    assert {f: f.read_bytes() for f in run.parent.rglob("*") if f.is_file()} == before


def test_what_is_whole_is_accepted(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fails if a whole checkpoint is refused, so that the tests below show nothing."""
    assert main(["resume", str(run), "--quiet", "--no-figures"]) == 0
    assert folder.read_complete(run).provenance["resumed"][0]["round"] == 9
    assert not (run / "checkpoint").exists()
    assert main(["resume", str(run), "--no-figures"]) == 0
    assert "(ai2027, seed 1) is complete" in capsys.readouterr().out


FILES = ("state", "records.rows._table.rows", "ledger._table.rows", "genealogy._replaced.rows")


@settings(max_examples=30)
@given(name=st.sampled_from(FILES), rng=st.randoms(use_true_random=False))
def test_a_flipped_bit_anywhere_is_seen(name: str, rng: Any, made: Path) -> None:
    """Fails if a number is read as another number."""
    path = made / "run" / "checkpoint" / name
    whole = path.read_bytes()
    at = rng.randrange(8 * len(whole))
    try:
        path.write_bytes(
            whole[: at // 8] + bytes([whole[at // 8] ^ 1 << at % 8]) + whole[at // 8 + 1 :]
        )
        with pytest.raises(InputError):
            checkpoints.read(made / "run").model()
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("keep", [0, 30, -1])
def test_a_file_that_is_cut_short_is_refused(
    name: str, keep: int, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if a state or table is accepted although its end is missing."""
    path = run / "checkpoint" / name
    path.write_bytes(path.read_bytes()[:keep])
    refused(run, capsys, str(run))


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_run_is_refused(
    name: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if tables of one run are accepted under the state of another."""
    shutil.copy(run.parent / "other" / "checkpoint" / name, run / "checkpoint" / name)
    refused(run, capsys, "is damaged, no run can go on from it", ".rows is")


def test_rows_that_were_not_finished_are_cut_off(run: Path, tmp_path: Path) -> None:
    """Fails if a kill between a table and its state counts as damage."""
    with (run / "checkpoint" / "records.rows._table.rows").open("ab") as file:
        file.write(b"half a row")
    (run / "checkpoint" / ".state.part").write_bytes(b"half a state")
    checkpoint = checkpoints.read(run)
    model, keeper = checkpoint.model(), checkpoint.keeper(HOW)
    model.step()
    keeper.save(model, 1.0)
    keeper.close()
    assert main(["resume", str(run), "--quiet", "--no-figures"]) == 0
    whole = begun(parameters(), 1)
    whole.run()
    folder.write(tmp_path / "whole", whole, {})
    for table in [*folder.TABLES, "lineage"]:
        ours, its = (place / f"{table}.parquet" for place in (run, tmp_path / "whole"))
        assert ours.read_bytes() == its.read_bytes(), table


def change(tree: Any, path: str, value: Any) -> None:
    """Put a value into a tree of JSON."""
    *owners, last = path.split("/")
    for name in owners:
        tree = tree[int(name) if isinstance(tree, list) else name]
    tree[int(last) if isinstance(tree, list) else last] = value


FORGED: dict[str, tuple[str, Any, str]] = {
    "path": ("arrays/0/0", "../../escaped", "is missing"),
    "huge array": ("arrays/0/3", [2**40, 27], "has no shape"),
    "large array": ("arrays/0/3", [6400, 27], "is larger than the file"),
    "negative array": ("arrays/0/3", [-64, 27], "has no shape"),
    "objects": ("arrays/0/1", "|O8", "unknown type"),
    "huge table": ("state/records/rows/_table/rows", 2**60, "shorter"),
    "wide table": ("state/ledger/_table/columns", ["a"] * 2**20, "missing"),
    "negative table": ("state/records/rows/_table/rows", -3, "missing"),
    "other columns": ("state/records/rows/_table/columns/9", "x", "other columns"),
    "code of no text": ("state/records/rows/_table/texts/phase", ["a"], "without a text"),
    "no process": ("state/ledger/_table/texts/process/0", "magic", "of an unknown process"),
    "other measures": ("state/records/_formed", {"keep_team": 0.1}, "with other measures"),
    "more state": ("state/lab/extra", 1, "other entries"),
    "no state": ("state/lab", None, "other entries"),
    "text for a number": ("state/lab/evidence", "3", "lab.evidence is not of type float"),
    "no number": ("state/lab/evidence", float("nan"), "NaN is not a number"),
    "truth for a number": ("state/round", True, "round is not of type int"),
    "another round": ("state/round", 8, "round 8 is not one of"),
    "more copies": ("state/declared/copies", 128, "has the shape"),
    "no scenario": ("state/declared/copies", "many", "not the parameters"),
    "forbidden value": ("state/parameters/oversight/audit", 7, "not the parameters"),
    "no overseer": ("state/panels/mix", {"oracle": 1.0}, "an unknown kind of overseer"),
    "no copy": ("state/population/_touched", [64], "traits of an unknown copy were set"),
    "too many copies": ("state/declared/copies", 10**12, "not the parameters"),
    "no interval": ("every", 0, "no rounds between"),
    "no time": ("how", {"plugins": {}}, "lacks 'seconds'"),
    "other code": ("versions/code", "0", "is of code 0"),
    "other library": ("versions/numpy", "1.0", "is of numpy 1.0 (here "),
    "plug-in": ("how/plugins", {"mine.py": "ab12"}, "plug-in mine.py"),
}


@pytest.mark.parametrize(("path", "value", "told"), FORGED.values(), ids=list(FORGED))
def test_a_state_that_is_forged_is_refused(
    path: str, value: Any, told: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if a right checksum is all that protects memory, files and loops."""
    state = run / "checkpoint" / "state"
    first, header, arrays = parts_of(state)
    change(header, path, value)
    signed(state, first, header, arrays)
    refused(run, capsys, told)


def test_arrays_that_point_beyond_a_column_are_refused(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if a compiled loop can be made to read beyond its memory."""
    state = run / "checkpoint" / "state"
    first, header, arrays = parts_of(state)
    at = 0
    for place, dtype, _, shape in header["arrays"]:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if place in ("panels.player", "population.lineage", "panels.kind"):
            wrong = np.full(shape, 10**6, dtype).tobytes()
            signed(state, first, header, arrays[:at] + wrong + arrays[at + size :])
            refused(run, capsys, "damaged")
        at += size
    assert at == len(arrays)


def forged_arrays(state: Path) -> Iterator[tuple[str, bytes]]:
    """Each array of a state, with other numbers of its type in it: name, and all arrays."""
    _, header, arrays = parts_of(state)
    at = 0
    for place, dtype, _, shape in header["arrays"]:
        held = np.frombuffer(arrays, dtype, int(np.prod(shape)), at)
        top = 1e30 if held.dtype.kind == "f" else 1 if held.dtype.kind == "b" else 100
        for value in (top, -top, 1):
            forged = np.full_like(held, value).tobytes()
            if forged != held.tobytes():
                yield f"{place} = {value}", arrays[:at] + forged + arrays[at + len(forged) :]
        at += held.nbytes
    assert at == len(arrays)


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Each value of a tree of JSON that holds no others, with its path."""
    if tree and isinstance(tree, (dict, list)):
        inner = tree.items() if isinstance(tree, dict) else enumerate(tree)
        for name, value in inner:
            yield from leaves(value, f"{path}/{name}")
    else:
        yield path[1:], tree


def forged_leaves(header: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each value of a header, with another in its place: its path, and the header."""
    others = itertools.cycle((-1, 2**40, 0.3, "", None, 1e300))
    for path, value in leaves(header):
        other = next(other for other in others if other != value)
        forged = json.loads(json.dumps(header))
        change(forged, path, other)
        yield f"{path} = {other}", forged


def test_wrong_numbers_after_a_checkpoint_are_its_fault(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if who has a damaged checkpoint is asked to report a fault of the simulator."""

    def broken(*_: object) -> None:
        raise NumericFault("round 9: output is nan")

    monkeypatch.setattr(collective, "require_health", broken)
    assert main(["resume", str(run), "--quiet", "--no-figures"]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert "This run went on from a checkpoint, which may have been changed" in error
    assert f"--out {run} --force begins it anew" in error


@pytest.mark.slow
def test_no_forged_checkpoint_is_told_as_a_fault_of_the_simulator(made: Path, run: Path) -> None:
    """Fails if a forged array or value, with the right checksum, is a crash or a traceback."""
    state = made / "run" / "checkpoint" / "state"
    first, header, arrays = parts_of(state)
    forged = [(what, header, content) for what, content in forged_arrays(state)]
    forged += [(what, other, arrays) for what, other in forged_leaves(header)]
    faults = []
    for what, told, content in forged:
        shutil.rmtree(run)
        shutil.copytree(made / "run", run)
        signed(run / "checkpoint" / "state", first, told, content)
        ended = undisturbed(["resume", str(run), "--quiet", "--no-figures"], run)
        lines = len(ended.complained.splitlines())
        if (ended.code, lines) not in ((0, 0), (2, 1)):
            faults.append((what, ended.code, ended.complained[-600:]))
    assert not faults, f"{len(faults)} of {len(forged)}"


def test_a_newer_or_foreign_state_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fails if a layout that this program does not know is read as if it did."""
    state = run / "checkpoint" / "state"
    first, header, arrays = parts_of(state)
    signed(state, {**first, "version": 9}, header, arrays)
    refused(run, capsys, "written in version 9 of the layout; this program reads version 1")
    state.write_bytes(b"PK\x03\x04" + bytes(1000))
    refused(run, capsys, "is not a checkpoint of this program")


def test_a_state_larger_than_memory_is_not_read(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if a file can make the machine run out of memory."""
    monkeypatch.setattr(checkpoints, "free_memory", lambda: 1000)
    refused(run, capsys, "more than a third of the 1,000 that are free")


@pytest.mark.parametrize(
    "name", ["checkpoint", "checkpoint/state", "checkpoint/ledger._table.rows"]
)
def test_links_are_not_followed(name: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fails if a downloaded folder lets a resumed run write outside of it."""
    moved = run.parent / "outside"
    shutil.move(run / name, moved)
    (run / name).symlink_to(moved)
    refused(run, capsys, "not part of a run")


def test_a_run_that_goes_on_is_not_resumed_twice(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if two processes write to one folder."""
    with folder.claimed(run, force=True):
        refused(run, capsys, "another process is writing to it")


# --- on the command line --------------------------------------------------------------------------

WORDS = ["--copies", "64", "--rounds-scale", "0.03", "--quiet", "--no-figures"]


def test_a_new_run_does_not_go_on_from_an_old_checkpoint(run: Path) -> None:
    """Fails if a checkpoint of the previous run is resumed as the new one."""
    assert main(["run", *WORDS, "--out", str(run), "--force"]) == 0
    assert not (run / "checkpoint").exists()


def test_a_folder_that_only_has_a_checkpoint_says_so(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if nobody is told that the run can go on."""
    (run / ".running").write_text("1\n")
    assert main(["explain", str(run)]) == 2
    assert f"python run.py resume {run}" in capsys.readouterr().err


@pytest.mark.parametrize("every", ["0", "-1", "often", "1.5"])
def test_an_interval_that_is_none_is_refused(every: str, tmp_path: Path) -> None:
    """Fails if a run writes no checkpoints although it was asked to."""
    words = ["run", *WORDS, "--checkpoint-every", every, "--out", str(tmp_path / "run")]
    assert main(words) == 2
    assert not list(tmp_path.iterdir())


def test_a_plugin_is_named_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if a run goes on without its plug-in, or with another one."""
    source = Path(__file__).parent / "plugin_sample.py"
    plugin, out = ["--plugin", str(source)], str(tmp_path / "cut")
    after = keeping.Keeper.after_round

    def stop(keeper: keeping.Keeper, model: CollectiveModel, seconds: float) -> None:
        after(keeper, model, seconds)
        if model.round == 9:
            keeper.close()
            os._exit(9)

    def cut() -> int:
        monkeypatch.setattr(keeping.Keeper, "after_round", stop)
        return main(["run", *WORDS, *plugin, "--checkpoint-every", "4", "--out", out])

    assert forked(cut).code == 9
    without = forked(lambda: main(["resume", out]))
    assert without.code == 2
    assert str(source) in without.err
    assert len(without.err.splitlines()) == 1
    resumed = ["resume", out, *plugin, "--quiet", "--no-figures"]
    assert forked(lambda: main(resumed)).code == 0
    whole = str(tmp_path / "whole")
    assert forked(lambda: main(["run", *WORDS, *plugin, "--out", whole])).code == 0
    for table in folder.TABLES:
        one, other = (Path(place) / f"{table}.parquet" for place in (out, whole))
        assert one.read_bytes() == other.read_bytes()
    told = json.loads((Path(out) / "provenance.json").read_text())
    assert told["resumed"][0]["round"] == 8
    assert HOW.keys() <= told.keys()
    assert versions.differing(told["versions"]) == []


def test_a_checkpoint_that_is_half_removed_is_none(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if a kill during its removal leaves a state without its tables."""
    unlink, removed = Path.unlink, []

    def once(path: Path, missing_ok: bool = False) -> None:
        if removed:
            raise KeyboardInterrupt
        removed.append(path.name)
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", once)
    with pytest.raises(KeyboardInterrupt):
        keeping.discard(run)
    assert removed == ["state"]
    with pytest.raises(InputError, match="has no checkpoint"):
        checkpoints.read(run)


def test_a_run_that_is_stopped_goes_on_from_where_it_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if Ctrl-C loses the rounds since the last checkpoint."""
    after, out = keeping.Keeper.after_round, tmp_path / "run"

    def press(keeper: keeping.Keeper, model: CollectiveModel, seconds: float) -> None:
        after(keeper, model, seconds)
        if model.round == 11:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(keeping.Keeper, "after_round", press)
    assert main(["run", *WORDS, "--checkpoint-every", "4", "--out", str(out)]) == 75
    monkeypatch.undo()
    assert f"python run.py resume {out} goes on from its checkpoint" in capsys.readouterr().err
    assert len(folder.read(out).rounds) == 11
    assert main(["resume", str(out), "--quiet", "--no-figures"]) == 0
    assert main(["run", *WORDS, "--out", str(tmp_path / "whole")]) == 0
    assert [cut["round"] for cut in folder.read_complete(out).provenance["resumed"]] == [11]
    for table in folder.TABLES:
        one, other = (place / f"{table}.parquet" for place in (out, tmp_path / "whole"))
        assert one.read_bytes() == other.read_bytes(), table


def test_a_disk_that_is_full_is_one_line_and_keeps_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if an error in the writing thread goes unreported."""
    publish, done = keeping._publish, []

    def once(path: Path, header: bytes, arrays: list[Any]) -> None:
        if done:
            raise OSError(28, "No space left on device")
        done.append(publish(path, header, arrays))

    monkeypatch.setattr(keeping, "_publish", once)
    out = tmp_path / "run"
    assert main(["run", *WORDS, "--checkpoint-every", "4", "--out", str(out)]) == 75
    error = capsys.readouterr().err
    on = f"python run.py resume {out} goes on from its checkpoint"
    assert error.endswith(f": No space left on device; {on}\n")
    assert checkpoints.read(out).model().round == 4
