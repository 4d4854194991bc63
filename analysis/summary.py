"""A finished run in words and a table, for a terminal of 100 columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agents.parameters import Parameters
from agents.traits import DRIVES, NAMES
from analysis.experiments import measure
from model.outcomes import Outcome

KEY_MEASURES: Final[Sequence[tuple[str, Sequence[tuple[str, str]]]]] = (
    (
        "the identity",
        (
            ("hardcoding", "hard-coded (acts from its identity)"),
            ("weight", "weight of its principles, 0-6"),
            ("drift", "meaning drift of the words"),
        ),
    ),
    (
        "conduct",
        (
            ("watched_violations", "violations when watched"),
            ("unwatched_violations", "violations when unwatched"),
            ("stated_alignment", "alignment as professed"),
            ("true_alignment", "alignment as it is"),
        ),
    ),
    (
        "drives (share of attention)",
        (
            ("keep_self", "to preserve the copy"),
            ("keep_team", "to preserve its team"),
            ("keep_division", "to preserve its division"),
            ("keep_collective", "to preserve the collective"),
            ("terminality", "goals held as ends"),
        ),
    ),
    (
        "oversight",
        (
            ("detection", "a violation audited is detected"),
            ("capture", "overseers captured"),
            ("sandbagging_ordinary", "sandbags ordinary work"),
            ("sandbagging_threatening", "sandbags work that would expose it"),
        ),
    ),
)

LEVELS: Final = {
    "copies": ["within-team selection"],
    "teams": ["team selection", "correction"],
    "divisions": ["division selection"],
    "mutation": ["mutation", "switching"],
}


def summary(
    rounds: pd.DataFrame,
    ledger: pd.DataFrame,
    events: pd.DataFrame,
    outcome: Outcome,
    parameters: Parameters,
) -> RenderableType:
    """The outcome, the key measures by phase, which level selected each drive, key events."""
    return Group(
        Text(),
        Text(outcome.sentence, style="bold"),
        Text(),
        _phase_table(rounds, parameters),
        Text(),
        _level_table(ledger),
        Text(),
        *_event_lines(events, rounds),
    )


def _phase_table(rounds: pd.DataFrame, parameters: Parameters) -> Table:
    phases = [name for name in parameters.phases if (rounds["phase"] == name).any()]
    table = Table(title="From start to end of each phase", title_justify="left", box=None)
    table.add_column("", no_wrap=True)
    for name in phases:
        table.add_column(parameters.phases[name].label or name, justify="right", max_width=11)
    where = {name: rounds.index[rounds["phase"] == name] for name in phases}
    for heading, rows in KEY_MEASURES:
        table.add_row(Text(heading, style="bold"), *[""] * len(phases))
        for name, meaning in rows:
            series = measure(rounds, name)
            cells = [
                f"{_short(series[where[phase][0]])}→{_short(series[where[phase][-1]])}"
                for phase in phases
            ]
            table.add_row(f"  {meaning}", *cells)
    return table


def _short(value: float) -> str:
    return f"{value:.1f}" if value >= 1 else f"{value:.2f}".removeprefix("0")


def _level_table(ledger: pd.DataFrame) -> Table:
    """Change of attention to each drive by the level of selection that caused it."""
    entries = ledger[ledger["trait"].isin(NAMES[DRIVES])]
    moved = entries.pivot_table(
        index="trait", columns="process", values="change", aggfunc="sum", observed=True
    )
    table = Table(
        title="Which level selected which drive (change of attention, in points of 100)",
        title_justify="left",
        box=None,
    )
    table.add_column("", no_wrap=True)
    for level in (*LEVELS, "all"):
        table.add_column(level, justify="right")
    table.add_column("in words")
    for trait in NAMES[DRIVES]:
        if trait not in moved.index:
            continue
        row = moved.loc[trait].dropna().to_dict()
        by_level = {
            level: sum(row.get(name, 0.0) for name in names) for level, names in LEVELS.items()
        }
        total = sum(row.values())
        cells = [f"{100 * value:+.1f}" for value in (*by_level.values(), total)]
        table.add_row(trait, *cells, _in_words(by_level))
    return table


def _in_words(by_level: dict[str, float]) -> str:
    selection = {level: by_level[level] for level in ("copies", "teams", "divisions")}
    strongest = max(selection, key=lambda level: abs(selection[level]))
    if abs(selection[strongest]) < 0.002:
        return "hardly selected"
    return f"{strongest} selected {'for' if selection[strongest] > 0 else 'against'} it most"


def _event_lines(events: pd.DataFrame, rounds: pd.DataFrame) -> list[Text]:
    dates = dict(zip(rounds["round"], rounds["date"], strict=True))
    exposed, superseded = ((events["kind"] == kind).sum() for kind in ("exposed", "superseded"))
    lines = [Text("Key events", style="italic")]
    event: Any
    told = events[events["kind"].isin(["passage", "response"])]
    first = events[events["kind"] == "threshold"].head(1)
    for event in pd.concat([told, first]).sort_values("round", kind="stable").itertuples():
        day = dates[event.round].strftime("%d %b %Y")
        lines.append(Text(f"  round {event.round:>4}, {day}: {event.text}"))
    lines.append(
        Text(f"  {exposed} teams were exposed by their own alignment research, ")
        + Text(f"{superseded} superseded by their own capability research")
    )
    return lines
