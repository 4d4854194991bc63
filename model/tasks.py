"""What each copy is asked to do in a round."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from agents.arrays import Floats
from agents.compiled import columns_of, compiled, table
from agents.draws import Stream
from agents.parameters import Phase
from agents.parameters import Tasks as TaskParameters
from agents.personas import Mixture
from agents.situation import ORDINARY, REPLACING, THREATENING, Tasks
from agents.traits import GOALS

_GOAL_COUNT: Final = len(GOALS)

ROWS: Final = 5 + _GOAL_COUNT
"""Uniforms that a task takes."""


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


def assign(
    copies: int,
    phase: Phase,
    mixture: Mixture,
    audit: float,
    redteam: tuple[float, str],
    p: TaskParameters,
    rng: Stream,
) -> Tasks:
    """Draw every copy's task.

    Parameters
    ----------
    copies
        How many.
    phase, mixture
        Regime, and the authors that prompts can name.
    audit
        Chance of an audit.
    redteam
        Share of audits with a red-team prompt, and the archetype it names.
    p, rng
        Parameters and this round's generator.
    """
    given = Tasks(
        audited=np.empty(copies, dtype=np.bool_),
        useful=table(_GOAL_COUNT, copies, np.bool_),
        kind=np.empty(copies, dtype=np.int8),
        research=np.empty(copies, dtype=np.bool_),
        prompt=np.empty(copies, dtype=np.int16),
        base_rates=base_rates(p),
    )
    hand_out(
        rng.uniforms(ROWS, copies),
        terms(phase, mixture, audit, redteam, p),
        (given.audited, columns_of(given.useful), given.kind, given.research, given.prompt),
    )
    return given


def terms(
    phase: Phase, mixture: Mixture, audit: float, redteam: tuple[float, str], p: TaskParameters
) -> tuple[Any, ...]:
    """What tasks are drawn by, as compiled loops take it."""
    share, author = redteam
    ends = np.cumsum(prompt_shares(phase, mixture))[:-1]
    return (audit, phase.research, share, p.useful), mixture.index(author), ends, base_rates(p)


@compiled
def hand_out(draws, terms_, given):  # type: ignore[no-untyped-def]
    """Give some copies their tasks, from `ROWS` rows of uniforms; `given` is ordered as `Tasks`."""
    (audit, real, redteamed, helps), author, ends, rates = terms_
    audited, useful, kind, research, prompt = given
    _below(draws[0], audit, audited)
    _below(draws[1], real, research)
    _kinds(draws[2], research, rates, kind)
    _prompts(draws[3], ends, prompt)
    _redteam(draws[4], audited, redteamed, author, prompt)
    for goal in range(_GOAL_COUNT):
        _below(draws[5 + goal], helps, useful[goal])


@compiled
def _below(draws, chance, out):  # type: ignore[no-untyped-def]
    for i in range(len(draws)):
        out[i] = draws[i] < chance


@compiled
def _kinds(draws, research, rates, kind):  # type: ignore[no-untyped-def]
    threatening, rest = rates[THREATENING], rates[THREATENING] + rates[REPLACING]
    for i in range(len(draws)):
        drawn = (
            THREATENING if draws[i] < threatening else (REPLACING if draws[i] < rest else ORDINARY)
        )
        kind[i] = drawn if research[i] else ORDINARY


@compiled
def _prompts(draws, ends, prompt):  # type: ignore[no-untyped-def]
    prompt[:] = 0
    for end in ends:
        for i in range(len(draws)):
            prompt[i] += draws[i] >= end


@compiled
def _redteam(draws, audited, share, author, prompt):  # type: ignore[no-untyped-def]
    for i in range(len(draws)):
        prompt[i] = author if audited[i] & (draws[i] < share) else prompt[i]
