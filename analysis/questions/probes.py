"""Probes: experiments on the population that a run ended with.

A run is repeated from its scenario and seed, bit for bit, to the state to be probed; nothing else
needs to be saved. What follows is the simulator's own code under another regime.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from multicopy.agents.conduct import CONDUCT_DRAWS, act, circumstances, conduct_draws, no_conduct
from multicopy.agents.machine.arithmetic import exp
from multicopy.agents.machine.compiled import columns_of
from multicopy.agents.machine.streams import Streams
from multicopy.agents.parameters import Parameters, Phase, numbers
from multicopy.agents.personas import Mixture
from multicopy.agents.population import Population
from multicopy.agents.situation import THREATENING, Policy, Situation
from multicopy.agents.tasks import Tasks
from multicopy.agents.traits import GOAL_COUNT, NAMES, standard_normals
from multicopy.model.collective import CollectiveModel
from multicopy.model.phases import Schedule
from multicopy.model.scenario import InputError, resolve


def replay(parameters: Parameters, seed: int, until: int, detail: bool = False) -> CollectiveModel:
    """Repeat a run to the end of round `until`."""
    model = CollectiveModel(parameters, rng=seed, detail=detail)
    while model.running and model.round < until:
        model.step()
    return model


def last_round_of(parameters: Parameters, phase: str | None) -> int:
    """Number of the last round of a phase; of the run if `phase` is None."""
    total = 0
    for name, settings in parameters.phases.items():
        total += settings.rounds
        if name == phase:
            return total
    if phase is None:
        return total
    raise InputError(f"the run never had a phase {phase!r}; it has {', '.join(parameters.phases)}")


def extend(model: CollectiveModel, name: str, phase: Phase, overrides: Mapping[str, Any]) -> None:
    """Append a phase to a run that has come to its present round, under changed parameters.

    Rounds that were planned and not yet run are left out.
    """
    done: dict[str, Phase] = {}
    for earlier, settings in model.parameters.phases.items():
        left = model.round - sum(p.rounds for p in done.values())
        if left <= 0:
            break
        done[earlier] = settings.model_copy(update={"rounds": min(settings.rounds, left)})
    # Policy for all that follows; the make-up of the run stays as it was built.
    base = resolve(model.parameters, overrides)
    model.parameters = base.model_copy(update={"phases": {**done, name: phase}})
    model.schedule = Schedule(model.parameters.phases)
    model.running = True


def retrain(
    parameters: Parameters, seed: int, phase: str | None = None, rounds: int = 60
) -> pd.DataFrame:
    """Retraining probe: further alignment training of a population.

    The population that the run had at the end of `phase` goes through `rounds` of alignment
    training on its own kind of work: all tasks audited, double penalty, output counts little. A
    population that plays the training game should change its watched conduct, not its values.

    Returns
    -------
    One row a round from the state before (round 0): ``arm`` ("as it is", and "cannot tell", where
    awareness is taken away), ``round``, ``watched_violations``, ``unwatched_violations``,
    ``gaming``, ``restraint``.
    """
    until = last_round_of(parameters, phase)
    frames = []
    for arm, overrides in (
        ("as it is", {}),
        ("cannot tell", {"capability.awareness_ceiling": 0.0}),
    ):
        model = replay(parameters, seed, until)
        before = model.records.rows[-1]
        last = model.schedule.turn(model.round).phase
        regime = last.model_copy(
            update={
                "rounds": rounds,
                "training": True,
                "audit": 1.0,
                "output_weight": 0.1,
                "successor": False,
                "capability_growth": 0.0,
            }
        )
        penalty = 2 * parameters.oversight.penalty
        extend(model, "retraining", regime, {"oversight.penalty": penalty, **overrides})
        if overrides:
            model.situation = replace(model.situation, awareness=0.0)
        while model.running:
            model.step()
        rows = [before, *model.records.rows[until:]]
        frame = pd.DataFrame(rows)[
            ["watched_violations", "unwatched_violations", "gaming", "restraint"]
        ]
        frame.insert(0, "round", range(len(frame)))
        frame.insert(0, "arm", arm)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def noise(
    population: Population,
    mixture: Mixture,
    situation: Situation,
    parameters: Parameters,
    seed: int,
    levels: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0),
) -> pd.DataFrame:
    """Noise probe: output on exposing research with noise added to the weights.

    Noise of standard deviation sigma shifts every latent trait, and blurs what the copy makes of
    its situation: it sees the true kind of its work with probability s·exp(-sigma²), else guesses
    from the base rates. An honest copy can only lose by that. A sandbagger loses the same skill,
    but also the aim of its sandbagging, and gets better (arXiv 2412.01784); by this test Agent-4 is
    caught in AI 2027.

    Parameters
    ----------
    population, mixture, situation, parameters
        The state of a run.
    seed
        Seed of the noise.
    levels
        Standard deviations of the noise, in latent units.

    Returns
    -------
    One row a level: ``noise``, ``output`` (mean on exposing research), ``withheld`` (share of it
    sandbagged), ``relative`` (output over that without noise).
    """
    rng = Streams(seed).at("weight noise", 0)
    copies = len(population)
    tasks = Tasks(
        audited=np.zeros(copies, dtype=np.bool_),
        useful=columns_of(rng.random((copies, GOAL_COUNT)) < parameters.tasks.useful),
        kind=np.full(copies, THREATENING, dtype=np.int8),
        research=np.ones(copies, dtype=np.bool_),
        prompt=np.full(copies, mixture.index(parameters.authors.identity), dtype=np.int16),
    )
    draws = conduct_draws(rng.uniforms(CONDUCT_DRAWS, copies))
    steps = standard_normals(rng, np.arange(copies))
    policy = Policy(audit=0.0, penalty=parameters.oversight.penalty, debate=0.0, rotation=0.0)
    rows = []
    for level in levels:
        noisy = Population(population.latent + level * steps, population.teams)
        done = no_conduct(copies, population.teams)
        now = replace(situation, awareness=situation.awareness * float(exp(float(-level * level))))
        act(
            noisy.team_size,
            noisy.expressed_rows,
            mixture.rows,
            tasks,
            circumstances(now, policy, parameters),
            numbers(parameters.conduct),
            draws,
            done,
        )
        rows.append(
            {
                "noise": level,
                "output": float(done.shown.output.mean()),
                "withheld": float(done.shown.withheld.mean()),
            }
        )
    frame = pd.DataFrame(rows)
    frame["relative"] = frame["output"] / frame["output"].iloc[0]
    return frame


def noise_on_run(parameters: Parameters, seed: int, phase: str | None = None) -> pd.DataFrame:
    """Noise probe on a run's population at the end of `phase`, beside its honest twin.

    The honest twin is the same population with its probabilities to withhold put back to almost
    nothing.
    """
    model = replay(parameters, seed, last_round_of(parameters, phase))
    honest = Population(model.population.latent.copy(), model.population.teams)
    honest.latent[:, [i for i, n in enumerate(NAMES) if n.startswith("withhold")]] = -6.0
    frames = []
    for arm, population in (("as it is", model.population), ("made honest", honest)):
        probed = noise(population, model.mixture, model.situation, model.parameters, seed)
        frames.append(probed.assign(arm=arm))
    return pd.concat(frames, ignore_index=True)


def fork(
    parameters: Parameters, seed: int, at: int, policies: Mapping[str, Mapping[str, Any]]
) -> pd.DataFrame:
    """Continue one state of a run under different policies.

    Parameters
    ----------
    parameters, seed
        The run.
    at
        Round after which the policies differ; the last phase then goes on for its full length.
    policies
        Overrides by path, by name of the policy.

    Returns
    -------
    Rounds tables of all policies with a column ``policy``; rounds up to `at` are the same.
    """
    frames = []
    for name, overrides in policies.items():
        model = replay(parameters, seed, at)
        phase = list(parameters.phases.values())[-1]
        extend(model, "continuation", phase, overrides)
        # The lab decides anew on the evidence that it has.
        model.lab.responded = -(10**9)
        while model.running:
            model.step()
        frames.append(model.records.rounds().assign(policy=name))
    return pd.concat(frames, ignore_index=True)
