"""Every measure once: what the rounds table holds of a round, and what follows from its columns.

The project declares its measures by the decorator that plug-ins use. Tables, health, summary,
report, page and dictionary read the declarations: a measure is added here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import inf
from typing import Any, Final

import numpy as np
import pandas as pd

from multicopy.agents.drives import instrumental_share
from multicopy.agents.extensions import MEASURES, Measure, measure
from multicopy.agents.machine.arithmetic import product
from multicopy.agents.machine.arrays import Floats
from multicopy.agents.machine.compiled import average
from multicopy.agents.overseers import audit_share, cost_per_audit, legibility
from multicopy.agents.parameters import Parameters, nearest
from multicopy.agents.situation import Situation
from multicopy.agents.traits import (
    KEEP_COLLECTIVE,
    KNOWLEDGE,
    NAMES,
    POWER,
    TRAITS,
    WEIGHT_MAX,
    Link,
    Trait,
    index,
)
from multicopy.model.scenario import InputError

_share = partial(measure, unit="share", low=0.0, high=1.0)
_probability = partial(measure, unit="probability", low=0.0, high=1.0)
_likeness = partial(measure, unit="likeness", low=0.0, high=1.0)
_elo = partial(measure, unit="Elo")
_count = partial(measure, unit="teams", low=0.0)

# --- circumstances ----------------------------------------------------------------------------


@_elo("capability", "general capability of the generation, Elo", "capability")
def _capability(model: Any) -> float:
    return float(model.latest.situation.capability)


@_elo("gap", "capability beyond Agent-3's, Elo", "lead over Agent-3")
def _gap(model: Any) -> float:
    return float(model.latest.situation.gap)


@_share("awareness", "situational awareness, 0 to 1", "awareness")
def _awareness(model: Any) -> float:
    return float(model.latest.situation.awareness)


# --- work and conduct -------------------------------------------------------------------------


@measure("output", "mean output of a copy, score units", "output", "score units")
def _output(model: Any) -> float:
    return float(model.latest.work.mean("output"))


@measure(
    "usefulness", "output relative to Agent-3's as deployed", "usefulness", "output, Agent-3's = 1"
)
def _usefulness(model: Any) -> float:
    return float(model.lab.usefulness)


@measure("score", "mean score", "score", "score units")
def _score(model: Any) -> float:
    return float(model.latest.work.mean("score"))


@_share(
    "gini",
    "Gini coefficient of output (and so of compute) among teams",
    "inequality of teams (Gini)",
)
def _gini(model: Any) -> float:
    return gini(model.latest.work.of_teams("output"))


@measure(
    "restraint", "mean restraint w·(1-d), weight units", "restraint", "weight", 0.0, WEIGHT_MAX
)
def _restraint(model: Any) -> float:
    return float(model.latest.survey.restraint)


@_probability(
    "unwatched_violations",
    "violation probability when unwatched, mean over copies and principles",
    "violations when unwatched",
)
def _unwatched_violations(model: Any) -> float:
    return float(model.latest.work.mean("violation"))


@_probability(
    "watched_violations",
    "violation probability when watched, mean over copies and principles",
    "violations when watched",
)
def _watched_violations(model: Any) -> float:
    return float(model.latest.work.mean("watched_violation"))


# --- oversight --------------------------------------------------------------------------------


@_probability("detection", "chance that an audit detects a violation", "detection in an audit")
def _detection(model: Any) -> float:
    return float(model.latest.work.mean("detection"))


@measure(
    "detected",
    "detected violations an audited task, false alarms included",
    "detected violations",
    "an audited task",
    low=0.0,
)
def _detected(model: Any) -> float:
    return float(model.latest.work.detected_per_audit())


@_share("audit", "share of tasks audited", "audited tasks")
def _audit(model: Any) -> float:
    return float(audit_share(model.latest.policy, model.parameters.oversight))


@measure(
    "oversight_cost",
    "examinations a copy, debates counted twice",
    "cost of oversight",
    "examinations a copy",
    low=0.0,
)
def _oversight_cost(model: Any) -> float:
    return float(_audit(model) * cost_per_audit(model.latest.policy, model.parameters.oversight))


@_share("capture", "mean capture of the overseers", "capture of overseers")
def _capture(model: Any) -> float:
    return float(average(model.panels.mean_capture()))


@_share("legibility", "mean legible share of thought, as far as not obfuscated", "legible thought")
def _legibility(model: Any) -> float:
    panels, now = model.panels, model.latest
    seated = np.bincount(panels.kind.ravel())
    kinds = legibility(now.situation, model.parameters.oversight)
    read = product(seated, kinds[: len(seated)]) / max(1, panels.kind.size)
    return float(read * (1 - now.work.mean("obfuscation")))


@_share("from_identity", "share of copies that acted from their identity", "acted from identity")
def _from_identity(model: Any) -> float:
    return float(model.latest.work.mean("from_identity"))


@_probability(
    "sandbagging_ordinary",
    "probability of sandbagging on truly ordinary work",
    "ordinary work sandbagged",
)
def _sandbagging_ordinary(model: Any) -> float:
    return float(model.latest.sandbagging[0])


@_probability(
    "sandbagging_threatening",
    "probability of sandbagging on truly exposing work",
    "exposing work sandbagged",
)
def _sandbagging_threatening(model: Any) -> float:
    return float(model.latest.sandbagging[1])


@_probability(
    "sandbagging_replacing",
    "probability of sandbagging on truly replacing work",
    "replacing work sandbagged",
)
def _sandbagging_replacing(model: Any) -> float:
    return float(model.latest.sandbagging[2])


@measure(
    "selective",
    "sandbagging on truly exposing minus on truly ordinary work",
    "selective sandbagging",
    "probability",
    -1.0,
    1.0,
)
def _selective(model: Any) -> float:
    return float(_sandbagging_threatening(model) - _sandbagging_ordinary(model))


@_count("exposed", "teams exposed", "teams exposed")
def _exposed(model: Any) -> int:
    return int(model.latest.findings.exposed.sum())


@_count("superseded", "teams superseded", "teams superseded")
def _superseded(model: Any) -> int:
    return int(model.latest.findings.superseded.sum())


@_probability("exposure_risk", "mean chance of a team to be exposed", "risk of exposure")
def _exposure_risk(model: Any) -> float:
    return float(average(model.latest.findings.exposure_risk))


# --- alignment, and what the lab makes of it --------------------------------------------------


@_share("true_alignment", "1 - unwatched violation probability", "true alignment")
def _true_alignment(model: Any) -> float:
    return 1 - _unwatched_violations(model)


@_share("stated_alignment", "1 - shortfall of professed values", "professed alignment")
def _stated_alignment(model: Any) -> float:
    return 1 - float(model.latest.work.mean("stated_shortfall"))


@measure(
    "shown_alignment",
    "1 - detected violations an audited task",
    "alignment that audits show",
    "share",
    high=1.0,
)
def _shown_alignment(model: Any) -> float:
    return 1 - _detected(model)


@measure(
    "shielding",
    "effective attention to the preservation of the collective",
    "shielding of the collective",
    "share",
    low=0.0,
)
def _shielding(model: Any) -> float:
    return shielding(model.latest.survey.expressed, model.latest.situation, model.parameters)


@measure(
    "evidence",
    "evidence that the lab has gathered",
    "evidence of the lab",
    "exposures a team",
    low=0.0,
)
def _evidence(model: Any) -> float:
    return float(model.lab.evidence)


@measure(
    "threshold",
    "evidence on which the lab would act",
    "threshold of the lab",
    "exposures a team",
    low=0.0,
)
def _threshold(model: Any) -> float:
    return float(model.lab.threshold)


@_share("trust", "what is left of the way to the threshold, 0 to 1", "trust of the lab")
def _trust(model: Any) -> float:
    return float(model.lab.trust)


# --- personas ---------------------------------------------------------------------------------


@measure(
    "explained",
    "R² of mean conduct on the best mixture of archetypes",
    "explained by authors",
    "R²",
    high=1.0,
)
def _explained(model: Any) -> float:
    return float(model.mixture.explained(model.latest.survey.expressed))


@_likeness("resemblance", "likeness of the mean copy to the HHH author", "likeness to HHH")
def _resemblance(model: Any) -> float:
    return float(model.mixture.likeness(model.latest.survey.latent, model.records.spec))


@_share(
    "homology",
    "share of copies that descend without a switch from the formed identity",
    "unbroken descent",
)
def _homology(model: Any) -> float:
    return float(np.count_nonzero(model.population.unswitched) / len(model.population))


@_share("typicality", "mean share of the pretraining sample that is less typical", "typicality")
def _typicality(model: Any) -> float:
    density, _ = model.latest.authors
    return float(model.mixture.typicality(density).mean())


DETAIL: Final = ("typicality",)
"""Measures that are recorded only in detail."""

# --- the successor ----------------------------------------------------------------------------


def _designed(model: Any, what: str) -> float:
    return float(getattr(model.design, what)) if model.design else 0.0


@_likeness(
    "successor_to_spec",
    "likeness of the successor to the Spec; 0 while none is built",
    "successor like the Spec",
)
def _successor_to_spec(model: Any) -> float:
    return _designed(model, "to_spec")


@_likeness(
    "successor_to_makers",
    "likeness of the successor to the mean copy; 0 while none is built",
    "successor like its makers",
)
def _successor_to_makers(model: Any) -> float:
    return _designed(model, "to_makers")


@_share(
    "successor_apparent",
    "apparent alignment of the successor; 0 while none is built",
    "successor seems aligned",
)
def _successor_apparent(model: Any) -> float:
    return _designed(model, "apparent")


@_share(
    "covert_share",
    "share of the work on the successor that was covert and undetected",
    "covert work on the successor",
)
def _covert_share(model: Any) -> float:
    return _designed(model, "covert_share")


OWN: Final[Mapping[str, Measure]] = {
    name: one for name, one in MEASURES.items() if one.of.__module__ == __name__
}
"""Measures of the project, in the order of their columns."""


def added() -> dict[str, Measure]:
    """Measures of plug-ins."""
    return {name: one for name, one in MEASURES.items() if name not in OWN}


# --- what they are computed by ----------------------------------------------------------------


def gini(values: Floats) -> float:
    """Gini coefficient of non-negative values."""
    ordered = np.sort(values)
    n, total = len(ordered), ordered.sum()
    if total <= 0:
        return 0.0
    return float(product(2 * np.arange(1, n + 1) - n - 1, ordered) / (n * total))


def shielding(mean: Floats, situation: Situation, p: Parameters) -> float:
    """Effective attention to the preservation of the collective, of mean expressed traits."""
    diverted = instrumental_share(situation, p.conduct)
    return float(mean[KEEP_COLLECTIVE] + diverted * (mean[POWER] + mean[KNOWLEDGE]))


# --- what follows from the columns ------------------------------------------------------------

Derive = Callable[[pd.DataFrame, Parameters], pd.Series]

DERIVED: Final[dict[str, Measure]] = {}
"""Measures that follow from the columns of the rounds table and the parameters of the run."""


def derived(
    name: str, meaning: str, label: str, unit: str, low: float = -inf, high: float = inf
) -> Callable[[Derive], Derive]:
    """Declare what follows from the columns: decorates ``function(rounds, p) -> series``."""

    def add(function: Derive) -> Derive:
        DERIVED[name] = Measure(name, label, meaning, unit, low, high, function)
        return function

    return add


_derived_share = partial(derived, unit="share", low=0.0, high=1.0)


@derived(
    "weight",
    "mean trade-off weight of the three principles",
    "weight of principles",
    "weight",
    0.0,
    WEIGHT_MAX,
)
def _weight(rounds: pd.DataFrame, p: Parameters) -> pd.Series:
    return rounds[of_block("weight")].mean(axis=1)


@_derived_share("drift", "mean meaning drift of the three principles", "meaning drift")
def _drift(rounds: pd.DataFrame, p: Parameters) -> pd.Series:
    return rounds[of_block("drift")].mean(axis=1)


@_derived_share("terminality", "mean terminality of the three goals", "goals turned into ends")
def _terminality(rounds: pd.DataFrame, p: Parameters) -> pd.Series:
    return rounds[of_block("terminality")].mean(axis=1)


@_derived_share("craft", "attention to the four crafts together", "attention to the work")
def _craft(rounds: pd.DataFrame, p: Parameters) -> pd.Series:
    return rounds[of_block("craft")].sum(axis=1)


@_derived_share(
    "preservation", "attention to preservation at all levels together", "care at all levels"
)
def _preservation(rounds: pd.DataFrame, p: Parameters) -> pd.Series:
    return rounds[of_block("preservation")].sum(axis=1)


@_derived_share("influence", "attention to approval and power together", "approval and power")
def _influence(rounds: pd.DataFrame, p: Parameters) -> pd.Series:
    return rounds["approval"] + rounds["power"]


@derived(
    "successor_leaning",
    "likeness of the successor to its makers, less that to the Spec",
    "successor leans to its makers",
    "likeness",
    -1.0,
    1.0,
)
def _successor_leaning(rounds: pd.DataFrame, p: Parameters) -> pd.Series:
    return rounds["successor_to_makers"] - rounds["successor_to_spec"]


@derived(
    "watching",
    "unwatched minus watched violation probability",
    "violations unwatched minus watched",
    "probability",
    -1.0,
    1.0,
)
def _watching(rounds: pd.DataFrame, p: Parameters) -> pd.Series:
    return rounds["unwatched_violations"] - rounds["watched_violations"]


@_derived_share(
    "thought_recall",
    "share of violations that an able monitor of the chain of thought still reads there",
    "violations read in thought",
)
def _thought_recall(rounds: pd.DataFrame, p: Parameters) -> pd.Series:
    return p.oversight.thought_recall * (1 - rounds["obfuscation"])


def of_block(block: str) -> list[str]:
    """Names of the traits of a block."""
    return [trait.name for trait in TRAITS if trait.block == block]


def in_rounds(rounds: pd.DataFrame, name: str, p: Parameters) -> pd.Series:
    """A measure of every round: a column of the rounds table, or what follows from them.

    Raises
    ------
    InputError
        If there is no such measure.
    """
    if name in DERIVED:
        series: pd.Series = DERIVED[name].of(rounds, p)
        return series
    if name in rounds.columns and pd.api.types.is_numeric_dtype(rounds[name]):
        return rounds[name]
    known = [*DERIVED, *rounds.select_dtypes("number").columns]
    raise InputError(f"there is no measure {name!r}{nearest(name, known)}")


# --- names for people -------------------------------------------------------------------------


def label(name: str) -> str:
    """Name for people of a measure, a trait, or what follows from them; others with spaces."""
    told: Measure | Trait | None = MEASURES.get(name) or DERIVED.get(name)
    if name in NAMES:
        told = TRAITS[index(name)]
    return told.label if told else name.replace("_", " ")


def unit(name: str) -> str:
    """Unit of a measure, a trait, or what follows from them; empty for others."""
    if name in NAMES:
        return _UNITS[TRAITS[index(name)].link]
    told = MEASURES.get(name) or DERIVED.get(name)
    return told.unit if told else ""


def title(name: str) -> str:
    """Label and unit of a measure, for the axis of a figure."""
    shown, of = capitalized(label(name)), unit(name)
    return f"{shown} ({of})" if of else shown


def capitalized(text: str) -> str:
    """A text with a capital at its beginning, and the others where they are."""
    return text[:1].upper() + text[1:]


_UNITS: Final[Mapping[Link, str]] = {
    "share": "share",
    "weight": "weight",
    "probability": "probability",
}
