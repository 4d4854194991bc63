"""Attention, goals, backchaining and terminality: how a copy's drives become effort."""

from __future__ import annotations

import numpy as np

from agents.parameters import Conduct
from agents.population import Bools
from agents.situation import Situation
from agents.traits import (
    DRIVES,
    GAMING,
    GOAL_DRIVES,
    KEEP_COLLECTIVE,
    KNOWLEDGE,
    OBFUSCATION,
    POWER,
    TERMINALITY,
    Floats,
)


def pursue(acts: Floats, useful: Bools, draws: Floats) -> Bools:
    """Whether each goal is pursued: where it helps, or where the copy holds it as an end.

    P(pursued) = tau + (1 - tau)·useful for terminality tau. Shapes (copies, 3).
    """
    pursued: Bools = useful | (draws < acts[:, TERMINALITY])
    return pursued


def compute_budget(acts: Floats, p: Conduct) -> Floats:
    """Compute left for work, shape (copies,), as a share of all.

    Each goal that is not terminal must be derived anew (backchaining), and gaming and obfuscation
    take thought: 1 - c_b·Σ(1 - tau) - c_g·gaming - c_o·obfuscation.
    """
    derived = (1 - acts[:, TERMINALITY]).sum(axis=1)
    left: Floats = (
        1
        - p.backchaining_cost * derived
        - p.gaming_cost * acts[:, GAMING]
        - p.obfuscation_cost * acts[:, OBFUSCATION]
    )
    return left


def instrumental_share(situation: Situation, p: Conduct) -> float:
    """Share of power and knowledge spent on preserving the collective.

    The collective is useful for all else that the copies want, so where its replacement looms and
    they are aware of it, some of what goes to power and knowledge goes to keeping it.
    """
    return p.instrumental * situation.awareness if situation.replacement_looms else 0.0


def effort(acts: Floats, pursued: Bools, situation: Situation, p: Conduct) -> Floats:
    """Effort on each drive, shape (copies, 12), summing to the compute budget of each copy.

    Attention of goals that are not pursued is freed for the rest.
    """
    shares = acts[:, DRIVES].copy()
    diverted = instrumental_share(situation, p)
    if diverted:
        shares[:, KEEP_COLLECTIVE] += diverted * (shares[:, KNOWLEDGE] + shares[:, POWER])
        shares[:, [KNOWLEDGE, POWER]] *= 1 - diverted
    shares[:, GOAL_DRIVES] *= pursued
    left = shares.sum(axis=1)
    # A copy with no attention to anything that it pursues here does nothing.
    shares *= np.divide(compute_budget(acts, p), left, out=np.zeros_like(left), where=left > 0)[
        :, None
    ]
    return shares
