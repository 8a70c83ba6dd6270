"""Invalid objects are refused with the messages of Kubernetes 1.35, which were recorded with the same requests."""

from __future__ import annotations

from typing import Any

import pytest

from tests.localcluster.objects import container, deployment, pod, service
from tests.localcluster.server import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    JSON_PATCH,
    MERGE,
    PODS,
    SERVICES,
    STRATEGIC,
    Server,
    config_map,
)

COMPLAINT = 'Deployment in version "v1" cannot be handled as a Deployment'
UNMARSHAL = "json: cannot unmarshal string into Go struct field"
QUANTITY = "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
MISMATCH = "`selector` does not match template `labels`"
TOO_MUCH = "must be less than or equal to memory limit"
TEMPLATE = "spec.template.spec.containers[0]"


def _without(obj: dict[str, Any], *path: str) -> dict[str, Any]:
    inner = obj
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return obj


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        (
            deployment(replicas="x"),  # type: ignore[arg-type]
            f"{COMPLAINT}: {UNMARSHAL} DeploymentSpec.spec.replicas of type int32",
        ),
        (
            deployment(pod={"containers": [container(resources={"limits": {"cpu": "1x"}})]}),
            f"{COMPLAINT}: quantities must match the regular expression {QUANTITY}",
        ),
        (
            {**deployment(), "metadata": {"name": "web", "namespace": "other"}},
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        (
            {**pod("web"), "apiVersion": "v1"},
            'Pod in version "v1" cannot be handled as a Deployment: it is a Pod of v1',
        ),
        ([], "the body must be an object"),
    ],
)
def test_an_object_with_the_wrong_structure_is_a_bad_request(server: Server, obj: Any, message: str) -> None:
    answer = server.call("POST", DEPLOYMENTS, obj)
    assert (answer.code, answer.body["reason"], answer.message) == (400, "BadRequest", message)


@pytest.mark.parametrize(
    ("obj", "causes"),
    [
        (
            {"kind": "Deployment", "apiVersion": "apps/v1"},
            {
                "metadata.name": "Required value: name or generateName is required",
                "spec.selector": "Required value",
                "spec.template.metadata.labels": f"Invalid value: null: {MISMATCH}",
                "spec.template.spec.containers": "Required value",
            },
        ),
        (
            deployment(selector={"matchLabels": {"app": "other"}}),
            {"spec.template.metadata.labels": 'Invalid value: {"app":"web"}: ' + MISMATCH},
        ),
        (
            deployment(pod={"containers": [_without(container(), "image")]}),
            {f"{TEMPLATE}.image": "Required value"},
        ),
        (
            deployment(pod={"containers": [container(ports=[{"containerPort": 99999}], readinessProbe={})]}),
            {
                f"{TEMPLATE}.ports[0].containerPort": "Invalid value: 99999: must be between 1 and 65535, inclusive",
                f"{TEMPLATE}.readinessProbe": "Required value: must specify a handler type",
            },
        ),
        (
            deployment(pod={"containers": [container(env=[{"value": "x"}])]}),
            {f"{TEMPLATE}.env[0].name": "Required value"},
        ),
        (
            deployment(pod={"containers": [container(volumeMounts=[{"name": "v", "mountPath": "/v"}])]}),
            {f"{TEMPLATE}.volumeMounts[0].name": 'Not found: "v"'},
        ),
        (
            deployment(pod={"containers": [container(), container()]}),
            {"spec.template.spec.containers[1].name": 'Duplicate value: "web"'},
        ),
        (
            deployment(
                pod={"containers": [container(resources={"limits": {"memory": "1Mi"}, "requests": {"memory": "2M"}})]}
            ),
            {f"{TEMPLATE}.resources.requests": f'Invalid value: "2M": {TOO_MUCH} of 1Mi'},
        ),
        (deployment(replicas=-1), {"spec.replicas": "Invalid value: -1: must be greater than or equal to 0"}),
        (
            deployment(strategy={"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}),
            {"spec.strategy.rollingUpdate.maxUnavailable": "Invalid value: 0: may not be 0 when `maxSurge` is 0"},
        ),
    ],
)
def test_an_invalid_object_is_unprocessable_and_names_the_field(
    server: Server, obj: Any, causes: dict[str, str]
) -> None:
    answer = server.call("POST", DEPLOYMENTS, obj)
    assert (answer.code, answer.body["reason"], answer.causes) == (422, "Invalid", causes)


BACK, AHEAD, ABSOLUTE = "must not contain '..'", "must not start with '..'", "must be a relative path"


def _mounted(volume: dict[str, Any], **mount: Any) -> Any:
    mounts = [{"name": volume["name"], "mountPath": "/v", **mount}]
    return deployment(pod={"containers": [container(volumeMounts=mounts)], "volumes": [volume]})


def _items(path: str) -> Any:
    return {"name": "c", "items": [{"key": "k", "path": path}]}


@pytest.mark.parametrize(
    ("obj", "field", "message"),
    [
        (_mounted({"name": "../../x"}), "volumes[0].name", '"../../x": a lowercase RFC 1123 label must consist of'),
        (_mounted({"name": "v", "configMap": _items("../x")}), "volumes[0].configMap.items[0].path", f'"../x": {BACK}'),
        (_mounted({"name": "v", "configMap": _items("..x")}), "volumes[0].configMap.items[0].path", f'"..x": {AHEAD}'),
        (_mounted({"name": "v", "configMap": _items("/x")}), "volumes[0].configMap.items[0].path", f'"/x": {ABSOLUTE}'),
        (
            _mounted({"name": "v", "secret": {"secretName": "s", "items": _items("a/../../x")["items"]}}),
            "volumes[0].secret.items[0].path",
            f'"a/../../x": {BACK}',
        ),
        (
            _mounted({"name": "v", "projected": {"sources": [{"secret": _items("../x")}]}}),
            "volumes[0].projected.sources[0].secret.items[0].path",
            f'"../x": {BACK}',
        ),
        (
            _mounted({"name": "v", "downwardAPI": {"items": [{"path": "../x", "fieldRef": {"fieldPath": "a"}}]}}),
            "volumes[0].downwardAPI.path",
            f'"../x": {BACK}',
        ),
        (_mounted({"name": "v"}, subPath="../x"), "containers[0].volumeMounts.subPath", f'"../x": {BACK}'),
        (_mounted({"name": "v"}, subPath="/x"), "containers[0].volumeMounts.subPath", f'"/x": {ABSOLUTE}'),
    ],
)
def test_a_path_that_leads_out_of_a_volume_is_refused(server: Server, obj: Any, field: str, message: str) -> None:
    answer = server.call("POST", DEPLOYMENTS, obj)
    assert (answer.code, list(answer.causes)) == (422, [f"spec.template.spec.{field}"])
    assert answer.causes[f"spec.template.spec.{field}"].startswith(f"Invalid value: {message}")


def test_duplicate_volumes_and_mount_paths_are_refused(server: Server) -> None:
    twice = [{"name": "v", "mountPath": "/v"}] * 2
    obj = deployment(pod={"containers": [container(volumeMounts=twice)], "volumes": [{"name": "v"}, {"name": "v"}]})
    assert server.call("POST", DEPLOYMENTS, obj).causes == {
        "spec.template.spec.volumes[1].name": 'Duplicate value: "v"',
        f"{TEMPLATE}.volumeMounts[1].mountPath": 'Invalid value: "/v": must be unique',
    }


@pytest.mark.parametrize(
    ("key", "why"), [("..", "must not be '..'"), (".", "must not be '.'"), ("..data", "must not start with '..'")]
)
def test_a_key_that_is_not_a_valid_file_name_is_refused(server: Server, key: str, why: str) -> None:
    answer = server.call("POST", CONFIG_MAPS, config_map() | {"data": {key: "x"}})
    assert (answer.code, answer.causes) == (422, {f"data[{key}]": f'Invalid value: "{key}": {why}'})


@pytest.mark.parametrize(
    ("name", "ports", "fields"),
    [
        ("Bad", [{"port": 80}], {"metadata.name"}),
        ("web", [], {"spec.ports"}),
        ("web", [{"port": 80}, {"port": 81, "name": "b"}], {"spec.ports[0].name"}),
        ("web", [{"port": 70000}], {"spec.ports[0].port", "spec.ports[0].targetPort"}),
        ("web", [{"port": 80, "targetPort": "ht_tp"}], {"spec.ports[0].targetPort"}),
    ],
)
def test_an_invalid_service_is_refused(server: Server, name: str, ports: Any, fields: set[str]) -> None:
    answer = server.call("POST", SERVICES, service(name, ports=ports))
    assert (answer.code, set(answer.causes)) == (422, fields)


RANGE = "is not in the valid range. The range of valid IPs is 127.96.128.0/17"
NO_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
PORT_RANGE = "provided port is not in the valid range. The range of valid ports is 30000-32767"


@pytest.mark.parametrize(
    ("spec", "field", "message"),
    [
        (
            {"clusterIP": "0.0.0.0"},
            "clusterIPs",
            f'["0.0.0.0"]: failed to allocate IP 0.0.0.0: the provided IP (0.0.0.0) {RANGE}',
        ),
        (
            {"clusterIP": "127.0.0.1"},
            "clusterIPs",
            f'["127.0.0.1"]: failed to allocate IP 127.0.0.1: the provided IP (127.0.0.1) {RANGE}',
        ),
        (
            {"clusterIP": "127.96.128.0"},
            "clusterIPs",
            f'["127.96.128.0"]: failed to allocate IP 127.96.128.0: the provided IP (127.96.128.0) {RANGE}',
        ),
        (
            {"clusterIP": "::1"},
            "clusterIPs",
            f'["::1"]: failed to allocate IP ::1: the provided IP (::1) {RANGE}',
        ),
        (
            {"clusterIP": "127.96.128.77"},
            "clusterIPs",
            '["127.96.128.77"]: failed to allocate IP 127.96.128.77: provided IP is already allocated',
        ),
        ({"clusterIP": "localhost"}, "clusterIPs[0]", f'"localhost": {NO_IP}'),
        ({"clusterIPs": ["127.96.128.5"]}, "clusterIPs", None),
        ({"clusterIP": "127.96.128.6", "clusterIPs": ["0.0.0.0"]}, "clusterIPs", None),
        ({"clusterIP": "None", "type": "NodePort"}, "clusterIPs[0]", None),
        ({"externalIPs": ["0.0.0.0"]}, "externalIPs[0]", '"0.0.0.0": may not be unspecified (0.0.0.0)'),
        (
            {"externalIPs": ["10.0.0.1", "127.0.0.1"]},
            "externalIPs[1]",
            '"127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
        ),
        ({"externalIPs": ["x"]}, "externalIPs[0]", f'"x": {NO_IP}'),
        ({"type": "NodePort", "ports": [{"port": 80, "nodePort": 22}]}, "ports[0].nodePort", f"22: {PORT_RANGE}"),
        (
            {"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 32768}]},
            "ports[0].nodePort",
            f"32768: {PORT_RANGE}",
        ),
        (
            {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30077}]},
            "ports[0].nodePort",
            "30077: provided port is already allocated",
        ),
    ],
)
def test_addresses_and_node_ports_outside_of_their_range_are_refused(
    server: Server, spec: dict[str, Any], field: str, message: str | None
) -> None:
    taken = [{"port": 80, "nodePort": 30077}]
    server.post(SERVICES, service("taken", clusterIP="127.96.128.77", type="NodePort", ports=taken))
    answer = server.call("POST", SERVICES, service(**spec))
    assert (answer.code, list(answer.causes)) == (422, [f"spec.{field}"])
    if message:
        assert answer.causes[f"spec.{field}"] == f"Invalid value: {message}"


def test_only_some_types_of_service_can_have_node_ports(server: Server) -> None:
    ports = [{"port": 80, "nodePort": 30078}]
    answer = server.call("POST", SERVICES, service(ports=ports))
    assert answer.causes == {"spec.ports[0].nodePort": "Forbidden: may not be used when `type` is 'ClusterIP'"}
    made = server.post(SERVICES, service(ports=ports, type="NodePort"))
    made["spec"]["type"] = "ClusterIP"  # the node port of the old type disappears with it
    assert "nodePort" not in server.call("PUT", f"{SERVICES}/web", made).body["spec"]["ports"][0]
    both = [{"port": 80, "nodePort": 30079, "name": "a"}, {"port": 81, "nodePort": 30079, "name": "b"}]
    answer = server.call("POST", SERVICES, service("both", ports=both, type="NodePort"))
    assert answer.causes == {"spec.ports[1].nodePort": "Duplicate value: 30079"}


def test_services_with_the_same_name_in_two_namespaces_have_different_addresses(server: Server) -> None:
    spaces = [SERVICES, SERVICES.replace("/default/", "/other/")]
    assert len({server.post(path, service())["spec"]["clusterIP"] for path in spaces}) == 2


@pytest.mark.parametrize(
    ("path", "obj", "status", "field"),
    [
        (PODS, pod("web"), {"podIP": "0.0.0.0.0"}, "podIP"),
        (PODS, pod("web"), {"podIPs": [{"ip": "x"}]}, "podIPs[0].ip"),
        (PODS, pod("web"), {"hostIP": "host"}, "hostIP"),
        (SERVICES, service(), {"loadBalancer": {"ingress": [{"ip": "x"}]}}, "loadBalancer.ingress[0].ip"),
    ],
)
def test_an_invalid_address_in_a_status_is_refused(
    server: Server, path: str, obj: Any, status: Any, field: str
) -> None:
    server.post(path, obj)
    answer = server.call("PATCH", f"{path}/web/status", {"status": status}, MERGE)
    assert (answer.code, list(answer.causes)) == (422, [f"status.{field}"])
    assert answer.causes[f"status.{field}"].endswith(NO_IP)


def test_selectors_and_immutable_data_cannot_change(server: Server) -> None:
    made = server.post(DEPLOYMENTS, deployment())
    made["spec"]["selector"] = {"matchLabels": {"app": "web", "x": "y"}}
    made["spec"]["template"]["metadata"]["labels"] = {"app": "web", "x": "y"}
    answer = server.call("PUT", DEPLOYMENTS + "/web", made)
    assert answer.causes == {
        "spec.selector": 'Invalid value: {"matchLabels":{"app":"web","x":"y"}}: field is immutable'
    }
    server.post(CONFIG_MAPS, {**config_map(a="1"), "immutable": True})
    answer = server.call("PUT", CONFIG_MAPS + "/c", {**config_map(a="2"), "immutable": True})
    assert answer.causes == {"data": "Forbidden: field is immutable when `immutable` is set"}


def test_unknown_fields_are_dropped_with_a_warning_or_refused(server: Server) -> None:
    obj = deployment(replicaz=1)
    strict = server.call("POST", DEPLOYMENTS + "?fieldValidation=Strict", obj)
    assert (strict.code, strict.message.partition("Deployment: ")[2]) == (
        400,
        'strict decoding error: unknown field "spec.replicaz"',
    )
    warned = server.call("POST", DEPLOYMENTS, obj)
    assert "replicaz" not in warned.body["spec"]
    assert warned.headers["Warning"] == r'299 - "unknown field \"spec.replicaz\""'


@pytest.mark.parametrize(
    ("content_type", "body", "code"),
    [
        (MERGE, {"spec": {"replicas": "x"}}, 422),
        (STRATEGIC, {"spec": {"replicas": "x"}}, 422),
        (MERGE, {"spec": {"replicas": -1}}, 422),
        (MERGE, [], 400),
        (MERGE, b"{", 400),
        (JSON_PATCH, {}, 400),
        (JSON_PATCH, [{"op": "test", "path": "/spec/replicas", "value": 5}], 422),
        (JSON_PATCH, [{"op": "remove", "path": "/spec/nope"}], 422),
        ("application/json", {}, 415),
    ],
)
def test_a_patch_that_does_not_match_the_schema_is_refused(
    server: Server, content_type: str, body: Any, code: int
) -> None:
    server.post(DEPLOYMENTS, deployment())
    assert server.call("PATCH", DEPLOYMENTS + "/web", body, content_type).code == code


def test_a_variable_name_is_printable_and_has_no_equals_sign(server: Server) -> None:
    odd = ["A=B", "", "ä", "\t", "A\n"]
    fine = ["A", "a.b-c", "1", "has space", "~"]
    given = container(
        env=[{"name": n} for n in [*odd, *fine]], envFrom=[{"configMapRef": {"name": "c"}, "prefix": "="}]
    )
    answer = server.call("POST", PODS, pod("web", given))
    demand = "a valid environment variable name must consist only of printable ASCII characters other than '='"
    wanted = {f"spec.containers[0].env[{i}].name" for i in range(len(odd))} | {"spec.containers[0].envFrom[0].prefix"}
    assert set(answer.causes) == wanted
    assert answer.causes["spec.containers[0].env[0].name"] == f'Invalid value: "A=B": {demand}'
    assert answer.causes["spec.containers[0].env[1].name"] == "Required value"
