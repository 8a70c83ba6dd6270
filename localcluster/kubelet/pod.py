"""A pod's life: volumes, init containers, containers, the end; and its status as Kubernetes words it."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from typing import TYPE_CHECKING, Any

from localcluster.apimachinery.conditions import set_condition
from localcluster.apimachinery.objects import Object, now
from localcluster.apimachinery.resources import POD
from localcluster.images.rootfs import OutsideError
from localcluster.kubelet.container import Container
from localcluster.kubelet.environment import MissingReferenceError
from localcluster.kubelet.volumes import write_volume
from localcluster.network import can_bind, free_port

if TYPE_CHECKING:
    from localcluster.kubelet.kubelet import Kubelet

log = logging.getLogger(__name__)


class PodWorker:
    """Runs one pod, from the moment it has a node until nothing of it is left."""

    def __init__(self, kubelet: Kubelet, pod: Object) -> None:
        self.kubelet = kubelet
        self.recorder = kubelet.recorder
        self.pod = pod
        self.uid: str = pod["metadata"]["uid"]
        self.key = pod["metadata"]["namespace"], pod["metadata"]["name"]
        self.folder = kubelet.folder / "_".join([*self.key, self.uid])
        self.address = kubelet.network.take()
        self.ports = self._own_ports()
        self.inits = [Container(self, spec, init=True) for spec in pod["spec"].get("initContainers") or []]
        self.containers = [Container(self, spec) for spec in pod["spec"]["containers"]]
        self._since = now()
        self._has_volumes = False
        self._deadline = float("inf")  # on the monotonic clock, seconds
        self._told = asyncio.Event()

    @property
    def marks(self) -> dict[str, str]:
        """Return the variables by which a process that was left behind is recognised."""
        return {"LOCALCLUSTER_STATE": str(self.kubelet.home), "LOCALCLUSTER_POD": self.uid}

    def real_port(self, port: int) -> int:
        """Return where a container port really is: elsewhere only where pods share an address."""
        return self.ports.get(port, port)

    def container(self, name: str) -> Container | None:
        """Return the container or init container of a name."""
        return next((c for c in [*self.containers, *self.inits] if c.name == name), None)

    async def run(self) -> None:
        """Run the pod until it has been told to end and nothing of it is left."""
        living = asyncio.create_task(self._live())
        try:
            await self._told.wait()
            living.cancel()
            await asyncio.wait({living})
            await self._end()
        finally:
            living.cancel()
            self._kill()
            self.kubelet.network.give_back(self.address)
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)

    def end(self, seconds: float) -> None:
        """Let the pod end within so many seconds; a second call can only make it sooner."""
        deadline = time.monotonic() + seconds
        if seconds <= 0:
            self._kill()
        elif self._told.is_set() and deadline < self._deadline:
            asyncio.get_running_loop().call_later(seconds, self._kill)
        self._deadline = min(self._deadline, deadline)
        self._told.set()

    def _kill(self) -> None:
        for container in [*self.containers, *self.inits]:
            container.kill()

    def refresh_volumes(self) -> None:
        """Write changed ConfigMaps and Secrets into the pod's volumes."""
        for volume in self.pod["spec"].get("volumes") or []:
            try:
                write_volume(self.kubelet.store, self.pod, volume, self.folder / "volumes")
            except (MissingReferenceError, OutsideError, OSError) as error:
                self._cannot_mount(volume["name"], error)

    async def _live(self) -> None:
        try:
            await self._make_volumes()
            self._has_volumes = True
            self.report()
            for container in self.inits:
                if container.spec.get("restartPolicy") == "Always":
                    message = f"init container {container.name} has restartPolicy Always: localcluster has no sidecars;"
                    self.recorder.warning(self.pod, "Failed", f"{message} list it under containers")
                    return
                await container.live()
                if container.state["terminated"]["exitCode"]:
                    self.report()
                    return
            async with asyncio.TaskGroup() as group:
                for container in self.containers:
                    group.create_task(container.live())
        except Exception as error:
            log.exception("pod %s", "/".join(self.key))
            self.recorder.warning(self.pod, "Failed", f"localcluster could not run the pod: {error!r}")

    async def _end(self) -> None:
        seconds = max(0.0, self._deadline - time.monotonic())
        for container in self.containers:
            container.stop_restarting_probes()
        all_ = [*self.inits, *self.containers]
        await asyncio.gather(*(c.stop(seconds, f"Stopping container {c.name}") for c in all_))
        self.report()

    async def _make_volumes(self) -> None:
        for volume in self.pod["spec"].get("volumes") or []:
            while True:
                try:
                    write_volume(self.kubelet.store, self.pod, volume, self.folder / "volumes")
                    break
                except (MissingReferenceError, OutsideError, OSError) as error:
                    self._cannot_mount(volume["name"], error)
                    self.report()
                    await asyncio.sleep(1)

    def _cannot_mount(self, name: str, error: Exception) -> None:
        self.recorder.warning(self.pod, "FailedMount", f'MountVolume.SetUp failed for volume "{name}" : {error}')

    def _own_ports(self) -> dict[int, int]:
        """Return where the container ports really are, if not where they are asked for.

        Pods that share 127.0.0.1 all have ports of their own; others have one where somebody holds the port on every
        address of this machine (a server on 0.0.0.0:8080, say).
        """
        shared, moved = self.kubelet.network.shared, {}
        ports = [p["containerPort"] for c in self.pod["spec"]["containers"] for p in c.get("ports") or []]
        for port in ports:
            if shared or not can_bind(self.address, port):
                moved[port] = free_port(self.address)
        if moved and not shared:
            where = ", ".join(f"{port} is {self.address}:{real}" for port, real in moved.items())
            self.recorder.warning(self.pod, "PortMoved", f"taken on all addresses of this machine: {where}")
        return moved

    # -- status

    def report(self) -> None:
        """Write the pod's status, if it is still there."""
        pod = self.kubelet.store.find(POD, *self.key)
        if pod is None or pod["metadata"]["uid"] != self.uid:
            return
        status = self._status(pod)
        if status != pod.get("status"):
            pod = self.kubelet.registry.update(POD, {**pod, "status": status}, manager="kubelet", subresource="status")
        self.pod = pod

    def _status(self, pod: Object) -> Object:
        old = pod.get("status", {})
        status: dict[str, Any] = {
            **old,
            "observedGeneration": pod["metadata"]["generation"],
            "phase": self._phase(),
            "conditions": [dict(c) for c in old.get("conditions") or []],
            "hostIP": self.kubelet.network.api_address,
            "hostIPs": [{"ip": self.kubelet.network.api_address}],
            "startTime": old.get("startTime", self._since),
            "containerStatuses": [c.status() for c in self.containers],
        }
        if self._has_volumes:
            status |= {"podIP": self.address, "podIPs": [{"ip": self.address}]}
        if self.inits:
            status["initContainerStatuses"] = [c.status() for c in self.inits]
        self._set_conditions(status)
        return status

    def _set_conditions(self, status: Object) -> None:
        unfinished = [c.name for c in self.inits if c.state.get("terminated", {}).get("exitCode") != 0]
        unready = [c.name for c in self.containers if not c.ready]

        def tell(kind: str, *, holds: bool, reason: str = "", message: str = "") -> None:
            new: dict[str, Any] = {"type": kind, "status": str(holds), "lastProbeTime": None}
            new["observedGeneration"] = status["observedGeneration"]
            set_condition(
                status["conditions"], new | {k: v for k, v in (("reason", reason), ("message", message)) if v}
            )

        over = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(status["phase"], "")
        tell("PodReadyToStartContainers", holds=self._has_volumes and not over)
        if unfinished:
            message = f"containers with incomplete status: [{' '.join(unfinished)}]"
            tell("Initialized", holds=False, reason="ContainersNotInitialized", message=message)
        else:
            tell("Initialized", holds=True, reason="PodCompleted" if over == "PodCompleted" else "")
        for kind in ("Ready", "ContainersReady"):
            if over or not unready:
                tell(kind, holds=not over, reason=over)
            else:
                message = f"containers with unready status: [{' '.join(unready)}]"
                tell(kind, holds=False, reason="ContainersNotReady", message=message)

    def _phase(self) -> str:
        """Return the phase, by the rules of kubelet's getPhase."""
        policy = self.pod["spec"].get("restartPolicy", "Always")
        for init in self.inits:
            ended = init.state.get("terminated")
            if ended is None or ended["exitCode"]:
                return "Failed" if ended and policy == "Never" else "Pending"
        if any("waiting" in c.state and not c.last for c in self.containers):
            return "Pending"
        codes = [c.state["terminated"]["exitCode"] for c in self.containers if "terminated" in c.state]
        going = self._told.is_set()
        if len(codes) < len(self.containers) or (policy == "Always" and not going):
            return "Running"
        if any(codes):
            return "Failed" if policy == "Never" or going else "Running"
        return "Succeeded"
