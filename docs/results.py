"""Tables and pictures of README and docs: ``make results``, or ``docs/results.py FOLDER``.

FOLDER is where the runs behind them are put; what is there already is not run again. Their tables
are kept as docs/*.csv. Without a folder only the pages are written, from those.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

import pandas as pd

from multicopy.analysis.questions.experiments import BEATS_DRIFT, HOLDS
from multicopy.model.outcomes import CLASSES

HERE = Path(__file__).parent
ROOT = HERE.parent

COMMANDS = {
    "run": "run ai2027 --seed 0",
    "effects": "ablate --seeds 12",
    "outcomes": "outcomes --seeds 12",
    "personas": "personas --seeds 4",
}
"""What makes each folder, as arguments of `run.py`."""

PICTURES = {
    "drives": "run/figures/drives.png",
    "outcomes": "outcomes/outcomes.png",
    "personas": "personas/personas.png",
}
"""Where each picture of docs/ comes from."""


def prepare(results: Path, commands: Mapping[str, str]) -> None:
    """Run what is not there yet."""
    from multicopy.analysis.commands.cli import main

    for name, command in commands.items():
        words = [*command.split(), "--out", str(results / name)]
        if not (results / name).exists() and main(words):
            sys.exit(f"failed: {command}")


def keep(results: Path) -> None:
    """Keep the tables as text, and the pictures."""
    tables = {
        "effects": pd.read_parquet(results / "effects" / "effects.parquet"),
        "outcomes": pd.read_parquet(results / "outcomes" / "outcomes.parquet"),
        "personas": personas(pd.read_parquet(results / "personas" / "personas.parquet")),
    }
    for name, table in tables.items():
        table.to_csv(HERE / f"{name}.csv", index=False, float_format="%.5g", lineterminator="\n")
    for name, made in PICTURES.items():
        shutil.copyfile(results / made, HERE / f"{name}.png")


def personas(rounds: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds in the last round, by the share of mutations that switch."""
    last = rounds[rounds["round"] == rounds["round"].max()]
    means = last.groupby("exhaustiveness").mean(numeric_only=True)
    likes = means[[name for name in means if name.startswith("like_")]]
    table = means[["typicality", "explained", "homology", "resemblance"]]
    nearest = likes.idxmax(axis=1).str.removeprefix("like_")
    return table.assign(nearest=nearest, share=likes.max(axis=1)).reset_index()


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def number(value: float, form: str = ".3f") -> str:
    """A number; nothing where there is none."""
    return "" if pd.isna(value) else format(value, form).replace("-", "−")


def arms(r: Any) -> tuple[str, str, str]:
    """What a row of effects measures with its cause, without selection, and how far apart."""
    return number(r.with_cause), number(r.neutral), number(r.z_neutral, "+.1f")


def all_effects(effects: pd.DataFrame) -> str:
    """Every effect with each of its arms."""
    heads = ("effect", "measure", "level asked for", "with", "neutral", "z", "without the cause")
    rows = [
        (
            r.effect,
            r.measure,
            r.level if pd.notna(r.level) else "",
            *arms(r),
            "" if pd.isna(r.arm) else f"{r.arm}: {number(r.without_cause)}",
            "" if pd.isna(r.low) else f"[{number(r.low, '+.3f')}, {number(r.high, '+.3f')}]",
            r.verdict,
        )
        for r in effects.itertuples()
    ]
    return table((*heads, "difference", "verdict"), rows)


def fixed(effects: pd.DataFrame) -> str:
    """The arms that must differ, with their reasons."""
    rows = effects[effects["fixed"].notna()]
    return "\n".join(f"- **{r.effect}**, {r.arm}: {r.fixed}." for r in rows.itertuples())


def holds(rows: pd.DataFrame) -> bool:
    """Whether a claim beats drift, and vanishes in each control arm that can tell."""
    told = rows[rows["fixed"].isna()]["verdict"]
    return len(told) > 0 and bool(told.isin([HOLDS, BEATS_DRIFT]).all())


def standing(effects: pd.DataFrame) -> str:
    """Claims that hold, each with the control arm that it differs least from."""
    heads = ("claim", "measure", "in the run", "no selection", "z", "without its cause")
    lines = []
    for _, rows in effects.groupby("effect", sort=False):
        if holds(rows):
            r = rows.loc[rows["z_control"].abs().where(rows["fixed"].isna()).fillna(1e9).idxmin()]
            control = "" if pd.isna(r.arm) else f"{number(r.without_cause)} ({r.arm})"
            lines.append((r.claim, f"`{r.measure}`", *arms(r), control))
    return table(heads, lines)


def failing(effects: pd.DataFrame) -> str:
    """Claims that do not hold, and why."""
    heads = ("claim", "measure", "in the run", "no selection", "z", "what the runs say")
    lines = []
    for _, rows in effects.groupby("effect", sort=False):
        if not holds(rows):
            r = rows.iloc[0]
            why = dict.fromkeys(part for v in rows["verdict"] for part in v.split(", "))
            told = ", ".join(part for part in why if part != HOLDS)
            lines.append((r.claim, f"`{r.measure}`", *arms(r), told))
    return table(heads, lines)


def contradicted(effects: pd.DataFrame) -> str:
    """Claims that the runs speak against: the level is missed, or drift alone goes further."""
    heads = ("the source says", "measure", "level asked for", "in the run", "no selection", "z")
    lines = []
    for _, rows in effects.groupby("effect", sort=False):
        r = rows.iloc[0]
        if any(against in r.verdict for against in ("misses its level", "drift goes further")):
            level = r.level if pd.notna(r.level) else r.expect
            lines.append((r.claim, f"`{r.measure}`", level, *arms(r)))
    return table(heads, lines)


def shares(outcomes: pd.DataFrame) -> str:
    """Shares of the outcomes; intervals where there is anything to tell."""
    rows = []
    for scenario, part in outcomes.groupby("scenario", sort=False):
        by = part.set_index("outcome").loc[list(CLASSES)]
        rows.append(
            (
                str(scenario),
                *(f"{r.share:.2f} [{r.low:.2f}, {r.high:.2f}]" for r in by.itertuples()),
            )
        )
    return table(("scenario", *CLASSES), rows)


def persona_models(found: pd.DataFrame) -> str:
    """What tells distortion from switching, at the end."""
    heads = ("ε", "typicality", "explained variance", "homology", "likeness to the HHH author")
    rows = [
        (
            f"{r.exhaustiveness:g}",
            *(f"{v:.2f}" for v in (r.typicality, r.explained, r.homology, r.resemblance)),
            f"{r.nearest}, {r.share:.2f}",
        )
        for r in found.itertuples()
    ]
    return table((*heads, "most responsible archetype"), rows)


BLOCKS: dict[str, tuple[str, Callable[[pd.DataFrame], str]]] = {
    "claims that hold": ("effects", standing),
    "claims that do not": ("effects", failing),
    "all effects": ("effects", all_effects),
    "fixed arms": ("effects", fixed),
    "contradicted": ("effects", contradicted),
    "outcomes": ("outcomes", shares),
    "personas": ("personas", persona_models),
}
"""What stands between the marks of a page: which table it tells, and how."""

PAGES = ("README.md", "docs/effects.md", "docs/limits.md", "docs/personas.md")


def page(text: str) -> str:
    """A page with its tables written anew."""
    for name, (source, tell) in BLOCKS.items():
        before, mark, rest = text.partition(f"<!-- {name} -->\n")
        if mark:
            _, end, after = rest.partition("\n<!-- end -->")
            text = f"{before}{mark}\n{tell(pd.read_csv(HERE / f'{source}.csv'))}\n{end}{after}"
    return text


if __name__ == "__main__":
    if len(sys.argv) > 1:
        results = Path(os.path.abspath(sys.argv[1]))
        with chdir(ROOT):
            prepare(results, COMMANDS)
            keep(results)
    for name in PAGES:
        path = ROOT / name
        path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")
