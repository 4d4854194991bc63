"""Figures draw what the frames say, for whole and for tiny runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import figures
from analysis.folder import archetype_table
from model.collective import CollectiveModel
from model.scenario import resolve, scale_rounds


@pytest.fixture(scope="module", params=[0.05, 0.001], ids=["short", "a round a phase"])
def model(request: pytest.FixtureRequest) -> CollectiveModel:
    model = CollectiveModel(scale_rounds(resolve("ai2027", {"copies": 64}), request.param))
    model.run()
    return model


def test_all_figures_are_drawn_and_saved(model: CollectiveModel, tmp_path: Path) -> None:
    """A figure that fails on a short run, or is forgotten, would break it."""
    drawn = figures.all_figures(
        model.records.rounds(), model.ledger.frame(), archetype_table(model)
    )
    figures.save(drawn, tmp_path)
    saved = {path.stem for path in tmp_path.glob("*.png")}
    expected = {"identity", "drives", "oversight", "conduct", "sandbagging", "personas", "ledger"}
    assert saved == expected


@pytest.mark.parametrize(
    ("draw", "column"),
    [
        (figures.violations, "unwatched_violations"),
        (figures.preservation, "keep_team"),
        (figures.detection, "capture"),
        (figures.withholding, "sandbagging_threatening"),
    ],
)
def test_a_line_shows_its_column(model: CollectiveModel, draw: object, column: str) -> None:
    """A line of another measure than its label says would break it."""
    rounds = model.records.rounds()
    ax = Figure().subplots()
    assert callable(draw)
    assert isinstance(draw(rounds, ax), Axes)
    shown = [np.asarray(line.get_ydata(), float) for line in ax.get_lines()]
    assert any(len(y) == len(rounds) and np.array_equal(y, rounds[column]) for y in shown)


def test_a_missing_column_is_named(model: CollectiveModel) -> None:
    """A figure that fails without naming what it lacks would break it."""
    rounds = model.records.rounds().drop(columns="capture")
    with pytest.raises(ValueError, match="'capture'"):
        figures.detection(rounds, Figure().subplots())


def test_the_ledger_matrix_keeps_signs_and_scale() -> None:
    """A heat map whose colors do not follow the sums would break it."""
    entries = pd.DataFrame(
        {
            "round": [1, 1, 2],
            "phase": ["a", "a", "a"],
            "process": ["mutation", "team selection", "mutation"],
            "trait": ["power", "power", "power"],
            "change": [0.1, -0.4, 0.1],
        }
    )
    matrix = figures.ledger_matrix(entries)
    assert matrix.loc["power", ("a", "mutation")] == pytest.approx(0.5)
    assert matrix.loc["power", ("a", "team selection")] == pytest.approx(-1.0)


def test_names_of_phases_do_not_overlap() -> None:
    """Labels of short phases printed over each other would break it."""
    model = CollectiveModel(scale_rounds(resolve("ai2027", {"copies": 32}), 0.1))
    model.run()
    with figures.style():
        figure, ax = figures.canvas()
        figures.violations(model.records.rounds(), ax)
        figure.canvas.draw()
        boxes = [text.get_window_extent() for text in ax.texts]
    pairs = [(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :]]
    assert len(boxes) == 6
    assert not any(a.overlaps(b) for a, b in pairs)
