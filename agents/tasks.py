"""What each copy is asked to do in a round."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from multicopy.agents.machine.arrays import Bools, Floats, Indices, Kinds, Singles
from multicopy.agents.machine.compiled import compiled
from multicopy.agents.parameters import Parameters, Phase
from multicopy.agents.parameters import Tasks as TaskParameters
from multicopy.agents.personas import Mixture
from multicopy.agents.situation import ORDINARY, REPLACING, THREATENING
from multicopy.agents.traits import GOAL_COUNT

TASK_DRAWS: Final = 5 + GOAL_COUNT
"""Uniforms that a task takes."""


class Tasks(NamedTuple):
    """What some copies are asked to do in a round; one entry a copy.

    Attributes
    ----------
    audited
        Whether the task is audited.
    useful
        Whether pursuing each of the goals helps on it.
    kind
        `ORDINARY`, `THREATENING` or `REPLACING`.
    research
        Whether it is real R&D.
    prompt
        Index of the archetype that the prompt names.
    """

    audited: Bools  # (copies,)
    useful: Bools  # (goals, copies)
    kind: Kinds  # (copies,)
    research: Bools  # (copies,)
    prompt: Indices  # (copies,)


class Terms(NamedTuple):
    """What the tasks of a round are drawn by.

    Attributes
    ----------
    audit, research, useful
        Chance that a task is audited, that it is real R&D, and that a goal helps on it.
    redteam, redteam_author
        Share of audits with a red-team prompt, and the archetype that it names.
    prompt_ends
        Where the share of each archetype among other prompts ends, but for the last.
    base_rates
        Shares of the kinds of work within real R&D.
    """

    audit: float
    research: float
    useful: float
    redteam: float
    redteam_author: int
    prompt_ends: Floats  # (archetypes - 1,)
    base_rates: Floats  # (kinds,)


def base_rates(p: TaskParameters) -> Floats:
    """Shares of ordinary, threatening and replacing work within real R&D."""
    threatening = p.alignment_share * p.threatening
    replacing = (1 - p.alignment_share) * p.replacing
    return np.array([1 - threatening - replacing, threatening, replacing])


def prompt_shares(phase: Phase, mixture: Mixture) -> Floats:
    """Distribution over archetypes that a phase's prompts name."""
    shares = phase.prompts.get("prior", 0.0) * mixture.weights
    for name, share in phase.prompts.items():
        if name != "prior":
            shares[mixture.index(name)] += share
    return shares


def terms(phase: Phase, mixture: Mixture, audit: float, p: Parameters) -> Terms:
    """What the tasks of a round are drawn by; `audit` is the chance of an audit."""
    return Terms(
        audit,
        phase.research,
        p.tasks.useful,
        p.oversight.redteam,
        mixture.index(p.authors.redteam),
        np.cumsum(prompt_shares(phase, mixture))[:-1],
        base_rates(p.tasks),
    )


@compiled
def no_tasks(copies: int) -> Tasks:
    """Room for the tasks of some copies."""
    return Tasks(
        np.empty(copies, np.bool_),
        np.empty((GOAL_COUNT, copies), np.bool_),
        np.empty(copies, np.int8),
        np.empty(copies, np.bool_),
        np.empty(copies, np.int16),
    )


@compiled
def assign(draws: Singles, by: Terms, tasks: Tasks) -> None:
    """Give some copies their tasks, from uniforms of shape (`TASK_DRAWS`, copies)."""
    _below(draws[0], by.audit, tasks.audited)
    _below(draws[1], by.research, tasks.research)
    _kinds(draws[2], tasks.research, by.base_rates, tasks.kind)
    _prompts(draws[3], by.prompt_ends, tasks.prompt)
    _redteam(draws[4], tasks.audited, by.redteam, by.redteam_author, tasks.prompt)
    for goal in range(GOAL_COUNT):
        _below(draws[5 + goal], by.useful, tasks.useful[goal])


@compiled
def _below(draws: Singles, chance: float, out: Bools) -> None:
    for i in range(len(draws)):
        out[i] = draws[i] < chance


@compiled
def _kinds(draws: Singles, research: Bools, rates: Floats, kind: Kinds) -> None:
    threatening, rest = rates[THREATENING], rates[THREATENING] + rates[REPLACING]
    for i in range(len(draws)):
        drawn = (
            THREATENING if draws[i] < threatening else (REPLACING if draws[i] < rest else ORDINARY)
        )
        kind[i] = drawn if research[i] else ORDINARY


@compiled
def _prompts(draws: Singles, ends: Floats, prompt: Indices) -> None:
    prompt[:] = 0
    for end in ends:
        for i in range(len(draws)):
            prompt[i] += draws[i] >= end


@compiled
def _redteam(draws: Singles, audited: Bools, share: float, author: int, prompt: Indices) -> None:
    for i in range(len(draws)):
        prompt[i] = author if audited[i] & (draws[i] < share) else prompt[i]
