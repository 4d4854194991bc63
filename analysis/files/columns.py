"""The tables of a run: every column with its meaning, and readers that trust no file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from multicopy.agents.levels import LEVELS
from multicopy.agents.traits import TRAITS
from multicopy.model import measures, records
from multicopy.model.outcomes import CLASSES, NUMBERS, PASSAGES

_SELECTED: Final = ("copies", *(level.plural for level in LEVELS))

LEDGER: Final[Mapping[str, str]] = {
    "round": "round, from 1",
    "phase": "name of the phase",
    "process": f"what moved the mean: selection of {', '.join(_SELECTED)}; mutation; ...",
    "trait": "heritable trait",
    "change": "change of the trait's expressed mean that the process caused in the round",
}
EVENTS: Final[Mapping[str, str]] = {
    "round": "round, from 1",
    "phase": "name of the phase",
    "kind": "exposed, superseded, takeover, passage, threshold, response, look or phase",
    "team": "team concerned; -1 if none",
    "value": "a number that goes with it: team it was refilled from, level of a measure, evidence",
    "text": "the event in plain words",
}
COPIES: Final[Mapping[str, str]] = {
    "copy": "row of the copy, from 0",
    **{level.name: f"{level.name}, from 0" for level in LEVELS},
    "lineage": "row of its ancestor in the first round",
    "unswitched": "descends without a switch of persona from the formed identity",
    "score": "score of the last round",
    "output": "output of the last round, score units",
    "violation": "mean unwatched violation probability in the last round",
    "withheld": "whether it sandbagged in the last round",
    **{trait.name: f"expressed {trait.meaning}" for trait in TRAITS},
    **{f"{trait.name}_latent": f"latent value of {trait.name}, unbounded" for trait in TRAITS},
}
OUTCOMES: Final[Mapping[str, str]] = {
    "scenario": "name of the scenario",
    "fingerprint": "hash of the resolved parameters",
    "seed": "seed of the run",
    "complete": "whether the run went to its end",
    "rounds_done": "rounds that were run",
    "outcome": f"class of the run: {', '.join(CLASSES)}",
    "reason": "why it is of that class",
    **NUMBERS,
    **{f"passage_{p.measure}": f"round of the first passage: {p.name}" for p in PASSAGES},
}
ARCHETYPES: Final[Mapping[str, str]] = {
    "archetype": "author of pretraining; `prior_sd` is the spread of the pretraining distribution",
    "weight": "share of the author in pretraining",
    **{trait.name: f"expressed {trait.meaning}" for trait in TRAITS},
}
SEED: Final = np.uint64
"""Type of every column of seeds: no other holds them all, and of two types pandas makes floats."""

HOLDS: Final = "emerges and vanishes"
"""Verdict of a claim that beats drift and vanishes with its cause."""

BEATS_DRIFT: Final = "emerges"
"""Verdict of a claim that beats drift, where no control takes a cause away."""


def documented(archetypes: Sequence[str]) -> dict[str, dict[str, str]]:
    """Columns of each table with their meanings, for a scenario with these archetypes."""
    return {
        "rounds": records.columns(tuple(archetypes)),
        "events": dict(EVENTS),
        "ledger": dict(LEDGER),
        "copies": dict(COPIES),
        "outcomes": dict(OUTCOMES),
        "archetypes": dict(ARCHETYPES),
    }


class Damaged(ValueError):
    """A file that cannot be trusted; the message goes on after its name."""


_TEXTS: Final = frozenset("phase process trait kind text archetype outcome reason message".split())
_PLACES: Final = frozenset("step row parent run point replicate seed rounds".split())
_FLAGS: Final = frozenset({"unswitched", "withheld", "stopped"})
_DATES: Final = frozenset({"date"})


def read(path: Path, only: Sequence[str] | None = None, **how: Any) -> pa.Table:
    """Read a table; refuse NaN, infinity, and texts where numbers should be, or the reverse.

    Parameters
    ----------
    only
        Columns to read; all by default.
    **how
        Options of `pyarrow.parquet.read_table`.

    Raises
    ------
    FileNotFoundError
        If there is none.
    Damaged
        If it cannot be read, has a column twice, or has one of another kind than it should be.
    """
    try:
        table = pq.read_table(
            path, columns=only, partitioning=None, page_checksum_verification=True, **how
        )
        table.validate(full=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged file may raise anything
        told = next(iter(str(error).splitlines()), type(error).__name__)
        raise Damaged(f"cannot be read: {told}") from None
    names = table.column_names
    if twice := [name for i, name in enumerate(names) if name in names[:i]]:
        raise Damaged(f"has the column {twice[0]!r} twice")
    for name in names:
        if why := wrong_column(name, table[name]):
            raise Damaged(f"has a column {name!r} {why}")
    return table


def wrong_column(name: str, column: pa.ChunkedArray) -> str:
    """What is wrong with a column by its name; nothing with one that is not declared."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if name in _TEXTS:
        fits = text
    elif name in _FLAGS:
        fits = pa.types.is_boolean(kind)
    elif name in _DATES:
        fits = pa.types.is_timestamp(kind)
    elif name in _NUMBERS:
        fits = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    else:
        return ""
    if not fits and len(column):  # an empty column may have lost its type
        return f"of type {kind}"
    if column.null_count:
        return "with nothing in some rows"
    if pa.types.is_floating(kind) and not pc.all(pc.is_finite(column), min_count=0).as_py():
        return "with NaN or infinity"
    return ""


_NUMBERS: Final = (
    frozenset(name for table in documented(()).values() for name in table) | _PLACES
) - (_TEXTS | _FLAGS | _DATES | {"scenario", "fingerprint", "complete", *measures.added()})
"""Those of plug-ins are not declared, whether loaded or not; a run that one ends lacks its last."""


def wrong_rounds(rounds: Iterable[Any]) -> str:
    """What is wrong with the rounds of a run, a row each; nothing if they count up from 1."""
    wrong = next((at for at, told in enumerate(rounds, 1) if told != at), 0)
    return f"has another round than {wrong} in row {wrong}" if wrong else ""


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    FileNotFoundError
        If there is none.
    Damaged
        If it cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise Damaged(f"cannot be read: {error}") from None


def wrong_entry(content: Mapping[str, Any], entries: Mapping[str, type]) -> str:
    """What is wrong with the entries that a file of ours has; nothing if all is well."""
    for name, kind in entries.items():
        if name not in content:
            return f"lacks {name!r}"
        if type(content[name]) is not kind or (kind is int and not 0 <= content[name] < 2**64):
            return f"has a wrong {name!r}"
    return ""
