"""azure-pipelines.yml, run step by step. On a real cluster: with the real Fortio, DNS, and the rights in the page.

tests/pipelines/azure/ has all other paths.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from e2e.accounts import PROMOTE, log_in
from e2e.cluster import ROOT, Namespace
from e2e.documented_commands import type_lines
from scripts.run_e2e import image_in
from tests.pipelines.azure.runner import Run
from tests.pipelines.azure.tasks import Answer
from tests.pipelines.workbench import FORTIO, Workbench, image, localcluster

ON_LOCALCLUSTER = "E2E_KUBECONFIG" not in os.environ
# A real cluster has these images. On localcluster the pipeline builds them, so the versions can be further apart.
FIRST, BETTER, WORSE = (50, 95, 5) if ON_LOCALCLUSTER else (10, 20, 5)
SECRETS = {"registryUsername": "robot", "registryPassword": "never-in-a-log"}
ONLY_REAL = pytest.mark.skipif(ON_LOCALCLUSTER, reason="tests/pipelines/azure runs the driver task on localcluster")
BOTH = pytest.mark.parametrize("driver", ["canary", pytest.param("task", marks=ONLY_REAL)])


@pytest.fixture
def workbench(kubeconfig: Path, namespace: Namespace, tmp_path: Path) -> Workbench:
    """Give what a pipeline works with: on localcluster a stand-in for Fortio, on a real cluster the page's account."""
    agent, tools = tmp_path / "agent", tmp_path / "tools"
    if ON_LOCALCLUSTER:
        home = kubeconfig.parents[1]
        localcluster(home, "build", str(FORTIO), "-t", image_in(ROOT / "misc/fortio-deploy.yml"))
        return Workbench(namespace, agent, tools, home)
    type_lines(namespace, "azure-pipelines.md", "pipeline/rbac.yml", "sampleapp-read-pods", "pipeline/azure/rbac.yml")
    return Workbench(namespace, agent, tools, None, log_in(namespace, PROMOTE).kubeconfig)


def new_run(workbench: Workbench, version: int, answer: Answer | None, driver: str) -> Run:
    """Return a run for the commit that sets the success rate to `version`, an image that a real cluster has."""
    parameters = {"driver": driver, "minDuration": "2s", "maxDuration": "100s", "loadTime": "110s", "loadRate": 100}
    if driver == "task":
        parameters["misc"] = "misc/fortio-deploy.yml"  # there is no Prometheus operator
    return Run(workbench, workbench.checkout(version), version, answer, parameters, {"CANARY_WARM_UP": "1s"}, SECRETS)


@BOTH
def test_a_first_and_a_better_version_are_promoted_when_a_person_approves_them(
    workbench: Workbench, driver: str
) -> None:
    for version in (FIRST, BETTER):
        run = new_run(workbench, version, "approve", driver)
        run.go()
        assert run.results["PromoteRejectCanary"] == "Succeeded", run.log
        assert workbench.deployments() == {"sampleapp": image(version)}
    assert "**PROMOTE**" in run.summaries[0]


@BOTH
def test_a_worse_version_is_rejected_by_its_verdict(workbench: Workbench, driver: str) -> None:
    checkout = workbench.checkout(BETTER)
    workbench.build(checkout / "app", image(BETTER))
    workbench.namespace.canary("apply", str(checkout / "manifests"), "--image", image(BETTER))
    run = new_run(workbench, WORSE, None, driver)
    run.go()
    assert "**REJECT**" in run.summaries[0]
    assert run.results["PromoteRejectCanary.Reject"] == "Succeeded", run.log
    assert workbench.deployments() == {"sampleapp": image(BETTER)}
