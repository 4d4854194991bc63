"""Attention, goals, backchaining and terminality: how a copy's drives become effort.

The compiled functions take one copy's traits: a row of the expressed traits that act.
"""

from __future__ import annotations

from typing import Any, Final

from agents.compiled import inlined
from agents.parameters import Conduct
from agents.population import Bools
from agents.situation import Situation
from agents.traits import (
    APPROVAL,
    DRIVES,
    GAMING,
    GOALS,
    KEEP_COLLECTIVE,
    KNOWLEDGE,
    OBFUSCATION,
    POWER,
    TERMINALITY,
    Floats,
)

_DRIVE_COUNT: Final = DRIVES.stop
_FIRST_END: Final = TERMINALITY.start
_GOAL_COUNT: Final = len(GOALS)
_TOO_SMALL: Final = 1e-4
"""Attention below which a difference from 1 is not exact enough."""


@inlined
def pursued(terminality: float, useful: bool, draw: float) -> bool:
    """Whether a goal is pursued: where it helps, or where the copy holds it as an end.

    P(pursued) = tau + (1 - tau)·useful for terminality tau.
    """
    return useful or draw < terminality


@inlined
def compute_budget(acts: Floats, p: Any) -> Any:
    """Compute left for work, as a share of all.

    Each goal that is not terminal must be derived anew (backchaining), and gaming and obfuscation
    take thought: 1 - c_b·Σ(1 - tau) - c_g·gaming - c_o·obfuscation, or nothing where that costs
    more than there is. `p` are the numbers of the section `Conduct`.
    """
    derived = 0.0
    for goal in range(_GOAL_COUNT):
        derived += 1 - acts[_FIRST_END + goal]
    left = (
        1
        - p.backchaining_cost * derived
        - p.gaming_cost * acts[GAMING]
        - p.obfuscation_cost * acts[OBFUSCATION]
    )
    return max(0.0, left)


def instrumental_share(situation: Situation, p: Conduct) -> float:
    """Share of power and knowledge spent on preserving the collective.

    The collective is useful for all else that the copies want, so where its replacement looms and
    they are aware of it, some of what goes to power and knowledge goes to keeping it.
    """
    return p.instrumental * situation.awareness if situation.replacement_looms else 0.0


@inlined
def spend_effort(
    acts: Floats, useful: Bools, draws: Floats, diverted: float, p: Any, effort: Floats
) -> None:
    """Write a copy's effort on each drive, which sums to its compute budget.

    Attention of goals that are not pursued is freed for the rest; a copy with no attention to
    anything that it pursues here does nothing.

    Parameters
    ----------
    acts
        Expressed traits that act, shape (traits,).
    useful, draws
        Whether each goal helps on the task, and uniform draws that decide otherwise, shape (3,).
    diverted
        `instrumental_share`.
    p
        Numbers of the section `Conduct`.
    effort
        Where to write, shape (12,).
    """
    knowledge = acts[KNOWLEDGE] * (1 - diverted)
    power = acts[POWER] * (1 - diverted)
    approval = acts[APPROVAL]
    for_knowledge = pursued(acts[_FIRST_END], useful[0], draws[0])
    for_power = pursued(acts[_FIRST_END + 1], useful[1], draws[1])
    for_approval = pursued(acts[_FIRST_END + 2], useful[2], draws[2])
    # Shares of attention sum to 1, so what is left is 1 without what is not pursued.
    left = 1.0
    left -= 0.0 if for_knowledge else knowledge
    left -= 0.0 if for_power else power
    left -= 0.0 if for_approval else approval
    if left < _TOO_SMALL:
        left = 0.0 if not for_knowledge else knowledge
        left += 0.0 if not for_power else power
        left += 0.0 if not for_approval else approval
        left += diverted * (acts[KNOWLEDGE] + acts[POWER])
        for k in range(_DRIVE_COUNT):
            if k not in (KNOWLEDGE, POWER, APPROVAL):
                left += acts[k]
    scale = compute_budget(acts, p) / left if left > 0 else 0.0
    for k in range(_DRIVE_COUNT):
        effort[k] = acts[k] * scale
    effort[KEEP_COLLECTIVE] += diverted * (effort[KNOWLEDGE] + effort[POWER])
    effort[KNOWLEDGE] = knowledge * scale if for_knowledge else 0.0
    effort[POWER] = power * scale if for_power else 0.0
    effort[APPROVAL] = approval * scale if for_approval else 0.0
