"""azure-pipelines.yml, run step by step on a real cluster: with the real Fortio, DNS, and the permissions in the page.

tests/pipelines/azure/ runs every path on localcluster.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from e2e.accounts import PROMOTE, log_in
from e2e.cluster import Namespace
from e2e.documented_commands import type_lines
from tests.pipelines.azure.runner import Run
from tests.pipelines.azure.tasks import Answer
from tests.pipelines.workbench import Workbench, image

pytestmark = pytest.mark.skipif(
    "E2E_KUBECONFIG" not in os.environ, reason="tests/pipelines/azure runs every path on localcluster"
)
FIRST, BETTER, WORSE = 10, 20, 5  # a real cluster has these images
SECRETS = {"registryUsername": "robot", "registryPassword": "never-in-a-log"}
BOTH = pytest.mark.parametrize("driver", ["canary", "task"])


@pytest.fixture
def workbench(namespace: Namespace, tmp_path: Path) -> Workbench:
    """Give what a pipeline works with, and the page's account."""
    type_lines(
        namespace, "azure-pipelines.md", "pipeline/rbac.yml", "sampleapp-read-pods", "pipeline/rbac-pipelines.yml"
    )
    return Workbench(namespace, tmp_path / "agent", tmp_path / "tools", None, log_in(namespace, PROMOTE).kubeconfig)


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
