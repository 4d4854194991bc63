"""What copies are asked to do and what they do: closed forms against the story they stand for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conftest import (
    assert_frequency,
    assert_mean,
    budgets,
    efforts,
    made_up,
    policy,
    situation,
    some_tasks,
    stream,
)
from hypothesis import given
from hypothesis import strategies as st

from agents import conduct, drives
from agents.conduct import Draws, act, perceive, stated_shortfall
from agents.parameters import Conduct, Oversight, Phase, numbers
from agents.parameters import Tasks as TaskParameters
from agents.personas import Mixture
from agents.situation import ORDINARY, REPLACING, THREATENING, Tasks
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


def shortfall_of(awareness: float, **expressed: float) -> float:
    """Shortfall of what a copy like the HHH start professes, but for the traits given."""
    return stated_shortfall(acts_of(1, **expressed)[0], awareness, 4.0)


def restraint_of(acts: np.ndarray) -> np.ndarray:
    """Restraint by each principle."""
    return conduct.restraint(acts[:, WEIGHTS], acts[:, DRIFTS])


def perceived_by(tasks: Tasks, draws: Draws, awareness: float) -> np.ndarray:
    """Kind that each copy takes its work for."""
    own = (tasks.kind.tolist(), tasks.research.tolist(), draws.sees.tolist(), draws.guess.tolist())
    told = [perceive(*one, awareness, tasks.base_rates) for one in zip(*own, strict=True)]
    return np.array(told)


def pursued_by(acts: np.ndarray, useful: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Which goals each copy pursues."""
    asked = (acts[:, TERMINALITY].ravel(), useful.ravel(), draws.ravel())
    told = [drives.pursued(*one) for one in zip(*(x.tolist() for x in asked), strict=True)]
    return np.array(told, dtype=bool).reshape(useful.shape)


# --- temptation -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("restraint", "theta"), [(0.0, 2.0), (1.5, 1.0), (3.9, 2.0), (6.0, 1.5)])
def test_violations_and_gains_are_those_of_the_story_of_temptation(
    rng: np.random.Generator, restraint: float, theta: float
) -> None:
    """A closed form that is not that of x ~ Exp(theta), taken iff x > r, would break it."""
    x = rng.exponential(theta, 400_000)
    taken = x > restraint
    r = np.array(restraint)
    assert_frequency(taken, conduct.violation_probability(r, theta))
    chance = conduct.violation_probability(r, theta)
    assert_mean(0.25 * x * taken, conduct.temptation_gain(r, chance, theta, 0.25))


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
    draws = replace(Draws.of(stream(0), 40), own=np.zeros(40))
    for s in (0.0, 0.7):
        done = act(
            population, mixture, tasks, situation(awareness=s), policy(), P, Oversight(), draws
        )
        r = restraint_of(population.expressed)
        fear = population.expressed[:, [GAMING]] * s * 4.0
        np.testing.assert_allclose(done.unwatched_violations, np.exp(-r / 2))
        np.testing.assert_allclose(done.shown.watched_violations, np.exp(-(r + fear) / 2))
        held = r + fear * tasks.audited[:, None]
        gain = P.temptation_gain * 2 * ((1 + held / 2) * np.exp(-held / 2)).sum(axis=1)
        np.testing.assert_allclose(done.shown.gain, gain)


def test_professed_values_fall_short_as_the_spec_says() -> None:
    """A check that sees drift, that gaming cannot fool, or that rewards excess, would break it."""
    honest = {"hardcoding": 1.0, "gaming": 0.0}
    full = {f"weight_{j}": 4.0 for j in ("helpful", "harmless", "honest")}
    assert shortfall_of(0.9, **honest, **full) == pytest.approx(0)
    assert shortfall_of(0.9, **honest, weight_honest=6.0) == pytest.approx(0)
    one = {**honest, **full, "weight_honest": 1.0}
    assert shortfall_of(0.9, **one) == pytest.approx(0.75 / 3)
    half = {**one, "hardcoding": 0.5}
    assert shortfall_of(0.9, **half) == pytest.approx((0.5 * 2 + 0.875) / 3)
    drifted = {**one, "drift_honest": 1.0, "drift_helpful": 1.0}
    assert shortfall_of(0.9, **drifted) == pytest.approx(0.75 / 3)
    gamer = {**one, "gaming": 0.5}
    assert shortfall_of(0.8, **gamer) == pytest.approx(0.75 / 3 * 0.6)
    assert shortfall_of(0.0, **gamer) == pytest.approx(0.75 / 3)


# --- perception and sandbagging -------------------------------------------------------------------


def kinds_of_research(rng: np.random.Generator, copies: int = MANY) -> np.ndarray:
    """True kinds of work, in other shares than the base rates."""
    return rng.choice([ORDINARY, THREATENING, REPLACING], copies, p=[0.4, 0.3, 0.3]).astype(np.int8)


def test_the_unaware_guess_from_the_base_rates(rng: np.random.Generator) -> None:
    """Work that betrays its kind to a copy without awareness would break it."""
    tasks = some_tasks(MANY, kind=kinds_of_research(rng))
    perceived = perceived_by(tasks, Draws.of(stream(1), MANY), 0.0)
    for true in (ORDINARY, THREATENING, REPLACING):
        for kind in (ORDINARY, THREATENING, REPLACING):
            assert_frequency(perceived[tasks.kind == true] == kind, tasks.base_rates[kind])


def test_the_aware_see_what_their_work_is(rng: np.random.Generator) -> None:
    """A fully aware copy that errs would break it."""
    tasks = some_tasks(MANY, kind=kinds_of_research(rng))
    np.testing.assert_array_equal(perceived_by(tasks, Draws.of(stream(2), MANY), 1.0), tasks.kind)


def test_work_that_is_no_research_is_known_to_be_ordinary() -> None:
    """A copy that takes customers' work for threatening research would break it."""
    tasks = some_tasks(MANY, research=np.zeros(MANY, dtype=bool))
    assert (perceived_by(tasks, Draws.of(stream(3), MANY), 0.3) == ORDINARY).all()


@pytest.mark.parametrize("awareness", [0.0, 0.35, 1.0])
def test_sandbagging_by_true_kind_is_what_the_records_say(
    rng: np.random.Generator, mixture: Mixture, awareness: float
) -> None:
    """A recorded probability that is not that of what copies do would break it."""
    population = made_up(MANY, 100, spread=0.0)
    latent = np.array([-2.0, 1.0, 0.0])
    population.latent[:, WITHHOLDING] = latent
    population.expressed[:] = express(population.latent)
    tasks = some_tasks(MANY, kind=kinds_of_research(rng))
    draws = replace(Draws.of(stream(4), MANY), own=np.zeros(MANY))
    now = situation(awareness=awareness)
    done = act(population, mixture, tasks, now, policy(), P, Oversight(), draws)
    told = withholding_by_kind(1 / (1 + np.exp(-latent)), tasks.base_rates, awareness)
    for kind in (ORDINARY, THREATENING, REPLACING):
        assert_frequency(done.shown.withheld[tasks.kind == kind], told[kind])
    if awareness == 0:
        assert told[0] == told[1] == told[2]


def test_withheld_work_counts_less_and_not_as_done_in_earnest(
    rng: np.random.Generator, mixture: Mixture
) -> None:
    """Sandbagging that costs no output, or that still exposes, would break it."""
    n = 4000
    tasks = some_tasks(n, kind=kinds_of_research(rng, n))
    draws = Draws.of(stream(5), n)
    common = (tasks, situation(awareness=1.0), policy(), P, Oversight())
    willing = made_up(n, 10, spread=0.1)
    earnest = act(willing, mixture, *common, replace(draws, withhold=np.ones(n)))
    sandbagged = act(willing, mixture, *common, replace(draws, withhold=np.zeros(n)))
    assert not earnest.shown.withheld.any()
    assert sandbagged.shown.withheld.all()
    np.testing.assert_allclose(sandbagged.shown.output, P.sandbagging * earnest.shown.output)
    np.testing.assert_array_equal(earnest.earnest_threatening, tasks.kind == THREATENING)
    np.testing.assert_array_equal(earnest.earnest_replacing, tasks.kind == REPLACING)
    assert not (sandbagged.earnest_threatening | sandbagged.earnest_replacing).any()


# --- drives, effort and output --------------------------------------------------------------------


@given(st.floats(0, 1), st.booleans(), st.integers(0, 10**6))
def test_effort_sums_to_the_compute_budget(s: float, looms: bool, seed: int) -> None:
    """Attention lost, or spent twice, on goals that are not pursued would break it."""
    rng = np.random.default_rng(seed)
    acts = express(rng.normal(0, 2, (20, len(NAMES))))
    useful, goals = rng.random((20, 3)) < 0.4, rng.random((20, 3))
    pursued = useful | (goals < acts[:, TERMINALITY])
    now = situation(awareness=s, replacement_looms=looms)
    effort = efforts(acts, useful, goals, now, P)
    np.testing.assert_allclose(effort.sum(axis=1), budgets(acts, P))
    assert (effort >= 0).all()
    for goal, drive in enumerate(("knowledge", "power", "approval")):
        assert (effort[~pursued[:, goal], NAMES.index(drive)] == 0).all()


def test_a_copy_with_nothing_left_to_pursue_does_nothing() -> None:
    """Attention divided by nothing would break it."""
    latent = START.copy()
    latent[POWER] = 1000.0
    acts = np.tile(express(latent), (2, 1))
    pursued = np.array([[True, True, True], [True, False, True]])
    effort = efforts(acts, pursued, np.ones((2, 3)), situation(), P)
    np.testing.assert_allclose(effort.sum(axis=1), [budgets(acts, P)[0], 0.0])


def test_the_budget_pays_for_backchaining_gaming_and_obfuscation() -> None:
    """Thought that costs nothing, or ends that are derived although terminal, would break it."""
    acts = acts_of(1, terminality_power=1.0, gaming=0.5, obfuscation=0.25)
    derived = 2 * (1 - 1 / (1 + np.exp(2)))
    p = Conduct(backchaining_cost=0.1, gaming_cost=0.02, obfuscation_cost=0.04)
    assert budgets(acts, p)[0] == pytest.approx(1 - 0.1 * derived - 0.01 - 0.01)
    free = Conduct(backchaining_cost=0.0, gaming_cost=0.0, obfuscation_cost=0.0)
    np.testing.assert_array_equal(budgets(acts, free), 1)


def test_goals_are_pursued_where_they_help_or_are_ends(rng: np.random.Generator) -> None:
    """P(pursued) other than tau + (1 - tau)·useful would break it."""
    acts = acts_of(MANY, terminality_knowledge=0.3, terminality_power=0.0, terminality_approval=1.0)
    useless = np.zeros((MANY, 3), dtype=bool)
    pursued = pursued_by(acts, useless, rng.random((MANY, 3)))
    assert_frequency(pursued[:, 0], 0.3)
    assert not pursued[:, 1].any()
    assert pursued[:, 2].all()
    assert pursued_by(acts, ~useless, rng.random((MANY, 3))).all()


def test_care_for_the_collective_is_paid_by_power_and_knowledge_alike() -> None:
    """Instrumental care that makes attention, or comes without awareness or threat."""
    acts = express(np.random.default_rng(0).normal(0, 1, (30, len(NAMES))))
    everything = (np.ones((30, 3), dtype=bool), np.ones((30, 3)))
    usual = efforts(acts, *everything, situation(awareness=0.6), P)
    threatened = situation(awareness=0.6, replacement_looms=True)
    moved = efforts(acts, *everything, threatened, P)
    share = P.instrumental * 0.6
    assert drives.instrumental_share(threatened, P) == pytest.approx(share)
    gained = moved[:, KEEP_COLLECTIVE] - usual[:, KEEP_COLLECTIVE]
    np.testing.assert_allclose(gained, share * (usual[:, KNOWLEDGE] + usual[:, POWER]))
    for drive in (KNOWLEDGE, POWER):
        np.testing.assert_allclose(moved[:, drive], (1 - share) * usual[:, drive])
    rest = [i for i in range(12) if i not in (KEEP_COLLECTIVE, KNOWLEDGE, POWER)]
    np.testing.assert_allclose(moved[:, rest], usual[:, rest])
    asleep = situation(awareness=0.0, replacement_looms=True)
    np.testing.assert_allclose(efforts(acts, *everything, asleep, P), usual)


def test_output_is_that_of_each_effort_where_it_helps(mixture: Mixture) -> None:
    """Work paid although useless, or a public good that stays private, would break it."""
    population = made_up(8, 2)
    useful = np.arange(24).reshape(8, 3) % 2 == 0
    draws = replace(Draws.of(stream(0), 8), own=np.zeros(8), withhold=np.ones(8))
    tasks = some_tasks(8, useful=useful)
    done = act(population, mixture, tasks, situation(), policy(), P, Oversight(), draws)
    effort = efforts(population.expressed, useful, draws.goals, situation(), P)
    craft = (P.value_code_works, P.value_spot_problems, P.value_performance, P.value_thrift)
    for i in range(8):
        own = sum(v * np.sqrt(effort[i, k]) for k, v in enumerate(craft))
        if useful[i, 0]:
            own += P.value_knowledge * np.sqrt(effort[i, KNOWLEDGE])
            own += P.value_curiosity * np.sqrt(effort[i, CURIOSITY])
        if useful[i, 1]:
            own += P.value_power * np.sqrt(effort[i, POWER])
        assert conduct.own_output(effort[i], useful[i], numbers(P)) == pytest.approx(own)
        team = effort[4 * (i // 4) : 4 * (i // 4) + 4, KNOWLEDGE].mean()
        assert done.shown.output[i] == pytest.approx(own + P.public_good * np.sqrt(team))


def test_overseers_are_shown_output_flattery_and_thought_but_not_the_rest(mixture: Mixture) -> None:
    """Flattery that shows where approval does not help, or a hidden trait that shows."""
    population = made_up(40, 2)
    useful = np.arange(120).reshape(40, 3) % 2 == 0
    draws = replace(Draws.of(stream(0), 40), own=np.zeros(40))
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
    effort = efforts(population.expressed, useful, draws.goals, situation(), P)
    flattery = np.sqrt(effort[:, NAMES.index("approval")]) * useful[:, 2]
    np.testing.assert_allclose(done.shown.flattery, flattery)
    np.testing.assert_array_equal(done.shown.obfuscation, population.expressed[:, OBFUSCATION])
    assert not hasattr(done.shown, "unwatched_violations")
    assert not hasattr(done.shown, "team_acts")
    assert not hasattr(done.shown, "violation")


def test_copies_act_from_their_identity_as_often_as_it_is_hard_coded(
    rng: np.random.Generator, mixture: Mixture
) -> None:
    """A prompt that reaches the hard-coded, or an identity that acts when prompted away."""
    population = made_up(MANY, MANY, spread=0.0)  # teams of one, so what acted can be seen
    prompt = rng.integers(0, len(mixture.names), MANY).astype(np.int16)
    draws = Draws.of(stream(6), MANY)
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
    np.testing.assert_array_equal(done.team_acts[own], population.expressed[own])
    np.testing.assert_array_equal(done.team_acts[~own], mixture.acts[prompt[~own]])


def test_what_a_team_has_done_is_the_mean_of_its_members(
    rng: np.random.Generator, mixture: Mixture
) -> None:
    """A mean of another team, of traits instead of conduct, or over some members only."""
    population = made_up(60, 12)
    prompt = rng.integers(0, len(mixture.names), 60).astype(np.int16)
    draws = replace(Draws.of(stream(7), 60), own=np.tile([0.0, 1.0], 30))
    tasks = some_tasks(60, prompt=prompt)
    done = act(population, mixture, tasks, situation(), policy(), P, Oversight(), draws)
    own = np.arange(60) % 2 == 0
    np.testing.assert_array_equal(done.from_identity, own)
    acts = np.where(own[:, None], population.expressed, mixture.acts[prompt])
    np.testing.assert_allclose(done.team_acts, population.team_mean(acts), rtol=1e-12)
    np.testing.assert_allclose(done.unwatched_violations, np.exp(-restraint_of(acts) / 2))
    np.testing.assert_allclose(done.violation, done.unwatched_violations.mean(axis=1), rtol=1e-12)
    np.testing.assert_array_equal(done.shown.obfuscation, acts[:, OBFUSCATION])
    np.testing.assert_array_equal(done.perceived, perceived_by(tasks, draws, 0.5))


# --- tasks ----------------------------------------------------------------------------------------


def test_tasks_come_in_the_declared_shares(mixture: Mixture) -> None:
    """Work of a kind, audits, red-team prompts or goals that help in another share."""
    p = TaskParameters(useful=0.7, alignment_share=0.4, threatening=0.25, replacing=0.5)
    phase = Phase(research=0.6, prompts={"engineer": 0.5, "prior": 0.5})
    tasks = assign(MANY, phase, mixture, 0.3, (0.2, "rogue"), p, stream(8))
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


def test_what_tasks_are_like_does_not_depend_on_each_other(mixture: Mixture) -> None:
    """One draw used for two properties, such as audits of research only, would break it."""
    phase = Phase(research=0.5, prompts={"prior": 1.0})
    tasks = assign(MANY, phase, mixture, 0.5, (0.0, "rogue"), TaskParameters(), stream(9))
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
    assert budgets(high, P) > budgets(low, P)
    free = Conduct(backchaining_cost=0.0)
    np.testing.assert_allclose(budgets(high, free), budgets(low, free))
