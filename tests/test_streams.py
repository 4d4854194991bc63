"""Randomness is addressed by seed, process and round, and by nothing else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import Z_LIMIT, finished, small_model
from hypothesis import given
from hypothesis import strategies as st

from multicopy.agents.machine.streams import Streams
from multicopy.model.collective import CollectiveModel

seeds = st.integers(0, 2**63)
addresses = st.tuples(st.text("abcdefgh _", max_size=20), st.integers(0, 10**6))


def frames(model: CollectiveModel) -> list[pd.DataFrame]:
    """All tables that a run leaves."""
    return [model.records.rounds(), model.ledger.frame(), model.records.events.frame()]


def assert_same_run(one: CollectiveModel, other: CollectiveModel) -> None:
    """Fail unless two runs left the same tables, bit for bit."""
    for a, b in zip(frames(one), frames(other), strict=True):
        pd.testing.assert_frame_equal(a, b, check_exact=True)
    np.testing.assert_array_equal(one.population.latent, other.population.latent)
    np.testing.assert_array_equal(one.panels.capture, other.panels.capture)


@given(seeds, addresses, addresses)
def test_the_same_address_gives_the_same_draws_in_any_order(
    seed: int, one: tuple[str, int], other: tuple[str, int]
) -> None:
    """Fails if a stream remembers what was drawn before."""
    streams = Streams(seed)
    first = streams.at(*one).random(5)
    streams.at(*other).random(3)
    np.testing.assert_array_equal(streams.at(*one).random(5), first)
    np.testing.assert_array_equal(Streams(seed).at(*one).random(5), first)


@given(seeds, addresses, addresses)
def test_different_addresses_and_seeds_give_different_draws(
    seed: int, one: tuple[str, int], other: tuple[str, int]
) -> None:
    """Fails if a part of the address is left out of the key."""
    draws = Streams(seed).at(*one).random(4)
    assert (Streams(seed + 1).at(*one).random(4) != draws).any()
    assert (Streams(seed).at(one[0], one[1] + 1).random(4) != draws).any()
    assert (Streams(seed).at(one[0] + "'", one[1]).random(4) != draws).any()
    if one != other:
        assert (Streams(seed).at(*other).random(4) != draws).any()


def test_neighboring_streams_are_uncorrelated() -> None:
    """Fails if seeds or rounds are used as seed + 1 of a weak generator."""
    n = 400
    streams = np.array([Streams(seed).at("x", r).random(n) for seed in (0, 1) for r in range(20)])
    correlations = np.corrcoef(streams)[np.triu_indices(len(streams), 1)]
    assert np.abs(correlations).max() * np.sqrt(n) < Z_LIMIT + 1  # of 780 pairs
    assert abs(correlations.mean()) * np.sqrt(n * len(correlations)) < Z_LIMIT


def test_names_are_keyed_alike_on_every_machine() -> None:
    """Fails if a key is made with `hash`, which differs from process to process."""
    drawn = Streams(7).at("training", 3).random(2)
    np.testing.assert_array_equal(drawn, [0.1508483369834721, 0.1594094168394804])


@pytest.mark.parametrize("scenario", ["ai2027", "psm"])
def test_same_scenario_and_seed_give_the_same_run(scenario: str) -> None:
    """Fails if a draw has no address, or an order depends on a hash."""
    assert_same_run(finished(3, scenario=scenario), finished(3, scenario=scenario))


def test_a_run_does_not_depend_on_who_else_asks_the_streams() -> None:
    """Fails if streams are handed out in order of demand."""
    undisturbed, disturbed = finished(5), small_model(5)
    names = ["tasks", "conduct", "oversight", "training", "mutation", "team contests", "rotation"]
    others = np.random.default_rng(0)
    while disturbed.running:
        for name in others.permutation(names):
            disturbed.streams.at(str(name), disturbed.round + int(others.integers(3))).random(9)
        disturbed.step()
    assert_same_run(undisturbed, disturbed)


def test_different_seeds_give_different_runs() -> None:
    """Fails if a seed is ignored."""
    one, other = finished(1), finished(2)
    assert not one.records.rounds().equals(other.records.rounds())
    assert (one.population.latent != other.population.latent).any()


@pytest.mark.parametrize(
    "mechanism",
    [
        {"training.exhaustiveness": 1e-300},
        {"training.shutdown_erases": True, "training.shutdown_rate": 0.0},
        {"subdivisions.reshuffle_rule": "children", "subdivisions.reshuffle": 1e-300},
        {"oversight.budget": 1e6},
    ],
    ids=lambda mechanism: next(iter(mechanism)),
)
def test_a_mechanism_that_never_acts_shifts_no_draw(mechanism: dict[str, object]) -> None:
    """Fails if a mechanism draws from the stream of another."""
    without = {"subdivisions.reshuffle": 0.0}
    assert_same_run(finished(4, **without), finished(4, **{**without, **mechanism}))


def test_a_run_leaves_the_global_generator_alone() -> None:
    """Fails if `np.random.seed` is called, or a global draw made."""
    before = np.random.get_state()  # noqa: NPY002
    finished(6)
    after = np.random.get_state()  # noqa: NPY002
    np.testing.assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]
