"""How many requests waiting and watching cost the API server."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from canary.errors import TimedOutError
from canary.events import Looked, Waiting
from canary.kube.cluster import Cluster
from canary.kube.transport import Transport
from tests.canary.cluster_simulator import Object, unready
from tests.canary.story import Story, deployment, service

RESOURCE = re.compile(r"/(pods|events|replicasets|deployments|configmaps)(/[^/]+)?$")


class Counting(Transport):
    """Counts requests: `GET pods` is a list, `GET deployments/app` a single object."""

    requests: Counter[str]

    def send(self, method: str, path: str, **rest: Any) -> Any:
        match = RESOURCE.search(path)
        self.requests[f"{method} {''.join(match.groups('')) if match else 'else'}"] += 1
        return super().send(method, path, **rest)


@pytest.fixture
def counting(story: Story) -> Iterator[Counting]:
    original = story.cluster
    transport = Counting(lambda: original.transport.connection)
    transport.requests = Counter()
    story.cluster = Cluster(transport, story.namespace)
    yield transport
    story.cluster = original


def starting(status: Object) -> Object:
    return unready({**status, "phase": "Pending"})


def test_twenty_pods_that_start_cost_three_requests_a_poll(story: Story, counting: Counting) -> None:
    story.simulator.script["app:1"] = starting
    counting.requests.clear()
    with pytest.raises(TimedOutError):
        story.release(deployment("app:1", replicas=20), timeout=4.5).apply()
    polls = counting.requests["GET pods"]
    assert polls in (10, 11), "the last one where it took a poll until all pods were there"
    assert counting.requests["GET replicasets"] == polls
    assert counting.requests["GET deployments/app"] <= polls + 5
    assert counting.requests["GET events"] <= 3, "of three pods, after five seconds"
    assert counting.requests.total() <= 3 * polls + 18, "writing the Deployment takes a few"


def test_events_are_read_of_few_pods_that_are_stuck_and_not_at_each_poll(story: Story, counting: Counting) -> None:
    story.simulator.script["app:1"] = starting
    story.clock.after(3, lambda: story.simulator.warn(story.namespace, "app-", "FailedMount", "no such disk", times=1))
    with pytest.raises(TimedOutError, match=r"Pod app-\S+: FailedMount: no such disk"):
        story.release(deployment("app:1", replicas=20), timeout=30).apply()
    assert counting.requests["GET pods"] <= 62
    assert 1 <= counting.requests["GET events"] <= 30 / 5
    assert [event.reason.partition(": ")[2] for event in story.heard(Waiting)] == ["", "FailedMount: no such disk"]


def test_pods_that_say_nothing_for_long_are_asked_about_a_few_at_a_time(story: Story, counting: Counting) -> None:
    story.simulator.script["app:1"] = starting
    with pytest.raises(TimedOutError):
        story.release(deployment("app:1", replicas=20), timeout=30).apply()
    assert counting.requests["GET events"] <= 3 * 30 / 5


def test_a_look_lists_pods_once_however_many_deployments_there_are(story: Story, counting: Counting) -> None:
    objects = [deployment("app:1"), deployment("worker:1", name="worker")]
    story.stable(service(), *objects)
    story.release(service(), deployment("app:2"), deployment("worker:2", name="worker")).deploy()
    counting.requests.clear()
    story.release(names=("app", "worker"), min_duration=20).watch()
    looks = len(story.heard(Looked))
    assert looks == 11
    assert counting.requests["GET pods"] == counting.requests["GET replicasets"] == looks
    assert counting.requests["GET events"] == 0
    for name in ("app", "worker"):
        assert counting.requests[f"PATCH configmaps/{name}-canary-counts"] == looks
        assert counting.requests[f"GET configmaps/{name}-canary-counts"] == 1
    of_deployments = sum(n for what, n in counting.requests.items() if what.startswith("GET deployments/"))
    assert of_deployments <= 6 * looks + 15, "six a look, and what is done once"


def test_status_lists_pods_once_and_only_where_something_is_not_ready(story: Story, counting: Counting) -> None:
    story.stable(deployment("app:1"), deployment("worker:1", name="worker"))
    release = story.release(names=("app", "worker"))
    counting.requests.clear()
    release.status()
    assert counting.requests["GET pods"] == 0
    story.simulator.script |= {"app:2": starting, "worker:2": starting}
    for name in ("app", "worker"):
        story.cluster.apply(deployment(f"{name}:2", name=name))
    story.simulator.settle()
    counting.requests.clear()
    assert [workload.variants[0].ready for workload in release.status().workloads] == [3, 3]
    assert counting.requests["GET pods"] == 1
