"""Memory of closed tabs, given back to the machine.

Python frees what a closed tab held. But the C library of Linux keeps it in a heap for each thread,
of which every tab has two, and those heaps fill with holes: each further tab would cost some MB.
"""

from __future__ import annotations

import ctypes
import gc
from typing import Any, Final

HEAPS: Final = 2
M_ARENA_MAX: Final = -8
"""The name of the C library's option for the number of its heaps."""


def share_heaps() -> None:
    """Let all threads share a few heaps; to be called before there are many."""
    if limit := _function("mallopt"):
        limit(M_ARENA_MAX, HEAPS)


def give_back() -> None:
    """Free what nothing refers to any more, and return it to the machine."""
    gc.collect()  # a model and its agents know one another: they would stay for long
    if trim := _function("malloc_trim"):
        trim(0)


def _function(name: str) -> Any:
    """A function of the C library; nothing where that has other ways."""
    try:
        return getattr(ctypes.CDLL(None), name, None)
    except (OSError, TypeError):
        return None
