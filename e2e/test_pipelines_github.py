"""The GitHub workflow canary.yml, run step by step on kind: with the real Fortio, and the two accounts of the page.

tests/pipelines/github/ runs every path on localcluster.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.accounts import DEPLOY, PROMOTE, log_in
from e2e.cluster import Namespace
from e2e.documented_commands import type_lines
from tests.pipelines.github.project import check_out, new_run
from tests.pipelines.github.runner import APPROVED, Run
from tests.pipelines.workbench import Workbench, image

pytestmark = pytest.mark.skipif(
    "E2E_KUBECONFIG" not in os.environ, reason="tests/pipelines/github runs every path on localcluster"
)


@dataclass(frozen=True)
class KindWorkbench(Workbench):
    """A workbench whose cluster is kind, which has the images of `make e2e`."""

    def build(self, context: Path, image: str) -> str:
        """Give the app's image of this commit the name that the workflow pushes, and return its digest."""
        found = re.search(r"^success_rate = (\d+)$", (context / "app.py").read_text(), re.MULTILINE)
        assert found
        loaded = f"docker.io/library/sampleapp:{found[1]}"
        listed = self._ctr("list", f"name=={loaded}")
        digest = next(word for word in listed.split() if word.startswith("sha256:"))
        self._ctr("tag", "--force", loaded, f"{image.rpartition(':')[0]}@{digest}")
        return digest

    def _ctr(self, *arguments: str) -> str:
        (node,) = self.namespace.kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}").split()
        command = ["docker", "exec", node, "ctr", "--namespace", "k8s.io", "images", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def workbench(namespace: Namespace, tmp_path: Path) -> Workbench:
    """Give what a pipeline works with, and the page's accounts."""
    if not shutil.which("docker"):
        pytest.skip("the images get the names of GHCR on the node of a kind cluster; docker is not installed")
    type_lines(
        namespace, "github-actions.md", "f pipeline/rbac.yml", "--role=sampleapp-read-pods", "rbac-pipelines.yml"
    )
    return KindWorkbench(namespace, tmp_path / "agent", tmp_path / "tools", None, log_in(namespace, DEPLOY).kubeconfig)


def run_of(workbench: Workbench, success_rate: int) -> Run:
    """Run the workflow; a reviewer approves it if asked. Only the approved job has the account that may promote."""
    own = {"KUBECONFIG": log_in(workbench.namespace, PROMOTE).kubeconfig.read_text()}
    run = new_run(
        workbench,
        success_rate,
        lambda: APPROVED,
        settings={"min-duration": "5s"},
        variables={"WATCH_TIME": "150s", "LOAD_RATE": "100"},
        secrets_of_production=own,
    )
    run.start()
    return run


def test_a_first_and_a_better_version_are_promoted_after_approval(workbench: Workbench) -> None:
    for success_rate in (10, 20):
        run = run_of(workbench, success_rate)
        assert run.results["promote"] == "success", "".join(job.log for job in run.jobs.values())
        assert workbench.deployments() == {"sampleapp": run.jobs["build"].outputs["image"]}
    assert "**PROMOTE**" in run.jobs["compare"].summary


def test_a_worse_version_is_rejected_by_its_verdict(workbench: Workbench) -> None:
    folder = check_out(workbench, 20)
    workbench.namespace.canary("apply", str(folder / "manifests"), "--image", f"sampleapp={image(20)}")
    run = run_of(workbench, 5)
    assert run.results["compare"] == "failure", "".join(job.log for job in run.jobs.values())
    assert (run.results["promote"], run.results["reject"]) == ("skipped", "success")
    assert "**REJECT**" in run.jobs["compare"].summary
    assert workbench.deployments() == {"sampleapp": image(20)}
