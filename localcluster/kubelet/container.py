"""A container of a pod: one process after the other, from its image to its end.

Not as in Kubernetes: limits of memory and CPU are not enforced, users, capabilities and read-only file systems not
set, and a process that does not handle SIGTERM ends by it at once (as process 1 of a container it would ignore it).
"""

import asyncio
import contextlib
import functools
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

from localcluster.apimachinery.objects import Object
from localcluster.images.rootfs import OutsideError
from localcluster.images.store import Image, Images
from localcluster.kubelet.back_off import BackOff
from localcluster.kubelet.container_config import ContainerConfig, configure
from localcluster.kubelet.container_status import ContainerStatus
from localcluster.kubelet.environment import Environment
from localcluster.kubelet.image_manager import ensure_image
from localcluster.kubelet.logs import remark, tail, taken_address
from localcluster.kubelet.pod_context import PodContext
from localcluster.kubelet.prober import Prober
from localcluster.kubelet.probes import Failed, Target
from localcluster.kubelet.process import Process
from localcluster.kubelet.references import MissingReferenceError

BACK_OFF_RESET = 600.0  # seconds of running after which the back-off starts again
ADDRESS_HINT = "pods share this machine: listen on $HOST:$PORT, not on 0.0.0.0 or a fixed port"


class Container:
    """One container of a pod.

    Attributes:
        status: its state, and what Kubernetes says of it.
        ended: set while no process runs and the log is complete.
    """

    def __init__(
        self,
        pod: PodContext,
        spec: Object,
        *,
        images: Images,
        environment: Environment,
        record: Callable[[str, str, str, str], None],
        report: Callable[[], None],
        init: bool,
    ) -> None:
        """`record` writes an Event (type, reason, message, field), `report` writes the changed status."""
        self.name: str = spec["name"]
        self.spec = spec
        self.status = ContainerStatus(pod, spec, init=init, record=record, report=report)
        self.ended = asyncio.Event()
        self._pod = pod
        self._images = images
        self._environment = environment
        self._folder: Path = pod.folder / "containers" / self.name
        self._process: Process | None = None
        self._config: ContainerConfig | None = None
        self._prober: Prober | None = None
        self._post_start: asyncio.Task[None] | None = None
        self._back_off = BackOff(pod.back_off)
        self._began = 0.0
        self._stopping: asyncio.Task[None] | None = None  # set when a failed probe stops the process

    async def live(self) -> None:
        """Run the container, and restart it as the restart policy says; returns when there is no further restart."""
        while True:
            await self._start(await ensure_image(self._images, self.status))
            if self._process is not None:
                self._finish(await self._process.ended())
            policy = self._pod.spec.get("restartPolicy", "Always")
            succeeded = self.status.exit_code == 0
            if policy == "Never" or (succeeded and (self.status.init or policy != "Always")):
                return
            if time.monotonic() - self._began > BACK_OFF_RESET:
                self._back_off.reset()
            await self._wait_to_restart(self._back_off.next())
            self.status.restarts += 1

    async def stop(self, seconds: float, why: str) -> None:
        """Stop the process: preStop, SIGTERM, and SIGKILL to its group after the grace period (in seconds)."""
        process = self._process
        if process is None or not self.status.is_running:
            return
        self.status.normal("Killing", why)
        deadline = time.monotonic() + seconds
        hook = (self.spec.get("lifecycle") or {}).get("preStop")
        if hook and seconds > 0 and self._stopping in (None, asyncio.current_task()):
            try:
                await asyncio.wait_for(self._target().ask(hook, seconds), seconds)
            except (Failed, TimeoutError) as error:
                self.status.warning("FailedPreStopHook", f"PreStopHook failed: {error}")
        process.signal(signal.SIGTERM)
        # Kubernetes leaves two seconds even if the hook has used up the grace period.
        left = max(deadline - time.monotonic(), min(2.0, seconds))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.ended(), left)
        process.signal(signal.SIGKILL)
        self._finish(await process.ended())

    def kill(self) -> None:
        """Kill the process group immediately."""
        if self._process is not None:
            self._process.signal(signal.SIGKILL)

    def stop_restarting(self) -> None:
        """Keep only the readiness probe: containers of a pod that is being deleted are not restarted."""
        if self._prober is not None:
            self._prober.stop(keep="readiness")
        if self._post_start is not None:
            self._post_start.cancel()

    def log(self, restart: int) -> Path:
        """Return the log of the process after so many restarts."""
        return self._folder / f"{restart}.log"

    async def _start(self, image: Image) -> None:
        """Start the process as soon as everything that it refers to exists."""
        self.ended.clear()
        self._process = self._stopping = None
        config = self._config = await self._create(image)
        self.status.created()
        self._began = time.monotonic()
        log = self.log(self.status.restarts)
        try:
            self._process = Process(config.argv, config.env, config.folder, log)
        except (OSError, ValueError) as error:  # ValueError: an argument contains a zero byte
            is_missing = isinstance(error, FileNotFoundError)
            why = "executable file not found in $PATH" if is_missing else _reason(error)
            self.status.could_not_start(f'exec: "{config.argv[0]}": {why}')
            self.ended.set()
            self.status.report()
            return
        self.log(self.status.restarts - 2).unlink(missing_ok=True)
        self.status.runs()
        self._prober = Prober(self.status, self._target(), self._restart)
        self.status.report()
        if hook := (self.spec.get("lifecycle") or {}).get("postStart"):
            self._post_start = asyncio.create_task(self._run_post_start(hook))
        self._prober.start()

    async def _create(self, image: Image) -> ContainerConfig:
        """Copy the image and return how to start the process; waits for what is missing."""
        root = self._folder / "root"
        while True:
            try:
                await _in_a_thread(functools.partial(_copy_image, image.root, root))
                config = configure(self._pod, self.spec, image, root, self._environment)
            except (MissingReferenceError, OutsideError) as error:
                reason, why = "CreateContainerConfigError", str(error)
            except (OSError, ValueError) as error:  # ValueError: an invalid file name, say
                reason, why = "CreateContainerError", _reason(error)
            else:
                for text in config.hidden_mounts:
                    self.status.warning("MountNotVisible", text)
                return config
            self.status.warning("Failed", f"Error: {why}")
            self.status.waits(reason, why)
            await asyncio.sleep(2)

    async def _wait_to_restart(self, seconds: float) -> None:
        if not seconds:
            return
        pod = f"{self._pod.name}_{self._pod.namespace}({self._pod.uid})"
        message = f"back-off {seconds:g}s restarting failed container={self.name} pod={pod}"
        self.status.waits("CrashLoopBackOff", message)
        self.status.warning("BackOff", f"Back-off restarting failed container {self.name} in pod {pod}")
        await asyncio.sleep(seconds)

    def _finish(self, code: int) -> None:
        """Record that the process has ended."""
        if not self.status.is_running:
            return
        assert self._prober is not None
        self._prober.stop()
        if self._post_start is not None and self._post_start is not asyncio.current_task():
            self._post_start.cancel()
        self._prober = self._post_start = None
        log = self.log(self.status.restarts)
        output = tail(log)
        shows_log = self.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError"
        message = output if code and shows_log else ""
        if code and (taken := taken_address(output)):
            remark(log, f"localcluster: {ADDRESS_HINT}")
            message = f"{message or taken} - {ADDRESS_HINT}"
            self.status.warning("AddressInUse", f"{taken} - {ADDRESS_HINT}")
        self.status.ended(code, message)
        self.ended.set()
        self.status.report()

    def _restart(self, kind: str, probe: Object) -> None:
        """End the process after a failed probe; `live` starts the next one."""
        grace = "terminationGracePeriodSeconds"
        seconds = {grace: 30, **self._pod.spec, **probe}[grace]
        why = f"Container {self.name} failed {kind} probe, will be restarted"
        self._stopping = asyncio.ensure_future(self.stop(seconds, why))

    async def _run_post_start(self, hook: Object) -> None:
        try:
            await self._target().ask(hook, 60)
        except Failed as error:
            self.status.warning("FailedPostStartHook", f"PostStartHook failed: {error}")
            await self.stop(30, "FailedPostStartHook")

    def _target(self) -> Target:
        return Target(self.spec, self._pod.address, self._pod.real_port, self._launch)

    def _launch(self, command: list[str]) -> Process:
        """Start a command in the container, for a probe or a hook."""
        config = self._config
        assert config is not None
        return Process(config.translated(command), config.env, config.folder, self._folder / "exec.log")


async def _in_a_thread(work: Callable[[], None]) -> None:
    """Run blocking work in a thread. A cancellation waits for its end, so that a clean-up finds all files."""
    doing = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(doing)
    except asyncio.CancelledError:
        await asyncio.wait({doing})
        raise


def _copy_image(image: Path, root: Path) -> None:
    """Replace a container's folder by a copy of its image's; raises OSError."""
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(image, root, symlinks=True)


def _reason(error: OSError | ValueError) -> str:
    """Return the message of an error, without its number."""
    return str(getattr(error, "strerror", None) or error)
