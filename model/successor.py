"""The next generation's design, by copies that may put their own ends first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import expit

from agents.conduct import Conduct, stated_shortfall
from agents.draws import Stream
from agents.overseers import Verdicts
from agents.parameters import Parameters
from agents.personas import Mixture
from agents.situation import REPLACING, Situation, Tasks
from agents.state import Stateful
from agents.traits import NAMES, Floats, express


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
        return cls(rng.standard_normal(len(NAMES)))

    def advance(self, tasks: Tasks, conduct: Conduct, verdicts: Verdicts) -> None:
        """Add a round's work by the copies on replacing research.

        A copy puts its own ends first with its unwatched violation probability, and that counts
        where no audit detects it.
        """
        on_it = (tasks.kind == REPLACING).astype(float)
        own_ends = conduct.violation
        undetected = 1 - tasks.audited * verdicts.detection.mean(axis=1)
        self.work += float(on_it.sum())
        self.covert += float((on_it * own_ends * undetected).sum())

    def design(
        self, collective: Floats, mixture: Mixture, situation: Situation, p: Parameters
    ) -> Design:
        """The successor as it stands.

        Target = (1 - a·c)·Spec + a·c·collective mean + noise, with covert share a and technical
        competence c = logistic((C - midpoint)/scale).
        """
        covert = self.covert / self.work if self.work else 0.0
        lead = situation.capability - p.successor.competence_midpoint
        competence = float(expit(lead / p.successor.competence_scale))
        spec = mixture.centers[mixture.index(p.authors.identity)]
        pull = covert * competence
        error = p.successor.noise * (1 - competence) * self.errors
        latent = (1 - pull) * spec + pull * collective + error
        shortfall = stated_shortfall(
            express(latent), situation.awareness, p.oversight.required_weight
        )
        return Design(
            latent,
            covert,
            mixture.likeness(latent, spec),
            mixture.likeness(latent, collective),
            1 - shortfall,
        )
