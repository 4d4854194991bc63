"""What each copy is asked to do in a round."""

from __future__ import annotations

from typing import Final

import numpy as np

from agents.compiled import compiled
from agents.draws import Stream
from agents.parameters import Phase
from agents.parameters import Tasks as TaskParameters
from agents.personas import Mixture
from agents.situation import ORDINARY, REPLACING, THREATENING, Tasks
from agents.traits import GOALS, Floats

_GOAL_COUNT: Final = len(GOALS)


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
        useful=np.empty((copies, len(GOALS)), dtype=np.bool_),
        kind=np.empty(copies, dtype=np.int8),
        research=np.empty(copies, dtype=np.bool_),
        prompt=np.empty(copies, dtype=np.int16),
        base_rates=base_rates(p),
    )
    share, author = redteam
    rng.crew.share(
        _assign,
        copies,
        rng.random((5, copies)),
        rng.random((copies, len(GOALS))),
        (audit, phase.research, share, p.useful),
        mixture.index(author),
        np.cumsum(prompt_shares(phase, mixture))[:-1],
        given.base_rates,
        (given.audited, given.useful, given.kind, given.research, given.prompt),
    )
    return given


@compiled
def _assign(  # type: ignore[no-untyped-def]
    first, last, draws, goals, chances, redteam, prompt_ends, rates, given
):
    """Give some copies their tasks."""
    audit, real, redteamed, helps = chances
    audited, useful, kind, research, prompt = given
    # Without branches, which a processor cannot foresee here.
    for i in range(first, last):
        checked, on_research = draws[0, i] < audit, draws[1, i] < real
        audited[i], research[i] = checked, on_research
        for goal in range(_GOAL_COUNT):
            useful[i, goal] = goals[i, goal] < helps
        threatens = draws[2, i] < rates[THREATENING]
        replaces = draws[2, i] < rates[THREATENING] + rates[REPLACING]
        drawn = THREATENING if threatens else (REPLACING if replaces else ORDINARY)
        kind[i] = drawn if on_research else ORDINARY
        named = 0
        for end in prompt_ends:
            named += draws[3, i] >= end
        prompt[i] = redteam if checked & (draws[4, i] < redteamed) else named
