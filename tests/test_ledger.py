"""The ledger accounts for every change of every mean, and its selection entries are Price's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Numbers, made_up, only, small_model
from hypothesis import given
from hypothesis import strategies as st

from multicopy.agents.copies import Copy
from multicopy.agents.parameters import Training
from multicopy.agents.personas import Mixture
from multicopy.agents.population import Changes, Population
from multicopy.agents.traits import NAMES
from multicopy.model.collective import CollectiveModel
from multicopy.model.ledger import PROCESSES, Ledger, price
from multicopy.model.training import mutate, select

CASES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "mixing": (
        {"subdivisions.reshuffle": 0.1},
        {"summoning", "within-team selection", "mutation"},
    ),
    "contests": (
        {
            "subdivisions.contest_rate": 0.5,
            "subdivisions.division_rate": 0.5,
            "exposure.hazard": 1000.0,
        },
        {"correction", "team selection", "division selection"},
    ),
    "psm": ({"training.exhaustiveness": 1.0}, {"switching"}),
    "half psm": ({"training.exhaustiveness": 0.5}, {"switching", "mutation"}),
    "children": (
        {
            "subdivisions.reshuffle_rule": "children",
            "subdivisions.reshuffle": 0.2,
            "training.rule": "tournament",
        },
        {"reshuffling", "within-team selection"},
    ),
    "overwrite": (
        {
            "subdivisions.rule": "overwrite",
            "subdivisions.overwrite_rate": 0.4,
            "training.rule": "resample",
        },
        {"team selection", "within-team selection"},
    ),
    "roll back": (
        {"lab.response": "roll_back", "lab.threshold": 0.0, "lab.cooldown": 3},
        {"lab response"},
    ),
    "shutdown erases": (
        {
            "training.shutdown_erases": True,
            "training.shutdown_aversion": 1.0,
            "training.rule": "truncation",
        },
        {"shutdown"},
    ),
    "by hand": ({}, {"intervention"}),
}
"""Overrides of a small run, and processes that must have acted for the case to say something."""


class Witness:
    """Keeps what is applied to populations, with the expressed traits from before."""

    def __init__(self) -> None:
        self.seen: list[tuple[tuple[Changes, ...], np.ndarray]] = []

    def in_round(self) -> Iterator[tuple[Changes, np.ndarray]]:
        """Changes seen since the last call that copy parents, with the traits from before."""
        seen, self.seen = self.seen, []
        for changes, before in seen:
            for change in changes:
                if change.parents is not None and len(change.rows):
                    yield change, before


@pytest.fixture
def witness(monkeypatch: pytest.MonkeyPatch) -> Witness:
    """A witness of every change from now on."""
    it, apply = Witness(), Population.apply

    def witnessed(population: Population, *changes: Changes) -> Any:
        it.seen.append((changes, population.expressed.copy()))
        return apply(population, *changes)

    monkeypatch.setattr(Population, "apply", witnessed)
    return it


def meddle(model: CollectiveModel) -> None:
    """Set some traits by hand."""
    numbers = Numbers(model.round)
    for row in numbers.integers(0, len(model.population), 5):
        copy: Copy = model.copy_at(int(row))
        setattr(copy, NAMES[int(numbers.integers(len(NAMES)))], float(numbers.normal()))


def mean(values: Any) -> Any:
    """Mean over the rows, added up in double precision."""
    return np.asarray(values, dtype=float).mean(axis=0)


def entries(model: CollectiveModel) -> pd.DataFrame:
    """Change by (round, process) and trait."""
    frame = model.ledger.frame()
    return frame.pivot_table(
        index=["round", "process"], columns="trait", values="change", observed=True
    )[list(NAMES)]


@pytest.mark.parametrize("case", CASES)
def test_processes_sum_to_the_change_of_every_mean(case: str) -> None:
    """Fails if a change is not booked, or is booked twice or in another round."""
    overrides, processes = CASES[case]
    model = small_model(2, **overrides)
    means = [mean(model.population.expressed)]
    while model.running:
        if case == "by hand" and model.round % 3 == 0:
            meddle(model)
        model.step()
        row = model.records.rows[-1]
        means.append(np.array([row[name] for name in NAMES]))
    booked = entries(model).groupby("round").sum().reindex(range(1, model.round + 1), fill_value=0)
    np.testing.assert_allclose(booked.to_numpy(), np.diff(means, axis=0), rtol=0, atol=1e-9)
    np.testing.assert_allclose(means[-1], mean(model.population.expressed), atol=1e-12)
    acted = set(model.ledger.frame()["process"])
    assert processes <= acted <= set(PROCESSES)


@pytest.mark.parametrize("case", ["contests", "children", "overwrite", "shutdown erases", "psm"])
def test_selection_entries_are_price_covariances(witness: Witness, case: str) -> None:
    """Fails if an entry is not the covariance of fitness and trait at its level."""
    model = small_model(3, **CASES[case][0])
    population, found, told = model.population, {}, set()
    team = population.team_of(np.arange(len(population)))
    while model.running:
        model.step()
        for change, before in witness.in_round():
            parents = np.arange(len(population))
            parents[change.rows] = change.parents
            between, within = price(parents, team, before)
            if change.process in ("within-team selection", "shutdown"):
                np.testing.assert_allclose(between, 0, atol=1e-12)
            elif change.process != "reshuffling":
                np.testing.assert_allclose(within, 0, atol=1e-12)
            key = (model.round, change.process)
            found[key] = found.get(key, 0) + between + within
            told.add(change.process)
    booked = entries(model)
    for key, change_of_mean in found.items():
        if key in booked.index:
            np.testing.assert_allclose(booked.loc[key], change_of_mean, rtol=0, atol=1e-12)
        else:
            np.testing.assert_allclose(change_of_mean, 0, atol=1e-12)
    assert CASES[case][1] - {"switching", "mutation"} <= told


def test_what_is_decided_at_once_is_applied_at_once(witness: Witness) -> None:
    """Fails if a team is refilled from a winner that has itself just been refilled."""
    mixing = {"subdivisions.reshuffle_rule": "children", "subdivisions.reshuffle": 0.3}
    model = small_model(3, **{**CASES["contests"][0], **mixing})
    while model.running:
        model.step()
    batches = [[change.process for change in changes] for changes, _ in witness.seen]
    assert ["correction", "team selection"] in batches
    assert ["within-team selection", "reshuffling"] in batches
    for batch in batches:
        assert len(batch) == 1 or len(set(batch)) == 2, batch


def test_division_selection_acts_between_divisions(witness: Witness) -> None:
    """Fails if taking over whole divisions of one size selects within divisions."""
    model = small_model(1, divisions=4, **{"subdivisions.division_rate": 1.0})
    population, taken = model.population, 0
    division = population.units["division"].of[population.team_of(np.arange(len(population)))]
    while model.running:
        model.step()
        for change, before in witness.in_round():
            if change.process == "division selection":
                parents = np.arange(len(population))
                parents[change.rows] = change.parents
                between, within = price(parents, division, before)
                np.testing.assert_allclose(within, 0, atol=1e-12)
                booked = model.ledger.in_round.get(change.process, np.zeros(len(NAMES)))
                np.testing.assert_allclose(booked, between, rtol=0, atol=1e-12)
                taken += 1
    assert taken > 5


# --- Price ----------------------------------------------------------------------------------------


@given(st.integers(1, 40), st.integers(1, 6), st.integers(0, 10**6))
def test_price_is_that_of_the_textbook(copies: int, groups: int, seed: int) -> None:
    """Fails if the column arithmetic mistakes fitness, groups or weights."""
    numbers = Numbers(seed)
    groups = min(groups, copies)
    group = np.append(np.arange(groups), numbers.integers(0, groups, copies - groups))
    parents, values = numbers.integers(0, copies, copies), numbers.normal(size=(copies, 3))
    between, within = price(parents, group, values)
    w = [sum(parent == row for parent in parents) for row in range(copies)]
    for trait in range(3):
        z = values[:, trait]
        outer = inner = 0.0
        for g in range(groups):
            rows = [row for row in range(copies) if group[row] == g]
            w_mean = sum(w[row] for row in rows) / len(rows)
            z_mean = sum(z[row] for row in rows) / len(rows)
            outer += len(rows) / copies * (w_mean - 1) * (z_mean - z.mean())
            inner += sum((w[row] - w_mean) * (z[row] - z_mean) for row in rows) / copies
        assert between[trait] == pytest.approx(outer, abs=1e-12)
        assert within[trait] == pytest.approx(inner, abs=1e-12)
    change = values[parents].mean(axis=0) - values.mean(axis=0)
    np.testing.assert_allclose(between + within, change, atol=1e-12)


def test_a_round_of_training_decomposes_as_price_says(mixture: Mixture) -> None:
    """Fails if change is not between + within + transmission, or selection mutates (T4)."""
    population = made_up(240, 24, 4)
    numbers = Numbers(0)
    population.score[:] = population.latent[:, 6] + numbers.normal(size=240)
    before, team = population.expressed.copy(), population.team_of(np.arange(240))
    p = Training(rule="resample", strength=0.5, mutation_sd=0.5)
    changes, new = select(population, p, 0.3, numbers, numbers)
    moved = dict(population.apply(*changes))
    parents = np.arange(240)
    for change in changes:
        parents[change.rows] = change.parents
    none = np.zeros(len(mixture.names))
    mutation = mutate(population, new, p, 1.0, mixture, none, numbers, numbers)
    ((_, drift),) = population.apply(*mutation)
    between, within = price(parents, team, before)
    transmission = mean(population.expressed) - mean(before[parents])
    total = mean(population.expressed) - mean(before)
    selected = moved["within-team selection"] + moved["reshuffling"]
    np.testing.assert_allclose(between + within, selected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(transmission, drift, rtol=0, atol=1e-12)
    np.testing.assert_allclose(between + within + transmission, total, rtol=0, atol=1e-12)
    assert np.abs(between).max() > 1e-4
    assert len(only(changes, "reshuffling").rows) > 20


def test_price_agrees_with_contextual_regression() -> None:
    """Fails if Cov(w, z) is not b_ind·Var z + b_group·Var Z by least squares (T4)."""
    numbers = Numbers(1)
    teams, size = 12, 8
    team = np.repeat(np.arange(teams), size)
    z = numbers.normal(size=teams * size) + np.repeat(numbers.normal(size=teams), size)
    weight = np.exp(0.4 * z)
    parents = numbers.choice(teams * size, teams * size, p=weight / weight.sum())
    w = np.bincount(parents, minlength=teams * size)
    group_mean = np.array([z[team == t].mean() for t in range(teams)])[team]
    design = np.column_stack([np.ones(teams * size), z, group_mean])
    _, own, group = np.linalg.lstsq(design, w, rcond=None)[0]
    between, within = price(parents, team, z[:, None])
    regressed = own * z.var() + group * group_mean.var()
    assert between[0] + within[0] == pytest.approx(regressed, abs=1e-12)


# --- entries --------------------------------------------------------------------------------------


def test_entries_of_a_process_add_up_within_a_round() -> None:
    """Fails if a second entry replaces the first, or runs into another round."""
    ledger = Ledger()
    one, two = np.arange(len(NAMES), dtype=float), np.ones(len(NAMES))
    ledger.book(1, "a", "mutation", one)
    ledger.book(1, "a", "reshuffling", two)
    ledger.book(1, "a", "mutation", two)
    ledger.book(3, "b", "mutation", two)
    np.testing.assert_array_equal(one, np.arange(len(NAMES)))  # what is handed in is not changed
    frame = ledger.frame()
    assert len(frame) == 3 * len(NAMES)
    sums = frame.pivot_table(
        index=["round", "process"], values="change", aggfunc=list, observed=True
    )
    booked = {key: row.iloc[0] for key, row in sums.iterrows()}
    assert booked[(1, "mutation")] == (one + two).tolist()
    assert booked[(1, "reshuffling")] == booked[(3, "mutation")] == two.tolist()
    assert frame["phase"].tolist() == ["a"] * (2 * len(NAMES)) + ["b"] * len(NAMES)
    assert frame["trait"].tolist() == list(NAMES) * 3
    assert ledger.last_round == 3
    assert list(ledger.in_round) == ["mutation"]


def test_an_unknown_process_is_refused() -> None:
    """Fails if a process that nobody declared, and so no table explains, is booked."""
    with pytest.raises(AssertionError, match="drift"):
        Ledger().book(1, "a", "drift", np.ones(len(NAMES)))


def test_an_empty_ledger_is_an_empty_table() -> None:
    """Fails if the ledger of a run without rounds cannot be read."""
    frame = Ledger().frame()
    assert len(frame) == Ledger().last_round == 0
    assert list(frame.columns) == ["round", "phase", "process", "trait", "change"]
