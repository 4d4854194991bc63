"""The two elements that the page draws and reads by itself, beside Solara's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import solara


@solara.component_vue("picture.vue")
def Drawing(
    html: str = "",
    number: int = 0,
    arrows: str = "",
    event_choose: Callable[[int], None] | None = None,
    event_move: Callable[[int], None] | None = None,
    event_drawn: Callable[[int], None] | None = None,
) -> Any:
    """Show markup; with `arrows` (what the arrow keys do), teams in it can be chosen.

    `event_drawn` is called with a new `number` once it is on the screen.
    """


@solara.component_vue("control.vue")
def Input(
    path: str = "",
    label: str = "",
    unit: str = "",
    note: str = "",
    value: Any = 0,
    low: float = 0,
    high: float = 1,
    step: float = 0.01,
    whole: bool = False,
    choices: str = "",
    event_changed: Callable[[Any], None] | None = None,
) -> Any:
    """Show a slider, a field for a whole number, or a choice, as the browser makes them.

    `choices` is text that `controls.options` makes.
    """
