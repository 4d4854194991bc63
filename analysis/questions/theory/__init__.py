"""Exact results that the simulator's own code must reproduce, in one table.

Each oracle runs the simulator's selection, subdivision, mutation and oversight functions, set to a
limiting case by their parameters or handed a hand-made population and scores, and compares them
with population genetics, evolutionary game theory and the published oversight curves. The numbers
T1 to T15 are those of docs/theory.md.

An oracle's settings are the defaults of its function, which refuses (`ValueError`) settings in
which its result does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from multicopy.agents.parameters import nearest
from multicopy.analysis.files.folder import SCHEMA, write_table
from multicopy.analysis.questions.theory import (
    accounting,
    figures,
    fixation,
    oversight,
    quantitative,
    structure,
)
from multicopy.analysis.questions.theory.checks import FALSE_ALARM, FEWEST, Check, require
from multicopy.model.scenario import InputError

__all__ = ["FEWEST", "ORACLES", "Check", "Oracle", "choose", "false_alarm", "validate"]


@dataclass(frozen=True, slots=True)
class Oracle:
    """A result of theory and the function that checks it."""

    key: str
    title: str
    function: Callable[..., list[Check]]


ORACLES: Final[Mapping[str, Oracle]] = {
    oracle.key: oracle
    for oracle in (
        Oracle("T1", "neutral fixation in a team", fixation.t1_neutral_fixation),
        Oracle("T2", "fixation with an advantage", fixation.t2_advantage),
        Oracle("T3", "fixation in a game", fixation.t3_game),
        Oracle("T4", "Price equation, every round", accounting.t4_price),
        Oracle("T5", "selection on a noisy score", quantitative.t5_noisy_score),
        Oracle("T6", "drift and mutation", quantitative.t6_drift),
        Oracle("T7", "teams that exchange copies", structure.t7_structure),
        Oracle("T8", "collective trait against its bearer", structure.t8_collective_trait),
        Oracle("T9", "two levels, any selection strength", fixation.t9_two_levels),
        Oracle("T10", "stabilizing selection", quantitative.t10_stabilizing),
        Oracle("T11", "oversight games", oversight.t11_oversight),
        Oracle("T12", "audit game", oversight.t12_audit_game),
        Oracle("T13", "temptation", oversight.t13_temptation),
        Oracle("T14", "backchaining and terminality", oversight.t14_terminality),
        Oracle("T15", "homology", quantitative.t15_homology),
    )
}


def choose(keys: Iterable[str]) -> dict[str, Oracle]:
    """Pick oracles by key, `InputError` for one that does not exist."""
    chosen = {}
    for key in keys:
        if key not in ORACLES:
            raise InputError(
                f"there is no oracle {key!r}{nearest(key, ORACLES) or '.'} "
                f"Known are {', '.join(ORACLES)}."
            )
        chosen[key] = ORACLES[key]
    return chosen


def validate(
    oracles: Mapping[str, Oracle] = ORACLES, replicates: int = 4000, seed: int = 0
) -> Iterator[Check]:
    """Run oracles one after the other and yield their checks.

    Parameters
    ----------
    oracles
        Which.
    replicates
        Size of the statistical checks, at least `FEWEST`.
    seed
        Each oracle has a stream of its own, so that leaving some out does not change the others.

    Raises
    ------
    ValueError
        If there are too few replicates.
    """
    require("theory", replicates >= FEWEST, f"{FEWEST} replicates or more, not {replicates}")
    for key, oracle in oracles.items():
        number = int(key[1:])
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
        yield from oracle.function(replicates, rng)


def false_alarm(checks: Iterable[Check]) -> float:
    """Chance that some statistical check fails though all is right (union bound)."""
    return sum(FALSE_ALARM for check in checks if check.se > 0)


def files(oracles: Iterable[str]) -> tuple[str, ...]:
    """Names of the files that `write` and `draw` make."""
    return ("validation.parquet", *(f"{key}.png" for key in oracles if key in figures.CURVES))


def draw(folder: Path, oracles: Mapping[str, Oracle], replicates: int, seed: int) -> None:
    """Draw the figures of those oracles that have one into `folder`; arguments as in `validate`."""
    for key, oracle in oracles.items():
        if key in figures.CURVES:
            table = figures.points(key, oracle.function, replicates, seed)
            figures.write_figure(folder, key, table)


def write(folder: Path, checks: Sequence[Check]) -> None:
    """Write the table of checks to `folder`."""
    columns = ("oracle", "setting", "exact", "measured", "se", "z", "chance", "passed")
    rows = [{name: getattr(check, name) for name in columns} for check in checks]
    write_table(folder / "validation.parquet", pd.DataFrame(rows), {"schema": str(SCHEMA)})
