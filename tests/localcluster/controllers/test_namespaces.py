"""Namespaces: deletion."""

from __future__ import annotations

import json

from tests.localcluster.cluster import Namespace
from tests.localcluster.objects import deployment, service


def test_deleting_a_namespace_deletes_all_objects_in_it(namespace: Namespace) -> None:
    namespace.apply(deployment(replicas=2), service())
    namespace.wait_for_rollout()
    namespace.kubectl("delete", "namespace", namespace.name, "--timeout=30s")
    assert namespace.cluster.kubectl("get", "namespace", namespace.name, "--ignore-not-found") == ""
    again = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace.name}}
    namespace.cluster.kubectl("create", "-f", "-", stdin=json.dumps(again))
    assert namespace.list("all,endpointslices,events,configmaps") == []
