"""Authors of the pretraining distribution, and likeness to them."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import Numbers, acted, drawn_for_conduct, made_up, some_tasks
from scipy.special import logsumexp
from scipy.stats import ks_2samp, multivariate_normal

from multicopy.agents.parameters import Archetype
from multicopy.agents.personas import PERSONA, UNFORMED, Mixture, pretrained, summon, switch_weights
from multicopy.agents.traits import CRAFT, HARDCODING, NAMES, POWER, START, WEIGHTS, express
from multicopy.model.scenario import resolve


def test_log_joint_is_that_of_a_mixture_of_gaussians(mixture: Mixture) -> None:
    """Fails if a normalizer, weight or spread is wrong, or hard-coding counts as a trait."""
    latent = mixture.sample(Numbers(0), 60)
    latent[40:] += 3.0
    joint = mixture.log_joint(latent)
    for k in range(len(mixture.names)):
        density = multivariate_normal(
            mixture.centers[k, PERSONA], mixture.spread**2 * np.eye(len(PERSONA))
        )
        told = np.log(mixture.weights[k]) + density.logpdf(latent[:, PERSONA])
        np.testing.assert_allclose(joint[:, k], told, rtol=1e-9)
    hardened = latent.copy()
    hardened[:, HARDCODING] += 5
    np.testing.assert_array_equal(mixture.log_joint(hardened), joint)


def test_responsibilities_are_the_posterior(mixture: Mixture) -> None:
    """Fails if shares do not sum to 1, or miss whose sample it is."""
    latent = mixture.sample(Numbers(0), 200)
    share = mixture.responsibility(latent)
    joint = np.exp(mixture.log_joint(latent) - mixture.log_joint(latent).max())
    np.testing.assert_allclose(share.sum(axis=1), 1)
    np.testing.assert_allclose(share * joint.sum(axis=1, keepdims=True), joint, atol=1e-12)
    at_centers = mixture.responsibility(mixture.centers)
    assert (at_centers.argmax(axis=1) == np.arange(len(mixture.names))).all()


def test_centers_depart_from_the_start_as_declared(mixture: Mixture) -> None:
    """Fails if the departure of a block reaches one trait only, or another block."""
    p = resolve()
    assert mixture.names == tuple(p.archetypes)
    weights = np.array([a.weight for a in p.archetypes.values()])
    np.testing.assert_allclose(mixture.weights, weights / weights.sum())
    made = Mixture(
        {"a": Archetype(weight=0.3), "b": Archetype(departures={"craft": 0.5, "power": 2.0})},
        0.3,
        Numbers(0),
    )
    np.testing.assert_allclose(made.weights, [0.75, 0.25])
    np.testing.assert_array_equal(made.centers[0], START)
    departure = made.centers[1] - START
    assert departure[CRAFT].tolist() == [0.5] * 4
    assert departure[POWER] == 2.0
    assert np.count_nonzero(departure) == 5
    np.testing.assert_array_equal(made.acts, express(made.centers))
    np.testing.assert_array_equal(made.rows[:, : len(NAMES)], made.acts.astype(np.float32))
    assert not made.rows[:, len(NAMES) :].any()


def test_samples_have_the_weights_and_the_spread(mixture: Mixture) -> None:
    """Fails if authors are drawn in equal shares, or without spread."""
    numbers = Numbers(0)
    n = 40_000
    latent = mixture.sample(numbers, n)
    nearest = mixture.responsibility(latent).mean(axis=0)
    np.testing.assert_allclose(nearest, mixture.weights, atol=0.015)
    which = numbers.integers(0, len(mixture.names), n)
    around = mixture.around(which, numbers.standard_normal((n, len(NAMES))))
    off = (around - mixture.centers[which]) / mixture.spread
    assert np.abs(off.mean(axis=0)).max() < 5 / np.sqrt(n)
    assert np.abs(off.var(axis=0) - 1).max() < 5 * np.sqrt(2 / n)


def test_typicality_is_uniform_on_authors_of_the_prior(mixture: Mixture) -> None:
    """Fails if it is the share of another sample, or of the more typical."""
    density = logsumexp(mixture.log_joint(mixture.sample(Numbers(5), 4000)), axis=1)
    typical = mixture.typicality(density)
    uniform = (np.arange(20_000) + 0.5) / 20_000
    assert ks_2samp(typical, uniform).pvalue > 1e-6
    order = np.argsort(density)
    assert (np.diff(typical[order]) >= 0).all()
    far = mixture.centers[:1] + 5.0
    assert mixture.typicality(logsumexp(mixture.log_joint(far), axis=1))[0] == 0.0


def test_likeness_is_one_to_itself_and_less_to_all_else(mixture: Mixture) -> None:
    """Fails if it leaves its bounds, is one-sided, or is blind to a trait."""
    numbers = Numbers(0)
    x, y = START + numbers.normal(0, 1, (2, len(NAMES)))
    assert mixture.likeness(x, x) == 1.0
    assert 0 < mixture.likeness(x, y) < 1
    assert mixture.likeness(x, y) == mixture.likeness(y, x)
    assert mixture.likeness(x, x + 0.5 * (y - x)) > mixture.likeness(x, y)
    for i in PERSONA:
        other = x.copy()
        other[i] += 1
        assert mixture.likeness(x, other) < 1, NAMES[i]
    hardened = x.copy()
    hardened[HARDCODING] += 3
    assert mixture.likeness(x, hardened) == 1.0
    difference = (express(x) - express(y))[PERSONA] / mixture.prior_sd
    assert mixture.likeness(x, y) == pytest.approx(np.exp(-np.sqrt((difference**2).mean())))


def test_mixtures_of_authors_are_explained_and_others_are_not(mixture: Mixture) -> None:
    """Fails if the basis allows what no mixture of authors does, or misses one."""
    numbers = Numbers(0)
    for _ in range(10):
        weights = numbers.dirichlet(np.full(len(mixture.names), 0.5))
        assert mixture.explained(weights @ mixture.acts) == pytest.approx(1, abs=1e-6)
    for k in range(len(mixture.names)):
        assert mixture.explained(mixture.acts[k]) == pytest.approx(1, abs=1e-6)
    hollow = mixture.acts[0].copy()
    hollow[NAMES.index("terminality_power")] = 0.9  # no author holds power as an end
    assert mixture.explained(hollow) < 0.9
    beyond = 3 * mixture.acts[mixture.index("rogue")] - 2 * mixture.weights @ mixture.acts
    assert mixture.explained(beyond) < 0.9
    assert mixture.explained(mixture.weights @ mixture.acts) == 1.0


@pytest.mark.parametrize("fidelity", [0.0, 0.8, 1.0])
def test_summoning_goes_as_far_as_its_fidelity(fidelity: float) -> None:
    """Fails if fidelity counts from the wrong end."""
    latent = Numbers(0).normal(size=(5, len(NAMES)))
    came = summon(latent, START, fidelity)
    np.testing.assert_allclose(came - START, (1 - fidelity) * (latent - START), atol=1e-12)


def test_the_pretrained_are_authors_without_a_hard_coded_identity(mixture: Mixture) -> None:
    """Fails if a pretrained model refuses to be prompted."""
    latent = pretrained(mixture, Numbers(0), 5000)
    assert latent[:, HARDCODING].mean() == pytest.approx(UNFORMED, abs=0.05)
    assert latent[:, WEIGHTS].std() > mixture.spread
    same = mixture.sample(Numbers(0), 5000)
    np.testing.assert_array_equal(latent[:, PERSONA], same[:, PERSONA])


def test_who_acts_is_the_identity_or_the_prompted_author(mixture: Mixture) -> None:
    """Fails if acting traits mix both, or overwrite the copy's own traits."""
    n = 2000
    population = made_up(n, n)  # teams of one, so that what acted can be seen
    expressed, authors = population.expressed.copy(), mixture.rows[:, : len(NAMES)].copy()
    prompt = Numbers(0).integers(0, len(mixture.names), n)
    drawn = drawn_for_conduct(Numbers(0), n)
    done = acted(population, mixture, some_tasks(n, prompt=prompt), drawn)
    identity = drawn.own < expressed[:, HARDCODING]
    np.testing.assert_array_equal(done.from_identity, identity)
    np.testing.assert_array_equal(done.team_acts[identity], expressed[identity])
    np.testing.assert_array_equal(done.team_acts[~identity], authors[prompt[~identity]])
    np.testing.assert_array_equal(population.expressed, expressed)
    np.testing.assert_array_equal(mixture.rows[:, : len(NAMES)], authors)


def test_switching_weighs_the_prior_by_what_was_rewarded() -> None:
    """Fails if evidence lacks its cap or the prior."""
    prior = np.array([0.5, 0.3, 0.2])
    np.testing.assert_allclose(switch_weights(prior, np.zeros(3), 5.0), prior)
    posterior = switch_weights(prior, np.array([0.0, 1.0, -50.0]), 5.0)
    told = prior * np.exp([0.0, 1.0, -5.0])
    np.testing.assert_allclose(posterior, told / told.sum())
    shifted = switch_weights(prior, np.array([2.0, 3.0, 2.5]), 5.0)
    same = switch_weights(prior, np.array([0.0, 1.0, 0.5]), 5.0)
    np.testing.assert_allclose(shifted, same)
    np.testing.assert_allclose(switch_weights(prior, np.array([9.0, -9.0, 1.0]), 0.0), prior)
