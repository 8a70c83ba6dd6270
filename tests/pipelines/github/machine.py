"""The machine of one job: an empty folder, and scripts that run in it with bash, as GitHub's runner starts them."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.pipelines.github.workflow import WorkflowError
from tests.pipelines.steps import GITHUB_BASH, GITHUB_CANCEL, Agent
from tests.pipelines.workbench import Workbench

SHELLS = {"": ("bash", "-e"), "bash": GITHUB_BASH}
"""How GitHub starts the default shell, and `shell: bash`."""


@dataclass
class Machine:
    """The machine of one job.

    Attributes:
        workbench: the cluster, and what is installed.
        folder: for everything below, empty at first.
        repository: what a checkout brings.
        artifacts: of the run.
        cancel_at: a text in the output at which somebody cancels the run, None for never.
        env: variables that steps have set for the steps after them.
        path: folders that steps have put on PATH.
        registries: that the job is logged in to.
        log: all output.
        summary: what steps have written to the page of the run.
        cancelled: whether the run was cancelled while a script ran.
    """

    workbench: Workbench
    folder: Path
    repository: Path
    artifacts: Path
    cancel_at: str | None
    env: dict[str, str] = field(default_factory=dict)
    path: list[str] = field(default_factory=list)
    registries: set[str] = field(default_factory=set)
    log: list[str] = field(default_factory=list)
    summary: str = ""
    cancelled: bool = False
    _agents: dict[str, Agent] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for folder in (self.workspace, self.temp):
            folder.mkdir(parents=True)
        self._agents = {
            name: Agent(self.folder / f"scripts-{name}", command, GITHUB_CANCEL) for name, command in SHELLS.items()
        }
        self.workbench.tools.mkdir(exist_ok=True)
        (self.temp / "canary").symlink_to(self.workbench.tools)  # saves time: pipeline/install finds its packages there

    @property
    def workspace(self) -> Path:
        """Where the repository is checked out."""
        return self.folder / "workspace"

    @property
    def temp(self) -> Path:
        """The runner's folder for temporary files."""
        return self.folder / "temp"

    def check_out(self) -> None:
        """Copy the repository to the workspace."""
        shutil.copytree(self.repository, self.workspace, dirs_exist_ok=True, symlinks=True)

    def run(self, script: str, shell: str, folder: str, env: Mapping[str, str]) -> tuple[bool, dict[str, str]]:
        """Run a script; return whether it succeeded, and the outputs that it set."""
        if shell not in SHELLS:
            raise WorkflowError(f"unknown shell {shell}")
        names = ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")
        files = {name: self.temp / name.lower() for name in names}
        for file in files.values():
            file.write_text("")
        environment = self._environment(env) | {name: str(file) for name, file in files.items()}
        ended = self._agents[shell].run_script(script, environment, self.workspace / folder, self.cancel_at)
        self.log.append(ended.output)
        self.cancelled |= ended.cancelled
        self.env |= _pairs(files["GITHUB_ENV"].read_text())
        self.path = [*reversed(files["GITHUB_PATH"].read_text().splitlines()), *self.path]
        self.summary += files["GITHUB_STEP_SUMMARY"].read_text()
        return ended.code == 0 and not ended.cancelled, _pairs(files["GITHUB_OUTPUT"].read_text())

    def end(self) -> None:
        """End what scripts have left running."""
        for agent in self._agents.values():
            agent.clean_up()

    def _environment(self, env: Mapping[str, str]) -> dict[str, str]:
        installed = self.workbench.environment()
        return {
            **installed,
            "PATH": os.pathsep.join([*self.path, installed["PATH"]]),
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_ACTIONS": "true",
            "CI": "true",
            **env,
        }


def _pairs(text: str) -> dict[str, str]:
    """Return the values of a file of commands: lines `NAME=VALUE`, and `NAME<<END` with a value of several lines."""
    pairs: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        if found := re.fullmatch(r"([\w-]+)<<(\S+)", line):
            value: list[str] = []
            for part in lines:
                if part == found[2]:
                    break
                value.append(part)
            else:
                raise WorkflowError(f"the value of {found[1]} does not end")
            pairs[found[1]] = "\n".join(value)
        elif found := re.fullmatch(r"([\w-]+)=(.*)", line):
            pairs[found[1]] = found[2]
        else:
            raise WorkflowError(f"neither NAME=VALUE nor NAME<<END: {line!r}")
    return pairs
