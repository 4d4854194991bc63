"""What the runs mean: writing, reading, drawing and comparing them. Figures never simulate.

`analysis.load` and `analysis.compare` read run folders as tidy tables; docs/data.md says what is in
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis.frames import Comparison, Data


def load(folder: str | Path) -> Data:
    """Tables of one run folder; see `analysis.frames.load`."""
    from analysis import frames  # pandas is slow to import, and the command line needs it late

    return frames.load(folder)


def compare(folders: Sequence[str | Path]) -> Comparison:
    """Tables of several run folders, one under the other; see `analysis.frames.compare`."""
    from analysis import frames

    return frames.compare(folders)
