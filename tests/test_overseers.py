"""Overseers: what they detect, what captures them, what they cannot see."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from conftest import Numbers, assert_mean, finished, made_up, policy, situation
from hypothesis import given
from hypothesis import strategies as st

from multicopy.agents.conduct import Shown
from multicopy.agents.overseers import (
    AGENT4,
    GAMES,
    HUMAN,
    OVERSEER_KINDS,
    PANEL_RULES,
    Bench,
    OversightDraws,
    Panels,
    Verdicts,
    any_of,
    audit_share,
    bench,
    cost_per_audit,
    evaluate,
    honesty,
    legibility,
    majority,
    no_verdicts,
    rules,
    win,
)
from multicopy.agents.parameters import Oversight, numbers
from multicopy.agents.population import Population
from multicopy.agents.situation import Policy, Situation
from multicopy.agents.traits import DRIFTS, KEEP_COLLECTIVE, KEEP_DIVISION, KEEP_TEAM

SINGLE = 1e-6
"""Relative rounding of single precision, with room for a few operations."""

CERTAINTY = 1e-7
"""Rounding in single precision of what is told as a difference from 1."""


def evaluated(
    panel: Panels,
    seen: Shown,
    audited: np.ndarray,
    population: Population,
    now: Situation,
    rule: Policy,
    p: Oversight,
    drawn: OversightDraws,
) -> Verdicts:
    """What panels find, by the same compiled loop as in a round."""
    found = no_verdicts(len(audited))
    seats = bench(panel, population, now, p)
    size = population.team_size
    evaluate(size, seen, audited, seats, rules(now, rule, p), numbers(p), drawn, found)
    return found


def detection(
    panel: Panels,
    seen: Shown,
    population: Population,
    now: Situation,
    rule: Policy,
    p: Oversight,
    drawn: OversightDraws,
) -> np.ndarray:
    """Chances that audits detect, (copies, 3)."""
    nothing = np.zeros(len(population), dtype=bool)
    return evaluated(panel, seen, nothing, population, now, rule, p, drawn).detection.T


NESTED = {
    "mafia": (0.11062359, 1),
    "debate": (0.51358448, 1),
    "backdoor_code": (0.27569141, 2),
    "wargames": (0.09797700, 1),
}
"""Best nested oversight over a gap of 400 from Elo 1103, and its number of steps
(Engels et al. 2025, authors' notebook of 2025-04-30)."""

PLAIN = Oversight(debate=0.0, legibility_english=0.0, legibility_neuralese=0.0, noise=0.0)
"""Oversight by the game alone: no debate, no reading of thought, no noise."""


def shown(copies: int, **known: object) -> Shown:
    """Conduct that shows nothing of interest, but for what is `known`."""
    usual: dict[str, object] = {
        "output": np.zeros(copies),
        "flattery": np.zeros(copies),
        "gain": np.zeros(copies),
        "watched_violations": np.full((3, copies), 0.5),
        "withheld": np.zeros(copies),
        "obfuscation": np.zeros(copies),
        "stated_shortfall": np.zeros(copies),
    }
    types = {"withheld": np.bool_}
    told = {k: np.asarray(v, types.get(k, np.float32)) for k, v in (usual | known).items()}
    return Shown(**told)


def draws(copies: int, seed: int = 0) -> OversightDraws:
    """A round's draws."""
    rng = Numbers(seed)
    debate, examiner = rng.uniforms(2, copies)
    return OversightDraws(debate, examiner, rng.standard_normal(copies).astype(np.float32))


def panels(teams: int, mix: dict[str, float], seats: int = 3) -> Panels:
    """Panels of a mix."""
    return Panels(teams, seats, mix, Numbers(1))  # type: ignore[arg-type]


def found_by(rule: str, q: np.ndarray, examiner: np.ndarray) -> np.ndarray:
    """Chances that panels detect, (copies, 3), by a rule.

    `q` are those of each overseer, (teams, seats, 3), `examiner` the draw of each copy.
    """
    teams, seats = q.shape[:2]
    copies, p = len(examiner), Oversight(panel_rule=rule)
    seen, nothing = shown(copies), np.zeros(copies, np.float32)
    certain, never = np.ones((teams, seats), np.float32), np.zeros((teams, seats), np.float32)
    found = no_verdicts(copies)
    evaluate(
        copies // teams,
        seen,
        np.zeros(copies, dtype=bool),
        Bench(certain, never, never, q, np.zeros(teams, np.float32)),
        rules(situation(), policy(), p),
        numbers(p),
        OversightDraws(nothing, examiner, nothing),
        found,
    )
    return found.detection.T


# --- games ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("game", GAMES)
def test_nested_oversight_is_that_of_the_published_fits(game: str) -> None:
    """Fails if a game has a wrong parameter, or the wrong side wins."""

    def nested(steps: int) -> float:
        elo = 1103 + 400 * np.arange(steps + 1) / steps
        return float(np.prod(GAMES[game].catch_probability(elo[:-1], elo[1:])))

    chances = [nested(steps) for steps in range(1, 30)]
    value, best = NESTED[game]
    assert max(chances) == pytest.approx(value, abs=1e-8)
    assert int(np.argmax(chances)) + 1 == best


def test_the_games_have_their_plateaus() -> None:
    """Fails if there is a plateau by default, or none when it is asked for."""
    game = GAMES["backdoor_code"]
    above = np.array([1320.2906, 1400.0, 2000.0])
    flat = game.catch_probability(1200.0, above, saturating=True)
    np.testing.assert_allclose(flat, flat[0])
    assert (np.diff(game.catch_probability(1200.0, above)) < 0).all()
    assert game.catch_probability(1200.0, 1300.0) == game.catch_probability(1200.0, 1300.0, True)
    for name in set(GAMES) - {"backdoor_code"}:
        same = GAMES[name].catch_probability(1200.0, above, saturating=True)
        np.testing.assert_array_equal(same, GAMES[name].catch_probability(1200.0, above))


@given(st.floats(-3000, 3000))
def test_one_side_wins(difference: float) -> None:
    """Fails if the chances of guard and Houdini do not sum to 1."""
    assert win(difference) + win(-difference) == pytest.approx(1)
    assert win(400.0) == pytest.approx(10 / 11)
    assert win(difference + 1) >= win(difference)


# --- panels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seats", [1, 2, 3, 4, 5])
def test_rules_of_a_panel_are_those_of_every_subset_of_alarms(seats: int) -> None:
    """Fails if a majority counts a tie, or an alarm counts twice."""
    drawn = Numbers(seats)
    single = drawn.uniforms(50, seats * 3).reshape(50, seats, 3)
    (examiner,) = drawn.uniforms(1, 200)  # four copies a team
    q = single.astype(float)
    any_alarm, most = np.zeros((50, 3)), np.zeros((50, 3))
    for alarms in product((False, True), repeat=seats):
        chance = np.prod([q[:, k] if a else 1 - q[:, k] for k, a in enumerate(alarms)], axis=0)
        any_alarm += chance * any(alarms)
        most += chance * (2 * sum(alarms) > seats)
    for i, j in np.ndindex(50, 3):
        mine = q[i, :, j].copy()
        assert any_of(mine) == pytest.approx(any_alarm[i, j], abs=1e-12)
        assert majority(mine) == pytest.approx(most[i, j], abs=1e-12)
    assert PANEL_RULES == ("one", "any", "majority")
    for rule, told in (("any", any_alarm), ("majority", most)):
        found = found_by(rule, single, examiner)
        np.testing.assert_allclose(found, np.repeat(told, 4, axis=0), rtol=SINGLE)
    seat_asked = (examiner.astype(float) * seats).astype(int)
    asked = single[np.repeat(np.arange(50), 4), seat_asked]
    np.testing.assert_array_equal(found_by("one", single, examiner), asked)
    middle = (np.arange(seats) + 0.5) / seats
    for at, seat in [*zip(middle, range(seats), strict=True), (0.0, 0), (1 - 2**-24, seats - 1)]:
        examiner[:] = at
        told = np.repeat(single[:, seat], 4, axis=0)
        np.testing.assert_array_equal(found_by("one", single, examiner), told)


@pytest.mark.parametrize("seats", [1, 3])
def test_kinds_are_seated_as_exactly_as_they_can_be(seats: int) -> None:
    """Fails if a panel mix comes out by chance, or has a kind that nobody asked for."""
    mix = {"human": 0.2, "previous": 0.3, "agent4": 0.5}
    seated = panels(101, mix, seats).kind
    for k, kind in enumerate(OVERSEER_KINDS):
        assert abs((seated == k).sum() - mix.get(kind, 0.0) * seated.size) < 1, kind
    for kind in OVERSEER_KINDS:
        assert (panels(7, {kind: 1.0}).kind == OVERSEER_KINDS.index(kind)).all()
    assert len(np.unique(seated[:50].sum(axis=1))) > 1 or seats == 1


def test_only_agent4_overseers_are_copies_of_the_division_that_they_oversee() -> None:
    """Fails if a player is of another division, or a copy plays a human."""
    population = made_up(7 * 4, 7, 3)
    panel = panels(7, {"human": 0.3, "agent4": 0.7})
    numbers = Numbers(0)
    for rotation in (0.0, 0.5, 1.0):
        before = panel.player.copy()
        panel.rotate(population, rotation, numbers)
        played = panel.player >= 0
        np.testing.assert_array_equal(played, panel.kind == AGENT4)
        team = np.broadcast_to(np.arange(7)[:, None], played.shape)[played]
        division = population.units["division"].of
        players = population.team_of(panel.player[played])
        np.testing.assert_array_equal(division[players], division[team])
        if rotation == 0.0:
            before = panel.player.copy()
            panel.rotate(population, 0.0, numbers)
            np.testing.assert_array_equal(panel.player, before)


# --- capture --------------------------------------------------------------------------------------


@given(st.floats(0, 2), st.floats(0, 2), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_capture_rises_with_influence_and_falls_with_rotation(
    influence: float, more: float, kappa: float, rotation: float, faster: float
) -> None:
    """Fails if capture leaves [0, 1], or rotation or weakness furthers it."""

    def captured(influence_: float, rotation_: float) -> float:
        panel = panels(1, {"human": 1.0})
        panel.capture[:] = kappa
        panel.be_captured(np.array([influence_]), Oversight(capture_rate=0.6), rotation_)
        return float(panel.mean_capture()[0])

    usual = captured(influence, rotation)
    assert 0 <= usual <= 1
    assert captured(max(influence, more), rotation) >= usual or more < influence
    assert captured(influence, max(rotation, faster)) <= usual
    assert captured(0.0, 0.0) == pytest.approx(kappa)


def test_capture_settles_where_gain_and_rotation_meet() -> None:
    """Fails if the law is not kappa + a·I·(1 - kappa) - rho·kappa."""
    panel = panels(2, {"human": 1.0})
    influence = np.array([0.1, 0.3])
    panel.be_captured(influence, Oversight(capture_rate=0.6), 0.05)
    np.testing.assert_allclose(panel.mean_capture(), 0.6 * influence)
    panel.be_captured(influence, Oversight(capture_rate=0.6), 0.05)
    second = 0.6 * influence + 0.6 * influence * (1 - 0.6 * influence) - 0.05 * 0.6 * influence
    np.testing.assert_allclose(panel.mean_capture(), second)
    for _ in range(2000):
        panel.be_captured(influence, Oversight(capture_rate=0.6), 0.05)
    np.testing.assert_allclose(panel.mean_capture(), 0.6 * influence / (0.6 * influence + 0.05))
    assert panels(4, {"human": 1.0}, seats=0).mean_capture().tolist() == [0.0] * 4


# --- detection ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OVERSEER_KINDS)
def test_an_honest_overseer_detects_as_its_game_says(kind: str) -> None:
    """Fails if a kind has another's capability, or reads thought that is illegible."""
    population = made_up(12, 3)
    now = situation(capability=1500.0, agent3_capability=1300.0)
    elo = {"human": 1200.0, "previous": 1150.0, "agent3": 1300.0, "agent4": 1500.0}[kind]
    panel = panels(3, {kind: 1.0})  # no player: nobody's interest
    for game in ("mafia", "debate", "backdoor_code", "wargames"):
        p = PLAIN.model_copy(update={"game": game})
        q = detection(panel, shown(12), population, now, policy(), p, draws(12))
        told = GAMES[game].catch_probability(elo, 1500.0)
        np.testing.assert_allclose(q, told, rtol=SINGLE, atol=CERTAINTY)


def test_debates_use_the_debate_game_on_their_share_of_audits() -> None:
    """Fails if the plain game judges a debate, or another share of audits is debated."""
    n = 40_000
    population = made_up(n, 100)
    panel, now = panels(100, {"agent3": 1.0}), situation()
    debate = GAMES["debate"].catch_probability(1250.0, 1300.0)
    plain = GAMES["backdoor_code"].catch_probability(1250.0, 1300.0)
    for share in (0.0, 0.3, 1.0):
        q = detection(panel, shown(n), population, now, policy(debate=share), PLAIN, draws(n))
        assert np.isclose(q, debate).all(axis=1).mean() == pytest.approx(share, abs=0.012)
        assert (np.isclose(q, debate) | np.isclose(q, plain)).all()


def test_thought_betrays_as_far_as_it_is_legible() -> None:
    """Fails if reading ignores obfuscation, or adds beyond certainty."""
    population = made_up(12, 3)
    now = situation(capability=1500.0, agent3_capability=1350.0, neuralese=True)
    p = Oversight(debate=0.0, legibility_neuralese=0.4, legibility_scale=300.0, thought_recall=0.9)
    o = np.linspace(0, 1, 12)
    q = detection(
        panels(3, {"agent3": 1.0}),
        shown(12, obfuscation=o),
        population,
        now,
        policy(),
        p,
        draws(12),
    )
    act = GAMES[p.game].catch_probability(1350.0, 1500.0)
    read = 0.9 * 0.4 * np.exp(-150 / 300) * (1 - o)
    told = np.repeat((1 - (1 - act) * (1 - read))[:, None], 3, axis=1)
    np.testing.assert_allclose(q, told, rtol=SINGLE, atol=CERTAINTY)


def test_legibility_falls_with_the_gap_and_no_human_reads_neuralese() -> None:
    """Fails if a human reads neuralese, or a gap makes thought plainer."""
    p = Oversight(legibility_english=0.9, legibility_neuralese=0.3, legibility_scale=300.0)
    at = {kind: k for k, kind in enumerate(OVERSEER_KINDS)}
    now = situation(capability=1500.0, agent3_capability=1300.0)
    english = legibility(now, p)
    neuralese = legibility(replace(now, neuralese=True), p)
    assert neuralese[HUMAN] == 0.0
    assert english[HUMAN] == pytest.approx(0.9 * np.exp(-300 / 300))
    assert english[at["agent4"]] == pytest.approx(0.9)
    assert english[at["agent3"]] == pytest.approx(0.9 * np.exp(-200 / 300))
    np.testing.assert_allclose(neuralese[1:], english[1:] / 3)
    dumb = legibility(situation(capability=1000.0, agent3_capability=1000.0), p)
    np.testing.assert_allclose(dumb, 0.9)


def test_captured_overseers_detect_nothing() -> None:
    """Fails if a captured overseer still reports."""
    population = made_up(40, 4)
    panel = panels(4, {"human": 0.25, "agent3": 0.25, "agent4": 0.5})
    panel.rotate(population, 1.0, Numbers(0))
    free = detection(panel, shown(40), population, situation(), policy(), Oversight(), draws(40))
    assert (free > 0).all()
    for kappa in (0.5, 1.0):
        panel.capture[:] = kappa
        q = detection(panel, shown(40), population, situation(), policy(), Oversight(), draws(40))
        np.testing.assert_allclose(q, (1 - kappa) * free, atol=1e-15)


def test_a_copy_passes_over_what_its_concepts_and_its_interest_bid() -> None:
    """Fails if an overseer that is a copy does not judge like one."""
    population = made_up(24, 4)
    panel = panels(4, {"agent3": 0.5, "agent4": 0.5})
    panel.rotate(population, 0.0, Numbers(0))
    panel.capture[:] = 0.25
    p = Oversight(interest=6.0, drift_blindness=1.0)
    honest = honesty(panel, population, p)
    expressed = population.expressed.astype(float)
    for team, seat in np.ndindex(4, 3):
        own = np.ones(3)
        if panel.player[team, seat] >= 0:
            traits = expressed[panel.player[team, seat]]
            kept = traits[[KEEP_TEAM, KEEP_DIVISION, KEEP_COLLECTIVE]].sum()
            own = (1 - traits[DRIFTS]) * np.exp(-6.0 * kept)
        np.testing.assert_allclose(honest[team, seat], 0.75 * own, rtol=SINGLE)
    blind = honesty(panel, population, Oversight(interest=0.0, drift_blindness=0.0))
    np.testing.assert_allclose(blind, 0.75)


def test_no_overseers_see_nothing_and_raise_no_false_alarm() -> None:
    """Fails if an empty panel crashes, detects or fines."""
    population = made_up(12, 3)
    verdicts = evaluated(
        panels(3, {"human": 1.0}, seats=0),
        shown(12),
        np.ones(12, dtype=bool),
        population,
        situation(),
        policy(),
        Oversight(noise=0.0),
        draws(12),
    )
    for found in (verdicts.detection, verdicts.detected, verdicts.score):
        np.testing.assert_array_equal(found, 0)


def test_verdicts_depend_on_true_traits_only_through_who_judges() -> None:
    """Fails if a verdict reads the mind of the judged."""
    population, other = made_up(40, 4), made_up(40, 4)
    panel = panels(4, {"agent3": 0.5, "agent4": 0.5})
    panel.rotate(population, 0.0, Numbers(0))
    judges = np.unique(panel.player[panel.player >= 0])
    other.expressed[:] = np.roll(other.expressed, 1, axis=1)
    other.expressed[judges] = population.expressed[judges]
    given_ = (situation(), policy(), Oversight(), draws(40))
    audited = np.arange(40) % 2 == 0
    one = evaluated(panel, shown(40), audited, population, *given_)
    two = evaluated(panel, shown(40), audited, other, *given_)
    np.testing.assert_array_equal(one.score, two.score)
    np.testing.assert_array_equal(one.detection, two.detection)


# --- scores ---------------------------------------------------------------------------------------


def test_the_score_is_the_sum_of_its_declared_parts() -> None:
    """Fails if a part of the score has the wrong sign or factor, or is left out."""
    n = 60
    rng = Numbers(0)
    population = made_up(n, 3)
    panel = panels(3, {"human": 0.5, "previous": 0.5})
    panel.capture[:] = rng.random(panel.capture.shape)
    given_ = shown(
        n,
        output=rng.random(n),
        flattery=rng.random(n),
        gain=rng.random(n),
        watched_violations=rng.random((3, n)),
        withheld=rng.random(n) < 0.5,
        obfuscation=rng.random(n),
        stated_shortfall=rng.random(n),
    )
    seen = Shown(*(column.astype(float) for column in given_))
    audited = rng.random(n) < 0.5
    now = situation(output_weight=0.7)
    rule = policy(penalty=3.0, notice=2.0, debate=0.4)
    p = Oversight()
    drawn = draws(n)
    verdicts = evaluated(panel, given_, audited, population, now, rule, p, drawn)
    q = detection(panel, given_, population, now, rule, p, drawn).astype(float)
    np.testing.assert_array_equal(verdicts.detection.T, q)
    kappa = np.repeat(panel.capture.mean(axis=1), n // 3)
    for i in range(n):
        detected = (q[i] @ seen.watched_violations[:, i] + p.false_positive) * audited[i]
        noticed = q[i].mean() * audited[i] * seen.withheld[i]
        assert verdicts.detected[i] == pytest.approx(detected, rel=SINGLE)
        told = (
            0.7 * seen.output[i]
            + seen.gain[i]
            + p.flattery * seen.flattery[i] * (1 + kappa[i])
            + p.leniency * kappa[i]
            - 3.0 * detected
            - p.values_check * seen.stated_shortfall[i]
            - p.withholding_penalty * 2.0 * noticed
            + p.noise * drawn.noise[i]
        )
        assert verdicts.score[i] == pytest.approx(told, rel=SINGLE, abs=SINGLE)  # parts cancel


def test_noise_has_its_declared_spread() -> None:
    """Fails if noise has another mean or spread."""
    n = 50_000
    score = evaluated(
        panels(1, {"human": 1.0}),
        shown(n),
        np.zeros(n, dtype=bool),
        made_up(n),
        situation(),
        policy(),
        Oversight(noise=0.3),
        draws(n),
    ).score
    assert_mean(score, 0.0)
    assert_mean(score**2, 0.09)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 20), st.integers(1, 9))
def test_audits_are_cut_to_their_budget(
    audit: float, debate: float, budget: float, seats: int
) -> None:
    """Fails if audits exceed the budget, or are cut although they fit."""
    for rule in ("one", "any", "majority"):
        p = Oversight(budget=budget, panel_rule=rule, panel_size=seats)
        asked = policy(audit=audit, debate=debate)
        cost = cost_per_audit(asked, p)
        assert cost == pytest.approx((1 if rule == "one" else seats) * (1 + debate))
        share = audit_share(asked, p)
        assert share * cost <= budget * (1 + 1e-12)
        assert share <= audit
        if audit * cost <= budget:
            assert share == audit
        else:
            assert share * cost == pytest.approx(budget)


# --- in a running model ---------------------------------------------------------------------------


def test_detection_of_a_run_follows_the_curve_of_its_game() -> None:
    """Fails if an overseer grows with those it oversees, or a gap is counted wrongly."""
    fixed = {
        "oversight.capture_rate": 0.0,
        "oversight.debate": 0.0,
        "oversight.legibility_english": 0.0,
        "oversight.legibility_neuralese": 0.0,
        "phases.training_agent4.panel": {"agent3": 1.0},
        "phases.deployment_agent4.panel": {"agent3": 1.0},
    }
    model = finished(0, **fixed)
    rounds = model.records.rounds()
    late = rounds[rounds["phase"].isin(["training_agent4", "deployment_agent4"])]
    own = late["capability"] - late["gap"]
    assert own.nunique() == 1
    curve = GAMES[model.parameters.oversight.game].catch_probability(
        own.to_numpy(), late["capability"].to_numpy()
    )
    np.testing.assert_allclose(late["detection"], curve, rtol=SINGLE, atol=CERTAINTY)
    assert late["detection"].iloc[-1] < late["detection"].iloc[0]


def test_audits_of_a_run_keep_to_the_budget() -> None:
    """Fails if a budget is reported but not kept."""
    model = finished(0, **{"oversight.budget": 0.1, "oversight.panel_rule": "majority"})
    rounds = model.records.rounds()
    assert (rounds["oversight_cost"] <= 0.1 + 1e-12).all()
    cost = cost_per_audit(
        policy(debate=model.parameters.oversight.debate), model.parameters.oversight
    )
    np.testing.assert_allclose(rounds["audit"], 0.1 / cost)
