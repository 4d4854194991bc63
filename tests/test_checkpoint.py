"""Checkpoints: a run that goes on from one is the run that was never cut."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mesa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kept import (
    HOW,
    SCENARIOS,
    advanced,
    assert_same,
    begun,
    cut_and_resumed,
    kept_folder,
    parameters,
)

from multicopy.agents.copies import Copy
from multicopy.agents.machine.state import Stateful
from multicopy.agents.traits import POWER
from multicopy.analysis.files import checkpoints, keeping, versions
from multicopy.model.collective import CollectiveModel
from multicopy.model.scenario import InputError

# --- going on -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_run_that_is_cut_after_every_round_is_the_run_that_is_not(
    name: str, tmp_path: Path
) -> None:
    """Fails if any state, in any phase, is left out, rounded or out of order."""
    p = parameters(name)
    whole = begun(p, 1)
    whole.run()
    resumed = cut_and_resumed(begun(p, 1), range(whole.round), tmp_path / "run")
    assert_same(resumed, whole)


@settings(max_examples=8)
@given(
    seed=st.integers(0, 2**70),
    name=st.sampled_from(list(SCENARIOS)),
    cuts=st.sets(st.integers(1, 26), max_size=4),
    detail=st.booleans(),
    policy=st.integers(1, 25),
)
def test_cuts_at_random_rounds_change_nothing(
    seed: int,
    name: str,
    cuts: set[int],
    detail: bool,
    policy: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Fails if a value set by hand, or a policy of the page, is lost at a cut."""

    def step(model: CollectiveModel) -> None:
        if model.round == policy - 1:
            model.change_policy("oversight.audit", 0.9)
        model.step()
        if model.round == policy:
            model.population.set_latent(3, POWER, -2.0)
            model.panels.capture[0, :] = 0.5

    p = parameters(name)
    whole = begun(p, seed, detail)
    while whole.running:
        step(whole)
    place = tmp_path_factory.mktemp("cut") / "run"
    assert_same(cut_and_resumed(begun(p, seed, detail), cuts | {policy}, place, step), whole)
    shutil.rmtree(place)


def test_the_handles_of_a_resumed_model_are_handles_on_it(tmp_path: Path) -> None:
    """Fails if Mesa agents still look at the model that was thrown away."""
    kept_folder(advanced(), tmp_path / "run")
    model = checkpoints.read(tmp_path / "run").model()
    copies = model.agents_by_type[Copy]
    copies.select(lambda copy: copy.team == 1).set("power", 0.25)
    assert (model.population.latent[8:16, POWER] == 0.25).all()
    assert len(copies) == 64
    assert model.lab.model is model


def test_arrays_lie_in_memory_as_they_did(tmp_path: Path) -> None:
    """Fails if loops get rows for columns after a cut, and are slow or compiled anew."""
    model = advanced()
    assert model.stored is not None
    turned = np.asfortranarray(model.stored["latent"])
    model.stored = {**model.stored, "latent": turned}
    kept_folder(model, tmp_path / "run")
    stored = checkpoints.read(tmp_path / "run").model().stored
    assert stored is not None
    np.testing.assert_array_equal(stored["latent"], turned)
    assert stored["latent"].strides == turned.strides
    assert stored["expressed"].strides == model.stored["expressed"].strides


def test_what_is_written_is_the_round_that_was_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if a run that goes on while it is written changes what is written."""
    written, publish = threading.Event(), keeping._publish

    def late(path: Path, header: bytes, arrays: list[Any]) -> None:
        assert written.wait(60)
        publish(path, header, arrays)

    monkeypatch.setattr(keeping, "_publish", late)
    model = advanced()
    (tmp_path / "run").mkdir()
    keeper = keeping.Keeper(tmp_path / "run", 1, HOW, versions.versions())
    keeper.save(model, 1.0)
    model.step()
    written.set()
    keeper.close()
    resumed = checkpoints.read(tmp_path / "run").model()
    assert resumed.round == 9
    model.run()
    resumed.run()
    assert_same(resumed, model)


# --- nothing is forgotten -------------------------------------------------------------------------

CACHES = {
    "_last",
    "latest",
    "streams",
    "datacollector",
    "_copies",
    "_agent_counter",
    "model",
    "crew",
    "latent",
    "expressed",
}
"""Attributes that change and yet are made anew: views, handles and what is looked up twice."""


def parts_within(model: CollectiveModel) -> Iterator[Stateful]:
    """The model and all its parts that have a state."""
    found: list[Stateful] = [model]
    while found:
        part = found.pop()
        yield part
        values = [getattr(part, name) for name in part.STATE]
        found += [value for value in values if isinstance(value, Stateful)]


def frozen(value: Any) -> Any:
    """What a value is, as something that does not change with it."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, dict):
        return {key: frozen(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [frozen(inner) for inner in value]
    held = getattr(value, "__dict__", None)
    return repr(value) if held is None else {name: frozen(inner) for name, inner in held.items()}


def test_every_attribute_of_a_model_is_state_or_made_anew() -> None:
    """Fails if the model, population, panels, lab or records gain an undeclared attribute."""
    model = begun(parameters("slowdown"), 1)
    model.run()
    mesas = vars(mesa.Model()).keys()
    parts = list(parts_within(model))
    names = {type(part).__name__ for part in parts}
    assert names >= {"Population", "Panels", "Lab", "Ledger", "Records", "Rows", "EventLog"}
    assert names >= {"SuccessorProject", "Genealogy", "Table"}
    for part in parts:
        if type(part).__name__ == "Table":
            continue  # is kept as texts and rows
        of_mesa = mesas if part is model else set()
        unknown = vars(part).keys() - part.STATE.keys() - part.MADE - of_mesa
        assert not unknown, f"{type(part).__name__}: {unknown} in neither STATE nor MADE"
        assert not part.STATE.keys() & part.MADE


def test_what_is_made_anew_does_not_change_in_a_run() -> None:
    """Fails if an attribute changes although it is declared not to, and would be lost."""
    model = advanced(2)
    parts = list(parts_within(model))
    before = [{n: frozen(getattr(p, n)) for n in p.MADE - CACHES if hasattr(p, n)} for p in parts]
    assert sum(map(len, before)) > 15
    while model.running:
        model.step()
    for part, told in zip(parts, before, strict=True):
        for name, value in told.items():
            assert frozen(getattr(part, name)) == value, f"{type(part).__name__}.{name} changed"


def test_an_attribute_that_would_be_lost_is_told(tmp_path: Path) -> None:
    """Fails if what a plug-in keeps on the lab is silently lost at a cut."""
    model = advanced()
    model.lab.grudge = 3
    with pytest.raises(InputError, match=r"Lab\.grudge, .*neither STATE nor MADE"):
        kept_folder(model, tmp_path / "run")
