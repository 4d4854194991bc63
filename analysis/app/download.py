"""What a run on the page can be taken away as: its tables, and a scenario that repeats it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from zipfile import ZIP_DEFLATED, ZipFile

import pandas as pd

from agents.parameters import Parameters
from analysis.app.session import Session
from analysis.folder import write
from model.collective import CollectiveModel
from model.scenario import resolve, to_toml

CHANGED: Final = (
    "The policy was changed during this run, which a scenario file cannot say: "
    "it would repeat the run only up to round {}."
)


def scenario_file(session: Session) -> bytes:
    """The scenario that the (first) run began with; `run.py run` repeats the run from it."""
    return _scenario_of(session, session.setup.parameters())


def _scenario_of(session: Session, start: Parameters) -> bytes:
    head = f"# python run.py run FILE --seed {session.setup.seed}\n"
    if session.changes:
        head += f"# {CHANGED.format(session.changes[0][0] - 1)}\n"
    return (head + to_toml(start)).encode()


def archive(session: Session) -> bytes:
    """A zip file with a run folder for each run, and its main tables as text."""
    return session.ask(lambda: _archive(session))


def _archive(session: Session) -> bytes:
    packed = BytesIO()
    with TemporaryDirectory() as place, ZipFile(packed, "w", ZIP_DEFLATED) as file:
        for i, live in enumerate(session.lives):
            folder = Path(place) / (live.name or "run")
            how = {"page": True, "policy_changes": [list(change) for change in session.changes]}
            write(folder, live.model, how)
            start = resolve(session.setup.parameters(), session.setup.other if i else {})
            (folder / "scenario.toml").write_bytes(_scenario_of(session, start))
            for name, table in _texts(live.model).items():
                table.to_csv(folder / f"{name}.csv", index=False)
            for part in sorted(folder.iterdir()):
                file.write(part, f"{folder.name}/{part.name}")
    return packed.getvalue()


def _texts(model: CollectiveModel) -> dict[str, pd.DataFrame]:
    return {
        "rounds": model.records.rounds(),
        "events": model.records.event_frame(),
        "ledger": model.ledger.frame(),
    }
