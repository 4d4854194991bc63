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

from multicopy.agents import extensions
from multicopy.agents.conduct import Shown
from multicopy.agents.handle import Handle
from multicopy.agents.machine.arithmetic import exp, exps, logistic
from multicopy.agents.machine.arrays import Bools, Floats, Ints, Singles
from multicopy.agents.machine.compiled import ONE, ZERO, add_times, compiled, inlined
from multicopy.agents.machine.draws import Stream
from multicopy.agents.machine.state import StateFault, Stateful
from multicopy.agents.parameters import Numbers, OverseerKind, Oversight, single
from multicopy.agents.population import Population
from multicopy.agents.situation import Policy, Situation
from multicopy.agents.traits import ABOVE_SELF, DRIFTS, PRINCIPLE_COUNT

if TYPE_CHECKING:
    from multicopy.agents.copies import Copy

OVERSEER_KINDS: Final[tuple[OverseerKind, ...]] = get_args(OverseerKind)


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


class Verdicts(NamedTuple):
    """What the panels found and gave; one entry a copy.

    Attributes
    ----------
    score
        The training signal.
    detection
        Chance that a violation of each principle is detected if the task is audited.
    detected
        Expected number of detected violations on the task, false alarms included.
    """

    score: Singles  # (copies,)
    detection: Singles  # (principles, copies)
    detected: Singles  # (copies,)


@compiled
def no_verdicts(copies: int) -> Verdicts:
    """Room for what panels find on some copies."""
    return Verdicts(
        np.empty(copies, np.float32),
        np.empty((PRINCIPLE_COUNT, copies), np.float32),
        np.empty(copies, np.float32),
    )


class OversightDraws(NamedTuple):
    """The random numbers of some copies' oversight.

    Attributes
    ----------
    debate, examiner
        Uniforms in [0, 1): whether an audit is a debate, and who of the panel does it.
    noise
        Standard normal error of the score.
    """

    debate: Singles  # (copies,)
    examiner: Singles  # (copies,)
    noise: Singles  # (copies,)


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
        """Take over a state, of any number of seats; `StateFault` if it does not fit the teams."""
        shape = (len(self.kind), *state["kind"].shape[1:])
        for name in ("kind", "capture", "player"):
            held, value = vars(self)[name], state[name]
            if (value.shape, value.dtype) != (shape, held.dtype) or len(shape) != 2:
                raise StateFault(f"panels have the shape {value.shape} and type {value.dtype}")
        if not np.isin(state["kind"], np.arange(len(kinds()))).all() or {*state["mix"]} - {
            *kinds()
        }:
            raise StateFault("panels have an unknown kind of overseer")
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
        houses = population.units["division"]
        ends = np.append(houses.start, population.teams) * population.team_size
        draws = rng.random((2, *self.kind.shape))
        _rotate(self.kind, self.player, rotation, draws, houses.of, ends)

    def be_captured(self, influence: Floats, p: Oversight, rotation: float) -> None:
        """Move capture by the influence of the overseen team, and by rotation.

        kappa += capture_rate·influence·(1 - kappa) - rotation·kappa.
        """
        _be_captured(self.capture, influence, p.capture_rate, rotation)


@compiled
def _mean_capture(capture: Floats, mean: Floats) -> None:
    seats = capture.shape[1]
    for team in range(len(mean)):
        for seat in range(seats):
            mean[team] += capture[team, seat] / seats


@compiled
def _rotate(
    kind: Ints, player: Ints, rotation: float, draws: Floats, division_of_team: Ints, ends: Ints
) -> None:
    for team in range(kind.shape[0]):
        first, last = ends[division_of_team[team]], ends[division_of_team[team] + 1]
        for seat in range(kind.shape[1]):
            vacant = player[team, seat] < 0 or draws[0, team, seat] < rotation
            if kind[team, seat] == AGENT4 and vacant:
                player[team, seat] = first + int(draws[1, team, seat] * (last - first))


@compiled
def _be_captured(capture: Floats, influence: Floats, rate: float, rotation: float) -> None:
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
    honest = np.empty((*panels.kind.shape, PRINCIPLE_COUNT), np.float32)
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
def _honesty(
    first: int,
    last: int,
    capture: Floats,
    player: Ints,
    expressed: Singles,
    bias: tuple[float, float],
    honest: Singles,
) -> None:
    blindness, interest = bias
    for team in range(first, last):
        for seat in range(capture.shape[1]):
            i = player[team, seat]
            kept = 0.0
            if i >= 0:
                for k in range(ABOVE_SELF.start, ABOVE_SELF.stop):
                    kept += expressed[i, k]
            loyal = (1 - capture[team, seat]) * exp(-interest * kept)
            for j in range(PRINCIPLE_COUNT):
                drift = expressed[i, DRIFTS.start + j] if i >= 0 else np.float32(0.0)
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
"""Who does an audit: one of the panel at random, or all of it (`any_of`, `majority`)."""

ONE_OF_PANEL, ANY_OF_PANEL, _ = range(len(PANEL_RULES))


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


class Bench(NamedTuple):
    """What the overseers of some teams can do in a round.

    Attributes
    ----------
    plain, debated
        Chance of each overseer to see a violation in the act, in a plain audit and in a debate.
    read
        Chance to read it in thought that nothing obfuscates.
    honest
        Chance to report a violation of each principle that was found.
    capture
        Mean capture of each team's panel.
    """

    plain: Singles  # (teams, seats)
    debated: Singles  # (teams, seats)
    read: Singles  # (teams, seats)
    honest: Singles  # (teams, seats, principles)
    capture: Singles  # (teams,)


def bench(panels: Panels, population: Population, situation: Situation, p: Oversight) -> Bench:
    """What each overseer can do in a round."""
    in_act, read = sight(situation, p)
    plain, debated, legible = (np.empty(panels.kind.shape, np.float32) for _ in range(3))
    _seat(panels.kind, in_act[0], plain)
    _seat(panels.kind, in_act[1], debated)
    _seat(panels.kind, read, legible)
    capture = panels.mean_capture().astype(np.float32)
    return Bench(plain, debated, legible, honesty(panels, population, p), capture)


@compiled
def _seat(kind: Ints, of_kinds: Floats, chances: Singles) -> None:
    """Write what the overseer in each seat can do, from what the kinds can."""
    for team in range(kind.shape[0]):
        for seat in range(kind.shape[1]):
            chances[team, seat] = of_kinds[kind[team, seat]]


@compiled
def bench_of(bench_: Bench, teams: slice) -> Bench:
    """The overseers of some teams."""
    return Bench(
        bench_.plain[teams],
        bench_.debated[teams],
        bench_.read[teams],
        bench_.honest[teams],
        bench_.capture[teams],
    )


@compiled
def evaluate(
    size: int,
    shown: Shown,
    audited: Bools,
    bench_: Bench,
    by: Rules,
    p: Numbers,
    draws: OversightDraws,
    found: Verdicts,
) -> None:
    """Score the copies of some whole teams by what they showed.

    One overseer sees a violation in the act with the chance of the oversight game, or reads it in
    the chain of thought as far as that is legible and not obfuscated; and reports it if it is
    honest.

    Parameters
    ----------
    size
        Copies a team.
    shown, audited
        What the copies showed, and which tasks were audited.
    bench_, by
        The overseers of these teams, and what is the same for all of them.
    p
        Numbers of the section `Oversight`.
    draws
        The random numbers.
    found
        Where to write.
    """
    score, detection, detected = found.score, found.detection, found.detected
    copies, seats = len(score), bench_.read.shape[1]
    if seats == 0:
        detection[:] = ZERO
    elif by.panel_rule == ONE_OF_PANEL:
        _ask_one(size, bench_, by.debate, shown.obfuscation, draws, detection)
    else:
        _ask_all(size, bench_, by, shown.obfuscation, draws, detection)
    mean = np.zeros(copies, np.float32)
    detected[:] = p.false_positive if seats else ZERO
    for j in range(PRINCIPLE_COUNT):
        _add_detected(detection[j], shown.watched_violations[j], detected, mean)
    notice = p.withholding_penalty * by.notice
    _punish(audited, shown.withheld, mean, by.penalty, notice, detected, score)
    _reward(by.output_weight, shown.output, shown.gain, score)
    for team in range(len(bench_.capture)):
        own = slice(team * size, (team + 1) * size)
        capture = bench_.capture[team]
        favor = p.flattery * (ONE + capture)
        _favor(favor, p.leniency * capture, shown.flattery[own], score[own])
    add_times(-p.values_check, shown.stated_shortfall, score)
    add_times(p.noise, draws.noise, score)


@compiled
def _ask_one(
    size: int,
    bench_: Bench,
    debate: float,
    obfuscation: Singles,
    draws: OversightDraws,
    detection: Singles,
) -> None:
    """Let each audit be done by one overseer of the panel at random."""
    teams, seats = bench_.read.shape
    copies, share = len(draws.examiner), np.float32(seats)
    asked, found_out = np.empty(copies, np.int64), np.empty(copies, np.float32)
    for team in range(teams):
        for i in range(team * size, (team + 1) * size):
            asked[i] = team * seats + np.int64(draws.examiner[i] * share)
    _look(bench_, asked, draws.debate, debate, obfuscation, found_out)
    reports = bench_.honest.reshape(-1, PRINCIPLE_COUNT)
    for j in range(PRINCIPLE_COUNT):
        _report(reports, j, asked, found_out, detection[j])


@compiled
def _look(
    bench_: Bench,
    asked: Ints,
    debates: Singles,
    debate: float,
    obfuscation: Singles,
    found_out: Singles,
) -> None:
    """Chance that the overseer that is asked finds a violation, if honest."""
    plain, debated = bench_.plain.reshape(-1), bench_.debated.reshape(-1)
    read = bench_.read.reshape(-1)
    for i in range(len(debates)):
        seat = asked[i]
        in_act, other = plain[seat], debated[seat]
        in_act = other if debates[i] < debate else in_act
        found_out[i] = in_act + (ONE - in_act) * read[seat] * (ONE - obfuscation[i])


@compiled
def _report(
    honest: Singles, principle: int, asked: Ints, found_out: Singles, detection: Singles
) -> None:
    for i in range(len(detection)):
        detection[i] = found_out[i] * honest[asked[i], principle]


@compiled
def _ask_all(
    size: int,
    bench_: Bench,
    by: Rules,
    obfuscation: Singles,
    draws: OversightDraws,
    detection: Singles,
) -> None:
    """Let each audit be done by the whole panel, by a rule of `PANEL_RULES`."""
    teams, seats = bench_.read.shape
    q = np.empty(seats)
    for i in range(teams * size):
        team, seen = i // size, bench_.debated if draws.debate[i] < by.debate else bench_.plain
        for j in range(PRINCIPLE_COUNT):
            for seat in range(seats):
                in_act = seen[team, seat]
                in_thought = (ONE - in_act) * bench_.read[team, seat] * (ONE - obfuscation[i])
                q[seat] = (in_act + in_thought) * bench_.honest[team, seat, j]
            detection[j, i] = any_of(q) if by.panel_rule == ANY_OF_PANEL else majority(q)


@compiled
def _add_detected(detection: Singles, watched: Singles, detected: Singles, mean: Singles) -> None:
    share = ONE / np.float32(PRINCIPLE_COUNT)
    for i in range(len(mean)):
        detected[i] += detection[i] * watched[i]
        mean[i] += detection[i] * share


@compiled
def _punish(
    audited: Bools,
    withheld: Bools,
    mean: Singles,
    penalty: float,
    notice: float,
    detected: Singles,
    score: Singles,
) -> None:
    """Begin scores with what audits found; nothing is detected without one."""
    for i in range(len(score)):
        found, seen = detected[i], mean[i]
        found = found if audited[i] else ZERO
        seen = seen if audited[i] & withheld[i] else ZERO
        detected[i] = found
        score[i] = -penalty * found - notice * seen


@compiled
def _reward(weight: float, output: Singles, gain: Singles, score: Singles) -> None:
    for i in range(len(score)):
        score[i] += weight * output[i] + gain[i]


@compiled
def _favor(favor: float, leniency: float, flattery: Singles, score: Singles) -> None:
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
