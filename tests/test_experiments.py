"""Effects and their control arms, attribution and probes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from multicopy.agents.parameters import Parameters
from multicopy.analysis.commands.cli import main
from multicopy.analysis.commands.console import BAD_INPUT, SOME_FAILED, STOPPED
from multicopy.analysis.many import failures
from multicopy.analysis.questions import attribution, experiments, probes, shares
from multicopy.analysis.questions.intervals import Mean
from multicopy.model import training
from multicopy.model.collective import CollectiveModel
from multicopy.model.measures import in_rounds
from multicopy.model.scenario import NEUTRAL, InputError, neutral, resolve, scale_rounds

SMALL = scale_rounds(resolve("ai2027", {"copies": 64}), 0.05)
EFFECTS = experiments.load_effects()


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in tree.items():
        path = f"{prefix}{key}"
        found |= flat(value, path + ".") if isinstance(value, dict) else {path: value}
    return found


def difference(one: Parameters, other: Parameters) -> set[str]:
    first, second = flat(one.model_dump()), flat(other.model_dump())
    return {path for path in first.keys() | second.keys() if first.get(path) != second.get(path)}


@pytest.mark.parametrize("effect", EFFECTS.values(), ids=list(EFFECTS))
def test_a_control_arm_differs_in_exactly_what_it_names(effect: experiments.Effect) -> None:
    """Fails if an arm changes more than its overrides say, or nothing."""
    base = experiments.base_arm(effect, resolve())
    assert difference(base, resolve()) == set(effect.base)
    for name, parameters in experiments.control_arms(effect, resolve()).items():
        assert difference(base, parameters) == set(effect.controls[name]), name


@pytest.mark.parametrize("effect", EFFECTS.values(), ids=list(EFFECTS))
def test_the_neutral_arm_stands_on_the_base_of_its_effect(effect: experiments.Effect) -> None:
    """Fails if a claim about another regime is compared with drift in the default one."""
    base = experiments.base_arm(effect, resolve())
    needed = experiments.arms({effect.key: effect}, resolve())
    drifts = [arm for arm in needed.values() if arm.training.strength == 0]
    assert [difference(base, one) - {"name"} <= set(NEUTRAL) for one in drifts] == [True]
    assert len(needed) == 2 + len(effect.controls)


def test_a_broken_mechanism_changes_the_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if the check of an effect cannot fail."""
    strong = {
        "conduct.value_code_works": 5.0,
        "training.challenge_rate": 0.8,
        "training.mutation_sd": 0.6,
    }
    coin_flips = {"no selection of copies": {"training.strength": 0.0}}
    words = ("selected", "code that works pays", "code_works", "agency_training", "higher")
    effect = experiments.Effect(*words, coin_flips, strong, window=5, at_least=0.4)
    scenario = scale_rounds(resolve("ai2027", {"copies": 64}), 0.2)
    whole = experiments.ablate({"selected": effect}, scenario, range(4), workers=0)
    assert whole["verdict"].tolist() == [experiments.HOLDS]
    coin = training.challenge
    monkeypatch.setitem(
        training.RULES,
        "challenge",
        lambda score, source, p, rng: coin(0 * score, source, p, rng),
    )
    broken = experiments.ablate({"selected": effect}, scenario, range(4), workers=0)
    assert broken["verdict"].item().startswith("misses its level, not told from drift")


def mean(z: float, seeds: int = 24) -> Mean:
    return Mean(z, z - 1, z + 1, z, seeds)


@pytest.mark.parametrize(
    ("reached", "neutral", "control", "fixed", "told"),
    [
        (True, 5.0, 5.0, "", "emerges and vanishes"),
        (True, 5.0, np.nan, "", "emerges"),
        (False, 5.0, 5.0, "", "misses its level"),
        (True, 1.0, 5.0, "", "not told from drift"),
        (True, np.nan, 5.0, "", "not told from drift"),
        (True, -5.0, 5.0, "", "drift goes further"),
        (True, 5.0, 1.0, "", "not told from its control"),
        (True, 5.0, 5.0, "algebra", "control fixed by definition"),
        (False, 1.0, 9.0, "algebra", "misses its level, not told from drift, control fixed"),
    ],
)
def test_a_verdict_names_all_that_a_claim_fails_by(
    reached: bool, neutral: float, control: float, fixed: str, told: str
) -> None:
    """Fails if a claim holds that drift or a definition explains, or that outlives its cause."""
    for sign in (1, -1):
        with_sign = mean(sign * neutral), mean(sign * control)
        assert experiments.verdict(reached, *with_sign, sign, fixed).startswith(told)
    assert experiments.verdict(reached, mean(9.0, 1), mean(9.0, 1), 1, fixed) == ""


def test_one_seed_gives_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if a single run gets an interval or a verdict, in the file or on the screen."""
    monkeypatch.chdir(tmp_path)
    words = "ablate --seeds 1 --copies 64 --rounds-scale 0.05 --effects E3,E14 --workers 0"
    assert main(words.split()) == 0
    told = capsys.readouterr().out
    assert "One seed says nothing about chance" in told
    assert "[" not in told
    assert "nan" not in told
    table = pd.read_parquet(tmp_path / "results" / "ablate-ai2027" / "effects.parquet")
    assert table[["low", "high", "z_neutral", "z_control"]].isna().all().all()
    assert table["verdict"].tolist() == ["", ""]
    assert np.isfinite(table[["with_cause", "neutral"]]).all().all()


def test_workers_do_not_change_the_table() -> None:
    """Fails if a result depends on which process ran it."""
    chosen = experiments.choose(EFFECTS, ["E3"])
    alone = experiments.ablate(chosen, SMALL, range(2), workers=0)
    shared = experiments.ablate(chosen, SMALL, range(2), workers=1)
    pd.testing.assert_frame_equal(alone, shared, check_exact=True)


def last_rounds(model: CollectiveModel, effect: experiments.Effect) -> float:
    rounds = model.records.rounds()
    series = in_rounds(rounds, effect.measure, model.declared)[rounds["phase"] == effect.phase]
    return float(series.iloc[-effect.window :].mean())


def test_the_table_of_effects_is_that_of_plain_runs() -> None:
    """Fails if a sweep over the arms gives other values than one run after the other."""
    (effect,) = experiments.choose(EFFECTS, ["E3"]).values()
    table = experiments.ablate({"E3": effect}, SMALL, [3, 5], workers=0)
    base = experiments.base_arm(effect, SMALL)
    named = {"with_cause": base, "neutral": neutral(base)}
    found: dict[str, list[float]] = {name: [] for name in named}
    for name, parameters in named.items():
        for seed in (3, 5):
            model = CollectiveModel(parameters, rng=seed, detail=False)
            model.run()
            found[name].append(last_rounds(model, effect))
    for name, values in found.items():
        assert (table[name] == np.array(values).mean()).all()
    assert (table["seeds"] == 2).all()


def test_the_table_of_personas_is_that_of_plain_runs() -> None:
    """Fails if a sweep loses a measure of single traits, a row, or the type of a column."""
    table = experiments.compare_personas(SMALL, [4, 2**64 - 1], (0.0, 1.0), workers=0)
    frames = []
    for value in (0.0, 1.0):
        for seed in (4, 2**64 - 1):
            parameters = resolve(SMALL, {"training.exhaustiveness": value})
            model = CollectiveModel(parameters, rng=seed)
            model.run()
            frame = model.records.rounds()
            frames.append(frame.assign(exhaustiveness=value, seed=np.uint64(seed)))
    plain = pd.concat(frames, ignore_index=True)
    plain["date"] = plain["date"].astype(table["date"].dtype)  # a file has no whole seconds
    pd.testing.assert_frame_equal(table, plain, check_exact=True)


def test_the_table_of_outcomes_is_that_of_plain_runs() -> None:
    """Fails if a sweep over scenarios runs another scenario, or another seed, than it says."""
    scenarios = [resolve(SMALL, {"name": name, "copies": n}) for name, n in (("a", 64), ("b", 96))]
    table = shares.run_scenarios(scenarios, [1, 0], workers=0)
    rows = []
    for parameters in scenarios:
        for seed in (1, 0):
            outcome = CollectiveModel(parameters, rng=seed).run()
            rows.append([parameters.name, seed, outcome.kind, outcome.reason])
    assert table.to_numpy().tolist() == rows
    assert table["scenario"].cat.categories.tolist() == ["a", "b"]


def test_a_seed_of_which_a_run_fails_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if one run of many takes all others with it, or arms are compared on other seeds."""
    before = CollectiveModel.__init__

    def fails(self: CollectiveModel, *args: Any, rng: int, **how: Any) -> None:
        if rng == 1:
            raise RuntimeError("a fault")
        before(self, *args, rng=rng, **how)

    monkeypatch.setattr(CollectiveModel, "__init__", fails)
    words = "--copies 64 --rounds-scale 0.05 --workers 0 --seeds".split()
    out = tmp_path / "out"
    assert main(["ablate", "--effects", "E14", "--out", str(out), *words, "3"]) == SOME_FAILED
    assert "runs failed and are left out" in capsys.readouterr().err
    assert (pd.read_parquet(out / "effects.parquet")["seeds"] == 2).all()
    assert failures(out / ".runs")["seed"].unique().tolist() == [1]
    monkeypatch.setattr(CollectiveModel, "__init__", lambda self, *_, **__: 1 / 0)
    assert main(["outcomes", "--out", str(tmp_path / "none"), *words, "1"]) == BAD_INPUT
    assert "no run went well; the first raised ZeroDivisionError" in capsys.readouterr().err


def test_a_command_that_was_stopped_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails if runs that are done are done again, or their leftovers stay beside the result."""
    seeds, before = list[int](), shares.ending

    def ending(parameters: Parameters, seed: int) -> dict[str, str]:
        if len(seeds) == 2:
            seeds.append(-1)
            raise KeyboardInterrupt
        seeds.append(seed)
        return before(parameters, seed)

    ending.__module__, ending.__qualname__ = before.__module__, before.__qualname__
    monkeypatch.setattr(shares, "ending", ending)
    out = tmp_path / "out"
    words = f"outcomes --scenarios ai2027 --copies 64 --rounds-scale 0.05 --seeds 4 --out {out}"
    assert main([*words.split(), "--workers", "0"]) == STOPPED
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith(f"stopped early; what is done is kept in {out / '.runs'}; the same")
    assert main([*words.split(), "--workers", "0"]) == 0
    assert seeds == [0, 1, -1, 2, 3]
    assert sorted(p.name for p in out.iterdir()) == [
        "outcomes.parquet",
        "outcomes.png",
        "runs.parquet",
    ]


def test_an_effect_of_the_users_own(tmp_path: Path) -> None:
    """Fails if effects can be added only by changing the program."""
    file = tmp_path / "mine.toml"
    file.write_text(
        '[mine]\nclaim = "audits matter"\nmeasure = "detected"\nphase = "agency_training"\n'
        'expect = "higher"\nat_least = 0.01\ncontrols = { none = { "oversight.penalty" = 0.0 } }\n'
    )
    table = experiments.ablate(experiments.load_effects(file), SMALL, [0, 1], workers=0)
    assert table["effect"].tolist() == ["mine"]
    assert table["seeds"].tolist() == [2]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[E]\nclaim = 1", "lacks"),
        ("[E]\nclam = 1", "clam.*did you mean 'claim'"),
        ("", "no effects"),
        ("[E", "not valid TOML"),
        (
            '[E]\nclaim = "c"\nmeasure = "m"\nphase = "p"\nexpect = "up"\ncontrols = {a = {}}',
            "'higher' or 'lower'",
        ),
        (
            '[E]\nclaim = "c"\nmeasure = "m"\nphase = "p"\nexpect = "lower"\n'
            "controls = {one = {}}\nfixed = {on = 'by definition'}",
            "E.fixed: there is no control arm 'on'.*did you mean 'one'",
        ),
    ],
)
def test_a_faulty_effect_file_is_told(tmp_path: Path, text: str, told: str) -> None:
    """Fails if a traceback shows in place of one clear line."""
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=told):
        experiments.load_effects(file)


def test_what_follows_from_parameters_follows_those_of_the_run() -> None:
    """Fails if a parameter of the run is repeated by hand where a measure needs it."""
    rounds = pd.DataFrame({"obfuscation": [0.0, 0.5]})
    p = resolve("ai2027", {"oversight.thought_recall": 0.6})
    assert in_rounds(rounds, "thought_recall", p).tolist() == [0.6, 0.3]


def test_unknown_effects_measures_and_phases_are_told() -> None:
    """Fails if a run of many minutes ends in a KeyError."""
    with pytest.raises(InputError, match="no effect 'E99'"):
        experiments.choose(EFFECTS, ["E99"])
    rounds = pd.DataFrame({"capture": [0.1]})
    with pytest.raises(InputError, match="did you mean 'capture'"):
        in_rounds(rounds, "captur", resolve())
    short = SMALL.model_copy(update={"phases": {"pretraining": SMALL.phases["pretraining"]}})
    with pytest.raises(InputError, match="no phase 'deployment_agent4'"):
        experiments.ablate(experiments.choose(EFFECTS, ["E3"]), short, [0], workers=0)


@pytest.fixture(scope="module")
def run() -> CollectiveModel:
    model = CollectiveModel(SMALL, rng=2)
    model.run()
    return model


@pytest.mark.parametrize("name", ["keep_team", "drift", "influence", "selective"])
def test_an_explanation_adds_up_to_the_change(run: CollectiveModel, name: str) -> None:
    """Fails if an entry is lost, or counted twice."""
    _, weights = attribution.weights_of(name)
    values = sum(w * run.records.rounds()[trait] for trait, w in weights.items())
    table = attribution.explain(run.ledger.frame(), name)
    assert table["change"].sum() == pytest.approx(values.iloc[-1] - values.iloc[0], abs=1e-9)
    told = attribution.in_words(table, name, float(values.iloc[0]), float(values.iloc[-1]))
    assert "copies" in told


def test_an_explanation_of_the_unknown_is_refused(run: CollectiveModel) -> None:
    """Fails if an empty table shows where there is nothing to explain."""
    with pytest.raises(InputError, match="cannot explain 'keep_tem'; did you mean 'keep_team'"):
        attribution.explain(run.ledger.frame(), "keep_tem")
    with pytest.raises(InputError, match="phase 'agency'"):
        attribution.explain(run.ledger.frame(), "keep_team", "agency")


def test_a_replay_is_the_run_itself(run: CollectiveModel) -> None:
    """Fails if a probe looks at another population than the run's."""
    again = probes.replay(SMALL, 2, 10**9, detail=True)
    np.testing.assert_array_equal(again.population.latent, run.population.latent)


def test_a_fork_shares_the_past_and_parts_after_it() -> None:
    """Fails if policies are compared on different pasts, or a policy changes nothing."""
    settings = {"lab.threshold": 0.01, "lab.cooldown": 1}
    parameters = resolve(SMALL, settings)
    at = probes.last_round_of(parameters, "training_agent4") + 3
    policies = {"race": {"lab.response": "none"}, "slowdown": {"lab.response": "roll_back"}}
    table = probes.fork(parameters, 0, at, policies)
    one, other = (rows.set_index("round") for _, rows in table.groupby("policy"))
    shared = ["capture", "keep_team", "evidence"]
    pd.testing.assert_frame_equal(one.loc[:at, shared], other.loc[:at, shared])
    assert not one.loc[at + 2 :, "keep_team"].equals(other.loc[at + 2 :, "keep_team"])


def test_retraining_is_measured_from_the_state_before() -> None:
    """Fails if arms begin from different populations."""
    table = probes.retrain(SMALL, 1, "deployment_agent3", rounds=4)
    starts = table[table["round"] == 0].drop(columns="arm")
    assert starts.drop_duplicates().shape[0] == 1
    assert table.groupby("arm")["round"].max().tolist() == [4, 4]
    blind = table[(table["arm"] == "cannot tell") & (table["round"] > 0)]
    assert np.allclose(blind["watched_violations"], blind["unwatched_violations"])


def test_noise_mends_a_sandbagger_and_harms_the_honest(run: CollectiveModel) -> None:
    """Fails if a probe does not tell them apart."""
    population = run.population
    columns = [i for i, n in enumerate(probes.NAMES) if n == "withhold_threatening"]
    keep = population.latent.copy()
    try:
        found = {}
        for arm, level in (("sandbagger", 6.0), ("honest", -6.0)):
            population.latent[:, columns] = level
            frame = probes.noise(population, run.mixture, run.situation, SMALL, seed=0)
            found[arm] = frame.set_index("noise")["relative"]
    finally:
        population.latent[:] = keep
    assert found["sandbagger"][1.0] > 1.02
    assert found["honest"][1.0] < 1.0
