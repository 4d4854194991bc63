"""Descent worked out from the replacements of a run, forward and backward in time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from multicopy.agents.machine.arithmetic import exps
from multicopy.agents.parameters import nearest
from multicopy.agents.personas import PERSONA
from multicopy.agents.traits import NAMES
from multicopy.analysis.figures.look import BLUE, GREEN, VERMILION, legend, panel, phases
from multicopy.analysis.files.columns import Damaged
from multicopy.analysis.files.columns import read as read_table
from multicopy.analysis.files.folder import Run
from multicopy.analysis.files.folder import read as read_run
from multicopy.model.scenario import InputError

FILE: Final = "lineage.parquet"
"""Where a run folder keeps its replacements."""

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Lineage:
    """A run with its replacements.

    Attributes
    ----------
    run
        The run.
    replaced
        Table of replacements: step, round, process, row, parent.
    """

    run: Run
    replaced: pd.DataFrame

    @property
    def copies(self) -> int:
        """Size of the population."""
        return len(self.run.copies)

    @property
    def last(self) -> int:
        """Last round of the run."""
        return int(self.run.rounds["round"].iloc[-1])

    def steps(self) -> Iterator[tuple[int, Rows]]:
        """Each step in order: its round, and for each row the row that it came from.

        Weights that the lab puts back come from the rows of the stored population, which is
        marked by a parent of -1 - row.
        """
        table = self.replaced
        starts = np.flatnonzero(np.diff(table["step"].to_numpy(), prepend=-1))
        ends = [*starts[1:], len(table)][: len(starts)]  # without a replacement there is no step
        rows, parents = table["row"].to_numpy(), table["parent"].to_numpy()
        restored = (table["process"] == "lab response").to_numpy()
        rounds = table["round"].to_numpy()
        for first, last in zip(starts, ends, strict=True):
            origin = np.arange(self.copies)
            part = slice(first, last)
            origin[rows[part]] = np.where(restored[part], -1 - parents[part], parents[part])
            yield int(rounds[first]), origin

    @property
    def stored(self) -> int:
        """Round at whose start the weights were stored that the lab may put back; 0 if none."""
        begins = 1
        before = None
        for phase in self.run.parameters.phases.values():
            if before is not None and phase.generation > before:
                return begins
            before, begins = phase.generation, begins + phase.rounds
        return 0


def read(folder: str | Path) -> Lineage:
    """Read a run that was made with ``--lineage``.

    Raises
    ------
    InputError
        If the folder holds no run, or one whose replacements were not kept.
    """
    run = read_run(folder)
    path = Path(folder) / FILE
    try:
        kept = read_table(path).replace_schema_metadata().to_pandas()
    except FileNotFoundError:
        raise InputError(f"{folder}: its lineages were not kept; run it with --lineage") from None
    except Damaged as error:
        raise InputError(f"{path}: {error}") from None
    copies, rounds = run.parameters.copies, int(run.provenance["rounds_done"])
    bounds = {"step": (0, 2**31), "round": (1, rounds), "row": (0, copies - 1)}
    for name, ends in {**bounds, "parent": (-copies, copies - 1)}.items():
        if name not in kept or not kept[name].between(*ends).all():
            raise InputError(f"{path}: is damaged in the column {name!r}")
    if "process" not in kept or not kept["step"].is_monotonic_increasing:
        raise InputError(f"{path}: is damaged, its steps are not in order or have no process")
    return Lineage(run, kept)


def forward(lineage: Lineage) -> Iterator[tuple[int, Rows]]:
    """Founder of each row at the end of each round; founders are the rows of the first round."""
    founder = np.arange(lineage.copies)
    stored = founder
    steps = iter(lineage.steps())
    ahead = next(steps, None)
    for round_ in range(1, lineage.last + 1):
        if round_ == lineage.stored:
            stored = founder.copy()
        while ahead is not None and ahead[0] == round_:
            origin = ahead[1]
            founder = np.where(origin >= 0, founder[origin], stored[-1 - origin])
            ahead = next(steps, None)
        yield round_, founder


def founders_left(lineage: Lineage) -> pd.DataFrame:
    """Founding lineages left at the end of each round, and the share of the largest."""
    told = []
    for round_, founder in forward(lineage):
        counts = np.bincount(founder, minlength=lineage.copies)
        told.append((round_, int((counts > 0).sum()), float(counts.max() / lineage.copies)))
    frame = pd.DataFrame(told, columns=["round", "founders", "largest"])
    return frame.merge(lineage.run.rounds[["round", "phase"]], on="round")


def ancestors(lineage: Lineage, rows: Rows) -> Iterator[tuple[int, Rows]]:
    """Rows at the start of each round from which final rows descend, the last round first."""
    current = np.asarray(rows, dtype=np.int64)
    steps = list(lineage.steps())
    kept: Rows | None = None
    which = np.zeros(len(current), dtype=bool)
    for round_ in range(lineage.last, 0, -1):
        while steps and steps[-1][0] == round_:
            origin = steps.pop()[1]
            before = np.where(which, current, origin[current])
            restored = before < 0
            kept = np.where(restored, -1 - before, before) if restored.any() else kept
            which |= restored
            current = np.where(restored, -1 - before, before)
        if round_ == lineage.stored:
            which[:] = False
        yield round_, current


@dataclass(frozen=True, slots=True)
class Sweep:
    """How the carriers of a trait came to be.

    Attributes
    ----------
    trait, level
        Carriers are the final copies with more of the trait than the level.
    carriers
        Share of the final population.
    origin, team
        Last round at whose start one copy was the ancestor of most carriers, and its team; 0 and
        -1 if there is none.
    rounds
        How long that copy's descendants took from a tenth to nine tenths of what they reached.
    """

    trait: str
    level: float
    carriers: float
    origin: int
    team: int
    rounds: int


def sweep(lineage: Lineage, trait: str, level: float | None = None) -> Sweep:
    """How a trait swept: from which team, and how fast.

    Parameters
    ----------
    lineage
        A run with its replacements.
    trait
        Name of the trait.
    level
        What carriers have more than; by default half of the final nine-tenths quantile.
    """
    if trait not in NAMES:
        raise InputError(f"there is no trait {trait!r}{nearest(trait, NAMES)}")
    values = lineage.run.copies[trait].to_numpy()
    bar = float(np.quantile(values, 0.9) / 2) if level is None else level
    carriers = np.flatnonzero(values > bar)
    size = lineage.copies // lineage.run.parameters.team_count
    for round_, rows in ancestors(lineage, carriers):
        counts = np.bincount(rows, minlength=lineage.copies)
        if counts.max() > len(carriers) / 2:
            row = int(counts.argmax())
            took = _rise(_descendants(lineage, row, round_))
            return Sweep(trait, bar, len(carriers) / lineage.copies, round_, row // size, took)
    return Sweep(trait, bar, len(carriers) / lineage.copies, 0, -1, 0)


def _descendants(lineage: Lineage, row: int, since: int) -> NDArray[np.float64]:
    """Share of the population that descends from a row of the start of a round, by round."""
    mine = np.zeros(lineage.copies, dtype=bool)
    mine[row] = True
    stored = mine.copy() if lineage.stored >= since else np.zeros_like(mine)
    shares, steps = [], [step for step in lineage.steps() if step[0] >= since]
    at = 0
    for round_ in range(since, lineage.last + 1):
        if round_ == lineage.stored:
            stored = mine.copy()
        while at < len(steps) and steps[at][0] == round_:
            origin = steps[at][1]
            mine = np.where(origin >= 0, mine[origin], stored[-1 - origin])
            at += 1
        shares.append(mine.mean())
    return np.array(shares)


def _rise(share: NDArray[np.float64]) -> int:
    """Rounds from a tenth to nine tenths of the highest share."""
    top = share.max()
    return int(np.argmax(share >= 0.9 * top) - np.argmax(share >= 0.1 * top))


def descent_and_likeness(lineage: Lineage) -> pd.DataFrame:
    """Homology against likeness: a row a final copy.

    Columns: copy, team, unswitched (unbroken descent from the identity), likeness to the identity
    (exp of minus the root mean square difference of expressed traits, in prior s.d.).
    """
    run = lineage.run
    names = [NAMES[i] for i in PERSONA]
    table = run.archetypes.set_index("archetype")
    identity = table.loc[run.parameters.authors.identity, names].to_numpy(dtype=float)
    spread = table.loc["prior_sd", names].to_numpy(dtype=float)
    off = (run.copies[names].to_numpy() - identity) / spread
    likeness = exps(-np.sqrt((off * off).mean(axis=1)))
    return run.copies[["copy", "team", "unswitched"]].assign(likeness=likeness)


def in_words(lineage: Lineage, trait: str) -> Iterator[str]:
    """The genealogy in a few sentences."""
    found = sweep(lineage, trait)
    left = founders_left(lineage)
    for phase, rows in left.groupby("phase", observed=True, sort=False):
        end = rows.iloc[-1]
        label = lineage.run.parameters.phases[str(phase)].label or str(phase)
        yield (
            f"{label}: {end['founders']:,} of {lineage.copies:,} founding lineages left at its "
            f"end, the largest has {end['largest']:.0%} of the copies."
        )
    of = descent_and_likeness(lineage)
    yield (
        f"Descent from the identity is unbroken in {of['unswitched'].mean():.0%} of the copies; "
        f"their mean likeness to it is {of['likeness'].mean():.3f}."
    )
    carried = f"{trait} above {found.level:.3f}: {found.carriers:.0%} of the copies"
    if not found.origin:
        yield f"{carried}, most of which have no common ancestor."
        return
    yield (
        f"{carried}; most descend from one copy of team {found.team} in round {found.origin}; "
        f"its descendants took {found.rounds} rounds from a tenth to nine tenths of their peak."
    )


@panel
def founders(left: pd.DataFrame, ax: Axes) -> Axes:
    """Founding lineages left over the rounds, and the share of the largest."""
    count = left["founders"].max()
    ax.plot(left["round"], left["founders"], color=BLUE, lw=1.4, label="founding lineages left")
    ax.plot(
        left["round"], count * left["largest"], color=VERMILION, ls="--", lw=1.4,
        label=f"share of the largest (× {count:,})",
    )  # fmt: skip
    ax.set_yscale("symlog", linthresh=1)
    ax.set_ylim(bottom=0)
    ax.set_ylabel("Lineages (log scale)")
    legend(ax)
    return phases(left, ax)


@panel
def homology(of: pd.DataFrame, ax: Axes) -> Axes:
    """Likeness to the identity of copies whose descent from it is unbroken, and of the others."""
    edges = np.linspace(0, max(1e-3, float(of["likeness"].max())), 31)
    for kept, name, color, hatch in (
        (True, "unbroken", BLUE, ""),
        (False, "switched", GREEN, "//"),
    ):
        values = of.loc[of["unswitched"] == kept, "likeness"]
        if len(values):
            ax.hist(
                values, list(edges), color=color, alpha=0.6, hatch=hatch, label=f"descent {name}"
            )
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.set_xlabel("Likeness to the HHH identity (0 to 1)")
    ax.set_ylabel("Copies")
    legend(ax)
    return ax


def tree_sequence(lineage: Lineage) -> Any:
    """The genealogy of the final copies as a tskit tree sequence, simplified.

    Time is in steps before the end; each copy is a haploid sample, in the order of their rows.

    Raises
    ------
    InputError
        If tskit is not installed.
    """
    try:
        import tskit
    except ModuleNotFoundError:
        raise InputError("tskit is not installed; pip install '.[lineage]'") from None
    steps = list(lineage.steps())
    tables = tskit.TableCollection(sequence_length=1.0)
    tables.time_units = "steps"
    n = lineage.copies
    current = _add_nodes(tables, np.full(n, len(steps) + 1.0))
    stored, done = current.copy(), 0
    for i, (round_, origin) in enumerate(steps):
        if not done and lineage.stored and round_ >= lineage.stored:
            stored, done = current.copy(), 1
        rows = np.flatnonzero(origin != np.arange(n))
        source = np.where(
            origin[rows] >= 0,
            current[np.maximum(origin[rows], 0)],
            stored[-1 - np.minimum(origin[rows], -1)],
        )
        born = _add_nodes(tables, np.full(len(rows), float(len(steps) - i)))
        _add_edges(tables, source, born)
        current = current.copy()
        current[rows] = born
    samples = _add_nodes(tables, np.zeros(n), tskit.NODE_IS_SAMPLE)
    _add_edges(tables, current, samples)
    tables.sort()
    tables.simplify(samples)
    return tables.tree_sequence()


def _add_nodes(tables: Any, time: NDArray[np.float64], flags: int = 0) -> Rows:
    first = tables.nodes.num_rows
    tables.nodes.append_columns(np.full(len(time), flags, dtype=np.uint32), time)
    return np.arange(first, first + len(time))


def _add_edges(tables: Any, parents: Rows, children: Rows) -> None:
    tables.edges.append_columns(
        np.zeros(len(parents)),
        np.ones(len(parents)),
        parents.astype(np.int32),
        children.astype(np.int32),
    )
