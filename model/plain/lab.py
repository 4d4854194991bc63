"""The lab: what reaches it, how it weighs that, and what it does."""

from __future__ import annotations

import math
from typing import NamedTuple

import mesa

from multicopy.agents import parameters as declared
from multicopy.model.plain.arithmetic import mean
from multicopy.model.plain.conduct import diverted_share
from multicopy.model.plain.copies import Copy
from multicopy.model.plain.world import Policy, World


class Seen(NamedTuple):
    """What reaches the lab in a round."""

    output: float  # mean over copies
    detected: float  # detections on an audited task
    exposed: float  # exposures a team
    capture: float  # mean over overseers
    shielding: float  # how far the collective preserves itself


def shielding(copies: list[Copy], world: World, p: declared.Conduct) -> float:
    """Effective attention to keep_collective: its own, and what is diverted to it."""
    own = mean(copy.expressed["keep_collective"] for copy in copies)
    means = mean(copy.expressed["power"] + copy.expressed["knowledge"] for copy in copies)
    return own + diverted_share(world, p) * means


def surprise(value: float, expected: float, variance: float) -> float:
    """How far a number lies above what is expected, in standard deviations; 0 if there is none."""
    deviation = math.sqrt(variance)
    return max(0.0, (value - expected) / deviation) if deviation > 1e-12 else 0.0


def gathered_evidence(evidence: float, exposed: float, surprised: float, p: declared.Lab) -> float:
    """E <- memory·E + exposures a team + weight·(detections above their mean, in s.d.)."""
    return p.memory * evidence + exposed + p.detection_weight * surprised


def patience(seen: Seen, usefulness: float, p: declared.Lab) -> float:
    """Evidence that it takes: more with capture, dependence and a collective that shields."""
    captured = 1 + seen.capture
    dependent = 1 + p.dependence * math.log(max(1.0, usefulness))
    shielded = 1 + p.collective_shield * math.sqrt(seen.shielding)
    return p.threshold * captured * dependent * shielded


class Lab(mesa.Agent):  # type: ignore[misc]
    """The regulator.

    Attributes
    ----------
    evidence, threshold
        What it holds against the collective, and how much it takes until it acts.
    baseline_output
        Output of the generation whose weights it keeps; 0 as long as it keeps none.
    usefulness, usefulness_mean
        Output over that, and its running mean.
    detections_mean, detections_variance
        Of detections on an audited task, running.
    retraining_until, looking_until
        Last round of a response, and of a look at everything.
    rotation_factor
        How many times as fast panels are renewed since the weights were rolled back.
    responses
        Rounds in which it acted, and how.
    """

    def __init__(self, model: mesa.Model, p: declared.Lab) -> None:
        super().__init__(model)
        self.p = p
        self.evidence, self.threshold = 0.0, p.threshold
        self.baseline_output, self.keeps_weights = 0.0, False
        self.usefulness = self.usefulness_mean = 1.0
        self.rounds = 0
        self.detections_mean = self.detections_variance = 0.0
        self.retraining_until = self.looking_until = 0
        self.rotation_factor = 1.0
        self.responses: list[tuple[int, str]] = []

    def policy(self, round_: int, audit: float, p: declared.Oversight) -> Policy:
        """The scenario's oversight, as the lab's responses change it."""
        retraining, looking = round_ <= self.retraining_until, round_ <= self.looking_until
        return Policy(
            audit=1.0 if retraining or looking else audit,
            penalty=p.penalty * (self.p.retrain_penalty if retraining else 1.0),
            debate=p.debate,
            rotation=min(1.0, p.rotation * self.rotation_factor),
            notice=self.p.look_weight if looking else 1.0,
        )

    @property
    def trust(self) -> float:
        """What is left of the way to the threshold."""
        return max(0.0, 1 - self.evidence / self.threshold) if self.threshold else 0.0

    def govern(self, round_: int, seen: Seen) -> str:
        """Weigh a round; return the response that it calls for ("" for none at all)."""
        self._watch_usefulness(round_, seen.output)
        surprised = surprise(seen.detected, self.detections_mean, self.detections_variance)
        self.evidence = gathered_evidence(self.evidence, seen.exposed, surprised, self.p)
        self._remember(seen.detected)
        self.threshold = patience(seen, self.usefulness, self.p)
        rested = not self.responses or round_ - self.responses[-1][0] >= self.p.cooldown
        able = self.p.response != "roll_back" or self.keeps_weights
        if self.evidence <= self.threshold or not rested or not able:
            return ""
        self._respond(round_)
        return self.p.response

    def _watch_usefulness(self, round_: int, output: float) -> None:
        """Look for a while where usefulness falls well below its running mean."""
        if self.baseline_output == 0:
            return
        self.usefulness = output / self.baseline_output
        fell = self.usefulness < (1 - self.p.usefulness_drop) * self.usefulness_mean
        if fell and round_ > self.looking_until:
            self.looking_until = round_ + self.p.look_rounds
        memory = self.p.memory
        self.usefulness_mean = memory * self.usefulness_mean + (1 - memory) * self.usefulness

    def _remember(self, detected: float) -> None:
        """Running mean and variance: equal weights at first, then those of the lab's memory."""
        self.rounds += 1
        new = max(1 - self.p.memory, 1 / self.rounds)
        off = detected - self.detections_mean
        self.detections_mean += new * off
        self.detections_variance = (1 - new) * (self.detections_variance + new * off**2)

    def _respond(self, round_: int) -> None:
        self.responses.append((round_, self.p.response))
        if self.p.response == "retrain":
            self.retraining_until = round_ + self.p.retrain_rounds
        if self.p.response == "roll_back":
            self.rotation_factor = self.p.rollback_rotation
            self.evidence = 0.0
