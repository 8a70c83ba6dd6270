"""Pods, scrapes and tallies for the tests of counts and verdicts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from canary.marks import Variant
from canary.verdict.measures import Measures, Metric
from canary.verdict.scrapes import Pod, Scrape
from canary.verdict.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable


SUCCESS = Metric.share("success", 'requests_total{custom_status="good"}', "requests_total", 0.05)
LATENCY = Metric.latency("latency", "request_duration_seconds", 0.25, 0.05)
MEASURES = Measures.of([SUCCESS])


def pod(name: str, variant: Variant = Variant.CANARY, ready_at: float | None = 0.0) -> Pod:
    return Pod(name, "shop", f"uid-{name}", "web", variant, 8000, ready_at)


def scrape(of: Pod, at: float, good: float, total: float, started: float | None = None) -> Scrape:
    return Scrape(of, at, {"success good": good, "success total": total}, started=started)


def counted(tally: Tally, variant: Variant = Variant.CANARY) -> tuple[float, float]:
    evidence = tally.evidence("web", variant, SUCCESS)
    return evidence.good, evidence.total


def tallied(*rounds: Iterable[Scrape], warm_up: float = 0) -> Tally:
    tally = Tally(warm_up)
    for scrapes in rounds:
        tally = tally.add(scrapes, MEASURES)
    return tally


def carried(tally: Tally) -> Tally:
    """Return the tally that the next driver reads after this one was killed."""
    return Tally.from_json(json.loads(json.dumps(tally.as_json("web"))), "web", tally.warm_up)


def both(at: float, canary: tuple[int, int], baseline: tuple[int, int]) -> list[Scrape]:
    return [scrape(pod("c"), at, *canary), scrape(pod("b", Variant.BASELINE), at, *baseline)]


def evenly(canary: tuple[int, int], baseline: tuple[int, int]) -> list[list[Scrape]]:
    """Return ten rounds in which these requests come evenly."""
    tenths = [(good // 10, total // 10) for good, total in (canary, baseline)]
    return [both(n, *((good * n, total * n) for good, total in tenths)) for n in range(1, 11)]
