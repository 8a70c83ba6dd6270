"""Generations, field managers and deletion marks of objects are alike on all clusters."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from e2e.api import CORE, DEPLOYMENTS, MERGE, Api, proxy
from e2e.cluster import Namespace
from e2e.polling import poll

Object = dict[str, Any]
REVISION = "deployment.kubernetes.io/revision"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"


@pytest.fixture
def api(namespace: Namespace) -> Iterator[Api]:
    """Give the API of the cluster under test."""
    with proxy(namespace.kubeconfig) as url:
        yield Api(url, namespace.name)


def deployment(sample: dict[str, Object], replicas: int) -> Object:
    """Return a Deployment whose image does not exist: its pods are scheduled and never start."""
    obj = copy.deepcopy(sample["Deployment"])
    obj["spec"]["replicas"] = replicas
    obj["spec"]["template"]["spec"]["containers"][0]["image"] = "sampleapp:missing"
    return obj


def test_only_annotations_other_than_the_revision_change_the_generation(api: Api, sample: dict[str, Object]) -> None:
    path = f"{DEPLOYMENTS}/sampleapp"
    assert api("POST", DEPLOYMENTS, deployment(sample, 0)).code == 201
    made = poll("a revision", lambda: (live := api("GET", path).body)["metadata"].get("annotations") and live)
    assert made["metadata"]["annotations"] == {REVISION: "1"}
    assert made["metadata"]["generation"] == 1
    written = [e for e in made["metadata"]["managedFields"] if REVISION in str(e["fieldsV1"])]
    assert [(e["manager"], e["operation"], e.get("subresource")) for e in written] == [
        ("kube-controller-manager", "Update", "status")
    ]
    annotated = api("PATCH", path, {"metadata": {"annotations": {"a": "b"}}}, MERGE).body
    assert annotated["metadata"]["generation"] == 2
    labelled = api("PATCH", path, {"metadata": {"labels": {"a": "b"}}}, MERGE).body
    assert labelled["metadata"]["generation"] == 2
    poll("the change is observed", lambda: api("GET", path).body["status"].get("observedGeneration") == 2)


def test_a_scheduled_pod_has_generation_1_and_a_terminating_pod_keeps_its_grace_period(
    api: Api, sample: dict[str, Object]
) -> None:
    assert api("POST", DEPLOYMENTS, deployment(sample, 1)).code == 201
    pods = f"{CORE}/pods"

    def scheduled() -> Object | None:
        found = api("GET", pods).body["items"]
        return next((pod for pod in found if pod["spec"].get("nodeName")), None)

    pod = poll("a pod has a node", scheduled)
    assert pod["metadata"]["generation"] == 1
    assert pod["spec"]["tolerations"] == [
        {"key": f"node.kubernetes.io/{why}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
        for why in ("not-ready", "unreachable")
    ]
    body = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 600}
    gone = api("DELETE", f"{pods}/{pod['metadata']['name']}", body).body["metadata"]
    assert (gone["deletionGracePeriodSeconds"], gone["generation"]) == (600, 2)
    lived = datetime.fromisoformat(gone["deletionTimestamp"]) - datetime.fromisoformat(gone["creationTimestamp"])
    assert lived.total_seconds() >= 600


def test_a_service_without_pods_has_a_slice_whose_endpoints_are_null(api: Api) -> None:
    spec = {"selector": {"app": "nobody"}, "ports": [{"port": 80}]}
    api("POST", f"{CORE}/services", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": spec})
    (slice_,) = poll("a slice", lambda: api("GET", SLICES).body["items"])
    assert (slice_["endpoints"], slice_["ports"]) == (None, None)


def test_a_list_comes_in_chunks(api: Api) -> None:
    path = f"{CORE}/secrets"
    for name in "abc":
        api("POST", path, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}})
    first = api("GET", f"{path}?limit=2").body
    assert [s["metadata"]["name"] for s in first["items"]] == ["a", "b"]
    assert first["metadata"]["remainingItemCount"] == 1
    api("DELETE", f"{path}/c")
    rest = api("GET", f"{path}?limit=2&continue={first['metadata']['continue']}").body
    assert [s["metadata"]["name"] for s in rest["items"]] == ["c"]  # as it was when the list began
    assert "continue" not in rest["metadata"]
    assert rest["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
