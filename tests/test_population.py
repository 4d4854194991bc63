"""The columnar store: changes move every heritable column, at once, and are booked exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import Numbers, made_up
from hypothesis import given
from hypothesis import strategies as st

from multicopy.agents.population import COLUMNS, Changes, Population
from multicopy.agents.traits import DRIFTS, NAMES, ROW, WEIGHTS, express

HERITABLE = [column.name for column in COLUMNS if column.heritable]
OWN = [column.name for column in COLUMNS if not column.heritable]
COPIES = 24


def told_apart(copies: int = COPIES, teams: int = 6) -> Population:
    """A population in which every column tells the rows apart, as far as its type can."""
    population = made_up(copies, teams, min(2, teams))
    numbers = Numbers(0)
    for column in COLUMNS:
        values = getattr(population, column.name)
        if column.name not in ("latent", "expressed", "lineage"):
            values[:] = numbers.random(values.shape) < 0.5
    population.score[:] = numbers.random(copies)
    return population


def snapshot(population: Population) -> dict[str, Any]:
    """All columns, copied."""
    return {column.name: getattr(population, column.name).copy() for column in COLUMNS}


SINGLE = 1e-6
"""Relative rounding of single precision, with room for a few operations."""


def mean(values: np.ndarray) -> np.ndarray:
    """Mean over the rows, added up in double precision."""
    return np.asarray(values, dtype=float).mean(axis=0)


rows_and_parents = st.lists(
    st.integers(0, COPIES - 1), unique=True, min_size=0, max_size=COPIES
).flatmap(
    lambda rows: st.tuples(
        st.just(np.array(rows, dtype=np.int64)),
        st.lists(st.integers(0, COPIES - 1), min_size=len(rows), max_size=len(rows)).map(
            lambda parents: np.array(parents, dtype=np.int64)
        ),
    )
)


@given(rows_and_parents)
def test_heirs_take_every_heritable_column_as_it_was(
    moves: tuple[np.ndarray, np.ndarray],
) -> None:
    """Fails if a heritable column stays behind, or a parent is read after it was written."""
    rows, parents = moves
    population = told_apart()
    before = snapshot(population)
    ((_, moved),) = population.apply(Changes("reshuffling", rows, parents=parents))
    stay = np.setdiff1d(np.arange(COPIES), rows)
    for name in HERITABLE:
        after = getattr(population, name)
        np.testing.assert_array_equal(after[rows], before[name][parents], err_msg=name)
        np.testing.assert_array_equal(after[stay], before[name][stay], err_msg=name)
    for name in OWN:
        np.testing.assert_array_equal(getattr(population, name), before[name], err_msg=name)
    change = mean(population.expressed) - mean(before["expressed"])
    np.testing.assert_allclose(moved, change, rtol=0, atol=1e-12)


def test_a_swap_of_two_rows_loses_neither() -> None:
    """Fails if rows are written one after the other."""
    population = told_apart()
    before = snapshot(population)
    population.apply(Changes("reshuffling", np.array([3, 7]), parents=np.array([7, 3])))
    for name in HERITABLE:
        after = getattr(population, name)
        np.testing.assert_array_equal(after[[7, 3]], before[name][[3, 7]], err_msg=name)


def test_changes_given_together_happen_at_once() -> None:
    """Fails if a second change reads what the first has written."""
    population = told_apart()
    before = population.latent.copy()
    (_, lost), (_, gained) = population.apply(
        Changes("correction", np.array([0]), parents=np.array([1])),
        Changes("team selection", np.array([1]), parents=np.array([0])),
    )
    np.testing.assert_array_equal(population.latent[[0, 1]], before[[1, 0]])
    np.testing.assert_allclose(lost, -gained, rtol=0, atol=1e-15)


@given(st.permutations(range(COPIES)))
def test_a_permutation_keeps_every_copy(order: list[int]) -> None:
    """Fails if an exchange doubles one copy and loses another."""
    population = told_apart()
    before = snapshot(population)
    rows = np.arange(COPIES)
    ((_, moved),) = population.apply(Changes("reshuffling", rows, parents=np.array(order)))
    assert sorted(population.lineage) == sorted(before["lineage"])
    for name in ("latent", "expressed"):
        ordered = getattr(population, name)[np.argsort(population.lineage)]
        np.testing.assert_array_equal(ordered, before[name])
    np.testing.assert_allclose(moved, 0, atol=1e-15)


def test_steps_and_values_are_expressed_and_booked() -> None:
    """Fails if expressed values lag behind the latent ones."""
    population = told_apart()
    rows = np.array([2, 5, 11])
    numbers = Numbers(1)
    steps, values = numbers.normal(size=(2, 3, len(NAMES)))
    for change in (
        Changes("mutation", rows, shift=steps),
        Changes("lab response", rows, values=values),
    ):
        before = snapshot(population)
        ((_, moved),) = population.apply(change)
        expected = values if change.shift is None else before["latent"][rows] + steps
        np.testing.assert_array_equal(population.latent[rows], expected.astype(np.float32))
        np.testing.assert_allclose(
            population.expressed, express(population.latent), rtol=SINGLE, atol=SINGLE
        )
        change_of_mean = mean(population.expressed) - mean(before["expressed"])
        np.testing.assert_allclose(moved, change_of_mean, rtol=0, atol=1e-12)
        for name in ("lineage", "unswitched", *OWN):
            np.testing.assert_array_equal(getattr(population, name), before[name], err_msg=name)


def test_stored_copies_come_back_whole() -> None:
    """Fails if a heritable column is not put back, or a snapshot changes with the copies."""
    population = told_apart()
    rows = np.arange(COPIES)
    stored, kept = population.snapshot(rows), snapshot(population)
    value = Numbers(2).normal(size=(COPIES, len(NAMES)))
    population.apply(Changes("reshuffling", rows, parents=np.zeros(COPIES, dtype=np.int64)))
    population.apply(Changes("switching", rows, values=value, switched=True))
    for name in HERITABLE:
        np.testing.assert_array_equal(stored[name], kept[name], err_msg=name)
        assert (getattr(population, name) != kept[name]).any(), name
    before = mean(population.expressed)
    ((_, moved),) = population.apply(Changes("lab response", rows, columns=stored))
    for name, values in kept.items():
        np.testing.assert_array_equal(getattr(population, name), values, err_msg=name)
    change = mean(population.expressed) - before
    np.testing.assert_allclose(moved, change, rtol=0, atol=1e-12)


def test_a_switch_breaks_the_descent_for_good() -> None:
    """Fails if a switched copy, or a child of it, counts as unbroken descent."""
    population = made_up(6, 2)
    value = population.latent[[1]].copy()
    population.apply(Changes("switching", np.array([1]), values=value, switched=True))
    assert population.unswitched.tolist() == [True, False, True, True, True, True]
    population.apply(Changes("within-team selection", np.array([4]), parents=np.array([1])))
    population.apply(Changes("lab response", np.array([4]), values=value))
    population.apply(Changes("mutation", np.array([4]), shift=value))
    assert population.unswitched.tolist() == [True, False, True, True, False, True]


def test_no_rows_change_nothing() -> None:
    """Fails if a round in which nobody is replaced crashes, or moves a mean."""
    population = told_apart()
    before = snapshot(population)
    none = np.empty(0, dtype=np.int64)
    changes = [
        Changes("mutation", none, shift=np.empty((0, len(NAMES)))),
        Changes("correction", none, parents=none),
    ]
    for _, moved in population.apply(*changes):
        np.testing.assert_array_equal(moved, 0)
    for name, values in before.items():
        np.testing.assert_array_equal(getattr(population, name), values)


@pytest.mark.parametrize("column", [column.name for column in COLUMNS])
def test_replacing_a_column_is_refused_with_the_right_spelling(column: str) -> None:
    """Fails if a column can be replaced by an array that no view looks at."""
    population = told_apart()
    kept = getattr(population, column)
    with pytest.raises(AttributeError, match=rf"population\.{column}\[rows\] = "):
        setattr(population, column, np.zeros(COPIES))
    assert getattr(population, column) is kept


def test_a_misspelled_column_is_refused_with_the_nearest() -> None:
    """Fails if a write makes a new attribute that nobody reads."""
    population = told_apart()
    for wrong, right in (("scores", "score"), ("latents", "latent"), ("widthheld", "withheld")):
        with pytest.raises(AttributeError, match=rf"population\.{right}\[rows\]"):
            setattr(population, wrong, 1)
        assert not hasattr(population, wrong)


def test_values_set_by_hand_are_expressed_when_collected() -> None:
    """Fails if a value set by hand is lost, counted twice, or not in the mean."""
    population = told_apart()
    before = population.expressed.copy()
    for row, value in ((3, 2.0), (3, 4.0), (9, -1.0)):
        population.set_latent(row, 6, value)
    np.testing.assert_array_equal(population.expressed, before)
    moved = population.collect_touched()
    assert population.latent[3, 6] == 4.0
    np.testing.assert_allclose(
        population.expressed, express(population.latent), rtol=SINGLE, atol=SINGLE
    )
    np.testing.assert_allclose(moved, mean(population.expressed) - mean(before), atol=1e-12)
    np.testing.assert_array_equal(population.collect_touched(), 0)
    for value in (np.nan, np.inf):
        with pytest.raises(ValueError, match=f"{NAMES[6]} of copy 3 must be finite"):
            population.set_latent(3, 6, value)
    assert population.latent[3, 6] == 4.0


@pytest.mark.parametrize(("copies", "teams"), [(24, 6), (600, 5), (7, 7)])
def test_a_survey_tells_the_means_of_copies_and_teams(copies: int, teams: int) -> None:
    """Fails if a mean is of other rows or teams, or a restraint lacks its drift."""
    population = told_apart(copies, teams)
    survey = population.survey()
    by_team = population.expressed.astype(float).reshape(teams, copies // teams, -1).mean(axis=1)
    np.testing.assert_allclose(population.team_mean(population.expressed), by_team, rtol=1e-12)
    np.testing.assert_allclose(survey.expressed, mean(population.expressed), rtol=1e-12)
    np.testing.assert_allclose(survey.latent, mean(population.latent), atol=1e-12)
    expressed = population.expressed.astype(float)
    restraint = expressed[:, WEIGHTS] * (1 - expressed[:, DRIFTS])
    assert survey.restraint == pytest.approx(restraint.mean(), rel=SINGLE)


def test_the_booked_change_of_many_rows_is_that_of_the_mean() -> None:
    """Fails if rows are lost or counted twice where parts of a change are added up."""
    population = told_apart(1000, 10)
    before = mean(population.expressed)
    rows = Numbers(3).permutation(1000)[:777]
    steps = Numbers(4).standard_normal((777, len(NAMES)))
    ((_, moved),) = population.apply(Changes("mutation", rows, shift=steps))
    change = mean(population.expressed) - before
    np.testing.assert_allclose(moved, change, rtol=0, atol=1e-12)


@given(st.integers(1, 5), st.integers(1, 12), st.data())
def test_teams_and_divisions_partition_the_copies(size: int, teams: int, data: Any) -> None:
    """Fails if a copy or team is in two places or none, or a mean is of wrong rows."""
    divisions = data.draw(st.integers(1, teams))
    population = made_up(size * teams, teams, divisions)
    rows = np.arange(size * teams)
    team = population.team_of(rows)
    assert np.bincount(team).tolist() == [size] * teams
    houses = population.units["division"]
    home = houses.of
    counts = np.bincount(home, minlength=divisions)
    assert counts.min() >= 1
    assert counts.max() - counts.min() <= 1
    assert (np.diff(home) >= 0).all()
    np.testing.assert_array_equal(
        houses.start, [np.flatnonzero(home == d)[0] for d in range(divisions)]
    )
    for values in (population.latent, population.latent[:, 0]):
        means = population.team_mean(values)
        for t in range(teams):
            np.testing.assert_allclose(means[t], mean(values[team == t]))
        of_divisions = houses.mean(means)
        for d in range(divisions):
            np.testing.assert_allclose(of_divisions[d], means[home == d].mean(axis=0), atol=1e-12)


@pytest.mark.parametrize(("copies", "teams"), [(24, 6), (5000, 50), (7, 1)])
def test_children_of_the_team_are_written_and_mutated_as_by_two_changes(
    copies: int, teams: int
) -> None:
    """Fails if steps are left out, a parent is read late, or a sum is misplaced."""
    numbers, size = Numbers(copies), copies // teams
    rows = np.flatnonzero(numbers.random(copies) < 0.4)
    parents = rows - rows % size + numbers.integers(0, size, len(rows))
    steps = np.zeros((len(rows), ROW), np.float32)
    steps[:, : len(NAMES)] = numbers.normal(size=(len(rows), len(NAMES)))
    one, two = told_apart(copies, teams), told_apart(copies, teams)
    children = Changes("within-team selection", rows, parents=parents, steps=steps)
    (process, replaced), (mutation, mutated) = one.apply(children)
    assert (process, mutation) == ("within-team selection", "mutation")
    ((_, first),) = two.apply(Changes("within-team selection", rows, parents=parents))
    ((_, second),) = two.apply(Changes("mutation", rows, shift=steps[:, : len(NAMES)]))
    for name in HERITABLE:
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)
    np.testing.assert_allclose(replaced, first, rtol=0, atol=1e-14)
    np.testing.assert_allclose(mutated, second, rtol=0, atol=1e-14)
    np.testing.assert_allclose(one.sums, two.sums, rtol=1e-12, atol=1e-9)
    assert (mutated != 0).all()
