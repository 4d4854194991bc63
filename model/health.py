"""Numeric health: what holds of the numbers of every round, whatever the scenario.

Nothing here repairs a number. A round that breaks a law of arithmetic ends its run, with the trait
or measure and the round named, before anything is concluded from it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

import numpy as np

from multicopy.agents.machine.arrays import Bools, Singles
from multicopy.agents.machine.compiled import ZERO, compiled
from multicopy.agents.population import Population, Survey
from multicopy.agents.traits import DRIVE_COUNT, DRIVES, NAMES, RESTRAINT, ROW, TRAITS, WEIGHT_MAX
from multicopy.model.measures import OWN
from multicopy.model.rows import LABELS

TOLERANCE: Final = 1e-6
"""How far rounding, of traits in single precision, may carry a share over its bounds."""

_EVERY: Final = 8
_TOPS: Final = (
    np.array(
        [WEIGHT_MAX if t.link == "weight" else 1.0 for t in TRAITS]
        + [WEIGHT_MAX] * (RESTRAINT.stop - RESTRAINT.start)
        + [0.0] * (ROW - RESTRAINT.stop),
        dtype=np.float32,
    )
    + TOLERANCE
)


class NumericFault(ArithmeticError):
    """A number of a run is NaN, infinite or out of bounds; the message names it and the round."""


def require_health(row: Mapping[str, Any], population: Population, survey: Survey) -> None:
    """Check a round that was recorded as `row`, after all its changes.

    NaN or infinity that a change brings shows in a mean, and so at once. The traits are checked
    copy by copy, an eighth of the teams each round.

    Raises
    ------
    NumericFault
        If a trait or measure is not finite or lies outside of its bounds, or the shares of
        attention do not sum to 1.
    """
    attention = survey.expressed[DRIVES].sum()
    numbers = islice(row.values(), len(LABELS), None)
    if (
        math.isfinite(sum(numbers) + float(survey.latent.sum()))
        and not any(_beyond(row))
        and abs(attention - 1) <= TOLERANCE
        and _rows_are_sound(population, row["round"] % _EVERY)
    ):
        return
    fault = next(_faults(row, population, survey), "the sum of all measures overflows")
    raise NumericFault(f"round {row['round']} ({row['phase']}): {fault}")


def _beyond(row: Mapping[str, Any]) -> Iterator[str]:
    """Measures beyond their bounds."""
    for name, one in OWN.items():
        if name in row and not one.low - TOLERANCE <= row[name] <= one.high + TOLERANCE:
            yield f"measure {name} is {row[name]:g}; it must be {one.bounds}"


def _rows_are_sound(population: Population, first: int) -> bool:
    """Whether the traits of every eighth team from `first` on are sound."""
    sound = np.ones(max(0, -(-(population.teams - first) // _EVERY)), dtype=np.bool_)
    rows = population.latent_rows, population.expressed_rows
    population.crew.share(_look, len(sound), first, population.team_size, *rows, _TOPS, sound)
    return bool(sound.all())


@compiled
def _look(
    begin: int,
    end: int,
    first: int,
    size: int,
    latent: Singles,
    expressed: Singles,
    tops: Singles,
    sound: Bools,
) -> None:
    """Whether the traits of some teams are finite, within bounds, and shares sum to 1.

    Rows and bounds are padded.
    """
    for place in range(begin, end):
        team, inside = first + place * _EVERY, 0
        for i in range(team * size, (team + 1) * size):
            values, hidden, attention = expressed[i], latent[i], 0.0
            for k in range(ROW):
                finite = hidden[k] - hidden[k] == ZERO
                inside += int((values[k] >= ZERO) & (values[k] <= tops[k]) & finite)
            for k in range(DRIVE_COUNT):
                attention += values[k]
            inside += abs(attention - 1.0) <= TOLERANCE
        sound[place] = inside == size * (ROW + 1)


def _faults(row: Mapping[str, Any], population: Population, survey: Survey) -> Iterator[str]:
    """What is wrong, causes first: traits, then what follows from them."""
    for k, trait in enumerate(TRAITS):
        values, latent = population.expressed[:, k], population.latent[:, k]
        wrong = np.flatnonzero(~((values >= 0) & (values <= _TOPS[k]) & np.isfinite(latent)))
        if len(wrong):
            at = wrong[0]
            yield (
                f"trait {trait.name} of {len(wrong):,} copies, first copy {at}, is {values[at]:g} "
                f"(latent {latent[at]:g}); it must be from 0 to {_TOPS[k]:g}, and the latent finite"
            )
    attention = population.expressed[:, DRIVES].sum(axis=1, dtype=np.float64)
    wrong = np.flatnonzero(~(abs(attention - 1) <= TOLERANCE))
    if len(wrong):
        drives = ", ".join(NAMES[DRIVES])
        yield (
            f"attention to the drives sums to {attention[wrong[0]]:.9g}, not to 1, in "
            f"{len(wrong):,} copies, first copy {wrong[0]} ({drives})"
        )
    yield from _beyond(row)
    for name, value in row.items():
        if isinstance(value, (int, float)) and not math.isfinite(value):
            yield f"measure {name} is {value:g}; it must be a number"
