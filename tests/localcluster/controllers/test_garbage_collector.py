"""Garbage collection: dependents go with their owners."""

from __future__ import annotations

from tests.localcluster.cluster import Namespace, until
from tests.localcluster.objects import deployment


def test_deleting_a_deployment_deletes_its_replica_sets_and_pods(namespace: Namespace) -> None:
    namespace.apply(deployment(replicas=2))
    namespace.wait_for_rollout()
    namespace.kubectl("delete", "deploy", "web", "--cascade=foreground", "--timeout=20s")
    assert namespace.list("rs,pods") == []


def test_an_object_whose_owner_does_not_exist_is_deleted(namespace: Namespace) -> None:
    owner = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": "gone",
        "uid": "d9607e19-f88f-11e6-a518-42010a800195",
    }
    meta = {"name": "kept-by-nobody", "ownerReferences": [owner]}
    namespace.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
    until("the object is deleted", lambda: "kept-by-nobody" not in namespace.kubectl("get", "cm", "-o", "name"))
