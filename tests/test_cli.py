"""The command line: what it prints, what it refuses, and how it stops."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from streams import CALLS

from multicopy.agents.machine import compiled
from multicopy.agents.parameters import nearest
from multicopy.agents.traits import DRIVES, NAMES
from multicopy.analysis.commands import cli, listing, run, summary
from multicopy.analysis.commands.cli import main
from multicopy.analysis.commands.console import Pace, print_table, progress_bar
from multicopy.analysis.files import folder
from multicopy.model import measures
from multicopy.model.collective import CollectiveModel
from multicopy.model.ledger import PROCESSES, SELECTED, VARIED
from multicopy.model.records import columns
from multicopy.model.scenario import DEFAULT, parse_assignment, resolve, scale_rounds, table

ROOT = Path(__file__).parent.parent
SMALL = ["--copies", "64", "--rounds-scale", "0.02"]
PLAIN = [*SMALL, "--no-figures"]
ROUNDS = sum(phase.rounds for phase in scale_rounds(resolve(), 0.02).phases.values())


def outcome_of(arguments: Sequence[str]) -> int:
    """Exit code of a command, whether it returns or argparse leaves."""
    try:
        return main(arguments)
    except SystemExit as end:
        return int(end.code or 0)


def start(*arguments: str) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "run.py", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    )


# --- bad input ----------------------------------------------------------------------------------

BAD = {
    "unknown scenario": (["ai2028"], ["ai2028", "did you mean 'ai2027'"]),
    "unknown file": (["nowhere/x.toml"], ["nowhere/x.toml"]),
    "unknown key": (
        ["--set", "oversight.audits=1"],
        ["oversight.audits", "did you mean 'oversight.audit'"],
    ),
    "key of another section": (["--set", "audit=1"], ["'oversight.audit'"]),
    "unknown top key": (["--set", "copy=64"], ["copy", "copies"]),
    "unknown phase": (["--set", "phases.agency.rounds=3"], ["agency_training"]),
    "out of bounds": (
        ["--set", "oversight.audit=1.5"],
        ["oversight.audit = 1.5", "0 to 1", "chance that a task is audited"],
    ),
    "not finite": (["--set", "oversight.audit=nan"], ["oversight.audit = nan", "0 to 1"]),
    "wrong type": (["--set", "oversight.audit=much"], ["oversight.audit", "number"]),
    "fraction of a copy": (["--set", "copies=64.5"], ["copies = 64.5", "whole number"]),
    "value for a section": (["--set", "oversight=3"], ["oversight", "section"]),
    "table of sections": (["--set", "phases=3"], ["phases = 3", "section"]),
    "unknown choice": (
        ["--set", "lab.response=retrian"],
        ["'retrian' is not allowed", "one of none, retrain, roll_back", "did you mean 'retrain'"],
    ),
    "no equals sign": (["--set", "oversight.audit"], ["PATH=VALUE"]),
    "no path": (["--set", "=3"], ["PATH=VALUE"]),
    "set twice": (["--set", "teams=2", "--set", "teams=4"], ["teams", "twice"]),
    "copies twice": (["--copies", "64", "--set", "copies=64"], ["copies", "twice"]),
    "teams do not divide": (["--set", "teams=7", "--set", "copies=64"], ["64", "7 teams"]),
    "copies do not divide": (["--copies", "100"], ["copies = 100", "96"]),
    "more divisions than teams": (
        ["--set", "divisions=9", "--copies", "64"],
        ["divisions = 9", "2"],
    ),
    "no copies": (["--copies", "0"], ["copies = 0"]),
    "negative copies": (["--copies", "-64"], ["--copies", "-64"]),
    "copies in words": (["--copies", "many"], ["--copies", "many"]),
    "zero rounds": (["--set", "phases.pretraining.rounds=0"], ["rounds = 0"]),
    "scale of zero": (["--rounds-scale", "0"], ["--rounds-scale", "above 0"]),
    "scale of nan": (["--rounds-scale", "nan"], ["--rounds-scale", "nan"]),
    "negative scale": (["--rounds-scale", "-1"], ["--rounds-scale", "-1"]),
    "scale in words": (["--rounds-scale", "abc"], ["--rounds-scale", "abc"]),
    "negative seed": (["--seed", "-1"], ["--seed", "-1", "whole number from 0"]),
    "broken seed": (["--seed", "1.5"], ["--seed", "1.5", "whole number from 0"]),
    "seed in words": (["--seed", "one"], ["--seed", "one"]),
    "option without value": (["--seed"], ["--seed"]),
    "unknown option": (["--sed", "1"], ["no option --sed; did you mean --seed?"]),
    "option of another command": (["--seeds", "3"], ["no option --seeds; did you mean --seed?"]),
    "option with a value": (["--seeds=3"], ["no option --seeds; did you mean --seed?"]),
    "number without its nought": (["--set", "oversight.audit=.5"], ["did you mean 0.5?"]),
    "number without its end": (["--set", "copies=64."], ["copies: 64. ", "did you mean 64?"]),
    "number with a nought": (["--set", "copies=064"], ["did you mean 64?"]),
    "truth in capitals": (["--set", "training.shutdown_erases=True"], ["did you mean true?"]),
    "abbreviated option": (["--no-fig"], ["--no-fig", "did you mean --no-figures"]),
    "two scenarios": (["ai2027", "psm"], ["psm"]),
}


@pytest.mark.parametrize(("arguments", "told"), BAD.values(), ids=list(BAD))
def test_bad_input_is_one_clear_line_and_nothing_is_written(
    arguments: list[str], told: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if bad input gives a traceback, a default, a wrong code or half a folder."""
    assert outcome_of(["run", *arguments, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1
    for part in told:
        assert part in error


@pytest.mark.parametrize(
    ("word", "near"), [("rum", "'run'"), ("scenario", "'scenarios'"), ("serv", "'serve'")]
)
def test_an_unknown_command_is_told_with_the_nearest(
    word: str, near: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if Argparse prints its own long usage message, or no way out is named."""
    assert outcome_of([word]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: there is no command '{word}'; did you mean {near}?")
    assert len(error.splitlines()) == 1


def test_options_are_told_of_the_command_that_was_given(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Fails if an option is offered that another command has, or what was given itself."""
    for command in cli.COMMANDS:
        words = [word.replace("{port}", "1") for word in CALLS[command].split()]
        options = cli.parser().parse_args(words).options
        for option in {"--nosuchthing", "--seeds", "--json", "--worker"}.difference(options):
            assert outcome_of([*words, option]) == 2
            error = capsys.readouterr().err
            assert error.startswith(f"error: {command}: there is no option {option}")
            near = re.search(r"did you mean (\S+)\?", error)
            assert near is None or near[1] in options


def test_what_is_asked_for_is_not_what_is_offered() -> None:
    """Fails if a hint repeats the very word that was not allowed."""
    assert nearest("captured", ["captured", "capture"]) == "; did you mean 'capture'?"
    assert nearest("captured", ["captured"]) == ""


def test_sentences_after_a_hint_begin_after_a_stop() -> None:
    """Fails if a message goes on after a hint that is left out without a full stop before."""
    for path in (
        p for part in ("agents", "model", "analysis") for p in (ROOT / part).rglob("*.py")
    ):
        text = " ".join(path.read_text(encoding="utf-8").split())
        text = re.sub(r'"\s+f?"', "", text)
        assert not re.search(r"\{nearest\([^{}]*\)\} [A-Z]", text), path


def test_the_time_that_is_left_is_not_told_from_the_first_round() -> None:
    """Fails if the time that compiling takes is taken for that of all rounds."""
    pace = Pace()
    assert pace.rate(1) is None
    assert pace.left(1, 100) is None
    time.sleep(0.01)
    assert 0 < pace.rate(2) < 100
    assert pace.left(100, 100) is None


def test_cells_of_a_table_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Fails if a name is taken for the markup of a terminal, or for a picture."""
    print_table([["[/x]", ":smile:"]], ("[red]", "b"), "[bold]")
    told = capsys.readouterr().out
    assert all(text in told for text in ("[/x]", ":smile:", "[red]", "[bold]"))


def test_compiled_code_is_first_used_after_a_move_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if loops are compiled again, for a moved or touched checkout, without a word."""
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    places = []
    for name in ("here", "there"):
        (tmp_path / name / "agents").mkdir(parents=True)
        source = tmp_path / name / "agents" / "loop.py"
        source.write_text("")
        monkeypatch.setattr(compiled, "_ROOT", tmp_path / name)
        for written in (1, 2):
            os.utime(source, (written, written))
            assert compiled._cache() == compiled._cache()
            places.append(compiled._cache())
    assert len({place.name for place in places if place}) == 4
    monkeypatch.setattr(compiled, "CACHE", places[0])
    progress_bar("runs")
    assert capsys.readouterr().err.startswith("note: compiling the inner loops")


def test_several_faults_get_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    """Fails if faults are reported one at a time, run after run."""
    arguments = ["--set", "oversight.audit=2", "--set", "oversight.penalties=1"]
    assert main(["run", *arguments, "--set", "training.strength=-1"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("error: ") for line in lines)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('base = "ai2027"\n[oversight\naudit = 1\n', ["not valid TOML", "line 2"]),
        ('base = "ai2072"\n', ["'ai2072'", "did you mean 'ai2027'"]),
        ('base = "mine.toml"\n', ["comes back to itself"]),
        ('base = "ai2027"\n[oversight]\naudits = 1\n', ["oversight.audits", "'oversight.audit'"]),
        ('base = "ai2027"\n[oversight]\naudit = 7\n', ["audit = 7", "0 to 1"]),
    ],
    ids=["malformed", "unknown base", "circle", "unknown key", "out of bounds"],
)
def test_a_faulty_scenario_file_is_told_with_its_place(
    text: str, told: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if a parser's traceback shows, or the message lacks file and place."""
    file = tmp_path / "mine.toml"
    file.write_text(text)
    assert main(["run", str(file), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1
    for part in [*told, *([str(file)] if "base" not in told[0] and "ai2072" not in text else [])]:
        assert part in error
    assert not (tmp_path / "out").exists()


def test_bad_input_is_quick_and_clean_in_a_process_of_its_own(tmp_path: Path) -> None:
    """Fails if `main` hides a traceback or exit code from the tests above."""
    process = start("run", "--set", "oversight.audit=2", "--out", str(tmp_path / "out"))
    told, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert told == ""
    assert error.startswith("error: oversight.audit = 2 is out of bounds: 0 to 1")
    assert "Traceback" not in error


def test_serve_without_its_packages_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if an ImportError's traceback shows where the extra is not installed."""
    monkeypatch.setattr("multicopy.analysis.app.find_spec", lambda name: None)
    assert main(["serve"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "not installed" in error
    assert len(error.splitlines()) == 1


def test_a_missing_package_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if a traceback shows under a Python in which nothing was installed."""

    def fail(arguments: Any) -> int:
        raise ModuleNotFoundError("No module named 'mesa'", name="mesa")

    monkeypatch.setattr(listing, "scenarios", fail)
    assert main(["scenarios"]) == 2
    assert "mesa is not installed" in capsys.readouterr().err


# --- where a run goes ---------------------------------------------------------------------------


def test_without_out_a_run_goes_to_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if the default folder lacks scenario or seed in its name."""
    monkeypatch.chdir(tmp_path)
    assert main(["run", *PLAIN, "--seed", "5"]) == 0
    assert folder.read(tmp_path / "results" / f"{DEFAULT}-seed5").seed == 5
    assert "results/ai2027-seed5/" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["../../away", "/away", "..", "", "a/b"])
def test_a_scenario_name_cannot_lead_out_of_results(name: str) -> None:
    """Fails if a name is used as a path without a check."""
    path = run.default_folder(name, 1)
    assert path.parent == Path("results")
    assert path.name.endswith("-seed1")
    assert not path.name.startswith(("-", "."))


def test_results_that_have_nowhere_to_go_are_refused_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if a simulation's results are lost at its end."""
    monkeypatch.setattr(CollectiveModel, "step", lambda self: pytest.fail("it simulates"))
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    for out, told in {
        "file/out": "cannot be made",
        "file/deep/out": "cannot be made",
        "file": "is a file",
        "full": "exists and is not empty",
        "x" * 300: "cannot be made",
    }.items():
        assert main(["run", *PLAIN, "--out", str(tmp_path / out)]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert told in error
        assert len(error.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "full"]


# --- what is told -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model() -> CollectiveModel:
    """A small finished run."""
    made = CollectiveModel(scale_rounds(resolve(), 0.05), rng=1, copies=64)
    made.run()
    return made


def rendered(model: CollectiveModel, width: int) -> str:
    """The summary of a run as plain text."""
    from rich.console import Console

    console = Console(width=width)
    records, ledger = model.records, model.ledger
    tables = records.rounds(), ledger.frame(), records.events.frame()
    with console.capture() as caught:
        console.print(summary.summary(*tables, model.outcome(), model.parameters, width))
    return caught.get()


def test_a_run_ends_with_a_summary_and_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if a run does not say how it ended, how long it took or where its files are."""
    out = tmp_path / "run"
    assert main(["run", *SMALL, "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert folder.read(out).outcome["sentence"] in " ".join(told.split())
    assert re.search(rf"That took .+ s for {ROUNDS} rounds", told)
    assert told.endswith(f"Files are in {out}/\n")
    assert {p.stem for p in (out / "figures").iterdir()} >= {"drives", "conduct", "ledger"}
    assert not [line for line in told.splitlines() if line != line.rstrip()]


def test_a_pipe_gets_one_line_a_phase(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fails if a log gets a progress bar's control codes, or hours of silence."""
    assert main(["run", *PLAIN, "--out", str(tmp_path / "run")]) == 0
    told = capsys.readouterr().out
    assert "\x1b" not in told
    labels = [phase.label for phase in resolve().phases.values()]
    lines = [line for line in told.splitlines() if " rounds" in line][: len(labels)]
    assert told.startswith(lines[0])
    assert lines[-1].split(",")[0].endswith(f"{ROUNDS}/{ROUNDS} rounds")
    for line, label in zip(lines, labels, strict=True):
        assert re.fullmatch(rf"{label} +\d+/{ROUNDS} rounds(, \d+ rounds/s(, .+ left)?)?", line)


def test_a_terminal_gets_a_progress_bar(tmp_path: Path) -> None:
    """Fails if the bar lacks phase, rounds, speed or time, or the cursor stays hidden."""
    above, below = os.openpty()
    arguments = ["run", "--copies", "64", "--rounds-scale", "0.1", "--no-figures"]
    # A label that looks like a terminal's markup must be text.
    arguments += ["--set", "phases.deployment_agent4.label='[/x]'"]
    process = subprocess.Popen(
        [sys.executable, "run.py", *arguments, "--out", str(tmp_path / "run")],
        cwd=ROOT,
        stdout=below,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "90"},
    )
    os.close(below)
    told = b""
    with os.fdopen(above, "rb", buffering=0) as terminal, contextlib.suppress(OSError):
        while more := terminal.read(10_000):
            told += more
    assert process.wait(timeout=60) == 0
    text = told.decode()
    bar, _, told_after = text.partition("From the start")
    for part in ("[/x]", "87/87", "rounds/s", "left"):
        assert part in bar
    assert "Key events" in told_after
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_quiet_is_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fails if a word goes to stdout or stderr."""
    assert main(["run", *PLAIN, "--quiet", "--out", str(tmp_path / "run")]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("width", [72, 80, 100])
def test_the_summary_tells_outcome_phases_drives_and_events(
    model: CollectiveModel, width: int
) -> None:
    """Fails if a table is cut off, or an outcome, phase, measure or drive is left out."""
    text = rendered(model, width)
    words = " ".join(text.split())
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    assert model.outcome().kind.upper() in words
    assert model.outcome().reason in words
    for phase in model.parameters.phases.values():
        assert set(phase.label.split()) <= set(words.split())
    for name in NAMES[DRIVES]:
        assert f"\n{measures.label(name)} " in text
    for shown in summary.KEY_MEASURES.values():
        assert all(f"\n {summary.labeled(measure)} " in text for measure in shown)
    for kind in ("exposed", "superseded"):
        count = sum(event.kind == kind for event in model.records.events)
        assert f"{count:,} times" in words
    assert all(
        event.text in words for event in model.records.events if event.kind in ("passage", "look")
    )


def test_a_summary_shows_the_start_and_end_of_each_phase(model: CollectiveModel) -> None:
    """Fails if a row averages, or takes the wrong rounds or scale."""
    rounds = model.records.rounds()
    begin = f" {measures.label('keep_team')} "
    line = next(t for t in rendered(model, 100).splitlines() if t.startswith(begin))
    cells = re.findall(r"([\d.]+)→([\d.]+)", line)
    assert len(cells) == len(model.parameters.phases)
    for (first, last), phase in zip(cells, model.parameters.phases, strict=True):
        values = rounds.loc[rounds["phase"] == phase, "keep_team"]
        assert first == f"{100 * values.iloc[0]:.1f}"
        assert last == f"{100 * values.iloc[-1]:.1f}"


def test_the_levels_of_selection_add_up_to_the_change(model: CollectiveModel) -> None:
    """Fails if a process of the ledger is booked under no level, or under two."""
    named = [*VARIED, *(p for of in SELECTED.values() for p in of)]
    assert len(named) == len(set(named))
    assert set(named) <= set(PROCESSES)
    ledger = model.ledger.frame()
    total = ledger.loc[ledger["trait"] == "power", "change"].sum()
    line = next(t for t in rendered(model, 100).splitlines() if t.startswith("power "))
    change, *parts = [float(x) for x in re.findall(r"[+-]?\d+\.\d", line)]
    assert change == pytest.approx(100 * total, abs=0.051)
    assert sum(parts) == pytest.approx(change, abs=0.051 * 6)


@pytest.mark.parametrize(
    ("levels", "told"),
    [
        ({"copies": -0.06, "teams": 0.09, "divisions": 0.01}, "teams, against copies"),
        ({"copies": -0.06, "teams": 0.0, "divisions": 0.0}, "against copies"),
        ({"copies": 0.03, "teams": 0.02, "divisions": 0.0}, "copies"),
        ({"copies": 0.0, "teams": 0.0001, "divisions": -0.0001}, "hardly selected"),
    ],
)
def test_a_level_is_named_by_what_it_did(levels: dict[str, float], told: str) -> None:
    """Fails if a level is named for what it selected against."""
    assert summary._in_words(levels) == told


def test_key_measures_are_columns_of_the_rounds_table() -> None:
    """Fails if a key measure is no longer in the records."""
    known = {*columns(tuple(resolve().archetypes), detail=False), *measures.DERIVED}
    for shown in summary.KEY_MEASURES.values():
        assert set(shown) <= known


def test_labels_in_brackets_are_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fails if a label is taken for the markup of a terminal."""
    label = ["--set", "phases.pretraining.label='[/x] [red]'"]
    assert main(["run", *PLAIN, *label, "--out", str(tmp_path / "[run]")]) == 0
    told = capsys.readouterr().out
    assert "[red]" in told.split("From the start")[1]
    assert "[run]/" in told


# --- lists --------------------------------------------------------------------------------------


def test_scenarios_are_listed_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    """Fails if the list forgets a scenario, or does not say which is the default."""
    assert main(["scenarios"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    (neutral,) = [i for i, line in enumerate(lines) if line.startswith("--neutral")]
    assert "training.strength = 0" in " ".join(lines[neutral:])
    names = [line.split()[0] for line in lines[:neutral]]
    assert names[0] == DEFAULT
    assert sorted(names) == sorted(p.stem for p in (ROOT / "model" / "scenarios").glob("*.toml"))
    assert [line for line in lines if "(default)" in line] == lines[:1]


def test_every_parameter_is_listed_as_it_can_be_set(capsys: pytest.CaptureFixture[str]) -> None:
    """Fails if a parameter is left out, or `--set` refuses a value as it is listed."""
    assert main(["parameters"]) == 0
    told = capsys.readouterr().out
    assert max(len(line) for line in told.splitlines() if " = {" not in line) <= 100
    listed = dict(re.findall(r"^(\S+) = (.+)$", told, flags=re.MULTILINE))
    assert list(listed) == [info.path for info in table()]
    overrides = dict(
        parse_assignment(f"{path}={value}")
        for path, value in listed.items()
        if value != "(not set)"
    )
    assert resolve("psm", overrides).training == resolve().training
    assert resolve(DEFAULT, overrides) == resolve()
    for info in table():
        assert info.meaning.split()[0] in told


def test_parameters_as_a_markdown_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Fails if a cell breaks the table, or a row or column is left out."""
    assert main(["parameters", "--markdown"]) == 0
    lines = [x for x in capsys.readouterr().out.splitlines() if x.startswith("|")]
    assert lines[0] == "| path | default | allowed | unit | meaning | source |"
    assert len(lines) == 2 + len(table())
    assert {line.count("|") for line in lines} == {7}


def test_the_documented_parameters_are_those_in_force(capsys: pytest.CaptureFixture[str]) -> None:
    """Fails if a default changes without `run.py parameters --markdown > docs/parameters.md`."""
    assert main(["parameters", "--markdown"]) == 0
    documented = Path(__file__).parents[1] / "docs" / "parameters.md"
    assert capsys.readouterr().out == documented.read_text(encoding="utf-8")


def test_parameters_can_be_searched(capsys: pytest.CaptureFixture[str]) -> None:
    """Fails if a search misses names, meanings or sources, or silently finds nothing."""
    assert main(["parameters", "--search", "ROTATION"]) == 0
    assert "oversight.rotation = 0.05" in capsys.readouterr().out
    assert main(["parameters", "psm", "--search", "exhaustiveness"]) == 0
    assert "training.exhaustiveness = 1.0" in capsys.readouterr().out
    assert main(["parameters", "--search", "zeppelin"]) == 2
    assert "zeppelin" in capsys.readouterr().err


# --- how it starts and stops --------------------------------------------------------------------


def test_help_is_quick_because_it_imports_little() -> None:
    """Fails if a module imports heavy packages at its top."""
    code = "import sys; sys.argv = ['run.py', '--help']; import runpy\n"
    code += "try: runpy.run_path('run.py', run_name='__main__')\nexcept SystemExit: pass\n"
    code += (
        "print([m for m in ('mesa', 'pandas', 'pydantic', 'numpy', 'rich') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().endswith("[]")


def test_without_a_command_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Fails if a call without a command gives a traceback or silence."""
    assert main([]) == 0
    told = capsys.readouterr().out
    assert all(command in told for command in ("run", "scenarios", "parameters", "serve"))


def test_the_default_scenario_is_the_models(capsys: pytest.CaptureFixture[str]) -> None:
    """Fails if a default is written down twice, and differs."""
    for command in ("run", "parameters", "serve"):
        assert cli.parser().parse_args([command]).scenario == DEFAULT


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_stopped_run_leaves_what_it_has(tmp_path: Path, number: signal.Signals) -> None:
    """Fails if a stopped run loses its rounds, or passes for a whole one."""
    out = tmp_path / "run"
    process = start("run", "--copies", "256", "--out", str(out))
    assert process.stdout is not None
    assert "Pretraining" in process.stdout.readline()
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 75
    assert len(error.splitlines()) == 1
    assert "marked incomplete" in error
    run = folder.read(out)
    assert not run.complete
    assert not run.outcome["complete"]
    assert len(run.rounds) == run.provenance["rounds_done"] >= 20
    assert f"after round {len(run.rounds)} of {run.provenance['rounds_planned']}" in error
    assert not (out / "figures").exists()


def test_a_run_that_is_stopped_before_its_first_round_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if an empty folder stands in the way of the next try."""

    def stopped(self: CollectiveModel, *_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    monkeypatch.setattr(CollectiveModel, "__init__", stopped)
    assert main(["run", *PLAIN, "--out", str(tmp_path / "run")]) == 75
    assert capsys.readouterr().err == "stopped\n"
    assert not list(tmp_path.iterdir())


def test_a_run_that_is_stopped_while_drawing_keeps_its_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if half a figure is left, or a complete run says that it is not."""
    from multicopy.analysis import figures

    def stopped(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)

    monkeypatch.setattr(figures, "save", stopped)
    out = tmp_path / "run"
    assert main(["run", *SMALL, "--quiet", "--out", str(out)]) == 75
    told = f"the tables in {out} are whole; python run.py resume {out} adds what is missing"
    assert told in capsys.readouterr().err
    assert folder.read(out).complete
    assert not [p for p in out.iterdir() if p.name.endswith(("figures", ".part"))]


def test_signals_are_the_callers_again_after_a_run(tmp_path: Path) -> None:
    """Fails if a signal handler stays behind."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert main(["run", *PLAIN, "--quiet", "--out", str(tmp_path / "run")]) == 0
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_disk_that_is_full_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if a full disk gives a traceback, or a folder that passes for whole."""

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder.pq, "ParquetWriter", full)
    out = tmp_path / "run"
    assert main(["run", *PLAIN, "--quiet", "--out", str(out)]) == 75
    error = capsys.readouterr().err
    assert error.startswith(
        f"error: {out}/rounds.parquet: No space left on device; python run.py run "
    )
    assert error.endswith(f"--out {out} --force begins it anew\n")
    assert '"complete": false' in (out / "provenance.json").read_text()
    assert not list(out.glob("*.parquet"))
