"""Results as text, JSON and YAML."""

from __future__ import annotations

import base64
import binascii
import json
from copy import deepcopy
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from canary.config import all_settings, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from canary.config import InForce
    from canary.events import Promoted, Rejected, Written
    from canary.manifests import Object
    from canary.status import Status
    from canary.verdict import Comparison, Verdict

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def to_json(value: object) -> str:
    """Return indented JSON, in the order in which it was put together."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def masked(item: Object) -> Object:
    """Return an object without values of Secrets: `<n bytes>` stands for each."""
    if item.get("kind") != "Secret":
        return item
    copy = deepcopy(item)
    if copy.get("data"):
        copy["data"] = {key: f"<{_decoded_length(value)} bytes>" for key, value in copy["data"].items()}
    if copy.get("stringData"):
        copy["stringData"] = {key: f"<{len(str(value).encode())} bytes>" for key, value in copy["stringData"].items()}
    annotations = copy["metadata"].get("annotations") or {}
    if _LAST_APPLIED in annotations:  # kubectl repeats the values there
        annotations[_LAST_APPLIED] = f"<{len(annotations[_LAST_APPLIED].encode())} bytes>"
    return copy


def _decoded_length(value: object) -> int:
    text = str(value).encode()
    try:
        return len(base64.b64decode(text, validate=True))
    except binascii.Error:
        return len(text)


def verdict_as_json(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict with shares in 0–1.

    What the first comparison says stands at the top as well, for releases that compare one metric of one workload.
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
        "requests": {name: _number(side.total) for name, side in sides.items()},
        "good": {name: _number(side.good) for name, side in sides.items()},
        "share": {name: side.share for name, side in sides.items()},
        "dispersion": one.dispersion,
        "sentence": one.sentence,
    }


def _number(value: float) -> float | int:
    return int(value) if float(value).is_integer() else value


def status_as_json(status: Status) -> dict[str, Any]:
    """Return what there is of a release."""
    return asdict(status)


def status_as_text(status: Status) -> str:
    """Return what there is of a release, a block for each workload."""
    if not status.workloads:
        return f"no release in namespace {status.namespace}"
    blocks = []
    for workload in status.workloads:
        rows = [
            (
                str(one.variant),
                one.name,
                f"{one.ready}/{one.desired} ready",
                ", ".join(one.images) + (f"  ({one.reason})" if one.reason else ""),
            )
            for one in workload.variants
        ]
        at = f", at {workload.step}" if workload.step else ""
        lines = [f"{workload.name} in namespace {status.namespace}{at}"]
        lines += [f"  {line}" for line in columns(rows)]
        if workload.verdict:
            lines.append(f"  verdict: {workload.verdict}: {workload.sentence}")
        lines += [f"  next: {sentence}" for sentence in workload.next]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def config_as_text(in_force: InForce) -> str:
    """Return every setting with its value and where that came from."""
    names = [(one.key, one.attribute) for one in all_settings()]
    rows = [(key, shown(in_force.settings, name) or "-", in_force.sources[name]) for key, name in names]
    return "\n".join(columns(rows))


def config_as_json(in_force: InForce) -> dict[str, Any]:
    """Return every setting with its value and where that came from; times are in seconds."""
    return {
        one.key: {"value": getattr(in_force.settings, one.attribute), "source": in_force.sources[one.attribute]}
        for one in all_settings()
    }


def events_as_json(events: Sequence[Written | Promoted | Rejected]) -> list[dict[str, Any]]:
    """Return events that a command's result consists of."""
    return [asdict(event) for event in events]


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines whose columns stand below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
