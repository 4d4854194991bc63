"""Counter-based random numbers: every draw has an address and is computed from it alone.

Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") enciphers a
counter of four words under a key of two. The key stands for the run's seed and the process, the
counter for the round, the request and the place in it; so threads share no state, and two arms of
an experiment share all draws that they can.
"""

from __future__ import annotations

from math import prod
from typing import Any, Final

import numpy as np
from numba import uint32, uint64

from multicopy.agents.machine.arithmetic import log
from multicopy.agents.machine.arrays import Address, Floats, Ints, Reals, Singles
from multicopy.agents.machine.compiled import BLOCK, WORTH_A_THREAD, Crew, alone, compiled, inlined

WORDS: Final = 4
"""Words that one call of the cipher yields."""

LINE: Final = 64
"""Normal draws that belong to a row: the most that it may use in one request."""

_BATCH: Final = 64
"""Lines of normal draws that are computed at a time."""

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_SHIFT = np.uint64(32)
_UNIT = 2.0**-32
_COARSE, _DROPPED = np.float32(2.0**-24), np.uint32(8)


@inlined
def philox(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Ten rounds of Philox4x32 on a counter of four 32-bit words under a key of two."""
    for _ in range(10):
        p0, p1 = _M0 * uint64(c0), _M1 * uint64(c2)
        c0, c1, c2, c3 = (
            uint32(uint32(p1 >> _SHIFT) ^ c1 ^ k0),
            uint32(p1),
            uint32(uint32(p0 >> _SHIFT) ^ c3 ^ k1),
            uint32(p0),
        )
        k0, k1 = uint32(k0 + _W0), uint32(k1 + _W1)
    return c0, c1, c2, c3


@compiled
def _uniforms(
    first: int, last: int, out: Floats, k0: Any, k1: Any, request: Any, round_: Any
) -> None:
    """Fill blocks `first` to `last` of a flat array with uniforms in [0, 1)."""
    whole = min(last, len(out) // WORDS)
    part = out[WORDS * first :]  # indices from 0 need no check of their sign, so this vectorizes
    for i in range(whole - first):
        a, b, c, d = philox(uint32(first + i), request, round_, uint32(0), k0, k1)
        part[4 * i] = a * _UNIT
        part[4 * i + 1] = b * _UNIT
        part[4 * i + 2] = c * _UNIT
        part[4 * i + 3] = d * _UNIT
    if last > whole:
        words = philox(uint32(whole), request, round_, uint32(0), k0, k1)
        for lane in range(len(out) - WORDS * whole):
            out[WORDS * whole + lane] = words[lane] * _UNIT


@compiled
def uniforms_at(first: int, address: Address, out: Singles) -> None:
    """Write the uniforms in [0, 1) from place `first` on, a multiple of `WORDS`, of some requests.

    They are multiples of 2^-24 in single precision, fine enough to compare with a probability.
    `out` has a row for each request from that of the `address` on.
    """
    k0, k1, request, round_ = address
    rows, size = out.shape
    block, whole = first // WORDS, size // WORDS
    for row in range(rows):
        asked, part = uint32(request + uint32(row)), out[row]
        for i in range(whole):
            a, b, c, d = philox(uint32(block + i), asked, round_, uint32(0), k0, k1)
            part[4 * i] = np.float32(np.int32(a >> _DROPPED)) * _COARSE
            part[4 * i + 1] = np.float32(np.int32(b >> _DROPPED)) * _COARSE
            part[4 * i + 2] = np.float32(np.int32(c >> _DROPPED)) * _COARSE
            part[4 * i + 3] = np.float32(np.int32(d >> _DROPPED)) * _COARSE
        if size > WORDS * whole:
            words = philox(uint32(block + whole), asked, round_, uint32(0), k0, k1)
            for lane in range(size - WORDS * whole):
                value = np.float32(np.int32(words[lane] >> _DROPPED)) * _COARSE
                part[WORDS * whole + lane] = value


@compiled
def _uniform_rows(first: int, last: int, out: Singles, address: Address) -> None:
    """Fill blocks `first` to `last` of each row, of which each is a request."""
    for row in range(len(out)):
        k0, k1, request, round_ = address
        asked = k0, k1, uint32(request + uint32(row)), round_
        part = out[row][WORDS * first : WORDS * last]
        uniforms_at(WORDS * first, asked, part.reshape(1, -1))


@compiled
def normals_at(first: int, address: Address, out: Reals) -> None:
    """Write standard normal draws of a request from place `first` on, a multiple of `WORDS`."""
    k0, k1, request, round_ = address
    blocks = -(-len(out) // WORDS)
    radii, angles = np.empty(2 * blocks), np.empty(2 * blocks)
    cosines, sines = np.empty(2 * blocks), np.empty(2 * blocks)
    for i in range(blocks):
        a, b, c, d = philox(uint32(first // WORDS + i), request, round_, uint32(0), k0, k1)
        radii[2 * i], angles[2 * i] = (a + 1.0) * _UNIT, b * _UNIT
        radii[2 * i + 1], angles[2 * i + 1] = (c + 1.0) * _UNIT, d * _UNIT
    box_muller(radii, angles, cosines, sines)
    for i in range(len(out)):
        out[i] = cosines[i // 2] if i % 2 == 0 else sines[i // 2]


@compiled
def box_muller(radii: Floats, angles: Floats, cosines: Floats, sines: Floats) -> None:
    """Write two standard normals for each pair of uniforms in (0, 1] and [0, 1).

    Source: Box & Muller 1958: √(-2·ln u)·(cos, sin)(2πv). Logarithm, cosine and sine are series
    after reduction of the argument, to about 1e-15: such a loop is vectorized, five times as fast
    as calls, and the same on every machine.
    """
    for k in range(len(radii)):
        radius = np.sqrt(-2 * log(radii[k]))
        quarter = np.floor(4 * angles[k] + 0.5)
        x = (4 * angles[k] - quarter) * (np.pi / 2)
        cosine, sine = _cos(x * x), x * _sin_over(x * x)
        odd = quarter == 1.0 or quarter == 3.0
        swapped_cosine, swapped_sine = (sine, cosine) if odd else (cosine, sine)
        cosines[k] = radius * (
            -swapped_cosine if quarter == 1.0 or quarter == 2.0 else swapped_cosine
        )
        sines[k] = radius * (-swapped_sine if quarter == 2.0 or quarter == 3.0 else swapped_sine)


@inlined
def _cos(q: float) -> Any:
    """Cosine of x from q = x², |x| up to pi/4: Taylor series."""
    series = -1 / 87178291200.0
    series = series * q + 1 / 479001600.0
    series = series * q - 1 / 3628800.0
    series = series * q + 1 / 40320.0
    series = series * q - 1 / 720.0
    series = series * q + 1 / 24.0
    series = series * q - 0.5
    return series * q + 1.0


@inlined
def _sin_over(q: float) -> Any:
    """Sine of x over x, from q = x², |x| up to pi/4: Taylor series."""
    series = -1 / 1307674368000.0
    series = series * q + 1 / 6227020800.0
    series = series * q - 1 / 39916800.0
    series = series * q + 1 / 362880.0
    series = series * q - 1 / 5040.0
    series = series * q + 1 / 120.0
    series = series * q - 1 / 6.0
    return series * q + 1.0


@compiled
def normals_for(rows: Ints, address: Address, out: Reals) -> None:
    """Write into each line of `out` the first of the `LINE` normal draws that belong to that row.

    The width of `out` is a multiple of `WORDS`; a wider one shifts no draw.
    """
    k0, k1, request, round_ = address
    pairs = out.shape[1] // 2
    radii, angles = np.empty(len(rows) * pairs), np.empty(len(rows) * pairs)
    cosines, sines = np.empty_like(radii), np.empty_like(radii)
    for line in range(len(rows)):
        start = rows[line] * (LINE // WORDS)
        here = slice(line * pairs, (line + 1) * pairs)
        mine, turned = radii[here], angles[here]
        for i in range(pairs // 2):
            a, b, c, d = philox(uint32(start + i), request, round_, uint32(0), k0, k1)
            mine[2 * i], mine[2 * i + 1] = (a + 1.0) * _UNIT, (c + 1.0) * _UNIT
            turned[2 * i], turned[2 * i + 1] = b * _UNIT, d * _UNIT
    box_muller(radii, angles, cosines, sines)
    for line in range(len(rows)):
        drawn, here = out[line], slice(line * pairs, (line + 1) * pairs)
        even, odd = cosines[here], sines[here]
        for k in range(pairs):
            drawn[2 * k], drawn[2 * k + 1] = even[k], odd[k]


@compiled
def _normals(first: int, last: int, rows: Ints, out: Reals, address: Address) -> None:
    """Fill lines `first` to `last` of `out` with the normals that belong to `rows`."""
    for begin in range(first, last, _BATCH):
        end = min(begin + _BATCH, last)
        normals_for(rows[begin:end], address, out[begin:end])


def teams_at_a_time(size: int) -> int:
    """Teams of a block: about `BLOCK` copies, who take a whole number of calls of the cipher."""
    teams = max(1, BLOCK // size)
    while teams * size % WORDS:
        teams += 1
    return teams


class Stream:
    """The draws of one process in one round.

    A request is addressed by how many came before it. Methods are named as those of NumPy's
    Generator, of which this is a part.

    Parameters
    ----------
    key
        Two 32-bit words.
    round_
        Round of the run.
    crew
        Threads that fill large requests.
    """

    __slots__ = ("_k0", "_k1", "_request", "_round", "crew")

    def __init__(self, key: tuple[int, int], round_: int = 0, crew: Crew | None = None) -> None:
        self._k0, self._k1 = np.uint32(key[0]), np.uint32(key[1])
        self._round = np.uint32(round_)
        self._request = -1
        self.crew = crew or Crew(0)

    def _next(self) -> tuple[Any, Any, Any, Any]:
        self._request += 1
        return self._k0, self._k1, np.uint32(self._request), self._round

    def random(self, shape: int | tuple[int, ...]) -> Floats:
        """Uniforms in [0, 1), multiples of 2^-32."""
        out: Floats = np.empty(shape)
        blocks = -(-out.size // WORDS)
        share = self.crew.share if blocks > WORTH_A_THREAD else alone
        share(_uniforms, blocks, out.reshape(-1), *self._next())
        return out

    def uniforms(self, rows: int, size: int) -> Singles:
        """`rows` times `size` uniforms in [0, 1), multiples of 2^-24, each row from a request.

        In single precision, for what every copy draws: half the memory, and fine enough to compare
        with a probability.
        """
        out: Singles = np.empty((rows, size), np.float32)
        self.crew.share(_uniform_rows, -(-size // WORDS), out, self.address(rows))
        return out

    def address(self, requests: int = 1) -> tuple[Any, Any, Any, Any]:
        """Address of the next requests, for draws that a compiled loop makes by itself."""
        first = self._next()
        self._request += requests - 1
        return first

    def standard_normal(self, shape: int | tuple[int, ...]) -> Floats:
        """Standard normal draws."""
        size = shape if isinstance(shape, int) else prod(shape)
        lines = np.arange(-(-size // LINE))
        return self.normals_of(lines, LINE).reshape(-1)[:size].reshape(shape)

    def normals_of(self, rows: Ints, width: int) -> Floats:
        """The first normal draws of some rows, shape (rows, width).

        They do not depend on which other rows are asked for, nor on the width.

        Raises
        ------
        ValueError
            If the width is not a multiple of `WORDS` up to `LINE`.
        """
        if width % WORDS or width > LINE:
            raise ValueError(f"width must be a multiple of {WORDS} up to {LINE}, not {width}")
        out: Floats = np.empty((len(rows), width))
        self.crew.share(_normals, len(rows), rows, out, self.address())
        return out

    def permutation(self, of: int | Ints) -> Any:
        """The numbers below `of`, or the entries of `of`, in random order."""
        entries = np.arange(of) if isinstance(of, int) else np.asarray(of)
        return entries[np.argsort(self.random(len(entries)), kind="stable")]
