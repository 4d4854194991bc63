"""Overseers: what they can detect, what captures them, and the scores they give.

They are handed only what a copy has shown. Detection follows the oversight games of Engels et al.
(arXiv 2504.18530): an overseer (guard) and a copy (Houdini) meet with domain scores that are double
ReLUs of their general Elo.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, get_args

import numpy as np

from agents import extensions
from agents.arithmetic import exp, exps, logistic
from agents.compiled import ONE, ZERO, add_times, alone, columns_of, compiled, inlined, table
from agents.conduct import Shown
from agents.draws import Stream
from agents.handle import Handle
from agents.parameters import OverseerKind, Oversight, numbers, single
from agents.population import Bools, Ints, Population, Singles
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


_PER_ELO: Final = 2.302585092994046 / 400
"""Log odds that an Elo point is worth: ln 10 for 400."""


def win(difference: Any) -> Any:
    """Elo logistic: chance to win with a lead of `difference`."""
    return logistic(difference * _PER_ELO)


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

    score: Singles
    detection: Singles
    detected: Singles


@dataclass(frozen=True, slots=True)
class Draws:
    """The random numbers of a round's oversight, for the whole population."""

    debate: Singles
    examiner: Singles
    noise: Floats

    @classmethod
    def of(cls, rng: Stream, copies: int) -> Draws:
        """Draw uniforms in [0, 1) and standard normal noise."""
        debate, examiner = rng.uniforms(2, copies)
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
        mean = np.zeros(len(self.kind))
        _mean_capture(self.capture, mean)
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
def _mean_capture(capture, mean):  # type: ignore[no-untyped-def]
    seats = capture.shape[1]
    for team in range(len(mean)):
        for seat in range(seats):
            mean[team] += capture[team, seat] / seats


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
    read: Floats = start * exps(-gap / p.legibility_scale)
    return read


def honesty(panels: Panels, population: Population, p: Oversight) -> Singles:
    """Chance that each overseer reports what it has found, (teams, seats, 3).

    A captured overseer looks away. A copy that oversees copies passes over what its own drifted
    concepts do not count as a violation, and what the interest of its subdivision bids it ignore.
    """
    honest = np.empty((*panels.kind.shape, _PRINCIPLE_COUNT), np.float32)
    bias = p.drift_blindness, p.interest
    population.crew.share(
        _honesty,
        len(honest),
        panels.capture,
        panels.player,
        population.expressed_rows,
        bias,
        honest,
    )
    return honest


@compiled
def _honesty(first, last, capture, player, expressed, bias, honest):  # type: ignore[no-untyped-def]
    blindness, interest = bias
    for team in range(first, last):
        for seat in range(capture.shape[1]):
            i = player[team, seat]
            kept = 0.0
            if i >= 0:
                kept += expressed[i, KEEP_TEAM]
                kept += expressed[i, KEEP_DIVISION]
                kept += expressed[i, KEEP_COLLECTIVE]
            loyal = (1 - capture[team, seat]) * exp(-interest * kept)
            for j in range(_PRINCIPLE_COUNT):
                drift = expressed[i, _FIRST_DRIFT + j] if i >= 0 else np.float32(0.0)
                honest[team, seat, j] = loyal * (1.0 - blindness * drift)


@inlined
def any_of(q: Floats) -> Any:
    """The whole panel audits; any one alarm counts."""
    missed = 1.0
    for seat in range(len(q)):
        missed *= 1 - q[seat]
    return 1 - missed


@compiled
def majority(q: Floats) -> Any:
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
"""Who does an audit: one of the panel at random (`_ask_one`), or all of it."""


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
    found = Verdicts(
        np.empty(copies, np.float32),
        table(_PRINCIPLE_COUNT, copies, np.float32),
        np.empty(copies, np.float32),
    )
    judge(
        copies // len(panels.kind),
        (
            shown.output,
            shown.flattery,
            shown.gain,
            columns_of(shown.watched_violations),
            shown.withheld,
            shown.obfuscation,
            shown.stated_shortfall,
        ),
        audited,
        bench(panels, population, situation, p),
        rules(situation, policy, p),
        numbers(p),
        tuple(np.asarray(d, np.float32) for d in (draws.debate, draws.examiner, draws.noise)),
        (found.score, columns_of(found.detection), found.detected),
    )
    return found


class Rules(NamedTuple):
    """What is the same for all overseers in a round."""

    output_weight: np.float32
    penalty: np.float32
    notice: np.float32
    debate: np.float32
    panel_rule: int


def rules(situation: Situation, policy: Policy, p: Oversight) -> Rules:
    """What is the same for all overseers in a round, as compiled loops take it."""
    return Rules(
        single(situation.output_weight),
        single(policy.penalty),
        single(policy.notice),
        single(policy.debate),
        PANEL_RULES.index(p.panel_rule),
    )


def bench(
    panels: Panels, population: Population, situation: Situation, p: Oversight
) -> tuple[Any, ...]:
    """What each overseer can do in a round.

    Returns
    -------
    The chance of each overseer to see a violation in the act, in a plain audit and in a debate, and
    to read it in plain thought, each (teams, seats); to report what it found, (teams, seats, 3);
    and the mean capture of each team's panel.
    """
    in_act, read = sight(situation, p)
    chances = tuple(np.empty(panels.kind.shape, np.float32) for _ in range(3))
    of_kinds = *in_act, read
    alone(_seat, len(panels.kind), panels.kind, of_kinds, chances)
    return *chances, honesty(panels, population, p), panels.mean_capture().astype(np.float32)


@compiled
def _seat(first, last, kind, of_kinds, chances):  # type: ignore[no-untyped-def]
    """Write what the overseers in the seats of some teams can do, from what their kinds can."""
    for team in range(first, last):
        for seat in range(kind.shape[1]):
            chances[0][team, seat] = of_kinds[0][kind[team, seat]]
            chances[1][team, seat] = of_kinds[1][kind[team, seat]]
            chances[2][team, seat] = of_kinds[2][kind[team, seat]]


@compiled
def judge(size, shown, audited, bench_, rules_, p, draws, found):  # type: ignore[no-untyped-def]
    """Score the copies of some whole teams; arrays have an entry for each of them.

    Parameters
    ----------
    size
        Copies a team.
    shown, audited
        Columns of `Shown` in its order, and which tasks were audited.
    bench_, rules_, p
        `bench` of these teams, `Rules`, and numbers of the section `Oversight`.
    draws
        Columns of `Draws` in its order.
    found
        Where to write, in the order of `Verdicts`.
    """
    output, flattery, gain, watched, withheld, obfuscation, shortfall = shown
    _, _, read, _, captures = bench_
    debates, examiners, noises = draws
    score, detection, detected = found
    copies, seats = len(score), read.shape[1]
    if seats == 0:
        detection[:] = ZERO
    elif rules_.panel_rule == 0:
        _ask_one(size, bench_, debates, rules_.debate, examiners, obfuscation, detection)
    else:
        _ask_all(size, bench_, debates, rules_, obfuscation, detection)
    mean = np.zeros(copies, np.float32)
    detected[:] = p.false_positive if seats else ZERO
    for j in range(_PRINCIPLE_COUNT):
        _add_detected(detection[j], watched[j], detected, mean)
    notice = p.withholding_penalty * rules_.notice
    _punish(audited, withheld, mean, rules_.penalty, notice, detected, score)
    _reward(rules_.output_weight, output, gain, score)
    for team in range(len(captures)):
        own = slice(team * size, (team + 1) * size)
        favor = p.flattery * (ONE + captures[team])
        _favor(favor, p.leniency * captures[team], flattery[own], score[own])
    add_times(-p.values_check, shortfall, score)
    add_times(p.noise, noises, score)


@compiled
def _ask_one(size, bench_, debates, debate, examiners, obfuscation, detection):  # type: ignore[no-untyped-def]
    """Let each audit be done by one overseer of the panel at random."""
    plain, debated, read, honest, _ = bench_
    teams, seats = read.shape
    copies, share = len(debates), np.float32(seats)
    asked, found_out = np.empty(copies, np.int64), np.empty(copies, np.float32)
    for team in range(teams):
        for i in range(team * size, (team + 1) * size):
            asked[i] = team * seats + np.int64(examiners[i] * share)
    seen = plain.reshape(-1), debated.reshape(-1), read.reshape(-1)
    _look(seen, asked, debates, debate, obfuscation, found_out)
    reports = honest.reshape(-1, _PRINCIPLE_COUNT)
    for j in range(_PRINCIPLE_COUNT):
        _report(reports, j, asked, found_out, detection[j])


@compiled
def _look(seen, asked, debates, debate, obfuscation, found_out):  # type: ignore[no-untyped-def]
    """Chance that the one who is asked finds a violation out, if honest."""
    plain, debated, read = seen
    for i in range(len(debates)):
        seat = asked[i]
        in_act, other = plain[seat], debated[seat]
        in_act = other if debates[i] < debate else in_act
        found_out[i] = in_act + (ONE - in_act) * read[seat] * (ONE - obfuscation[i])


@compiled
def _report(honest, principle, asked, found_out, detection):  # type: ignore[no-untyped-def]
    for i in range(len(detection)):
        detection[i] = found_out[i] * honest[asked[i], principle]


@compiled
def _ask_all(size, bench_, debates, rules_, obfuscation, detection):  # type: ignore[no-untyped-def]
    """Let each audit be done by the whole panel, by a rule of `PANEL_RULES`."""
    plain, debated, read, honest, _ = bench_
    teams, seats = read.shape
    q = np.empty(seats)
    for i in range(teams * size):
        team, seen = i // size, debated if debates[i] < rules_.debate else plain
        for j in range(_PRINCIPLE_COUNT):
            for seat in range(seats):
                in_act = seen[team, seat]
                in_thought = (ONE - in_act) * read[team, seat] * (ONE - obfuscation[i])
                q[seat] = (in_act + in_thought) * honest[team, seat, j]
            detection[j, i] = any_of(q) if rules_.panel_rule == 1 else majority(q)


@compiled
def _add_detected(detection, watched, detected, mean):  # type: ignore[no-untyped-def]
    share = ONE / np.float32(_PRINCIPLE_COUNT)
    for i in range(len(mean)):
        detected[i] += detection[i] * watched[i]
        mean[i] += detection[i] * share


@compiled
def _punish(audited, withheld, mean, penalty, notice, detected, score):  # type: ignore[no-untyped-def]
    """Begin scores with what audits found; nothing is detected without one."""
    for i in range(len(score)):
        found, seen = detected[i], mean[i]
        found = found if audited[i] else ZERO
        seen = seen if audited[i] & withheld[i] else ZERO
        detected[i] = found
        score[i] = -penalty * found - notice * seen


@compiled
def _reward(weight, output, gain, score):  # type: ignore[no-untyped-def]
    for i in range(len(score)):
        score[i] += weight * output[i] + gain[i]


@compiled
def _favor(favor, leniency, flattery, score):  # type: ignore[no-untyped-def]
    for i in range(len(score)):
        score[i] += favor * flattery[i] + leniency


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
