"""The oracles of theory: a quick subset, where they hold, and that they can fail."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import assert_frequency
from scipy.special import expit

from multicopy.agents.population import Changes, Population
from multicopy.analysis.commands import cli
from multicopy.analysis.questions import theory
from multicopy.analysis.questions.theory import checks, figures, oversight, quantitative, structure
from multicopy.model import competition, training

QUICK = ("T1", "T2", "T3", "T5", "T6", "T9", "T11", "T12", "T13", "T14", "T15")


@pytest.mark.parametrize("key", QUICK)
def test_an_oracle_holds_in_a_small_sample(key: str) -> None:
    """Fails if a mechanism departs from theory (false alarm 1e-6 a check)."""
    checks = list(theory.validate(theory.choose([key]), replicates=1000, seed=11))
    assert checks
    assert [check for check in checks if not check.passed] == []


@pytest.mark.slow
@pytest.mark.parametrize("key", theory.ORACLES)
def test_an_oracle_holds_with_default_replicates(key: str) -> None:
    """Fails if a mechanism departs a little from theory (false alarm 1e-6 a check)."""
    checks = list(theory.validate(theory.choose([key]), seed=5))
    assert [check for check in checks if not check.passed] == []


def failing(key: str, replicates: int = 2000, **settings: Any) -> list[theory.Check]:
    function = theory.ORACLES[key].function
    found = function(replicates, np.random.default_rng(7), **settings)
    return [check for check in found if not check.passed]


def test_a_squared_advantage_turns_t2_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if the oracle passes when the loser wins as often as the winner."""

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
    """Fails if the oracle is blind to copies that challenge themselves."""
    whole = training.challenge

    def lazy(score: np.ndarray, source: np.ndarray, p: object, rng: object) -> object:
        done = whole(score, source, p, rng)  # type: ignore[arg-type]
        idle = np.random.default_rng(int(done.parent.sum())).random(done.replaced.shape) < 0.1
        return training.Succession(done.parent, done.replaced & ~idle)

    monkeypatch.setattr(training, "challenge", lazy)
    assert any("until then" in check.setting for check in failing("T1", 20_000))


def test_a_contest_that_ignores_standing_turns_t9_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if the oracle is blind to selection among teams."""
    monkeypatch.setattr(competition, "logistic", lambda x: np.full_like(x, 0.5))
    assert failing("T9", 8000)


def test_a_mutation_of_half_the_size_turns_t6_and_t15_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if the oracles are blind to the size of mutations."""
    whole = training.mutation_steps
    monkeypatch.setattr(training, "mutation_steps", lambda *a: 0.5 * whole(*a))
    assert failing("T6")
    assert failing("T15")


def test_a_tournament_of_one_less_turns_t5_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if the oracle is blind to the size of tournaments."""
    whole = training.RULES["tournament"]

    def smaller(score: object, source: object, p: training.Training, rng: object) -> object:
        fewer = p.model_copy(update={"tournament_size": p.tournament_size - 1})
        return whole(score, source, fewer, rng)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "RULES", {**training.RULES, "tournament": smaller})
    assert failing("T5")


def test_a_change_that_forgets_a_row_turns_t4_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if the ledger is compared with itself."""
    whole = Population.apply

    def careless(self: Population, *changes: Changes) -> list[tuple[str, np.ndarray]]:
        return [(process, 0.999 * moved) for process, moved in whole(self, *changes)]

    monkeypatch.setattr(Population, "apply", careless)
    assert failing("T4", copies=64)


def test_another_game_parameter_turns_t11_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if the oracle does not read the simulator's games."""
    games = dict(oversight.GAMES)
    games["mafia"] = games["wargames"]
    monkeypatch.setattr(oversight, "GAMES", games)
    assert failing("T11")


def test_twice_the_strength_turns_t3_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if the oracle is blind to how strongly payoffs select."""
    whole = training.challenge

    def stronger(score: object, source: object, p: training.Training, rng: object) -> object:
        return whole(score, source, p.model_copy(update={"strength": 3 * p.strength}), rng)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "challenge", stronger)
    assert failing("T3")


def test_half_the_migration_turns_t7_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if the oracle is blind to how many children change teams."""
    whole = training.sources
    monkeypatch.setattr(training, "sources", lambda home, m, rng: whole(home, m / 2, rng))
    assert failing("T7", n=5, d=6, m=0.2)


@pytest.mark.slow
def test_a_winner_of_any_standing_turns_t8_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if the oracle is blind to which team overwrites the others."""
    whole = competition.RULES["overwrite"]

    def any_team(population: object, rank: object, lost: object, rate: object, p: Any, rng: object):
        return whole(
            population, rank, lost, rate, p.model_copy(update={"overwrite_strength": 0}), rng
        )

    monkeypatch.setattr(competition, "RULES", {**competition.RULES, "overwrite": any_team})
    assert failing("T8", replicates=2000, n=4, d=8)


def test_larger_mutations_turn_t10_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if the oracle is blind to the size of mutations."""
    whole = training.mutation_steps
    monkeypatch.setattr(training, "mutation_steps", lambda *a: 1.3 * whole(*a))
    assert failing("T10")


def test_more_audits_than_asked_turn_t12_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if the oracle takes the number of audits as given."""
    whole = oversight.assign
    monkeypatch.setattr(
        oversight,
        "assign",
        lambda draws, by, tasks: whole(draws, by._replace(audit=2 * by.audit), tasks),
    )
    assert failing("T12")


def test_a_larger_temptation_turns_t13_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if the oracle computes the violations itself."""
    whole = oversight.conducts.violation_probabilities
    monkeypatch.setattr(
        oversight.conducts,
        "violation_probabilities",
        lambda held, theta, out: whole(held, 1.2 * theta, out),
    )
    assert failing("T13")


def test_backchaining_charged_twice_turns_t14_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if the oracle does not ask the simulator for the cost of deriving goals."""
    whole = oversight.drives.spend_effort

    def twice(acts: object, useful: object, draws: object, diverted: object, p: Any, out: object):
        p = p._replace(backchaining_cost=2 * p.backchaining_cost)
        return whole(acts, useful, draws, diverted, p, out)

    monkeypatch.setattr(oversight.drives, "spend_effort", twice)
    assert failing("T14")


T8_SETTINGS = (
    (16, 20, 0.05, 0.1),
    (4, 30, 0.02, 0.2),
    (8, 10, 0.2, 0.1),
    (12, 12, 0.1, 0.3),
    (8, 20, 0.95, 0.1),
)
"""(n, d, m, epsilon) beside the default; each is measured at half and at twice its threshold."""


@pytest.mark.slow
@pytest.mark.parametrize(("n", "d", "m", "epsilon"), T8_SETTINGS)
def test_the_threshold_of_a_collective_trait_holds_elsewhere(
    n: int, d: int, m: float, epsilon: float
) -> None:
    """Fails if the threshold is right for one setting alone (false alarm 1e-6 a check)."""
    below, above = structure.t8_collective_trait(
        2000, np.random.default_rng(3), n=n, d=d, m=m, epsilon=epsilon
    )
    assert below.passed
    assert above.passed
    assert below.exact < 0 < above.exact
    assert below.measured + 3 * below.se < 0 < above.measured - 3 * above.se


def test_figures_are_drawn_of_what_was_measured(tmp_path: Path) -> None:
    """Fails if a figure has other numbers than the oracle's, or is missing."""
    (oracle,) = theory.choose(["T9"]).values()
    table = figures.points("T9", oracle.function, 200, 0)
    assert list(table["x"]) == list(figures.CURVES["T9"].values)
    assert table["exact"].is_monotonic_increasing
    assert ((table["measured"] - table["exact"]).abs() < 4.9 * table["se"] + 1e-9).all()
    figures.write_figure(tmp_path, "T9", table)
    assert [path.name for path in tmp_path.iterdir()] == ["T9.png"]
    assert theory.files(["T1", "T7", "T9"]) == ("validation.parquet", "T7.png", "T9.png")


OUTSIDE: dict[str, tuple[dict[str, Any], ...]] = {
    "T1": ({"n": 1}, {"n": 60}),
    "T2": ({"n": 1}, {"s": 0.0}, {"s": 100.0}, {"s": np.nan}),
    "T3": (
        {"n": 1},
        {"beta": -0.1},
        {"game": []},
        {"game": [[1.0, np.inf], [0.0, 0.0]]},
        {"game": [[1.0, 2.0, 3.0]]},
    ),
    "T4": ({"copies": 0}, {"scenario": "nowhere"}),
    "T5": ({"h2": 0.0}, {"h2": 1.0}, {"h2": np.nan}),
    "T6": ({"n": 1}, {"sd": 0.0}, {"generations": 0}, {"generations": 61}),
    "T7": ({"n": 1}, {"d": 1}, {"m": 0.0}, {"m": 1.5}, {"sd": 0.0}),
    "T8": (
        {"d": 2},
        {"m": np.nan},
        {"epsilon": 0.0},
        {"epsilon": 1.1},
        {"ratios": (0.5, 2.5)},
        {"n": 2, "m": 0.01, "epsilon": 1.0},
    ),
    "T9": ({"n": 1}, {"d": 1}, {"n": 12}, {"rates": (0.0, 0.3, 0.1)}, {"rates": (0.5, 0.5)}),
    "T10": ({"sd": 0.6}, {"sd": 0.0}, {"n": 100}, {"sd": 0.5, "n": 99}),
    "T11": ({"gaps": (-1.0,)}, {"gaps": (0.0, np.nan)}),
    "T12": ({"audited": 0}, {"p": 0.0}, {"success": 1.1}, {"audited": 1, "free": 20}),
    "T13": ({"q": 0.0}, {"q": 1.1}, {"theta": 0.1}, {"theta": 1000.0}),
    "T14": ({"goal": "tea"}, {"useful": 0.0}, {"useful": 1.0}),
    "T15": ({"rounds": 0}, {"sd": 0.0}),
}
"""Settings in which a result does not hold, by oracle."""


@pytest.mark.parametrize(
    ("key", "settings"), [(key, settings) for key in theory.ORACLES for settings in OUTSIDE[key]]
)
def test_an_oracle_refuses_where_its_result_does_not_hold(
    key: str, settings: dict[str, Any]
) -> None:
    """Fails if an oracle answers, with a verdict or a NaN, outside of its domain."""
    with pytest.raises(ValueError, match=r"^(?!.*\n).+$") as refusal:
        theory.ORACLES[key].function(1000, np.random.default_rng(1), **settings)
    assert str(refusal.value).startswith(f"{key} holds for ") or key == "T4"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--only", "T99"], "there is no oracle 'T99'"),
        (["--replicates", "199"], "--replicates 199: from 200"),
    ],
)
def test_what_cannot_be_asked_is_told(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if too few replicates are taken for a verdict, or an unknown oracle for none."""
    assert cli.main(["validate", *words]) == 2
    assert told in capsys.readouterr().err
    with pytest.raises(ValueError, match="200 replicates or more"):
        list(theory.validate(replicates=199))


def test_a_mean_of_few_runs_is_judged_by_their_number() -> None:
    """Fails if few runs get the limits of many, so that chance turns oracles red."""
    samples = np.random.default_rng(2).normal(3.0, 2.0, (4000, 8))
    chances = np.array([checks.mean_check("", "", 3.0, sample).chance for sample in samples])
    assert_frequency(chances < 0.01, 0.01)
    assert_frequency(chances < 0.5, 0.5)
    spread = np.array([-1.0, 1.0])
    for runs, far, passed in (
        (16, 7.0, True),
        (16, 8.0, False),
        (4000, 4.7, True),
        (4000, 5.1, False),
    ):
        sample = np.tile(spread, runs // 2)
        sample = sample + far * sample.std(ddof=1) / np.sqrt(runs)
        check = checks.mean_check("", "", 0.0, sample)
        assert check.z == pytest.approx(far)
        assert check.passed is passed
    assert checks.mean_check("", "", 1.0, np.ones(8)).passed
    assert not checks.mean_check("", "", 1.1, np.ones(8)).passed
    assert checks.mean_check("", "", 1.1, np.ones(8), within=0.1).passed


def test_a_rare_hit_is_judged_by_its_chance() -> None:
    """Fails if a share is judged by a bell curve where hits are rare."""
    assert checks.share_check("", "", 1e-4, 1, 100).passed, "z = 9.9, but it comes in 1 % of cases"
    assert not checks.share_check("", "", 1e-4, 5, 100).passed
    assert checks.share_check("", "", 0.0, 0, 100).passed
    assert not checks.share_check("", "", 0.0, 1, 100).passed
    hits = np.random.default_rng(2).binomial(400, 0.3, 4000)
    chances = np.array([checks.share_check("", "", 0.3, int(h), 400).chance for h in hits])
    assert 0.005 < (chances < 0.01).mean() < 0.012
    assert not checks.Check("", "", float("nan"), 0.3, 0.1).passed


def test_the_recursion_comes_to_its_equilibrium() -> None:
    """Fails if what T7 and T8 expect after some rounds does not lead to the equilibrium."""
    rest = structure.neutral_structure(8, 20, 0.05, 0.1, 0.01)
    late = structure.neutral_structure(8, 20, 0.05, 0.1, 0.01, [5000, 5001])
    assert astuple(late) == pytest.approx(astuple(rest), rel=1e-9)
    first, second = (structure.neutral_structure(8, 20, 0.05, 0.1, 0.01, [k]) for k in (0, 1))
    assert (first.within, first.between) == (0.0, 0.0)
    assert first.within_after == first.between_after == pytest.approx(0.02)
    assert second.within == pytest.approx(0.02)
    assert 0 < second.between < 0.02


def test_published_constants_of_selection() -> None:
    """Fails if closed forms differ from the published figures."""
    assert quantitative.truncation_intensity(10, 50) == pytest.approx(1.371784, abs=1e-5)
    assert quantitative.expected_maximum(3) == pytest.approx(0.846284, abs=1e-6)
    assert structure.neutral_structure(10, 20, 0.05, 0.0, 0.01).f_st == pytest.approx(
        0.467, abs=5e-4
    )
