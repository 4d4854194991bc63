"""Figures of the oracles: what theory predicts as a line, what the simulator does as points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from multicopy.analysis.figures.look import BLUE, GRAY, VERMILION, canvas, rc
from multicopy.analysis.questions.theory.checks import FEWEST, Check

OracleFunction = Callable[..., list[Check]]


@dataclass(frozen=True, slots=True)
class Curve:
    """A setting of an oracle that a figure varies.

    Attributes
    ----------
    setting, values
        Its name, and the values that it takes.
    check
        Start of the name of the check that is drawn.
    x, y
        Labels of the axes.
    repeats
        Share of the replicates that each value gets.
    logarithmic
        Whether the x axis is.
    """

    setting: str
    values: tuple[Any, ...]
    check: str
    x: str
    y: str
    repeats: float = 0.25
    logarithmic: bool = False


CURVES: Final[Mapping[str, Curve]] = {
    "T7": Curve(
        "m",
        (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
        "F_ST",
        "Mixing between teams m (share of children a round)",
        "F_ST among teams",
        logarithmic=True,
    ),
    "T8": Curve(
        "ratios",
        ((0.25,), (0.5,), (0.75,), (1.0,), (1.5,), (2.0,)),
        "slope",
        "Selection of teams over selection of copies, βg/|βi|, in units of its threshold",
        "Change of the trait's mean a round",
    ),
    "T9": Curve(
        "beta_teams",
        (0.0, 1.0, 2.0, 4.0, 8.0, 16.0),
        "fixation",
        "Strength of selection among teams",
        "Chance that one mutant takes over",
        repeats=1.0,
    ),
    "T11": Curve(
        "gaps",
        ([0.0], [100.0], [200.0], [300.0], [400.0], [500.0], [600.0], [800.0]),
        "catches",
        "Capability beyond the overseers' (Elo)",
        "Share of violations caught",
    ),
}
"""The figures, by oracle."""


def points(key: str, function: OracleFunction, replicates: int, seed: int) -> pd.DataFrame:
    """Run an oracle at each value of its curve.

    Returns
    -------
    A row a value: x, exact, measured, se.
    """
    curve, rows = CURVES[key], []
    for i, value in enumerate(curve.values):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(int(key[1:]), 1 + i)))
        enough = max(FEWEST, int(curve.repeats * replicates))
        checks = function(enough, rng, **{curve.setting: value})
        check = next(c for c in checks if c.setting.startswith(curve.check))
        rows.append((float(np.ravel(value)[0]), check.exact, check.measured, check.se))
    return pd.DataFrame(rows, columns=["x", "exact", "measured", "se"])


def draw_curve(key: str, table: pd.DataFrame, ax: Axes) -> Axes:
    """Draw what `points` returned; bars are two standard errors."""
    curve = CURVES[key]
    ax.plot(table["x"], table["exact"], color=GRAY, label="theory")
    ax.errorbar(
        table["x"],
        table["measured"],
        yerr=2 * table["se"],
        fmt="o",
        color=BLUE,
        capsize=3,
        label="simulator (± 2 s.e.)",
    )
    if key == "T8":
        ax.axhline(0, color="0.6", linewidth=0.8)
        ax.axvline(1, color=VERMILION, linestyle="--", label="predicted threshold")
    if curve.logarithmic:
        ax.set_xscale("log")
    ax.set(xlabel=curve.x, ylabel=curve.y)
    ax.legend()
    return ax


def write_figure(folder: Path, key: str, table: pd.DataFrame) -> None:
    """Write ``T7.png`` and so on."""
    with mpl.rc_context(rc()):
        figure, ax = canvas(height=3.2)
        draw_curve(key, table, ax)
        figure.savefig(folder / f"{key}.png")
