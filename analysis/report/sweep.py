"""The report of a sweep: what its runs say, put into one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from typing import Any, Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from multicopy.analysis.figures import sweeps as draw
from multicopy.analysis.figures.look import canvas, style
from multicopy.analysis.many.factors import Factor
from multicopy.analysis.many.tables import SweepData
from multicopy.analysis.questions import phase_map, sensitivity
from multicopy.analysis.questions import sweep_summary as summary
from multicopy.analysis.report.content import Table, provenance
from multicopy.analysis.report.pictures import Picture, both, command, environment, small
from multicopy.model.measures import label
from multicopy.model.outcomes import CLASSES, PASSAGES
from multicopy.model.scenario import InputError

SECTIONS: Final[Mapping[str, str]] = {
    "outcomes": "Outcomes",
    "diagrams": "Phase diagrams",
    "sensitivity": "Sensitivity",
    "times": "Times to events",
    "frontier": "Safety and usefulness",
    "best": "Best and worst points",
    "robustness": "Robustness",
    "failures": "Failures",
    "design": "Design",
    "provenance": "Provenance",
}
MEASURES: Final = (
    "captured",
    "adversarial",
    "caught",
    "true_alignment",
    "capture",
    "selective",
    "usefulness",
    "keep_team",
)
"""Classes and measures whose sensitivity is shown, if they vary."""

MAPPED: Final = ("captured", "adversarial", "true_alignment", "capture", "keep_team")
"""Classes and measures that phase diagrams show, if they vary."""

PAIRS, RANKED = 2, 5
"""Pairs of factors for a measure; best points, and worst."""

TOLD: Final = 0.05
"""Share of a measure's variance that two factors explain at least where they are drawn."""

RECOVERED: Final = 0.95
"""Share of the runs whose class must come out again where thresholds are moved."""


@dataclass
class _Told:
    """The parts of a page: each is made if what it needs is there, else a note says why not."""

    data: SweepData
    parts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, section: str, make: Callable[[], Any]) -> None:
        """Make a section; an empty one is left out."""
        try:
            made = make()
        except (InputError, ValueError) as error:
            self.notes.append(f"{SECTIONS[section]} is left out: {str(error).splitlines()[0]}.")
            return
        except KeyError as error:
            missing = str(error.args[0]).strip("'\"")
            self.notes.append(
                f"{SECTIONS[section]} is left out: the table of runs lacks {missing}."
            )
            return
        if made:
            self.parts[section] = made


def page(data: SweepData) -> tuple[str, list[str]]:
    """The report of a sweep as HTML, with what there is, and what is missing, a sentence each."""
    told = _Told(data)
    factors = _factors(data)
    if len(data.runs):
        told.add("outcomes", lambda: _outcomes(data, factors))
        told.add("diagrams", lambda: _diagrams(data, factors))
        told.add("sensitivity", lambda: _sensitivity(data, factors))
        told.add("times", lambda: _times(data, factors))
        told.add("frontier", lambda: _frontier(data, factors))
        told.add("best", lambda: _best(data, factors))
        told.add("robustness", lambda: _robustness(data))
    told.add("failures", lambda: _failures(data))
    told.add("design", lambda: _design(data))
    told.add("provenance", lambda: _provenance(data))
    design = data.design
    notes = [*data.notes, *told.notes]
    template = environment().get_template("sweep.html")
    html = template.render(
        name=design.title or design.name if design else data.folder.name,
        facts=list(_facts(data)),
        notes=notes,
        parts={name: told.parts.get(name) for name in SECTIONS},
        sections=[(name, SECTIONS[name]) for name in told.parts],
        control=summary.CONTROL,
    )
    return html.strip(), notes


def _factors(data: SweepData) -> list[Factor]:
    """Factors of the design that the runs tell of and that take more than one value."""
    known = data.design.parsed() if data.design else ()
    return [f for f in known if f.name in data.runs and data.runs[f.name].nunique() > 1]


def _facts(data: SweepData) -> Iterator[tuple[str, str]]:
    yield "runs", f"{len(data.runs):,}"
    if "point" in data.runs:
        yield "points", f"{data.runs['point'].nunique():,}"
    if data.design:
        yield "method", data.design.method
        yield "runs a point", f"{data.design.runs_a_point:,}"
        scenario = data.design.scenario
        yield "scenario", scenario if isinstance(scenario, str) else scenario.name


# --- pictures -------------------------------------------------------------------------------------


def _wide(key: str, paint: Callable[[Axes], Axes], says: str, height: float = 3.2) -> Picture:
    """A picture for a page, and another for a phone."""

    def at(width: float) -> Figure:
        with style():
            figure, ax = canvas(1, 1, height, width)
            paint(ax)
        return figure

    return both(key, at, says)


def _outcomes(data: SweepData, factors: Sequence[Factor]) -> dict[str, Any]:
    """Shares of the classes in all runs and by factor."""
    overall = summary.outcome_shares(data.runs)
    by = overall.set_index("outcome")
    rows = [
        [kind, class_.meaning, f"{of.share:.3f}", f"{of.low:.3f} to {of.high:.3f}"]
        for kind, class_ in CLASSES.items()
        for of in [by.loc[kind]]
    ]
    caption = f"Shares of {len(data.runs):,} runs, with exact intervals of 95 %."
    pictures = [
        small(
            f"outcome{i}",
            partial(draw.outcome_bars, summary.outcome_shares(data.runs, factor), by=factor.name),
            f"Shares of the outcomes by {factor.name}.",
            1.6 + 0.26 * summary.levels_of(data.runs, factor).nunique(),
        )
        for i, factor in enumerate(factors)
    ]
    heads = ("outcome", "meaning", "share", "interval")
    return {"table": Table(heads, rows, caption), "pictures": pictures}


def _diagrams(data: SweepData, factors: Sequence[Factor]) -> list[Picture]:
    """Measures over the pairs of factors that explain most of them."""
    if len(factors) < 2 or data.design is None:
        return []
    rest = "; other factors are averaged over" if len(factors) > 2 else ""
    pictures: list[Picture] = []
    for measure in summary.varying(data.runs, MAPPED):
        for x, y in _pairs(data, factors, measure):
            cells = phase_map.table(data.runs, data.design, measure, x, y)
            of = label(phase_map.of(measure))
            few = int(cells["runs"].min())
            says = f"{of.capitalize()} over {x} and {y}; {few:,} runs a cell or more{rest}."
            limits = (0.0, 1.0) if measure in CLASSES else None
            paint = partial(draw.phase_cells, cells, x=x, y=y, bar=of, limits=limits)
            pictures.append(small(f"map{len(pictures)}", paint, says))
    return pictures


def _pairs(data: SweepData, factors: Sequence[Factor], measure: str) -> list[tuple[str, str]]:
    """Pairs of factors (x, y) that explain something of a measure, those that do most first."""
    found = []
    for y, x in combinations(factors, 2):
        cells = summary.levels_of(data.runs, y).astype(str) + "\n"
        cells += summary.levels_of(data.runs, x).astype(str)
        share = summary.explained_by(data.runs, cells, measure)
        if share > TOLD:
            found.append((share, x.name, y.name))
    return [(x, y) for _, x, y in sorted(found, reverse=True)[:PAIRS]]


def _sensitivity(data: SweepData, factors: Sequence[Factor]) -> list[Picture]:
    """What measures depend on: Sobol or Morris indices where the design allows, else shares."""
    measures = list(summary.varying(data.runs, MEASURES))
    if not factors or not measures:
        return []
    if data.design and data.design.method in ("saltelli", "morris"):
        table = sensitivity.indices(data.runs, data.design, measures)
        height = 1.7 + 0.34 * len(factors)
        return [
            small(
                f"index-{measure}",
                partial(draw.index_bars, table, measure=measure),
                f"What {label(measure)} depends on, with 95 % intervals.",
                height,
            )
            for measure in measures
        ]
    table = summary.explained(data.runs, factors, measures)
    says = (
        "Share of the variance over runs that each factor explains alone, less what chance would "
        "give. What is missing to 1 is interactions of factors and chance between seeds."
    )
    height = 1.4 + (0.16 * len(measures)) * len(factors)
    return [_wide("explained", partial(draw.factor_shares, table), says, max(2.6, height))]


def _times(data: SweepData, factors: Sequence[Factor]) -> list[Picture]:
    """Times to first passages and to the first response of the lab, with censoring."""
    names = [passage.name for passage in PASSAGES]
    events = data.events
    acts = events["kind"] == "response"
    events = events.assign(text=events["text"].astype(str).mask(acts, "the lab responds"))
    pictures = []
    for i, text in enumerate([*names, "the lab responds"]):
        whole = summary.times(data.runs, events, text)
        if whole.empty:
            continue
        came, runs = whole["came"].iloc[0], whole["runs"].iloc[0]
        groups, by = _parting(data.runs, events, text, factors)
        curves = whole if groups is None else summary.times(data.runs, events, text, groups)
        parted = f", by {by}" if by else ""
        rest = "" if came == runs else "; the rest are censored at their last rounds"
        says = f"{text[:1].upper()}{text[1:]}: it came in {came:,} of {runs:,} runs{parted}{rest}."
        pictures.append(small(f"time{i}", partial(draw.time_curves, curves, by=by), says, 2.6))
    return pictures


def _parting(
    runs: pd.DataFrame, events: pd.DataFrame, text: str, factors: Sequence[Factor]
) -> tuple[pd.Series | None, str]:
    """Levels of the factor that an event depends on most, and its name."""
    first = events.loc[events["text"] == text].groupby("run")["round"].min()
    when = runs["run"].map(first)
    frame = runs.assign(came=when.notna().astype(float), when=when.fillna(runs["rounds"]))
    groups = {f.name: summary.parts_of(runs, f) for f in factors}
    share = {
        name: max(summary.explained_by(frame, by, measure) for measure in ("when", "came"))
        for name, by in groups.items()
    }
    best = max(share, key=lambda name: share[name], default="")
    return (groups[best], best) if best and share[best] > TOLD else (None, "")


def _frontier(data: SweepData, factors: Sequence[Factor]) -> list[Picture]:
    points = summary.points(data.runs, factors)
    says = (
        "Safety over usefulness, a mark a point (mean over its runs); the color is what oversight "
        "costs. Squares are on the frontier: no other point is at least as safe, as useful and as "
        "cheap, and better in one."
    )
    return [_wide("frontier", partial(draw.frontier, points), says, 3.6)]


# --- tables ---------------------------------------------------------------------------------------


def _best(data: SweepData, factors: Sequence[Factor]) -> dict[str, Any]:
    """The safest points and the least safe, each with the command that runs it again."""
    points = summary.points(data.runs, factors)
    seeds = data.runs.sort_values("run").groupby("point")["seed"].first()
    own = data.manifest.get("simulate") == "model"
    again = data.design is not None and data.design.named and own
    count = min(RANKED, len(points) // 2) or 1
    named = {"Best": points.head(count), "Worst": points.tail(count).iloc[::-1]}
    told = {}
    for name, part in named.items():
        heads = ("point", "safety", "usefulness", "cost", "ended", *(["again"] if again else []))
        rows = []
        for row in part.to_dict("records"):
            held = ", ".join(f"{f.name} = {_cell(row[f.name])}" for f in factors)
            ends = {kind: row[kind] for kind in CLASSES if row[kind] > 0}
            ended = ", ".join(f"{kind} {share:.2f}" for kind, share in ends.items())
            control = [f"{row[measure]:.3f}" for measure in summary.CONTROL]
            cells = [held or f"point {row['point']}", *control, ended]
            if again and data.design:
                words = summary.command(data.design, row["point"], int(seeds[row["point"]]))
                cells.append(command(words))
            rows.append(cells)
        told[name] = Table(heads, rows, f"{name} by safety: the mean over the runs of a point.")
    return {"tables": told, "again": again, "stopped": bool(data.design and data.design.stop)}


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _robustness(data: SweepData) -> dict[str, Any]:
    """How the shares of the classes move with each threshold."""
    if data.design is None:
        return {}
    table, again = summary.class_sensitivity(data.runs, data.design)
    if again < RECOVERED:
        raise ValueError(f"only {again:.0%} of the runs come out in their recorded class")
    rows = []
    for row in table.to_dict("records"):
        moved = [f"{row[kind]:.3f}" for kind in CLASSES]
        rows.append([f"{row['threshold']} = {row['value']:g}", *moved, f"{row['changed']:.1%}"])
    heads = ("threshold", *CLASSES, "runs that change")
    caption = "Shares of the classes, should each threshold be a fifth lower or higher."
    says = "Share of the runs whose class changes when each threshold moves by a fifth."
    picture = _wide("moves", partial(draw.class_moves, table), says, 2.4)
    return {"table": Table(heads, rows, caption), "pictures": [picture], "again": f"{again:.1%}"}


def _failures(data: SweepData) -> Table | None:
    """Why runs failed, the most frequent first."""
    if not len(data.failures) or "message" not in data.failures:
        return None
    counts = data.failures["message"].value_counts().head(10)
    rows = [[str(message), f"{count:,}"] for message, count in counts.items()]
    return Table(("message", "runs"), rows)


def _design(data: SweepData) -> dict[str, Table] | None:
    """What was varied and what was fixed."""
    design = data.design
    if design is None:
        return None
    rows = []
    for f in design.parsed():
        if f.levels:
            rows.append([f.name, ", ".join(_cell(f.shown(i)) for i in range(len(f.levels)))])
        else:
            rows.append([f.name, f"{f.low:g} to {f.high:g}, {f.scale}"])
    fixed = [[path, summary.toml(value)] for path, value in design.fixed.items()]
    told: dict[str, Any] = {
        "rounds_scale": design.rounds_scale,
        "random_numbers": design.random_numbers,
    }
    told |= {"samples": design.samples, "seed": design.seed}
    rest = [[name.replace("_", " "), str(v)] for name, v in told.items() if v is not None]
    return {
        "factors": Table(("factor", "values"), rows, "What is varied."),
        "fixed": Table(("parameter", "value"), fixed, "What is fixed, beside the scenario."),
        "rest": Table(("what", "value"), rest),
    }


def _provenance(data: SweepData) -> Table | None:
    kept = {key: value for key, value in data.manifest.items() if key != "design"}
    return provenance(kept) if kept else None
