"""One tidy row a round, the events, and the outcome. Recording never touches the dynamics."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any, ClassVar, Final

import numpy as np
import pandas as pd

from multicopy.agents.levels import LEVELS
from multicopy.agents.machine.arithmetic import posterior, product
from multicopy.agents.machine.arrays import Floats, Singles
from multicopy.agents.machine.compiled import compiled
from multicopy.agents.machine.state import Stateful
from multicopy.agents.personas import Mixture
from multicopy.agents.population import Population
from multicopy.agents.traits import NAMES, ROW, TRAIT_COUNT, TRAITS
from multicopy.model.events import EventLog
from multicopy.model.measures import DETAIL, OWN, added
from multicopy.model.outcomes import PASSAGES
from multicopy.model.phases import Turn
from multicopy.model.rows import LABELS, Rows

QUANTILES: Final = (0.1, 0.5, 0.9)
_QUANTILE_SUFFIXES: Final = tuple(f"_q{round(100 * q)}" for q in QUANTILES)

SAMPLE: Final = 1024
"""Copies that quantiles and persona observables are taken from in a larger population."""


def columns(archetypes: tuple[str, ...], detail: bool = True) -> dict[str, str]:
    """Every column of the rounds table with its meaning, in order.

    Without `detail`, quantiles, F_ST, typicality and responsibilities are left out.
    """
    told = dict(LABELS)
    told |= {n: m.meaning for n, m in {**OWN, **added()}.items() if n not in DETAIL}
    for trait in TRAITS:
        told[trait.name] = f"mean expressed {trait.meaning}"
        if not detail:
            continue
        for q in QUANTILES:
            told[f"{trait.name}_q{round(100 * q)}"] = (
                f"{q:g} quantile of {trait.name}, of at most {SAMPLE:,} copies"
            )
        for level in LEVELS:
            told[f"{trait.name}_fst_{level.name}"] = f"F_ST of {trait.name} among {level.plural}"
    if detail:
        told |= {name: OWN[name].meaning for name in DETAIL}
        for name in archetypes:
            told[f"like_{name}"] = f"mean responsibility of the archetype {name}"
    return told


def sampled(copies: int) -> Any:
    """Rows that quantiles, typicality and responsibilities are taken from.

    All of a small population; of a larger one `SAMPLE` rows, evenly spaced over the teams, which
    puts a quantile within about one hundredth of its place.
    """
    return slice(None) if copies <= SAMPLE else np.arange(SAMPLE) * copies // SAMPLE


def fixation_index(population: Population) -> dict[str, Floats]:
    """F_ST of each expressed trait among the units of each level: variance between over total."""
    team = np.empty((population.teams, TRAIT_COUNT))
    within = np.empty_like(team)
    population.crew.share(
        _spread, population.teams, population.team_size, population.expressed_rows, team, within
    )
    mean = team.mean(axis=0)
    off = team - mean
    between = {LEVELS[0].name: (off * off).mean(axis=0)}
    total = within.mean(axis=0) + between[LEVELS[0].name]
    for level in LEVELS[1:]:
        units = population.units[level.name]
        off = units.mean(team) - mean
        between[level.name] = product(units.size, off * off) / population.teams
    safe = np.where(total > 1e-300, total, 1.0)
    return {name: variance / safe for name, variance in between.items()}


@compiled
def _spread(
    first: int, last: int, size: int, values: Singles, means: Floats, within: Floats
) -> None:
    """Mean and variance within each team; `values` are padded rows."""
    sums, squares = np.empty(ROW), np.empty(ROW)
    for team in range(first, last):
        sums[:], squares[:] = 0.0, 0.0
        mine = values[team * size : (team + 1) * size]
        for i in range(size):
            for k in range(ROW):
                sums[k] += mine[i, k]
        for k in range(ROW):
            sums[k] /= size
        for i in range(size):
            for k in range(ROW):
                off = mine[i, k] - sums[k]
                squares[k] += off * off
        for k in range(means.shape[1]):
            means[team, k], within[team, k] = sums[k], squares[k] / size


class Records(Stateful):
    """What a run leaves: a row a round, and events.

    Attributes
    ----------
    rows
        The rows as mappings, made when they are asked for.
    events
        What happened.
    """

    STATE: ClassVar = {
        "rows": Rows,
        "events": EventLog,
        "_formed": dict[str, float] | None,
        "_passed": set[str],
    }
    MADE: ClassVar = frozenset({"detail", "mixture", "spec", "_measures", "_numbers"})

    def __init__(self, mixture: Mixture, identity: str, detail: bool) -> None:
        self.detail = detail
        self.mixture = mixture
        self.spec = mixture.centers[mixture.index(identity)]
        self._measures = {n: one for n, one in OWN.items() if detail or n not in DETAIL}
        names = list(columns(mixture.names, detail))
        self._numbers = itemgetter(*names[len(LABELS) :])
        self.rows = Rows(names)
        self.events = EventLog()
        self._formed: dict[str, float] | None = None
        self._passed: set[str] = set()

    def add_row(self, model: Any) -> None:
        """Record the round of a model after all its changes."""
        now, population, turn = model.latest, model.population, model.latest.turn
        row: dict[str, Any] = {
            "round": turn.round,
            "phase": turn.name,
            "phase_round": turn.place,
            "date": turn.date,
        }
        if self.detail:
            now.authors = self._authors(population)
            row |= _spreads(population) | self._responsibilities(now.authors)
        row |= {name: one.of(model) for name, one in self._measures.items()}
        row |= zip(NAMES, now.survey.expressed.tolist(), strict=True)
        row |= dict.fromkeys(added(), np.nan)  # plug-ins may look at the row
        self.rows.append(row, self._numbers(row))
        self._first_passages(turn, row)
        for name, one in added().items():
            self.rows.amend(name, one.checked(model))

    def rounds(self) -> pd.DataFrame:
        """Tidy table, one row a round; columns as in `columns`."""
        return self.rows.frame()

    def _authors(self, population: Population) -> tuple[Floats, Floats]:
        """Density of some copies, and the share of each archetype in them."""
        return posterior(self.mixture.log_joint(population.latent[sampled(len(population))]))

    def _responsibilities(self, authors: tuple[Floats, Floats]) -> dict[str, float]:
        mean = authors[1].mean(axis=0)
        return {f"like_{n}": float(r) for n, r in zip(self.mixture.names, mean, strict=True)}

    def _first_passages(self, turn: Turn, row: Mapping[str, Any]) -> None:
        if turn.phase.summon and turn.place == turn.phase.rounds:
            self._formed = {p.measure: row[p.measure] for p in PASSAGES if p.relative}
        if turn.phase.summon or (self._formed is None and not turn.phase.training):
            return  # the identity whose fate is told is not formed yet
        for passage in PASSAGES:
            if passage.name in self._passed or (passage.relative and self._formed is None):
                continue
            base = self._formed[passage.measure] if passage.relative and self._formed else 1.0
            level, value = passage.level * base, row[passage.measure]
            if value > level if passage.above else value < level:
                self._passed.add(passage.name)
                self.events.add(turn, "passage", passage.name, value=value)


def _spreads(population: Population) -> dict[str, float]:
    values = np.ascontiguousarray(population.expressed[sampled(len(population))].T)
    quantiles = np.quantile(values, QUANTILES, axis=1, overwrite_input=True).tolist()
    fixed = {f"_fst_{name}": f.tolist() for name, f in fixation_index(population).items()}
    row: dict[str, float] = {}
    for i, name in enumerate(NAMES):
        for k, suffix in enumerate(_QUANTILE_SUFFIXES):
            row[name + suffix] = quantiles[k][i]
        for suffix, among in fixed.items():
            row[name + suffix] = among[i]
    return row
