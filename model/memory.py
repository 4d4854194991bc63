"""How much memory a run takes, and whether there is that much."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from multicopy.model.scenario import InputError

BYTES_PER_COPY: Final = 800
"""Memory that a run takes at its peak for each copy; `make bench` measures it."""


def require_memory(copies: int) -> None:
    """Refuse more copies than there is memory for, before any is taken.

    Raises
    ------
    InputError
        If the estimate exceeds the memory that is free now.
    """
    needed, free = copies * BYTES_PER_COPY, free_memory()
    if free is not None and needed > free:
        raise InputError(
            f"copies = {copies:,} would take about {needed / 1e9:,.1f} GB of memory, and "
            f"{free / 1e9:,.1f} GB are free: ask for at most {free // BYTES_PER_COPY:,}"
        )


def free_memory() -> int | None:
    """Bytes of memory that can be had now, where the system tells."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None
