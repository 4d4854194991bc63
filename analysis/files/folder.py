"""Run folders: tables, scenario and provenance of one run, written so that nothing is half there.

A folder is claimed before the simulation begins, and let go when it ends. Every file is written
under a temporary name and renamed. `provenance.json` says ``"complete": false`` until all is there;
a run that was stopped leaves what it has, and keeps saying so.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from multicopy.agents.levels import LEVELS
from multicopy.agents.parameters import Parameters
from multicopy.agents.personas import PERSONA
from multicopy.agents.traits import NAMES
from multicopy.analysis.files import holding, keeping, places
from multicopy.analysis.files.columns import (
    Damaged,
    documented,
    read_json,
    wrong_entry,
    wrong_rounds,
)
from multicopy.analysis.files.columns import read as read_table
from multicopy.analysis.files.holding import CLAIM, FIGURES, MARK, PROVENANCE, SCENARIO, TABLES
from multicopy.analysis.files.holding import claimed as claimed
from multicopy.analysis.files.versions import versions
from multicopy.analysis.files.writing import written
from multicopy.model.collective import CollectiveModel
from multicopy.model.records import columns
from multicopy.model.scenario import InputError, fingerprint, resolve, to_toml

SCHEMA: Final = 1
"""Version of the folder's layout; raised when a table or file changes its meaning."""

AT_ONCE: Final = 32_768
"""Copies that are written at a time."""

OUTCOME: Final[Mapping[str, type]] = {"class": str, "reason": str, "sentence": str}
"""What `outcome.json` tells."""


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


def prepare_files(folder: Path, names: Sequence[str], force: bool) -> None:
    """Make sure that result files can be written to `folder`, and make it.

    Raises
    ------
    InputError
        If one of them exists (without `force`), or the folder cannot be made or written to.
    """
    places.require_folder(folder)
    found = [name for name in names if (folder / name).exists()]
    if found and not force:
        raise InputError(f"{folder}: has {found[0]} already; choose another --out, or use --force")
    places.require_files(folder, names)


def write(
    folder: Path, model: CollectiveModel, how: Mapping[str, Any], keep: Sequence[str] = ()
) -> None:
    """Write a run of at least one round, complete or not, into a folder that is `claimed`.

    `how` is what the provenance tells beside what the model knows: command, overrides, times; and
    `keep` names what stays of what the folder held.
    """
    p = model.declared
    scenario = folder / SCENARIO
    again = f"python run.py run {shlex.quote(str(scenario))} --seed {model.seed}"
    provenance = {
        "schema": SCHEMA,
        "scenario": p.name,
        "fingerprint": fingerprint(p),
        "seed": model.seed,
        "complete": False,
        "rounds_done": len(model.records.rows),
        "rounds_planned": model.schedule.total,
        **how,
        "again": f"{again} --out NEW_DIR",
        "versions": versions(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / "provenance.json", provenance)
    _clear(folder, keep)
    _write_text(scenario, to_toml(p))
    tables = {
        "rounds": model.records.rows.frames(),
        "ledger": model.ledger.frames(),
        "events": model.records.events.frames(),
        "copies": copy_frames(model),
        "archetypes": [archetype_table(model)],
    }
    if model.genealogy is not None:
        tables["lineage"] = model.genealogy.frames()
    for name, frames in tables.items():
        write_parts(folder / f"{name}.parquet", frames, _identity(provenance))
    outcome, complete = model.outcome(), not model.running
    told = {"class": outcome.kind, "reason": outcome.reason, "sentence": outcome.sentence}
    _write_json(folder / "outcome.json", {**told, "complete": complete})
    written_files = [*(f"{name}.parquet" for name in tables), "outcome.json"]
    sums = {name: _checksum(folder / name) for name in written_files}
    _write_json(folder / "provenance.json", {**provenance, "complete": complete, "sha256": sums})
    if complete:
        keeping.discard(folder)


def _identity(provenance: Mapping[str, Any]) -> dict[str, str]:
    """What the tables of a run say of themselves."""
    names = {"schema": "schema", "scenario": "fingerprint", "seed": "seed"}
    return {name: str(provenance[key]) for name, key in names.items()}


def _clear(folder: Path, keep: Sequence[str]) -> None:
    """Remove what an earlier run left, all but the provenance and what is to stay."""
    for entry in folder.iterdir():
        if entry.name in ("provenance.json", CLAIM, *keep) or not holding.is_ours(entry):
            continue
        if entry.name == keeping.FOLDER:
            keeping.discard(folder)
        elif entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def figures_of(folder: Path) -> set[str]:
    """Names of the figures that a run folder has."""
    return {path.stem for path in (folder / FIGURES).glob("*.png")}


def tidy(folder: Path) -> None:
    """Remove what a kill left over in the folder of a run that is complete and `claimed`."""
    keeping.discard(folder)
    for entry in [*folder.iterdir(), *(folder / FIGURES).glob("*")]:
        if holding.is_part(entry):
            entry.unlink()


def copy_frames(model: CollectiveModel) -> Iterator[pd.DataFrame]:
    """The population as it is, in parts: see `copy_frame`."""
    for first in range(0, len(model.population), AT_ONCE):
        yield copy_frame(model, slice(first, first + AT_ONCE))


def copy_frame(model: CollectiveModel, part: slice = slice(None)) -> pd.DataFrame:
    """The population as it is: one row a copy, expressed traits and latent ones (``_latent``)."""
    population = model.population
    rows = np.arange(len(population))[part]
    team = population.team_of(rows)
    data: dict[str, Any] = {
        "copy": rows,
        **{level.name: population.units[level.name].of[team] for level in LEVELS},
        "lineage": population.lineage[part],
        "unswitched": population.unswitched[part],
        "score": population.score[part],
        "output": population.output[part],
        "violation": population.violation[part],
        "withheld": population.withheld[part],
    }
    for i, name in enumerate(NAMES):
        data[name] = population.expressed[part, i]
    for i, name in enumerate(NAMES):
        data[f"{name}_latent"] = population.latent[part, i]
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
    write_parts(path, [frame], identity)


def write_parts(path: Path, frames: Iterable[pd.DataFrame], identity: Mapping[str, str]) -> None:
    """Write a table from its parts in order, at least one, of which one at a time is held."""
    tables = (pa.Table.from_pandas(frame, preserve_index=False) for frame in frames)
    first = next(tables)
    metadata = {**(first.schema.metadata or {}), MARK: json.dumps(identity).encode()}
    schema = first.schema.with_metadata(metadata)
    how: Any = {"compression": "zstd", "write_page_checksum": True}

    with written(path) as file, pq.ParquetWriter(file, schema, **how) as writer:
        for table in chain([first], tables):
            writer.write_table(table.replace_schema_metadata(metadata))


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    _write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _write_text(path: Path, text: str) -> None:
    with written(path) as file:
        file.write(text.encode())


def read(folder: str | Path, to_repeat: bool = False) -> Run:
    """Read a run folder, whether the run went to its end or not.

    Warns if a file of it was changed since it was written.

    Parameters
    ----------
    to_repeat
        Whether the run is to be made again from its scenario, which must be the one it had.

    Raises
    ------
    InputError
        If the folder is missing, no run, of another schema version, lacks a file, or has a file
        that is damaged or of another run.
    """
    path = Path(folder)
    if not path.is_dir():
        raise InputError(f"{path}: there is no such folder")
    if holding.is_run(path) and not (path / "provenance.json").exists():
        raise InputError(f"{path}: its run has not ended, or was killed; {holding.way_on(path)}")
    provenance = _read_json(path / "provenance.json")
    if provenance.get("schema") != SCHEMA:
        raise InputError(
            f"{path}: written in version {provenance.get('schema')} of the layout; "
            f"this program reads version {SCHEMA}"
        )
    if wrong := wrong_entry(provenance, PROVENANCE):
        raise InputError(f"{path / 'provenance.json'}: is damaged, it {wrong}")
    try:
        run = _read_run(path, provenance)
    except InputError as error:
        if provenance["complete"]:
            raise
        raise InputError(f"{error}; {holding.way_on(path)}") from None
    changed = files_changed(path, provenance, run.parameters)
    if to_repeat and SCENARIO in changed:
        raise InputError(
            f"{path / SCENARIO}: was changed since the run was made (its fingerprint is "
            f"{fingerprint(run.parameters)}, the run's {provenance['fingerprint']}), so it cannot "
            "tell how to make the run again"
        )
    warn_of_changes(path, changed)
    return run


def _read_run(path: Path, provenance: Mapping[str, Any]) -> Run:
    parameters = resolve(path / SCENARIO)
    identity, wanted = _identity(provenance), documented(tuple(parameters.archetypes))
    wanted["rounds"] = columns(tuple(parameters.archetypes), detail=False)
    frames = {n: _read_table(path / f"{n}.parquet", identity, [*wanted[n]]) for n in TABLES}
    for name, length in (("rounds", provenance["rounds_done"]), ("copies", parameters.copies)):
        if len(frames[name]) != length:
            raise InputError(f"{path / name}.parquet: has {len(frames[name])} rows, not {length}")
    if wrong := wrong_rounds(frames["rounds"]["round"]):
        raise InputError(f"{path / 'rounds.parquet'}: is damaged, it {wrong}")
    if [*frames["archetypes"]["archetype"]] != [*parameters.archetypes, "prior_sd"]:
        raise InputError(f"{path / 'archetypes.parquet'}: has other authors than the scenario")
    outcome = _read_json(path / "outcome.json")
    if wrong := wrong_entry(outcome, OUTCOME):
        raise InputError(f"{path / 'outcome.json'}: is damaged, it {wrong}")
    return Run(folder=path, parameters=parameters, outcome=outcome, provenance=provenance, **frames)


def files_changed(
    folder: Path, provenance: Mapping[str, Any], parameters: Parameters | None
) -> list[str]:
    """Files of a run folder that are not as they were written.

    The scenario is one if it means another run, each of the others if it differs in anything.
    """
    told = provenance.get("sha256")
    sums = told if isinstance(told, dict) else {}
    changed = [name for name, known in sums.items() if _checksum(folder / name) != known]
    if parameters and fingerprint(parameters) != provenance.get("fingerprint"):
        changed.insert(0, SCENARIO)
    return changed


def warn_of_changes(folder: Path, changed: Sequence[str]) -> None:
    """Warn of files that are not as they were written, if there are any."""
    if changed:
        told = f"{folder}: {' and '.join(changed)} changed since the run was written"
        warnings.warn(f"{told}; what is read there is not what was simulated", stacklevel=3)


def _checksum(path: Path) -> str:
    """SHA-256 of a file; empty if there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def read_complete(folder: str | Path) -> Run:
    """Read a run folder, `InputError` if the run was stopped before its end."""
    run = read(folder)
    if not run.complete:
        done, planned = run.provenance["rounds_done"], run.provenance["rounds_planned"]
        on = holding.way_on(run.folder)
        raise InputError(f"{folder}: the run was stopped after round {done} of {planned}; {on}")
    return run


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path)
    except FileNotFoundError:
        raise InputError(f"{path.parent}: is not a run folder, it lacks {path.name}") from None
    except Damaged as error:
        raise InputError(f"{path}: {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: is damaged")
    return content


def _read_table(path: Path, identity: Mapping[str, str], wanted: Sequence[str]) -> pd.DataFrame:
    try:
        table = read_table(path)
    except FileNotFoundError:
        raise InputError(f"{path.parent}: lacks {path.name}") from None
    except Damaged as error:
        raise InputError(f"{path}: {error}") from None
    mark = (table.schema.metadata or {}).get(MARK, b"")
    if mark != json.dumps(identity).encode():
        raise InputError(f"{path}: belongs to another run than provenance.json")
    if missing := [name for name in wanted if name not in table.column_names]:
        raise InputError(f"{path}: is damaged, it lacks the column {missing[0]!r}")
    return table.replace_schema_metadata().to_pandas()
