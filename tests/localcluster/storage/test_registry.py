"""Objects and their subresources through all that can be done to them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.localcluster.objects import deployment, pod, service
from tests.localcluster.server import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    MERGE,
    PODS,
    SERVICES,
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


def test_a_write_that_changes_nothing_is_no_write(server: Server) -> None:
    made = server.post(DEPLOYMENTS, deployment())
    again = server.call("PUT", DEPLOYMENTS + "/web", made).body
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_generation_counts_changes_of_the_spec_alone(server: Server) -> None:
    server.post(DEPLOYMENTS, deployment())
    labelled = server.call("PATCH", DEPLOYMENTS + "/web", {"metadata": {"labels": {"a": "b"}}}, MERGE).body
    assert labelled["metadata"]["generation"] == 1
    scaled = server.call("PATCH", DEPLOYMENTS + "/web", {"spec": {"replicas": 3}}, MERGE).body
    assert scaled["metadata"]["generation"] == 2


def test_generate_name_makes_names(server: Server) -> None:
    obj = config_map()
    obj["metadata"] = {"generateName": "c-"}
    names = {server.post(CONFIG_MAPS, obj)["metadata"]["name"] for _ in range(5)}
    assert len(names) == 5
    assert all(name.startswith("c-") and len(name) == 7 for name in names)


def test_the_status_is_written_through_its_subresource_alone(server: Server) -> None:
    made = server.post(DEPLOYMENTS, {**deployment(), "status": {"replicas": 9}})
    assert made["status"] == {}
    status = {**made, "spec": {**made["spec"], "replicas": 7}, "status": {"replicas": 2}}
    written = server.call("PUT", DEPLOYMENTS + "/web/status", status).body
    assert (written["spec"]["replicas"], written["status"]) == (1, {"replicas": 2})
    written["status"] = {}
    assert server.call("PUT", DEPLOYMENTS + "/web", written).body["status"] == {"replicas": 2}


def test_the_scale_is_read_and_written(server: Server) -> None:
    server.post(DEPLOYMENTS, deployment())
    scale = server.get(DEPLOYMENTS + "/web/scale")
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == ("Scale", {"replicas": 1}, "app=web")
    scale["spec"]["replicas"] = 3
    assert server.call("PUT", DEPLOYMENTS + "/web/scale", scale).body["spec"]["replicas"] == 3
    assert server.call("PUT", DEPLOYMENTS + "/web/scale", scale).code == 409  # the version has moved on
    patched = server.call("PATCH", DEPLOYMENTS + "/web/scale", {"spec": {"replicas": 4}}, MERGE)
    assert patched.body["spec"]["replicas"] == server.get(DEPLOYMENTS + "/web")["spec"]["replicas"] == 4
    refused = server.call("PATCH", DEPLOYMENTS + "/web/scale", {"spec": {"replicas": -1}}, MERGE)
    assert refused.message == (
        'Scale.autoscaling "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0'
    )


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_dry_run_answers_as_if_and_stores_nothing(server: Server, method: str) -> None:
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


def test_conflicts_name_their_reason(server: Server) -> None:
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


def test_a_namespace_must_exist_and_not_be_going(server: Server) -> None:
    missing = server.call("POST", "/api/v1/namespaces/nope/configmaps", config_map())
    assert (missing.code, missing.message) == (404, 'namespaces "nope" not found')
    server.call("DELETE", "/api/v1/namespaces/other")
    going = server.call("POST", "/api/v1/namespaces/other/configmaps", config_map())
    assert (going.code, "being terminated" in going.message) == (403, True)


def test_defaults_are_those_of_kubernetes(server: Server) -> None:
    container_spec = {"name": "c", "image": "nginx", "ports": [{"containerPort": 80}]}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container_spec]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    made = server.post(
        DEPLOYMENTS, {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "w"}, "spec": spec}
    )
    assert made["spec"] == {
        "replicas": 1,
        "selector": {"matchLabels": {"a": "b"}},
        "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {
                "containers": [
                    {
                        "name": "c",
                        "image": "nginx",
                        "ports": [{"containerPort": 80, "protocol": "TCP"}],
                        "resources": {},
                        "terminationMessagePath": "/dev/termination-log",
                        "terminationMessagePolicy": "File",
                        "imagePullPolicy": "Always",
                    }
                ],
                "restartPolicy": "Always",
                "terminationGracePeriodSeconds": 30,
                "dnsPolicy": "ClusterFirst",
                "securityContext": {},
                "schedulerName": "default-scheduler",
            },
        },
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
    }


def test_services_get_addresses_of_their_own_and_keep_them(server: Server) -> None:
    first = server.post(SERVICES, service("a"))
    second = server.post(SERVICES, service("b", type="NodePort"))
    assert first["spec"]["clusterIP"] != second["spec"]["clusterIP"]
    assert first["spec"]["clusterIPs"] == [first["spec"]["clusterIP"]]
    assert 30000 <= second["spec"]["ports"][0]["nodePort"] < 32768
    replaced = server.call("PUT", SERVICES + "/b", service("b", type="NodePort", selector={"app": "c"})).body
    assert replaced["spec"]["clusterIP"] == second["spec"]["clusterIP"]
    assert replaced["spec"]["ports"][0]["nodePort"] == second["spec"]["ports"][0]["nodePort"]


def test_node_ports_are_drawn_at_random_so_that_clusters_of_one_machine_seldom_want_the_same(server: Server) -> None:
    made = [server.post(SERVICES, service(f"s{n}", type="NodePort")) for n in range(5)]
    ports = [port["nodePort"] for one in made for port in one["spec"]["ports"]]
    assert len(set(ports)) == len(ports)
    assert sorted(ports) != list(range(min(ports), min(ports) + len(ports)))


def test_secrets_take_plain_strings(server: Server) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "1"}}
    made = server.post("/api/v1/namespaces/default/secrets", secret)
    assert (made["data"], made["type"], "stringData" in made) == ({"a": "MQ=="}, "Opaque", False)


def test_finalizers_hold_an_object_until_the_last_is_gone(server: Server) -> None:
    obj = config_map()
    obj["metadata"]["finalizers"] = ["a/b"]
    server.post(CONFIG_MAPS, obj)
    deleted = server.call("DELETE", CONFIG_MAPS + "/c").body
    assert "deletionTimestamp" in deleted["metadata"]
    server.call("PATCH", CONFIG_MAPS + "/c", {"metadata": {"finalizers": None}}, MERGE)
    assert server.call("GET", CONFIG_MAPS + "/c").code == 404


def test_a_pod_on_a_node_is_marked_and_one_that_never_got_there_is_removed(server: Server) -> None:
    server.post(PODS, pod("a"))
    server.post(PODS, pod("b", nodeName="here", terminationGracePeriodSeconds=7))
    assert server.call("DELETE", PODS + "/a").code == 200
    assert server.call("GET", PODS + "/a").code == 404
    marked = server.call("DELETE", PODS + "/b").body["metadata"]
    assert (marked["deletionGracePeriodSeconds"], "deletionTimestamp" in marked) == (7, True)
    assert server.get(PODS + "/b")["metadata"]["deletionTimestamp"] == marked["deletionTimestamp"]


def test_orphans_lose_their_owner(server: Server) -> None:
    owner = server.post(CONFIG_MAPS, config_map("owner"))
    child = config_map("child")
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    child["metadata"]["ownerReferences"] = [reference]
    server.post(CONFIG_MAPS, child)
    server.call("DELETE", CONFIG_MAPS + "/owner?propagationPolicy=Orphan")
    assert not server.get(CONFIG_MAPS + "/child")["metadata"].get("ownerReferences")


def test_a_collection_is_deleted_by_selector(server: Server) -> None:
    for name, tier in (("a", "x"), ("b", "x"), ("c", "y")):
        server.post(CONFIG_MAPS, config_map(name, labels={"tier": tier}))
    deleted = server.call("DELETE", CONFIG_MAPS + "?labelSelector=tier%3Dx").body
    assert [item["metadata"]["name"] for item in deleted["items"]] == ["a", "b"]
    assert [item["metadata"]["name"] for item in server.get(CONFIG_MAPS)["items"]] == ["c"]


def test_tables_bring_rows_and_what_they_stand_for(server: Server) -> None:
    server.post(DEPLOYMENTS, deployment(replicas=2))
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    table = server.call("GET", DEPLOYMENTS, Accept=accept).body
    assert table["kind"] == "Table"
    names = [column["name"] for column in table["columnDefinitions"]]
    (row,) = table["rows"]
    assert len(row["cells"]) == len(names)
    assert dict(zip(names, row["cells"], strict=True))["Ready"] == "0/2"
    assert row["object"]["metadata"]["name"] == "web"
    assert "spec" not in row["object"]


@pytest.mark.parametrize(
    ("group", "plural", "kind", "spec"),
    [
        ("autoscaling/v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", {"maxReplicas": 3}),
        ("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget", {"minAvailable": 1}),
    ],
)
def test_kinds_that_nothing_acts_on_are_stored_all_the_same(
    server: Server, group: str, plural: str, kind: str, spec: dict[str, Any]
) -> None:
    target = {"scaleTargetRef": {"kind": "Deployment", "name": "web"}} if "Autoscaler" in kind else {}
    obj = {"apiVersion": group, "kind": kind, "metadata": {"name": "x"}, "spec": {**spec, **target}}
    path = f"/apis/{group}/namespaces/default/{plural}"
    server.post(path, obj)
    assert server.get(path + "/x")["spec"].items() >= spec.items()
