"""Downloads of a run on the page: its tables, and a scenario that repeats it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, ZipFile

import pandas as pd

from multicopy.analysis.app.session import Session
from multicopy.analysis.files.folder import write
from multicopy.model.collective import CollectiveModel
from multicopy.model.scenario import to_toml


def scenario_file(session: Session) -> bytes:
    """The scenario of the (first) run, from which `run.py run` repeats it."""
    model = session.lives[0].model
    return f"# python run.py run FILE --seed {model.seed}\n{to_toml(model.declared)}".encode()


def archive(session: Session) -> bytes:
    """A zip file with a run folder for each run, and its main tables as text."""
    return session.ask(lambda: _archive(session))


def _archive(session: Session) -> bytes:
    packed = BytesIO()
    with TemporaryDirectory() as place, ZipFile(packed, "w", ZIP_DEFLATED) as file:
        for live in session.lives:
            folder = Path(place) / (live.name or "run")
            write(folder, live.model, {"page": True})
            for name, table in _texts(live.model).items():
                table.to_csv(folder / f"{name}.csv", index=False)
            for part in sorted(folder.iterdir()):
                file.write(part, f"{folder.name}/{part.name}")
    return packed.getvalue()


def _texts(model: CollectiveModel) -> dict[str, pd.DataFrame]:
    return {
        "rounds": model.records.rounds(),
        "events": model.records.events.frame(),
        "ledger": model.ledger.frame(),
    }
