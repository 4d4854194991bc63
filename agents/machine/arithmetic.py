"""Arithmetic that gives the same bits on every machine.

NumPy and SciPy leave products of arrays to a BLAS, and exponentials, logarithms and powers to
whatever the processor or the C library does fastest. All of them round differently on another
machine, and selection compares scores, so such a difference grows. What is recorded or decides
anything is therefore computed here, with own functions and sums in one order.

What NumPy does to each entry by itself (+, -, ·, /, √, rounding, comparisons), its sums, means and
cumulative sums, and the places and values of sorted entries are the same everywhere, if equal
entries keep their order (``kind="stable"``).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from multicopy.agents.machine.arrays import Bools, Floats, Reals
from multicopy.agents.machine.compiled import BLOCK, ONE, ZERO, columns_of, compiled, inlined, table

_LOG2_E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 6.93145751953125e-1, 1.42860682030941723212e-6
_BIAS, _MANTISSA = np.int64(1023), np.int64(52)


@inlined
def exp(x: float) -> Any:
    """e^x to about 3e-16 of its value; 0 below -708, where doubles end, and no more than e^709.

    Unlike the C library's, it is the same on every machine, and a loop over it is vectorized (about
    five times as fast). Source: Cephes (Moshier 1989): a Padé form after reduction by powers of 2.
    """
    nothing = x < -708.0  # false for NaN, which so stays NaN
    x = 709.0 if x > 709.0 else (-708.0 if nothing else x)
    power = np.floor(x * _LOG2_E + 0.5)
    r = (x - power * _LN2_HIGH) - power * _LN2_LOW
    square = r * r
    odd = r * ((1.26177193074810590878e-4 * square + 3.02994407707441961300e-2) * square + 1.0)
    even = (
        (3.00198505138664455042e-6 * square + 2.52448340349684104192e-3) * square
        + 2.27265548208155028766e-1
    ) * square + 2.0
    scale = np.int64((np.int64(power) + _BIAS) << _MANTISSA).view(np.float64)
    return 0.0 if nothing else (1.0 + 2.0 * odd / (even - odd)) * scale


_SCALE, _OFFSET = np.float32(1.44269504088896341), np.float32(0.5)
_HIGH32, _LOW32 = np.float32(0.693359375), np.float32(-2.12194440e-4)
_TOP32, _BOTTOM32 = np.float32(88.0), np.float32(-87.0)
_TERMS32 = tuple(
    np.float32(term)
    for term in (
        1.9875691500e-4,
        1.3981999507e-3,
        8.3334519073e-3,
        4.1665795894e-2,
        1.6666665459e-1,
        5.0000001201e-1,
    )
)
_BIAS32, _MANTISSA32 = np.int32(127), np.int32(23)


@inlined
def exp32(x: Any) -> Any:
    """e^x in single precision, to about 1e-7 of its value; 0 below -87, no more than e^88.

    Source: Cephes (Moshier 1989): a polynomial after reduction by powers of 2.
    """
    nothing = x < _BOTTOM32
    x = _TOP32 if x > _TOP32 else (_BOTTOM32 if nothing else x)
    power = np.floor(x * _SCALE + _OFFSET)
    r = (x - power * _HIGH32) - power * _LOW32
    y = _TERMS32[0] * r + _TERMS32[1]
    y = y * r + _TERMS32[2]
    y = y * r + _TERMS32[3]
    y = y * r + _TERMS32[4]
    y = y * r + _TERMS32[5]
    y = y * (r * r) + r + ONE
    scale = np.int32((np.int32(power) + _BIAS32) << _MANTISSA32).view(np.float32)
    return ZERO if nothing else y * scale


_MANTISSA_BITS, _ONE_BITS = np.int64(0x000FFFFFFFFFFFFF), np.int64(0x3FF0000000000000)


@inlined
def log(u: float) -> Any:
    """Natural logarithm of a positive number, by 2·artanh((m - 1)/(m + 1)) of its mantissa m."""
    bits = np.float64(u).view(np.int64)
    mantissa = np.int64((bits & _MANTISSA_BITS) | _ONE_BITS).view(np.float64)
    large = mantissa > 1.4142135623730951
    mantissa = 0.5 * mantissa if large else mantissa
    exponent = np.float64((bits >> 52) - 1023) + (1.0 if large else 0.0)
    s = (mantissa - 1) / (mantissa + 1)
    q = s * s
    series = 1 / 19.0
    series = series * q + 1 / 17.0
    series = series * q + 1 / 15.0
    series = series * q + 1 / 13.0
    series = series * q + 1 / 11.0
    series = series * q + 1 / 9.0
    series = series * q + 1 / 7.0
    series = series * q + 1 / 5.0
    series = series * q + 1 / 3.0
    return exponent * 0.6931471805599453 + 2 * s * (series * q + 1.0)


def exps(x: Any) -> Any:
    """e^x of each entry of an array, or of a number, in double precision."""
    values = np.ascontiguousarray(x, np.float64)
    powers = np.empty_like(values)
    _exps(values.reshape(-1), powers.reshape(-1))
    return powers.reshape(np.shape(x))


@compiled
def _exps(x: Reals, out: Floats) -> None:
    for i in range(len(out)):
        out[i] = exp(x[i])


def logistic(x: Any) -> Any:
    """1/(1 + e^-x) of each entry of an array, or of a number."""
    return 1 / (1 + exps(-np.asarray(x)))


def product(weights: Any, rows: Any) -> Any:
    """The rows (or numbers) times their weights, added up: ``weights @ rows`` without a BLAS."""
    return (weights * rows.T).sum(axis=-1)


def posterior(joint: Any) -> tuple[Any, Any]:
    """Normalize log joint densities: one case a row, one alternative a column.

    Returns
    -------
    The log of the sum of each row's densities, and the share of each alternative in it, of the
    shape of `joint`.
    """
    columns = columns_of(joint, np.float64)
    density, share = np.empty(len(joint)), table(len(columns), len(joint))
    _posterior(columns, density, columns_of(share))
    return density, share


@compiled
def _posterior(joint: Floats, density: Floats, share: Floats) -> None:
    """The same for columns: loops over cases are vectorized."""
    sums = np.zeros(len(density))
    density[:] = joint[0]
    for column in joint:
        for i in range(len(density)):
            density[i] = max(density[i], column[i])  # so that no exponential overflows
    for k in range(len(joint)):
        for i in range(len(density)):
            share[k, i] = exp(joint[k, i] - density[i])
            sums[i] += share[k, i]
    for k in range(len(joint)):
        for i in range(len(density)):
            share[k, i] /= sums[i]
    for i in range(len(density)):
        density[i] += log(sums[i])


@compiled
def square_distances(points: Reals, centers: Floats, squares: Floats) -> None:
    """Write the squared distance of each point from each center.

    `points` has shape (points, dimensions), `centers` (centers, dimensions), and `squares`
    (centers, points). Some points at a time, so that loops over them are vectorized.
    """
    columns = np.empty((points.shape[1], BLOCK))
    for begin in range(0, len(points), BLOCK):
        here = points[begin : begin + BLOCK]
        for i in range(len(here)):
            for k in range(len(columns)):
                columns[k, i] = here[i, k]
        for center in range(len(centers)):
            near = squares[center][begin : begin + BLOCK]
            near[:] = 0.0
            for k in range(len(columns)):
                column, at = columns[k], centers[center, k]
                for i in range(len(near)):
                    off = column[i] - at
                    near[i] += off * off


_FLAT: Final = 1e-14
"""Below this share of the largest curvature, a slope or what is left of another counts as 0."""


@compiled
def fit(gram: Floats, slopes: Floats, weights: Floats) -> None:
    """Write the weights w ≥ 0 that minimize ½·wᵀGw - s·w: non-negative least squares.

    Source: Lawson & Hanson 1974, chapter 23. With columns A and a target b, G is AᵀA and s is Aᵀb.
    """
    inside, trial = np.zeros(len(weights), np.bool_), np.empty(len(weights))
    flat = _FLAT * gram.max()
    weights[:] = 0.0
    for _ in range(3 * len(weights)):
        best, steepest = -1, flat
        for j in range(len(weights)):
            slope = slopes[j]
            for k in range(len(weights)):
                slope -= gram[j, k] * weights[k]
            if slope > steepest and not inside[j]:
                best, steepest = j, slope
        if best < 0:
            return
        inside[best] = True
        _go_inside(gram, slopes, inside, weights, trial)


@compiled
def _go_inside(gram: Floats, slopes: Floats, inside: Bools, weights: Floats, trial: Floats) -> None:
    """Move to the best weights of those inside; one that would be negative goes outside."""
    for _ in range(len(weights)):
        _solve(gram, slopes, inside, trial)
        step, limit = 1.0, -1
        for j in range(len(weights)):
            if inside[j] and trial[j] <= 0.0:
                far = weights[j] / (weights[j] - trial[j]) if weights[j] > 0.0 else 0.0
                if limit < 0 or far < step:
                    step, limit = far, j
        for j in range(len(weights)):
            weights[j] += step * (trial[j] - weights[j])
        if limit < 0:
            return
        weights[limit], inside[limit] = 0.0, False


@compiled
def _solve(gram: Floats, slopes: Floats, inside: Bools, out: Floats) -> None:
    """Solve Gw = s for the weights inside, by elimination; all others are 0."""
    size = len(out)
    matrix = gram.copy()
    for j in range(size):
        out[j] = slopes[j] if inside[j] else 0.0
        if not inside[j]:
            matrix[j], matrix[:, j], matrix[j, j] = 0.0, 0.0, 1.0
    flat = _FLAT * gram.max()
    for j in range(size):
        if matrix[j, j] <= flat:  # a column that others make up
            matrix[j], matrix[j, j], out[j] = 0.0, 1.0, 0.0
        for i in range(j + 1, size):
            factor = matrix[i, j] / matrix[j, j]
            for k in range(j, size):
                matrix[i, k] -= factor * matrix[j, k]
            out[i] -= factor * out[j]
    for j in range(size - 1, -1, -1):
        for k in range(j + 1, size):
            out[j] -= matrix[j, k] * out[k]
        out[j] /= matrix[j, j]
