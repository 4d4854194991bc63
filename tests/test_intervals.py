"""Every interval of the project covers what it says, and is none where nothing tells of chance."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from multicopy.analysis.commands.compare import between
from multicopy.analysis.many.design import Design
from multicopy.analysis.many.points import Plan
from multicopy.analysis.questions import experiments, sensitivity, shares
from multicopy.analysis.questions import sweep_summary as summary
from multicopy.analysis.questions.intervals import of_mean

ANALYSIS = Path(experiments.__file__).parents[1]
EFFECT = experiments.Effect("E", "c", "output", "p", "higher", controls={"a": {}})
AUDIT = {"oversight.audit": {"low": 0.0, "high": 1.0}}


def compared(values: Sequence[float]) -> list[tuple[float, float]]:
    base = np.array(values)
    row = experiments.compare(EFFECT, "a", base, 0 * base, 0 * base, 0.0)
    assert np.isnan(row["z_control"]) == np.isnan(row["z_neutral"]) == np.isnan(row["low"])
    return [(row["low"], row["high"])]


def shared(values: Sequence[float]) -> list[tuple[float, float]]:
    kinds = ["caught" if value > 0 else "aligned" for value in values]
    runs = pd.DataFrame({"scenario": pd.Categorical(["s"] * len(values)), "outcome": kinds})
    table = shares.shares(runs)
    grouped = summary.outcome_shares(runs)
    pd.testing.assert_series_equal(table["low"], grouped["low"])
    return list(zip(table["low"], table["high"], strict=True))


def timed(values: Sequence[float]) -> list[tuple[float, float]]:
    runs = pd.DataFrame({"run": range(len(values)), "rounds": 50})
    when = np.round(10 + np.array(values)).astype(int)
    events = pd.DataFrame({"run": range(len(values)), "text": "it", "round": when})
    told = summary.times(runs, events, "it").query("share > 0")
    return list(zip(told["low"], told["high"], strict=True))


def indexed(values: Sequence[float]) -> list[tuple[float, float]]:
    samples = 1 << (len(values).bit_length() - 1)
    design = Design(method="saltelli", samples=samples, factors=AUDIT)
    points = Plan(design).points
    # A measure that varies over the points even where there is one sample of them.
    measured = np.resize(np.array(values) + np.arange(len(values)) / 9, points)
    measured[-1] += 1.0
    runs = pd.DataFrame({"point": range(points), "y": measured})
    table = sensitivity.indices(runs, design, ["y"])
    return [
        (row[key] - row[f"{key}_conf"], row[key] + row[f"{key}_conf"])
        for row in table.to_dict("records")
        for key in ("S1", "ST")
    ]


GIVES: dict[str, Callable[[Sequence[float]], list[tuple[float, float]]]] = {
    "questions.intervals.of_mean": lambda values: [of_mean(values)[1:3]],
    "questions.experiments.compare": compared,
    "questions.shares.shares": shared,
    "questions.sweep_summary.outcome_shares": shared,
    "questions.sweep_summary.times": timed,
    "questions.sensitivity.indices": indexed,
}
"""Functions that give intervals, each as a function of some observations."""

TELLS = {
    "commands.compare.between",
    "questions.sweep_summary._estimated",
    "questions.sensitivity.figure",
}
"""Functions that tell or draw what those give."""


def test_every_function_that_gives_an_interval_is_tried() -> None:
    """Fails if a new function speaks of intervals and is not tried below."""
    found = set()
    for path in ANALYSIS.rglob("*.py"):
        module = ".".join(path.relative_to(ANALYSIS).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and "interval" in (ast.get_docstring(node) or ""):
                draws = node.returns is not None and ast.unparse(node.returns) == "Axes"
                found |= set() if draws else {f"{module}.{node.name}"}
    assert found == set(GIVES) | TELLS


@pytest.mark.parametrize("name", GIVES)
@pytest.mark.parametrize("values", [[0.7], [0.7, 0.7], [0.7] * 8], ids=["one", "two", "eight"])
def test_no_interval_is_a_point(name: str, values: list[float]) -> None:
    """Fails if one observation, or several that are the same, are shown as certainty."""
    for low, high in GIVES[name](values):
        assert np.isnan(low) == np.isnan(high)
        assert np.isnan(low) or high - low > 1e-3


@pytest.mark.parametrize("name", GIVES)
def test_there_is_an_interval_where_there_is_chance(name: str) -> None:
    """Fails if an interval is withheld where observations differ."""
    values = np.random.default_rng(2).normal(0.5, 3.0, 16)
    told = np.array(GIVES[name](values.tolist()))
    assert np.isfinite(told).any()
    assert (told[:, 1] > told[:, 0])[np.isfinite(told[:, 0])].all()


@pytest.mark.parametrize("count", [2, 3, 12])
def test_the_interval_of_a_mean_covers_as_it_says(count: int) -> None:
    """Fails if an interval of few seeds is too narrow, as a bootstrap's is.

    2,000 samples; 95 % within five standard errors (0.024): a false alarm below 1e-6.
    """
    rng = np.random.default_rng(count)
    found = [of_mean(rng.normal(1.0, 1.0, count)) for _ in range(2000)]
    assert abs(np.mean([f.low < 1.0 < f.high for f in found]) - 0.95) < 0.024


def test_few_seeds_need_more_standard_errors() -> None:
    """Fails if three standard errors of two seeds count as much as those of a hundred."""
    few, many = of_mean([1.0, 2.0]), of_mean(np.tile([1.0, 2.0], 60))
    assert few.z == pytest.approx(3.0)
    assert not few.clear()
    assert many.clear()
    assert not many.clear(-1)


@pytest.mark.parametrize(
    ("told", "text"), [((np.nan, np.nan), ""), ((0.1, 0.2), " [+0.100, +0.200]")]
)
def test_no_interval_is_told_as_nothing(told: tuple[float, float], text: Any) -> None:
    """Fails if a table prints nan."""
    assert between(*told) == text
