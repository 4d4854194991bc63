"""Which factors a measure depends on: Sobol indices and Morris screening, by SALib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from multicopy.analysis.figures.look import one_legend, style
from multicopy.analysis.figures.sweeps import index_bars
from multicopy.analysis.many.design import Design
from multicopy.analysis.many.points import unit_points, unit_problem
from multicopy.analysis.questions.intervals import CONFIDENCE
from multicopy.analysis.questions.measured import measured, require_measure, state
from multicopy.model.scenario import InputError

RESAMPLES = 1000
SEED = 20270403


def require(design: Design, measures: Sequence[str] = ()) -> None:
    """`InputError` unless a design allows an analysis of sensitivity, and has these measures."""
    if design.method not in ("saltelli", "morris"):
        raise InputError(
            f"method = {design.method!r}: sensitivity needs 'saltelli' (Sobol indices) "
            "or 'morris' (screening)"
        )
    for measure in measures:
        require_measure(design, measure)


def indices(runs: pd.DataFrame, design: Design, measures: Sequence[str]) -> pd.DataFrame:
    """Indices of every factor for every measure, with the half width of their intervals.

    Returns
    -------
    A row a measure and factor. Sobol: ``S1`` (the factor alone) and ``ST`` (with all its
    interactions), shares of the variance of the mean over replicates. Morris: ``mu_star`` (mean
    absolute effect over the factor's range) and ``sigma`` (its spread: nonlinearity or
    interactions). ``..._conf`` is the half width of a bootstrap interval; NaN where the points do
    not tell of chance: there is one sample, or all give the same.

    Raises
    ------
    InputError
        If a point has no run, or a measure does not vary.
    """
    require(design)
    names = [factor.name for factor in design.parsed()]
    unit = unit_points(design, len(names))
    parts = []
    for measure in measures:
        values = measured(runs, measure).groupby(runs["point"]).mean()
        if len(values) < len(unit):
            raise InputError(
                f"{len(unit) - len(values)} of {len(unit)} points have no run; "
                "see its failures, and sweep again with --retry-failed"
            )
        y = values.sort_index().to_numpy()
        if np.ptp(y) == 0:
            raise InputError(f"{measure} is {y[0]:g} in all runs: nothing moves it")
        found = _analyze(design, unit, y)
        parts.append(pd.DataFrame({"measure": measure, "factor": names, **found}))
    table = pd.concat(parts, ignore_index=True)
    widths = [name for name in map(str, table.columns) if name.endswith("_conf")]
    one = (design.samples or 0) < 2
    table[widths] = table[widths].mask(one | (table[widths] == 0))
    return table


def _analyze(design: Design, unit: NDArray[Any], y: NDArray[Any]) -> dict[str, Any]:
    problem = unit_problem(unit.shape[1])
    if design.method == "morris":
        from SALib.analyze import morris

        found = morris.analyze(
            problem, unit, y, num_resamples=RESAMPLES, conf_level=CONFIDENCE, seed=SEED
        )
        return {key: np.asarray(found[key]) for key in ("mu_star", "mu_star_conf", "sigma")}
    from SALib.analyze import sobol

    found = sobol.analyze(
        problem, y, calc_second_order=False, num_resamples=RESAMPLES,
        conf_level=CONFIDENCE, seed=SEED,
    )  # fmt: skip
    return {key: np.asarray(found[key]) for key in ("S1", "S1_conf", "ST", "ST_conf")}


def figure(table: pd.DataFrame, runs: pd.DataFrame, title: str) -> Figure:
    """Bars with intervals, a panel a measure."""
    measures = list(dict.fromkeys(table["measure"]))
    with style():
        height = 1.6 + 0.36 * table["factor"].nunique()
        drawn = Figure(figsize=(2.2 + 2.9 * len(measures), height), layout="constrained")
        axes = np.atleast_1d(drawn.subplots(1, len(measures), sharey=True))
        for ax, measure in zip(axes, measures, strict=True):
            index_bars(table, ax, measure=measure)
        one_legend(drawn, axes, side="outside lower center")
        drawn.suptitle(f"{title}\n{state(runs)}, 95 % intervals", fontsize=9)
    return drawn
