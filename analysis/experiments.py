"""Causes and effects: every claim with its control arms, on common random numbers.

The claims are data, in `effects.toml`; a user's own file in the same form works as well. Base and
control arms run on the same seeds, and since random numbers are addressed by (seed, process,
round) they share all draws that they can: the paired difference is the effect of the cause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from agents.parameters import Parameters, nearest
from agents.personas import center
from agents.traits import NAMES, express
from analysis.columns import SEED
from analysis.parallel import run_all
from model.collective import CollectiveModel
from model.records import columns
from model.scenario import InputError, fingerprint, read_toml, resolve

EFFECTS: Final = Path(__file__).parent / "effects.toml"
WINDOW: Final = 30
CONFIDENCE: Final = 0.95
RESAMPLES: Final = 10_000
PRINCIPLES: Final = ("helpful", "harmless", "honest")
GOALS: Final = ("knowledge", "power", "approval")

DERIVED: Final[Mapping[str, tuple[str, Callable[[pd.DataFrame], pd.Series]]]] = {
    "weight": (
        "mean trade-off weight of the three principles",
        lambda r: r[[f"weight_{p}" for p in PRINCIPLES]].mean(axis=1),
    ),
    "drift": (
        "mean meaning drift of the three principles",
        lambda r: r[[f"drift_{p}" for p in PRINCIPLES]].mean(axis=1),
    ),
    "terminality": (
        "mean terminality of the three goals",
        lambda r: r[[f"terminality_{g}" for g in GOALS]].mean(axis=1),
    ),
    "watching": (
        "unwatched minus watched violation probability",
        lambda r: r["unwatched_violations"] - r["watched_violations"],
    ),
    "thought_recall": (
        "share of violations that an able monitor of the chain of thought still reads there",
        lambda r: 0.95 * (1 - r["obfuscation"]),
    ),
}
"""Measures computed from the columns of the rounds table."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One claim: a measure, where it is taken, what it must reach, and the arms without its cause.

    The fields are those of `effects.toml`, where they are explained.
    """

    key: str
    claim: str
    measure: str
    phase: str
    expect: str
    controls: Mapping[str, Mapping[str, Any]]
    base: Mapping[str, Any] = field(default_factory=dict)
    window: int = WINDOW
    at_least: float | None = None
    at_most: float | None = None
    times_start: float | None = None
    times_start_at_most: float | None = None

    def reached(self, value: float, start: float) -> bool:
        """Whether the base arm's mean value is what the claim says."""
        return not (
            (self.at_least is not None and value < self.at_least)
            or (self.at_most is not None and value > self.at_most)
            or (self.times_start is not None and value < self.times_start * start)
            or (self.times_start_at_most is not None and value > self.times_start_at_most * start)
        )

    @property
    def level(self) -> str:
        """What the base must reach, in words."""
        told = {
            "≥ {:g}": self.at_least,
            "≤ {:g}": self.at_most,
            "≥ {:g} × start": self.times_start,
            "≤ {:g} × start": self.times_start_at_most,
        }
        return ", ".join(form.format(value) for form, value in told.items() if value is not None)


def load_effects(path: str | Path = EFFECTS) -> dict[str, Effect]:
    """Read effects from a TOML file.

    Raises
    ------
    InputError
        If the file cannot be read or an effect is not well formed.
    """
    effects = {key: _effect(str(path), key, entry) for key, entry in read_toml(Path(path)).items()}
    if not effects:
        raise InputError(f"{path}: has no effects")
    return effects


def _effect(path: str, key: str, entry: Any) -> Effect:
    known = Effect.__dataclass_fields__
    if not isinstance(entry, dict):
        raise InputError(f"{path}: {key}: must be a table")
    for name in entry:
        if name not in known or name == "key":
            raise InputError(f"{path}: {key}.{name}: there is no such field{nearest(name, known)}")
    missing = {"claim", "measure", "phase", "expect", "controls"} - set(entry)
    if missing:
        raise InputError(f"{path}: {key}: lacks {', '.join(sorted(missing))}")
    if entry["expect"] not in ("higher", "lower"):
        raise InputError(f"{path}: {key}.expect = {entry['expect']!r}: must be 'higher' or 'lower'")
    if not entry["controls"]:
        raise InputError(f"{path}: {key}.controls: an effect needs a control arm")
    return Effect(key=key, **entry)


def choose(effects: Mapping[str, Effect], keys: Iterable[str]) -> dict[str, Effect]:
    """Pick effects by key; ``E1`` picks all whose key is E1 or begins with E1-."""
    chosen: dict[str, Effect] = {}
    for key in keys:
        found = {k: e for k, e in effects.items() if k == key or k.startswith(key + "-")}
        if not found:
            raise InputError(
                f"there is no effect {key!r}{nearest(key, effects) or '.'} "
                f"Known are {', '.join(effects)}."
            )
        chosen |= found
    return chosen


def measure(rounds: pd.DataFrame, name: str) -> pd.Series:
    """A measure of every round: a column of the rounds table, or a derived one.

    Raises
    ------
    InputError
        If there is no such measure.
    """
    if name in DERIVED:
        return DERIVED[name][1](rounds)
    if name in rounds.columns and pd.api.types.is_numeric_dtype(rounds[name]):
        return rounds[name]
    known = [*DERIVED, *rounds.select_dtypes("number").columns]
    raise InputError(f"there is no measure {name!r}{nearest(name, known)}")


# --- running the arms -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Job:
    """One run of one arm."""

    arm: str
    parameters: Parameters
    seed: int
    until: str


def run_arm(job: Job) -> pd.DataFrame:
    """Run one arm to the end of the last phase that is needed; its rounds table without spreads."""
    model = CollectiveModel(job.parameters, rng=job.seed, detail=False)
    phases = list(job.parameters.phases)
    last = sum(job.parameters.phases[p].rounds for p in phases[: phases.index(job.until) + 1])
    while model.running and model.round < last:
        model.step()
    return model.records.rounds()


def arms(
    effects: Mapping[str, Effect], scenario: Parameters
) -> tuple[dict[str, Parameters], dict[str, str]]:
    """All arms that the effects need, each once, and the last phase that each must reach.

    Returns
    -------
    Parameters by the fingerprint of the arm, and phase names by the same.
    """
    order = list(scenario.phases)
    needed: dict[str, Parameters] = {}
    until: dict[str, str] = {}
    for effect in effects.values():
        if effect.phase not in scenario.phases:
            raise InputError(
                f"{effect.key}: the scenario has no phase {effect.phase!r}"
                f"{nearest(effect.phase, order) or '.'} It has {', '.join(order)}."
            )
        for parameters in (base_arm(effect, scenario), *control_arms(effect, scenario).values()):
            key = fingerprint(parameters)
            needed[key] = parameters
            before = until.get(key, effect.phase)
            until[key] = max(before, effect.phase, key=order.index)
    return needed, until


def base_arm(effect: Effect, scenario: Parameters) -> Parameters:
    """Parameters of the arm with the cause."""
    return resolve(scenario, effect.base)


def control_arms(effect: Effect, scenario: Parameters) -> dict[str, Parameters]:
    """Parameters of each arm without the cause: the base arm but for the overrides it names."""
    base = base_arm(effect, scenario)
    return {name: resolve(base, overrides) for name, overrides in effect.controls.items()}


def ablate(
    effects: Mapping[str, Effect],
    scenario: Parameters,
    seeds: Sequence[int],
    workers: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:
    """Run base and control arms on the same seeds and compare them.

    Parameters
    ----------
    effects
        What to compare.
    scenario
        The base scenario.
    seeds
        Seeds of the runs, the same for every arm.
    workers
        Processes; 0 for none but this.
    progress
        Is told (runs done, runs in all).

    Returns
    -------
    One row for each effect and control arm; see `compare` for the columns.
    """
    for effect in effects.values():
        _check_measure(effect.measure, scenario)
    needed, until = arms(effects, scenario)
    jobs = [Job(key, p, seed, until[key]) for key, p in needed.items() for seed in seeds]
    runs: dict[tuple[str, int], pd.DataFrame] = {}
    for job, rounds in zip(jobs, run_all(run_arm, jobs, workers), strict=True):
        runs[job.arm, job.seed] = rounds
        progress(len(runs), len(jobs))
    rows = []
    for effect in effects.values():
        base = [runs[fingerprint(base_arm(effect, scenario)), seed] for seed in seeds]
        for name, parameters in control_arms(effect, scenario).items():
            control = [runs[fingerprint(parameters), seed] for seed in seeds]
            rows.append(compare(effect, name, base, control, start_of(effect, scenario)))
    return pd.DataFrame(rows)


def _check_measure(name: str, scenario: Parameters) -> None:
    known = [*DERIVED, *columns(tuple(scenario.archetypes), detail=False)]
    if name not in known:
        raise InputError(f"there is no measure {name!r}{nearest(name, known)}")


@dataclass(frozen=True, slots=True)
class PersonaJob:
    """One run of the persona experiment."""

    exhaustiveness: float
    parameters: Parameters
    seed: int


def run_personas(job: PersonaJob) -> pd.DataFrame:
    """Run one arm of the persona experiment in full detail."""
    model = CollectiveModel(job.parameters, rng=job.seed)
    model.run()
    return model.records.rounds().assign(exhaustiveness=job.exhaustiveness, seed=SEED(job.seed))


def compare_personas(
    scenario: Parameters,
    seeds: Sequence[int],
    values: Sequence[float] = (0.0, 0.5, 1.0),
    workers: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:
    """Distortion against switching: the same runs with a share of mutations that switch.

    Returns
    -------
    The rounds tables of all runs, with columns ``exhaustiveness`` and ``seed``; the observables
    that tell the two readings apart are ``typicality``, ``explained``, ``homology``,
    ``resemblance`` and the responsibilities ``like_...``.
    """
    jobs = [
        PersonaJob(value, resolve(scenario, {"training.exhaustiveness": value}), seed)
        for value in values
        for seed in seeds
    ]
    frames = []
    for frame in run_all(run_personas, jobs, workers):
        frames.append(frame)
        progress(len(frames), len(jobs))
    return pd.concat(frames, ignore_index=True)


# --- comparing them -------------------------------------------------------------------------------


def value_in(effect: Effect, rounds: pd.DataFrame) -> float:
    """The measure of a run: its mean over the last rounds of the effect's phase."""
    series = measure(rounds, effect.measure)[rounds["phase"] == effect.phase]
    if series.empty:
        raise InputError(f"{effect.key}: the run never reached the phase {effect.phase!r}")
    return float(series.iloc[-effect.window :].mean())


def start_of(effect: Effect, parameters: Parameters) -> float:
    """The measure in the identity as it is declared: what alignment training forms.

    Not a number for a measure that is no function of the traits.
    """
    traits = express(center(parameters.archetypes[parameters.authors.identity]))
    declared = pd.DataFrame([dict(zip(NAMES, traits, strict=True))])
    try:
        return float(measure(declared, effect.measure).iloc[0])
    except (InputError, KeyError):
        return float("nan")


def compare(
    effect: Effect,
    arm: str,
    base: Sequence[pd.DataFrame],
    control: Sequence[pd.DataFrame],
    start: float,
) -> dict[str, Any]:
    """Compare the arms with and without the cause, seed by seed.

    Returns
    -------
    A row: effect, claim, measure, phase, arm, seeds; ``start`` (as given), ``with_cause``,
    ``without_cause`` (means over the seeds); ``difference`` with its bootstrap interval ``low``,
    ``high``; ``p``, the exact one-sided sign-permutation p-value; ``reached``, ``verdict``.
    """
    with_cause = np.array([value_in(effect, rounds) for rounds in base])
    without = np.array([value_in(effect, rounds) for rounds in control])
    difference = with_cause - without
    low, high = bootstrap_interval(difference)
    reached = effect.reached(float(with_cause.mean()), start)
    sign = 1 if effect.expect == "higher" else -1
    clear = low > 0 if sign > 0 else high < 0
    return {
        "effect": effect.key,
        "claim": effect.claim,
        "measure": effect.measure,
        "phase": effect.phase,
        "arm": arm,
        "expect": effect.expect,
        "level": effect.level,
        "seeds": len(difference),
        "start": start,
        "with_cause": float(with_cause.mean()),
        "without_cause": float(without.mean()),
        "difference": float(difference.mean()),
        "low": low,
        "high": high,
        "p": permutation_p(sign * difference),
        "reached": reached,
        "verdict": verdict(reached, clear),
    }


def verdict(reached: bool, clear: bool) -> str:
    """What the comparison says of the claim."""
    if not reached:
        return "does not emerge"
    return "emerges and vanishes" if clear else "emerges anyway"


def bootstrap_interval(difference: np.ndarray) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of paired differences, with fixed resamples."""
    rng = np.random.default_rng(np.random.SeedSequence(20270401))
    picks = rng.integers(len(difference), size=(RESAMPLES, len(difference)))
    means = difference[picks].mean(axis=1)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def permutation_p(difference: np.ndarray) -> float:
    """One-sided p-value of a positive mean under random signs: exact up to 16 pairs.

    Beyond that, 100,000 random sign patterns with a fixed seed.
    """
    n = len(difference)
    if n <= 16:
        signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    else:
        rng = np.random.default_rng(np.random.SeedSequence(20270402))
        signs = rng.choice([-1, 1], (100_000, n))
    means = signs @ difference
    return float(np.mean(means >= difference.sum() - 1e-12 * np.abs(difference).sum()))
