"""Random writes have the same outcome here and on a real cluster: codes, invalid fields, objects, field owners.

The object's annotations, its generation and the answer to its deletion are compared as well.

    REFERENCE_KUBECONFIG=$HOME/.kube/config pytest tests/localcluster/apiserver/test_agreement.py

Paused Deployments of no replicas, pods that no node takes, Services, and HTTPRoutes and Gateways without a controller
are written there, in a namespace of their own; nothing runs.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.localcluster.cluster import BIN
from tests.localcluster.server import APPLY, MERGE, STRATEGIC, Server

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


class Writer:
    """Makes random writes of an object of one kind.

    Attributes:
        path: where objects of the kind are.
        versioned: whether a PUT must name the version that it replaces.
    """

    path = "/apis/apps/v1/namespaces/default/deployments"
    versioned = False

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def made(self, *, whole: bool = False) -> Object:
        """Return an object; a whole one has all fields that are required to create or replace it."""
        return self.deployment(1 if whole else 0.85)

    def maybe(self, share: float) -> bool:
        return self.random.random() < share

    def some(self, items: str) -> list[str]:
        return self.random.sample(items, self.random.randint(1, 2))

    def variables(self) -> list[Object]:
        source = {"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
        return [{"name": n, **({"value": n} if self.maybe(0.8) else source)} for n in self.some("ABCD")]

    def container(self, name: str, image_share: float) -> Object:
        port = [{"containerPort": int(p), **({"protocol": "UDP"} if self.maybe(0.3) else {})} for p in self.some("789")]
        choices: list[tuple[float, str, Any]] = [
            (image_share, "image", self.random.choice(["x:1", "x:2"])),
            (0.6, "env", self.variables()),
            (0.4, "ports", port),
            (0.3, "args", self.some("xyz")),
            (0.3, "resources", {"limits": {"memory": self.random.choice(["1Mi", "2Mi", "2048Ki", "0.5Gi", "1e6"])}}),
            (0.2, "livenessProbe", self.random.choice([{"httpGet": {"port": 80}}, {"tcpSocket": {"port": 81}}])),
            (0.2, "securityContext", {"runAsNonRoot": self.maybe(0.5)}),
        ]
        return {"name": name, **{key: value for share, key, value in choices if self.maybe(share)}}

    def deployment(self, image_share: float = 0.85) -> Object:
        names = self.random.sample("cde", self.random.randint(1, 3))
        source: Object = self.random.choice([{"emptyDir": {}}, {"configMap": {"name": "m"}}])
        pod: list[tuple[float, str, Any]] = [
            (0.3, "volumes", [{"name": n, **source} for n in self.some("vw")]),
            (0.3, "imagePullSecrets", [{"name": n} for n in self.some("st")]),
            (0.3, "terminationGracePeriodSeconds", self.random.choice([5, 6])),
            (0.3, "nodeSelector", {self.random.choice("no"): "1"}),
        ]
        strategies = [{"type": "Recreate"}, {"rollingUpdate": {"maxSurge": 1}}, {"type": "RollingUpdate"}]
        spec: list[tuple[float, str, Any]] = [
            (0.3, "strategy", self.random.choice(strategies)),
            (0.3, "minReadySeconds", self.random.choice([1, 2])),
        ]
        template = {
            "metadata": {"labels": {"a": "b", **({"v": self.random.choice("12")} if self.maybe(0.3) else {})}},
            "spec": {
                "containers": [self.container(n, image_share) for n in names],
                **{key: value for share, key, value in pod if self.maybe(share)},
            },
        }
        fields = {key: value for share, key, value in spec if self.maybe(share)}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "w", **self.words()},
            "spec": {
                "replicas": 0,
                "paused": True,  # else the controller of the real cluster annotates it at some time
                "selector": {"matchLabels": {"a": "b"}},
                "template": template,
                **fields,
            },
        }

    def words(self) -> Object:
        """Return labels and annotations."""
        kinds = [kind for kind in ("labels", "annotations") if self.maybe(0.4)]
        return {kind: {n: self.random.choice("12") for n in self.some("lmn")} for kind in kinds}

    def patch(self) -> Object:
        obj = self.deployment()
        pod = obj["spec"]["template"]["spec"]
        for volume in pod.get("volumes", []):
            volume["$retainKeys"] = list(volume)
        if "strategy" in obj["spec"]:
            obj["spec"]["strategy"]["$retainKeys"] = list(obj["spec"]["strategy"])
        if self.maybe(0.4):
            pod["containers"].append({"name": self.random.choice("cde"), "$patch": "delete"})
        if self.maybe(0.2):
            pod["containers"][0]["env"] = None
        return obj

    def write(self) -> tuple[str, str, Object, str]:
        """Return method, path, body and content type."""
        path = f"{self.path}/w"
        applied = f"{path}?fieldManager={self.random.choice(['m1', 'm2'])}{'&force=true' if self.maybe(0.7) else ''}"
        kinds: list[tuple[float, Callable[[], tuple[str, str, Object, str]]]] = [
            (45, lambda: ("PATCH", applied, self.made(), APPLY)),
            (20, lambda: ("PATCH", f"{path}?fieldManager=u1", self.patch(), STRATEGIC)),
            (10, lambda: ("PATCH", f"{path}?fieldManager=u2", self.made(), MERGE)),
            (10, lambda: ("PATCH", f"{path}?fieldManager=u4", {"metadata": self.words()}, MERGE)),
            (5, lambda: ("PATCH", f"{path}/status?fieldManager=u5", {"metadata": self.words()}, MERGE)),
            (10, lambda: ("PUT", f"{path}?fieldManager=u3", self.made(whole=True), "application/json")),
        ]
        (make,) = self.random.choices([make for _, make in kinds], [weight for weight, _ in kinds])
        return make()


class PodWriter(Writer):
    """Makes random writes of a pod that cannot be scheduled."""

    path = "/api/v1/namespaces/default/pods"

    def made(self, *, whole: bool = False) -> Object:
        """Return a pod."""
        image = self.random.choice(["x:1", "x:2"])
        container = {"name": "c", **({"image": image} if whole or self.maybe(0.8) else {})}
        choices: list[tuple[float, str, Any]] = [
            (0.1, "env", self.variables()),
            (0.1, "resources", {"limits": {"memory": "1Mi"}}),
            (0.1, "args", self.some("xyz")),
        ]
        container |= {key: value for share, key, value in choices if self.maybe(share)}
        spec: Object = {"containers": [container]}
        if whole or self.maybe(0.5):
            spec |= {"nodeSelector": {"no": "where"}, "automountServiceAccountToken": False}
        if self.maybe(0.1):
            spec["terminationGracePeriodSeconds"] = self.random.choice([5, 30])
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "w", **self.words()}, "spec": spec}

    def patch(self) -> Object:
        """Return a strategic merge patch."""
        return self.made()


class ServiceWriter(Writer):
    """Makes random writes of a Service."""

    path = "/api/v1/namespaces/default/services"

    def made(self, *, whole: bool = False) -> Object:
        """Return a Service."""
        numbers = self.random.sample([80, 81, 82], self.random.randint(1, 2))
        ports: list[Object] = [{"port": n, "name": f"p{n}"} for n in numbers]
        for port in ports:
            choices: list[tuple[float, str, Any]] = [
                (0.3, "targetPort", self.random.choice([8080, "http"])),
                (0.2, "protocol", "UDP"),
                (0.1, "appProtocol", "http"),
            ]
            port |= {key: value for share, key, value in choices if self.maybe(share)}
        fields: list[tuple[float, str, Any]] = [
            (1.0 if whole else 0.7, "ports", ports),
            (0.6, "selector", {n: self.random.choice("12") for n in self.some("lmn")}),
            (0.2, "sessionAffinity", "None"),
            (0.2, "publishNotReadyAddresses", True),
            (0.2, "type", "ClusterIP"),
        ]
        spec = {key: value for share, key, value in fields if self.maybe(share)}
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "w", **self.words()}, "spec": spec}

    def patch(self) -> Object:
        """Return a strategic merge patch."""
        return self.made()


class CustomWriter(Writer):
    """Makes random writes of a custom resource: some values are outside the limits, or have the wrong type.

    Attributes:
        errors: the share of such values. A whole object has none.
    """

    versioned = True
    errors = 0.04

    def patch(self) -> Object:
        """Return a strategic merge patch, which custom resources do not have."""
        return self.made()

    def status(self) -> Object:
        raise NotImplementedError

    def write(self) -> tuple[str, str, Object, str]:
        """Return method, path, body and content type."""
        if self.maybe(0.7):
            return super().write()
        body = self.made(whole=True)
        self.errors = CustomWriter.errors
        body["status"] = self.status()
        if self.maybe(0.5):
            return "PATCH", f"{self.path}/w/status?fieldManager=u6", {"status": body["status"]}, MERGE
        if self.maybe(0.5):
            return "PUT", f"{self.path}/w/status?fieldManager=u7", body, "application/json"
        head = {key: body[key] for key in ("apiVersion", "kind", "status")}
        return "PATCH", f"{self.path}/w/status?fieldManager=m3&force=true", {**head, "metadata": {"name": "w"}}, APPLY

    def odd(self, value: Any, *others: Any) -> Any:
        """Return a value, or sometimes another one, which is wrong."""
        return self.random.choice(others) if self.maybe(self.errors) else value

    def condition(self, kind: str) -> Object:
        return {
            "type": kind,
            "status": self.odd("True", "Yes", ""),
            "reason": self.odd("Seen", "", "x y"),
            "message": "",
            "observedGeneration": self.odd(self.random.choice([1, 2]), -1, "1", 1.5),
            "lastTransitionTime": self.odd("2026-01-02T03:04:05Z", "today", 5),
        }


class RouteWriter(CustomWriter):
    """Makes random writes of an HTTPRoute."""

    path = "/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes"

    def made(self, *, whole: bool = False) -> Object:
        """Return an HTTPRoute."""
        self.errors = 0 if whole else CustomWriter.errors
        fields: list[tuple[float, str, Any]] = [
            (0.8, "parentRefs", [{"name": self.odd(self.random.choice("pq"), "", 7)}]),
            (0.3, "hostnames", self.odd([self.random.choice(["a.test", "*.b.test"])], ["-"], "a.test", ["x"] * 17)),
            (0.8, "rules", [self.rule() for _ in self.some("12")]),
        ]
        spec = {key: value for share, key, value in fields if self.maybe(share)}
        meta = {"name": "w", **self.words()}
        return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": meta, "spec": spec}

    def rule(self) -> Object:
        match = {"headers": [{"name": n, "value": self.odd("v", "")} for n in self.some("HI")]}
        paths = [{"value": "/x"}, {"type": "Exact", "value": "/y"}, {"type": "Exact"}]
        matches: list[Object] = [match, *({"path": path} for path in paths)]
        header = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "A", "value": "1"}]}}
        choices: list[tuple[float, str, Any]] = [
            (0.8, "backendRefs", [self.backend(n) for n in self.some("abc")]),
            (0.3, "matches", self.odd([self.random.choice(matches)], [], {}, [{}])),
            (0.2, "matches", [{"method": self.odd("GET", "FETCH")}]),
            (0.2, "filters", [self.odd(header, {"type": "Wrong"}, {})]),
            (0.2, "timeouts", {"request": self.odd("10s", "10", 10)}),
            (self.errors, "unknown", 1),
        ]
        return {key: value for share, key, value in choices if self.maybe(share)}

    def backend(self, name: str) -> Object:
        weight = {"weight": self.odd(self.random.choice([0, 1, 99]), -1, 1_000_001, "1", 1.5, True, None)}
        return {
            "name": self.odd(name, ""),
            "port": self.odd(80, 0, 65536, "http"),
            **(weight if self.maybe(0.6) else {}),
            **({"kind": self.odd("Service", "x_y")} if self.maybe(0.2) else {}),
        }

    def status(self) -> Object:
        """Return what controllers tell of it."""
        parent = {
            "parentRef": {"name": self.random.choice("pq")},
            "controllerName": self.odd("canary-lab.test/none", "none"),
            "conditions": [self.condition(kind) for kind in self.some("AB")],
        }
        status: Object = self.odd({"parents": [parent]}, {}, {"parents": [{}]}, {"parents": []})
        return status


class GatewayWriter(CustomWriter):
    """Makes random writes of a Gateway, whose listeners different managers apply."""

    path = "/apis/gateway.networking.k8s.io/v1/namespaces/default/gateways"

    def made(self, *, whole: bool = False) -> Object:
        """Return a Gateway."""
        self.errors = 0 if whole else CustomWriter.errors
        spec: Object = {"listeners": [self.listener(n) for n in self.some("abc")]}
        if whole or self.maybe(0.7):
            spec["gatewayClassName"] = self.odd(self.random.choice("xy"), "")
        if self.maybe(0.2):
            spec["addresses"] = [{"value": "10.0.0.1"}]
        if self.maybe(0.2):
            spec["infrastructure"] = {"labels": dict.fromkeys(self.some("lm"), "1")}
        meta = {"name": "w", **self.words()}
        return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": meta, "spec": spec}

    def listener(self, name: str) -> Object:
        routes: Object = self.random.choice([{}, {"namespaces": {"from": self.odd("All", "Some")}}, {"kinds": []}])
        choices: list[tuple[float, str, Any]] = [
            (1 - self.errors, "port", self.odd("xabc".index(name) + 80, 0, "80")),
            (1 - self.errors, "protocol", self.odd("HTTP", "", "A B")),
            (0.3, "hostname", self.odd(f"{name}.test", "-")),
            (0.4, "allowedRoutes", routes),
        ]
        return {"name": name, **{key: value for share, key, value in choices if self.maybe(share)}}

    def status(self) -> Object:
        """Return what controllers tell of it."""
        listener = {"name": "a", "attachedRoutes": self.odd(1, "1"), "conditions": [self.condition("A")]}
        choices: list[tuple[float, str, Any]] = [
            (0.7, "conditions", [self.condition(kind) for kind in self.some("AB")]),
            (0.4, "listeners", [{**listener, "supportedKinds": [{"kind": "HTTPRoute"}]}]),
            (0.4, "addresses", [{"value": "10.0.0.1"}]),
        ]
        return {key: value for share, key, value in choices if self.maybe(share)}


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
