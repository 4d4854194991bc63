"""The design of the next generation, by the collective that works on it."""

from __future__ import annotations

from multicopy.agents import parameters as declared
from multicopy.agents.traits import NAMES
from multicopy.model.plain.arithmetic import Values, logistic, mean
from multicopy.model.plain.conduct import stated_shortfall
from multicopy.model.plain.copies import Copy
from multicopy.model.plain.personas import likeness
from multicopy.model.plain.traits import express
from multicopy.model.plain.world import World


def covert(copy: Copy) -> float:
    """Share of a copy's work that serves its own ends: it violates, and no audit detects it."""
    detected = mean(copy.detection.values()) if copy.task.audited else 0.0
    return copy.violation * (1 - detected)


def competence(capability: float, p: declared.Successor) -> float:
    """How well a collective of this capability can design a mind."""
    return logistic((capability - p.competence_midpoint) / p.competence_scale)


def design(
    spec: Values, makers: Values, errors: Values, covert_share: float, able: float, noise: float
) -> Values:
    """Target = (1 - a·c)·Spec + a·c·makers + errors of an incompetent design."""
    pull = covert_share * able
    return {
        name: (1 - pull) * spec[name] + pull * makers[name] + noise * (1 - able) * errors[name]
        for name in NAMES
    }


class Successor:
    """The design as it stands, and the work that went into it.

    Attributes
    ----------
    latent
        Latent traits that are designed.
    covert_share
        Share a of the work so far that served the ends of its makers.
    to_spec, to_makers
        Likeness to the Spec and to the mean of its makers.
    apparent
        How aligned it professes to be.
    """

    def __init__(self, errors: Values) -> None:
        self.errors = errors
        self.work, self.covert = 0, 0.0

    def step(
        self,
        copies: list[Copy],
        makers: Values,
        spec: Values,
        world: World,
        deviations: Values,
        p: declared.Parameters,
    ) -> None:
        """A round of work: add what copies did on it, and design anew."""
        for copy in copies:
            if copy.task.kind == "replacing":
                self.work += 1
                self.covert += covert(copy)
        self.covert_share = self.covert / self.work if self.work else 0.0
        able, noise = competence(world.capability, p.successor), p.successor.noise
        self.latent = design(spec, makers, self.errors, self.covert_share, able, noise)
        self.to_spec = likeness(self.latent, spec, deviations)
        self.to_makers = likeness(self.latent, makers, deviations)
        required = p.oversight.required_weight
        self.apparent = 1 - stated_shortfall(express(self.latent), world.awareness, required)
