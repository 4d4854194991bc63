"""Counter-based draws: the published cipher, addressed as documented, and shared by threads."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from conftest import Z_LIMIT, OddCrew, stream
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri
from scipy.stats import kstest

from agents import draws
from agents.compiled import Crew
from agents.draws import Stream, normal_quantiles

WORD = 2**32

KNOWN = {
    "zeros": (
        (0, 0, 0, 0),
        (0, 0),
        (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
    ),
    "ones": (
        (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    "digits of pi": (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
}
"""Counter, key and result: the authors' known-answer tests of Philox4x32-10 (Random123)."""

words = st.integers(0, WORD - 1)


def enciphered(counter: tuple[int, ...], key: tuple[int, int]) -> tuple[int, ...]:
    """Philox4x32-10 in whole numbers, from the paper."""
    (a, b, c, d), (k, m) = counter, key
    for _ in range(10):
        one, two = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = two // WORD ^ b ^ k, two % WORD, one // WORD ^ d ^ m, one % WORD
        k, m = (k + 0x9E3779B9) % WORD, (m + 0xBB67AE85) % WORD
    return a, b, c, d


def philox(counter: tuple[int, ...], key: tuple[int, int]) -> tuple[int, ...]:
    """The compiled cipher."""
    return tuple(int(word) for word in draws.philox(*(np.uint32(w) for w in (*counter, *key))))


# --- the cipher -----------------------------------------------------------------------------------


@pytest.mark.parametrize("known", KNOWN)
def test_the_cipher_gives_the_known_answers(known: str) -> None:
    """A wrong constant, number of rounds or order of words would break it."""
    counter, key, answer = KNOWN[known]
    assert philox(counter, key) == answer
    assert enciphered(counter, key) == answer


@given(st.tuples(words, words, words, words), st.tuples(words, words))
def test_the_cipher_is_that_of_the_paper(counter: tuple[int, ...], key: tuple[int, int]) -> None:
    """An overflow that whole numbers do not have would break it."""
    assert philox(counter, key) == enciphered(counter, key)


@given(st.tuples(words, words), words, st.integers(0, 3), st.integers(0, 40))
def test_a_draw_follows_from_its_address(
    key: tuple[int, int], round_: int, request: int, place: int
) -> None:
    """A part of the address left out, or in the place of another, would break it."""
    drawn = Stream(key, round_)
    for _ in range(request):
        drawn.random(3)
    word = enciphered((place // 4, request, round_, 0), key)[place % 4]
    assert drawn.random(place + 1)[place] == word / WORD


@given(st.tuples(words, words), words, st.integers(1, 9))
def test_a_normal_draw_is_the_quantile_of_its_word(
    key: tuple[int, int], round_: int, size: int
) -> None:
    """A normal draw of another address, or an infinite one, would break it."""
    drawn = Stream(key, round_).standard_normal(size)
    told = [enciphered((i // 4, 0, round_, 0), key)[i % 4] for i in range(size)]
    np.testing.assert_allclose(drawn, ndtri((np.array(told) + 0.5) / WORD), rtol=1e-12)


# --- distributions --------------------------------------------------------------------------------


def test_normal_quantiles_are_exact_to_rounding() -> None:
    """A coefficient mistyped, or the wrong formula in a tail, would break it."""
    numbers = np.random.default_rng(0)
    least = 2.0**-33
    tail = np.exp(-numbers.uniform(0, -np.log(least), 20_000))
    edges = np.array([0.075, 0.925, 0.5])
    near = np.concatenate([edges, np.nextafter(edges, 0), np.nextafter(edges, 1), edges + 1e-9])
    u = np.concatenate([numbers.random(50_000), tail, 1 - tail, near, [least, 1 - least]])
    u = np.clip(u, least, 1 - least)
    out = np.empty_like(u)
    normal_quantiles(u, out)
    np.testing.assert_allclose(out, ndtri(u), rtol=2e-14, atol=1e-16)
    mirrored = np.empty_like(u)
    exact = np.round(u * 2**33) / 2**33  # so that 1 - u is exact too
    normal_quantiles(exact, out)
    normal_quantiles(1 - exact, mirrored)
    np.testing.assert_array_equal(mirrored, -out)


def test_draws_have_their_distributions() -> None:
    """A lane that is used twice or left out, or words scaled wrongly, would break it."""
    n = 200_000
    uniform = stream(1).random(n)
    assert ((uniform >= 0) & (uniform < 1)).all()
    np.testing.assert_array_equal(uniform * WORD % 1, 0)
    assert kstest(uniform, "uniform").pvalue > 1e-6
    normal = stream(2).standard_normal(n)
    assert kstest(normal, "norm").pvalue > 1e-6
    for lag in (1, 2, 3, 4, 5, 64):
        for drawn in (uniform, normal):
            correlation = np.corrcoef(drawn[:-lag], drawn[lag:])[0, 1]
            assert abs(correlation) * np.sqrt(n) < Z_LIMIT, lag


def test_every_order_of_a_permutation_is_as_likely() -> None:
    """An order by lots that favors some entries would break it."""
    drawn, times = stream(3), 24_000
    counts = Counter(tuple(drawn.permutation(4).tolist()) for _ in range(times))
    assert set(counts) == set(permutations(range(4)))
    off = np.array(list(counts.values())) - times / 24
    assert np.abs(off).max() < (Z_LIMIT + 1) * np.sqrt(times / 24)
    entries = np.array([7, 7, 3, 9])
    assert sorted(drawn.permutation(entries)) == [3, 7, 7, 9]
    assert entries.tolist() == [7, 7, 3, 9]
    assert drawn.permutation(0).tolist() == []


def test_a_permutation_is_the_stable_order_of_its_uniforms() -> None:
    """Ties that are broken by the method of sorting, and so by the machine, would break it."""
    entries = np.arange(1000) * 3
    lots = stream(4).random(1000).tolist()
    told = [int(entries[place]) for place in sorted(range(1000), key=lots.__getitem__)]
    assert stream(4).permutation(entries).tolist() == told

    class Tied(Stream):
        def random(self, shape: object) -> np.ndarray:
            return super().random(shape).round(1)  # type: ignore[arg-type]

    lots = Tied((4, 0)).random(1000).tolist()
    told = [int(entries[place]) for place in sorted(range(1000), key=lots.__getitem__)]
    assert Tied((4, 0)).permutation(entries).tolist() == told


# --- requests -------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [4, 28, 64, 100])
def test_normals_of_rows_are_those_lines_of_the_whole(width: int) -> None:
    """A line that depends on which others are asked for, or how many there are, would break it."""
    every = stream(5).standard_normal((300, width))
    for rows in ([0], [299], [17, 3, 3, 250], list(range(300)), []):
        some = stream(5).normals_of(np.array(rows, dtype=np.int64), width)
        np.testing.assert_array_equal(some, every[rows])
    np.testing.assert_array_equal(stream(5).standard_normal((40, width)), every[:40])


@pytest.mark.parametrize("width", [1, 27, 30])
def test_a_line_must_fill_whole_blocks(width: int) -> None:
    """Lines that share a block, and so a draw, would break it."""
    with pytest.raises(ValueError, match=f"multiple of 4, not {width}"):
        stream(0).normals_of(np.arange(3), width)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=4))
def test_an_array_is_filled_in_the_order_of_its_entries(shape: list[int]) -> None:
    """Draws that depend on the shape beyond its size, or a shape that is not met."""
    size = int(np.prod(shape))
    for name in ("random", "standard_normal"):
        drawn = getattr(stream(6), name)(tuple(shape))
        assert drawn.shape == tuple(shape)
        np.testing.assert_array_equal(drawn.ravel(), getattr(stream(6), name)(size + 5)[:size])


def test_each_request_has_draws_of_its_own_whatever_the_size_of_those_before() -> None:
    """A request that goes on in the block of the last, or repeats it, would break it."""
    one, other = stream(7), stream(7)
    first = one.random(3), other.random(1000)
    np.testing.assert_array_equal(first[0], first[1][:3])
    second = one.random(50), other.random(50)
    np.testing.assert_array_equal(*second)
    assert not np.isin(second[0], first[1]).any()


# --- threads --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 4, 63, 64, 65, 1023, 5000])
def test_threads_and_cuts_leave_every_draw_as_it_is(size: int) -> None:
    """A block that falls between two threads, or the last that is cut short, would break it."""
    rows = np.random.default_rng(size).permutation(2 * size)[:size]
    for crew in (Crew(0, 2), Crew(0, 3), OddCrew(size)):
        alone, shared = stream(8), Stream((8, 0), crew=crew)
        np.testing.assert_array_equal(shared.random(size), alone.random(size))
        normals = shared.standard_normal(size), alone.standard_normal(size)
        np.testing.assert_array_equal(*normals)
        lines = shared.normals_of(rows, 28), alone.normals_of(rows, 28)
        np.testing.assert_array_equal(*lines)
