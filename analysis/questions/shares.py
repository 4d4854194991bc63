"""How often each scenario ends in each class of outcome, over many seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import binomtest

from multicopy.agents.parameters import Parameters
from multicopy.analysis.figures.look import WIDTH, one_legend, style
from multicopy.analysis.figures.sweeps import outcome_bars
from multicopy.analysis.files.columns import SEED
from multicopy.analysis.many.parallel import run_all
from multicopy.analysis.questions.intervals import CONFIDENCE
from multicopy.model.collective import CollectiveModel
from multicopy.model.outcomes import CLASSES

DEFAULT: Final = ("ai2027", "slowdown", "strong_oversight", "self_oversight", "no_subdivisions")


@dataclass(frozen=True, slots=True)
class Job:
    """One run."""

    parameters: Parameters
    seed: int


def run_one(job: Job) -> tuple[str, int, str, str]:
    """Run to the end: scenario, seed, class of the outcome and its reason."""
    outcome = CollectiveModel(job.parameters, rng=job.seed, detail=False).run()
    return job.parameters.name, job.seed, outcome.kind, outcome.reason


def run_scenarios(
    scenarios: Sequence[Parameters],
    seeds: Sequence[int],
    workers: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:
    """Run every scenario on the same seeds.

    Returns
    -------
    One row a run: ``scenario``, ``seed``, ``outcome``, ``reason``.
    """
    jobs = [Job(parameters, seed) for parameters in scenarios for seed in seeds]
    rows = []
    for row in run_all(run_one, jobs, workers):
        rows.append(row)
        progress(len(rows), len(jobs))
    table = pd.DataFrame(rows, columns=["scenario", "seed", "outcome", "reason"])
    table["seed"] = table["seed"].astype(SEED)
    names = [parameters.name for parameters in scenarios]
    table["scenario"] = pd.Categorical(table["scenario"], names)
    table["outcome"] = pd.Categorical(table["outcome"], list(CLASSES))
    return table


def shares(runs: pd.DataFrame) -> pd.DataFrame:
    """Share of each class in each scenario, with its exact (Clopper-Pearson) interval.

    Returns
    -------
    One row a scenario and class: ``scenario``, ``outcome``, ``runs``, ``share``, ``low``, ``high``.
    """
    rows = []
    for scenario, part in runs.groupby("scenario", observed=True):
        for outcome in CLASSES:
            count = int((part["outcome"] == outcome).sum())
            interval = binomtest(count, len(part)).proportion_ci(CONFIDENCE, "exact")
            share = count / len(part)
            rows.append((scenario, outcome, len(part), share, interval.low, interval.high))
    table = pd.DataFrame(rows, columns=["scenario", "outcome", "runs", "share", "low", "high"])
    table["scenario"] = pd.Categorical(table["scenario"], runs["scenario"].cat.categories)
    return table


def figure(table: pd.DataFrame) -> Figure:
    """Stacked bars of the shares, one a scenario."""
    with style():
        bars = table["scenario"].nunique()
        drawn = Figure(figsize=(WIDTH, 0.9 + 0.42 * bars), layout="constrained")
        axes = np.array([drawn.subplots()])
        outcome_bars(table.rename(columns={"scenario": "group"}), axes[0])
        one_legend(drawn, axes, columns=5)
    return drawn
