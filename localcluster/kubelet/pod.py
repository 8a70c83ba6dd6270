"""Pod workers: each runs one pod with its volumes, init containers and containers, until it has ended."""

import asyncio
import logging
import shutil
import time
from collections.abc import Iterator

from localcluster.apimachinery.objects import Object, now
from localcluster.apimachinery.resources import POD
from localcluster.images.rootfs import OutsideError
from localcluster.kubelet.container import Container
from localcluster.kubelet.node import NodeContext
from localcluster.kubelet.pod_context import PodContext
from localcluster.kubelet.pod_status import pod_status
from localcluster.kubelet.references import MissingReferenceError
from localcluster.kubelet.volumes import write_volume
from localcluster.network import can_bind, free_port

log = logging.getLogger(__name__)


class PodWorker:
    """Runs one pod, from its start until all of its processes and files are gone.

    Attributes:
        pod: the pod as it was last reported.
        context: what its containers know about it.
    """

    def __init__(self, node: NodeContext, pod: Object) -> None:
        self.pod = pod
        self._node = node
        self._store = node.registry.store
        meta, spec = pod["metadata"], pod["spec"]
        address = node.network.take()
        self.context = PodContext(
            namespace=meta["namespace"],
            name=meta["name"],
            uid=meta["uid"],
            spec=spec,
            folder=node.state / "pods" / "_".join([meta["namespace"], meta["name"], meta["uid"]]),
            address=address,
            ports=self._own_ports(address),
            marks={"LOCALCLUSTER_STATE": str(node.state), "LOCALCLUSTER_POD": meta["uid"]},
            back_off=node.back_off,
        )
        self._inits = [self._container(each, init=True) for each in spec.get("initContainers") or []]
        self._containers = [self._container(each) for each in spec["containers"]]
        self._since = now()
        self._has_volumes = False
        self._deadline = float("inf")  # on the monotonic clock, seconds
        self._ending = asyncio.Event()

    def _container(self, spec: Object, *, init: bool = False) -> Container:
        return Container(
            self.context,
            spec,
            images=self._node.images,
            environment=self._node.environment,
            record=self._record,
            report=self.report,
            init=init,
        )

    def container(self, name: str) -> Container | None:
        """Return the container or init container with a name, or None."""
        return next((c for c in self._all() if c.name == name), None)

    def _all(self) -> Iterator[Container]:
        yield from self._inits
        yield from self._containers

    async def run(self) -> None:
        """Run the pod until `end` is called and everything is cleaned up."""
        living = asyncio.create_task(self._live())
        try:
            await self._ending.wait()
            living.cancel()
            await asyncio.wait({living})
            await self._end()
        finally:
            living.cancel()
            self._kill()
            self._node.network.give_back(self.context.address)
        await asyncio.to_thread(shutil.rmtree, self.context.folder, ignore_errors=True)

    def end(self, seconds: float) -> None:
        """Stop the pod within so many seconds; a second call can only shorten this."""
        deadline = time.monotonic() + seconds
        if seconds <= 0:
            self._kill()
        elif self._ending.is_set() and deadline < self._deadline:
            asyncio.get_running_loop().call_later(seconds, self._kill)
        self._deadline = min(self._deadline, deadline)
        self._ending.set()

    def _kill(self) -> None:
        for container in self._all():
            container.kill()

    def refresh_volumes(self) -> None:
        """Write changed ConfigMaps and Secrets into the pod's volumes."""
        for volume in self.context.spec.get("volumes") or []:
            self._write_volume(volume)

    async def _live(self) -> None:
        try:
            for volume in self.context.spec.get("volumes") or []:
                while not self._write_volume(volume):
                    self.report()
                    await asyncio.sleep(1)
            self._has_volumes = True
            self.report()
            for container in self._inits:
                if container.spec.get("restartPolicy") == "Always":
                    why = "localcluster does not support sidecars (restartPolicy Always)"
                    self._warn("Failed", f"init container {container.name}: {why}; move it to containers")
                    return
                await container.live()
                if container.status.exit_code:
                    self.report()
                    return
            async with asyncio.TaskGroup() as group:
                for container in self._containers:
                    group.create_task(container.live())
        except Exception as error:
            log.exception("pod %s/%s", self.context.namespace, self.context.name)
            self._warn("Failed", f"localcluster could not run the pod: {error!r}")

    async def _end(self) -> None:
        seconds = max(0.0, self._deadline - time.monotonic())
        for container in self._containers:
            container.stop_restarting()
        await asyncio.gather(*(c.stop(seconds, f"Stopping container {c.name}") for c in self._all()))
        self.report()

    def _write_volume(self, volume: Object) -> bool:
        """Update a volume and return True, or write an Event that says why it cannot be updated."""
        try:
            write_volume(self._store, self.pod, volume, self.context.folder / "volumes")
        except (MissingReferenceError, OutsideError, OSError) as error:
            self._warn("FailedMount", f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error}')
            return False
        return True

    def _own_ports(self, address: str) -> dict[int, int]:
        """Return other ports for the container ports that are not available.

        If pods share 127.0.0.1, all of them get other ports. Otherwise, a port is not available if another program
        listens on it on all addresses of this machine (a server on 0.0.0.0:8080, say).
        """
        shared, moved = self._node.network.shared, {}
        ports = [p["containerPort"] for c in self.pod["spec"]["containers"] for p in c.get("ports") or []]
        for port in ports:
            if shared or not can_bind(address, port):
                moved[port] = free_port(address)
        if moved and not shared:
            where = ", ".join(f"{port} is {address}:{real}" for port, real in moved.items())
            self._warn("PortMoved", f"another program listens on all addresses of this machine: {where}")
        return moved

    def _warn(self, reason: str, message: str) -> None:
        self._record("Warning", reason, message)

    def _record(self, kind: str, reason: str, message: str, field: str = "") -> None:
        self._node.recorder.record(kind, self.pod, reason, message, field)

    def report(self) -> None:
        """Write the status of the pod, if it still exists."""
        pod = self._store.find(POD, self.context.namespace, self.context.name)
        if pod is None or pod["metadata"]["uid"] != self.context.uid:
            return
        status = pod_status(
            pod,
            [c.status for c in self._inits],
            [c.status for c in self._containers],
            host=self._node.network.api_address,
            address=self.context.address if self._has_volumes else "",
            since=self._since,
            is_ending=self._ending.is_set(),
        )
        if status != pod.get("status"):
            new = {**pod, "status": status}
            pod = self._node.registry.update(POD, new, manager="kubelet", subresource="status")
        self.pod = pod
