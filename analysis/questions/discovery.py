"""Scenario discovery: the box of factor values in which an outcome happens (PRIM)."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from multicopy.analysis.figures.look import BLUE, GRAY, VERMILION, style
from multicopy.analysis.many.design import Design
from multicopy.analysis.questions.measured import measured, state
from multicopy.model.outcomes import CLASSES
from multicopy.model.scenario import InputError

LEAST_RUNS: Final = 20
CHANCE: Final = 0.05
"""A restriction that chance would bring with more than this probability (quasi-p) is left out."""


@dataclass(frozen=True, slots=True)
class Box:
    """Where an outcome happens.

    Attributes
    ----------
    limits
        For each restricted factor (low, high) of a number, or the set of levels.
    coverage
        Share of all runs with the outcome that lie in the box.
    density
        Share of the runs in the box that have the outcome.
    share
        Share of all runs that have the outcome.
    runs
        Runs in the box.
    """

    outcome: str
    limits: Mapping[str, Any]
    coverage: float
    density: float
    share: float
    runs: int
    trajectory: pd.DataFrame

    def sentence(self, factors: pd.DataFrame) -> str:
        """The box in words; limits that are ends of the factor's range are not named."""
        if not self.limits:
            return f"PRIM found no box in which {self.outcome} is more frequent than elsewhere"
        told = [_limit_in_words(name, at, factors[name]) for name, at in self.limits.items()]
        return (
            f"{self.outcome} happens where {' and '.join(told)}: {self.density:.0%} of the "
            f"{self.runs:,} runs there (density) against {self.share:.0%} of all, "
            f"{self.coverage:.0%} of all runs that end so (coverage)"
        )


def _limit_in_words(name: str, limit: Any, values: pd.Series) -> str:
    if isinstance(limit, frozenset):
        return f"{name} is {' or '.join(sorted(map(str, limit)))}"
    low, high = limit
    if low <= values.min():
        return f"{name} ≤ {high:.3g}"
    if high >= values.max():
        return f"{name} ≥ {low:.3g}"
    return f"{low:.3g} ≤ {name} ≤ {high:.3g}"


def factor_table(runs: pd.DataFrame, design: Design) -> pd.DataFrame:
    """The factors of every run, as PRIM takes them: numbers, and text for all else."""
    frame = pd.DataFrame(index=runs.index)
    for factor in design.parsed():
        column = runs[factor.name]
        number = pd.api.types.is_numeric_dtype(column) and column.dtype != bool
        # Text as objects: EMA workbench knows no other.
        frame[factor.name] = column.astype(float) if number else column.astype(str).astype(object)
    return frame


def discover(runs: pd.DataFrame, design: Design, outcome: str) -> Box:
    """Find the box in which an outcome happens.

    Of the boxes on PRIM's peeling trajectory it is that with the greatest product of coverage and
    density, without restrictions that may be chance.

    Raises
    ------
    InputError
        If there are too few runs, the outcome came in none or all of them, or EMA workbench is not
        installed.
    """
    if outcome not in CLASSES:
        measured(runs, outcome)
        raise InputError(f"--outcome {outcome}: must be one of {', '.join(CLASSES)}")
    happened = measured(runs, outcome).to_numpy() == 1
    if len(runs) < LEAST_RUNS:
        raise InputError(f"{len(runs)} runs are too few: discovery needs {LEAST_RUNS}")
    if happened.all() or not happened.any():
        raise InputError(f"{outcome} came in {'all' if happened.all() else 'none'} of the runs")
    table = factor_table(runs, design)
    box = _prim(table, happened)
    trajectory = box.peeling_trajectory
    place = int((trajectory["coverage"] * trajectory["density"]).to_numpy().argmax())
    limits = _limits(box, place, table)
    inside = within(table, limits)
    return Box(
        outcome=outcome,
        limits=limits,
        coverage=float(happened[inside].sum() / happened.sum()),
        density=float(happened[inside].mean()),
        share=float(happened.mean()),
        runs=int(inside.sum()),
        trajectory=trajectory,
    )


def _prim(table: pd.DataFrame, happened: np.ndarray) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from ema_workbench.analysis import prim
        except ModuleNotFoundError:
            raise InputError(
                "discover needs EMA workbench, which `make explore` installs"
            ) from None
        logging.getLogger("EMA").setLevel(logging.ERROR)
        return prim.Prim(table, happened, threshold=float(happened.mean())).find_box()


def _limits(box: Any, place: int, table: pd.DataFrame) -> dict[str, Any]:
    """Restrictions of a box of the trajectory that are not chance."""
    found: dict[str, Any] = {}
    for name, chances in box.qp[place].items():
        if min((p for p in chances if p >= 0), default=1.0) > CHANCE:
            continue
        limit = box.box_lims[place][name]
        if table[name].dtype == object:
            found[name] = frozenset(limit.iloc[0])
        else:
            found[name] = (float(limit.iloc[0]), float(limit.iloc[1]))
    return found


def within(table: pd.DataFrame, limits: Mapping[str, Any]) -> np.ndarray:
    """Which runs lie in a box."""
    inside = np.ones(len(table), dtype=bool)
    for name, limit in limits.items():
        if isinstance(limit, frozenset):
            inside &= table[name].isin(limit).to_numpy()
        else:
            inside &= table[name].between(*limit).to_numpy()
    return inside


# --- figure -------------------------------------------------------------------------------------


def figure(box: Box, runs: pd.DataFrame, design: Design, title: str) -> Figure:
    """The runs over the two factors that the box restricts most, and coverage against density."""
    table = factor_table(runs, design)
    names = [*box.limits, *(n for n in table.columns if n not in box.limits)][:2]
    happened = runs["outcome"].to_numpy() == box.outcome
    with style():
        drawn = Figure(figsize=(8.2, 3.6), layout="constrained")
        left, right = drawn.subplots(1, 2, width_ratios=(1.35, 1))
        spots = [_spots(table[name]) for name in names]
        rng = np.random.default_rng(np.random.SeedSequence(0))
        if len(spots) == 1:
            spots.append((rng.random(len(table)), None))
            names.append("")
        for which, color, label in ((~happened, GRAY, "other"), (happened, VERMILION, box.outcome)):
            left.scatter(spots[0][0][which], spots[1][0][which], s=9, alpha=0.55, color=color,
                         label=label, linewidths=0)  # fmt: skip
        _name_axes(left, names, spots)
        _draw_box(left, box, names, table)
        left.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, frameon=False)
        right.plot(box.trajectory["coverage"], box.trajectory["density"], ".-", color=BLUE)
        right.plot(box.coverage, box.density, "*", color=VERMILION, markersize=13)
        right.set(xlabel="coverage", ylabel="density", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        drawn.suptitle(f"{title}\n{state(runs)}; the star is the box", fontsize=9)
    return drawn


def _spots(column: pd.Series) -> tuple[np.ndarray, list[str] | None]:
    """Where runs are drawn: at their values, or scattered about the place of their level."""
    levels = sorted(column.unique())
    if column.dtype != object and len(levels) > 12:
        return column.to_numpy(), None
    rng = np.random.default_rng(np.random.SeedSequence(len(levels)))
    codes = pd.Categorical(column, levels).codes
    texts = [f"{level:g}" if isinstance(level, float) else str(level) for level in levels]
    return codes + rng.uniform(-0.3, 0.3, len(column)), texts


def _name_axes(ax: Any, names: list[str], spots: list[Any]) -> None:
    ax.set(xlabel=names[0], ylabel=names[1])
    for set_ticks, (_, texts) in zip((ax.set_xticks, ax.set_yticks), spots, strict=True):
        if texts:
            set_ticks(range(len(texts)), texts)


def _draw_box(ax: Any, box: Box, names: list[str], table: pd.DataFrame) -> None:
    spans = []
    for name, bounds in zip(names, (ax.get_xlim(), ax.get_ylim()), strict=True):
        spans.append(_span(box.limits.get(name), table[name] if name else None, bounds))
    (left, right), (low, high) = spans
    ax.add_patch(
        Rectangle((left, low), right - left, high - low, fill=False, lw=1.5, color="black")
    )


def _span(limit: Any, column: pd.Series | None, bounds: tuple[float, float]) -> tuple[float, float]:
    if limit is None or column is None:
        return bounds
    levels = sorted(column.unique())
    if isinstance(limit, frozenset):
        places = [i for i, level in enumerate(levels) if level in limit]
    elif len(levels) <= 12:
        places = [i for i, level in enumerate(levels) if limit[0] <= level <= limit[1]]
    else:
        return limit
    return min(places) - 0.45, max(places) + 0.45
