"""A cluster with simulated pods: a real API server, real controllers, and a kubelet that only writes statuses.

A whole release takes less than a second, on an API server with field ownership, defaults, conflicts and dry runs. Any
trouble that a pod can have is one line of a test.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from copy import deepcopy
from typing import Any

from aiohttp import web
from kubernetes import client

from canary.apply.managed_fields import FIELD_MANAGER
from canary.kube.cluster import Cluster
from canary.kube.connection import Connection
from canary.kube.transport import Transport
from localcluster.apimachinery.errors import ApiError
from localcluster.apimachinery.objects import now
from localcluster.apimachinery.resources import EVENT, NAMESPACE, POD, Resource
from localcluster.apiserver.server import make_app
from localcluster.controllers.controller import MANAGER, Controller
from localcluster.controllers.deployments import Deployments
from localcluster.controllers.endpointslices import EndpointSlices
from localcluster.controllers.garbage_collector import GarbageCollector
from localcluster.controllers.namespaces import Namespaces
from localcluster.controllers.replicasets import ReplicaSets
from localcluster.storage.events import Recorder
from localcluster.storage.registry import Registry
from localcluster.storage.store import Change, Store
from tests.canary.gateway_controller import GatewayController

Object = dict[str, Any]
SECRET = "secret"


class Clock:
    """A clock that only `sleep` moves. During the sleep, the cluster finishes all of its work."""

    def __init__(self, settle: Callable[[], None]) -> None:
        self._settle = settle
        self.time = 1_000_000_100.0
        self.then: list[tuple[float, Callable[[], object]]] = []

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        for at, action in [one for one in self.then if one[0] <= self.time]:
            self.then.remove((at, action))
            action()
        self._settle()

    def after(self, seconds: float, action: Callable[[], object]) -> None:
        """Do something after this many seconds of sleep."""
        self.then.append((self.time + seconds, action))


class Admission(Registry):
    """A registry that refuses what a test asks it to: pods, as a quota or pod security does, and the driver's Events.

    Attributes:
        refusals: by namespace, why pods are refused.
        without_events: namespaces in which the driver may not create Events.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.refusals: dict[str, str] = {}
        self.without_events: set[str] = set()

    def create(self, resource: Resource, obj: Object, *, manager: str, dry_run: bool = False) -> Object:
        """Create an object, unless it is refused."""
        why = self.refusals.get(obj["metadata"].get("namespace", "")) if resource == POD else None
        if why:
            raise ApiError(403, f"pods is forbidden: {why}")
        namespace = obj["metadata"].get("namespace", "")
        if resource == EVENT and manager == FIELD_MANAGER and namespace in self.without_events:
            missing = f'cannot create resource "events" in API group "" in the namespace "{namespace}"'
            raise ApiError(403, f'events is forbidden: User "nobody" {missing}')
        return super().create(resource, obj, manager=manager, dry_run=dry_run)


class Simulator:
    """A cluster in a thread of its own.

    Attributes:
        script: by image, the change of status of a new pod. Other pods become ready immediately.
        image_ids: the ID of an image on all nodes (`app:1`) or on one (`app:1 on NODE`).
        nodes: by prefix of a pod's name, the node that it runs on.
        logs: by prefix of a pod's name, its log.
        answers: by image, the port of 127.0.0.1 that answers for its pods.
    """

    def __init__(self) -> None:
        self.script: dict[str, Callable[[Object], Object]] = {}
        self.image_ids: dict[str, str] = {}
        self.nodes: dict[str, str] = {}
        self.logs: dict[str, str] = {}
        self.answers: dict[str, int] = {}
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="simulator")
        self._thread.start()
        assert self._up.wait(20)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._down.set)
        self._thread.join()

    def cluster(self, namespace: str) -> Cluster:
        """Return the driver's client of the cluster."""
        configuration = client.Configuration()
        configuration.host = self.url
        configuration.proxy = None
        configuration.retries = False
        return Cluster(Transport(lambda: Connection(client.ApiClient(configuration), namespace, self.url)), namespace)

    def namespace(self, name: str) -> None:
        """Create a namespace."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        self.act(lambda: self.registry.create(NAMESPACE, body, manager="test"))

    def remove(self, name: str) -> None:
        """Delete a namespace and its content."""
        self.act(lambda: self.registry.delete(NAMESPACE, "", name))
        self.settle()

    def act(self, action: Callable[[], Any]) -> Any:
        """Run a function in the cluster's event loop, and return its result."""

        async def done() -> Any:
            return action()

        return asyncio.run_coroutine_threadsafe(done(), self._loop).result(20)

    def settle(self) -> None:
        """Wait until no controller has work left, now or soon."""

        async def settled() -> None:
            give_up = self._loop.time() + (0 if self.registry.refusals else 5)  # refused pods are retried for ever
            quiet = 0
            while quiet < 3:  # a write reaches the controllers, and a pod starts, in later turns of the loop
                soon = self._loop.time() + 5 if self._loop.time() < give_up else self._loop.time()
                busy = any(controller.next_sync < soon for controller in self._controllers)
                working = any(controller.has_work for controller in self._controllers)
                await asyncio.sleep(0.01 if busy and not working else 0)
                quiet = 0 if busy else quiet + 1

        asyncio.run_coroutine_threadsafe(settled(), self._loop).result(60)

    def set_status(self, namespace: str, prefix: str, change: Callable[[Object], Object]) -> None:
        """Change the status of the pods whose names begin with a prefix, and wait until the controllers know it."""

        def action() -> None:
            found = [pod for pod in self.store.list(POD, namespace) if pod["metadata"]["name"].startswith(prefix)]
            assert found, f"no pod {prefix}* in {[p['metadata']['name'] for p in self.store.list(POD, namespace)]}"
            for pod in found:
                self._say(pod, change(deepcopy(pod["status"])))

        self.act(action)
        self.settle()

    def lost_requests(self, namespace: str) -> list[str]:
        """Return the Services with a weight in an HTTPRoute that had no ready endpoints at a change."""
        return self._gateway_controller().lost.get(namespace, [])

    def abrupt_changes(self, namespace: str) -> list[str]:
        """Return the Services that an HTTPRoute named first, or no more, with requests: see `GatewayController`."""
        return self._gateway_controller().abrupt.setdefault(namespace, [])

    def _gateway_controller(self) -> GatewayController:
        (controller,) = (one for one in self._controllers if isinstance(one, GatewayController))
        return controller

    def refuse_pods(self, namespace: str, why: str) -> None:
        """Refuse all further pods in a namespace."""
        self.act(lambda: self.registry.refusals.update({namespace: why}))

    def forbid_events(self, namespace: str) -> None:
        """Let the driver's account have no permission to create Events in a namespace."""
        self.act(lambda: self.registry.without_events.add(namespace))

    def warn(self, namespace: str, prefix: str, reason: str, message: str, times: int) -> None:
        """Create warning Events about pods."""

        def action() -> None:
            for pod in self.store.list(POD, namespace):
                for _ in range(times if pod["metadata"]["name"].startswith(prefix) else 0):
                    self._recorder.warning(pod, reason, message)

        self.act(action)

    async def _serve(self) -> None:
        self._loop, self._down = asyncio.get_running_loop(), asyncio.Event()
        self.store = Store()
        self.registry = Admission(self.store)
        self._recorder = Recorder(self.registry, "simulator")
        self._controllers: list[Controller] = [
            kind(self.registry, Recorder(self.registry, "test"))
            for kind in (Deployments, ReplicaSets, EndpointSlices, GarbageCollector, Namespaces, GatewayController)
        ]
        self.store.listen(self._note)
        tasks = [asyncio.create_task(controller.run()) for controller in self._controllers]
        await asyncio.sleep(0)
        default = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}
        self.registry.create(NAMESPACE, default, manager=MANAGER)
        runner = web.AppRunner(make_app(self.registry, SECRET, self, self), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/{SECRET}"
        self._up.set()
        await self._down.wait()
        await runner.cleanup()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _note(self, change: Change) -> None:
        if change.resource == POD and change.type != "DELETED":
            self._loop.call_soon(self._live, change.object["metadata"]["namespace"], change.object["metadata"]["name"])

    def _live(self, namespace: str, name: str) -> None:
        pod = self.store.find(POD, namespace, name)
        if pod is None:
            return
        if "deletionTimestamp" in pod["metadata"]:
            self.store.remove(POD, namespace, name)
        elif "containerStatuses" not in pod.get("status", {}):
            images = [container["image"] for container in pod["spec"]["containers"]]
            become = next((self.script[image] for image in images if image in self.script), ready)
            pod["spec"]["nodeName"] = next((n for start, n in self.nodes.items() if name.startswith(start)), "node")
            self._say(pod, become(self._running(pod)))

    def _running(self, pod: Object) -> Object:
        return {
            "phase": "Running",
            "podIP": "192.0.2.1",
            "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": "2001-09-09T01:46:40Z"}],
            "containerStatuses": [
                {
                    "name": container["name"],
                    "image": container["image"],
                    "imageID": self._image_id(container["image"], pod["spec"]["nodeName"]),
                    "ready": False,
                    "restartCount": 0,
                    "state": {"running": {"startedAt": now()}},
                }
                for container in pod["spec"]["containers"]
            ],
        }

    def _image_id(self, image: str, node: str) -> str:
        return self.image_ids.get(f"{image} on {node}") or self.image_ids.get(image, f"sha256:{image}")

    def _say(self, pod: Object, status: Object) -> None:
        self.store.update(POD, {**pod, "status": status})

    async def pod_log(self, namespace: str, pod: str, container: str, _options: object) -> AsyncIterator[bytes]:
        """Return the log that the test has set."""
        for prefix, log in self.logs.items():
            if pod.startswith(prefix):
                yield log.encode()
                return
        raise ApiError(400, "no log")

    def pod_address(self, pod: Object, port: int) -> tuple[str, int]:
        """Return where the test answers for a pod's image. The pods themselves do not listen."""
        for container in pod["spec"]["containers"]:
            if container["image"] in self.answers:
                return "127.0.0.1", self.answers[container["image"]]
        raise ApiError(503, "simulated pods do not listen")

    def service_address(self, service: Object, port: str) -> tuple[str, int]:
        """Services do not listen."""
        raise ApiError(503, "simulated pods do not listen")


def ready(status: Object) -> Object:
    """The pod becomes ready."""
    for condition in status["conditions"]:
        if condition["type"] == "Ready":
            condition["status"] = "True"
    for container in status["containerStatuses"]:
        container["ready"] = True
    return status


def unready(status: Object) -> Object:
    """The pod runs, and does not become ready."""
    for condition in status["conditions"]:
        condition["status"] = "False"
    for container in status["containerStatuses"]:
        container["ready"] = False
    return status


def waiting(reason: str, message: str = "", **container: Any) -> Callable[[Object], Object]:
    """Return a change of status after which the container is waiting."""

    def become(status: Object) -> Object:
        status = unready(status)
        status["phase"] = "Pending"
        for one in status["containerStatuses"]:
            one |= {"state": {"waiting": {"reason": reason, "message": message}}, **container}
        return status

    return become


def died(reason: str, code: int, restarts: int = 1) -> Callable[[Object], Object]:
    """Return a change of status after which the container has died and restarted."""

    def become(status: Object) -> Object:
        for one in status["containerStatuses"]:
            one |= {"restartCount": restarts, "lastState": {"terminated": {"reason": reason, "exitCode": code}}}
        return status

    return become


def failed(reason: str, message: str = "") -> Callable[[Object], Object]:
    """Return a change of status after which the whole pod has failed, as after an eviction."""

    def become(status: Object) -> Object:
        return {**unready(status), "phase": "Failed", "reason": reason, "message": message}

    return become


def unschedulable(status: Object) -> Object:
    """The pod cannot be scheduled."""
    return {
        "phase": "Pending",
        "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes fit"},
            {"type": "Ready", "status": "False"},
        ],
        "containerStatuses": [],
    }
