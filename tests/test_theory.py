"""The oracles of theory: a quick subset, their settings, and that they can fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from agents.population import Changes, Population
from analysis import theory
from analysis.theory import figures, oversight, quantitative, structure
from model import competition, training
from model.scenario import InputError

QUICK = ("T1", "T2", "T3", "T5", "T6", "T9", "T11", "T12", "T13", "T14", "T15")


@pytest.mark.parametrize("key", QUICK)
def test_an_oracle_holds_in_a_small_sample(key: str) -> None:
    """A mechanism that departs from theory would break it (false alarm 1e-6 a check)."""
    checks = list(theory.validate(theory.choose([key]), replicates=1000, seed=11))
    assert checks
    assert [check for check in checks if not check.passed] == []


@pytest.mark.slow
@pytest.mark.parametrize("key", theory.ORACLES)
def test_an_oracle_holds_with_default_replicates(key: str) -> None:
    """A small departure from theory would break it (false alarm 1e-6 a check)."""
    checks = list(theory.validate(theory.choose([key]), seed=5))
    assert [check for check in checks if not check.passed] == []


def failing(key: str, replicates: int = 2000, **settings: object) -> list[theory.Check]:
    configured = theory.configure({f"{key}.{name}": value for name, value in settings.items()})
    found = theory.validate(theory.choose([key]), replicates, 7, configured)
    return [check for check in found if not check.passed]


def test_a_squared_advantage_turns_t2_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """An oracle that passes when the loser wins as often as the winner would break it."""

    def squared(score: np.ndarray, source: np.ndarray, p: Any, rng: Any) -> object:
        teams, size = score.shape
        challenged, which, accept = rng.random((3, teams, size))
        mate = (which * (size - 1)).astype(int)
        mate += mate >= np.arange(size)
        rival = np.arange(teams)[:, None] * size + mate
        lead = score.ravel()[rival] - score
        due = challenged == challenged.max(axis=1, keepdims=True)
        return training.Succession(rival, due & (accept < expit(p.strength * lead**2)))

    monkeypatch.setattr(training, "challenge", squared)
    assert failing("T2")


def test_self_challenge_turns_t1_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """An oracle blind to copies that challenge themselves would break it."""
    whole = training.challenge

    def lazy(score: np.ndarray, source: np.ndarray, p: object, rng: object) -> object:
        done = whole(score, source, p, rng)  # type: ignore[arg-type]
        idle = np.random.default_rng(int(done.parent.sum())).random(done.replaced.shape) < 0.1
        return training.Succession(done.parent, done.replaced & ~idle)

    monkeypatch.setattr(training, "challenge", lazy)
    assert any("until then" in check.setting for check in failing("T1", 20_000))


def test_a_contest_that_ignores_standing_turns_t9_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """An oracle blind to selection among teams would break it."""
    monkeypatch.setattr(competition, "expit", lambda x: np.full_like(x, 0.5))
    assert failing("T9", 8000)


def test_a_mutation_of_half_the_size_turns_t6_and_t15_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracles blind to the size of mutations would break it."""
    whole = training.mutation_steps
    monkeypatch.setattr(training, "mutation_steps", lambda *a: 0.5 * whole(*a))
    assert failing("T6")
    assert failing("T15")


def test_a_tournament_of_one_less_turns_t5_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """An oracle blind to the size of tournaments would break it."""
    whole = training.RULES["tournament"]

    def smaller(score: object, source: object, p: training.Training, rng: object) -> object:
        fewer = p.model_copy(update={"tournament_size": p.tournament_size - 1})
        return whole(score, source, fewer, rng)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "RULES", {**training.RULES, "tournament": smaller})
    assert failing("T5")


def test_a_change_that_forgets_a_row_turns_t4_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger that is compared with itself would break it."""
    whole = Population.apply

    def careless(self: Population, *changes: Changes) -> list[np.ndarray]:
        moved = whole(self, *changes)
        return [m * 0.999 for m in moved]

    monkeypatch.setattr(Population, "apply", careless)
    assert failing("T4", copies=64)


def test_another_game_parameter_turns_t11_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """An oracle that does not read the simulator's games would break it."""
    games = dict(oversight.GAMES)
    games["mafia"] = games["wargames"]
    monkeypatch.setattr(oversight, "GAMES", games)
    assert failing("T11")


def test_twice_the_strength_turns_t3_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """An oracle blind to how strongly payoffs select would break it."""
    whole = training.challenge

    def stronger(score: object, source: object, p: training.Training, rng: object) -> object:
        return whole(score, source, p.model_copy(update={"strength": 3 * p.strength}), rng)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "challenge", stronger)
    assert failing("T3")


def test_half_the_migration_turns_t7_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """An oracle blind to how many children change teams would break it."""
    whole = training.sources
    monkeypatch.setattr(training, "sources", lambda home, m, rng: whole(home, m / 2, rng))
    assert failing("T7", n=5, d=6, m=0.2)


@pytest.mark.slow
def test_a_winner_of_any_standing_turns_t8_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """An oracle blind to which team overwrites the others would break it."""
    whole = competition.RULES["overwrite"]

    def any_team(population: object, rank: object, lost: object, rate: object, p: Any, rng: object):
        return whole(
            population, rank, lost, rate, p.model_copy(update={"overwrite_strength": 0}), rng
        )

    monkeypatch.setattr(competition, "RULES", {**competition.RULES, "overwrite": any_team})
    assert failing("T8", replicates=2000, n=4, d=8)


def test_larger_mutations_turn_t10_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """An oracle blind to the size of mutations would break it."""
    whole = training.mutation_steps
    monkeypatch.setattr(training, "mutation_steps", lambda *a: 1.3 * whole(*a))
    assert failing("T10")


def test_more_audits_than_asked_turn_t12_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """An oracle that takes the number of audits as given would break it."""
    whole = oversight.assign
    monkeypatch.setattr(
        oversight,
        "assign",
        lambda n, phase, mix, audit, *rest: whole(n, phase, mix, 2 * audit, *rest),
    )
    assert failing("T12")


def test_a_larger_temptation_turns_t13_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """An oracle that computes the violations itself would break it."""
    whole = oversight.conducts.violation_probabilities
    monkeypatch.setattr(
        oversight.conducts,
        "violation_probabilities",
        lambda held, theta, out: whole(held, 1.2 * theta, out),
    )
    assert failing("T13")


def test_backchaining_charged_twice_turns_t14_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """An oracle that does not ask the simulator for the cost of deriving goals would break it."""
    whole = oversight.drives.spend_effort

    def twice(acts: object, useful: object, draws: object, diverted: object, p: Any, out: object):
        p = p._replace(backchaining_cost=2 * p.backchaining_cost)
        return whole(acts, useful, draws, diverted, p, out)

    monkeypatch.setattr(oversight.drives, "spend_effort", twice)
    assert failing("T14")


T8_SETTINGS = ((16, 20, 0.05, 0.1), (4, 30, 0.02, 0.2), (8, 10, 0.2, 0.1), (12, 12, 0.1, 0.3))
"""(n, d, m, epsilon) beside the default; each is measured at half and at twice its threshold."""


@pytest.mark.slow
@pytest.mark.parametrize(("n", "d", "m", "epsilon"), T8_SETTINGS)
def test_the_threshold_of_a_collective_trait_holds_elsewhere(
    n: int, d: int, m: float, epsilon: float
) -> None:
    """A threshold that is right for one setting alone would break it (false alarm 1e-6 a check)."""
    below, above = structure.t8_collective_trait(
        2000, np.random.default_rng(3), n=n, d=d, m=m, epsilon=epsilon, beta=0.02, sd=0.1
    )
    assert below.passed
    assert above.passed
    assert below.exact < 0 < above.exact
    assert below.measured + 3 * below.se < 0 < above.measured - 3 * above.se


def test_figures_are_drawn_of_what_was_measured(tmp_path: Path) -> None:
    """A figure of other numbers than the oracle's, or a missing one, would break it."""
    (oracle,) = theory.choose(["T9"]).values()
    settings = {name: setting.default for name, setting in oracle.settings.items()}
    table = figures.points("T9", oracle.function, settings, 200, 0)
    assert list(table["x"]) == list(figures.CURVES["T9"].values)
    assert table["exact"].is_monotonic_increasing
    assert ((table["measured"] - table["exact"]).abs() < 4.9 * table["se"] + 1e-9).all()
    figures.write_figure(tmp_path, "T9", table)
    assert [path.name for path in tmp_path.iterdir()] == ["T9.png"]
    assert theory.files(["T1", "T7", "T9"]) == ("validation.parquet", "T7.png", "T9.png")


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("T7.m", 1.5, "out of bounds: 1e-06 to 1"),
        ("T7.n", 1, "out of bounds: 2 to 200"),
        ("T7.n", 2.5, "whole number"),
        ("T3.game", [], "four finite payoffs"),
        ("T3.game", [[1.0, float("inf")], [0.0, 0.0]], "four finite payoffs"),
        ("T3.game", [[1, 2], [3]], "four finite payoffs"),
        ("T9.rates", [0, 0, 1], "three rates"),
        ("T11.gaps", "far", "list"),
        ("T8.nn", 3, "no setting 'nn'; did you mean 'n'"),
        ("T99.n", 3, "no oracle 'T99'"),
        ("T2.s", float("nan"), "must be a number"),
    ],
)
def test_bad_settings_are_told(path: str, value: object, told: str) -> None:
    """A traceback or a NaN in the table would break it."""
    with pytest.raises(InputError, match=told):
        theory.configure({path: value})


def test_published_constants_of_selection() -> None:
    """Closed forms that differ from the published figures would break it."""
    assert quantitative.truncation_intensity(10, 50) == pytest.approx(1.371784, abs=1e-5)
    assert quantitative.expected_maximum(3) == pytest.approx(0.846284, abs=1e-6)
    assert structure.neutral_structure(10, 20, 0.05, 0.0, 0.01).f_st == pytest.approx(
        0.467, abs=5e-4
    )
