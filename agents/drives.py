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

_DRIVE_COUNT: Final = DRIVES.stop
_FIRST_END: Final = TERMINALITY.start
_GOALS: Final = tuple(int(column) for column in GOAL_DRIVES)


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
    take thought: 1 - c_b·Σ(1 - tau) - c_g·gaming - c_o·obfuscation. `p` are the numbers of the
    section `Conduct`.
    """
    derived = 0.0
    for goal in range(len(_GOALS)):
        derived += 1 - acts[_FIRST_END + goal]
    return (
        1
        - p.backchaining_cost * derived
        - p.gaming_cost * acts[GAMING]
        - p.obfuscation_cost * acts[OBFUSCATION]
    )


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
    for k in range(_DRIVE_COUNT):
        effort[k] = acts[k]
    effort[KEEP_COLLECTIVE] += diverted * (effort[KNOWLEDGE] + effort[POWER])
    effort[KNOWLEDGE] *= 1 - diverted
    effort[POWER] *= 1 - diverted
    for goal in range(len(_GOALS)):
        if not pursued(acts[_FIRST_END + goal], useful[goal], draws[goal]):
            effort[_GOALS[goal]] = 0.0
    left = 0.0
    for k in range(_DRIVE_COUNT):
        left += effort[k]
    scale = compute_budget(acts, p) / left if left > 0 else 0.0
    for k in range(_DRIVE_COUNT):
        effort[k] *= scale
