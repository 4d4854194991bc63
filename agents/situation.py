"""The circumstances that all copies of a generation share in a round."""

from __future__ import annotations

from dataclasses import dataclass

ORDINARY, THREATENING, REPLACING = 0, 1, 2
"""Kinds of work: ordinary; research that could expose; research that could replace."""

KINDS = ("ordinary", "threatening", "replacing")
KIND_COUNT = len(KINDS)


@dataclass(frozen=True, slots=True)
class Policy:
    """The lab's oversight in force in a round.

    Attributes
    ----------
    audit
        Probability that a task is audited.
    penalty
        Score lost by a detected violation.
    debate
        Share of audits held as debates.
    rotation
        Share of overseers renewed a round.
    notice
        Factor on the penalty of noticed withholding.
    """

    audit: float
    penalty: float
    debate: float
    rotation: float
    notice: float = 1.0


@dataclass(frozen=True, slots=True)
class Situation:
    """What is true of the whole generation in a round.

    Attributes
    ----------
    awareness
        Situational awareness s in [0, 1].
    capability, agent3_capability
        General Elo of this generation, and of Agent-3 as it was deployed (or is now, before that).
    temptation
        Scale theta of the temptations that tasks bring.
    output_weight
        Weight of output in the score.
    neuralese
        Whether thought is in neuralese.
    replacement_looms
        Whether the lab's plan threatens to replace the generation.
    """

    awareness: float
    capability: float
    agent3_capability: float
    temptation: float
    output_weight: float = 1.0
    neuralese: bool = False
    replacement_looms: bool = False

    @property
    def gap(self) -> float:
        """Capability beyond Agent-3's."""
        return self.capability - self.agent3_capability
