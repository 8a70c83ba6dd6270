"""Deployments: rolling updates without lost requests, their history and their conditions."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.localcluster.cluster import Namespace, until
from tests.localcluster.objects import container, deployment, service

Object = dict[str, Any]


def conditions(obj: Object) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c.get("reason", "")) for c in obj.get("status", {}).get("conditions", [])}


class Client(threading.Thread):
    """Sends up to a hundred requests a second, each on a new connection, until it is stopped."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address
        self.answers: dict[str, int] = {}
        self.failures: list[str] = []
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(0.01):
            connection = http.client.HTTPConnection(self.address, timeout=10)
            try:
                connection.request("GET", "/")
                answer = connection.getresponse()
                body = answer.read().decode()
                if answer.status != 200:
                    self.failures.append(f"{answer.status} {body}")
                version = body.split("\n")[0]
                self.answers[version] = self.answers.get(version, 0) + 1
            except OSError as error:
                self.failures.append(repr(error))
            finally:
                connection.close()


@pytest.mark.parametrize("updates", [4, pytest.param(20, marks=pytest.mark.long)])
def test_rolling_updates_lose_no_request(namespace: Namespace, updates: int) -> None:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    graceful = container(lifecycle={"preStop": {"sleep": {"seconds": 1}}})
    namespace.apply(deployment(replicas=2, pod={"containers": [graceful]}, strategy=rolling), service())
    namespace.wait_for_rollout()
    address = f"{namespace.get('service', 'web')['spec']['clusterIP']}:8080"
    clients = [Client(address) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        for n in range(updates):
            namespace.kubectl("set", "image", "deploy/web", f"web=web:{2 - n % 2}")
            namespace.wait_for_rollout()
    finally:
        for client in clients:
            client.stopped.set()
        for client in clients:
            client.join()
    assert [f for c in clients for f in c.failures] == []
    answers = {v: sum(c.answers.get(v, 0) for c in clients) for v in ("1", "2")}
    print("answers by version:", answers)
    assert min(answers.values()) > 100


def test_a_rollout_never_has_more_or_fewer_pods_than_the_strategy_allows(namespace: Namespace) -> None:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    namespace.apply(deployment(replicas=4, strategy=rolling))
    namespace.wait_for_rollout()
    namespace.kubectl("set", "image", "deploy/web", "web=web:2")
    seen: list[tuple[int, int]] = []

    def done() -> bool:
        status = namespace.get("deploy", "web")["status"]
        seen.append((status["replicas"], status.get("availableReplicas", 0)))
        return bool(status.get("updatedReplicas") == status.get("availableReplicas") == status["replicas"] == 4)

    until("the rollout is complete", done)
    assert max(replicas for replicas, _ in seen) <= 5
    assert min(available for _, available in seen) >= 3


def test_recreate_stops_all_old_pods_before_it_starts_a_new_one(namespace: Namespace) -> None:
    namespace.apply(deployment(replicas=2, strategy={"type": "Recreate"}))
    namespace.wait_for_rollout()
    namespace.kubectl("set", "image", "deploy/web", "web=web:2")
    seen: set[tuple[str, ...]] = set()

    def done() -> bool:
        pods = [p for p in namespace.list("pods") if p["status"]["phase"] not in ("Succeeded", "Failed")]
        images = sorted({p["spec"]["containers"][0]["image"] for p in pods})
        seen.add(tuple(images))
        return images == ["web:2"]

    until("there are only new pods", done)
    namespace.wait_for_rollout()
    assert ("web:1", "web:2") not in seen


def test_rollout_undo_restores_the_previous_template_as_a_new_revision(namespace: Namespace) -> None:
    namespace.apply(deployment())
    namespace.wait_for_rollout()
    namespace.kubectl("set", "image", "deploy/web", "web=web:2")
    namespace.wait_for_rollout()
    namespace.kubectl("rollout", "undo", "deploy/web")
    namespace.wait_for_rollout()
    live = namespace.get("deploy", "web")
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "web:1"
    assert live["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    history = namespace.kubectl("rollout", "history", "deploy/web")
    assert [line.split()[0] for line in history.splitlines() if line[:1].isdigit()] == ["2", "3"]
    assert len(namespace.list("rs")) == 2


def test_rollout_restart_replaces_all_pods(namespace: Namespace) -> None:
    namespace.apply(deployment(replicas=2))
    namespace.wait_for_rollout()
    before = {p["metadata"]["name"] for p in namespace.list("pods")}
    namespace.kubectl("rollout", "restart", "deploy/web")
    namespace.wait_for_rollout()
    after = {p["metadata"]["name"] for p in namespace.list("pods") if "deletionTimestamp" not in p["metadata"]}
    assert len(after) == 2
    assert not before & after


def test_the_history_has_as_many_revisions_as_its_limit(namespace: Namespace) -> None:
    namespace.apply(deployment(revisionHistoryLimit=1))
    namespace.wait_for_rollout()
    for n in range(3):
        namespace.kubectl("set", "env", "deploy/web", f"N={n}")
        namespace.wait_for_rollout()
    until("old revisions are gone", lambda: len(namespace.list("rs")) == 2)


def test_a_paused_deployment_rolls_out_when_it_is_resumed(namespace: Namespace) -> None:
    namespace.apply(deployment())
    namespace.wait_for_rollout()
    namespace.kubectl("rollout", "pause", "deploy/web")
    namespace.kubectl("set", "image", "deploy/web", "web=web:2")
    paused = until_condition(namespace, "Progressing", ("Unknown", "DeploymentPaused"))
    assert len(namespace.list("rs")) == 1
    assert paused["status"]["observedGeneration"] == paused["metadata"]["generation"]
    namespace.kubectl("rollout", "resume", "deploy/web")
    namespace.wait_for_rollout()
    living = [p for p in namespace.list("pods") if "deletionTimestamp" not in p["metadata"]]
    assert [p["spec"]["containers"][0]["image"] for p in living] == ["web:2"]


def test_a_rollout_past_its_progress_deadline_says_so(namespace: Namespace) -> None:
    namespace.apply(deployment(replicas=2, progressDeadlineSeconds=30))
    namespace.wait_for_rollout()
    namespace.kubectl(
        "patch", "deploy", "web", "--type=merge", "-p", '{"spec": {"progressDeadlineSeconds": 2, "minReadySeconds": 0}}'
    )
    namespace.kubectl("set", "image", "deploy/web", "web=nowhere:1")
    live = until_condition(namespace, "Progressing", ("False", "ProgressDeadlineExceeded"))
    assert conditions(live)["Available"] == ("True", "MinimumReplicasAvailable")
    assert live["status"]["availableReplicas"] == 2


def test_pods_are_available_after_min_ready_seconds(namespace: Namespace) -> None:
    namespace.apply(deployment(minReadySeconds=2))
    until("the pod is ready", lambda: namespace.get("deploy", "web").get("status", {}).get("readyReplicas") == 1)
    assert "availableReplicas" not in namespace.get("deploy", "web")["status"]
    until("the pod is available", lambda: namespace.get("deploy", "web")["status"].get("availableReplicas") == 1)


def test_scaling_writes_an_event_about_the_deployment(namespace: Namespace) -> None:
    namespace.apply(deployment())
    namespace.wait_for_rollout()
    namespace.kubectl("scale", "deploy/web", "--replicas=3")
    namespace.wait_for_rollout()
    rs = namespace.list("rs")[0]["metadata"]["name"]
    assert f"Scaled up replica set {rs} from 0 to 1" in namespace.events("web", "ScalingReplicaSet")
    assert f"Scaled up replica set {rs} from 1 to 3" in namespace.events("web", "ScalingReplicaSet")
    assert len(namespace.events(rs, "SuccessfulCreate")) == 3


def test_scaling_during_a_rollout_is_spread_over_both_versions(namespace: Namespace) -> None:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 2, "maxUnavailable": 0}}
    namespace.apply(deployment(replicas=4, strategy=rolling))
    namespace.wait_for_rollout()
    namespace.kubectl("set", "image", "deploy/web", "web=nowhere:1")
    until("there are pods of both versions", lambda: sizes(namespace) == [2, 4])
    namespace.kubectl("scale", "deploy/web", "--replicas=8")
    until("both versions are scaled in proportion", lambda: sizes(namespace) == [3, 7])


def test_a_crashing_version_does_not_replace_the_old_one(namespace: Namespace) -> None:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    namespace.apply(deployment(replicas=2, strategy=rolling), service())
    namespace.wait_for_rollout()
    crashing = {"containers": [container(command=["/bin/sh", "-c", "exit 3"])]}
    namespace.apply(deployment(replicas=2, strategy=rolling, pod=crashing))
    until("the new pod crashes", lambda: crash_loops(namespace))
    assert namespace.get("deploy", "web")["status"]["availableReplicas"] == 2
    assert namespace.fetch("web").startswith("1\n")


def crash_loops(namespace: Namespace) -> bool:
    states = [s.get("state", {}) for p in namespace.list("pods") for s in p["status"].get("containerStatuses", [])]
    return any(s.get("waiting", {}).get("reason") == "CrashLoopBackOff" for s in states)


def sizes(namespace: Namespace) -> list[int]:
    return sorted(rs["spec"]["replicas"] for rs in namespace.list("rs"))


def until_condition(namespace: Namespace, kind: str, wanted: tuple[str, str]) -> Object:
    holds: Callable[[Object], bool] = lambda obj: conditions(obj).get(kind) == wanted  # noqa: E731
    return dict(until(f"{kind} {wanted}", lambda: (d := namespace.get("deploy", "web")) and holds(d) and d))
