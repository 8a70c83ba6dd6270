"""A malformed body is the error of the client: the answer is a Status that says so, never an internal error."""

from __future__ import annotations

import copy
import json
import random
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.localcluster.objects import container, deployment, pod, service
from tests.localcluster.server import (
    APPLY,
    CONFIG_MAPS,
    DEPLOYMENTS,
    JSON_PATCH,
    MERGE,
    PODS,
    SERVICES,
    STRATEGIC,
    Answer,
    Server,
    config_map,
)

Object = dict[str, Any]
SPACE = "/api/v1/namespaces/default"
ODD: list[Any] = [
    None, True, 0, -1, 1.5, 10**30, 1e300, "", "x", "a b", "🐤", "x" * 300, "10%", "1Mi", "=", "/", "..",
    [], [None], [[]], [1], ["x"], [{}], {}, {"": None}, {"x": {}}, {"x": []}, {"name": []}, {"name": {}},
]  # fmt: skip


def full_pod(name: str) -> Object:
    """Return a pod with a value in each part of its spec."""
    variables = [
        {"name": "A", "value": "1"},
        {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}},
        {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    main = container(
        env=variables,
        envFrom=[{"secretRef": {"name": "s"}, "prefix": "x"}],
        resources={"requests": {"cpu": "1"}, "limits": {"cpu": "2", "memory": "1Mi"}},
        volumeMounts=[{"name": "v", "mountPath": "/v"}, {"name": "w", "mountPath": "/w", "subPath": "s"}],
        lifecycle={"preStop": {"exec": {"command": ["true"]}}},
        livenessProbe={"tcpSocket": {"port": 80}},
        securityContext={"runAsUser": 1},
    )
    rules = [{"labelSelector": {"matchLabels": {"a": "b"}}, "topologyKey": "kubernetes.io/hostname"}]
    anti = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": rules}}
    made = pod(
        name,
        main,
        initContainers=[{"name": "first", "image": "x:1"}],
        volumes=[{"name": "v", "configMap": {"name": "m", "items": [{"key": "k", "path": "p"}]}}, {"name": "w"}],
        affinity=anti,
        nodeSelector={"a": "b"},
    )
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "m", "uid": "1"}
    made["metadata"] |= {"annotations": {"a": "b"}, "ownerReferences": [owner], "finalizers": ["x/y"]}
    return made


def full_deployment(name: str) -> Object:
    """Return a Deployment of such pods."""
    made = deployment(name, strategy={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": "50%"}})
    made["spec"]["template"]["spec"] = full_pod("p")["spec"]
    made["spec"]["selector"]["matchExpressions"] = [{"key": "app", "operator": "In", "values": [name]}]
    return made


META = {"name": "x"}
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": META, "data": {"k": "eA=="}, "stringData": {"a": "b"}}
EVENT = {"apiVersion": "v1", "kind": "Event", "metadata": META, "involvedObject": {"namespace": "default"}, "count": 1}
LEASE = {
    "apiVersion": "coordination.k8s.io/v1",
    "kind": "Lease",
    "metadata": {"name": "l"},
    "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z"},
}
COLLECTIONS: dict[str, Object] = {
    DEPLOYMENTS: full_deployment("web"),
    PODS: full_pod("web"),
    SERVICES: service(),
    CONFIG_MAPS: config_map(a="b"),
    f"{SPACE}/secrets": SECRET,
    f"{SPACE}/events": EVENT,
    "/apis/coordination.k8s.io/v1/namespaces/default/leases": LEASE,
}


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of each value in an object."""
    if path:
        yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*path, key))


def spoilt(obj: Object, draw: random.Random) -> Any:
    """Return an object with one or two malformed values."""
    made = copy.deepcopy(obj)
    for _ in range(draw.choice([1, 1, 2])):
        *parents, last = draw.choice(list(places(made)))
        inner: Any = made
        for key in parents:
            inner = inner[key]
        inner[last] = copy.deepcopy(draw.choice(ODD))
    return made


def said(answer: Answer) -> str:
    return str(answer.body.get("message", "")) if isinstance(answer.body, dict) else ""


@pytest.mark.parametrize("path", COLLECTIONS)
@pytest.mark.parametrize("seed", range(2))
def test_a_malformed_object_is_never_an_internal_error(server: Server, path: str, seed: int) -> None:
    draw, obj = random.Random(seed), COLLECTIONS[path]
    name = obj["metadata"]["name"]
    server.post(path, obj)
    for _ in range(25):
        body = spoilt(obj, draw)
        requests = [
            ("POST", path, body, "application/json"),
            ("PUT", f"{path}/{name}", body, "application/json"),
            ("PATCH", f"{path}/{name}", body, MERGE),
            ("PATCH", f"{path}/{name}", body, STRATEGIC),
            ("PATCH", f"{path}/{name}?fieldManager=m&force=true", body, APPLY),
            ("PUT", f"{path}/{name}/status", body, "application/json"),
            ("PUT", f"{path}/{name}/scale", body, "application/json"),
            ("PATCH", f"{path}/{name}/status", body, MERGE),
        ]
        for method, where, sent, content_type in requests:
            answer = server.call(method, f"{where}{'&' if '?' in where else '?'}dryRun=All", sent, content_type)
            assert "internal error" not in said(answer), (method, where, content_type, json.dumps(sent), answer.body)


PATCHES: list[Any] = [
    [], [{}], [1], [[]], [None], "x", 1, None, {},
    [{"op": "replace", "path": "", "value": []}],
    [{"op": "replace", "path": "", "value": 1}],
    [{"op": "replace", "path": "", "value": {}}],
    [{"op": "remove", "path": ""}],
    [{"op": "remove", "path": "/metadata"}],
    [{"op": "replace", "path": "/metadata", "value": "x"}],
    [{"op": "replace", "path": "/spec", "value": None}],
    [{"op": "add", "path": "/spec/x/y/z", "value": 1}],
    [{"op": "add", "path": "spec", "value": 1}],
    [{"op": "add", "path": 1, "value": 1}],
    [{"op": 1, "path": "/spec"}],
    [{"op": "nope", "path": "/spec"}],
    [{"op": "move", "path": "/spec"}],
    [{"op": "move", "from": 1, "path": "/spec"}],
    [{"op": "copy", "from": "/nope", "path": "/spec"}],
    [{"op": "test", "path": "/spec", "value": 1}],
    [{"op": "add", "path": "/spec/template/spec/containers/x", "value": 1}],
    [{"op": "add", "path": "/spec/template/spec/containers/99", "value": 1}],
    {"$patch": "delete"}, {"$patch": "replace"}, {"$patch": "nope"}, {"$patch": 1}, {"metadata": {"$patch": "delete"}},
    {"metadata": {"managedFields": [{"fieldsV1": "x"}]}},
    {"metadata": {"managedFields": [{"manager": "m", "operation": "Update", "fieldsV1": {"x": "y"}}]}},
    {"metadata": {"managedFields": [{"manager": "m", "operation": "Update", "fieldsV1": {"k:x": {}}}]}},
    {"metadata": {"managedFields": "x"}},
    {"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "x"}}},
    {"spec": {"$retainKeys": 1}}, {"spec": {"$retainKeys": ["replicas"]}}, {"spec": {"$setElementOrder/x": []}},
    {"spec": {"template": {"spec": {"$setElementOrder/containers": 1}}}},
    {"spec": {"template": {"spec": {"$setElementOrder/containers": [1]}}}},
    {"spec": {"template": {"spec": {"$setElementOrder/containers": [{"x": 1}]}}}},
    {"spec": {"template": {"spec": {"containers": [{"$patch": "delete"}]}}}},
    {"spec": {"template": {"spec": {"containers": [{"$patch": "replace"}]}}}},
    {"spec": {"template": {"spec": {"containers": [{"name": []}]}}}},
    {"spec": {"template": {"spec": {"containers": [[]]}}}},
    {"metadata": {"finalizers": [1]}}, {"metadata": {"$deleteFromPrimitiveList/finalizers": 1}},
    {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x"]}}, {"metadata": {"$deleteFromPrimitiveList/x": [{}]}},
]  # fmt: skip
RAW = (
    b"", b"{", b"[", b"null", b'"x"', b"1", b"\xff", b"\0", b"NaN", b'{"spec":NaN}', b'{"metadata":{"name":Infinity}}',
    b"[" * 1_200, b'{"a":' * 1_200, b"a: 2026-99-99", b"a: &a [*a]", b"- x", b"a: b: c", b"%x", b"!!python/x y",
    b'{"kind":1}', b'{"kind":[],"apiVersion":{}}', b'{"apiVersion":1,"kind":"x"}', b'{"metadata":{"name":"\\ud800"}}',
    b"? {x: y}\n: z", b"1: 2", b"a: 0x", b"a: .nan",
)  # fmt: skip
TYPES = ("application/json", MERGE, STRATEGIC, JSON_PATCH, APPLY, "text/plain", "")


@pytest.mark.parametrize("content_type", TYPES)
def test_a_malformed_patch_is_never_an_internal_error(server: Server, content_type: str) -> None:
    for patch in PATCHES:
        server.post(DEPLOYMENTS, deployment())
        for sub in ("/scale", "/status", ""):
            answer = server.call("PATCH", f"{DEPLOYMENTS}/web{sub}?fieldManager=kubectl", patch, content_type)
            assert "internal error" not in said(answer), (sub, patch, answer.body)
        answer = server.apply(DEPLOYMENTS, deployment(replicas=2), "kubectl")  # the result can be written again
        assert "internal error" not in said(answer), (patch, answer.body)
        server.call("DELETE", f"{DEPLOYMENTS}/web")


@pytest.mark.parametrize("content_type", TYPES)
def test_a_body_that_is_not_an_object_is_never_an_internal_error(server: Server, content_type: str) -> None:
    server.post(DEPLOYMENTS, deployment())
    for body in RAW:
        for method, path in (
            ("POST", DEPLOYMENTS),
            ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"),
            ("PUT", f"{DEPLOYMENTS}/web"),
            ("PUT", f"{DEPLOYMENTS}/web/scale"),
            ("PATCH", f"{DEPLOYMENTS}/web?fieldManager=m"),
            ("DELETE", f"{DEPLOYMENTS}/web?dryRun=All"),
            ("DELETE", f"{DEPLOYMENTS}?dryRun=All"),
        ):
            answer = server.call(method, path, body, content_type)
            assert "internal error" not in said(answer), (method, path, body[:20], answer.body)


ODD_OPTIONS: list[Object] = [
    {"propagationPolicy": 1},
    {"gracePeriodSeconds": "x"},
    {"preconditions": 1},
    {"dryRun": 1},
    {"dryRun": [1]},
]


@pytest.mark.parametrize("options", ODD_OPTIONS, ids=json.dumps)
def test_malformed_delete_options_delete_nothing(server: Server, options: Object) -> None:
    server.post(DEPLOYMENTS, deployment())
    for path in (DEPLOYMENTS, f"{DEPLOYMENTS}/web"):
        assert server.call("DELETE", path, options).code in (400, 422)
    server.get(f"{DEPLOYMENTS}/web")


def test_a_body_that_is_too_large_is_refused_with_a_status(server: Server) -> None:
    answer = server.call("POST", CONFIG_MAPS, b" " * (3 * 1024 * 1024 + 1))
    assert (answer.code, answer.body["kind"], answer.body["reason"]) == (413, "Status", "RequestEntityTooLarge")
    assert answer.message == "Request entity too large: limit is 3145728"


@pytest.mark.parametrize("line", ["OPTIONS *", "CONNECT 127.0.0.1:1"])
def test_a_request_without_a_path_is_forbidden(server: Server, line: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(f"{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: client.recv(4096), b"")).decode()
    assert answer.startswith("HTTP/1.1 403 "), answer
