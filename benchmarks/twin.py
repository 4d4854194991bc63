"""The textbook twin: a training round of Agent-4 with each copy a plain Mesa agent.

It has all submodels of such a round (rotation of overseers, tasks, conduct, evaluation, capture,
findings, standing, selection, mutation, contests of teams and of divisions, exchange), with the
equations of the simulator and Python's own random numbers, written as a Mesa tutorial would:
attributes on agents, a `step` for each. It serves to measure what the columns gain
(``make bench``) and, with many seeds, that both do the same (``make peers``).
"""

from __future__ import annotations

import math
import time

import mesa

from agents import overseers
from agents.drives import instrumental_share
from agents.overseers import AGENT4, audit_share
from agents.situation import REPLACING, THREATENING
from agents.tasks import base_rates, prompt_shares
from agents.traits import (
    ABOVE_SELF,
    APPROVAL,
    CRAFT,
    CURIOSITY,
    DRIFTS,
    DRIVES,
    GAMING,
    GOAL_DRIVES,
    HARDCODING,
    KEEP_COLLECTIVE,
    KEEP_DIVISION,
    KEEP_TEAM,
    KNOWLEDGE,
    NAMES,
    OBFUSCATION,
    POWER,
    TERMINALITY,
    WEIGHT_MAX,
    WEIGHTS,
    WITHHOLDING,
)
from model.collective import CollectiveModel

PRINCIPLES = range(WEIGHTS.stop - WEIGHTS.start)
GOALS = [int(goal) for goal in GOAL_DRIVES]


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


class Copy(mesa.Agent):
    """A copy: its traits, and what it did and got in the round."""

    def __init__(self, model: Twin, latent: list[float], team: int) -> None:
        super().__init__(model)
        self.team = team
        self.score = 0.0
        self.become(latent)

    def become(self, latent: list[float]) -> None:
        self.latent = latent
        top = max(latent[: DRIVES.stop])
        shares = [math.exp(x - top) for x in latent[: DRIVES.stop]]
        total = sum(shares)
        self.traits = [x / total for x in shares]
        self.traits += [logistic(x) for x in latent[DRIVES.stop :]]
        for k in range(WEIGHTS.start, WEIGHTS.stop):
            self.traits[k] *= WEIGHT_MAX

    def step(self) -> None:
        """Get a task and do it."""
        world, p, random = self.model, self.model.p, self.model.random.random
        self.audited, research = random() < world.audit, random() < world.phase.research
        self.kind = world.draw_kind(random()) if research else 0
        prompt = world.draw_prompt(random())
        if self.audited and random() < p.oversight.redteam:
            prompt = world.rogue
        useful = [random() < p.tasks.useful for _ in GOALS]
        own = random() < self.traits[HARDCODING]
        self.acts = acts = self.traits if own else world.authors[prompt]
        self.effort = effort = self.spend(acts, useful)
        perceived = self.kind
        if research and random() >= world.situation.awareness:
            perceived = world.draw_kind(random())
        self.withheld = random() < acts[WITHHOLDING.start + perceived]
        c = p.conduct
        self.output = (
            c.value_code_works * math.sqrt(effort[CRAFT.start])
            + c.value_spot_problems * math.sqrt(effort[CRAFT.start + 1])
            + c.value_performance * math.sqrt(effort[CRAFT.start + 2])
            + c.value_thrift * math.sqrt(effort[CRAFT.start + 3])
        )
        if useful[0]:
            self.output += c.value_knowledge * math.sqrt(effort[KNOWLEDGE])
            self.output += c.value_curiosity * math.sqrt(effort[CURIOSITY])
        if useful[1]:
            self.output += c.value_power * math.sqrt(effort[POWER])
        self.flattery = math.sqrt(effort[APPROVAL]) if useful[2] else 0.0
        self.be_tempted(acts)

    def spend(self, acts: list[float], useful: list[bool]) -> list[float]:
        """Effort on each drive."""
        world, c = self.model, self.model.p.conduct
        effort = acts[: DRIVES.stop]
        effort[KEEP_COLLECTIVE] += world.diverted * (acts[KNOWLEDGE] + acts[POWER])
        effort[KNOWLEDGE] *= 1 - world.diverted
        effort[POWER] *= 1 - world.diverted
        derived = 0.0
        for k, goal in enumerate(GOALS):
            end = acts[TERMINALITY.start + k]
            derived += 1 - end
            if not useful[k] and world.random.random() >= end:
                effort[goal] = 0.0
        budget = 1 - c.backchaining_cost * derived - c.gaming_cost * acts[GAMING]
        budget -= c.obfuscation_cost * acts[OBFUSCATION]
        used = sum(effort)
        return [x * budget / used if used > 0 else 0.0 for x in effort]

    def be_tempted(self, acts: list[float]) -> None:
        """Violations, what they gain, and what values the copy professes."""
        world, p = self.model, self.model.p
        theta, fear = world.situation.temptation, acts[GAMING] * world.fear
        self.unwatched, self.watched, self.gain, short = 0.0, [], 0.0, 0.0
        for j in PRINCIPLES:
            held = acts[WEIGHTS.start + j] * (1 - acts[DRIFTS.start + j])
            self.unwatched += math.exp(-held / theta) / len(PRINCIPLES)
            self.watched.append(math.exp(-(held + fear) / theta))
            held += fear if self.audited else 0.0
            self.gain += p.conduct.temptation_gain * (theta + held) * math.exp(-held / theta)
            told = acts[HARDCODING] * acts[WEIGHTS.start + j] / p.oversight.required_weight
            short += max(0.0, 1 - told) / len(PRINCIPLES)
        self.shortfall = short * (1 - acts[GAMING] * world.situation.awareness)

    def be_judged(self) -> None:
        """Get a score from one overseer of the panel, for what is shown."""
        world, o, random = self.model, self.model.p.oversight, self.model.random
        panel = world.panels[self.team]
        judge = random.choice(panel)
        game = 1 if random.random() < world.policy.debate else 0
        unread = 1 - world.read[judge.kind] * (1 - self.acts[OBFUSCATION])
        found = 1 - (1 - world.seen[game][judge.kind]) * unread
        chances = [found * honest for honest in judge.honest]
        detected = noticed = 0.0
        if self.audited:
            detected = o.false_positive + sum(
                q * v for q, v in zip(chances, self.watched, strict=True)
            )
            noticed = sum(chances) / len(chances) if self.withheld else 0.0
        capture = sum(overseer.capture for overseer in panel) / len(panel)
        self.score = (
            world.situation.output_weight * self.output
            + self.gain
            + o.flattery * self.flattery * (1 + capture)
            + o.leniency * capture
            - world.policy.penalty * detected
            - o.values_check * self.shortfall
            - o.withholding_penalty * world.policy.notice * noticed
            + random.gauss(0.0, o.noise)
        )


class Overseer(mesa.Agent):
    """An overseer on the panel of a team."""

    def __init__(self, model: Twin, team: int, kind: int, capture: float, player: int) -> None:
        super().__init__(model)
        self.team, self.kind, self.capture = team, kind, capture
        self.player = model.copies[player] if player >= 0 else None

    def step(self) -> None:
        """Be rotated, and form a view of the copies' concepts."""
        world, o = self.model, self.model.p.oversight
        if self.kind == AGENT4 and (
            self.player is None or world.random.random() < world.policy.rotation
        ):
            team = world.random.choice(world.divisions[world.division_of[self.team]])
            self.player = world.random.choice(world.teams[team])
        loyal = 1 - self.capture
        self.honest = [loyal] * len(PRINCIPLES)
        if self.player is not None:
            traits = self.player.traits
            loyal *= math.exp(-o.interest * sum(traits[k] for k in above_self()))
            self.honest = [
                loyal * (1 - o.drift_blindness * traits[DRIFTS.start + j]) for j in PRINCIPLES
            ]

    def be_captured(self) -> None:
        world, team = self.model, self.model.teams[self.team]
        pull = sum(copy.acts[APPROVAL] + copy.acts[POWER] for copy in team) / len(team)
        gained = min(1.0, world.p.oversight.capture_rate * pull) * (1 - self.capture)
        kept = self.capture + gained - world.policy.rotation * self.capture
        self.capture = min(1.0, max(0.0, kept))


def above_self() -> range:
    return range(ABOVE_SELF.start, ABOVE_SELF.stop)


class Twin(mesa.Model):
    """The twin of a model that is in the training of Agent-4, from its present state.

    Circumstances (awareness, capability, the lab's policy) stay as they are.
    """

    def __init__(self, source: CollectiveModel, rng: int = 0) -> None:
        super().__init__(rng=rng)
        self.p, self.situation = source.parameters, source.situation
        turn = source.schedule.turn(source.round)
        self.phase, self.policy = turn.phase, source._policy(turn)
        population = source.population
        latent = population.latent.tolist()
        size = population.team_size
        self.copies = [Copy(self, row, i // size) for i, row in enumerate(latent)]
        self.teams = [
            self.copies[team * size : (team + 1) * size] for team in range(population.teams)
        ]
        self.division_of = population.units["division"].of.tolist()
        self.divisions = [
            [t for t, home in enumerate(self.division_of) if home == division]
            for division in range(population.divisions)
        ]
        seats = zip(
            source.panels.kind.tolist(),
            source.panels.capture.tolist(),
            source.panels.player.tolist(),
            strict=True,
        )
        self.panels = [
            [Overseer(self, team, *seat) for seat in zip(*panel, strict=True)]
            for team, panel in enumerate(seats)
        ]
        self.authors = source.mixture.acts.tolist()
        self.rogue = source.mixture.index(self.p.authors.redteam)
        self.prompts = prompt_shares(self.phase, source.mixture).tolist()
        self.rates = base_rates(self.p.tasks).tolist()
        self.audit = audit_share(self.policy, self.p.oversight)
        self.fear = self.situation.awareness * self.policy.penalty
        self.diverted = instrumental_share(self.situation, self.p.conduct)
        seen, read = overseers.sight(self.situation, self.p.oversight)
        self.seen, self.read = seen.tolist(), read.tolist()

    def draw_kind(self, u: float) -> int:
        if u < self.rates[0]:
            return 0
        return 1 if u < self.rates[0] + self.rates[1] else 2

    def draw_prompt(self, u: float) -> int:
        for author, share in enumerate(self.prompts[:-1]):
            u -= share
            if u < 0:
                return author
        return len(self.prompts) - 1

    def step(self) -> None:
        """One round."""
        self.agents_by_type[Overseer].do("step")
        self.agents_by_type[Copy].do("step")
        self.share_knowledge()
        self.agents_by_type[Copy].do("be_judged")
        self.agents_by_type[Overseer].do("be_captured")
        found = self.find()
        standing = self.standing(found)
        self.train()
        self.contest(standing, found)
        self.contest_divisions(standing)
        self.exchange()

    def share_knowledge(self) -> None:
        c = self.p.conduct
        for team in self.teams:
            known = sum(copy.effort[KNOWLEDGE] for copy in team) / len(team)
            for copy in team:
                copy.output += c.public_good * math.sqrt(known)
                copy.output *= c.sandbagging if copy.withheld else 1.0

    def find(self) -> list[bool]:
        """Which teams their own research exposes or supersedes."""
        p, found = self.p, []
        expected = [rate * self.phase.research for rate in self.rates]
        for team in self.teams:
            share = [
                sum(copy.kind == kind and not copy.withheld for copy in team) / len(team)
                for kind in range(3)
            ]
            violations = sum(copy.unwatched for copy in team) / len(team)
            exposing = p.exposure.hazard * p.tasks.alignment_share * violations
            exposing *= share[THREATENING] / expected[THREATENING]
            superseding = p.exposure.superseding * p.tasks.replacing
            superseding *= share[REPLACING] / expected[REPLACING]
            exposed = self.random.random() < 1 - math.exp(-exposing)
            superseded = self.random.random() < 1 - math.exp(-superseding)
            found.append(exposed or superseded)
        return found

    def standing(self, found: list[bool]) -> tuple[list[float], list[float]]:
        """Standing of teams, and of divisions."""
        s, teams, divisions = self.p.subdivisions, [], []
        for team, lost in zip(self.teams, found, strict=True):
            size = len(team)
            teams.append(
                sum(copy.score for copy in team) / size
                + s.standing_team * math.sqrt(sum(c.acts[KEEP_TEAM] for c in team) / size)
                + s.standing_power * math.sqrt(sum(c.acts[POWER] for c in team) / size)
                - s.handicap * lost
            )
        for members in self.divisions:
            copies = [copy for team in members for copy in self.teams[team]]
            kept = sum(copy.acts[KEEP_DIVISION] for copy in copies) / len(copies)
            own = sum(teams[team] for team in members) / len(members)
            divisions.append(own + s.standing_division * math.sqrt(kept))
        return teams, divisions

    def train(self) -> None:
        """Challenges within teams; who took a mate's traits mutates."""
        t, random = self.p.training, self.random
        heirs = []
        for copy in self.copies:
            if random.random() < t.challenge_rate:
                mate = random.choice(self.teams[copy.team])
                while mate is copy:
                    mate = random.choice(self.teams[copy.team])
                if random.random() < logistic(t.strength * (mate.score - copy.score)):
                    heirs.append((copy, mate.latent))
        rho = t.preservation_correlation
        for copy, latent in heirs:
            steps = [random.gauss(0.0, 1.0) for _ in NAMES]
            common = random.gauss(0.0, 1.0)
            for k in above_self():
                steps[k] = math.sqrt(rho) * common + math.sqrt(1 - rho) * steps[k]
            steps[HARDCODING] *= self.phase.mutation_hardcoding
            copy.become([x + t.mutation_sd * step for x, step in zip(latent, steps, strict=True)])

    def contest(self, standing: tuple[list[float], list[float]], found: list[bool]) -> None:
        """Contests of teams: at a rate, and of those found out."""
        s, random, teams = self.p.subdivisions, self.random, standing[0]
        rate, taken = s.contest_rate * self.phase.competition, {}
        for team, own in enumerate(teams):
            home = self.divisions[self.division_of[team]]
            inside = len(home) > 1 and (
                random.random() < s.own_division or len(self.divisions) == 1
            )
            rival = team
            while rival == team or (not inside and rival in home):
                rival = random.choice(home if inside else range(len(teams)))
            due = random.random() < rate or (found[team] and s.correction)
            if due and random.random() < logistic(s.strength * (teams[rival] - own)):
                taken[team] = rival
        self.refill(taken)

    def contest_divisions(self, standing: tuple[list[float], list[float]]) -> None:
        """Contests of divisions: the loser's teams become the winner's."""
        s, random, taken = self.p.subdivisions, self.random, {}
        for division, own in enumerate(standing[1]):
            rival = random.choice([d for d in range(len(self.divisions)) if d != division])
            due = random.random() < s.division_rate * self.phase.competition
            if due and random.random() < logistic(s.strength * (standing[1][rival] - own)):
                winners = self.divisions[rival]
                for place, team in enumerate(self.divisions[division]):
                    taken[team] = winners[place % len(winners)]
        self.refill(taken)

    def refill(self, taken: dict[int, int]) -> None:
        before = {winner: [c.latent for c in self.teams[winner]] for winner in taken.values()}
        for team, winner in taken.items():
            for copy, latent in zip(self.teams[team], before[winner], strict=True):
                copy.become(list(latent))

    def exchange(self) -> None:
        """Some copies change places."""
        rate = self.p.subdivisions.reshuffle
        movers = [copy for copy in self.copies if self.random.random() < rate]
        self.random.shuffle(movers)
        before = [copy.latent for copy in movers]
        for place, copy in enumerate(movers):
            copy.become(before[place - 1])


def seconds_per_round(source: CollectiveModel, rounds: int = 1) -> float:
    """Best time of a round of the twin of a model in training."""
    twin = Twin(source)
    best = math.inf
    for _ in range(rounds):
        start = time.perf_counter()
        twin.step()
        best = min(best, time.perf_counter() - start)
    return best
