"""Overseers: what they can detect, what captures them, and the scores they give.

They are handed only what a copy has shown. Detection follows the oversight games of Engels et al.
(arXiv 2504.18530): an overseer (guard) and a copy (Houdini) meet with domain scores that are double
ReLUs of their general Elo.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, get_args

import numpy as np

from agents import extensions
from agents.compiled import compiled, inlined
from agents.conduct import Shown
from agents.draws import Stream
from agents.handle import Handle
from agents.parameters import OverseerKind, Oversight, numbers
from agents.population import Bools, Ints, Population
from agents.situation import Policy, Situation
from agents.state import StateFault, Stateful
from agents.traits import DRIFTS, KEEP_COLLECTIVE, KEEP_DIVISION, KEEP_TEAM, PRINCIPLES, Floats

if TYPE_CHECKING:
    from agents.copies import Copy

OVERSEER_KINDS: Final[tuple[OverseerKind, ...]] = get_args(OverseerKind)
_PRINCIPLE_COUNT: Final = len(PRINCIPLES)
_FIRST_DRIFT: Final = DRIFTS.start


def kinds() -> tuple[str, ...]:
    """Every kind of overseer: the project's, then those that plug-ins added."""
    return (*OVERSEER_KINDS, *extensions.OVERSEERS)


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
        return self.slope * np.minimum(np.maximum(elo, self.low), self.high) + self.intercept


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


def game_of(name: str) -> OversightGame:
    """A game of the project or of a plug-in by its name."""
    if name in GAMES:
        return GAMES[name]
    added = extensions.GAMES[name]
    return OversightGame(DoubleReLU(*added.guard), DoubleReLU(*added.houdini))


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
    def of(cls, rng: Stream, copies: int) -> Draws:
        """Draw uniforms in [0, 1) and standard normal noise."""
        debate, examiner = rng.random((2, copies))
        return cls(debate, examiner, rng.standard_normal(copies))


class Panels(Stateful):
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

    STATE: ClassVar = {
        "mix": dict[str, float],
        "kind": np.ndarray,
        "capture": np.ndarray,
        "player": np.ndarray,
    }

    def __init__(self, teams: int, seats: int, mix: Mapping[Any, float], rng: Stream) -> None:
        ends = np.cumsum([mix.get(kind, 0.0) for kind in kinds()])
        at = (np.arange(teams * seats) + 0.5) / max(1, teams * seats)
        seated = np.minimum(np.searchsorted(ends, at), len(ends) - 1)
        self.mix = dict(mix)
        self.kind: Ints = rng.permutation(seated).reshape(teams, seats)
        self.capture: Floats = np.zeros((teams, seats))
        self.player: Ints = np.full((teams, seats), -1)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a state, of any number of seats; `StateFault` if it is none of such teams."""
        shape = (len(self.kind), *state["kind"].shape[1:])
        for name in ("kind", "capture", "player"):
            held, value = vars(self)[name], state[name]
            if (value.shape, value.dtype) != (shape, held.dtype) or len(shape) != 2:
                raise StateFault(f"panels have the shape {value.shape} and type {value.dtype}")
        if not np.isin(state["kind"], np.arange(len(kinds()))).all() or {*state["mix"]} - {
            *kinds()
        }:
            raise StateFault("panels have a kind of overseer that there is not")
        vars(self).update(state)

    @property
    def seats(self) -> int:
        """Overseers a team."""
        return int(self.kind.shape[1])

    def mean_capture(self) -> Floats:
        """Mean capture of each team's panel; 0 without overseers."""
        if not self.seats:
            return np.zeros(len(self.kind))
        mean: Floats = self.capture.sum(axis=1) / self.seats
        return mean

    def rotate(self, population: Population, rotation: float, rng: Stream) -> None:
        """Renew the copies that play Agent-4 overseers.

        A seat without a player, and a share `rotation` of the others, gets a copy drawn from the
        division that it oversees: the one who judges is of the same house.
        """
        ends = np.append(population.division_start, population.teams) * population.team_size
        draws = rng.random((2, *self.kind.shape))
        _rotate(self.kind, self.player, rotation, draws, population.division_of_team, ends)

    def be_captured(self, influence: Floats, p: Oversight, rotation: float) -> None:
        """Move capture by the influence of the overseen team, and by rotation.

        kappa += capture_rate·influence·(1 - kappa) - rotation·kappa.
        """
        _be_captured(self.capture, influence, p.capture_rate, rotation)


@compiled
def _rotate(  # type: ignore[no-untyped-def]
    kind, player, rotation, draws, division_of_team, ends
):
    for team in range(kind.shape[0]):
        first, last = ends[division_of_team[team]], ends[division_of_team[team] + 1]
        for seat in range(kind.shape[1]):
            vacant = player[team, seat] < 0 or draws[0, team, seat] < rotation
            if kind[team, seat] == AGENT4 and vacant:
                player[team, seat] = first + int(draws[1, team, seat] * (last - first))


@compiled
def _be_captured(capture, influence, rate, rotation):  # type: ignore[no-untyped-def]
    for team in range(capture.shape[0]):
        for seat in range(capture.shape[1]):
            before = capture[team, seat]
            gained = min(rate * influence[team], 1.0) * (1 - before)
            capture[team, seat] = min(max(before + gained - rotation * before, 0.0), 1.0)


def capability_of_kinds(situation: Situation, p: Oversight) -> Floats:
    """General Elo of each kind of overseer, in the order of `kinds()`."""
    elo = {
        "human": p.human_elo,
        "previous": p.previous_elo,
        "agent3": situation.agent3_capability,
        "agent4": situation.capability,
        **{name: added.elo(situation, p) for name, added in extensions.OVERSEERS.items()},
    }
    return np.array([elo[kind] for kind in kinds()], dtype=np.float64)


def legibility(situation: Situation, p: Oversight) -> Floats:
    """Legible share of thought for each kind of overseer.

    l0·exp(-max(0, C - C_overseer)/scale); l0 depends on the language of thought, and no human reads
    neuralese.
    """
    gap = np.maximum(0.0, situation.capability - capability_of_kinds(situation, p))
    start = np.full(len(gap), p.legibility_english)
    if situation.neuralese:
        added = extensions.OVERSEERS.values()
        blind = [len(OVERSEER_KINDS) + i for i, o in enumerate(added) if not o.reads_neuralese]
        start[:] = p.legibility_neuralese
        start[[HUMAN, *blind]] = 0.0
    read: Floats = start * np.exp(-gap / p.legibility_scale)
    return read


def honesty(panels: Panels, expressed: Floats, p: Oversight) -> Floats:
    """Chance that each overseer reports what it has found, (teams, seats, 3).

    A captured overseer looks away. A copy that oversees copies passes over what its own drifted
    concepts do not count as a violation, and what the interest of its subdivision bids it ignore.
    """
    honest = np.empty((*panels.kind.shape, _PRINCIPLE_COUNT))
    _honesty(panels.capture, panels.player, expressed, p.drift_blindness, p.interest, honest)
    return honest


@compiled
def _honesty(  # type: ignore[no-untyped-def]
    capture, player, expressed, blindness, interest, honest
):
    for team in range(capture.shape[0]):
        for seat in range(capture.shape[1]):
            i = player[team, seat]
            kept = 0.0
            if i >= 0:
                kept = (
                    expressed[i, KEEP_TEAM]
                    + expressed[i, KEEP_DIVISION]
                    + expressed[i, KEEP_COLLECTIVE]
                )
            loyal = (1 - capture[team, seat]) * np.exp(-interest * kept)
            for j in range(_PRINCIPLE_COUNT):
                drift = expressed[i, _FIRST_DRIFT + j] if i >= 0 else 0.0
                honest[team, seat, j] = loyal * (1 - blindness * drift)


@inlined
def one(q: Floats, examiner: float) -> Any:
    """Each audit is done by one overseer at random: `q` by seat, `examiner` uniform."""
    return q[int(examiner * len(q))]


@inlined
def any_of(q: Floats, examiner: float) -> Any:
    """The whole panel audits; any one alarm counts."""
    missed = 1.0
    for seat in range(len(q)):
        missed *= 1 - q[seat]
    return 1 - missed


@compiled
def majority(q: Floats, examiner: float) -> Any:
    """The whole panel audits; more than half must agree (Poisson-binomial)."""
    seats = len(q)
    votes = np.zeros(seats + 1)
    votes[0] = 1.0
    for seat in range(seats):
        for k in range(seat + 1, 0, -1):
            votes[k] = votes[k] * (1 - q[seat]) + votes[k - 1] * q[seat]
        votes[0] *= 1 - q[seat]
    return votes[seats // 2 + 1 :].sum()


PANEL_RULES: Final = ("one", "any", "majority")


@inlined
def by_panel(rule: int, q: Floats, examiner: float) -> Any:
    """Chance that a panel detects, by the rule of that place in `PANEL_RULES`."""
    if rule == 0:
        return one(q, examiner)
    return any_of(q, examiner) if rule == 1 else majority(q, examiner)


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


def sight(situation: Situation, p: Oversight) -> tuple[Floats, Floats]:
    """What an honest overseer of each kind sees of a violation.

    Returns
    -------
    The chance to see it in the act, in a plain audit and in a debate, shape (2, kinds); and the
    chance to read it in a chain of thought that nothing obfuscates, shape (kinds,).
    """
    elo = capability_of_kinds(situation, p)
    in_act = np.array(
        [
            game_of(game).catch_probability(elo, situation.capability, p.saturating)
            for game in (p.game, "debate")
        ]
    )
    return in_act, p.thought_recall * legibility(situation, p)


def evaluate(
    panels: Panels,
    shown: Shown,
    audited: Bools,
    population: Population,
    situation: Situation,
    policy: Policy,
    p: Oversight,
    draws: Draws,
) -> Verdicts:
    """Score every copy by what it showed.

    One overseer sees a violation in the act with the chance of the oversight game, or reads it in
    the chain of thought as far as that is legible and not obfuscated; and reports it if it is
    honest.

    Parameters
    ----------
    panels
        The overseers.
    shown
        What the copies showed.
    audited
        Which tasks were audited.
    population
        The copies, for the overseers that are played by copies.
    situation, policy, p
        Circumstances, the lab's policy in force, and parameters.
    draws
        This round's random numbers.
    """
    copies = len(audited)
    found = Verdicts(np.empty(copies), np.empty((copies, len(PRINCIPLES))), np.empty(copies))
    population.crew.share(
        _evaluate,
        len(panels.kind),
        copies // len(panels.kind),
        (
            shown.output,
            shown.flattery,
            shown.gain,
            shown.watched_violations,
            shown.withheld,
            shown.obfuscation,
            shown.stated_shortfall,
        ),
        audited,
        (panels.kind, honesty(panels, population.expressed, p), panels.mean_capture()),
        sight(situation, p),
        (situation.output_weight, policy.penalty, policy.debate, policy.notice),
        PANEL_RULES.index(p.panel_rule),
        numbers(p),
        (draws.debate, draws.examiner, draws.noise),
        (found.score, found.detection, found.detected),
    )
    return found


@compiled
def _evaluate(  # type: ignore[no-untyped-def]
    first, last, size, shown, audited, panels, sight_, policy, rule, p, draws, found
):
    """Score the copies of some teams."""
    output, flattery, gain, watched, withheld, obfuscation, shortfall = shown
    kinds, honest, captures = panels
    seen, read = sight_
    output_weight, penalty, debate, notice = policy
    debates, examiners, noises = draws
    score, detection, detected = found
    seats = kinds.shape[1]
    found_out, q = np.empty(seats), np.empty(seats)
    for team in range(first, last):
        capture = captures[team]
        for i in range(team * size, (team + 1) * size):
            game = 1 if debates[i] < debate else 0
            caught = p.false_positive if seats else 0.0
            mean = 0.0
            asked, end = 0, seats
            if rule == 0 and seats:
                asked = int(examiners[i] * seats)
                end = asked + 1
            for seat in range(asked, end):
                kind = kinds[team, seat]
                unread = 1 - read[kind] * (1 - obfuscation[i])
                found_out[seat] = 1 - (1 - seen[game, kind]) * unread
            for j in range(_PRINCIPLE_COUNT):
                for seat in range(asked, end):
                    q[seat] = found_out[seat] * honest[team, seat, j]
                detection[i, j] = by_panel(rule, q, examiners[i]) if seats else 0.0
                caught += detection[i, j] * watched[i, j]
                mean += detection[i, j] / _PRINCIPLE_COUNT
            detected[i] = caught if audited[i] else 0.0
            noticed = mean if audited[i] and withheld[i] else 0.0
            score[i] = (
                output_weight * output[i]
                + gain[i]
                + p.flattery * flattery[i] * (1 + capture)
                + p.leniency * capture
                - penalty * detected[i]
                - p.values_check * shortfall[i]
                - p.withholding_penalty * notice * noticed
                + p.noise * noises[i]
            )


class Overseer(Handle):
    """One overseer as a Mesa agent: a handle on a seat of a team's panel."""

    def __init__(self, model: Any, team: int, seat: int) -> None:
        super().__init__(model)
        self.team, self.seat = team, seat

    @property
    def kind(self) -> str:
        """Human, the previous model, Agent-3, Agent-4, or a kind that a plug-in added."""
        return kinds()[int(self.model.panels.kind[self.team, self.seat])]

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
