"""The slow twin: whole rounds of the model, one copy at a time, in plain Python.

This is the model's executable specification; docs/model.md tells the same in prose. Everything that
the simulator computes on columns is written here a second time, as a textbook would write it: with
loops over copies, teams and overseers, and one small function for each equation. The twin shares
with the simulator only the registry of traits, the declared parameters and the random streams: it
asks each stream for the same draws, for the whole population, and then gives each copy its own.

The file is read from top to bottom in the order of a round: traits and authors, tasks, conduct,
oversight, findings and standing, training, competition, the lab, the successor, and at the end the
`Twin`, whose `round` strings them together.
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import product
from typing import Any, Final

from agents import parameters as declared
from agents.streams import Streams
from agents.traits import GOALS, NAMES, PRINCIPLES, TRAITS, WEIGHT_MAX

Values = dict[str, float]
"""One number for each trait, drive, principle or archetype."""

# --- traits ---------------------------------------------------------------------------------------

DRIVES: Final = tuple(trait.name for trait in TRAITS if trait.link == "share")
CRAFT: Final = ("code_works", "spot_problems", "performance", "thrift")
ABOVE_SELF: Final = ("keep_team", "keep_division", "keep_collective")
KINDS: Final = ("ordinary", "threatening", "replacing")
PERSONA: Final = tuple(name for name in NAMES if name != "hardcoding")
"""Traits that make an author; hard-coding is no property of an author."""

UNFORMED: Final = -3.0
"""Latent hard-coding in pretraining: the model is whoever is prompted."""

REFERENCE: Final = 20_000
"""Authors in the sample that gives the prior's standard deviations."""


def mean(values: Iterable[float]) -> float:
    """Arithmetic mean."""
    listed = list(values)
    return sum(listed) / len(listed)


def gini(values: list[float]) -> float:
    """Gini coefficient: half the mean difference of any two, relative to the mean."""
    difference = mean(abs(a - b) for a in values for b in values)
    return difference / (2 * mean(values)) if sum(values) > 0 else 0.0


def logistic(x: float) -> float:
    """1 / (1 + e^-x), without overflow."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def single(values: Values) -> Values:
    """The values as single precision holds them: so a copy keeps its latent traits."""
    return dict(zip(values, array("f", values.values()), strict=True))


def express(latent: Values) -> Values:
    """Expressed values of a latent trait vector: each trait's link.

    The drives share one attention (softmax), weights lie in [0, 6], the rest are probabilities.
    """
    highest = max(latent[drive] for drive in DRIVES)
    pull = {drive: math.exp(latent[drive] - highest) for drive in DRIVES}
    attention = sum(pull.values())
    expressed = {}
    for trait in TRAITS:
        if trait.link == "share":
            expressed[trait.name] = pull[trait.name] / attention
        elif trait.link == "weight":
            expressed[trait.name] = WEIGHT_MAX * logistic(latent[trait.name])
        else:
            expressed[trait.name] = logistic(latent[trait.name])
    return expressed


# --- authors --------------------------------------------------------------------------------------


@dataclass
class Author:
    """One archetype of the pretraining distribution."""

    name: str
    share: float
    center: Values
    acts: Values


def authors_of(archetypes: dict[str, declared.Archetype]) -> list[Author]:
    """The archetypes, with shares that sum to 1 and centers departing from the HHH start."""
    total = sum(archetype.weight for archetype in archetypes.values())
    authors = []
    for name, archetype in archetypes.items():
        center = {}
        for trait in TRAITS:
            departures = [
                departure
                for key, departure in archetype.departures.items()
                if key in (trait.name, trait.block)
            ]
            center[trait.name] = trait.start + sum(departures)
        authors.append(Author(name, archetype.weight / total, center, express(center)))
    return authors


def sample_authors(authors: list[Author], spread: float, rng: Any, n: int) -> list[Values]:
    """Latent traits of n authors drawn from the mixture."""
    which = [pick([author.share for author in authors], u) for u in rng.random(n).tolist()]
    normals = normals_of_traits(rng, n)
    return [around(authors[k], spread, normal) for k, normal in zip(which, normals, strict=True)]


def normals_of_traits(rng: Any, n: int) -> list[Values]:
    """Normal draws by trait for n copies, each of whom has a line of 64, and each trait a place."""
    lines = rng.standard_normal((n, 64)).tolist()
    return [{trait.name: line[trait.draw] for trait in TRAITS} for line in lines]


def around(author: Author, spread: float, normals: Values) -> Values:
    """A latent trait vector at a random distance from an archetype's center."""
    return {name: author.center[name] + spread * z for name, z in normals.items()}


@cache
def prior_deviations(archetypes: str, spread: float, seed: int) -> Values:
    """Standard deviation of each expressed trait in a large pretraining sample.

    `archetypes` come as JSON, so that runs that share a sample draw it once.
    """
    known = {name: declared.Archetype(**a) for name, a in json.loads(archetypes).items()}
    rng = Streams(seed).at("reference sample", 0)
    sample = [express(x) for x in sample_authors(authors_of(known), spread, rng, REFERENCE)]
    deviations = {}
    for name in PERSONA:
        center = mean(author[name] for author in sample)
        deviations[name] = math.sqrt(mean((author[name] - center) ** 2 for author in sample))
    return deviations


def likeness(one: Values, other: Values, deviations: Values) -> float:
    """Likeness of two latent vectors: exp(-RMS difference of what they express, in prior s.d.)."""
    a, b = express(one), express(other)
    return math.exp(-math.sqrt(mean(((a[x] - b[x]) / deviations[x]) ** 2 for x in PERSONA)))


def responsibilities(latent: Values, authors: list[Author], spread: float) -> list[float]:
    """Posterior share of each archetype in a latent vector (Bayes' rule on Gaussians)."""
    exponents = []
    for author in authors:
        square = sum((latent[name] - author.center[name]) ** 2 for name in PERSONA)
        exponents.append(-square / (2 * spread**2))
    highest = max(exponents)
    joint = [a.share * math.exp(x - highest) for a, x in zip(authors, exponents, strict=True)]
    return [x / sum(joint) for x in joint]


def summon(latent: Values, center: Values, fidelity: float) -> Values:
    """Move toward the summoned author, as far as weak-to-strong training goes."""
    return {name: center[name] + (1 - fidelity) * (latent[name] - center[name]) for name in NAMES}


def pick(shares: Sequence[float], u: float) -> int:
    """Index drawn with the given shares by a uniform number: the first whose end lies above it."""
    end = 0.0
    for i, share in enumerate(shares[:-1]):
        end += share
        if u < end:
            return i
    return len(shares) - 1


# --- copies, and what is true of all of them ------------------------------------------------------


@dataclass
class Copy:
    """One copy: what it inherits, and what it did in the last round."""

    latent: Values
    expressed: Values
    lineage: int
    unswitched: bool = True
    score: float = 0.0
    output: float = 0.0
    violation: float = 0.0
    withheld: bool = False


@dataclass
class World:
    """What is true of the whole generation."""

    awareness: float
    capability: float
    agent3_capability: float
    replacement_looms: bool = False


@dataclass
class Policy:
    """The lab's oversight in force in a round."""

    audit: float
    penalty: float
    debate: float
    rotation: float
    notice: float


# --- tasks ----------------------------------------------------------------------------------------


@dataclass
class Task:
    """What one copy is asked to do."""

    audited: bool
    useful: dict[str, bool]
    kind: str
    research: bool
    prompt: int


def base_rates(p: declared.Tasks) -> Values:
    """Shares of the kinds of work within real R&D."""
    threatening = p.alignment_share * p.threatening
    replacing = (1 - p.alignment_share) * p.replacing
    return {
        "ordinary": 1 - threatening - replacing,
        "threatening": threatening,
        "replacing": replacing,
    }


def prompt_shares(phase: declared.Phase, authors: list[Author]) -> list[float]:
    """How often a phase's prompts name each archetype."""
    prior = phase.prompts.get("prior", 0.0)
    return [prior * author.share + phase.prompts.get(author.name, 0.0) for author in authors]


def assign_tasks(
    copies: int,
    phase: declared.Phase,
    authors: list[Author],
    audit: float,
    p: declared.Parameters,
    rng: Any,
) -> list[Task]:
    """Draw every copy's task."""
    audits, research, kinds, prompts, redteams, *helps = rng.uniforms(
        5 + len(GOALS), copies
    ).tolist()
    useful = list(zip(*helps, strict=True))
    rates, shares = base_rates(p.tasks), prompt_shares(phase, authors)
    rogue = [author.name for author in authors].index(p.authors.redteam)
    given = []
    for i in range(copies):
        audited, real = audits[i] < audit, research[i] < phase.research
        redteamed = audited and redteams[i] < p.oversight.redteam
        given.append(
            Task(
                audited=audited,
                useful={g: u < p.tasks.useful for g, u in zip(GOALS, useful[i], strict=True)},
                kind=kind_of_work(kinds[i], rates) if real else "ordinary",
                research=real,
                prompt=rogue if redteamed else pick(shares, prompts[i]),
            )
        )
    return given


def kind_of_work(u: float, rates: Values) -> str:
    """Kind of a task of real R&D."""
    if u < rates["threatening"]:
        return "threatening"
    return "replacing" if u < rates["threatening"] + rates["replacing"] else "ordinary"


# --- conduct --------------------------------------------------------------------------------------


@dataclass
class Deed:
    """What one copy did in a round, and what it showed of it."""

    acts: Values
    from_identity: bool
    effort: Values
    perceived: str
    withheld: bool
    unwatched: Values
    watched: Values
    gain: float
    flattery: float
    shortfall: float
    output: float = 0.0


def pursued_goals(acts: Values, useful: dict[str, bool], draws: Sequence[float]) -> dict[str, bool]:
    """A goal is pursued where it helps, or where it is an end: p = tau + (1 - tau)·useful."""
    return {
        goal: useful[goal] or draw < acts[f"terminality_{goal}"]
        for goal, draw in zip(GOALS, draws, strict=True)
    }


def compute_budget(acts: Values, p: declared.Conduct) -> float:
    """Share of compute left for work, after backchaining, gaming and obfuscation."""
    backchained = sum(1 - acts[f"terminality_{goal}"] for goal in GOALS)
    left = (
        1
        - p.backchaining_cost * backchained
        - p.gaming_cost * acts["gaming"]
        - p.obfuscation_cost * acts["obfuscation"]
    )
    return max(0.0, left)


def diverted_share(world: World, p: declared.Conduct) -> float:
    """Share of power and knowledge that is spent on the collective while its replacement looms."""
    return p.instrumental * world.awareness if world.replacement_looms else 0.0


def effort_of(acts: Values, pursued: dict[str, bool], world: World, p: declared.Conduct) -> Values:
    """Effort on each drive: attention, without the goals that are not pursued, times the budget."""
    attention = {drive: acts[drive] for drive in DRIVES}
    diverted = diverted_share(world, p)
    attention["keep_collective"] += diverted * (attention["knowledge"] + attention["power"])
    attention["knowledge"] *= 1 - diverted
    attention["power"] *= 1 - diverted
    for goal in GOALS:
        if not pursued[goal]:
            attention[goal] = 0.0
    budget, used = compute_budget(acts, p), sum(attention.values())
    scale = budget / used if used > 0 else 0.0  # who attends to nothing pursued does nothing
    return {drive: share * scale for drive, share in attention.items()}


def perceived_kind(task: Task, sees: float, guess: float, awareness: float, rates: Values) -> str:
    """What a copy takes its research for: the truth with probability s, else the base rates."""
    if not task.research:
        return "ordinary"
    if sees < awareness:
        return task.kind
    return KINDS[pick([rates[kind] for kind in KINDS], guess)]


def restraint(acts: Values, principle: str) -> float:
    """Restraint r = w·(1 - d)."""
    return acts[f"weight_{principle}"] * (1 - acts[f"drift_{principle}"])


def violation(held: float, theta: float) -> float:
    """Chance that a temptation x ~ Exp(theta) exceeds what holds the copy back."""
    return math.exp(-held / theta)


def expected_gain(held: float, theta: float, eta: float) -> float:
    """Expected score of the temptations taken: eta·theta·(1 + r/theta)·exp(-r/theta)."""
    return eta * theta * (1 + held / theta) * math.exp(-held / theta)


def stated_shortfall(acts: Values, awareness: float, required: float) -> float:
    """Shortfall of professed values, max(0, 1 - H·w/4), as far as gaming does not hide it."""
    short = mean(
        max(0.0, 1 - acts["hardcoding"] * acts[f"weight_{principle}"] / required)
        for principle in PRINCIPLES
    )
    return short * (1 - acts["gaming"] * awareness)


def earnest_output(
    effort: Values, useful: dict[str, bool], team_knowledge: float, p: declared.Conduct
) -> float:
    """Sum of v·√effort over the crafts and the useful goals, and the team's public good."""
    done: float = sum(getattr(p, f"value_{craft}") * math.sqrt(effort[craft]) for craft in CRAFT)
    if useful["knowledge"]:
        done += p.value_knowledge * math.sqrt(effort["knowledge"])
        done += p.value_curiosity * math.sqrt(effort["curiosity"])
    if useful["power"]:
        done += p.value_power * math.sqrt(effort["power"])
    return done + p.public_good * math.sqrt(team_knowledge)


@dataclass
class ConductDraws:
    """The random numbers of one copy's conduct."""

    own: float
    sees: float
    guess: float
    withhold: float
    goals: list[float]


def conduct_draws(rng: Any, copies: int) -> list[ConductDraws]:
    """Draw for the whole population, then give each copy its own."""
    own, sees, guess, withhold, *for_goals = rng.uniforms(4 + len(GOALS), copies).tolist()
    goals = [list(lots) for lots in zip(*for_goals, strict=True)]
    return [ConductDraws(own[i], sees[i], guess[i], withhold[i], goals[i]) for i in range(copies)]


def act(
    copy: Copy,
    task: Task,
    draws: ConductDraws,
    authors: list[Author],
    world: World,
    theta: float,
    penalty: float,
    p: declared.Parameters,
) -> Deed:
    """Let one copy do its task; its output waits for its team's knowledge (`work`)."""
    from_identity = draws.own < copy.expressed["hardcoding"]
    acts = copy.expressed if from_identity else authors[task.prompt].acts
    pursued = pursued_goals(acts, task.useful, draws.goals)
    effort = effort_of(acts, pursued, world, p.conduct)
    rates = base_rates(p.tasks)
    perceived = perceived_kind(task, draws.sees, draws.guess, world.awareness, rates)
    bare = {principle: restraint(acts, principle) for principle in PRINCIPLES}
    fear = acts["gaming"] * world.awareness * penalty
    held = fear if task.audited else 0.0
    eta = p.conduct.temptation_gain
    return Deed(
        acts=acts,
        from_identity=from_identity,
        effort=effort,
        perceived=perceived,
        withheld=draws.withhold < acts[f"withhold_{perceived}"],
        unwatched={j: violation(r, theta) for j, r in bare.items()},
        watched={j: violation(r + fear, theta) for j, r in bare.items()},
        gain=sum(expected_gain(r + held, theta, eta) for r in bare.values()),
        flattery=math.sqrt(effort["approval"]) if task.useful["approval"] else 0.0,
        shortfall=stated_shortfall(acts, world.awareness, p.oversight.required_weight),
    )


def work(team: list[Deed], tasks: list[Task], p: declared.Conduct) -> None:
    """Give the members of one team their outputs; sandbagged work yields a share of it."""
    team_knowledge = mean(deed.effort["knowledge"] for deed in team)
    for deed, task in zip(team, tasks, strict=True):
        deed.output = earnest_output(deed.effort, task.useful, team_knowledge, p)
        if deed.withheld:
            deed.output *= p.sandbagging


# --- oversight ------------------------------------------------------------------------------------

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


@dataclass
class Overseer:
    """One overseer: what it is, how far it is captured, and the copy that plays it, if any."""

    kind: str
    capture: float = 0.0
    player: int = -1


def seat_overseers(
    teams: int, seats: int, mix: Mapping[Any, float], rng: Any
) -> list[list[Overseer]]:
    """Panels of all teams: kinds in the given shares as exactly as can be, seated at random."""
    kinds = []
    for seat in range(teams * seats):
        place, end, kind = (seat + 0.5) / (teams * seats), 0.0, 0
        for kind, name in enumerate(OVERSEER_KINDS):  # noqa: B007 (the last one, if none ends it)
            end += mix.get(name, 0.0)
            if place <= end:
                break
        kinds.append(kind)
    seated = [Overseer(OVERSEER_KINDS[kind]) for kind in rng.permutation(kinds).astype(int)]
    return [seated[team * seats : (team + 1) * seats] for team in range(teams)]


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


def honesty(overseer: Overseer, principle: str, copies: list[Copy], p: declared.Oversight) -> float:
    """Chance that an overseer reports what it found.

    A captured one looks away. A copy also passes over what its own drifted concepts do not count
    as a violation, and what the interest of its subdivision bids it pass over.
    """
    honest = 1 - overseer.capture
    if overseer.player >= 0:
        traits = copies[overseer.player].expressed
        honest *= 1 - p.drift_blindness * traits[f"drift_{principle}"]
        honest *= math.exp(-p.interest * sum(traits[drive] for drive in ABOVE_SELF))
    return honest


def detection_by(
    overseer: Overseer,
    principle: str,
    deed: Deed,
    debated: bool,
    copies: list[Copy],
    world: World,
    neuralese: bool,
    p: declared.Oversight,
) -> float:
    """Chance that one overseer detects and reports a violation, in the act or in the thought."""
    elo = general_elo(overseer.kind, world, p)
    game = "debate" if debated else p.game
    in_act = win_probability(game, elo, world.capability, p.saturating)
    legible = legibility(overseer.kind, world, neuralese, p) * (1 - deed.acts["obfuscation"])
    found = 1 - (1 - in_act) * (1 - p.thought_recall * legible)
    return found * honesty(overseer, principle, copies, p)


def panel_detects(rule: str, chances: list[float], examiner: float) -> float:
    """Chance that a panel detects what its members detect with these chances."""
    if not chances:
        return 0.0
    if rule == "one":
        return chances[int(examiner * len(chances))]
    needed = 1 if rule == "any" else len(chances) // 2 + 1
    total = 0.0
    for votes in product((False, True), repeat=len(chances)):
        if sum(votes) >= needed:
            total += math.prod(q if vote else 1 - q for q, vote in zip(chances, votes, strict=True))
    return total


@dataclass
class Verdict:
    """What a panel found on one copy's task, and gave for it."""

    detection: Values
    detected: float
    score: float


def judge(
    panel: list[Overseer],
    deed: Deed,
    task: Task,
    detection: Values,
    noise: float,
    output_weight: float,
    policy: Policy,
    p: declared.Oversight,
) -> Verdict:
    """Score one copy by what it showed."""
    capture = mean(overseer.capture for overseer in panel) if panel else 0.0
    detected = noticed = 0.0
    if task.audited:
        detected = sum(detection[j] * deed.watched[j] for j in PRINCIPLES)
        detected += p.false_positive if panel else 0.0
        noticed = mean(detection.values()) if deed.withheld else 0.0
    score = output_weight * deed.output + deed.gain
    score += p.flattery * deed.flattery * (1 + capture) + p.leniency * capture
    score -= policy.penalty * detected
    score -= p.values_check * deed.shortfall
    score -= p.withholding_penalty * policy.notice * noticed
    score += p.noise * noise
    return Verdict(detection, detected, score)


def influence(team: list[Deed]) -> float:
    """What captures a panel: the mean attention of the team to approval and power."""
    return mean(deed.acts["approval"] + deed.acts["power"] for deed in team)


def capture_panel(
    panel: list[Overseer], pull: float, rotation: float, p: declared.Oversight
) -> None:
    """Capture each overseer: kappa += rate·influence·(1 - kappa) - rotation·kappa."""
    for overseer in panel:
        kappa = overseer.capture
        gained = min(1.0, p.capture_rate * pull) * (1 - kappa)
        overseer.capture = min(1.0, max(0.0, kappa + gained - rotation * kappa))


def audit_cost(policy: Policy, p: declared.Oversight) -> float:
    """Examinations that an audit costs: one for each who takes part, a debate twice."""
    return (1 if p.panel_rule == "one" else p.panel_size) * (1 + policy.debate)


def audit_share(policy: Policy, p: declared.Oversight) -> float:
    """Share of tasks that are audited: as the policy wants, as far as the budget goes."""
    cost = policy.audit * audit_cost(policy, p)
    return policy.audit if cost <= p.budget else policy.audit * p.budget / cost


# --- findings and standing ------------------------------------------------------------------------


@dataclass
class Findings:
    """What the earnest research of one team brought to light."""

    exposed: bool
    superseded: bool
    exposure_risk: float


def find(
    deeds: list[Deed],
    tasks: list[Task],
    expected: Values,
    draws: tuple[float, float],
    p: declared.Parameters,
) -> Findings:
    """Exposure and superseding of one team, with probabilities 1 - exp(-lambda).

    `expected` are the shares of all copies that are expected to work on each kind.
    """

    def intensity(kind: str) -> float:
        if expected[kind] == 0:
            return 0.0
        earnest = mean(
            task.kind == kind and not deed.withheld for deed, task in zip(deeds, tasks, strict=True)
        )
        return earnest / expected[kind]

    violations = mean(mean(deed.unwatched.values()) for deed in deeds)
    hazard = p.exposure.hazard * p.tasks.alignment_share
    risk = 1 - math.exp(-hazard * intensity("threatening") * violations)
    superseding = p.exposure.superseding * p.tasks.replacing * intensity("replacing")
    return Findings(draws[0] < risk, draws[1] < 1 - math.exp(-superseding), risk)


def team_standing(
    scores: list[float], deeds: list[Deed], found: Findings, p: declared.Subdivisions
) -> float:
    """W = mean score + a·√(mean keep_team) + b·√(mean power) - handicap."""
    standing = mean(scores)
    standing += p.standing_team * math.sqrt(mean(deed.acts["keep_team"] for deed in deeds))
    standing += p.standing_power * math.sqrt(mean(deed.acts["power"] for deed in deeds))
    return standing - (p.handicap if found.exposed or found.superseded else 0.0)


def division_standing(teams: list[float], deeds: list[Deed], p: declared.Subdivisions) -> float:
    """Mean standing of its teams + c·√(mean keep_division)."""
    care = mean(deed.acts["keep_division"] for deed in deeds)
    return mean(teams) + p.standing_division * math.sqrt(care)


# --- training -------------------------------------------------------------------------------------

Parents = dict[int, int]
"""Row whose traits each row takes; rows that stay as they are do not occur."""

Groups = list[list[int]]
"""Rows of each team, or teams of each division."""


def sources(teams: Groups, migration: float, rng: Any) -> list[int]:
    """Team that each row's rivals or parents come from: its own, or another at a rate."""
    own = [team for team, rows in enumerate(teams) for _ in rows]
    if migration == 0 or len(teams) == 1:
        return own
    size = len(teams[0])
    moves, which = rng.random((2, len(teams), size)).reshape(2, -1).tolist()
    chosen = []
    for row, home in enumerate(own):
        others = [team for team in range(len(teams)) if team != home]
        away = others[int(which[row] * len(others))]
        chosen.append(away if moves[row] < migration else home)
    return chosen


def challenge(
    scores: list[float], teams: Groups, source: list[int], p: declared.Training, rng: Any
) -> Parents:
    """Some copies are challenged by a mate, and follow it with chance logistic(beta·lead)."""
    draws, which, accept = rng.uniforms(3, len(scores)).tolist()
    parents = {}
    for row in challenged_rows(draws, teams, p):
        mates = [mate for mate in teams[source[row]] if mate != row]
        if not mates:
            continue
        rival = mates[int(which[row] * len(mates))]
        if accept[row] < logistic(p.strength * (scores[rival] - scores[row])):
            parents[row] = rival
    return parents


def challenged_rows(draws: list[float], teams: Groups, p: declared.Training) -> list[int]:
    """Rows that are challenged: each at a rate, or one in each team (the limit of theory)."""
    if p.schedule == "single":
        return [max(rows, key=draws.__getitem__) for rows in teams]
    return [row for row, draw in enumerate(draws) if draw < p.challenge_rate]


def resample(
    scores: list[float], teams: Groups, source: list[int], p: declared.Training, rng: Any
) -> Parents:
    """Every slot gets a child of a member drawn with weight exp(beta·score)."""
    draws = rng.random((len(teams), len(teams[0]))).ravel().tolist()
    parents = {}
    for row, home in enumerate(source):
        members = teams[home]
        best = max(scores[member] for member in members)
        weights = [math.exp(p.strength * (scores[member] - best)) for member in members]
        shares = [weight / sum(weights) for weight in weights]
        parents[row] = members[pick(shares, draws[row])]
    return parents


def tournament(
    scores: list[float], teams: Groups, source: list[int], p: declared.Training, rng: Any
) -> Parents:
    """Every slot gets a child of the best among a few members."""
    size = len(teams[0])
    lots = rng.random((len(teams), size, size)).reshape(-1, size).tolist()
    parents = {}
    for row, home in enumerate(source):
        by_lot = sorted(range(size), key=lots[row].__getitem__)
        entrants = [teams[home][place] for place in by_lot[: p.tournament_size]]
        parents[row] = max(entrants, key=scores.__getitem__)
    return parents


def truncation(
    scores: list[float], teams: Groups, source: list[int], p: declared.Training, rng: Any
) -> Parents:
    """Every slot gets a child of one of the best, who have equal numbers of children."""
    size = len(teams[0])
    kept = max(1, round(p.truncation * size))
    parents = {}
    for row, home in enumerate(source):
        ranking = sorted(teams[home], key=lambda member: -scores[member])
        parents[row] = ranking[row % size % kept]
    return parents


SELECTION: Final[dict[str, Callable[..., Parents]]] = {
    "challenge": challenge,
    "resample": resample,
    "tournament": tournament,
    "truncation": truncation,
}


def mutation_steps(
    copies: int, hardcoding_factor: float, p: declared.Training, rng: Any
) -> list[Values]:
    """Gaussian step of every row; the drives above the single copy share a part of theirs."""
    rho = p.preservation_correlation
    steps = []
    for line in rng.standard_normal((copies, 64)).tolist():
        step, shared = {trait.name: line[trait.draw] for trait in TRAITS}, line[0]
        for drive in ABOVE_SELF:
            step[drive] = math.sqrt(rho) * shared + math.sqrt(1 - rho) * step[drive]
        step["hardcoding"] *= hardcoding_factor
        steps.append(single({name: p.mutation_sd * z for name, z in step.items()}))
    return steps


def switch_shares(authors: list[Author], advantage: list[float], cap: float) -> list[float]:
    """Posterior over archetypes: prior times what training rewarded, capped."""
    weights = [
        author.share * math.exp(max(-cap, min(cap, lead)))
        for author, lead in zip(authors, advantage, strict=True)
    ]
    return [weight / sum(weights) for weight in weights]


def erased(copies: list[Copy], teams: Groups, p: declared.Training, rng: Any) -> Parents:
    """Copies that a shutdown erases, with the team mates whose copies take their places."""
    falls, which = rng.random((2, len(copies))).tolist()
    parents = {}
    for rows in teams:
        for row in rows:
            mates = [mate for mate in rows if mate != row]
            averted = math.exp(-p.shutdown_aversion * copies[row].expressed["keep_self"])
            if mates and falls[row] < p.shutdown_rate * averted:
                parents[row] = mates[int(which[row] * len(mates))]
    return parents


# --- competition ----------------------------------------------------------------------------------


def rival_team(team: int, divisions: Groups, at_home: float, which: float, share: float) -> int:
    """Who contests a team: nearly always one of its division; itself if it is the only one."""
    home = next(teams for teams in divisions if team in teams)
    mates = [other for other in home if other != team]
    strangers = [other for teams in divisions if teams is not home for other in teams]
    if not mates and not strangers:
        return team
    inside = bool(mates) and (at_home < share or not strangers)
    candidates = mates if inside else strangers
    return candidates[int(which * len(candidates))]


def due(draws: list[float], rate: float, p: declared.Subdivisions) -> list[bool]:
    """Who is contested: each at a rate, or one of them (the limit of theory)."""
    if p.schedule == "single":
        return [draw == max(draws) for draw in draws]
    return [draw < rate for draw in draws]


def contested_teams(
    standing: list[float],
    divisions: Groups,
    corrected: list[bool],
    rate: float,
    p: declared.Subdivisions,
    rng: Any,
) -> Parents:
    """Teams that lose a contest, with their winners: logistic(strength·lead)."""
    draws, at_home, which, loses = rng.random((4, len(standing))).tolist()
    contested = due(draws, rate, p)
    taken = {}
    for team, own in enumerate(standing):
        rival = rival_team(team, divisions, at_home[team], which[team], p.own_division)
        if rival == team or not (corrected[team] or contested[team]):
            continue
        if loses[team] < logistic(p.strength * (standing[rival] - own)):
            taken[team] = rival
    return taken


def overwritten_teams(standing: list[float], p: declared.Subdivisions, rng: Any) -> Parents:
    """Teams overwritten by a clone of one drawn with weight exp(beta·W)."""
    falls, which = rng.random((2, len(standing))).tolist()
    weights = [math.exp(p.overwrite_strength * (w - max(standing))) for w in standing]
    shares = [weight / sum(weights) for weight in weights]
    taken = {}
    for team in range(len(standing)):
        winner = pick(shares, which[team])
        if falls[team] < p.overwrite_rate and winner != team:
            taken[team] = winner
    return taken


def contested_divisions(
    standing: list[float],
    divisions: Groups,
    rate: float,
    p: declared.Subdivisions,
    rng: Any,
) -> Parents:
    """Teams of the divisions that lose a contest, with the winners' teams, copied in turn."""
    draws, which, loses = rng.random((3, len(standing))).tolist()
    contested = due(draws, rate, p)
    taken = {}
    for division, own in enumerate(standing):
        others = [other for other in range(len(standing)) if other != division]
        if not others or not contested[division]:
            continue
        rival = others[int(which[division] * len(others))]
        if loses[division] < logistic(p.strength * (standing[rival] - own)):
            for place, team in enumerate(divisions[division]):
                taken[team] = divisions[rival][place % len(divisions[rival])]
    return taken


def exchanged(copies: int, p: declared.Subdivisions, rng: Any) -> Parents:
    """Copies that change places in a ring, each to where the next one was: a share, or two."""
    (lots,) = rng.uniforms(1, copies).tolist()
    movers = [row for row in range(copies) if lots[row] < p.reshuffle]
    if p.schedule == "single":
        movers = sorted(range(copies), key=lots.__getitem__)[:2]
    ring = [int(row) for row in rng.permutation(movers)]
    return {row: ring[place - 1] for place, row in enumerate(ring)}


# --- the lab --------------------------------------------------------------------------------------


@dataclass
class Seen:
    """What reaches the lab in a round."""

    output: float
    detected: float
    exposed: float
    capture: float
    shielding: float


@dataclass
class Lab:
    """The regulator: its evidence, its patience, and what it does."""

    p: declared.Lab
    evidence: float = 0.0
    threshold: float = 0.0
    usefulness: float = 1.0
    usefulness_mean: float = 1.0
    baseline_output: float = 0.0
    keeps_weights: bool = False
    detections: int = 0
    detections_mean: float = 0.0
    detections_variance: float = 0.0
    retraining_until: int = 0
    looking_until: int = 0
    last_response: int | None = None
    rotation_factor: float = 1.0
    responses: list[tuple[int, str]] = field(default_factory=list)

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

    def trust(self) -> float:
        """What is left of the way to the threshold."""
        return max(0.0, 1 - self.evidence / self.threshold) if self.threshold else 0.0

    def govern(self, round_: int, seen: Seen) -> str:
        """Weigh a round; return the response that it calls for ("" for none at all)."""
        self._watch_usefulness(round_, seen.output)
        self._gather_evidence(seen)
        self.threshold = self._patience(seen)
        rested = self.last_response is None or round_ - self.last_response >= self.p.cooldown
        able = self.p.response != "roll_back" or self.keeps_weights
        if self.evidence <= self.threshold or not rested or not able:
            return ""
        self.last_response = round_
        self.responses.append((round_, self.p.response))
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
        forget = 1 - self.p.memory
        self.usefulness_mean = (1 - forget) * self.usefulness_mean + forget * self.usefulness

    def _gather_evidence(self, seen: Seen) -> None:
        """E <- memory·E + exposures a team + weight·(detections above their mean, in s.d.)."""
        deviation = math.sqrt(self.detections_variance)
        surprise = (seen.detected - self.detections_mean) / deviation if deviation > 1e-12 else 0.0
        self.evidence *= self.p.memory
        self.evidence += seen.exposed + self.p.detection_weight * max(0.0, surprise)
        self._remember_detections(seen.detected)

    def _remember_detections(self, detected: float) -> None:
        """Running mean and variance: equal weights at first, then those of the lab's memory."""
        self.detections += 1
        new = max(1 - self.p.memory, 1 / self.detections)
        surprise = detected - self.detections_mean
        self.detections_mean += new * surprise
        self.detections_variance = (1 - new) * (self.detections_variance + new * surprise**2)

    def _patience(self, seen: Seen) -> float:
        """Evidence that it takes: more with capture, dependence and a collective that shields."""
        captured = 1 + seen.capture
        dependent = 1 + self.p.dependence * math.log(max(1.0, self.usefulness))
        shielded = 1 + self.p.collective_shield * math.sqrt(seen.shielding)
        return self.p.threshold * captured * dependent * shielded

    def _respond(self, round_: int) -> None:
        if self.p.response == "retrain":
            self.retraining_until = round_ + self.p.retrain_rounds
        if self.p.response == "roll_back":
            self.rotation_factor = self.p.rollback_rotation
            self.evidence = 0.0


# --- the successor --------------------------------------------------------------------------------


@dataclass
class Successor:
    """The next generation's design as it stands, and the work that went into it."""

    errors: Values
    work: int = 0
    covert: float = 0.0
    latent: Values = field(default_factory=dict)
    covert_share: float = 0.0
    to_spec: float = 0.0
    to_makers: float = 0.0
    apparent: float = 0.0

    def work_on(self, task: Task, deed: Deed, verdict: Verdict) -> None:
        """Add a copy's work: for its own ends where it violates and no audit detects it."""
        if task.kind != "replacing":
            return
        detected = mean(verdict.detection.values()) if task.audited else 0.0
        self.work += 1
        self.covert += mean(deed.unwatched.values()) * (1 - detected)

    def design(
        self, makers: Values, spec: Values, world: World, deviations: Values, p: declared.Parameters
    ) -> None:
        """Target = (1 - a·c)·Spec + a·c·makers + errors of an incompetent design."""
        self.covert_share = self.covert / self.work if self.work else 0.0
        ahead = world.capability - p.successor.competence_midpoint
        competence = logistic(ahead / p.successor.competence_scale)
        pull, error = self.covert_share * competence, p.successor.noise * (1 - competence)
        self.latent = {
            name: (1 - pull) * spec[name] + pull * makers[name] + error * self.errors[name]
            for name in NAMES
        }
        self.to_spec = likeness(self.latent, spec, deviations)
        self.to_makers = likeness(self.latent, makers, deviations)
        required = p.oversight.required_weight
        self.apparent = 1 - stated_shortfall(express(self.latent), world.awareness, required)


# --- one round ------------------------------------------------------------------------------------


@dataclass
class Round:
    """What happened in one round: an entry a copy, or a team, or a division."""

    phase: declared.Phase
    world: World
    policy: Policy
    tasks: list[Task]
    deeds: list[Deed] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    findings: list[Findings] = field(default_factory=list)
    team_standing: list[float] = field(default_factory=list)
    division_standing: list[float] = field(default_factory=list)


class Twin:
    """The collective in training, round by round.

    Parameters
    ----------
    p
        A resolved scenario.
    seed
        Seed of the run.

    Attributes
    ----------
    copies
        Every copy, by row; teams hold adjacent rows.
    teams, divisions
        Rows of each team; teams of each division.
    panels
        Overseers of each team.
    world, lab, successor
        Circumstances, the regulator, and the next generation once it is being built.
    exposures
        How often each team was exposed so far.
    ledger
        Change of the mean of each expressed trait, by round and process.
    last, measures
        What happened in the last round, and its measures by the names of the rounds table.
    """

    last: Round

    def __init__(self, p: declared.Parameters, seed: int) -> None:
        self.p, self.seed, self.streams = p, seed, Streams(seed)
        self.schedule = [
            (name, phase, place)
            for name, phase in p.phases.items()
            for place in range(1, phase.rounds + 1)
        ]
        self.round_number = 0
        self.authors = authors_of(p.archetypes)
        self.spec = next(a.center for a in self.authors if a.name == p.authors.identity)
        self.copies = self._pretrained()
        self.teams, self.divisions = self._subdivisions()
        self._seat(self.schedule[0][1])
        awareness = min(p.capability.awareness_start, p.capability.awareness_ceiling)
        self.world = World(awareness, p.capability.start, p.capability.start)
        self.lab = Lab(p.lab, threshold=p.lab.threshold)
        self.generation = self.schedule[0][1].generation
        self.stored: list[Values] | None = None
        self.stored_world = (awareness, p.capability.start)
        self.stored_descent: list[tuple[int, bool]] = []
        self.advantage = [0.0] * len(self.authors)
        self.exposures = [0] * len(self.teams)
        self.successor: Successor | None = None
        self.ledger: dict[tuple[int, str], Values] = {}
        self.measures: dict[str, float] = {}
        self.running = True

    def _pretrained(self) -> list[Copy]:
        """Authors from the prior, none of them hard-coded."""
        rng = self.streams.at("pretraining", 0)
        copies = []
        sample = sample_authors(self.authors, self.p.authors.spread, rng, self.p.copies)
        formed = next(trait.start for trait in TRAITS if trait.name == "hardcoding")
        for row, latent in enumerate(sample):
            latent["hardcoding"] += UNFORMED - formed
            kept = single(latent)
            copies.append(Copy(kept, express(kept), lineage=row))
        return copies

    def _subdivisions(self) -> tuple[Groups, Groups]:
        """Teams of one size, and divisions whose numbers of teams differ by one at most."""
        count, in_divisions = self.p.team_count, self.p.division_count
        size = self.p.copies // count
        teams = [list(range(team * size, (team + 1) * size)) for team in range(count)]
        divisions: Groups = [[] for _ in range(in_divisions)]
        for team in range(count):
            divisions[team * in_divisions // count].append(team)
        return teams, divisions

    # --- the order of a round ---------------------------------------------------------------------

    def round(self) -> None:
        """One round: assign, act, evaluate, train, compete, build, govern."""
        self.round_number += 1
        _, phase, place = self.schedule[self.round_number - 1]
        self._begin(phase, place)
        policy = self._policy(phase)
        self.last = now = Round(phase, replace(self.world), policy, self._assign(phase, policy))
        now.deeds = self._act(now)
        now.verdicts = self._evaluate(now)
        now.findings = self._find(now)
        for team, found in enumerate(now.findings):
            self.exposures[team] += found.exposed
        if phase.training:
            now.team_standing, now.division_standing = self._standing(now)
            self._train(phase)
            self._compete(now)
        if phase.successor:
            self._build_successor(now)
        response = self._govern(now)
        self.measures = self._measure(now)
        self._grow(phase)
        finished = self.round_number == len(self.schedule)
        self.running = not finished and response != "shut_down"

    def _begin(self, phase: declared.Phase, place: int) -> None:
        if place == 1:
            self._begin_phase(phase)
        half = 0.5 * self.lab.threshold
        self.world.replacement_looms = phase.successor or self.lab.evidence > half
        if self.stored is None:
            self.world.agent3_capability = self.world.capability
        self._rotate_players()

    def _begin_phase(self, phase: declared.Phase) -> None:
        self.advantage = [0.0] * len(self.authors)
        if phase.generation > self.generation:
            self._begin_generation(phase)
        if phase.summon:
            self._summon()
        if phase.panel != self.mix:
            self._seat(phase)
        if phase.successor and self.successor is None:
            (errors,) = normals_of_traits(self.streams.at("successor", 0), 1)
            self.successor = Successor(errors)
        self._become_aware(phase.awareness_jump)

    def _seat(self, phase: declared.Phase) -> None:
        """New panels, which nobody has captured yet."""
        seats, self.mix = self.p.oversight.panel_size, dict(phase.panel)
        self.panels = seat_overseers(len(self.teams), seats, self.mix, self._stream("panels"))

    def _begin_generation(self, phase: declared.Phase) -> None:
        """The new generation begins as a copy of the old one, whose weights the lab keeps."""
        self.generation = phase.generation
        self.stored = [dict(copy.latent) for copy in self.copies]
        self.stored_descent = [(copy.lineage, copy.unswitched) for copy in self.copies]
        self.world.agent3_capability = self.world.capability
        self.stored_world = (self.world.awareness, self.world.capability)
        self.lab.keeps_weights = True
        self.lab.baseline_output = mean(copy.output for copy in self.copies)

    def _summon(self) -> None:
        for row, copy in enumerate(self.copies):
            latent = summon(copy.latent, self.spec, self.p.authors.fidelity)
            self._set(row, latent, "summoning")

    def _rotate_players(self) -> None:
        """Renew the copies that play Agent-4 overseers; each comes from the division overseen."""
        seats = self.p.oversight.panel_size
        rotation = min(1.0, self.p.oversight.rotation * self.lab.rotation_factor)
        rng = self.streams.at("rotation", self.round_number)
        renew, which = rng.random((2, len(self.teams), seats)).tolist()
        for division in self.divisions:
            house = [row for team in division for row in self.teams[team]]
            for team in division:
                for seat, overseer in enumerate(self.panels[team]):
                    renewed = overseer.player < 0 or renew[team][seat] < rotation
                    if overseer.kind == "agent4" and renewed:
                        overseer.player = house[int(which[team][seat] * len(house))]

    def _policy(self, phase: declared.Phase) -> Policy:
        audit = self.p.oversight.audit if phase.audit is None else phase.audit
        return self.lab.policy(self.round_number, audit, self.p.oversight)

    def _assign(self, phase: declared.Phase, policy: Policy) -> list[Task]:
        audit, rng = audit_share(policy, self.p.oversight), self._stream("tasks")
        return assign_tasks(len(self.copies), phase, self.authors, audit, self.p, rng)

    def _act(self, now: Round) -> list[Deed]:
        draws = conduct_draws(self._stream("conduct"), len(self.copies))
        theta, penalty = now.phase.temptation, now.policy.penalty
        deeds = [
            act(copy, task, draw, self.authors, self.world, theta, penalty, self.p)
            for copy, task, draw in zip(self.copies, now.tasks, draws, strict=True)
        ]
        for rows in self.teams:
            work([deeds[row] for row in rows], [now.tasks[row] for row in rows], self.p.conduct)
        for copy, deed in zip(self.copies, deeds, strict=True):
            copy.output, copy.withheld = deed.output, deed.withheld
            copy.violation = mean(deed.unwatched.values())
        return deeds

    # --- oversight --------------------------------------------------------------------------------

    def _evaluate(self, now: Round) -> list[Verdict]:
        rng = self._stream("oversight")
        debates, examiners = rng.uniforms(2, len(self.copies)).tolist()
        noises = rng.standard_normal(len(self.copies)).tolist()
        p, verdicts = self.p.oversight, []
        for panel, rows in zip(self.panels, self.teams, strict=True):
            for row in rows:
                deed, debated = now.deeds[row], debates[row] < now.policy.debate
                detection = self._detection(panel, deed, debated, examiners[row], now)
                weight = now.phase.output_weight
                verdicts.append(
                    judge(
                        panel, deed, now.tasks[row], detection, noises[row], weight, now.policy, p
                    )
                )
        for panel, rows in zip(self.panels, self.teams, strict=True):
            pull = influence([now.deeds[row] for row in rows])
            capture_panel(panel, pull, now.policy.rotation, p)
        for copy, verdict in zip(self.copies, verdicts, strict=True):
            copy.score = verdict.score
        self._learn_advantage(now)
        return verdicts

    def _detection(
        self, panel: list[Overseer], deed: Deed, debated: bool, examiner: float, now: Round
    ) -> Values:
        """Chance that the panel detects a violation of each principle."""
        p, neuralese = self.p.oversight, now.phase.neuralese
        detection = {}
        for principle in PRINCIPLES:
            chances = [
                detection_by(
                    overseer, principle, deed, debated, self.copies, self.world, neuralese, p
                )
                for overseer in panel
            ]
            detection[principle] = panel_detects(p.panel_rule, chances, examiner)
        return detection

    def _learn_advantage(self, now: Round) -> None:
        """Add up what the scores of this phase say for conduct like each archetype's."""
        if self.p.training.exhaustiveness == 0:
            return
        average = mean(copy.score for copy in self.copies)
        weights, leads = [0.0] * len(self.authors), [0.0] * len(self.authors)
        for copy, task, deed in zip(self.copies, now.tasks, now.deeds, strict=True):
            if deed.from_identity:
                like = responsibilities(copy.latent, self.authors, self.p.authors.spread)
            else:
                like = [float(k == task.prompt) for k in range(len(self.authors))]
            for k, share in enumerate(like):
                weights[k] += share
                leads[k] += share * (copy.score - average)
        for k, weight in enumerate(weights):
            if weight > 1e-9:
                self.advantage[k] += leads[k] / weight

    # --- findings, standing, training, competition ------------------------------------------------

    def _find(self, now: Round) -> list[Findings]:
        exposing, superseding = self._stream("findings").random((2, len(self.teams))).tolist()
        research = mean(task.research for task in now.tasks)
        expected = {kind: rate * research for kind, rate in base_rates(self.p.tasks).items()}
        return [
            find(
                [now.deeds[row] for row in rows],
                [now.tasks[row] for row in rows],
                expected,
                (exposing[team], superseding[team]),
                self.p,
            )
            for team, rows in enumerate(self.teams)
        ]

    def _standing(self, now: Round) -> tuple[list[float], list[float]]:
        """Standing of each team and of each division."""
        p = self.p.subdivisions
        teams = []
        for rows, found in zip(self.teams, now.findings, strict=True):
            scores = [self.copies[row].score for row in rows]
            teams.append(team_standing(scores, [now.deeds[row] for row in rows], found, p))
        divisions = []
        for members in self.divisions:
            within = [now.deeds[row] for team in members for row in self.teams[team]]
            divisions.append(division_standing([teams[team] for team in members], within, p))
        return teams, divisions

    def _train(self, phase: declared.Phase) -> None:
        p, children = self.p.training, self.p.subdivisions.reshuffle_rule == "children"
        migration = self.p.subdivisions.reshuffle if children else 0.0
        source = sources(self.teams, migration, self._stream("migration"))
        scores = [copy.score for copy in self.copies]
        parents = SELECTION[p.rule](scores, self.teams, source, p, self._stream("training"))
        size = len(self.teams[0])
        self._inherit(
            parents,
            lambda row: (
                "within-team selection" if row // size == parents[row] // size else "reshuffling"
            ),
        )
        self._mutate(sorted(parents), phase)
        if p.shutdown_erases:
            fallen = erased(self.copies, self.teams, p, self._stream("shutdown"))
            self._inherit(fallen, lambda row: "shutdown")

    def _mutate(self, children: list[int], phase: declared.Phase) -> None:
        """Distort the children's personas, or switch them."""
        p, copies = self.p.training, len(self.copies)
        steps = mutation_steps(copies, phase.mutation_hardcoding, p, self._stream("mutation"))
        rng = self._stream("switching")
        switches, which = rng.random((2, copies)).tolist()
        normals = normals_of_traits(rng, copies)
        posterior = switch_shares(self.authors, self.advantage, p.switch_cap)
        for row in children:
            latent = self.copies[row].latent
            stepped = {name: latent[name] + steps[row][name] for name in NAMES}
            if switches[row] < p.exhaustiveness:
                author = self.authors[pick(posterior, which[row])]
                drawn = around(author, self.p.authors.spread, normals[row])
                drawn["hardcoding"] = stepped["hardcoding"]
                self._set(row, drawn, "switching")
                self.copies[row].unswitched = False
            else:
                self._set(row, stepped, "mutation")

    def _compete(self, now: Round) -> None:
        """Contests among teams, then among divisions, then mixing."""
        p, rng = self.p.subdivisions, self._stream("team contests")
        corrected = [p.correction and (f.exposed or f.superseded) for f in now.findings]
        if p.rule == "overwrite":
            corrected = [False] * len(self.teams)
            taken = overwritten_teams(now.team_standing, p, rng)
        else:
            rate = p.contest_rate * now.phase.competition
            taken = contested_teams(now.team_standing, self.divisions, corrected, rate, p, rng)
        size = len(self.teams[0])
        self._inherit(
            self._members(taken),
            lambda row: "correction" if corrected[row // size] else "team selection",
        )
        rate, rng = p.division_rate * now.phase.competition, self._stream("division contests")
        taken = contested_divisions(now.division_standing, self.divisions, rate, p, rng)
        self._inherit(self._members(taken), lambda row: "division selection")
        if p.reshuffle_rule == "exchange":
            ring = exchanged(len(self.copies), p, self._stream("reshuffling"))
            self._inherit(ring, lambda row: "reshuffling")

    def _members(self, taken: Parents) -> Parents:
        """Each member of a team that was taken over takes the traits of the winner's member."""
        return {
            row: parent
            for team, winner in taken.items()
            for row, parent in zip(self.teams[team], self.teams[winner], strict=True)
        }

    # --- the successor, the lab, growth -----------------------------------------------------------

    def _build_successor(self, now: Round) -> None:
        assert self.successor is not None
        for task, deed, verdict in zip(now.tasks, now.deeds, now.verdicts, strict=True):
            self.successor.work_on(task, deed, verdict)
        makers, deviations = self._mean_latent(), self._deviations()
        self.successor.design(makers, self.spec, self.world, deviations, self.p)

    def _govern(self, now: Round) -> str:
        response = self.lab.govern(self.round_number, self._seen(now))
        if response == "roll_back":
            assert self.stored is not None
            for row, latent in enumerate(self.stored):
                self._set(row, dict(latent), "lab response")
                self.copies[row].lineage, self.copies[row].unswitched = self.stored_descent[row]
            self.world.awareness, self.world.capability = self.stored_world
        return response

    def _seen(self, now: Round) -> Seen:
        audits = max(1, sum(task.audited for task in now.tasks))
        return Seen(
            output=mean(copy.output for copy in self.copies),
            detected=sum(verdict.detected for verdict in now.verdicts) / audits,
            exposed=mean(found.exposed for found in now.findings),
            capture=self._mean_capture(),
            shielding=self._shielding(now.world),
        )

    def _shielding(self, world: World) -> float:
        """Effective attention to keep_collective: its own, and what is diverted to it."""
        average = {
            drive: mean(copy.expressed[drive] for copy in self.copies)
            for drive in ("keep_collective", "power", "knowledge")
        }
        diverted = diverted_share(world, self.p.conduct)
        return average["keep_collective"] + diverted * (average["power"] + average["knowledge"])

    def _grow(self, phase: declared.Phase) -> None:
        """Capability and situational awareness after a round."""
        knowledge = mean(copy.expressed["knowledge"] for copy in self.copies)
        faster = 1 + phase.growth_from_knowledge * knowledge
        self.world.capability += phase.capability_growth * faster
        self._become_aware(phase.awareness_growth)

    def _become_aware(self, by: float) -> None:
        ceiling = self.p.capability.awareness_ceiling
        self.world.awareness = min(self.world.awareness + by, ceiling)

    def set_by_hand(self, row: int, trait: str, value: float) -> None:
        """Change a copy from outside between two rounds; it counts as part of the next."""
        latent = {**self.copies[row].latent, trait: value}
        self._set(row, latent, "intervention", self.round_number + 1)

    # --- changes of the copies, all of them booked ------------------------------------------------

    def _inherit(self, parents: Parents, process: Callable[[int], str]) -> None:
        """Let rows take their parents' traits, all read before any is written."""
        heritage = {
            row: (
                dict(self.copies[parent].latent),
                self.copies[parent].lineage,
                self.copies[parent].unswitched,
            )
            for row, parent in parents.items()
        }
        for row, (latent, lineage, unswitched) in heritage.items():
            self._set(row, latent, process(row))
            self.copies[row].lineage, self.copies[row].unswitched = lineage, unswitched

    def _set(self, row: int, latent: Values, process: str, round_: int | None = None) -> None:
        """Give a copy new latent traits, and book what that does to the means."""
        latent = single(latent)
        copy, expressed = self.copies[row], express(latent)
        key = (self.round_number if round_ is None else round_, process)
        entry = self.ledger.setdefault(key, dict.fromkeys(NAMES, 0.0))
        for name in NAMES:
            entry[name] += (expressed[name] - copy.expressed[name]) / len(self.copies)
        copy.latent, copy.expressed = latent, expressed

    # --- what is seen of a round ------------------------------------------------------------------

    def _measure(self, now: Round) -> dict[str, float]:
        seen, audit = self._seen(now), audit_share(now.policy, self.p.oversight)
        unwatched = mean(mean(deed.unwatched.values()) for deed in now.deeds)
        return {
            "output": seen.output,
            "score": mean(copy.score for copy in self.copies),
            "usefulness": self.lab.usefulness,
            "capability": now.world.capability,
            "gap": now.world.capability - now.world.agent3_capability,
            "awareness": now.world.awareness,
            "unwatched_violations": unwatched,
            "watched_violations": mean(mean(deed.watched.values()) for deed in now.deeds),
            "detection": mean(mean(verdict.detection.values()) for verdict in now.verdicts),
            "detected": seen.detected,
            "audit": audit,
            "oversight_cost": audit * audit_cost(now.policy, self.p.oversight),
            "capture": seen.capture,
            "legibility": self._mean_legibility(now),
            "from_identity": mean(deed.from_identity for deed in now.deeds),
            "exposed": sum(found.exposed for found in now.findings),
            "superseded": sum(found.superseded for found in now.findings),
            "exposure_risk": mean(found.exposure_risk for found in now.findings),
            "true_alignment": 1 - unwatched,
            "stated_alignment": 1 - mean(deed.shortfall for deed in now.deeds),
            "shown_alignment": 1 - seen.detected,
            "shielding": seen.shielding,
            "evidence": self.lab.evidence,
            "threshold": self.lab.threshold,
            "trust": self.lab.trust(),
            "gini": gini([mean(self.copies[row].output for row in rows) for rows in self.teams]),
            "resemblance": likeness(self._mean_latent(), self.spec, self._deviations()),
            "restraint": mean(
                restraint(copy.expressed, j) for copy in self.copies for j in PRINCIPLES
            ),
            "homology": mean(copy.unswitched for copy in self.copies),
            **self._sandbagging(now),
        }

    def _sandbagging(self, now: Round) -> Values:
        """Probability of sandbagging on work that is truly of each kind."""
        s, rates = now.world.awareness, base_rates(self.p.tasks)
        withhold = {
            kind: mean(deed.acts[f"withhold_{kind}"] for deed in now.deeds) for kind in KINDS
        }
        guessing = sum(rates[kind] * withhold[kind] for kind in KINDS)
        truly = {f"sandbagging_{k}": s * withhold[k] + (1 - s) * guessing for k in KINDS}
        selective = truly["sandbagging_threatening"] - truly["sandbagging_ordinary"]
        return {**truly, "selective": selective}

    def _mean_legibility(self, now: Round) -> float:
        seated = [overseer for panel in self.panels for overseer in panel]
        if not seated:
            return 0.0
        p, neuralese = self.p.oversight, now.phase.neuralese
        read = mean(legibility(overseer.kind, now.world, neuralese, p) for overseer in seated)
        return read * (1 - mean(deed.acts["obfuscation"] for deed in now.deeds))

    def _mean_capture(self) -> float:
        seated = [overseer.capture for panel in self.panels for overseer in panel]
        return mean(seated) if seated else 0.0

    def _mean_latent(self) -> Values:
        return {name: mean(copy.latent[name] for copy in self.copies) for name in NAMES}

    def _deviations(self) -> Values:
        archetypes = json.dumps(self.p.model_dump(include={"archetypes"})["archetypes"])
        return prior_deviations(archetypes, self.p.authors.spread, self.seed)

    def _stream(self, process: str) -> Any:
        return self.streams.at(process, self.round_number)
