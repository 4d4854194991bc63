"""Exact results that the simulator's own code must reproduce, in one table.

Each oracle runs the simulator's selection, subdivision, mutation and oversight functions, set to a
limiting case by their parameters or handed a hand-made population and scores, and compares them
with population genetics, evolutionary game theory and the published oversight curves. The numbers
T1 to T15 are those of docs/theory.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from agents.parameters import nearest
from analysis.folder import SCHEMA, write_table
from analysis.theory import accounting, figures, fixation, oversight, quantitative, structure
from analysis.theory.checks import Z_LIMIT, Check
from model.scenario import InputError

__all__ = ["ORACLES", "Check", "Oracle", "configure", "false_alarm", "validate"]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of an oracle: its default and bounds (both None: not a plain number)."""

    default: Any
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Oracle:
    """A result of theory, the function that checks it, and its settings."""

    key: str
    title: str
    function: Callable[..., list[Check]]
    settings: Mapping[str, Setting]


def _oracle(
    key: str, title: str, function: Callable[..., list[Check]], **settings: Setting
) -> Oracle:
    return Oracle(key, title, function, settings)


TEAM: Final = Setting(10, 2, 200)

ORACLES: Final[Mapping[str, Oracle]] = {
    oracle.key: oracle
    for oracle in (
        _oracle("T1", "neutral fixation in a team", fixation.t1_neutral_fixation, n=TEAM),
        _oracle(
            "T2",
            "fixation with an advantage",
            fixation.t2_advantage,
            n=TEAM,
            s=Setting(0.5, -20, 20),
        ),
        _oracle(
            "T3",
            "fixation in a game",
            fixation.t3_game,
            n=TEAM,
            beta=Setting(0.1, 0, 100),
            game=Setting([[3.0, 0.0], [5.0, 1.0]]),
        ),
        _oracle(
            "T4",
            "Price equation, every round",
            accounting.t4_price,
            copies=Setting(512, 32, 1_000_000),
            scenario=Setting("ai2027"),
        ),
        _oracle(
            "T5",
            "selection on a noisy score",
            quantitative.t5_noisy_score,
            h2=Setting(0.5, 0.01, 0.99),
        ),
        _oracle(
            "T6",
            "drift and mutation",
            quantitative.t6_drift,
            n=Setting(20, 2, 500),
            generations=Setting(30, 1, 10_000),
            sd=Setting(0.35, 0, 100),
        ),
        _oracle(
            "T7",
            "teams that exchange copies",
            structure.t7_structure,
            n=TEAM,
            d=Setting(20, 2, 200),
            m=Setting(0.05, 1e-6, 1),
            sd=Setting(0.1, 1e-6, 100),
        ),
        _oracle(
            "T8",
            "collective trait against its bearer",
            structure.t8_collective_trait,
            n=Setting(8, 2, 200),
            d=Setting(20, 3, 200),
            m=Setting(0.05, 1e-6, 1),
            epsilon=Setting(0.1, 1e-6, 1),
            beta=Setting(0.02, 1e-6, 1),
            sd=Setting(0.1, 1e-6, 100),
        ),
        _oracle(
            "T9",
            "two levels, any selection strength",
            fixation.t9_two_levels,
            n=Setting(3, 2, 5),
            d=Setting(3, 2, 4),
            beta=Setting(-0.5, -20, 20),
            beta_teams=Setting(2.0, -50, 50),
            rates=Setting([0.6, 0.3, 0.1]),
        ),
        _oracle(
            "T10",
            "stabilizing selection",
            quantitative.t10_stabilizing,
            n=Setting(400, 100, 5000),
            sd=Setting(0.1, 1e-4, 10),
            vs=Setting(1.0, 1e-3, 1000),
        ),
        _oracle(
            "T11",
            "oversight games",
            oversight.t11_oversight,
            gaps=Setting([0.0, 150.0, 300.0, 600.0]),
            start=Setting(1103.0, 0, 4000),
            gap=Setting(400.0, 0, 4000),
        ),
        _oracle(
            "T12",
            "audit game",
            oversight.t12_audit_game,
            audited=Setting(20, 1, 100_000),
            free=Setting(180, 1, 100_000),
            p=Setting(0.02, 0, 1),
            success=Setting(0.53, 0.001, 1),
        ),
        _oracle(
            "T13",
            "temptation",
            oversight.t13_temptation,
            theta=Setting(2.0, 0.01, 100),
            q=Setting(0.6, 0.01, 1),
        ),
        _oracle(
            "T14",
            "backchaining and terminality",
            oversight.t14_terminality,
            goal=Setting("knowledge"),
            useful=Setting(0.8, 0.01, 0.99),
        ),
        _oracle(
            "T15",
            "homology",
            quantitative.t15_homology,
            rounds=Setting(50, 1, 10_000),
            sd=Setting(0.35, 1e-6, 100),
        ),
    )
}


def choose(keys: Iterable[str]) -> dict[str, Oracle]:
    """Pick oracles by key, `InputError` for one that does not exist."""
    chosen = {}
    for key in keys:
        if key not in ORACLES:
            raise InputError(
                f"there is no oracle {key!r}{nearest(key, ORACLES) or '.'} "
                f"Known are {', '.join(ORACLES)}."
            )
        chosen[key] = ORACLES[key]
    return chosen


def configure(assignments: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Check settings given as ``{"T8.n": 16}``; return them by oracle."""
    by_oracle: dict[str, dict[str, Any]] = {}
    for path, value in assignments.items():
        key, _, name = path.partition(".")
        (oracle,) = choose([key]).values()
        if name not in oracle.settings:
            raise InputError(
                f"{path}: {key} has no setting {name!r}{nearest(name, oracle.settings) or '.'} "
                f"It has {', '.join(oracle.settings)}."
            )
        by_oracle.setdefault(key, {})[name] = _checked(path, value, oracle.settings[name])
    return by_oracle


def _checked(path: str, value: Any, setting: Setting) -> Any:
    if path == "T3.game":
        return _checked_game(path, value)
    if isinstance(setting.default, list):
        return _checked_list(path, value, setting)
    if isinstance(setting.default, str):
        if not isinstance(value, str):
            raise InputError(f"{path} = {value!r}: must be a name")
        return value
    whole = isinstance(setting.default, int)
    wrong = isinstance(value, bool) or not isinstance(value, int if whole else (int, float))
    if wrong or not np.isfinite(value):
        raise InputError(f"{path} = {value!r}: must be a {'whole ' if whole else ''}number")
    assert setting.low is not None
    assert setting.high is not None
    if not setting.low <= value <= setting.high:
        raise InputError(f"{path} = {value} is out of bounds: {setting.low:g} to {setting.high:g}")
    return value if whole else float(value)


def _checked_game(path: str, value: Any) -> Any:
    try:
        game = np.array(value, dtype=float)
    except (TypeError, ValueError):
        game = np.empty(0)
    if game.shape != (2, 2) or not np.isfinite(game).all():
        raise InputError(f"{path} = {value!r}: must be [[R, S], [T, P]] with four finite payoffs")
    return game.tolist()


def _checked_list(path: str, value: Any, setting: Setting) -> list[float]:
    numbers = isinstance(value, list) and all(
        isinstance(x, (int, float)) and not isinstance(x, bool) and np.isfinite(x) and x >= 0
        for x in value
    )
    if not numbers or not value:
        raise InputError(f"{path} = {value!r}: must be a list of finite numbers from 0")
    if path == "T9.rates" and (len(value) != 3 or sum(value) <= 0 or value[0] + value[1] <= 0):
        raise InputError(f"{path} = {value!r}: must be three rates, [challenge, contest, exchange]")
    return [float(x) for x in value]


def validate(
    oracles: Mapping[str, Oracle] = ORACLES,
    replicates: int = 4000,
    seed: int = 0,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> Iterator[Check]:
    """Run oracles one after the other and yield their checks.

    Parameters
    ----------
    oracles
        Which.
    replicates
        Size of the statistical checks.
    seed
        Each oracle has a stream of its own, so that leaving some out does not change the others.
    settings
        Settings other than the defaults, by oracle, as `configure` returns them.
    """
    for key, oracle in oracles.items():
        number = int(key[1:])
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
        yield from oracle.function(replicates, rng, **_chosen(oracle, settings))


def _chosen(oracle: Oracle, settings: Mapping[str, Mapping[str, Any]] | None) -> dict[str, Any]:
    defaults = {name: setting.default for name, setting in oracle.settings.items()}
    return defaults | dict((settings or {}).get(oracle.key, {}))


def false_alarm(checks: Iterable[Check]) -> float:
    """Chance that some statistical check fails though all is right (union bound)."""
    from scipy.stats import norm

    return float(sum(2 * norm.sf(Z_LIMIT) for check in checks if check.se > 0))


def files(oracles: Iterable[str]) -> tuple[str, ...]:
    """Names of the files that `write` and `draw` make."""
    return ("validation.parquet", *(f"{key}.png" for key in oracles if key in figures.CURVES))


def draw(
    folder: Path,
    oracles: Mapping[str, Oracle],
    replicates: int,
    seed: int,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Draw the figures of those oracles that have one into `folder`; arguments as in `validate`."""
    for key, oracle in oracles.items():
        if key in figures.CURVES:
            chosen = _chosen(oracle, settings)
            table = figures.points(key, oracle.function, chosen, replicates, seed)
            figures.write_figure(folder, key, table)


def write(folder: Path, checks: Sequence[Check]) -> None:
    """Write the table of checks to `folder`."""
    columns = ("oracle", "setting", "exact", "measured", "se", "z", "passed")
    rows = [{name: getattr(check, name) for name in columns} for check in checks]
    write_table(folder / "validation.parquet", pd.DataFrame(rows), {"schema": str(SCHEMA)})
