"""The kubelet: starts a worker for each pod of the node, passes changes on, and removes pods that have ended."""

import asyncio
import logging
from collections.abc import AsyncIterator

from localcluster.apimachinery.errors import ApiError
from localcluster.apimachinery.objects import Object
from localcluster.apimachinery.pod_log_options import PodLogOptions
from localcluster.apimachinery.resources import CONFIG_MAP, POD, SECRET
from localcluster.kubelet.logs import read_log
from localcluster.kubelet.node import NODE_NAME, NodeContext
from localcluster.kubelet.pod import PodWorker
from localcluster.storage.store import Change

log = logging.getLogger(__name__)


class Kubelet:
    """Runs the pods that the scheduler has assigned to the node."""

    def __init__(self, node: NodeContext) -> None:
        self._node = node
        self._store = node.registry.store
        self._workers: dict[str, PodWorker] = {}
        self._running: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Work until cancelled."""
        with self._store.queue() as changes:
            for pod in self._store.list(POD):
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

    def _note(self, change: Change) -> None:
        pod = change.object
        worker = self._workers.get(pod["metadata"]["uid"])
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
            current = self._store.find(POD, pod["metadata"]["namespace"], pod["metadata"]["name"])
            if current is not None and current["metadata"]["uid"] == uid:
                worker = self._workers[uid] = PodWorker(self._node, current)
                self._running[uid] = asyncio.create_task(self._work(worker))

    async def _work(self, worker: PodWorker) -> None:
        pod = worker.context
        try:
            await worker.run()
        except Exception:  # an error in one pod must not stop the others
            log.exception("pod %s/%s", pod.namespace, pod.name)
        del self._workers[pod.uid], self._running[pod.uid]
        left = self._store.find(POD, pod.namespace, pod.name)
        if left is not None and left["metadata"]["uid"] == pod.uid and "deletionTimestamp" in left["metadata"]:
            self._remove(left)

    def _remove(self, pod: Object) -> None:
        meta = pod["metadata"]
        found = self._store.find(POD, meta["namespace"], meta["name"])
        if found is not None and found["metadata"]["uid"] == meta["uid"] and not found["metadata"].get("finalizers"):
            self._store.remove(POD, meta["namespace"], meta["name"])

    def _refresh_volumes(self, namespace: str) -> None:
        for worker in self._workers.values():
            if worker.context.namespace == namespace:
                worker.refresh_volumes()

    async def pod_log(self, namespace: str, pod: str, container: str, options: PodLogOptions) -> AsyncIterator[bytes]:
        """Yield the log of a container; raises ApiError 400 if there is none."""
        worker = self._workers.get(self._store.get(POD, namespace, pod)["metadata"]["uid"])
        found = worker.container(container) if worker else None
        if found is None:
            raise ApiError(400, f"container {container} is not valid for pod {pod}")
        path = found.log(found.status.restarts - options.previous)
        if not path.exists():
            if options.previous:
                message = f'previous terminated container "{container}" in pod "{pod}" not found'
                raise ApiError(400, message)
            why = found.status.waiting_reason or "ContainerCreating"
            message = f'container "{container}" in pod "{pod}" is waiting to start: {why}'
            raise ApiError(400, message)
        async for chunk in read_log(path, options, found.ended):
            yield chunk

    def pod_address(self, pod: Object, port: int) -> tuple[str, int]:
        """Return the host and port where a pod's port really is; raises ApiError 503."""
        address = self.real_address(pod["metadata"]["uid"], port)
        if address is None:
            raise ApiError(503, f"pod {pod['metadata']['name']} is not running")
        return address

    def real_address(self, uid: str, port: int) -> tuple[str, int] | None:
        """Return the host and port where a port of the pod with this uid really is, or None if it does not run."""
        worker = self._workers.get(uid)
        return (worker.context.address, worker.context.real_port(port)) if worker else None
