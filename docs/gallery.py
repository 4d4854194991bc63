"""The gallery, its page and its images: ``make gallery``, or ``docs/gallery.py FOLDER``.

FOLDER is where the runs and sweeps behind it are put; what is there already is not run again.
Without it only the page is written.
"""

from __future__ import annotations

import os
import sys
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from multicopy.analysis.figures import PANELS
from multicopy.analysis.figures.look import figure_of, style

HERE = Path(__file__).parent
RESULTS = "results/gallery/"
DPI, COLORS = 150, 64

COMMANDS = {
    "ai2027": "run ai2027 --lineage --no-figures",
    "slowdown": "run slowdown --no-figures",
    "audits": "sweep designs/audits.toml --copies 128 --rounds-scale 0.5",
    "effects": "ablate --effects E1,E4 --seeds 6 --copies 512",
    "personas": "personas --seeds 2 --copies 512",
}
"""What makes each folder, as arguments of `run.py`."""

SETUP = """\
import pandas as pd
from matplotlib import pyplot

from multicopy import analysis
from multicopy.analysis.questions import attribution
from multicopy.analysis import figures
from multicopy.analysis.figures import sweeps
from multicopy.analysis.questions import trees
from multicopy.analysis.questions import phase_map, sensitivity, sweep_summary as summary
from multicopy.analysis.many import load, sweep
from multicopy.analysis.many.tables import gather
from multicopy.model.measures import title

data = analysis.load("results/gallery/ai2027")
matrix = figures.ledger_matrix(data.ledger)
tall = pyplot.subplots(figsize=(4, 5), layout="constrained")[1]
moved = attribution.explain(data.ledger, "keep_team")
start = data.rounds["keep_team"].iloc[-1] - moved["change"].sum()
lineage = trees.read("results/gallery/ai2027")
both = analysis.compare(["results/gallery/ai2027", "results/gallery/slowdown"])
policies = both.rounds.rename(columns={"run": "policy"})
effects = pd.read_parquet("results/gallery/effects/effects.parquet")
personas = pd.read_parquet("results/gallery/personas/personas.parquet")

swept = gather("results/gallery/audits")
audit, penalty = swept.design.parsed()
cells = phase_map.table(swept.runs, swept.design, "true_alignment", penalty.name, audit.name)
measures = ["captured", "true_alignment", "capture"]
event = "exposing work is sandbagged selectively (by more than 0.2)"
levels = summary.levels_of(swept.runs, audit)
"""
"""What the lines below need."""

SETUP_INDICES = """\
unit = {"low": 0.0, "high": 1.0}
factors = {"oversight.audit": unit, "oversight.rotation": unit}
tree = {"method": "saltelli", "samples": 32, "rounds_scale": 0.1, "fixed": {"copies": 64}}
saltelli = load({**tree, "factors": factors})
runs = sweep(saltelli, workers=0)
indices = sensitivity.indices(runs, saltelli, ["capture", "true_alignment"])
"""

GALLERY: dict[str, tuple[str, ...]] = {
    **{
        f"One run: {group.replace('_', ' ')}": tuple(
            dict.fromkeys(
                f"figures.{one.name}({', '.join(f'data.{name}' for name in one.needs)})"
                for one in some
            )
        )
        for group, some in PANELS.items()
    },
    "One run: which level selected what, and who descends from whom": (
        'figures.ledger_squares(figures.processes_of(matrix["training_agent4"]), ax=tall)',
        "figures.draw_ledger(data)",
        'figures.waterfall(moved, start, label=title("keep_team"))',
        "trees.founders(trees.founders_left(lineage))",
        "trees.homology(trees.descent_and_likeness(lineage))",
    ),
    "Several runs": (
        'figures.runs(both.rounds, measure="capture")',
        'figures.compare_policies(policies, ["capture", "evidence"])',
        "figures.forest(effects)",
        'figures.persona_measure(personas, measure="explained")',
        "figures.persona_models(personas)",
    ),
    "A sweep": (
        "sweeps.outcome_bars(summary.outcome_shares(swept.runs, audit), by=audit.name)",
        'sweeps.phase_cells(cells, x=penalty.name, y=audit.name, bar="mean true alignment")',
        "sweeps.factor_shares(summary.explained(swept.runs, [audit, penalty], measures))",
        'sweeps.index_bars(indices, measure="capture")',
        "sweeps.time_curves(summary.times(swept.runs, swept.events, event, levels), by=audit.name)",
        "sweeps.frontier(summary.points(swept.runs, [audit, penalty]))",
        "sweeps.class_moves(summary.class_sensitivity(swept.runs, swept.design)[0])",
    ),
}
"""The line that makes each figure, by section."""


def name_of(line: str) -> str:
    """Name of the function that a line calls."""
    return line.partition("(")[0].rpartition(".")[2]


def says(line: str) -> str:
    """First sentence of the documentation of the function that a line calls."""
    from multicopy.analysis import figures
    from multicopy.analysis.figures import sweeps
    from multicopy.analysis.questions import trees

    homes = {"figures": figures, "sweeps": sweeps, "trees": trees}
    home, _, name = line.partition("(")[0].partition(".")
    text = getattr(homes[home], name).__doc__ or ""
    return " ".join(text.split("\n\n")[0].split())


def page() -> str:
    """The page: for each figure what it shows, the line that makes it, and its image."""
    making = "\n".join(
        f"python run.py {command} --out {RESULTS}{name}" for name, command in COMMANDS.items()
    )
    parts = [
        "# Gallery\n\n"
        "Made by `make gallery`; do not edit by hand. Each figure is a function from tidy tables "
        "to matplotlib axes: give it\n`ax=` to put it among your own. The folders come from\n\n"
        f"```\n{making}\n```\n\nand the tables from\n\n```python\n{SETUP}```\n\n"
        f"For Sobol indices:\n\n```python\n{SETUP_INDICES}```\n"
    ]
    for section, lines in GALLERY.items():
        parts.append(f"\n## {section}\n")
        for line in lines:
            name = name_of(line)
            text = says(line)
            parts.append(f"\n### {name}\n\n{text}\n\n```python\n{line}\n```\n\n")
            parts.append(f"![{text.rstrip('.')}](gallery/{name}.png)\n")
    return "".join(parts)


def prepare(results: Path) -> None:
    """Run what is not there yet."""
    from multicopy.analysis.commands.cli import main

    for name, command in COMMANDS.items():
        words = [*command.split(), "--out", str(results / name)]
        if not (results / name).exists() and main(words):
            sys.exit(f"failed: {command}")


def draw(results: Path, folder: Path) -> None:
    """Run the lines of the page and save what they draw in a folder."""
    space: dict[str, Any] = {}
    exec(SETUP.replace(RESULTS, f"{results}/") + SETUP_INDICES, space)
    for line in (line for lines in GALLERY.values() for line in lines):
        made = eval(line, space)
        figure = made if isinstance(made, Figure) else figure_of(made)
        save(figure, folder / f"{name_of(line)}.png")
        pyplot.close("all")


def save(figure: Figure, path: Path) -> None:
    """Save a figure in few colors, which makes it small."""
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    with style():
        canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    image.quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        results = Path(os.path.abspath(sys.argv[1]))
        with chdir(HERE.parent):
            prepare(results)
            draw(results, HERE / "gallery")
    (HERE / "gallery.md").write_text(page(), encoding="utf-8")
