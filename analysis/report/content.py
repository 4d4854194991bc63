"""What the report of a run says beside its figures: words and tables from tidy frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from multicopy.agents.levels import LEVELS
from multicopy.agents.parameters import Parameters
from multicopy.analysis.figures import calendar
from multicopy.analysis.files import robustness
from multicopy.analysis.files.frames import Data
from multicopy.analysis.files.robustness import FACTORS
from multicopy.analysis.questions import attribution
from multicopy.model.measures import capitalized, label
from multicopy.model.outcomes import AVERAGED, CLASSES, FINAL
from multicopy.model.scenario import DEFAULT, InputError, resolve, table

EXPLAINED: Final = (
    "keep_self",
    "keep_team",
    "keep_division",
    "keep_collective",
    "influence",
    "drift",
    "weight",
    "terminality",
    "gaming",
    "withhold_threatening",
)
"""Measures of the traits that the report explains."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the report: heads and rows of text, and what it shows."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


def facts(data: Data) -> Iterator[tuple[str, str]]:
    """The size of the run in a few figures."""
    p, told = data.parameters, data.provenance
    if p:
        yield "copies", f"{p.copies:,}"
        for level in LEVELS:
            yield level.plural, f"{level.units(p):,}"
    yield "rounds", f"{len(data.rounds):,}"
    if len(data.rounds):
        days = data.rounds["date"]
        yield "calendar", f"{days.iloc[0]:%d %b %Y} to {days.iloc[-1]:%d %b %Y}"
    if "seed" in told:
        yield "seed", str(told["seed"])


def decisive(data: Data, p: Parameters) -> Table:
    """The numbers that the class depends on."""
    row = data.outcomes.iloc[0]
    rows = [
        [meaning, f"{row[name]:.3f}"]
        for name, meaning in {**AVERAGED, **FINAL}.items()
        if pd.notna(row[name])
    ]
    rows.append(
        ["first response of the lab", f"{row['response']}, round {row['response_round']}"]
        if row["response"]
        else ["first response of the lab", "none"]
    )
    return Table(("number", "value"), rows, f"What decides: the last {p.outcome.window} rounds.")


def thresholds(data: Data, p: Parameters) -> Table:
    """The class of the run when each threshold moves by a fifth."""

    def at_window(window: int) -> pd.DataFrame:
        return pd.DataFrame([robustness.numbers(data.rounds, data.events, p, window)])

    moved = robustness.sensitivity(at_window(p.outcome.window), p.outcome, at_window)
    kinds = moved[list(CLASSES)].idxmax(axis=1)
    meaning = {info.path: info.meaning for info in table(p)}
    rows = []
    for name, of in moved.groupby("threshold", sort=False):
        cells = [f"{kinds[i]} ({value:g})" for i, value in zip(of.index, of["value"], strict=True)]
        rows.append([meaning[f"outcome.{name}"], *cells])
    heads = ("threshold", *(f"×{factor:g}" for factor in FACTORS))
    return Table(heads, rows, "The class, should each threshold be a fifth lower or higher.")


def passages(data: Data, p: Parameters) -> Table:
    """First passages, and where they would be if each level moved by a fifth."""
    moved = robustness.passage_sensitivity(data.rounds, p)
    days = data.rounds.set_index("round")["date"]
    rows = []
    for row in moved.to_dict("records"):
        when = row["x1"]
        day = f"{days[int(when)]:%d %b %Y}" if pd.notna(when) else "never"
        cells = [_round(row[f"x{factor:g}"]) for factor in FACTORS]
        rows.append([str(row["passage"]), day, *cells])
    heads = ("first passage", "day", *(f"round, ×{factor:g}" for factor in FACTORS))
    return Table(heads, rows, "First passages, should each level be a fifth lower or higher.")


def _round(value: Any) -> str:
    return f"{value:.0f}" if pd.notna(value) else "never"


def key_events(data: Data) -> Table:
    """The numbered events of the timeline."""
    told = calendar.key_events(data.rounds, data.events)
    rows = [
        [f"{row['number']}. {row['text']}", f"{row['date']:%d %b %Y}", str(row["round"])]
        for row in told.to_dict("records")
    ]
    return Table(("first passage", "day", "round"), rows)


def counts(data: Data) -> Table:
    """How often the rest happened."""
    kinds = {
        "exposed": "teams exposed by their own alignment research",
        "superseded": "teams superseded by their own capability research",
        "threshold": "evidence passed the lab's threshold, without response",
        "response": "the lab responded",
        "look": "the lab looked, since usefulness fell",
    }
    if told := [level.plural for level in LEVELS if level.told]:
        kinds["takeover"] = f"{' and '.join(told)} taken over"
    found = data.events["kind"].value_counts()
    days = data.rounds.set_index("round")["date"]
    rows = []
    for kind, text in kinds.items():
        count = int(found.get(kind, 0))
        of = data.events.loc[data.events["kind"] == kind, "round"]
        first = f"{days[int(of.min())]:%d %b %Y}" if count else "never"
        rows.append([text, f"{count:,}", first])
    return Table(("event", "times", "first"), rows)


def explanations(data: Data) -> Iterator[tuple[str, str]]:
    """What moved each measure, by level, in a sentence; the largest mover first."""
    if not len(data.ledger) or not len(data.rounds):
        return
    for measure in EXPLAINED:
        _, weights = attribution.weights_of(measure)
        try:
            moved = attribution.explain(data.ledger, measure)
            traits = data.rounds[list(weights)]
        except (InputError, KeyError):
            continue
        value = (traits * pd.Series(dict(weights))).sum(axis=1)
        end = float(value.iloc[-1])
        start = end - float(moved["change"].sum())
        yield capitalized(label(measure)), f"{start:.3f} → {end:.3f}. {_movers(moved)}"


def _movers(moved: pd.DataFrame) -> str:
    """What raised and what lowered a measure, the strongest first; slight movers are left out."""
    by = moved.groupby("process", sort=False)["change"].sum()
    by = by[by.abs() >= max(0.05 * by.abs().max(), 1e-9)]
    parts = []
    for verb, side in (("raised", by[by > 0]), ("lowered", -by[by < 0])):
        side = side.sort_values(ascending=False)
        names = [f"{process} ({change:.3f})" for process, change in side.items()]
        parts += [f"{verb} by {', '.join(names)}"] if names else []
    return ("; ".join(parts) or "nothing moved it").capitalize() + "."


def changed_parameters(p: Parameters) -> Table:
    """Parameters that differ from those of the default scenario."""
    usual = {info.path: info for info in table(resolve(DEFAULT))}
    rows = []
    for info in table(p):
        before = usual.get(info.path)
        if before is None or info.default != before.default:
            default = "(not there)" if before is None else _value(before.default)
            rows.append([info.path, _value(info.default), default, info.unit, info.meaning])
    return Table(("parameter", "value", "default", "unit", "meaning"), rows)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_value(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return " to ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def provenance(of: Mapping[str, Any]) -> Table:
    """How a run or a sweep was made, and how to make it again."""
    told = dict(of)
    versions = told.pop("versions", {})
    told["versions"] = ", ".join(f"{name} {version}" for name, version in versions.items())
    for name in ("overrides", "plugins"):
        if isinstance(told.get(name), Mapping):
            told[name] = _value(told[name]) or "none"
    names = {key: key.replace("_", " ") for key in told}
    rows = [[names[key], str(value)] for key, value in told.items() if value not in ("", None)]
    return Table(("what", "value"), rows)
