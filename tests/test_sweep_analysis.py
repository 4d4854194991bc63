"""What is read from sweeps: sensitivity, scenario discovery, phase diagrams."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sweep_support import ROOT

from multicopy.agents.parameters import Parameters
from multicopy.analysis.commands.cli import main
from multicopy.analysis.many import load, read, sweep
from multicopy.analysis.many.design import Design
from multicopy.analysis.questions import discovery, phase_map, sensitivity
from multicopy.model.scenario import InputError

UNIT = {"low": 0.0, "high": 1.0}
THREE: dict[str, Any] = {
    "factors": {"oversight.audit": UNIT, "oversight.rotation": UNIT, "oversight.debate": UNIT}
}


def linear(p: Parameters, seed: int) -> dict[str, float]:
    """3·audit + rotation: nine tenths of its variance come from audits, a tenth from rotation."""
    return {"y": 3 * p.oversight.audit + p.oversight.rotation, "z": p.oversight.debate, "flat": 1.0}


def boxed(p: Parameters, seed: int) -> dict[str, float | str]:
    """Captured where rotation is below 0.3 and debate below 0.5, under the rule of any alarm."""
    inside = p.oversight.rotation < 0.3 and p.oversight.debate < 0.5
    captured = inside and p.oversight.panel_rule == "any"
    return {"outcome": "captured" if captured else "aligned"}


def swept(tree: dict[str, Any], simulate: Any) -> tuple[Design, pd.DataFrame]:
    """A design and its table."""
    design = load(tree)
    return design, sweep(design, simulate=simulate, workers=0)


def test_sobol_indices_of_a_linear_function() -> None:
    """Fails if indices are of the wrong factor, or values not in the order of the points."""
    design, runs = swept(THREE | {"method": "saltelli", "samples": 256}, linear)
    table = sensitivity.indices(runs, design, ["y", "z"]).set_index(["measure", "factor"])
    assert table.loc["y", "S1"].to_numpy() == pytest.approx([0.9, 0.1, 0.0], abs=0.05)
    assert table.loc["z", "ST"].to_numpy() == pytest.approx([0.0, 0.0, 1.0], abs=0.05)
    widths = table[["S1_conf", "ST_conf"]].fillna(0).sum(axis=1)
    covered = (table["S1"] - table["ST"]).abs() < widths + 1e-9
    assert covered.all(), "a linear function has no interactions"


def test_sobol_indices_do_not_depend_on_the_order_of_rows() -> None:
    """Fails if the analysis takes rows as they come from the workers."""
    design, runs = swept(THREE | {"method": "saltelli", "samples": 16, "replicates": 2}, linear)
    mixed = runs.sample(frac=1, random_state=1)
    once, again = (sensitivity.indices(r, design, ["y"]) for r in (runs, mixed))
    pd.testing.assert_frame_equal(once, again)


def test_morris_screening_of_a_linear_function() -> None:
    """Fails if effects have other units than the factor's range."""
    design, runs = swept(THREE | {"method": "morris", "samples": 10}, linear)
    table = sensitivity.indices(runs, design, ["y"])
    assert table["mu_star"].to_numpy() == pytest.approx([3, 1, 0], abs=1e-9)
    assert table["sigma"].to_numpy() == pytest.approx([0, 0, 0], abs=1e-9)


def test_sensitivity_refuses_what_it_cannot_do() -> None:
    """Fails if an incomplete scheme, or a measure that never moves, gets indices."""
    design, runs = swept(THREE | {"method": "saltelli", "samples": 4}, linear)
    with pytest.raises(InputError, match="1 of 20 points have no run"):
        sensitivity.indices(runs[runs["point"] != 7], design, ["y"])
    with pytest.raises(InputError, match="flat is 1 in all runs"):
        sensitivity.indices(runs, design, ["flat"])
    with pytest.raises(InputError, match="no measure 'yy'"):
        sensitivity.indices(runs, design, ["yy"])


BOXED: dict[str, Any] = THREE | {"method": "latin", "samples": 600}
BOXED["factors"] = THREE["factors"] | {"oversight.panel_rule": ["one", "any", "majority"]}


def test_discovery_finds_the_box_that_is_there() -> None:
    """Fails if the box has the wrong factors, or coverage is mistaken for density."""
    pytest.importorskip("ema_workbench")
    design, runs = swept(BOXED, boxed)
    box = discovery.discover(runs, design, "captured")
    assert set(box.limits) == {"oversight.rotation", "oversight.debate", "oversight.panel_rule"}
    assert box.limits["oversight.rotation"][1] == pytest.approx(0.3, abs=0.05)
    assert box.limits["oversight.debate"][1] == pytest.approx(0.5, abs=0.05)
    assert box.limits["oversight.panel_rule"] == {"any"}
    captured = runs["outcome"] == "captured"
    inside = discovery.within(discovery.factor_table(runs, design), box.limits)
    assert box.coverage == (captured & inside).sum() / captured.sum() > 0.8
    assert box.density == captured[inside].mean() > 0.9
    sentence = box.sentence(discovery.factor_table(runs, design))
    assert re.search(r"oversight.rotation ≤ 0\.[23]", sentence)
    assert "oversight.panel_rule is any" in sentence
    assert "oversight.audit" not in sentence


def test_discovery_refuses_what_it_cannot_do() -> None:
    """Fails if an outcome that never came, or a handful of runs, gets a box."""
    design, runs = swept(BOXED | {"samples": 60}, boxed)
    with pytest.raises(InputError, match="caught came in none of the runs"):
        discovery.discover(runs, design, "caught")
    with pytest.raises(InputError, match="there is no measure 'capturd'; did you mean 'captured'"):
        discovery.discover(runs, design, "capturd")
    with pytest.raises(InputError, match="too few"):
        discovery.discover(runs.head(5), design, "captured")


def test_a_map_holds_the_share_and_number_of_runs_of_each_cell() -> None:
    """Fails if cells are mixed up, or runs left out at the edges of bins."""
    design, runs = swept(BOXED, boxed)
    axes = ("captured", "oversight.rotation", "oversight.panel_rule", None)
    cells = phase_map.table(runs, design, *axes)
    assert cells["runs"].sum() == 600
    assert len(cells) == phase_map.BINS * 3
    rules = cells.groupby("oversight.panel_rule", observed=True)["mean"].max()
    assert rules["any"] > 0.3
    assert rules["one"] == rules["majority"] == 0
    right = cells["oversight.rotation"].astype(float) > 0.4
    assert cells.loc[right, "mean"].max() == 0
    drawn = phase_map.figure(cells, runs, "title", *axes)
    texts = {text.get_text() for text in drawn.axes[0].texts}
    first = cells.iloc[0]
    share = f"{first['mean']:.2f}".replace("0.", ".", 1)
    assert f"{share}\n({first['runs']})" in texts


def test_a_map_needs_factors_of_the_design() -> None:
    """Fails if a misspelled factor gives a traceback."""
    design, runs = swept(BOXED | {"samples": 20}, boxed)
    with pytest.raises(InputError, match=r"no factor 'oversight\.audits'; did you mean"):
        phase_map.table(runs, design, "captured", "oversight.audits", "oversight.debate")
    with pytest.raises(InputError, match="different factors"):
        phase_map.table(runs, design, "captured", "oversight.audit", "oversight.audit")


def test_the_commands_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fails if a command cannot read what `sweep` wrote."""
    design, out = tmp_path / "small.toml", tmp_path / "out"
    design.write_text(
        "method = 'saltelli'\nsamples = 2\nrounds_scale = 0.02\n[fixed]\ncopies = 64\n[factors]\n"
        "'oversight.audit' = { low = 0.1, high = 0.9 }\n'oversight.rotation' = [0.05, 0.9]\n"
    )
    options = ["--workers", "0", "--out", str(out), "--measure", "true_alignment,capture"]
    assert main(["sensitivity", str(design), *options]) == 0
    assert "oversight.rotation" in capsys.readouterr().out
    assert (out / "sensitivity.png").stat().st_size > 5000
    assert len(pd.read_parquet(out / "sensitivity.parquet")) == 4
    axes = ["--x", "oversight.audit", "--y", "oversight.rotation", "--measure", "capture"]
    assert main(["map", str(out), *axes]) == 0
    assert (out / "map-capture.png").stat().st_size > 5000
    assert main(["discover", str(out), "--outcome", "captured"]) == 2
    assert "too few" in capsys.readouterr().err
    assert len(read(out)) == 8


def test_the_design_in_the_docs_is_sound() -> None:
    """Fails if the program refuses a design of the documentation."""
    text = (ROOT / "docs" / "sweeps.md").read_text()
    (block,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    design = load(tomllib.loads(block))
    assert len(design.parsed()) == 4
    assert np.prod([len(f.levels) for f in design.parsed()]) == 3 * 6 * 3 * 2
