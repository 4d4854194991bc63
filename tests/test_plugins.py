"""Plug-ins: what users add is used, checked, recorded, and gone without them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import finished, policy, situation, small_model

from multicopy import analysis
from multicopy.agents import extensions, overseers
from multicopy.agents.extensions import REGISTRIES, PluginFault
from multicopy.agents.situation import Situation
from multicopy.analysis.commands.cli import main
from multicopy.analysis.files import plugins
from multicopy.analysis.many.chunks import run_chunk
from multicopy.analysis.many.points import Plan
from multicopy.analysis.many.reading import load
from multicopy.analysis.many.work import Work
from multicopy.analysis.questions import shares
from multicopy.model import measures
from multicopy.model.scenario import InputError, resolve, scale_rounds, to_toml

SAMPLE = Path(__file__).with_name("plugin_sample.py")
PANEL = {"oracle": 0.5, "reader": 0.5}


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Plug-ins of a test are gone after it."""
    monkeypatch.setattr(plugins, "_loaded", {})
    yield
    plugins.forget()


@pytest.fixture
def sample() -> None:
    plugins.load([str(SAMPLE)])


def written(path: Path, text: str) -> str:
    """A plug-in with a text."""
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.usefixtures("sample")
def test_a_measure_is_a_column_of_the_rounds() -> None:
    """Fails if a measure is not recorded, or is of another round."""
    model = small_model(scale=0.02)
    seen = []
    while model.running:
        model.step()
        seen.append(model.population.team_mean(model.population.violation).max())
    assert model.records.rounds()["worst_team"].tolist() == seen


@pytest.mark.usefixtures("sample")
def test_a_measure_changes_nothing_else() -> None:
    """Fails if a plug-in shifts the draws of a run."""
    with_it = finished(scale=0.02).records.rounds().drop(columns="worst_team")
    plugins.forget()
    pd.testing.assert_frame_equal(with_it, finished(scale=0.02).records.rounds())


@pytest.mark.usefixtures("sample")
def test_the_lab_responds_as_told() -> None:
    """Fails if a response is accepted and never given."""
    model = finished(scale=0.1, **{"lab.response": "pause", "lab.threshold": 0.5})
    rounds = [round_ for round_, what in model.lab.decisions if what == "pause"]
    assert rounds
    assert model.outcome().kind == "caught"
    table = model.records.rounds().set_index("round")
    assert (table.loc[rounds[0] + 1 : rounds[0] + 20, "audit"] == 1).all()


@pytest.mark.usefixtures("sample")
def test_an_overseer_sees_by_its_elo_and_reads_what_it_can() -> None:
    """Fails if a kind is given the skill of another."""
    p = resolve().oversight
    now: Situation = situation(neuralese=True)
    kinds = list(overseers.kinds())
    elo = dict(zip(kinds, overseers.capability_of_kinds(now, p), strict=True))
    assert elo["oracle"] == now.capability + 2000
    read = dict(zip(kinds, overseers.legibility(now, p), strict=True))
    assert read["oracle"] == p.legibility_neuralese
    assert read["reader"] == 0
    assert kinds[:4] == list(overseers.OVERSEER_KINDS)


@pytest.mark.usefixtures("sample")
def test_panels_seat_what_a_scenario_asks_for() -> None:
    """Fails if a panel is filled with other kinds."""
    model = small_model(scale=0.02, **{"phases.pretraining.panel": PANEL})
    model.step()
    assert {overseer.kind for overseer in model.agents_by_type[overseers.Overseer]} == set(PANEL)


@pytest.mark.usefixtures("sample")
def test_better_overseers_detect_more_and_a_hopeless_game_nothing() -> None:
    """Fails if an overseer or a game makes no difference."""
    panel = {f"phases.{name}.panel": {"oracle": 1.0} for name in resolve().phases}
    usual = finished(scale=0.03).records.rounds()["detection"].iloc[-1]
    seen = finished(scale=0.03, **panel).records.rounds()["detection"].iloc[-1]
    blind = {"oversight.game": "hopeless", "oversight.debate": 0.0, "oversight.thought_recall": 0.0}
    unseen = finished(scale=0.03, **blind).records.rounds()["detection"]
    assert seen > usual + 0.03
    assert unseen.max() < 1e-6
    assert policy().debate == 0


@pytest.mark.usefixtures("sample")
def test_a_scenario_with_added_names_is_written_and_read_back(tmp_path: Path) -> None:
    """Fails if a folder's scenario cannot be read again with its plug-in."""
    added = {
        "lab.response": "pause",
        "oversight.game": "hopeless",
        "phases.pretraining.panel": PANEL,
    }
    parameters = resolve("ai2027", added)
    path = tmp_path / "scenario.toml"
    path.write_text(to_toml(parameters), encoding="utf-8")
    assert resolve(path) == parameters


def test_names_of_plugins_are_unknown_without_them() -> None:
    """Fails if a misspelled name passes because plug-ins exist."""
    for override in ({"lab.response": "pause"}, {"oversight.game": "hopeless"}):
        with pytest.raises(InputError, match="is not allowed: it must be one of"):
            resolve("ai2027", override)
    with pytest.raises(InputError, match="panel"):
        resolve("ai2027", {"phases.pretraining.panel": PANEL})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = 1", "adds nothing"),
        ("1 / 0", "line 1 of mine.py fails: ZeroDivisionError"),
        ("x = 1\ndef f(:", "line 2 of mine.py fails: SyntaxError"),
        ("import sys\nsys.exit(3)", "line 2 of mine.py fails: SystemExit: 3"),
        ("raise GeneratorExit", "line 1 of mine.py fails: GeneratorExit"),
        ("open('nowhere')", "line 1 of mine.py fails: FileNotFoundError"),
        (
            "from multicopy.agents.extensions import measure\nmeasure('capture', 'x')(lambda m: 0)",
            "measure 'capture': there is one of this name already",
        ),
        (
            "from multicopy.agents.extensions import lab_response\nlab_response('retrain')(print)",
            "lab_response 'retrain' is one of the project's own",
        ),
        (
            "from multicopy.agents.extensions import overseer\noverseer('two words')(print)",
            "the name must be letters",
        ),
    ],
)
def test_a_faulty_plugin_is_refused_in_one_line(tmp_path: Path, text: str, told: str) -> None:
    """Fails if a plug-in gives a traceback, or replaces the project's own parts."""
    with pytest.raises(InputError) as caught:
        plugins.load([written(tmp_path / "mine.py", text)])
    assert told in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert REGISTRIES == plugins.SHIPPED
    assert not plugins.loaded()


def _cut() -> float:
    raise KeyError("a\nb")


def _leave() -> float:
    sys.exit(7)


class _Leaving:
    def __float__(self) -> float:
        raise SystemExit(0)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda: "7", "returns '7', not a finite number"),
        (lambda: None, "returns None, not a finite number"),
        (lambda: float("nan"), "returns nan, not a finite number"),
        (lambda: -float("inf"), "returns -inf, not a finite number"),
        (lambda: 10**400, f"returns 1{79 * '0'}, not a finite number"),
        (lambda: np.ones(2), r"returns array\(\[1., 1.\]\), not a finite number"),
        (_cut, r"fails: KeyError: 'a\\nb'$"),
        (_leave, "fails: SystemExit: 7$"),
        (_Leaving, "fails: SystemExit: 0$"),
    ],
    ids=["text", "nothing", "none", "infinite", "huge", "array", "failure", "exit", "late exit"],
)
def test_what_is_no_number_is_told_as_a_fault_of_the_plugin(
    answer: Callable[[], object], told: str
) -> None:
    """Fails if NaN or infinity of a plug-in poisons a run, or gives a traceback."""
    extensions.measure("odd", "an odd measure")(lambda model: answer())
    extensions.overseer("odd")(lambda situation, p: answer())
    for fails, what in (
        (lambda: extensions.MEASURES["odd"].checked(None), "measure"),
        (lambda: extensions.OVERSEERS["odd"].elo(None, None), "overseer"),
    ):
        with pytest.raises(PluginFault, match=f"(?s)^{what} 'odd' of a plug-in.*{told}"):
            fails()


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (0, 1, "from 0 to 1"),
        (0, np.inf, "at least 0"),
        (-np.inf, 1, "at most 1"),
    ],
)
def test_a_measure_beyond_its_bounds_is_a_fault_of_the_plugin(
    low: float, high: float, told: str
) -> None:
    """Fails if bounds that a plug-in declares are not looked at."""
    answer = -0.5 if high > 1 or low == 0 else 1.5
    extensions.measure("odd", "an odd measure", "oddity", "share", low, high)(lambda model: answer)
    with pytest.raises(PluginFault, match=f"^measure 'odd' of a plug-in is .*; it must be {told}"):
        extensions.MEASURES["odd"].checked(None)
    assert measures.title("odd") == "Oddity (share)"


def test_a_response_that_fails_or_decides_nothing_is_told(tmp_path: Path) -> None:
    """Fails if the lab goes on without a decision, or a traceback shows."""
    text = "from multicopy.agents.extensions import lab_response\n@lab_response('odd')\n"
    text += "def odd(lab, r, p):\n"
    usual = {"lab.response": "odd", "lab.threshold": 0.01}
    for body, told in (
        ("    return None", "lab_response 'odd' of a plug-in returns None, not a Decision"),
        ("    return 1 / 0", "lab_response 'odd' of a plug-in: line 4 of odd.py fails: Zero"),
        ("    exit(3)", "lab_response 'odd' of a plug-in: line 4 of odd.py fails: SystemExit: 3"),
    ):
        plugins.forget()
        plugins.load([written(tmp_path / "odd.py", text + body)])
        with pytest.raises(PluginFault, match=f"^{told}"):
            finished(**usual)


@pytest.mark.parametrize("side", [(1.0,), (1.0, 2.0, 3.0), [1.0, 2.0], (1.0, "2"), (1.0, np.inf)])
def test_a_side_of_a_game_is_two_numbers(side: Any) -> None:
    """Fails if the curve of a game raises or gives NaN or infinity in the middle of a run."""
    for sides in ((side, (1.0, 0.0)), ((1.0, 0.0), side)):
        with pytest.raises(ValueError, match="game 'odd': guard and houdini are a slope"):
            extensions.game("odd", *sides)
    assert not extensions.GAMES


def test_a_name_is_given_once() -> None:
    """Fails if a second plug-in replaces what the first one added."""
    extensions.game("odd", (1, 2), (3, 4))
    with pytest.raises(ValueError, match="game 'odd': there is one of this name already"):
        extensions.game("odd", (5, 6), (7, 8))
    assert extensions.GAMES["odd"] == extensions.Game((1, 2), (3, 4))


def test_a_plugin_that_is_not_there_is_named() -> None:
    """Fails if the error does not say which plug-in is missing."""
    with pytest.raises(InputError, match=r"nowhere\.py: cannot be read"):
        plugins.load(["nowhere.py"])
    with pytest.raises(InputError, match="nowhere: neither a Python file nor installed"):
        plugins.load(["nowhere"])


MODULE = """\
from __future__ import annotations

from dataclasses import dataclass

from beside_it import FIVE

from multicopy.agents.extensions import measure


@dataclass
class Held:
    number: int = FIVE


@measure("five", "five")
def five(model):
    import late_beside_it

    return Held().number + late_beside_it.NOUGHT
"""


def test_a_plugin_is_a_module_like_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if a dataclass cannot find its module, or a module beside the plug-in is not found."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    written(tmp_path / "beside_it.py", "FIVE = 5")
    written(tmp_path / "late_beside_it.py", "NOUGHT = 0")
    plugins.load([written(tmp_path / "mine.py", MODULE)])
    assert extensions.MEASURES["five"].of(None) == 5


def test_what_lies_beside_a_plugin_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if a file of the user's is taken for a module of Python's or of the project's."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("this.py", "model.py"):
        written(tmp_path / name, "raise RuntimeError")
    text = "import this\nfrom multicopy.model import collective\n"
    text += "from multicopy.agents.extensions import game\n"
    plugins.load([written(tmp_path / "mine.py", text + "game('odd', (1, 2), (3, 4))")])


def test_an_interrupt_within_a_plugin_is_the_users(tmp_path: Path) -> None:
    """Fails if Ctrl-C in a measure or while a plug-in is loaded passes for its fault."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    extensions.measure("odd", "an odd measure")(lambda model: interrupted())
    with pytest.raises(KeyboardInterrupt):
        extensions.MEASURES["odd"].checked(None)
    with pytest.raises(KeyboardInterrupt):
        plugins.load([written(tmp_path / "mine.py", "raise KeyboardInterrupt")])


def test_a_plugin_that_leaves_ends_a_run_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if `sys.exit` in a measure ends the run with its code, no word and no folder."""
    text = (
        "from multicopy.agents.extensions import measure\n@measure('odd', 'odd')\ndef odd(model):\n"
    )
    plugin = written(tmp_path / "mine.py", text + "    return 1 if model.round < 3 else exit(0)")
    out = tmp_path / "run"
    words = f"run --copies 64 --rounds-scale 0.01 --quiet --no-figures --out {out}".split()
    assert main([*words, "--plugin", plugin]) == 2
    error = capsys.readouterr().err
    assert "measure 'odd' of a plug-in: line 4 of mine.py fails: SystemExit: 0" in error
    assert len(error.splitlines()) == 1
    assert analysis.load(out).rounds["odd"].notna().tolist() == [True, True, False]


def test_workers_of_a_sweep_have_the_plugins(tmp_path: Path) -> None:
    """Fails if runs of a sweep lack the measures and names of a plug-in."""
    plugins.load([str(SAMPLE)])
    held = {"copies": 32, "lab.response": "pause"}
    design = load({"fixed": held, "rounds_scale": 0.001, "factors": {"oversight.audit": [0.1]}})
    sent = Work.of(design, None)
    plugins.forget()
    sys.modules.pop(next(name for name in sys.modules if name.endswith("_plugin_sample")))
    harvest = run_chunk(sent, [Plan(design).job(0)])
    assert harvest.failed == 0
    assert "worst_team" in harvest.tables["runs"].column_names


def _exits(parameters: Any, seed: int) -> dict[str, float]:
    sys.exit(0)


def test_a_function_that_leaves_is_a_failed_run() -> None:
    """Fails if `sys.exit` in a sweep's own function ends the worker, and all that it was to do."""
    design = load({"fixed": {"copies": 32}, "factors": {"oversight.audit": [0.1]}})
    harvest = run_chunk(Work.of(design, _exits), [Plan(design).job(0)])
    assert (harvest.done, harvest.failed) == (0, 1)
    assert harvest.tables["failures"]["message"][0].as_py() == "raised SystemExit: 0"


def test_the_command_line_loads_plugins_and_tells_of_them(tmp_path: Path) -> None:
    """Fails if a run does not say which plug-in it was made with."""
    out = tmp_path / "run"
    words = f"run --copies 64 --rounds-scale 0.01 --quiet --no-figures --out {out}".split()
    assert main([*words, "--plugin", str(SAMPLE), "--set", "lab.response=pause"]) == 0
    assert "worst_team" in analysis.load(out).rounds
    told = json.loads((out / "provenance.json").read_text(encoding="utf-8"))
    assert list(told["plugins"]) == [str(SAMPLE)]


@pytest.mark.usefixtures("sample")
def test_workers_have_the_plugins_too() -> None:
    """Fails if runs in other processes do not know the plug-in."""
    paused = resolve("ai2027", {"lab.response": "pause", "copies": 64})
    runs = shares.run_scenarios([scale_rounds(paused, 0.01)], [0, 1], workers=2)
    assert runs.attrs["failed"] == 0
