"""The one node: it takes pods in, tells their workers what changed, and removes them when they are gone."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
from typing import TYPE_CHECKING

from localcluster.apimachinery.errors import ApiError
from localcluster.apimachinery.objects import Object, now
from localcluster.apimachinery.resources import POD, VERSION
from localcluster.kubelet.environment import CONFIG_MAP, SECRET
from localcluster.kubelet.pod import PodWorker
from localcluster.kubelet.process import read_log
from localcluster.storage.events import Recorder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from localcluster.images.store import Images
    from localcluster.network import Network
    from localcluster.storage.registry import Registry
    from localcluster.storage.store import Change

NODE_NAME = "localcluster"
log = logging.getLogger(__name__)


class Kubelet:
    """Runs the pods that have been given to the node.

    Attributes:
        home: the cluster's state folder, which marks its processes.
        folder: where pods have their files.
        back_off: seconds before the second restart of a container; they double from there.
        service_port: tells where a port of a Service really is; whoever makes the Services sets it.
    """

    def __init__(
        self, registry: Registry, network: Network, images: Images, home: Path, *, back_off: float = 10.0
    ) -> None:
        self.registry = registry
        self.store = registry.store
        self.network = network
        self.images = images
        self.home = home
        self.folder = home / "pods"
        self.back_off = back_off
        self.service_port: Callable[[Object, int], int] = lambda _, port: port
        self.recorder = Recorder(registry, "kubelet")
        self._workers: dict[str, PodWorker] = {}
        self._running: dict[str, asyncio.Task[None]] = {}

    @property
    def address_hint(self) -> str:
        """Return what a process is told whose address is taken."""
        return "pods share this machine: listen on $HOST:$PORT, not on 0.0.0.0 or a fixed port"

    async def run(self) -> None:
        """Work until cancelled."""
        with self.store.queue() as changes:
            for pod in self.store.list(POD):
                self._take_in(pod)
            while True:
                change = await changes.get()
                if change.resource == POD:
                    self._note(change)
                elif change.resource in (CONFIG_MAP, SECRET) and change.type != "DELETED":
                    self._refresh_volumes(change.object["metadata"]["namespace"])

    async def shut_down(self, seconds: float) -> None:
        """End all pods within so many seconds."""
        for worker in self._workers.values():
            worker.end(seconds)
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def worker(self, uid: str) -> PodWorker | None:
        """Return who runs the pod of a uid."""
        return self._workers.get(uid)

    # -- pods come and go

    def _note(self, change: Change) -> None:
        pod = change.object
        worker = self.worker(pod["metadata"]["uid"])
        if change.type == "DELETED":
            if worker is not None:
                worker.end(0)
        elif "deletionTimestamp" not in pod["metadata"]:
            self._take_in(pod)
        elif worker is not None:
            worker.end(pod["metadata"].get("deletionGracePeriodSeconds", 30))
        else:
            self._remove(pod)

    def _take_in(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        if pod["spec"].get("nodeName") == NODE_NAME and uid not in self._workers:
            current = self.store.find(POD, pod["metadata"]["namespace"], pod["metadata"]["name"])
            if current is not None and current["metadata"]["uid"] == uid:
                worker = self._workers[uid] = PodWorker(self, current)
                self._running[uid] = asyncio.create_task(self._work(worker))

    async def _work(self, worker: PodWorker) -> None:
        try:
            await worker.run()
        except Exception:  # whatever happens to one pod, the others go on
            log.exception("pod %s", "/".join(worker.key))
        del self._workers[worker.uid], self._running[worker.uid]
        pod = self.store.find(POD, *worker.key)
        if pod is not None and pod["metadata"]["uid"] == worker.uid and "deletionTimestamp" in pod["metadata"]:
            self._remove(pod)

    def _remove(self, pod: Object) -> None:
        meta = pod["metadata"]
        found = self.store.find(POD, meta["namespace"], meta["name"])
        if found is not None and found["metadata"]["uid"] == meta["uid"] and not found["metadata"].get("finalizers"):
            self.store.remove(POD, meta["namespace"], meta["name"])

    def _refresh_volumes(self, namespace: str) -> None:
        for worker in self._workers.values():
            if worker.key[0] == namespace:
                worker.refresh_volumes()

    # -- what the API asks

    async def pod_log(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        follow: bool = False,
        tail_lines: int | None = None,
        since_seconds: int | None = None,
        previous: bool = False,
        timestamps: bool = False,
    ) -> AsyncIterator[bytes]:
        """Yield a container's output; raises ApiError 400 where there is none yet or any more."""
        worker = self.worker(self.store.get(POD, namespace, pod)["metadata"]["uid"])
        found = worker.container(container) if worker else None
        if found is None:
            raise ApiError(400, f"container {container} is not valid for pod {pod}")
        path = found.log(found.restarts - previous)
        if not path.exists():
            if previous:
                message = f'previous terminated container "{container}" in pod "{pod}" not found'
                raise ApiError(400, message)
            why = found.state.get("waiting", {}).get("reason", "ContainerCreating")
            message = f'container "{container}" in pod "{pod}" is waiting to start: {why}'
            raise ApiError(400, message)
        ended = found.ended if follow and not previous else None
        lines = read_log(path, ended=ended, tail_lines=tail_lines, since_seconds=since_seconds, timestamps=timestamps)
        async for chunk in lines:
            yield chunk

    def pod_address(self, pod: Object, port: int) -> tuple[str, int]:
        """Return where a pod's port really is; raises ApiError 503."""
        worker = self.worker(pod["metadata"]["uid"])
        if worker is None:
            raise ApiError(503, f"pod {pod['metadata']['name']} is not running")
        return worker.address, worker.real_port(port)


def node(address: str) -> Object:
    """Return the Node object of this machine. Its capacity is nominal: requests are counted, limits not enforced."""
    capacity = {"cpu": "64", "memory": "256Gi", "pods": "2000", "ephemeral-storage": "1Ti"}
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    system = platform.system().lower()
    labels = {"kubernetes.io/hostname": NODE_NAME, "kubernetes.io/os": system, "kubernetes.io/arch": architecture}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "localcluster is up"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": NODE_NAME, "labels": labels},
        "spec": {},
        "status": {
            "capacity": capacity,
            "allocatable": capacity,
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": NODE_NAME}],
            "conditions": [{**ready, "lastHeartbeatTime": now(), "lastTransitionTime": now()}],
            "nodeInfo": {
                "machineID": "",
                "systemUUID": "",
                "bootID": "",
                "kernelVersion": os.uname().release,
                "osImage": platform.platform(),
                "containerRuntimeVersion": "localcluster://processes",
                "kubeletVersion": VERSION,
                "kubeProxyVersion": "",
                "operatingSystem": system,
                "architecture": architecture,
            },
        },
    }
