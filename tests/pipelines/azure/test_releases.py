"""azure-pipelines.yml, run step by step: what a person sees in Azure DevOps happens in a cluster."""

from __future__ import annotations

from typing import Any

from tests.pipelines.azure.runner import Run
from tests.pipelines.workbench import Workbench, image

QUICK = {"minDuration": "2s", "maxDuration": "20s", "loadTime": "30s"}
VARIABLES = {"CANARY_WARM_UP": "1s", "CANARY_MIN_REQUESTS": "20"}
SECRETS = {"registryUsername": "robot", "registryPassword": "never-in-a-log"}


def new_run(workbench: Workbench, version: int, answer: Any = None, **parameters: Any) -> Run:
    """Return a run for the commit that sets the success rate to `version`."""
    return Run(workbench, workbench.checkout(version), version, answer, QUICK | parameters, VARIABLES, SECRETS)


def test_a_first_release_is_deployed_and_promoted_when_a_person_approves(workbench: Workbench) -> None:
    run = new_run(workbench, 10, "approve")
    run.go()
    assert run.results["PromoteRejectCanary"] == "Succeeded", run.log
    assert workbench.deployments() == {"sampleapp": image(10)}
