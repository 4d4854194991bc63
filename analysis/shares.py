"""How often each scenario ends in each class of outcome, over many seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import binomtest

from agents.parameters import Parameters
from analysis.parallel import run_all
from analysis.style import BLUE, GREEN, ORANGE, SKY, VERMILION, WIDTH, style
from model.collective import CollectiveModel
from model.outcomes import CLASSES

DEFAULT: Final = ("ai2027", "slowdown", "strong_oversight", "self_oversight", "no_subdivisions")
CONFIDENCE: Final = 0.95


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
    colors: Mapping[str, tuple[str, str]] = {
        "caught": (SKY, ""),
        "captured": (VERMILION, "///"),
        "adversarial": (ORANGE, "..."),
        "misaligned": (BLUE, "\\\\\\"),
        "aligned": (GREEN, ""),
    }
    wide = table.pivot(index="scenario", columns="outcome", values="share").sort_index()
    runs = table.groupby("scenario", observed=True)["runs"].first()
    with style():
        drawn = Figure(figsize=(WIDTH, 0.9 + 0.42 * len(wide)), layout="constrained")
        ax = drawn.subplots()
        left = wide.iloc[:, 0] * 0.0
        for outcome in CLASSES:
            color, hatch = colors[outcome]
            width = wide[outcome]
            ax.barh(
                range(len(wide)),
                width,
                left=left,
                color=color,
                hatch=hatch,
                edgecolor="white",
                label=outcome,
            )
            left = left + width
        ax.set_yticks(range(len(wide)), [f"{name} ({runs[name]} runs)" for name in wide.index])
        ax.invert_yaxis()
        ax.set_xlim(0, 1)
        ax.set_xlabel("Share of runs")
        ax.grid(False, axis="y")
        drawn.legend(loc="outside upper center", ncols=5, frameon=False)
    return drawn
