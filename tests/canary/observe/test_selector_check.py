"""A misspelt selector ends a watch before it can decide anything, and is named with what there is instead."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import ExitStack

import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest

from tests.canary.cluster_simulator import Simulator
from tests.canary.commandline import CommandLine, Result
from tests.canary.quick_release import QUICK
from tests.canary.story import Story, deployment, service
from tests.http_servers import serving


class App:
    """A metrics page; at each look so many more requests were answered with each status, from the look `first` on."""

    def __init__(self, first: int = 1, name: str = "requests_total", **answers: int) -> None:
        self.answers = {name.removeprefix("status_"): count for name, count in answers.items()}
        self.first = first
        self.looks = 0
        self.registry = CollectorRegistry()
        self.requests = Counter(name, "Answers.", ["status"], registry=self.registry)
        self._lock = threading.Lock()

    def __call__(self, _path: str, _headers: Mapping[str, str]) -> tuple[int, str]:
        with self._lock:
            self.looks += 1
            for status, count in self.answers.items() if self.looks >= self.first else ():
                self.requests.labels(status).inc(count)
            return 200, generate_latest(self.registry).decode()


class Released:
    """A release of app:2 beside app:1."""

    def __init__(self, command_line: CommandLine, simulator: Simulator, story: Story) -> None:
        self._command_line, self._ghosts, self._story = command_line, simulator, story

    def __call__(self, *flags: str, old: App, new: App, **environment: str) -> Result:
        with ExitStack() as stack:
            for image, app in (("app:1", old), ("app:2", new)):
                self._ghosts.answers[image] = stack.enter_context(serving(app)).server_port
            arguments = ("release", "m.yml", "--image", "app:2", "--percentage", "50", "--gate", "auto", *QUICK)
            return self._command_line(*arguments, *flags, environment=environment)

    @property
    def is_left(self) -> bool:
        """Whether the variants are there and stable is what it was."""
        runs = self._story.deployment()["spec"]["template"]["spec"]["containers"][0]["image"]
        return runs == "app:1" and self._story.names() == {"app", "app-baseline", "app-canary"}


@pytest.fixture
def release(in_cluster: CommandLine, simulator: Simulator, story: Story) -> Released:
    """Give a release, in a namespace where app:1 is stable."""
    in_cluster.write_objects("m.yml", deployment("app:1"), service())
    assert in_cluster("apply", "m.yml").code == 0
    return Released(in_cluster, simulator, story)


def good() -> App:
    return App(status_200=90, status_500=10)


def bad() -> App:
    return App(status_200=10, status_500=90)


@pytest.mark.parametrize(
    ("selector", "told"),
    [
        ('requests_total{status="20"}', 'Did you mean "200"? The values of status are "200", "500". Correct'),
        ('requests_total{status=~"2xx"}', 'Did you mean "200"? The values of status are "200", "500". Correct'),
        ('requests_total{stauts="200"}', "Did you mean status? Its only label is status. Correct"),
        ('requests_total{stauts!~"5.."}', "Did you mean status? Its only label is status. If only failed requests"),
        ('request_total{status="200"}', "Did you mean requests_total? The metrics are requests_total. Correct"),
    ],
)
def test_a_selector_of_good_requests_that_matches_nothing_ends_the_release_with_exit_2(
    release: Released, selector: str, told: str
) -> None:
    result = release("--good", selector, old=good(), new=bad())
    assert result.code == 2, result.err
    assert told in result.err
    assert f"in {selector}, the selector for good requests" in result.err
    assert "canary config shows where it is set" in result.err
    assert release.is_left


def test_a_metric_of_all_requests_that_no_pod_has_ends_the_release_once_no_traffic_is_said(release: Released) -> None:
    result = release(
        "--good",
        'hits_total{status="200"}',
        "--total",
        "hits_total",
        "--no-traffic-after",
        "50ms",
        old=good(),
        new=bad(),
    )
    assert result.code == 2, result.err
    assert "No pod exposes a metric hits_total. " in result.err
    assert (
        "If the metric exists only after its first request, send one, or raise --no-traffic-after. Correct"
        in result.err
    )
    assert release.is_left


def test_a_series_that_no_request_has_made_yet_is_normal(release: Released) -> None:
    """Neither any series before the first requests, nor that of an answer that nobody got."""
    selectors = ("--good", 'requests_total{status!="500"}', "--no-traffic-after", "1h")
    healthy = release(*selectors, old=App(first=40, status_200=100), new=App(first=40, status_200=100))
    assert healthy.code == 0, healthy.err


def test_a_condition_that_excludes_nothing_is_warned_of_once(release: Released) -> None:
    result = release("--good", 'requests_total{status!~"5xx"}', old=good(), new=good())
    [warning] = [line for line in result.lines if line.startswith("warning: ")]
    assert warning == (
        'warning: status!~"5xx" excludes nothing (in requests_total{status!~"5xx"}, the selector for good requests). '
        'The values of status are "200", "500": this is fine if there was nothing to exclude yet; '
        "otherwise correct the selector"
    )
    assert result.code == 0, result.err


def test_a_metric_that_the_canary_alone_lacks_is_warned_of_once(release: Released) -> None:
    renamed = App(name="answers_total", status_200=90, status_500=10)
    flags = ("--good", 'requests_total{status="200"}', "--no-traffic-after", "50ms", "--max-duration", "1s")
    result = release(*flags, old=good(), new=renamed)
    assert result.code == 4, result.err
    [warning] = [line for line in result.lines if line.startswith("warning: of the canary's pods alone: ")]
    assert "No pod exposes a metric requests_total" in warning
    assert warning.endswith("The metrics are answers_total")


def test_good_and_all_requests_in_each_other_s_place_end_the_release(release: Released) -> None:
    result = release("--total", 'requests_total{status="200"}', "--good", "requests_total", old=good(), new=bad())
    assert result.code == 2, result.err
    assert "Good requests must be among all requests" in result.err


def test_a_first_release_waits_for_a_good_answer_and_names_a_misspelt_selector(
    in_cluster: CommandLine, simulator: Simulator, story: Story
) -> None:
    in_cluster.write_objects("m.yml", deployment("app:1"), service())
    first = ("release", "m.yml", "--gate", "auto", *QUICK, "--max-duration", "1s", "--good")
    with serving(App(status_500=1, status_200=0)) as page:
        simulator.answers["app:1"] = page.server_port
        failing = in_cluster(*first, 'requests_total{status="200"}')
    assert failing.code == 4, failing.err
    assert "requests was good" in failing.err
    with serving(good()) as page:
        simulator.answers["app:1"] = page.server_port
        misspelt = in_cluster(*first, 'requests_total{status="2000"}')
    assert misspelt.code == 2, misspelt.err
    assert 'Did you mean "200"?' in misspelt.err
    assert story.names() == {"app-canary"}
