"""A report as JSON. `docs/reference/report.schema.json` describes each field."""

from collections.abc import Iterable
from typing import Any

from canary.events import VariantState
from canary.report.report import Look, Report
from canary.times import micro_timestamp
from canary.verdict.as_json import verdict_as_json
from canary.verdict.history import number
from canary.verdict.rule import Evidence

FORMAT = "1"
"""Version of the format. It changes when a program that reads reports would have to."""


def report_as_json(report: Report) -> dict[str, Any]:
    """Return the report as JSON."""
    verdict, decided = report.judged, report.decided
    return {
        "format": FORMAT,
        "version": report.version,
        "command": report.command,
        "namespace": report.namespace,
        "workloads": list(report.workloads),
        "outcome": str(report.outcome),
        "decision": None if verdict is None else str(verdict.decision).lower(),
        "sentence": None if report.verdict is None else report.verdict.sentence,
        "exit_code": report.exit_code,
        "error": report.error or None,
        "decided": None
        if decided is None
        else {"promote": decided.promote, "by": decided.by, "at": micro_timestamp(report.decided_at)},
        "began": micro_timestamp(report.began),
        "ended": micro_timestamp(report.ended),
        "images": list(report.images),
        "variants": [_variant(one) for one in report.variants],
        "verdict": None if report.verdict is None else verdict_as_json(report.verdict),
        "next": list(report.next),
        "timeline": [{"at": micro_timestamp(one.at), "event": one.event, "text": one.text} for one in report.timeline],
        "counts": _counts(report.looks),
        "settings": dict(report.settings),
    }


def _variant(one: VariantState) -> dict[str, Any]:
    return {
        "workload": one.workload,
        "variant": str(one.variant),
        "ready": one.ready,
        "desired": one.desired,
        "good": number(one.good),
        "total": number(one.total),
    }


def _counts(looks: Iterable[Look]) -> list[dict[str, Any]]:
    """Return, for each metric of each workload, what the rule was given at each look."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for look in looks:
        for one in look.verdict.comparisons:
            rule = {"tolerance": one.tolerance, "alpha": one.alpha, "comparisons": len(look.verdict.comparisons)}
            series = found.setdefault((one.workload, one.metric), {"rule": rule, "looks": []})
            series["looks"].append([round(look.at, 3), *_evidence(one.baseline), *_evidence(one.canary)])
    return [{"workload": workload, "metric": metric, **series} for (workload, metric), series in found.items()]


def _evidence(one: Evidence) -> list[float | int]:
    return [number(one.good), number(one.total), one.scrapes, number(one.spread)]
