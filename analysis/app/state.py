"""What one browser tab shows and wants: reactive values, and the actions of its controls."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import solara

from multicopy.agents.parameters import Parameters
from multicopy.analysis.app.charts import COMPARED
from multicopy.analysis.app.frame import Frame
from multicopy.analysis.app.measures import MEASURES
from multicopy.analysis.app.session import Session
from multicopy.analysis.app.settings import RATES, Setup, sizes, typed
from multicopy.analysis.app.stories import STORIES
from multicopy.model.scenario import InputError, resolve, shipped

T = TypeVar("T")


class Desk:
    """The state of one tab; nothing of it is shared with another.

    Attributes
    ----------
    scenarios
        Those that the page offers: the shipped ones, and the one that the server was started with.
    frame
        What is shown, or None before the first frame.
    failure
        What went wrong, in words, or nothing.
    draft
        What the controls say; a run is made with it at the next reset.
    asks
        Whether the controls differ from what the run was made with.
    """

    def __init__(self, scenario: str) -> None:
        self.scenarios = tuple(dict.fromkeys((*shipped(), scenario)))
        self.frame: solara.Reactive[Frame | None] = solara.reactive(None)
        self.failure = solara.reactive("")
        self.draft = solara.reactive(Setup(scenario))
        self.asks = solara.reactive(False)
        self.story = solara.reactive("")
        self.measure = solara.reactive(next(iter(MEASURES)))
        self.team = solara.reactive(0)
        self.compared = solara.reactive(next(iter(COMPARED)))
        self.rate = solara.reactive("20")
        self.session = Session(self.draft.value, self.frame.set, self.failure.set)
        self.session.set_rate(float(self.rate.value))

    @property
    def begun(self) -> bool:
        """Whether a round has been played."""
        frame = self.frame.peek()
        return frame is not None and frame.arms[0].round > 0

    def parameters(self) -> Parameters:
        """Parameters of the draft; those of its scenario where they are not allowed."""
        draft = self.draft.value
        try:
            return draft.parameters()
        except InputError:
            return self.declared()

    def declared(self) -> Parameters:
        """Parameters as the draft's scenario has them."""
        return resolve(self.draft.value.scenario)

    def set_policy(self, path: str, value: Any) -> None:
        """Change a policy: from the next round on, and in the draft."""
        draft = self.draft.value
        resolve(self.parameters(), {path: value})
        self.draft.set(replace(draft, overrides={**draft.overrides, path: value}))
        self.session.change(path, value)

    def set_make_up(self, path: str, value: Any) -> None:
        """Change what a run is made with."""
        overrides = {**self.draft.value.overrides, path: typed(path, value)}
        self._redraft(replace(self.draft.value, overrides=overrides, begin=""))

    def set_copies(self, copies: str) -> None:
        """Change the number of copies."""
        self.set_make_up("copies", _among(sizes(self.parameters()), int(copies)))

    def set_seed(self, seed: int) -> None:
        """Change the seed."""
        self._redraft(replace(self.draft.value, seed=int(seed), begin=""))

    def set_scenario(self, scenario: str) -> None:
        """Take another scenario, with its own policy and make-up."""
        _among(self.scenarios, scenario)
        kept = {k: v for k, v in self.draft.value.overrides.items() if k == "copies"}
        self.story.set("")
        self._redraft(Setup(scenario, self.draft.value.seed, kept))

    def set_other(self, other: Mapping[str, Any]) -> None:
        """Compare with a second run that differs in a policy, or with none."""
        self._redraft(replace(self.draft.value, other=other, begin=""))

    def tell(self, name: str) -> None:
        """Begin a story."""
        story = STORIES[name]
        self.story.set(name)
        copies = {k: v for k, v in self.draft.value.overrides.items() if k == "copies"}
        overrides = {**copies, **story.setup.overrides}
        self.draft.set(replace(story.setup, overrides=overrides))
        self.set_measure(story.measure)
        self.reset()

    def reset(self) -> None:
        """Begin anew with what the controls say."""
        self.asks.set(False)
        self.session.restart(self.draft.value)

    def set_measure(self, measure: str) -> None:
        """Color the picture by another measure."""
        self.measure.set(_among(MEASURES, measure))
        self.session.look(measure=measure)

    def set_compared(self, measure: str) -> None:
        """Show how two runs differ in another measure."""
        self.compared.set(_among(COMPARED, measure))

    def set_team(self, team: int) -> None:
        """Choose a team; beyond the ends, the last or first one."""
        frame = self.frame.peek()
        if frame is not None:
            team = min(max(0, int(team)), len(frame.arms[0].division_of_team) - 1)
            self.team.set(team)
            self.session.look(team=team)

    def move(self, by: int) -> None:
        """Choose the team that is `by` further on."""
        self.set_team(self.team.peek() + int(by))

    def set_rate(self, rate: str) -> None:
        """Play so many rounds a second."""
        self.rate.set(_among(RATES, rate))
        self.session.set_rate(float(rate))

    def _redraft(self, draft: Setup) -> None:
        """Take a new draft: at once if nothing would be lost, else at the next reset."""
        self.draft.set(draft)
        if self.begun:
            self.asks.set(True)
        else:
            self.reset()


def _among(offered: Collection[T], chosen: T) -> T:
    """The choice if it was offered; a browser could ask for any file, or a million copies."""
    if chosen not in offered:
        raise InputError(f"{chosen!r} is not among the choices")
    return chosen
