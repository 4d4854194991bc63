"""Versions of all that a result depends on beside its scenario and seed."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).absolute().parents[2]
"""The package: in the checkout or where it was installed."""
PACKAGES: Final = ("mesa", "numpy", "numba", "scipy", "pandas", "pyarrow", "pydantic")
DECIDING: Final = ("code", "python", "mesa", "numpy", "numba", "scipy", "system")
"""Versions that the numbers of a run depend on."""


def versions() -> dict[str, str]:
    """Versions of what the result depends on; the commit where the checkout knows it."""
    found = {"multicopy": own_version()}
    if commit := _commit():
        found["commit"] = commit
    found["code"] = code()
    found["python"] = platform.python_version()
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    found["system"] = f"{platform.system()} {platform.machine()}"
    return found


def own_version() -> str:
    """Version of Multicopy: that of the checkout, or as it was installed."""
    told = ROOT.parent / "pyproject.toml"
    if told.is_file():
        return str(tomllib.loads(told.read_text(encoding="utf-8"))["project"]["version"])
    return version("multicopy")


@cache
def code() -> str:
    """Hash of the code that decides a run, wherever it lies."""
    digest = hashlib.sha256()
    files = {*ROOT.glob("agents/**/*.py"), *ROOT.glob("model/**/*.py")}
    for path in sorted(files - {*ROOT.glob("model/plain/*.py")}):  # which no run rests on
        digest.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _commit() -> str:
    """Commit of this checkout, with a mark if files differ from it; empty if there is none."""
    command = "git describe --always --dirty --abbrev=12 --exclude=*".split()
    # A repository that merely lies around the checkout says nothing about it.
    settings = {"GIT_CEILING_DIRECTORIES": str(ROOT.parents[1]), "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            command,
            cwd=ROOT.parent,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def differing(made: Mapping[str, Any]) -> list[str]:
    """What was made by other versions than these, as far as numbers depend on it, in words."""
    here = versions()
    return [
        f"{name} {made.get(name, 'unknown')} (here {here.get(name, 'unknown')})"
        for name in DECIDING
        if made.get(name) != here.get(name)
    ]
