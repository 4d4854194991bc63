"""The report is one page that says what the folder says, whatever state the folder is in."""

from __future__ import annotations

import json
import shutil
import webbrowser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import small_model
from html_support import Page, needs_nothing_from_outside
from markupsafe import Markup

from multicopy import analysis
from multicopy.agents.traits import NAMES
from multicopy.analysis.commands.cli import main
from multicopy.analysis.files import folder
from multicopy.analysis.report import builder, claims, pictures
from multicopy.analysis.report.story import CLAIMS
from multicopy.model.collective import CollectiveModel
from multicopy.model.genealogy import Genealogy
from multicopy.model.measures import DETAIL, OWN


@pytest.fixture(scope="module")
def run(whole_run: CollectiveModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "run"
    folder.write(path, whole_run, {"command": "<script>alert(1)</script>"})
    return path


@pytest.fixture(scope="module")
def report(run: Path) -> str:
    return builder.page(analysis.load(run))[0]


@pytest.fixture
def damaged(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "damaged"))


def test_the_report_needs_nothing_from_outside(report: str) -> None:
    """Fails if an address, script, style sheet or picture comes from elsewhere."""
    needs_nothing_from_outside(report)


def test_every_picture_is_told_in_words(report: str) -> None:
    """Fails if a figure lacks its alternative text."""
    pictures = Page(report).pictures
    assert len(pictures) > 15
    assert all(len(text) > 20 for text in pictures)


def test_the_report_says_what_the_run_says(report: str, run: Path) -> None:
    """Fails if an outcome, event or provenance is left out or changed."""
    text, data = Page(report).text, analysis.load(run)
    outcome = data.outcomes.iloc[0]
    assert outcome["outcome"] in text
    assert str(outcome["reason"])[1:] in text
    passages = data.events[data.events["kind"] == "passage"]["text"]
    assert len(passages)
    for event in passages:
        assert event in text
    assert data.provenance["fingerprint"] in text
    assert "<script>alert(1)</script>" in text
    for changed in ("copies", "teams", "phases.agency_training.rounds"):
        assert changed in text
    for claim in CLAIMS:
        assert claim.says in text


@pytest.mark.usefixtures("no_pictures")
def test_the_report_tells_of_descent_if_the_run_kept_it(report: str, tmp_path: Path) -> None:
    """Fails if a genealogy is kept and not shown, or shown though not kept."""
    assert "Who descends from whom" not in report
    model = small_model(scale=0.02)
    model.genealogy = Genealogy()
    model.run()
    folder.write(tmp_path / "kept", model, {})
    page, notes = builder.page(analysis.load(tmp_path / "kept"))
    assert not notes
    assert "founding lineages left at its end" in Page(page).text


def test_a_run_can_contradict_a_sentence(run: Path) -> None:
    """Fails if a sentence holds whatever the run shows."""
    data = analysis.load(run)
    assert data.parameters
    verdicts: dict[str, set[object]] = {claim.says: set() for claim in CLAIMS}
    numbers = [
        *NAMES,
        *(name for name in OWN if name not in DETAIL and data.rounds[name].dtype == float),
    ]
    phases = pd.get_dummies(data.rounds["phase"].astype(str), dtype=float).to_numpy()
    rng = np.random.default_rng(1)
    for power in np.tile([0.2, 1.0, 8.0], 5):
        levels = rng.random((phases.shape[1], len(numbers))) ** power
        rounds = data.rounds.assign(**dict(zip(numbers, (phases @ levels).T, strict=True)))
        view = claims.View(rounds, data.archetypes, data.parameters)
        for claim, finding in claims.told(CLAIMS, view):
            verdicts[claim.says].add(finding.holds)
    settings = {
        "Giant virtual corporations of copies.",
        "Tropes of rogue AI are among the authors.",
        "Overseers are Agent-3 and Agent-4 copies, sometimes debating.",
    }
    assert settings < verdicts.keys()
    for says, found in verdicts.items():
        assert False in found or says in settings, says


@pytest.mark.usefixtures("no_pictures")
def test_an_unfinished_run_of_an_older_layout_is_shown(damaged: Path) -> None:
    """Fails if the page hides that the run was stopped, or there is no page."""
    path = damaged / "provenance.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**told, "schema": 0, "complete": False}), encoding="utf-8")
    text = Page(builder.page(analysis.load(damaged))[0]).text
    assert "unfinished" in text
    assert "version 0 of the layout" in text
    assert "what this run shows" in text


def test_what_is_missing_is_said_and_the_rest_is_shown(
    damaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if a page fails for one column or table."""
    monkeypatch.setattr(pictures, "inline", lambda figure, name, alt: Markup("<svg></svg>"))
    (damaged / "ledger.parquet").unlink()
    rounds = pd.read_parquet(damaged / "rounds.parquet").drop(columns=["capture", "keep_self"])
    rounds.to_parquet(damaged / "rounds.parquet")
    page = Page(builder.page(analysis.load(damaged))[0])
    assert "There is no ledger.parquet" in page.text
    assert "rounds.parquet lacks capture, keep_self" in page.text
    assert "The figure 'detection' is left out: the rounds table lacks the column 'capture'" in (
        page.text
    )
    assert "no measure 'capture'" in page.text
    assert len(page.pictures) > 8


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("name", ["scenario.toml", "rounds.parquet", "events.parquet"])
def test_any_one_file_may_be_missing(damaged: Path, name: str) -> None:
    """Fails if there is no page without some one file."""
    (damaged / name).unlink()
    assert "There is no" in builder.page(analysis.load(damaged))[0] or name == "scenario.toml"


@pytest.mark.usefixtures("no_pictures")
def test_the_command_writes_the_page(
    damaged: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Fails if the page goes elsewhere, is not opened, or shows a folder that is no run."""
    assert main(["report", str(damaged)]) == 0
    assert (damaged / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert main(["report", str(damaged), "--out", str(tmp_path / "mine.html")]) == 0
    assert (tmp_path / "mine.html").exists()
    shown: list[str] = []
    monkeypatch.setattr(webbrowser, "open", shown.append)
    assert main(["report", str(damaged), "--open"]) == 0
    assert shown == [(damaged / "report.html").as_uri()]
    (damaged / "events.parquet").write_bytes(b"no table")
    (damaged / "lineage.parquet").write_bytes(b"no table")
    capsys.readouterr()
    assert main(["report", str(damaged)]) == 0
    said = capsys.readouterr().out
    assert "note: events.parquet is damaged" in said
    assert "note: Descent is left out" in said
    assert main(["report", str(tmp_path)]) == 2
    assert "is not a run folder" in capsys.readouterr().err
