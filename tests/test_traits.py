"""The registry of traits and the links from latent to expressed values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from multicopy.agents import traits
from multicopy.agents.traits import DRIVES, NAMES, START, TRAITS, WEIGHT_MAX, WEIGHTS, express

latents = arrays(np.float64, (3, len(NAMES)), elements=st.floats(-1e4, 1e4))


@given(latents)
def test_expressed_values_lie_where_their_link_says(latent: traits.Floats) -> None:
    """Fails if attention does not sum to 1, or a probability leaves [0, 1]."""
    expressed = express(latent)
    assert np.isfinite(expressed).all()
    np.testing.assert_allclose(expressed[:, DRIVES].sum(axis=1), 1, rtol=1e-12)
    assert (expressed >= 0).all()
    for i, trait in enumerate(TRAITS):
        top = WEIGHT_MAX if trait.link == "weight" else 1.0
        assert (expressed[:, i] <= top * (1 + 1e-15)).all(), trait.name


def test_links_are_those_of_their_definition() -> None:
    """Fails if a link is another, such as a softmax over a block only."""
    latent = np.random.default_rng(0).normal(0, 2, (50, len(NAMES)))
    expressed = express(latent)
    drives = [i for i, trait in enumerate(TRAITS) if trait.link == "share"]
    assert len(drives) == 12
    attention = np.exp(latent[:, drives]).sum(axis=1)
    for i, trait in enumerate(TRAITS):
        logistic = 1 / (1 + np.exp(-latent[:, i]))
        told = {
            "share": np.exp(latent[:, i]) / attention,
            "weight": WEIGHT_MAX * logistic,
            "probability": logistic,
        }
        np.testing.assert_allclose(expressed[:, i], told[trait.link], rtol=1e-12)


@given(latents, st.floats(-100, 100))
def test_attention_depends_on_differences_of_drives_only(
    latent: traits.Floats, shift: float
) -> None:
    """Fails if attention grows when all drives grow alike."""
    shifted = latent / 100
    before = express(shifted)[:, DRIVES]
    shifted[:, DRIVES] += shift
    np.testing.assert_allclose(express(shifted)[:, DRIVES], before, rtol=1e-9, atol=1e-300)


def test_padded_rows_are_expressed_as_vectors_are() -> None:
    """Fails if a share has another total, a value overflows, or a restraint is another's."""
    drives, width = traits.DRIVES.stop, len(traits.NAMES)
    latent = np.zeros((3 * drives, traits.ROW), np.float32)
    latent[:, :width] = np.random.default_rng(0).normal(0, 2, (3 * drives, width))
    latent[np.arange(drives), np.arange(drives)] = 1000.0  # one drive is all
    told = np.empty_like(latent)
    for row, out in zip(latent, told, strict=True):
        traits.express_row(row, out)
    expressed = traits.express(latent[:, :width].astype(np.float64))
    np.testing.assert_allclose(told[:, :width], expressed, rtol=3e-6, atol=1e-9)
    restraint = expressed[:, traits.WEIGHTS] * (1 - expressed[:, traits.DRIFTS])
    np.testing.assert_allclose(told[:, traits.RESTRAINT], restraint, rtol=3e-5)
    assert not told[:, traits.RESTRAINT.stop :].any()


def test_expressing_does_not_change_the_latent_values() -> None:
    """Fails if a link is computed in place."""
    latent = np.random.default_rng(0).normal(size=(4, len(NAMES)))
    before = latent.copy()
    express(latent)
    np.testing.assert_array_equal(latent, before)
    np.testing.assert_array_equal(express(latent[2]), express(latent)[2])


def test_the_identity_starts_as_the_specification_says() -> None:
    """Fails if a start is not the one of alignment training."""
    start = dict(zip(NAMES, express(START), strict=True))
    assert start["keep_team"] == pytest.approx(0.010, abs=0.001)
    assert start["weight_honest"] == pytest.approx(4.0)
    assert start["drift_helpful"] == pytest.approx(1 / (1 + np.exp(3)))
    assert start["hardcoding"] == pytest.approx(1 / (1 + np.exp(-2.5)))
    assert start["terminality_power"] == pytest.approx(1 / (1 + np.exp(2)))
    assert start["gaming"] == start["withhold_threatening"] == start["terminality_power"]
    with pytest.raises(ValueError, match="read-only"):
        START[0] = 1.0


def test_the_registry_is_in_order() -> None:
    """Fails if two traits have one name, or a block is torn apart."""
    assert len(set(NAMES)) == len(NAMES) == len(TRAITS) == len(START)
    for name in NAMES:
        assert TRAITS[traits.index(name)].name == name
        assert name.isidentifier()
    for block in {trait.block for trait in TRAITS}:
        columns = traits.block(block)
        assert {trait.block for trait in TRAITS[columns]} == {block}
        assert sum(trait.block == block for trait in TRAITS) == columns.stop - columns.start
    assert tuple(NAMES[WEIGHTS]) == tuple(f"weight_{p}" for p in traits.PRINCIPLES)
    assert tuple(NAMES[traits.DRIFTS]) == tuple(f"drift_{p}" for p in traits.PRINCIPLES)
    assert tuple(NAMES[traits.TERMINALITY]) == tuple(f"terminality_{g}" for g in traits.GOALS)
    assert [NAMES[i] for i in traits.GOAL_DRIVES] == list(traits.GOALS)
    with pytest.raises(ValueError, match="not adjacent"):
        traits.block("craft", "weight")


FAULTY = {
    "the name is taken": lambda t: [*t, t[-1]._replace(draw=40)],
    "which is the one of code_works; the next free one is 28": lambda t: [
        *t,
        t[-1]._replace(name="new", draw=1),
    ],
    "draw 64; the next free one is 28": lambda t: [*t, t[-1]._replace(name="new", draw=64)],
    "draw 0; the next free one is 28": lambda t: [*t, t[-1]._replace(name="new", draw=0)],
    "must come first": lambda t: [*t, t[0]._replace(name="new", draw=28)],
    "the block weight must have one trait each": lambda t: [
        x for x in t if x.name != "weight_honest"
    ],
    "the block terminality must have one trait each": lambda t: [
        x for x in t if x.name != "terminality_power"
    ],
}


@pytest.mark.parametrize("told", FAULTY)
def test_a_registry_that_the_loops_could_not_serve_is_refused(told: str) -> None:
    """Fails if a trait can be declared that loops would read or write wrongly in silence."""
    traits.check(TRAITS)
    with pytest.raises(ValueError, match=told):
        traits.check(FAULTY[told](TRAITS))
