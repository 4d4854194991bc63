"""Designs: which runs a sweep is made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any, Final, Literal

from pydantic import Field, field_validator, model_validator

from multicopy.agents.parameters import Parameters, Section, choice, number
from multicopy.analysis.many import factors as factors_
from multicopy.analysis.many.factors import WHOLE, Factor
from multicopy.model.measures import DERIVED
from multicopy.model.outcomes import FINAL
from multicopy.model.records import columns
from multicopy.model.scenario import fingerprint, resolve, scale_rounds

Method = Literal["grid", "latin", "sobol", "random", "saltelli", "morris"]
Kept = Literal["phases", "rounds", "ledger"]
Seed = Annotated[int, Field(ge=0, lt=2**64)]

IDENTITY: Final = ("run_id", "run", "point", "replicate", "seed")
ENDING: Final = ("outcome", "reason", "rounds", "stopped")
LAST: Final = {f"last_{measure}": measure for measure in FINAL}
"""Columns for the measures of which the last round alone counts for the class of a run."""


class Stop(Section):
    """When a run ends before its scenario does."""

    phase: str | None = Field(None, description="at the end of this phase")
    measure: str | None = Field(
        None, description="once this measure of a round goes beyond a level"
    )
    above: float | None = Field(None, description="the level that is passed upward")
    below: float | None = Field(None, description="the level that is passed downward")

    @model_validator(mode="after")
    def _means_something(self) -> Stop:
        levels = sum(level is not None for level in (self.above, self.below))
        if self.phase is None and self.measure is None:
            raise ValueError("stop: name a phase, or a measure with above or below")
        if (self.measure is not None) != (levels == 1):
            raise ValueError("stop: a measure goes with one of above and below")
        return self


class Design(Section):
    """A design: a scenario, what is fixed, what is varied and how.

    Attributes
    ----------
    scenario
        Name, path of a TOML file, or the parameters themselves.
    fixed
        Overrides of the scenario by path.
    factors
        What is varied, by parameter path (or any name, with named choices). In place of a path
        stands `WHOLE` for the scenario as a whole.
    seeds
        The seeds of the replicates, the same at every point, in place of those drawn from `seed`.
    detail
        Whether runs have the measures of single traits and of personas too, which take time.
    """

    name: str = Field("design", description="name of the design")
    title: str = Field("", description="what it asks, for figures")
    scenario: str | Parameters = Field("ai2027", description="name or TOML file")
    method: Method = choice("grid", "how points are chosen")
    samples: int | None = Field(
        None, ge=1, description="points; of Morris trajectories, of Saltelli's scheme the base N"
    )
    replicates: int = number(1, 1, 1_000_000, "runs at each point, with different seeds", "runs")
    seed: int = number(0, 0, None, "seed of the design; it decides all points and seeds")
    random_numbers: Literal["common", "independent"] = choice(
        "common", "whether points share the seeds of their replicates"
    )
    seeds: tuple[Seed, ...] | None = Field(
        None, min_length=1, strict=False, description="seeds of the replicates"
    )
    detail: bool = Field(False, description="measures of single traits and of personas too")
    rounds_scale: float = number(1.0, 0.001, 1000, "scale of all phases' lengths", "factor")
    keep: tuple[Kept, ...] = Field((), strict=False, description="tables beside runs and events")
    stop: Stop | None = Field(None, description="when a run ends before its scenario does")
    run_limit_seconds: float | None = Field(
        None, ge=0.1, le=10_000_000, description="a run that takes longer is a failure"
    )
    fixed: dict[str, Any] = Field(default_factory=dict, description="overrides by path")
    factors: dict[str, Any] = Field(default_factory=dict, description="what is varied")

    @field_validator("scenario", mode="before")
    @classmethod
    def _whole(cls, given: Any) -> Any:
        if not isinstance(given, str | Parameters | Mapping):
            raise ValueError(f"scenario = {given!r} is not allowed: name or TOML file")
        return resolve(given) if isinstance(given, Mapping) else given

    @model_validator(mode="after")
    def _says_seeds_once(self) -> Design:
        if self.seeds is not None and (self.replicates > 1 or self.random_numbers != "common"):
            raise ValueError("seeds: in place of replicates, and the same at every point")
        return self

    def resolved(self) -> Parameters:
        """Parameters of the scenario with what is fixed."""
        return at_point(resolve(self.scenario, self.fixed), (), (), self.rounds_scale)

    @property
    def named(self) -> bool:
        """Whether all its runs are of one scenario, which has a name or a file."""
        whole = any(WHOLE in factor.paths for factor in self.parsed())
        return isinstance(self.scenario, str) and not whole

    @property
    def runs_a_point(self) -> int:
        """Runs at each point."""
        return self.replicates if self.seeds is None else len(self.seeds)

    def parsed(self) -> tuple[Factor, ...]:
        """The factors, with what is fixed in each scenario that they hold."""
        grid = self.method == "grid"
        parsed = (factors_.parse(name, spec, grid) for name, spec in self.factors.items())
        return tuple(factor.with_scenarios(self.fixed) for factor in parsed)

    def fingerprint(self) -> str:
        """Hash of all that decides which runs there are and what is kept of them."""
        said = {"name", "title", "scenario", "fixed", "run_limit_seconds"}
        tree = self.model_dump(mode="json", exclude=said)
        tree["base"] = fingerprint(resolve(self.scenario, self.fixed))
        whole = [s[WHOLE] for factor in self.parsed() for s in factor.settings if WHOLE in s]
        tree["whole"] = [fingerprint(parameters) for parameters in whole]
        text = json.dumps(tree, sort_keys=False)
        return sha256(text.encode()).hexdigest()[:16]


def overrides(parsed: tuple[Factor, ...], held: tuple[Any, ...]) -> dict[str, Any]:
    """What a point sets, by path."""
    return {
        path: value
        for factor, at in zip(parsed, held, strict=True)
        for path, value in factor.overrides(at).items()
    }


def at_point(
    base: Parameters, parsed: tuple[Factor, ...], held: tuple[Any, ...], scale: float
) -> Parameters:
    """Parameters of the runs at a point, with all phases scaled."""
    told = overrides(parsed, held)
    parameters = resolve(told.pop(WHOLE, base), told)
    return parameters if scale == 1.0 else scale_rounds(parameters, scale)


def round_measures(parameters: Parameters, detail: bool = False) -> list[str]:
    """Measures that every round has."""
    told = columns(tuple(parameters.archetypes), detail)
    return [name for name in told if name not in ("round", "phase", "phase_round", "date")]


def measures(parameters: Parameters, detail: bool = False) -> list[str]:
    """Measures that a run is summarized by: those of its rounds, and what derives from them."""
    return [*round_measures(parameters, detail), *DERIVED, *LAST]
