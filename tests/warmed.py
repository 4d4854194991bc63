"""Imported once by the process that commands are forked from, so that they find all they need."""

from __future__ import annotations

import io

from analysis import checkpoints, cli, figures, folder, keeping, summary, versions
from analysis.commands import run
from analysis.sweep import driver
from model.collective import CollectiveModel
from model.genealogy import Genealogy
from model.scenario import resolve, scale_rounds

USED = checkpoints, cli, driver, keeping, summary, versions

model = CollectiveModel(scale_rounds(resolve(overrides={"copies": 64}), 0.02), 0)
model.genealogy = Genealogy()
model.run()
list(folder.copy_frames(model))
figures.draw_panels(run._tables(model), figures.PANELS["timeline"]).savefig(io.BytesIO())
