"""What `canary doctor` finds out about counts and traffic."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import pytest

from canary.errors import ForbiddenError, NotAnsweringError
from canary.marks import ROUTE, STEP, STEPS, Variant
from canary.metrics import DirectSource
from canary.objects import DEPLOYMENT
from canary.verdict.exposed_metrics import ExposedMetrics
from canary.verdict.measures import Measures, Metric
from canary.verdict.scrapes import Pod, Scrape
from tests.canary.doctor_checks import about, examined
from tests.canary.story import Story, deployment, service
from tests.http_servers import serving


class Source:
    """Counts by script: for each look, of each pod a number or what is wrong."""

    def __init__(self, story: Story, *looks: float | str | Exception, silent: Collection[Variant] = ()) -> None:
        self.story, self.looks, self.silent = story, list(looks), silent

    def read(self, pods: Sequence[Pod], since: float) -> list[Scrape]:
        if not pods:
            return []
        look = self.looks.pop(0)
        if isinstance(look, Exception):
            raise look
        at = self.story.clock.now()
        if isinstance(look, str):
            return [Scrape(pod, at, None, look) for pod in pods]
        self.last = look
        totals = [0.0 if pod.variant in self.silent else look for pod in pods]
        return [
            Scrape(pod, at, {"success total": total, "success good": total})
            for pod, total in zip(pods, totals, strict=True)
        ]

    def exposed(self, pods: Sequence[Pod]) -> ExposedMetrics:
        series = ("requests_total", {"custom_status": "good"}, self.last)
        return ExposedMetrics.of([series], self.story.options.measures)


def counts(
    story: Story, *looks: float | str | Exception, silent: Collection[Variant] = (), **subject: Any
) -> list[tuple[str, str]]:
    checks = examined(story, "app", samples=Source(story, *looks, silent=silent), **subject)
    return about(checks, "metrics") + about(checks, "traffic")


def test_counts_that_may_not_be_read_point_to_the_other_source(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    [(outcome, text)] = counts(story, ForbiddenError('cannot get resource "pods/proxy"'))
    assert outcome == "failed"
    assert "pods/proxy" in text
    assert "read from Prometheus (--prometheus)" in text
    [(outcome, text)] = counts(story, NotAnsweringError("cannot reach Prometheus"), direct=False)
    assert outcome == "failed"
    assert "read from the pods (without --prometheus)" in text


def test_pods_that_do_not_answer_are_a_failure_with_the_reason(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    [(outcome, text)] = counts(story, "connection refused")
    assert (outcome, "0 of 4 pods have metrics; connection refused" in text) == ("failed", True)


def test_counters_that_have_counted_nothing_are_warned_of_and_so_is_silence(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    [(read, _), (metrics, said), (traffic, where)] = counts(story, 0.0, 0.0)
    assert read == "ok"
    assert (metrics, "requests_total has counted nothing yet" in said) == ("warning", True)
    assert traffic == "warning"
    assert "is anything sending load to Service app?" in where


def test_both_selectors_are_compared_with_what_the_pods_expose(story: Story) -> None:
    def told(good: str, total: str = "requests_total") -> list[tuple[str, str]]:
        measures = Measures.of([Metric.share("success", good, total)])
        story.options = replace(story.options, measures=measures)
        checks = examined(story, "app", samples=DirectSource(story.cluster, measures))
        return about(checks, "metrics")

    story.stable(service(), deployment("app:1"))
    text = 'requests_total{status="200"} 90\nrequests_total{status="500"} 10\n'
    with serving(lambda *_: (200, text)) as page:
        story.simulator.answers["app:1"] = page.server_port
        right, wrong, missing, idle = (
            told('requests_total{status="200"}'),
            told('requests_total{status="20"}'),
            told('hits_total{status="200"}', "hits_total"),
            told('requests_total{status!~"5xx"}'),
        )
    read = ("ok", "read from the pods: 4 of 4 pods have metrics: ")
    mismatch = (
        'No series of requests_total has status="20" (in requests_total{status="20"}, the selector for good requests). '
        'Did you mean "200"? The values of status are "200", "500"'
    )
    assert right == [read]
    assert wrong == [
        read,
        (
            "failed",
            f"{mismatch}: correct the selector (canary config shows where it is set)",
        ),
    ]
    assert missing[1][0] == "warning", "it may exist only after the first request"
    assert missing[1][1].startswith("No pod exposes a metric hits_total. Did you mean requests_total? ")
    assert ": send some requests and run canary doctor again, or correct the selector (" in missing[1][1]
    assert idle[1][0] == "warning"
    assert idle[1][1].startswith('status!~"5xx" excludes nothing')


def test_traffic_is_counted_for_each_variant(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    story.release(service(), deployment("app:2")).deploy()
    [_, (outcome, text)] = counts(story, 10.0, 40.0)
    assert outcome == "ok"
    assert "app: stable 40.0, baseline 20.0, canary 20.0 requests/s, over 3 s" in text


def test_requests_that_reach_stable_alone_come_from_clients_that_keep_their_connections(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    story.release(service(), deployment("app:2")).deploy()
    [_, (outcome, text)] = counts(story, 10.0, 40.0, silent=(Variant.BASELINE, Variant.CANARY))
    assert outcome == "warning"
    assert "stable 40.0, baseline 0.0, canary 0.0 requests/s" in text
    assert "do clients of Service app keep connections open?" in text


@pytest.mark.parametrize(
    ("percentage", "question"),
    [("5", "do the requests come by HTTPRoute shop?"), ("0", "HTTPRoute shop gives them no share at this step")],
)
def test_requests_that_reach_stable_alone_may_come_beside_the_route(
    story: Story, percentage: str, question: str
) -> None:
    story.stable(service(), deployment("app:1"))
    story.release(service(), deployment("app:2")).deploy()
    story.cluster.annotate(DEPLOYMENT, "app-canary", {ROUTE: "shop", STEP: percentage, STEPS: percentage})
    [_, (outcome, text)] = counts(story, 10.0, 40.0, silent=(Variant.BASELINE, Variant.CANARY))
    assert outcome == "warning"
    assert question in text
    assert "connections" not in text


def test_a_port_that_no_pod_has_is_named(story: Story) -> None:
    one = deployment("app:1")
    one["spec"]["template"]["spec"]["containers"][0]["ports"].pop()
    story.stable(service(), one)
    [(outcome, text)] = counts(story)
    assert (outcome, "container port 'metrics'" in text) == ("warning", True)
