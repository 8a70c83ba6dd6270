"""All operations on objects and their status."""

from __future__ import annotations

from typing import Any

import pytest

from tests.localcluster.objects import deployment, pod
from tests.localcluster.server import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    MERGE,
    PODS,
    Server,
    config_map,
)


def test_objects_are_created_read_replaced_listed_and_deleted(server: Server) -> None:
    made = server.post(CONFIG_MAPS, config_map(a="1"))
    assert made["metadata"]["namespace"] == "default"
    assert server.get(CONFIG_MAPS + "/c") == made
    replaced = server.call("PUT", CONFIG_MAPS + "/c", config_map(a="2")).body
    assert replaced["metadata"]["uid"] == made["metadata"]["uid"]
    listed = server.get(CONFIG_MAPS)
    assert [item["data"] for item in listed["items"]] == [{"a": "2"}]
    assert listed["metadata"]["resourceVersion"] == replaced["metadata"]["resourceVersion"]
    deleted = server.call("DELETE", CONFIG_MAPS + "/c").body
    assert (deleted["status"], deleted["details"]["uid"]) == ("Success", made["metadata"]["uid"])
    assert server.call("GET", CONFIG_MAPS + "/c").code == 404


def test_an_update_without_changes_keeps_the_resource_version(server: Server) -> None:
    made = server.post(DEPLOYMENTS, deployment())
    again = server.call("PUT", DEPLOYMENTS + "/web", made).body
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


@pytest.mark.parametrize("given", [{"annotations": {}, "labels": {}}, {"annotations": None}])
def test_empty_metadata_is_left_out(given: dict[str, Any], server: Server) -> None:
    made = server.post(CONFIG_MAPS, config_map(a="1") | {"metadata": {"name": "c", "annotations": {"a": "b"}}})
    changed = made | {"metadata": {**made["metadata"], **given}}
    left = server.call("PUT", CONFIG_MAPS + "/c", changed).body["metadata"].keys()
    assert left.isdisjoint({"annotations", "labels"})


def test_the_generation_counts_only_changes_of_the_spec(server: Server) -> None:
    server.post(DEPLOYMENTS, deployment())
    labelled = server.call("PATCH", DEPLOYMENTS + "/web", {"metadata": {"labels": {"a": "b"}}}, MERGE).body
    assert labelled["metadata"]["generation"] == 1
    scaled = server.call("PATCH", DEPLOYMENTS + "/web", {"spec": {"replicas": 3}}, MERGE).body
    assert scaled["metadata"]["generation"] == 2


def test_generate_name_creates_unique_names(server: Server) -> None:
    obj = config_map()
    obj["metadata"] = {"generateName": "c-"}
    names = {server.post(CONFIG_MAPS, obj)["metadata"]["name"] for _ in range(5)}
    assert len(names) == 5
    assert all(name.startswith("c-") and len(name) == 7 for name in names)


def test_only_the_status_subresource_changes_the_status(server: Server) -> None:
    made = server.post(DEPLOYMENTS, {**deployment(), "status": {"replicas": 9}})
    assert made["status"] == {}
    status = {**made, "spec": {**made["spec"], "replicas": 7}, "status": {"replicas": 2}}
    written = server.call("PUT", DEPLOYMENTS + "/web/status", status).body
    assert (written["spec"]["replicas"], written["status"]) == (1, {"replicas": 2})
    written["status"] = {}
    assert server.call("PUT", DEPLOYMENTS + "/web", written).body["status"] == {"replicas": 2}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_dry_run_has_the_usual_answer_and_stores_nothing(server: Server, method: str) -> None:
    before = None if method == "POST" else server.post(CONFIG_MAPS, config_map(a="1"))
    path = CONFIG_MAPS if method == "POST" else CONFIG_MAPS + "/c"
    body = None if method == "DELETE" else config_map(a="2")
    content_type = MERGE if method == "PATCH" else "application/json"
    answer = server.call(method, path + "?dryRun=All", body, content_type)
    assert answer.code == (201 if method == "POST" else 200)
    if body:
        assert answer.body["data"] == {"a": "2"}
    found = server.call("GET", CONFIG_MAPS + "/c")
    assert found.code == 404 if before is None else found.body == before


def test_a_conflict_says_its_reason(server: Server) -> None:
    made = server.post(CONFIG_MAPS, config_map())
    again = server.call("POST", CONFIG_MAPS, config_map())
    assert (again.code, again.body["reason"], again.message) == (409, "AlreadyExists", 'configmaps "c" already exists')
    server.call("PUT", CONFIG_MAPS + "/c", config_map(a="1"))
    stale = server.call("PUT", CONFIG_MAPS + "/c", made)
    assert (stale.code, stale.body["reason"]) == (409, "Conflict")
    assert stale.message == (
        'Operation cannot be fulfilled on configmaps "c": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    other = server.call("DELETE", CONFIG_MAPS + "/c", {"preconditions": {"uid": "x"}})
    assert (other.code, other.body["reason"]) == (409, "Conflict")
    assert server.get(CONFIG_MAPS + "/c")["data"] == {"a": "1"}


def test_a_new_object_needs_a_namespace_that_is_not_being_deleted(server: Server) -> None:
    missing = server.call("POST", "/api/v1/namespaces/nope/configmaps", config_map())
    assert (missing.code, missing.message) == (404, 'namespaces "nope" not found')
    server.call("DELETE", "/api/v1/namespaces/other")
    going = server.call("POST", "/api/v1/namespaces/other/configmaps", config_map())
    assert (going.code, "being terminated" in going.message) == (403, True)


def test_an_object_with_finalizers_is_removed_with_the_last_of_them(server: Server) -> None:
    obj = config_map()
    obj["metadata"]["finalizers"] = ["a/b"]
    server.post(CONFIG_MAPS, obj)
    deleted = server.call("DELETE", CONFIG_MAPS + "/c").body
    assert "deletionTimestamp" in deleted["metadata"]
    server.call("PATCH", CONFIG_MAPS + "/c", {"metadata": {"finalizers": None}}, MERGE)
    assert server.call("GET", CONFIG_MAPS + "/c").code == 404


def test_deleting_a_pod_marks_it_on_a_node_and_removes_it_elsewhere(server: Server) -> None:
    server.post(PODS, pod("a"))
    server.post(PODS, pod("b", nodeName="here", terminationGracePeriodSeconds=7))
    assert server.call("DELETE", PODS + "/a").code == 200
    assert server.call("GET", PODS + "/a").code == 404
    marked = server.call("DELETE", PODS + "/b").body["metadata"]
    assert (marked["deletionGracePeriodSeconds"], "deletionTimestamp" in marked) == (7, True)
    assert server.get(PODS + "/b")["metadata"]["deletionTimestamp"] == marked["deletionTimestamp"]


def test_orphaned_objects_lose_their_owner_reference(server: Server) -> None:
    owner = server.post(CONFIG_MAPS, config_map("owner"))
    child = config_map("child")
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    child["metadata"]["ownerReferences"] = [reference]
    server.post(CONFIG_MAPS, child)
    server.call("DELETE", CONFIG_MAPS + "/owner?propagationPolicy=Orphan")
    assert not server.get(CONFIG_MAPS + "/child")["metadata"].get("ownerReferences")


def test_a_collection_can_be_deleted_by_selector(server: Server) -> None:
    for name, tier in (("a", "x"), ("b", "x"), ("c", "y")):
        server.post(CONFIG_MAPS, config_map(name, labels={"tier": tier}))
    deleted = server.call("DELETE", CONFIG_MAPS + "?labelSelector=tier%3Dx").body
    assert [item["metadata"]["name"] for item in deleted["items"]] == ["a", "b"]
    assert [item["metadata"]["name"] for item in server.get(CONFIG_MAPS)["items"]] == ["c"]


@pytest.mark.parametrize(
    ("group", "plural", "kind", "spec"),
    [
        ("autoscaling/v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", {"maxReplicas": 3}),
        ("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget", {"minAvailable": 1}),
    ],
)
def test_kinds_that_nothing_acts_on_are_stored(
    server: Server, group: str, plural: str, kind: str, spec: dict[str, Any]
) -> None:
    target = {"scaleTargetRef": {"kind": "Deployment", "name": "web"}} if "Autoscaler" in kind else {}
    obj = {"apiVersion": group, "kind": kind, "metadata": {"name": "x"}, "spec": {**spec, **target}}
    path = f"/apis/{group}/namespaces/default/{plural}"
    server.post(path, obj)
    assert server.get(path + "/x")["spec"].items() >= spec.items()
