"""A run that is made again from its own folder, and what is said where it is not the same."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kept import begun

from multicopy.analysis.commands.cli import main
from multicopy.analysis.files import folder
from multicopy.analysis.files.reproduction import IDENTICAL, difference
from multicopy.model.scenario import resolve, scale_rounds

WORDS = ["--copies", "64", "--rounds-scale", "0.02", "--quiet", "--no-figures", "--lineage"]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; only to be looked at."""
    out = tmp_path_factory.mktemp("runs") / "run"
    changes = ["--seed", "3", "--set", "oversight.audit=0.4"]
    assert main(["run", *WORDS, *changes, "--out", str(out)]) == 0
    return out


@pytest.fixture
def run(done: Path, tmp_path: Path) -> Path:
    """A finished run of one's own."""
    return Path(shutil.copytree(done, tmp_path / "run"))


def told(run: Path, code: int, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What `reproduce` says of each table, and at the end under ''."""
    assert main(["reproduce", str(run)]) == code
    lines = capsys.readouterr().out.splitlines()
    found = dict(line.split(maxsplit=1) for line in lines if not line.startswith("The run"))
    return {**found, "": "\n".join(line for line in lines if line.startswith("The run"))}


def rewrite(run: Path, name: str, change: Callable[[pd.DataFrame], Any]) -> None:
    """Change a table of a run, as other code would have made it."""
    frame = folder._read_table(run / f"{name}.parquet", identity(run), [])
    changed = change(frame)
    folder.write_table(
        run / f"{name}.parquet", frame if changed is None else changed, identity(run)
    )


def identity(run: Path) -> dict[str, str]:
    return folder._identity(json.loads((run / "provenance.json").read_text()))


def test_a_run_is_the_same_again(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fails if a table is not compared, or a folder does not say all that it takes."""
    before = {f: f.read_bytes() for f in run.rglob("*")}
    found = told(run, 0, capsys)
    assert found.pop("") == "The run is the same, bit for bit."
    assert found == dict.fromkeys([*folder.TABLES, "lineage", "outcome"], IDENTICAL)
    assert {f: f.read_bytes() for f in run.rglob("*")} == before


def test_a_number_that_differs_is_told_with_its_round(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if one last bit of one number is passed over, or reported for another round."""

    def change(frame: pd.DataFrame) -> None:
        frame.loc[6, "capture"] = np.nextafter(frame["capture"][6], 1)
        frame.loc[9, "keep_team"] += 0.25

    rewrite(run, "rounds", change)
    found = told(run, 1, capsys)
    assert found["rounds"].startswith("differs from round 7 on, first in capture: ")
    assert "2 of 18 rows differ, by at most 0.25 (keep_team)" in found["rounds"]
    assert found["ledger"] == found["copies"] == IDENTICAL
    assert found[""] == "The run is not the same."


def test_another_seed_is_not_the_same(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fails if a run is compared with itself."""
    text = (run / "provenance.json").read_text().replace('"seed": 3', '"seed": 4')
    (run / "provenance.json").write_text(text)
    for name in [*folder.TABLES, "lineage"]:
        table = folder.pq.read_table(run / f"{name}.parquet").to_pandas()
        folder.write_table(run / f"{name}.parquet", table, identity(run))
    found = told(run, 1, capsys)
    assert found["archetypes"] == IDENTICAL or "differs" in found["archetypes"]
    assert "differs from round 1 on" in found["rounds"]
    assert "differs from row 0 on" in found["copies"]
    assert "differs" in found["lineage"]


def test_other_versions_are_said_first(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fails if a difference that a library made is reported as a fault of the folder."""
    text = (run / "provenance.json").read_text()
    tree = json.loads(text)
    numpy = tree["versions"]["numpy"]
    (run / "provenance.json").write_text(text.replace(f'"numpy": "{numpy}"', '"numpy": "1.0"'))
    found = told(run, 0, capsys)
    assert found[""].splitlines() == [
        f"The run was made with numpy 1.0 (here {numpy})",
        "The run is the same, bit for bit.",
    ]


def test_a_run_that_was_stopped_is_compared_as_far_as_it_went(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if rounds that were never run are reported as a difference."""
    model = begun(scale_rounds(resolve(overrides={"copies": 64}), 0.02), 3)
    for _ in range(7):
        model.step()
    folder.write(tmp_path / "run", model, {"plugins": {}})
    assert set(told(tmp_path / "run", 0, capsys).values()) == {
        IDENTICAL,
        "The run is the same, bit for bit.",
    }


ONE = pd.DataFrame({"round": [1, 1, 2], "kind": ["a", "b", "c"], "value": [0.5, 1.5, 2.5]})


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (ONE.assign(kind=pd.Categorical(ONE["kind"])), IDENTICAL),
        (ONE[:2], "it had 3 rows, and has 2"),
        (ONE.drop(columns="kind"), "only one of the two has kind"),
        (ONE[["kind", "round", "value"]], "this order of columns"),
        (ONE.assign(kind=["a", "b", "d"]), "from round 2 on, first in kind: was c, is d; 1 of 3"),
        (ONE.assign(value=[0.5, 1.0, 2.5])[:2], "first in value: was 1.5, is 1.0, by 0.5"),
        (ONE.assign(value=1), "first in value: was 0.5, is 1.0"),
    ],
)
def test_differences_in_words(other: pd.DataFrame, says: str) -> None:
    """Fails if a row, column or text is left out of the comparison."""
    assert says in difference(ONE, other)


def test_a_plugin_that_is_missing_is_asked_for(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if a run of other code is reported as a difference of numbers."""
    text = (run / "provenance.json").read_text()
    changed = text.replace('"plugins": {}', '"plugins": {"mine.py": "ab12"}')
    (run / "provenance.json").write_text(changed)
    assert main(["reproduce", str(run)]) == 2
    error = capsys.readouterr().err
    assert "mine.py" in error
    assert len(error.splitlines()) == 1
