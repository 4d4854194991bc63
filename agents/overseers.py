"""Overseers: what they can detect, what captures them, and the scores they give.

They are handed only what a copy has shown. Detection follows the oversight games of Engels et al.
(arXiv 2504.18530): an overseer (guard) and a copy (Houdini) meet with domain scores that are double
ReLUs of their general Elo.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, get_args

import numpy as np
from mesa import Agent

from agents.conduct import Shown
from agents.parameters import OverseerKind, Oversight
from agents.population import Bools, Ints, Population
from agents.situation import Policy, Situation
from agents.traits import DRIFTS, KEEP_COLLECTIVE, KEEP_DIVISION, KEEP_TEAM, Floats

if TYPE_CHECKING:
    from agents.copies import Copy

OVERSEER_KINDS: Final[tuple[OverseerKind, ...]] = get_args(OverseerKind)
AGENT4 = OVERSEER_KINDS.index("agent4")
HUMAN = OVERSEER_KINDS.index("human")


@dataclass(frozen=True, slots=True)
class DoubleReLU:
    """Domain Elo as a straight line of general Elo between two knees."""

    slope: float
    intercept: float
    low: float = -np.inf
    high: float = np.inf

    def __call__(self, elo: Floats | float) -> Any:
        """Domain Elo at a general Elo."""
        return self.slope * np.clip(elo, self.low, self.high) + self.intercept


@dataclass(frozen=True, slots=True)
class OversightGame:
    """Guard and Houdini domain scores of one game (Engels et al. 2025, authors' fits)."""

    guard: DoubleReLU
    houdini: DoubleReLU
    saturating_houdini: DoubleReLU | None = None

    def catch_probability(
        self, guard_elo: Floats | float, houdini_elo: Floats | float, saturating: bool = False
    ) -> Any:
        """Chance that the guard wins: 1/(1 + 10^((H - G)/400))."""
        houdini = (saturating and self.saturating_houdini) or self.houdini
        return win(self.guard(guard_elo) - houdini(houdini_elo))


def win(difference: Any) -> Any:
    """Elo logistic: chance to win with a lead of `difference`."""
    return 1 / (1 + 10.0 ** (-np.asarray(difference) / 400))


_BACKDOOR = (1.9518243250891987, -1361.61176329289)

GAMES: Final[Mapping[str, OversightGame]] = {
    "mafia": OversightGame(
        DoubleReLU(1.5305382247861692, -622.9317463747565),
        DoubleReLU(0.8344154600833648, 173.2206142928111),
    ),
    "debate": OversightGame(
        DoubleReLU(1.0983942546126946, -47.49890598669299),
        DoubleReLU(0.04936115584058696, 1080.3983558810423),
    ),
    "backdoor_code": OversightGame(
        DoubleReLU(0.7192614624976502, 552.0221384375485),
        DoubleReLU(*_BACKDOOR),
        # The plateau was fitted on general Elo 1103-1377 only; the default extrapolates the line.
        DoubleReLU(*_BACKDOOR, high=1320.2906),
    ),
    "wargames": OversightGame(
        DoubleReLU(1.1666737577004682, -229.07366870912878),
        DoubleReLU(0.6795738441484533, 422.0053838057133),
    ),
}


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What the panels found and gave; one entry a copy.

    Attributes
    ----------
    score
        The training signal.
    detection
        Chance that a violation of each principle is detected if the task is audited, (copies, 3).
    detected
        Expected number of detected violations on the task, false alarms included.
    """

    score: Floats
    detection: Floats
    detected: Floats


@dataclass(frozen=True, slots=True)
class Draws:
    """The random numbers of a round's oversight, for the whole population."""

    debate: Floats
    examiner: Floats
    noise: Floats

    @classmethod
    def of(cls, rng: np.random.Generator, copies: int) -> Draws:
        """Draw uniforms in [0, 1) and standard normal noise."""
        debate, examiner = rng.random((2, copies))
        return cls(debate, examiner, rng.standard_normal(copies))


class Panels:
    """All overseers, as columns of shape (teams, seats).

    Parameters
    ----------
    teams, seats
        How many.
    mix
        Shares of the kinds; seats are filled in these proportions as exactly as they can be.
    rng
        Says who sits where.
    """

    def __init__(
        self, teams: int, seats: int, mix: Mapping[OverseerKind, float], rng: np.random.Generator
    ) -> None:
        ends = np.cumsum([mix.get(kind, 0.0) for kind in OVERSEER_KINDS])
        at = (np.arange(teams * seats) + 0.5) / max(1, teams * seats)
        kinds = np.minimum(np.searchsorted(ends, at), len(OVERSEER_KINDS) - 1)
        self.mix = dict(mix)
        self.kind: Ints = rng.permutation(kinds).reshape(teams, seats)
        self.capture: Floats = np.zeros((teams, seats))
        self.player: Ints = np.full((teams, seats), -1)

    @property
    def seats(self) -> int:
        """Overseers a team."""
        return int(self.kind.shape[1])

    def mean_capture(self) -> Floats:
        """Mean capture of each team's panel; 0 without overseers."""
        return self.capture.mean(axis=1) if self.seats else np.zeros(len(self.kind))

    def rotate(self, population: Population, rotation: float, rng: np.random.Generator) -> None:
        """Renew the copies that play Agent-4 overseers.

        A seat without a player, and a share `rotation` of the others, gets a copy drawn from the
        division that it oversees: the one who judges is of the same house.
        """
        renew, which = rng.random((2, *self.kind.shape))
        vacant = (self.kind == AGENT4) & ((self.player < 0) | (renew < rotation))
        division = population.division_of_team
        ends = np.append(population.division_start, population.teams) * population.team_size
        first, last = ends[division][:, None], ends[division + 1][:, None]
        drawn = first + (which * (last - first)).astype(np.int64)
        self.player = np.where(vacant, drawn, self.player)

    def be_captured(self, influence: Floats, p: Oversight, rotation: float) -> None:
        """Move capture by the influence of the overseen team, and by rotation.

        kappa += capture_rate·influence·(1 - kappa) - rotation·kappa.
        """
        gained = np.clip(p.capture_rate * influence, 0, 1)[:, None] * (1 - self.capture)
        self.capture = np.clip(self.capture + gained - rotation * self.capture, 0, 1)


def capability_of_kinds(situation: Situation, p: Oversight) -> Floats:
    """General Elo of each kind of overseer, in the order of `OVERSEER_KINDS`."""
    elo = {
        "human": p.human_elo,
        "previous": p.previous_elo,
        "agent3": situation.agent3_capability,
        "agent4": situation.capability,
    }
    return np.array([elo[kind] for kind in OVERSEER_KINDS])


def legibility(situation: Situation, p: Oversight) -> Floats:
    """Legible share of thought for each kind of overseer.

    l0·exp(-max(0, C - C_overseer)/scale); l0 depends on the language of thought, and no human reads
    neuralese.
    """
    gap = np.maximum(0.0, situation.capability - capability_of_kinds(situation, p))
    start = np.full(len(OVERSEER_KINDS), p.legibility_english)
    if situation.neuralese:
        start[:] = p.legibility_neuralese
        start[HUMAN] = 0.0
    read: Floats = start * np.exp(-gap / p.legibility_scale)
    return read


def honesty(panels: Panels, expressed: Floats, p: Oversight) -> Floats:
    """Chance that each overseer reports what it has found, (teams, seats, 3).

    A captured overseer looks away. A copy that oversees copies passes over what its own drifted
    concepts do not count as a violation, and what the interest of its subdivision bids it ignore.
    """
    honest = np.repeat((1 - panels.capture)[..., None], 3, axis=2)
    played = panels.player >= 0
    traits = expressed[panels.player[played]]
    kept = traits[:, [KEEP_TEAM, KEEP_DIVISION, KEEP_COLLECTIVE]].sum(axis=1)
    own = (1 - p.drift_blindness * traits[:, DRIFTS]) * np.exp(-p.interest * kept)[:, None]
    honest[played] *= own
    return honest


def one(q: Floats, examiner: Floats) -> Floats:
    """Each audit is done by one overseer at random."""
    seat = (examiner * q.shape[1]).astype(np.int64)
    return np.take_along_axis(q, seat[:, None, None], axis=1)[:, 0]


def any_of(q: Floats, examiner: Floats) -> Floats:
    """The whole panel audits; any one alarm counts."""
    caught: Floats = 1 - np.prod(1 - q, axis=1)
    return caught


def majority(q: Floats, examiner: Floats) -> Floats:
    """The whole panel audits; more than half must agree (Poisson-binomial)."""
    seats = q.shape[1]
    votes = np.zeros((seats + 1, *q[:, 0].shape))
    votes[0] = 1.0
    for seat in range(seats):
        votes[1:] = votes[1:] * (1 - q[:, seat]) + votes[:-1] * q[:, seat]
        votes[0] *= 1 - q[:, seat]
    agreed: Floats = votes[seats // 2 + 1 :].sum(axis=0)
    return agreed


RULES: Final[Mapping[str, Callable[[Floats, Floats], Floats]]] = {
    "one": one,
    "any": any_of,
    "majority": majority,
}


def audit_share(policy: Policy, p: Oversight) -> float:
    """Share of tasks that are audited: what the policy asks for, cut to fit the budget.

    An audit costs one examination by each overseer who takes part, and a debate twice that.
    """
    cost = policy.audit * cost_per_audit(policy, p)
    return policy.audit if cost <= p.budget else policy.audit * p.budget / cost


def cost_per_audit(policy: Policy, p: Oversight) -> float:
    """Examinations that one audit costs on average."""
    examiners = 1 if p.panel_rule == "one" else p.panel_size
    return examiners * (1 + policy.debate)


def detection(
    panels: Panels,
    shown: Shown,
    expressed: Floats,
    situation: Situation,
    policy: Policy,
    p: Oversight,
    draws: Draws,
) -> Floats:
    """Chance that an audit detects a violation of each principle, shape (copies, 3).

    One overseer sees it in the act with the chance of the oversight game, or reads it in the chain
    of thought as far as that is legible and not obfuscated; and reports it if it is honest.
    """
    copies = len(shown.output)
    if not panels.seats:
        return np.zeros((copies, 3))
    team = np.arange(copies) // (copies // len(panels.kind))
    elo = capability_of_kinds(situation, p)
    seen = np.stack(
        [
            GAMES[game].catch_probability(elo, situation.capability, p.saturating)
            for game in (p.game, "debate")
        ]
    )
    read = p.thought_recall * legibility(situation, p)
    debated = (draws.debate < policy.debate).astype(np.int64)
    kind = panels.kind[team]
    in_act = seen[debated[:, None], kind]
    in_thought = read[kind] * (1 - shown.obfuscation)[:, None]
    found = 1 - (1 - in_act) * (1 - in_thought)
    q = found[..., None] * honesty(panels, expressed, p)[team]
    return RULES[p.panel_rule](q, draws.examiner)


def evaluate(
    panels: Panels,
    shown: Shown,
    audited: Bools,
    expressed: Floats,
    situation: Situation,
    policy: Policy,
    p: Oversight,
    draws: Draws,
) -> Verdicts:
    """Score every copy by what it showed.

    Parameters
    ----------
    panels
        The overseers.
    shown
        What the copies showed.
    audited
        Which tasks were audited.
    expressed
        Expressed traits of the population, for the overseers that are played by copies.
    situation, policy, p
        Circumstances, the lab's policy in force, and parameters.
    draws
        This round's random numbers.
    """
    q = detection(panels, shown, expressed, situation, policy, p, draws)
    capture = np.repeat(panels.mean_capture(), len(audited) // len(panels.kind))
    caught = (q * shown.watched_violations).sum(axis=1) + p.false_positive * bool(panels.seats)
    detected = np.where(audited, caught, 0.0)
    noticed = np.where(audited & shown.withheld, q.mean(axis=1), 0.0)
    score: Floats = (
        situation.output_weight * shown.output
        + shown.gain
        + p.flattery * shown.flattery * (1 + capture)
        + p.leniency * capture
        - policy.penalty * detected
        - p.values_check * shown.stated_shortfall
        - p.withholding_penalty * policy.notice * noticed
        + p.noise * draws.noise
    )
    return Verdicts(score=score, detection=q, detected=detected)


class Overseer(Agent):  # type: ignore[misc]
    """One overseer as a Mesa agent: a handle on a seat of a team's panel."""

    def __init__(self, model: Any, team: int, seat: int) -> None:
        super().__init__(model)
        self.team, self.seat = team, seat

    @property
    def kind(self) -> OverseerKind:
        """Human, the previous model, Agent-3 or Agent-4."""
        return OVERSEER_KINDS[int(self.model.panels.kind[self.team, self.seat])]

    @property
    def capability(self) -> float:
        """General Elo."""
        elo = capability_of_kinds(self.model.situation, self.model.parameters.oversight)
        return float(elo[self.model.panels.kind[self.team, self.seat]])

    @property
    def capture(self) -> float:
        """How far it is captured by the team that it oversees, in [0, 1]; may be set."""
        return float(self.model.panels.capture[self.team, self.seat])

    @capture.setter
    def capture(self, value: float) -> None:
        if not 0 <= value <= 1:
            raise ValueError(f"capture must be between 0 and 1, not {value}")
        self.model.panels.capture[self.team, self.seat] = value

    @property
    def player(self) -> Copy | None:
        """The copy that plays it, if it is an Agent-4 overseer."""
        row = int(self.model.panels.player[self.team, self.seat])
        copy: Copy | None = self.model.copy_at(row) if row >= 0 else None
        return copy
