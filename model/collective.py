"""The model: a collective of AI copies in training, as a Mesa model.

`step` is one round: assign tasks, copies act, overseers evaluate, training selects copies,
subdivisions compete, the lab governs, record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from multicopy.agents.lab import Lab, Observation
from multicopy.agents.levels import LEVELS, Level
from multicopy.agents.machine.arithmetic import product
from multicopy.agents.machine.arrays import Floats
from multicopy.agents.machine.compiled import Crew, average
from multicopy.agents.machine.draws import Stream
from multicopy.agents.machine.state import Stateful
from multicopy.agents.machine.streams import Streams
from multicopy.agents.overseers import Panels
from multicopy.agents.parameters import Parameters, Phase, plain
from multicopy.agents.personas import Mixture, pretrained, summon
from multicopy.agents.population import Changes, Population
from multicopy.agents.situation import Situation
from multicopy.agents.subdivisions import find, influence, standing
from multicopy.agents.traits import KNOWLEDGE
from multicopy.agents.work import Orders, Tally, orders, perform
from multicopy.model import competition, training
from multicopy.model.genealogy import Genealogy
from multicopy.model.handles import HandledModel
from multicopy.model.health import require_health
from multicopy.model.ledger import Ledger
from multicopy.model.measures import shielding
from multicopy.model.memory import require_memory
from multicopy.model.outcomes import Outcome, classify
from multicopy.model.phases import Schedule, Turn
from multicopy.model.records import Records
from multicopy.model.round import Round
from multicopy.model.rows import Collector
from multicopy.model.scenario import DEFAULT, InputError, resolve, with_change
from multicopy.model.successor import Design, SuccessorProject

KEY_MEASURES = (
    "round",
    "phase",
    "unwatched_violations",
    "watched_violations",
    "detection",
    "capture",
    "keep_self",
    "keep_team",
    "keep_division",
    "keep_collective",
    "sandbagging_ordinary",
    "sandbagging_threatening",
    "true_alignment",
    "stated_alignment",
    "output",
)
"""Measures that the model's data collector reports to Mesa's tools."""


class CollectiveModel(HandledModel, Stateful):
    """A collective of AI copies in training.

    Parameters
    ----------
    scenario
        Name of a shipped scenario, path of a TOML file, or resolved parameters.
    rng
        Seed of the run, a whole number from 0 to 2^64 - 1; None draws one, which `seed` then tells.
    detail
        Whether to record quantiles and F_ST of the traits, typicality and responsibilities,
        which takes a third of the time.
    threads
        Threads that share the work of a round, by default as many as help; results do not depend
        on them.
    **overrides
        Parameters by path: ``copies=256``, ``**{"oversight.audit": 0.2}``. `seed` is `rng` by the
        name that Mesa gave it first.

    Raises
    ------
    InputError
        If the scenario, an override, the seed or the number of threads is not allowed.

    Attributes
    ----------
    seed
        Seed of the run, which repeats it.
    declared
        The scenario: the parameters that the run began with, and the changes of policy since.
    parameters, population, panels, lab, mixture, situation, ledger, records
        The parts of the model; `agents` and `agents_by_type` hold the Mesa agents.
    latest
        The record of the present round, or of the last; there is none before the first.
    genealogy
        None; a `Genealogy` that is put here before the first round keeps every replacement.
    """

    STATE: ClassVar = {
        "parameters": Parameters,
        "round": int,
        "steps": int,
        "running": bool,
        "population": Population,
        "situation": Situation,
        "panels": Panels,
        "ledger": Ledger,
        "records": Records,
        "exposure_record": np.ndarray,
        "advantage": np.ndarray,
        "stored": dict[str, np.ndarray] | None,
        "stored_situation": Situation,
        "generation": int,
        "genealogy": Genealogy | None,
        "project": SuccessorProject | None,
        "design": Design | None,
        "lab": Lab,
    }
    MADE: ClassVar = frozenset(
        "declared seed crew streams schedule mixture mixing datacollector making latest _copies "
        "_agent_counter".split()
    )
    """Beside these there is what Mesa keeps of its own: handles, and generators nobody asks."""

    latest: Round

    def __init__(
        self,
        scenario: str | Path | Parameters = DEFAULT,
        rng: int | None = None,
        *,
        detail: bool = True,
        threads: int | None = None,
        **overrides: Any,
    ) -> None:
        # No argument of its own: Mesa's batch_run would write its seeds over those of its user.
        seed = _checked_seed(rng, overrides.pop("seed", None))
        self.declared = self.parameters = p = resolve(scenario, overrides)
        require_memory(p.copies)
        super().__init__(rng=seed)
        self.seed = seed
        self.crew = Crew(p.copies, _checked_threads(threads))
        self.streams = Streams(seed, self.crew)
        self.schedule = Schedule(p.phases)
        self.round = 0
        self.mixture = Mixture(
            p.archetypes, p.authors.spread, self.streams.at("reference sample", 0)
        )
        authors = pretrained(self.mixture, self.streams.at("pretraining", 0), p.copies)
        counts = (level.units(p) for level in LEVELS)
        self.population = Population(authors, *counts, crew=self.crew)
        self.situation = Situation(
            awareness=min(p.capability.awareness_start, p.capability.awareness_ceiling),
            capability=p.capability.start,
            agent3_capability=p.capability.start,
            temptation=1.0,
        )
        self.panels = self._new_panels(next(iter(p.phases.values())))
        self.ledger = Ledger()
        self.records = Records(self.mixture, p.authors.identity, detail)
        self.exposure_record = np.zeros(p.team_count, dtype=np.int64)
        self.advantage: Floats = np.zeros(len(self.mixture.names))
        self.stored: Mapping[str, NDArray[Any]] | None = None
        self.stored_situation = self.situation
        self.generation = next(iter(p.phases.values())).generation
        self.genealogy: Genealogy | None = None
        self.project: SuccessorProject | None = None
        self.design: Design | None = None
        self.mixing = competition.MIXING[p.subdivisions.reshuffle_rule]
        with self.making_agents():
            self.lab = Lab(self, p.lab)
        self.datacollector = Collector(self.records.rows, KEY_MEASURES, seed)

    # --- the round --------------------------------------------------------------------------------

    def step(self) -> None:
        """One round.

        Raises
        ------
        InputError
            If the run has ended; nothing is changed.
        """
        self.require_round()
        now = self.latest = self._begin()
        self._work(now)
        self._find(now)
        self._train(now)
        self._compete(now)
        self._build(now)
        self._govern(now)
        self._record(now)
        self._end(now)

    def run(self) -> Outcome:
        """Run to the end; return the outcome.

        Raises
        ------
        InputError
            If the run has ended; `outcome` tells how.
        """
        self.require_round()
        while self.running:
            self.step()
        return self.outcome()

    def run_model(self) -> None:
        """Run to the end, by the name that Mesa has for it; as `run` but for the outcome."""
        self.run()

    def change_policy(self, path: str, value: Any) -> None:
        """Give a parameter of the lab's policy a value from the next round on.

        The change becomes part of the scenario, which repeats the run with it.

        Raises
        ------
        InputError
            If the parameter is no policy, or the value is not allowed.
        """
        new = {"round": self.round + 1, "path": path, "value": value}
        past = [change.model_dump() for change in self.declared.changes]
        self.declared = resolve(self.declared, {"changes": [*past, new]})

    def outcome(self) -> Outcome:
        """Class of the run as far as it has come.

        Raises
        ------
        InputError
            Before the first round.
        """
        if not self.round:
            raise InputError("there is no outcome before the first round; step() or run() first")
        return classify(self.records.rows, self.lab.decisions, self.parameters.outcome)

    def _begin(self) -> Round:
        """Begin the round: changes of policy, the phase, the circumstances, the panels."""
        self.round += 1
        for change in self.declared.changes:
            if change.round == self.round:
                self.parameters = with_change(self.parameters, change)
        p, turn = self.parameters, self.schedule.turn(self.round)
        self._book(turn, "intervention", self.population.collect_touched())
        if turn.first:
            self._begin_phase(turn)
        looms = turn.phase.successor or self.lab.evidence > 0.5 * self.lab.threshold
        self.situation = replace(
            self.situation,
            temptation=turn.phase.temptation,
            output_weight=turn.phase.output_weight,
            neuralese=turn.phase.neuralese,
            replacement_looms=looms,
            agent3_capability=self.situation.capability
            if self.stored is None
            else self.situation.agent3_capability,
        )
        if self.panels.seats:
            rotation = min(1.0, p.oversight.rotation * self.lab.rotation_factor)
            self.panels.rotate(self.population, rotation, self._at("rotation"))
        audit = p.oversight.audit if turn.phase.audit is None else turn.phase.audit
        return Round(turn, self.lab.policy(self.round, audit, p.oversight, p.lab))

    def _begin_phase(self, turn: Turn) -> None:
        p, phase = self.parameters, turn.phase
        self.records.events.add(turn, "phase", f"{phase.label or turn.name} begins")
        self.advantage[:] = 0
        if phase.generation > self.generation:
            # The new generation begins as a copy of the old, whose weights the lab keeps.
            self.generation = phase.generation
            self.stored = self.population.snapshot(np.arange(p.copies))
            self.stored_situation = self.situation
            self.situation = replace(self.situation, agent3_capability=self.situation.capability)
            self.lab.take_stock(average(self.population.output))
        if phase.summon:
            rows = np.arange(len(self.population))
            center = self.mixture.centers[self.mixture.index(p.authors.identity)]
            latent = summon(self.population.latent, center, p.authors.fidelity)
            self._apply(turn, Changes("summoning", rows, values=latent))
        if phase.panel != self.panels.mix:
            self.panels = self._new_panels(phase)
        if phase.successor and self.project is None:
            self.project = SuccessorProject.begin(self.streams.at("successor", 0))
        self._raise_awareness(phase.awareness_jump)

    def _new_panels(self, phase: Phase) -> Panels:
        p = self.parameters
        rng = self._at("panels")
        return Panels(p.team_count, p.oversight.panel_size, phase.panel, rng)

    def _orders(self, now: Round) -> Orders:
        return orders(
            self.population,
            self.panels,
            self.mixture,
            now.turn.phase,
            self.situation,
            now.policy,
            self.parameters,
            self.streams,
            self.round,
        )

    def _work(self, now: Round) -> None:
        """Tasks are assigned, copies act, overseers evaluate, and are captured by what they see."""
        p = self.parameters
        now.work = perform(self.population, self._orders(now))
        self.panels.be_captured(influence(now.work), p.oversight, now.policy.rotation)
        self._learn_advantage(now.work)

    def _learn_advantage(self, work: Tally) -> None:
        """Add up what this round's scores say for conduct like each archetype's, for switches."""
        if self.parameters.training.exhaustiveness == 0:
            return
        like = self.mixture.responsibility(self.population.latent)
        prompted = np.flatnonzero(work.played >= 0)
        like[prompted] = np.eye(like.shape[1])[work.played[prompted]]
        weight = like.sum(axis=0)
        score = self.population.score.astype(np.float64)
        lead = product(score - score.mean(), like)
        self.advantage += np.divide(lead, weight, out=np.zeros_like(lead), where=weight > 1e-9)

    def _find(self, now: Round) -> None:
        """Research done in earnest exposes and supersedes teams."""
        p, work = self.parameters, now.work
        draws = self._at("findings").random((2, self.population.teams))
        now.findings = find(work, work.mean("research"), p.exposure, p.tasks, draws)
        self.exposure_record += now.findings.exposed

    def _train(self, now: Round) -> None:
        """Training selects copies by their scores, and mutates who is copied."""
        if not now.turn.phase.training:
            return
        p = self.parameters
        for changes in training.train(
            self.population,
            p.training,
            self.mixing.migration(p.subdivisions),
            now.turn.phase.mutation_hardcoding,
            self.mixture,
            self.advantage,
            self._at,
        ):
            self._apply(now.turn, *changes)

    def _compete(self, now: Round) -> None:
        """Units of each level compete for their continuation, and copies change teams."""
        if not now.turn.phase.training:
            return
        p, population, at = self.parameters, self.population, self._at
        ranks = standing(population, now.work, now.findings, p)
        for level in LEVELS:
            contests = competition.compete(
                population,
                level,
                ranks[level.name],
                now.findings.found,
                now.turn.phase.competition,
                level.rivalry(p),
                at(f"{level.name} contests"),
            )
            self._apply(now.turn, *contests)
            self._tell(now, level, contests)
        if exchange := self.mixing.exchange:
            self._apply(now.turn, exchange(population, p.subdivisions, at("reshuffling")))

    def _build(self, now: Round) -> None:
        """Work on the successor, where one is built."""
        if self.project is None or not now.turn.phase.successor:
            return
        work = now.work
        copies = len(self.population)
        self.project.advance(
            work.mean("successor_work") * copies, work.mean("covert_work") * copies
        )
        self.design = self.project.design(
            self.population.survey().latent,
            self.mixture,
            self.situation,
            self.parameters,
        )

    def _govern(self, now: Round) -> None:
        """The lab weighs its evidence, and responds."""
        turn, work = now.turn, now.work
        now.situation, now.survey = self.situation, self.population.survey()
        seen = Observation(
            output=work.mean("output"),
            detected=work.detected_per_audit(),
            exposed=average(now.findings.exposed),
            capture=average(self.panels.mean_capture()),
            shielding=shielding(now.survey.expressed, self.situation, self.parameters),
        )
        now.decision = decision = self.lab.govern(self.round, seen, self.parameters.lab)
        if decision.looked:
            self.records.events.add(
                turn, "look", "usefulness falls; the lab audits all work for a while"
            )
        if decision.crossed:
            response = self.parameters.lab.response.replace("_", " ")
            self.records.events.add(
                turn,
                "response" if decision.acted else "threshold",
                f"evidence passes the lab's threshold; response: {response}",
                value=self.lab.evidence,
            )
        if decision.restore:
            assert self.stored is not None
            rows = np.arange(len(self.population))
            self._apply(turn, Changes("lab response", rows, columns=self.stored))
            self.situation = replace(
                self.situation,
                capability=self.stored_situation.capability,
                awareness=self.stored_situation.awareness,
            )
            now.survey = self.population.survey()

    def _record(self, now: Round) -> None:
        """Add the round to the records, and see that no number of it is broken."""
        self.records.add_row(self)
        require_health(self.records.rows[-1], self.population, now.survey)

    def _end(self, now: Round) -> None:
        """Capability and awareness grow; the run goes on, or not."""
        phase = now.turn.phase
        knowledge = float(now.survey.expressed[KNOWLEDGE])
        growth = phase.capability_growth * (1 + phase.growth_from_knowledge * knowledge)
        self.situation = replace(self.situation, capability=self.situation.capability + growth)
        self._raise_awareness(phase.awareness_growth)
        self.datacollector.collect(self)
        self.running = now.turn.round < self.schedule.total and not now.decision.shut_down

    def _raise_awareness(self, by: float) -> None:
        ceiling = self.parameters.capability.awareness_ceiling
        awareness = min(self.situation.awareness + by, ceiling)
        self.situation = replace(self.situation, awareness=awareness)

    def _tell(self, now: Round, level: Level, contests: list[Changes]) -> None:
        """Tell of the contests of a level what makes an event: who was found out, who fell."""
        findings, events = now.findings, self.records.events
        winner = competition.takeovers(self.population, level, contests)
        if level is LEVELS[0]:
            for kind, found in (("exposed", findings.exposed), ("superseded", findings.superseded)):
                teams = np.flatnonzero(found)
                events.add_findings(now.turn, kind, teams, winner[teams])
        if level.told:
            for loser in np.flatnonzero(winner >= 0):
                text = f"{level.name} {loser} taken over by {level.name} {winner[loser]}"
                events.add(now.turn, "takeover", text, value=float(winner[loser]))

    def _at(self, process: str) -> Stream:
        """The random numbers of a process in this round."""
        return self.streams.at(process, self.round)

    # --- changes -----------------------------------------------------------------------

    def _apply(self, turn: Turn, *changes: Changes) -> None:
        if self.genealogy is not None:
            self.genealogy.book(turn.round, changes)
        for process, moved in self.population.apply(*changes):
            self._book(turn, process, moved)

    def _book(self, turn: Turn, process: str, moved: Floats) -> None:
        if moved.any():
            self.ledger.book(turn.round, turn.name, process, moved)


def _checked_seed(rng: Any, seed: Any) -> int:
    given = [plain(value) for value in (rng, seed) if value is not None]
    for value in given:
        if type(value) is not int or not 0 <= value < 2**64:
            raise InputError(
                f"seed = {value!r:.80} is not allowed: it must be a whole number from 0 to 2^64 - 1"
            )
    if len(given) == 2 and given[0] != given[1]:
        raise InputError(f"rng = {given[0]} and seed = {given[1]} mean the same; give one of them")
    return given[0] if given else int(np.random.SeedSequence().generate_state(1)[0])


def _checked_threads(threads: Any) -> int | None:
    threads = plain(threads)
    if threads is None or (type(threads) is int and threads >= 1):
        return threads
    raise InputError(f"threads = {threads!r} is not allowed: it must be a whole number from 1")
