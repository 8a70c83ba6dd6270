"""Runs the probes of a container periodically, and acts on the results."""

import asyncio
import time
from collections.abc import Callable

from localcluster.apimachinery.objects import Object
from localcluster.kubelet.container_status import ContainerStatus
from localcluster.kubelet.probes import Failed, Target


class Prober:
    """The probes of one process. They decide whether its container is started and ready, and when it restarts."""

    def __init__(self, status: ContainerStatus, target: Target, restart: Callable[[str, Object], None]) -> None:
        """`restart` is called with the kind of the probe that failed too often, and the probe."""
        self._status = status
        self._target = target
        self._restart = restart
        kinds = ("startup", "liveness", "readiness")
        self._probes = {kind: probe for kind in kinds if (probe := status.spec.get(f"{kind}Probe"))}
        self._passed_startup = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        status.started = "startup" not in self._probes
        status.ready = status.started and "readiness" not in self._probes
        if status.started:
            self._passed_startup.set()

    def start(self) -> None:
        """Start all probes."""
        self._tasks = {kind: asyncio.create_task(self._probe(kind, probe)) for kind, probe in self._probes.items()}

    def stop(self, *, keep: str = "") -> None:
        """Stop all probes, except one kind."""
        for kind, task in self._tasks.items():
            if kind != keep:
                task.cancel()

    async def _probe(self, kind: str, probe: Object) -> None:
        """Run a probe periodically, and act when a threshold is reached."""
        failures = successes = 0
        period, seconds = probe.get("periodSeconds", 10), probe.get("timeoutSeconds", 1)
        await asyncio.sleep(probe.get("initialDelaySeconds", 0))
        if kind != "startup":
            await self._passed_startup.wait()
        tick = time.monotonic()
        while True:
            try:
                await self._target.ask(probe, seconds)
                failures, successes = 0, successes + 1
            except Failed as answer:
                failures, successes = failures + 1, 0
                self._status.warning("Unhealthy", f"{kind.capitalize()} probe failed: {answer}")
            if successes >= probe.get("successThreshold", 1):
                self._pass(kind)
                if kind == "startup":
                    return
            if failures >= probe.get("failureThreshold", 3):
                if kind != "readiness":
                    self._restart(kind, probe)
                    return
                self._set(self._status.started, ready=False)
            tick = max(tick + period, time.monotonic())
            await asyncio.sleep(tick - time.monotonic())

    def _pass(self, kind: str) -> None:
        if kind == "startup":
            self._passed_startup.set()
            self._set(True, ready="readiness" not in self._probes or self._status.ready)
        elif kind == "readiness":
            self._set(self._status.started, ready=True)

    def _set(self, started: bool, *, ready: bool) -> None:
        if (started, ready) != (self._status.started, self._status.ready):
            self._status.started, self._status.ready = started, ready
            self._status.report()
