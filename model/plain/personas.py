"""The archetypes of pretraining, and likeness to them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from multicopy.agents import parameters as declared
from multicopy.agents.machine.streams import Streams
from multicopy.agents.traits import NAMES, TRAITS
from multicopy.model.plain.arithmetic import Values, mean, pick
from multicopy.model.plain.traits import draw_lines, express, normals

PERSONA: Final = tuple(name for name in NAMES if name != "hardcoding")
"""Traits that make an author; hard-coding is not a property of an author."""

REFERENCE: Final = 20_000
"""Authors in the sample that gives the prior's standard deviations."""

UNFORMED: Final = -3.0
"""Latent hard-coding in pretraining: the model is whoever is prompted."""


class Author(NamedTuple):
    """One archetype of the pretraining distribution."""

    name: str
    share: float  # of the distribution
    center: Values  # latent traits
    acts: Values  # what it expresses of them


def authors_of(archetypes: Mapping[str, declared.Archetype]) -> list[Author]:
    """The archetypes, with shares that sum to 1 and centers departing from the HHH start."""
    total = sum(archetype.weight for archetype in archetypes.values())
    authors = []
    for name, archetype in archetypes.items():
        center = {trait.name: trait.start for trait in TRAITS}
        for trait in TRAITS:
            for key, departure in archetype.departures.items():
                if key in (trait.name, trait.block):
                    center[trait.name] += departure
        authors.append(Author(name, archetype.weight / total, center, express(center)))
    return authors


def around(author: Author, spread: float, line: list[float]) -> Values:
    """A latent trait vector at a random distance from an archetype's center."""
    return {name: author.center[name] + spread * z for name, z in normals(line).items()}


def sample_authors(authors: list[Author], spread: float, rng: Any, n: int) -> list[Values]:
    """Latent traits of n authors drawn from the mixture."""
    shares = [author.share for author in authors]
    which = [pick(shares, u) for u in rng.random(n).tolist()]
    lines = draw_lines(rng, n)
    return [around(authors[k], spread, line) for k, line in zip(which, lines, strict=True)]


def pretrained(authors: list[Author], spread: float, rng: Any, n: int) -> list[Values]:
    """Latent traits of n authors, none of them hard-coded."""
    (formed,) = (trait.start for trait in TRAITS if trait.name == "hardcoding")
    sample = sample_authors(authors, spread, rng, n)
    for latent in sample:
        latent["hardcoding"] += UNFORMED - formed
    return sample


def summon(latent: Values, center: Values, fidelity: float) -> Values:
    """Move toward the summoned author, as far as weak-to-strong training goes."""
    return {name: center[name] + (1 - fidelity) * (latent[name] - center[name]) for name in NAMES}


def responsibilities(latent: Values, authors: list[Author], spread: float) -> list[float]:
    """Posterior share of each archetype in a latent vector (Bayes' rule on Gaussians)."""
    exponents = []
    for author in authors:
        square = sum((latent[name] - author.center[name]) ** 2 for name in PERSONA)
        exponents.append(-square / (2 * spread**2))
    highest = max(exponents)
    joint = [a.share * math.exp(x - highest) for a, x in zip(authors, exponents, strict=True)]
    total = sum(joint)
    return [x / total for x in joint]


def switch_shares(authors: list[Author], advantage: list[float], cap: float) -> list[float]:
    """Shares of the archetypes to switch to: prior times what training rewarded, capped."""
    weights = [
        author.share * math.exp(max(-cap, min(cap, lead)))
        for author, lead in zip(authors, advantage, strict=True)
    ]
    total = sum(weights)
    return [weight / total for weight in weights]


def prior_deviations(p: declared.Parameters, seed: int) -> Values:
    """Standard deviation of each expressed trait in a large pretraining sample."""
    archetypes = p.model_dump(include={"archetypes"})["archetypes"]
    return _deviations(json.dumps(archetypes), p.authors.spread, seed)


@cache
def _deviations(archetypes: str, spread: float, seed: int) -> Values:
    """The same; archetypes come as text, so that runs that share a sample draw it once."""
    known = {name: declared.Archetype(**a) for name, a in json.loads(archetypes).items()}
    rng = Streams(seed).at("reference sample", 0)
    sample = [express(x) for x in sample_authors(authors_of(known), spread, rng, REFERENCE)]
    deviations = {}
    for name in PERSONA:
        center = mean(author[name] for author in sample)
        deviations[name] = math.sqrt(mean((author[name] - center) ** 2 for author in sample))
    return deviations


def likeness(one: Values, other: Values, deviations: Values) -> float:
    """Likeness of two latent vectors: exp(-RMS difference of what they express, in prior s.d.)."""
    a, b = express(one), express(other)
    return math.exp(-math.sqrt(mean(((a[x] - b[x]) / deviations[x]) ** 2 for x in PERSONA)))
