"""Workflows and composite actions as values. A key that the runner does not know is an error."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_WORKFLOW = {"name", "on", "permissions", "concurrency", "env", "jobs"}
_JOB = {
    "name",
    "needs",
    "if",
    "environment",
    "runs-on",
    "timeout-minutes",
    "permissions",
    "outputs",
    "steps",
}
_STEP = {"name", "id", "if", "uses", "with", "run", "shell", "working-directory", "env"}
_ACTION = {"name", "description", "inputs", "outputs", "runs"}
_INPUT = {"description", "required", "default"}
_RUNNERS = ("ubuntu-24.04",)


class WorkflowError(Exception):
    """The workflow has something that GitHub refuses, or that the runner does not know."""


@dataclass(frozen=True)
class Step:
    """One step of a job or of a composite action.

    Attributes:
        label: its name, for messages.
        id: its name in `steps.…`, empty if it has none.
        condition: its `if`, None if it has none.
        uses: the action, empty for a script.
        inputs: of the action.
        script: of a script step.
        shell: of a script step, empty for the default.
        folder: where the script runs, empty for the workspace.
        env: variables of this step.
    """

    label: str
    id: str
    condition: object
    uses: str
    inputs: Mapping[str, object]
    script: str
    shell: str
    folder: str
    env: Mapping[str, object]


@dataclass(frozen=True)
class Job:
    """A job.

    Attributes:
        id: its name in `needs.…`.
        needs: names of the jobs before it.
        condition: its `if`, None if it has none.
        environment: whose protection rules hold it up, empty for none.
        permissions: of its token, `read` or `write` by scope.
        outputs: expressions by name.
        steps: in their order.
    """

    id: str
    needs: tuple[str, ...]
    condition: object
    environment: str
    permissions: Mapping[str, str]
    outputs: Mapping[str, str]
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Workflow:
    """A workflow: what the runner needs of it.

    Attributes:
        env: variables of all jobs.
        dispatch_inputs: defaults of the inputs of a start by hand.
        jobs: by name, each after those that it needs.
    """

    env: Mapping[str, object]
    dispatch_inputs: Mapping[str, object]
    jobs: Mapping[str, Job]


@dataclass(frozen=True)
class CompositeAction:
    """A composite action.

    Attributes:
        inputs: whether it is required, and its default, by name.
        outputs: expressions by name.
        steps: in their order.
    """

    inputs: Mapping[str, tuple[bool, str]]
    outputs: Mapping[str, str]
    steps: tuple[Step, ...]


def read_workflow(text: str) -> Workflow:
    """Return the workflow of a YAML text."""
    content = yaml.safe_load(text)
    content["on"] = content.pop(True)  # YAML 1.1 reads `on` as true
    _check_keys("workflow", content, _WORKFLOW)
    permissions = content["permissions"]
    waiting = {name: _job(name, one, permissions) for name, one in content["jobs"].items()}
    jobs: dict[str, Job] = {}
    while waiting:
        ready = [name for name, job in waiting.items() if all(before in jobs for before in job.needs)]
        if not ready:
            raise WorkflowError(f"jobs need each other, or one that does not exist: {', '.join(waiting)}")
        jobs |= {name: waiting.pop(name) for name in ready}
    started_by = content["on"] if isinstance(content["on"], dict) else {content["on"]: None}
    dispatch = (started_by.get("workflow_dispatch") or {}).get("inputs", {})
    defaults = {name: given.get("default") for name, given in dispatch.items()}
    return Workflow(content.get("env", {}), defaults, jobs)


def read_action(path: Path) -> CompositeAction:
    """Return the composite action of a file."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    _check_keys("action", content, _ACTION)
    if content["runs"]["using"] != "composite":
        raise WorkflowError(f"{path}: not a composite action")
    inputs = {}
    for name, given in content["inputs"].items():
        _check_keys(f"input {name}", given, _INPUT)
        inputs[name] = (bool(given.get("required", False)), str(given.get("default", "")))
    outputs = {name: given["value"] for name, given in content.get("outputs", {}).items()}
    steps = tuple(_step(step) for step in content["runs"]["steps"])
    for step in steps:
        if step.script and not step.shell:
            raise WorkflowError(f"{path}: {step.label}: a script of a composite action needs a shell")
    return CompositeAction(inputs, outputs, steps)


def _job(name: str, given: Mapping[str, Any], permissions: Mapping[str, str]) -> Job:
    _check_keys(f"job {name}", given, _JOB)
    if given["runs-on"] not in _RUNNERS:
        raise WorkflowError(f"job {name}: unknown runner {given['runs-on']}")
    needs = given.get("needs", [])
    return Job(
        name,
        (needs,) if isinstance(needs, str) else tuple(needs),
        given.get("if"),
        given.get("environment", ""),
        given.get("permissions", permissions),
        given.get("outputs", {}),
        tuple(_step(step) for step in given["steps"]),
    )


def _step(given: Mapping[str, Any]) -> Step:
    label = str(given.get("name") or given.get("uses") or given.get("run", "")).splitlines()[0]
    _check_keys(f"step {label!r}", given, _STEP)
    if ("uses" in given) == ("run" in given):
        raise WorkflowError(f"step {label!r}: either uses or run")
    return Step(
        label,
        given.get("id", ""),
        given.get("if"),
        given.get("uses", ""),
        given.get("with", {}),
        given.get("run", ""),
        given.get("shell", ""),
        given.get("working-directory", ""),
        given.get("env", {}),
    )


def _check_keys(what: str, given: Mapping[Any, Any], known: Collection[str]) -> None:
    if unknown := set(given) - set(known):
        raise WorkflowError(f"{what}: the runner does not know {', '.join(sorted(map(str, unknown)))}")
