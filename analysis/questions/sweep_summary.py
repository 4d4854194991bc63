"""What a sweep says, as tidy tables: shares of outcomes, what factors explain, times, the frontier.

Nothing is run again; every function takes the table of runs.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.stats import CensoredData, ecdf

from multicopy.analysis.files import robustness
from multicopy.analysis.many.design import LAST, Design, overrides
from multicopy.analysis.many.factors import Factor
from multicopy.analysis.many.points import Plan
from multicopy.analysis.questions import shares
from multicopy.analysis.questions.intervals import CONFIDENCE
from multicopy.analysis.questions.measured import measured
from multicopy.analysis.questions.phase_map import binned
from multicopy.model.outcomes import AVERAGED, CLASSES

SAFETY, USEFULNESS, COST = "true_alignment", "usefulness", "oversight_cost"
CONTROL: Final[Mapping[str, str]] = {
    SAFETY: "safety: true alignment, 1 − unwatched violation probability",
    USEFULNESS: "usefulness: output relative to Agent-3's as deployed",
    COST: "oversight cost: examinations a copy and round",
}
"""What oversight trades off, as AI control draws it."""

PARTS: Final = 6
"""Groups of runs at most that curves are drawn of."""


def levels_of(runs: pd.DataFrame, factor: Factor) -> pd.Series:
    """Level of a factor in each run; a range is cut into bins."""
    return binned(runs[factor.name], factor)


def parts_of(runs: pd.DataFrame, factor: Factor) -> pd.Series:
    """Level of a factor in each run, or a third of the runs where there are too many to tell."""
    if factor.levels and len(factor.levels) <= PARTS:
        return levels_of(runs, factor)
    if not pd.api.types.is_numeric_dtype(runs[factor.name]):
        return pd.Series(pd.Categorical(["all runs"] * len(runs)), runs.index)
    thirds = pd.qcut(runs[factor.name], 3, duplicates="drop")
    names = [f"{part.left:.3g} to {part.right:.3g}" for part in thirds.cat.categories]
    return thirds.cat.rename_categories(names)


def outcome_shares(runs: pd.DataFrame, factor: Factor | None = None) -> pd.DataFrame:
    """Share of each class of outcome, in all runs or at each level of a factor.

    Returns
    -------
    A row a group and class: ``group``, ``outcome``, ``runs``, ``share``, ``low``, ``high`` (exact
    95 % interval).
    """
    if factor is None:
        groups = pd.Series(pd.Categorical(["all runs"] * len(runs)), runs.index)
    else:
        at = levels_of(runs, factor)
        names = [_name(level) for level in at.cat.categories]
        groups = at.cat.rename_categories(names)
    table = shares.shares(pd.DataFrame({"scenario": groups, "outcome": runs["outcome"]}))
    return table.rename(columns={"scenario": "group"})


def _name(level: Any) -> str:
    return f"{level:g}" if isinstance(level, float) else str(level)


def explained(
    runs: pd.DataFrame, factors: Sequence[Factor], measures: Sequence[str]
) -> pd.DataFrame:
    """Share of a measure's variance over all runs that each factor explains alone.

    It is the correlation ratio over levels or bins, less what chance alone would give (ε²). What
    is missing to 1 is interactions of factors, and chance between seeds.

    Returns
    -------
    A row a measure and factor: ``measure``, ``factor``, ``share``.
    """
    rows = []
    for measure in measures:
        values = measured(runs, measure)
        for factor in factors:
            share = _epsilon(values, levels_of(runs, factor))
            rows.append((measure, factor.name, share))
    return pd.DataFrame(rows, columns=["measure", "factor", "share"])


def explained_by(runs: pd.DataFrame, groups: pd.Series, measure: str) -> float:
    """Share of a measure's variance that some groups of runs explain, as `explained` counts it."""
    return _epsilon(measured(runs, measure), groups)


def _epsilon(values: pd.Series, groups: pd.Series) -> float:
    n, total = len(values), float(((values - values.mean()) ** 2).sum())
    means = values.groupby(groups, observed=True).transform("mean")
    within = float(((values - means) ** 2).sum())
    k = int(groups.nunique())
    if total <= 0 or n <= k:
        return 0.0
    return max(0.0, 1 - within / total * (n - 1) / (n - k))


def times(
    runs: pd.DataFrame, events: pd.DataFrame, text: str, by: pd.Series | None = None
) -> pd.DataFrame:
    """How many runs an event has come to by each round; runs it did not come to are censored.

    A run is observed until its last round, so one without the event says only that it takes
    longer. The curve is the empirical distribution under censoring (Kaplan and Meier) with its
    95 % interval; where the runs that are left all came at once, so that none tells of chance,
    there is none (NaN).

    Parameters
    ----------
    runs
        With the columns ``run`` and ``rounds``.
    events
        First passages and responses; of several of a run the first counts.
    text
        The event.
    by
        Group of each run; without it, all are one.

    Returns
    -------
    A row a step: ``group``, ``round``, ``share``, ``low``, ``high``, ``runs``, ``came``.
    """
    first = events.loc[events["text"] == text].groupby("run")["round"].min()
    when = runs["run"].map(first)
    groups = pd.Series("all runs", runs.index) if by is None else by
    frame = pd.DataFrame({"when": when, "last": runs["rounds"], "group": groups})
    if not len(first):
        return pd.DataFrame(columns=["group", "round", "share", "low", "high", "runs", "came"])
    parts = frame.groupby("group", observed=True, sort=True)
    return pd.concat([_curve(part, name) for name, part in parts], ignore_index=True)


def _curve(part: pd.DataFrame, name: Any) -> pd.DataFrame:
    came = part["when"].notna()
    curve = pd.DataFrame({"round": [0.0], "share": 0.0, "low": 0.0, "high": 0.0})
    if came.any():
        curve = pd.concat([curve, _estimated(part, came)], ignore_index=True)
    end = curve.iloc[[-1]].assign(round=float(part["last"].max()))
    curve = pd.concat([curve, end], ignore_index=True)
    return curve.assign(group=_name(name), runs=len(part), came=int(came.sum()))


def _estimated(part: pd.DataFrame, came: pd.Series) -> pd.DataFrame:
    """The estimate at each time; where all have passed, the formula gives no interval (NaN)."""
    sample = CensoredData(
        uncensored=part.loc[came, "when"].to_numpy(float),
        right=part.loc[~came, "last"].to_numpy(float),
    )
    found = ecdf(sample).cdf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        interval = found.confidence_interval(CONFIDENCE)
    return pd.DataFrame(
        {
            "round": found.quantiles,
            "share": found.probabilities,
            "low": interval.low.probabilities,
            "high": interval.high.probabilities,
        }
    )


def points(runs: pd.DataFrame, factors: Sequence[Factor]) -> pd.DataFrame:
    """Mean of safety, usefulness and oversight cost at each point, and who is on the frontier.

    Returns
    -------
    A row a point, the safest first: ``point``, the factors, ``runs``, a share for each class,
    the columns of `CONTROL`, and ``frontier``: no other point is at least as good in all three
    and better in one.
    """
    _need(runs, [*CONTROL, "outcome", "point"])
    held = [f.name for f in factors if f.name in runs]
    kinds = {kind: (runs["outcome"] == kind).astype(float) for kind in CLASSES}
    frame = runs[["point", *held, *CONTROL]].assign(runs=1, **kinds)
    sums = {name: "first" for name in held} | {"runs": "sum"}
    sums |= dict.fromkeys([*CONTROL, *CLASSES], "mean")
    table = frame.groupby("point").agg(sums).reset_index()
    # Means of equal numbers differ in their last digits, which must not decide who beats whom.
    table = table.round(dict.fromkeys(CONTROL, 9))
    goods = table[[SAFETY, USEFULNESS, COST]].to_numpy() * [1, 1, -1]
    table["frontier"] = _undominated(goods)
    order = [SAFETY, USEFULNESS, "point"]
    return table.sort_values(order, ascending=[False, False, True], ignore_index=True)


def _need(runs: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in runs]
    if missing:
        raise KeyError(", ".join(missing))


def _undominated(goods: np.ndarray) -> np.ndarray:
    """Rows that no other row is at least as good as in all columns and better than in one."""
    return np.array(
        [not ((goods >= row).all(axis=1) & (goods > row).any(axis=1)).any() for row in goods]
    )


def class_sensitivity(runs: pd.DataFrame, design: Design) -> tuple[pd.DataFrame, float]:
    """How the shares of classes move with each threshold, and how far the runs allow to tell.

    The second value is the share of the runs whose recorded class comes out again; it is less than
    1 where the thresholds themselves differ between runs.

    Raises
    ------
    KeyError
        If the runs lack a column.
    """
    columns = [*AVERAGED, *LAST]
    _need(runs, [*columns, "outcome"])
    caught = runs["outcome"] == "caught"
    frame = (
        runs[columns]
        .rename(columns=LAST)
        .assign(response=np.where(caught, "response", ""), response_round=caught.astype(int))
    )
    thresholds = design.resolved().outcome
    again = robustness.classes(frame, thresholds).to_numpy() == runs["outcome"].to_numpy()
    return robustness.sensitivity(frame, thresholds), float(again.mean())


def command(design: Design, point: int, seed: int) -> list[str]:
    """The words of the command that runs a point of a `named` design again, to its end."""
    plan = Plan(design)
    told = {**design.fixed, **overrides(plan.factors, plan.held(point))}
    words = ["python", "run.py", "run", str(design.scenario), "--seed", str(seed)]
    if design.rounds_scale != 1:
        words += ["--rounds-scale", repr(design.rounds_scale)]
    for path, value in told.items():
        words += ["--set", f"{path}={toml(value)}"]
    return words


def toml(value: Any) -> str:
    """A value as TOML on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        inner = ", ".join(f"{key} = {toml(item)}" for key, item in value.items())
        return f"{{{inner}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def varying(runs: pd.DataFrame, names: Sequence[str]) -> Iterator[str]:
    """Those of the measures and classes that the runs have and that are not all the same."""
    for name in names:
        known = name in runs or (name in CLASSES and "outcome" in runs)
        if known and measured(runs, name).nunique() > 1:
            yield name
