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

from agents.compiled import Crew, compiled, inlined
from agents.population import Ints
from agents.traits import Floats

LANES: Final = 4
"""Words that one call of the cipher yields."""

_LINE: Final = 64
"""Normal draws made at a time where a whole array is filled; any multiple of `LANES` will do."""

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_SHIFT = np.uint64(32)
_UNIT = 2.0**-32

_CENTER = (
    (
        3.3871328727963666080e0,
        1.3314166789178437745e2,
        1.9715909503065514427e3,
        1.3731693765509461125e4,
        4.5921953931549871457e4,
        6.7265770927008700853e4,
        3.3430575583588128105e4,
        2.5090809287301226727e3,
    ),
    (
        1.0,
        4.2313330701600911252e1,
        6.8718700749205790830e2,
        5.3941960214247511077e3,
        2.1213794301586595867e4,
        3.9307895800092710610e4,
        2.8729085735721942674e4,
        5.2264952788528545610e3,
    ),
)
_TAIL = (
    (
        1.42343711074968357734e0,
        4.63033784615654529590e0,
        5.76949722146069140550e0,
        3.64784832476320460504e0,
        1.27045825245236838258e0,
        2.41780725177450611770e-1,
        2.27238449892691845833e-2,
        7.74545014278341407640e-4,
    ),
    (
        1.0,
        2.05319162663775882187e0,
        1.67638483018380384940e0,
        6.89767334985100004550e-1,
        1.48103976427480074590e-1,
        1.51986665636164571966e-2,
        5.47593808499534494600e-4,
        1.05075007164441684324e-9,
    ),
)


@inlined
def philox(c0, c1, c2, c3, k0, k1):  # type: ignore[no-untyped-def]
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
def _uniforms(first, last, out, k0, k1, request, round_):  # type: ignore[no-untyped-def]
    """Fill blocks `first` to `last` of a flat array with uniforms in [0, 1)."""
    whole = min(last, len(out) // LANES)
    part = out[LANES * first :]  # indices from 0 need no check of their sign, so this vectorizes
    for i in range(whole - first):
        a, b, c, d = philox(uint32(first + i), request, round_, uint32(0), k0, k1)
        part[4 * i] = a * _UNIT
        part[4 * i + 1] = b * _UNIT
        part[4 * i + 2] = c * _UNIT
        part[4 * i + 3] = d * _UNIT
    if last > whole:
        words = philox(uint32(whole), request, round_, uint32(0), k0, k1)
        for lane in range(len(out) - LANES * whole):
            out[LANES * whole + lane] = words[lane] * _UNIT


@compiled
def normal_quantiles(u: Floats, out: Floats) -> None:
    """Write the standard normal quantiles of uniforms in [2^-33, 1 - 2^-33].

    Source: Wichura 1988, algorithm AS 241 (PPND16), relative error about 1e-16. The central formula
    is taken for all, which vectorizes, and then mended in the tails.
    """
    for k in range(len(u)):
        q = u[k] - 0.5
        out[k] = q * _ratio(_CENTER, 0.180625 - q * q)
    for k in range(len(u)):
        if abs(u[k] - 0.5) > 0.425:
            r = np.sqrt(-np.log(min(u[k], 1 - u[k]))) - 1.6
            out[k] = np.copysign(_ratio(_TAIL, r), u[k] - 0.5)


@inlined
def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], r: float) -> float:
    """Ratio of two polynomials, by Horner's rule."""
    a, b = coefficients
    return (
        ((((((a[7] * r + a[6]) * r + a[5]) * r + a[4]) * r + a[3]) * r + a[2]) * r + a[1]) * r
        + a[0]
    ) / (
        ((((((b[7] * r + b[6]) * r + b[5]) * r + b[4]) * r + b[3]) * r + b[2]) * r + b[1]) * r
        + b[0]
    )


@compiled
def _normals(first, last, rows, out, k0, k1, request, round_):  # type: ignore[no-untyped-def]
    """Fill lines `first` to `last` of `out` with the normals that belong to `rows`."""
    blocks = out.shape[1] // LANES
    u = np.empty(out.shape[1])
    for line in range(first, last):
        start = rows[line] * blocks
        for i in range(blocks):
            a, b, c, d = philox(uint32(start + i), request, round_, uint32(0), k0, k1)
            u[4 * i] = (a + 0.5) * _UNIT
            u[4 * i + 1] = (b + 0.5) * _UNIT
            u[4 * i + 2] = (c + 0.5) * _UNIT
            u[4 * i + 3] = (d + 0.5) * _UNIT
        normal_quantiles(u, out[line])


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
        self.crew.share(_uniforms, -(-out.size // LANES), out.reshape(-1), *self._next())
        return out

    def standard_normal(self, shape: int | tuple[int, ...]) -> Floats:
        """Standard normal draws."""
        size = shape if isinstance(shape, int) else prod(shape)
        lines = np.arange(-(-size // _LINE))
        return self.normals_of(lines, _LINE).reshape(-1)[:size].reshape(shape)

    def normals_of(self, rows: Ints, width: int) -> Floats:
        """The lines `rows` of ``standard_normal((n, width))``, for any n, and no others.

        `width` must be a multiple of `LANES`.
        """
        if width % LANES:
            raise ValueError(f"width must be a multiple of {LANES}, not {width}")
        out: Floats = np.empty((len(rows), width))
        self.crew.share(_normals, len(rows), rows, out, *self._next())
        return out

    def permutation(self, of: int | Ints) -> Any:
        """The numbers below `of`, or the entries of `of`, in random order."""
        entries = np.arange(of) if isinstance(of, int) else of
        return entries[np.argsort(self.random(len(entries)), kind="stable")]
