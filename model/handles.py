"""The Mesa side of the model: handles on copies, teams, divisions and overseers, made on demand."""

from __future__ import annotations

from collections.abc import Iterable

from mesa import Model
from mesa.agent import AgentSet

from agents.copies import Copy
from agents.overseers import Overseer
from agents.parameters import Parameters
from agents.subdivisions import Division, Team


class HandledModel(Model):  # type: ignore[misc]
    """A model whose agents are made when they are first asked for.

    A handle on a copy takes several times the room of the copy itself, and a run needs none.
    """

    parameters: Parameters

    def __init__(self, rng: int) -> None:
        super().__init__(rng=rng)
        self._copies: list[Copy] = []

    @property
    def agents(self) -> AgentSet:
        """All agents, as Mesa knows them."""
        self._make_handles()
        return super().agents

    @property
    def agents_by_type(self) -> dict[type, AgentSet]:
        """The agents of each kind."""
        self._make_handles()
        by_type: dict[type, AgentSet] = super().agents_by_type
        return by_type

    @property
    def agent_types(self) -> list[type]:
        """The kinds of agents."""
        self._make_handles()
        types: list[type] = super().agent_types
        return types

    def _make_handles(self) -> None:
        if self._copies:
            return
        p = self.parameters
        self._copies.extend(Copy(self, row) for row in range(p.copies))
        for team in range(p.team_count):
            Team(self, team)
            for seat in range(p.oversight.panel_size):
                Overseer(self, team, seat)
        for division in range(p.division_count):
            Division(self, division)

    def copy_at(self, row: int) -> Copy:
        """The handle on a row."""
        self._make_handles()
        return self._copies[row]

    def copies_at(self, rows: Iterable[int]) -> AgentSet:
        """Handles on rows."""
        self._make_handles()
        return AgentSet([self._copies[row] for row in rows], random=self.random)
