"""Extremes of all parameters together: few settings, in which each pair of extremes occurs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from multicopy.model.scenario import ParameterInfo, resolve, table

MAKE_UPS: Sequence[Mapping[str, int]] = (
    {"copies": 1, "teams": 1, "divisions": 1},
    {"copies": 12, "teams": 1, "divisions": 1},
    {"copies": 6, "teams": 6, "divisions": 6},
    {"copies": 6, "teams": 6, "divisions": 1},
    {"copies": 12, "teams": 4, "divisions": 3},
)
"""One copy; one team; one copy a team, one team a division; one division; a usual one."""

ENDLESS = 1e300
"""Stands for the upper bound of what has none."""

FIXED = ("copies", "teams", "divisions", "rounds", "generation", "calendar", "label", "departures")

Setting = Mapping[str, Any]


def factors() -> dict[str, list[Setting]]:
    """What is varied: the settings of each factor, as overrides by path.

    A parameter of the phases is set in all of them alike, and so is one of the archetypes.
    """
    found: dict[str, list[Setting]] = {"make-up": list(MAKE_UPS)}
    paths: dict[str, dict[str, ParameterInfo]] = {}
    for info in table():
        parts = info.path.split(".")
        name = f"{parts[0]}.*.{parts[-1]}" if parts[0] in ("phases", "archetypes") else info.path
        if parts[-1] not in FIXED and parts[0] != "changes":
            paths.setdefault(name, {})[info.path] = info
    for name, infos in paths.items():
        levels = _levels(next(iter(infos.values())))
        found[name] = [dict.fromkeys(infos, level) for level in levels]
    far = {"power": 1e3, "drift": 1e3, "weight": -1e3, "preservation": -1e3}
    found["departures"] = [{"archetypes.rogue.departures": d} for d in ({}, far)]
    return found


def _levels(info: ParameterInfo) -> list[Any]:
    name = info.path.rpartition(".")[2]
    if name == "panel":
        return [{"human": 1.0}, {"agent4": 1.0}, {"agent3": 0.5, "previous": 0.5}]
    if name == "prompts":
        return [{"prior": 1.0}, {"rogue": 1.0}, {"hhh": 0.5, "prior": 0.5}]
    if info.path in ("authors.identity", "authors.redteam"):
        return ["hhh", "rogue"]
    if info.kind == "true | false":
        return [False, True]
    if "|" in info.kind:
        return info.kind.split(" | ")
    assert info.low is not None, info.path
    high = ENDLESS if info.high is None else info.high
    if name == "weight":
        return [1e-300, high]  # all weights of 0 are refused
    whole = info.kind == "whole number"
    return [int(info.low), int(high)] if whole else [float(info.low), float(high)]


def covering(levels: Sequence[int], seed: int = 0) -> list[list[int]]:
    """Rows of levels, one for each factor, in which each pair of levels of two factors occurs.

    Greedy: a row begins with a pair that is missing, and takes factor by factor the level with
    most pairs that are missing (as AETG does, Cohen et al. 1997).
    """
    rng = np.random.default_rng(seed)
    start = np.cumsum([0, *levels])
    owner = np.repeat(np.arange(len(levels)), levels)
    missing = owner[:, None] != owner[None, :]
    rows = []
    while missing.any():
        first = np.unravel_index(rng.choice(np.flatnonzero(missing)), missing.shape)
        taken = {int(owner[place]): int(place) for place in first}
        for factor in rng.permutation(len(levels)):
            if factor not in taken:
                places = np.arange(start[factor], start[factor + 1])
                gain = missing[np.ix_(places, [*taken.values()])].sum(axis=1)
                taken[int(factor)] = int(rng.choice(places[gain == gain.max()]))
        chosen = [taken[factor] for factor in range(len(levels))]
        missing[np.ix_(chosen, chosen)] = False
        rows.append([place - int(start[f]) for f, place in enumerate(chosen)])
    return rows


def settings(rounds: int = 2) -> list[dict[str, Any]]:
    """Overrides of the default scenario that pair all extremes, with phases of so many rounds."""
    every = factors()
    length = {f"phases.{name}.rounds": rounds for name in resolve().phases}
    return [
        dict(
            chain(
                length.items(),
                *(of[at].items() for of, at in zip(every.values(), row, strict=True)),
            )
        )
        for row in covering([len(of) for of in every.values()])
    ]
