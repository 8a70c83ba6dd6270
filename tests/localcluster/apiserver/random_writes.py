"""Random writes of objects, some of them wrong, for a comparison of two clusters."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from tests.localcluster.server import APPLY, MERGE, STRATEGIC

Object = dict[str, Any]


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
