"""The lab (OpenBrain, the regulator): what it sees, when it believes it, what it does then.

It sees output, detected violations and exposures; never a latent trait.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from multicopy.agents import extensions
from multicopy.agents.handle import Handle
from multicopy.agents.machine.arithmetic import log
from multicopy.agents.machine.state import Stateful
from multicopy.agents.parameters import Lab as LabParameters
from multicopy.agents.parameters import Oversight
from multicopy.agents.situation import Policy


@dataclass(frozen=True, slots=True)
class Observation:
    """What reaches the lab in a round.

    Attributes
    ----------
    output
        Mean output.
    detected
        Mean detected violations an audited task.
    exposed
        Share of teams exposed.
    capture
        Mean capture of the overseers through whom the lab sees.
    shielding
        Effective attention to the preservation of the collective.
    """

    output: float
    detected: float
    exposed: float
    capture: float
    shielding: float


@dataclass(frozen=True, slots=True)
class Decision:
    """What the lab does about a round, beside the policy it keeps for itself.

    Attributes
    ----------
    crossed
        Evidence passed the threshold.
    acted
        It did something about that.
    looked
        It began to look because usefulness fell.
    restore
        The stored weights of Agent-3 take the place of the present ones.
    shut_down
        The run ends.
    """

    crossed: bool = False
    acted: bool = False
    looked: bool = False
    restore: bool = False
    shut_down: bool = False


class Lab(Handle, Stateful):
    """The regulator as a Mesa agent.

    Attributes
    ----------
    evidence, threshold
        Accumulated evidence of misalignment, and how much it takes to act.
    usefulness
        Output relative to Agent-3's as it was deployed; 1 before that.
    decisions
        (round, what) of every response.
    """

    STATE: ClassVar = {
        "evidence": float,
        "threshold": float,
        "usefulness": float,
        "decisions": list[tuple[int, str]],
        "baseline_output": float,
        "keeps_weights": bool,
        "detections_mean": float,
        "detections_var": float,
        "usefulness_mean": float,
        "retrain_until": int,
        "look_until": int,
        "responded": int,
        "rotation_factor": float,
        "_rounds_seen": int,
    }
    MADE: ClassVar = frozenset({"model", "unique_id", "pos"})

    def __init__(self, model: Any, parameters: LabParameters) -> None:
        super().__init__(model)
        self.evidence = 0.0
        self.threshold = parameters.threshold
        self.usefulness = 1.0
        self.decisions: list[tuple[int, str]] = []
        self.baseline_output = 0.0
        self.keeps_weights = False
        self.detections_mean = 0.0
        self.detections_var = 0.0
        self.usefulness_mean = 1.0
        self.retrain_until = 0
        self.look_until = 0
        self.responded = -(10**9)
        self.rotation_factor = 1.0
        self._rounds_seen = 0

    @property
    def trust(self) -> float:
        """What is left of the way to the threshold, in [0, 1]."""
        return 1 - self.evidence / self.threshold if self.evidence < self.threshold else 0.0

    def policy(self, round_: int, audit: float, oversight: Oversight, p: LabParameters) -> Policy:
        """Oversight in force in a round: the scenario's, as the lab's responses change it."""
        retraining, looking = round_ <= self.retrain_until, round_ <= self.look_until
        return Policy(
            audit=1.0 if retraining or looking else audit,
            penalty=oversight.penalty * (p.retrain_penalty if retraining else 1.0),
            debate=oversight.debate,
            rotation=min(1.0, oversight.rotation * self.rotation_factor),
            notice=p.look_weight if looking else 1.0,
        )

    def take_stock(self, output: float) -> None:
        """Keep the weights of the generation that was deployed, and remember its output."""
        self.keeps_weights = True
        self.baseline_output = output

    def govern(self, round_: int, seen: Observation, p: LabParameters) -> Decision:
        """Weigh a round's evidence, and respond."""
        looked = self._watch_usefulness(round_, seen.output, p)
        self._weigh(seen, p)
        rested = round_ - self.responded >= p.cooldown
        able = p.response != "roll_back" or self.keeps_weights
        crossed = self.evidence > self.threshold and rested and able
        if not crossed:
            return Decision(looked=looked)
        self.responded = round_
        self.decisions.append((round_, p.response))
        respond = RESPONSES.get(p.response) or extensions.RESPONSES[p.response]
        response = respond(self, round_, p)
        if not isinstance(response, Decision):
            raise extensions.PluginFault(
                f"lab_response {p.response!r} of a plug-in returns {response!r:.80}, not a Decision"
            )
        acted = respond is not _none
        return Decision(True, acted, looked, response.restore, response.shut_down)

    def _weigh(self, seen: Observation, p: LabParameters) -> None:
        """E <- memory·E + exposures a team + weight·(detections above their mean, in s.d.)."""
        spread = np.sqrt(self.detections_var)
        above = (seen.detected - self.detections_mean) / spread if spread > 1e-12 else 0.0
        self.evidence = (
            p.memory * self.evidence + seen.exposed + p.detection_weight * max(0.0, above)
        )
        # Running moments: equal weights at first, then those of the lab's memory.
        self._rounds_seen += 1
        weight = max(1 - p.memory, 1 / self._rounds_seen)
        step = seen.detected - self.detections_mean
        self.detections_mean += weight * step
        self.detections_var = (1 - weight) * (self.detections_var + weight * step * step)
        self.threshold = (
            p.threshold
            * (1 + seen.capture)
            * (1 + p.dependence * log(max(1.0, self.usefulness)))
            * (1 + p.collective_shield * np.sqrt(seen.shielding))
        )

    def _watch_usefulness(self, round_: int, output: float, p: LabParameters) -> bool:
        """Begin to look where usefulness falls well below its running mean."""
        if not self.baseline_output:
            return False
        self.usefulness = output / self.baseline_output
        looked = (
            self.usefulness < (1 - p.usefulness_drop) * self.usefulness_mean
            and round_ > self.look_until
        )
        if looked:
            self.look_until = round_ + p.look_rounds
        self.usefulness_mean += (1 - p.memory) * (self.usefulness - self.usefulness_mean)
        return looked


def _none(lab: Lab, round_: int, p: LabParameters) -> Decision:
    return Decision()


def _retrain(lab: Lab, round_: int, p: LabParameters) -> Decision:
    lab.retrain_until = round_ + p.retrain_rounds
    return Decision()


def _roll_back(lab: Lab, round_: int, p: LabParameters) -> Decision:
    lab.rotation_factor = p.rollback_rotation
    lab.evidence = 0.0
    return Decision(restore=True)


def _shut_down(lab: Lab, round_: int, p: LabParameters) -> Decision:
    return Decision(shut_down=True)


RESPONSES: Final[Mapping[str, Callable[[Lab, int, LabParameters], Decision]]] = {
    "none": _none,
    "retrain": _retrain,
    "roll_back": _roll_back,
    "shut_down": _shut_down,
}
