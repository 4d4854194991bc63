"""Types of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Reals = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]
Whole = NDArray[np.integer[Any]]
Bools = NDArray[np.bool_]
Kinds = NDArray[np.int8]
Indices = NDArray[np.int16]

Address = tuple[np.uint32, np.uint32, np.uint32, np.uint32]
"""Where a request's draws begin: two words of the key, the request, the round."""
