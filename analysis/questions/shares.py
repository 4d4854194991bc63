"""How often each scenario ends in each class of outcome, over many seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import binomtest

from multicopy.agents.parameters import Parameters
from multicopy.analysis.figures.look import WIDTH, one_legend, style
from multicopy.analysis.figures.sweeps import outcome_bars
from multicopy.analysis.many.driver import require_any, tables
from multicopy.analysis.many.factors import WHOLE
from multicopy.analysis.questions.intervals import CONFIDENCE
from multicopy.model.collective import CollectiveModel
from multicopy.model.outcomes import CLASSES

DEFAULT: Final = ("ai2027", "slowdown", "strong_oversight", "self_oversight", "no_subdivisions")


def ending(parameters: Parameters, seed: int) -> dict[str, str]:
    """Run to the end: class of the outcome and its reason."""
    outcome = CollectiveModel(parameters, rng=seed, detail=False).run()
    return {"outcome": outcome.kind, "reason": outcome.reason}


def run_scenarios(
    scenarios: Sequence[Parameters], seeds: Sequence[int], out: Path | None = None, **how: Any
) -> pd.DataFrame:
    """Run every scenario on the same seeds.

    Parameters
    ----------
    scenarios
        Scenarios of different names.
    seeds
        Seeds of the runs, the same for every scenario.
    out, **how
        See `analysis.many.driver.sweep`, which runs them.

    Returns
    -------
    One row a run: ``scenario``, ``seed``, ``outcome``, ``reason``. Its ``attrs`` tell how many
    runs failed, of which there is no row.

    Raises
    ------
    InputError
        If all of them failed.
    """
    names = [parameters.name for parameters in scenarios]
    choices = {parameters.name: {WHOLE: parameters} for parameters in scenarios}
    factors = {WHOLE: {"choices": choices}}
    design = {"name": "outcomes", "factors": factors, "seeds": tuple(seeds)}
    runs, failures = tables(design, out, ("runs", "failures"), simulate=ending, **how)
    require_any(runs, failures)
    table = runs[["scenario", "seed", "outcome", "reason"]]
    kinds = {"scenario": pd.CategoricalDtype(names), "outcome": pd.CategoricalDtype([*CLASSES])}
    return table.astype(kinds)


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
