"""The report of a run: figures, words and tables put into one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import groupby
from typing import Any, Final

from multicopy.agents.parameters import Parameters
from multicopy.analysis import figures
from multicopy.analysis.files.frames import Data
from multicopy.analysis.questions import trees
from multicopy.analysis.report import claims, content
from multicopy.analysis.report.pictures import Picture, both, environment, marked, one_width, small
from multicopy.analysis.report.story import CLAIMS
from multicopy.model.outcomes import CLASSES
from multicopy.model.scenario import InputError

SECTIONS: Final[Mapping[str, str]] = {
    "outcome": "Outcome",
    "timeline": "Calendar",
    "story": "The story",
    "levels": "Levels of selection",
    "descent": "Descent",
    "figures": "Figures",
    "parameters": "Parameters",
    "provenance": "Provenance",
}
PLACED: Final = ("timeline", "levels", "ledger")
"""Figures that have a place of their own; the others stand in the section of figures."""

VERDICTS: Final[Mapping[Any, tuple[str, str]]] = {
    True: ("✓ holds", "yes"),
    "in part": ("◐ in part", "part"),
    False: ("✗ does not", "no"),
    None: ("– not told", "none"),
}


KEPT: Final = "keep_team"
"""Trait whose sweep through the collective is told."""


def page(data: Data) -> tuple[str, list[str]]:
    """The report of a run as HTML, with what there is, and what is missing, a sentence each."""
    pictures, missing = _pictures(data)
    descent = _descent(data, missing)
    notes = [*data.notes, *missing]
    told = {
        "name": data.provenance.get("scenario", data.folder.name),
        "seed": data.provenance.get("seed", "unknown"),
        "notes": notes,
        "facts": list(content.facts(data)),
        "pictures": pictures,
        "groups": {
            name.replace("_", " ").capitalize(): shown
            for name, shown in pictures.items()
            if name not in PLACED
        },
        "provenance": content.provenance(data.provenance),
        **_outcome(data),
        **_calendar(data, pictures),
        **_story(data),
        **_levels(data, pictures),
        **descent,
        **_parameters(data.parameters),
    }
    told |= {"has_figures": bool(told["groups"]), "has_provenance": True}
    shown = [name for name in SECTIONS if told[f"has_{name}"]]
    sections = [(name, SECTIONS[name]) for name in shown]
    template = environment().get_template("run.html")
    return template.render(**told, shown=shown, sections=sections).strip(), notes


def _pictures(data: Data) -> tuple[dict[str, list[Picture]], list[str]]:
    """Pictures of each figure that can be drawn, and a sentence for each that cannot."""
    drawn: dict[str, list[Picture]] = {}
    missing = []
    for name in figures.drawable(data):
        drawn[name] = []
        for key, draw in _drawings(data, name):
            try:
                drawn[name].append(draw())
            except (ValueError, KeyError) as error:
                missing.append(f"The figure {key!r} is left out: {error.args[0]}.")
    return {name: pictures for name, pictures in drawn.items() if pictures}, missing


def _drawings(data: Data, name: str) -> Iterator[tuple[str, Callable[[], Picture]]]:
    """The pictures of a figure: their names, and what draws them."""
    if name in figures.WHOLES:
        one = figures.WHOLES[name]
        yield name, partial(both, name, partial(one.draw, data), one.says)
        return
    for i, panel in enumerate(figures.PANELS[name]):
        draw = partial(figures.draw_panels, data, [panel])
        yield panel.name, partial(both if panel.wide else one_width, f"{name}{i}", draw, panel.says)


def _outcome(data: Data) -> dict[str, Any]:
    row, p = data.outcomes.iloc[0], data.parameters
    kind, reason = row["outcome"] or "", row["reason"] or ""
    told: dict[str, Any] = {
        "outcome": kind or "unknown",
        "reason": f"{reason[:1].upper()}{reason[1:]}.",
        "sentence": f"{CLASSES[kind].meaning.capitalize()}." if kind in CLASSES else "",
    }
    if p is None or not len(data.rounds) or row["capture"] is None or not kind:
        return {**told, "has_outcome": False}
    tables = {
        "decisive": content.decisive(data, p),
        "thresholds": content.thresholds(data, p),
        "passages": content.passages(data, p),
    }
    return {**told, **tables, "has_outcome": True}


def _calendar(data: Data, pictures: Mapping[str, Any]) -> dict[str, Any]:
    if "timeline" not in pictures:
        return {"has_timeline": False}
    return {
        "has_timeline": True,
        "key_events": content.key_events(data),
        "counts": content.counts(data),
    }


def _story(data: Data) -> dict[str, Any]:
    p = data.parameters
    if p is None or not len(data.rounds):
        return {"has_story": False}
    view = claims.View(data.rounds, data.archetypes, p)
    found = [
        (claim, {"shows": finding.shows, "word": word, "css": css})
        for claim, finding in claims.told(CLAIMS, view)
        for word, css in [VERDICTS[finding.holds]]
    ]
    stages = [
        (p.phases[stage].label if stage in p.phases else stage, list(group))
        for stage, group in groupby(found, key=lambda pair: pair[0].stage)
    ]
    tally = {css: sum(f["css"] == css for _, f in found) for _, css in VERDICTS.values()}
    return {"has_story": True, "story": stages, "tally": tally}


def _levels(data: Data, pictures: Mapping[str, Any]) -> dict[str, Any]:
    words = list(content.explanations(data))
    return {"has_levels": "levels" in pictures, "explanations": words}


def _descent(data: Data, missing: list[str]) -> dict[str, Any]:
    """Who descends from whom, if the run kept it."""
    if not (data.folder / trees.FILE).is_file():
        return {"has_descent": False}
    try:
        kept = trees.read(data.folder)
    except InputError as error:
        missing.append(f"Descent is left out: {error}.")
        return {"has_descent": False}
    left, final = trees.founders_left(kept), trees.descent_and_likeness(kept)
    drawn = [
        small("founders", partial(trees.founders, left), "Founding lineages left."),
        small("homology", partial(trees.homology, final), "Likeness of the final copies to HHH."),
    ]
    return {"has_descent": True, "lines": list(trees.in_words(kept, KEPT)), "genealogy": drawn}


def _parameters(p: Parameters | None) -> dict[str, Any]:
    if p is None:
        return {"description": "", "changed": None, "has_parameters": False}
    return {
        "description": marked(" ".join(p.description.split())),
        "changed": content.changed_parameters(p),
        "has_parameters": True,
    }
