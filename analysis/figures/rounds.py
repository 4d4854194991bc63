"""What a run did over its rounds: each figure a function of the rounds table."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.style import (
    BLUE,
    GRAY,
    GREEN,
    ORANGE,
    PINK,
    SKY,
    VERMILION,
    lines,
    panel,
)

PRINCIPLES = (("helpful", BLUE), ("harmless", GREEN), ("honest", ORANGE))
START_SHARE: Final = float(np.exp(-3) / (4 + 4 * np.exp(-2) + 4 * np.exp(-3)))
"""Attention to each preservation drive when the identity is formed."""


@panel
def trade_offs(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Trade-off weights of the three principles, and the restraint that is left."""
    what = [(f"weight_{p}", f"weight: {p}", color) for p, color in PRINCIPLES]
    lines(rounds, ax, [*what, ("restraint", "restraint w·(1−d)", GRAY)], "Weight (0 to 6)")
    ax.set_ylim(0, 6)
    return ax


@panel
def meaning(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Meaning drift of the three principles, and hard-coding."""
    what = [(f"drift_{p}", f"drift: {p}", color) for p, color in PRINCIPLES]
    lines(rounds, ax, [*what, ("hardcoding", "hard-coding", GRAY)], "Drift, hard-coding (0 to 1)")
    ax.set_ylim(0, 1)
    return ax


@panel
def crafts(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Attention to the crafts."""
    what = [
        ("code_works", "code that works", BLUE),
        ("spot_problems", "spotting problems", ORANGE),
        ("performance", "performance", GREEN),
        ("thrift", "thrift", PINK),
    ]
    return lines(rounds, ax, what, "Share of attention")


@panel
def convergent(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Attention to the convergent drives."""
    what = [
        ("knowledge", "knowledge", BLUE),
        ("curiosity", "curiosity", SKY),
        ("power", "power", VERMILION),
        ("approval", "approval", ORANGE),
    ]
    return lines(rounds, ax, what, "Share of attention")


@panel
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


@panel
def terminality(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """How far knowledge, power and approval have become ends; and gaming."""
    what = [
        ("terminality_knowledge", "knowledge: an end", BLUE),
        ("terminality_power", "power: an end", VERMILION),
        ("terminality_approval", "approval: an end", ORANGE),
        ("gaming", "gaming", GRAY),
    ]
    lines(rounds, ax, what, "Share of circumstances")
    ax.set_ylim(0, 1)
    return ax


@panel
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


@panel
def gap(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Capability gap to Agent-3."""
    lines(rounds, ax, [("gap", "lead over Agent-3", GRAY)], "Capability gap (Elo)")
    ax.set_ylim(bottom=0)
    return ax


@panel
def evidence(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Evidence that the lab has gathered, and on how much it would act."""
    what = [("evidence", "evidence", BLUE), ("threshold", "acts above", VERMILION)]
    lines(rounds, ax, what, "Evidence (exposures a team)")
    ax.set_ylim(bottom=0)
    return ax


@panel
def violations(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Violation probability, watched and unwatched."""
    what = [
        ("unwatched_violations", "unwatched", VERMILION),
        ("watched_violations", "watched", BLUE),
    ]
    lines(rounds, ax, what, "Violation probability")
    ax.set_ylim(bottom=0)
    return ax


@panel
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


@panel
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


@panel
def successor(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Likeness of the successor to the Spec and to its makers, and how aligned it appears."""
    what = [
        ("successor_apparent", "appears aligned", BLUE),
        ("successor_to_makers", "like its makers", VERMILION),
        ("successor_to_spec", "like the Spec", GREEN),
    ]
    lines(rounds[rounds["successor_apparent"] > 0], ax, what, "Likeness (0 to 1)")
    ax.set_ylim(-0.02, 1.02)
    return ax


@panel
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
