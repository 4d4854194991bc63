"""What the runs mean: writing, reading, drawing and comparing them. Figures never simulate.

`analysis.load` and `analysis.compare` read run folders as tidy tables; docs/data.md says what is in
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multicopy.analysis.files.frames import Comparison, Data

if not __name__.startswith("multicopy."):
    raise ImportError(f"import multicopy.{__name__}: a second copy of it would share nothing")


def load(folder: str | Path) -> Data:
    """Tables of one run folder; see `analysis.files.frames.load`."""
    from multicopy.analysis.files import frames  # late: it imports pandas

    return frames.load(folder)


def compare(folders: Sequence[str | Path]) -> Comparison:
    """Tables of several run folders, one under the other; see `analysis.files.frames.compare`."""
    from multicopy.analysis.files import frames

    return frames.compare(folders)
