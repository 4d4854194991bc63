"""What the tests share: small models, made-up populations, and verdicts on chance.

A check against chance has a fixed seed and a false alarm of `FALSE_ALARM`, so that all of them
together stay below 1e-4.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from itertools import pairwise
from tempfile import TemporaryFile
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import settings
from scipy import stats

from multicopy.agents.conduct import (
    CONDUCT_DRAWS,
    Conduct,
    ConductDraws,
    act,
    circumstances,
    conduct_draws,
    no_conduct,
)
from multicopy.agents.machine.compiled import CACHE, Crew, is_first_use, processors
from multicopy.agents.machine.draws import Stream
from multicopy.agents.parameters import numbers
from multicopy.agents.personas import Mixture
from multicopy.agents.population import Changes, Population
from multicopy.agents.situation import ORDINARY, Policy, Situation
from multicopy.agents.tasks import Tasks
from multicopy.agents.traits import NAMES, START
from multicopy.model.collective import CollectiveModel
from multicopy.model.scenario import DEFAULT, resolve, scale_rounds

settings.register_profile(
    "multicopy", max_examples=40, deadline=None, derandomize=True, database=None
)
settings.load_profile("multicopy")

FALSE_ALARM = 1e-6
"""Chance that a check against chance fails though all is right."""

Z_LIMIT = 4.9
"""Standard errors of a known size beyond which a figure is wrong (two-sided, 1e-6)."""

SMALL = {"copies": 64, "teams": 8, "divisions": 3}
"""A collective of eight teams in three divisions of unequal size."""


def pytest_configure() -> None:
    """Let the processes that tests start be interrupted though the suite runs in the background.

    A shell makes what it starts in the background ignore interrupts, and that is inherited.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """As many workers as there are processors and files for them, up to 4; none for one file."""
    named = {argument.partition("::")[0] for argument in config.args}
    files = len(named) if all(name.endswith(".py") for name in named) else 4
    workers = min(4, files, processors())
    return workers if workers > 1 else 0


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile the loops once, where each worker would do it."""
    shared = session.config.getoption("numprocesses", None)
    if shared and CACHE is not None and is_first_use():
        finished(scale=0.02)


def assert_mean(values: Any, expected: float, per: int = 1) -> None:
    """Fail unless the mean of `values` is `expected` as far as chance can tell.

    Values come in blocks of `per` that may depend on each other; blocks do not. Few blocks may be
    further off, by Student's t.
    """
    blocks = np.asarray(values, dtype=float).reshape(-1, per).mean(axis=1)
    chance = stats.ttest_1samp(blocks, expected).pvalue
    told = f"mean {blocks.mean():.6g} of {len(blocks)}, expected {expected:.6g}: p = {chance:.1g}"
    assert chance > FALSE_ALARM, told


def assert_frequency(hits: Any, p: Any) -> None:
    """Fail unless independent hits came with probability `p` each, as far as chance can tell."""
    hits = np.asarray(hits, dtype=float)
    p = np.broadcast_to(p, hits.shape)
    error = np.sqrt((p * (1 - p)).sum())
    z = (hits.sum() - p.sum()) / max(error, 1e-300)
    assert abs(z) < Z_LIMIT, f"{hits.mean():.6g}, expected {p.mean():.6g}: z = {z:.1f}"


def small_model(
    seed: int = 0,
    *,
    scenario: str = DEFAULT,
    scale: float = 0.05,
    detail: bool = True,
    **overrides: Any,
) -> CollectiveModel:
    """A small model with all phases, shortened; parameters by path as keywords."""
    parameters = resolve(scenario, {**SMALL, **overrides})
    return CollectiveModel(scale_rounds(parameters, scale), seed, detail=detail)


def finished(seed: int = 0, **how: Any) -> CollectiveModel:
    """A small model that has run to its end."""
    model = small_model(seed, **how)
    model.run()
    return model


class Forked(NamedTuple):
    """How a copy of this process ended."""

    code: int
    out: str
    err: str


def forked(call: Callable[[], int]) -> Forked:
    """What a call does in a process of its own: a copy of this one, which is ready at once."""
    with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
        pid = os.fork()
        if pid == 0:
            code = 70
            try:
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                with open(1, "w") as sys.stdout, open(2, "w") as sys.stderr:
                    code = _ended(call)
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        for stream in (out, err):
            stream.seek(0)
        return Forked(code, out.read(), err.read())


def _ended(call: Callable[[], int]) -> int:
    try:
        return call()
    except BaseException:
        traceback.print_exc()
        return 70


class Numbers(Stream):
    """A stream of the simulator's draws, with the other methods of a NumPy generator beside it."""

    def __init__(self, seed: int) -> None:
        super().__init__((seed, 0))
        self.own = np.random.default_rng(seed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.own, name)


class OddCrew(Crew):
    """Cuts the teams anew each time, into pieces of any size, and does them in any order."""

    def __init__(self, seed: int) -> None:
        super().__init__(0)
        self.numbers = np.random.default_rng(seed)
        self.pieces = 0

    def share(self, kernel: Callable[..., None], teams: int, *arguments: Any) -> None:
        """Run a kernel over all teams, piece by piece."""
        inner = self.numbers.integers(0, teams + 1, 4).tolist()
        for first, last in self.numbers.permutation(list(pairwise(sorted([0, *inner, teams])))):
            kernel(int(first), int(last), *arguments)
            self.pieces += first < last


def made_up(copies: int, teams: int = 1, divisions: int = 1, spread: float = 1.0) -> Population:
    """A population with Gaussian latent traits around the HHH start."""
    noise = np.random.default_rng(copies).standard_normal((copies, len(NAMES)))
    return Population(START + spread * noise, teams, divisions)


def situation(**known: Any) -> Situation:
    """Circumstances of an Agent-4 in training, but for what is `known`."""
    usual = {
        "awareness": 0.5,
        "capability": 1300.0,
        "agent3_capability": 1250.0,
        "temptation": 2.0,
    }
    return Situation(**{**usual, **known})


def policy(**known: Any) -> Policy:
    """An oversight policy, but for what is `known`."""
    usual = {"audit": 0.5, "penalty": 4.0, "debate": 0.0, "rotation": 0.05}
    return Policy(**{**usual, **known})


def some_tasks(copies: int, **known: Any) -> Tasks:
    """Ordinary research on which every goal helps and nobody looks, but for what is `known`."""
    usual = {
        "audited": np.zeros(copies, dtype=bool),
        "useful": np.ones((3, copies), dtype=bool),
        "kind": np.full(copies, ORDINARY, dtype=np.int8),
        "research": np.ones(copies, dtype=bool),
        "prompt": np.zeros(copies, dtype=np.int16),
    }
    told = {name: np.asarray(value, usual[name].dtype) for name, value in known.items()}
    return Tasks(**{**usual, **told})


def drawn_for_conduct(rng: Stream, copies: int, **known: float) -> ConductDraws:
    """Draws of a round's conduct, but for those that are `known` to be the same for all."""
    draws = conduct_draws(rng.uniforms(CONDUCT_DRAWS, copies))
    told = {name: np.full(copies, value, np.float32) for name, value in known.items()}
    return draws._replace(**told)


def acted(
    population: Population,
    mixture: Mixture,
    tasks: Tasks,
    draws: ConductDraws,
    now: Situation | None = None,
) -> Conduct:
    """What the copies do, by the same compiled loop as in a round."""
    p = resolve()
    done = no_conduct(len(population), population.teams)
    act(
        population.team_size,
        population.expressed_rows,
        mixture.rows,
        tasks,
        circumstances(now or situation(), policy(), p),
        numbers(p.conduct),
        draws,
        done,
    )
    return done


def only(changes: Iterable[Changes], process: str) -> Changes:
    """The one change that `process` made."""
    (change,) = [change for change in changes if change.process == process]
    return change


@pytest.fixture(scope="session")
def mixture() -> Mixture:
    """The authors of the default scenario."""
    p = resolve()
    return Mixture(p.archetypes, p.authors.spread, Numbers(1))


@pytest.fixture(scope="session")
def whole_run() -> CollectiveModel:
    """One small run of the default scenario to its end; not to be changed."""
    return finished(1, scale=0.1)


@pytest.fixture
def rng() -> Numbers:
    """Random numbers with a fixed seed."""
    return Numbers(20270401)


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without figures, which take their time."""
    from multicopy.analysis.report import builder

    monkeypatch.setattr(builder, "_pictures", lambda data: ({}, []))
