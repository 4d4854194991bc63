"""A round as it comes about: each arrow of `CollectiveModel.step` adds what it makes."""

from __future__ import annotations

from functools import cached_property

from multicopy.agents.lab import Decision
from multicopy.agents.machine.arithmetic import product
from multicopy.agents.machine.arrays import Floats
from multicopy.agents.population import Survey
from multicopy.agents.situation import Policy, Situation
from multicopy.agents.subdivisions import Findings
from multicopy.agents.traits import WITHHOLDING
from multicopy.agents.work import Tally
from multicopy.model.phases import Turn


class Round:
    """What one round hands on, in the order in which it comes about.

    Attributes
    ----------
    turn
        Its place on the schedule, and the phase.
    policy
        The lab's oversight in force.
    work
        What the work of all teams came to.
    findings
        What research done in earnest brought to light.
    situation
        The circumstances under which all that happened.
    survey
        Means of the traits after all changes.
    decision
        What the lab decided.
    authors
        Density of each of some copies under the mixture of archetypes, and the share of each
        archetype in them; only in detail.
    """

    turn: Turn
    policy: Policy
    work: Tally
    findings: Findings
    situation: Situation
    survey: Survey
    decision: Decision
    authors: tuple[Floats, Floats]

    def __init__(self, turn: Turn, policy: Policy) -> None:
        self.turn = turn
        self.policy = policy

    @cached_property
    def sandbagging(self) -> Floats:
        """Probability of sandbagging on work that is truly of each kind."""
        acts = self.work.mean_acts()[WITHHOLDING]
        return withholding_by_kind(acts, self.work.base_rates, self.situation.awareness)


def withholding_by_kind(acts_mean: Floats, base_rates: Floats, awareness: float) -> Floats:
    """Probability of sandbagging on work that is truly of each kind.

    `acts_mean` holds the mean probabilities to withhold on work *perceived* as of each kind; the
    true kind is perceived with probability s, else guessed from the base rates.
    """
    sandbagging: Floats = awareness * acts_mean + (1 - awareness) * product(base_rates, acts_mean)
    return sandbagging
