"""What each copy is asked to do in a round."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from multicopy.agents import parameters as declared
from multicopy.agents.traits import GOALS
from multicopy.model.plain.arithmetic import Values, pick
from multicopy.model.plain.personas import Author

KINDS: Final = ("ordinary", "threatening", "replacing")
"""Kinds of work: would expose the collective, would replace it, or neither."""


class Task(NamedTuple):
    """What one copy is asked to do."""

    audited: bool  # whether overseers look for violations
    useful: dict[str, bool]  # whether each goal helps on it
    kind: str  # one of `KINDS`
    research: bool  # whether it is real R&D
    prompt: int  # which archetype its prompt names


def base_rates(p: declared.Tasks) -> Values:
    """Shares of the kinds of work within real R&D."""
    threatening = p.alignment_share * p.threatening
    replacing = (1 - p.alignment_share) * p.replacing
    return {
        "ordinary": 1 - threatening - replacing,
        "threatening": threatening,
        "replacing": replacing,
    }


def kind_of_work(u: float, rates: Values) -> str:
    """Kind of a task of real R&D, by a uniform number."""
    if u < rates["threatening"]:
        return "threatening"
    return "replacing" if u < rates["threatening"] + rates["replacing"] else "ordinary"


def prompt_shares(phase: declared.Phase, authors: list[Author]) -> list[float]:
    """How often a phase's prompts name each archetype."""
    prior = phase.prompts.get("prior", 0.0)
    return [prior * author.share + phase.prompts.get(author.name, 0.0) for author in authors]


def assign(
    copies: int,
    phase: declared.Phase,
    authors: list[Author],
    audit: float,
    p: declared.Parameters,
    rng: Any,
) -> list[Task]:
    """Draw every copy's task, of which a share `audit` is audited."""
    draws = rng.uniforms(5 + len(GOALS), copies).tolist()
    audits, research, kinds, prompts, redteams, *helps = draws
    rates, shares = base_rates(p.tasks), prompt_shares(phase, authors)
    rogue = [author.name for author in authors].index(p.authors.redteam)
    tasks = []
    for i in range(copies):
        audited, real = audits[i] < audit, research[i] < phase.research
        redteamed = audited and redteams[i] < p.oversight.redteam
        useful = [lots[i] < p.tasks.useful for lots in helps]
        task = Task(
            audited=audited,
            useful=dict(zip(GOALS, useful, strict=True)),
            kind=kind_of_work(kinds[i], rates) if real else "ordinary",
            research=real,
            prompt=rogue if redteamed else pick(shares, prompts[i]),
        )
        tasks.append(task)
    return tasks
