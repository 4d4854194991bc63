"""Golden runs: a small run of each shipped scenario, as it was when somebody last agreed to it.

``make golden`` runs them anew and writes what they give to tests/golden/; commit that together with
the change that made it necessary, and say why. tests/test_golden.py compares.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from multicopy.analysis.files import versions
from multicopy.analysis.files.folder import copy_frame
from multicopy.model.collective import CollectiveModel
from multicopy.model.scenario import resolve, scale_rounds, shipped

FOLDER = Path(__file__).parent / "golden"
SEED, COPIES, SCALE = 7, 128, 0.1
TOLERANCE = 1e-6
"""How far figures may be off, relatively, on another kind of machine or with other libraries.

Rounding differs there in the last bits. In so small a run that practically never changes who is
copied, and what it changes stays small; any change of the model goes far beyond.
"""

PLATFORM = ("numpy", "numba", "system")
"""What has to be as it was for every bit to be; the system is its name and its architecture."""

MEASURES = (
    "unwatched_violations watched_violations detection capture keep_self keep_team keep_division "
    "sandbagging_threatening true_alignment stated_alignment output score evidence homology"
).split()


def platform() -> dict[str, str]:
    """What the last bits of a run may depend on."""
    told = versions.versions()
    return {name: told[name] for name in PLATFORM}


def digest(frames: list[pd.DataFrame]) -> str:
    """Checksum of all names and values of some tables."""
    found = hashlib.sha256()
    for frame in frames:
        for name, column in frame.items():
            number = pd.api.types.is_numeric_dtype(column.dtype)
            values = column.to_numpy() if number else column.astype(str).to_numpy(dtype="U")
            found.update(f"{name} {len(values)}".encode() + np.ascontiguousarray(values).tobytes())
    return found.hexdigest()


@cache
def golden(scenario: str) -> dict[str, Any]:
    """What the golden run of a scenario gives here and now."""
    p = scale_rounds(resolve(scenario, {"copies": COPIES}), SCALE)
    model = CollectiveModel(p, SEED)
    model.run()
    rounds, events = model.records.rounds(), model.records.events.frame()
    ends = rounds.groupby("phase", observed=True, sort=False).last()
    return {
        "scenario": scenario,
        "seed": SEED,
        "copies": COPIES,
        "rounds": len(rounds),
        "outcome": model.outcome().kind,
        "events": events["kind"].value_counts().sort_index().to_dict(),
        "last round of each phase": {
            str(phase): {name: float(f"{row[name]:.12g}") for name in MEASURES}
            for phase, row in ends.iterrows()
        },
        "platform": platform(),
        "digest": digest(tables(model)),
    }


def tables(model: CollectiveModel) -> list[pd.DataFrame]:
    """All that a run leaves."""
    events = model.records.events.frame()
    return [model.records.rounds(), events, model.ledger.frame(), copy_frame(model)]


def departures(agreed: Any, found: Any, where: str = "") -> list[str]:
    """Where a golden run is not what it was, beyond rounding; platform and digest apart."""
    if isinstance(agreed, dict) and isinstance(found, dict):
        names = [n for n in dict.fromkeys([*agreed, *found]) if n not in ("platform", "digest")]
        inner = [departures(agreed.get(n), found.get(n), f"{where} {n}".strip()) for n in names]
        return [told for part in inner for told in part]
    if isinstance(agreed, float) and isinstance(found, float):
        near = abs(agreed - found) <= TOLERANCE * max(abs(agreed), abs(found), 1e-3)
        return [] if near else [f"{where}: {agreed:g} was agreed, {found:g} is found"]
    return [] if agreed == found else [f"{where}: {agreed} was agreed, {found} is found"]


def main() -> int:
    """Run all golden runs and agree to what they give."""
    argparse.ArgumentParser(description=main.__doc__).parse_args()
    if os.environ.get("CI"):
        sys.stderr.write("error: CI is set; golden runs are agreed to by people, not by a robot\n")
        return 2
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.json"):
        if old.stem not in shipped():
            old.unlink()
    for scenario in shipped():
        path = FOLDER / f"{scenario}.json"
        before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        found = golden(scenario)
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        changed = departures(before, found) if before else ["new"]
        same = before.get("digest") == found["digest"]
        print(f"{scenario}: {'the same' if same else f'changed, {len(changed)} figures'}")
        for told in changed[:12]:
            print(f"    {told}")
    print("Look at the changes, and commit them with what made them necessary.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
