"""What the workshop sees of a cluster: through kubectl, in one namespace."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

APP = "sampleapp"
IMAGE = "sampleapp"
"""The image in manifests/, without a tag. A fork has another one."""
DEFAULT = "workshop"
"""The namespace if nobody named one."""
VARIANT = "azure-pipelines/version"
Objects = list[dict[str, Any]]


class WorkshopError(Exception):
    """Something prevents a lesson; the message says what, and what to do."""


class NoClusterError(WorkshopError):
    """No cluster answers."""


def path() -> str:
    """Return a PATH with the commands of this environment."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"


def tool(name: str) -> str:
    """Return the path of a command of this environment, or of the machine; raises WorkshopError."""
    found = shutil.which(name, path=path())
    if found is None:
        raise WorkshopError(
            f"The command {name} is missing. Install it; for kubectl, canary and localcluster: make venv"
        )
    return found


def run(*command: str, stdin: str | None = None, folder: Path | None = None) -> str:
    """Return the output of a command; raises WorkshopError with what it said."""
    done = subprocess.run(
        [tool(command[0]), *command[1:]],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise failed(command, done.returncode, done.stderr or done.stdout)
    return done.stdout


def follow(*command: str, folder: Path, hear: Callable[[str], object]) -> None:
    """Run a command that takes long, and pass on each line that it says; raises WorkshopError with the last ones."""
    said = []
    with subprocess.Popen(
        [tool(command[0]), *command[1:]],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout
        for line in process.stdout:
            said.append(line)
            hear(line.rstrip())
    if process.returncode:
        raise failed(command, process.returncode, "".join(said))


def failed(command: Sequence[str], code: int, said: str) -> WorkshopError:
    """Return the error of a command that has failed, with the last lines of what it said."""
    last = "\n".join(said.strip().splitlines()[-5:])
    return WorkshopError(f"{' '.join(command[:4])} … failed (exit code {code}):\n{last}")


def connect() -> Cluster:
    """Return the cluster of the kubeconfig's context, and the namespace of $NAMESPACE or of the context.

    Raises:
        NoClusterError: no cluster answers.
        WorkshopError: $NAMESPACE is not a valid name, or kubectl cannot be run.
    """
    given = os.environ.get("NAMESPACE", "")
    if given and not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", given):
        raise WorkshopError(
            f"NAMESPACE={given} is not a valid name: use lower-case letters, digits and -, such as NAMESPACE=anna"
        )
    context = run("kubectl", "config", "view", "--minify", "-o", "json") if has_context() else "{}"
    (first, *_) = json.loads(context).get("contexts") or [{"context": {}}]
    used = first["context"].get("namespace") or "default"
    try:
        version = json.loads(run("kubectl", "get", "--raw", "/version", "--request-timeout=10s"))
    except WorkshopError as error:
        raise NoClusterError(f"{no_cluster()}\nkubectl says: {str(error).splitlines()[-1]}") from error
    return Cluster(given or (DEFAULT if used == "default" else used), used, version)


def has_context() -> bool:
    """Return whether the kubeconfig has a current context."""
    try:
        return bool(run("kubectl", "config", "current-context").strip())
    except WorkshopError:
        return False


def no_cluster() -> str:
    """Return what to do so that a cluster answers."""
    kubeconfig = os.environ.get("KUBECONFIG")
    export = "export KUBECONFIG=$(localcluster kubeconfig)"
    if not kubeconfig and localcluster_is_up():
        return f"This terminal does not know your cluster. Type:  {export}"
    where = f"KUBECONFIG={kubeconfig}" if kubeconfig else "KUBECONFIG is not set"
    return f"No cluster answers ({where}). To use localcluster, type:  localcluster up && {export}"


def localcluster_is_up() -> bool:
    """Return whether localcluster runs on this machine."""
    try:
        return "is up" in run("localcluster", "status")
    except WorkshopError:
        return False


@dataclass(frozen=True)
class Cluster:
    """A namespace of a cluster.

    Attributes:
        namespace: of the lessons.
        used: the namespace that kubectl and canary use without `--namespace`.
        version: what the API server says about itself.
    """

    namespace: str
    used: str
    version: dict[str, str]

    @cached_property
    def place(self) -> str:
        """`localcluster`, `kind` or `other`."""
        if self.version.get("gitVersion", "").endswith("+localcluster"):
            return "localcluster"
        return "kind" if self.kind_name else "other"

    @property
    def place_on_page(self) -> str:
        """The kind of cluster in the words of a page, which shows two."""
        return "localcluster" if self.place == "localcluster" else "kind"

    @cached_property
    def kind_name(self) -> str:
        """The name of the kind cluster; empty if it is none, or if the account may not see nodes."""
        try:
            nodes = json.loads(run("kubectl", "get", "nodes", "-o", "json"))["items"]
        except WorkshopError:
            return ""
        found = [re.fullmatch(r"kind://[^/]+/([^/]+)/.*", node["spec"].get("providerID", "")) for node in nodes]
        return next((one[1] for one in found if one), "")

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Return the output of kubectl in the namespace; raises WorkshopError."""
        return run("kubectl", "--namespace", self.namespace, *arguments, stdin=stdin)

    def exists(self) -> bool:
        """Return whether the namespace exists and is not being deleted."""
        found = run("kubectl", "get", "namespace", self.namespace, "--ignore-not-found", "-o", "json")
        return bool(found.strip()) and json.loads(found)["status"].get("phase") != "Terminating"

    def listed(self, kind: str) -> Objects:
        """Return the objects of a kind."""
        items: Objects = json.loads(self.kubectl("get", kind, "-o", "json"))["items"]
        return items

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """Return an object, or None if there is none."""
        found = self.kubectl("get", kind, name, "--ignore-not-found", "-o", "json")
        return json.loads(found) if found.strip() else None

    def all_pods(self) -> Objects:
        """Return the app's ready pods."""
        return [
            pod
            for pod in json.loads(self.kubectl("get", "pods", "-l", f"app={APP}", "-o", "json"))["items"]
            if "deletionTimestamp" not in pod["metadata"]
            and any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
        ]

    def pods(self, variant: str = "") -> Objects:
        """Return the ready pods of a variant; stable's have no label that names it."""
        return [pod for pod in self.all_pods() if pod["metadata"]["labels"].get(VARIANT, "") == variant]

    def counted(self) -> dict[str, float]:
        """Return how many requests each ready pod of the app has answered, by its name."""
        counts = {}
        for pod in self.all_pods():
            name = pod["metadata"]["name"]
            path = f"/api/v1/namespaces/{self.namespace}/pods/{name}:8000/proxy/metrics"
            with suppress(WorkshopError):  # it has just been deleted
                text = run("kubectl", "get", "--raw", path)
                counts[name] = sum(float(n) for n in re.findall(r"^requests_total\{.*\} (\S+)$", text, re.MULTILINE))
        return counts

    @cached_property
    def rates(self) -> dict[str, float]:
        """Requests per second to each pod, by its name, at the first look."""
        return self.measure()

    def measure(self) -> dict[str, float]:
        """Return the requests per second to each pod, by its name, within a second."""
        before, began = self.counted(), time.monotonic()
        time.sleep(1)
        seconds = time.monotonic() - began
        after = self.counted()
        return {name: (after[name] - before[name]) / seconds for name in after.keys() & before.keys()}

    def events(self, reason: str) -> list[str]:
        """Return the messages of the driver's Events with this reason, the oldest first."""
        found = [one for one in self.listed("events") if one.get("reason") == reason]
        return [one["message"] for one in sorted(found, key=lambda one: str(one["metadata"]["creationTimestamp"]))]

    @cached_property
    def status(self) -> dict[str, Any]:
        """What `canary status` says about the app; empty if it does not run."""
        found = json.loads(run("canary", "status", "--namespace", self.namespace, "--output", "json"))["workloads"]
        return next((one for one in found if one["name"] == APP), {})
