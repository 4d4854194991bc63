"""Causes and effects: every claim with its control arms, on common random numbers.

The claims are data, in `effects.toml`; a user's own file in the same form works as well. A claim
has three arms: with its cause (base), without it (control), and without any selection (neutral,
see `model.scenario.NEUTRAL`). All run on the same seeds, and since random numbers are addressed by
(seed, process, round) they share all draws that they can: differences are paired, seed by seed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from multicopy.agents.parameters import Parameters, nearest
from multicopy.agents.personas import center
from multicopy.agents.traits import NAMES, express
from multicopy.analysis.files.columns import BEATS_DRIFT, HOLDS
from multicopy.analysis.many.driver import require_any, tables
from multicopy.analysis.many.factors import WHOLE
from multicopy.analysis.questions.intervals import Mean, of_mean
from multicopy.model.collective import CollectiveModel
from multicopy.model.measures import DERIVED, in_rounds
from multicopy.model.records import columns
from multicopy.model.scenario import InputError, fingerprint, neutral, read_toml, resolve

EFFECTS: Final = Path(__file__).parent / "effects.toml"
WINDOW: Final = 30


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
    controls: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    base: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
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
    missing = {"claim", "measure", "phase", "expect"} - set(entry)
    if missing:
        raise InputError(f"{path}: {key}: lacks {', '.join(sorted(missing))}")
    if entry["expect"] not in ("higher", "lower"):
        raise InputError(f"{path}: {key}.expect = {entry['expect']!r}: must be 'higher' or 'lower'")
    controls = entry.get("controls", {})
    for arm in entry.get("fixed", {}):
        if arm not in controls:
            near = nearest(arm, controls)
            raise InputError(f"{path}: {key}.fixed: there is no control arm {arm!r}{near}")
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


# --- running the arms -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """What effects measure in a run that goes as far as they need it."""

    effects: tuple[Effect, ...]

    def __call__(self, parameters: Parameters, seed: int) -> dict[str, float]:
        """The value of each effect by its key."""
        phases = list(parameters.phases)
        last = max(phases.index(effect.phase) for effect in self.effects)
        until = sum(phase.rounds for phase in list(parameters.phases.values())[: last + 1])
        model = CollectiveModel(parameters, rng=seed, detail=False)
        while model.running and model.round < until:
            model.step()
        rounds = model.records.rounds()
        return {effect.key: value_in(effect, rounds, parameters) for effect in self.effects}


def arms(effects: Mapping[str, Effect], scenario: Parameters) -> dict[str, Parameters]:
    """All arms that the effects need, each once, by fingerprint."""
    needed: dict[str, Parameters] = {}
    for effect in effects.values():
        if effect.phase not in scenario.phases:
            order = list(scenario.phases)
            raise InputError(
                f"{effect.key}: the scenario has no phase {effect.phase!r}"
                f"{nearest(effect.phase, order) or '.'} It has {', '.join(order)}."
            )
        base = base_arm(effect, scenario)
        for parameters in (base, neutral(base), *control_arms(effect, scenario).values()):
            needed.setdefault(fingerprint(parameters), parameters)
    return needed


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
    out: Path | None = None,
    **how: Any,
) -> pd.DataFrame:
    """Run base, neutral and control arms on the same seeds and compare them.

    Parameters
    ----------
    effects
        What to compare.
    scenario
        The base scenario.
    seeds
        Seeds of the runs, the same for every arm. One of which a run fails is left out of all.
    out, **how
        See `analysis.many.driver.sweep`, which runs them.

    Returns
    -------
    One row for each effect and control arm, and for an effect without any; see `compare` for the
    columns. Its ``attrs`` tell how many runs failed.

    Raises
    ------
    InputError
        If an effect is not one of the scenario's, or of every seed a run failed.
    """
    for effect in effects.values():
        _check_measure(effect.measure, scenario)
    choices = {key: {WHOLE: arm} for key, arm in arms(effects, scenario).items()}
    design = {
        "name": "ablate",
        "scenario": scenario,
        "factors": {"arm": {"choices": choices}},
        "seeds": tuple(seeds),
    }
    measured = Measured(tuple(effects.values()))
    runs, failures = tables(design, out, ("runs", "failures"), simulate=measured, **how)
    spoiled = failures["seed"] if len(failures) else ()
    whole = runs[~runs["seed"].isin(spoiled)] if len(runs) else runs
    require_any(whole, failures)

    def values_of(effect: Effect, parameters: Parameters) -> np.ndarray:
        return whole.loc[whole["arm"] == fingerprint(parameters), effect.key].to_numpy()

    rows = []
    for effect in effects.values():
        base = base_arm(effect, scenario)
        shared = values_of(effect, base), values_of(effect, neutral(base))
        start = start_of(effect, scenario)
        for name, parameters in control_arms(effect, scenario).items():
            rows.append(compare(effect, name, *shared, values_of(effect, parameters), start))
        if not effect.controls:
            rows.append(compare(effect, "", *shared, np.full_like(shared[0], np.nan), start))
    table = pd.DataFrame(rows)
    table.attrs = runs.attrs
    return table


def _check_measure(name: str, scenario: Parameters) -> None:
    known = [*DERIVED, *columns(tuple(scenario.archetypes), detail=False)]
    if name not in known:
        raise InputError(f"there is no measure {name!r}{nearest(name, known)}")


def compare_personas(
    scenario: Parameters,
    seeds: Sequence[int],
    values: Sequence[float] = (0.0, 0.5, 1.0),
    out: Path | None = None,
    **how: Any,
) -> pd.DataFrame:
    """Distortion against switching: the same runs with a share of mutations that switch.

    Returns
    -------
    The rounds tables of all runs, with columns ``exhaustiveness`` and ``seed``; the observables
    that tell the two readings apart are ``typicality``, ``explained``, ``homology``,
    ``resemblance`` and the responsibilities ``like_...``. Its ``attrs`` tell how many runs failed.
    """
    path = "training.exhaustiveness"
    design = {
        "name": "personas",
        "scenario": scenario,
        "factors": {path: list(values)},
        "seeds": tuple(seeds),
        "detail": True,
        "keep": ("rounds",),
    }
    runs, rounds, failures = tables(design, out, ("runs", "rounds", "failures"), **how)
    require_any(runs, failures)
    of, runs = rounds.pop("run"), runs.set_index("run")
    phases = pd.Categorical(rounds["phase"], list(scenario.phases))
    return rounds.assign(phase=phases, exhaustiveness=of.map(runs[path]), seed=of.map(runs["seed"]))


# --- comparing them -------------------------------------------------------------------------------


def value_in(effect: Effect, rounds: pd.DataFrame, parameters: Parameters) -> float:
    """The measure of a run: its mean over the last rounds of the effect's phase."""
    series = in_rounds(rounds, effect.measure, parameters)[rounds["phase"] == effect.phase]
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
        return float(in_rounds(declared, effect.measure, parameters).iloc[0])
    except (InputError, KeyError):
        return float("nan")


def compare(
    effect: Effect,
    arm: str,
    base: np.ndarray,
    drifted: np.ndarray,
    control: np.ndarray,
    start: float,
) -> dict[str, Any]:
    """Compare the measure with the cause, without any selection, and without the cause.

    Parameters
    ----------
    effect, arm
        The claim and the name of its control arm.
    base, drifted, control
        The measure in each arm, a value a seed, in the same order; NaN where there is no control.
    start
        The measure as it is declared.

    Returns
    -------
    A row: effect, claim, measure, phase, arm, expect, level, seeds; ``start`` (as given),
    ``with_cause``, ``neutral``, ``without_cause`` (means over the seeds); ``z_neutral`` and
    ``z_control``, the base less that arm in standard errors of the paired difference;
    ``difference`` from the control with its interval ``low``, ``high``; ``reached``; ``fixed``, the
    reason why this control cannot but differ; ``verdict``, empty for a single seed. What one seed,
    or seeds that all say the same, cannot tell is NaN.
    """
    from_neutral, from_control = of_mean(base - drifted), of_mean(base - control)
    reached = effect.reached(float(base.mean()), start)
    fixed = effect.fixed.get(arm, "")
    sign = 1 if effect.expect == "higher" else -1
    return {
        "effect": effect.key,
        "claim": effect.claim,
        "measure": effect.measure,
        "phase": effect.phase,
        "arm": arm,
        "expect": effect.expect,
        "level": effect.level,
        "seeds": len(base),
        "start": start,
        "with_cause": float(base.mean()),
        "neutral": float(drifted.mean()),
        "without_cause": float(control.mean()),
        "z_neutral": from_neutral.z,
        "z_control": from_control.z,
        "difference": from_control.mean,
        "low": from_control.low,
        "high": from_control.high,
        "reached": reached,
        "fixed": fixed,
        "verdict": verdict(reached, from_neutral, from_control, sign, fixed),
    }


def verdict(
    reached: bool, from_neutral: Mean, from_control: Mean, sign: int, fixed: str = ""
) -> str:
    """What the comparison says of the claim: `HOLDS` or `BEATS_DRIFT`, or all that it fails by.

    Empty for a single seed, which can tell nothing.
    """
    if from_neutral.seeds < 2:
        return ""
    fails = [] if reached else ["misses its level"]
    if from_neutral.clear(-sign):
        fails.append("drift goes further")
    elif not from_neutral.clear(sign):
        fails.append("not told from drift")
    if fixed:
        fails.append("control fixed by definition")
    elif not (np.isnan(from_control.mean) or from_control.clear(sign)):
        fails.append("not told from its control")
    return ", ".join(fails) or (BEATS_DRIFT if np.isnan(from_control.mean) else HOLDS)
