"""Extremes that must not break: every parameter at each bound, tiny, huge and endless runs."""

from __future__ import annotations

import resource
import sys
import warnings
from itertools import combinations
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pairwise
import pytest
from conftest import finished

from multicopy.model import memory
from multicopy.model.collective import CollectiveModel
from multicopy.model.memory import BYTES_PER_COPY, free_memory, require_memory
from multicopy.model.scenario import InputError, resolve

SETTINGS = pairwise.settings()


@pytest.mark.parametrize("place", range(len(SETTINGS)))
def test_all_parameters_at_their_bounds_in_pairs(place: int) -> None:
    """Fails if a bound, alone or in a pair, gives an error, a warning, NaN or infinity."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = CollectiveModel(rng=place, **SETTINGS[place])
        model.run()
    rounds = model.records.rounds().select_dtypes("number")
    assert np.isfinite(rounds.to_numpy(dtype=float)).all()
    assert (rounds[["exposure_risk", "detection", "capture"]] <= 1).all(axis=None)
    assert (rounds[["output", "gini"]] >= 0).all(axis=None)
    assert len(rounds) == model.schedule.total or model.outcome().kind == "caught"


def test_the_settings_pair_all_levels_of_all_factors() -> None:
    """Fails if a pair of extremes is never tried."""
    factors = pairwise.factors()
    assert len(factors) > 110
    rows = pairwise.covering([len(levels) for levels in factors.values()])
    assert len(rows) == len(SETTINGS)
    for (i, one), (j, other) in combinations(enumerate(factors.values()), 2):
        assert len({(row[i], row[j]) for row in rows}) == len(one) * len(other)


@pytest.mark.parametrize(
    "extreme",
    [
        {"teams": 1, "divisions": 1},
        {"teams": 64, "divisions": 3},
        {"training.mutation_sd": 0.0},
        {"oversight.panel_size": 0},
    ],
    ids=["one team", "one copy a team", "zero mutation", "no overseers"],
)
def test_runs_without_one_of_the_usual_parts_go_to_their_end(extreme: dict[str, Any]) -> None:
    """Fails if a mean of nothing, a missing rival or panel, or spread from nowhere gets in."""
    model = finished(3, scale=0.1, **extreme)
    rounds = model.records.rounds()
    assert len(rounds) == model.schedule.total
    if extreme.get("oversight.panel_size") == 0:
        assert (rounds[["detection", "capture", "legibility"]] == 0).all(axis=None)
    if extreme.get("training.mutation_sd") == 0.0:
        assert not (model.ledger.frame()["process"] == "mutation").any()


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2"])
def test_the_number_of_threads_is_checked(threads: Any) -> None:
    """Fails if a number of threads divides by zero, or makes an empty pool."""
    with pytest.raises(InputError, match=r"threads = .* whole number from 1"):
        CollectiveModel(copies=64, threads=threads)


def test_more_copies_than_there_is_memory_for_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if the machine runs out of memory, or a run that fits is refused."""
    monkeypatch.setattr(memory, "free_memory", lambda: 10**6 * BYTES_PER_COPY)
    require_memory(10**6)
    told = r"^copies = 2,000,000 would take about 1\.6 GB .* 0\.8 GB are free: .* most 1,000,000$"
    with pytest.raises(InputError, match=told):
        require_memory(2 * 10**6)
    with pytest.raises(InputError, match="copies = 1,000,032 would take"):
        CollectiveModel(copies=1_000_032)
    monkeypatch.setattr(memory, "free_memory", lambda: None)
    require_memory(10**12)


def test_free_memory_is_what_the_system_says_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if kilobytes count as bytes, a wrong line is read, or its lack is a traceback."""

    def system(**answer: Any) -> None:
        file = SimpleNamespace(read_text=Mock(**answer))
        monkeypatch.setattr(memory, "Path", {"/proc/meminfo": file}.__getitem__)

    system(return_value="MemTotal:  9 kB\nMemFree:  3 kB\nMemAvailable:  5 kB\nBuffers:  1 kB\n")
    assert free_memory() == 5 * 1024
    system(return_value="MemTotal:  9 kB\n")
    assert free_memory() is None
    system(side_effect=FileNotFoundError)
    assert free_memory() is None


@pytest.mark.slow
def test_a_long_run_keeps_its_numbers_and_its_memory() -> None:
    """Fails if traits leave all bounds, or a round leaves more than its row."""
    p = resolve(overrides={"copies": 32, "phases.training_agent4.rounds": 10_000})
    model = CollectiveModel(p, rng=0, detail=False)
    peaks = []
    while model.running:
        model.step()
        if model.round % 2500 == 0:
            peaks.append(_peak())
    assert np.abs(model.population.latent).max() < 1000
    growth = (peaks[-1] - peaks[1]) / (2500 * (len(peaks) - 2))
    assert growth < 8_000, f"{growth:.0f} bytes a round"


@pytest.mark.slow
def test_a_million_copies_can_be_run() -> None:
    """Fails if it takes more memory than promised, or a number overflows."""
    if (free_memory() or 0) < 4e9:
        pytest.skip("needs 4 GB of free memory")
    p = resolve(overrides={"copies": 2**20, "phases.pretraining.rounds": 1})
    model = CollectiveModel(p, rng=0, detail=False)
    for _ in range(3):
        model.step()
    assert len(model.records.rows) == 3
    assert model.population.latent.shape[0] == 2**20


def _peak() -> int:
    """Most memory that this process has held, bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
