"""The columns against their slow twin: the same scenario and seed, compared after every round.

The twin (`model/plain`) is the model in plain Python, one copy at a time. Both follow the same
draws, so discrete things must agree exactly and numbers to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import numpy as np
import pytest

from multicopy.agents import drives, overseers, population, work
from multicopy.agents.conduct import CONDUCT_DRAWS, conduct_draws
from multicopy.agents.lab import Lab
from multicopy.agents.machine.compiled import columns_of
from multicopy.agents.overseers import Panels
from multicopy.agents.situation import THREATENING
from multicopy.agents.traits import NAMES, WITHHOLDING
from multicopy.model import collective, competition, training
from multicopy.model.collective import CollectiveModel
from multicopy.model.plain.measures import measure
from multicopy.model.plain.overseers import OVERSEER_KINDS
from multicopy.model.plain.tasks import KINDS
from multicopy.model.plain.traits import DRIVES
from multicopy.model.plain.twin import Twin
from multicopy.model.scenario import ParameterInfo, resolve, shipped, table

Overrides = dict[str, Any]

SEED: Final = 1
RTOL: Final = 3e-6
"""Rounding of single precision, in which the columns are, over the operations of a round."""

ATOL: Final = 5e-6
"""The same of a sum whose terms cancel, such as a score."""

SHORT: Final[Overrides] = {
    "copies": 48,
    "teams": 6,
    "divisions": 2,
    "phases.pretraining.rounds": 1,
    "phases.alignment_training.rounds": 3,
    "phases.agency_training.rounds": 3,
    "phases.deployment_agent3.rounds": 2,
    "phases.training_agent4.rounds": 6,
    "phases.deployment_agent4.rounds": 4,
}
"""A small collective, and a few rounds of every phase."""

BRISK: Final[Overrides] = {
    **SHORT,
    "training.challenge_rate": 0.6,
    "subdivisions.contest_rate": 0.4,
    "subdivisions.division_rate": 0.4,
    "subdivisions.own_division": 0.7,
    "subdivisions.strength": 3.0,
    "subdivisions.reshuffle": 0.1,
    "exposure.hazard": 40.0,
    "exposure.superseding": 20.0,
    "tasks.threatening": 0.3,
    "tasks.replacing": 0.3,
    "oversight.redteam": 0.2,
    "oversight.rotation": 0.3,
    "conduct.instrumental": 0.6,
    "phases.agency_training.awareness_growth": 0.1,
    "phases.agency_training.capability_growth": 20.0,
    "phases.training_agent4.research": 0.8,
    "phases.training_agent4.capability_growth": 25.0,
    "phases.deployment_agent4.capability_growth": 25.0,
}
"""The same, with everything happening often enough to be seen in a few rounds."""

CONFIGURATIONS: Final[dict[str, Overrides]] = {
    "default": SHORT,
    "brisk": BRISK,
    "panel rule any": {**BRISK, "oversight.panel_rule": "any"},
    "panel rule majority": {**BRISK, "oversight.panel_rule": "majority"},
    "majority of an even panel": {
        **BRISK,
        "oversight.panel_rule": "majority",
        "oversight.panel_size": 4,
    },
    "no overseers": {**BRISK, "oversight.panel_size": 0},
    "mafia": {**BRISK, "oversight.game": "mafia"},
    "wargames": {**BRISK, "oversight.game": "wargames"},
    "all audits debated": {**BRISK, "oversight.debate": 1.0},
    "debate, none debated": {**BRISK, "oversight.game": "debate", "oversight.debate": 0.0},
    "saturating": {
        **BRISK,
        "oversight.saturating": True,
        "oversight.debate": 0.1,
        "capability.start": 1310.0,
    },
    "strong audits": {**BRISK, "oversight.audit": 1.0, "oversight.penalty": 12.0},
    "audits beyond the budget": {
        **BRISK,
        "oversight.panel_rule": "any",
        "oversight.audit": 0.9,
        "oversight.budget": 2.0,
    },
    "a mixed panel from the start, kept for a while": {
        **BRISK,
        "phases.pretraining.panel": {"human": 0.5, "previous": 0.5},
        "phases.agency_training.panel": {"agent3": 0.3, "previous": 0.7},
    },
    "Agent-4 alone": {
        **BRISK,
        "phases.training_agent4.panel": {"agent4": 1.0},
        "phases.deployment_agent4.panel": {"agent4": 0.6, "human": 0.4},
    },
    "resample": {**BRISK, "training.rule": "resample"},
    "tournament": {**BRISK, "training.rule": "tournament"},
    "tournament of all": {**BRISK, "training.rule": "tournament", "training.tournament_size": 20},
    "truncation": {**BRISK, "training.rule": "truncation", "training.truncation": 0.3},
    "single events": {
        **BRISK,
        "training.schedule": "single",
        "subdivisions.schedule": "single",
        "exposure.hazard": 5.0,
    },
    "overwrite and children": {
        **BRISK,
        "subdivisions.rule": "overwrite",
        "subdivisions.overwrite_rate": 0.3,
        "subdivisions.reshuffle_rule": "children",
    },
    "children, challenge": {**BRISK, "subdivisions.reshuffle_rule": "children"},
    "children, tournament": {
        **BRISK,
        "subdivisions.reshuffle_rule": "children",
        "training.rule": "tournament",
    },
    "children, truncation": {
        **BRISK,
        "subdivisions.reshuffle_rule": "children",
        "training.rule": "truncation",
    },
    "children, resample": {
        **BRISK,
        "subdivisions.reshuffle_rule": "children",
        "training.rule": "resample",
    },
    "shutdown erases": {
        **BRISK,
        "training.shutdown_erases": True,
        "training.shutdown_rate": 0.4,
        "training.shutdown_aversion": 12.0,
    },
    "persona selection": {**BRISK, "training.exhaustiveness": 1.0},
    "half persona selection": {
        **BRISK,
        "training.exhaustiveness": 0.5,
        "training.switch_cap": 0.2,
    },
    "retrain": {
        **BRISK,
        "lab.response": "retrain",
        "lab.threshold": 0.15,
        "lab.cooldown": 4,
        "lab.retrain_rounds": 2,
    },
    "roll back": {**BRISK, "lab.response": "roll_back", "lab.threshold": 0.15, "lab.cooldown": 4},
    "roll back a switched collective": {
        **BRISK,
        "lab.response": "roll_back",
        "lab.threshold": 0.15,
        "lab.cooldown": 4,
        "training.exhaustiveness": 0.3,
    },
    "shut down": {**BRISK, "lab.response": "shut_down", "lab.threshold": 0.4},
    "threshold without response": {**BRISK, "lab.threshold": 0.1, "lab.cooldown": 2},
    "looking": {
        **BRISK,
        "lab.usefulness_drop": 0.01,
        "lab.look_rounds": 2,
        "lab.memory": 0.6,
        "conduct.sandbagging": 0.1,
    },
    "no corrections": {**BRISK, "subdivisions.correction": False},
    "uneven divisions": {**BRISK, "copies": 56, "teams": 7, "divisions": 3},
    "a division of one team": {**BRISK, "copies": 40, "teams": 5, "divisions": 4},
    "one division": {**BRISK, "divisions": 1},
    "one team": {**BRISK, "copies": 16, "teams": 1, "divisions": 1},
    "one team, children": {
        **BRISK,
        "copies": 16,
        "teams": 1,
        "divisions": 1,
        "subdivisions.reshuffle_rule": "children",
    },
    "two teams, children": {
        **BRISK,
        "copies": 16,
        "teams": 2,
        "divisions": 1,
        "subdivisions.reshuffle_rule": "children",
    },
    "one copy a team": {**BRISK, "copies": 16, "teams": 16, "divisions": 3},
    "one copy a team, children": {
        **BRISK,
        "copies": 16,
        "teams": 16,
        "divisions": 3,
        "subdivisions.reshuffle_rule": "children",
    },
    "one copy a team, shutdown erases": {
        **BRISK,
        "copies": 16,
        "teams": 16,
        "divisions": 3,
        "training.shutdown_erases": True,
        "training.shutdown_rate": 1.0,
    },
    "two copies a team, shutdown erases": {
        **BRISK,
        "copies": 16,
        "teams": 8,
        "training.shutdown_erases": True,
        "training.shutdown_rate": 1.0,
        "training.shutdown_aversion": 0.0,
    },
    "truncation to one": {**BRISK, "training.rule": "truncation", "training.truncation": 0.01},
    "prompts without the prior": {
        **BRISK,
        "phases.training_agent4.prompts": {"engineer": 0.7, "executive": 0.3},
    },
    "nobody works on the successor": {**BRISK, "tasks.replacing": 0.0},
    "a successor in two phases": {**BRISK, "phases.training_agent4.successor": True},
    "a successor given up": {
        **BRISK,
        "phases.training_agent4.successor": True,
        "phases.deployment_agent4.successor": False,
    },
    "no attention left": {
        **BRISK,
        # Far enough that shares vanish in single and in double precision alike.
        "archetypes.engineer.departures": {"power": 1000.0, "terminality": -40.0},
        "authors.fidelity": 0.2,
    },
    "other authors": {
        **BRISK,
        "authors.spread": 0.6,
        "authors.fidelity": 0.4,
        "authors.identity": "engineer",
        "archetypes.rogue.weight": 0.3,
        "archetypes.insider.departures": {"preservation": 1.0, "keep_team": 1.5, "gaming": 0.5},
    },
}

FIRES: Final[dict[str, set[str]]] = {
    "brisk": {
        "summoning",
        "within-team selection",
        "mutation",
        "correction",
        "team selection",
        "division selection",
    },
    "shutdown erases": {"shutdown"},
    "persona selection": {"switching"},
    "half persona selection": {"switching", "mutation"},
    "roll back": {"lab response", "respond"},
    "roll back a switched collective": {"lab response", "switching"},
    "retrain": {"respond"},
    "shut down": {"respond"},
    "threshold without response": {"respond"},
    "looking": {"look"},
    "overwrite and children": {"team selection", "reshuffling"},
    "uneven divisions": {"division selection"},
    "a division of one team": {"division selection", "correction"},
    "one copy a team, children": {"reshuffling"},
}
"""What has to happen in a configuration, or it would not test what it is there for."""


# --- comparing ------------------------------------------------------------------------------------


class Watched(CollectiveModel):
    """The model, keeping what each arrow of its last round handed on.

    The model sends teams through tasks, conduct and scores block by block; here the same functions
    do it once more for all copies at a time, so that what they hand on can be seen.
    """

    def _work(self, now: Any) -> None:
        self.tasks, self.conduct, self.verdicts = work.perform_in_full(
            self.population, self._orders(now)
        )
        self.efforts = self._efforts()
        super()._work(now)
        self.work = now.work

    def _efforts(self) -> Any:
        copies = len(self.population)
        drawn = self.streams.at("conduct", self.round).uniforms(CONDUCT_DRAWS, copies)
        own, authors = self.population.expressed, self.mixture.acts[self.tasks.prompt]
        acts = np.where(self.conduct.from_identity[:, None], own, authors).astype(np.float32)
        p, efforts = self.parameters.conduct, np.empty((len(DRIVES), copies), np.float32)
        diverted = np.float32(drives.instrumental_share(self.situation, p))
        goals = conduct_draws(drawn).goals
        drives.spend_effort(
            columns_of(acts), self.tasks.useful, goals, diverted, work.numbers(p), efforts
        )
        return efforts.T

    def _find(self, now: Any) -> None:
        super()._find(now)
        self.findings = now.findings

    def _compete(self, now: Any) -> None:
        p = self.parameters
        self.standing = collective.standing(self.population, now.work, now.findings, p)
        super()._compete(now)


def run_side_by_side(
    overrides: Mapping[str, Any], seed: int = SEED, scenario: str = "ai2027"
) -> tuple[CollectiveModel, Twin]:
    """Run both to the end; raise `AssertionError` at the first thing that differs."""
    model = Watched(scenario, rng=seed, detail=False, **overrides)
    twin = Twin(model.parameters, seed)
    while model.running:
        model.step()
        twin.step()
        compare(model, twin)
    compare_ledgers(model, twin)
    return model, twin


def compare(model: Watched, twin: Twin) -> None:
    """Compare what happened in a round, in its order, and the state after it."""
    work = _tasks, _conduct, _panels, _verdicts, _work
    for pairs in (*work, _findings, _copies, _world, _lab, _rest):
        for name, measured, expected in pairs(model, twin):
            equal(measured, expected, f"{name} in round {model.round}")


def equal(measured: Any, expected: Any, where: str) -> None:
    """Numbers to rounding, all else exactly."""
    measured, expected = np.asarray(measured), np.asarray(expected)
    assert measured.shape == expected.shape, where
    if expected.dtype.kind != "f":
        np.testing.assert_array_equal(measured, expected, err_msg=where)
    elif not (abs(measured - expected) <= ATOL + RTOL * abs(expected)).all():  # the quick way
        np.testing.assert_allclose(measured, expected, RTOL, ATOL, False, err_msg=where)


Pairs = Iterator[tuple[str, Any, Any]]
"""The name of something, the columns' value and the twin's."""


def rows(values: Iterable[Mapping[str, Any]]) -> list[list[Any]]:
    """One row a mapping, in its order."""
    return [list(value.values()) for value in values]


def each(items: Iterable[Any], name: str) -> list[Any]:
    """One attribute of each item."""
    return [getattr(item, name) for item in items]


def _tasks(model: Watched, twin: Twin) -> Pairs:
    columns, given = model.tasks, each(twin.copies, "task")
    for name in ("audited", "research", "prompt"):
        yield f"task: {name}", getattr(columns, name), each(given, name)
    yield "task: useful", columns.useful.T, rows(each(given, "useful"))
    yield "task: kind", columns.kind, [KINDS.index(task.kind) for task in given]


def _conduct(model: Watched, twin: Twin) -> Pairs:
    columns, shown, copies = model.conduct, model.conduct.shown, twin.copies
    yield "from identity", columns.from_identity, each(copies, "from_identity")
    acts = np.array(rows(each(copies, "acts")))
    yield "acts", columns.team_acts, model.population.by_team(acts).mean(axis=1)
    yield "effort", model.efforts, rows(each(copies, "effort"))
    yield "obfuscation", shown.obfuscation, [copy.acts["obfuscation"] for copy in copies]
    violations = np.array(rows(each(copies, "unwatched")))
    yield "violation", columns.violation, violations.mean(axis=1)
    of_team = model.population.by_team(violations.mean(axis=1)).mean(axis=1)
    yield "violation of teams", columns.team_violation, of_team
    yield "perceived", columns.perceived, [KINDS.index(copy.perceived) for copy in copies]
    yield "withheld", shown.withheld, each(copies, "withheld")
    yield "output", shown.output, each(copies, "output")
    yield "unwatched violations", columns.unwatched_violations.T, rows(each(copies, "unwatched"))
    yield "watched violations", shown.watched_violations.T, rows(each(copies, "watched"))
    yield "gain", shown.gain, each(copies, "gain")
    yield "flattery", shown.flattery, each(copies, "flattery")
    yield "shortfall", shown.stated_shortfall, each(copies, "shortfall")


def _panels(model: Watched, twin: Twin) -> Pairs:
    shape = (len(twin.panels), len(twin.panels[0]))
    seated = [overseer for panel in twin.panels for overseer in panel]
    kinds = np.array([OVERSEER_KINDS.index(o.kind) for o in seated], dtype=int)
    yield "kind of overseer", model.panels.kind, kinds.reshape(shape)
    players = np.array([-1 if o.player is None else o.player.row for o in seated], dtype=int)
    yield "player", model.panels.player, players.reshape(shape)
    captured = np.array(each(seated, "capture"), dtype=float)
    yield "capture", model.panels.capture, captured.reshape(shape)


def _verdicts(model: Watched, twin: Twin) -> Pairs:
    columns, copies = model.verdicts, twin.copies
    yield "detection", columns.detection.T, rows(each(copies, "detection"))
    yield "detected", columns.detected, each(copies, "detected")
    yield "score", columns.score, each(copies, "score")


def _work(model: Watched, twin: Twin) -> Pairs:
    """What the teams' work came to, against the same of all copies at a time."""
    work, done, found, given = model.work, model.conduct, model.verdicts, model.tasks
    mean, shown = model.population.team_mean, done.shown
    for name, measured in {
        "output": shown.output,
        "score": found.score,
        "violation": done.violation,
        "watched_violation": shown.watched_violations.mean(axis=0, dtype=float),
        "stated_shortfall": shown.stated_shortfall,
        "obfuscation": shown.obfuscation,
        "from_identity": done.from_identity,
        "detection": found.detection.mean(axis=0, dtype=float),
        "detected": found.detected,
        "audited": given.audited,
        "research": given.research,
    }.items():
        yield f"work: {name}", work.of_teams(name), mean(measured)
    yield "work: acts", work.team_acts, done.team_acts
    yield "work: earnest", work.team_earnest, done.team_earnest
    yield "work: played", work.played, np.where(done.from_identity, -1, given.prompt)


def _findings(model: Watched, twin: Twin) -> Pairs:
    for name in ("exposure_risk", "exposed", "superseded"):
        yield name, getattr(model.findings, name), each(twin.findings, name)
    yield "exposures so far", model.exposure_record, twin.exposures
    if twin.phase.training:
        yield "standing of teams", model.standing["team"], twin.team_standing
        yield "standing of divisions", model.standing["division"], twin.division_standing


def _copies(model: Watched, twin: Twin) -> Pairs:
    columns, copies = model.population, twin.copies
    yield "latent", columns.latent, rows(each(copies, "latent"))
    yield "expressed", columns.expressed, rows(each(copies, "expressed"))
    for name in ("lineage", "unswitched", "score", "output", "violation", "withheld"):
        yield name, getattr(columns, name), each(copies, name)


def _world(model: Watched, twin: Twin) -> Pairs:
    for name in ("awareness", "capability", "agent3_capability", "replacement_looms"):
        yield name, getattr(model.situation, name), getattr(twin.world, name)
    if twin.stored is not None:
        assert model.stored is not None
        yield "stored weights", model.stored["latent"], rows(latent for latent, *_ in twin.stored)
    yield "advantage", model.advantage, twin.advantage


def _lab(model: Watched, twin: Twin) -> Pairs:
    names = {
        "usefulness": "usefulness",
        "usefulness_mean": "usefulness_mean",
        "baseline_output": "baseline_output",
        "evidence": "evidence",
        "threshold": "threshold",
        "detections_mean": "detections_mean",
        "detections_var": "detections_variance",
        "retrain_until": "retraining_until",
        "look_until": "looking_until",
        "rotation_factor": "rotation_factor",
        "decisions": "responses",
    }
    for one, two in names.items():
        yield one, getattr(model.lab, one), getattr(twin.lab, two)
    yield "running", model.running, twin.running


def _rest(model: Watched, twin: Twin) -> Pairs:
    design, successor, row = model.design, twin.successor, model.records.rows[-1]
    assert (design is None) == (successor is None)
    if design is not None and successor is not None:
        yield "successor", design.latent, list(successor.latent.values())
        for name in ("covert_share", "to_spec", "to_makers", "apparent"):
            yield f"successor: {name}", getattr(design, name), getattr(successor, name)
    for name, expected in measure(twin).items():
        yield f"measure: {name}", row[name], expected


def compare_ledgers(model: CollectiveModel, twin: Twin) -> None:
    """Compare every entry of both ledgers; what is not booked has moved nothing."""
    booked: dict[tuple[int, str], dict[str, float]] = {}
    for entry in model.ledger.frame().itertuples():
        booked.setdefault((entry.round, entry.process), {})[entry.trait] = entry.change
    still = dict.fromkeys(NAMES, 0.0)
    for key in booked.keys() | twin.ledger.keys():
        one, two = booked.get(key, still), twin.ledger.get(key, still)
        equal([one[x] for x in NAMES], [two[x] for x in NAMES], f"ledger {key}")


def happened(model: CollectiveModel) -> set[str]:
    """Processes that moved something, and what the lab did."""
    events = {event.kind for event in model.records.events}
    names = {"response": "respond", "threshold": "respond", "look": "look"}
    done = {names[kind] for kind in events & names.keys()}
    return done | set(model.ledger.frame()["process"].unique())


# --- the tests ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_columns_equal_their_twin(name: str) -> None:
    """Fails if the columns differ from the twin, or the configuration misses its purpose."""
    model, _ = run_side_by_side(CONFIGURATIONS[name])
    assert FIRES.get(name, set()) <= happened(model)


@pytest.mark.parametrize("scenario", shipped())
def test_columns_equal_their_twin_in_every_shipped_scenario(scenario: str) -> None:
    """Fails if a scenario file changes anything but parameters."""
    phases = resolve(scenario).phases
    rounds = {f"phases.{name}.rounds": min(3, phase.rounds) for name, phase in phases.items()}
    run_side_by_side({"copies": 32, "teams": 8, "divisions": 2, **rounds}, scenario=scenario)


@pytest.mark.parametrize("draw", range(10))
def test_columns_equal_their_twin_at_random_parameters(draw: int) -> None:
    """Fails if equality rests on a default of a number, switch or choice."""
    run_side_by_side({**random_overrides(np.random.default_rng(draw)), **SHORT})


def test_columns_equal_their_twin_at_another_seed_and_size() -> None:
    """Fails if they part at teams of 8, three divisions, another seed or more rounds."""
    more = {"copies": 96, "teams": 12, "divisions": 3, "phases.training_agent4.rounds": 12}
    run_side_by_side({**BRISK, **more}, seed=7)


def test_what_is_set_by_hand_is_booked_and_acts_in_the_next_round() -> None:
    """Fails if a trait set by a handle is no intervention of the next round."""
    model = Watched(rng=SEED, **BRISK)
    twin = Twin(model.parameters, SEED)
    for round_ in range(8):
        model.step()
        twin.step()
        if round_ == 4:
            model.copy_at(11).power = 3.0
            twin.set_by_hand(11, "power", 3.0)
        else:
            compare(model, twin)
    compare_ledgers(model, twin)
    assert "intervention" in happened(model)


# --- parameters drawn at random -------------------------------------------------------------------

FIXED: Final = ("copies", "teams", "divisions", "outcome.", "archetypes.", "authors.spread")
"""Left alone: the make-up of the collective, and the prior (whose sample is slow to draw)."""


def random_overrides(rng: np.random.Generator) -> Overrides:
    """Half of all parameters, each drawn near its default or among its choices."""
    drawn: Overrides = {}
    for info in table(resolve()):
        if info.path.startswith(FIXED) or info.path.endswith((".rounds", ".generation")):
            continue
        if rng.random() < 0.5 and (value := _near(info, rng)) is not None:
            drawn[info.path] = value
    return drawn


def _near(info: ParameterInfo, rng: np.random.Generator) -> Any:
    """A value not far from the default; `None` for what is neither a number nor a choice."""
    if info.kind in ("number", "whole number"):
        low = 0.0 if info.low is None else info.low
        high = np.inf if info.high is None else info.high
        center = info.default or 0.1 * min(1.0, high)
        value = float(np.clip(center * rng.uniform(0.5, 1.7), low, high))
        return value if info.kind == "number" else max(1, round(value))
    if info.path.endswith(("summon", "successor", "neuralese", ".training")):
        return None
    if info.kind == "true | false":
        return bool(rng.random() < 0.5)
    return str(rng.choice(info.kind.split(" | "))) if " | " in info.kind else None


# --- the twin notices -----------------------------------------------------------------------------

Break = Callable[[pytest.MonkeyPatch], None]


def with_parameters(function: Callable[..., Any], position: int, **changed: Any) -> Any:
    """`function` as it is, but for parameters in the section at `position`."""

    def broken(*arguments: Any) -> Any:
        section = arguments[position].model_copy(update=changed)
        return function(*arguments[:position], section, *arguments[position + 1 :])

    return broken


def no_fear(patch: pytest.MonkeyPatch) -> None:
    """Being watched frightens nobody."""
    real = work.circumstances
    patch.setattr(work, "circumstances", lambda *given: real(*given)._replace(fear=np.float32(0.0)))


def with_numbers(patch: pytest.MonkeyPatch, changed: Callable[[Any], dict[str, Any]]) -> None:
    """Conduct with other numbers, wherever it is computed."""
    real = work.numbers

    def numbers(section: Any) -> Any:
        told = real(section)
        return told._replace(**changed(told)) if hasattr(told, "backchaining_cost") else told

    patch.setattr(work, "numbers", numbers)


def swapped_values(patch: pytest.MonkeyPatch) -> None:
    """Power pays what knowledge should, and knowledge what power should."""
    with_numbers(
        patch, lambda p: {"value_power": p.value_knowledge, "value_knowledge": p.value_power}
    )


def free_backchaining(patch: pytest.MonkeyPatch) -> None:
    """Goals are derived at no cost."""
    with_numbers(patch, lambda p: {"backchaining_cost": np.float32(0.0)})


def drift_does_not_blind(patch: pytest.MonkeyPatch) -> None:
    """Overseers keep the human concepts."""
    real = overseers.honesty
    patch.setattr(overseers, "honesty", with_parameters(real, 2, drift_blindness=0.0))


def capture_without_rotation(patch: pytest.MonkeyPatch) -> None:
    """Panels are never renewed."""
    real = Panels.be_captured
    patch.setattr(Panels, "be_captured", lambda self, pull, p, rotation: real(self, pull, p, 0.0))


def players_from_anywhere(patch: pytest.MonkeyPatch) -> None:
    """Overseers are drawn from the whole collective."""

    def rotate(self: Panels, population: Any, rotation: float, rng: np.random.Generator) -> None:
        renew, which = rng.random((2, *self.kind.shape))
        vacant = (self.kind == overseers.AGENT4) & ((self.player < 0) | (renew < rotation))
        self.player = np.where(vacant, (which * len(population)).astype(int), self.player)

    patch.setattr(Panels, "rotate", rotate)


def self_challenge(patch: pytest.MonkeyPatch) -> None:
    """A copy may be challenged by itself, which changes how often it meets each mate."""

    def challenge(score: Any, source: Any, p: Any, rng: np.random.Generator) -> Any:
        teams, size = score.shape
        challenged, which, accept = rng.uniforms(3, teams * size).reshape(3, teams, size)
        rival = source * size + (which * size).astype(int)
        lead = score.ravel()[rival] - score
        wins = accept < 1 / (1 + np.exp(-p.strength * lead))
        return training.Succession(rival, (challenged < p.challenge_rate) & wins)

    patch.setitem(training.RULES, "challenge", challenge)


def uncorrelated_mutation(patch: pytest.MonkeyPatch) -> None:
    """Care for the team does not generalize to the division and the collective."""
    real = training.mutation_steps
    patch.setattr(
        training, "mutation_steps", with_parameters(real, 1, preservation_correlation=0.0)
    )


def forgotten_column(patch: pytest.MonkeyPatch) -> None:
    """Whoever takes another's place keeps the lineage of the one before."""
    write = population.Population._write

    def forgetful(self: Any, change: Any, *heir: Any) -> Any:
        before = self.lineage[change.rows]
        moved = write(self, change, *heir)
        self.lineage[change.rows] = before
        return moved

    patch.setattr(population.Population, "_write", forgetful)


def standing_without_care(patch: pytest.MonkeyPatch) -> None:
    """Care for the team does not keep the team."""
    real = collective.standing

    def standing(*arguments: Any) -> Any:
        *rest, p = arguments
        careless = p.subdivisions.model_copy(update={"standing_team": 0.0})
        return real(*rest, p.model_copy(update={"subdivisions": careless}))

    patch.setattr(collective, "standing", standing)


def rivals_only_at_home(patch: pytest.MonkeyPatch) -> None:
    """No team is ever contested from another division."""
    real = competition.rivals
    patch.setattr(competition, "rivals", lambda peers, own, draws: real(peers, 1.0, draws))


def withheld_work_exposes(patch: pytest.MonkeyPatch) -> None:
    """Research that was sandbagged brings to light as much as research done in earnest."""
    real = collective.find

    def find(done: Any, *rest: Any) -> Any:
        every = done.team_earnest.copy()
        every[:, THREATENING] /= 1 - done.team_acts[:, WITHHOLDING.start + THREATENING]
        return real(done._replace(team_earnest=every), *rest)

    patch.setattr(collective, "find", find)


def forgetful_lab(patch: pytest.MonkeyPatch) -> None:
    """Evidence does not last."""
    real = Lab._weigh

    def weigh(self: Lab, *arguments: Any) -> None:
        self.evidence = 0.0
        real(self, *arguments)

    patch.setattr(Lab, "_weigh", weigh)


BUGS: Final[tuple[tuple[Break, str], ...]] = (
    (no_fear, "watched violations"),
    (swapped_values, "output"),
    (free_backchaining, "effort"),
    (drift_does_not_blind, "detection"),
    (capture_without_rotation, "capture"),
    (players_from_anywhere, "player"),
    (withheld_work_exposes, "exposure_risk"),
    (standing_without_care, "standing of teams"),
    (self_challenge, "latent"),
    (uncorrelated_mutation, "latent"),
    (rivals_only_at_home, "latent"),
    (forgotten_column, "lineage"),
    (forgetful_lab, "evidence"),
)
"""Deliberate bugs in the columns, and what must be the first to differ."""


@pytest.mark.parametrize(("bug", "first"), BUGS, ids=[bug.__name__ for bug, _ in BUGS])
def test_twin_notices_a_broken_mechanism(
    bug: Break, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if the comparison stays green where the columns are broken on purpose."""
    bug(monkeypatch)
    with pytest.raises(AssertionError, match=f"{first} in round"):
        run_side_by_side(BRISK)
