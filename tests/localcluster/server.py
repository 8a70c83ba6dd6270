"""An API server under test, without a kubelet."""

from __future__ import annotations

import asyncio
import http.client
import json
import pathlib
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import yaml
from aiohttp import web

from localcluster.apimachinery.errors import ApiError
from localcluster.apimachinery.pod_log_options import PodLogOptions
from localcluster.apimachinery.resources import NAMESPACE
from localcluster.apiserver.chaos import Chaos
from localcluster.apiserver.server import make_app
from localcluster.storage.registry import Registry
from localcluster.storage.store import HISTORY, Store

Object = dict[str, Any]
SECRET = "s3cret"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
PODS = "/api/v1/namespaces/default/pods"
SERVICES = "/api/v1/namespaces/default/services"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


@dataclass
class Answer:
    """An answer of the server."""

    code: int
    body: Any
    headers: dict[str, str]

    @property
    def message(self) -> str:
        return str(self.body.get("message"))

    @property
    def causes(self) -> dict[str, str]:
        """Return message by field."""
        return {c["field"]: c["message"] for c in self.body.get("details", {}).get("causes", [])}


@dataclass
class Node:
    """Kubelet and kube-proxy of a node whose pods are whatever a test puts here."""

    logs: dict[str, list[bytes]] = field(default_factory=dict)
    address: tuple[str, int] = ("127.0.0.1", 1)
    endpoints: bool = True
    asked: list[PodLogOptions] = field(default_factory=list)

    async def pod_log(self, namespace: str, pod: str, container: str, options: PodLogOptions) -> AsyncIterator[bytes]:
        self.asked.append(options)
        for chunk in self.logs[container]:
            yield chunk

    def pod_address(self, pod: Object, port: int) -> tuple[str, int]:
        return self.address

    def service_address(self, service: Object, port: str) -> tuple[str, int]:
        if not self.endpoints:
            raise ApiError(503, f'no endpoints available for service "{service["metadata"]["name"]}"')
        return self.address


class Server:
    """A server on a free port, until the end of a with block."""

    def __init__(self, chaos: Chaos | None = None, history: int = HISTORY) -> None:
        self.chaos = chaos
        self.node = Node()
        self.store = Store(history)
        self.registry = Registry(self.store)
        self.loop = asyncio.new_event_loop()
        self.port = 0

    def __enter__(self) -> Self:
        for name in ("default", "other"):
            space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            self.registry.create(NAMESPACE, space, manager="test")
        self.runner = web.AppRunner(
            make_app(self.registry, SECRET, self.node, self.node, self.chaos),
            shutdown_timeout=0.1,
            handler_cancellation=True,
        )
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self.loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.runner.cleanup(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def _start(self) -> None:
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.port = self.runner.addresses[0][1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{SECRET}"

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        *,
        prefix: str = f"/{SECRET}",
        **headers: str,
    ) -> Answer:
        """Return the answer to one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            payload = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            asked = {"Content-Type": content_type, "User-Agent": "test/1", **headers}
            connection.request(method, prefix + path, payload, asked)
            answer = connection.getresponse()
            content = answer.read()
            is_json = "json" in answer.headers["Content-Type"]
            return Answer(answer.status, json.loads(content) if is_json else content, dict(answer.headers))
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """Return an object; fail if it does not exist."""
        answer = self.call("GET", path)
        assert answer.code == 200, answer.body
        return answer.body

    def post(self, path: str, obj: Object) -> Any:
        """Create an object; fail if it is refused."""
        answer = self.call("POST", path, obj)
        assert answer.code == 201, answer.body
        return answer.body

    def apply(self, path: str, obj: Object, manager: str, *, force: bool = False) -> Answer:
        """Return the answer to a server-side apply."""
        query = f"?fieldManager={manager}{'&force=true' if force else ''}"
        return self.call("PATCH", f"{path}/{obj['metadata']['name']}{query}", obj, APPLY)

    def watch(self, path: str) -> Iterator[Object]:
        """Yield the events of a watch until the server ends it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", f"/{SECRET}{path}", headers={"User-Agent": "test/1"})
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            for line in answer:
                yield json.loads(line)
        finally:
            connection.close()

    def kubeconfig(self, folder: pathlib.Path) -> str:
        """Return the path of a kubeconfig for this server."""
        path = folder / "kubeconfig"
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "it", "cluster": {"server": self.url}}],
                    "users": [{"name": "it", "user": {}}],
                    "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
                    "current-context": "it",
                }
            )
        )
        return str(path)


def config_map(name: str = "c", labels: Object | None = None, **data: Any) -> Object:
    """Return a ConfigMap."""
    meta = {"name": name, **({"labels": labels} if labels else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def plain(obj: Object) -> dict[tuple[str, str, str], Object]:
    """Return managedFields by (manager, operation, subresource)."""
    entries = obj["metadata"]["managedFields"]
    return {(e["manager"], e["operation"], e.get("subresource", "")): e["fieldsV1"] for e in entries}
