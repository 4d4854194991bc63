"""Installed by pip, the program is one package that meets nobody else's modules."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from kept import program

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the project is installed, without its dependencies, from a copy of its files."""
    place, source = tmp_path_factory.mktemp("installed"), program(tmp_path_factory.mktemp("source"))
    options = "--no-deps --no-build-isolation --quiet --disable-pip-version-check --target".split()
    words = [sys.executable, "-m", "pip", "install", *options, str(place), str(source)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return place


def told(site: Path, folder: Path, code: str) -> str:
    """What some code prints in a folder of the user's, with what was installed."""
    environment = {**os.environ, "PYTHONPATH": str(site), "HOME": str(folder)}
    environment.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_is_imported_beside_modules_of_the_user(site: Path, tmp_path: Path) -> None:
    """Fails if a user's own `model`, `agents` or `analysis` hides the project's, or is hidden."""
    for name in ("model", "agents", "analysis"):
        (tmp_path / f"{name}.py").write_text(f"mine = '{name}'\n", encoding="utf-8")
    code = (
        "import model, agents, analysis, multicopy\n"
        "from multicopy.agents.machine.compiled import CACHE\n"
        "from multicopy.analysis.files.versions import versions\n"
        "from multicopy.model.scenario import resolve, shipped\n"
        "from multicopy.analysis.questions.experiments import load_effects\n"
        "print(model.mine, agents.mine, analysis.mine, len(shipped()), len(load_effects()) > 20)\n"
        "print(resolve().copies, versions()['multicopy'], multicopy.__file__, CACHE)\n"
    )
    first, second = told(site, tmp_path, code).splitlines()
    assert first == "model agents analysis 7 True"
    copies, version, file, cache = second.split()
    assert (int(copies), version.count(".")) == (4096, 2)
    assert Path(file).is_relative_to(site)
    assert Path(cache).is_relative_to(tmp_path / ".cache"), "compiled code lies among packages"


def test_all_files_of_the_program_are_installed(site: Path) -> None:
    """Fails if a module, template, scenario or picture of the page is left out."""
    for part in ("agents", "model", "analysis"):
        ours = {
            p.relative_to(ROOT)
            for p in (ROOT / part).rglob("*")
            if p.is_file() and "__pycache__" not in p.parts
        }
        theirs = {
            p.relative_to(site / "multicopy")
            for p in (site / "multicopy" / part).rglob("*")
            if p.is_file() and "__pycache__" not in p.parts
        }
        assert theirs == ours


def test_a_second_copy_is_refused() -> None:
    """Fails if `import agents` in the checkout gives registries that the program does not read."""
    for name in ("agents", "model", "analysis"):
        done = subprocess.run(
            [sys.executable, "-c", f"import {name}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert f"import multicopy.{name}" in done.stderr
