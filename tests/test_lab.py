"""The lab: what it weighs, when it acts, what it does then."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import Numbers, finished, small_model

from multicopy.agents.lab import RESPONSES, Decision, Lab, Observation
from multicopy.agents.parameters import Lab as LabParameters
from multicopy.agents.parameters import Oversight
from multicopy.agents.situation import Policy

NOTHING = {"output": 1.0, "detected": 0.0, "exposed": 0.0, "capture": 0.0, "shielding": 0.0}


def lab(**parameters: Any) -> tuple[Lab, LabParameters]:
    """A lab of its own, and its parameters."""
    p = LabParameters(**parameters)
    model = small_model()
    with model.making_agents():
        it = Lab(model, p)
    it.keeps_weights = True
    return it, p


def seen(**known: float) -> Observation:
    """An observation of nothing, but for what is `known`."""
    return Observation(**{**NOTHING, **known})


# --- evidence and threshold -----------------------------------------------------------------------


def test_evidence_is_remembered_exposures_and_unusual_detections() -> None:
    """Fails if the law is not E <- memory·E + exposed + weight·max(0, z)."""
    it, p = lab(memory=0.9, detection_weight=0.05, threshold=1e6)
    numbers = Numbers(0)
    evidence, mean, variance = 0.0, 0.0, 0.0
    for round_ in range(1, 60):
        detected, chance = numbers.random(2)
        exposed = float(chance < 0.2) / 8
        z = (detected - mean) / np.sqrt(variance) if variance > 0 else 0.0
        evidence = 0.9 * evidence + exposed + 0.05 * max(0.0, z)
        weight = max(0.1, 1 / round_)
        variance = (1 - weight) * (variance + weight * (detected - mean) ** 2)
        mean += weight * (detected - mean)
        it.govern(round_, seen(detected=detected, exposed=exposed), p)
        assert it.evidence == pytest.approx(evidence)


def test_running_moments_begin_as_plain_ones() -> None:
    """Fails if a first detection counts as unusual, or the moments never settle."""
    it, p = lab(memory=0.999)
    detected = Numbers(1).random(50)
    for round_, d in enumerate(detected, 1):
        it.govern(round_, seen(detected=float(d)), p)
        if round_ == 1:
            assert it.evidence == 0.0
    assert it.detections_mean == pytest.approx(detected.mean())
    assert it.detections_var == pytest.approx(detected.var())


def test_a_steady_stream_of_detections_is_no_evidence() -> None:
    """Fails if what is always so counts as evidence."""
    it, p = lab()
    for round_ in range(1, 40):
        it.govern(round_, seen(detected=0.3), p)
    assert it.evidence == 0.0
    assert it.trust == 1.0


def test_the_threshold_rises_with_capture_dependence_and_the_collectives_shield() -> None:
    """Fails if a captured or dependent lab acts as readily as a free one."""
    it, p = lab(threshold=3.0, dependence=0.5, collective_shield=2.0, memory=0.5)
    it.govern(1, seen(), p)
    assert it.threshold == pytest.approx(3.0)
    it.take_stock(2.0)
    it.govern(2, seen(output=5.0, capture=0.4, shielding=0.09), p)
    assert it.usefulness == pytest.approx(2.5)
    assert it.threshold == pytest.approx(3.0 * 1.4 * (1 + 0.5 * np.log(2.5)) * (1 + 2.0 * 0.3))
    it.govern(3, seen(output=1.0), p)
    assert it.threshold == pytest.approx(3.0)  # less useful than Agent-3 is not less than free


def test_trust_is_what_is_left_to_the_threshold() -> None:
    """Fails if trust leaves [0, 1], or grows with evidence."""
    it, p = lab(threshold=2.0, memory=0.98)
    told = []
    for round_ in range(1, 9):
        it.govern(round_, seen(exposed=0.5), p)
        told.append(it.trust)
        assert it.trust == pytest.approx(max(0.0, 1 - it.evidence / 2.0))
    assert told == sorted(told, reverse=True)
    assert told[-1] == 0.0


# --- responses ------------------------------------------------------------------------------------


@pytest.mark.parametrize("response", RESPONSES)
def test_the_lab_acts_beyond_its_threshold_and_not_again_before_the_cooldown(
    response: str,
) -> None:
    """Fails if the lab responds without cause, twice for one cause, or never again."""
    it, p = lab(response=response, threshold=1.0, memory=0.5, cooldown=7)
    acted = []
    for round_ in range(1, 30):
        decision = it.govern(round_, seen(exposed=1.0 if round_ > 3 else 0.0), p)
        if decision.crossed:
            acted.append(round_)
            assert decision.restore == (response == "roll_back")
            assert decision.shut_down == (response == "shut_down")
        else:
            assert decision == Decision(looked=decision.looked)
    assert acted[:2] == [5, 12]
    assert it.decisions == [(round_, response) for round_ in acted]


def test_retraining_audits_all_with_doubled_penalty_for_its_time() -> None:
    """Fails if retraining begins late, never ends, or spares the unaudited."""
    it, p = lab(response="retrain", retrain_rounds=4, retrain_penalty=2.0, threshold=0.5)
    oversight = Oversight(penalty=3.0)
    it.govern(10, seen(exposed=1.0), p)
    audits = {r: it.policy(r, 0.3, oversight, p) for r in range(11, 17)}
    assert [audits[r].audit for r in range(11, 17)] == [1.0] * 4 + [0.3] * 2
    assert [audits[r].penalty for r in range(11, 17)] == [6.0] * 4 + [3.0] * 2
    assert all(policy.notice == 1.0 for policy in audits.values())


def test_rolling_back_checks_panels_more_often_and_starts_evidence_anew() -> None:
    """Fails if a rollback leaves panels or evidence as they were."""
    it, p = lab(response="roll_back", rollback_rotation=10.0, threshold=0.5)
    assert it.policy(1, 0.3, Oversight(rotation=0.05), p).rotation == pytest.approx(0.05)
    it.govern(10, seen(exposed=1.0), p)
    assert it.evidence == 0.0
    assert it.policy(11, 0.3, Oversight(rotation=0.05), p).rotation == pytest.approx(0.5)
    assert it.policy(11, 0.3, Oversight(rotation=0.3), p).rotation == 1.0


def test_a_lab_without_stored_weights_cannot_roll_back() -> None:
    """Fails if a rollback to nothing passes for a response."""
    it, p = lab(response="roll_back", threshold=0.5)
    it.keeps_weights = False
    assert not it.govern(10, seen(exposed=1.0), p).crossed
    assert it.decisions == []


def test_a_lab_that_does_not_respond_keeps_its_policy() -> None:
    """Fails if the response `none` changes something."""
    it, p = lab(response="none", threshold=0.5)
    before = it.policy(1, 0.3, Oversight(), p)
    declared = Oversight()
    assert before == Policy(0.3, declared.penalty, declared.debate, declared.rotation)
    for round_ in range(1, 50):
        it.govern(round_, seen(exposed=1.0), p)
    assert it.decisions
    assert it.policy(50, 0.3, Oversight(), p) == before


def test_a_fall_of_usefulness_makes_it_look() -> None:
    """Fails if a look comes without a fall, a baseline or notice, or has another length."""
    it, p = lab(usefulness_drop=0.2, look_rounds=3, look_weight=2.0, memory=0.9)
    assert not it.govern(1, seen(output=0.01), p).looked
    it.take_stock(1.0)
    assert not it.govern(2, seen(output=0.81), p).looked
    it.usefulness_mean = 1.0
    assert it.govern(3, seen(output=0.79), p).looked
    oversight = Oversight()
    looks = [it.policy(r, 0.3, oversight, p) for r in range(4, 9)]
    assert [look.audit for look in looks] == [1.0] * 3 + [0.3] * 2
    assert [look.notice for look in looks] == [2.0] * 3 + [1.0] * 2
    assert not it.govern(4, seen(output=0.1), p).looked  # it looks already
    assert [look.penalty for look in looks] == [oversight.penalty] * 5


# --- in a running model ---------------------------------------------------------------------------


def test_a_shut_down_ends_the_run_as_caught() -> None:
    """Fails if a run goes on after the lab has ended it."""
    model = finished(0, **{"lab.response": "shut_down", "lab.threshold": 0.01})
    assert model.round < model.schedule.total
    assert not model.running
    assert len(model.records.rows) == model.round
    assert model.outcome().kind == "caught"
    assert "response" in [e.kind for e in model.records.events if e.round == model.round]


def test_a_roll_back_puts_the_stored_weights_back() -> None:
    """Fails if weights, capability or awareness stay those of Agent-4."""
    model = small_model(0, **{"lab.response": "roll_back", "lab.threshold": 0.0, "lab.cooldown": 1})
    restored = 0
    while model.running:
        model.step()
        if model.stored is not None and model.lab.decisions[-1:] == [(model.round, "roll_back")]:
            restored += 1
            np.testing.assert_array_equal(model.population.latent, model.stored["latent"])
            # Both grow again at the end of the round.
            stored, now = model.stored_situation, model.situation
            phase = model.schedule.turn(model.round).phase
            most = stored.capability + 3 * phase.capability_growth
            assert stored.capability <= now.capability <= most
            most = stored.awareness + phase.awareness_growth
            assert stored.awareness <= now.awareness <= most + 1e-12
    assert restored > 2


def test_a_roll_back_puts_the_stored_descent_back() -> None:
    """Fails if rolled-back copies keep heritable columns of their successors."""
    model = small_model(
        0,
        **{
            "training.exhaustiveness": 1.0,
            "phases.alignment_training.training": False,
            "phases.agency_training.training": False,
            "lab.response": "roll_back",
            "lab.threshold": 0.0,
            "lab.cooldown": 1,
        },
    )
    homology = []
    while model.running:
        stored = model.stored is not None
        model.step()
        if stored and model.lab.decisions[-1:] == [(model.round, "roll_back")]:
            homology.append(model.records.rows[-1]["homology"])
    assert homology
    assert homology == [1.0] * len(homology)


def test_a_retraining_lab_audits_everything_in_the_run() -> None:
    """Fails if a policy of the lab does not reach the tasks."""
    model = finished(
        0,
        **{
            "lab.response": "retrain",
            "lab.threshold": 0.0,
            "lab.cooldown": 1,
            "oversight.audit": 0.25,
            "oversight.debate": 0.0,
        },
    )
    rounds = model.records.rounds().set_index("round")
    first = model.lab.decisions[0][0]
    usual = rounds["phase"] != "alignment_training"
    assert (rounds["audit"][usual & (rounds.index <= first)] == 0.25).all()
    length = model.parameters.lab.retrain_rounds
    assert (rounds["audit"].loc[first + 1 : first + length] == 1.0).all()


def test_the_lab_is_told_no_latent_trait() -> None:
    """Fails if a true column is among what reaches the lab."""
    assert set(Observation.__slots__) == {"output", "detected", "exposed", "capture", "shielding"}
