"""Selection among the copies of a team by their scores, and mutation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from multicopy.agents.machine.arithmetic import exp, exps
from multicopy.agents.machine.arrays import Address, Bools, Floats, Ints, Reals, Singles, Whole
from multicopy.agents.machine.compiled import compiled
from multicopy.agents.machine.draws import Stream, normals_for, teams_at_a_time, uniforms_at
from multicopy.agents.parameters import Training
from multicopy.agents.personas import Mixture, switch_weights
from multicopy.agents.population import MUTATION, Changes, Population
from multicopy.agents.traits import (
    ABOVE_SELF,
    DRAW_OF,
    DRAWN,
    HARDCODING,
    KEEP_SELF,
    ROW,
    SHARED_DRAW,
    TRAIT_COUNT,
    standard_normals,
)

SINGLE: Final[Mapping[str, bool]] = {"rate": False, "single": True}
"""Whether just one copy of a team is challenged in a round, by the schedule."""

_BATCH: Final = 32


@dataclass(frozen=True, slots=True)
class Succession:
    """Who follows whom in a round of selection.

    Attributes
    ----------
    parent
        Row that each slot's occupant comes from, shape (teams, team size); its own row if it stays.
    replaced
        Which slots hold a new child (and so mutate), same shape.
    """

    parent: Whole
    replaced: Bools


def challenge(score: Reals, source: Whole, p: Training, rng: Stream) -> Succession:
    """Pairwise challenge: a share of the copies is challenged by a mate from the source team.

    The challenged takes the mate's traits with probability logistic(beta·(score of mate - own)),
    the Fermi rule of evolutionary game theory (T1 to T3 in docs/theory.md).
    """
    teams, size = score.shape
    parent, replaced = np.empty((teams, size), np.int32), np.empty((teams, size), np.bool_)
    block = teams_at_a_time(size)
    rng.crew.share(
        _challenge,
        -(-teams // block),
        block,
        score,
        source,
        rng.address(3),
        (SINGLE[p.schedule], p.challenge_rate, p.strength),
        parent,
        replaced,
    )
    return Succession(parent, replaced)


@compiled
def _challenge(
    first: int,
    last: int,
    block: int,
    score: Singles,
    source: Ints,
    address: Address,
    how: tuple[bool, float, float],
    parent: Whole,
    replaced: Bools,
) -> None:
    """Challenge copies of some blocks of teams, from three rows of uniforms."""
    single, rate, strength = how
    teams, size = score.shape
    seats, rivals, lead = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size)
    room = np.empty(3 * block * size, np.float32)
    for begin in range(first * block, min(last * block, teams), block):
        end = min(begin + block, teams)
        draws = room[: 3 * (end - begin) * size].reshape(3, -1)
        uniforms_at(begin * size, address, draws)
        for team in range(begin, end):
            for seat in range(size):
                replaced[team, seat], parent[team, seat] = False, team * size + seat
            own = slice((team - begin) * size, (team - begin + 1) * size)
            due, which, accept = draws[0][own], draws[1][own], draws[2][own]
            count = _challenged(due, single, rate, seats)
            for place in range(count):
                seat = seats[place]
                rival = source[team, seat]
                candidates = size - 1 if rival == team else size
                mate = int(which[seat] * candidates)
                if rival == team and mate >= seat:
                    mate += 1  # nobody challenges itself
                rivals[place] = rival * size + mate if candidates else -1
                lead[place] = score[rival, mate] - score[team, seat] if candidates else 0.0
            _follow(strength, lead[:count])
            for place in range(count):
                seat = seats[place]
                if rivals[place] >= 0 and accept[seat] < lead[place]:
                    replaced[team, seat], parent[team, seat] = True, rivals[place]


@compiled
def _challenged(draws: Singles, single: bool, rate: float, seats: Ints) -> int:
    """Write the seats that are challenged, each at a rate or just one; how many they are."""
    if single:
        seats[0] = draws.argmax()
        return 1
    count = 0
    for seat in range(len(draws)):
        seats[count] = seat  # without a branch, which a processor cannot foresee here
        count += draws[seat] < rate
    return count


@compiled
def _follow(strength: float, lead: Floats) -> None:
    """Write the chance to follow a mate in the place of its lead."""
    for i in range(len(lead)):
        lead[i] = 1 / (1 + exp(-strength * lead[i]))


def resample(score: Reals, source: Whole, p: Training, rng: Stream) -> Succession:
    """Wright-Fisher: every slot gets a child, of a parent drawn with weight exp(beta·score)."""
    weight = exps(p.strength * (score - score.max(axis=1, keepdims=True)))
    ends = np.cumsum(weight, axis=1)
    ends /= ends[:, -1:]
    draw = rng.random(score.shape)
    place = (draw[..., None] >= ends[source][..., :-1]).sum(axis=-1)
    return Succession(source * score.shape[1] + place, np.ones(score.shape, dtype=np.bool_))


def tournament(score: Reals, source: Whole, p: Training, rng: Stream) -> Succession:
    """Every slot gets a child of the best among a few different members of the source team."""
    teams, size = score.shape
    entrants = min(p.tournament_size, size)
    order = rng.random((teams, size, size)).argsort(axis=2, kind="stable")[..., :entrants]
    rows = source[..., None] * size + order
    best = _judged(score, p, rng).ravel()[rows].argmax(axis=2)
    parent = np.take_along_axis(rows, best[..., None], axis=2)[..., 0]
    return Succession(parent, np.ones(score.shape, dtype=np.bool_))


def truncation(score: Reals, source: Whole, p: Training, rng: Stream) -> Succession:
    """Every slot gets a child of one of the best, who have equal numbers of children."""
    size = score.shape[1]
    kept = max(1, round(p.truncation * size))
    best = np.argsort(-_judged(score, p, rng), axis=1, kind="stable")[:, :kept]
    place = best[source, np.arange(size) % kept]
    return Succession(source * size + place, np.ones(score.shape, dtype=np.bool_))


def _judged(score: Reals, p: Training, rng: Stream) -> Reals:
    """Scores for a rule that only ranks: at strength 0 it ranks by chance, as others choose."""
    return score if p.strength else rng.random(score.shape)


RULES: Final[Mapping[str, Callable[[Reals, Whole, Training, Stream], Succession]]] = {
    "challenge": challenge,
    "resample": resample,
    "tournament": tournament,
    "truncation": truncation,
}


def sources(home: Whole, migration: float, rng: Stream) -> Whole:
    """Team that each slot's rivals or parents come from: its own, or another with `migration`.

    `home` is the team of each slot, shape (teams, team size).
    """
    teams, size = home.shape
    if migration == 0 or teams == 1:
        return home
    moves, which = rng.random((2, teams, size))
    other = (which * (teams - 1)).astype(np.int32)
    other += other >= home
    return np.where(moves < migration, other, home)


def select(
    population: Population,
    p: Training,
    migration: float,
    rng: Stream,
    migration_rng: Stream,
) -> tuple[list[Changes], Ints]:
    """Select copies by their scores.

    Returns
    -------
    The changes (within-team selection, and children of other teams as reshuffling; at once), and
    the rows that hold a new child.
    """
    source = sources(population.home, migration, migration_rng)
    succession = RULES[p.rule](population.by_team(population.score), source, p, rng)
    new = np.flatnonzero(succession.replaced)
    parent = succession.parent.ravel()[new]
    stayed = population.team_of(parent) == population.team_of(new) if migration else np.bool_(True)
    if stayed.all():
        return [Changes("within-team selection", new, parents=parent)], new
    home, away = new[stayed], new[~stayed]
    changes = [
        Changes("within-team selection", home, parents=parent[stayed]),
        Changes("reshuffling", away, parents=parent[~stayed]),
    ]
    return changes, new


def train(
    population: Population,
    p: Training,
    migration: float,
    hardcoding: float,
    mixture: Mixture,
    advantage: Floats,
    at: Callable[[str], Stream],
) -> Iterator[Sequence[Changes]]:
    """A round of training: selection, mutation of the children, and shutdown where that erases.

    Parameters
    ----------
    population, p
        The copies with their scores, and the parameters.
    migration
        Share of children whose parents come from another team.
    hardcoding
        Scale of the mutation of hard-coding.
    mixture, advantage
        Authors that a child may switch to, and what training has rewarded in this phase.
    at
        The random numbers of a process in this round.

    Yields
    ------
    Changes that happen at once; they must be applied before the next are asked for.
    """
    selected, new = select(population, p, migration, at("training"), at("migration"))
    draws = at("mutation")
    if len(selected) == 1 and p.exhaustiveness == 0:
        yield [replace(selected[0], steps=mutation_steps(new, p, hardcoding, draws))]
    else:
        yield selected
        yield mutate(population, new, p, hardcoding, mixture, advantage, draws, at("switching"))
    if p.shutdown_erases:
        yield [erase(population, p, at("shutdown"))]


def mutation_steps(rows: Ints, p: Training, hardcoding: float, rng: Stream) -> Singles:
    """Gaussian steps for some rows of the population, padded, shape (rows, `ROW`).

    The preservation drives above the single copy share a part of their step. `hardcoding` scales
    the steps of hard-coding.
    """
    scale = np.zeros(ROW)
    scale[:TRAIT_COUNT] = p.mutation_sd
    scale[HARDCODING] *= hardcoding
    steps: Singles = np.empty((len(rows), ROW), np.float32)
    rng.crew.share(_steps, len(rows), rows, rng.address(), scale, p.preservation_correlation, steps)
    return steps


@compiled
def _steps(
    first: int, last: int, rows: Ints, address: Address, scale: Floats, rho: float, steps: Singles
) -> None:
    """Make the steps of some rows from their normal draws."""
    common, own = np.sqrt(rho), np.sqrt(1 - rho)
    normals = np.empty((_BATCH, DRAWN))
    for begin in range(first, last, _BATCH):
        count = min(_BATCH, last - begin)
        normals_for(rows[begin : begin + count], address, normals[:count])
        for i in range(count):
            drawn, step = normals[i], steps[begin + i]
            for k in range(ABOVE_SELF.start, ABOVE_SELF.stop):
                draw = DRAW_OF[k]
                drawn[draw] = common * drawn[SHARED_DRAW] + own * drawn[draw]
            for k in range(TRAIT_COUNT):
                step[k] = scale[k] * drawn[DRAW_OF[k]]
            for k in range(TRAIT_COUNT, ROW):
                step[k] = 0.0


def mutate(
    population: Population,
    new: Ints,
    p: Training,
    hardcoding: float,
    mixture: Mixture,
    advantage: Floats,
    rng: Stream,
    switch_rng: Stream,
) -> list[Changes]:
    """Mutate the rows `new`: distort the persona, or switch it with probability exhaustiveness.

    A switched child is drawn around an archetype, chosen by prior times what training rewarded in
    this phase (`advantage`); its hard-coding is no property of an author and mutates as usual.
    """
    steps = mutation_steps(new, p, hardcoding, rng)
    if p.exhaustiveness == 0:
        return [Changes(MUTATION, new, shift=steps)]
    switches, which = switch_rng.random((2, len(population)))[:, new]
    switch = switches < p.exhaustiveness
    switched, distorted = new[switch], new[~switch]
    posterior = switch_weights(mixture.weights, advantage, p.switch_cap)
    archetype = np.searchsorted(np.cumsum(posterior)[:-1], which[switch], side="right")
    drawn = mixture.around(archetype, standard_normals(switch_rng, switched))
    drawn[:, HARDCODING] = population.latent[switched, HARDCODING] + steps[switch, HARDCODING]
    return [
        Changes(MUTATION, distorted, shift=steps[~switch]),
        Changes("switching", switched, values=drawn, switched=True),
    ]


def erase(population: Population, p: Training, rng: Stream) -> Changes:
    """Shut copies down where that loses their traits; a team mate's copy takes the place.

    Attention to itself averts it: rate·exp(-aversion·keep_self). Where shutdown does not erase
    (the default), a copy restarts from the same weights and nothing changes.
    """
    copies, size = len(population), population.team_size
    falls, which = rng.random((2, copies))
    rate = p.shutdown_rate * exps(-p.shutdown_aversion * population.expressed[:, KEEP_SELF])
    rows = np.flatnonzero(falls < rate) if size > 1 else np.empty(0, dtype=np.int64)
    mate = (which[rows] * (size - 1)).astype(np.int64)
    mate += mate >= rows % size
    return Changes("shutdown", rows, parents=rows - rows % size + mate)
