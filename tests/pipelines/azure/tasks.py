"""What only the vendor provides: Azure's tasks, as their documented calls of kubectl, or as the test's answer."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml
from jsonschema import Draft7Validator

from e2e.task import Object, Task
from tests.pipelines.azure.expressions import UnknownError
from tests.pipelines.workbench import REGISTRY, Workbench

Answer = Literal["approve", "reject", "time out"]
CLUSTER, REGISTRY_CONNECTION = "azure-pipelines-canary-k8s", "azure-pipelines-canary-acr"
REGISTRY_USER, REGISTRY_PASSWORD = "robot", "of-the-registry-connection"


class TaskFailedError(Exception):
    """A task failed; its message is in the log."""


@dataclass
class Agent:
    """What a task works with.

    Attributes:
        workbench: the cluster and its images.
        folder: the job's working folder.
        temporary: the job's folder for temporary files.
        answer: what the person does whom the pipeline asks; None if it must ask nobody.
        set_variable: sets a variable of the job.
        on_server: whether the job runs without an agent.
        minutes: time limits of the step and of its job.
    """

    workbench: Workbench
    folder: Path
    temporary: Path
    answer: Answer | None
    set_variable: Callable[[str, str], None]
    on_server: bool
    minutes: tuple[int, int]


@cache
def _schema() -> dict[str, Any]:
    """Return the vendor's schema of pipelines, with the inputs of all tasks."""
    vendor = files("check_jsonschema") / "builtin_schemas" / "vendor" / "azure-pipelines.json"
    schema: dict[str, Any] = json.loads(vendor.read_text())
    return schema


def check_inputs(task: str, inputs: Mapping[str, str]) -> None:
    """Raise UnknownError unless the vendor's schema allows these inputs of the task."""
    for known in _schema()["definitions"]["task"]["anyOf"]:
        if re.search(known["properties"]["task"].get("pattern", "$^"), task):
            problems = [error.message for error in Draft7Validator(known["properties"]["inputs"]).iter_errors(inputs)]
            if problems:
                raise UnknownError(f"{task}: {'; '.join(problems)}")
            return
    raise UnknownError(f"task {task}: not in the vendor's schema")


def run_task(task: str, inputs: Mapping[str, str], agent: Agent) -> str:
    """Run a task; returns its log. Raises TaskFailedError, or UnknownError for what the runner does not know."""
    check_inputs(task, inputs)
    if task not in TASKS:
        raise UnknownError(f"task {task}")
    if agent.on_server != (task == "ManualValidation@1"):
        raise UnknownError(f"{task} {'does not run' if agent.on_server else 'runs only'} in a job without an agent")
    remaining = dict(inputs)
    try:
        log = TASKS[task](remaining, agent)
    except AssertionError as error:  # kubectl failed
        raise TaskFailedError(str(error)) from error
    if remaining:
        raise UnknownError(f"{task}: the runner ignores the inputs {', '.join(remaining)}")
    return log


def _expect(inputs: dict[str, str], **wanted: str) -> None:
    """Take inputs that must have these values."""
    for name, value in wanted.items():
        if (found := inputs.pop(name, None)) != value:
            raise UnknownError(f"{name} {found}, where the runner knows only {value}")


def _docker(inputs: dict[str, str], agent: Agent) -> str:
    _expect(inputs, command="buildAndPush", containerRegistry=REGISTRY_CONNECTION)
    context = agent.folder / inputs.pop("buildContext")
    if not (agent.folder / inputs.pop("Dockerfile")).samefile(context / "Dockerfile"):
        raise UnknownError("a Dockerfile outside of the build context")
    image = f"{REGISTRY}/{inputs.pop('repository')}:{inputs.pop('tags').strip()}"
    agent.workbench.build(context, image)
    return f"built and pushed {image}"


def _use_python(inputs: dict[str, str], agent: Agent) -> str:
    spec = inputs.pop("versionSpec")
    if not re.fullmatch(r">=\d+\.\d+", spec):
        raise UnknownError(f"versionSpec {spec}")
    wanted = tuple(int(part) for part in spec[2:].split("."))
    if sys.version_info < wanted:
        raise TaskFailedError(f"there is no Python {spec}")
    return f"Python {sys.version}"


def _kubectl_login(inputs: dict[str, str], agent: Agent) -> str:
    _expect(inputs, command="login", connectionType="Kubernetes Service Connection", kubernetesServiceEndpoint=CLUSTER)
    _expect(inputs, namespace=agent.workbench.namespace.name)
    kubeconfig = agent.temporary / "kubeconfig"
    shutil.copy(agent.workbench.login or agent.workbench.namespace.kubeconfig, kubeconfig)
    agent.set_variable("KUBECONFIG", str(kubeconfig))
    return "logged in"


def _manual_validation(inputs: dict[str, str], agent: Agent) -> str:
    inputs.pop("notifyUsers")
    instructions, on_timeout = inputs.pop("instructions"), inputs.pop("onTimeout")
    step, job = agent.minutes
    if not 0 < step < job:
        raise UnknownError(f"the task's time limit ({step} min) must be below the job's ({job} min)")
    if agent.answer is None:
        raise UnknownError("the pipeline asks a person, and the test has no answer")
    if agent.answer == "reject" or (agent.answer == "time out" and on_timeout == "reject"):
        raise TaskFailedError(f"{instructions}\nrejected: {agent.answer}")
    return f"{instructions}\nresumed: {agent.answer}"


def _kubernetes_manifest(inputs: dict[str, str], agent: Agent) -> str:
    action = inputs.pop("action")
    _expect(inputs, connectionType="kubernetesServiceConnection", kubernetesServiceConnection=CLUSTER)
    _expect(inputs, namespace=agent.workbench.namespace.name)
    if action == "createSecret":
        _expect(inputs, secretType="dockerRegistry", dockerRegistryEndpoint=REGISTRY_CONNECTION)
        return _create_secret(inputs.pop("secretName"), agent)
    strategy, objects = inputs.pop("strategy"), _objects(inputs.pop("manifests"), agent.folder)
    image, secrets = inputs.pop("containers", ""), inputs.pop("imagePullSecrets", "")
    _substitute(objects, image, secrets)
    task = Task(agent.workbench.namespace, tuple(objects), "azure-pipelines/version")
    match action, strategy:
        case "deploy", "canary":
            (deployment,) = (one for one in objects if one["kind"] == "Deployment")
            task.deploy(image, int(deployment["spec"]["replicas"] * int(inputs.pop("percentage")) / 100 + 0.5))
        case "deploy", "none":
            task.namespace.apply(*objects)
            for one in objects:
                if one["kind"] == "Deployment":
                    name = one["metadata"]["name"]
                    task.namespace.kubectl("rollout", "status", f"deployment/{name}", "--timeout=120s")
        case "promote", "canary":
            task.promote(image)
        case "reject", "canary":
            task.reject()
        case _:
            raise UnknownError(f"KubernetesManifest@1: {action} with strategy {strategy}")
    return f"{action}: done"


def _create_secret(name: str, agent: Agent) -> str:
    """Create the Secret, as the task does, from the service connection."""
    kubectl = agent.workbench.namespace.kubectl
    login = (
        f"--docker-server={REGISTRY}",
        f"--docker-username={REGISTRY_USER}",
        f"--docker-password={REGISTRY_PASSWORD}",
    )
    made = kubectl("create", "secret", "docker-registry", name, *login, "--dry-run=client", "-o", "json")
    kubectl("apply", "-f", "-", stdin=made)
    return f"secret {name} is created"


def _objects(patterns: str, folder: Path) -> list[Object]:
    """Return the objects in files, each line a path or a pattern."""
    paths = [path for line in patterns.split() for path in sorted(folder.glob(line))]
    if not paths:
        raise TaskFailedError(f"no manifest file matches {patterns}")
    return [one for path in paths for one in yaml.safe_load_all(path.read_text()) if one]


def _substitute(objects: list[Object], image: str, secrets: str) -> None:
    """Set the tag where the manifests have the image's name, and the Secrets to pull it with."""
    name, replaced = image.rpartition(":")[0], not image
    for pod in [one["spec"]["template"]["spec"] for one in objects if one["kind"] == "Deployment"]:
        if secrets:
            pod["imagePullSecrets"] = [{"name": secret} for secret in secrets.split()]
        for container in pod["containers"]:
            if image and container["image"].partition(":")[0] == name:
                container["image"], replaced = image, True
    if not replaced:
        raise TaskFailedError(f"no container has the image {name}: the task would deploy the manifests unchanged")


TASKS: dict[str, Callable[[dict[str, str], Agent], str]] = {
    "Docker@2": _docker,
    "KubernetesManifest@1": _kubernetes_manifest,
    "Kubernetes@1": _kubectl_login,
    "ManualValidation@1": _manual_validation,
    "UsePythonVersion@0": _use_python,
}
