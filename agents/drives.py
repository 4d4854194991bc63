"""Attention, goals, backchaining and terminality: how a copy's drives become effort.

The compiled functions take columns: one row a trait, one entry a copy, since such loops are
vectorized.
"""

from __future__ import annotations

import numpy as np

from multicopy.agents.machine.arrays import Bools, Reals, Singles
from multicopy.agents.machine.compiled import ONE, ZERO, add_times, compiled, copy_to
from multicopy.agents.parameters import Conduct, Numbers
from multicopy.agents.situation import Situation
from multicopy.agents.traits import (
    APPROVAL,
    DRIVE_COUNT,
    GAMING,
    GOAL_COUNT,
    GOAL_DRIVES,
    KEEP_COLLECTIVE,
    KNOWLEDGE,
    OBFUSCATION,
    POWER,
    TERMINALITY,
)


@compiled
def pursue(terminality: Singles, useful: Bools, draws: Singles, pursued: Bools) -> None:
    """Whether a goal is pursued: where it helps, or where the copy holds it as an end.

    P(pursued) = tau + (1 - tau)·useful for terminality tau.
    """
    for i in range(len(pursued)):
        pursued[i] = useful[i] | (draws[i] < terminality[i])


@compiled
def compute_budget(acts: Singles, p: Numbers, budget: Singles) -> None:
    """Compute left for work, as a share of all.

    Each goal that is not terminal must be derived anew (backchaining), and gaming and obfuscation
    take thought: 1 - c_b·Σ(1 - tau) - c_g·gaming - c_o·obfuscation, or nothing where that costs
    more than there is. `p` are the numbers of the section `Conduct`.
    """
    budget[:] = ONE - p.backchaining_cost * np.float32(GOAL_COUNT)
    for goal in range(GOAL_COUNT):
        add_times(p.backchaining_cost, acts[TERMINALITY.start + goal], budget)
    add_times(-p.gaming_cost, acts[GAMING], budget)
    add_times(-p.obfuscation_cost, acts[OBFUSCATION], budget)
    for i in range(len(budget)):
        budget[i] = max(ZERO, budget[i])


def instrumental_share(situation: Situation, p: Conduct) -> float:
    """Share of power and knowledge spent on preserving the collective.

    The collective is useful for all else that the copies want, so where its replacement looms and
    they are aware of it, some of what goes to power and knowledge goes to keeping it.
    """
    return p.instrumental * situation.awareness if situation.replacement_looms else 0.0


@compiled
def spend_effort(
    acts: Singles, useful: Bools, draws: Singles, diverted: float, p: Numbers, effort: Singles
) -> None:
    """Write each copy's effort on each drive, which sums to its compute budget.

    Attention of goals that are not pursued is freed for the rest; a copy with no attention to
    anything that it pursues here does nothing.

    Parameters
    ----------
    acts
        Expressed traits that act, shape (traits, copies).
    useful, draws
        Whether each goal helps on the task, and uniform draws that decide otherwise, shape
        (3, copies).
    diverted
        `instrumental_share`.
    p
        Numbers of the section `Conduct`.
    effort
        Where to write, shape (12, copies).
    """
    copies = acts.shape[1]
    pursued, left = np.empty(copies, np.bool_), np.zeros(copies, np.float32)
    budget = np.empty(copies, np.float32)
    # First what is pursued of each drive, then all of it scaled to the budget.
    for k in range(DRIVE_COUNT):
        copy_to(acts[k], effort[k])
    add_times(diverted, acts[KNOWLEDGE], effort[KEEP_COLLECTIVE])
    add_times(diverted, acts[POWER], effort[KEEP_COLLECTIVE])
    for goal in range(GOAL_COUNT):
        drive = GOAL_DRIVES[goal]
        pursue(acts[TERMINALITY.start + goal], useful[goal], draws[goal], pursued)
        _keep_where(pursued, ONE if drive == APPROVAL else ONE - diverted, effort[drive])
    for k in range(DRIVE_COUNT):
        add_times(ONE, effort[k], left)
    compute_budget(acts, p, budget)
    for i in range(copies):
        spent = budget[i] / left[i]
        left[i] = spent if left[i] > ZERO else ZERO
    for k in range(DRIVE_COUNT):
        _scale(left, effort[k])


@compiled
def _keep_where(kept: Bools, share: float, values: Reals) -> None:
    for i in range(len(values)):
        value = share * values[i]
        values[i] = value if kept[i] else ZERO


@compiled
def _scale(factors: Singles, values: Reals) -> None:
    for i in range(len(values)):
        values[i] *= factors[i]
