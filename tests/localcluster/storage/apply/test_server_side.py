"""Server-side apply and managedFields, as observed on Kubernetes 1.35."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcluster.apimachinery.resources import DEPLOYMENT
from localcluster.storage.apply import field_sets
from localcluster.storage.schema import decoded, type_of
from tests.localcluster.objects import container, deployment, service
from tests.localcluster.server import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    JSON_PATCH,
    MERGE,
    SERVICES,
    STRATEGIC,
    Server,
    config_map,
    plain,
)

Object = dict[str, Any]


def workload(*containers: Object, **spec: Any) -> Object:
    """Return a Deployment with these containers."""
    return deployment(replicas=0, pod={"containers": list(containers)}, **spec)


WEB: Object = {"name": "web", "image": "web:1", "ports": [{"containerPort": 80}]}
SIDE: Object = {"name": "side", "image": "side:1"}


def names(obj: Object) -> list[str]:
    return [c["name"] for c in obj["spec"]["template"]["spec"]["containers"]]


def test_a_created_object_is_owned_as_in_kubernetes(server: Server) -> None:
    labels: Object = {".": {}, "f:app": {}}
    defaults = ("imagePullPolicy", "name", "resources", "terminationMessagePath", "terminationMessagePolicy")
    owned_container: Object = {".": {}, "f:image": {}, **{f"f:{key}": {} for key in defaults}}
    pod = ("dnsPolicy", "restartPolicy", "schedulerName", "securityContext", "terminationGracePeriodSeconds")
    spec = {"f:containers": {'k:{"name":"side"}': owned_container}, **{f"f:{key}": {} for key in pod}}
    made = server.post(DEPLOYMENTS, workload(SIDE))
    assert plain(made) == {
        ("test", "Update", ""): {
            "f:spec": {
                "f:progressDeadlineSeconds": {},
                "f:replicas": {},
                "f:revisionHistoryLimit": {},
                "f:selector": {},
                "f:strategy": {"f:rollingUpdate": {".": {}, "f:maxSurge": {}, "f:maxUnavailable": {}}, "f:type": {}},
                "f:template": {"f:metadata": {"f:labels": labels}, "f:spec": spec},
            }
        }
    }


def test_nobody_owns_the_fields_of_a_service_that_the_cluster_sets(server: Server) -> None:
    (fields,) = plain(server.post(SERVICES, service())).values()
    assert set(fields["f:spec"]) == {"f:internalTrafficPolicy", "f:ports", "f:selector", "f:sessionAffinity", "f:type"}
    assert set(fields["f:spec"]["f:ports"]) == {".", 'k:{"port":8080,"protocol":"TCP"}'}


def test_apply_creates_and_owns_the_fields_of_the_configuration(server: Server) -> None:
    answer = server.apply(CONFIG_MAPS, config_map(a="1"), "me")
    assert answer.code == 201
    assert plain(answer.body) == {("me", "Apply", ""): {"f:data": {"f:a": {}}}}
    again = server.apply(CONFIG_MAPS, config_map(a="1"), "me")
    assert (again.code, again.body) == (200, answer.body)


def test_apply_removes_fields_that_are_no_longer_in_the_configuration(server: Server) -> None:
    web = {**WEB, "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
    server.apply(DEPLOYMENTS, workload(web, SIDE), "me")
    fewer = {**WEB, "env": [{"name": "B", "value": "2"}]}
    left = server.apply(DEPLOYMENTS, workload(fewer), "me").body
    assert names(left) == ["web"]
    assert left["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "B", "value": "2"}]
    without = server.apply(DEPLOYMENTS, workload(WEB), "me").body
    assert "env" not in without["spec"]["template"]["spec"]["containers"][0]


def test_a_field_that_another_manager_applies_too_stays(server: Server) -> None:
    server.apply(CONFIG_MAPS, config_map(a="1", b="2"), "me")
    server.apply(CONFIG_MAPS, config_map(b="2"), "other")
    left = server.apply(CONFIG_MAPS, config_map(a="1"), "me").body
    assert left["data"] == {"a": "1", "b": "2"}
    assert plain(left) == {
        ("me", "Apply", ""): {"f:data": {"f:a": {}}},
        ("other", "Apply", ""): {"f:data": {"f:b": {}}},
    }


def test_a_different_value_by_another_manager_is_a_conflict_unless_forced(server: Server) -> None:
    server.post(DEPLOYMENTS, workload(WEB))
    changed = workload({**WEB, "image": "web:2"})
    changed["spec"]["replicas"] = 3
    refused = server.apply(DEPLOYMENTS, changed, "me")
    image = '.spec.template.spec.containers[name="web"].image'
    assert (refused.code, refused.body["reason"]) == (409, "Conflict")
    assert refused.message == (
        f'Apply failed with 2 conflicts: conflicts with "test" using apps/v1:\n- .spec.replicas\n- {image}'
    )
    assert refused.body["details"]["causes"][1] == {
        "reason": "FieldManagerConflict",
        "message": 'conflict with "test" using apps/v1',
        "field": image,
    }
    forced = server.apply(DEPLOYMENTS, changed, "me", force=True).body
    assert forced["spec"]["replicas"] == 3
    assert "f:replicas" not in plain(forced)["test", "Update", ""]["f:spec"]


def test_removing_a_container_removes_the_changes_of_other_managers_in_it(server: Server) -> None:
    server.apply(DEPLOYMENTS, workload(WEB, SIDE), "me")
    image = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "side:2"}]}}}}
    server.call("PATCH", DEPLOYMENTS + "/web?fieldManager=set", image, STRATEGIC)
    left = server.apply(DEPLOYMENTS, workload(WEB), "me").body
    assert names(left) == ["web"]
    assert ("set", "Update", "") not in plain(left)


def test_removing_the_applied_fields_of_a_struct_removes_its_defaults(server: Server) -> None:
    server.apply(DEPLOYMENTS, workload({**WEB, "livenessProbe": {"tcpSocket": {"port": 80}}}), "me")
    (left,) = server.apply(DEPLOYMENTS, workload(WEB), "me").body["spec"]["template"]["spec"]["containers"]
    assert "livenessProbe" not in left


def test_a_field_that_is_no_longer_applied_gets_its_default(server: Server) -> None:
    server.apply(DEPLOYMENTS, workload(WEB), "me")
    without = workload(WEB)
    del without["spec"]["replicas"]
    assert server.apply(DEPLOYMENTS, without, "me").body["spec"]["replicas"] == 1


def test_renaming_a_manager_in_managed_fields_transfers_its_fields(server: Server) -> None:
    """A driver takes over kubectl's fields in this way, so that its apply can remove containers."""
    made = server.post(DEPLOYMENTS, workload(WEB, SIDE))
    forced = server.apply(DEPLOYMENTS, workload({**WEB, "image": "web:2"}), "me", force=True).body
    assert names(forced) == ["web", "side"]
    index = next(i for i, e in enumerate(forced["metadata"]["managedFields"]) if e["manager"] == "test")
    patch = [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": forced["metadata"]["resourceVersion"]},
        {"op": "replace", "path": f"/metadata/managedFields/{index}/manager", "value": "taken"},
        {"op": "replace", "path": f"/metadata/managedFields/{index}/operation", "value": "Apply"},
    ]
    renamed = server.call("PATCH", DEPLOYMENTS + "/web", patch, JSON_PATCH).body
    assert renamed["metadata"]["generation"] == forced["metadata"]["generation"] == made["metadata"]["generation"] + 1
    assert set(plain(renamed)) == {("me", "Apply", ""), ("taken", "Apply", "")}
    assert names(server.apply(DEPLOYMENTS, workload({**WEB, "image": "web:2"}), "taken").body) == ["web"]


def test_the_scale_subresource_has_its_own_entry_in_managed_fields(server: Server) -> None:
    server.post(DEPLOYMENTS, workload(WEB))
    server.call("PATCH", DEPLOYMENTS + "/web/scale?fieldManager=hpa", {"spec": {"replicas": 2}}, MERGE)
    entries = plain(server.get(DEPLOYMENTS + "/web"))
    assert entries["hpa", "Update", "scale"] == {"f:spec": {"f:replicas": {}}}
    assert "f:replicas" not in entries["test", "Update", ""]["f:spec"]


def test_list_items_are_identified_by_port_and_protocol(server: Server) -> None:
    server.apply(
        SERVICES, service(ports=[{"name": "a", "port": 80}, {"name": "b", "port": 80, "protocol": "UDP"}]), "me"
    )
    left = server.apply(SERVICES, service(ports=[{"name": "a", "port": 80, "targetPort": 8080}]), "me").body
    assert [(p["name"], p["targetPort"]) for p in left["spec"]["ports"]] == [("a", 8080)]


TYPED = "failed to create typed patch object (default/web; apps/v1, Kind=Deployment)"


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"spec": {"replicas": "x"}}, 500, f"{TYPED}: .spec.replicas: expected numeric (int or float), got string"),
        ({"spec": {"replicaz": 1}}, 500, f"{TYPED}: .spec.replicaz: field not declared in schema"),
        (
            {"spec": {"template": {"spec": {"containers": [{"name": "c", "env": [{"name": "A"}, {"name": "A"}]}]}}}},
            500,
            f'{TYPED}: .spec.template.spec.containers[name="c"].env: duplicate entries for key [name="A"]',
        ),
        ({"metadata": {"name": "web", "managedFields": [{"manager": "x"}]}}, 400, "metadata.managedFields must be nil"),
        (
            {"metadata": {"name": "web", "uid": "1"}},
            422,
            'Deployment.apps "web" is invalid: metadata.uid: Invalid value: "1": field is immutable',
        ),
        ({"kind": ""}, 400, "invalid object type: apps/v1, Kind="),
    ],
)
def test_a_configuration_that_does_not_match_the_schema_is_refused(
    server: Server, change: Object, code: int, message: str
) -> None:
    server.post(DEPLOYMENTS, deployment())
    config = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, **change}
    answer = server.apply(DEPLOYMENTS, config, "me")
    assert (answer.code, answer.message) == (code, message)
    assert "reason" in answer.body or code == 500


def test_apply_without_a_manager_is_refused(server: Server) -> None:
    answer = server.call("PATCH", CONFIG_MAPS + "/c", config_map(), "application/apply-patch+yaml")
    assert (answer.code, set(answer.causes)) == (422, {"fieldManager"})


def test_a_uid_for_an_object_that_does_not_exist_is_a_conflict(server: Server) -> None:
    obj = config_map()
    obj["metadata"]["uid"] = "1"
    assert server.apply(CONFIG_MAPS, obj, "me").code == 409


def test_times_in_yaml_stay_strings(server: Server) -> None:
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  day: 2024-01-01\n"
    answer = server.call("PATCH", CONFIG_MAPS + "/c?fieldManager=me", body, "application/apply-patch+yaml")
    assert answer.body["data"] == {"day": "2024-01-01"}


# Properties of sets of fields, with random containers and variables.
_variables = st.dictionaries(st.sampled_from("ABC"), st.sampled_from("12"))
_configs = st.dictionaries(st.sampled_from(["web", "side", "log"]), _variables, min_size=1)
TYPE = type_of(DEPLOYMENT)


def _config(containers: dict[str, dict[str, str]]) -> Object:
    made = [container(name=n, env=[{"name": k, "value": v} for k, v in env.items()]) for n, env in containers.items()]
    return field_sets.ownable(decoded(DEPLOYMENT, workload(*made))[0])


@given(_configs)
def test_encoding_and_decoding_returns_the_same_set_of_fields(containers: dict[str, dict[str, str]]) -> None:
    fields = field_sets.fields_of(TYPE, _config(containers))
    assert field_sets.decode(field_sets.encode(fields)) == fields


@given(_configs, _configs)
def test_merging_sets_the_new_values_and_keeps_all_others(old: dict[str, Any], new: dict[str, Any]) -> None:
    before, wanted = _config(old), _config(new)
    untouched = copy.deepcopy(before)
    merged = field_sets.merged(TYPE, before, wanted)
    assert before == untouched
    assert field_sets.fields_of(TYPE, merged) >= field_sets.fields_of(TYPE, before) | field_sets.fields_of(TYPE, wanted)
    assert not field_sets.compare(TYPE, merged, field_sets.merged(TYPE, merged, wanted)).modified


@given(_configs, _configs)
def test_two_values_have_no_difference_exactly_if_they_are_equal(old: dict[str, Any], new: dict[str, Any]) -> None:
    before, after = _config(old), _config(new)
    change = field_sets.compare(TYPE, before, after)
    same = {n: dict(e) for n, e in old.items()} == {n: dict(e) for n, e in new.items()}
    assert same == (not change.added | change.removed | change.modified)


@given(_configs)
def test_removing_all_added_fields_restores_the_old_value(containers: dict[str, Any]) -> None:
    before = _config({"first": {"Z": "0"}})
    merged = field_sets.merged(TYPE, before, _config(containers))
    added = field_sets.compare(TYPE, before, merged).added
    assert field_sets.without(TYPE, merged, added) == before
