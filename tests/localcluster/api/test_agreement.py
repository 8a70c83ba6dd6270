"""Random writes end alike here and on a real cluster: same codes, same fields at fault, same object, same owners.

    REFERENCE_KUBECONFIG=$HOME/.kube/config pytest tests/localcluster/api/test_agreement.py

Deployments of no replicas in a namespace of their own are written there; nothing runs.
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
from typing import TYPE_CHECKING, Any

import pytest

from tests.localcluster.api.server import APPLY, MERGE, STRATEGIC, Server
from tests.localcluster.cluster import BIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Object = dict[str, Any]
REFERENCE = os.environ.get("REFERENCE_KUBECONFIG", "")
pytestmark = pytest.mark.skipif(not REFERENCE, reason="REFERENCE_KUBECONFIG names no cluster to agree with")
CHANGED = "the object has been modified"  # the reference's own controllers write too: then ask once more


class Reference:
    """A real cluster behind `kubectl proxy`, with a namespace of its own."""

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
            yield cluster
            cluster.call("DELETE", f"/api/v1/namespaces/{cluster.namespace}")
        finally:
            proxy.terminate()


class Writer:
    """Makes random writes of a Deployment."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

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
            (0.3, "resources", {"limits": {"memory": self.random.choice(["1Mi", "2Mi"])}}),
            (0.2, "livenessProbe", self.random.choice([{"httpGet": {"port": 80}}, {"tcpSocket": {"port": 81}}])),
            (0.2, "securityContext", {"runAsNonRoot": self.maybe(0.5)}),
        ]
        return {"name": name, **{key: value for share, key, value in choices if self.maybe(share)}}

    def deployment(self, image_share: float = 0.85) -> Object:
        names = self.random.sample("cde", self.random.randint(1, 3))
        source = self.random.choice([{"emptyDir": {}}, {"configMap": {"name": "m"}}])
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
        labels = {"labels": {n: self.random.choice("12") for n in self.some("lmn")}} if self.maybe(0.4) else {}
        fields = {key: value for share, key, value in spec if self.maybe(share)}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "w", **labels},
            "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template, **fields},
        }

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

    def write(self, path: str) -> tuple[str, str, Object, str]:
        """Return method, path, body and content type."""
        applied = f"{path}/w?fieldManager={self.random.choice(['m1', 'm2'])}{'&force=true' if self.maybe(0.7) else ''}"
        kinds: list[tuple[float, Callable[[], tuple[str, str, Object, str]]]] = [
            (55, lambda: ("PATCH", applied, self.deployment(), APPLY)),
            (25, lambda: ("PATCH", f"{path}/w?fieldManager=u1", self.patch(), STRATEGIC)),
            (10, lambda: ("PATCH", f"{path}/w?fieldManager=u2", self.deployment(), MERGE)),
            (10, lambda: ("PUT", f"{path}/w?fieldManager=u3", self.deployment(1), "application/json")),
        ]
        (make,) = self.random.choices([make for _, make in kinds], [weight for weight, _ in kinds])
        return make()


def outcome(code: int, body: Object) -> Object:
    """Return what must be the same on both: the refusal, or the object and its owners."""
    if code >= 400:
        fields = sorted(cause["field"] for cause in body.get("details", {}).get("causes", []))
        return {"code": code, "reason": body.get("reason"), "fields": fields}
    meta = body["metadata"]
    owners = {
        f"{entry['manager']} {entry['operation']}": entry["fieldsV1"]
        for entry in meta["managedFields"]
        if entry["manager"] != "kube-controller-manager"
    }
    return {"code": code, "spec": body["spec"], "labels": meta.get("labels"), "owners": owners}


@pytest.mark.parametrize("seed", range(40))
def test_random_writes_end_alike(server: Server, reference: Reference, seed: int) -> None:
    writer, path = Writer(seed), "/apis/apps/v1/namespaces/default/deployments"
    first = ("POST", path, writer.deployment(1), "application/json")
    for method, where, body, content_type in [first, *(writer.write(path) for _ in range(5))]:
        wanted = outcome(*reference.call(method, where, body, content_type))
        answer = server.call(method, where, body, content_type)
        assert outcome(answer.code, answer.body) == wanted, (method, where, body)
    reference.call("DELETE", f"{path}/w")
    while reference.call("GET", f"{path}/w")[0] == 200:
        time.sleep(0.02)
