"""A container of a pod: one process after the other, its probes, and its status as Kubernetes words it.

Not as in Kubernetes: limits of memory and CPU are not enforced, users, capabilities and read-only file systems not
set, and a process that does not handle SIGTERM ends by it at once (as process 1 of a container it would be deaf).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import shutil
import signal
import time
from typing import TYPE_CHECKING, Any

from localcluster.apimachinery.objects import Object, now
from localcluster.apimachinery.resources import SERVICE
from localcluster.images.reference import problem
from localcluster.images.rootfs import OutsideError
from localcluster.kubelet.environment import (
    MissingReferenceError,
    base_variables,
    expand,
    listening_variables,
    service_variables,
    variables,
)
from localcluster.kubelet.mounts import TMP, argument, unseen_mounts, variable
from localcluster.kubelet.probes import Failed, Target
from localcluster.kubelet.process import Process, remark, tail, taken_address
from localcluster.kubelet.volumes import Mounts, link_mounts, place_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from localcluster.images.store import Image
    from localcluster.kubelet.pod import PodWorker

LONGEST_BACK_OFF = 300.0  # seconds
FORGIVEN_AFTER = 600.0  # seconds of running after which the back-off begins anew
EPOCH = "1970-01-01T00:00:00Z"


class BackOff:
    """Waiting times that double: 10 s, 20 s, … 5 min."""

    def __init__(self, first: float) -> None:
        self._first = first
        self._next = 0.0

    def next(self) -> float:
        """Return the seconds to wait now: nothing the first time."""
        wait = self._next
        self._next = min(max(self._first, 2 * wait), LONGEST_BACK_OFF)
        return wait

    def reset(self) -> None:
        """Begin anew."""
        self._next = 0.0


class Container:
    """One container of a pod."""

    def __init__(self, worker: PodWorker, spec: Object, *, init: bool = False) -> None:
        self.worker = worker
        self.spec = spec
        self.name: str = spec["name"]
        self.init = init
        waiting = "PodInitializing" if worker.pod["spec"].get("initContainers") else "ContainerCreating"
        self.state: dict[str, Any] = {"waiting": {"reason": waiting}}
        self.last: dict[str, Any] = {}
        self.restarts = 0
        self.ready = self.started = False
        self.image: Image | None = None
        self.ended = asyncio.Event()  # the present process has ended (logs are complete)
        self._process: Process | None = None
        self._probing: list[asyncio.Task[None]] = []
        self._back_off = BackOff(worker.kubelet.back_off)
        self._began = 0.0
        self._env: dict[str, str] = {}
        self._place: Path = self.root
        self._mounts: Mounts = {}
        self._stopping: asyncio.Task[None] | None = None  # a failed probe ends the process
        self._passed_startup = asyncio.Event()

    # -- the life of a container

    async def live(self) -> None:
        """Run processes one after the other until the last one is not to be followed by another."""
        while True:
            await self._wait_for_image()
            await self._start()
            if self._process is not None:
                self._finish(await self._process.ended())
            code = self.state["terminated"]["exitCode"]
            policy = self.worker.pod["spec"].get("restartPolicy", "Always")
            if (code == 0 and (self.init or policy != "Always")) or policy == "Never":
                return
            if time.monotonic() - self._began > FORGIVEN_AFTER:
                self._back_off.reset()
            await self._wait_to_restart(self._back_off.next())
            self.restarts += 1

    async def stop(self, seconds: float, why: str) -> None:
        """End the process: preStop, SIGTERM, and SIGKILL to the group when the seconds of grace are over."""
        process = self._process
        if process is None or "running" not in self.state:
            return
        self._event("Normal", "Killing", why)
        deadline = time.monotonic() + seconds
        hook = (self.spec.get("lifecycle") or {}).get("preStop")
        if hook and seconds > 0 and self._stopping in (None, asyncio.current_task()):
            try:
                await asyncio.wait_for(self._target().ask(hook, seconds), seconds)
            except (Failed, TimeoutError) as error:
                self._event("Warning", "FailedPreStopHook", f"PreStopHook failed: {error}")
        process.signal(signal.SIGTERM)
        # Kubernetes leaves two seconds even where the hook has used up the grace period.
        left = max(deadline - time.monotonic(), min(2.0, seconds))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.ended(), left)
        process.signal(signal.SIGKILL)
        self._finish(await process.ended())

    def kill(self) -> None:
        """End the process group at once."""
        if self._process is not None:
            self._process.signal(signal.SIGKILL)

    async def _wait_for_image(self) -> None:
        reference, back_off = self.spec["image"], BackOff(self.worker.kubelet.back_off)
        if why := problem(reference):
            message = (
                f'Failed to apply default image tag "{reference}": couldn\'t parse image name "{reference}": {why}'
            )
            self._event("Warning", "InspectFailed", message)
            self._event("Warning", "Failed", "Error: InvalidImageName")
            self._wait_because("InvalidImageName", message)
            await asyncio.Event().wait()  # the name of an image may change, and that is another pod's
        back_off.next()  # an image that was not there is not there the next moment either
        while (image := self.worker.kubelet.images.find(reference)) is None:
            if self.spec.get("imagePullPolicy") == "Never":
                reason, again = "ErrImageNeverPull", "ErrImageNeverPull"
                why = f'Container image "{reference}" is not present with pull policy of Never'
            else:
                reason, again = "ErrImagePull", "ImagePullBackOff"
                why = f'Failed to pull image "{reference}": localcluster pulls nothing; build it with'
                why += f" `localcluster build CONTEXT -t {reference}`"
            if again == reason:
                self._event("Warning", reason, why)
            else:
                self._event("Normal", "Pulling", f'Pulling image "{reference}"')
                self._event("Warning", "Failed", why)
            self._event("Warning", "Failed", f"Error: {reason}")
            self._wait_because(reason, why)
            await asyncio.sleep(min(1.0, self.worker.kubelet.back_off))
            if again != reason:
                self._event("Normal", "BackOff", f'Back-off pulling image "{reference}"')
                self._event("Warning", "Failed", f"Error: {again}")
                self._wait_because(again, f'Back-off pulling image "{reference}": {reason}: {why}')
            await asyncio.sleep(back_off.next())
        self.image = image
        message = f'Container image "{reference}" already present on machine and can be accessed by the pod'
        self._event("Normal", "Pulled", message)

    async def _wait_to_restart(self, seconds: float) -> None:
        if not seconds:
            return
        namespace, name = self.worker.key
        pod = f"{name}_{namespace}({self.worker.uid})"
        message = f"back-off {seconds:g}s restarting failed container={self.name} pod={pod}"
        self._wait_because("CrashLoopBackOff", message)
        self._event("Warning", "BackOff", f"Back-off restarting failed container {self.name} in pod {pod}")
        await asyncio.sleep(seconds)

    async def _start(self) -> None:
        """Start the process, once what it refers to is there."""
        self.ended.clear()
        self._process = self._stopping = None
        while True:
            try:
                assert self.image is not None
                await in_a_thread(functools.partial(copy_image, self.image.root, self.root))
                argv, folder = self._prepare()
                break
            except (MissingReferenceError, OutsideError) as error:
                self._event("Warning", "Failed", f"Error: {error}")
                self._wait_because("CreateContainerConfigError", str(error))
            except (OSError, ValueError) as error:  # of names that are no names of files, say
                self._event("Warning", "Failed", f"Error: {why_not(error)}")
                self._wait_because("CreateContainerError", why_not(error))
            await asyncio.sleep(2)
        if "terminated" in self.state:
            self.last = self.state
        self._event("Normal", "Created", "Container created")
        self._began = time.monotonic()
        try:
            self._process = Process(argv, self._env, folder, self.log(self.restarts))
        except (OSError, ValueError) as error:  # ValueError: of a zero byte
            self._fail_to_start(argv[0], error)
            return
        self.log(self.restarts - 2).unlink(missing_ok=True)
        self.state = {"running": {"startedAt": now()}}
        self._event("Normal", "Started", "Container started")
        probes = {kind: self.spec.get(f"{kind}Probe") for kind in ("startup", "liveness", "readiness")}
        self.started = probes["startup"] is None
        self._passed_startup = asyncio.Event()
        if self.started:
            self._passed_startup.set()
        self.ready = self.started and probes["readiness"] is None
        self.worker.report()
        if hook := (self.spec.get("lifecycle") or {}).get("postStart"):
            self._probing.append(asyncio.create_task(self._post_start(hook), name="postStart"))
        for kind, probe in probes.items():
            if probe:
                self._probing.append(asyncio.create_task(self._probe(kind, probe), name=kind))

    def _fail_to_start(self, program: str, error: OSError | ValueError) -> None:
        words = "executable file not found in $PATH" if isinstance(error, FileNotFoundError) else why_not(error)
        message = f'exec: "{program}": {words}'
        self._event("Warning", "Failed", f"Error: {message}")
        ended = {"exitCode": 128, "reason": "StartError", "message": message, "startedAt": EPOCH, "finishedAt": now()}
        self.state = {"terminated": {**ended, "containerID": self._id()}}
        self.ended.set()
        self.worker.report()

    def _finish(self, code: int) -> None:
        """Take note that the process has ended."""
        if "running" not in self.state:
            return
        for task in self._probing:
            if task is not asyncio.current_task():
                task.cancel()
        self._probing = []
        output = tail(self.log(self.restarts))
        ended = {"exitCode": code, "reason": "Error" if code else "Completed", "containerID": self._id()}
        ended |= {"startedAt": self.state["running"]["startedAt"], "finishedAt": now()}
        if code and self.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError" and output:
            ended["message"] = output
        taken = taken_address(output) if code else None
        if taken:
            hint = self.worker.kubelet.address_hint
            remark(self.log(self.restarts), f"localcluster: {hint}")
            ended["message"] = f"{ended.get('message', taken)} - {hint}"
            self._event("Warning", "AddressInUse", f"{taken} - {hint}")
        self.state = {"terminated": ended}
        self.ready = self.started = False
        self.ended.set()
        self.worker.report()

    # -- probes

    async def _probe(self, kind: str, probe: Object) -> None:
        """Ask a probe every period, and act when its answer has been another one often enough."""
        failures = successes = 0
        period, seconds = probe.get("periodSeconds", 10), probe.get("timeoutSeconds", 1)
        await asyncio.sleep(probe.get("initialDelaySeconds", 0))
        if kind != "startup":
            await self._passed_startup.wait()
        tick = time.monotonic()
        while True:
            try:
                await self._target().ask(probe, seconds)
                failures, successes = 0, successes + 1
            except Failed as answer:
                failures, successes = failures + 1, 0
                self._event("Warning", "Unhealthy", f"{kind.capitalize()} probe failed: {answer}")
            if successes >= probe.get("successThreshold", 1):
                self._pass(kind)
                if kind == "startup":
                    return
            if failures >= probe.get("failureThreshold", 3):
                self._miss(kind, probe)
                if kind != "readiness":
                    return
            tick = max(tick + period, time.monotonic())
            await asyncio.sleep(tick - time.monotonic())

    def _pass(self, kind: str) -> None:
        before = self.started, self.ready
        if kind == "startup":
            self.started = True
            self._passed_startup.set()
        if kind == "readiness" or (kind == "startup" and "readinessProbe" not in self.spec):
            self.ready = True
        if before != (self.started, self.ready):
            self.worker.report()

    def _miss(self, kind: str, probe: Object) -> None:
        if kind == "readiness":
            if self.ready:
                self.ready = False
                self.worker.report()
            return
        grace = self.worker.pod["spec"].get("terminationGracePeriodSeconds", 30)
        why = f"Container {self.name} failed {kind} probe, will be restarted"
        seconds = probe.get("terminationGracePeriodSeconds", grace)
        self._stopping = asyncio.ensure_future(self.stop(seconds, why))

    async def _post_start(self, hook: Object) -> None:
        try:
            await self._target().ask(hook, 60)
        except Failed as error:
            self._event("Warning", "FailedPostStartHook", f"PostStartHook failed: {error}")
            await self.stop(30, "FailedPostStartHook")

    def stop_restarting_probes(self) -> None:
        """Leave only readiness to be asked: a pod that is going is not restarted any more."""
        for task in self._probing:
            if task.get_name() != "readiness":
                task.cancel()

    def _target(self) -> Target:
        return Target(self.spec, self.worker.address, self.worker.real_port, self._launch)

    def _launch(self, command: list[str]) -> Process:
        argv = [argument(self.root, self._mounts, word) for word in command]
        return Process(argv, self._env, self._place, self.folder / "exec.log")

    # -- folder, environment, command line

    @property
    def folder(self) -> Path:
        """Return where the container's files are."""
        return self.worker.folder / "containers" / self.name

    @property
    def root(self) -> Path:
        """Return the folder that stands for the container's file system."""
        return self.folder / "root"

    def log(self, restart: int) -> Path:
        """Return the log of the process that was started after so many restarts."""
        return self.folder / f"{restart}.log"

    def _prepare(self) -> tuple[list[str], Path]:
        """Lay the container's folder out; returns command line and working directory.

        Raises MissingReferenceError, OutsideError, and OSError.
        """
        image, worker, spec = self.image, self.worker, self.spec
        assert image is not None
        services = worker.kubelet.store.list(SERVICE, worker.pod["metadata"]["namespace"])
        shared = worker.folder / "tmp"
        shared.mkdir(parents=True, exist_ok=True)
        base = {
            **base_variables(worker.pod, str(shared)),
            **service_variables(services, worker.kubelet.service_port),
            **image.variables(),
            **listening_variables(spec, worker.address, worker.ports),
        }
        env = variables(worker.kubelet.store, worker.pod, spec, base)
        mounts = self._mounts = link_mounts(self.root, spec, worker.folder / "volumes")
        command = [expand(word, env) for word in spec.get("command") or image.entrypoint]
        default = [] if spec.get("command") else image.command
        args = [expand(word, env) for word in spec.get("args") or default]
        workdir = spec.get("workingDir") or image.workdir
        for path in unseen_mounts(mounts, workdir, [*command, *args, *env.values()]):
            message = f"container {self.name} does not find {path}: localcluster has no mounts, this one is at"
            advice = f"use a path relative to {workdir}, or give {path} to the process in an argument or a variable"
            self._event("Warning", "MountNotVisible", f"{message} {self.root}{path}; {advice}")
        if TMP in mounts:
            env["TMPDIR"] = str(TMP)
        self._env = {k: variable(self.root, mounts, k, v) for k, v in env.items()} | worker.marks
        self._place = place_of(mounts, workdir)
        self._place.mkdir(parents=True, exist_ok=True)
        argv = [argument(self.root, mounts, word) for word in [*command, *args]]
        if not argv:
            raise MissingReferenceError(f"no command specified: neither {spec['image']} nor the pod says what to run")
        return argv, self._place

    # -- status

    def status(self) -> dict[str, Any]:
        """Return the container's entry in the pod's status."""
        status: dict[str, Any] = {
            "name": self.name,
            "image": self.spec["image"],
            "imageID": self.image.digest if self.image else "",
            "lastState": self.last,
            "ready": self.ready,
            "restartCount": self.restarts,
            "started": self.started,
            "state": self.state,
        }
        if self._began:
            status["containerID"] = self._id()
        if self.init:
            status["ready"] = self.state.get("terminated", {}).get("exitCode") == 0
        return status

    def _id(self) -> str:
        text = f"{self.worker.uid}/{self.name}/{self.restarts}"
        return f"localcluster://{hashlib.sha256(text.encode()).hexdigest()}"

    def _wait_because(self, reason: str, message: str) -> None:
        if "terminated" in self.state:
            self.last = self.state
        self.state = {"waiting": {"reason": reason, "message": message}}
        self.worker.report()

    def _event(self, kind: str, reason: str, message: str) -> None:
        where = f"spec.{'initContainers' if self.init else 'containers'}{{{self.name}}}"
        record = self.worker.recorder.normal if kind == "Normal" else self.worker.recorder.warning
        record(self.worker.pod, reason, message, where)


async def in_a_thread(work: Callable[[], None]) -> None:
    """Do what blocks in a thread. A cancellation waits for its end: whoever cleans up then finds all of it."""
    doing = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(doing)
    except asyncio.CancelledError:
        await asyncio.wait({doing})
        raise


def copy_image(image: Path, root: Path) -> None:
    """Make a container's folder anew from an image's; raises OSError."""
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(image, root, symlinks=True)


def why_not(error: OSError | ValueError) -> str:
    """Return an error's own words, without its number."""
    return str(getattr(error, "strerror", None) or error)
