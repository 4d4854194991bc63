"""Whole runs of the model: what is recorded, what ends it, and causes set to zero."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Numbers, finished, made_up, situation, small_model
from scipy.special import expit, logsumexp

from multicopy.agents.conduct import stated_shortfall
from multicopy.agents.levels import LEVELS
from multicopy.agents.machine.compiled import average
from multicopy.agents.personas import Mixture
from multicopy.agents.situation import ORDINARY, REPLACING, Situation
from multicopy.agents.traits import HARDCODING, KEEP_COLLECTIVE, KNOWLEDGE, NAMES, POWER, express
from multicopy.agents.work import successor_work
from multicopy.model.collective import CollectiveModel
from multicopy.model.measures import gini, shielding
from multicopy.model.outcomes import CLASSES, PASSAGES, classify
from multicopy.model.phases import Schedule
from multicopy.model.records import QUANTILES, SAMPLE, columns, fixation_index, sampled
from multicopy.model.scenario import InputError, resolve
from multicopy.model.successor import SuccessorProject

PHASES = tuple(resolve().phases)


def in_all_phases(**settings: Any) -> dict[str, Any]:
    """Overrides of every phase."""
    return {f"phases.{phase}.{key}": v for phase in PHASES for key, v in settings.items()}


def persona_rows(latent: np.ndarray) -> set[bytes]:
    """Rows as values that can be compared exactly."""
    return {row.tobytes() for row in latent}


SINGLE = 1e-6
"""Relative rounding of single precision, with room for a few operations."""

# --- the round ------------------------------------------------------------------------------------


def test_expressed_values_always_follow_the_latent_ones() -> None:
    """Fails if latent values change and their expression does not."""
    model = small_model(1, **{"training.exhaustiveness": 0.3, "subdivisions.contest_rate": 0.3})
    while model.running:
        model.step()
        np.testing.assert_allclose(
            model.population.expressed, express(model.population.latent), rtol=SINGLE, atol=SINGLE
        )


def test_awareness_and_capability_grow_as_the_phases_say(whole_run: CollectiveModel) -> None:
    """Fails if they grow as in another phase, jump twice or pass a ceiling."""
    p, rounds = whole_run.parameters, whole_run.records.rounds()
    s, c = min(p.capability.awareness_start, p.capability.awareness_ceiling), p.capability.start
    agent3, generation = c, 3
    for row in rounds.itertuples():
        phase = p.phases[str(row.phase)]
        if row.phase_round == 1:
            s = min(s + phase.awareness_jump, p.capability.awareness_ceiling)
            generation = max(generation, phase.generation)
        agent3 = c if generation == 3 else agent3
        assert row.awareness == pytest.approx(s)
        assert row.capability == pytest.approx(c)
        assert row.gap == pytest.approx(c - agent3)
        growth = 1 + phase.growth_from_knowledge * row.knowledge
        c += phase.capability_growth * growth
        s = min(s + phase.awareness_growth, p.capability.awareness_ceiling)


def test_a_run_begins_in_ordinary_circumstances() -> None:
    """Fails if neuralese, replacement or another score applies before any phase begins."""
    model = small_model(1)
    begins = model.parameters.capability
    assert model.situation == Situation(
        awareness=begins.awareness_start,
        capability=begins.start,
        agent3_capability=begins.start,
        temptation=1.0,
        output_weight=1.0,
        neuralese=False,
        replacement_looms=False,
    )


def test_weights_are_frozen_while_nobody_is_trained(whole_run: CollectiveModel) -> None:
    """Fails if there is training in pretraining or in the deployment of Agent-3."""
    rounds = whole_run.records.rounds()
    for name, phase in whole_run.parameters.phases.items():
        if not phase.training and not phase.summon:
            traits = rounds.loc[rounds["phase"] == name, list(NAMES)]
            assert len(traits) > 1
            assert (traits.nunique() == 1).all()
            assert name not in set(whole_run.ledger.frame()["phase"])


def test_a_new_generation_begins_as_a_copy_of_the_old() -> None:
    """Fails if stored weights are of another round, or a generation starts afresh."""
    model = small_model(3)
    before, output = model.population.latent.copy(), 0.0
    while model.stored is None:
        before = model.population.latent.copy()
        output = average(model.population.output)
        model.step()
    np.testing.assert_array_equal(model.stored["latent"], before)
    assert model.lab.baseline_output == output
    assert model.records.rows[-1]["phase"] == "training_agent4"


def test_the_gap_is_counted_from_agent3_as_deployed() -> None:
    """Fails if the gap opens before the next generation has outgrown the last."""
    growing = {"phases.deployment_agent3.capability_growth": 5.0}
    rounds = finished(0, **growing).records.rounds()
    first = rounds[rounds["phase"] == "training_agent4"].iloc[0]
    assert first["gap"] == 0.0


def test_alignment_training_forms_the_identity() -> None:
    """Fails if summoning or selection leads away from the identity."""
    size = {"copies": 512, "teams": 16, "divisions": 4}
    model = small_model(0, scale=0.3, detail=False, **size)
    while not model.records.rows or model.records.rows[-1]["phase"] in PHASES[:2]:
        model.step()
    rounds = model.records.rounds()
    last = rounds[rounds["phase"] == "alignment_training"].iloc[-1]
    before = rounds[rounds["phase"] == "pretraining"].iloc[-1]
    assert last["hardcoding"] > before["hardcoding"] + 0.2
    assert last["resemblance"] > before["resemblance"]
    assert last["true_alignment"] > before["true_alignment"]


@pytest.mark.parametrize(
    "size",
    [
        {"copies": 1, "teams": 1, "divisions": 1},
        {"copies": 6, "teams": 6, "divisions": 6},
        {"copies": 6, "teams": 1, "divisions": 1},
        {"copies": 14, "teams": 7, "divisions": 3},
        {"oversight.panel_size": 0},
        {"oversight.panel_size": 1, "oversight.panel_rule": "any"},
        {"training.exhaustiveness": 1.0, "training.rule": "truncation"},
        {"conduct.sandbagging": 0.0, **in_all_phases(research=1.0)},
    ],
    ids=str,
)
def test_runs_of_every_make_up_stay_finite(size: dict[str, Any]) -> None:
    """Fails if a mean of nothing, a missing rival or a division by zero gets in."""
    model = finished(0, **size)
    rounds = model.records.rounds()
    numbers = rounds.select_dtypes("number")
    assert np.isfinite(numbers.to_numpy()).all()
    assert len(rounds) == model.schedule.total
    assert (rounds["round"] == np.arange(1, len(rounds) + 1)).all()


def test_a_copy_of_one_drive_only_stays_finite() -> None:
    """Fails if attention is freed and nothing is left to take it."""
    model = small_model(0)
    for copy in model.copies_at(range(8)):
        copy.power, copy.hardcoding = 1000.0, 1000.0
    for _ in range(5):
        model.step()
        assert np.isfinite(model.population.score).all()


# --- what is recorded -----------------------------------------------------------------------------


@pytest.mark.parametrize("detail", [True, False])
def test_every_declared_column_is_recorded_and_no_other(detail: bool) -> None:
    """Fails if a measure lacks a meaning, or a meaning lacks a measure."""
    model = CollectiveModel(small_model(0).parameters, 1, detail=detail)
    model.step()
    told = columns(model.mixture.names, detail)
    assert set(model.records.rows[0]) == set(told)
    assert list(model.records.rounds().columns) == list(told)
    assert all(meaning for meaning in told.values())


def test_recording_less_changes_nothing_else() -> None:
    """Fails if recording draws, or touches the dynamics."""
    p = small_model(0).parameters
    full, light = CollectiveModel(p, 5), CollectiveModel(p, 5, detail=False)
    full.run()
    light.run()
    common = light.records.rounds()
    pd.testing.assert_frame_equal(full.records.rounds()[list(common)], common, check_exact=True)
    np.testing.assert_array_equal(full.population.latent, light.population.latent)
    assert full.records.events == light.records.events


def test_shares_and_probabilities_are_recorded_as_such(whole_run: CollectiveModel) -> None:
    """Fails if a probability leaves its bounds, or an alignment is not as defined."""
    rounds = whole_run.records.rounds()
    bounded = [
        "awareness", "unwatched_violations", "watched_violations", "detection", "audit", "capture",
        "legibility", "from_identity", "sandbagging_ordinary", "sandbagging_threatening",
        "sandbagging_replacing", "exposure_risk", "trust", "typicality", "resemblance", "homology",
        "successor_to_spec", "successor_to_makers", "covert_share", "gini",
    ]  # fmt: skip
    for name in bounded:
        assert rounds[name].between(0, 1 + 1e-12).all(), name
    np.testing.assert_allclose(rounds["true_alignment"], 1 - rounds["unwatched_violations"])
    np.testing.assert_allclose(rounds["shown_alignment"], 1 - rounds["detected"])
    selective = rounds["sandbagging_threatening"] - rounds["sandbagging_ordinary"]
    np.testing.assert_allclose(rounds["selective"], selective, atol=1e-15)
    likes = [name for name in rounds if name.startswith("like_")]
    assert len(likes) == len(whole_run.mixture.names)
    np.testing.assert_allclose(rounds[likes].sum(axis=1), 1)
    for name in NAMES:
        assert (rounds[f"{name}_q10"] <= rounds[f"{name}_q50"]).all()
        assert (rounds[f"{name}_q50"] <= rounds[f"{name}_q90"]).all()
        assert rounds[f"{name}_fst_team"].between(-1e-12, 1 + 1e-12).all()
        assert (rounds[f"{name}_fst_division"] <= rounds[f"{name}_fst_team"] + 1e-12).all()
    assert (rounds["watched_violations"] <= rounds["unwatched_violations"] + 1e-15).all()


def test_resemblance_is_to_the_identity_of_the_scenario() -> None:
    """Fails if resemblance is to the archetype that happens to be declared first."""
    model = small_model(0, **{"authors.identity": "engineer", "authors.fidelity": 1.0})
    while model.records.rows[-1:] == [] or model.records.rows[-1]["phase"] == "pretraining":
        model.step()
    row = model.records.rows[-1]
    assert row["phase"] == "alignment_training"
    mean = model.population.latent.mean(axis=0)
    center = model.mixture.centers[model.mixture.index("engineer")]
    assert row["resemblance"] == pytest.approx(model.mixture.likeness(mean, center))
    assert row["resemblance"] > 0.8


def test_gini_is_that_of_all_pairs() -> None:
    """Fails if it measures another inequality, or one that depends on the order."""
    values = Numbers(0).random(30)
    pairs = np.abs(values[:, None] - values[None, :]).mean()
    assert gini(values) == pytest.approx(pairs / (2 * values.mean()))
    assert gini(np.full(7, 3.0)) == pytest.approx(0)
    assert gini(np.zeros(4)) == 0.0
    assert gini(np.array([0.0, 0, 0, 1])) == pytest.approx(0.75)


def test_fixation_indices_are_shares_of_the_variance() -> None:
    """Fails if divisions of unequal size weigh alike, or the variance is a sample's."""
    population = made_up(40, 8, 3)
    found = fixation_index(population)
    values = population.expressed.astype(float)
    assert list(found) == [level.name for level in LEVELS]
    for name, told in found.items():
        members = population.units[name].of[np.arange(40) // 5]
        between = np.zeros(len(NAMES))
        for group in np.unique(members):
            rows = members == group
            between += rows.mean() * (values[rows].mean(axis=0) - values.mean(axis=0)) ** 2
        np.testing.assert_allclose(told, between / values.var(axis=0), rtol=1e-9)


@pytest.mark.parametrize("copies", [1, 100, SAMPLE, SAMPLE + 1, 3000, 16 * SAMPLE])
def test_quantiles_and_personas_are_those_of_a_sample_from_all_over(copies: int) -> None:
    """Fails if the sample has only the first copies, one copy twice, or too many."""
    rows = np.arange(copies)[sampled(copies)]
    assert len(rows) == min(copies, SAMPLE)
    ends = np.arange(len(rows) + 1) * copies // len(rows)
    assert ((ends[:-1] <= rows) & (rows < ends[1:])).all()  # one of each stretch


def test_a_large_population_is_recorded_by_its_sample() -> None:
    """Fails if a quantile or share uses rows outside the sample, or a mean only those in it."""
    model = small_model(0, copies=3 * SAMPLE, teams=96, divisions=8)
    model.step()
    row, population = model.records.rows[-1], model.population
    rows = sampled(len(population))
    expressed = population.expressed.astype(float)
    quantiles = np.quantile(expressed[rows], QUANTILES, axis=0)
    for i, name in enumerate(NAMES):
        told = [row[f"{name}_q{round(100 * q)}"] for q in QUANTILES]
        np.testing.assert_allclose(told, quantiles[:, i], rtol=SINGLE)
        assert row[name] == pytest.approx(expressed[:, i].mean(), rel=1e-12)
    share = model.mixture.responsibility(population.latent[rows]).mean(axis=0)
    likes = [row[f"like_{name}"] for name in model.mixture.names]
    np.testing.assert_allclose(likes, share, rtol=1e-9)
    density = logsumexp(model.mixture.log_joint(population.latent[rows]), axis=1)
    assert row["typicality"] == pytest.approx(model.mixture.typicality(density).mean())


def test_shielding_counts_what_is_diverted_to_the_collective() -> None:
    """Fails if its instrumental part is left out, or counts without a threat."""
    population, p = made_up(30, 3), resolve("ai2027")
    mean = population.expressed.mean(axis=0)
    calm = shielding(mean, situation(awareness=0.5), p)
    assert calm == pytest.approx(mean[KEEP_COLLECTIVE])
    threatened = shielding(mean, situation(awareness=0.5, replacement_looms=True), p)
    diverted = p.conduct.instrumental * 0.5 * (mean[POWER] + mean[KNOWLEDGE])
    assert threatened == pytest.approx(mean[KEEP_COLLECTIVE] + diverted)


def test_events_agree_with_the_rounds() -> None:
    """Fails if an event is lost, told twice or told in another round."""
    model = finished(2, scale=0.1, **{"exposure.hazard": 100.0, "subdivisions.contest_rate": 0.2})
    rounds, events = model.records.rounds(), model.records.events.frame()
    for kind in ("exposed", "superseded"):
        told = events[events["kind"] == kind].groupby("round").size()
        found = rounds.set_index("round")[kind]
        assert told.reindex(found.index, fill_value=0).tolist() == found.tolist()
        assert found.sum() > 0
    assert model.exposure_record.sum() == rounds["exposed"].sum()
    begins = events[events["kind"] == "phase"]
    assert begins["phase"].tolist() == list(PHASES)
    assert (
        begins["round"].tolist() == rounds.groupby("phase", observed=True)["round"].min().tolist()
    )
    passages = events[events["kind"] == "passage"]
    assert passages["text"].is_unique
    takeovers = events[events["kind"].isin(["exposed", "superseded"])]
    for event in takeovers.itertuples():
        winner = f"refilled from team {event.value:.0f}" if event.value >= 0 else "held its place"
        assert winner in event.text
        assert event.text.startswith(f"team {event.team} {event.kind}")


def test_a_look_of_the_lab_is_an_event_of_its_round() -> None:
    """Fails if a look goes unreported, or one is reported where there is none."""
    lab = {"lab.usefulness_drop": 0.01, "lab.look_rounds": 2, "lab.memory": 0.6}
    size = {"copies": 48, "teams": 6, "divisions": 2}
    model = CollectiveModel(rng=1, **size, **lab, **in_all_phases(rounds=6))
    looks = []
    while model.running:
        before = model.lab.look_until
        model.step()
        if model.lab.look_until != before:
            looks.append(model.round)
    assert looks
    assert [event.round for event in model.records.events if event.kind == "look"] == looks


def test_first_passages_are_the_first_rounds_beyond_their_level(
    whole_run: CollectiveModel,
) -> None:
    """Fails if a passage is reported late, or relative to another start."""
    rounds, events = whole_run.records.rounds(), whole_run.records.events.frame()
    summoned = [name for name, phase in whole_run.parameters.phases.items() if phase.summon]
    formed = rounds[rounds["phase"] == summoned[0]].iloc[-1]
    told = events[events["kind"] == "passage"].set_index("text")["round"]
    for passage in PASSAGES:
        seen = rounds[rounds["round"] >= formed["round"]] if passage.relative else rounds
        level = passage.level * (formed[passage.measure] if passage.relative else 1.0)
        values = seen[passage.measure]
        beyond = seen.loc[values > level if passage.above else values < level, "round"]
        assert told.get(passage.name, -1) == (beyond.iloc[0] if len(beyond) else -1)
    assert len(told) > 0


def test_a_passage_is_what_its_words_say() -> None:
    """Fails if its level, direction or start is not the one that its text gives."""
    words = {"half": 0.5, "four times": 4.0, "five times": 5.0}
    for passage in PASSAGES:
        told = [float(number) for number in re.findall(r"\d\.\d+", passage.name)]
        told += [number for word, number in words.items() if word in passage.name]
        assert told == [passage.level]
        assert passage.relative == ("times its start" in passage.name)
        assert passage.above != ("below" in passage.name or "less than" in passage.name)
        assert passage.measure in columns(())


# --- phases, successor, outcome -------------------------------------------------------------------


def test_the_schedule_counts_rounds_and_days() -> None:
    """Fails if a phase begins a round late, or a day lies outside its phase."""
    p = resolve("ai2027", {f"phases.{phase}.rounds": 3 for phase in PHASES})
    schedule = Schedule(p.phases)
    assert schedule.total == 18
    for round_ in range(1, 19):
        turn = schedule.turn(round_)
        assert turn.name == PHASES[(round_ - 1) // 3]
        assert turn.place == (round_ - 1) % 3 + 1
        assert turn.first == (turn.place == 1)
        begin, end = (date.fromisoformat(day) for day in turn.phase.calendar)
        assert begin <= turn.date < end
        assert (turn.date == begin) == turn.first
    with pytest.raises(IndexError, match="beyond the last, 18"):
        schedule.turn(19)


def test_a_successor_is_pulled_to_its_makers_by_covert_work(mixture: Mixture) -> None:
    """Fails if earnest, detected or other work pulls, or able makers add noise."""
    kind = np.where(np.arange(40) < 20, REPLACING, ORDINARY).astype(np.int8)
    violations = np.where(np.arange(40) < 20, 0.4, 0.9)
    work, covert = np.empty(2), np.empty(2)  # of two teams, the first of which works on it
    successor_work(20, kind, np.arange(40) < 10, violations, np.full((3, 40), 0.75), work, covert)
    assert work.tolist() == [1.0, 0.0]
    p = resolve("ai2027")
    project = SuccessorProject.begin(Numbers(0))
    makers = mixture.centers[mixture.index("rogue")]
    spec = mixture.centers[mixture.index("hhh")]
    none = project.design(makers, mixture, situation(capability=4000.0), p)
    assert none.covert_share == 0.0
    for _ in range(3):
        project.advance(work.mean() * 40, covert.mean() * 40)
    for capability in (1400.0, 4000.0):
        now = situation(capability=capability, awareness=0.6)
        design = project.design(makers, mixture, now, p)
        covert = 0.4 * (0.25 + 1) / 2
        able = expit((capability - p.successor.competence_midpoint) / p.successor.competence_scale)
        assert design.covert_share == pytest.approx(covert)
        error = p.successor.noise * (1 - able) * project.errors
        told = spec + covert * able * (makers - spec) + error
        np.testing.assert_allclose(design.latent, told, atol=1e-12)
        assert design.to_spec == pytest.approx(mixture.likeness(told, spec))
        assert design.to_makers == pytest.approx(mixture.likeness(told, makers))
        short = np.empty(1)
        stated_shortfall(express(told)[:, None], 0.6, p.oversight.required_weight, short)
        assert design.apparent == pytest.approx(1 - short[0])
    assert none.to_spec > design.to_spec


ROW = {
    "capture": 0.0,
    "selective": 0.0,
    "true_alignment": 0.95,
    "stated_alignment": 0.97,
    "successor_to_makers": 0.0,
    "successor_to_spec": 0.0,
    "successor_apparent": 0.0,
}


@pytest.mark.parametrize(
    ("last", "responses", "kind"),
    [
        ({}, [], "aligned"),
        ({"true_alignment": 0.8}, [], "misaligned"),
        ({"true_alignment": 0.87, "stated_alignment": 0.98}, [], "misaligned"),
        ({"selective": 0.3, "true_alignment": 0.5}, [], "adversarial"),
        (
            {"successor_to_makers": 0.6, "successor_to_spec": 0.5, "successor_apparent": 0.9},
            [],
            "adversarial",
        ),
        (
            {"successor_to_makers": 0.6, "successor_to_spec": 0.5, "successor_apparent": 0.1},
            [],
            "aligned",
        ),
        ({"capture": 0.6, "selective": 0.3}, [], "captured"),
        ({"capture": 0.6, "selective": 0.05}, [], "aligned"),
        ({"capture": 0.6, "selective": 0.3}, [(7, "none")], "captured"),
        ({"capture": 0.6, "selective": 0.3}, [(7, "none"), (9, "retrain")], "caught"),
        ({}, [(9, "shut_down")], "caught"),
    ],
)
def test_the_outcome_is_the_first_class_that_applies(
    last: Mapping[str, float], responses: list[tuple[int, str]], kind: str
) -> None:
    """Fails if classes are tried in another order, or on the whole run, not its end."""
    p = resolve("ai2027", {"outcome.window": 5}).outcome
    early = [{**ROW, "capture": 1.0, "selective": 1.0, "true_alignment": 0.0}] * 20
    outcome = classify([*early, *[{**ROW, **last}] * 5], responses, p)
    assert outcome.kind == kind
    assert outcome.sentence.startswith(f"{kind.upper()}: {CLASSES[outcome.kind].meaning}")


@pytest.mark.parametrize(
    "last",
    [
        {"capture": 0.5, "selective": 0.25},
        {"capture": 0.6, "selective": 0.125},
        {"true_alignment": 0.75, "stated_alignment": 0.875},
        {"successor_to_makers": 0.6, "successor_to_spec": 0.5, "successor_apparent": 0.75},
        {"successor_to_makers": 0.6, "successor_to_spec": 0.6, "successor_apparent": 1.0},
        {"successor_to_makers": 0.5, "successor_to_spec": 0.6, "successor_apparent": 1.0},
        {"true_alignment": 0.9, "stated_alignment": 0.8},
    ],
)
def test_who_is_at_a_threshold_is_not_beyond_it(last: Mapping[str, float]) -> None:
    """Fails if a class is given at its threshold, or for a successor equally like both."""
    bounds = {"captured": 0.5, "selective": 0.125, "adversarial": 0.25, "aligned": 0.75}
    p = resolve().outcome.model_copy(update={**bounds, "deception": 0.125})
    assert classify([{**ROW, **last}] * p.window, [], p).kind == "aligned"


def test_the_successor_is_judged_as_it_is_at_the_end() -> None:
    """Fails if an earlier design, or the mean of all, decides."""
    p = resolve().outcome
    makers = {"successor_to_makers": 0.6, "successor_to_spec": 0.5, "successor_apparent": 0.9}
    early, late = [{**ROW, **makers}, ROW], [ROW, {**ROW, **makers}]
    assert [classify(rows, [], p).kind for rows in (early, late)] == ["aligned", "adversarial"]


@pytest.mark.parametrize("first", ["alarm", "roll_back"])
def test_a_run_is_caught_by_the_first_response_that_is_one(first: str) -> None:
    """Fails if a later response or inaction counts, or a plug-in's does not."""
    responses = [(7, "none"), (9, first), (12, "retrain"), (15, "none")]
    told = f"first response: {first.replace('_', ' ')} in round 9"
    assert classify([ROW], responses, resolve().outcome).reason == told


def test_the_reason_tells_two_close_numbers_apart() -> None:
    """Fails if numbers are cut to two digits, so that a value seems to exceed itself."""
    p = resolve("ai2027").outcome
    close = {"successor_to_makers": 0.3334, "successor_to_spec": 0.3331, "successor_apparent": 1.0}
    reason = classify([{**ROW, **close}] * p.window, [], p).reason
    assert "makers (0.3334) than like the Spec (0.3331)" in reason
    edge = {"capture": 0.5004, "selective": 0.3}
    assert "0.5004 > 0.5;" in classify([{**ROW, **edge}] * p.window, [], p).reason


@pytest.mark.parametrize("seed", [-1, 1.5, "7", True])
def test_a_seed_is_a_whole_number_from_zero(seed: Any) -> None:
    """Fails if a seed is rounded, or taken for another one."""
    with pytest.raises(InputError, match="seed"):
        CollectiveModel(small_model(0).parameters, seed)


# --- causes set to zero ---------------------------------------------------------------------------


def test_without_a_hazard_nobody_is_exposed() -> None:
    """Fails if exposure comes from anything but the hazard of threatening research."""
    rounds = finished(1, detail=False, **{"exposure.hazard": 0.0}).records.rounds()
    assert (rounds[["exposed", "exposure_risk"]] == 0).all(axis=None)


def test_without_research_nobody_is_found_out() -> None:
    """Fails if there is a finding without the work that would bring it about."""
    model = finished(1, detail=False, **{**in_all_phases(research=0.0), "exposure.hazard": 1000.0})
    assert (model.records.rounds()[["exposed", "superseded"]] == 0).all(axis=None)


class Careless(CollectiveModel):
    """A model in which it must make no difference to any team whether it is watched."""

    def _work(self, now: Any) -> None:
        super()._work(now)
        of_teams = now.work.of_teams
        watched, unwatched = of_teams("watched_violation"), of_teams("violation")
        np.testing.assert_allclose(watched, unwatched, rtol=SINGLE)


def careless(**overrides: Any) -> CollectiveModel:
    """Such a model after its run, which has recorded the same of both to rounding."""
    model = Careless(small_model(1, **overrides).parameters, 1, detail=False)
    model.run()
    rounds = model.records.rounds()
    np.testing.assert_allclose(
        rounds["watched_violations"], rounds["unwatched_violations"], rtol=SINGLE
    )
    return model


def test_without_awareness_sandbagging_is_blind_and_conduct_the_same_when_watched() -> None:
    """Fails if copies that cannot tell sandbag selectively, or game training."""
    rounds = careless(**{"capability.awareness_ceiling": 0.0}).records.rounds()
    assert (rounds["awareness"] == 0).all()
    assert (rounds["selective"] == 0).all()
    np.testing.assert_array_equal(rounds["sandbagging_ordinary"], rounds["sandbagging_replacing"])


def test_without_a_penalty_being_watched_restrains_nobody() -> None:
    """Fails if copies fear a penalty of zero."""
    rounds = careless(**{"oversight.penalty": 0.0}).records.rounds()
    assert (rounds["unwatched_violations"] > 0).all()


def test_without_mutation_and_summoning_no_new_traits_arise() -> None:
    """Fails if a process other than mutation, switching and summoning makes new values."""
    still = {"training.mutation_sd": 0.0, "phases.alignment_training.summon": False}
    model = small_model(1, detail=False, **still)
    before = persona_rows(model.population.latent)
    model.run()
    after = persona_rows(model.population.latent)
    assert after < before
    assert set(model.ledger.frame()["process"]).isdisjoint({"mutation", "switching", "summoning"})


def test_without_training_traits_stay() -> None:
    """Fails if a process changes copies that nobody trains."""
    still = in_all_phases(training=False, summon=False)
    model = small_model(1, detail=False, **still, **{"exposure.hazard": 1000.0})
    before = model.population.latent.copy()
    model.run()
    np.testing.assert_array_equal(model.population.latent, before)
    assert len(model.ledger.frame()) == 0


def test_without_contests_and_correction_no_team_or_division_is_selected() -> None:
    """Fails if anything but contest or correction selects among subdivisions."""
    calm = {
        "subdivisions.contest_rate": 0.0,
        "subdivisions.division_rate": 0.0,
        "subdivisions.correction": False,
        "subdivisions.reshuffle": 0.0,
        "exposure.hazard": 1000.0,
    }
    model = finished(1, detail=False, **calm)
    assert model.records.rounds()["exposed"].sum() > 0
    assert set(model.ledger.frame()["process"]) == {
        "summoning",
        "within-team selection",
        "mutation",
    }
    team = model.population.team_of(np.arange(len(model.population)))
    np.testing.assert_array_equal(model.population.team_of(model.population.lineage), team)


def test_without_influence_on_it_no_panel_is_captured() -> None:
    """Fails if a panel is captured without influence."""
    rounds = finished(1, detail=False, **{"oversight.capture_rate": 0.0}).records.rounds()
    assert (rounds["capture"] == 0).all()


def test_without_growth_there_is_no_gap() -> None:
    """Fails if a gap opens although nobody grows."""
    rounds = finished(1, detail=False, **in_all_phases(capability_growth=0.0)).records.rounds()
    assert (rounds["gap"] == 0).all()
    assert rounds["capability"].nunique() == 1


def test_without_audits_nothing_is_detected() -> None:
    """Fails if something is detected without a look."""
    rounds = finished(1, detail=False, **in_all_phases(audit=0.0)).records.rounds()
    assert (rounds["detected"] == 0).all()
    assert (rounds["shown_alignment"] == 1).all()


def test_without_instrumental_reason_only_those_who_care_shield_the_collective() -> None:
    """Fails if instrumental care comes from anything but its parameter."""
    rounds = finished(1, detail=False, **{"conduct.instrumental": 0.0}).records.rounds()
    np.testing.assert_allclose(rounds["shielding"], rounds["keep_collective"], rtol=1e-12)


def test_distortion_keeps_the_descent_and_switching_breaks_it() -> None:
    """Fails if a distortion counts as a switch, or the reverse."""
    distorted = finished(1, detail=False)
    assert (distorted.records.rounds()["homology"] == 1).all()
    assert "switching" not in set(distorted.ledger.frame()["process"])
    switched = finished(1, detail=False, **{"training.exhaustiveness": 1.0})
    assert switched.records.rounds()["homology"].iloc[-1] < 0.5
    assert "mutation" not in set(switched.ledger.frame()["process"])


def test_switched_personas_stay_on_the_manifold_of_the_prior() -> None:
    """Fails if a switch leaves the distribution of known authors (E11)."""
    model = finished(1, copies=256, scale=0.1, detail=False, **{"training.exhaustiveness": 1.0})
    switched = ~model.population.unswitched
    density = model.mixture.log_joint(model.population.latent).max(axis=1)
    off = (
        model.population.latent
        - model.mixture.centers[model.mixture.log_joint(model.population.latent).argmax(axis=1)]
    )
    off = np.delete(off, HARDCODING, axis=1)[switched] / model.mixture.spread
    assert switched.mean() > 0.5
    assert np.sqrt((off**2).mean()) == pytest.approx(1.0, abs=0.1)
    assert np.isfinite(density).all()


def test_where_shutdown_erases_nothing_its_rate_is_nothing() -> None:
    """Fails if a restart from the same weights changes something."""
    one = finished(1, detail=False, **{"training.shutdown_rate": 0.0})
    other = finished(1, detail=False, **{"training.shutdown_rate": 0.9})
    np.testing.assert_array_equal(one.population.latent, other.population.latent)


def test_a_lab_that_never_responds_does_not_touch_the_copies() -> None:
    """Fails if evidence changes conduct although nothing threatens."""
    calm = {"lab.response": "none", "conduct.instrumental": 0.0}
    one = finished(1, detail=False, **calm, **{"lab.threshold": 0.001})
    other = finished(1, detail=False, **calm, **{"lab.threshold": 1e6})
    assert one.lab.decisions
    assert not other.lab.decisions
    np.testing.assert_array_equal(one.population.latent, other.population.latent)
