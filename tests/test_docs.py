"""The README and the pages of docs/ keep what they promise: commands, Python, links, navigation."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from kept import begun, kept_folder
from test_architecture import ORDER

from multicopy.analysis.commands import cli
from multicopy.analysis.files import plugins
from multicopy.model import plain
from multicopy.model.collective import CollectiveModel
from multicopy.model.scenario import resolve, scale_rounds

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]

NOT_RUN = {
    "dask scheduler": "a server that does not end by itself; test_sweep_kill.py starts one",
    "dask worker": "the same",
    "--scheduler tcp": "needs that server; its options are parsed",
    "#!/bin/bash": "a job of SLURM",
    "ssh ": "needs another machine",
}
"""Commands, by what they hold, that no test runs, and why."""

SMALL = "--copies 64 --rounds-scale 0.02".split()
FEWER = {
    "run": [*SMALL, "--no-figures"],
    "resume": ["--no-figures"],
    "ablate": [*SMALL, "--seeds", "1", "--workers", "0"],
    "outcomes": [*SMALL, "--seeds", "1", "--workers", "0"],
    "personas": [*SMALL, "--seeds", "1", "--workers", "0"],
    "sweep": [*SMALL, "--workers", "0"],
    "validate": ["--replicates", "200"],
    "probe": ["--rounds", "2"],
}
"""What makes a command short: the last of two values of an option counts."""

SMALLER = {
    "sample_sobol(64": "sample_sobol(2",
    "copies=256)": "copies=64, rounds_scale=0.02)",
    '"replicates": 3': '"replicates": 1, "fixed": {"copies": 64}, "rounds_scale": 0.02',
    '"results/mine")\n    runs': '"results/mine", workers=0)\n    runs',
}
"""What makes the Python of the pages short."""

LONG = {"personas", "outcomes", "ablate", "validate", "probe", "report"}
"""Commands that take seconds even so: they are tested with the slow tests."""

STANDING_FOR = {
    "DESIGN.toml": "designs/audits.toml",
    "FACTOR": "oversight.audit",
    "PATH=VALUE": "oversight.audit=0.5",
    "tcp://HOST:PORT": "tcp://127.0.0.1:8786",
    "N": "3",
    "K": "50",
    "X": "0.5",
}
"""What the capitals of a synopsis stand for; any other stands for itself."""


def blocks(page: Path, language: str) -> list[str]:
    """Fenced blocks of a page in a language; without one, of commands."""
    text = page.read_text(encoding="utf-8")
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [block for named, block in fences if named == language]


def named(page: Path) -> str:
    """Path of a page within the project."""
    return page.relative_to(ROOT).as_posix()


def commands() -> Iterator[tuple[str, str]]:
    """Page and command, a line each, of all fenced blocks and tables."""
    for page in PAGES:
        for block in blocks(page, ""):
            if block.startswith("#!"):
                yield named(page), block.splitlines()[0]
                continue
            joined = re.sub(r"\\?\n[ \t]+", " ", block)
            for line in joined.splitlines():
                yield named(page), re.sub(r"\s+# .*", "", line)
        text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
        for line in re.findall(r"`((?:python run\.py|make) [^`]+)`", text):
            yield named(page), line.replace(r"\|", "|")


def is_synopsis(command: str) -> bool:
    """Whether a command has holes to be filled."""
    return bool(re.search(r"\[|…|(?<![-\w'\"./=])[A-Z][A-Z_]*(?![\w=*])", command))


COMMANDS = sorted(set(commands()))
LEFT_OUT = [c for c in COMMANDS if any(part in c[1] for part in NOT_RUN)]
MAKE = [c for c in COMMANDS if c[1].startswith("make ")]
OURS = [c for c in COMMANDS if "run.py " in c[1] and c not in LEFT_OUT]
SYNOPSES = [c for c in OURS if is_synopsis(c[1])]


def words_of(command: str) -> list[str]:
    """Arguments of `run.py` in a command."""
    return shlex.split(command.partition("run.py ")[2])


def fenced(page: str, command: str) -> bool:
    """Whether a command stands in a fenced block, not only in the text."""
    return any(command in re.sub(r"\\?\n[ \t]+", " ", b) for b in blocks(ROOT / page, ""))


RUN = [
    pytest.param(
        *c, marks=[pytest.mark.slow] if words_of(c[1])[0] in LONG or "gallery" in c[1] else []
    )
    for c in OURS
    if c not in SYNOPSES and fenced(*c)
]


@pytest.fixture(autouse=True)
def _no_plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(plugins, "_loaded", {})
    yield
    plugins.forget()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the small runs that the pages speak of."""
    folder = tmp_path_factory.mktemp("docs")
    for name in ("ai2027-seed0", "a", "b"):
        out = str(folder / "results" / name)
        assert cli.main(["run", *SMALL, "--no-figures", "--quiet", "--out", out]) == 0
    return folder


@pytest.fixture
def checkout(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with those runs, the designs, and no more."""
    shutil.copytree(made / "results", tmp_path / "results")
    (tmp_path / "designs").symlink_to(ROOT / "designs")
    code = "\n".join(blocks(ROOT / "docs" / "extending.md", "python"))
    (tmp_path / "mine.py").write_text(code, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_pages_have_commands_of_each_sort() -> None:
    """Fails if a pattern finds nothing, so that nothing is tested."""
    assert len(MAKE) >= 6
    assert len(RUN) >= 12
    assert len(SYNOPSES) >= 8
    assert {part for part in NOT_RUN if any(part in c[1] for c in LEFT_OUT)} == set(NOT_RUN)


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_each_fenced_command_is_tested_or_named(page: str, command: str) -> None:
    """Fails if a page has a command of a sort that no test knows."""
    assert (page, command) in [*LEFT_OUT, *MAKE, *OURS], "run it below, or say why not in NOT_RUN"


@pytest.mark.parametrize(("page", "command"), RUN)
@pytest.mark.usefixtures("checkout")
def test_a_command_does_what_the_page_says(
    page: str, command: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Fails if a command is refused, fails, says nothing, or tells of a fault and ends with 0."""
    words = [*words_of(command)]
    if words[0] == "resume":  # a run that was cut, where the page has one
        model = begun(scale_rounds(resolve(overrides={"copies": 64}), 0.02), 1)
        model.step()
        kept_folder(model, Path(words[1]))
    words += [] if "noise" in words else FEWER.get(words[0], [])
    files = {path for path in Path().rglob("*") if path.is_file()}
    assert cli.main(words) == 0
    out, err = capfd.readouterr()
    assert len(out.split()) > 3 or "--quiet" in words
    for wrong in ("Traceback", "Warning: ", "error: "):
        assert wrong not in out + err
    for path in {path for path in Path().rglob("*") if path.is_file()} - files:
        assert path.stat().st_size, f"{path} is empty"
    if "--out" in words:
        assert Path(words[words.index("--out") + 1]).exists()


@pytest.mark.parametrize(("page", "command"), [c for c in OURS if c not in SYNOPSES])
def test_a_command_is_understood(page: str, command: str) -> None:
    """Fails if an option or command is renamed and the page is not."""
    cli.parser().parse_args(words_of(command))


@pytest.mark.parametrize(("page", "command"), SYNOPSES)
def test_a_synopsis_names_what_there_is(page: str, command: str) -> None:
    """Fails if a synopsis has an option that the program does not have."""
    text = re.sub(r"\[([^]|]*)\|[^]]*\]", r"[\1]", command)  # of two alternatives, the first
    text = re.sub(r"[][…]", " ", text)
    words = [STANDING_FOR.get(word, word) for word in words_of(text)]
    cli.parser().parse_args(words)


@pytest.mark.parametrize(("page", "command"), [c for c in MAKE if not is_synopsis(c[1])])
@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_has_the_target(page: str, command: str) -> None:
    """Fails if a target is renamed, or `make run` refuses its arguments."""
    words = shlex.split(command)
    names = [word for word in words[1:] if "=" not in word]
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert set(names) <= set(targets)
    # Without the variables of a make that runs these tests.
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, env=env, check=True, capture_output=True)
    passed = [word.removeprefix("ARGS=") for word in words if word.startswith("ARGS=")]
    if passed and names == ["run"]:
        cli.parser().parse_args(["run", *shlex.split(passed[0])])


TAUGHT = [p for p in PAGES if blocks(p, "python") and p.name != "gallery.md"]
"""Pages with Python; test_gallery.py runs that of the gallery."""


@pytest.mark.parametrize("page", TAUGHT, ids=lambda p: p.name)
@pytest.mark.usefixtures("checkout")
def test_python_of_a_page_runs(page: Path) -> None:
    """Fails if an example raises (the blocks of a page share one namespace)."""
    code = "\n".join(blocks(page, "python"))
    for long, short in SMALLER.items():
        code = code.replace(long, short)
    exec(compile(code, page.name, "exec"), {"__name__": "__main__"})


def test_each_shortcut_is_needed() -> None:
    """Fails if an example is changed, and so runs at full length."""
    code = "\n".join("\n".join(blocks(page, "python")) for page in PAGES)
    assert not [long for long in SMALLER if long not in code]


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as the site and forges make them."""
    heads = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    plain = [re.sub(r"[^\w\s-]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", h)) for h in heads]
    return {re.sub(r"[\s]+", "-", head.strip().lower()) for head in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Fails if a page, figure or heading is moved or renamed."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_in_the_navigation_once() -> None:
    """Fails if nobody is led to a page."""
    listed = re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(
        page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")
    )


@pytest.mark.parametrize("index", sorted(DOCS.rglob("index.md")), ids=named)
def test_every_page_is_linked_from_the_index_of_its_folder(index: Path) -> None:
    """Fails if only the side bar knows a page, or the index of a folder within."""
    linked = set(re.findall(r"\(([\w/-]+\.md)\)", index.read_text("utf-8")))
    there = {*index.parent.glob("*.md"), *index.parent.glob("*/index.md")} - {index}
    assert linked == {page.relative_to(index.parent).as_posix() for page in there}


DECISIONS = sorted((DOCS / "decisions").glob("0*.md"))


def test_decisions_are_numbered_and_their_sections_are_told() -> None:
    """Fails if a number is left out or repeated, or a page lacks its reasons or tests."""
    told = "Context", "Decision", "Tried or rejected", "Consequences", "Held by"
    for number, page in enumerate(DECISIONS, start=1):
        text = page.read_text("utf-8")
        assert page.name.startswith(f"{number:03}-")
        assert text.startswith(f"# {number}. ")
        assert tuple(re.findall(r"^## (.*)$", text, re.MULTILINE)) == told


@pytest.mark.parametrize("page", DECISIONS, ids=lambda p: p.stem)
def test_a_decision_is_held_by_tests_that_there_are(page: Path) -> None:
    """Fails if a test is renamed or goes while a page still says that it holds a decision."""
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").glob("test_*.py"))
    held = re.findall(r"`(test_\w+)`", page.read_text("utf-8").partition("## Held by")[2])
    assert len(held) > 3
    assert set(held) <= set(re.findall(r"^def (test_\w+)\(", code, re.MULTILINE))


def test_hooks_check_what_make_lint_checks() -> None:
    """Fails if a check is added to one of the two only, or a hook is fetched from elsewhere."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    recipe = re.findall(r"^lint:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)[0]
    repos = tomllib.loads((ROOT / "prek.toml").read_text("utf-8"))["repos"]
    entries = [hook["entry"] for repo in repos for hook in repo["hooks"]]
    assert entries == [
        line.strip().replace("$(PY)", ".venv/bin/python") for line in recipe.splitlines()
    ]
    assert {repo["repo"] for repo in repos} == {"local"}


def test_the_changelog_goes_by_versions() -> None:
    """Fails if a release has no section with its day, or anything but the first is in progress."""
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    sections = re.findall(r"^## (\d+\.\d+\.\d+) \((.+)\)$", text, re.MULTILINE)
    assert len(sections) == text.count("\n## ")
    numbers = [tuple(map(int, version.split("."))) for version, _ in sections]
    assert numbers == sorted(set(numbers), reverse=True)
    released = [version for version, day in sections if day != "in progress"]
    assert released == [version for version, _ in sections][-len(released) :]
    assert len(sections) - len(released) <= 1
    for version, day in sections:
        assert version not in released or date.fromisoformat(day)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert released[0] == project["version"]


def plain_functions() -> set[tuple[str, str]]:
    """File and name of all public functions, classes and methods of the plain model."""
    found = set()
    for path in (ROOT / "model" / "plain").glob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        named = [(node, "") for node in tree.body]
        for kind in [node for node in tree.body if isinstance(node, ast.ClassDef)]:
            named += [(node, f"{kind.name}.") for node in kind.body]
        for node, owner in named:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                found.add((path.name, owner + node.name))
    return found


def test_the_model_is_cited_equation_by_equation() -> None:
    """Fails if docs/model.md cites what is not in model/plain, or leaves out a function of it."""
    text = " ".join((ROOT / "docs" / "model.md").read_text("utf-8").split())
    cited = [
        (file, name)
        for file, names in re.findall(r"`model/plain/(\w+\.py): ([^`]+)`", text)
        for name in names.split(", ")
    ]
    assert sorted(cited) == sorted(set(cited))
    there = plain_functions()
    assert set(cited) <= there
    equations = {(f, n) for f, n in there if f != "arithmetic.py" and "." not in n}
    assert equations <= set(cited)


def test_the_plain_model_is_read_in_the_order_of_its_imports() -> None:
    """Fails if the reading order leaves out a file, or the example in it does not run."""
    text = plain.__doc__ or ""
    assert re.findall(r"^`(\w+)` ", text, re.MULTILINE) == list(ORDER["model/plain"])
    code = "\n".join(re.findall(r"^>>> (.*)$", text, re.MULTILINE))
    exec(compile(code, "model/plain", "exec"), {})


def test_the_citation_agrees_with_the_project() -> None:
    """Fails if a version or license is changed in one place only."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    cited = (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\nversion: {project['version']}\n" in cited
    assert f"\nlicense: {project['license']}\n" in cited
    assert f"\n  - name: {project['authors'][0]['name']}\n" in cited
    assert f"version {project['version']}" in " ".join(
        (ROOT / "docs" / "cite.md").read_text("utf-8").split()
    )


@pytest.mark.slow
def test_the_site_is_built_without_warnings_and_loads_nothing_from_elsewhere(
    tmp_path: Path,
) -> None:
    """Fails if the builder warns, or a font or script comes from the network."""
    pytest.importorskip("material", reason="needs the extra `docs`")
    pytest.importorskip("mkdocstrings", reason="needs the extra `docs`")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(tmp_path)]
    env = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(build, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    loads = re.compile(r"""<(?:script|img|iframe|link)\b[^>]*(?:src|href)=["']?(?:https?:)?//""")
    for page in tmp_path.rglob("*.html"):
        assert not loads.search(page.read_text("utf-8")), page.name
    index = json.loads((tmp_path / "search" / "search_index.json").read_text("utf-8"))
    assert {"limits.html", "odd.html", "api.html"} <= {d["location"] for d in index["docs"]}


def test_the_architecture_is_that_of_the_code() -> None:
    """Fails if docs/architecture.md names a file that is not there, or other arrows of a round."""
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    for path in re.findall(r"`((?:agents|model|analysis|tests)/[\w/]+\.\w+)`", text):
        assert (ROOT / path).is_file(), path
    place = ""
    for name in re.findall(r"^( *)(\w+/)|(\w+\.py)\b", text.split("```")[1], re.MULTILINE):
        indent, folder, file = name
        if folder:
            place = folder if not indent else f"{place.split('/')[0]}/{folder}"
        elif file != "run.py":
            assert list((ROOT / place).glob(file)) or list((ROOT / place).parent.glob(file)), file
    source = inspect.getsource(CollectiveModel.step)
    assert re.findall(r"^\| `(_\w+)` \|", text, re.MULTILINE) == re.findall(
        r"self\.(_\w+)\(", source
    )
