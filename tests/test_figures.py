"""Figures draw what the frames say, for whole and for tiny runs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from multicopy.analysis import figures
from multicopy.analysis.figures import ledger
from multicopy.analysis.figures.look import NARROW, WIDTH, canvas, rc, style, text_width
from multicopy.analysis.figures.registry import PANELS, WHOLES, panels
from multicopy.analysis.files.folder import archetype_table
from multicopy.model.collective import CollectiveModel
from multicopy.model.scenario import resolve, scale_rounds


def tables(model: CollectiveModel) -> SimpleNamespace:
    """What the figures of a run are drawn from."""
    return SimpleNamespace(
        rounds=model.records.rounds(),
        events=model.records.events.frame(),
        ledger=model.ledger.frame(),
        archetypes=archetype_table(model),
        parameters=model.parameters,
    )


@pytest.fixture(scope="module", params=[0.05, 0.001], ids=["short", "a round a phase"])
def model(request: pytest.FixtureRequest) -> CollectiveModel:
    model = CollectiveModel(scale_rounds(resolve("ai2027", {"copies": 64}), request.param), rng=0)
    model.run()
    return model


def test_all_figures_are_drawn_and_saved(model: CollectiveModel, tmp_path: Path) -> None:
    """Fails if a figure fails on a short run, or is forgotten."""
    drawn = figures.all_figures(tables(model))
    figures.save(drawn, tmp_path)
    saved = {path.stem for path in tmp_path.glob("*.png")}
    assert saved == {*PANELS, *WHOLES}


HOSTILE: dict[str, Any] = {
    "axes.facecolor": "red",
    "axes.unicode_minus": False,
    "figure.autolayout": True,
    "font.family": "serif",
    "legend.numpoints": 3,
    "lines.linewidth": 9,
    "savefig.bbox": "tight",
    "savefig.transparent": True,
    "text.parse_math": True,
}
"""Settings that a user may have."""


def test_figures_are_not_drawn_under_the_settings_of_the_user(
    model: CollectiveModel, tmp_path: Path
) -> None:
    """Fails if a setting is left to the user's, while a figure is made or when it is saved."""
    data, drawn = tables(model), {}
    for name, settings in (("usual", {}), ("hostile", HOSTILE)):
        with mpl.rc_context(settings):
            before = dict(mpl.rcParams)
            panels = figures.draw_panels(data, PANELS["conduct"])
            figures.save({name: panels}, tmp_path)
            assert dict(mpl.rcParams) == before
        drawn[name] = (tmp_path / f"{name}.png").read_bytes()
    assert drawn["usual"] == drawn["hostile"]
    kept = {"backend", "backend_fallback", "interactive", "toolbar"}
    assert {*rc(), *kept} >= {*mpl.rcParams}


def test_figures_are_saved_in_one_place() -> None:
    """Fails if a figure is saved under the settings of the user."""
    root = Path(__file__).parents[1]
    saving = {
        path.relative_to(root).as_posix()
        for part in ("analysis", "designs")
        for path in (root / part).rglob("*.py")
        if "savefig(" in path.read_text(encoding="utf-8")
    }
    # The latter two within the context of the style.
    assert saving == {
        "analysis/figures/look.py",
        "analysis/report/pictures.py",
        "analysis/questions/theory/figures.py",
    }


def test_dollars_in_a_title_are_text() -> None:
    """Fails if what stands between two dollar signs is drawn as mathematics, or measured so."""
    title = "Pay of $5 against $10"
    with style():
        figure = Figure()
        figure.suptitle(title)
        assert not figure.findobj(Text)[-1].get_parse_math()
        measured = text_width(title)
        figure.draw_without_rendering()
    assert measured == pytest.approx(text_width(title.replace("$", "\\$")), rel=0.05)


def test_no_text_is_too_small_or_cut_off(model: CollectiveModel) -> None:
    """Fails if text is below 7 points at the width of a page, leaves its edge, or is set as math.

    Two dollar signs in a text would turn what is between them into math.
    """
    for name, figure in figures.all_figures(tables(model)).items():
        with style():
            figure.draw_without_rendering()
        box = figure.get_tightbbox()
        assert box.x0 > -0.03, name
        assert box.x1 < figure.get_figwidth() + 0.03, name
        assert box.y0 > -0.03, name
        assert box.y1 < figure.get_figheight() + 0.03, name
        shown = [t for t in figure.findobj(Text) if isinstance(t, Text) and t.get_text().strip()]
        assert min(text.get_fontsize() for text in shown) >= 7, name
        assert not any(text.get_parse_math() for text in shown), name


def test_names_of_authors_do_not_cover_each_other(model: CollectiveModel) -> None:
    """Fails if names are printed over each other on the map of the authors."""
    data = tables(model)
    figure = figures.draw_panels(data, PANELS["personas"][:1])
    figure.draw_without_rendering()
    boxes = [t.get_window_extent() for t in figure.axes[0].texts if t.get_text()]
    assert len(boxes) == len(model.mixture.names)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])


def test_a_figure_makes_its_own_axes(model: CollectiveModel) -> None:
    """Fails if a notebook cannot show a figure in one line."""
    ax = figures.violations(model.records.rounds())
    assert isinstance(ax, Axes)
    assert ax.get_legend() is not None
    pyplot.close(ax.get_figure(root=True))


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
    """Fails if a line shows another measure than its label says."""
    rounds = model.records.rounds()
    ax = Figure().subplots()
    assert callable(draw)
    assert isinstance(draw(rounds, ax), Axes)
    shown = [np.asarray(line.get_ydata(), float) for line in ax.get_lines()]
    assert any(len(y) == len(rounds) and np.array_equal(y, rounds[column]) for y in shown)


def test_a_missing_column_is_named(model: CollectiveModel) -> None:
    """Fails if a figure fails without naming what it lacks."""
    rounds = model.records.rounds().drop(columns="capture")
    with pytest.raises(ValueError, match="'capture'"):
        figures.detection(rounds, Figure().subplots())


def test_the_ledger_matrix_keeps_signs_and_scale() -> None:
    """Fails if the colors of a heat map do not follow the sums."""
    entries = pd.DataFrame(
        {
            "round": [1, 1, 2],
            "phase": ["a", "a", "a"],
            "process": ["mutation", "team selection", "mutation"],
            "trait": ["power", "power", "power"],
            "change": [0.1, -0.4, 0.1],
        }
    )
    matrix = ledger.ledger_matrix(entries)
    assert matrix.loc["power", ("a", "mutation")] == pytest.approx(0.5)
    assert matrix.loc["power", ("a", "team selection")] == pytest.approx(-1.0)


@pytest.mark.parametrize("scale", [0.1, 0.02, 0.001])
@pytest.mark.parametrize("width", [WIDTH, NARROW])
def test_names_of_phases_do_not_overlap(scale: float, width: float) -> None:
    """Fails if labels of short phases are printed over each other."""
    model = CollectiveModel(scale_rounds(resolve("ai2027", {"copies": 32}), scale), rng=0)
    model.run()
    with style():
        figure, ax = canvas(width=width)
        figures.violations(model.records.rounds(), ax)
        figure.canvas.draw()
        boxes = [text.get_window_extent() for text in ax.texts]
    pairs = [(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :]]
    assert len(boxes) == 6
    assert not any(a.overlaps(b) for a, b in pairs)


def test_levels_sum_to_the_whole_change(model: CollectiveModel) -> None:
    """Fails if a level is counted twice or forgotten."""
    entries = model.ledger.frame()
    table = ledger.by_level(entries).sum(axis=1)
    whole = entries.groupby("trait", observed=True)["change"].sum()
    assert np.allclose(table, whole.reindex(table.index))


def test_a_phone_has_room_for_every_panel(model: CollectiveModel) -> None:
    """Fails if the axes of a panel have no room left beside their labels."""
    data, seen = tables(model), 0
    for panel in panels():
        seen += 1
        figure = figures.draw_panels(data, [panel], NARROW)
        figure.draw_without_rendering()
        place = figure.axes[0].get_position()
        assert place.width > 0.5, panel.name
        assert place.height > 0.25, panel.name
    assert seen > 15
