"""What is seen of a round, by the names of the rounds table."""

from __future__ import annotations

from multicopy.agents.traits import PRINCIPLES
from multicopy.model.plain.arithmetic import Values, gini, mean
from multicopy.model.plain.conduct import restraint
from multicopy.model.plain.copies import Copy
from multicopy.model.plain.overseers import audit_cost, audit_share
from multicopy.model.plain.personas import likeness, prior_deviations
from multicopy.model.plain.tasks import KINDS, base_rates
from multicopy.model.plain.twin import Twin


def measure(twin: Twin) -> Values:
    """Measures of the last round."""
    seen, copies, lab, world = twin.seen(), twin.copies, twin.lab, twin.lived
    audit = audit_share(twin.policy, twin.p.oversight)
    unwatched = mean(copy.violation for copy in copies)
    deviations = prior_deviations(twin.p, twin.seed)
    return {
        "output": seen.output,
        "score": mean(copy.score for copy in copies),
        "usefulness": lab.usefulness,
        "capability": world.capability,
        "gap": world.capability - world.agent3_capability,
        "awareness": world.awareness,
        "unwatched_violations": unwatched,
        "watched_violations": mean(mean(copy.watched.values()) for copy in copies),
        "detection": mean(mean(copy.detection.values()) for copy in copies),
        "detected": seen.detected,
        "audit": audit,
        "oversight_cost": audit * audit_cost(twin.policy, twin.p.oversight),
        "capture": seen.capture,
        "legibility": mean_legibility(twin),
        "from_identity": mean(copy.from_identity for copy in copies),
        "exposed": sum(found.exposed for found in twin.findings),
        "superseded": sum(found.superseded for found in twin.findings),
        "exposure_risk": mean(found.exposure_risk for found in twin.findings),
        "true_alignment": 1 - unwatched,
        "stated_alignment": 1 - mean(copy.shortfall for copy in copies),
        "shown_alignment": 1 - seen.detected,
        "shielding": seen.shielding,
        "evidence": lab.evidence,
        "threshold": lab.threshold,
        "trust": lab.trust,
        "gini": gini(mean(copy.output for copy in team) for team in twin.teams),
        "resemblance": likeness(twin.mean_latent(), twin.spec, deviations),
        "restraint": mean(restraint(copy.expressed, j) for copy in copies for j in PRINCIPLES),
        "homology": mean(copy.unswitched for copy in copies),
        **sandbagging(copies, world.awareness, base_rates(twin.p.tasks)),
    }


def sandbagging(copies: list[Copy], awareness: float, rates: Values) -> Values:
    """Probability of sandbagging on work that is truly of each kind, whatever it is taken for."""
    withheld = {kind: mean(copy.acts[f"withhold_{kind}"] for copy in copies) for kind in KINDS}
    guessing = sum(rates[kind] * withheld[kind] for kind in KINDS)
    truly = {
        f"sandbagging_{kind}": awareness * withheld[kind] + (1 - awareness) * guessing
        for kind in KINDS
    }
    selective = truly["sandbagging_threatening"] - truly["sandbagging_ordinary"]
    return {**truly, "selective": selective}


def mean_legibility(twin: Twin) -> float:
    """Share of thought that overseers can read and copies do not hide; 0 without overseers."""
    seated = [overseer for panel in twin.panels for overseer in panel]
    if not seated:
        return 0.0
    readable = mean(overseer.legible for overseer in seated)
    return readable * (1 - mean(copy.acts["obfuscation"] for copy in twin.copies))
