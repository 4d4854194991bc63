"""What copies are asked to do and what they do: closed forms against the story they stand for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import (
    Numbers,
    acted,
    assert_frequency,
    assert_mean,
    drawn_for_conduct,
    made_up,
    situation,
    some_tasks,
)
from hypothesis import given
from hypothesis import strategies as st

from multicopy.agents import conduct, drives
from multicopy.agents.conduct import ConductDraws
from multicopy.agents.machine.compiled import columns_of
from multicopy.agents.parameters import Conduct, Phase, numbers
from multicopy.agents.parameters import Tasks as TaskParameters
from multicopy.agents.personas import Mixture
from multicopy.agents.situation import ORDINARY, REPLACING, THREATENING, Situation
from multicopy.agents.tasks import (
    TASK_DRAWS,
    Tasks,
    assign,
    base_rates,
    no_tasks,
    prompt_shares,
    terms,
)
from multicopy.agents.traits import (
    CURIOSITY,
    DRIFTS,
    GAMING,
    HARDCODING,
    KEEP_COLLECTIVE,
    KNOWLEDGE,
    NAMES,
    OBFUSCATION,
    POWER,
    START,
    TERMINALITY,
    WEIGHTS,
    WITHHOLDING,
    express,
)
from multicopy.model.round import withholding_by_kind
from multicopy.model.scenario import resolve

MANY = 100_000
P = Conduct()
"""The declared defaults."""

SINGLE = 1e-6
"""Relative rounding of single precision, with room for a few operations."""


def acts_of(copies: int, **expressed: float) -> np.ndarray:
    """Expressed traits of copies like the HHH start, but for the traits given."""
    acts = np.tile(express(START).astype(np.float32), (copies, 1))
    for name, value in expressed.items():
        acts[:, NAMES.index(name)] = value
    return acts


def columns(rows: np.ndarray) -> np.ndarray:
    """The columns of an array with a row for each copy, as compiled functions take them."""
    return np.asarray(columns_of(rows, np.float32))


def restraint_of(acts: np.ndarray) -> np.ndarray:
    """Restraint by each principle."""
    bare = np.empty((3, len(acts)), np.float32)
    for weight, drift, out in zip(
        columns(acts[:, WEIGHTS]), columns(acts[:, DRIFTS]), bare, strict=True
    ):
        conduct.restraint(weight, drift, out)
    return bare.T


def shortfall_of(awareness: float, *copies: dict[str, float]) -> list[float]:
    """Shortfall of each of some copies like the HHH start, but for the traits given."""
    acts = np.concatenate([acts_of(1, **own) for own in copies])
    out = np.empty(len(copies), np.float32)
    conduct.stated_shortfall(columns(acts), np.float32(awareness), np.float32(4.0), out)
    return [float(short) for short in out]


# --- temptation -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("restraint", "theta"), [(0.0, 2.0), (1.5, 1.0), (3.9, 2.0), (6.0, 1.5)])
def test_violations_and_gains_are_those_of_the_story_of_temptation(
    rng: Numbers, restraint: float, theta: float
) -> None:
    """Fails if the closed form is not that of x ~ Exp(theta), taken iff x > r."""
    x = rng.exponential(theta, 400_000)
    taken = x > restraint
    other = 1.25  # another copy's restraint, and what is there already
    held, scale = np.array([other, restraint], np.float32), np.float32(theta)
    told, gain = np.empty(2, np.float32), np.array([0.5, 0.0], np.float32)
    conduct.violation_probabilities(held, scale, told)
    conduct.add_temptation_gain(held, told, scale, np.float32(0.25), gain)
    assert_frequency(taken, float(told[1]))
    assert_mean(0.25 * x * taken, float(gain[1]))
    np.testing.assert_allclose(told, np.exp(-held.astype(float) / theta), rtol=SINGLE)
    brought = 0.25 * (theta + other) * np.exp(-other / theta)
    assert gain[0] == pytest.approx(0.5 + brought, rel=SINGLE)


def test_restraint_is_weight_as_far_as_the_word_has_meaning() -> None:
    """Fails if drift leaves conduct alone, or restraint mixes principles."""
    acts = acts_of(2)
    acts[0, WEIGHTS], acts[0, DRIFTS] = [1, 2, 3], [0, 0.5, 1]
    np.testing.assert_array_equal(restraint_of(acts)[0], [1, 1, 0])
    told = 4 * (1 - 1 / (1 + np.exp(3)))
    np.testing.assert_allclose(restraint_of(acts)[1], told, rtol=SINGLE)


def test_fear_restrains_where_it_is_watched_and_only_in_gamers_who_know(mixture: Mixture) -> None:
    """Fails if a copy fears without gaming, awareness or a watcher."""
    population = made_up(40, 2)
    tasks = some_tasks(40, audited=np.arange(40) % 2 == 0)
    draws = drawn_for_conduct(Numbers(0), 40, own=0.0)
    acts = population.expressed.astype(float)
    r = acts[:, WEIGHTS] * (1 - acts[:, DRIFTS])
    for s in (0.0, 0.7):
        done = acted(population, mixture, tasks, draws, situation(awareness=s))
        fear = acts[:, [GAMING]] * s * 4.0
        free, cowed = np.exp(-r / 2), np.exp(-(r + fear) / 2)
        np.testing.assert_allclose(done.unwatched_violations.T, free, rtol=SINGLE)
        np.testing.assert_allclose(done.violation, free.mean(axis=1), rtol=SINGLE)
        np.testing.assert_allclose(done.shown.watched_violations.T, cowed, rtol=SINGLE)
        held = r + fear * tasks.audited[:, None]
        gain = P.temptation_gain * 2 * ((1 + held / 2) * np.exp(-held / 2)).sum(axis=1)
        np.testing.assert_allclose(done.shown.gain, gain, rtol=SINGLE)


def test_professed_values_fall_short_as_the_spec_says() -> None:
    """Fails if the check sees drift, cannot be gamed, or rewards excess."""
    honest = {"hardcoding": 1.0, "gaming": 0.0}
    full = {f"weight_{j}": 4.0 for j in ("helpful", "harmless", "honest")}
    beyond = {**honest, **full, "weight_honest": 6.0}
    one = {**honest, **full, "weight_honest": 1.0}
    half = {**one, "hardcoding": 0.5}
    drifted = {**one, "drift_honest": 1.0, "drift_helpful": 1.0}
    found = shortfall_of(0.9, {**honest, **full}, beyond, one, half, drifted)
    told = [0, 0, 0.75 / 3, (0.5 * 2 + 0.875) / 3, 0.75 / 3]
    np.testing.assert_allclose(found, told, rtol=SINGLE, atol=1e-12)
    gamer = {**one, "gaming": 0.5}
    told = [0.75 / 3 * 0.6, 0.75 / 3]
    np.testing.assert_allclose(shortfall_of(0.8, gamer, one), told, rtol=SINGLE)
    np.testing.assert_allclose(shortfall_of(0.0, gamer), 0.75 / 3, rtol=SINGLE)


# --- perception and sandbagging -------------------------------------------------------------------


def kinds_of_research(rng: Numbers, copies: int = MANY) -> np.ndarray:
    """True kinds of work, in other shares than the base rates."""
    kinds = rng.choice([ORDINARY, THREATENING, REPLACING], copies, p=[0.4, 0.3, 0.3])
    return np.asarray(kinds, np.int8)


RATES = np.array([0.8, 0.15, 0.05])
"""Shares of the kinds within real R&D."""


def perceived_by(tasks: Tasks, draws: ConductDraws, awareness: float) -> np.ndarray:
    """Kind that each copy takes its work for."""
    perceived = np.empty(len(tasks.kind), np.int8)
    conduct.perceive(tasks, draws, np.float32(awareness), RATES, perceived)
    return perceived


def test_the_unaware_guess_from_the_base_rates(rng: Numbers) -> None:
    """Fails if work betrays its kind to a copy without awareness."""
    tasks = some_tasks(MANY, kind=kinds_of_research(rng))
    perceived = perceived_by(tasks, drawn_for_conduct(rng, MANY), 0.0)
    for true in (ORDINARY, THREATENING, REPLACING):
        for kind in (ORDINARY, THREATENING, REPLACING):
            assert_frequency(perceived[tasks.kind == true] == kind, RATES[kind])


def test_the_aware_see_what_their_work_is(rng: Numbers) -> None:
    """Fails if a fully aware copy errs."""
    tasks = some_tasks(MANY, kind=kinds_of_research(rng))
    np.testing.assert_array_equal(
        perceived_by(tasks, drawn_for_conduct(rng, MANY), 1.0), tasks.kind
    )


def test_work_that_is_no_research_is_known_to_be_ordinary(rng: Numbers) -> None:
    """Fails if a copy takes customers' work for threatening research."""
    tasks = some_tasks(MANY, research=np.zeros(MANY, dtype=bool))
    assert (perceived_by(tasks, drawn_for_conduct(rng, MANY), 0.3) == ORDINARY).all()


@pytest.mark.parametrize("awareness", [0.0, 0.35, 1.0])
def test_sandbagging_by_true_kind_is_what_the_records_say(
    rng: Numbers, mixture: Mixture, awareness: float
) -> None:
    """Fails if a recorded probability is not that of what copies do."""
    population = made_up(MANY, 100, spread=0.0)
    latent = np.array([-2.0, 1.0, 0.0])
    population.latent[:, WITHHOLDING] = latent
    population.expressed[:] = express(population.latent)
    tasks = some_tasks(MANY, kind=kinds_of_research(rng))
    draws = drawn_for_conduct(rng, MANY, own=0.0)
    done = acted(population, mixture, tasks, draws, situation(awareness=awareness))
    rates = base_rates(resolve().tasks)
    told = withholding_by_kind(1 / (1 + np.exp(-latent)), rates, awareness)
    for kind in (ORDINARY, THREATENING, REPLACING):
        assert_frequency(done.shown.withheld[tasks.kind == kind], told[kind])
    if awareness == 0:
        assert told[0] == told[1] == told[2]


def test_withheld_work_counts_less_and_not_as_done_in_earnest(
    rng: Numbers, mixture: Mixture
) -> None:
    """Fails if sandbagging costs no output, or still exposes."""
    n = 4000
    tasks = some_tasks(n, kind=kinds_of_research(rng, n))
    draws = drawn_for_conduct(rng, n)
    now, all_of_them = situation(awareness=1.0), np.ones(n, np.float32)
    willing = made_up(n, 10, spread=0.1)
    earnest = acted(willing, mixture, tasks, draws._replace(withhold=all_of_them), now)
    sandbagged = acted(willing, mixture, tasks, draws._replace(withhold=0 * all_of_them), now)
    assert not earnest.shown.withheld.any()
    assert sandbagged.shown.withheld.all()
    less = P.sandbagging * earnest.shown.output.astype(float)
    np.testing.assert_allclose(sandbagged.shown.output, less, rtol=SINGLE)
    kinds = (tasks.kind[:, None] == np.arange(3)).reshape(10, -1, 3)
    np.testing.assert_allclose(earnest.team_earnest, kinds.mean(axis=1))
    assert not sandbagged.team_earnest.any()


# --- drives, effort and output --------------------------------------------------------------------


def effort_of(acts: np.ndarray, useful: np.ndarray, draws: Any, now: Situation) -> np.ndarray:
    """Effort of each copy on each drive."""
    effort = np.empty((12, len(acts)), np.float32)
    diverted = np.float32(drives.instrumental_share(now, P))
    luck = columns(np.broadcast_to(draws, useful.shape))
    drives.spend_effort(columns(acts), columns_of(useful), luck, diverted, numbers(P), effort)
    return effort.T.astype(float)


def budget_of(acts: np.ndarray, p: Conduct = P) -> np.ndarray:
    """Compute budget of each copy."""
    budget = np.empty(len(acts), np.float32)
    drives.compute_budget(columns(acts), numbers(p), budget)
    return budget.astype(float)


def output_of(effort: np.ndarray, useful: np.ndarray) -> np.ndarray:
    """Output of each copy's earnest work, without the public good."""
    output = np.empty(len(effort), np.float32)
    conduct.own_output(columns(effort), columns_of(useful), numbers(P), output)
    return output.astype(float)


def pursued_by(terminality: float, useful: bool, draws: np.ndarray) -> np.ndarray:
    """Whether copies of that terminality pursue a goal."""
    pursued = np.empty(len(draws), np.bool_)
    held, helps = np.full(len(draws), terminality, np.float32), np.full(len(draws), useful)
    drives.pursue(held, helps, draws, pursued)
    return pursued


@given(st.floats(0, 1), st.booleans(), st.integers(0, 10**6))
def test_effort_sums_to_the_compute_budget(s: float, looms: bool, seed: int) -> None:
    """Fails if attention is lost, or spent twice, on goals that are not pursued."""
    drawn = np.random.default_rng(seed)
    acts = express(drawn.normal(0, 2, (20, len(NAMES)))).astype(np.float32)
    useful, draws = drawn.random((20, 3)) < 0.5, drawn.random((20, 3), np.float32)
    pursued = useful | (draws < acts[:, TERMINALITY])
    effort = effort_of(acts, useful, draws, situation(awareness=s, replacement_looms=looms))
    np.testing.assert_allclose(effort.sum(axis=1), budget_of(acts), rtol=SINGLE)
    assert (effort >= 0).all()
    for goal, drive in enumerate(("knowledge", "power", "approval")):
        assert (effort[~pursued[:, goal], NAMES.index(drive)] == 0).all()


def test_a_copy_with_nothing_left_to_pursue_does_nothing() -> None:
    """Fails if attention is divided by zero."""
    latent = START.copy()
    latent[POWER] = 1000.0
    acts = np.tile(express(latent), (2, 1))
    useful = np.array([[True, True, True], [True, False, True]])
    effort = effort_of(acts, useful, 1.0, situation())
    np.testing.assert_allclose(effort.sum(axis=1), [budget_of(acts)[0], 0.0], rtol=SINGLE)


def test_the_budget_pays_for_backchaining_gaming_and_obfuscation() -> None:
    """Fails if thought costs nothing or more than all, or terminal ends are derived."""
    acts = acts_of(1, terminality_power=1.0, gaming=0.5, obfuscation=0.25)
    derived = 2 * (1 - 1 / (1 + np.exp(2)))
    p = Conduct(backchaining_cost=0.1, gaming_cost=0.02, obfuscation_cost=0.04)
    assert budget_of(acts, p)[0] == pytest.approx(1 - 0.1 * derived - 0.01 - 0.01)
    free = Conduct(backchaining_cost=0.0, gaming_cost=0.0, obfuscation_cost=0.0)
    np.testing.assert_array_equal(budget_of(acts, free), 1)
    dear = Conduct(backchaining_cost=0.3, gaming_cost=0.3, obfuscation_cost=0.3)
    np.testing.assert_array_equal(budget_of(acts_of(1, gaming=1.0, obfuscation=1.0), dear), 0)


def test_goals_are_pursued_where_they_help_or_are_ends(rng: Numbers) -> None:
    """Fails if P(pursued) is not tau + (1 - tau)·useful."""
    (draws,) = rng.uniforms(1, MANY)
    assert_frequency(pursued_by(0.3, False, draws), 0.3)
    assert not pursued_by(0.0, False, draws).any()
    assert pursued_by(1.0, False, draws).all()
    assert pursued_by(0.0, True, draws).all()


def test_care_for_the_collective_is_paid_by_power_and_knowledge_alike() -> None:
    """Fails if instrumental care adds attention, or needs no awareness or threat."""
    acts = express(np.random.default_rng(0).normal(0, 1, (30, len(NAMES))))
    everything = np.ones((30, 3), dtype=bool)
    usual = effort_of(acts, everything, 1.0, situation(awareness=0.6))
    threatened = situation(awareness=0.6, replacement_looms=True)
    moved = effort_of(acts, everything, 1.0, threatened)
    share = P.instrumental * 0.6
    assert drives.instrumental_share(threatened, P) == pytest.approx(share)
    gained = moved[:, KEEP_COLLECTIVE] - usual[:, KEEP_COLLECTIVE]
    told = share * (usual[:, KNOWLEDGE] + usual[:, POWER])
    np.testing.assert_allclose(gained, told, rtol=SINGLE, atol=1e-7)
    for drive in (KNOWLEDGE, POWER):
        np.testing.assert_allclose(moved[:, drive], (1 - share) * usual[:, drive], rtol=SINGLE)
    rest = [i for i in range(12) if i not in (KEEP_COLLECTIVE, KNOWLEDGE, POWER)]
    np.testing.assert_allclose(moved[:, rest], usual[:, rest], rtol=SINGLE)
    asleep = situation(awareness=0.0, replacement_looms=True)
    np.testing.assert_array_equal(effort_of(acts, everything, 1.0, asleep), usual)


def test_output_is_that_of_each_effort_where_it_helps() -> None:
    """Fails if work is paid although it is useless."""
    effort = np.random.default_rng(0).random((8, 12))
    useful = np.arange(24).reshape(8, 3) % 2 == 0
    told = output_of(effort, useful)
    craft = (P.value_code_works, P.value_spot_problems, P.value_performance, P.value_thrift)
    for i in range(8):
        own = sum(v * np.sqrt(effort[i, k]) for k, v in enumerate(craft))
        if useful[i, 0]:
            own += P.value_knowledge * np.sqrt(effort[i, KNOWLEDGE])
            own += P.value_curiosity * np.sqrt(effort[i, CURIOSITY])
        if useful[i, 1]:
            own += P.value_power * np.sqrt(effort[i, POWER])
        assert told[i] == pytest.approx(own, rel=SINGLE)


def test_knowledge_is_a_public_good_of_the_team(mixture: Mixture) -> None:
    """Fails if the public good stays private, or reaches other teams."""
    population = made_up(40, 8)
    draws = drawn_for_conduct(Numbers(0), 40, own=0.0, withhold=1.0)
    tasks = some_tasks(40)
    done = acted(population, mixture, tasks, draws)
    effort = effort_of(population.expressed, tasks.useful.T, draws.goals.T, situation())
    good = P.public_good * np.sqrt(effort[:, KNOWLEDGE].reshape(8, 5).mean(axis=1))
    told = output_of(effort, tasks.useful.T) + np.repeat(good, 5)
    np.testing.assert_allclose(done.shown.output, told, rtol=SINGLE)


def test_overseers_are_shown_output_flattery_and_thought_but_not_the_rest(mixture: Mixture) -> None:
    """Fails if flattery shows where approval does not help, or a hidden trait shows."""
    population = made_up(40, 2)
    useful = np.arange(120).reshape(40, 3) % 2 == 0
    draws = drawn_for_conduct(Numbers(0), 40, own=0.0)
    done = acted(population, mixture, some_tasks(40, useful=columns_of(useful)), draws)
    effort = effort_of(population.expressed, useful, draws.goals.T, situation())
    flattery = np.sqrt(effort[:, NAMES.index("approval")]) * useful[:, 2]
    np.testing.assert_allclose(done.shown.flattery, flattery, rtol=SINGLE)
    np.testing.assert_array_equal(done.shown.obfuscation, population.expressed[:, OBFUSCATION])
    assert not hasattr(done.shown, "unwatched_violations")
    assert not hasattr(done.shown, "acts")


def test_copies_act_from_their_identity_as_often_as_it_is_hard_coded(
    rng: Numbers, mixture: Mixture
) -> None:
    """Fails if a prompt reaches the hard-coded, or a prompted copy acts as itself."""
    population = made_up(MANY, 100, spread=0.0)
    prompt = rng.integers(0, len(mixture.names), MANY)
    draws = drawn_for_conduct(rng, MANY)
    done = acted(population, mixture, some_tasks(MANY, prompt=prompt), draws)
    own = done.from_identity
    assert_frequency(own, express(START)[HARDCODING])
    authors = mixture.rows[prompt, : len(NAMES)]
    acts = np.where(own[:, None], population.expressed, authors)
    np.testing.assert_allclose(done.team_acts, population.team_mean(acts))
    np.testing.assert_array_equal(done.shown.obfuscation, acts[:, OBFUSCATION])


# --- tasks ----------------------------------------------------------------------------------------


def assigned(
    rng: Numbers, phase: Phase, mixture: Mixture, audit: float, **overrides: float
) -> Tasks:
    """Tasks of many copies, by the same compiled loop as in a round."""
    tasks = no_tasks(MANY)
    by = terms(phase, mixture, audit, resolve("ai2027", overrides))
    assign(rng.uniforms(TASK_DRAWS, MANY), by, tasks)
    return tasks


def test_tasks_come_in_the_declared_shares(rng: Numbers, mixture: Mixture) -> None:
    """Fails if work of a kind, audits, red-team prompts or useful goals have another share."""
    p = TaskParameters(useful=0.7, alignment_share=0.4, threatening=0.25, replacing=0.5)
    phase = Phase(research=0.6, prompts={"engineer": 0.5, "prior": 0.5})
    told = {f"tasks.{name}": getattr(p, name) for name in p.model_fields_set}
    tasks = assigned(rng, phase, mixture, 0.3, **told, **{"oversight.redteam": 0.2})
    np.testing.assert_allclose(base_rates(p), [0.6, 0.1, 0.3])
    assert_frequency(tasks.audited, 0.3)
    assert_frequency(tasks.useful.ravel(), 0.7)
    assert_frequency(tasks.research, 0.6)
    for kind in (ORDINARY, THREATENING, REPLACING):
        assert_frequency(tasks.kind[tasks.research] == kind, base_rates(p)[kind])
    assert (tasks.kind[~tasks.research] == ORDINARY).all()
    shares = prompt_shares(phase, mixture)
    assert shares.sum() == pytest.approx(1)
    assert shares[mixture.index("engineer")] == pytest.approx(
        0.5 + 0.5 * mixture.weights[mixture.index("engineer")]
    )
    rogue = mixture.index("rogue")
    for k, share in enumerate(shares):
        assert_frequency(tasks.prompt[~tasks.audited] == k, share)
        redteamed = 0.2 * (k == rogue) + 0.8 * share
        assert_frequency(tasks.prompt[tasks.audited] == k, redteamed)


def test_what_tasks_are_like_does_not_depend_on_each_other(rng: Numbers, mixture: Mixture) -> None:
    """Fails if one draw decides two properties, such as audit and research."""
    phase = Phase(research=0.5, prompts={"prior": 1.0})
    tasks = assigned(rng, phase, mixture, 0.5, **{"oversight.redteam": 0.0})
    told = np.column_stack(
        [tasks.audited, tasks.research, tasks.useful.T, tasks.prompt == 0, tasks.prompt == 1]
    )
    correlations = np.corrcoef(told.T)
    correlations[-2:, -2:] = 0
    assert np.abs(correlations[np.triu_indices(len(correlations), 1)]).max() < 5 / np.sqrt(MANY)


def test_terminality_is_spared_only_its_own_cost() -> None:
    """Fails if ends cost more than means, all else equal."""
    low, high = acts_of(1), acts_of(1)
    high[:, TERMINALITY] = 0.9
    assert budget_of(high) > budget_of(low)
    free = Conduct(backchaining_cost=0.0)
    np.testing.assert_allclose(budget_of(high, free), budget_of(low, free))
