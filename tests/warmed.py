"""Imported once by the process that commands are forked from, so that they find all they need."""

from __future__ import annotations

import io

from multicopy.analysis import figures
from multicopy.analysis.commands import cli, run, summary
from multicopy.analysis.files import checkpoints, folder, keeping, versions
from multicopy.analysis.many import driver
from multicopy.model.collective import CollectiveModel
from multicopy.model.genealogy import Genealogy
from multicopy.model.scenario import resolve, scale_rounds

USED = checkpoints, cli, driver, keeping, summary, versions

model = CollectiveModel(scale_rounds(resolve(overrides={"copies": 64}), 0.02), 0)
model.genealogy = Genealogy()
model.run()
list(folder.copy_frames(model))
figures.draw_panels(run._tables(model), figures.PANELS["timeline"]).savefig(io.BytesIO())
