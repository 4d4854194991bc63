"""More traits, in a process of their own: what stood before must not notice them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from kept import program

ROOT = Path(__file__).parent.parent

AFTER: Final[dict[str, dict[str, list[tuple[str, int]]]]] = {
    "trait": {"gaming": [("fresh", 28)]},
    "drive": {"keep_collective": [("influence", 28)]},
    "four traits": {"gaming": [("one", 28), ("two", 29)], "withhold_replacing": [("three", 30)]},
}
"""Traits to add, with the draw that moves each, behind one that there is."""

AFTER["four traits"]["drift_honest"] = [("four", 31)]
AFTER["all of them"] = {
    "gaming": [("fresh", 28), ("one", 29), ("two", 30)],
    "keep_collective": [("influence", 31)],
    "withhold_replacing": [("three", 32)],
    "obfuscation": [("four", 33)],
}

LOOK = """
import json, sys
import numpy as np
from multicopy.agents import traits
from multicopy.agents.machine.draws import Stream
from multicopy.agents.parameters import Training
from multicopy.agents.population import Population
from multicopy.agents.traits import ABOVE_SELF, NAMES, TRAIT_COUNT
from multicopy.model.training import mutation_steps

rows = np.arange(4000)
steps = mutation_steps(rows, Training(mutation_sd=1.0), 1.0, Stream((1, 2), 3))[:, :TRAIT_COUNT]
latent = traits.standard_normals(Stream((4, 5), 6), rows)
population = Population(latent, 10, 2)
shares = population.expressed[:, traits.DRIVES].sum(axis=1)
before = population.expressed.copy()
population.set_latent(0, 0, 3.0)
population.collect_touched()
json.dump({
    "row": traits.ROW,
    "steps": {name: steps[:50, k].tolist() for k, name in enumerate(NAMES)},
    "latent": {name: latent[:50, k].tolist() for k, name in enumerate(NAMES)},
    "sd": steps.std(axis=0).tolist(),
    "above": np.corrcoef(steps[:, ABOVE_SELF].T).min(),
    "shares": [float(shares.min()), float(shares.max())],
    "others": bool((population.expressed[1:] == before[1:]).all()),
    "first": float(population.latent[0, 0]),
}, sys.stdout)
"""

RUN = """
from multicopy.model.collective import CollectiveModel
from multicopy.model.scenario import resolve, scale_rounds

for rule in ("exhaustiveness", "none"):
    given = {"copies": 64, "teams": 8, "divisions": 3}
    given |= {"training.exhaustiveness": 0.3} if rule == "exhaustiveness" else {}
    model = CollectiveModel(scale_rounds(resolve("ai2027", given), 0.03), 1)
    model.run()
    print(rule, model.outcome().kind, len(model.ledger.frame()))
"""


def checkout(folder: Path, added: dict[str, list[tuple[str, int]]]) -> Path:
    """A copy of the program in which some traits stand in the registry behind others."""
    path = program(folder) / "agents" / "traits.py"
    text = path.read_text(encoding="utf-8")
    for name, traits in added.items():
        begin = re.search(rf'\(\s*"{name}",', text)
        assert begin
        at = text.index("),\n", begin.start()) + 3
        new = "".join(f'("{trait}", {draw}, "new", "made up"),\n' for trait, draw in traits)
        text = text[:at] + new + text[at:]
    path.write_text(text, encoding="utf-8")
    return folder


def run(folder: Path, code: str, cache: Path) -> str:
    """What some code prints in a checkout; what it compiles is kept in `cache`."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_traits_can_be_added_and_shift_nothing(tmp_path: Path) -> None:
    """Fails if a new trait shifts the draws of others, or widths and loops do not follow it."""
    before: dict[str, Any] = json.loads(run(ROOT, LOOK, tmp_path / "before"))
    after = json.loads(run(checkout(tmp_path, AFTER["all of them"]), LOOK, tmp_path / "after"))
    added = {name for traits in AFTER["all of them"].values() for name, _ in traits}
    assert set(after["steps"]) == set(before["steps"]) | added
    for drawn in ("steps", "latent"):
        for name, values in before[drawn].items():
            assert after[drawn][name] == values, name
        assert len({tuple(values) for values in after[drawn].values()}) == len(after[drawn])
    assert (before["row"], after["row"]) == (32, 48)
    assert after["above"] > 0.9
    assert all(0.95 < sd < 1.05 for sd in after["sd"])
    assert after["shares"] == pytest.approx([1.0, 1.0], abs=1e-6)
    assert after["others"]
    assert after["first"] == 3.0


@pytest.mark.slow
@pytest.mark.parametrize("what", AFTER)
def test_a_run_with_more_traits_goes_to_its_end(what: str, tmp_path: Path) -> None:
    """Fails if a part of the model counts on the traits of today."""
    told = run(checkout(tmp_path, AFTER[what]), RUN, tmp_path / "cache").split()
    assert told[0] == "exhaustiveness"
    assert told[3] == "none"
