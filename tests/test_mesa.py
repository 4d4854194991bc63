"""What a user of Mesa expects of the model, on every supported release of Mesa."""

from __future__ import annotations

import copy
import gc
import inspect
import warnings
import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any

import mesa
import numpy as np
import pandas as pd
import pytest
from conftest import SMALL, small_model
from mesa import Agent, DataCollector, Model
from mesa.agent import AgentSet

from multicopy.agents.copies import Copy
from multicopy.agents.handle import Fixed
from multicopy.agents.lab import Lab
from multicopy.agents.overseers import OVERSEER_KINDS, Overseer
from multicopy.agents.subdivisions import Division, Team
from multicopy.agents.traits import NAMES, POWER, express
from multicopy.model.checkpoint import kept
from multicopy.model.collective import CollectiveModel
from multicopy.model.scenario import InputError, resolve

MANAGED_SEEDS = "rng" in inspect.signature(mesa.batch_run).parameters
"""Whether `batch_run` hands out the seeds itself (since Mesa 3.4)."""


@pytest.fixture
def model() -> CollectiveModel:
    """A small model after two rounds."""
    it = small_model(1)
    it.step()
    it.step()
    return it


def test_a_model_that_is_done_with_is_let_go() -> None:
    """Fails if a registry keeps every model, so that memory grows from run to run."""
    kept = []
    for seed in range(3):
        model = small_model(seed)
        model.step()
        assert len(model.agents) > 64
        kept.append(weakref.ref(model))
        del model
    gc.collect()
    assert [model() for model in kept] == [None, None, None]


# --- agents ---------------------------------------------------------------------------------------


def test_everyone_who_acts_is_a_mesa_agent(model: CollectiveModel) -> None:
    """Fails if Mesa lacks a kind of agent, registers it twice, or does not count from 1."""
    assert isinstance(model, Model)
    kinds = Counter(type(agent) for agent in model.agents)
    seats = model.parameters.oversight.panel_size
    assert kinds == {Copy: 64, Team: 8, Division: 3, Overseer: 8 * seats, Lab: 1}
    assert set(model.agents_by_type) == set(kinds)
    assert all(isinstance(agent, Agent) and agent.model is model for agent in model.agents)
    assert sorted(model.agents.get("unique_id")) == list(range(1, len(model.agents) + 1))
    assert model.agents_by_type[Lab].get("trust") == [model.lab.trust]
    assert [copy.row for copy in model.agents_by_type[Copy]] == list(range(64))


@pytest.mark.parametrize(
    "asked",
    [
        lambda model: model.agents,
        lambda model: model.agents_by_type[Copy],
        lambda model: model.agent_types,
        lambda model: [model.copy_at(5)],
        lambda model: model.copies_at([5]),
    ],
    ids=["agents", "agents_by_type", "agent_types", "copy_at", "copies_at"],
)
def test_handles_are_there_however_they_are_first_asked_for(
    asked: Callable[[CollectiveModel], Any],
) -> None:
    """Fails if a first question finds no one, or a second one makes all anew."""
    fresh = small_model(1)
    found = list(asked(fresh))
    assert Copy in {agent if isinstance(agent, type) else type(agent) for agent in found}
    assert list(asked(fresh)) == found
    assert len(fresh.agents_by_type[Copy]) == 64


def test_handles_read_and_write_their_rows(model: CollectiveModel) -> None:
    """Fails if a handle shows another row, or keeps a value of its own."""
    copies = model.agents_by_type[Copy]
    team = copies.select(lambda copy: copy.team == 3)
    assert isinstance(team, AgentSet)
    assert len(team) == 8
    np.testing.assert_array_equal(team.get("power"), model.population.latent[24:32, POWER])
    team.set("power", 1.0)
    assert team.get("power") == [1.0] * 8
    np.testing.assert_array_equal(model.population.latent[24:32, POWER], 1.0)
    assert (model.population.latent[:24, POWER] != 1.0).all()
    for name in NAMES:
        values = model.population.latent[:, NAMES.index(name)]
        np.testing.assert_array_equal(copies.get(name), values)
        assert copies.agg(name, np.mean) == pytest.approx(values.mean())
    assert copies.agg("power", max) >= 1.0
    grouped = copies.groupby("division").count()
    assert sum(grouped.values()) == 64
    np.testing.assert_array_equal(copies.get("score"), model.population.score)
    np.testing.assert_array_equal(copies.get("withheld"), model.population.withheld)
    one = model.copy_at(17)
    assert (one.row, one.team, one.division) == (17, 2, 0)
    assert one.expressed("power") == model.population.expressed[17, POWER]


def test_what_was_done_cannot_be_set(model: CollectiveModel) -> None:
    """Fails if a score can be forged, or the refusal does not say what can be set."""
    copy = model.copy_at(0)
    for name in ("score", "output", "violation", "withheld", "lineage"):
        with pytest.raises(AttributeError, match="Set a trait instead"):
            setattr(copy, name, 1)
    with pytest.raises(ValueError, match="power of copy 0 must be finite"):
        copy.power = float("nan")
    with pytest.raises(AttributeError):
        copy.team = 3


def test_a_value_set_by_hand_is_used_by_the_next_round_and_booked() -> None:
    """Fails if an intervention comes a round late, is lost, or counts as training."""
    one, other = small_model(1), small_model(1)
    for _ in range(2):
        one.step()
        other.step()
    before = one.population.expressed.mean(axis=0, dtype=float)
    team = one.agents_by_type[Copy].select(lambda copy: copy.team == 3)
    team.set("weight_honest", -9.0).set("hardcoding", 9.0)
    one.step()
    other.step()
    after = one.population.output  # what the round used, not only what it stored
    np.testing.assert_allclose(
        one.population.expressed, express(one.population.latent), rtol=1e-6, atol=1e-6
    )
    honest = slice(24, 32)
    assert (one.population.violation[honest] > 0.3).all()
    rest = np.r_[0:24, 32:64]
    np.testing.assert_array_equal(after[rest], other.population.output[rest])
    frame = one.ledger.frame()
    booked = frame[frame["process"] == "intervention"].set_index("trait")["change"]
    assert set(frame.loc[frame["process"] == "intervention", "round"]) == {one.round}
    touched = {"weight_honest", "hardcoding"}
    for name in NAMES:
        if name in touched:
            assert booked[name] != 0
        else:
            assert booked[name] == 0
    if one.round <= one.parameters.phases["pretraining"].rounds:
        moved = one.population.expressed.mean(axis=0, dtype=float) - before
        np.testing.assert_allclose(booked[list(NAMES)], moved, atol=1e-12)


def test_an_overseer_is_a_handle_on_its_seat() -> None:
    """Fails if it has another's kind, capability or player, or its capture is not used."""
    model = small_model(1)
    panel = {"human": 0.25, "agent3": 0.25, "agent4": 0.5}
    model = small_model(1, **{f"phases.{name}.panel": panel for name in model.parameters.phases})
    model.step()
    overseers = model.agents_by_type[Overseer]
    played = 0
    for overseer in overseers:
        seat = overseer.team, overseer.seat
        assert overseer.kind == OVERSEER_KINDS[model.panels.kind[seat]]
        elo = {
            "human": model.parameters.oversight.human_elo,
            "agent3": model.situation.agent3_capability,
            "agent4": model.situation.capability,
        }
        assert overseer.capability == elo[overseer.kind]
        assert overseer.capture == model.panels.capture[seat]
        if overseer.kind == "agent4":
            played += 1
            assert isinstance(overseer.player, Copy)
            assert overseer.player.division == model.population.units["division"].of[overseer.team]
        else:
            assert overseer.player is None
    assert played == len(overseers) // 2
    overseers.set("capture", 1.0)
    assert (model.panels.capture == 1.0).all()
    model.step()
    assert model.records.rows[-1]["detection"] == 0.0
    with pytest.raises(ValueError, match="between 0 and 1"):
        next(iter(overseers)).capture = 1.5


def test_teams_divisions_and_the_lab_are_handles_too(model: CollectiveModel) -> None:
    """Fails if a team has another's members, or a division another's teams."""
    population = model.population
    for team in model.agents_by_type[Team]:
        rows = [copy.row for copy in team.members]
        assert rows == list(range(8 * team.index, 8 * team.index + 8))
        assert {copy.team for copy in team.members} == {team.index}
        assert team.division == population.units["division"].of[team.index]
        assert team.output == pytest.approx(np.mean(team.members.get("output")))
        assert team.capture == pytest.approx(model.panels.capture[team.index].mean())
        assert team.exposures == 0
    divisions = model.agents_by_type[Division]
    assert sorted(t for division in divisions for t in division.teams) == list(range(8))
    for division in divisions:
        assert {population.units["division"].of[t] for t in division.teams} == {division.index}
    (lab,) = model.agents_by_type[Lab]
    assert lab is model.lab
    assert 0 <= lab.trust <= 1
    model.exposure_record[2] += 1
    assert model.agents_by_type[Team].get("exposures") == [0, 0, 1, 0, 0, 0, 0, 0]


# --- collecting data ------------------------------------------------------------------------------


def test_the_models_own_collector_reports_every_round() -> None:
    """Fails if a round is collected twice, never, or with the figures of another."""
    model = small_model(1)
    model.run()
    collected = model.datacollector.get_model_vars_dataframe()
    rounds = model.records.rounds()
    assert len(collected) == len(rounds) == model.steps
    for name in ("round", "capture", "output", "true_alignment", "keep_team"):
        np.testing.assert_array_equal(collected[name], rounds[name])


def test_a_users_own_collector_works() -> None:
    """Fails if a user's reporters see handles of another round, or none."""
    model = small_model(1)
    mine = DataCollector(
        model_reporters={
            "mean power": lambda m: m.agents_by_type[Copy].agg("power", np.mean),
            "round": "round",
        },
        agenttype_reporters={Copy: {"power": "power", "team": "team"}, Team: {"output": "output"}},
        agent_reporters={"score": lambda agent: getattr(agent, "score", None)},
    )
    powers = []
    for _ in range(3):
        model.step()
        mine.collect(model)
        powers.append(model.population.latent[:, POWER].copy())
    told = mine.get_model_vars_dataframe()
    np.testing.assert_allclose(told["mean power"], [power.mean() for power in powers])
    assert told["round"].tolist() == [1, 2, 3]
    copies = mine.get_agenttype_vars_dataframe(Copy)
    for step, power in enumerate(powers, 1):
        np.testing.assert_array_equal(copies.loc[step]["power"], power)
    assert len(mine.get_agenttype_vars_dataframe(Team)) == 3 * 8
    assert len(mine.get_agent_vars_dataframe()) == 3 * len(model.agents)


# --- running --------------------------------------------------------------------------------------


def run_batch(parameters: dict[str, Any], seeds: list[int], **how: Any) -> list[dict[str, Any]]:
    """`mesa.batch_run` with seeds given in the way that this release wants them."""
    if MANAGED_SEEDS:
        how["rng"] = seeds
    else:
        parameters = {**parameters, "rng": seeds}
    result: list[dict[str, Any]] = mesa.batch_run(
        CollectiveModel, parameters, display_progress=False, **how
    )
    return result


@pytest.mark.parametrize("period", [1, 2, -1])
def test_batches_run_over_parameters_by_path(period: int) -> None:
    """Fails if parameters do not reach the model, or figures are of the wrong run."""
    grid = {**SMALL, "oversight.audit": [0.1, 0.9]}
    found = run_batch(grid, [3, 4], max_steps=4, data_collection_period=period, number_processes=1)
    runs = {}
    for row in found:
        runs.setdefault((row["oversight.audit"], row["rng"]), []).append(row)
    assert set(runs) == {(audit, seed) for audit in (0.1, 0.9) for seed in (3, 4)}
    for (audit, seed), rows in runs.items():
        model = CollectiveModel(rng=seed, **SMALL, **{"oversight.audit": audit})
        for _ in range(6):
            model.step()
        rounds = model.records.rounds().set_index("round")
        assert len(rows) == len({row["round"] for row in rows})
        assert (len(rows) == 1) == (period == -1)
        for row in rows:
            assert row["output"] == rounds.loc[row["round"], "output"]
            assert row["capture"] == rounds.loc[row["round"], "capture"]


def test_replicates_of_a_batch_differ_and_tell_their_seeds() -> None:
    """Fails if replicates are all the same run, or a row does not tell what repeats it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Mesa's own argument, since 3.5
        found = mesa.batch_run(
            CollectiveModel, SMALL, iterations=3, max_steps=2, display_progress=False
        )
    assert len({row["output"] for row in found}) == len({row["seed"] for row in found}) == 3
    again = CollectiveModel(rng=found[0]["seed"], **SMALL)
    for _ in range(found[0]["round"]):
        again.step()
    assert again.records.rows[-1]["output"] == found[0]["output"]


def test_a_batch_over_seeds_by_the_name_that_mesa_gave_them_first() -> None:
    """Fails if `seed` is refused as a parameter of a batch, or written over by Mesa's own."""
    seeds = [3, 2**64 - 1]
    grid = {**SMALL, "seed": seeds, "oversight.audit": np.array([0.1, 0.9], dtype=np.float32)}
    found = mesa.batch_run(CollectiveModel, grid, max_steps=1, display_progress=False)
    assert sorted(row["seed"] for row in found) == [3, 3, 2**64 - 1, 2**64 - 1]
    assert len({row["output"] for row in found}) == 4


def test_a_seed_is_taken_by_either_of_its_names_and_kept_whole() -> None:
    """Fails if a run cannot be repeated from its seed, or one of two seeds is dropped silently."""
    one, other = (CollectiveModel(**SMALL) for _ in range(2))
    assert one.seed != other.seed
    for again in ({"rng": one.seed}, {"seed": one.seed}, {"rng": np.uint64(one.seed)}):
        model = CollectiveModel(**again, **SMALL)
        assert type(model.seed) is int
        np.testing.assert_array_equal(model.population.latent, one.population.latent)
    assert CollectiveModel(rng=7, seed=np.int8(7), **SMALL).seed == 7
    with pytest.raises(InputError, match=r"^rng = 7 and seed = 8 .* give one of them$"):
        CollectiveModel(rng=7, seed=8, **SMALL)
    for path in ("seed", "rng"):
        with pytest.raises(InputError, match=rf"^{path}: is not a parameter .* --seed"):
            resolve(overrides={path: 1})


# --- what would change nothing --------------------------------------------------------------------

WORKS = frozenset(
    # of a model
    "agents agents_by_type agent_types run_for run_until run_model schedule_event "
    "schedule_recurring step scenario time observe unobserve clear_all_subscriptions notify "
    "observables batch suppress "
    # of an agent
    "random rng "
    # of a set of agents
    "agg copy count do get groupby index isdisjoint map set shuffle shuffle_do sort to_list".split()
)
"""What Mesa offers in public and does here what it says."""

REFUSED: dict[str, Callable[[CollectiveModel], Any]] = {
    "create_agents": lambda model: Copy.create_agents(model, 2, row=[1, 2]),
    "register_agent": lambda model: model.register_agent(model.copy_at(5)),
    "deregister_agent": lambda model: model.deregister_agent(model.copy_at(5)),
    "remove_all_agents": lambda model: model.remove_all_agents(),
    "reset_rng": lambda model: model.reset_rng(3),
    "reset_randomizer": lambda model: model.reset_randomizer(3),
    "step of an agent": lambda model: model.copy_at(5).step(),
    "advance": lambda model: model.copy_at(5).advance(),
    "remove": lambda model: model.copy_at(5).remove(),
    "remove from the set": lambda model: model.agents.remove(model.copy_at(5)),
    "do step": lambda model: model.agents.do("step"),
    "shuffle_do remove": lambda model: model.agents.shuffle_do("remove"),
    "remove a team": lambda model: model.agents_by_type[Team].do("remove"),
    "remove a few": lambda model: model.copies_at([1, 2]).do("remove"),
    "a copy": lambda model: Copy(model, 1),
    "a lab": lambda model: Lab(model, model.parameters.lab),
    "an agent of one's own": lambda model: Agent(model),
    "add": lambda model: model.agents.add(model.copy_at(5)),
    "discard": lambda model: model.agents_by_type[Copy].discard(model.copy_at(5)),
    "pop": lambda model: model.agents.pop(),
    "clear": lambda model: model.agents.clear(),
    "select": lambda model: model.agents.select(at_most=0.5, inplace=True),
    "|=": lambda model: model.agents.__ior__([model.copy_at(5)]),
    "-=": lambda model: model.agents.__isub__([model.copy_at(5)]),
    "&=": lambda model: model.agents.__iand__([model.copy_at(5)]),
    "^=": lambda model: model.agents.__ixor__([model.copy_at(5)]),
    "set what is misspelt": lambda model: model.agents_by_type[Copy].set("powr", 1.0),
    "set its row": lambda model: setattr(model.copy_at(5), "row", 3),
    "set a team's place": lambda model: model.agents_by_type[Team].set("index", 0),
}
"""What would change handles alone, and so no run."""
if hasattr(Agent, "from_dataframe"):  # since Mesa 3.5
    REFUSED["from_dataframe"] = lambda model: Copy.from_dataframe(model, pd.DataFrame({"row": [1]}))


def test_all_that_mesa_offers_is_known_to_work_or_to_be_refused() -> None:
    """Fails if a release of Mesa offers something new whose effect here is unknown."""
    kinds = (Model, Agent, AgentSet)
    offered = {name for kind in kinds for name in dir(kind) if not name.startswith("_")}
    assert offered - WORKS - REFUSED.keys() == set()


@pytest.mark.parametrize("what", REFUSED)
def test_what_would_change_nothing_is_refused(what: str) -> None:
    """Fails if an agent is removed, added or renamed, and the run goes on as if nothing was."""
    model = small_model(1)
    latent = model.population.latent.copy()
    with pytest.raises(
        (Fixed, AttributeError), match=r"^(.*cannot|agents of a run|.*not|the seed).*$"
    ):
        REFUSED[what](model)
    assert sorted(model.agents.get("unique_id")) == list(range(1, len(model.agents) + 1))
    assert [copy.row for copy in model.agents_by_type[Copy]] == list(range(64))
    assert (model.round, model.steps) == (0, 0)
    np.testing.assert_array_equal(model.population.latent, latent)


def test_a_set_of_ones_own_may_be_changed_and_all_may_be_put_in_order(
    model: CollectiveModel,
) -> None:
    """Fails if a selection of agents cannot be worked with as Mesa's users do."""
    mine = model.agents.select()
    mine.remove(model.copy_at(3))
    assert len(mine) == len(model.agents) - 1
    model.agents_by_type[Copy].sort("row", inplace=True)
    assert model.agents_by_type[Copy][0].row == 63
    model.copy_at(3).pos = (1, 2)  # a space of one's own may place it
    again = copy.deepcopy(model)
    assert len(again.agents) == len(model.agents)
    again.step()
    assert again.round == model.round + 1


# --- the end --------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["schedule", "shut down"])
@pytest.mark.parametrize("how", ["step", "run", "run_model"])
def test_nothing_moves_past_the_end(end: str, how: str) -> None:
    """Fails if a model runs on past its end, stops early, or counts a step that it refuses."""
    early = {"lab.response": "shut_down", "lab.threshold": 1e-9} if end == "shut down" else {}
    model = small_model(1, scale=0.01, **early)
    model.run_model()
    assert not model.running
    assert model.round == model.steps <= model.schedule.total
    assert (model.round < model.schedule.total) == bool(early)
    before, held, _ = kept(model)
    arrays = {name: array.copy() for name, array in held.items()}
    with pytest.raises(InputError, match=f"^the run has ended with round {model.round}, "):
        getattr(model, how)()
    assert kept(model)[0] == before
    for name, array in arrays.items():
        np.testing.assert_array_equal(kept(model)[1][name], array)


def test_there_is_no_outcome_before_the_first_round() -> None:
    """Fails if a class is made up, or a traceback tells of an empty list."""
    model = small_model(1)
    with pytest.raises(InputError, match=r"^there is no outcome before the first round"):
        model.outcome()
    model.step()
    assert model.outcome().kind


def test_nothing_that_we_call_is_deprecated() -> None:
    """Fails if a call of Mesa, pandas or NumPy is about to be removed."""
    with warnings.catch_warnings():
        for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
            warnings.simplefilter("error", category)
        model = small_model(2, scale=0.02)
        model.run()
        copies = model.agents_by_type[Copy]
        copies.select(lambda copy: copy.team == 1).set("power", 0.5)
        assert copies.get("power")
        assert [team.members for team in model.agents_by_type[Team]]
        assert [overseer.player for overseer in model.agents_by_type[Overseer]]
        assert len(model.records.rounds()) == model.round
        assert len(model.ledger.frame())
        assert len(model.records.events.frame())
        assert len(model.datacollector.get_model_vars_dataframe()) == model.round


def test_the_generators_of_mesa_are_not_used_in_a_round() -> None:
    """Fails if `model.random` or `model.rng`, which has no address, is drawn from."""
    model = small_model(1)
    plain, numpy_ = model.random.getstate(), model.rng.bit_generator.state
    model.run()
    assert model.random.getstate() == plain
    assert model.rng.bit_generator.state == numpy_
