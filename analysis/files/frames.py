"""Run folders as tidy tables, with every column documented; for questions of one's own.

`load` reads one run, `compare` lines several up. Both show what there is: an unfinished run, a
table that is missing or of an older layout is told in `notes`, and the rest is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pandas as pd

from multicopy.agents.levels import LEVELS
from multicopy.agents.parameters import Parameters, nearest
from multicopy.agents.traits import NAMES
from multicopy.analysis.files import columns as declared
from multicopy.analysis.files import robustness
from multicopy.analysis.files.columns import (
    OUTCOMES,
    Damaged,
    documented,
    wrong_entry,
    wrong_rounds,
)
from multicopy.analysis.files.folder import OUTCOME, SCHEMA, files_changed, warn_of_changes
from multicopy.analysis.files.holding import PROVENANCE, is_run, way_on
from multicopy.model import records
from multicopy.model.scenario import InputError, resolve, table


@dataclass(frozen=True)
class Data:
    """One run as tidy tables; docs/data.md says what each column means.

    Attributes
    ----------
    rounds, events, ledger, copies, archetypes
        Tables of the run folder; one that is missing is empty, with its columns.
    outcomes
        One row: class, reason, the numbers it depends on, first passages.
    parameters
        The scenario as it was run; None if it cannot be read.
    provenance
        How the run was made.
    notes
        What is missing or unusual, a sentence each.
    """

    folder: Path
    rounds: pd.DataFrame
    events: pd.DataFrame
    ledger: pd.DataFrame
    copies: pd.DataFrame
    archetypes: pd.DataFrame
    outcomes: pd.DataFrame
    parameters: Parameters | None
    provenance: Mapping[str, Any]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Several runs, one under the other: the tables of `Data`, each with a column `run` first.

    Attributes
    ----------
    parameters
        Parameters in which the runs differ: a row a path, a column a run.
    notes
        What is missing or unusual, a sentence each, by run.
    """

    rounds: pd.DataFrame
    events: pd.DataFrame
    ledger: pd.DataFrame
    copies: pd.DataFrame
    outcomes: pd.DataFrame
    parameters: pd.DataFrame
    notes: Mapping[str, tuple[str, ...]]

    def wide(self, measure: str) -> pd.DataFrame:
        """A measure with a column a run, lined up by phase and round within the phase."""
        _need(self.rounds, measure)
        order = dict.fromkeys(self.rounds["phase"].astype(str))
        lined = self.rounds.assign(phase=pd.Categorical(self.rounds["phase"], list(order)))
        return lined.pivot_table(
            index=["phase", "phase_round"], columns="run", values=measure, observed=True
        )


def _need(rounds: pd.DataFrame, measure: str) -> None:
    if measure not in rounds:
        near = nearest(measure, map(str, rounds.columns))
        raise InputError(f"the rounds table has no column {measure!r}{near}")


@dataclass
class _Reader:
    """Reads what a run folder has, and notes what is missing."""

    folder: Path
    notes: list[str] = field(default_factory=list)

    def json(self, name: str, entries: Mapping[str, type]) -> dict[str, Any]:
        """A JSON file, empty if it is missing or damaged; these entries are of these types."""
        try:
            content = declared.read_json(self.folder / name)
        except FileNotFoundError:
            self.notes.append(f"There is no {name}.")
            return {}
        except Damaged:
            content = None
        if not isinstance(content, dict) or wrong_entry(content, entries):
            self.notes.append(f"{name} is damaged and left out.")
            return {}
        return content

    def table(self, name: str, columns: Sequence[str]) -> pd.DataFrame:
        """A table; empty with the columns that it should have if it cannot be read."""
        path = self.folder / f"{name}.parquet"
        try:
            frame = declared.read(path).replace_schema_metadata().to_pandas()
        except FileNotFoundError:
            self.notes.append(f"There is no {path.name}.")
            return pd.DataFrame(columns=list(columns))
        except Damaged as error:
            self.notes.append(f"{path.name} is damaged and left out: it {error}.")
            return pd.DataFrame(columns=list(columns))
        missing = [column for column in columns if column not in frame]
        if missing:
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            self.notes.append(f"{path.name} lacks {', '.join(missing[:5])}{more}.")
        if (name != "rounds" and missing) or {"round", "phase"}.intersection(missing):
            return pd.DataFrame(columns=list(columns))  # nothing is known of the rest
        if name == "rounds" and (wrong := wrong_rounds(frame["round"])):
            self.notes.append(f"{path.name} is damaged and left out: it {wrong}.")
            return pd.DataFrame(columns=list(columns))
        return frame

    def parameters(self) -> Parameters | None:
        """The scenario, None if this program cannot read it."""
        try:
            return resolve(self.folder / "scenario.toml")
        except InputError as error:
            first = str(error).splitlines()[0]
            self.notes.append(f"Its scenario cannot be read by this version: {first}")
            return None


def load(folder: str | Path) -> Data:
    """Read a run folder, as far as it can be read.

    Warns if a file of it was changed since it was written.

    Raises
    ------
    InputError
        If there is no such folder, or it holds no run.
    """
    path = Path(folder)
    if not path.is_dir():
        raise InputError(f"{path}: there is no such folder")
    if not any((path / name).is_file() for name in ("provenance.json", "rounds.parquet")):
        if is_run(path):
            raise InputError(f"{path}: its run has not ended, or was killed; {way_on(path)}")
        raise InputError(f"{path}: is not a run folder, it has neither provenance.json nor tables")
    reader = _Reader(path)
    provenance = reader.json("provenance.json", PROVENANCE)
    if provenance and provenance.get("schema") != SCHEMA:
        reader.notes.append(
            f"The folder is of version {provenance.get('schema')} of the layout; this program "
            f"writes version {SCHEMA}. What it can read is shown."
        )
    if provenance and not provenance.get("complete"):
        done, planned = provenance.get("rounds_done"), provenance.get("rounds_planned")
        reader.notes.append(f"The run is unfinished: {done} of {planned} rounds; {way_on(path)}.")
    parameters = reader.parameters()
    archetypes = tuple(parameters.archetypes) if parameters else ()
    columns = documented(archetypes)
    # A run without `detail` has no spreads; only the columns that every run has are demanded.
    columns["rounds"] = records.columns(archetypes, detail=False)
    names = ("rounds", "events", "ledger", "copies", "archetypes")
    tables = {name: reader.table(name, list(columns[name])) for name in names}
    authors = tables["archetypes"]
    if len(authors) and parameters and [*authors["archetype"]] != [*archetypes, "prior_sd"]:
        reader.notes.append("archetypes.parquet has other authors than the scenario: left out.")
        tables["archetypes"] = authors.iloc[:0]
    outcomes = _outcomes(reader, tables, parameters, provenance)
    changed = files_changed(path, provenance, parameters) if provenance else []
    there = [name for name in changed if (path / name).exists()]  # what is missing is told above
    reader.notes.extend(f"{name} was changed since the run was written." for name in there)
    warn_of_changes(path, there)
    return Data(
        folder=path,
        outcomes=outcomes,
        parameters=parameters,
        provenance=provenance,
        notes=tuple(reader.notes),
        **tables,
    )


def _outcomes(
    reader: _Reader,
    tables: Mapping[str, pd.DataFrame],
    parameters: Parameters | None,
    provenance: Mapping[str, Any],
) -> pd.DataFrame:
    """The row of the outcome; what is not known is missing in it."""
    told = reader.json("outcome.json", OUTCOME)
    row: dict[str, Any] = dict.fromkeys(OUTCOMES)
    row |= {name: provenance.get(name) for name in OUTCOMES if name in provenance}
    row |= {"outcome": told.get("class"), "reason": told.get("reason")}
    rounds, events = tables["rounds"], tables["events"]
    if len(rounds) and parameters:
        try:
            row |= robustness.numbers(rounds, events, parameters, parameters.outcome.window)
            passages = robustness.first_passages(rounds, parameters)
            row |= {f"passage_{measure}": when for measure, when in passages.items()}
        except KeyError as error:
            reader.notes.append(f"The numbers behind the outcome need the column {error}.")
    seed = pd.array([row.pop("seed")], dtype="UInt64")  # as `columns.SEED`, and may be missing
    return pd.DataFrame([row], columns=list(OUTCOMES)).assign(seed=seed)


def compare(folders: Sequence[str | Path]) -> Comparison:
    """Read several run folders and put their tables one under the other.

    Runs are named by their folders, by the whole path where two folders have one name.

    Raises
    ------
    InputError
        If there is no folder, one twice, or one that holds no run.
    """
    paths = [Path(folder) for folder in folders]
    if not paths:
        raise InputError("compare needs at least one run folder")
    if len({path.resolve() for path in paths}) < len(paths):
        raise InputError("compare: a folder is given twice")
    short = [path.resolve().name for path in paths]
    names = short if len(set(short)) == len(short) else [str(path) for path in paths]
    runs = dict(zip(names, map(load, paths), strict=True))

    def stacked(table_: str) -> pd.DataFrame:
        parts = {name: getattr(run, table_) for name, run in runs.items()}
        filled = {name: part.astype(_plain(part)) for name, part in parts.items() if len(part)}
        if not filled:
            return next(iter(parts.values())).assign(run=pd.Series(dtype="category"))
        frame = pd.concat(filled, names=["run", "row"]).copy()
        frame = frame.reset_index().drop(columns="row")
        return frame.assign(run=pd.Categorical(frame["run"], names))

    tables = {name: stacked(name) for name in ("rounds", "events", "ledger", "copies", "outcomes")}
    notes = {name: run.notes for name, run in runs.items()}
    return Comparison(parameters=_differences(runs), notes=notes, **tables)


def _plain(frame: pd.DataFrame) -> dict[str, str]:
    """Categories as text, since their lists differ between runs."""
    kinds = frame.dtypes
    return {str(name): "str" for name in kinds.index if str(kinds[name]) == "category"}


def _differences(runs: Mapping[str, Data]) -> pd.DataFrame:
    """Parameters in which runs differ, a column a run."""
    told = {
        name: {info.path: info.default for info in table(run.parameters)}
        for name, run in runs.items()
        if run.parameters is not None
    }
    paths = dict.fromkeys(path for values in told.values() for path in values)
    rows = {path: [values.get(path) for values in told.values()] for path in paths}
    differ = {path: row for path, row in rows.items() if any(v != row[0] for v in row)}
    return pd.DataFrame.from_dict(differ, orient="index", columns=list(told), dtype=object)


def trait_columns() -> dict[str, str]:
    """Columns of the rounds table that every trait has beside its mean, by their endings."""
    told = {f"_q{round(100 * q)}": f"{q:g} quantile of the trait" for q in records.QUANTILES}
    return {
        **told,
        **{
            f"_fst_{level.name}": (
                f"F_ST of the trait among {level.plural}: variance between them over the total"
            )
            for level in LEVELS
        },
    }


def dictionary() -> str:
    """The data dictionary, as docs/data.md holds it."""
    every = documented(())
    spread = {f"{name}{ending}" for name in NAMES for ending in trait_columns()}
    rounds = {name: text for name, text in every["rounds"].items() if name not in spread}
    rounds |= {f"TRAIT{ending}": text for ending, text in trait_columns().items()}
    rounds["like_ARCHETYPE"] = "mean responsibility of the archetype"
    every["rounds"] = rounds
    parts = [_INTRODUCTION]
    for name, columns in every.items():
        parts.append(f"\n## `{name}`\n\n{_TABLES[name]}\n\n| column | meaning |\n| --- | --- |\n")
        parts += [f"| `{column}` | {meaning} |\n" for column, meaning in columns.items()]
    return "".join(parts)


_INTRODUCTION: Final = """# Data dictionary

Made by `python -m multicopy.analysis.files.frames`; do not edit by hand. With
`from multicopy import analysis`, `analysis.load(DIR)` reads a run folder as tables, one observation
a row; `analysis.compare([DIR, ...])` puts those of several runs one under the other, with a column
`run` first.

```python
from multicopy import analysis

data = analysis.load("results/ai2027-seed0")
data.rounds.groupby("phase", observed=True)["keep_team"].last()
data.ledger.groupby("process", observed=True)["change"].sum()
analysis.compare(["results/a", "results/b"]).wide("capture").plot()
```

A folder that holds `checkpoint/` is of a run that has not ended; `python run.py resume DIR` goes on
with it. Those files (`state`, and a `.rows` for each table) are not meant to be read by others, and
change with the program.
"""
_TABLES: Final[Mapping[str, str]] = {
    "rounds": "A row a round. Where TRAIT stands, there is a column for every trait.",
    "events": "A row an event.",
    "ledger": "A row for each round, process and trait. The changes of a round sum to the total.",
    "copies": "The final population, a row a copy.",
    "outcomes": "A row a run: its class, the numbers the class depends on, first passages.",
    "archetypes": "The authors of pretraining, a row an archetype.",
}

if __name__ == "__main__":
    print(dictionary(), end="")
