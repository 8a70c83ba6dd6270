"""The status of a container as Kubernetes words it, and the Events about it."""

import hashlib
from collections.abc import Callable
from typing import Any

from localcluster.apimachinery.objects import Object, now
from localcluster.kubelet.pod_context import PodContext

EPOCH = "1970-01-01T00:00:00Z"


class ContainerStatus:
    """The status of one container.

    Attributes:
        state: the present state: `waiting`, `running` or `terminated`.
        last_state: how the process before the present one ended.
        restarts: how often the container was started again.
        ready: whether the container is ready.
        started: whether it has passed its startup probe.
        image_id: the digest of its image; empty before the image was found.
    """

    def __init__(
        self,
        pod: PodContext,
        spec: Object,
        *,
        init: bool,
        record: Callable[[str, str, str, str], None],
        report: Callable[[], None],
    ) -> None:
        """`record` writes an Event (type, reason, message, field), `report` writes the changed status."""
        self.pod = pod
        self.spec = spec
        self.name: str = spec["name"]
        self.init = init
        self.report = report
        waiting = "PodInitializing" if pod.spec.get("initContainers") else "ContainerCreating"
        self.state: dict[str, Any] = {"waiting": {"reason": waiting}}
        self.last_state: dict[str, Any] = {}
        self.restarts = 0
        self.ready = self.started = False
        self.image_id = ""
        self._record = record
        self._was_created = False

    @property
    def is_running(self) -> bool:
        """Return whether its process runs."""
        return "running" in self.state

    @property
    def exit_code(self) -> int | None:
        """Return the exit code of a container that has ended, None of others."""
        code: int | None = self.state.get("terminated", {}).get("exitCode")
        return code

    @property
    def waiting_reason(self) -> str:
        """Return why the container waits; empty when it does not."""
        return str(self.state.get("waiting", {}).get("reason", ""))

    def normal(self, reason: str, message: str) -> None:
        """Write an Event of type Normal about the container."""
        self._record("Normal", reason, message, self._field)

    def warning(self, reason: str, message: str) -> None:
        """Write an Event of type Warning about the container."""
        self._record("Warning", reason, message, self._field)

    @property
    def _field(self) -> str:
        return f"spec.{'initContainers' if self.init else 'containers'}{{{self.name}}}"

    def waits(self, reason: str, message: str) -> None:
        """Set the state to waiting."""
        self._keep_last_state()
        self.state = {"waiting": {"reason": reason, "message": message}}
        self.report()

    def created(self) -> None:
        """Record that the container was created."""
        self._keep_last_state()
        self._was_created = True
        self.normal("Created", "Container created")

    def runs(self) -> None:
        """Set the state to running. The caller sets `ready` and `started`, and then reports."""
        self.state = {"running": {"startedAt": now()}}
        self.normal("Started", "Container started")

    def could_not_start(self, message: str) -> None:
        """Set the state to terminated, because the process could not be started."""
        self.warning("Failed", f"Error: {message}")
        ended = {"exitCode": 128, "reason": "StartError", "message": message, "startedAt": EPOCH, "finishedAt": now()}
        self.state = {"terminated": {**ended, "containerID": self._id()}}

    def ended(self, code: int, message: str) -> None:
        """Set the state to terminated, because the process has ended."""
        ended = {"exitCode": code, "reason": "Error" if code else "Completed", "containerID": self._id()}
        ended |= {"startedAt": self.state["running"]["startedAt"], "finishedAt": now()}
        self.state = {"terminated": {**ended, **({"message": message} if message else {})}}
        self.ready = self.started = False

    def _keep_last_state(self) -> None:
        if "terminated" in self.state:
            self.last_state = self.state

    def to_json(self) -> Object:
        """Return the container's entry in the pod's status."""
        status: Object = {
            "name": self.name,
            "image": self.spec["image"],
            "imageID": self.image_id,
            "lastState": self.last_state,
            "ready": self.exit_code == 0 if self.init else self.ready,
            "restartCount": self.restarts,
            "started": self.started,
            "state": self.state,
        }
        return {**status, "containerID": self._id()} if self._was_created else status

    def _id(self) -> str:
        text = f"{self.pod.uid}/{self.name}/{self.restarts}"
        return f"localcluster://{hashlib.sha256(text.encode()).hexdigest()}"
