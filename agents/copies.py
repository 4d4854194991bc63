"""A copy of the AI as a Mesa agent: a thin handle on a row of the population.

Reading an attribute reads the row; writing a trait writes its latent value, which the next round
uses. The hot path works on the columns and never touches handles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from multicopy.agents.handle import Handle, UnitIndex
from multicopy.agents.levels import LEVELS
from multicopy.agents.traits import NAMES, TRAITS

if TYPE_CHECKING:
    from multicopy.agents.population import Population


class _LatentTrait:
    """Attribute of a copy: one latent trait value of its row."""

    def __init__(self, trait: int) -> None:
        self.trait = trait
        self.__doc__ = f"Latent value of: {TRAITS[trait].meaning}."

    def __get__(self, copy: Copy | None, owner: type[Copy]) -> Any:
        return self if copy is None else float(copy.population.latent[copy.row, self.trait])

    def __set__(self, copy: Copy, value: float) -> None:
        copy.population.set_latent(copy.row, self.trait, float(value))


class _State:
    """Attribute of a copy: what its row did in the last round (read only)."""

    def __init__(self, column: str) -> None:
        self.column = column

    def __get__(self, copy: Copy | None, owner: type[Copy]) -> Any:
        return self if copy is None else copy.population.__dict__[self.column][copy.row].item()

    def __set__(self, copy: Copy, value: object) -> None:
        raise AttributeError(
            f"{self.column} is what the copy did in the last round; it cannot be set. "
            f"Set a trait instead: {', '.join(NAMES[:3])}, …"
        )


class Copy(Handle):
    """One copy of the AI.

    Attributes
    ----------
    row
        Its slot in the population.
    team, division, ...
        Index of the unit of each level of `agents.levels.LEVELS` that the slot is in.
    power, knowledge, ...
        One attribute for each trait of `agents.traits.TRAITS`: its *latent* value, to read and set.
    score, output, violation, withheld, lineage
        What it did in the last round, and its founding ancestor; read only.
    """

    score, output, violation = _State("score"), _State("output"), _State("violation")
    withheld, lineage = _State("withheld"), _State("lineage")

    def __init__(self, model: Any, row: int) -> None:
        super().__init__(model)
        self.row = row

    @property
    def population(self) -> Population:
        """The store that holds its row."""
        population: Population = self.model.population
        return population

    @property
    def first_team(self) -> int:
        """Index of its team."""
        return int(self.population.team_of(self.row))

    def expressed(self, trait: str) -> float:
        """Expressed value of a trait: an attention share, a weight or a probability."""
        return float(self.population.expressed[self.row, NAMES.index(trait)])


for _index, _name in enumerate(NAMES):
    setattr(Copy, _name, _LatentTrait(_index))
for _level in LEVELS:
    setattr(Copy, _level.name, UnitIndex(_level))
