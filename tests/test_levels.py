"""Levels are data: one more, in a process of its own, is an entry that shows everywhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multicopy.agents.levels import LEVELS, Runs, check, hierarchy
from multicopy.agents.traits import POWER

ROOT = Path(__file__).parent.parent

(RECIPE,) = [
    block
    for block in re.findall(
        r"^```python\n(.*?)^```", (ROOT / "docs" / "extending.md").read_text("utf-8"), re.M | re.S
    )
    if "= Level(" in block
]
ADD = """
import sys
from dataclasses import replace
from multicopy.agents import levels

rate = float(sys.argv[1])
if rate >= 0:
    rivalry = lambda p: bloc.rivalry(p)._replace(rate=rate)
    added = replace(bloc, rivalry=rivalry, neutral={"race.strength": 0.0})
    levels.LEVELS = (*levels.LEVELS, added)
    levels.check(levels.LEVELS)
"""
"""Adds the level of the recipe above divisions, with a rate of contests; none if it is negative."""

LOOK = """
import json
from types import SimpleNamespace
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
from multicopy.agents.traits import NAMES
from multicopy.analysis.questions import attribution
from multicopy.model.ledger import SELECTED
from multicopy.analysis.files import columns, frames
from multicopy.analysis.app import frame as page
from multicopy.analysis.app import tables
from multicopy.analysis.app.measures import MEASURES
from multicopy.analysis.figures import ledger as figures
from multicopy.analysis.files.folder import copy_frame
from multicopy.analysis.report import content
from multicopy.model import competition
from multicopy.model.collective import CollectiveModel
from multicopy.model.genealogy import Genealogy
from multicopy.model.scenario import NEUTRAL, InputError, resolve, scale_rounds

first, compete = [], competition.compete

def watched(population, level, *rest):
    changes = compete(population, level, *rest)
    if level.name not in [name for name, _ in first]:
        first.append((level.name, [(c.rows.tolist(), c.parents.tolist()) for c in changes]))
    return changes

competition.compete = watched
rates = {"subdivisions.contest_rate": 0.3, "subdivisions.division_rate": 0.9}
given = {"copies": 96, "teams": 12, "divisions": 5, "exposure.hazard": 200.0, **rates}
live = page.Live("", page.PageModel(scale_rounds(resolve("ai2027", given), 0.05), 3))
model = live.model
model.genealogy = Genealogy()
start = model.population.expressed.mean(axis=0, dtype=np.float64)
while model.running:
    live.step()
ledger, rounds = model.ledger.frame(), model.records.rounds()
booked = ledger.groupby("trait", observed=True)["change"].sum().reindex(NAMES).to_numpy()
end = model.population.expressed.mean(axis=0, dtype=np.float64)
told = attribution.explain(ledger, "keep_team")
shown = tables.team(live.arm(next(iter(MEASURES)), 7).team, model.population.expressed.mean(axis=0))
try:
    resolve("ai2027", {"copies": 96, "divisions": 1})
    fault = ""
except InputError as error:
    fault = str(error)
ax = plt.figure().subplots()
figures.levels(ledger, ax)
sums = ledger.groupby(["round", "process", "trait"], observed=True)["change"].sum()
events = model.records.events.frame()
json.dump({
    "first": first,
    "rounds": {k: v.astype(str).tolist() for k, v in rounds.items()},
    "ledger": {str(key): value for key, value in sums.items()},
    "events": events.astype(str).to_numpy().tolist(),
    "copies": copy_frame(model).to_dict("list"),
    "unbalanced": float(np.abs(start + booked - end).max()),
    "explained": told.groupby("level")["change"].sum().to_dict(),
    "selection": list(SELECTED),
    "by level": list(figures.by_level(ledger)),
    "drawn": [text.get_text() for text in ax.get_legend().get_texts()],
    "moves": sorted(set(model.genealogy.frame()["process"].astype(str))),
    "kinds": {kind.__name__: len(of) for kind, of in model.agents_by_type.items()},
    "places": [getattr(model.copy_at(95), level.name) for level in levels.LEVELS],
    "members": [len(unit.members) for unit in model.agents if type(unit).__name__ == "Bloc"],
    "team": shown.splitlines()[0] if shown else "",
    "documented": [list(columns.documented(())[name]) for name in ("rounds", "copies")],
    "dictionary": frames.dictionary(),
    "neutral": list(NEUTRAL),
    "fault": fault,
    "facts": dict(content.facts(SimpleNamespace(
        parameters=model.parameters, provenance={}, rounds=rounds))),
    "counts": [row[0] for row in content.counts(
        SimpleNamespace(events=events, rounds=rounds)).rows],
}, sys.stdout)
"""


def run(rate: float) -> dict[str, Any]:
    """What a run tells in which a further level is contested at a rate; there is none below 0."""
    command = [sys.executable, "-c", RECIPE + ADD + LOOK, str(rate)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.fixture(scope="module")
def without() -> dict[str, Any]:
    """A run with the levels that there are."""
    return run(-1.0)


@pytest.fixture(scope="module")
def idle() -> dict[str, Any]:
    """A run with a further level that is never contested."""
    return run(0.0)


@pytest.fixture(scope="module")
def with_blocs() -> dict[str, Any]:
    """A run with a further level that is contested."""
    return run(0.2)


def test_a_level_that_is_never_contested_changes_no_number(
    without: dict[str, Any], idle: dict[str, Any]
) -> None:
    """Fails if a level shifts the draws of others, or is counted where it did nothing."""
    for what in ("ledger", "events", "explained", "moves", "unbalanced"):
        assert idle[what] == without[what], what
    for what in ("rounds", "copies"):
        added = set(idle[what]) - set(without[what])
        assert all("bloc" in name for name in added)
        assert {name: idle[what][name] for name in without[what]} == without[what]
    assert without["first"] == idle["first"][:2]
    assert all(not rows for rows, _ in idle["first"][2][1])


def test_a_level_leaves_the_first_contests_of_the_others_as_they_were(
    without: dict[str, Any], with_blocs: dict[str, Any]
) -> None:
    """Fails if the contests of a level take draws from those below it."""
    assert [name for name, _ in with_blocs["first"]] == ["team", "division", "bloc"]
    assert with_blocs["first"][:2] == without["first"]


def test_a_level_that_is_an_entry_shows_everywhere(with_blocs: dict[str, Any]) -> None:
    """Fails if a table, a figure, a handle or an attribution knows levels by their names."""
    told = with_blocs
    moved = [value for key, value in told["ledger"].items() if "'bloc selection'" in key]
    assert any(moved)
    assert told["unbalanced"] < 1e-9
    assert told["explained"]["blocs"]
    assert told["selection"] == ["copies", "teams", "divisions", "blocs"]
    assert "selection of blocs" in told["by level"]
    assert "selection of blocs" in told["drawn"]
    takeovers = [event for event in told["events"] if event[2] == "takeover"]
    assert takeovers
    assert {event[5] for event in takeovers} <= {
        f"bloc {one} taken over by bloc {1 - one}" for one in (0, 1)
    }
    assert "bloc selection" in told["moves"]
    blocs = np.array(told["rounds"]["keep_team_fst_bloc"], float)
    divisions = np.array(told["rounds"]["keep_team_fst_division"], float)
    assert (blocs > 0).any()
    assert (blocs <= divisions + 1e-12).all()
    assert told["copies"]["bloc"] == sorted(told["copies"]["bloc"])
    assert set(told["copies"]["bloc"]) == {0, 1}
    assert told["kinds"]["Bloc"] == 2
    assert (told["kinds"]["Team"], told["kinds"]["Division"]) == (12, 5)
    assert sum(told["members"]) == 96
    assert told["places"] == [11, 4, 1]
    assert "Division 2 · Bloc 0 ·" in told["team"]
    rounds, copies = told["documented"]
    assert "power_fst_bloc" in rounds
    assert copies[:4] == ["copy", "team", "division", "bloc"]
    assert "`TRAIT_fst_bloc`" in told["dictionary"]
    assert "race.strength" in told["neutral"]
    assert told["fault"] == "blocs = 2 must not exceed the number of divisions (1)"
    assert told["facts"]["blocs"] == "2"
    assert "blocs taken over" in told["counts"]


def test_what_levels_rest_on_is_checked() -> None:
    """Fails if two levels can share a name, or one is kept by a trait that preserves nothing."""
    team, division = LEVELS
    check(LEVELS)
    for wrong, why in (
        (replace(division, name="team"), "the name team is taken"),
        (replace(division, plural="copies"), "the name copies is taken"),
        (replace(division, keep=POWER), "power is not a drive to preserve"),
    ):
        with pytest.raises(ValueError, match=why):
            check((team, wrong))


@given(st.integers(1, 30), st.data())
def test_units_are_made_of_whole_units_of_the_level_below(teams: int, data: Any) -> None:
    """Fails if a unit is split between two of the level above, or a level left out is not one."""
    divisions = data.draw(st.integers(1, teams))
    units, peers = hierarchy((teams, divisions))
    assert units["team"].of.tolist() == list(range(teams))
    assert len(units["division"]) == divisions
    np.testing.assert_array_equal(peers["team"].of, units["division"].of)
    assert peers["division"].of.tolist() == [0] * divisions
    assert len(hierarchy((teams,))[0]["division"]) == 1
    with pytest.raises(ValueError, match="cannot be split"):
        Runs.split(teams, teams + 1)
