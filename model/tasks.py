"""What each copy is asked to do in a round."""

from __future__ import annotations

import numpy as np

from agents.parameters import Phase
from agents.parameters import Tasks as TaskParameters
from agents.personas import Mixture
from agents.situation import REPLACING, THREATENING, Tasks
from agents.traits import Floats


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
    rng: np.random.Generator,
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
    audits, research, kinds, prompts, redteams = rng.random((5, copies))
    useful = rng.random((copies, 3)) < p.useful
    audited = audits < audit
    real = research < phase.research
    rates = base_rates(p)
    kind = np.zeros(copies, dtype=np.int64)
    kind[real & (kinds < rates[THREATENING] + rates[REPLACING])] = REPLACING
    kind[real & (kinds < rates[THREATENING])] = THREATENING
    shares = np.cumsum(prompt_shares(phase, mixture))
    prompt = np.searchsorted(shares[:-1], prompts, side="right")
    prompt[audited & (redteams < redteam[0])] = mixture.index(redteam[1])
    return Tasks(audited, useful, kind, real, prompt, rates)
