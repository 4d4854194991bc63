"""Counter-based draws: the published cipher, normal deviates, and independence of threads."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import SMALL

from agents.draws import Stream, box_muller, philox
from model.collective import CollectiveModel
from model.scenario import resolve, scale_rounds

WORD = np.uint32


@pytest.mark.parametrize(
    ("counter", "key", "told"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((2**32 - 1,) * 4, (2**32 - 1,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_the_cipher_gives_its_published_answers(
    counter: tuple[int, ...], key: tuple[int, ...], told: tuple[int, ...]
) -> None:
    """A round, a constant or an order of words that is not Philox4x32-10's would break it."""
    assert tuple(map(int, philox(*map(WORD, counter), *map(WORD, key)))) == told


def test_normal_draws_are_those_of_box_and_muller() -> None:
    """A series cut too early, or a quadrant with a wrong sign, would break it."""
    numbers = np.random.default_rng(0)
    radii = np.concatenate([2.0 ** -np.arange(33), 1 - numbers.random(1000)])
    angles = np.concatenate([np.arange(33) / 33, numbers.random(1000)])
    cosines, sines = np.empty_like(radii), np.empty_like(radii)
    box_muller(radii, angles, cosines, sines)
    length = np.sqrt(-2 * np.log(radii))
    np.testing.assert_allclose(cosines, length * np.cos(2 * np.pi * angles), atol=1e-13)
    np.testing.assert_allclose(sines, length * np.sin(2 * np.pi * angles), atol=1e-13)


def test_a_row_has_the_same_normals_whoever_else_draws() -> None:
    """Draws that depend on how many rows are asked for would break it."""
    rows = np.array([3, 40, 7])
    whole = Stream((1, 2), 5).standard_normal((50, 28))
    np.testing.assert_array_equal(Stream((1, 2), 5).normals_of(rows, 28), whole[rows])


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_do_not_change_a_run(threads: int) -> None:
    """A kernel that writes into others' rows, or a sum in the order of threads, would break it."""
    p = scale_rounds(resolve("ai2027", {**SMALL, "copies": 480, "teams": 60}), 0.05)
    one, other = (CollectiveModel(p, rng=4, threads=t) for t in (1, threads))
    one.run()
    other.run()
    np.testing.assert_array_equal(one.population.latent, other.population.latent)
    assert one.records.rounds().equals(other.records.rounds())
    assert one.ledger.frame().equals(other.ledger.frame())
