"""A finished run in words and tables, for a terminal of 100 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from multicopy.agents.parameters import Parameters
from multicopy.agents.traits import DRIVES, NAMES, WEIGHT_MAX
from multicopy.model.ledger import PROCESSES, SELECTED, VARIED
from multicopy.model.measures import in_rounds, label, unit
from multicopy.model.outcomes import PASSAGES, Outcome

KEY_MEASURES: Final[Mapping[str, Mapping[str, int]]] = {
    "Identity": {"hardcoding": 0, "weight": 1, "drift": 0, "restraint": 1, "terminality": 0},
    "Conduct": {
        "watched_violations": 0,
        "unwatched_violations": 0,
        "stated_alignment": 0,
        "true_alignment": 0,
    },
    "Attention": {
        "craft": 0,
        "knowledge": 1,
        "power": 1,
        "approval": 1,
        "keep_self": 1,
        "keep_team": 1,
        "keep_division": 1,
        "keep_collective": 1,
    },
    "Oversight": {"detection": 0, "capture": 0, "gap": 0},
    "Sandbagging": {
        "sandbagging_threatening": 0,
        "sandbagging_replacing": 0,
        "sandbagging_ordinary": 0,
    },
}
"""Decimals of each measure that the table of phases shows, by heading."""

UNITS: Final[Mapping[str, str]] = {"weight": f", 0-{WEIGHT_MAX:g}", "Elo": ", Elo"}
"""What stands behind labels of measures that are not shown in percent, by their units."""

LEVEL_NOTE: Final = (
    "Realized changes, chance included. Teams: contests, and the correction of exposed teams. "
    "Other: concepts summoned, copies exchanged, weights put back."
)
SLIGHT: Final = 0.002
"""Change of attention that is not worth a word."""

LABELS, CELLS = 27, 12
"""Columns that labels and each phase take in the table of phases."""


def summary(
    rounds: pd.DataFrame,
    ledger: pd.DataFrame,
    events: pd.DataFrame,
    outcome: Outcome,
    parameters: Parameters,
    width: int = 100,
) -> RenderableType:
    """The outcome, the key measures by phase, which level selected each drive, key events."""
    abreast = max(1, (width - LABELS) // CELLS)
    present = set(rounds["phase"])
    phases = {name: p.label or name for name, p in parameters.phases.items() if name in present}
    parts: list[RenderableType] = [Text(), Text(outcome.sentence, style="bold")]
    parts += [Text(line) for line in _successor(rounds)]
    parts += _heading("From the start to the end of each phase, in percent where no unit is named")
    for first in range(0, len(phases), abreast):
        some = dict(list(phases.items())[first : first + abreast])
        parts += [_phase_table(rounds, some, parameters)]
    if ledger["trait"].isin(NAMES[DRIVES]).any():
        parts += _heading("Which level selected which drive: change of attention, in points of 100")
        parts += [_level_table(ledger, width), Text(LEVEL_NOTE)]
    return Group(*parts, *_heading("Key events"), _event_table(events, rounds, phases))


def _heading(text: str) -> list[RenderableType]:
    return [Text(), Text(text, style="italic")]


def _successor(rounds: pd.DataFrame) -> Iterator[str]:
    last = rounds.iloc[-1]
    if last["successor_apparent"] > 0:
        yield (
            f"Its successor: likeness to the Spec {last['successor_to_spec']:.2f}, to its makers "
            f"{last['successor_to_makers']:.2f}; apparent alignment "
            f"{last['successor_apparent']:.2f} (each from 0 to 1)."
        )


def _table(header: bool = True) -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 0, 0, 2), show_header=header)


def labeled(measure: str) -> str:
    """A measure with its unit where it is not shown in percent."""
    return label(measure) + UNITS.get(unit(measure), "")


def _phase_table(rounds: pd.DataFrame, phases: Mapping[str, str], p: Parameters) -> Table:
    """Each key measure in the first and the last round of each phase."""
    table = _table()
    table.add_column(no_wrap=True)
    for name in phases.values():
        least = max(CELLS - 2, *map(len, name.split()))
        table.add_column(Text(name), justify="right", overflow="fold", width=least)
    where = [rounds.index[rounds["phase"] == name] for name in phases]
    for heading, measures in KEY_MEASURES.items():
        table.add_row(Text(heading, style="bold"))
        for measure, digits in measures.items():
            scale = 1 if unit(measure) in UNITS else 100
            values = scale * in_rounds(rounds, measure, p)
            moves = [(values[at[0]], values[at[-1]]) for at in where]
            cells = [f"{start:.{digits}f}→{end:.{digits}f}" for start, end in moves]
            table.add_row(Text(f" {labeled(measure)}"), *cells)
    return table


def _level_table(ledger: pd.DataFrame, width: int) -> Table:
    """Change of attention to each drive by the level of selection that caused it."""
    drives = ledger[ledger["trait"].isin(NAMES[DRIVES])]
    moved = drives.groupby(["trait", "process"], observed=True)["change"].sum().to_dict()
    # On a narrow terminal the selection comes first.
    rest = ("mutation", "other") if width >= 92 else ()
    table = _table()
    table.add_column(no_wrap=True)
    for head in ("change", *SELECTED, *rest):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("selected by", overflow="fold")
    for trait in NAMES[DRIVES]:
        by = {process: moved.get((trait, process), 0.0) for process in PROCESSES}
        levels = {level: sum(by[process] for process in of) for level, of in SELECTED.items()}
        mutation, change = sum(by[process] for process in VARIED), sum(by.values())
        other = change - mutation - sum(levels.values())
        numbers = (change, *levels.values(), mutation, other)[: 1 + len(SELECTED) + len(rest)]
        table.add_row(label(trait), *(_points(value) for value in numbers), _in_words(levels))
    return table


def _points(share: float) -> str:
    return f"{100 * share:+.1f}" if abs(share) >= 0.0005 else "0.0"


def _in_words(levels: Mapping[str, float]) -> str:
    """Which level raised a drive most, and which lowered it most."""
    highest, lowest = max(levels, key=lambda k: levels[k]), min(levels, key=lambda k: levels[k])
    words = [highest] if levels[highest] > SLIGHT else []
    words += [f"against {lowest}"] if levels[lowest] < -SLIGHT else []
    return ", ".join(words) or "hardly selected"


def _event_table(events: pd.DataFrame, rounds: pd.DataFrame, phases: Mapping[str, str]) -> Table:
    """When what first happened and how often; what never happened; who was exposed."""
    table = _table(header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(overflow="fold")
    dates = dict(zip(rounds["round"], rounds["date"], strict=True))
    told = events[events["kind"].isin(["passage", "threshold", "response", "look"])]
    event: Any
    for event in told.drop_duplicates("text").itertuples():
        count = int((told["text"] == event.text).sum())
        times = f" (the first of {count} times)" if count > 1 else ""
        day = dates[event.round].strftime("%d %b %Y")
        table.add_row(day, f"round {event.round}", Text(f"{event.text}{times}"))
    passed = set(told["text"])
    if never := [passage.name for passage in PASSAGES if passage.name not in passed]:
        table.add_row("never", "", Text("; ".join(never)))
    for kind, work in (("exposed", "alignment"), ("superseded", "capability")):
        found = events[events["kind"] == kind]
        counts = {name: int((found["phase"] == name).sum()) for name in phases}
        by = ", ".join(f"{phases[name]} {count:,}" for name, count in counts.items() if count)
        how = f"teams {kind} by their own {work} research" + (f": {by}" if by else "")
        table.add_row(f"{len(found):,} times", "", Text(how))
    return table
