"""Own functions for what libraries round differently from machine to machine."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import nnls
from scipy.special import expit, logsumexp

from multicopy.agents.machine.arithmetic import (
    exp,
    exps,
    fit,
    log,
    logistic,
    posterior,
    product,
    square_distances,
)
from multicopy.agents.machine.compiled import BLOCK


def test_exponentials_and_logarithms_are_those_of_the_library_but_for_the_last_bits() -> None:
    """Fails if a coefficient, or what is left after a power of two, is mistaken."""
    x = np.concatenate([np.linspace(-708, 709, 100_001), np.linspace(-1, 1, 10_001)])
    np.testing.assert_allclose(exps(x), np.exp(x), rtol=5e-16)
    np.testing.assert_array_equal(exps(x[:500].reshape(5, 100)), exps(x)[:500].reshape(5, 100))
    assert [float(exps(v)) for v in (0, -709.0, -np.inf, np.float32(1))] == [1, 0, 0, exp(1.0)]
    assert np.isnan(exps(np.nan))
    assert np.isfinite(exps(np.inf))
    positive = np.exp(np.linspace(-700, 700, 10_001))
    found = [log(value) for value in positive]
    np.testing.assert_allclose(found, np.log(positive), rtol=4e-16, atol=4e-16)
    np.testing.assert_allclose(logistic(x), expit(x), rtol=1e-15, atol=1e-300)


def test_products_are_those_of_a_library(rng: np.random.Generator) -> None:
    """Fails if rows and columns are mistaken, in vectors, tables or tables of columns."""
    weights, rows = rng.standard_normal(70), rng.standard_normal((70, 5))
    np.testing.assert_allclose(product(weights, rows), weights @ rows, rtol=1e-12)
    np.testing.assert_allclose(
        product(weights, np.asfortranarray(rows)), weights @ rows, rtol=1e-12
    )
    assert product(weights, weights) == pytest.approx(weights @ weights)


def test_distances_are_those_of_their_definition(rng: np.random.Generator) -> None:
    """Fails if points at the end of a block, or of another center, are mistaken."""
    centers = rng.standard_normal((3, 7))
    for count in (1, BLOCK - 1, BLOCK, 2 * BLOCK + 3):
        points, found = rng.standard_normal((count, 7)), np.full((3, count), np.nan)
        square_distances(points, centers, found)
        off = centers[:, np.newaxis] - points
        np.testing.assert_allclose(found, (off**2).sum(axis=2), rtol=1e-12)


def test_shares_sum_to_one_however_small_the_densities(rng: np.random.Generator) -> None:
    """Fails if the largest density of a row is not taken out, or an impossible one counts."""
    joint = rng.standard_normal((40, 6)) * 50 - 5000
    joint[:, 2] = -np.inf
    density, share = posterior(joint)
    np.testing.assert_allclose(density, logsumexp(joint, axis=1), rtol=1e-14)
    np.testing.assert_allclose(share, np.exp(joint - logsumexp(joint, axis=1)[:, None]), rtol=1e-11)
    assert (share[:, 2] == 0).all()


@pytest.mark.parametrize("columns", [1, 2, 7, 30])
def test_the_best_weights_are_those_of_a_library(columns: int, rng: np.random.Generator) -> None:
    """Fails if a weight below 0 is kept, or one that would help is left out.

    Columns are rounded, and the first two the same, so that many make each other up.
    """
    for _ in range(40):
        table = rng.standard_normal((12, columns)).round(1)
        table[:, -1] = table[:, 0]
        target, weights = rng.standard_normal(12), np.empty(columns)
        fit(table.T @ table, table.T @ target, weights)
        assert (weights >= 0).all()
        away = np.linalg.norm(table @ weights - target)
        assert away == pytest.approx(nnls(table, target)[1], abs=1e-9)
