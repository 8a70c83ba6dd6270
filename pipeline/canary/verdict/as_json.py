"""A verdict as JSON, for results and for the evidence of a rejected canary."""

import math
from typing import Any

from canary.verdict.comparison import Comparison, Verdict
from canary.verdict.evidence import number
from canary.verdict.tolerance import Multiple, tolerance_as_json


def verdict_as_json(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict with shares in 0–1.

    A single comparison is repeated at the top level, for releases that compare one metric of one workload.
    """
    comparisons = [_comparison_as_json(one) for one in verdict.comparisons]
    first = comparisons[0] if len(comparisons) == 1 else {}
    only: dict[str, Any] = {
        key: first[key]
        for key in ("difference", "interval", "ratio", "ratio_interval", "tolerance", "requests")
        if key in first
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
        **ratio_as_json(one),
        "tolerance": tolerance_as_json(one.tolerance),
        "alpha": one.alpha,
        "reject_alpha": one.reject_alpha,
        "requests": {name: number(side.total) for name, side in sides.items()},
        "good": {name: number(side.good) for name, side in sides.items()},
        "share": {name: side.share for name, side in sides.items()},
        "dispersion": one.dispersion,
        "sentence": one.sentence,
    }


def ratio_as_json(one: Comparison) -> dict[str, Any]:
    """Return the ratio of errors and its interval, null where it has no end; nothing without a relative tolerance."""
    if not isinstance(one.tolerance, Multiple):
        return {}
    low, high = one.ratio_interval
    return {"ratio": one.ratio, "ratio_interval": [low, high if math.isfinite(high) else None]}
