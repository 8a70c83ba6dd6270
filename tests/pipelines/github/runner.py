"""Runs a workflow as GitHub does: jobs after those that they need, steps in order, conditions, outputs, approvals."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.pipelines.github.actions import run_action
from tests.pipelines.github.expressions import Scope, Strict, Value
from tests.pipelines.github.machine import Machine
from tests.pipelines.github.workflow import Job, Step, Workflow, WorkflowError, read_action
from tests.pipelines.workbench import Workbench

TELLING = 40
"""Characters from which on a line of a secret is secret by itself: `apiVersion: v1` in a kubeconfig is not."""

APPROVED = "approved"
REJECTED = "rejected"
TIMED_OUT = "not approved within 30 days"
CANCELLED = "the run is cancelled while it waits"


@dataclass(frozen=True)
class Environment:
    """An environment of the repository.

    Attributes:
        review: returns what its required reviewers do, one of the four answers above.
        secrets: that only its jobs have; they hide the repository's secrets of the same name.
        variables: likewise.
    """

    review: Callable[[], str]
    secrets: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Ended:
    """How a job ended.

    Attributes:
        result: success, failure, cancelled or skipped.
        outputs: texts by name.
        log: everything that its steps printed.
        summary: its page.
    """

    result: str
    outputs: dict[str, str] = field(default_factory=dict)
    log: str = ""
    summary: str = ""


@dataclass
class Run:
    """One run of a workflow; `start` runs it, and `again` runs jobs of it again.

    Attributes:
        workflow: to run.
        repository: the folder with the repository's files.
        folder: for the machines and the artifacts.
        workbench: the cluster, and what is installed on machines.
        number: of the run.
        event: that started it, `push` or `workflow_dispatch`.
        ref_name: branch or tag.
        inputs: of a start by hand.
        variables: of the repository.
        secrets: of the repository.
        environments: of the repository, by name.
        published: folders with other repositories' files, by `owner/name`.
        cancel_at: a text in the output at which somebody cancels the run, None for never.
        jobs: how each job ended.
    """

    workflow: Workflow
    repository: Path
    folder: Path
    workbench: Workbench
    number: int = 1
    event: str = "push"
    ref_name: str = "main"
    inputs: Mapping[str, Value] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    environments: Mapping[str, Environment] = field(default_factory=dict)
    published: Mapping[str, Path] = field(default_factory=dict)
    cancel_at: str | None = None
    jobs: dict[str, Ended] = field(default_factory=dict)
    attempt: int = 0
    cancelled: bool = False

    @property
    def artifacts(self) -> Path:
        """The folder with the artifacts of all attempts."""
        return self.folder / "artifacts"

    @property
    def results(self) -> dict[str, str]:
        """How each job ended, in a word."""
        return {name: ended.result for name, ended in self.jobs.items()}

    def start(self) -> None:
        """Run all jobs."""
        self._run(self.workflow.jobs)

    def again(self, *names: str) -> None:
        """Run jobs again, and those that need them, as `Re-run job` on the page of the run does."""
        wanted = dict.fromkeys(names)
        for job in self.workflow.jobs.values():
            if any(before in wanted for before in job.needs):
                wanted[job.id] = None
        self._run([name for name in self.workflow.jobs if name in wanted])

    def _run(self, names: Mapping[str, Job] | list[str]) -> None:
        self.attempt += 1
        self.cancelled = False
        self.artifacts.mkdir(exist_ok=True)
        for name in names:
            self.jobs.pop(name, None)
        for name in names:
            self.jobs[name] = self._run_job(self.workflow.jobs[name])
        for secret in self._all_secrets():
            parts = [secret, *(line.strip() for line in secret.splitlines() if len(line) > TELLING)]
            leaks = [name for name, one in self.jobs.items() if any(part in one.log + one.summary for part in parts)]
            assert not leaks, f"the log of {leaks} has a secret"

    def _all_secrets(self) -> list[str]:
        given = [self.secrets, *(one.secrets for one in self.environments.values())]
        return [value for secrets in given for value in secrets.values()]

    def _run_job(self, job: Job) -> Ended:
        functions = {
            "always": lambda: True,
            "cancelled": lambda: self.cancelled,
            "success": lambda: (
                not self.cancelled and all(self.jobs[one].result == "success" for one in self._before(job))
            ),
            "failure": lambda: (
                not self.cancelled and any(self.jobs[one].result == "failure" for one in self._before(job))
            ),
        }
        contexts = self._contexts(job)
        if not Scope({name: contexts[name] for name in ("github", "inputs", "needs", "vars")}, functions).holds(
            job.condition
        ):
            return Ended("cancelled" if self.cancelled else "skipped")
        if job.environment:
            answer = self.environments[job.environment].review()
            if answer == CANCELLED:
                self.cancelled = True
                return Ended("cancelled")
            if answer != APPROVED:
                return Ended("failure", log=f"{answer}: {job.environment}\n")
        machine = Machine(
            self.workbench,
            self.folder / f"{job.id}-{self.attempt}",
            self.repository,
            self.artifacts,
            self.cancel_at,
        )
        return _JobRun(self, job, machine, contexts).run()

    def _before(self, job: Job) -> list[str]:
        """Return all jobs before a job: those that it needs, and those that these need."""
        return [name for need in job.needs for name in (need, *self._before(self.workflow.jobs[need]))]

    def _contexts(self, job: Job) -> dict[str, Value]:
        environment = self.environments.get(job.environment)
        own_secrets, own_variables = (environment.secrets, environment.variables) if environment else ({}, {})
        github = {
            "actor": "octocat",
            "event_name": self.event,
            "ref_name": self.ref_name,
            "repository": "Octo-Org/Shop",
            "run_attempt": str(self.attempt),
            "run_id": str(self.number),
            "server_url": "https://github.com",
            "token": f"token-of-{job.id}-{self.number}",
        }
        return {
            "github": Strict(github),
            "inputs": (dict(self.workflow.dispatch_inputs) if self.event == "workflow_dispatch" else {})
            | dict(self.inputs),
            "needs": Strict(
                {
                    name: Strict({"result": self.jobs[name].result, "outputs": self._declared(name)})
                    for name in job.needs
                }
            ),
            "secrets": dict(self.secrets) | dict(own_secrets),
            "vars": dict(self.variables) | dict(own_variables),
        }

    def _declared(self, name: str) -> Strict:
        """Return the outputs of a job that has ended: those that it declares, empty if it has not set them."""
        return Strict({output: self.jobs[name].outputs.get(output, "") for output in self.workflow.jobs[name].outputs})


class _JobRun:
    """The steps of one job, on its machine."""

    def __init__(self, run: Run, job: Job, machine: Machine, contexts: dict[str, Value]) -> None:
        self._run = run
        self._job = job
        self._machine = machine
        self._contexts = contexts
        self._failed = False
        without_env = Scope({name: contexts[name] for name in ("github", "inputs", "secrets", "vars")}, {})
        self._env = {name: without_env.interpolate(value) for name, value in run.workflow.env.items()}

    def run(self) -> Ended:
        steps: dict[str, Value] = {}
        try:
            self._run_steps(self._job.steps, steps, {})
        finally:
            self._machine.end()
        scope = self._scope(steps, {}, {})
        outputs = {name: scope.interpolate(value) for name, value in self._job.outputs.items()}
        secrets = self._contexts["secrets"].values()  # GitHub hides each line of a secret
        secret_lines = [line.strip() for secret in secrets for line in secret.splitlines() if line.strip()]
        for name, value in outputs.items():
            if any(line in value for line in secret_lines):
                raise WorkflowError(
                    f"GitHub drops the output {name} of {self._job.id}, because it has a line of a secret"
                )
        self._run.cancelled |= self._machine.cancelled
        result = "cancelled" if self._machine.cancelled else "failure" if self._failed else "success"
        return Ended(result, outputs, "".join(self._machine.log), self._machine.summary)

    def _run_steps(self, steps: tuple[Step, ...], done: dict[str, Value], own: Mapping[str, Value]) -> None:
        """Run steps; `done` gets those with an id, `own` are the contexts of a composite action."""
        declared = {step.id for step in steps if step.id}
        for step in steps:
            known = Strict({name: done.get(name, {"outputs": {}}) for name in declared})
            env = self._env | self._machine.env
            if not self._scope(known, env, own).holds(step.condition):
                continue
            scope = self._scope(known, env, own)
            step_env = env | {name: scope.interpolate(value) for name, value in step.env.items()}
            self._machine.log.append(f"##[group]{step.label}\n")
            if step.uses:
                inputs = {name: scope.interpolate(value) for name, value in step.inputs.items()}
                outputs: Mapping[str, str] = self._use(step.uses, inputs)
                succeeded = True
            else:
                folder, variables = scope.interpolate(step.folder), step_env | self._github_variables()
                succeeded, outputs = self._machine.run(step.script, step.shell, folder, variables)
            self._failed |= not succeeded
            if step.id:
                done[step.id] = {"outputs": dict(outputs)}

    def _use(self, uses: str, inputs: Mapping[str, str]) -> Mapping[str, str]:
        name, _, version = uses.partition("@")
        if uses.startswith("./"):
            return self._use_composite(self._machine.workspace / uses, inputs)
        owner_and_name = "/".join(name.split("/")[:2])
        if owner_and_name in self._run.published:
            copy = self._machine.folder / "_actions" / owner_and_name / version
            if not copy.exists():
                shutil.copytree(self._run.published[owner_and_name], copy, symlinks=True)
            return self._use_composite(copy / "/".join(name.split("/")[2:]), inputs)
        return run_action(name, inputs, self._job.permissions, self._machine)

    def _use_composite(self, folder: Path, inputs: Mapping[str, str]) -> Mapping[str, str]:
        if not folder.is_dir():
            raise WorkflowError(f"{folder.name}: no such folder; was the repository checked out before?")
        action = read_action(folder / "action.yml")
        if unknown := set(inputs) - set(action.inputs):
            raise WorkflowError(f"{folder.name} has no input {', '.join(sorted(unknown))}")
        if missing := [one for one, (required, _) in action.inputs.items() if required and not inputs.get(one)]:
            raise WorkflowError(f"{folder.name} needs the input {', '.join(missing)}")
        values = {name: inputs.get(name, default) for name, (_, default) in action.inputs.items()}
        github = Strict({**self._contexts["github"], "action_path": str(folder.resolve())})
        own = {"github": github, "inputs": Strict(values)}
        steps: dict[str, Value] = {}
        self._run_steps(action.steps, steps, own)
        known = {step.id: steps.get(step.id, {"outputs": {}}) for step in action.steps if step.id}
        scope = Scope({**own, "steps": Strict(known)}, {})
        return {name: scope.interpolate(value) for name, value in action.outputs.items()}

    def _scope(self, steps: Mapping[str, Value], env: Mapping[str, str], own: Mapping[str, Value]) -> Scope:
        contexts = self._contexts if not own else {}  # a composite action sees neither vars nor secrets nor needs
        stopped = self._failed or self._machine.cancelled
        functions = {
            "always": lambda: True,
            "cancelled": lambda: self._machine.cancelled,
            "success": lambda: not stopped,
            "failure": lambda: self._failed and not self._machine.cancelled,
        }
        return Scope({**contexts, **own, "steps": steps, "env": dict(env)}, functions)

    def _github_variables(self) -> dict[str, str]:
        """Return the variables that every script has, from the context `github`."""
        names = ("actor", "event_name", "ref_name", "repository", "run_attempt", "run_id", "server_url")
        return {f"GITHUB_{name.upper()}": self._contexts["github"][name] for name in names}
