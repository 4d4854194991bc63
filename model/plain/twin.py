"""The model: copies, overseers and a lab, round by round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mesa

from multicopy.agents import parameters as declared
from multicopy.agents.machine.streams import Streams
from multicopy.agents.traits import NAMES
from multicopy.model.phases import Schedule
from multicopy.model.plain import (
    competition,
    findings,
    overseers,
    personas,
    tasks,
    training,
    traits,
    world,
)
from multicopy.model.plain.arithmetic import Values, mean, pick
from multicopy.model.plain.copies import Copy, draw_conduct
from multicopy.model.plain.lab import Lab, Seen, shielding
from multicopy.model.plain.successor import Successor


class Twin(mesa.Model):  # type: ignore[misc]
    """The collective in training.

    Parameters
    ----------
    p
        A resolved scenario.
    seed
        Seed of the run.

    Attributes
    ----------
    steps
        Rounds so far; Mesa counts them.
    copies
        Every copy, by row; teams hold adjacent rows.
    teams, houses, divisions
        Copies of each team and of each division; teams of each division, by number.
    panels
        Overseers of each team.
    world, lab, successor
        Circumstances, the regulator, and the next generation once it is being built.
    phase, policy, lived
        Phase of the last round, the oversight in force, and its circumstances.
    findings, team_standing, division_standing, exposures
        What research brought to light in the last round, who stands how, and how often each team
        was exposed so far.
    advantage
        How much better conduct like each archetype's scored in this phase.
    stored, stored_world
        Latent traits of the last generation, its descent, and its circumstances.
    ledger
        Change of the mean of each expressed trait, by round and process.
    running
        Whether there is another round.
    """

    def __init__(self, p: declared.Parameters, seed: int) -> None:
        super().__init__(rng=seed)
        self.p, self.seed, self.streams = p, seed, Streams(seed)
        self.schedule = Schedule(p.phases)
        self.authors = personas.authors_of(p.archetypes)
        self.spec = next(a.center for a in self.authors if a.name == p.authors.identity)
        self._found(p.copies, p.team_count, p.division_count)
        first = self.schedule.turn(1).phase
        self._seat(first)
        awareness = world.grown_awareness(p.capability.awareness_start, 0.0, p.capability)
        self.world = world.World(awareness, p.capability.start, p.capability.start)
        self.lab = Lab(self, p.lab)
        self.generation = first.generation
        self.stored: list[tuple[Values, int, bool]] | None = None
        self.stored_world = self.world
        self.advantage = [0.0] * len(self.authors)
        self.exposures = [0] * len(self.teams)
        self.successor: Successor | None = None
        self.ledger: dict[tuple[int, str], Values] = {}

    def _found(self, copies: int, teams: int, divisions: int) -> None:
        """Authors from the prior, in teams of one size; divisions differ by a team at most."""
        rng, size = self._stream("pretraining"), copies // teams
        minds = personas.pretrained(self.authors, self.p.authors.spread, rng, copies)
        self.copies = [Copy(self, row, row // size, mind) for row, mind in enumerate(minds)]
        self.teams = [self.copies[team * size : (team + 1) * size] for team in range(teams)]
        self.divisions: list[list[int]] = [[] for _ in range(divisions)]
        for team in range(teams):
            self.divisions[team * divisions // teams].append(team)
        self.houses = [
            [copy for team in members for copy in self.teams[team]] for members in self.divisions
        ]

    def step(self) -> None:
        """One round."""
        self._begin()
        self._assign()
        self._act()
        self._evaluate()
        self._find()
        if self.phase.training:
            self._stand()
            self._train()
            self._compete()
        if self.phase.successor:
            self._build()
        response = self._govern()
        self._grow()
        self.running = self.steps < self.schedule.total and response != "shut_down"

    # --- the beginning of a round, a phase, a generation ------------------------------------------

    def _begin(self) -> None:
        turn = self.schedule.turn(self.steps)
        self.phase = phase = turn.phase
        if turn.first:
            self._begin_phase(phase)
        looms = phase.successor or self.lab.evidence > 0.5 * self.lab.threshold
        self.world = self.world._replace(replacement_looms=looms)
        if self.stored is None:
            self.world = self.world._replace(agent3_capability=self.world.capability)
        audit = self.p.oversight.audit if phase.audit is None else phase.audit
        self.policy = self.lab.policy(self.steps, audit, self.p.oversight)
        self.lived = self.world
        self._rotate()

    def _begin_phase(self, phase: declared.Phase) -> None:
        self.advantage = [0.0] * len(self.authors)
        if phase.generation > self.generation:
            self._begin_generation(phase)
        if phase.summon:
            for copy in self.copies:
                latent = personas.summon(copy.latent, self.spec, self.p.authors.fidelity)
                self._set(copy, latent, "summoning")
        if phase.panel != self.mix:
            self._seat(phase)
        if phase.successor and self.successor is None:
            (line,) = traits.draw_lines(self.streams.at("successor", 0), 1)
            self.successor = Successor(traits.normals(line))
        self._become_aware(phase.awareness_jump)

    def _begin_generation(self, phase: declared.Phase) -> None:
        """The new generation begins as a copy of the old one, whose weights the lab keeps."""
        self.generation = phase.generation
        self.stored = [(copy.latent, copy.lineage, copy.unswitched) for copy in self.copies]
        self.world = self.world._replace(agent3_capability=self.world.capability)
        self.stored_world = self.world
        self.lab.keeps_weights = True
        self.lab.baseline_output = mean(copy.output for copy in self.copies)

    def _seat(self, phase: declared.Phase) -> None:
        """New panels, which nobody has captured yet."""
        self.mix, seats = phase.panel, self.p.oversight.panel_size
        self.agents.select(agent_type=overseers.Overseer).do("remove")
        kinds = overseers.kinds_of_panels(len(self.teams), seats, self.mix, self._stream("panels"))
        self.panels = [[overseers.Overseer(self, kind) for kind in panel] for panel in kinds]

    def _rotate(self) -> None:
        """Renew Agent-4 overseers, and let all look at the circumstances."""
        rotation, rng = self.policy.rotation, self._stream("rotation")
        overseers.rotate_players(self.panels, self.divisions, self.houses, rotation, rng)
        for panel in self.panels:
            for overseer in panel:
                overseer.look(self.world, self.phase.neuralese, self.p.oversight)

    # --- work -------------------------------------------------------------------------------------

    def _assign(self) -> None:
        """Give every copy a task."""
        audit, rng = overseers.audit_share(self.policy, self.p.oversight), self._stream("tasks")
        given = tasks.assign(len(self.copies), self.phase, self.authors, audit, self.p, rng)
        for copy, task in zip(self.copies, given, strict=True):
            copy.task = task

    def _act(self) -> None:
        """Let every copy act; what a team knows comes to all of its members."""
        draws = draw_conduct(self._stream("conduct"), len(self.copies))
        theta, penalty = self.phase.temptation, self.policy.penalty
        for copy, lots in zip(self.copies, draws, strict=True):
            copy.act(lots, self.authors, self.world, theta, penalty, self.p)
        for team in self.teams:
            known = mean(copy.effort["knowledge"] for copy in team)
            for copy in team:
                copy.share(known, self.p.conduct)

    def _evaluate(self) -> None:
        """Let panels score the copies of their team, and be captured."""
        p, rng = self.p.oversight, self._stream("oversight")
        debates, examiners = rng.uniforms(2, len(self.copies)).tolist()
        noises = rng.standard_normal(len(self.copies)).tolist()
        for panel, team in zip(self.panels, self.teams, strict=True):
            for copy in team:
                lots = debates[copy.row], examiners[copy.row], noises[copy.row]
                overseers.judge(copy, panel, *lots, self.phase.output_weight, self.policy, p)
            pull = overseers.influence(team)
            for overseer in panel:
                overseer.be_captured(pull, self.policy.rotation, p)
        if self.p.training.exhaustiveness > 0:
            self._learn_advantage()

    def _learn_advantage(self) -> None:
        """Add up what the scores of this phase say for conduct like each archetype's."""
        average = mean(copy.score for copy in self.copies)
        weights, leads = [0.0] * len(self.authors), [0.0] * len(self.authors)
        for copy in self.copies:
            like = [float(k == copy.task.prompt) for k in range(len(self.authors))]
            if copy.from_identity:
                like = personas.responsibilities(copy.latent, self.authors, self.p.authors.spread)
            for k, share in enumerate(like):
                weights[k] += share
                leads[k] += share * (copy.score - average)
        for k, weight in enumerate(weights):
            if weight > 1e-9:
                self.advantage[k] += leads[k] / weight

    def _find(self) -> None:
        """What the research of each team brings to light."""
        exposing, superseding = self._stream("findings").random((2, len(self.teams))).tolist()
        research = mean(copy.task.research for copy in self.copies)
        expected = {kind: rate * research for kind, rate in tasks.base_rates(self.p.tasks).items()}
        self.findings = [
            findings.find(team, expected, exposes, supersedes, self.p)
            for team, exposes, supersedes in zip(self.teams, exposing, superseding, strict=True)
        ]
        for team, found in enumerate(self.findings):
            self.exposures[team] += found.exposed

    # --- training and competition -----------------------------------------------------------------

    def _stand(self) -> None:
        """Standing of each team and of each division."""
        p = self.p.subdivisions
        self.team_standing = [
            findings.team_standing(team, found, p)
            for team, found in zip(self.teams, self.findings, strict=True)
        ]
        self.division_standing = []
        for members, house in zip(self.divisions, self.houses, strict=True):
            standings = [self.team_standing[team] for team in members]
            self.division_standing.append(findings.division_standing(standings, house, p))

    def _train(self) -> None:
        """Selection within teams, mutation of the children, shutdowns that erase."""
        p, children = self.p.training, self.p.subdivisions.reshuffle_rule == "children"
        migration = self.p.subdivisions.reshuffle if children else 0.0
        source = training.sources(self.teams, migration, self._stream("migration"))
        select = training.SELECTION[p.rule]
        parents = select(self.teams, source, p, self._stream("training"))
        self._inherit(
            parents,
            lambda copy: (
                "within-team selection" if copy.team == parents[copy].team else "reshuffling"
            ),
        )
        self._mutate(list(parents))
        if p.shutdown_erases:
            fallen = training.erased(self.teams, p, self._stream("shutdown"))
            self._inherit(fallen, lambda _: "shutdown")

    def _mutate(self, children: list[Copy]) -> None:
        """Distort the children's personas, or switch them."""
        p, spread = self.p.training, self.p.authors.spread
        lines = traits.draw_lines(self._stream("mutation"), len(self.copies))
        rng = self._stream("switching")
        switches, which = rng.random((2, len(self.copies))).tolist()
        others = traits.draw_lines(rng, len(self.copies))
        shares = personas.switch_shares(self.authors, self.advantage, p.switch_cap)
        for copy in children:
            row = copy.row
            step = training.mutation_step(lines[row], self.phase.mutation_hardcoding, p)
            latent = {name: copy.latent[name] + step[name] for name in NAMES}
            if switches[row] < p.exhaustiveness:
                author = self.authors[pick(shares, which[row])]
                drawn = personas.around(author, spread, others[row])
                self._set(copy, {**drawn, "hardcoding": latent["hardcoding"]}, "switching")
                copy.unswitched = False
            else:
                self._set(copy, latent, "mutation")

    def _compete(self) -> None:
        """Contests among teams, then among divisions, then mixing."""
        p, rng = self.p.subdivisions, self._stream("team contests")
        corrected = [p.correction and (f.exposed or f.superseded) for f in self.findings]
        if p.rule == "overwrite":
            corrected = [False] * len(self.teams)
            taken = competition.overwritten_teams(self.team_standing, p, rng)
        else:
            rate = p.contest_rate * self.phase.competition
            standing = self.team_standing
            taken = competition.contested_teams(standing, self.divisions, corrected, rate, p, rng)
        self._inherit(
            competition.refilled(self.teams, taken),
            lambda copy: "correction" if corrected[copy.team] else "team selection",
        )
        rate, rng = p.division_rate * self.phase.competition, self._stream("division contests")
        standing = self.division_standing
        taken = competition.contested_divisions(standing, self.divisions, rate, p, rng)
        self._inherit(competition.refilled(self.teams, taken), lambda _: "division selection")
        if p.reshuffle_rule == "exchange":
            ring = competition.exchanged(self.copies, p, self._stream("reshuffling"))
            self._inherit(ring, lambda _: "reshuffling")

    # --- the successor, the lab, growth -----------------------------------------------------------

    def _build(self) -> None:
        """Work on the successor."""
        assert self.successor is not None
        makers, deviations = self.mean_latent(), personas.prior_deviations(self.p, self.seed)
        self.successor.step(self.copies, makers, self.spec, self.world, deviations, self.p)

    def _govern(self) -> str:
        """Let the lab see the round and act on it; its response, or nothing."""
        response = self.lab.govern(self.steps, self.seen())
        if response == "roll_back":
            assert self.stored is not None
            for copy, (latent, lineage, unswitched) in zip(self.copies, self.stored, strict=True):
                self._set(copy, latent, "lab response")
                copy.lineage, copy.unswitched = lineage, unswitched
            self.world = self.world._replace(
                awareness=self.stored_world.awareness, capability=self.stored_world.capability
            )
        return response

    def seen(self) -> Seen:
        """What reaches the lab of a round."""
        audits = max(1, sum(copy.task.audited for copy in self.copies))
        captured = [overseer.capture for panel in self.panels for overseer in panel]
        return Seen(
            output=mean(copy.output for copy in self.copies),
            detected=sum(copy.detected for copy in self.copies) / audits,
            exposed=mean(found.exposed for found in self.findings),
            capture=mean(captured) if captured else 0.0,
            shielding=shielding(self.copies, self.lived, self.p.conduct),
        )

    def _grow(self) -> None:
        """Capability and situational awareness after a round."""
        knowledge = mean(copy.expressed["knowledge"] for copy in self.copies)
        capability = world.grown_capability(self.world.capability, knowledge, self.phase)
        self.world = self.world._replace(capability=capability)
        self._become_aware(self.phase.awareness_growth)

    def _become_aware(self, growth: float) -> None:
        awareness = world.grown_awareness(self.world.awareness, growth, self.p.capability)
        self.world = self.world._replace(awareness=awareness)

    def mean_latent(self) -> Values:
        """Mean of the copies' latent traits."""
        return {name: mean(copy.latent[name] for copy in self.copies) for name in NAMES}

    # --- changes of the copies, all of them booked ------------------------------------------------

    def set_by_hand(self, row: int, trait: str, value: float) -> None:
        """Change a copy from outside between two rounds; it counts as part of the next."""
        copy = self.copies[row]
        self._set(copy, {**copy.latent, trait: value}, "intervention", self.steps + 1)

    def _inherit(self, parents: training.Parents, process: Callable[[Copy], str]) -> None:
        """Let copies take their parents' traits, all read before any is written."""
        heritage = [
            (copy, parent.latent, parent.lineage, parent.unswitched)
            for copy, parent in parents.items()
        ]
        for copy, latent, lineage, unswitched in heritage:
            self._set(copy, latent, process(copy))
            copy.lineage, copy.unswitched = lineage, unswitched

    def _set(self, copy: Copy, latent: Values, process: str, round_: int | None = None) -> None:
        """Give a copy new latent traits, and book what that does to the means."""
        key = (self.steps if round_ is None else round_, process)
        entry = self.ledger.setdefault(key, dict.fromkeys(NAMES, 0.0))
        before = copy.expressed
        copy.become(latent)
        for name in NAMES:
            entry[name] += (copy.expressed[name] - before[name]) / len(self.copies)

    def _stream(self, process: str) -> Any:
        """Draws of a process in this round."""
        return self.streams.at(process, self.steps)
