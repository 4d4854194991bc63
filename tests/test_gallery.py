"""The gallery has every figure, and each of its lines draws one."""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from multicopy.analysis import figures
from multicopy.analysis.figures import sweeps
from multicopy.analysis.questions import attribution, trees

DOCS = Path(__file__).parents[1] / "docs"
WITHIN = {"effects": "forest", "draw_panels": "violations"}
"""Figures that another of the gallery shows."""


@pytest.fixture(scope="module")
def gallery() -> Any:
    """The script that makes the gallery."""
    spec = importlib.util.spec_from_file_location("gallery", DOCS / "gallery.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def public_figures(module: ModuleType) -> set[str]:
    """Functions of a module that give axes or a figure."""
    functions = inspect.getmembers(module, inspect.isfunction)
    drawing = {n for n, f in functions if f.__annotations__.get("return") in ("Axes", "Figure")}
    helpers = {"canvas", "figure_of", "lines", "phases"}
    return {name for name in drawing - helpers if not name.startswith("_")}


def test_every_figure_is_in_the_gallery(gallery: Any) -> None:
    """Fails if nobody can find a figure."""
    lines = [line for lines in gallery.GALLERY.values() for line in lines]
    shown = {gallery.name_of(line) for line in lines}
    assert len(shown) == len(lines)
    public = set().union(*map(public_figures, (figures, sweeps, trees, attribution)))
    assert public == shown | set(WITHIN)
    assert set(WITHIN.values()) <= shown


def test_the_page_is_what_the_script_writes(gallery: Any) -> None:
    """Fails if a line changes in one place only, or an image is missing."""
    assert (DOCS / "gallery.md").read_text(encoding="utf-8") == gallery.page()
    images = {path.stem for path in (DOCS / "gallery").iterdir()}
    assert images == {gallery.name_of(line) for ls in gallery.GALLERY.values() for line in ls}
    assert sum(path.stat().st_size for path in (DOCS / "gallery").iterdir()) < 2_500_000


SMALL = "--copies 64 --rounds-scale 0.02"


@pytest.mark.slow
def test_each_line_draws_its_figure(
    gallery: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if a line, or a command before it, fails."""
    for name, command in gallery.COMMANDS.items():
        word = command.split()[0]
        more = "" if word == "run" else " --workers 0"
        more += " --seeds 1" if word in ("ablate", "personas") else ""
        monkeypatch.setitem(gallery.COMMANDS, name, f"{command} {SMALL}{more}")
    indices = gallery.SETUP_INDICES.replace('"samples": 32', '"samples": 2')
    monkeypatch.setattr(gallery, "SETUP_INDICES", indices.replace("0.1, ", "0.02, "))
    monkeypatch.chdir(DOCS.parent)
    gallery.prepare(tmp_path / "results")
    (tmp_path / "images").mkdir()
    gallery.draw(tmp_path / "results", tmp_path / "images")
    drawn = {path.name for path in (tmp_path / "images").iterdir()}
    assert drawn == {path.name for path in (DOCS / "gallery").iterdir()}
