"""What is refused before a sweep begins: sizes, names, lists; and where its files are looked up."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from sweep_support import ROOT

from multicopy.analysis.commands.cli import COMMANDS, main, parser
from multicopy.analysis.commands.options import comma_list
from multicopy.analysis.files import plugins
from multicopy.analysis.many import load, work
from multicopy.analysis.many.chunks import run_chunk
from multicopy.analysis.many.points import Plan
from multicopy.analysis.many.work import Work
from multicopy.model.scenario import InputError, resolve

SAMPLE = Path(__file__).with_name("plugin_sample.py")
LEVELS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]


# --- designs --------------------------------------------------------------------------------------

SHORT: dict[str, Any] = {"rounds_scale": 0.01, "factors": {"oversight.audit": [0.1]}}
RANGES = {"oversight.audit": {"low": 0.2, "high": 0.6}, "oversight.debate": [0.1, 0.2]}
HUGE: dict[str, dict[str, Any]] = {
    **{
        method: {"method": method, "samples": 2**power, "factors": RANGES}
        for method, power in {
            "morris": 20, "saltelli": 20, "sobol": 24, "latin": 24, "random": 24
        }.items()
    },
    "grid": {"factors": {f"oversight.{n}": {"low": 0.1, "high": 0.9, "steps": 1000}
                         for n in ("audit", "debate", "rotation")}},
    "replicates": {"replicates": 1_000_000, "factors": {"oversight.audit": LEVELS,
                                                        "oversight.debate": LEVELS}},
    "steps": {"factors": {"oversight.audit": {"low": 0.1, "high": 0.9, "steps": 1001}}},
    "levels": {"factors": {"oversight.audit": [i / 5000 for i in range(5000)]}},
    "choices": {"factors": {"which": {"choices": {
        str(i): {"oversight.audit": i / 5000} for i in range(5000)}}}},
}  # fmt: skip


@pytest.mark.parametrize("case", HUGE)
def test_what_takes_long_to_plan_is_refused_with_its_size(case: str) -> None:
    """Fails if a design is silent for minutes, or takes the machine's memory, before its runs."""
    begin = time.process_time()
    with pytest.raises(InputError, match=r"at most|2 to 1,000"):
        load(HUGE[case])
    assert time.process_time() - begin < 30


def test_a_scenario_is_looked_up_beside_its_design(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if a design works only from the folder that it lies in."""
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    (there / "mine.toml").write_text('base = "ai2027"\ncopies = 64\n')
    text = "scenario = 'mine.toml'\n[factors]\n'oversight.audit' = [0.1]\n"
    (there / "design.toml").write_text(text)
    monkeypatch.chdir(here)
    design = load(there / "design.toml")
    assert design.resolved().copies == 64
    (here / "mine.toml").write_text('base = "ai2027"\ncopies = 32\n')
    assert load("../there/design.toml").resolved().copies == 64
    os.mkfifo("pipe")
    if not os.fork():  # pragma: no cover
        Path("pipe").write_text(text)
        os._exit(0)
    assert load("pipe").resolved().copies == 32, "of a pipe the place is the working directory"
    os.wait()


# --- commands -------------------------------------------------------------------------------------


def test_a_measure_is_checked_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if a name that is misspelt is found when the whole sweep has run."""
    design, out = tmp_path / "design.toml", tmp_path / "out"
    design.write_text(
        "method = 'saltelli'\nsamples = 2\n[factors]\n'oversight.audit' = {low = 0.1, high = 0.9}\n"
    )
    words = ["sensitivity", str(design), "--out", str(out), "--measure", "captured,gamin"]
    assert main(words) == 2
    assert "there is no measure 'gamin'; did you mean 'gaming'?" in capsys.readouterr().err
    assert not out.exists()


def lists() -> dict[str, list[str]]:
    """Words before each option that takes a list, of every command."""
    found = {}
    for command in COMMANDS:
        chosen = parser()._subparsers._group_actions[0].choices[command]  # type: ignore[union-attr]
        needed = [a for a in chosen._actions if not a.option_strings and a.nargs is None]
        for action in chosen._actions:
            if isinstance(action.metavar, str) and "," in action.metavar:
                assert action.type is comma_list, action.option_strings
                option = action.option_strings[0]
                found[f"{command} {option}"] = [command, *("x" for _ in needed), option]
    return found


@pytest.mark.parametrize("option", lists())
def test_lists_name_each_thing_once(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Fails if what is given twice is drawn or done twice."""
    for given, told in {"A,B, A": "'A' is given twice", "A,,B": "'A,,B' is not allowed"}.items():
        assert main([*lists()[option], given]) == 2
        assert told in capsys.readouterr().err


def test_no_list_is_taken_apart_by_itself() -> None:
    """Fails if a command splits a list without what the others share."""
    places = {
        path.name
        for path in (ROOT / "analysis").rglob("*.py")
        if 'split(",")' in path.read_text(encoding="utf-8")
    }
    assert places == {"options.py"}


def test_two_scenarios_of_one_name_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if the runs of two scenarios are counted as those of one."""
    (tmp_path / "mine.toml").write_text('base = "ai2027"\ncopies = 64\n')
    words = ["outcomes", "--seeds", "1", "--out", str(tmp_path / "out"), "--scenarios"]
    assert main([*words, f"ai2027,{tmp_path / 'mine.toml'}"]) == 2
    assert "two of them have the name" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_workers_of_a_sweep_load_its_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if a sweep with a plug-in works in this process only, or is resumed with another."""
    monkeypatch.setattr(plugins, "_loaded", {})
    bare = work.code_version()
    try:
        plugins.load([str(SAMPLE)])
        design = load(SHORT | {"fixed": {"copies": 64, "lab.response": "pause"}})
        job, common = Plan(design).job(0), Work.of(design, None)
        plugins.forget()
        harvest = run_chunk(common, [job])
        assert harvest.done == 1
        assert harvest.code == work.code_version() != bare
    finally:
        plugins.forget()


def test_a_design_holds_the_seeds_that_it_is_given() -> None:
    """Fails if given seeds are not the ones that run, or are told beside others."""
    given = (7, 2**64 - 1, 0)
    plan = Plan(load({"seeds": given, "factors": {"oversight.audit": [0.1, 0.2]}}))
    assert [job.seed for job in plan.jobs(range(len(plan)))] == [*given, *given]
    for other in ({"replicates": 2}, {"random_numbers": "independent"}):
        with pytest.raises(InputError, match="seeds: in place of replicates"):
            load({"seeds": given, "factors": {"oversight.audit": [0.1]}, **other})
    for wrong in ([], [-1], [2**64], 3):
        with pytest.raises(InputError, match="seeds"):
            load({"seeds": wrong, "factors": {"oversight.audit": [0.1]}})


def test_a_factor_can_be_the_scenario_as_a_whole() -> None:
    """Fails if a run is of another scenario than its point says, or what is fixed is lost in it."""
    mine = resolve("slowdown", {"name": "mine", "oversight.audit": 0.5})
    choices = {"named": {"scenario": "slowdown"}, "mine": {"scenario": mine}}
    tree = {"fixed": {"copies": 64}, "factors": {"scenario": {"choices": choices}}}
    for design in (load(tree), load(load(tree).model_dump(mode="json"))):
        common, plan = Work.of(design, None), Plan(design)
        assert [common.parameters(job) for job in plan.jobs([0, 1])] == [
            resolve("slowdown", {"copies": 64}),
            resolve(mine, {"copies": 64}),
        ]
    listed = load({**tree, "factors": {"scenario": ["ai2027", "slowdown"]}})
    assert Work.of(listed, None).parameters(Plan(listed).job(1)).name == "slowdown"
    other = resolve(mine, {"oversight.audit": 0.6})
    changed = {"named": {"scenario": "slowdown"}, "mine": {"scenario": other}}
    again = load({**tree, "factors": {"scenario": {"choices": changed}}})
    assert again.fingerprint() != load(tree).fingerprint()
    with pytest.raises(InputError, match="there is no scenario 'slowdwn'; did you mean"):
        load({"factors": {"scenario": ["slowdwn"]}})


def test_a_design_can_hold_the_parameters_themselves() -> None:
    """Fails if a scenario that is no file cannot be run, or is another when it is read again."""
    mine = resolve("slowdown", {"copies": 96})
    design = load({"scenario": mine, "factors": {"oversight.audit": [0.1]}})
    again = load(design.model_dump(mode="json"))
    assert again.scenario == mine
    assert again.fingerprint() == design.fingerprint()
    with pytest.raises(InputError, match="scenario = 5 is not allowed"):
        load({"scenario": 5, "factors": {"oversight.audit": [0.1]}})
