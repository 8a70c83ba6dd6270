"""A verdict as JSON, for results and for the evidence of a rejected canary."""

from typing import Any

from canary.verdict.evidence import number
from canary.verdict.rule import Comparison, Verdict


def verdict_as_json(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict with shares in 0–1.

    A single comparison is repeated at the top level, for releases that compare one metric of one workload.
    """
    comparisons = [_comparison_as_json(one) for one in verdict.comparisons]
    first = comparisons[0] if len(comparisons) == 1 else {}
    only: dict[str, Any] = {
        key: first[key] for key in ("difference", "interval", "tolerance", "requests") if key in first
    }
    return {"decision": str(verdict.decision), "sentence": verdict.sentence, **only, "comparisons": comparisons}


def _comparison_as_json(one: Comparison) -> dict[str, Any]:
    sides = {"baseline": one.baseline, "canary": one.canary}
    return {
        "workload": one.workload,
        "metric": one.metric,
        "decision": str(one.decision),
        "difference": one.difference,
        "interval": list(one.interval),
        "tolerance": one.tolerance,
        "alpha": one.alpha,
        "reject_alpha": one.reject_alpha,
        "requests": {name: number(side.total) for name, side in sides.items()},
        "good": {name: number(side.good) for name, side in sides.items()},
        "share": {name: side.share for name, side in sides.items()},
        "dispersion": one.dispersion,
        "sentence": one.sentence,
    }
