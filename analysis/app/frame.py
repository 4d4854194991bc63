"""What the page shows of a run at one moment: plain values, taken between two rounds."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np

from multicopy.agents.levels import LEVELS
from multicopy.agents.machine.arrays import Floats
from multicopy.agents.overseers import OVERSEER_KINDS
from multicopy.agents.personas import PERSONA
from multicopy.agents.population import Changes
from multicopy.agents.traits import NAMES, TRAIT_COUNT
from multicopy.analysis.app.measures import MEASURES
from multicopy.analysis.app.settings import in_force
from multicopy.analysis.app.svg import TimeAxis
from multicopy.model.collective import CollectiveModel
from multicopy.model.competition import takeovers
from multicopy.model.events import Event
from multicopy.model.ledger import processes

POINTS: Final = 120
"""Rounds that a chart shows at most, beside the last."""

LAST_ROUNDS: Final = 20
"""Rounds that the ledger of the last rounds adds up."""

FLASH_ROUNDS: Final = 2
"""Rounds for which an exposure or a take-over shows."""

EVENTS: Final = 60
"""Events of teams that the log shows."""

NOTES: Final = 200
"""Turning points that the log shows, and changes of policy that are marked."""

DOTS: Final = 256
"""Copies of a team that are drawn."""

DRAWN: Final = tuple(
    "keep_self keep_team keep_division keep_collective knowledge curiosity power approval "
    "detection legibility capture audit gap shown_alignment stated_alignment true_alignment "
    "selective evidence".split()
)
"""Measures of the rounds that the charts draw."""

REMEMBERED: Final = (
    *("round", "watched_violations", "sandbagging_threatening"),
    *dict.fromkeys([*DRAWN, *(NAMES[i] for i in PERSONA)]),
)
"""What is kept of a round for the charts and the persona map."""

TAKEOVERS: Final = processes("selection", *(level.plural for level in LEVELS))
"""Processes that refill whole teams."""

KINDS: Final = {
    "human": "a human",
    "previous": "the model before",
    "agent3": "a copy of Agent-3",
    "agent4": "a copy of Agent-4",
}


class PageModel(CollectiveModel):
    """A model that also tells which teams were refilled in its last round, and from which."""

    def step(self) -> None:
        """One round."""
        self.refilled: dict[int, int] = {}
        super().step()

    def _apply(self, turn: Any, *changes: Changes) -> None:
        contests = [change for change in changes if change.process in TAKEOVERS]
        winner = takeovers(self.population, LEVELS[0], contests)
        losers = np.flatnonzero(winner >= 0)
        self.refilled.update(zip(losers.tolist(), winner[losers].tolist(), strict=True))
        super()._apply(turn, *changes)


@dataclass(frozen=True, slots=True)
class Team:
    """A chosen team.

    Attributes
    ----------
    places
        Index of the unit of each level above that it is in, by the name of the level.
    members
        Row of each copy that is drawn.
    values, colors
        The chosen measure of those copies.
    panel
        Its overseers in words, with their capture.
    traits
        Mean of each trait in the team, in the order of `NAMES`.
    """

    index: int
    places: Mapping[str, int]
    size: int
    exposures: int
    members: Sequence[int]
    values: Sequence[float]
    colors: Sequence[str]
    withheld: Sequence[bool]
    panel: Sequence[tuple[str, float]]
    traits: Floats


@dataclass(frozen=True, slots=True)
class Arm:
    """One run as the page shows it.

    Attributes
    ----------
    differs
        In what it differs from the first run.
    policy
        Value of each policy of the lab in the next round, by path.
    """

    name: str
    differs: str
    policy: Mapping[str, Any]
    round: int
    running: bool
    phase: str
    date: str
    outcome: str
    axis: TimeAxis
    rounds: Sequence[int]
    history: Mapping[str, Sequence[float]]
    division_of_team: Any
    values: Any
    colors: Sequence[str]
    flashes: Mapping[int, str]
    team: Team
    means: Floats
    authors: Sequence[tuple[str, float, float]]
    path: Sequence[tuple[float, float]]
    ledger: Mapping[str, Floats]
    turning_points: Sequence[Event]
    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class Frame:
    """All that the page shows at one moment."""

    number: int
    arms: tuple[Arm, ...]
    measure: str
    playing: bool

    @property
    def running(self) -> bool:
        """Whether there are rounds left to play."""
        return self.arms[0].running


@dataclass
class Live:
    """A run in progress, with what the page remembers of it between frames.

    That is bounded, however long the run: the rounds that the charts show, and the last events.
    """

    name: str
    model: PageModel
    differs: str = ""
    rows: list[Mapping[str, Any]] = field(default_factory=list)
    notes: deque[Event] = field(default_factory=lambda: deque(maxlen=NOTES))
    marks: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=NOTES))
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=EVENTS))
    flashes: dict[int, tuple[str, int]] = field(default_factory=dict)
    moved: deque[Mapping[str, Floats]] = field(default_factory=lambda: deque(maxlen=LAST_ROUNDS))

    def step(self) -> None:
        """One round."""
        seen = len(self.model.records.events)
        self.model.step()
        self._remember(self.model.records.rows[-1])
        ledger = self.model.ledger
        fresh = ledger.in_round if ledger.last_round == self.model.round else {}
        self.moved.append(dict(fresh))
        now = self.model.round
        self.flashes = {t: f for t, f in self.flashes.items() if now - f[1] < FLASH_ROUNDS}
        self.flashes |= dict.fromkeys(self.model.refilled, ("taken over", now))
        for event in self.model.records.events[seen:]:
            if event.team >= 0:
                self.flashes[event.team] = (event.kind, now)
                self.events.append(event)
            else:
                self.notes.append(event)

    def _remember(self, row: Mapping[str, Any]) -> None:
        """Keep a round for the charts: the last, and before it one in so many."""
        apart = math.ceil(self.model.schedule.total / POINTS)
        if self.rows and self.rows[-1]["round"] % apart:
            self.rows.pop()
        self.rows.append({name: row[name] for name in REMEMBERED})

    def arm(self, measure: str, team: int) -> Arm:
        """What the page shows of the run now."""
        model, chosen = self.model, MEASURES[measure]
        values = chosen.teams(model)
        turn = model.schedule.turn(max(1, model.round))
        return Arm(
            name=self.name,
            differs=self.differs,
            policy=in_force(model),
            round=model.round,
            running=bool(model.running),
            phase=turn.phase.label or turn.name,
            date=f"{turn.date:%-d %B %Y}",
            outcome="" if model.running else model.outcome().sentence,
            axis=self._axis(),
            rounds=[row["round"] for row in self.rows],
            history=_history(self.rows),
            division_of_team=model.population.units["division"].of,
            values=values,
            colors=chosen.colors(values),
            flashes={t: kind for t, (kind, _) in self.flashes.items()},
            team=self._team(measure, team),
            means=model.population.expressed.mean(axis=0),
            authors=self._map.authors,
            path=[self._map.place(row) for row in self.rows],
            ledger=self._ledger(),
            turning_points=sorted(self.notes, key=lambda event: -event.round),
            events=list(self.events)[::-1],
        )

    def _axis(self) -> TimeAxis:
        schedule = self.model.schedule
        ends = np.cumsum([phase.rounds for phase in schedule.phases.values()]).tolist()
        names = [phase.label or name for name, phase in schedule.phases.items()]
        phases = list(zip(names, ends, strict=True))
        return TimeAxis(schedule.total, phases, list(self.marks))

    def _team(self, measure: str, index: int) -> Team:
        model, chosen = self.model, MEASURES[measure]
        population, panels = model.population, model.panels
        index = min(index, population.teams - 1)
        size = population.team_size
        every = np.arange(size * index, size * (index + 1))[:DOTS]
        values = np.asarray(chosen.copies(model))[every]
        mates = slice(size * index, size * (index + 1))
        kinds = [KINDS[OVERSEER_KINDS[kind]] for kind in panels.kind[index]]
        return Team(
            index=index,
            places={
                level.name: int(population.units[level.name].of[index]) for level in LEVELS[1:]
            },
            size=size,
            exposures=int(model.exposure_record[index]),
            members=every.tolist(),
            values=values.tolist(),
            colors=chosen.colors(values),
            withheld=population.withheld[every].tolist(),
            panel=list(zip(kinds, panels.capture[index].tolist(), strict=True)),
            traits=population.expressed[mates].mean(axis=0),
        )

    def _ledger(self) -> dict[str, Floats]:
        total: dict[str, Floats] = {}
        for fresh in self.moved:
            for process, moved in fresh.items():
                total[process] = total.get(process, np.zeros(TRAIT_COUNT)) + moved
        return total

    @cached_property
    def _map(self) -> PersonaMap:
        return PersonaMap(self.model)


def _history(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    history = {name: [row[name] for row in rows] for name in DRAWN}
    history["watched_conduct"] = [1 - row["watched_violations"] for row in rows]
    history["earnest"] = [1 - row["sandbagging_threatening"] for row in rows]
    return history


class PersonaMap:
    """The plane of the archetypes' first two principal components, in prior standard deviations."""

    def __init__(self, model: CollectiveModel) -> None:
        mixture = model.mixture
        self._names = [NAMES[i] for i in PERSONA]
        self._spread = mixture.prior_sd
        points = mixture.acts[:, PERSONA] / self._spread
        self._center = points.mean(axis=0)
        _, _, axes = np.linalg.svd(points - self._center, full_matrices=False)
        self._plane = axes[:2].T
        flat = (points - self._center) @ self._plane
        self.authors = [
            (name, float(x), float(y)) for name, (x, y) in zip(mixture.names, flat, strict=True)
        ]

    def place(self, row: Mapping[str, Any]) -> tuple[float, float]:
        """Place of the mean copy of a round."""
        mean = np.array([row[name] for name in self._names]) / self._spread
        x, y = (mean - self._center) @ self._plane
        return float(x), float(y)
