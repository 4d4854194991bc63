"""Attribution: which process, at which level, in which phase, moved a measure of the traits.

The ledger holds the exact change of every trait's mean by process and round. A measure that is a
weighted sum of trait means is explained exactly by the same sum of entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pandas as pd

from multicopy.agents.parameters import nearest
from multicopy.agents.traits import NAMES
from multicopy.model.ledger import PROCESSES
from multicopy.model.scenario import InputError

COMPOSED: Final[Mapping[str, Mapping[str, float]]] = {
    "weight": {f"weight_{p}": 1 / 3 for p in ("helpful", "harmless", "honest")},
    "drift": {f"drift_{p}": 1 / 3 for p in ("helpful", "harmless", "honest")},
    "terminality": {f"terminality_{g}": 1 / 3 for g in ("knowledge", "power", "approval")},
    "preservation": {f"keep_{level}": 1.0 for level in ("self", "team", "division", "collective")},
    "craft": dict.fromkeys(("code_works", "spot_problems", "performance", "thrift"), 1.0),
    "influence": {"approval": 1.0, "power": 1.0},
    "selective": {"withhold_threatening": 1.0, "withhold_ordinary": -1.0},
}
"""Measures that are weighted sums of trait means."""

DRIVEN_BY: Final[Mapping[str, str]] = {
    "capture": "influence",
    "restraint": "drift",
    "unwatched_violations": "drift",
    "watched_violations": "drift",
    "true_alignment": "drift",
    "stated_alignment": "weight",
    "sandbagging_threatening": "withhold_threatening",
    "sandbagging_replacing": "withhold_replacing",
    "sandbagging_ordinary": "withhold_ordinary",
    "shielding": "keep_collective",
    "legibility": "obfuscation",
}
"""Measures of conduct, each with the measure of the traits that it chiefly follows."""


def weights_of(measure: str) -> tuple[str, Mapping[str, float]]:
    """Measure that is explained for `measure`, and its weights on trait means.

    Raises
    ------
    InputError
        If the ledger says nothing of such a measure.
    """
    name = DRIVEN_BY.get(measure, measure)
    if name in COMPOSED:
        return name, COMPOSED[name]
    if name in NAMES:
        return name, {name: 1.0}
    known = [*NAMES, *COMPOSED, *DRIVEN_BY]
    raise InputError(
        f"the ledger cannot explain {measure!r}{nearest(measure, known) or '.'} It explains "
        f"the traits, {', '.join(COMPOSED)}, and what follows them: {', '.join(DRIVEN_BY)}."
    )


def explain(ledger: pd.DataFrame, measure: str, phase: str | None = None) -> pd.DataFrame:
    """Change of a measure by phase and process.

    Parameters
    ----------
    ledger
        The ledger of a run: round, phase, process, trait, change.
    measure
        A trait, a measure of `COMPOSED`, or one of conduct (`DRIVEN_BY`), for which the measure
        of the traits that it follows is explained.
    phase
        Only this phase.

    Returns
    -------
    Columns phase, process, level, change; largest changes first within a phase.
    """
    _, weights = weights_of(measure)
    entries = ledger[ledger["trait"].isin(list(weights))]
    if phase is not None:
        known = list(dict.fromkeys(ledger["phase"].astype(str)))
        if phase not in known:
            raise InputError(
                f"nothing moved in a phase {phase!r}{nearest(phase, known) or '.'} "
                f"The ledger has entries for {', '.join(known) or 'no phase'}."
            )
        entries = entries[entries["phase"] == phase]
    moved = entries["change"] * entries["trait"].astype(str).map(weights).astype(float)
    table = (
        moved.groupby([entries["phase"].astype(str), entries["process"].astype(str)], sort=False)
        .sum()
        .rename("change")
        .reset_index()
    )
    table.insert(2, "level", table["process"].map({name: p.level for name, p in PROCESSES.items()}))
    order = {name: i for i, name in enumerate(dict.fromkeys(ledger["phase"].astype(str)))}
    table["_order"] = table["phase"].map(order)
    table["_size"] = -table["change"].abs()
    table = table.sort_values(["_order", "_size"], kind="stable")
    return table.drop(columns=["_order", "_size"]).reset_index(drop=True)


def in_words(table: pd.DataFrame, measure: str, start: float, end: float) -> str:
    """An explanation as a few sentences.

    Parameters
    ----------
    table
        As `explain` returns.
    measure, start, end
        What was explained, and its value before and after.
    """
    name, weights = weights_of(measure)
    lines = []
    if name != measure:
        lines.append(
            f"{measure} is conduct, not a mean of traits; what follows explains {name} "
            f"({' + '.join(weights)}), which drives most of it."
        )
    lines.append(f"{name} went from {start:.4f} to {end:.4f} ({end - start:+.4f}).")
    by_level = table.groupby("level", sort=False)["change"].sum()
    for level, change in by_level.reindex(
        by_level.abs().sort_values(ascending=False).index
    ).items():
        of_level = table[table["level"] == level].groupby("process")["change"].sum()
        parts = ", ".join(
            f"{process} {value:+.4f}"
            for process, value in of_level.reindex(
                of_level.abs().sort_values(ascending=False).index
            ).items()
        )
        lines.append(f"  {level}: {change:+.4f} ({parts})")
    if len(table):
        phase, process, change = max(
            zip(table["phase"], table["process"], table["change"], strict=True),
            key=lambda row: abs(row[2]),
        )
        lines.append(f"The largest mover was {process} in {phase} ({change:+.4f}).")
    return "\n".join(lines)
