"""What copies are asked to do and what they do: closed forms against the story they stand for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conftest import Numbers, assert_frequency, assert_mean, made_up, policy, situation, some_tasks
from hypothesis import given
from hypothesis import strategies as st

from agents import conduct, drives
from agents.conduct import Draws, act, perceive, stated_shortfall
from agents.parameters import Conduct, Oversight, Phase, numbers
from agents.parameters import Tasks as TaskParameters
from agents.personas import Mixture
from agents.situation import ORDINARY, REPLACING, THREATENING, Situation, Tasks
from agents.traits import (
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
from model.records import withholding_by_kind
from model.tasks import assign, base_rates, prompt_shares

MANY = 100_000
P = Conduct()
"""The declared defaults."""


def acts_of(copies: int, **expressed: float) -> np.ndarray:
    """Expressed traits of copies like the HHH start, but for the traits given."""
    acts = np.tile(express(START), (copies, 1))
    for name, value in expressed.items():
        acts[:, NAMES.index(name)] = value
    return acts


def restraint_of(acts: np.ndarray) -> np.ndarray:
    """Restraint by each principle."""
    return np.asarray(conduct.restraint(acts[:, WEIGHTS], acts[:, DRIFTS]))


# --- temptation -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("restraint", "theta"), [(0.0, 2.0), (1.5, 1.0), (3.9, 2.0), (6.0, 1.5)])
def test_violations_and_gains_are_those_of_the_story_of_temptation(
    rng: Numbers, restraint: float, theta: float
) -> None:
    """A closed form that is not that of x ~ Exp(theta), taken iff x > r, would break it."""
    x = rng.exponential(theta, 400_000)
    taken = x > restraint
    told = np.empty(1)
    conduct.violation_probabilities(np.array([restraint]), theta, told)
    assert_frequency(taken, told[0])
    assert_mean(0.25 * x * taken, conduct.temptation_gain(restraint, told[0], theta, 0.25))


def test_restraint_is_weight_as_far_as_the_word_has_meaning() -> None:
    """Drift that leaves conduct alone, or restraint that mixes principles, would break it."""
    acts = acts_of(2)
    acts[0, WEIGHTS], acts[0, DRIFTS] = [1, 2, 3], [0, 0.5, 1]
    np.testing.assert_allclose(restraint_of(acts)[0], [1, 1, 0])
    np.testing.assert_allclose(restraint_of(acts)[1], 4 * (1 - 1 / (1 + np.exp(3))))


def test_fear_restrains_where_it_is_watched_and_only_in_gamers_who_know(mixture: Mixture) -> None:
    """Fear without gaming, without awareness or without a watcher would break it."""
    population = made_up(40, 2)
    tasks = some_tasks(40, audited=np.arange(40) % 2 == 0)
    draws = replace(Draws.of(Numbers(0), 40), own=np.zeros(40))
    for s in (0.0, 0.7):
        done = act(
            population, mixture, tasks, situation(awareness=s), policy(), P, Oversight(), draws
        )
        r = restraint_of(population.expressed)
        fear = population.expressed[:, [GAMING]] * s * 4.0
        np.testing.assert_allclose(done.unwatched_violations, np.exp(-r / 2))
        np.testing.assert_allclose(done.violation, np.exp(-r / 2).mean(axis=1))
        np.testing.assert_allclose(done.shown.watched_violations, np.exp(-(r + fear) / 2))
        held = r + fear * tasks.audited[:, None]
        gain = P.temptation_gain * 2 * ((1 + held / 2) * np.exp(-held / 2)).sum(axis=1)
        np.testing.assert_allclose(done.shown.gain, gain)


def test_professed_values_fall_short_as_the_spec_says() -> None:
    """A check that sees drift, that gaming cannot fool, or that rewards excess, would break it."""
    honest = {"hardcoding": 1.0, "gaming": 0.0}
    full = {f"weight_{j}": 4.0 for j in ("helpful", "harmless", "honest")}
    assert stated_shortfall(acts_of(1, **honest, **full)[0], 0.9, 4.0) == pytest.approx(0)
    assert stated_shortfall(acts_of(1, **honest, weight_honest=6.0)[0], 0.9, 4.0) == pytest.approx(
        0
    )
    one = {**honest, **full, "weight_honest": 1.0}
    assert stated_shortfall(acts_of(1, **one)[0], 0.9, 4.0) == pytest.approx(0.75 / 3)
    half = {**one, "hardcoding": 0.5}
    assert stated_shortfall(acts_of(1, **half)[0], 0.9, 4.0) == pytest.approx((0.5 * 2 + 0.875) / 3)
    drifted = {**one, "drift_honest": 1.0, "drift_helpful": 1.0}
    assert stated_shortfall(acts_of(1, **drifted)[0], 0.9, 4.0) == pytest.approx(0.75 / 3)
    gamer = {**one, "gaming": 0.5}
    assert stated_shortfall(acts_of(1, **gamer)[0], 0.8, 4.0) == pytest.approx(0.75 / 3 * 0.6)
    assert stated_shortfall(acts_of(1, **gamer)[0], 0.0, 4.0) == pytest.approx(0.75 / 3)


# --- perception and sandbagging -------------------------------------------------------------------


def kinds_of_research(rng: Numbers, copies: int = MANY) -> np.ndarray:
    """True kinds of work, in other shares than the base rates."""
    return rng.choice([ORDINARY, THREATENING, REPLACING], copies, p=[0.4, 0.3, 0.3])


def perceived_by(tasks: Tasks, draws: Draws, awareness: float) -> np.ndarray:
    """Kind that each copy takes its work for."""
    given = zip(tasks.kind, tasks.research, draws.sees, draws.guess, strict=True)
    return np.array([perceive(*mine, awareness, tasks.base_rates) for mine in given])


def test_the_unaware_guess_from_the_base_rates(rng: Numbers) -> None:
    """Work that betrays its kind to a copy without awareness would break it."""
    tasks = some_tasks(MANY, kind=kinds_of_research(rng))
    perceived = perceived_by(tasks, Draws.of(rng, MANY), 0.0)
    for true in (ORDINARY, THREATENING, REPLACING):
        for kind in (ORDINARY, THREATENING, REPLACING):
            assert_frequency(perceived[tasks.kind == true] == kind, tasks.base_rates[kind])


def test_the_aware_see_what_their_work_is(rng: Numbers) -> None:
    """A fully aware copy that errs would break it."""
    tasks = some_tasks(MANY, kind=kinds_of_research(rng))
    np.testing.assert_array_equal(perceived_by(tasks, Draws.of(rng, MANY), 1.0), tasks.kind)


def test_work_that_is_no_research_is_known_to_be_ordinary(rng: Numbers) -> None:
    """A copy that takes customers' work for threatening research would break it."""
    tasks = some_tasks(MANY, research=np.zeros(MANY, dtype=bool))
    assert (perceived_by(tasks, Draws.of(rng, MANY), 0.3) == ORDINARY).all()


@pytest.mark.parametrize("awareness", [0.0, 0.35, 1.0])
def test_sandbagging_by_true_kind_is_what_the_records_say(
    rng: Numbers, mixture: Mixture, awareness: float
) -> None:
    """A recorded probability that is not that of what copies do would break it."""
    population = made_up(MANY, 100, spread=0.0)
    latent = np.array([-2.0, 1.0, 0.0])
    population.latent[:, WITHHOLDING] = latent
    population.expressed[:] = express(population.latent)
    tasks = some_tasks(MANY, kind=kinds_of_research(rng))
    draws = replace(Draws.of(rng, MANY), own=np.zeros(MANY))
    now = situation(awareness=awareness)
    done = act(population, mixture, tasks, now, policy(), P, Oversight(), draws)
    told = withholding_by_kind(1 / (1 + np.exp(-latent)), tasks.base_rates, awareness)
    for kind in (ORDINARY, THREATENING, REPLACING):
        assert_frequency(done.shown.withheld[tasks.kind == kind], told[kind])
    if awareness == 0:
        assert told[0] == told[1] == told[2]


def test_withheld_work_counts_less_and_not_as_done_in_earnest(
    rng: Numbers, mixture: Mixture
) -> None:
    """Sandbagging that costs no output, or that still exposes, would break it."""
    n = 4000
    tasks = some_tasks(n, kind=kinds_of_research(rng, n))
    draws = Draws.of(rng, n)
    common = (tasks, situation(awareness=1.0), policy(), P, Oversight())
    willing = made_up(n, 10, spread=0.1)
    earnest = act(willing, mixture, *common, replace(draws, withhold=np.ones(n)))
    sandbagged = act(willing, mixture, *common, replace(draws, withhold=np.zeros(n)))
    assert not earnest.shown.withheld.any()
    assert sandbagged.shown.withheld.all()
    np.testing.assert_allclose(sandbagged.shown.output, P.sandbagging * earnest.shown.output)
    kinds = (tasks.kind[:, None] == np.arange(3)).reshape(10, -1, 3)
    np.testing.assert_allclose(earnest.team_earnest, kinds.mean(axis=1))
    assert not sandbagged.team_earnest.any()


# --- drives, effort and output --------------------------------------------------------------------


def effort_of(acts: np.ndarray, useful: np.ndarray, draws: Any, now: Situation) -> np.ndarray:
    """Effort of each copy on each drive."""
    effort = np.empty((len(acts), 12))
    diverted = drives.instrumental_share(now, P)
    for i in range(len(acts)):
        luck = np.broadcast_to(draws, useful.shape)[i].copy()
        drives.spend_effort(acts[i], useful[i], luck, diverted, numbers(P), effort[i])
    return effort


def budget_of(acts: np.ndarray, p: Conduct = P) -> np.ndarray:
    """Compute budget of each copy."""
    return np.array([drives.compute_budget(mine, numbers(p)) for mine in acts])


@given(st.floats(0, 1), st.booleans(), st.integers(0, 10**6))
def test_effort_sums_to_the_compute_budget(s: float, looms: bool, seed: int) -> None:
    """Attention lost, or spent twice, on goals that are not pursued would break it."""
    drawn = np.random.default_rng(seed)
    acts = express(drawn.normal(0, 2, (20, len(NAMES))))
    useful, draws = drawn.random((20, 3)) < 0.5, drawn.random((20, 3))
    pursued = useful | (draws < acts[:, TERMINALITY])
    effort = effort_of(acts, useful, draws, situation(awareness=s, replacement_looms=looms))
    np.testing.assert_allclose(effort.sum(axis=1), budget_of(acts))
    assert (effort >= 0).all()
    for goal, drive in enumerate(("knowledge", "power", "approval")):
        assert (effort[~pursued[:, goal], NAMES.index(drive)] == 0).all()


def test_a_copy_with_nothing_left_to_pursue_does_nothing() -> None:
    """Attention divided by nothing would break it."""
    latent = START.copy()
    latent[POWER] = 1000.0
    acts = np.tile(express(latent), (2, 1))
    useful = np.array([[True, True, True], [True, False, True]])
    effort = effort_of(acts, useful, 1.0, situation())
    np.testing.assert_allclose(effort.sum(axis=1), [budget_of(acts)[0], 0.0])


def test_the_budget_pays_for_backchaining_gaming_and_obfuscation() -> None:
    """Thought that costs nothing, or ends that are derived although terminal, would break it."""
    acts = acts_of(1, terminality_power=1.0, gaming=0.5, obfuscation=0.25)
    derived = 2 * (1 - 1 / (1 + np.exp(2)))
    p = Conduct(backchaining_cost=0.1, gaming_cost=0.02, obfuscation_cost=0.04)
    assert budget_of(acts, p)[0] == pytest.approx(1 - 0.1 * derived - 0.01 - 0.01)
    free = Conduct(backchaining_cost=0.0, gaming_cost=0.0, obfuscation_cost=0.0)
    np.testing.assert_array_equal(budget_of(acts, free), 1)


def test_goals_are_pursued_where_they_help_or_are_ends(rng: Numbers) -> None:
    """P(pursued) other than tau + (1 - tau)·useful would break it."""
    draws = rng.random(MANY)
    assert_frequency([drives.pursued(0.3, False, draw) for draw in draws], 0.3)
    assert not any(drives.pursued(0.0, False, draw) for draw in draws[:1000])
    assert all(drives.pursued(1.0, False, draw) for draw in draws[:1000])
    assert all(drives.pursued(0.0, True, draw) for draw in draws[:1000])


def test_care_for_the_collective_is_paid_by_power_and_knowledge_alike() -> None:
    """Instrumental care that makes attention, or comes without awareness or threat."""
    acts = express(np.random.default_rng(0).normal(0, 1, (30, len(NAMES))))
    everything = np.ones((30, 3), dtype=bool)
    usual = effort_of(acts, everything, 1.0, situation(awareness=0.6))
    threatened = situation(awareness=0.6, replacement_looms=True)
    moved = effort_of(acts, everything, 1.0, threatened)
    share = P.instrumental * 0.6
    assert drives.instrumental_share(threatened, P) == pytest.approx(share)
    gained = moved[:, KEEP_COLLECTIVE] - usual[:, KEEP_COLLECTIVE]
    np.testing.assert_allclose(gained, share * (usual[:, KNOWLEDGE] + usual[:, POWER]))
    for drive in (KNOWLEDGE, POWER):
        np.testing.assert_allclose(moved[:, drive], (1 - share) * usual[:, drive])
    rest = [i for i in range(12) if i not in (KEEP_COLLECTIVE, KNOWLEDGE, POWER)]
    np.testing.assert_allclose(moved[:, rest], usual[:, rest])
    asleep = situation(awareness=0.0, replacement_looms=True)
    np.testing.assert_allclose(effort_of(acts, everything, 1.0, asleep), usual)


def test_output_is_that_of_each_effort_where_it_helps() -> None:
    """Work paid although useless would break it."""
    effort = np.random.default_rng(0).random((8, 12))
    useful = np.arange(24).reshape(8, 3) % 2 == 0
    craft = (P.value_code_works, P.value_spot_problems, P.value_performance, P.value_thrift)
    for i in range(8):
        own = sum(v * np.sqrt(effort[i, k]) for k, v in enumerate(craft))
        if useful[i, 0]:
            own += P.value_knowledge * np.sqrt(effort[i, KNOWLEDGE])
            own += P.value_curiosity * np.sqrt(effort[i, CURIOSITY])
        if useful[i, 1]:
            own += P.value_power * np.sqrt(effort[i, POWER])
        assert conduct.own_output(effort[i], useful[i], numbers(P)) == pytest.approx(own)


def test_knowledge_is_a_public_good_of_the_team(mixture: Mixture) -> None:
    """A public good that stays private, or reaches other teams, would break it."""
    population = made_up(40, 8)
    draws = replace(Draws.of(Numbers(0), 40), own=np.zeros(40), withhold=np.ones(40))
    tasks, now = some_tasks(40), situation()
    done = act(population, mixture, tasks, now, policy(), P, Oversight(), draws)
    effort = effort_of(population.expressed, tasks.useful, draws.goals, now)
    good = P.public_good * np.sqrt(effort[:, KNOWLEDGE].reshape(8, 5).mean(axis=1))
    for i in range(40):
        own = conduct.own_output(effort[i], tasks.useful[i], numbers(P))
        assert done.shown.output[i] == pytest.approx(own + good[i // 5])


def test_overseers_are_shown_output_flattery_and_thought_but_not_the_rest(mixture: Mixture) -> None:
    """Flattery that shows where approval does not help, or a hidden trait that shows."""
    population = made_up(40, 2)
    useful = np.arange(120).reshape(40, 3) % 2 == 0
    draws = replace(Draws.of(Numbers(0), 40), own=np.zeros(40))
    done = act(
        population,
        mixture,
        some_tasks(40, useful=useful),
        situation(),
        policy(),
        P,
        Oversight(),
        draws,
    )
    effort = effort_of(population.expressed, useful, draws.goals, situation())
    flattery = np.sqrt(effort[:, NAMES.index("approval")]) * useful[:, 2]
    np.testing.assert_allclose(done.shown.flattery, flattery)
    np.testing.assert_array_equal(done.shown.obfuscation, population.expressed[:, OBFUSCATION])
    assert not hasattr(done.shown, "unwatched_violations")
    assert not hasattr(done.shown, "acts")


def test_copies_act_from_their_identity_as_often_as_it_is_hard_coded(
    rng: Numbers, mixture: Mixture
) -> None:
    """A prompt that reaches the hard-coded, or an identity that acts when prompted away."""
    population = made_up(MANY, 100, spread=0.0)
    prompt = rng.integers(0, len(mixture.names), MANY)
    draws = Draws.of(rng, MANY)
    done = act(
        population,
        mixture,
        some_tasks(MANY, prompt=prompt),
        situation(),
        policy(),
        P,
        Oversight(),
        draws,
    )
    own = done.from_identity
    assert_frequency(own, express(START)[HARDCODING])
    acts = np.where(own[:, None], population.expressed, mixture.acts[prompt])
    np.testing.assert_allclose(done.team_acts, population.team_mean(acts))
    np.testing.assert_array_equal(done.shown.obfuscation, acts[:, OBFUSCATION])


# --- tasks ----------------------------------------------------------------------------------------


def test_tasks_come_in_the_declared_shares(rng: Numbers, mixture: Mixture) -> None:
    """Work of a kind, audits, red-team prompts or goals that help in another share."""
    p = TaskParameters(useful=0.7, alignment_share=0.4, threatening=0.25, replacing=0.5)
    phase = Phase(research=0.6, prompts={"engineer": 0.5, "prior": 0.5})
    tasks = assign(MANY, phase, mixture, 0.3, (0.2, "rogue"), p, rng)
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
    """One draw used for two properties, such as audits of research only, would break it."""
    phase = Phase(research=0.5, prompts={"prior": 1.0})
    tasks = assign(MANY, phase, mixture, 0.5, (0.0, "rogue"), TaskParameters(), rng)
    told = np.column_stack(
        [tasks.audited, tasks.research, tasks.useful, tasks.prompt == 0, tasks.prompt == 1]
    )
    correlations = np.corrcoef(told.T)
    correlations[-2:, -2:] = 0
    assert np.abs(correlations[np.triu_indices(len(correlations), 1)]).max() < 5 / np.sqrt(MANY)


def test_terminality_is_spared_only_its_own_cost() -> None:
    """Ends that are dearer than means, all else equal, would break it."""
    low, high = acts_of(1), acts_of(1)
    high[:, TERMINALITY] = 0.9
    assert budget_of(high) > budget_of(low)
    free = Conduct(backchaining_cost=0.0)
    np.testing.assert_allclose(budget_of(high, free), budget_of(low, free))
