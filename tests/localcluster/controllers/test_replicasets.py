"""ReplicaSets: adopted, released and replaced objects."""

from __future__ import annotations

from tests.localcluster.cluster import Namespace, until
from tests.localcluster.objects import deployment


def test_an_orphaned_replica_set_is_adopted_and_scaled_down(namespace: Namespace) -> None:
    namespace.apply(deployment())
    namespace.wait_for_rollout()
    namespace.kubectl("delete", "deploy", "web", "--cascade=orphan")
    orphan = namespace.list("rs")[0]["metadata"]
    assert not orphan.get("ownerReferences")
    namespace.apply(deployment(image="web:2"))
    namespace.wait_for_rollout()
    until("the ReplicaSet is adopted", lambda: namespace.get("rs", orphan["name"])["metadata"].get("ownerReferences"))
    until("the ReplicaSet is scaled down", lambda: namespace.get("rs", orphan["name"])["spec"]["replicas"] == 0)


def test_a_deleted_pod_is_replaced_and_a_relabelled_one_is_released(namespace: Namespace) -> None:
    namespace.apply(deployment())
    namespace.wait_for_rollout()
    first = namespace.list("pods")[0]["metadata"]["name"]
    namespace.kubectl("label", "pod", first, "app=other", "--overwrite")
    until("there are two pods", lambda: len(namespace.list("pods")) == 2)
    assert not namespace.get("pod", first)["metadata"].get("ownerReferences")
    second = namespace.list("pods", "-l", "app=web")[0]["metadata"]["name"]
    namespace.kubectl("delete", "pod", second)
    until("there is a third pod", lambda: namespace.list("pods", "-l", "app=web")[0]["metadata"]["name"] != second)
