"""The Mesa side of the model: handles on copies, units and overseers, made on demand.

Who the agents are is decided by the scenario, and randomness by the seed, once for a whole run. So
what Mesa offers to change either is refused: it would change no run, and nobody would be told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from mesa import Agent, Model
from mesa.agent import AgentSet

from multicopy.agents.copies import Copy
from multicopy.agents.handle import Fixed
from multicopy.agents.levels import LEVELS
from multicopy.agents.overseers import Overseer
from multicopy.agents.parameters import Parameters
from multicopy.agents.subdivisions import HANDLES
from multicopy.model.scenario import InputError

_COUNTS = ", ".join(["copies", *(level.plural for level in LEVELS), "oversight.panel_size"])
_WHY = f"the scenario sets how many there are: {_COUNTS}"
_REGISTRY: type = type(Model(rng=0).agents)
"""What a model keeps its agents in; the kind differs between releases of Mesa."""


class Everyone(_REGISTRY):  # type: ignore[misc]
    """The agents of a model: a set in which the order may change, but not who is in it."""

    def __copy__(self) -> AgentSet:
        return AgentSet(self, random=self.random)

    def _update(self, agents: Iterable[Agent]) -> Any:
        chosen, held = list(agents), vars(self).get("_agents")
        if held is not None and len(chosen) != len(held):  # there is none while it is copied
            self.add()
        return super()._update(chosen)

    def add(self, agent: Any = None) -> NoReturn:
        """Refuse, like all that changes which agents there are."""
        raise Fixed(f"agents of a run can be neither added nor removed; {_WHY}")

    discard = remove = add


class HandledModel(Model):  # type: ignore[misc]
    """A model whose agents are made when they are first asked for.

    A handle on a copy takes several times the room of the copy itself, and a run needs none.

    Attributes
    ----------
    making
        Whether the model is making its agents; nobody else may.
    """

    parameters: Parameters
    round: int

    def __init__(self, rng: int) -> None:
        self.making = False
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
        with self.making_agents():
            self._copies.extend(Copy(self, row) for row in range(p.copies))
            for level in LEVELS:
                for index in range(level.units(p)):
                    HANDLES[level.name](self, index)
                    if level is LEVELS[0]:
                        for seat in range(p.oversight.panel_size):
                            Overseer(self, index, seat)
        for agents in (self._all_agents, *self._agents_by_type.values()):
            agents.__class__ = Everyone

    @contextmanager
    def making_agents(self) -> Iterator[None]:
        """Context in which agents may be made."""
        self.making = True
        try:
            yield
        finally:
            self.making = False

    def copy_at(self, row: int) -> Copy:
        """The handle on a row."""
        self._make_handles()
        return self._copies[row]

    def copies_at(self, rows: Iterable[int]) -> AgentSet:
        """Handles on rows."""
        self._make_handles()
        return AgentSet([self._copies[row] for row in rows], random=self.random)

    # --- what would change nothing ----------------------------------------------------------------

    def require_making(self, kind: str) -> None:
        """Refuse an agent that somebody else makes."""
        if not self.making:
            raise Fixed(f"a {kind} cannot be added to a run; {_WHY}")

    def register_agent(self, agent: Agent) -> None:
        """Take in an agent that the model makes; others are refused."""
        self.require_making(type(agent).__name__)
        super().register_agent(agent)

    def deregister_agent(self, agent: Agent) -> NoReturn:
        """Refuse."""
        raise Fixed(f"a {type(agent).__name__} cannot be removed from a run; {_WHY}")

    def remove_all_agents(self) -> NoReturn:
        """Refuse."""
        raise Fixed(f"agents cannot be removed from a run; {_WHY}")

    def reset_rng(self, rng: Any = None) -> NoReturn:
        """Refuse."""
        raise Fixed("the seed of a run is set once, as `rng` when the model is made")

    reset_randomizer = reset_rng

    def _wrapped_step(self) -> None:
        """Mesa's step, which counts; refused once the run has ended."""
        self.require_round()
        super()._wrapped_step()

    def require_round(self) -> None:
        """Refuse to go on past the end.

        Raises
        ------
        InputError
            If the run has ended.
        """
        if not self.running:
            raise InputError(
                f"the run has ended with round {self.round}, there is no further step; "
                "a new CollectiveModel begins another run"
            )
