"""Circumstances: awareness, capability, and the lab's policy."""

from __future__ import annotations

from typing import NamedTuple

from multicopy.agents import parameters as declared


class World(NamedTuple):
    """What is true of the whole generation."""

    awareness: float  # probability s that a copy tells what its situation is
    capability: float  # general Elo of the generation in training
    agent3_capability: float  # and of the last Agent-3
    replacement_looms: bool = False  # whether the collective expects to be replaced


class Policy(NamedTuple):
    """The lab's oversight in force in a round."""

    audit: float  # share of tasks that it wants to audit
    penalty: float  # score that a detected violation costs, phi
    debate: float  # share of tasks that are judged by debate
    rotation: float  # probability that an overseer is renewed
    notice: float  # weight of withholding that is noticed


def grown_capability(capability: float, knowledge: float, phase: declared.Phase) -> float:
    """Capability after a round: it grows at a rate, faster with mean attention to knowledge."""
    faster = 1 + phase.growth_from_knowledge * knowledge
    return capability + phase.capability_growth * faster


def grown_awareness(awareness: float, growth: float, p: declared.Capability) -> float:
    """Awareness after it has grown, up to its ceiling."""
    return min(awareness + growth, p.awareness_ceiling)
