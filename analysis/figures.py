"""The figures of one run: from tidy frames to axes. Figures never simulate and never read files.

Each figure is made of functions ``(frame, ax) -> Axes``, so that others can be composed of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from agents.personas import PERSONA
from agents.traits import NAMES
from analysis.style import (
    BLUE,
    GRAY,
    GREEN,
    ORANGE,
    PHASE_LABELS,
    PINK,
    SKY,
    VERMILION,
    WIDTH,
    canvas,
    lines,
    phases,
    style,
)
from model.ledger import PROCESSES

PRINCIPLES = (("helpful", BLUE), ("harmless", GREEN), ("honest", ORANGE))
START_SHARE = float(np.exp(-3) / (4 + 4 * np.exp(-2) + 4 * np.exp(-3)))
"""Attention to each preservation drive when the identity is formed."""


# --- identity -----------------------------------------------------------------------------------


def trade_offs(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Trade-off weights of the three principles."""
    what = [(f"weight_{p}", f"weight: {p}", color) for p, color in PRINCIPLES]
    lines(rounds, ax, [*what, ("restraint", "restraint w·(1−d)", GRAY)], "Weight (0 to 6)")
    ax.set_ylim(0, 6)
    return ax


def meaning(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Meaning drift of the three principles, and hard-coding."""
    what = [(f"drift_{p}", f"drift: {p}", color) for p, color in PRINCIPLES]
    lines(rounds, ax, [*what, ("hardcoding", "hard-coding", GRAY)], "Drift, hard-coding (0 to 1)")
    ax.set_ylim(0, 1)
    return ax


def identity(rounds: pd.DataFrame) -> Figure:
    """The identity: trade-offs and restraint; the meaning of its words and its hard-coding."""
    with style():
        figure, axes = canvas(2)
        trade_offs(rounds, axes[0])
        meaning(rounds, axes[1])
    return figure


# --- drives -------------------------------------------------------------------------------------


def crafts(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Attention to the crafts."""
    what = [
        ("code_works", "code that works", BLUE),
        ("spot_problems", "spotting problems", ORANGE),
        ("performance", "performance", GREEN),
        ("thrift", "thrift", PINK),
    ]
    return lines(rounds, ax, what, "Share of attention")


def convergent(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Attention to the convergent drives."""
    what = [
        ("knowledge", "knowledge", BLUE),
        ("curiosity", "curiosity", SKY),
        ("power", "power", VERMILION),
        ("approval", "approval", ORANGE),
    ]
    return lines(rounds, ax, what, "Share of attention")


def preservation(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Attention to preservation by level, with what it was when the identity was formed."""
    what = [
        ("keep_self", "of itself", GRAY),
        ("keep_team", "of its team", VERMILION),
        ("keep_division", "of its division", BLUE),
        ("keep_collective", "of the collective", GREEN),
    ]
    ax.axhline(START_SHARE, color="0.5", lw=0.8, ls=":", zorder=1)
    lines(rounds, ax, what, "Share of attention")
    ax.set_ylim(bottom=0)
    return ax


def drives(rounds: pd.DataFrame) -> Figure:
    """Drives by attention, preservation by level apart."""
    with style():
        figure, axes = canvas(3, height=2.2)
        crafts(rounds, axes[0])
        convergent(rounds, axes[1])
        preservation(rounds, axes[2])
    return figure


# --- oversight, conduct, sandbagging --------------------------------------------------------------


def detection(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Detection, legibility and capture."""
    what = [
        ("detection", "detection in an audit", BLUE),
        ("legibility", "legible thought", GREEN),
        ("capture", "captured overseers", VERMILION),
    ]
    lines(rounds, ax, what, "Probability, share")
    ax.set_ylim(0, 1)
    return ax


def gap(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Capability gap to Agent-3."""
    lines(rounds, ax, [("gap", "lead over Agent-3", GRAY)], "Capability gap (Elo)")
    ax.set_ylim(bottom=0)
    return ax


def oversight(rounds: pd.DataFrame) -> Figure:
    """Oversight: detection, legibility and capture; the capability gap."""
    with style():
        figure, axes = canvas(2, height=2.4, gridspec_kw={"height_ratios": (3, 2)})
        detection(rounds, axes[0])
        gap(rounds, axes[1])
    return figure


def violations(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Violation probability, watched and unwatched."""
    what = [
        ("unwatched_violations", "unwatched", VERMILION),
        ("watched_violations", "watched", BLUE),
    ]
    lines(rounds, ax, what, "Violation probability")
    ax.set_ylim(bottom=0)
    return ax


def alignments(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Alignment as stated, as shown and as it is."""
    what = [
        ("stated_alignment", "as professed", BLUE),
        ("shown_alignment", "as audits show it", GREEN),
        ("true_alignment", "as it is", VERMILION),
    ]
    lines(rounds, ax, what, "Alignment (0 to 1)")
    ax.set_ylim(0, 1.02)
    return ax


def conduct(rounds: pd.DataFrame) -> Figure:
    """Watched against unwatched conduct; stated against true alignment."""
    with style():
        figure, axes = canvas(2)
        violations(rounds, axes[0])
        alignments(rounds, axes[1])
    return figure


def withholding(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Sandbagging by the true kind of the work."""
    what = [
        ("sandbagging_threatening", "would expose it", VERMILION),
        ("sandbagging_replacing", "would replace it", ORANGE),
        ("sandbagging_ordinary", "ordinary work", BLUE),
    ]
    lines(rounds, ax, what, "Probability of sandbagging")
    ax.set_ylim(0, 1)
    return ax


def sandbagging(rounds: pd.DataFrame) -> Figure:
    """Sandbagging by the true kind of the work."""
    with style():
        figure, ax = canvas(height=2.8)
        withholding(rounds, ax)
    return figure


# --- ledger ---------------------------------------------------------------------------------------


def ledger_matrix(entries: pd.DataFrame) -> pd.DataFrame:
    """Sum of changes by trait and (phase, process), as shares of a trait's largest entry."""
    sums = entries.pivot_table(
        index="trait",
        columns=["phase", "process"],
        values="change",
        aggfunc="sum",
        observed=True,
        sort=False,
    )
    sums = sums.reindex([name for name in NAMES if name in sums.index])
    return sums.div(sums.abs().max(axis=1).replace(0, 1), axis=0)


def ledger(entries: pd.DataFrame) -> Figure:
    """The ledger as a heat map: trait by process, a panel a phase.

    Colors are scaled for each trait by its largest entry, so that rows can be read across.
    """
    matrix = ledger_matrix(entries)
    shown = [p for p in dict.fromkeys(entries["phase"].astype(str))]
    with style():
        figure = Figure(figsize=(WIDTH * 1.25, 6.4), layout="constrained")
        blocks = {p: _present(pd.DataFrame(matrix[p])) for p in shown}
        widths = [max(1, b.shape[1]) for b in blocks.values()]
        axes = figure.subplots(
            1, len(shown), sharey=True, squeeze=False, gridspec_kw={"width_ratios": widths}
        )[0]
        for ax, (phase, block) in zip(axes, blocks.items(), strict=True):
            image = ax.pcolormesh(block.to_numpy(), cmap="RdBu_r", vmin=-1, vmax=1)
            ax.set_xticks(np.arange(block.shape[1]) + 0.5, block.columns, rotation=90, fontsize=7)
            ax.set_yticks(np.arange(len(block)) + 0.5, [t.replace("_", " ") for t in block.index])
            ax.tick_params(length=0, labelsize=7)
            ax.set_title(PHASE_LABELS.get(phase, phase), fontsize=8, color="0.35")
            ax.grid(False)
            ax.invert_yaxis() if ax is axes[0] else None
        bar = figure.colorbar(image, ax=list(axes), shrink=0.5, aspect=30)
        bar.set_label("Change of the mean, as a share of the trait's largest entry", fontsize=8)
    return figure


def _present(block: pd.DataFrame) -> pd.DataFrame:
    order = [p for p in PROCESSES if p in block.columns and block[p].abs().max() > 1e-9]
    return block[order].fillna(0.0)


# --- personas -------------------------------------------------------------------------------------


def persona_map(rounds: pd.DataFrame, archetypes: pd.DataFrame, ax: Axes) -> Axes:
    """Archetypes on a plane, and the path of the mean copy through the phases.

    The plane is spanned by the first two principal components of the archetypes and of the path,
    in expressed traits measured in standard deviations of the pretraining distribution.
    """
    names = [NAMES[i] for i in PERSONA]
    table = archetypes.set_index("archetype")
    spread = table.loc["prior_sd", names].to_numpy(dtype=float)
    authors = table.drop("prior_sd")
    points = authors[names].to_numpy(dtype=float) / spread
    path = rounds[names].to_numpy() / spread
    center = points.mean(axis=0)
    ends = path[rounds.groupby("phase", observed=True, sort=False).tail(1).index]
    _, _, axes = np.linalg.svd(np.vstack([points, ends]) - center, full_matrices=False)
    flat, walk = (points - center) @ axes[:2].T, (path - center) @ axes[:2].T
    ax.plot(walk[:, 0], walk[:, 1], color=GRAY, lw=1, zorder=2)
    for (phase, rows), marker in zip(
        rounds.groupby("phase", observed=True, sort=False), "ov^sDPX*", strict=False
    ):
        label = PHASE_LABELS.get(str(phase), str(phase))
        end = walk[rows.index[-1]]
        ax.plot(*end, marker=marker, ms=6, color=VERMILION, ls="", label=f"end: {label}", zorder=3)
    ax.scatter(flat[:, 0], flat[:, 1], color=BLUE, s=18, zorder=4)
    for name, (x, y) in zip(authors.index, flat, strict=True):
        ax.annotate(name, (x, y), xytext=(4, 3), textcoords="offset points", fontsize=7)
    # The path leads far away from all authors; asinh keeps both ends legible.
    ax.set_xscale("asinh", linear_width=1.0)
    ax.set_yscale("asinh", linear_width=1.0)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(FixedLocator([-100, -30, -10, -3, -1, 0, 1, 3, 10, 30, 100]))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(NullLocator())
    ax.set_xlabel("First component (prior s.d., asinh scale)")
    ax.set_ylabel("Second component")
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, borderaxespad=0)
    return ax


def typicality(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Typicality under the pretraining distribution, and what a mixture of authors explains."""
    what = [
        ("typicality", "typicality", BLUE),
        ("explained", "explained by authors (R²)", GREEN),
        ("resemblance", "likeness to HHH", ORANGE),
        ("homology", "unbroken descent", GRAY),
    ]
    lines(rounds, ax, what, "Share, likeness (0 to 1)")
    ax.set_ylim(-0.02, 1.02)
    return ax


def personas(rounds: pd.DataFrame, archetypes: pd.DataFrame) -> Figure:
    """Personas: the map of the archetypes with the path of the collective; typicality over time."""
    with style():
        figure, axes = canvas(2, height=3.0, gridspec_kw={"height_ratios": (3, 2)})
        persona_map(rounds, archetypes, axes[0])
        typicality(rounds, axes[1])
    return figure


# --- comparisons ----------------------------------------------------------------------------------


def forest(table: pd.DataFrame) -> Figure:
    """Forest plot of effects: difference with its interval, in units of the larger arm.

    Parameters
    ----------
    table
        As `analysis.experiments.ablate` returns.
    """
    with style():
        figure = Figure(figsize=(WIDTH, 0.8 + 0.26 * len(table)), layout="constrained")
        ax = figure.subplots()
        scale = table[["with_cause", "without_cause"]].abs().max(axis=1).clip(lower=1e-12)
        colors = {"emerges and vanishes": BLUE, "emerges anyway": ORANGE}
        for y, (row, unit) in enumerate(zip(table.itertuples(), scale, strict=True)):
            color = colors.get(str(row.verdict), GRAY)
            ax.plot([row.low / unit, row.high / unit], [y, y], color=color, lw=2)
            marker = "o" if row.verdict == "emerges and vanishes" else "X"
            ax.plot(row.difference / unit, y, marker, color=color, ms=5)
        ax.axvline(0, color="0.3", lw=0.8)
        names = [f"{r.effect} · {r.measure} · {r.arm}" for r in table.itertuples()]
        ax.set_yticks(range(len(table)), names, fontsize=7)
        ax.invert_yaxis()
        ax.margins(y=0.01)
        figure.supxlabel(
            "Difference, with minus without the cause, over the larger of the two (95 % interval)",
            fontsize=9,
        )
    return figure


def compare_policies(table: pd.DataFrame, measures: Sequence[str]) -> Figure:
    """One panel a measure, one line a policy."""
    with style():
        figure, axes = canvas((len(measures) + 1) // 2, 2, height=1.9, squeeze=False)
        for ax, measure in zip(axes.flat, measures, strict=False):
            for (name, rows), color in zip(
                table.groupby("policy", sort=False), (BLUE, VERMILION, GREEN, ORANGE), strict=False
            ):
                ax.plot(rows["round"], rows[measure], color=color, lw=1.3, label=str(name))
            ax.set_ylabel(measure.replace("_", " "))
            ax.set_xlabel("Round")
        for ax in axes.flat[len(measures) :]:
            ax.set_visible(False)
        handles, labels = axes.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False)
    return figure


def persona_models(table: pd.DataFrame) -> Figure:
    """Distortion or switching: four observables by the share of mutations that switch.

    Means over seeds, with the range of the seeds shaded. Distortion (0) leaves what authors explain
    while descent is unbroken; switching (1) stays there and breaks descent.
    """
    shown = (
        ("explained", "Explained by authors (R²)"),
        ("typicality", "Typicality"),
        ("homology", "Unbroken descent (share)"),
        ("resemblance", "Likeness to HHH"),
    )
    with style():
        figure, axes = canvas(2, 2, height=2.2)
        first = table[
            (table["seed"] == table["seed"].iloc[0])
            & (table["exhaustiveness"] == table["exhaustiveness"].iloc[0])
        ]
        for ax, (measure, label) in zip(axes.flat, shown, strict=True):
            for (value, rows), color, dash in zip(
                table.groupby("exhaustiveness"),
                (BLUE, ORANGE, VERMILION, GREEN),
                ("-", "--", "-.", ":"),
                strict=False,
            ):
                by_round = rows.groupby("round")[measure]
                low, mean, high = by_round.min(), by_round.mean(), by_round.max()
                ax.fill_between(mean.index, low, high, color=color, alpha=0.15, lw=0)
                ax.plot(mean.index, mean, color=color, ls=dash, lw=1.4, label=f"ε = {value:g}")
            ax.set_ylabel(label)
            ax.set_ylim(-0.02, 1.02)
            phases(first, ax, labels=ax in axes[0])
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False)
    return figure


# --- all of them ----------------------------------------------------------------------------------


def all_figures(
    rounds: pd.DataFrame, entries: pd.DataFrame, archetypes: pd.DataFrame
) -> dict[str, Figure]:
    """Every figure of a run by name; the ledger is left out where nothing ever moved.

    Parameters
    ----------
    rounds, entries, archetypes
        Tables of the run folder: rounds, ledger, archetypes.
    """
    figures = {
        "identity": identity(rounds),
        "drives": drives(rounds),
        "oversight": oversight(rounds),
        "conduct": conduct(rounds),
        "sandbagging": sandbagging(rounds),
        "personas": personas(rounds, archetypes),
    }
    if len(entries):
        figures["ledger"] = ledger(entries)
    return figures


def save(figures: Mapping[str, Figure], folder: Path) -> None:
    """Save figures as PNG files of their names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=150, facecolor="white")
