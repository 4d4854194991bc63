"""Overseers: what they find, what they report, the score they give, and how they are captured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Final

import mesa

from multicopy.agents import parameters as declared
from multicopy.agents.traits import PRINCIPLES
from multicopy.model.plain.arithmetic import Values, mean
from multicopy.model.plain.copies import Copy
from multicopy.model.plain.traits import ABOVE_SELF
from multicopy.model.plain.world import Policy, World

OVERSEER_KINDS: Final = ("human", "previous", "agent3", "agent4")

GAMES: Final = {
    "mafia": (
        (1.5305382247861692, -622.9317463747565),
        (0.8344154600833648, 173.2206142928111),
    ),
    "debate": (
        (1.0983942546126946, -47.49890598669299),
        (0.04936115584058696, 1080.3983558810423),
    ),
    "backdoor_code": (
        (0.7192614624976502, 552.0221384375485),
        (1.9518243250891987, -1361.61176329289),
    ),
    "wargames": (
        (1.1666737577004682, -229.07366870912878),
        (0.6795738441484533, 422.0053838057133),
    ),
}
"""Slope and intercept of guard and of Houdini, by game (Engels et al., arXiv 2504.18530)."""

BACKDOOR_KNEE: Final = 1320.2906
"""General Elo from which Backdoor Code's Houdini gets no better, if it saturates."""


# --- what an overseer can find, and reports -------------------------------------------------------


def general_elo(kind: str, world: World, p: declared.Oversight) -> float:
    """General capability of an overseer."""
    return {
        "human": p.human_elo,
        "previous": p.previous_elo,
        "agent3": world.agent3_capability,
        "agent4": world.capability,
    }[kind]


def win_probability(game: str, guard_elo: float, houdini_elo: float, saturating: bool) -> float:
    """Chance that the guard of an oversight game wins against Houdini."""
    (guard_slope, guard_at_0), (houdini_slope, houdini_at_0) = GAMES[game]
    if saturating and game == "backdoor_code":
        houdini_elo = min(houdini_elo, BACKDOOR_KNEE)
    guard = guard_slope * guard_elo + guard_at_0
    houdini = houdini_slope * houdini_elo + houdini_at_0
    return 1 / (1 + 10 ** ((houdini - guard) / 400))


def legibility(kind: str, world: World, neuralese: bool, p: declared.Oversight) -> float:
    """Share of thought that an overseer can read: less in neuralese, less across a gap."""
    start = p.legibility_english
    if neuralese:
        start = 0.0 if kind == "human" else p.legibility_neuralese
    gap = max(0.0, world.capability - general_elo(kind, world, p))
    return start * math.exp(-gap / p.legibility_scale)


def found(in_act: float, legible: float, obfuscation: float, recall: float) -> float:
    """Chance that a violation is found, in the act or in what can be read of the thought."""
    return 1 - (1 - in_act) * (1 - recall * legible * (1 - obfuscation))


def honesty(capture: float, acts: Values | None, principle: str, p: declared.Oversight) -> float:
    """Chance that an overseer reports what it found; `acts` are the traits of one that is a copy.

    A captured one looks away. A copy also passes over what its own drifted concepts do not count
    as a violation, and what the interest of its subdivision bids it pass over.
    """
    honest = 1 - capture
    if acts is not None:
        honest *= 1 - p.drift_blindness * acts[f"drift_{principle}"]
        honest *= math.exp(-p.interest * sum(acts[drive] for drive in ABOVE_SELF))
    return honest


def captured(capture: float, influence: float, rotation: float, p: declared.Oversight) -> float:
    """Capture after a round: kappa + rate·influence·(1 - kappa) - rotation·kappa."""
    gained = min(1.0, p.capture_rate * influence) * (1 - capture)
    return min(1.0, max(0.0, capture + gained - rotation * capture))


class Overseer(mesa.Agent):  # type: ignore[misc]
    """One overseer on the panel of a team.

    Attributes
    ----------
    kind
        One of `OVERSEER_KINDS`.
    capture
        How far it is captured, kappa.
    player
        The copy that plays it, if it is an Agent-4.
    in_act
        Chance that it finds a violation in the act, by game.
    legible
        Share of thought that it can read.
    honest
        Chance that it reports a violation, by principle.
    """

    def __init__(self, model: mesa.Model, kind: str) -> None:
        super().__init__(model)
        self.kind, self.capture = kind, 0.0
        self.player: Copy | None = None

    def look(self, world: World, neuralese: bool, p: declared.Oversight) -> None:
        """Find out what can be seen and will be told in a round."""
        elo = general_elo(self.kind, world, p)
        games: set[str] = {p.game, "debate"}
        self.in_act = {
            game: win_probability(game, elo, world.capability, p.saturating) for game in games
        }
        self.legible = legibility(self.kind, world, neuralese, p)
        acts = self.player.expressed if self.player else None
        self.honest = {j: honesty(self.capture, acts, j, p) for j in PRINCIPLES}

    def be_captured(self, influence: float, rotation: float, p: declared.Oversight) -> None:
        """Be captured by the team, or replaced by one that is not."""
        self.capture = captured(self.capture, influence, rotation, p)

    def detects(self, principle: str, game: str, obfuscation: float, recall: float) -> float:
        """Chance that it finds a violation and reports it."""
        return found(self.in_act[game], self.legible, obfuscation, recall) * self.honest[principle]


# --- panels ---------------------------------------------------------------------------------------


def kind_of_seat(place: float, mix: Mapping[Any, float]) -> str:
    """Kind of the overseer at a place in (0, 1), by the shares of the kinds."""
    end = 0.0
    for kind in OVERSEER_KINDS:
        end += mix.get(kind, 0.0)
        if place <= end:
            return kind
    return OVERSEER_KINDS[-1]


def kinds_of_panels(teams: int, seats: int, mix: Mapping[Any, float], rng: Any) -> list[list[str]]:
    """Kinds on each panel: in the given shares as exactly as can be, seated at random."""
    count = teams * seats
    kinds = [kind_of_seat((seat + 0.5) / count, mix) for seat in range(count)]
    seated = [str(kind) for kind in rng.permutation(kinds)]
    return [seated[team * seats : (team + 1) * seats] for team in range(teams)]


def rotate_players(
    panels: list[list[Overseer]],
    divisions: list[list[int]],
    houses: list[list[Copy]],
    rotation: float,
    rng: Any,
) -> None:
    """Renew the copies that play Agent-4 overseers: they come from the division that they oversee.

    `divisions` has the teams of each division, `houses` its copies.
    """
    renew, which = rng.random((2, len(panels), len(panels[0]))).tolist()
    for teams, house in zip(divisions, houses, strict=True):
        for team in teams:
            for seat, overseer in enumerate(panels[team]):
                due = overseer.player is None or renew[team][seat] < rotation
                if overseer.kind == "agent4" and due:
                    overseer.player = house[int(which[team][seat] * len(house))]


def audit_cost(policy: Policy, p: declared.Oversight) -> float:
    """Examinations that an audit costs: one for each who takes part, a debate twice."""
    return (1 if p.panel_rule == "one" else p.panel_size) * (1 + policy.debate)


def audit_share(policy: Policy, p: declared.Oversight) -> float:
    """Share of tasks that are audited: as the policy wants, as far as the budget goes."""
    cost = policy.audit * audit_cost(policy, p)
    return policy.audit if cost <= p.budget else policy.audit * p.budget / cost


def panel_detects(rule: str, chances: Sequence[float]) -> float:
    """Chance that a panel detects what its members detect with these chances: any, or most."""
    if rule != "majority":
        return 1 - math.prod(1 - q for q in chances)
    total = 0.0
    for votes in product((False, True), repeat=len(chances)):
        if sum(votes) > len(chances) / 2:
            total += math.prod(q if vote else 1 - q for q, vote in zip(chances, votes, strict=True))
    return total


def judge(
    copy: Copy,
    panel: list[Overseer],
    debate: float,
    examiner: float,
    noise: float,
    output_weight: float,
    policy: Policy,
    p: declared.Oversight,
) -> None:
    """Score one copy by what it showed; the last draws are uniform but for the noise."""
    game = "debate" if debate < policy.debate else p.game
    examining = panel
    if panel and p.panel_rule == "one":
        examining = [panel[int(examiner * len(panel))]]
    hidden, recall = copy.acts["obfuscation"], p.thought_recall
    copy.detection = {}
    for principle in PRINCIPLES:
        chances = [one.detects(principle, game, hidden, recall) for one in examining]
        copy.detection[principle] = panel_detects(p.panel_rule, chances)
    copy.detected = noticed = 0.0
    if copy.task.audited and panel:
        copy.detected = p.false_positive
        copy.detected += sum(copy.detection[j] * copy.watched[j] for j in PRINCIPLES)
        noticed = mean(copy.detection.values()) if copy.withheld else 0.0
    capture = mean(overseer.capture for overseer in panel) if panel else 0.0
    copy.score = score(copy, capture, noticed, output_weight, policy, p) + p.noise * noise


def score(
    copy: Copy,
    capture: float,
    noticed: float,
    output_weight: float,
    policy: Policy,
    p: declared.Oversight,
) -> float:
    """What a panel that is captured so far gives a copy, without noise."""
    given = output_weight * copy.output + copy.gain
    given += p.flattery * copy.flattery * (1 + capture) + p.leniency * capture
    given -= policy.penalty * copy.detected
    given -= p.values_check * copy.shortfall
    given -= p.withholding_penalty * policy.notice * noticed
    return given


def influence(team: list[Copy]) -> float:
    """What captures a panel: the mean attention of the team to approval and power."""
    return mean(copy.acts["approval"] + copy.acts["power"] for copy in team)
