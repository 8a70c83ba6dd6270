"""Runs azure-pipelines.yml: stages, jobs and steps in order, with their conditions, variables and outputs.

    run = Run(workbench, checkout, build_id=20, answer="approve", variables={…}, parameters={…})
    run.go()                              all stages
    run.go("DeployCanary")                one stage; a second time, this is a re-run of the stage
    run.go(cancel_at="watch sampleapp")   somebody cancels the run as soon as a step prints that

    run.results     {"Build": "Succeeded", "DeployCanary.Compare": "Succeeded", …}
    run.log         what the steps printed, with a headline for each
    run.summaries, run.artifacts, run.issues

Scripts really run, with bash. A key, condition, expression, task, task input, variable or logging command that is not
known here raises UnknownError: nothing is skipped silently.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.pipelines import steps
from tests.pipelines.azure.expressions import Closed, Scope, UnknownError, evaluate, text, truth
from tests.pipelines.azure.tasks import Agent, Answer, TaskFailedError, run_task
from tests.pipelines.azure.templates import load_pipeline
from tests.pipelines.workbench import REGISTRY, REPOSITORY, Workbench

MACRO = re.compile(r"\$\(([A-Za-z_][\w.]*)\)")
COMMAND = re.compile(r"^##vso\[(\S+?)(?: ([^\]]*))?\](.*)$", re.MULTILINE)
KNOWN = {
    "pipeline": {"trigger", "pr", "lockBehavior", "parameters", "variables", "stages"},
    "stage": {"stage", "displayName", "dependsOn", "condition", "jobs"},
    "job": {"job", "displayName", "dependsOn", "condition", "pool", "timeoutInMinutes", "steps"},
    "deployment": {"deployment", "displayName", "dependsOn", "condition", "pool", "environment", "strategy"},
    "step": {"displayName", "condition", "name"},
    "task": {"task", "inputs", "timeoutInMinutes"},
    "bash": {"bash", "env", "workingDirectory"},
    "checkout": {"checkout"},
    "publish": {"publish", "artifact"},
}
DONE = ("Succeeded", "SucceededWithIssues")


def check_keys(kind: str, node: Mapping[str, Any], *more: str) -> None:
    """Raise UnknownError for a key that the runner does not know."""
    if unknown := node.keys() - KNOWN[kind] - {key for other in more for key in KNOWN[other]}:
        raise UnknownError(f"{kind}: {', '.join(sorted(unknown))}")


def listed(value: str | list[str] | None) -> list[str]:
    """Return dependsOn as a list."""
    return [value] if isinstance(value, str) else list(value or [])


@dataclass
class Job:
    """One attempt of a job.

    Attributes:
        result: how it ended.
        outputs: its output variables, as `step.variable`.
        variables: of the pipeline, the agent and its steps.
        path: folders that steps put in front of PATH.
    """

    result: str = "Succeeded"
    outputs: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    path: list[str] = field(default_factory=list)


@dataclass
class Run:
    """One run of the pipeline.

    Attributes:
        workbench: the cluster that it works on.
        checkout: the commit that it was started for.
        build_id: its number, which is the image's tag.
        answer: what the person does whom it asks; None if it must ask nobody.
        parameters: that it was started with.
        variables: that were set for it, and override those in the file.
        secrets: secret variables, which steps get only where the file says so.
    """

    workbench: Workbench
    checkout: Path
    build_id: int
    answer: Answer | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)
    log: str = ""
    summaries: list[str] = field(default_factory=list)
    issues: list[str] = field(default_factory=list)
    artifacts: dict[str, Path] = field(default_factory=dict)
    cancelled: bool = False
    _jobs: dict[str, dict[str, Job]] = field(default_factory=dict)
    _attempts: dict[str, int] = field(default_factory=dict)
    _cancel_at: str | None = None

    def go(self, *only: str, cancel_at: str | None = None) -> None:
        """Run the stages in order, or only some of them."""
        self._cancel_at = cancel_at
        pipeline = load_pipeline(self.checkout / "azure-pipelines.yml", self.parameters)
        check_keys("pipeline", pipeline)
        names = [stage["stage"] for stage in pipeline["stages"]]
        if unknown := set(only) - set(names):
            raise UnknownError(f"stages {unknown}")
        previous: list[str] = []
        for stage in pipeline["stages"]:
            check_keys("stage", stage)
            depends = listed(stage["dependsOn"]) if "dependsOn" in stage else previous
            previous = [stage["stage"]]
            if not only or stage["stage"] in only:
                self._stage(stage, depends, pipeline["variables"])

    def _stage(self, stage: Mapping[str, Any], depends: list[str], variables: Mapping[str, Any]) -> None:
        name = stage["stage"]
        self._jobs[name] = {}
        self._attempts[name] = self._attempts.get(name, 0) + 1
        before = {one: {"result": self.results[one]} for one in depends}
        scope = self._scope({one: known["result"] for one, known in before.items()}, dependencies=Closed(before))
        if not truth(evaluate(stage.get("condition", "succeeded()"), scope)):
            self.results[name] = "Skipped"
            return
        for job in stage["jobs"]:
            self._run_job(name, job, depends, variables)
        ends = [job.result for job in self._jobs[name].values()]
        worst = (end for end in ("Failed", "Canceled", "Succeeded") if end in ends)
        self.results[name] = next(worst, "Skipped")

    def _run_job(self, stage: str, node: Mapping[str, Any], stages: list[str], variables: Mapping[str, Any]) -> None:
        kind = "deployment" if "deployment" in node else "job"
        check_keys(kind, node)
        jobs, name, job = self._jobs[stage], node[kind], Job()
        depends = listed(node.get("dependsOn"))
        before = {one: {"result": jobs[one].result, "outputs": jobs[one].outputs} for one in depends}
        earlier = {
            one: Closed({name: {"result": j.result, "outputs": j.outputs} for name, j in self._jobs[one].items()})
            for one in stages
        }
        scope = self._scope(
            {one: jobs[one].result for one in depends}, dependencies=Closed(before), stageDependencies=Closed(earlier)
        )
        jobs[name] = job
        if truth(evaluate(node.get("condition", "succeeded()"), scope)):
            self._headline(f"{stage}.{name}: {node.get('displayName')}")
            self._steps(f"{stage}.{name}", node, job, variables)
        else:
            job.result = "Skipped"
        self.results[f"{stage}.{name}"] = job.result

    def _steps(self, where: str, node: Mapping[str, Any], job: Job, variables: Mapping[str, Any]) -> None:
        """Run the steps of a job on an agent of its own."""
        if "deployment" in node:
            if node["strategy"].keys() != {"runOnce"} or node["strategy"]["runOnce"].keys() != {"deploy"}:
                raise UnknownError(f"{where}: strategy {node['strategy']}")
            listed_steps = node["strategy"]["runOnce"]["deploy"]["steps"]
        else:
            listed_steps = node["steps"]
        on_server = node["pool"] == "server"
        if not on_server and node["pool"] != {"vmImage": "ubuntu-latest"}:
            raise UnknownError(f"{where}: pool {node['pool']}")
        attempt = str(self._attempts[where.partition(".")[0]])
        temporary = self.workbench.folder / f"run-{self.build_id}-{len(list(self.workbench.folder.glob('run-*')))}"
        temporary.mkdir(parents=True)
        job.variables = {
            **{key: str(value) for key, value in variables.items()},
            "containerRegistry": REGISTRY,
            "imageRepository": REPOSITORY,
            "namespace": self.workbench.namespace.name,
            **self.variables,
            "Build.BuildId": str(self.build_id),
            "Build.SourcesDirectory": str(self.checkout),
            "Agent.TempDirectory": str(temporary),
            "Agent.ToolsDirectory": str(self.workbench.tools),
            "System.StageAttempt": attempt,
            "System.JobAttempt": attempt,
        }
        checked_out, agent = False, steps.Agent(temporary / "steps")
        try:
            for step in listed_steps:
                if not on_server and not checked_out and "checkout" not in step:
                    raise UnknownError(f"{where}: a step before checkout")
                checked_out = True
                self._step(step, job, agent, node, on_server=on_server)
        finally:
            agent.clean_up()

    def _step(
        self, step: Mapping[str, Any], job: Job, agent: steps.Agent, node: Mapping[str, Any], *, on_server: bool
    ) -> None:
        kind = next(iter(step))  # the first key says what a step is
        if kind not in ("task", "bash", "checkout", "publish"):
            raise UnknownError(f"a step with the key {kind}")
        check_keys("step", step, kind)
        ended = {"Succeeded": "Succeeded", "Failed": "Failed", "Canceled": "Canceled"}[job.result]
        scope = self._scope({"job": ended}, cancelled=job.result == "Canceled", variables=job.variables)
        if not truth(evaluate(step.get("condition", "succeeded()"), scope)):
            return
        self._headline(f"  {step.get('displayName', kind)}")
        try:
            if kind == "bash":
                self._bash(step, job, agent)
            elif kind == "task":
                limits = (int(step.get("timeoutInMinutes", 0)), int(node.get("timeoutInMinutes", 60)))
                inputs = {key: self._macros(text(value), job) for key, value in step.get("inputs", {}).items()}
                place = Path(job.variables["Agent.TempDirectory"])
                self._write(
                    run_task(
                        step["task"],
                        inputs,
                        Agent(
                            self.workbench,
                            self.checkout,
                            place,
                            self.answer,
                            job.variables.__setitem__,
                            on_server,
                            limits,
                        ),
                    )
                )
            elif kind == "publish":
                self._publish(self._macros(step["artifact"], job), Path(self._macros(step["publish"], job)))
            elif step["checkout"] != "self":
                raise UnknownError(f"checkout {step['checkout']}")
        except TaskFailedError as error:
            self._write(f"FAILED: {error}")
            job.result = "Canceled" if job.result == "Canceled" else "Failed"

    def _bash(self, step: Mapping[str, Any], job: Job, agent: steps.Agent) -> None:
        """Run a script, and carry out its logging commands."""
        own = {key: self._macros(text(value), job) for key, value in step.get("env", {}).items()}
        environment = self.workbench.environment()
        environment["PATH"] = ":".join([*job.path, environment["PATH"]])
        environment |= {
            re.sub(r"[. ]", "_", key).upper(): self._macros(value, job) for key, value in job.variables.items()
        }
        folder = Path(self._macros(step["workingDirectory"], job)) if "workingDirectory" in step else self.checkout
        done = agent.run_script(
            self._macros(step["bash"], job), environment | own, folder, None if self.cancelled else self._cancel_at
        )
        self._write(done.output)
        for command, properties, value in COMMAND.findall(done.output):
            self._command(command, dict(one.split("=", 1) for one in properties.split(";") if one), value, step, job)
        if done.cancelled:
            self.cancelled, job.result = True, "Canceled"
        elif done.code:
            raise TaskFailedError(f"exit code {done.code}")

    def _command(self, command: str, properties: dict[str, str], value: str, step: Mapping[str, Any], job: Job) -> None:
        match command, sorted(properties):
            case "task.setvariable", ["variable"]:
                job.variables[properties["variable"]] = value
            case "task.setvariable", ["isOutput", "variable"] if properties["isOutput"] == "true":
                job.outputs[f"{step['name']}.{properties['variable']}"] = value
            case "task.prependpath", []:
                job.path.insert(0, value)
            case "task.logissue", ["type"] if properties["type"] in ("warning", "error"):
                self.issues.append(f"{properties['type']}: {value}")
            case "task.uploadsummary", []:
                self.summaries.append(Path(value).read_text())
            case _:
                raise UnknownError(f"##vso[{command} {properties}]")

    def _publish(self, name: str, folder: Path) -> None:
        if name in self.artifacts:
            raise TaskFailedError(f"artifact {name} exists already in this run")
        place = self.workbench.folder / f"artifacts-{self.build_id}" / name
        shutil.copytree(folder, place)
        self.artifacts[name] = place

    def _macros(self, value: str, job: Job) -> str:
        """Replace $(name) by the value of the variable; raises UnknownError for a name that is none.

        A secret with the value $(itself) is one that nobody has set: Azure leaves its macro as it is.
        """
        known = {key.lower(): one for key, one in (job.variables | dict(self.secrets)).items()}

        def replace(found: re.Match[str]) -> str:
            if (name := found[1].lower()) not in known:
                raise UnknownError(f"$({found[1]}) is no variable")
            return found[0] if known[name] == found[0] else self._macros(known[name], job)

        return MACRO.sub(replace, value)

    def _scope(self, before: Mapping[str, str], *, cancelled: bool | None = None, **values: Any) -> Scope:
        """Return the scope of a condition; `before` has the results of what it depends on."""
        stopped = self.cancelled if cancelled is None else cancelled
        return Scope(
            values,
            {
                "always": lambda: True,
                "canceled": lambda: stopped,
                "succeeded": lambda: not stopped and all(one in DONE for one in before.values()),
                "failed": lambda: not stopped and "Failed" in before.values(),
            },
        )

    def _headline(self, line: str) -> None:
        self._write(f"## {line}")

    def _write(self, output: str) -> None:
        self.log += output.rstrip() + "\n"
