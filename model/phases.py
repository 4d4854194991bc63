"""Phases are values: when each begins and ends, and what date a round has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from multicopy.agents.parameters import Phase


@dataclass(frozen=True, slots=True)
class Turn:
    """One round on the schedule: its number from 1, its phase, and its place in the phase."""

    round: int
    name: str
    phase: Phase
    place: int

    @property
    def first(self) -> bool:
        """Whether the phase begins with this round."""
        return self.place == 1

    @property
    def date(self) -> date:
        """Calendar day of the round, spread evenly over the phase."""
        begin, end = (date.fromisoformat(day) for day in self.phase.calendar)
        return begin + timedelta(days=(end - begin).days * (self.place - 1) // self.phase.rounds)


class Schedule:
    """The phases of a scenario, in order."""

    def __init__(self, phases: Mapping[str, Phase]) -> None:
        self.phases = dict(phases)
        self.total = sum(phase.rounds for phase in phases.values())

    def turn(self, round_: int) -> Turn:
        """The turn of round `round_`, counted from 1; `IndexError` beyond the last."""
        before = 0
        for name, phase in self.phases.items():
            if round_ <= before + phase.rounds:
                return Turn(round_, name, phase, round_ - before)
            before += phase.rounds
        raise IndexError(f"round {round_} is beyond the last, {self.total}")
