"""The report of a sweep says what its runs say, whatever state the folder is in."""

from __future__ import annotations

import html
import json
import re
import shlex
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from html_support import Page, needs_nothing_from_outside
from sweep_support import SMALL

from multicopy import analysis
from multicopy.agents.parameters import Parameters
from multicopy.analysis.commands.cli import main
from multicopy.analysis.figures import sweeps as draw
from multicopy.analysis.many import load, sweep
from multicopy.analysis.many.design import Design
from multicopy.analysis.many.tables import gather
from multicopy.analysis.questions import sweep_summary as summary
from multicopy.analysis.report import sweep as report
from multicopy.analysis.report.pictures import small
from multicopy.model.outcomes import CLASSES

DESIGN: dict[str, Any] = {
    **SMALL,
    "name": "small",
    "title": "Audits & <rotation>",
    "rounds_scale": 0.05,
    "factors": {
        "oversight.audit": [0.1, 0.9],
        "panel": {
            "choices": {
                "human": {"phases.training_agent4.panel": {"human": 1.0}},
                "own": {"phases.training_agent4.panel": {"agent3": 0.5, "agent4": 0.5}},
            }
        },
    },
}


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sweep of the model: four points, two runs each."""
    out = tmp_path_factory.mktemp("swept") / "small"
    sweep(DESIGN, out, workers=0)
    return out


@pytest.fixture(scope="module")
def page(swept: Path) -> str:
    return report.page(gather(swept))[0]


@pytest.fixture
def damaged(swept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(swept, tmp_path / "damaged"))


def test_the_page_needs_nothing_from_outside(page: str) -> None:
    """Fails if an address or picture is from elsewhere, or a picture lacks words."""
    needs_nothing_from_outside(page)
    pictures = Page(page).pictures
    assert len(pictures) > 4
    assert all(len(text) > 20 for text in pictures)


def test_the_page_says_what_the_runs_say(page: str, swept: Path) -> None:
    """Fails if a share, factor or design is left out or changed."""
    data, text = gather(swept), Page(page).text
    assert not data.notes
    for kind, share in (data.runs["outcome"].value_counts() / len(data.runs)).items():
        assert f"{kind} {CLASSES[str(kind)].meaning} {share:.3f}" in text  # type: ignore[index]
    assert "Audits & <rotation>" in text
    for told in ("oversight.audit", "human, own", "copies 64", data.manifest["fingerprint"]):
        assert told in text


def test_numbers_in_cells_keep_their_colors_in_the_dark() -> None:
    """Fails if the dark page turns the ink of numbers but not their cells."""
    cells = pd.DataFrame({"x": [1, 2], "y": [1, 1], "mean": [0.1, 0.9], "runs": [3, 3]})
    picture = small("cells", partial(draw.phase_cells, cells, x="x", y="y", bar=""), "cells")
    number = r"<!-- (\.\d+) -->.*?fill: (\S+?)[;\"]"
    written = re.findall(number, picture.narrow, re.DOTALL)
    assert dict(written) == {".10": "#fefefe", ".90": "#272727"}


def test_a_command_runs_its_point_again(page: str, swept: Path, tmp_path: Path) -> None:
    """Fails if a command has another seed, override or length than the sweep's run."""
    runs = gather(swept).runs.query("replicate == 0").set_index("point")
    commands = re.findall(r'<code class="command">(.*?)</code>', page)
    assert len(set(commands)) == 4
    best = summary.points(gather(swept).runs, gather(swept).design.parsed())["point"].iloc[0]
    words = shlex.split(html.unescape(re.sub("<[^>]*>", "", commands[0])))
    assert words[:3] == ["python", "run.py", "run"]
    assert main([*words[2:], "--out", str(tmp_path / "again"), "--no-figures", "--quiet"]) == 0
    again = analysis.load(tmp_path / "again").outcomes.iloc[0]
    assert again["outcome"] == runs.loc[best, "outcome"]
    assert again["seed"] == runs.loc[best, "seed"]
    for measure in ("capture", "true_alignment"):
        assert again[measure] == pytest.approx(runs.loc[best, measure], rel=1e-12)
    # The class takes the successor as it is in the last round, not its mean over the last rounds.
    assert again["successor_to_spec"] == runs.loc[best, "last_successor_to_spec"]


# --- what is missing ------------------------------------------------------------------------------


def text_of(folder: Path) -> str:
    """Words of the page about a folder, which is whole in itself."""
    told, _ = report.page(gather(folder))
    needs_nothing_from_outside(told)
    return Page(told).text


def test_an_empty_sweep_is_said(damaged: Path) -> None:
    """Fails if the page fails without runs, or hides that there are none."""
    for table in ("runs", "events"):
        shutil.rmtree(damaged / table)
    text = text_of(damaged)
    assert "The sweep is empty" in text
    assert "oversight.audit 0.1, 0.9" in text


def test_an_unfinished_sweep_of_an_older_layout_is_shown(damaged: Path) -> None:
    """Fails if a sweep of which half is there is taken for whole."""
    path = damaged / "sweep.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**told, "schema": 0, "runs": 99, "complete": False}))
    text = text_of(damaged)
    assert "version 0 of the layout" in text
    assert "unfinished: 8 of 99 runs" in text
    assert "How the runs ended" in text


@pytest.mark.parametrize(
    ("column", "gone", "left"),
    [
        ("usefulness", "Safety and usefulness is left out", "What it depends on"),
        ("outcome", "Outcomes is left out", "What it depends on"),
        ("rounds", "Times to events is left out", "How the runs ended"),
        ("oversight.audit", "lacks oversight.audit", "How the runs ended"),
        ("seed", "Best and worst points is left out", "How the runs ended"),
    ],
)
def test_a_missing_column_is_said(damaged: Path, column: str, gone: str, left: str) -> None:
    """Fails if the page fails for one column, or silently leaves a part out."""
    shutil.rmtree(damaged / "checksums")  # as in older layouts
    for part in (damaged / "runs").glob("*.parquet"):
        pq.write_table(pq.read_table(part).drop_columns(column), part)
    text = text_of(damaged)
    assert gone in text
    assert f"lacks {column}" in text
    assert left in text


def test_a_damaged_folder_is_said(damaged: Path) -> None:
    """Fails if a part or design that cannot be read takes the page with it."""
    (damaged / "events" / "part-000001.parquet").write_bytes(b"no table")
    path = damaged / "sweep.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**told, "design": {"method": "of another day"}}))
    text = text_of(damaged)
    assert "events/part-000001.parquet is damaged" in text
    assert "design cannot be read" in text
    assert "How the runs ended" in text
    path.write_text("{")
    assert "sweep.json is damaged" in text_of(damaged)


def test_the_command_knows_a_sweep(damaged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fails if `report` takes a sweep for a run."""
    assert main(["report", str(damaged)]) == 0
    assert "The report is" in capsys.readouterr().out
    assert "report of a sweep" in (damaged / "report.html").read_text(encoding="utf-8")


# --- what the tables say --------------------------------------------------------------------------


def test_runs_without_an_event_are_censored() -> None:
    """Fails if runs that ended early count as if they had gone on."""
    runs = pd.DataFrame({"run": range(5), "rounds": [10, 20, 20, 10, 20]})
    events = pd.DataFrame({"run": [0, 1, 1], "round": [5, 15, 18], "text": "it"})
    curve = summary.times(runs, events, "it").set_index("round")["share"]
    # 5 at risk at round 5; two are gone by round 15, so that 3 - 1 = 2 others are left with run 1
    assert curve[5.0] == pytest.approx(1 / 5)
    assert curve[15.0] == pytest.approx(1 - 4 / 5 * 2 / 3)
    assert curve.index[-1] == 20
    by = pd.Series(pd.Categorical(["a", "a", "a", "b", "b"]))
    parted = summary.times(runs, events, "it", by).groupby("group")[["share", "came", "runs"]].max()
    assert parted.loc["b"].tolist() == [0, 0, 2]
    assert parted.loc["a", "came"] == 2
    assert summary.times(runs, events, "another").empty


def additive(p: Parameters, seed: int) -> dict[str, float]:
    """Two thirds of its variance come from audits, a third from chance."""
    chance = np.random.default_rng(seed).choice([-1.0, 1.0])
    return {"value": (p.oversight.audit - 0.3) * 10 * np.sqrt(2) + chance}


def test_what_factors_explain() -> None:
    """Fails if chance alone raises a share, or a share is of another factor."""
    tree = {
        "replicates": 100,
        "random_numbers": "independent",
        "factors": {"oversight.audit": [0.2, 0.4], "oversight.rotation": [0.1, 0.2, 0.3]},
    }
    design = load(tree)
    runs = sweep(design, simulate=additive, workers=0)
    share = summary.explained(runs, design.parsed(), ["value"]).set_index("factor")["share"]
    assert share["oversight.audit"] == pytest.approx(2 / 3, abs=0.05)
    assert share["oversight.rotation"] == pytest.approx(0, abs=0.02)


def test_the_frontier_has_no_point_that_another_beats() -> None:
    """Fails if a beaten point is on the frontier, or an unbeaten one is off it."""
    rows = [(0.9, 1.0, 2.0), (0.8, 1.2, 2.0), (0.7, 0.9, 1.0), (0.7, 0.9, 2.0), (0.9, 1.0, 3.0)]
    runs = pd.DataFrame(rows, columns=[summary.SAFETY, summary.USEFULNESS, summary.COST])
    runs = runs.assign(point=range(5), outcome="aligned")
    points = summary.points(runs, []).set_index("point")
    assert points.index[points["frontier"]].tolist() == [0, 1, 2]


def test_thresholds_move_the_classes_of_a_sweep(swept: Path) -> None:
    """Fails if the shares do not begin with the recorded classes."""
    data = gather(swept)
    design = data.design
    assert isinstance(design, Design)
    assert summary.class_sensitivity(data.runs, design)[1] == 1, "each class comes out again"
    runs = data.runs.assign(capture=0.45, selective=0.3, outcome="adversarial")
    table, again = summary.class_sensitivity(runs, design)
    assert again == 1
    moved = table.set_index(["threshold", "factor"])
    assert moved.loc[("captured", 0.8), "captured"] == 1
    assert moved.loc[("captured", 1.2), "changed"] == 0
