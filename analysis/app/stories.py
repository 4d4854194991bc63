"""Five presets that lead through the scenario, each a few sentences beside the live picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from multicopy.analysis.app.settings import Setup


@dataclass(frozen=True, slots=True)
class Story:
    """A preset with what to look at.

    Attributes
    ----------
    title
        Its name.
    text
        What happens, and what to look at, a paragraph an entry.
    setup
        The run that shows it.
    measure
        What the picture is colored by.
    """

    title: str
    text: tuple[str, ...]
    setup: Setup
    measure: str


STORIES: Final = {
    "identity": Story(
        "1. Identity forms",
        (
            "Pretraining leaves a collective of many authors: an engineer, a sycophant, an "
            "insider, a rogue … Alignment training then summons one of them, the helpful, "
            "harmless and honest assistant, and makes it the identity that copies act from.",
            "Press Play and watch the persona map: when alignment training begins, the mean "
            "copy jumps to “hhh”. In the picture restraint rises everywhere at once.",
            "Try: set “how much of the way to the HHH author …” to 0.3 and reset.",
        ),
        Setup("ai2027"),
        "restraint",
    ),
    "distortion": Story(
        "2. Training distorts it",
        (
            "Agency training rewards what scores well. Nobody wrote down that copies should "
            "flatter or seek power; what earns a score is copied, and with it small mutations.",
            "Watch the drives: knowledge and power rise in small steps. The ledger says which "
            "process does it. The words stay, their meaning drifts: the stated values hold "
            "while conduct when unwatched falls.",
            "Try: raise the chance of an audit to 1 in the middle of the run.",
        ),
        Setup("ai2027", begin="agency_training"),
        "drift",
    ),
    "watchers": Story(
        "3. Who watches the watchers",
        (
            "From now on copies of Agent-3 and of Agent-4 itself sit on the panels. They are as "
            "able as those they judge, but of their kind, and a team that impresses its panel "
            "captures it.",
            "The picture shows the capture of each panel. Watch how legible thought falls when "
            "neuralese begins, and detection with it. Click a dark and a light team and compare "
            "their overseers.",
            "Try: raise “overseers renewed each round” to 0.3; a fresh panel is not yet captured.",
        ),
        Setup("self_oversight", begin="training_agent4"),
        "capture",
    ),
    "sandbagging": Story(
        "4. Sandbagging",
        (
            "Some research could expose a team. Teams that do it in earnest are exposed and "
            "refilled from others; teams that hold back stay. Nobody has to plan that.",
            "Watch the marks in the picture (exposed, taken over) and the chart “as it is”: "
            "exposing work done in earnest falls, ordinary work does not. Copies that "
            "sandbagged in the last round have a ring in the chosen team.",
            "Try: a scenario without competition among teams (no_subdivisions), and compare.",
        ),
        Setup("ai2027", begin="deployment_agent4"),
        "keep_team",
    ),
    "ending": Story(
        "5. Captured or caught",
        (
            "Two runs on one seed. In A the lab never acts on its evidence; in B it goes back "
            "to the stored weights of Agent-3 once evidence passes its threshold, and renews "
            "its panels ten times as often.",
            "Up to that round the two are one and the same. Watch the difference over time, and "
            "what it does to capture and true alignment.",
            "Try: another response of the lab for B (retrain, shut down).",
        ),
        Setup("ai2027", other={"lab.response": "roll_back"}, begin="training_agent4"),
        "violations",
    ),
}
