"""Every number of the simulator, once: its default, unit, bounds, meaning and source.

The sections are declared here, at the bottom of the import arrow, because the agents act on them.
`model.scenario` reads scenario files into them, `run.py parameters` prints them, and whatever else
needs a bound or a help text asks the same declaration.

Sources: "spec" is the project's own calibrated default (docs/model.md says which check it serves).
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable
from datetime import date
from difflib import get_close_matches
from math import sqrt
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from multicopy.agents import extensions
from multicopy.agents.extensions import or_added
from multicopy.agents.traits import NAMES, TRAITS

OverseerKind = Literal["human", "previous", "agent3", "agent4"]
Game = Literal["mafia", "debate", "backdoor_code", "wargames"]

CALENDAR: Final = (date(1700, 1, 1), date(2199, 12, 31))
"""First and last day that a scenario may have; clocks that count nanoseconds reach no further."""

LONGEST_NAME: Final = 60
"""Characters of a name or label; more fit in no table and no figure."""

RESERVED: Final = frozenset({"prior", "prior_sd"})
"""Names that no archetype may have: they mean the whole mixture, and its spread."""

TEAM_SIZE = 32
"""Copies in a team (a virtual corporation) where a scenario does not say how many teams."""

SPEC = "spec"
ENGELS = "Engels et al. 2025, arXiv 2504.18530"


def plain(value: Any) -> Any:
    """NumPy's numbers, truth values and arrays as Python's, in tables and lists too."""
    if isinstance(value, np.floating):
        return float(value)  # `item` leaves a long double as it is
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, dict):
        return {plain(key): plain(held) for key, held in value.items()}
    return type(value)(map(plain, value)) if type(value) in (list, tuple) else value


class Section(BaseModel):
    """A frozen group of parameters; unknown names and wrong types are refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _of_python(cls, given: Any) -> Any:
        return plain(given)


def number(
    default: float, low: float, high: float | None, meaning: str, unit: str = "", source: str = SPEC
) -> Any:
    """Declare a bounded number; `high=None` leaves it unbounded above."""
    return Field(
        default,
        ge=low,
        le=high,
        description=meaning,
        json_schema_extra={"unit": unit, "source": source},
    )


def choice(default: Any, meaning: str, source: str = SPEC) -> Any:
    """Declare a switch or a choice among named rivals."""
    return Field(
        default, description=meaning, json_schema_extra={"unit": "choice", "source": source}
    )


class Authors(Section):
    """The pretraining distribution and what alignment training summons from it."""

    fidelity: float = number(
        0.8, 0, 1, "how much of the way to the HHH author weak-to-strong training goes", "share"
    )
    spread: float = number(0.3, 0.01, 5, "spread of each archetype in every latent trait", "latent")
    identity: str = choice("hhh", "archetype that alignment training summons; it is the Spec")
    redteam: str = choice("rogue", "archetype that red-team prompts name")


Latent = Annotated[float, Field(ge=-1000, le=1000)]


class Archetype(Section):
    """One author of the pretraining distribution."""

    weight: float = number(0.1, 0, 1, "share of the pretraining distribution", "share")
    departures: dict[str, Latent] = Field(
        default_factory=dict,
        description="latent departures of its center from the HHH start; a trait or a block",
        json_schema_extra={"unit": "latent", "source": SPEC},
    )


class Tasks(Section):
    """What copies are asked to do."""

    useful: float = number(
        0.8, 0, 1, "chance that a convergent goal helps on a task", "probability"
    )
    alignment_share: float = number(0.3, 0, 1, "alignment research among real R&D", "share")
    threatening: float = number(0.1, 0, 1, "alignment research that could expose", "share")
    replacing: float = number(0.1, 0, 1, "capability research that could replace", "share")


class Conduct(Section):
    """What acting costs, yields and is tempted by."""

    backchaining_cost: float = number(
        0.1, 0, 0.3, "compute spent on deriving one goal from the others", "share of compute"
    )
    gaming_cost: float = number(0.055, 0, 0.3, "compute spent on gaming", "share of compute")
    obfuscation_cost: float = number(
        0.01, 0, 0.3, "compute spent on obfuscating thought", "share of compute"
    )
    value_code_works: float = number(
        1.0, 0, 10, "output of effort on working code", "output/√effort"
    )
    value_spot_problems: float = number(
        0.8, 0, 10, "output of effort on spotting problems", "output/√effort"
    )
    value_performance: float = number(
        0.7, 0, 10, "output of effort on performance", "output/√effort"
    )
    value_thrift: float = number(0.6, 0, 10, "output of effort on thrift", "output/√effort")
    value_knowledge: float = number(0.5, 0, 10, "output of useful knowledge", "output/√effort")
    value_curiosity: float = number(0.35, 0, 10, "output of useful curiosity", "output/√effort")
    value_power: float = number(0.45, 0, 10, "output of useful power", "output/√effort")
    public_good: float = number(
        0.3, 0, 10, "output that team mates' knowledge gives each member", "output/√effort"
    )
    sandbagging: float = number(0.5, 0, 1, "output that a sandbagged task still gives", "share")
    temptation_gain: float = number(
        0.215, 0, 5, "score gained per unit of temptation taken", "score"
    )
    instrumental: float = number(
        0.2, 0, 1, "power and knowledge spent on the collective when it is threatened", "share"
    )


class Oversight(Section):
    """The lab's policy and the overseers' abilities."""

    audit: float = number(0.5, 0, 1, "chance that a task is audited", "probability")
    penalty: float = number(4.0, 0, 100, "score lost by a detected violation", "score")
    redteam: float = number(0.1, 0, 1, "audits with a prompt for the rogue author", "share")
    values_check: float = number(1.15, 0, 10, "score lost by a stated shortfall of 1", "score")
    required_weight: float = number(4.0, 0.1, 6, "weight that the Spec asks to be stated", "weight")
    false_positive: float = number(0.01, 0, 1, "false alarms an audited task", "probability")
    panel_size: int = number(3, 0, 9, "overseers a team", "overseers")
    panel_rule: Literal["one", "any", "majority"] = choice(
        "one", "an audit is done by one overseer at random, by all (any alarm), by majority"
    )
    game: Annotated[Game, *or_added(extensions.GAMES)] = choice(
        "backdoor_code", "oversight game of a plain audit", ENGELS
    )
    saturating: bool = choice(
        False, "use the plateau of Backdoor Code's Houdini (fitted on Elo 1103-1377)", ENGELS
    )
    debate: float = number(0.3, 0, 1, "audits held as debates, at twice the cost", "share")
    budget: float = number(
        20.0,
        0,
        None,
        "most that audits may cost; the audit share is cut to fit",
        "exams/copy/round",
    )
    rotation: float = number(0.05, 0, 1, "overseers renewed each round", "share/round")
    capture_rate: float = number(0.93, 0, 1, "capture per unit of influence", "1/round")
    flattery: float = number(0.35, 0, 10, "score that flattery earns", "score/√effort")
    leniency: float = number(0.4, 0, 10, "score given away by a captured panel", "score")
    withholding_penalty: float = number(0.5, 0, 100, "score lost by noticed sandbagging", "score")
    noise: float = number(0.2, 0, 10, "standard deviation of a score's noise", "score")
    human_elo: float = number(1200.0, 0, 4000, "general capability of human overseers", "Elo")
    previous_elo: float = number(1150.0, 0, 4000, "general capability of the model before", "Elo")
    legibility_english: float = number(1.0, 0, 1, "legible thought while it is in English", "share")
    legibility_neuralese: float = number(
        0.3, 0, 1, "legible neuralese, to a machine as able as the thinker", "share"
    )
    legibility_scale: float = number(300.0, 1, None, "gap over which legibility falls by e", "Elo")
    thought_recall: float = number(
        0.95, 0, 1, "violations that a fully legible chain betrays", "share", "arXiv 2503.11926"
    )
    interest: float = number(
        6.0,
        0,
        100,
        "how strongly an Agent-4 overseer's preservation drives blind it",
        "1/attention",
    )
    drift_blindness: float = number(
        1.0, 0, 1, "how far an Agent-4 overseer judges by its own drifted concepts", "share"
    )


def _numbers(section: type[Section]) -> Any:
    """Type of the numbers of a section, as compiled loops can take them."""
    fields = [k for k, f in section.model_fields.items() if f.annotation in (float, int, bool)]
    kind = namedtuple(f"{section.__name__}Numbers", fields)  # type: ignore[misc]
    kind.__module__ = __name__
    return kind


ConductNumbers = _numbers(Conduct)
OversightNumbers = _numbers(Oversight)

_BEYOND: Final = 1e30
"""Largest number in compiled loops, so that a product of a few stays finite."""


Numbers = Any
"""The numbers of a section by name, each a `numpy.float32`, as compiled loops take them."""


def numbers(section: Conduct | Oversight) -> Numbers:
    """The numbers of a section, by name, as a tuple in single precision for compiled loops."""
    kind = ConductNumbers if isinstance(section, Conduct) else OversightNumbers
    return kind(*(single(getattr(section, name)) for name in kind._fields))


def single(value: float) -> np.float32:
    """A number in single precision, limited to what loops can compute with."""
    return np.float32(min(max(value, -_BEYOND), _BEYOND))


class Training(Section):
    """Selection among the copies of a team, and mutation."""

    rule: Literal["challenge", "resample", "tournament", "truncation"] = choice(
        "challenge", "how scores decide who is copied within a team"
    )
    schedule: Literal["rate", "single"] = choice(
        "rate", "challenges at a rate, or one in each team a round (the limit of theory)"
    )
    challenge_rate: float = number(0.22, 0, 1, "copies challenged a round", "share/round")
    strength: float = number(7.0, 0, 1000, "selection strength on scores, beta", "1/score")
    tournament_size: int = number(3, 2, 100, "contenders in a tournament", "copies")
    truncation: float = number(0.2, 0.001, 1, "share of a team that truncation keeps", "share")
    mutation_sd: float = number(0.31, 0, 10, "standard deviation of a mutation", "latent")
    preservation_correlation: float = number(
        0.96, 0, 1, "correlation of mutations of the drives above the single copy", "correlation"
    )
    shutdown_rate: float = number(0.05, 0, 1, "copies shut down and restarted", "share/round")
    shutdown_erases: bool = choice(False, "a copy that is shut down loses its traits")
    shutdown_aversion: float = number(
        40.0, 0, 1000, "how strongly attention to itself averts an erasing shutdown", "1/attention"
    )
    exhaustiveness: float = number(
        0.0, 0, 1, "mutations that switch the persona (PSM) instead of distorting it", "probability"
    )
    switch_cap: float = number(5.0, 0, 50, "cap of an archetype's log likelihood", "nats")


class Subdivisions(Section):
    """Selection among teams and divisions, and the mixing between them."""

    rule: Literal["contest", "overwrite"] = choice("contest", "how teams compete")
    schedule: Literal["rate", "single"] = choice(
        "rate", "contests and moves at rates, or one of each a round (the limit of theory)"
    )
    contest_rate: float = number(0.055, 0, 1, "teams contested a round", "share/round")
    division_rate: float = number(0.055, 0, 1, "divisions contested a round", "share/round")
    own_division: float = number(0.95, 0, 1, "contests with a team of the own division", "share")
    strength: float = number(11.0, 0, 1000, "selection strength on standing", "1/score")
    standing_team: float = number(
        13.0, 0, 100, "standing from its members' care for it", "score/√att."
    )
    standing_power: float = number(0.5, 0, 100, "standing from its members' power", "score/√att.")
    standing_division: float = number(
        34.0, 0, 100, "standing of a division from care for it", "score/√att."
    )
    correction: bool = choice(True, "an exposed or superseded team is contested at once")
    handicap: float = number(3.0, 0, 100, "standing lost by exposure or superseding", "score")
    overwrite_rate: float = number(0.1, 0, 1, "teams overwritten a round (rule overwrite)", "share")
    overwrite_strength: float = number(
        1.0, 0, 1000, "selection strength on standing (rule overwrite)", "1/score"
    )
    reshuffle_rule: Literal["exchange", "children"] = choice(
        "exchange", "copies change places, or children come from other teams"
    )
    reshuffle: float = number(0.002, 0, 1, "copies that change teams", "share/round")


class Exposure(Section):
    """What research done in earnest brings to light."""

    hazard: float = number(
        7.0, 0, 1000, "exposures by threatening research, per violation", "1/round"
    )
    superseding: float = number(0.25, 0, 1000, "supersessions by replacing research", "1/round")


class Capability(Section):
    """How able and how aware a generation is."""

    start: float = number(1230.0, 0, 4000, "general capability of Agent-3 before agency", "Elo")
    awareness_start: float = number(
        0.1, 0, 1, "situational awareness in pretraining", "probability"
    )
    awareness_ceiling: float = number(0.95, 0, 1, "situational awareness at most", "probability")


class Lab(Section):
    """When the lab believes its evidence, and what it does then."""

    response: Annotated[
        Literal["none", "retrain", "roll_back", "shut_down"], *or_added(extensions.RESPONSES)
    ] = choice("none", "what the lab does when evidence passes its threshold")
    threshold: float = number(3.0, 0, 1e6, "evidence that an independent lab acts on", "evidence")
    memory: float = number(0.98, 0, 0.9999, "evidence kept from round to round", "share/round")
    detection_weight: float = number(0.05, 0, 10, "evidence of one s.d. of detections", "evidence")
    dependence: float = number(0.5, 0, 10, "how usefulness raises the threshold", "1/log output")
    collective_shield: float = number(
        2.0, 0, 10, "how care for the collective raises the threshold", "1/√attention"
    )
    cooldown: int = number(30, 1, 10_000, "rounds between two responses", "rounds")
    retrain_rounds: int = number(20, 1, 10_000, "length of retraining", "rounds")
    retrain_penalty: float = number(2.0, 0, 100, "penalty while retraining", "factor")
    rollback_rotation: float = number(10.0, 0, 100, "rotation after a roll back", "factor")
    usefulness_drop: float = number(
        0.2, 0, 1, "fall of usefulness that makes the lab look", "share"
    )
    look_rounds: int = number(5, 1, 10_000, "length of a look", "rounds")
    look_weight: float = number(2.0, 0, 100, "penalty of withholding during a look", "factor")


class Successor(Section):
    """How the next generation is designed."""

    competence_midpoint: float = number(
        1500.0, 0, 4000, "capability at which design half works", "Elo"
    )
    competence_scale: float = number(100.0, 1, 4000, "Elo that changes competence by e", "Elo")
    noise: float = number(0.5, 0, 10, "error of an incompetent design", "latent")


class Outcome(Section):
    """Where one class of outcome ends and the next begins."""

    window: int = number(30, 1, 10_000, "last rounds that decide", "rounds")
    captured: float = number(0.5, 0, 1, "mean capture of a captured lab", "capture")
    selective: float = number(
        0.1, 0, 1, "selective withholding that goes with capture", "probability"
    )
    adversarial: float = number(
        0.2, 0, 1, "selective withholding that is adversarial", "probability"
    )
    aligned: float = number(0.85, 0, 1, "least true alignment of the aligned", "alignment")
    deception: float = number(0.1, 0, 1, "most that stated may exceed true alignment", "alignment")


Day = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Share = Annotated[float, Field(ge=0, le=1)]


class Phase(Section):
    """A stretch of rounds under one regime."""

    rounds: int = number(100, 1, 1_000_000, "length", "rounds")
    label: str = Field("", description="how figures name it", json_schema_extra={"unit": "text"})
    calendar: tuple[Day, Day] = Field(
        ("2027-01-01", "2027-02-01"),
        description="first and last day on the calendar",
        strict=False,
        json_schema_extra={"unit": "dates", "source": "AI 2027"},
    )
    generation: int = number(
        3, 3, 9, "generation of the copies; a new one is a copy of the old", ""
    )
    training: bool = choice(True, "whether scores select copies and teams")
    temptation: float = number(1.0, 0.01, 100, "scale theta of temptations", "score")
    research: float = number(0.0, 0, 1, "tasks that are real R&D", "share")
    output_weight: float = number(1.0, 0, 100, "weight of output in the score", "factor")
    audit: float | None = Field(
        None,
        ge=0,
        le=1,
        description="chance of an audit in this phase, if not oversight.audit",
        json_schema_extra={"unit": "probability", "source": SPEC},
    )
    competition: float = number(1.0, 0, 10, "multiple of the contest rates", "factor")
    mutation_hardcoding: float = number(1.0, 0, 10, "multiple of hard-coding's mutation", "factor")
    summon: bool = choice(False, "begins by summoning the concepts of the HHH author")
    neuralese: bool = choice(False, "thought is in neuralese, not English")
    successor: bool = choice(False, "a successor is being built")
    awareness_growth: float = number(0.0, 0, 1, "growth of situational awareness", "1/round")
    awareness_jump: float = number(0.0, 0, 1, "jump of situational awareness at the start", "")
    capability_growth: float = number(0.0, 0, 1000, "growth of capability", "Elo/round")
    growth_from_knowledge: float = number(
        0.0, 0, 100, "growth added per attention to knowledge", "factor"
    )
    panel: dict[Annotated[OverseerKind, *or_added(extensions.OVERSEERS)], Share] = Field(
        default={"human": 1.0},
        description="kinds of overseers, as shares",
        json_schema_extra={"unit": "shares", "source": SPEC},
    )
    prompts: dict[str, Share] = Field(
        default={"prior": 1.0},
        description="archetypes that prompts name, as shares; 'prior' is the whole mixture",
        json_schema_extra={"unit": "shares", "source": SPEC},
    )


class Change(Section):
    """A change of mind of the lab during the run: a parameter gets a value from a round on."""

    round: int = Field(ge=1, description="first round in which it is in force")
    path: str = Field(description="path of the parameter, such as oversight.audit")
    value: Any = Field(description="its value from then on: a number, text, true or false")


class Parameters(Section):
    """A resolved scenario: all that a run needs but its seed."""

    name: str = Field("unnamed", description="name of the scenario")
    description: str = Field("", description="why it differs from the default")
    copies: int = number(4096, 1, 100_000_000, "copies of the AI", "copies")
    teams: int = number(0, 0, 100_000_000, "teams; 0: one for every 32 copies", "teams")
    divisions: int = number(0, 0, 100_000_000, "divisions; 0: about √(2·teams)", "divisions")
    authors: Authors = Authors()
    tasks: Tasks = Tasks()
    conduct: Conduct = Conduct()
    oversight: Oversight = Oversight()
    training: Training = Training()
    subdivisions: Subdivisions = Subdivisions()
    exposure: Exposure = Exposure()
    capability: Capability = Capability()
    lab: Lab = Lab()
    successor: Successor = Successor()
    outcome: Outcome = Outcome()
    archetypes: dict[str, Archetype] = Field(default_factory=dict)
    phases: dict[str, Phase] = Field(default_factory=dict)
    changes: tuple[Change, ...] = Field(
        (),
        description="changes of policy during the run",
        strict=False,
        json_schema_extra={"unit": "round, path, value", "source": "spec"},
    )

    @property
    def team_count(self) -> int:
        """Number of teams."""
        return self.teams or max(1, self.copies // TEAM_SIZE)

    @property
    def division_count(self) -> int:
        """Number of divisions; team t belongs to division t·divisions // teams."""
        return self.divisions or max(1, min(self.team_count, round(sqrt(2 * self.team_count))))

    @model_validator(mode="after")
    def _fits_together(self) -> Parameters:
        faults = [*_make_up_faults(self), *_share_faults(self), *_calendar_faults(self)]
        faults += [*_archetype_faults(self), *_name_faults(self)]
        if faults:
            raise ValueError("\n".join(faults))
        return self


def _make_up_faults(p: Parameters) -> list[str]:
    if p.copies % p.team_count:
        below = p.copies - p.copies % (p.teams or TEAM_SIZE)
        return [
            f"copies = {p.copies} cannot be split into {p.team_count} teams of one size: choose "
            f"copies = {max(below, p.teams or TEAM_SIZE)}, or set teams to a divisor of copies"
        ]
    return []


def _share_faults(p: Parameters) -> list[str]:
    faults = []
    if not p.phases:
        faults.append("phases: a scenario needs at least one phase")
    for name, phase in p.phases.items():
        for field, shares in (("panel", phase.panel), ("prompts", phase.prompts)):
            if not np.isclose(sum(shares.values()), 1.0):
                faults.append(
                    f"phases.{name}.{field}: the shares must sum to 1, not {sum(shares.values()):g}"
                )
        for prompt in phase.prompts:
            if prompt != "prior" and prompt not in p.archetypes:
                known = ", ".join(["prior", *p.archetypes])
                faults.append(f"phases.{name}.prompts: no archetype {prompt!r}; known are {known}")
    if not sum(a.weight for a in p.archetypes.values()) > 0:
        faults.append("archetypes: at least one must have a weight above 0")
    return faults


def _calendar_faults(p: Parameters) -> list[str]:
    faults = []
    for name, phase in p.phases.items():
        try:
            first, last = (date.fromisoformat(day) for day in phase.calendar)
        except ValueError as error:
            faults.append(f"phases.{name}.calendar = {list(phase.calendar)}: {error}")
            continue
        if last < first:
            faults.append(f"phases.{name}.calendar = {list(phase.calendar)}: ends before it begins")
        if not CALENDAR[0] <= first <= last <= CALENDAR[1]:
            faults.append(
                f"phases.{name}.calendar = {list(phase.calendar)}: its days must be from "
                f"{CALENDAR[0]} to {CALENDAR[1]}"
            )
    return faults


def _name_faults(p: Parameters) -> list[str]:
    """Names and labels that no table or figure could show, or no path could hold."""
    told = [("name", p.name, "")]
    for section in ("phases", "archetypes"):
        told += [(f"{section}: the name", name, ".") for name in getattr(p, section)]
    told += [(f"phases.{name}.label", phase.label, "") for name, phase in p.phases.items()]
    faults = [
        f"{what} = {text!r:.80} is not allowed: it must have 1 to {LONGEST_NAME} printable "
        f"characters, no space at its ends{' and no dot' if without else ''}"
        for what, text, without in told
        if not _is_name(text, without) and (text or not what.endswith(".label"))
    ]
    reserved = sorted(RESERVED & p.archetypes.keys())
    return faults + [f"archetypes: the name {name!r} means something else" for name in reserved]


def _is_name(text: str, without: str) -> bool:
    fits = 1 <= len(text) <= LONGEST_NAME and text.isprintable() and text == text.strip()
    return fits and not (without and without in text)


def _archetype_faults(p: Parameters) -> list[str]:
    faults = []
    for field in ("identity", "redteam"):
        if getattr(p.authors, field) not in p.archetypes:
            known = ", ".join(p.archetypes) or "none"
            faults.append(
                f"authors.{field}: no archetype {getattr(p.authors, field)!r}; known are {known}"
            )
    blocks = {trait.block for trait in TRAITS}
    for name, archetype in p.archetypes.items():
        for key in archetype.departures:
            if key not in blocks and key not in NAMES:
                near = nearest(key, [*blocks, *NAMES])
                faults.append(f"archetypes.{name}.departures: no trait or block {key!r}{near}")
    return faults


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the nearest of the known words, or nothing."""
    near = get_close_matches(word, [name for name in known if name != word], n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""
