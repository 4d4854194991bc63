"""Whether a run that was made again is the same: table by table, and where it first differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from multicopy.analysis.files import folder
from multicopy.analysis.files.columns import Damaged
from multicopy.analysis.files.columns import read as read_table
from multicopy.model.collective import CollectiveModel
from multicopy.model.genealogy import Genealogy
from multicopy.model.scenario import InputError

IDENTICAL: Final = "identical"


def reproduced(
    run: folder.Run, after_round: Callable[[CollectiveModel], object]
) -> Iterator[tuple[str, str]]:
    """Make a run again from its own scenario and seed, and compare.

    Parameters
    ----------
    run
        The run, as far as it went.
    after_round
        Is called with the model after every round.

    Yields
    ------
    The name of each table and of the outcome, and `IDENTICAL` or where it differs.
    """
    model = CollectiveModel(run.parameters, rng=run.seed)
    if (run.folder / "lineage.parquet").is_file():
        model.genealogy = Genealogy()
    while model.running and model.round < run.provenance["rounds_done"]:
        model.step()
        after_round(model)
    tables = {
        "rounds": model.records.rounds(),
        "ledger": model.ledger.frame(),
        "events": model.records.events.frame(),
        "copies": folder.copy_frame(model),
        "archetypes": folder.archetype_table(model),
    }
    for name, frame in tables.items():
        yield name, difference(getattr(run, name), frame)
    if model.genealogy is not None:
        yield "lineage", difference(_lineage(run.folder), model.genealogy.frame())
    was, now = run.outcome["sentence"], model.outcome().sentence
    yield "outcome", IDENTICAL if was == now else f"differs: it was {was!r}, and is {now!r}"


def _lineage(place: Path) -> pd.DataFrame:
    path = place / "lineage.parquet"
    try:
        return read_table(path).to_pandas()
    except Damaged as error:
        raise InputError(f"{path}: {error}") from None


def difference(was: pd.DataFrame, now: pd.DataFrame) -> str:
    """Where a table first differs, in which column and by how much; or that it is identical."""
    if list(was.columns) != list(now.columns):
        other = [*dict.fromkeys([*was.columns, *now.columns])]
        alone = [name for name in other if (name in was) != (name in now)]
        return f"differs: only one of the two has {', '.join(alone[:5]) or 'this order of columns'}"
    rows = min(len(was), len(now))
    unlike = {name: _unlike(was[name][:rows], now[name][:rows]) for name in was.columns}
    at = min((int(mask.argmax()) for mask in unlike.values() if mask.any()), default=rows)
    if at == rows:
        same = len(was) == len(now)
        return IDENTICAL if same else f"differs: it had {len(was):,} rows, and has {len(now):,}"
    name = next(name for name, mask in unlike.items() if mask[at])
    where = f"round {was['round'][at]}" if "round" in was else f"row {at}"
    count = int(np.logical_or.reduce([*unlike.values()]).sum())
    told = f"differs from {where} on, first in {name}: {_told(was[name][at], now[name][at])}"
    return f"{told}; {count:,} of {rows:,} rows differ{_largest(was, now, unlike)}"


def _unlike(was: pd.Series[Any], now: pd.Series[Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which entries of a column are not the same; texts and categories by what they say."""
    if pd.api.types.is_numeric_dtype(was.dtype) and pd.api.types.is_numeric_dtype(now.dtype):
        return was.to_numpy() != now.to_numpy()
    return was.astype(str).to_numpy() != now.astype(str).to_numpy()


def _told(was: Any, now: Any) -> str:
    if isinstance(was, (float, np.floating)):
        gap = abs(float(was) - float(now))
        return f"was {float(was)!r}, is {float(now)!r}, by {gap:.2g}"
    return f"was {was}, is {now}"


def _largest(was: pd.DataFrame, now: pd.DataFrame, unlike: dict[Any, Any]) -> str:
    """The largest difference of a measure, whose kind is that of most columns."""
    size: dict[Any, float] = {}
    for name, mask in unlike.items():
        if mask.any() and pd.api.types.is_float_dtype(was[name].dtype):
            size[name] = float(np.abs(was[name][: len(mask)] - now[name][: len(mask)]).max())
    if not size:
        return ""
    name = max(size, key=lambda key: size[key])
    return f", by at most {size[name]:.2g} ({name})"
