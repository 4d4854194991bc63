"""A round as it comes about: each arrow of `CollectiveModel.step` adds what it makes."""

from __future__ import annotations

from agents.lab import Decision
from agents.population import Survey
from agents.situation import Policy, Situation
from agents.subdivisions import Findings
from agents.work import Tally
from model.phases import Turn


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
    """

    turn: Turn
    policy: Policy
    work: Tally
    findings: Findings
    situation: Situation
    survey: Survey
    decision: Decision

    def __init__(self, turn: Turn, policy: Policy) -> None:
        self.turn = turn
        self.policy = policy
