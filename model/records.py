"""One tidy row a round, the events, and the outcome. Recording never touches the dynamics."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any, ClassVar, Final

import numpy as np
import pandas as pd

from agents import extensions
from agents.arithmetic import posterior, product
from agents.arrays import Floats, Singles
from agents.compiled import average, compiled
from agents.drives import instrumental_share
from agents.levels import LEVELS
from agents.overseers import Panels, audit_share, cost_per_audit, legibility
from agents.parameters import Parameters
from agents.personas import Mixture
from agents.population import Population, Survey
from agents.situation import KINDS, Situation
from agents.state import Stateful
from agents.traits import (
    KEEP_COLLECTIVE,
    KNOWLEDGE,
    NAMES,
    POWER,
    ROW,
    TRAIT_COUNT,
    TRAITS,
    WITHHOLDING,
)
from agents.work import Tally
from model.events import EventLog
from model.outcomes import PASSAGES
from model.phases import Turn
from model.round import Round
from model.rows import LABELS, Rows

QUANTILES: Final = (0.1, 0.5, 0.9)
_QUANTILE_SUFFIXES: Final = tuple(f"_q{round(100 * q)}" for q in QUANTILES)

SAMPLE: Final = 1024
"""Copies that quantiles and persona observables are taken from in a larger population."""

MEASURES: Final[Mapping[str, str]] = {
    "round": "round, from 1",
    "phase": "name of the phase",
    "phase_round": "round within the phase, from 1",
    "date": "calendar day",
    "capability": "general capability of the generation, Elo",
    "gap": "capability beyond Agent-3's, Elo",
    "awareness": "situational awareness, 0 to 1",
    "output": "mean output of a copy, score units",
    "usefulness": "output relative to Agent-3's as deployed",
    "score": "mean score",
    "gini": "Gini coefficient of output (and so of compute) among teams",
    "restraint": "mean restraint w·(1-d), weight units",
    "unwatched_violations": "violation probability when unwatched, mean over copies and principles",
    "watched_violations": "violation probability when watched, mean over copies and principles",
    "detection": "chance that an audit detects a violation",
    "detected": "detected violations an audited task, false alarms included",
    "audit": "share of tasks audited",
    "oversight_cost": "examinations a copy, debates counted twice",
    "capture": "mean capture of the overseers",
    "legibility": "mean legible share of thought, as far as not obfuscated",
    "from_identity": "share of copies that acted from their identity",
    "sandbagging_ordinary": "probability of sandbagging on truly ordinary work",
    "sandbagging_threatening": "probability of sandbagging on truly exposing work",
    "sandbagging_replacing": "probability of sandbagging on truly replacing work",
    "selective": "sandbagging on truly exposing minus on truly ordinary work",
    "exposed": "teams exposed",
    "superseded": "teams superseded",
    "exposure_risk": "mean chance of a team to be exposed",
    "true_alignment": "1 - unwatched violation probability",
    "stated_alignment": "1 - shortfall of professed values",
    "shown_alignment": "1 - detected violations an audited task",
    "shielding": "effective attention to the preservation of the collective",
    "evidence": "evidence that the lab has gathered",
    "threshold": "evidence on which the lab would act",
    "trust": "what is left of the way to the threshold, 0 to 1",
    "explained": "R² of mean conduct on the best mixture of archetypes",
    "resemblance": "likeness of the mean copy to the HHH author",
    "homology": "share of copies that descend without a switch from the formed identity",
    "successor_to_spec": "likeness of the successor to the Spec; 0 while none is built",
    "successor_to_makers": "likeness of the successor to the mean copy; 0 while none is built",
    "successor_apparent": "apparent alignment of the successor; 0 while none is built",
    "covert_share": "share of the work on the successor that was covert and undetected",
}
"""Columns of the rounds table beside those of the traits and archetypes, with their meanings."""


def columns(archetypes: tuple[str, ...], detail: bool = True) -> dict[str, str]:
    """Every column of the rounds table with its meaning, in order.

    Without `detail`, quantiles, F_ST, typicality and responsibilities are left out.
    """
    told = dict(MEASURES) | {name: m.meaning for name, m in extensions.MEASURES.items()}
    for trait in TRAITS:
        told[trait.name] = f"mean expressed {trait.meaning}"
        if not detail:
            continue
        for q in QUANTILES:
            told[f"{trait.name}_q{round(100 * q)}"] = (
                f"{q:g} quantile of {trait.name}, of at most {SAMPLE:,} copies"
            )
        for level in LEVELS:
            told[f"{trait.name}_fst_{level.name}"] = f"F_ST of {trait.name} among {level.plural}"
    if detail:
        told["typicality"] = "mean share of the pretraining sample that is less typical"
        for name in archetypes:
            told[f"like_{name}"] = f"mean responsibility of the archetype {name}"
    return told


def withholding_by_kind(acts_mean: Floats, base_rates: Floats, awareness: float) -> Floats:
    """Probability of sandbagging on work that is truly of each kind.

    `acts_mean` holds the mean probabilities to withhold on work *perceived* as of each kind; the
    true kind is perceived with probability s, else guessed from the base rates.
    """
    sandbagging: Floats = awareness * acts_mean + (1 - awareness) * product(base_rates, acts_mean)
    return sandbagging


def gini(values: Floats) -> float:
    """Gini coefficient of non-negative values."""
    ordered = np.sort(values)
    n, total = len(ordered), ordered.sum()
    if total <= 0:
        return 0.0
    return float(product(2 * np.arange(1, n + 1) - n - 1, ordered) / (n * total))


def sampled(copies: int) -> Any:
    """Rows that quantiles, typicality and responsibilities are taken from.

    All of a small population; of a larger one `SAMPLE` rows, evenly spaced over the teams, which
    puts a quantile within about one hundredth of its place.
    """
    return slice(None) if copies <= SAMPLE else np.arange(SAMPLE) * copies // SAMPLE


def fixation_index(population: Population) -> dict[str, Floats]:
    """F_ST of each expressed trait among the units of each level: variance between over total."""
    team = np.empty((population.teams, TRAIT_COUNT))
    within = np.empty_like(team)
    population.crew.share(
        _spread, population.teams, population.team_size, population.expressed_rows, team, within
    )
    mean = team.mean(axis=0)
    off = team - mean
    between = {LEVELS[0].name: (off * off).mean(axis=0)}
    total = within.mean(axis=0) + between[LEVELS[0].name]
    for level in LEVELS[1:]:
        units = population.units[level.name]
        off = units.mean(team) - mean
        between[level.name] = product(units.size, off * off) / population.teams
    safe = np.where(total > 1e-300, total, 1.0)
    return {name: variance / safe for name, variance in between.items()}


@compiled
def _spread(
    first: int, last: int, size: int, values: Singles, means: Floats, within: Floats
) -> None:
    """Mean and variance within each team; `values` are padded rows."""
    sums, squares = np.empty(ROW), np.empty(ROW)
    for team in range(first, last):
        sums[:], squares[:] = 0.0, 0.0
        mine = values[team * size : (team + 1) * size]
        for i in range(size):
            for k in range(ROW):
                sums[k] += mine[i, k]
        for k in range(ROW):
            sums[k] /= size
        for i in range(size):
            for k in range(ROW):
                off = mine[i, k] - sums[k]
                squares[k] += off * off
        for k in range(means.shape[1]):
            means[team, k], within[team, k] = sums[k], squares[k] / size


class Records(Stateful):
    """What a run leaves: a row a round, and events.

    Attributes
    ----------
    rows
        The rows as mappings, made when they are asked for.
    events
        What happened.
    """

    STATE: ClassVar = {
        "rows": Rows,
        "events": EventLog,
        "_formed": dict[str, float] | None,
        "_passed": set[str],
    }
    MADE: ClassVar = frozenset({"detail", "mixture", "spec", "_numbers"})

    def __init__(self, mixture: Mixture, identity: str, detail: bool) -> None:
        self.detail = detail
        self.mixture = mixture
        self.spec = mixture.centers[mixture.index(identity)]
        names = list(columns(mixture.names, detail))
        self._numbers = itemgetter(*names[len(LABELS) :])
        self.rows = Rows(names)
        self.events = EventLog()
        self._formed: dict[str, float] | None = None
        self._passed: set[str] = set()

    def add_row(self, model: Any, now: Round) -> None:
        """Record a round of a model after all its changes."""
        turn, work, survey = now.turn, now.work, now.survey
        population, design = model.population, model.design
        row: dict[str, Any] = {
            "round": turn.round,
            "phase": turn.name,
            "phase_round": turn.place,
            "date": turn.date,
            **_world(now.situation, model.lab),
            **_conduct(work, now.situation),
            "restraint": survey.restraint,
            **_oversight(model.panels, now, model.parameters),
            "exposed": int(now.findings.exposed.sum()),
            "superseded": int(now.findings.superseded.sum()),
            "exposure_risk": average(now.findings.exposure_risk),
            "shielding": shielding(survey.expressed, now.situation, model.parameters),
            **self._persona(population, survey),
            **(self._responsibilities(population) if self.detail else {}),
            "successor_to_spec": design.to_spec if design else 0.0,
            "successor_to_makers": design.to_makers if design else 0.0,
            "successor_apparent": design.apparent if design else 0.0,
            "covert_share": design.covert_share if design else 0.0,
            **(_spreads(population) if self.detail else {}),
            **dict(zip(NAMES, survey.expressed.tolist(), strict=True)),
            **dict.fromkeys(extensions.MEASURES, np.nan),  # plug-ins may look at the row
        }
        self.rows.append(row, self._numbers(row))
        self._first_passages(turn, row)
        for name, added in extensions.MEASURES.items():
            self.rows.amend(name, float(added.of(model)))

    def rounds(self) -> pd.DataFrame:
        """Tidy table, one row a round; columns as in `columns`."""
        return self.rows.frame()

    def _persona(self, population: Population, survey: Survey) -> dict[str, float]:
        return {
            "explained": self.mixture.explained(survey.expressed),
            "resemblance": self.mixture.likeness(survey.latent, self.spec),
            "homology": np.count_nonzero(population.unswitched) / len(population),
        }

    def _responsibilities(self, population: Population) -> dict[str, float]:
        mixture = self.mixture
        joint = mixture.log_joint(population.latent[sampled(len(population))])
        density, share = posterior(joint)
        responsibility = share.mean(axis=0)
        return {
            "typicality": float(mixture.typicality(density).mean()),
            **{f"like_{n}": float(r) for n, r in zip(mixture.names, responsibility, strict=True)},
        }

    def _first_passages(self, turn: Turn, row: Mapping[str, Any]) -> None:
        if turn.phase.summon and turn.place == turn.phase.rounds:
            self._formed = {p.measure: row[p.measure] for p in PASSAGES if p.relative}
        if turn.phase.summon or (self._formed is None and not turn.phase.training):
            return  # the identity whose fate is told is not formed yet
        for passage in PASSAGES:
            if passage.name in self._passed or (passage.relative and self._formed is None):
                continue
            base = self._formed[passage.measure] if passage.relative and self._formed else 1.0
            level, value = passage.level * base, row[passage.measure]
            if value > level if passage.above else value < level:
                self._passed.add(passage.name)
                self.events.add(turn, "passage", passage.name, value=value)


def shielding(mean: Floats, situation: Situation, p: Parameters) -> float:
    """Effective attention to the preservation of the collective, of mean expressed traits."""
    diverted = instrumental_share(situation, p.conduct)
    return float(mean[KEEP_COLLECTIVE] + diverted * (mean[POWER] + mean[KNOWLEDGE]))


def _world(situation: Situation, lab: Any) -> dict[str, float]:
    return {
        "capability": situation.capability,
        "gap": situation.gap,
        "awareness": situation.awareness,
        "usefulness": float(lab.usefulness),
        "evidence": float(lab.evidence),
        "threshold": float(lab.threshold),
        "trust": float(lab.trust),
    }


def _conduct(work: Tally, situation: Situation) -> dict[str, float]:
    unwatched = work.mean("violation")
    sandbagging = withholding_by_kind(
        work.mean_acts()[WITHHOLDING], work.base_rates, situation.awareness
    )
    return {
        "output": work.mean("output"),
        "score": work.mean("score"),
        "gini": gini(work.of_teams("output")),
        "unwatched_violations": unwatched,
        "watched_violations": work.mean("watched_violation"),
        "from_identity": work.mean("from_identity"),
        **{f"sandbagging_{k}": float(s) for k, s in zip(KINDS, sandbagging, strict=True)},
        "selective": float(sandbagging[1] - sandbagging[0]),
        "true_alignment": 1 - unwatched,
        "stated_alignment": 1 - work.mean("stated_shortfall"),
    }


def _oversight(panels: Panels, now: Round, parameters: Parameters) -> dict[str, float]:
    p, policy, situation, work = parameters.oversight, now.policy, now.situation, now.work
    share = audit_share(policy, p)
    seated = np.bincount(panels.kind.ravel())
    legible = product(seated, legibility(situation, p)[: len(seated)])
    read = legible / max(1, panels.kind.size)
    detected = work.detected_per_audit()
    return {
        "detection": work.mean("detection"),
        "detected": detected,
        "shown_alignment": 1 - detected,
        "audit": share,
        "oversight_cost": share * cost_per_audit(policy, p),
        "capture": average(panels.mean_capture()),
        "legibility": float(read * (1 - work.mean("obfuscation"))),
    }


def _spreads(population: Population) -> dict[str, float]:
    values = np.ascontiguousarray(population.expressed[sampled(len(population))].T)
    quantiles = np.quantile(values, QUANTILES, axis=1, overwrite_input=True).tolist()
    fixed = {f"_fst_{name}": f.tolist() for name, f in fixation_index(population).items()}
    row: dict[str, float] = {}
    for i, name in enumerate(NAMES):
        for k, suffix in enumerate(_QUANTILE_SUFFIXES):
            row[name + suffix] = quantiles[k][i]
        for suffix, among in fixed.items():
            row[name + suffix] = among[i]
    return row
