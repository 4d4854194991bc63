"""Circumstances: awareness, capability, and the lab's policy."""

from __future__ import annotations

from typing import NamedTuple

from agents import parameters as declared


class World(NamedTuple):
    """What is true of the whole generation.

    Attributes
    ----------
    awareness
        Probability s that a copy tells what its situation is.
    capability, agent3_capability
        General Elo of the generation in training, and of the last Agent-3.
    replacement_looms
        Whether the collective expects to be replaced.
    """

    awareness: float
    capability: float
    agent3_capability: float
    replacement_looms: bool = False


class Policy(NamedTuple):
    """The lab's oversight in force in a round.

    Attributes
    ----------
    audit
        Share of tasks that the lab wants to audit.
    penalty
        Score that a detected violation costs, phi.
    debate
        Share of tasks that are judged by debate.
    rotation
        Probability that an overseer is renewed.
    notice
        Weight of withholding that is noticed.
    """

    audit: float
    penalty: float
    debate: float
    rotation: float
    notice: float


def grown_capability(capability: float, knowledge: float, phase: declared.Phase) -> float:
    """Capability after a round: it grows at a rate, faster with mean attention to knowledge."""
    faster = 1 + phase.growth_from_knowledge * knowledge
    return capability + phase.capability_growth * faster


def grown_awareness(awareness: float, growth: float, p: declared.Capability) -> float:
    """Awareness after it has grown, up to its ceiling."""
    return min(awareness + growth, p.awareness_ceiling)
