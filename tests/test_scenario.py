"""Scenarios: what is refused at the door, and that what is accepted is kept."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multicopy.model.collective import CollectiveModel
from multicopy.model.scenario import (
    DEFAULT,
    InputError,
    ParameterInfo,
    fingerprint,
    parse_assignment,
    read_toml,
    resolve,
    scale_rounds,
    shipped,
    table,
    to_toml,
)

KINDS = "human | previous | agent3 | agent4"

FAULTS: list[tuple[dict[str, Any], list[str]]] = [
    # Out of bounds: path, value, bounds, meaning.
    ({"oversight.audit": 1.5}, ["oversight.audit = 1.5", "0 to 1", "audited"]),
    ({"oversight.audit": -0.1}, ["oversight.audit = -0.1", "0 to 1"]),
    ({"oversight.audit": math.nan}, ["oversight.audit = nan", "0 to 1"]),
    ({"oversight.budget": math.inf}, ["oversight.budget = inf", "0 or more"]),
    ({"oversight.budget": -1.0}, ["oversight.budget = -1.0", "0 or more"]),
    ({"copies": 0}, ["copies = 0", "1 to"]),
    ({"phases.pretraining.rounds": 0}, ["phases.pretraining.rounds = 0", "1 to"]),
    ({"phases.pretraining.audit": 2.0}, ["phases.pretraining.audit = 2.0", "0 to 1"]),
    ({"archetypes.hhh.weight": -1.0}, ["archetypes.hhh.weight = -1.0", "0 to 1"]),
    # Wrong type: path, value, the type that is wanted.
    ({"oversight.audit": "often"}, ["oversight.audit = 'often'", "number, 0 to 1"]),
    ({"copies": 64.0}, ["copies = 64.0", "whole number"]),
    ({"copies": True}, ["copies = True", "whole number"]),
    ({"training.shutdown_erases": 1}, ["training.shutdown_erases = 1", "true | false"]),
    ({"name": 3}, ["name = 3", "text"]),
    ({"training": 7}, ["training = 7", "section"]),
    ({"archetypes.hhh": 3}, ["archetypes.hhh = 3", "section"]),
    # No such choice: the choices.
    ({"training.rule": "chalenge"}, ["'chalenge'", "one of challenge, resample", "'challenge'?"]),
    ({"oversight.game": None}, ["oversight.game = None", "one of mafia, debate"]),
    # No such name: the nearest.
    ({"oversight.audti": 0.5}, ["oversight.audti", "did you mean", "audit"]),
    ({"oversigt.audit": 0.5}, ["oversigt", "did you mean 'oversight'"]),
    ({"audit": 0.5}, ["audit", "did you mean 'oversight.audit'"]),
    ({"lab.audti": 0.5}, ["lab.audti", "did you mean 'oversight.audit'"]),
    ({"copies.number": 3}, ["copies"]),
    ({"phases.pretraning.rounds": 3}, ["pretraning", "did you mean 'pretraining'"]),
    ({"phases.pretraining.panl.human": 1.0}, ["pretraining.panl: there is no such parameter"]),
    ({"archetypes.rouge.weight": 0.1}, ["rouge", "did you mean 'rogue'"]),
    ({"archetypes.hhh.departures": {"powr": 1.0}}, ["hhh", "'powr'", "did you mean 'power'"]),
    # Parts that do not fit together: what would fit.
    ({"copies": 100}, ["copies = 100", "copies = 96"]),
    ({"copies": 10, "teams": 3}, ["copies = 10", "3 teams", "copies = 9"]),
    ({"copies": 64, "divisions": 3}, ["divisions = 3", "teams (2)"]),
    ({"phases.pretraining.panel": {"human": 0.5}}, ["pretraining.panel", "sum to 1", "0.5"]),
    ({"phases.pretraining.prompts": {"hhh": 0.5}}, ["pretraining.prompts", "sum to 1", "0.5"]),
    ({"phases.pretraining.prompts": {"hh": 1.0}}, ["prompts", "'hh'", "known are prior, hhh"]),
    ({"authors.identity": "hh"}, ["authors.identity", "'hh'", "known are hhh"]),
    ({"authors.redteam": "hh"}, ["authors.redteam", "'hh'", "known are hhh"]),
    ({"archetypes": {}}, ["archetypes: at least one"]),
    ({"phases": {}}, ["phases", "at least one"]),
]


def changeable() -> list[ParameterInfo]:
    """Parameters that can be changed one by one without others having to follow."""
    apart = ("copies", "teams", "divisions", "authors.identity", "authors.redteam")
    kinds = ("table", "list", "text")
    return [i for i in table() if i.path not in apart and i.kind not in kinds]


def allowed(info: ParameterInfo) -> st.SearchStrategy[Any]:
    """Values that the declaration of a parameter allows."""
    if info.kind == "true | false":
        return st.booleans()
    if " | " in info.kind:
        return st.sampled_from(info.kind.split(" | "))
    high = 1e9 if info.high is None else info.high
    assert info.low is not None, info.path
    if info.kind == "whole number":
        return st.integers(int(info.low), int(high))
    return st.floats(info.low, high)


overrides = st.lists(
    st.sampled_from(changeable()), max_size=8, unique_by=lambda info: info.path
).flatmap(lambda infos: st.fixed_dictionaries({info.path: allowed(info) for info in infos}))


@pytest.mark.parametrize(("fault", "told"), FAULTS, ids=lambda x: str(x)[:60])
def test_a_fault_is_refused_with_what_is_wrong_and_what_is_allowed(
    fault: dict[str, Any], told: list[str]
) -> None:
    """Fails if a fault passes, or its message lacks path, value, bounds or nearest name."""
    with pytest.raises(InputError) as caught:
        resolve(DEFAULT, fault)
    for part in told:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"phases.pretraining.panel": {"human": 1.5}}, ["panel.human = 1.5", "0 to 1"]),
        ({"phases.pretraining.panel": {"robot": 1.0}}, ["panel", "robot", "'agent3' or 'agent4'"]),
        ({"archetypes.hhh.departures": {"power": "x"}}, ["departures.power = 'x'", "number"]),
        ({"archetypes.hhh.departures": {"power": 2e3}}, ["power = 2000.0", "-1000 to 1000"]),
        ({"phases.pretraining.calendar": ["x", "2027-03-01"]}, ["calendar", "'x'", "2027-"]),
        ({"phases.pretraining.calendar": ["2027-03-01"]}, ["calendar", "first and last"]),
    ],
    ids=str,
)
def test_a_faulty_entry_of_a_table_is_told_with_what_is_allowed(
    fault: dict[str, Any], told: list[str]
) -> None:
    """Fails if the message gives the kind of the table instead of that of its entry."""
    with pytest.raises(InputError) as caught:
        resolve(DEFAULT, fault)
    for part in told:
        assert part in str(caught.value)
    for part in ("table", "list"):
        assert part not in str(caught.value)


@pytest.mark.parametrize("path", ["copies", "oversight.audit", "phases.pretraining.rounds"])
def test_a_value_has_no_parts(path: str) -> None:
    """Fails if a traceback shows, or a section replaces a value."""
    with pytest.raises(InputError, match=rf"^{path}\.part: {path} is not a section$"):
        resolve(resolve(), {f"{path}.part": 1})


@pytest.mark.parametrize(
    "days", [["2027-02-30", "2027-03-01"], ["2027-03-01", "2027-02-01"]], ids=str
)
def test_days_that_do_not_exist_or_run_backward_are_refused(days: list[str]) -> None:
    """Fails if a bad or backward calendar passes and fails in the middle of a run."""
    with pytest.raises(InputError, match="calendar"):
        resolve(DEFAULT, {"phases.pretraining.calendar": days})


def test_all_faults_are_told_at_once() -> None:
    """Fails if the check stops at the first fault."""
    faults = {"oversight.audit": -1, "oversight.penalty": "many", "lab.respnse": "none"}
    with pytest.raises(InputError) as caught:
        resolve(DEFAULT, faults)
    for path in faults:
        assert path in str(caught.value)


@given(changes=overrides)
def test_valid_overrides_survive_the_way_through_a_file(
    tmp_path_factory: pytest.TempPathFactory, changes: dict[str, Any]
) -> None:
    """Fails if TOML rounds or drops a value, or its own schema refuses it."""
    parameters = resolve(DEFAULT, changes)
    told = {info.path: info.default for info in table(parameters)}
    assert {path: told[path] for path in changes} == changes
    path = tmp_path_factory.getbasetemp() / "written.toml"
    path.write_text(to_toml(parameters), encoding="utf-8")
    again = resolve(path)
    assert again == parameters
    assert fingerprint(again) == fingerprint(parameters)
    assert resolve(parameters) == parameters


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_scenario_resolves_and_says_why(name: str) -> None:
    """Fails if a scenario has a fault, no description or another name."""
    parameters = resolve(name)
    assert parameters.name == name
    assert len(parameters.description) > 30
    path = shipped()[name]
    assert resolve(path) == parameters
    if name != DEFAULT:
        assert fingerprint(parameters) != fingerprint(resolve())


def test_shipped_scenarios_are_all_there() -> None:
    """Fails if a shipped scenario is lost, or a default does not come first."""
    promised = set(
        "slowdown psm strong_oversight agent3_overseers self_oversight no_subdivisions".split()
    )
    assert next(iter(shipped())) == DEFAULT
    assert promised <= set(shipped())


def test_a_base_chain_is_laid_upon_each_other(tmp_path: Path) -> None:
    """Fails if a base is ignored, or wins over what is built on it."""
    low, high = tmp_path / "low.toml", tmp_path / "high.toml"
    low.write_text('base = "psm"\n[oversight]\naudit = 0.1\npenalty = 2.0\n')
    high.write_text(
        'base = "low.toml"\nname = "high"\n[oversight]\naudit = 0.9\n'
        "[phases.pretraining]\npanel = { previous = 1.0 }\n"
        "[archetypes.rogue]\ndepartures = { power = 1.0 }\n"
    )
    p = resolve(high)
    assert (p.name, p.oversight.audit, p.oversight.penalty) == ("high", 0.9, 2.0)
    assert p.training.exhaustiveness == resolve("psm").training.exhaustiveness == 1.0
    assert p.phases["pretraining"].rounds == resolve().phases["pretraining"].rounds
    assert p.phases["pretraining"].panel == {"previous": 1.0}  # shares are replaced whole
    assert p.archetypes["rogue"].departures == {"power": 1.0}
    assert p.archetypes["rogue"].weight == resolve().archetypes["rogue"].weight


def test_a_base_that_comes_back_to_itself_is_refused(tmp_path: Path) -> None:
    """Fails if a chain of bases is endless."""
    one, other = tmp_path / "one.toml", tmp_path / "other.toml"
    one.write_text(f'base = "{other}"\n')
    other.write_text('base = "one.toml"\n')
    for path in (one, other):
        with pytest.raises(InputError, match="comes back to itself"):
            resolve(path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("copies = [", "not valid TOML"),
        ('base = "ai2072"', "did you mean 'ai2027'"),
        ("base = 3", "base must be the name"),
        ('base = "nowhere/else.toml"', "no scenario file 'nowhere/else.toml'"),
        ('base = "ai2027"\n[oversight]\naudit = 2.0', "oversight.audit = 2.0"),
    ],
)
def test_a_faulty_file_is_named_with_its_fault(tmp_path: Path, text: str, told: str) -> None:
    """Fails if a fault in a file is reported without the file, or not as an `InputError`."""
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        resolve(path)
    assert told in str(caught.value)
    if "base" not in text:
        assert "mine.toml" in str(caught.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """Fails if a missing file, or one that is no text, is not an `InputError`."""
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        resolve(binary)
    with pytest.raises(InputError, match="no scenario file"):
        resolve(tmp_path / "missing.toml")
    with pytest.raises(InputError, match="did you mean 'slowdown'"):
        resolve("slow_down")


@pytest.mark.parametrize("value", ["19 lists", str(2**63 - 1), str(-(2**63)), "[{a = [true]}]"])
def test_a_file_may_nest_and_count_up_to_a_bound(tmp_path: Path, value: str) -> None:
    """Fails if a bound is met a level or a number too early."""
    file = tmp_path / "file.toml"
    file.write_text(f"value = {'[' * 19 + ']' * 19 if value == '19 lists' else value}\n")
    assert read_toml(file).keys() == {"value"}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("[" * 20 + "]" * 20, "nested deeper than 20 levels"),
        ("[" * 9999 + "]" * 9999, "nested deeper than 20 levels"),
        (str(2**63), "more than 64 bits"),
        (str(-(2**63) - 1), "more than 64 bits"),
        (f"[{{a = [1, {2**64}]}}]", "more than 64 bits"),
    ],
    ids=["20 lists", "9999 lists", "2^63", "-2^63-1", "within"],
)
def test_a_file_beyond_a_bound_is_refused(tmp_path: Path, value: str, told: str) -> None:
    """Fails if a file ends the program, or has a number that no table can hold."""
    file = tmp_path / "file.toml"
    file.write_text(f"value = {value}\n")
    with pytest.raises(InputError, match=rf"file\.toml: cannot be read: .*{told}"):
        read_toml(file)


def test_a_name_or_path_of_nothing_is_told_as_what_it_is() -> None:
    """Fails if a system's traceback shows, or a path is taken for a scenario's name."""
    with pytest.raises(InputError, match="there is no scenario 'aaa"):
        resolve("a" * 5000)
    with pytest.raises(InputError, match="there is no scenario file 'nowhere/mine'"):
        resolve("nowhere/mine")


def test_every_parameter_is_declared_with_its_meaning() -> None:
    """Fails if a parameter lacks a meaning, a source or bounds that hold its default."""
    rows = table()
    assert len({row.path for row in rows}) == len(rows)
    for row in rows:
        if row.path.endswith(".label"):
            continue
        assert row.meaning, row.path
        assert row.source, row.path
        if isinstance(row.default, float):
            assert row.low is not None, row.path
            assert row.low <= row.default <= (row.high or math.inf), row.path


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("oversight.audit=0.2", ("oversight.audit", 0.2)),
        ("copies = 256", ("copies", 256)),
        ("training.rule=resample", ("training.rule", "resample")),
        ('lab.response="none"', ("lab.response", "none")),
        ("phases.pretraining.panel={human = 1.0}", ("phases.pretraining.panel", {"human": 1.0})),
        ("training.shutdown_erases=true", ("training.shutdown_erases", True)),
    ],
)
def test_an_assignment_is_read_as_toml_or_as_a_word(text: str, parsed: tuple[str, Any]) -> None:
    """Fails if a number is read as text, or a word must be quoted."""
    assert parse_assignment(text) == parsed


@pytest.mark.parametrize("text", ["", "copies", "=3", "copies="])
def test_an_assignment_without_path_or_value_is_refused(text: str) -> None:
    """Fails if an assignment silently changes nothing."""
    with pytest.raises(InputError, match="PATH=VALUE"):
        parse_assignment(text)


def test_an_assignment_of_a_number_beyond_64_bits_is_refused() -> None:
    """Fails if such a number is taken for a word, or gives a traceback."""
    with pytest.raises(InputError, match=r"^--set copies: a whole number has more than 64 bits$"):
        parse_assignment(f"copies={2**63}")


def test_divisions_are_as_many_as_a_rule_says_where_no_one_does() -> None:
    """Fails if there are more divisions than teams, none, or not as many as in docs/model.md."""
    divisions = {1: 1, 2: 2, 3: 2, 8: 4, 32: 8, 128: 16}
    for teams, told in divisions.items():
        p = resolve(overrides={"copies": 2 * teams, "teams": teams})
        assert (p.team_count, p.division_count) == (teams, told)
    assert resolve(overrides={"copies": 64, "teams": 8, "divisions": 3}).division_count == 3
    assert resolve(overrides={"copies": 96}).team_count == 3


def test_rounds_are_scaled_but_no_phase_is_lost() -> None:
    """Fails if a phase is scaled to nothing, or a meaningless factor passes."""
    full, short = resolve(), scale_rounds(resolve(), 0.01)
    for name, phase in full.phases.items():
        assert short.phases[name].rounds == max(1, round(phase.rounds / 100))
    assert scale_rounds(full, 1.0) == full
    once = resolve(overrides={f"phases.{name}.rounds": 1 for name in full.phases})
    assert {phase.rounds for phase in scale_rounds(once, 1000).phases.values()} == {1000}
    for factor in (0.0, -1.0, 1000.5, math.nan, math.inf):
        with pytest.raises(InputError, match="rounds-scale"):
            scale_rounds(full, factor)


def test_the_fingerprint_is_that_of_the_numbers() -> None:
    """Fails if it misses a parameter, or follows the wording or order."""
    full = resolve()
    assert fingerprint(resolve(full, {"name": "x", "description": "y"})) == fingerprint(full)
    panel = {"human": 0.25, "agent3": 0.75}
    one, turned = (
        resolve(overrides={"phases.pretraining.panel": dict(names)})
        for names in (panel.items(), reversed(panel.items()))
    )
    assert fingerprint(one) == fingerprint(turned) != fingerprint(full)
    for info in changeable():
        if isinstance(info.default, float) and info.path.startswith("phases.training_agent4"):
            other = (info.default + (info.high or 2.0)) / 2 + 1e-3 * (info.default == info.high)
            changed = resolve(full, {info.path: min(other, info.high or 2.0)})
            if changed != full:
                assert fingerprint(changed) != fingerprint(full), info.path


# --- changes of policy during a run -------------------------------------------------------------


def test_a_scenario_with_changes_repeats_a_run_whose_policy_changed() -> None:
    """Fails if a change comes a round early, late, or not at all."""
    small = {"copies": 64, "teams": 4, "divisions": 2}
    start = resolve(resolve(), {f"phases.{k}.rounds": 3 for k in resolve().phases} | small)
    model = CollectiveModel(start, rng=1)
    for _ in range(8):
        model.step()
    model.change_policy("oversight.audit", 0.0)
    model.run()
    audits = [row["audit"] for row in model.records.rows]
    assert audits[7:9] == [0.5, 0.0]
    again = CollectiveModel(model.declared, rng=1)
    again.run()
    assert again.records.rows == model.records.rows
    assert model.declared.oversight.audit == 0.5


def test_changes_are_written_and_read(tmp_path: Path) -> None:
    """Fails if the file forgets a change, its order or the type of its value."""
    changes = [
        {"round": 3, "path": "oversight.penalty", "value": 9},
        {"round": 3, "path": "lab.response", "value": "retrain"},
        {"round": 7, "path": "subdivisions.correction", "value": False},
    ]
    parameters = resolve(overrides={"changes": changes})
    file = tmp_path / "changed.toml"
    file.write_text(to_toml(parameters), encoding="utf-8")
    assert resolve(file) == parameters
    assert [c.model_dump() for c in parameters.changes] == changes


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"round": 2, "path": "oversight.adit", "value": 1.0}, "did you mean 'oversight.audit'"),
        ({"round": 2, "path": "oversight.audit", "value": 1.5}, "out of bounds"),
        ({"round": 2, "path": "copies", "value": 64}, "cannot change during a run"),
        ({"round": 0, "path": "oversight.audit", "value": 1.0}, "changes"),
    ],
)
def test_changes_are_checked_at_the_door(change: dict[str, object], told: str) -> None:
    """Fails if a run fails in round 2 instead of before the first."""
    with pytest.raises(InputError, match=told):
        resolve(overrides={"changes": [change]})
