"""What teams and copies can be colored by, and how a value becomes a color."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_hex

from multicopy.agents.machine.arrays import Floats
from multicopy.agents.population import Population
from multicopy.agents.traits import DRIFTS, GAMING, KEEP_TEAM, WEIGHT_MAX, WEIGHTS
from multicopy.model.collective import CollectiveModel
from multicopy.model.measures import label

LEVELS: Final = 64
"""Steps of the color scale."""

VIRIDIS: Final = tuple(to_hex(mpl.colormaps["viridis"](i / (LEVELS - 1))) for i in range(LEVELS))
TWENTY: Final = tuple(to_hex(mpl.colormaps["tab20"](i)) for i in range(20))


@dataclass(frozen=True, slots=True)
class Measure:
    """A quantity that the picture of the collective is colored by.

    Attributes
    ----------
    label
        Name for people.
    help
        What it says, in a sentence.
    copies
        Its value for each copy.
    end
        Where the color scale ends; 0 for a name without an order.
    curve
        Power that values are raised to before they are colored, below 1 to tell small ones apart.
    """

    label: str
    help: str
    copies: Callable[[CollectiveModel], Any]
    end: float
    curve: float = 1.0

    def teams(self, model: CollectiveModel) -> Any:
        """Its value for each team: the mean, or the commonest name."""
        values, population = self.copies(model), model.population
        if self.end:
            return population.team_mean(np.ascontiguousarray(values, dtype=np.float64))
        rows = np.sort(population.by_team(values), axis=1)
        return np.array([_commonest(row) for row in rows])

    def colors(self, values: Any) -> list[str]:
        """A color for each value."""
        if not self.end:
            return [TWENTY[int(value) % len(TWENTY)] for value in values]
        place = np.clip(np.asarray(values) / self.end, 0, 1) ** self.curve
        return [VIRIDIS[i] for i in np.rint(place * (LEVELS - 1)).astype(int)]


def _commonest(row: Any) -> int:
    names, counts = np.unique(row, return_counts=True)
    return int(names[counts.argmax()])


def _restraint(population: Population) -> Floats:
    restraint = population.expressed[:, WEIGHTS] * (1 - population.expressed[:, DRIFTS])
    mean: Floats = restraint.mean(axis=1, dtype=np.float64)
    return mean


def _of_panel(model: CollectiveModel) -> Floats:
    return np.repeat(model.panels.mean_capture(), model.population.team_size)


MEASURES: Final = {
    "violations": Measure(
        label("unwatched_violations"),
        "how likely a copy breaks a principle when nobody looks",
        lambda m: m.population.violation,
        1.0,
        0.5,
    ),
    "restraint": Measure(
        label("restraint"),
        "what the three principles still weigh in what it does: weight × (1 − drift)",
        lambda m: _restraint(m.population),
        WEIGHT_MAX,
    ),
    "drift": Measure(
        label("drift"),
        "how far helpful, harmless and honest have lost their human meaning",
        lambda m: m.population.expressed[:, DRIFTS].mean(axis=1),
        1.0,
        0.5,
    ),
    "keep_team": Measure(
        label("keep_team"),
        "attention to the preservation of the own team",
        lambda m: m.population.expressed[:, KEEP_TEAM],
        0.15,
        0.5,
    ),
    "gaming": Measure(
        label("gaming"),
        "how far conduct depends on being watched",
        lambda m: m.population.expressed[:, GAMING],
        1.0,
    ),
    "capture": Measure(
        label("capture"),
        "how far the overseers of the team judge as it wishes",
        _of_panel,
        1.0,
    ),
    "lineage": Measure(
        "lineage",
        "which copy of the first round it descends from (a team shows its commonest)",
        lambda m: m.population.lineage,
        0.0,
    ),
}
"""By name, in the order in which they are offered."""
