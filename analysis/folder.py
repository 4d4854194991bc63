"""Run folders: tables, scenario and provenance of one run, written so that nothing is half there.

Every file is written under a temporary name and renamed. `provenance.json` is written last with
``complete = true``; a run that was stopped leaves what it has, with ``complete = false``.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from agents.parameters import Parameters
from agents.personas import PERSONA
from agents.traits import NAMES
from model.collective import CollectiveModel
from model.scenario import InputError, fingerprint, resolve, to_toml

SCHEMA: Final = 1
"""Version of the folder's layout; raised when a table or file changes its meaning."""

TABLES: Final = ("rounds", "ledger", "events", "copies", "archetypes")
PACKAGES: Final = ("mesa", "numpy", "scipy", "pandas", "pyarrow", "pydantic")


@dataclass(frozen=True, slots=True)
class Run:
    """A run read back from its folder."""

    folder: Path
    parameters: Parameters
    rounds: pd.DataFrame
    ledger: pd.DataFrame
    events: pd.DataFrame
    copies: pd.DataFrame
    archetypes: pd.DataFrame
    outcome: Mapping[str, Any]
    provenance: Mapping[str, Any]

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return int(self.provenance["seed"])

    @property
    def complete(self) -> bool:
        """Whether the run went to its end."""
        return bool(self.provenance["complete"])


def prepare(folder: Path, force: bool) -> None:
    """Make sure that a run can be written to `folder`, and make it.

    Raises
    ------
    InputError
        If it exists and holds anything (with `force`: anything that is no run of this program),
        or cannot be made.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: is a file, not a folder; choose another --out")
        if folder.is_dir() and any(folder.iterdir()):
            if not force:
                raise InputError(
                    f"{folder}: exists and is not empty; choose another --out, or use --force"
                )
            if not (folder / "provenance.json").is_file():
                raise InputError(
                    f"{folder}: holds something that is no run of this program; "
                    "it is not replaced, choose another --out"
                )
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise InputError(f"{folder}: cannot be written to; choose another --out")
    except OSError as error:
        raise InputError(f"{folder}: cannot be made: {error.strerror or error}") from None


def prepare_files(folder: Path, names: Sequence[str], force: bool) -> None:
    """Make sure that result files can be written to `folder`, and make it.

    Raises
    ------
    InputError
        If one of them exists (without `force`), or the folder cannot be made.
    """
    found = [name for name in names if (folder / name).exists()]
    if found and not force:
        raise InputError(f"{folder}: has {found[0]} already; choose another --out, or use --force")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made: {error.strerror or error}") from None


def write(
    folder: Path,
    model: CollectiveModel,
    overrides: Mapping[str, Any],
    command: str,
    started: str,
    ended: str,
    seconds: float,
) -> None:
    """Write a run, complete or not, into a folder that `prepare` made."""
    p = model.parameters
    identity = {"schema": str(SCHEMA), "scenario": fingerprint(p), "seed": str(model.seed)}
    _atomic(folder / "scenario.toml", lambda path: path.write_text(to_toml(p), encoding="utf-8"))
    tables = {
        "rounds": model.records.rounds(),
        "ledger": model.ledger.frame(),
        "events": model.records.event_frame(),
        "copies": copy_frame(model),
        "archetypes": archetype_table(model),
    }
    for name, frame in tables.items():
        write_table(folder / f"{name}.parquet", frame, identity)
    complete = not model.running
    if model.records.rows:
        outcome = model.outcome()
        told = {
            "class": outcome.kind,
            "reason": outcome.reason,
            "sentence": outcome.sentence,
            "complete": complete,
        }
        _write_json(folder / "outcome.json", told)
    _write_json(
        folder / "provenance.json",
        {
            "schema": SCHEMA,
            "scenario": p.name,
            "fingerprint": fingerprint(p),
            "seed": model.seed,
            "overrides": dict(overrides),
            "complete": complete,
            "rounds_done": model.round,
            "rounds_planned": model.schedule.total,
            "command": command,
            "again": f"python run.py run {folder}/scenario.toml --seed {model.seed} --out NEW_DIR",
            "started": started,
            "ended": ended,
            "seconds": round(seconds, 3),
            "versions": versions(),
        },
    )


def copy_frame(model: CollectiveModel) -> pd.DataFrame:
    """The population as it is: one row a copy, expressed traits and latent ones (``_latent``)."""
    population = model.population
    rows = np.arange(len(population))
    team = population.team_of(rows)
    data: dict[str, Any] = {
        "copy": rows,
        "team": team,
        "division": population.division_of_team[team],
        "lineage": population.lineage,
        "unswitched": population.unswitched,
        "score": population.score,
        "output": population.output,
        "violation": population.violation,
        "withheld": population.withheld,
    }
    for i, name in enumerate(NAMES):
        data[name] = population.expressed[:, i]
    for i, name in enumerate(NAMES):
        data[f"{name}_latent"] = population.latent[:, i]
    return pd.DataFrame(data)


def archetype_table(model: CollectiveModel) -> pd.DataFrame:
    """The authors of pretraining: expressed traits of each archetype, and the prior's spread.

    One row an archetype, and one row ``prior_sd`` with the standard deviation of each trait in the
    pretraining distribution; column ``weight`` is the archetype's share.
    """
    mixture = model.mixture
    frame = pd.DataFrame(mixture.acts, index=list(mixture.names), columns=list(NAMES))
    frame.insert(0, "weight", mixture.weights)
    spread = dict.fromkeys(frame.columns, 1.0) | {"weight": 0.0}
    spread |= {NAMES[i]: sd for i, sd in zip(PERSONA, mixture.prior_sd, strict=True)}
    frame.loc["prior_sd"] = pd.Series(spread)
    return frame.rename_axis("archetype").reset_index()


def write_table(path: Path, frame: pd.DataFrame, identity: Mapping[str, str]) -> None:
    """Write a table as Parquet, whole or not at all, with where it comes from in its metadata."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    metadata = {**(table.schema.metadata or {}), b"multicopy": json.dumps(identity).encode()}
    table = table.replace_schema_metadata(metadata)
    _atomic(path, lambda temporary: pq.write_table(table, temporary, compression="zstd"))


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    _atomic(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def _atomic(path: Path, write_to: Callable[[Path], object]) -> None:
    temporary = path.with_name(f".{path.name}.part")
    write_to(temporary)
    os.replace(temporary, path)


def versions() -> dict[str, str]:
    """Versions of what the result depends on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    found["multicopy"] = _commit()
    return found


def _commit() -> str:
    root = Path(__file__).parent.parent
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()


def read(folder: str | Path) -> Run:
    """Read a run folder.

    Raises
    ------
    InputError
        If the folder is missing, no run, of another schema version, or lacks a file.
    """
    path = Path(folder)
    if not path.is_dir():
        raise InputError(f"{path}: there is no such folder")
    provenance = _read_json(path / "provenance.json")
    if provenance.get("schema") != SCHEMA:
        raise InputError(
            f"{path}: written in version {provenance.get('schema')} of the layout; "
            f"this program reads version {SCHEMA}"
        )
    frames = {name: _read_table(path / f"{name}.parquet") for name in TABLES}
    return Run(
        folder=path,
        parameters=resolve(path / "scenario.toml"),
        outcome=_read_json(path / "outcome.json"),
        provenance=provenance,
        **frames,
    )


def read_complete(folder: str | Path) -> Run:
    """Read a run folder, `InputError` if the run was stopped before its end."""
    run = read(folder)
    if not run.complete:
        done, planned = run.provenance["rounds_done"], run.provenance["rounds_planned"]
        raise InputError(f"{folder}: the run was stopped after round {done} of {planned}")
    return run


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path.parent}: is no run folder, it lacks {path.name}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: is damaged")
    return content


def _read_table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except FileNotFoundError:
        raise InputError(f"{path.parent}: lacks {path.name}") from None
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
