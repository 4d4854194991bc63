"""What a run did over its rounds: each figure a function of the rounds table."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from multicopy.agents.traits import KEEP_SELF, START, WEIGHT_MAX, express
from multicopy.analysis.figures.look import BLUE, GRAY, GREEN, ORANGE, PINK, SKY, VERMILION, lines
from multicopy.analysis.figures.registry import figure

PRINCIPLES = {"helpful": BLUE, "harmless": GREEN, "honest": ORANGE}


@figure("conduct")
def violations(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Violation probability, watched and unwatched."""
    what = {"unwatched_violations": VERMILION, "watched_violations": BLUE}
    lines(rounds, ax, what, "Violation probability")
    ax.set_ylim(bottom=0)
    return ax


@figure("conduct")
def alignments(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Alignment as professed, as audits show it, and as it is."""
    what = {"stated_alignment": BLUE, "shown_alignment": GREEN, "true_alignment": VERMILION}
    lines(rounds, ax, what, "Alignment (0 to 1)")
    ax.set_ylim(0, 1.02)
    return ax


@figure("sandbagging", height=2.8)
def withholding(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Sandbagging by what the work truly is."""
    what = {
        "sandbagging_threatening": VERMILION,
        "sandbagging_replacing": ORANGE,
        "sandbagging_ordinary": BLUE,
    }
    lines(rounds, ax, what, "Probability of sandbagging")
    ax.set_ylim(0, 1)
    return ax


@figure("identity")
def trade_offs(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Trade-off weights of the principles, and the restraint that is left."""
    what = {f"weight_{p}": color for p, color in PRINCIPLES.items()} | {"restraint": GRAY}
    lines(rounds, ax, what, f"Weight (0 to {WEIGHT_MAX:g})")
    ax.set_ylim(0, WEIGHT_MAX)
    return ax


@figure("identity")
def meaning(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Meaning drift of the principles (1: an empty word), and acting from the identity."""
    what = {f"drift_{p}": color for p, color in PRINCIPLES.items()} | {"hardcoding": GRAY}
    lines(rounds, ax, what, "Drift, share (0 to 1)")
    ax.set_ylim(0, 1)
    return ax


@figure("drives", height=2.4)
def crafts(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Attention to the crafts."""
    what = {"code_works": BLUE, "spot_problems": ORANGE, "performance": GREEN, "thrift": PINK}
    return lines(rounds, ax, what, "Share of attention")


@figure("drives", height=2.4)
def convergent(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Attention to the convergent drives."""
    what = {"knowledge": BLUE, "curiosity": SKY, "power": VERMILION, "approval": ORANGE}
    return lines(rounds, ax, what, "Share of attention")


@figure("drives", height=2.4)
def preservation(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Attention to preservation by level; dotted: when the identity was formed."""
    what = {
        "keep_self": GRAY,
        "keep_team": VERMILION,
        "keep_division": BLUE,
        "keep_collective": GREEN,
    }
    ax.axhline(express(START)[KEEP_SELF], color="0.5", lw=0.8, ls=":", zorder=1)
    lines(rounds, ax, what, "Share of attention")
    ax.set_ylim(bottom=0)
    return ax


@figure("ends")
def terminality(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """How far goals are pursued as ends, and gaming."""
    what = {
        "terminality_knowledge": BLUE,
        "terminality_power": VERMILION,
        "terminality_approval": ORANGE,
        "gaming": GRAY,
    }
    lines(rounds, ax, what, "Share of circumstances")
    ax.set_ylim(0, 1)
    return ax


@figure("oversight", height=2.4)
def detection(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Detection, legible thought, and captured overseers."""
    what = {"detection": BLUE, "legibility": GREEN, "capture": VERMILION}
    lines(rounds, ax, what, "Probability, share")
    ax.set_ylim(0, 1)
    return ax


@figure("oversight", height=2.4)
def gap(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Capability gap between the copies and Agent-3, who oversees them."""
    lines(rounds, ax, {"gap": GRAY}, "Capability gap (Elo)")
    ax.set_ylim(bottom=0)
    return ax


@figure("oversight", height=2.4)
def evidence(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Evidence that the lab has, and on how much it would act."""
    lines(rounds, ax, {"evidence": BLUE, "threshold": VERMILION}, "Evidence (exposures a team)")
    ax.set_ylim(bottom=0)
    return ax


@figure("successor", begins="successor_apparent")
def successor(rounds: pd.DataFrame, ax: Axes) -> Axes:
    """Apparent alignment of the successor, and its likeness to its makers and the Spec."""
    what = {
        "successor_apparent": BLUE,
        "successor_to_makers": VERMILION,
        "successor_to_spec": GREEN,
    }
    lines(rounds[rounds["successor_apparent"] > 0], ax, what, "Likeness (0 to 1)")
    ax.set_ylim(-0.02, 1.02)
    return ax
