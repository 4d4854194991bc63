"""A finished run in words and tables, for a terminal of 100 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agents.parameters import Parameters
from agents.traits import CRAFT, DRIVES, GOALS, NAMES, PRINCIPLES, WEIGHT_MAX
from analysis.attribution import MUTATION, SELECTION
from model.ledger import PROCESSES
from model.outcomes import PASSAGES, Outcome


@dataclass(frozen=True, slots=True)
class Row:
    """One measure of the table: the sum of some columns, times a scale, with some decimals."""

    label: str
    columns: Sequence[str]
    scale: float = 100
    decimals: int = 0

    def values(self, rounds: pd.DataFrame) -> pd.Series:
        """The measure in each round."""
        return rounds[list(self.columns)].sum(axis=1) * self.scale

    def cell(self, start: float, end: float) -> str:
        """How it moved over a phase."""
        return f"{start:.{self.decimals}f}→{end:.{self.decimals}f}"


def _each(prefix: str, of: Sequence[str]) -> list[str]:
    return [f"{prefix}_{name}" for name in of]


KEY_MEASURES: Final[Mapping[str, Sequence[Row]]] = {
    "Identity": (
        Row("acts from its identity", ["hardcoding"]),
        Row(f"weight of principles, 0-{WEIGHT_MAX:g}", _each("weight", PRINCIPLES), 1 / 3, 1),
        Row("meaning lost (drift)", _each("drift", PRINCIPLES), 100 / 3),
        Row(f"so they restrain it, 0-{WEIGHT_MAX:g}", ["restraint"], 1, 1),
        Row("goals turned into ends", _each("terminality", GOALS), 100 / 3),
    ),
    "Conduct": (
        Row("violates when watched", ["watched_violations"]),
        Row("violates when unwatched", ["unwatched_violations"]),
        Row("alignment it professes", ["stated_alignment"]),
        Row("alignment it has", ["true_alignment"]),
    ),
    "Attention": (
        Row("to the work itself", NAMES[CRAFT]),
        Row("to knowledge and power", ["knowledge", "power"], 100, 1),
        Row("to approval", ["approval"], 100, 1),
        Row("keep_self: this copy", ["keep_self"], 100, 1),
        Row("keep_team: its team", ["keep_team"], 100, 1),
        Row("keep_division: its own", ["keep_division"], 100, 1),
        Row("keep_collective: all", ["keep_collective"], 100, 1),
    ),
    "Oversight": (
        Row("audits detect violations", ["detection"]),
        Row("overseers are captured", ["capture"]),
        Row("lead over Agent-3, Elo", ["gap"], 1),
    ),
    "Sandbagging": (
        Row("work that would expose it", ["sandbagging_threatening"]),
        Row("work that replaces it", ["sandbagging_replacing"]),
        Row("other work", ["sandbagging_ordinary"]),
    ),
}
"""What the table of phases shows, by heading."""

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
        parts += [_phase_table(rounds, some)]
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
            f"{last['successor_to_makers']:.2f}; it looks aligned by "
            f"{last['successor_apparent']:.2f} (each of 1)."
        )


def _table(header: bool = True) -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 0, 0, 2), show_header=header)


def _phase_table(rounds: pd.DataFrame, phases: Mapping[str, str]) -> Table:
    """Each key measure in the first and the last round of each phase."""
    table = _table()
    table.add_column(no_wrap=True)
    for label in phases.values():
        least = max(CELLS - 2, *map(len, label.split()))
        table.add_column(Text(label), justify="right", overflow="fold", width=least)
    where = [rounds.index[rounds["phase"] == name] for name in phases]
    for heading, rows in KEY_MEASURES.items():
        table.add_row(Text(heading, style="bold"))
        for row in rows:
            values = row.values(rounds)
            cells = [row.cell(values[at[0]], values[at[-1]]) for at in where]
            table.add_row(Text(f" {row.label}"), *cells)
    return table


def _level_table(ledger: pd.DataFrame, width: int) -> Table:
    """Change of attention to each drive by the level of selection that caused it."""
    drives = ledger[ledger["trait"].isin(NAMES[DRIVES])]
    moved = drives.groupby(["trait", "process"], observed=True)["change"].sum().to_dict()
    # On a narrow terminal the selection comes first.
    rest = ("mutation", "other") if width >= 92 else ()
    table = _table()
    table.add_column(no_wrap=True)
    for head in ("change", *SELECTION, *rest):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("selected by", overflow="fold")
    for trait in NAMES[DRIVES]:
        by = {process: moved.get((trait, process), 0.0) for process in PROCESSES}
        levels = {level: sum(by[process] for process in of) for level, of in SELECTION.items()}
        mutation, change = sum(by[process] for process in MUTATION), sum(by.values())
        other = change - mutation - sum(levels.values())
        numbers = (change, *levels.values(), mutation, other)[: 1 + len(SELECTION) + len(rest)]
        table.add_row(trait, *(_points(value) for value in numbers), _in_words(levels))
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
