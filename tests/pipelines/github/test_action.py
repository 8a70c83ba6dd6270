"""The composite actions, as another repository uses them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from canary import __version__
from e2e.cluster import ROOT
from e2e.task import Task
from e2e.traffic import Traffic
from github.run_canary import arguments
from tests.pipelines.github.runner import APPROVED, Environment, Run
from tests.pipelines.github.workflow import WorkflowError, read_workflow
from tests.pipelines.workbench import Workbench, image

PAGE = ROOT / "docs/github-actions.md"

PROMOTE = """
name: promote
on: workflow_dispatch
permissions: {}
jobs:
  promote:
    runs-on: ubuntu-24.04
    permissions:
      contents: read
    outputs:
      decision: ${{ steps.canary.outputs.decision }}
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
      - id: canary
        uses: acme/canary-lab/pipeline/github@0123456789abcdef0123456789abcdef01234567 # v0.1.0
        with:
          command: promote
          manifests: |
            manifests/deployment.yml
            manifests/service.yml
          image: ${{ vars.IMAGE }}
          namespace: ${{ vars.NAMESPACE }}
          kubeconfig: ${{ vars.KUBECONFIG }}
"""

CONNECT = """
name: connect
on: workflow_dispatch
permissions: {}
jobs:
  connect:
    runs-on: ubuntu-24.04
    permissions:
      id-token: write
    steps:
      - uses: acme/canary-lab/pipeline/github/connect@0123456789abcdef0123456789abcdef01234567 # v0.1.0
        with:
          variables: ${{ toJSON(vars) }}
          kubeconfig: ${{ secrets.KUBECONFIG }}
      - run: kubectl get --raw /version
"""

INSTALL = """
name: install
on: workflow_dispatch
permissions: {}
jobs:
  install:
    runs-on: ubuntu-24.04
    steps:
      - uses: acme/canary-lab/pipeline/github@0123456789abcdef0123456789abcdef01234567 # v0.1.0
      - run: canary --version
"""

AKS = {"AZURE_CLIENT_ID": "1", "AZURE_TENANT_ID": "2", "AZURE_SUBSCRIPTION_ID": "3", "AZURE_RESOURCE_GROUP": "shop"}
GKE = {"GOOGLE_WORKLOAD_IDENTITY_PROVIDER": "p", "GOOGLE_SERVICE_ACCOUNT": "a", "GOOGLE_LOCATION": "europe-west1"}
EKS = {"AWS_ROLE": "arn:aws:iam::1:role/canary", "AWS_REGION": "eu-central-1"}


def run_of(text: str, workbench: Workbench, folder: Path, **more: object) -> Run:
    """Return a run in a repository that uses the actions of this one, published as acme/canary-lab."""
    published = folder / "canary-lab"
    published.mkdir()
    for name in ("pipeline", "requirements"):
        (published / name).symlink_to(ROOT / name)
    made = Run(
        read_workflow(text),
        workbench.checkout(95),
        folder,
        workbench,
        event="workflow_dispatch",
        published={"acme/canary-lab": published},
        **more,  # type: ignore[arg-type]
    )
    made.start()
    return made


@pytest.mark.long
def test_the_action_promotes_what_the_action_k8s_deploy_has_deployed(workbench: Workbench, tmp_path: Path) -> None:
    namespace = workbench.namespace
    for rate in (50, 95):
        folder = workbench.checkout(rate)
        workbench.build(folder / "app", image(rate))
    namespace.canary("apply", str(folder / "manifests"), "--image", image(50))
    objects = [yaml.safe_load(file.read_text()) for file in sorted((folder / "manifests").iterdir())]
    Task(namespace, tuple(objects), "workflow/version").deploy(image(95))
    assert list(workbench.deployments()) == ["sampleapp", "sampleapp-baseline", "sampleapp-canary"]

    variables = {"NAMESPACE": namespace.name, "KUBECONFIG": str(namespace.kubeconfig), "IMAGE": image(95)}
    run = run_of(PROMOTE, workbench, tmp_path, variables=variables)
    assert run.results == {"promote": "success"}, run.jobs["promote"].log
    assert workbench.deployments() == {"sampleapp": image(95)}
    assert f"Promoted sampleapp to {image(95)}" in run.jobs["promote"].summary
    assert run.jobs["promote"].outputs == {"decision": ""}  # nobody has compared it


def test_a_report_of_an_earlier_step_is_kept_and_is_not_that_of_a_command_without_one(tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text("")
    files = {name: str(tmp_path / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    nowhere = {"KUBECONFIG": str(tmp_path / "kubeconfig"), "CANARY_TIMEOUT": "10ms"}
    for inputs in ({"manifests": "app"}, {"manifests": "app", "tolerance": "5"}):  # the second is wrong usage
        line = {"INPUTS": json.dumps({"command": "watch", "report": "out", "working-directory": ".", **inputs})}
        environment = os.environ | files | nowhere | line
        command = [sys.executable, str(ROOT / "pipeline/github/run_canary.py")]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 2, done.stderr
    outputs = (tmp_path / "GITHUB_OUTPUT").read_text().splitlines()
    assert [line for line in outputs if line.endswith("/out")] == [str(tmp_path / "out")]
    assert (tmp_path / "GITHUB_STEP_SUMMARY").read_text().count("## ") == 1
    assert json.loads((tmp_path / "out/report.json").read_text())["outcome"] == "failed"


@pytest.mark.parametrize(
    ("provider", "variables"),
    [("aks", AKS), ("gke", GKE), ("eks", EKS), ("kubeconfig", {})],
    ids=lambda one: str(one)[:3],
)
def test_connect_logs_in_to_each_kind_of_cluster(
    workbench: Workbench, tmp_path: Path, provider: str, variables: dict[str, str]
) -> None:
    aws = tmp_path / "agent/bin/aws"
    workbench.environment()
    called = "eks update-kubeconfig --name shop --kubeconfig"
    aws.write_text(f'#!/bin/sh\n[ "$1 $2 $3 $4 $5" = "{called}" ] && cp {workbench.namespace.kubeconfig} "$6"\n')
    aws.chmod(0o755)
    run = run_of(
        CONNECT,
        workbench,
        tmp_path,
        variables={"CANARY_CLUSTER": provider, "CLUSTER_NAME": "shop", **variables},
        secrets={"KUBECONFIG": workbench.namespace.kubeconfig.read_text()} if provider == "kubeconfig" else {},
    )
    assert run.results == {"connect": "success"}, run.jobs["connect"].log
    assert '"gitVersion"' in run.jobs["connect"].log


def test_connect_says_which_variable_or_secret_is_missing(workbench: Workbench, tmp_path: Path) -> None:
    run = run_of(CONNECT, workbench, tmp_path, variables={"CANARY_CLUSTER": "kubeconfig"}, secrets={})
    assert run.results == {"connect": "failure"}
    assert "::error::CANARY_CLUSTER is kubeconfig, but the secret KUBECONFIG is empty" in run.jobs["connect"].log


def test_each_input_becomes_the_flag_of_its_name() -> None:
    inputs = {
        "command": "deploy",
        "manifests": "manifests/\nmore.yml\n",
        "working-directory": ".",
        "report": "canary-report",
        "image": "a=b:1\n c=d:2 ",
        "percentage": "10",
        "supersede": "true",
        "dry-run": "false",
        "timeout": "",
    }
    assert arguments(inputs) == [
        *("deploy", "--image", "a=b:1", "--image", "c=d:2", "--percentage", "10", "--supersede"),
        *("--", "manifests/", "more.yml"),
    ]


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"command": "destroy"}, "command: no such command: 'destroy'; the commands are release, deploy, "),
        ({"command": "watch", "image": "a:1"}, "image: canary watch has no flag --image; its flags are --tolerance, "),
        ({"command": "deploy", "supersede": "yes"}, "supersede: must be true or false, not 'yes'"),
    ],
)
def test_an_input_that_the_command_does_not_take_is_an_error(inputs: dict[str, str], reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}"):
        arguments({"report": "", **inputs})


def test_a_value_of_an_input_is_never_part_of_a_script(workbench: Workbench, tmp_path: Path) -> None:
    variables = {"NAMESPACE": "x", "KUBECONFIG": "none", "IMAGE": "a=b:1'; touch /tmp/injected-$(id); echo '"}
    run = run_of(PROMOTE, workbench, tmp_path, variables=variables)
    assert run.results == {"promote": "failure"}
    assert not list(Path("/tmp").glob("injected-*"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("command: promote", "comand: promote"), "github has no input comand"),
        (("  command: promote", "  command: promote\n          percent: 10"), "github has no input percent"),
        (("v7.0.1\n", "v7.0.1\n        with: {branch: main}\n"), "actions/checkout has no input branch"),
        (("contents: read", "packages: read"), "actions/checkout needs the permission contents: read"),
        (("actions/checkout@", "actions/check-out@"), "unknown action actions/check-out"),
        (("permissions: {}", "permissions: {}\ndefaults: {}"), "the runner does not know defaults"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_the_runner_refuses_what_it_does_not_know(
    workbench: Workbench, tmp_path: Path, change: tuple[str, str], reason: str
) -> None:
    assert change[0] in PROMOTE
    with pytest.raises(WorkflowError) as raised:
        run_of(PROMOTE.replace(*change), workbench, tmp_path)
    assert reason in str(raised.value)


@dataclass(frozen=True)
class Online(Workbench):
    """A workbench whose machines have no packages, and reach the package index that this machine is set up for."""

    def environment(self) -> dict[str, str]:
        offline = ("PYTHONPATH", "PIP_NO_INDEX")
        index = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "REQUESTS_"))}
        return {name: value for name, value in super().environment().items() if name not in offline} | index


@pytest.mark.long
def test_the_action_installs_canary_on_an_empty_machine(workbench: Workbench, tmp_path: Path) -> None:
    """Needs a package index."""
    online = Online(workbench.namespace, workbench.folder, tmp_path / "tools", workbench.home)
    run = run_of(INSTALL, online, tmp_path)
    assert run.results == {"install": "success"}, run.jobs["install"].log
    assert f"canary, version {__version__}" in run.jobs["install"].log


def test_the_documented_workflow_of_another_repository_releases_a_version(workbench: Workbench, tmp_path: Path) -> None:
    (text,) = re.findall(r"^```yaml\n(name: release\n.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    namespace = workbench.namespace
    folder = workbench.checkout(50)
    workbench.build(folder / "app", image(50))
    workbench.build(workbench.checkout(95) / "app", image(95))
    namespace.canary("apply", str(folder / "manifests"), "--image", image(50))
    with Traffic(namespace):
        run = run_of(
            text,
            workbench,
            tmp_path,
            inputs={"image": image(95)},
            variables={"CANARY_CLUSTER": "kubeconfig", "CANARY_NAMESPACE": namespace.name},
            secrets={"KUBECONFIG": namespace.kubeconfig.read_text()},
            environments={"production": Environment(lambda: APPROVED)},
        )
    assert run.results == {"release": "success"}, run.jobs["release"].log
    assert namespace.images("sampleapp") == [image(95)]
    assert "**PROMOTE**" in run.jobs["release"].summary
