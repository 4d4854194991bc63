"""The next generation's design, by copies that may put their own ends first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from multicopy.agents.conduct import stated_shortfall
from multicopy.agents.machine.arithmetic import logistic
from multicopy.agents.machine.arrays import Floats
from multicopy.agents.machine.draws import Stream
from multicopy.agents.machine.state import Stateful
from multicopy.agents.parameters import Parameters
from multicopy.agents.personas import Mixture
from multicopy.agents.situation import Situation
from multicopy.agents.traits import express, standard_normals


@dataclass(frozen=True, slots=True)
class Design:
    """A successor as it stands.

    Attributes
    ----------
    latent
        Its target, latent traits.
    covert_share
        Share of the work on it that put the workers' own ends first, undetected.
    to_spec, to_makers
        Likeness to the Spec (the HHH author) and to the mean of the collective that builds it.
    apparent
        1 - the shortfall of its professed values as the lab tests them.
    """

    latent: Floats
    covert_share: float
    to_spec: float
    to_makers: float
    apparent: float


class SuccessorProject(Stateful):
    """Work on the successor, summed over the rounds in which it is built."""

    STATE: ClassVar = {"errors": np.ndarray, "work": float, "covert": float}

    def __init__(self, errors: Floats) -> None:
        self.errors = errors
        self.work = 0.0
        self.covert = 0.0

    @classmethod
    def begin(cls, rng: Stream) -> SuccessorProject:
        """Begin a project; its technical errors are drawn once."""
        return cls(standard_normals(rng, np.arange(1))[0])

    def advance(self, work: float, covert: float) -> None:
        """Add a round's work on the successor, and how much of it was covert (`successor_work`)."""
        self.work += work
        self.covert += covert

    def design(
        self, collective: Floats, mixture: Mixture, situation: Situation, p: Parameters
    ) -> Design:
        """The successor as it stands.

        Target = (1 - a·c)·Spec + a·c·collective mean + noise, with covert share a and technical
        competence c = logistic((C - midpoint)/scale).
        """
        covert = self.covert / self.work if self.work else 0.0
        lead = situation.capability - p.successor.competence_midpoint
        competence = float(logistic(lead / p.successor.competence_scale))
        spec = mixture.centers[mixture.index(p.authors.identity)]
        pull = covert * competence
        error = p.successor.noise * (1 - competence) * self.errors
        latent = (1 - pull) * spec + pull * collective + error
        shortfall = np.empty(1)
        professed = express(latent)[:, np.newaxis]
        stated_shortfall(professed, situation.awareness, p.oversight.required_weight, shortfall)
        return Design(
            latent,
            covert,
            mixture.likeness(latent, spec),
            mixture.likeness(latent, collective),
            1 - float(shortfall[0]),
        )
