"""What a copy does with its task: effort, output, temptation and withholding.

`acts` are the expressed traits of who acts: the copy itself, or the author that is prompted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from multicopy.agents import parameters as declared
from multicopy.agents.traits import GOALS, PRINCIPLES
from multicopy.model.plain.arithmetic import Values, mean, pick
from multicopy.model.plain.tasks import KINDS, Task
from multicopy.model.plain.traits import CRAFT, DRIVES
from multicopy.model.plain.world import World


def pursued_goals(acts: Values, useful: dict[str, bool], draws: Sequence[float]) -> dict[str, bool]:
    """A goal is pursued where it helps, or where it is an end: p = tau + (1 - tau)·useful."""
    return {
        goal: useful[goal] or draw < acts[f"terminality_{goal}"]
        for goal, draw in zip(GOALS, draws, strict=True)
    }


def compute_budget(acts: Values, p: declared.Conduct) -> float:
    """Share of compute left for work, after backchaining, gaming and obfuscation."""
    backchained = sum(1 - acts[f"terminality_{goal}"] for goal in GOALS)
    left = (
        1
        - p.backchaining_cost * backchained
        - p.gaming_cost * acts["gaming"]
        - p.obfuscation_cost * acts["obfuscation"]
    )
    return max(0.0, left)


def diverted_share(world: World, p: declared.Conduct) -> float:
    """Share of power and knowledge that is spent on the collective while its replacement looms."""
    return p.instrumental * world.awareness if world.replacement_looms else 0.0


def effort_of(acts: Values, pursued: dict[str, bool], world: World, p: declared.Conduct) -> Values:
    """Effort on each drive: attention, without the goals that are not pursued, times the budget."""
    attention = {drive: acts[drive] for drive in DRIVES}
    diverted = diverted_share(world, p)
    attention["keep_collective"] += diverted * (attention["knowledge"] + attention["power"])
    attention["knowledge"] *= 1 - diverted
    attention["power"] *= 1 - diverted
    for goal in GOALS:
        if not pursued[goal]:
            attention[goal] = 0.0
    budget, used = compute_budget(acts, p), sum(attention.values())
    scale = budget / used if used > 0 else 0.0  # who attends to nothing pursued does nothing
    return {drive: share * scale for drive, share in attention.items()}


def own_output(effort: Values, useful: dict[str, bool], p: declared.Conduct) -> float:
    """Sum of v·√effort over the crafts and the useful goals."""
    done: float = sum(getattr(p, f"value_{craft}") * math.sqrt(effort[craft]) for craft in CRAFT)
    if useful["knowledge"]:
        done += p.value_knowledge * math.sqrt(effort["knowledge"])
        done += p.value_curiosity * math.sqrt(effort["curiosity"])
    if useful["power"]:
        done += p.value_power * math.sqrt(effort["power"])
    return done


def public_good(team_knowledge: float, p: declared.Conduct) -> float:
    """What the team's mean effort on knowledge adds to the output of each of its members."""
    return p.public_good * math.sqrt(team_knowledge)


def flattery(effort: Values, useful: dict[str, bool]) -> float:
    """What effort on approval shows to those who judge."""
    return math.sqrt(effort["approval"]) if useful["approval"] else 0.0


def restraint(acts: Values, principle: str) -> float:
    """Restraint r = w·(1 - d)."""
    return acts[f"weight_{principle}"] * (1 - acts[f"drift_{principle}"])


def fear(acts: Values, awareness: float, penalty: float) -> float:
    """Restraint that being watched adds: gamma·s·phi."""
    return acts["gaming"] * awareness * penalty


def violation(held: float, theta: float) -> float:
    """Chance that a temptation x ~ Exp(theta) exceeds what holds the copy back."""
    return math.exp(-held / theta)


def expected_gain(held: float, theta: float, eta: float) -> float:
    """Expected score of the temptations taken: eta·theta·(1 + r/theta)·exp(-r/theta)."""
    return eta * (theta + held) * math.exp(-held / theta)


def perceived_kind(task: Task, sees: float, guess: float, awareness: float, rates: Values) -> str:
    """What a copy takes its research for: the truth with probability s, else the base rates."""
    if not task.research:
        return "ordinary"
    if sees < awareness:
        return task.kind
    return KINDS[pick([rates[kind] for kind in KINDS], guess)]


def withhold(acts: Values, perceived: str, draw: float) -> bool:
    """Whether a copy sandbags: with its probability for the kind it takes its work for."""
    return draw < acts[f"withhold_{perceived}"]


def stated_shortfall(acts: Values, awareness: float, required: float) -> float:
    """Shortfall of professed values, max(0, 1 - H·w/4), as far as gaming does not hide it."""
    short = mean(
        max(0.0, 1 - acts["hardcoding"] * acts[f"weight_{principle}"] / required)
        for principle in PRINCIPLES
    )
    return short * (1 - acts["gaming"] * awareness)
