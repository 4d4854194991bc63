"""Draw the figures of the shipped designs: ``PYTHONPATH=. python designs/draw.py RESULTS DOCS``.

RESULTS holds the folders ``sweep-audits`` and so on that `make sweeps` fills. Beside each figure
the numbers are printed that docs/sweeps.md tells.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from multicopy.analysis.figures.look import BLUE, GREEN, ORANGE, PINK, VERMILION, style
from multicopy.analysis.figures.look import save as save_figure
from multicopy.analysis.many import load, read
from multicopy.analysis.questions import phase_map
from multicopy.analysis.questions.intervals import Mean, of_mean
from multicopy.analysis.questions.theory.structure import threshold
from multicopy.model.scenario import resolve

HERE = Path(__file__).parent
COPIES_REPLACED = 0.11
"""Share of a team that is replaced in a round: a challenge rate of 0.22, half of them won."""

MAPS: dict[str, list[tuple[str, str, str, str | None]]] = {
    "audits": [("unwatched_violations", "oversight.penalty", "oversight.audit", None)],
    "panels": [("capture", "oversight.rotation", "oversight.debate", "panel")],
    "teams": [("keep_team", "subdivisions.reshuffle", "teams", "subdivisions.contest_rate")],
    "emergence": [("keep_team", "subdivisions.reshuffle", "teams", None)],
    "personas": [
        ("from_identity", "training.exhaustiveness", "phases.agency_training.rounds", None)
    ],
}
"""What is drawn of each design: measure, x, y and panels."""

START_TEAM = 0.0105
"""Attention to the own team in the identity as it is declared."""


def draw(name: str, results: Path, docs: Path) -> None:
    """Draw the maps of a design."""
    design, runs = load(HERE / f"{name}.toml"), read(results / f"sweep-{name}")
    print(f"\n{name}: {runs.attrs}\n{runs['outcome'].value_counts().to_string()}")
    for measure, x, y, by in MAPS[name]:
        cells = phase_map.table(runs, design, measure, x, y, by)
        print(cells.pivot_table("mean", [c for c in (by, y) if c], x, observed=True).round(3))
        drawn = phase_map.figure(cells, runs, design.title, measure, x, y, by)
        save(drawn, docs / f"sweep-{name}.png")
    if name == "teams":
        save(beside_theory(runs), docs / "sweep-teams-theory.png")
    if name == "emergence":
        save(over_threshold(runs, design.fixed["copies"]), docs / "emergence.png")


def generations(rate: Any) -> Any:
    """What happens at a rate a round, in the time in which selection replaces a team."""
    return 1 - (1 - np.asarray(rate)) ** (1 / COPIES_REPLACED)


def thresholds(cells: pd.DataFrame) -> pd.Series:
    """Theory's threshold of a collective trait (T8) in each cell.

    Theory knows generations; a generation is the time in which a team is replaced. A contest is won
    by the challenger half of the time.
    """
    copies = load(HERE / "teams.toml").fixed.get("copies", 4096)
    values = [
        threshold(
            copies // row.teams,
            row.teams,
            float(generations(row.reshuffle)),
            float(generations(row.contest_rate / 2)),
        )
        for row in cells.itertuples()
    ]
    return pd.Series(values, cells.index)


def beside_theory(runs: pd.DataFrame) -> Figure:
    """Attention to the own team against theory's threshold, a dot a cell."""
    short = runs.rename(columns=lambda name: name.removeprefix("subdivisions."))
    grouped = short.groupby(["teams", "reshuffle", "contest_rate"])["keep_team"]
    rows = [(*cell, *of_mean(values)) for cell, values in grouped]
    cells = pd.DataFrame(rows, columns=["teams", "reshuffle", "contest_rate", *Mean._fields])
    cells["threshold"] = thresholds(cells)
    rank = spearmanr(cells["threshold"], cells["mean"])
    print(f"keep_team against the threshold: rank correlation {rank.statistic:.2f}")
    with style():
        drawn = Figure(figsize=(6.5, 3.4), layout="constrained")
        ax = drawn.subplots()
        colors = (BLUE, ORANGE, GREEN, VERMILION, PINK)
        for color, (teams, part) in zip(colors, cells.groupby("teams"), strict=False):
            ax.errorbar(part["threshold"], part["mean"], part["high"] - part["mean"], fmt="o", ms=4,
                        lw=0.8, color=color, label=f"{teams}")  # fmt: skip
        ax.set(
            xscale="log",
            xlabel="Theory's threshold: least benefit to the team over cost to the copy",
            ylabel="Mean attention to the own team",
        )
        ax.legend(title="teams", loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        ax.set_title(
            f"{len(runs):,} runs, {cells['seeds'].min()} a dot, 95 % intervals; "
            f"rank correlation {rank.statistic:.2f}",
            fontsize=9,
        )
    return drawn


def over_threshold(runs: pd.DataFrame, copies: int) -> Figure:
    """Measured attention to the own team on the map of theory's threshold (T8)."""
    p = resolve("ai2027").subdivisions
    groups = float(generations(p.contest_rate / 2))
    sizes, rates = np.geomspace(3.2, 80, 60), np.geomspace(7e-4, 0.45, 60)
    cut = np.array(
        [
            [threshold(size, copies / size, float(generations(rate)), groups) for rate in rates]
            for size in sizes
        ]
    )
    cells = runs.groupby(["teams", "subdivisions.reshuffle"])["keep_team"].mean().reset_index()
    cells.columns = ["teams", "rate", "kept"]
    at = [
        threshold(copies / teams, teams, float(generations(max(rate, 1e-6))), groups)
        for teams, rate in zip(cells["teams"], cells["rate"], strict=True)
    ]
    rank = spearmanr(at, cells["kept"])
    print(f"keep_team against the threshold: rank correlation {rank.statistic:.2f}")
    with style():
        drawn = Figure(figsize=(6.5, 3.8), layout="constrained")
        ax = drawn.subplots()
        lines = ax.contour(
            rates, sizes, cut, levels=[3, 10, 30, 100, 300], colors="0.35", norm="log"
        )
        ax.clabel(lines, fmt="%g", fontsize=8)
        seen = ax.scatter(
            cells["rate"].clip(lower=1e-3), copies / cells["teams"], c=cells["kept"] / START_TEAM,
            s=110, cmap="viridis", norm="log", edgecolors="0.2", zorder=3,
        )  # fmt: skip
        ax.set(
            xscale="log",
            yscale="log",
            xlabel="Mixing: copies that change teams (share a round; leftmost: none)",
            ylabel="Team size (copies)",
        )
        ax.set_yticks(sorted(set(copies // cells["teams"])), sorted(set(copies // cells["teams"])))
        ax.minorticks_off()
        bar = drawn.colorbar(seen, ax=ax, label="Measured keep_team over its start")
        bar.set_ticks([1, 2, 4, 10, 20, 40], labels=["1", "2", "4", "10", "20", "40"])
        bar.minorticks_off()
    return drawn


def save(figure: Figure, path: Path) -> None:
    """Write a figure and say where."""
    save_figure(figure, path)
    print(f"The figure is {path}")


if __name__ == "__main__":
    for name in MAPS:
        draw(name, Path(sys.argv[1]), Path(sys.argv[2]))
