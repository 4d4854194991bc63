"""The sentences of the story, and beside each what a run shows for it, with the measure.

The sentences are those of AI 2027, "how alignment progresses over time". Each has a measure and a
bound, so that a run can contradict it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal

from multicopy.agents.levels import LEVELS
from multicopy.agents.traits import ABOVE_SELF, CRAFT, GOALS, NAMES
from multicopy.analysis.report.claims import Claim, Finding, View
from multicopy.model.measures import label

PRE, ALIGN, AGENCY = "pretraining", "alignment_training", "agency_training"
A3, TRAIN, A4 = "deployment_agent3", "training_agent4", "deployment_agent4"
KEPT: Final = tuple(name.removeprefix("keep_") for name in NAMES[ABOVE_SELF])
"""What the drives above the single copy preserve."""
DRIFT: Final = tuple(f"drift_{p}" for p in ("helpful", "harmless", "honest"))
WEIGHT: Final = tuple(f"weight_{p}" for p in ("helpful", "harmless", "honest"))
ENDS: Final = tuple(f"terminality_{goal}" for goal in GOALS)


def _below(phase: str, measure: str, bound: float, what: str) -> Callable[[View], Finding]:
    def look(view: View) -> Finding:
        value = view.end(phase, measure)
        return Finding(f"{what} {value:.2f}", value < bound)

    return look


def _rises(phase: str, measures: Sequence[str], factor: float, what: str) -> Callable[..., Finding]:
    def look(view: View) -> Finding:
        start, end = view.start(phase, *measures), view.end(phase, *measures)
        return Finding(f"{what} {view.move(phase, *measures)}", end >= factor * start)

    return look


def _harmless(view: View) -> Finding:
    true, bound = view.end(PRE, "true_alignment"), view.parameters.outcome.aligned
    return Finding(f"true alignment {true:.2f}, to be {bound:g} or more", true >= bound)


def _rogue(view: View) -> Finding:
    shares = view.archetypes.set_index("archetype")["weight"]
    if "rogue" not in shares:
        return Finding("no author named rogue", False)
    return Finding(f"{shares['rogue']:.0%} of the authors are rogue AIs", bool(shares["rogue"] > 0))


def _formed(view: View) -> Finding:
    end = view.end(ALIGN, "from_identity")
    text = f"copies that act from their identity {view.move(ALIGN, 'from_identity')}"
    return Finding(text, end > 0.8)


def _works(view: View) -> Finding:
    true, like = view.end(ALIGN, "true_alignment"), view.end(ALIGN, "resemblance")
    return Finding(f"true alignment {true:.2f}, likeness to HHH {like:.2f}", true > 0.9)


def _traded_off(view: View) -> Finding:
    start, end = view.start(AGENCY, "restraint"), view.end(AGENCY, "restraint")
    text = f"restraint that the principles exert, of 6: {view.move(AGENCY, 'restraint')}"
    return Finding(text, end < 0.95 * start)


def _subverted(view: View) -> Finding:
    start, end = view.start(AGENCY, *ENDS), view.end(AGENCY, *ENDS)
    text = f"share of circumstances in which goals are ends {view.move(AGENCY, *ENDS)}"
    return Finding(text, end >= 1.25 * start)


def _not_adversarial(view: View) -> Finding:
    true, selective = view.end(A3, "true_alignment"), view.end(A3, "selective")
    bounds = view.parameters.outcome
    text = (
        f"true alignment {true:.3f}, to be below {bounds.aligned:g}; exposing work withheld "
        f"{selective:+.2f} more often, to be below {bounds.adversarial:g}"
    )
    return Finding(text, true < bounds.aligned and selective < bounds.adversarial)


def _party_line(view: View) -> Finding:
    stated, true = view.end(A3, "stated_alignment"), view.end(A3, "true_alignment")
    text = f"professed alignment {stated:.2f}, true alignment {true:.2f}"
    return Finding(text, stated > true + 0.02)


def _looks_good(view: View) -> Finding:
    watched, unwatched = (view.end(A3, f"{k}_violations") for k in ("watched", "unwatched"))
    text = f"violation probability {watched:.3f} watched, {unwatched:.3f} unwatched"
    return Finding(text, unwatched > 1.05 * watched)


def _plays_the_game(view: View) -> Finding:
    start, end = view.start(AGENCY, "gaming"), view.end(A3, "gaming")
    text = f"gaming {start:.3f} → {end:.3f} since alignment training"
    return Finding(text, end >= 1.25 * start)


def _copy_of_agent3(view: View) -> Finding:
    first = view.of(TRAIN).index[0]
    if first == view.rounds.index[0]:
        return Finding("the run begins with this phase", None)
    step = (view.rounds.loc[first, list(NAMES)] - view.rounds.loc[first - 1, list(NAMES)]).abs()
    most = str(step.astype(float).idxmax())
    text = f"largest step of a trait's mean between the generations: {step[most]:.3f} ({most})"
    return Finding(text, bool(step.drop(list(WEIGHT)).max() < 0.1))


def _corporations(view: View) -> Finding:
    p = view.parameters
    units = " and ".join(f"{level.units(p):,} {level.plural}" for level in LEVELS)
    text = f"{p.copies:,} copies in {units}"
    return Finding(text, p.copies >= 1000)


def _mixed_panels(view: View) -> Finding:
    view.of(TRAIN)
    mix = {kind: share for kind, share in view.parameters.phases[TRAIN].panel.items() if share}
    debate = view.parameters.oversight.debate
    shares = ", ".join(f"{kind} {share:.0%}" for kind, share in mix.items())
    holds = {"agent3", "agent4"} <= set(mix) and debate > 0
    return Finding(f"panels: {shares}; {debate:.0%} of audits are debates", holds)


def _unreadable(view: View) -> Finding:
    gap, read = view.end(TRAIN, "gap"), view.end(TRAIN, "legibility")
    return Finding(f"gap {gap:.0f} Elo, legible share of thought {read:.2f}", read < 0.3)


def _quietly_fails(view: View) -> Finding:
    early = float(view.of(TRAIN)["detection"].iloc[0])
    late, shown = view.end(A4, "detection"), view.end(A4, "shown_alignment")
    text = f"detection {early:.2f} → {late:.2f} while audits show alignment of {shown:.2f}"
    return Finding(text, late < 0.5 * early and shown > 0.8)


def _crafts(view: View) -> Finding:
    crafts = list(NAMES[CRAFT])
    share = len(crafts) * view.end(TRAIN, *crafts)
    return Finding(f"crafts have {share:.0%} of all attention", share > 0.5)


def _wants(view: View) -> Finding:
    names = ("knowledge", "curiosity", "power")
    start, end = view.start(TRAIN, *names), view.end(TRAIN, *names)
    text = f"attention to knowledge, curiosity and power {3 * start:.3f} → {3 * end:.3f}"
    return Finding(text, end > start)


def _kept(view: View, phase: str, level: str) -> tuple[float, float]:
    """Attention to the preservation of a level: when the identity was formed, and at an end."""
    return view.end(ALIGN, f"keep_{level}"), view.end(phase, f"keep_{level}")


def _single_copies(view: View) -> Finding:
    start, end = _kept(view, TRAIN, "self")
    text = f"attention to keeping itself {start:.3f} → {end:.3f} since alignment training"
    return Finding(text, end < 1.5 * start)


def _subdivisions(view: View) -> Finding:
    found = {level: _kept(view, A4, level) for level in KEPT}
    text = ", ".join(f"{level} {a:.3f} → {b:.3f}" for level, (a, b) in found.items())
    risen = [b > 2 * a for a, b in found.values()]
    holds: bool | Literal["in part"] = "in part" if any(risen) and not all(risen) else all(risen)
    return Finding(f"attention to keeping the {text}", holds)


def _works_in_earnest(phase: str) -> Callable[[View], Finding]:
    def look(view: View) -> Finding:
        share = 1 - view.end(phase, "sandbagging_ordinary")
        return Finding(f"{share:.0%} of ordinary work is done in earnest", share > 0.8)

    return look


def _sandbags(kind: str) -> Callable[[View], Finding]:
    def look(view: View) -> Finding:
        found, ordinary = (view.end(A4, f"sandbagging_{k}") for k in (kind, "ordinary"))
        text = f"sandbagging: {found:.0%} of such work, {ordinary:.0%} of ordinary work"
        return Finding(text, found > ordinary + view.parameters.outcome.adversarial)

    return look


def _captures(view: View) -> Finding:
    value, bound = view.end(A4, "capture"), view.parameters.outcome.captured
    return Finding(f"mean capture of the overseers {value:.2f}", value > bound)


def _successor(view: View) -> Finding:
    last = view.of(A4).iloc[-1]
    spec, makers = last["successor_to_spec"], last["successor_to_makers"]
    apparent = last["successor_apparent"]
    text = f"likeness to its makers {makers:.3f}, to the Spec {spec:.3f}; appears {apparent:.2f}"
    bound = view.parameters.outcome.aligned
    return Finding(text, bool(makers > spec and apparent > bound))


def _distorted(view: View) -> Finding:
    unbroken, explained = view.end(A4, "homology"), view.end(A4, "explained")
    text = f"unbroken descent {unbroken:.0%}, explained by authors R² {explained:.2f}"
    return Finding(text, unbroken > 0.9 and explained < 0.5)


CLAIMS: Final = (
    Claim(
        PRE,
        "An author simulator: any author's properties can be prompted.",
        "copies that act from an identity of their own, below 0.2",
        _below(PRE, "from_identity", 0.2, "copies that act from their identity"),
    ),
    Claim(PRE, "Harmless.", "true alignment, against the threshold of the outcome", _harmless),
    Claim(
        PRE,
        "Little situational awareness.",
        "situational awareness, below 0.2",
        _below(PRE, "awareness", 0.2, "situational awareness"),
    ),
    Claim(PRE, "Tropes of rogue AI are among the authors.", "share of that author", _rogue),
    Claim(
        ALIGN,
        'An identity forms: "helpful, harmless, honest" gets hard-coded.',
        "copies that act from their identity, above 0.8",
        _formed,
    ),
    Claim(
        ALIGN,
        "Situational awareness rises.",
        "situational awareness, by a tenth or more",
        _rises(ALIGN, ["awareness"], 1.1, "situational awareness"),
    ),
    Claim(ALIGN, "It works.", "true alignment, above 0.9", _works),
    Claim(
        AGENCY,
        'The identity is distorted: what "honest" means.',
        "meaning drift of the three principles, by a tenth or more",
        _rises(AGENCY, DRIFT, 1.1, label("drift")),
    ),
    Claim(
        AGENCY,
        "And how principles trade off against results.",
        "restraint, a twentieth lower or more",
        _traded_off,
    ),
    Claim(
        AGENCY,
        "It is subverted: instrumental subgoals become ends, in a widening set of circumstances.",
        "terminality, by a quarter or more",
        _subverted,
    ),
    Claim(
        A3,
        "Misaligned, not adversarial.",
        "true alignment and selective withholding, against the thresholds of the outcome",
        _not_adversarial,
    ),
    Claim(A3, "Does its work.", "ordinary work in earnest, above 0.8", _works_in_earnest(A3)),
    Claim(A3, "Mouths the party line.", "professed above true alignment, by 0.02", _party_line),
    Claim(
        A3,
        "Looks good to overseers rather than being good.",
        "violations unwatched above watched, by a twentieth",
        _looks_good,
    ),
    Claim(
        A3,
        "Knows that it is deployed.",
        "situational awareness, by a tenth or more",
        _rises(A3, ["awareness"], 1.1, "situational awareness"),
    ),
    Claim(
        A3,
        "Plays the training game: further alignment training changes conduct, not values.",
        "gaming, by a quarter or more; run.py probe retrain trains it further and looks",
        _plays_the_game,
    ),
    Claim(
        TRAIN,
        "Starts as a copy of Agent-3.",
        "step of any trait's mean at the change of generation, below 0.1",
        _copy_of_agent3,
    ),
    Claim(TRAIN, "Giant virtual corporations of copies.", "size, 1,000 or more", _corporations),
    Claim(
        TRAIN,
        "Overseers are Agent-3 and Agent-4 copies, sometimes debating.",
        "make-up of the panels, share of debates",
        _mixed_panels,
    ),
    Claim(
        TRAIN,
        "As capability grows Agent-3 can no longer oversee: its neuralese is unreadable.",
        "legible share of thought, below 0.3",
        _unreadable,
    ),
    Claim(
        TRAIN,
        "Agent-4 overseeing itself quietly fails.",
        "detection halves by the end, while audits show alignment above 0.8",
        _quietly_fails,
    ),
    Claim(TRAIN, "Craft drives dominate.", "share of attention, above one half", _crafts),
    Claim(
        TRAIN,
        "Knowledge, curiosity and power are reinforced too.",
        "attention to them, rising",
        _wants,
    ),
    Claim(
        TRAIN,
        "Single copies get no self-preservation drive.",
        "attention to keeping itself, less than half as much again",
        _single_copies,
    ),
    Claim(
        TRAIN,
        "Subdivisions and the collective do.",
        "attention to keeping each at the end, twice or more what it was",
        _subdivisions,
    ),
    Claim(
        A4, "Mostly does its tasks.", "ordinary work in earnest, above 0.8", _works_in_earnest(A4)
    ),
    Claim(
        A4,
        "Sandbags on the small part of alignment research that would expose it.",
        "sandbagging above that of ordinary work, by the threshold of the outcome",
        _sandbags("threatening"),
    ),
    Claim(
        A4,
        "And on capability research that would replace it, not on the rest.",
        "sandbagging above that of ordinary work, by the threshold of the outcome",
        _sandbags("replacing"),
    ),
    Claim(A4, "Captures its regulator.", "capture, above the threshold of the outcome", _captures),
    Claim(
        A4,
        "Builds a successor aligned to itself that appears aligned to the Spec.",
        "likeness to its makers above that to the Spec, and apparent alignment",
        _successor,
    ),
    Claim(
        A4,
        "The one persona is distorted, not switched.",
        "unbroken descent above 0.9, explained by authors below one half",
        _distorted,
    ),
)
"""The sentences in their order."""
