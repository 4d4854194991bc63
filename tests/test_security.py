"""What input may do: scenario files are data, plug-ins come by the command line, folders bind."""

from __future__ import annotations

import ast
import json
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
from fuzz import TINY, Case, attempt
from test_architecture import SOURCES, TREES, dotted

from multicopy.agents.extensions import REGISTRIES
from multicopy.analysis.files import folder, frames, plugins
from multicopy.model.scenario import InputError, resolve

ROOT = Path(__file__).parents[1]
SAMPLE = Path(__file__).with_name("plugin_sample.py")

RUNS_CODE = {
    "eval", "exec", "compile", "__import__", "importlib.import_module", "import_module",
    "importlib.util.spec_from_file_location", "runpy.run_path", "os.system", "os.popen",
    "pickle.load", "pickle.loads", "np.load", "pd.read_pickle", "yaml.load",
    "subprocess.run", "subprocess.Popen", "subprocess.call", "subprocess.check_output",
}  # fmt: skip
"""Calls by which what is read could become code."""

MAY = {
    "analysis.files.plugins": {
        "importlib.util.spec_from_file_location"
    },  # named on the command line
    "analysis.many": {"import_module"},  # its own modules, by a table in the source
    "analysis.many.apart": {"subprocess.Popen"},  # a process of our own that runs may end
    "analysis.files.versions": {"subprocess.run"},  # git, for the commit in the provenance
}


def test_nothing_that_is_read_becomes_code() -> None:
    """Fails if `eval`, `pickle` or the like is called where a file is read; MAY names all calls."""
    found = {}
    for name in SOURCES:
        module = name.removesuffix(".__init__")
        calls = {dotted(n.func) for n in ast.walk(TREES[name]) if isinstance(n, ast.Call)}
        if calls & RUNS_CODE:
            found[module] = calls & RUNS_CODE
        for node in ast.walk(TREES[name]):
            if isinstance(node, ast.keyword) and node.arg in ("shell", "allow_pickle"):
                assert isinstance(node.value, ast.Constant), f"{module}:{node.value.lineno}"
                assert node.value.value is False, f"{module}:{node.value.lineno}"
    assert found == MAY


@pytest.mark.parametrize(
    "code", ["eval(x)", "pickle.loads(x)", "read(x, allow_pickle=True)", "start(x, shell=y)"]
)
def test_what_makes_code_of_data_is_seen(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if the search above passes whatever the sources say."""
    monkeypatch.setitem(TREES, "analysis.files.folder", ast.parse(code))
    with pytest.raises(AssertionError):
        test_nothing_that_is_read_becomes_code()


CODE = "__import__('os').system('touch escaped')"


@pytest.mark.parametrize("text", [CODE, "{{ 7 * 7 }}", "$(touch escaped)", "../../escaped", "/etc"])
@pytest.mark.usefixtures("no_pictures")  # what they draw is tried in test_figures.py
def test_the_texts_of_a_scenario_are_texts(text: str, tmp_path: Path) -> None:
    """Fails if a name, description or label is executed, or decides where files go."""
    (tmp_path / "mine.toml").write_text(
        f'base = "ai2027"\nname = {json.dumps(text)}\ndescription = {json.dumps(text)}\n'
        f"[phases.pretraining]\nlabel = {json.dumps(text)}\n"
    )
    words = ["run", "mine.toml", *TINY, "--no-figures"]
    assert attempt(Case(words, ("results",)), tmp_path) == (0, "")
    assert {entry.name for entry in tmp_path.iterdir()} == {"mine.toml", "results"}
    (run,) = (tmp_path / "results").iterdir()
    assert attempt(Case(["report", str(run)], (str(run),)), tmp_path) == (0, "")
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "49" not in re.findall(r"<title>(.*?)</title>", page)[0] or "{{" not in text


@pytest.fixture
def with_plugin(tmp_path: Path) -> Path:
    """The folder of a run that names a plug-in which lies in it, where it would be found."""
    shutil.copy(SAMPLE, tmp_path / "mine.py")
    words = ["run", *TINY, "--plugin", "mine.py", "--quiet", "--no-figures", "--out", "run"]
    assert attempt(Case(words, ("run",)), tmp_path, may_load=True) == (0, "")
    told = json.loads((tmp_path / "run" / "provenance.json").read_text(encoding="utf-8"))
    assert [Path(name).name for name in told["plugins"]] == ["mine.py"]
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ["explain", "run"],
        ["probe", "retrain", "run", "--rounds", "1"],
        ["run", "run/scenario.toml", "--quiet", "--no-figures", "--out", "again"],
    ],
    ids=lambda words: words[0],
)
def test_a_folder_that_names_a_plugin_does_not_load_it(words: list[str], with_plugin: Path) -> None:
    """Fails if code in a downloaded folder runs when the folder is looked at."""
    code, fault = attempt(Case(words, ("run", "again")), with_plugin)
    assert (code, fault) == (0, "")
    assert REGISTRIES == plugins.SHIPPED


def test_reading_a_folder_loads_no_plugin(with_plugin: Path) -> None:
    """Fails if a folder that is read from Python loads its plug-in."""
    frames.load(with_plugin / "run")
    folder.read(with_plugin / "run")
    assert not plugins.loaded()


def test_a_scenario_cannot_name_a_plugin() -> None:
    """Fails if a key of a scenario loads code."""
    for key in ("plugin", "plugins"):
        with pytest.raises(InputError, match=rf"{key}.*there is no such parameter"):
            resolve(overrides={key: ["mine.py"]})


def requirements() -> dict[str, str]:
    """Every dependency, of the program and of its extras, with its bounds."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    told = project["project"]
    lines = [*told["dependencies"], *project["build-system"]["requires"]]
    for extra in told["optional-dependencies"].values():
        lines += extra
    names = [re.match(r"[\w.-]+(?:\[[\w,]+\])?", line) for line in lines]
    return {name[0]: line for name, line in zip(names, lines, strict=True) if name}


def test_every_dependency_has_both_bounds() -> None:
    """Fails if a new release of a dependency can change results."""
    found = requirements()
    assert len(found) > 25
    for name, line in found.items():
        bounds = line.split(";")[0]
        assert re.search(r">=?\s*\d", bounds), f"{name} has no lower bound"
        assert re.search(r"<=?\s*\d|==\s*\d", bounds), f"{name} has no upper bound"


def test_every_dependency_is_pinned_within_its_bounds() -> None:
    """Fails if constraints.txt forgets a requirement, so that pip picks by itself."""
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pinned = {line.partition("==")[0].lower() for line in text.splitlines() if "==" in line}
    for name in requirements():
        assert re.sub(r"\[.*", "", name).lower() in pinned, name
    assert "index-url" not in text
    assert "://" not in text
