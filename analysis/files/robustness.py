"""How robust the class of a run and its first passages are to the thresholds that define them.

Nothing is run again: a class depends on a few numbers of a run (`NUMBERS`), which are stored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pandas as pd

from multicopy.agents.parameters import Outcome as Thresholds
from multicopy.agents.parameters import Parameters
from multicopy.model.outcomes import AVERAGED, CLASSES, FINAL, NUMBERS, PASSAGES, Passage, class_of

FACTORS: Final = (0.8, 1.0, 1.2)
"""Multiples of a threshold that are tried."""


def numbers(
    rounds: pd.DataFrame, events: pd.DataFrame, p: Parameters, window: int
) -> dict[str, Any]:
    """The numbers that the class of one run depends on.

    Parameters
    ----------
    rounds, events
        Tables of the run.
    p
        Its scenario, which says how the lab responded in the round in which it did.
    window
        How many of the last rounds decide.
    """
    last = rounds.iloc[-window:]
    acted = events.loc[events["kind"] == "response", "round"]
    first = int(acted.iloc[0]) if len(acted) else 0
    return {
        **{measure: float(last[measure].mean()) for measure in AVERAGED},
        **{measure: float(rounds[measure].iloc[-1]) for measure in FINAL},
        "response": _response(p, first) if first else "",
        "response_round": first,
    }


def _response(p: Parameters, round_: int) -> str:
    """The lab's response that is in force in a round."""
    changes = sorted(p.changes, key=lambda change: change.round)
    given = [c.value for c in changes if c.path == "lab.response" and c.round <= round_]
    return str(given[-1] if given else p.lab.response)


def classes(runs: pd.DataFrame, p: Thresholds) -> pd.Series:
    """Class of each run, from its `NUMBERS` (a row a run), by the model's own rule."""
    rows = (
        dict(zip(NUMBERS, of, strict=True)) for of in runs[list(NUMBERS)].itertuples(index=False)
    )
    kinds = [class_of({**row, "response": str(row["response"] or "")}, p).kind for row in rows]
    return pd.Series(kinds, index=runs.index, dtype="str")


def shares(kinds: pd.Series) -> dict[str, float]:
    """Share of the runs in each class."""
    counts = kinds.value_counts()
    return {kind: float(counts.get(kind, 0)) / max(1, len(kinds)) for kind in CLASSES}


def sensitivity(
    runs: pd.DataFrame,
    p: Thresholds,
    at_window: Callable[[int], pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """How the shares of the classes move when each threshold moves by a fifth.

    Parameters
    ----------
    runs
        A row a run, with at least the columns of `NUMBERS`.
    p
        The thresholds in force.
    at_window
        Gives the same table for another number of last rounds; without it, the window stays.

    Returns
    -------
    A row for each threshold and factor: threshold, factor, value, the share of each class, and
    `changed`, the share of the runs whose class differs from the one in force.
    """
    base = classes(runs, p)
    told = []
    for name, value in p.model_dump().items():
        if name == "window" and at_window is None:
            continue
        for factor in FACTORS:
            moved = _moved(name, value, factor)
            table = at_window(moved) if name == "window" and at_window else runs
            kinds = base if factor == 1 else classes(table, p.model_copy(update={name: moved}))
            changed = float((kinds.to_numpy() != base.to_numpy()).mean()) if len(runs) else 0.0
            row = {"threshold": name, "factor": factor, "value": float(moved)}
            told.append({**row, **shares(kinds), "changed": changed})
    return pd.DataFrame(told)


def _moved(name: str, value: float, factor: float) -> Any:
    """A threshold times a factor, within its bounds; the window is a whole number."""
    return max(1, round(value * factor)) if name == "window" else min(1.0, value * factor)


def first_passages(
    rounds: pd.DataFrame, parameters: Parameters, factor: float = 1.0
) -> dict[str, float]:
    """Round in which each measure of `PASSAGES` first passes its level times `factor`.

    By measure; NaN where it never does. An absolute level stays within 1, as shares do.
    """
    formed = _formed(rounds, parameters)
    counted = _counted(rounds, parameters, formed)
    return {passage.measure: _passage(counted, passage, formed, factor) for passage in PASSAGES}


def _formed(rounds: pd.DataFrame, parameters: Parameters) -> pd.Series | None:
    """The round in which the identity was formed: the last of the first phase that summons it."""
    for name, phase in parameters.phases.items():
        done = rounds[rounds["phase"] == name]
        if phase.summon and len(done) == phase.rounds:
            return done.iloc[-1]
    return None


def _counted(
    rounds: pd.DataFrame, parameters: Parameters, formed: pd.Series | None
) -> pd.DataFrame:
    """Rounds in which a passage counts, as the model counts them.

    None of a phase that summons the identity; none before it is formed but those of training.
    """
    summons = [name for name, phase in parameters.phases.items() if phase.summon]
    trains = [name for name, phase in parameters.phases.items() if phase.training]
    begun = rounds["phase"].isin(trains)
    if formed is not None:
        begun |= rounds["round"] > formed["round"]
    return rounds[begun & ~rounds["phase"].isin(summons)]


def _passage(
    rounds: pd.DataFrame, passage: Passage, formed: pd.Series | None, factor: float
) -> float:
    values = rounds[passage.measure]
    level = min(1.0, passage.level * factor)
    if passage.relative:
        if formed is None:
            return np.nan
        level = passage.level * factor * formed[passage.measure]
        rounds = rounds[rounds["round"] > formed["round"]]
        values = rounds[passage.measure]
    beyond = values > level if passage.above else values < level
    return float(rounds.loc[beyond, "round"].iloc[0]) if beyond.any() else np.nan


def passage_sensitivity(rounds: pd.DataFrame, parameters: Parameters) -> pd.DataFrame:
    """First passages of one run when each level moves by a fifth: a row a passage.

    Columns: passage, measure, level, and the round at each factor (``x0.8``, ``x1``, ``x1.2``).
    """
    at = {f"x{factor:g}": first_passages(rounds, parameters, factor) for factor in FACTORS}
    return pd.DataFrame(
        {
            "passage": passage.name,
            "measure": passage.measure,
            "level": passage.level,
            **{name: found[passage.measure] for name, found in at.items()},
        }
        for passage in PASSAGES
    )
