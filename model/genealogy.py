"""Who descends from whom: the parent of every row that was replaced, if a run is to keep it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agents.population import Changes


class Genealogy:
    """Every replacement of a run; what happens at once is one step.

    Mutations are no replacements, and traits set by hand neither. Weights that the lab puts back
    have the same row of the stored generation as their parent.
    """

    def __init__(self) -> None:
        self._steps: list[tuple[int, int, str, NDArray[np.int32], NDArray[np.int32]]] = []
        self._step = 0

    def book(self, round_: int, changes: Sequence[Changes]) -> None:
        """Keep the replacements among changes that happen at once."""
        self._step += 1
        for change in changes:
            parents = change.rows if change.columns is not None else change.parents
            if parents is not None and len(change.rows):
                kept = change.rows.astype(np.int32), parents.astype(np.int32)
                self._steps.append((self._step, round_, change.process, *kept))

    def frame(self) -> pd.DataFrame:
        """Tidy table: step, round, process, row that was replaced, row of its parent."""
        sizes = [len(rows) for *_, rows, _ in self._steps]
        steps, rounds, processes, rows, parents = (
            zip(*self._steps, strict=True) if sizes else ((),) * 5
        )
        empty = np.zeros(0, dtype=np.int32)
        return pd.DataFrame(
            {
                "step": np.repeat(np.array(steps, dtype=np.int32), sizes),
                "round": np.repeat(np.array(rounds, dtype=np.int32), sizes),
                "process": pd.Categorical(np.repeat(np.array(processes, dtype=object), sizes)),
                "row": np.concatenate([empty, *rows]),
                "parent": np.concatenate([empty, *parents]),
            }
        )
