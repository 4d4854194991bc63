"""How the effects of emergence change with the number of copies: ``make size``.

Teams and divisions scale by the rule of the scenario (32 copies a team, √(2·teams) divisions; see
`agents.parameters.Parameters`). Each size has its own runs with and without the cause, on the same
seeds; fewer of the large ones, which vary less. Writes a table and a figure.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from multicopy.analysis.figures.look import BLUE, GRAY, STYLES, VERMILION, canvas, rc, style
from multicopy.analysis.questions import experiments
from multicopy.model.scenario import resolve

SEEDS = {1_024: 12, 4_096: 12, 16_384: 8, 65_536: 4, 300_000: 2}
"""Seeds 0 to n - 1 of each size."""

PANELS = {
    "E1-team": "attention to keeping the team",
    "E3": "capture of the overseers",
    "E4-selective": "sandbagging on exposing\nminus ordinary work",
}


def table(sizes: dict[int, int], workers: int | None) -> pd.DataFrame:
    """Rows of `experiments.ablate` for each size, with its copies, teams and divisions."""
    found = []
    for copies, seeds in sizes.items():
        parameters = resolve("ai2027", {"copies": copies})
        effects = experiments.choose(experiments.load_effects(), PANELS)
        rows = experiments.ablate(effects, parameters, range(seeds), workers=workers)
        rows.insert(0, "copies", copies)
        rows.insert(1, "teams", parameters.team_count)
        rows.insert(2, "divisions", parameters.division_count)
        found.append(rows)
        print(
            rows[[*rows.columns[:4], "arm", "seeds", "with_cause", "without_cause", "low", "high"]]
        )
    return pd.concat(found, ignore_index=True)


def draw(found: pd.DataFrame, path: Path) -> None:
    """One panel an effect: its measure with the cause, and without it in each control arm."""
    import matplotlib as mpl

    with mpl.rc_context(rc()), style():
        figure, axes = canvas(1, len(PANELS), height=2.8, width=8.0)
        for ax, (effect, label) in zip(axes, PANELS.items(), strict=True):
            rows = found[found["effect"] == effect]
            base = rows.drop_duplicates("copies")
            ax.plot(base["copies"], base["with_cause"], "o-", color=BLUE, label="with its cause")
            for number, (arm, control) in enumerate(rows.groupby("arm", sort=False)):
                color = (VERMILION, GRAY, "black", "0.6")[number % 4]
                ax.plot(
                    control["copies"],
                    control["without_cause"],
                    marker="x",
                    ls=STYLES[1 + number % 4],
                    color=color,
                    label=f"without: {arm}",
                )
            ax.set(xscale="log", xlabel="copies", ylabel=label)
            ax.set_ylim(bottom=min(0.0, float(np.nanmin(rows["without_cause"]))))
            ax.legend(fontsize=6, loc="best")
        seeds = ", ".join(f"{n:,}: {s}" for n, s in SEEDS.items() if n in set(found["copies"]))
        figure.suptitle(f"Means over seeds (copies: seeds) {seeds}", fontsize=8)
        figure.savefig(path, dpi=150, facecolor="white")


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=300_000, help="largest size")
    parser.add_argument("--workers", type=int, help="processes")
    parser.add_argument("--out", type=Path, default=Path("results/size"), help="folder")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    sizes = {copies: seeds for copies, seeds in SEEDS.items() if copies <= arguments.most}
    found = table(sizes, arguments.workers)
    found.to_csv(arguments.out / "size.csv", index=False)
    draw(found, arguments.out / "size.png")
    print(f"Files are in {arguments.out}/")


if __name__ == "__main__":
    main()
