"""Counter-based draws: the published cipher, normal deviates, and independence of threads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import permutations
from queue import SimpleQueue
from threading import Thread

import numba
import numpy as np
import pytest
from conftest import Z_LIMIT, Numbers, OddCrew
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest
from test_streams import assert_same_run

from multicopy.agents.machine.arithmetic import exp32
from multicopy.agents.machine.compiled import BLOCK, Crew
from multicopy.agents.machine.draws import (
    LINE,
    Stream,
    box_muller,
    normals_at,
    normals_for,
    philox,
    teams_at_a_time,
    uniforms_at,
)
from multicopy.model import collective
from multicopy.model.collective import CollectiveModel
from multicopy.model.scenario import resolve, scale_rounds

WORD = np.uint32

words = st.integers(0, 2**32 - 1)
keys = st.tuples(words, words)


def enciphered(counter: Sequence[int], key: tuple[int, int]) -> tuple[int, ...]:
    """Philox4x32-10 in whole numbers without bounds, from the paper."""
    (a, b, c, d), (k, m) = counter, key
    for _ in range(10):
        one, two = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = two >> 32 ^ b ^ k, two % 2**32, one >> 32 ^ d ^ m, one % 2**32
        k, m = (k + 0x9E3779B9) % 2**32, (m + 0xBB67AE85) % 2**32
    return a, b, c, d


# --- the cipher and its addresses -----------------------------------------------------------------


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
    """Fails if a round, a constant or an order of words is not Philox4x32-10's."""
    assert tuple(map(int, philox(*map(WORD, counter), *map(WORD, key)))) == told
    assert enciphered(counter, (key[0], key[1])) == told


@given(st.tuples(words, words, words, words), keys)
def test_the_cipher_is_that_of_the_paper(counter: tuple[int, ...], key: tuple[int, int]) -> None:
    """Fails if it overflows where whole numbers do not."""
    told = tuple(map(int, philox(*map(WORD, counter), *map(WORD, key))))
    assert told == enciphered(counter, key)


@given(keys, words, st.integers(0, 3), st.integers(0, 40))
def test_a_draw_follows_from_its_address(
    key: tuple[int, int], round_: int, request: int, place: int
) -> None:
    """Fails if a part of the address is left out, or stands in the place of another."""
    drawn = Stream(key, round_)
    for _ in range(request):
        drawn.random(3)
    word = enciphered((place // 4, request, round_, 0), key)[place % 4]
    assert drawn.random(place + 1)[place] == word / 2**32


@given(keys, words, st.integers(1, 4), st.integers(0, 40))
def test_rows_of_uniforms_are_requests_cut_to_single_precision(
    key: tuple[int, int], round_: int, rows: int, size: int
) -> None:
    """Fails if a row repeats draws, rounds up to 1, or shifts the requests to come."""
    single, double = Stream(key, round_), Stream(key, round_)
    drawn = single.uniforms(rows, size)
    assert drawn.dtype == np.float32
    assert drawn.shape == (rows, size)
    for row in drawn:
        told = np.floor(double.random(size) * 2**24) / 2**24
        np.testing.assert_array_equal(row, told)
    np.testing.assert_array_equal(single.random(5), double.random(5))


@given(keys, words, st.integers(1, 9))
def test_normal_draws_follow_from_their_words(key: tuple[int, int], round_: int, size: int) -> None:
    """Fails if a normal draw has another address, uses a word twice, or is infinite."""
    told: list[float] = []
    for block in range(-(-size // 4)):
        four = enciphered((block, 0, round_, 0), key)
        for u, v in (four[:2], four[2:]):
            length, angle = np.sqrt(-2 * np.log((u + 1) / 2**32)), 2 * np.pi * v / 2**32
            told += [length * np.cos(angle), length * np.sin(angle)]
    drawn = Stream(key, round_).standard_normal(size)
    np.testing.assert_allclose(drawn, told[:size], rtol=0, atol=1e-13)


# --- distributions --------------------------------------------------------------------------------


def test_normal_draws_are_those_of_box_and_muller() -> None:
    """Fails if a series is cut too early, or a quadrant has a wrong sign."""
    numbers = np.random.default_rng(0)
    radii = np.concatenate([2.0 ** -np.arange(33), 1 - numbers.random(1000)])
    angles = np.concatenate([np.arange(33) / 33, numbers.random(1000)])
    cosines, sines = np.empty_like(radii), np.empty_like(radii)
    box_muller(radii, angles, cosines, sines)
    length = np.sqrt(-2 * np.log(radii))
    np.testing.assert_allclose(cosines, length * np.cos(2 * np.pi * angles), atol=1e-13)
    np.testing.assert_allclose(sines, length * np.sin(2 * np.pi * angles), atol=1e-13)


@numba.njit(error_model="numpy")  # as `agents.machine.compiled` does
def exponentials(x: np.ndarray, out: np.ndarray) -> None:
    """The exponential of each number, in a loop that is vectorized."""
    for i in range(len(x)):
        out[i] = exp32(x[i])


def exponentials_of(x: np.ndarray) -> np.ndarray:
    """The exponential of each number, which must be the same alone and in a loop."""
    single = x.astype(np.float32)
    out = np.full(len(single), np.nan, np.float32)
    exponentials(single, out)
    some = slice(None, None, max(1, len(single) // 1000))
    np.testing.assert_array_equal(out[some], [exp32(value) for value in single[some]])
    return out


def test_exponentials_are_exact_to_single_precision() -> None:
    """Fails if a term of the polynomial, or the rest of a power of two, is wrong."""
    x = np.linspace(-87, 88, 1_000_001).astype(np.float32)
    halves = np.log(2) * (np.arange(-125, 127) + 0.5)  # where the power of two changes
    near = halves[:, None] * (1 + 1e-7 * np.arange(-3, 4))
    x = np.concatenate([x, near.ravel().astype(np.float32), [0, 1e-30, -1e-30, 1]])
    told = np.exp(x.astype(np.float32).astype(float))
    found = exponentials_of(x)
    assert np.abs(found / told - 1).max() < 2e-7
    assert exponentials_of(np.zeros(1))[0] == 1


def test_exponentials_end_in_nothing_and_in_a_large_number() -> None:
    """Fails if the ends overflow, turn negative or lose a NaN."""
    low = np.array([np.nextafter(np.float32(-87), np.float32(-88)), -100, -1e10, -np.inf])
    np.testing.assert_array_equal(exponentials_of(low), 0)
    high = exponentials_of(np.array([88, 88.5, 89, 1e10, np.inf]))
    assert np.isfinite(high).all()
    np.testing.assert_array_equal(high, high[0])
    assert np.isnan(exponentials_of(np.array([np.nan, 0.0, -np.nan]))).tolist() == [1, 0, 1]


def test_draws_have_their_distributions() -> None:
    """Fails if a lane is used twice or left out, or words are scaled wrongly."""
    n = 200_000
    uniform, normal = Numbers(1).random(n), Numbers(2).standard_normal(n)
    assert ((uniform >= 0) & (uniform < 1)).all()
    np.testing.assert_array_equal(uniform * 2**32 % 1, 0)
    assert kstest(uniform, "uniform").pvalue > 1e-6
    assert kstest(normal, "norm").pvalue > 1e-6
    for lag in (1, 2, 3, 4, 5, 64):
        for drawn in (uniform, normal, normal**2):
            correlation = np.corrcoef(drawn[:-lag], drawn[lag:])[0, 1]
            assert abs(correlation) * np.sqrt(n) < Z_LIMIT, lag


def test_every_order_of_a_permutation_is_as_likely() -> None:
    """Fails if a random order favors some entries."""
    drawn, times = Numbers(3), 24_000
    counts = Counter(tuple(drawn.permutation(4).tolist()) for _ in range(times))
    assert set(counts) == set(permutations(range(4)))
    off = np.array(list(counts.values())) - times / 24
    assert np.abs(off).max() < (Z_LIMIT + 1) * np.sqrt(times / 24)
    entries = np.array([7, 7, 3, 9])
    assert sorted(drawn.permutation(entries)) == [3, 7, 7, 9]
    assert entries.tolist() == [7, 7, 3, 9]
    assert drawn.permutation(0).tolist() == []


def test_a_permutation_is_the_stable_order_of_its_uniforms() -> None:
    """Fails if the method of sorting, and so the machine, breaks ties."""

    class Tied(Stream):
        def random(self, shape: int | tuple[int, ...]) -> np.ndarray:
            return super().random(shape).round(1)

    entries = np.arange(1000) * 3
    for kind in (Stream, Tied):
        lots = kind((4, 0)).random(1000).tolist()
        told = [int(entries[place]) for place in sorted(range(1000), key=lots.__getitem__)]
        assert kind((4, 0)).permutation(entries).tolist() == told


# --- requests -------------------------------------------------------------------------------------


def test_a_row_has_the_same_normals_whoever_else_draws() -> None:
    """Fails if draws depend on how many rows are asked for."""
    rows = np.array([3, 40, 7])
    whole = Stream((1, 2), 5).standard_normal((50, LINE))
    np.testing.assert_array_equal(Stream((1, 2), 5).normals_of(rows, LINE), whole[rows])


@pytest.mark.parametrize("width", [4, 28, 64])
def test_normals_of_rows_are_the_first_of_their_lines(width: int) -> None:
    """Fails if a line depends on the others that are asked for, their number, or the width."""
    every = Numbers(5).standard_normal((300, LINE))[:, :width]
    for rows in ([0], [299], [17, 3, 3, 250], list(range(300)), []):
        some = Numbers(5).normals_of(np.array(rows, dtype=np.int64), width)
        np.testing.assert_array_equal(some, every[rows])
    np.testing.assert_array_equal(Numbers(5).standard_normal((40, LINE))[:, :width], every[:40])


@pytest.mark.parametrize("size", [1, 3, 6, 8, 511, 2000])
def test_teams_that_are_drawn_for_at_a_time_fill_whole_calls(size: int) -> None:
    """Fails if teams share a call of the cipher with the next block."""
    least = max(1, BLOCK // size)
    told = next(teams for teams in range(least, least + 4) if teams * size % 4 == 0)
    assert teams_at_a_time(size) == told


@pytest.mark.parametrize("width", [1, 27, 30, 68])
def test_a_line_must_fill_whole_blocks(width: int) -> None:
    """Fails if lines share a block, and so a draw."""
    with pytest.raises(ValueError, match=f"multiple of 4 up to 64, not {width}"):
        Numbers(0).normals_of(np.arange(3), width)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=4))
def test_an_array_is_filled_in_the_order_of_its_entries(shape: list[int]) -> None:
    """Fails if draws depend on the shape beyond its size, or the shape is not met."""
    size = int(np.prod(shape))
    for name in ("random", "standard_normal"):
        drawn = getattr(Numbers(6), name)(tuple(shape))
        assert drawn.shape == tuple(shape)
        np.testing.assert_array_equal(drawn.ravel(), getattr(Numbers(6), name)(size + 5)[:size])


def test_each_request_has_draws_of_its_own_whatever_the_size_of_those_before() -> None:
    """Fails if a request goes on in the block of the last, or repeats it."""
    one, other = Numbers(7), Numbers(7)
    first = one.random(3), other.random(1000)
    np.testing.assert_array_equal(first[0], first[1][:3])
    second = one.random(50), other.random(50)
    np.testing.assert_array_equal(*second)
    assert not np.isin(second[0], first[1]).any()


PARTS = [(0, 101), (0, 4), (4, 5), (8, 75), (64, 101), (96, 100), (100, 101)]
"""First and last place of parts of an array of 101, which begin with a call of the cipher."""


@pytest.mark.parametrize(("first", "last"), PARTS)
def test_part_of_an_array_has_the_draws_of_the_whole(first: int, last: int) -> None:
    """Fails if a block of teams has draws that depend on where it begins or ends."""
    for skipped in (0, 2):
        one, other = Stream((5, 6), 7), Stream((5, 6), 7)
        for _ in range(skipped):
            one.random(1)
            other.random(1)
        part = np.full((3, last - first), np.nan, np.float32)
        uniforms_at(first, one.address(3), part)
        np.testing.assert_array_equal(part, other.uniforms(3, 101)[:, first:last])
        normals = np.full(last - first, np.nan, np.float32)
        normals_at(first, one.address(), normals)
        told = other.standard_normal(101).astype(np.float32)
        np.testing.assert_array_equal(normals, told[first:last])
        np.testing.assert_array_equal(one.random(3), other.random(3))


@pytest.mark.parametrize("width", [4, 28])
def test_lines_made_in_a_loop_are_those_of_the_whole(width: int) -> None:
    """Fails if a line of normals depends on those made along with it."""
    whole = Stream((5, 6), 7).standard_normal((70, LINE))[:, :width]
    for rows in ([0], [69, 3, 3], list(range(40, 70)), list(range(70)), []):
        lines = np.full((len(rows), width), np.nan)
        normals_for(np.array(rows, dtype=np.int64), Stream((5, 6), 7).address(), lines)
        np.testing.assert_array_equal(lines, whole[rows] if rows else lines)


# --- threads --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 4, 63, 64, 65, 1023, 5000])
def test_threads_and_cuts_leave_every_draw_as_it_is(size: int) -> None:
    """Fails if a block falls between two threads, or the last is cut short."""
    rows = np.random.default_rng(size).permutation(2 * size)[:size]
    for crew in (Crew(0, 2), Crew(0, 3), OddCrew(size)):
        alone, shared = Stream((8, 0)), Stream((8, 0), crew=crew)
        np.testing.assert_array_equal(shared.random(size), alone.random(size))
        single = shared.uniforms(3, size), alone.uniforms(3, size)
        np.testing.assert_array_equal(*single)
        normals = shared.standard_normal(size), alone.standard_normal(size)
        np.testing.assert_array_equal(*normals)
        lines = shared.normals_of(rows, 28), alone.normals_of(rows, 28)
        np.testing.assert_array_equal(*lines)


def test_a_fault_in_a_thread_is_that_of_the_round() -> None:
    """Fails if a piece fails where nobody looks, or is waited for without end."""
    told: SimpleQueue[BaseException] = SimpleQueue()

    def fails(first: int, last: int) -> None:
        if first:
            raise LookupError(f"{first} to {last}")

    def shared() -> None:
        try:
            Crew(0, 2).share(fails, 8)
        except LookupError as error:
            told.put(error)

    Thread(target=shared, daemon=True).start()
    assert str(told.get(timeout=20)) == "4 to 8"


LARGE = {
    "copies": 1280,
    "teams": 40,
    "divisions": 5,
    "subdivisions.contest_rate": 0.2,
    "subdivisions.division_rate": 0.2,
    "exposure.hazard": 100.0,
    "training.exhaustiveness": 0.1,
    "training.shutdown_erases": True,
    "oversight.panel_rule": "majority",
    "lab.response": "roll_back",
    "lab.threshold": 0.3,
}
"""A collective that is large enough to be cut, in which every compiled loop is at work."""


def run_of(threads: int) -> CollectiveModel:
    """A large collective after a few rounds of every phase, by so many threads."""
    model = CollectiveModel(scale_rounds(resolve("ai2027", LARGE), 0.02), 8, threads=threads)
    model.run()
    return model


@pytest.fixture(scope="module")
def alone() -> CollectiveModel:
    """The same by a single thread."""
    return run_of(1)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_do_not_change_a_run(alone: CollectiveModel, threads: int) -> None:
    """Fails if a kernel writes into others' rows, or sums in the order of threads."""
    model = run_of(threads)
    assert model.crew.threads == threads
    assert_same_run(alone, model)
    np.testing.assert_array_equal(alone.population.score, model.population.score)
    told = {"lab response", "switching", "shutdown", "team selection", "division selection"}
    assert told <= set(alone.ledger.frame()["process"])


@pytest.mark.parametrize("seed", [1, 2])
def test_a_run_does_not_depend_on_how_its_teams_are_split(
    alone: CollectiveModel, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if a loop leans on the piece before, or on pieces of equal size."""
    crew = OddCrew(seed)
    monkeypatch.setattr(collective, "Crew", lambda copies, threads: crew)
    model = run_of(1)
    assert model.crew is crew
    assert crew.pieces > 500
    assert_same_run(alone, model)
    np.testing.assert_array_equal(alone.population.score, model.population.score)
