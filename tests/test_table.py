"""Tables that only grow: what is read back, what stays in memory, and what writers need."""

from __future__ import annotations

import bisect
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import SMALL, finished, small_model
from hypothesis import given
from hypothesis import strategies as st

from multicopy.analysis.files import folder
from multicopy.model import events, table
from multicopy.model.collective import CollectiveModel
from multicopy.model.genealogy import Genealogy
from multicopy.model.rows import LABELS, Kept
from multicopy.model.scenario import resolve
from multicopy.model.table import Table


@given(st.lists(st.integers(0, 9), max_size=12), st.tuples(st.integers(0, 60), st.integers(0, 60)))
def test_what_is_read_is_what_was_added(added: list[int], cut: tuple[int, int]) -> None:
    """Fails if a row is lost, doubled or out of place where a buffer is spilled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "BUFFER", 3 * 2 * 8)
        held, rows = Table(("a", "b")), np.arange(2.0 * sum(added)).reshape(-1, 2)
    done = 0
    for count in added:
        if count == 1:
            held.append(tuple(rows[done]))
        else:
            held.extend(rows[done : done + count])
        done += count
        assert len(held) == done
        if done:
            np.testing.assert_array_equal(held.last, rows[done - 1])
    np.testing.assert_array_equal(
        held.read(*cut), rows[cut[0] : max(cut)][: max(0, np.diff(cut)[0])]
    )
    np.testing.assert_array_equal(np.concatenate([rows[:0], *held.blocks()]), rows)
    np.testing.assert_array_equal(held.column("b"), rows[:, 1])
    told = {"columns": ["a", "b"], "dtype": "<f8", "texts": {}}
    held.restore({**told, "blocks": iter([rows[:5], rows[7:]])})
    np.testing.assert_array_equal(held.read(), np.concatenate([rows[:5], rows[7:]]))


def test_tables_that_spill_are_those_that_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if a frame, row or event depends on where its numbers lie."""

    def told() -> list[pd.DataFrame]:
        model = small_model(1)
        model.genealogy = Genealogy()
        model.run()
        assert [*model.records.rows] == [model.records.rows[i] for i in range(model.round)]
        assert model.records.rows[3:7] == [*model.records.rows][3:7]
        last = dict(model.records.rows[-1])
        model.records.rows._last.clear()
        assert model.records.rows[-1] == last
        log = model.records.events
        assert [*log] == [log[i] for i in range(len(log))] == log[:]
        assert log[:-9:-2] == [*log][:-9:-2]
        parts = (model.records.rows, model.ledger, log, model.genealogy)
        whole = [part.frame() for part in parts]
        for part, frame in zip(parts, whole, strict=True):
            joined = pd.concat([*part.frames()], ignore_index=True)
            pd.testing.assert_frame_equal(joined, frame, check_exact=True)
        return [*whole, model.datacollector.get_model_vars_dataframe()]

    before = told()
    monkeypatch.setattr(table, "BUFFER", 5000)
    monkeypatch.setattr(events, "BATCH", 50)
    for one, other in zip(told(), before, strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_a_folder_in_parts_is_the_folder_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if categories differ between the parts of a table."""
    model = finished(1)
    for name in ("whole", "parts"):
        folder.write(tmp_path / name, model, {})
        monkeypatch.setattr(events, "BATCH", 50)
        monkeypatch.setattr(Table, "blocks", lambda t, first=0: iter(np.array_split(t.read(), 7)))
    whole, parts = (folder.read(tmp_path / name) for name in ("whole", "parts"))
    for name in folder.TABLES:
        one, other = getattr(whole, name), getattr(parts, name)
        pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_memory_does_not_grow_with_the_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if records, ledger, events or Mesa's collector keep all rounds in memory.

    As dictionaries 600 rounds took 3 MB.
    """
    monkeypatch.setattr(table, "BUFFER", 2**15)
    lasts = {f"phases.{name}.rounds": 1 for name in resolve().phases}
    p = resolve(overrides={**SMALL, **lasts, "phases.training_agent4.rounds": 900})
    model = CollectiveModel(p, rng=0, detail=False)
    tracemalloc.start()
    try:
        sizes = []
        for until in (300, 900):
            while model.round < until:
                model.step()
            sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert len(model.records.rounds()) == len(model.datacollector.model_vars["capture"]) == 900
    assert sizes[1] - sizes[0] < 2**19


def test_names_of_labels_come_first() -> None:
    """Fails if columns have another order than their numbers."""
    rows = finished(1).records.rows
    assert tuple(rows[0])[: len(LABELS)] == tuple(LABELS)
    assert tuple(rows._table.columns)[: len(LABELS)] == tuple(LABELS)
    assert rows.frame()["date"].dt.date.tolist() == rows.values("date")


def test_an_event_is_that_of_its_place() -> None:
    """Fails if a first or last event is beyond the log, or one of no team is of team 0."""
    log = finished(2).records.events
    told, size = list(log), len(log)
    assert [log[at] for at in range(size)] == [log[at - size] for at in range(size)] == told
    assert log[1:4] == told[1:4]
    assert log[::-2] == told[::-2]
    for beyond in (size, -size - 1):
        with pytest.raises(IndexError, match=f"no event {beyond}"):
            log[beyond]
    assert {event.team for event in told if event.kind == "phase"} == {-1}


def test_what_mesa_reads_of_a_measure_is_a_sequence() -> None:
    """Fails if a place, slice or end that Mesa's batches ask for is of another round."""
    model = finished(1)
    for name in ("capture", "phase", "round", "date"):
        kept, told = Kept(model.records.rows, name), [row[name] for row in model.records.rows]
        assert [*kept] == told
        assert kept[3] == told[3]
        assert kept[-1] == told[-1]
        assert kept[::2] == told[::2]
        assert len(kept) == len(told)
    rounds = Kept(model.records.rows, "round")
    assert [bisect.bisect_right(rounds, r) for r in (0, 1, 7, 99)] == [0, 1, 7, model.round]
