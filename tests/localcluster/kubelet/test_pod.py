"""Pods: init containers, shared addresses, and deletion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.localcluster.cluster import Namespace, until
from tests.localcluster.objects import container, pod, script
from tests.localcluster.pods import is_ready, logs, state, waiting_reason, workdir

Object = dict[str, Any]


def test_init_containers_run_in_order_before_the_others(namespace: Namespace) -> None:
    share: dict[str, Any] = {"volumeMounts": [{"name": "v", "mountPath": "/srv/v"}]}
    inits = [script("echo 1 >> v/log", "first", **share), script("echo 2 >> v/log", "second", **share)]
    main = script("cat v/log; sleep 60", **share)
    namespace.apply(pod("steps", main, initContainers=inits, volumes=[{"name": "v", "emptyDir": {}}]))
    found = namespace.pod("steps", is_ready)
    assert namespace.kubectl("logs", "steps", "-c", "main") == "1\n2\n"
    assert state(found, "first")["state"]["terminated"]["reason"] == "Completed"


def test_a_failing_init_container_keeps_the_pod_from_starting(namespace: Namespace) -> None:
    namespace.apply(pod("stuck", script("echo never"), initContainers=[script("exit 1", "init")]))
    found = namespace.pod("stuck", lambda p: waiting_reason(p, "init") == "CrashLoopBackOff")
    assert waiting_reason(found) == "PodInitializing"
    conditions = {c["type"]: c for c in found["status"]["conditions"]}
    assert conditions["Initialized"]["message"] == "containers with incomplete status: [init]"


def test_all_containers_of_a_pod_run_and_share_its_address(namespace: Namespace) -> None:
    sidecar = script("echo beside $HOST; sleep 60", "sidecar")
    namespace.apply(pod("two", container(), sidecar))
    found = namespace.pod("two", is_ready)
    assert namespace.kubectl("logs", "two", "-c", "sidecar") == f"beside {found['status']['podIP']}\n"


def test_a_deleted_pod_gets_its_pre_stop_hook_and_then_sigterm(namespace: Namespace) -> None:
    hook = {"preStop": {"exec": {"command": ["/bin/sh", "-c", "echo hook > shared/log"]}}}
    text = "trap 'cat shared/log; echo term; exit 0' TERM; echo up; while true; do sleep 0.1; done"
    mounts = [{"name": "v", "mountPath": "/srv/shared"}]
    namespace.apply(
        pod("leaving", script(text, lifecycle=hook, volumeMounts=mounts), volumes=[{"name": "v", "emptyDir": {}}])
    )
    namespace.pod("leaving", is_ready)
    follower = namespace.follow("leaving")
    assert follower.stdout is not None
    assert follower.stdout.readline() == "up\n"  # now the trap is set and the log is followed
    namespace.kubectl("delete", "pod", "leaving")
    assert follower.communicate(timeout=20)[0] == "hook\nterm\n"
    assert "Stopping container main" in namespace.events("leaving", "Killing")


def test_a_process_that_ignores_sigterm_is_killed_with_its_children(namespace: Namespace) -> None:
    text = "trap '' TERM; sleep 1000 & echo $! > child; echo $$; while true; do sleep 0.2; done"
    namespace.apply(pod("deaf", script(text), terminationGracePeriodSeconds=1))
    found = namespace.pod("deaf", is_ready)
    main = until("the container has started", lambda: logs(namespace, "deaf")).strip()
    child = (workdir(namespace, found) / "child").read_text().strip()
    namespace.kubectl("delete", "pod", "deaf")
    assert not Path(f"/proc/{main}").exists()
    until("the child is gone", lambda: not Path(f"/proc/{child}").exists())


def test_a_second_deletion_can_only_shorten_the_grace_period(namespace: Namespace) -> None:
    namespace.apply(
        pod("deaf", script("trap '' TERM; while true; do sleep 0.2; done"), terminationGracePeriodSeconds=600)
    )
    namespace.pod("deaf", is_ready)
    namespace.kubectl("delete", "pod", "deaf", "--wait=false")
    namespace.pod("deaf", lambda p: "deletionTimestamp" in p["metadata"])
    namespace.kubectl("delete", "pod", "deaf", "--grace-period=1", "--timeout=30s")
    assert namespace.list("pods") == []


def test_a_force_deleted_pod_is_killed_immediately(namespace: Namespace) -> None:
    namespace.apply(pod("deaf", script("trap '' TERM; echo $$; while true; do sleep 0.2; done")))
    namespace.pod("deaf", is_ready)
    main = until("the container has started", lambda: logs(namespace, "deaf")).strip()
    namespace.kubectl("delete", "pod", "deaf", "--grace-period=0", "--force")
    until("the process is gone", lambda: not Path(f"/proc/{main}").exists())
