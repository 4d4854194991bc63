"""What is declared once shows everywhere: measures, labels, figures, classes of outcome."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from conftest import forked
from kept import program

from multicopy.agents.traits import NAMES, TRAITS
from multicopy.analysis.commands.cli import main
from multicopy.analysis.figures.registry import PANELS, WHOLES, panels
from multicopy.analysis.report import builder
from multicopy.model import measures
from multicopy.model.measures import DERIVED, OWN
from multicopy.model.records import columns

ROOT = Path(__file__).parent.parent
SOURCES = [path for part in ("agents", "model", "analysis") for path in (ROOT / part).rglob("*.py")]
EVERY = {**OWN, **DERIVED}


@pytest.mark.parametrize("name", EVERY)
def test_a_measure_is_declared_whole(name: str) -> None:
    """Fails if a measure lacks a label, a meaning, a unit, or bounds where its unit has some."""
    one = EVERY[name]
    assert one.name == name
    assert one.label
    assert one.meaning
    assert one.unit
    assert one.low < one.high
    if one.unit in ("share", "probability", "likeness"):
        assert math.isfinite(one.low) or math.isfinite(one.high)
    assert measures.title(name).endswith(f"({one.unit})")


def test_labels_tell_things_apart() -> None:
    """Fails if two measures or traits have one label, or one has none."""
    labels = [one.label for one in EVERY.values()] + [trait.label for trait in TRAITS]
    assert len(labels) == len(set(labels)) == len(EVERY) + len(NAMES)
    assert measures.label("no_such_thing") == "no such thing"
    assert measures.unit("no_such_thing") == ""
    assert measures.unit("weight_honest") == "weight"


def test_a_label_is_written_in_one_file() -> None:
    """Fails if a label of several words is repeated by hand."""
    texts = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in SOURCES}
    for label in [one.label for one in EVERY.values()] + [trait.label for trait in TRAITS]:
        if " " in label:
            held = [name for name, text in texts.items() if f'"{label}"' in text]
            assert len(held) == 1, f"{label}: {held}"


def test_the_project_uses_the_decorator_of_plugins() -> None:
    """Fails if a column of the rounds table is no measure, no trait and no label of the round."""
    told = columns((), detail=True)
    spread = {name for name in told if name.startswith(NAMES)}
    assert set(told) == {"round", "phase", "phase_round", "date", *OWN} | spread


def test_a_figure_is_declared_whole() -> None:
    """Fails if a picture lacks words, or a figure has neither a place in the report nor a group."""
    for panel in panels():
        assert panel.says.endswith("."), panel.name
    assert set(builder.PLACED) <= {*PANELS, *WHOLES}
    assert set(WHOLES) <= set(builder.PLACED)


PLUGIN: Final = """
from multicopy.analysis.figures import figure

@figure("mine", says="What I look at.")
def my_picture(rounds, ax):
    return ax.{does}
"""


@pytest.mark.parametrize(
    ("does", "code", "told"),
    [
        ("plot(rounds['round'], rounds['capture'])", 0, ""),
        ("nothing()", 2, "figure 'my_picture' of a plug-in: line 6 of mine.py fails: Attr"),
    ],
    ids=["draws", "fails"],
)
def test_a_plugin_can_add_a_figure(does: str, code: int, told: str, tmp_path: Path) -> None:
    """Fails if a figure of a plug-in is not drawn, or its fault is a trace."""
    mine = tmp_path / "mine.py"
    mine.write_text(PLUGIN.format(does=does), encoding="utf-8")
    out = tmp_path / "run"
    words = f"run --copies 64 --rounds-scale 0.01 --quiet --plugin {mine} --out {out}"
    done = forked(lambda: main(words.split()))
    assert done.code == code, done.err
    assert told in done.err
    assert "Traceback" not in done.err
    assert (out / "figures" / "mine.png").exists() == (code == 0)


SIXTH: Final = """    "rude": Class("it was rude", _rude, "#123456", "++", (), ("homology",)),
    "aligned": Class("""
RUDE: Final = """def _rude(n: Numbers, p: OutcomeParameters) -> str:
    return f"unbroken descent {n['homology']:.2f}"


class Class("""
LOOK: Final = """
import sys
from pathlib import Path
import pandas as pd
from matplotlib.figure import Figure
from multicopy import analysis
from multicopy.analysis.files import folder, frames, robustness
from multicopy.analysis.questions import shares
from multicopy.analysis.figures.sweeps import outcome_bars
from multicopy.analysis.report import builder
from multicopy.model.collective import CollectiveModel
from multicopy.model.scenario import resolve, scale_rounds

model = CollectiveModel(scale_rounds(resolve("slowdown", {"copies": 64}), 0.02), 0)
outcome = model.run()
assert outcome.kind == "rude", outcome
runs = pd.DataFrame({"scenario": pd.Categorical(["a"]), "outcome": ["rude"]})
table = shares.shares(runs).rename(columns={"scenario": "group"})
ax = outcome_bars(table, Figure().subplots())
assert "rude" in [text.get_text() for text in ax.get_legend().get_texts()]
colors = {patch.get_facecolor() for patch in ax.patches if patch.get_width() == 1}
assert colors == {(0x12 / 255, 0x34 / 255, 0x56 / 255, 1.0)}, colors
assert ", rude, aligned |" in frames.dictionary()
assert "| `homology` | in the last round: share" in frames.dictionary()
folder.write(Path("run"), model, {})
data = analysis.load("run")
assert data.outcomes["homology"].notna().all()
page, notes = builder.page(data)
assert "It was rude." in page and "rude (30)" in page, notes
assert robustness.shares(pd.Series(["rude"]))["rude"] == 1
"""


@pytest.mark.slow
def test_a_sixth_class_of_outcome_shows_everywhere_by_itself(tmp_path: Path) -> None:
    """Fails if bars, dictionary, tables or report list the classes, or their numbers, by hand."""
    path = program(tmp_path) / "model" / "outcomes.py"
    text = path.read_text(encoding="utf-8")
    for old, new in (('    "aligned": Class(', SIXTH), ("class Class(", RUDE)):
        assert text.count(old) == 1
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
