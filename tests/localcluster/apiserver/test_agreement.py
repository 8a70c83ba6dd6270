"""Random writes have the same outcome here and on a real cluster: codes, invalid fields, objects, field owners.

The object's annotations, its generation and the answer to its deletion are compared as well.

    REFERENCE_KUBECONFIG=$HOME/.kube/config pytest tests/localcluster/apiserver/test_agreement.py

Paused Deployments of no replicas, pods that no node takes, Services, and HTTPRoutes and Gateways without a controller
are written there, in a namespace of their own; nothing runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.localcluster.apiserver.random_writes import GatewayWriter, PodWriter, RouteWriter, ServiceWriter, Writer
from tests.localcluster.cluster import BIN
from tests.localcluster.server import MERGE, Server

Object = dict[str, Any]
REFERENCE = os.environ.get("REFERENCE_KUBECONFIG", "")
pytestmark = pytest.mark.skipif(not REFERENCE, reason="REFERENCE_KUBECONFIG is not set")
CHANGED = "the object has been modified"  # by a controller of the reference cluster: try again


class Reference:
    """A real cluster behind `kubectl proxy`, with its own namespace."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.namespace = f"agreement-{uuid.uuid4().hex[:8]}"

    def call(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """Return code and body of the answer."""
        path = path.replace("/namespaces/default", f"/namespaces/{self.namespace}")
        headers = {"Content-Type": content_type, "User-Agent": "test/1"}
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode() if body is not None else None, headers, method=method
        )
        for _ in range(5):
            try:
                with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
                    return answer.status, json.load(answer)
            except urllib.error.HTTPError as error:
                with error:
                    refused = error.code, json.load(error)
                if CHANGED not in refused[1].get("message", ""):
                    break
        return refused


@pytest.fixture(scope="module")
def reference() -> Iterator[Reference]:
    command = [str(BIN / "kubectl"), "--kubeconfig", REFERENCE, "proxy", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as proxy:
        try:
            assert proxy.stdout is not None
            cluster = Reference("http://" + proxy.stdout.readline().split()[-1])
            space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": cluster.namespace}}
            cluster.call("POST", "/api/v1/namespaces", space)
            account = f"/api/v1/namespaces/{cluster.namespace}/serviceaccounts/default"
            while cluster.call("GET", account)[0] != 200:  # pods need it
                time.sleep(0.1)
            yield cluster
            cluster.call("DELETE", f"/api/v1/namespaces/{cluster.namespace}")
        finally:
            proxy.terminate()


WRITERS = [
    (Writer, range(30)),
    (PodWriter, range(20)),
    (ServiceWriter, range(20)),
    (RouteWriter, range(40)),
    (GatewayWriter, range(30)),
]
CUSTOM = "gateway.networking.k8s.io"
CONTROLLERS = ("kube-controller-manager", "kube-scheduler")
GIVEN = ("clusterIP", "clusterIPs")  # each cluster has its own range


def outcome(code: int, body: Object) -> Object:
    """Return what must be the same on both clusters: the error, or the object and its field owners."""
    if code >= 400:
        details = body.get("details", {})
        shown = ("field", "message") if details.get("group") == CUSTOM and code == 422 else ("field",)
        causes = sorted([cause[key] for key in shown] for cause in details.get("causes", []))
        return {"code": code, "reason": body.get("reason"), "causes": causes}
    meta = body["metadata"]
    owners = {
        " ".join([entry["manager"], entry["operation"], entry.get("subresource", "")]): entry["fieldsV1"]
        for entry in meta["managedFields"]
        if entry["manager"] not in CONTROLLERS
    }
    spec = {key: value for key, value in body["spec"].items() if key not in GIVEN}
    kept = {key: meta.get(key) for key in ("labels", "annotations", "generation")}
    status = body.get("status") if body["apiVersion"].startswith(CUSTOM) else None
    return {"code": code, "spec": spec, "status": status, "owners": owners, **kept}


def at_version(live: Object, body: Object) -> Object:
    """Return an object that replaces the live one, if there is one."""
    version = {key: value for key, value in live["metadata"].items() if key == "resourceVersion"}
    return {**body, "metadata": {**body["metadata"], **version}}


@pytest.mark.parametrize(("kind", "seed"), [(kind, seed) for kind, seeds in WRITERS for seed in seeds])
def test_random_writes_have_the_same_outcome_on_both_clusters(
    server: Server, reference: Reference, kind: type[Writer], seed: int
) -> None:
    writer, path = kind(seed), kind.path
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    server.post(accounts, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}})
    first = ("POST", path, writer.made(whole=True), "application/json")
    try:
        for method, where, body, content_type in [first, *(writer.write() for _ in range(5))]:
            theirs = ours = body
            if method == "PUT" and kind.versioned and writer.maybe(0.9):
                theirs = at_version(reference.call("GET", f"{path}/w")[1], body)
                ours = at_version(server.call("GET", f"{path}/w").body, body)
            wanted = outcome(*reference.call(method, where, theirs, content_type))
            answer = server.call(method, where, ours, content_type)
            assert outcome(answer.code, answer.body) == wanted, (method, where, body)
    finally:
        reference.call("DELETE", f"{path}/w")
        while reference.call("GET", f"{path}/w")[0] == 200:
            time.sleep(0.02)


ROUTE = {"apiVersion": f"{CUSTOM}/v1", "kind": "HTTPRoute", "metadata": {"name": "odd"}}
GRANT = {"apiVersion": f"{CUSTOM}/v1beta1", "kind": "ReferenceGrant", "metadata": {"name": "odd"}}
HEADERS = [{"name": "a", "value": value} for value in "12"]


@pytest.mark.parametrize(
    "obj",
    [
        ROUTE,
        {**ROUTE, "spec": None},
        {**ROUTE, "spec": "x"},
        {**ROUTE, "spec": {"hostnames": [None]}},
        {**ROUTE, "spec": {"hostnames": None, "rules": None}},
        {**ROUTE, "spec": {"hostnames": ["a" * 300], "rules": {"a": 1}}},
        {**ROUTE, "spec": {"unknown": 1, "rules": [{"unknown": 2}]}},
        {**ROUTE, "spec": {"rules": [{"matches": [{"headers": HEADERS}]}]}},
        {**GRANT, "spec": {"from": [], "to": [{"kind": "Service"}]}},
        {**GRANT, "spec": {"from": [{"group": CUSTOM, "kind": "HTTPRoute", "namespace": "a"}], "to": [{"group": ""}]}},
        {
            "apiVersion": f"{CUSTOM}/v1",
            "kind": "GatewayClass",
            "metadata": {"name": "odd"},
            "spec": {"controllerName": 1},
        },
    ],
    ids=json.dumps,
)
def test_an_odd_custom_resource_has_the_same_answer_on_both_clusters(
    server: Server, reference: Reference, obj: Object
) -> None:
    plural = f"{obj['kind'].lower()}{'es' if obj['kind'].endswith('s') else 's'}"
    place = "" if obj["kind"] == "GatewayClass" else "/namespaces/default"
    path = f"/apis/{obj['apiVersion']}{place}/{plural}?dryRun=All"
    answer = server.call("POST", path, obj)
    assert outcome(answer.code, answer.body) == outcome(*reference.call("POST", path, obj))


@pytest.mark.parametrize("grace", ["", "?gracePeriodSeconds=7", "?gracePeriodSeconds=0"])
@pytest.mark.parametrize("kind", [Writer, PodWriter, ServiceWriter, GatewayWriter])
def test_deletions_have_the_same_answer_on_both_clusters(
    server: Server, reference: Reference, kind: type[Writer], grace: str
) -> None:
    first = kind(1).made(whole=True)
    first["metadata"]["finalizers"] = ["canary-lab/agreement"]
    name, path = f"{kind.__name__.lower()}-{len(grace)}", kind.path
    first["metadata"]["name"] = name

    def deleted(call: Callable[..., tuple[int, Object]]) -> list[Object]:
        call("POST", path, first)
        answers = [call("DELETE", f"{path}/{name}{grace}"), call("DELETE", f"{path}/{name}")]
        call("PATCH", f"{path}/{name}", {"metadata": {"finalizers": None}}, MERGE)
        return [
            {
                "code": code,
                "kind": body["kind"],
                "generation": body["metadata"].get("generation"),
                "seconds": body["metadata"].get("deletionGracePeriodSeconds"),
                "due": "deletionTimestamp" in body["metadata"],
            }
            for code, body in answers
        ]

    def ours(method: str, where: str, body: Any = None, content_type: str = "application/json") -> tuple[int, Object]:
        answer = server.call(method, where, body, content_type)
        return answer.code, answer.body

    assert deleted(ours) == deleted(reference.call)


def test_the_chunks_of_a_list_are_the_same_on_both_clusters(server: Server, reference: Reference) -> None:
    path = "/api/v1/namespaces/default/configmaps"

    def chunks(call: Callable[..., Any]) -> list[Object]:
        found: list[Object] = []
        for name in "abcde":
            call("POST", path, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"chunk-{name}"}})
        more = ""
        while more or not found:
            body = call("GET", f"{path}?limit=2{more}&labelSelector=!kubernetes.io/x")
            names = [item["metadata"]["name"] for item in body["items"] if item["metadata"]["name"].startswith("chunk")]
            found.append({"names": names, "left": body["metadata"].get("remainingItemCount")})
            if len(found) == 1:  # ignore changes in between
                call("DELETE", f"{path}/chunk-d")
            more = f"&continue={body['metadata']['continue']}" if "continue" in body["metadata"] else ""
        odd = call("GET", f"{path}?limit=1&continue=x")
        return [*found, {"code": odd["code"], "reason": odd["reason"]}]

    def ours(method: str, where: str, body: Any = None) -> Any:
        return server.call(method, where, body).body

    def theirs(method: str, where: str, body: Any = None) -> Any:
        return reference.call(method, where, body)[1]

    assert chunks(ours) == chunks(theirs)
