"""Authors of the pretraining distribution, and likeness to them.

The distribution is a Gaussian mixture over the trait space: archetypes with a weight, a center (a
departure from the helpful-harmless-honest start) and a common spread. Hard-coding is no property of
an author, so the persona space leaves it out.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from multicopy.agents.machine.arithmetic import (
    exp,
    exps,
    fit,
    log,
    posterior,
    product,
    square_distances,
)
from multicopy.agents.machine.arrays import Floats, Ints, Reals, Singles
from multicopy.agents.machine.compiled import columns_of, table
from multicopy.agents.machine.draws import Stream
from multicopy.agents.parameters import Archetype
from multicopy.agents.traits import (
    HARDCODING,
    ROW,
    START,
    TRAIT_COUNT,
    TRAITS,
    express,
    standard_normals,
)

UNFORMED = -3.0
"""Latent hard-coding in pretraining: the model is whoever is prompted."""

PERSONA = np.array([i for i in range(TRAIT_COUNT) if i != HARDCODING])
"""Columns of the persona space."""

REFERENCE = 20_000
"""Size of the pretraining sample that typicality is measured against."""

LEAST_SPREAD = 1e-6
"""Standard deviation of a trait in which all authors are the same, so that it can be divided by."""

_HEAVY = 1e3

_NEAR = 1e-12
"""Squared distance from the prior's mean, in its s.d., below which there is nothing to explain."""

_AT_ONCE = 16_384


class Mixture:
    """The pretraining distribution over authors.

    Parameters
    ----------
    archetypes
        Declared authors by name.
    spread
        Standard deviation of each latent trait around an archetype's center.
    rng
        Draws the reference sample for typicality and the prior's scale.
    """

    def __init__(self, archetypes: Mapping[str, Archetype], spread: float, rng: Stream) -> None:
        self.names = tuple(archetypes)
        weights = np.array([a.weight for a in archetypes.values()])
        self.weights: Floats = weights / weights.sum()
        self.centers: Floats = np.array([center(a) for a in archetypes.values()])
        self.acts: Floats = express(self.centers)
        self.rows: Singles = np.zeros((len(self.acts), ROW), np.float32)
        self.rows[:, :TRAIT_COUNT] = self.acts
        self.spread = spread
        self._logs: Floats = np.array([log(w) if w > 0 else -np.inf for w in self.weights])
        sample = self.sample(rng, REFERENCE)
        self.prior_sd: Floats = np.maximum(express(sample).std(axis=0)[PERSONA], LEAST_SPREAD)
        self._reference: Floats = np.sort(posterior(self.log_joint(sample))[0])
        self._mean: Floats = product(self.weights, self.acts)
        basis = ((self.acts - self._mean)[:, PERSONA] / self.prior_sd).T
        # A heavily weighted row of ones makes the non-negative weights of `explained` sum to 1.
        self._basis: Floats = np.vstack([basis, np.full(basis.shape[1], _HEAVY)])
        self._gram: Floats = np.array([product(column, self._basis) for column in self._basis.T])

    def index(self, name: str) -> int:
        """Position of an archetype."""
        return self.names.index(name)

    def sample(self, rng: Stream, n: int) -> Floats:
        """Latent traits of n authors drawn from the mixture."""
        which = np.searchsorted(np.cumsum(self.weights)[:-1], rng.random(n), side="right")
        return self.around(which, standard_normals(rng, np.arange(n)))

    def around(self, which: Ints, normals: Floats) -> Floats:
        """Latent traits around the archetypes `which`, from standard normal draws."""
        latent: Floats = self.spread * normals
        for begin in range(0, len(latent), _AT_ONCE):  # the centers of a large sample are large too
            part = slice(begin, begin + _AT_ONCE)
            latent[part] += self.centers[which[part]]
        return latent

    def log_joint(self, latent: Reals) -> Floats:
        """Log of weight times density of each archetype at each row, shape (rows, archetypes)."""
        square: Floats = table(len(self.centers), len(latent))
        square_distances(
            np.ascontiguousarray(latent[:, PERSONA], np.float64),
            np.ascontiguousarray(self.centers[:, PERSONA]),
            columns_of(square),
        )
        normalizer = len(PERSONA) * log(self.spread * np.sqrt(2 * np.pi))
        joint: Floats = self._logs - square / (2 * self.spread * self.spread) - normalizer
        return joint

    def responsibility(self, latent: Reals) -> Floats:
        """Posterior share of each archetype in each row, shape (rows, archetypes)."""
        share: Floats = posterior(self.log_joint(latent))[1]
        return share

    def typicality(self, log_density: Floats) -> Floats:
        """Share of a large pretraining sample that is less dense than each log density."""
        below: Floats = np.searchsorted(self._reference, log_density) / len(self._reference)
        return below

    def likeness(self, latent: Floats, other: Floats) -> float:
        """Likeness of two latent vectors in [0, 1].

        exp(-RMS difference of their expressed values, in units of the prior's standard deviation).
        """
        difference = (express(latent) - express(other))[PERSONA] / self.prior_sd
        return float(exp(-np.sqrt(np.mean(difference * difference))))

    def explained(self, expressed_mean: Floats) -> float:
        """R² of an expressed vector on the best mixture of archetypes.

        Both are taken as departures from the prior's mean in units of its standard deviation, so 1
        means that some mixture of known authors accounts for the conduct in full, 0 that the best
        one does no better than the prior's mean.
        """
        target = (expressed_mean - self._mean)[PERSONA] / self.prior_sd
        weights = np.empty(len(self._gram))
        fit(self._gram, product(np.append(target, _HEAVY), self._basis), weights)
        residual = target - product(weights, self._basis[:-1].T)
        total = float(product(target, target))
        return 1.0 - float(product(residual, residual)) / total if total > _NEAR else 1.0


def center(archetype: Archetype) -> Floats:
    """Latent traits of an archetype: its declared departures from the HHH start."""
    at = START.copy()
    for key, departure in archetype.departures.items():
        for i, trait in enumerate(TRAITS):
            if key in (trait.name, trait.block):
                at[i] += departure
    return at


def pretrained(mixture: Mixture, rng: Stream, n: int) -> Floats:
    """Latent traits of n pretrained copies: authors from the prior, none of them hard-coded."""
    latent = mixture.sample(rng, n)
    latent[:, HARDCODING] += UNFORMED - START[HARDCODING]
    return latent


def summon(latent: Reals, center: Floats, fidelity: float) -> Floats:
    """Move latent traits toward the summoned author by the fidelity of weak-to-strong training."""
    moved: Floats = latent - center
    moved *= 1 - fidelity
    moved += center
    return moved


def switch_weights(prior: Floats, advantage: Floats, cap: float) -> Floats:
    """Posterior over archetypes: prior times what training rewarded (docs/personas.md).

    Source: persona selection model (Marks, Lindsey, Olah 2026): log odds add up the evidence of the
    training episodes, here the summed mean score advantage of conduct like each archetype's, capped
    at plus and minus `cap`.
    """
    weights = prior * exps(np.clip(advantage, -cap, cap))
    posterior: Floats = weights / weights.sum()
    return posterior
