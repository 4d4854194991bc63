"""What README and docs tell of results is what stored tables say, and says where it comes from."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from multicopy.analysis.commands import cli
from multicopy.analysis.questions import experiments

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *(p for p in sorted(DOCS.glob("*.md")) if p.name != "gallery.md")]


@pytest.fixture(scope="module")
def results() -> Any:
    """The script that writes the tables."""
    spec = importlib.util.spec_from_file_location("results", DOCS / "results.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tables_of_pages_are_what_the_runs_gave(results: Any) -> None:
    """Fails if a table is edited by hand, or stale beside the stored one."""
    told = "".join((ROOT / name).read_text("utf-8") for name in results.PAGES)
    for name in results.BLOCKS:
        assert told.count(f"<!-- {name} -->") == 1
    for name in results.PAGES:
        text = (ROOT / name).read_text("utf-8")
        assert results.page(text) == text, f"{name}: run docs/results.py"


def test_the_stored_effects_are_those_of_the_file(results: Any) -> None:
    """Fails if an effect or an arm is added or changed and not run."""
    stored = pd.read_csv(DOCS / "effects.csv", keep_default_na=False)
    there = [
        tuple(row) for row in stored[["effect", "arm", "measure", "level", "fixed"]].to_numpy()
    ]
    assert there == [
        (effect.key, arm, effect.measure, effect.level, effect.fixed.get(arm, ""))
        for effect in experiments.load_effects().values()
        for arm in effect.controls or [""]
    ]
    claims = {key: effect.claim for key, effect in experiments.load_effects().items()}
    assert dict(zip(stored["effect"], stored["claim"], strict=True)) == claims


def test_what_makes_the_tables_is_what_the_pages_say(results: Any) -> None:
    """Fails if a page names another command, or other seeds, than made its table."""
    told = "".join((ROOT / name).read_text("utf-8") for name in results.PAGES)
    for command in results.COMMANDS.values():
        cli.parser().parse_args(command.split())
        assert f"`python run.py {command}`" in told or f"python run.py {command}\n" in told


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_picture_says_what_made_it(page: Path) -> None:
    """Fails if a published picture does not name the command that draws it, nearby."""
    text = page.read_text("utf-8")
    for image in re.finditer(r"!\[[^]]*\]\(([^)]+\.png)\)", text):
        around = text[max(0, image.start() - 1200) : image.end() + 700]
        assert re.search(r"python run\.py \w+|`make \w+|designs/\w+\.toml", around), image[1]
