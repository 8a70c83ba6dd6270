"""A report as JSON. `docs/reference/report.schema.json` describes each field."""

import json
import re
from dataclasses import asdict
from typing import Any

from canary.events import VariantState
from canary.printable import printable_json
from canary.report.report import Report
from canary.times import timestamp
from canary.verdict.as_json import verdict_as_json
from canary.verdict.evidence import Evidence, number
from canary.verdict.looks import Counts, Look
from canary.verdict.tolerance import tolerance_as_json

FORMAT = 2
"""Version of the format. It changes when a program that reads reports would have to change."""

COMPARED_COLUMNS = (
    "at",
    *(f"{variant} {column}" for variant in ("baseline", "canary") for column in ("good", "total")),
)
"""Names of the numbers of a look that decide."""

STABLE_COLUMNS = ("stable good", "stable total")
"""Names of the others: null where stable was not counted, and older versions do not write them."""


def to_json(report: Report) -> str:
    """Return the report as indented JSON, with one line for each list of numbers."""
    text = json.dumps(report_as_json(report), indent=2, ensure_ascii=False)
    text = re.sub(r"\[\n(?:null|[-+.e0-9,\s])+\]", lambda found: "".join(found[0].split()).replace(",", ", "), text)
    return printable_json(text) + "\n"


def report_as_json(report: Report) -> dict[str, Any]:
    """Return the report as JSON."""
    context, verdict, decided = report.context, report.verdict, report.decided
    return {
        "format": FORMAT,
        "version": context.version,
        "command": context.command,
        "namespace": context.namespace,
        "workloads": list(context.workloads),
        "outcome": str(report.outcome),
        "decision": str(report.judged.decision).lower() if report.judged else None,
        "sentence": verdict.sentence if verdict else None,
        "exit_code": context.exit_code,
        "error": context.error or None,
        "decided": decided
        and {
            "promote": decided.promote,
            "by": decided.by,
            "reason": decided.reason or None,
            "at": timestamp(report.decided_at),
        },
        "began": timestamp(report.began),
        "ended": timestamp(report.ended),
        "images": list(report.images),
        "variants": [_variant(one) for one in report.variants],
        "verdict": verdict_as_json(verdict) if verdict else None,
        "forecast": asdict(report.forecast) if report.forecast else None,
        "promoted": [asdict(one) for one in report.promoted],
        "rejected": [asdict(one) for one in report.rejected],
        "undone": [asdict(one) for one in report.undone],
        "handed_over": asdict(report.handed_over) if report.handed_over else None,
        "next": list(context.next),
        "timeline": [{"at": timestamp(one.at), "event": one.event, "text": one.text} for one in report.timeline],
        "settings": dict(context.settings),
        "counts": [_counts(one) for one in report.counts],
    }


def _variant(one: VariantState) -> dict[str, Any]:
    return {
        "workload": one.workload,
        "variant": str(one.variant),
        "images": list(one.images),
        "image_ids": list(one.image_ids),
        "ready": one.ready,
        "desired": one.desired,
        "good": number(one.good),
        "total": number(one.total),
    }


def _counts(one: Counts) -> dict[str, Any]:
    return {
        "workload": one.workload,
        "metric": one.metric,
        "tolerance": tolerance_as_json(one.tolerance),
        "alpha": one.alpha,
        "comparisons": one.comparisons,
        "saved_until": one.saved_until,
        "columns": [*COMPARED_COLUMNS, *STABLE_COLUMNS],
        "looks": [_look(look) for look in one.looks],
    }


def _look(look: Look) -> list[float | int | None]:
    stable = [None, None] if look.stable is None else _evidence(look.stable)
    return [number(round(look.at, 3)), *_evidence(look.baseline), *_evidence(look.canary), *stable]


def _evidence(one: Evidence) -> list[float | int]:
    return [number(one.good), number(one.total)]
