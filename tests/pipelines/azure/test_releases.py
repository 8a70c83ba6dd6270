"""azure-pipelines.yml, run step by step: what a person starts in Azure DevOps happens in a cluster."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pipelines.azure.runner import Run
from tests.pipelines.workbench import Workbench, image

STABLE, GOOD, BAD = 50, 95, 5  # percent of good answers, far apart, so that the verdict is soon clear
QUICK = {"minDuration": "1s", "maxDuration": "60s", "loadTime": "70s"}
VARIABLES = {"CANARY_WARM_UP": "0s", "CANARY_MIN_REQUESTS": "20", "CANARY_INTERVAL": "300ms"}
SECRETS = {"registryUsername": "robot", "registryPassword": "never-in-a-log"}
CANARY_AND_SOMETIMES_TASK = pytest.mark.parametrize("driver", ["canary", pytest.param("task", marks=pytest.mark.long)])
ASKED, PROMOTED, REJECTED = "PromoteRejectCanary.Input", "PromoteRejectCanary.Promote", "PromoteRejectCanary.Reject"


def new_run(workbench: Workbench, version: int, answer: Any = None, driver: str = "canary", **more: Any) -> Run:
    """Return a run for the commit that sets the success rate to `version`."""
    parameters = QUICK | {"driver": driver} | more
    if driver == "task":
        parameters["misc"] = "misc/fortio-deploy.yml"  # localcluster has no Prometheus operator
    return Run(workbench, workbench.checkout(version), version, answer, parameters, VARIABLES, SECRETS)


def with_stable(workbench: Workbench) -> None:
    """Deploy a stable version, as an earlier run has done."""
    checkout = workbench.checkout(STABLE)
    workbench.build(checkout / "app", image(STABLE))
    workbench.namespace.canary("apply", str(checkout / "manifests"), "--image", image(STABLE))


def with_canary_of_another_run(workbench: Workbench, version: int) -> None:
    """Deploy a canary, as a run does that still waits for a person, or that was lost with its agent."""
    checkout = workbench.checkout(version)
    workbench.build(checkout / "app", image(version))
    workbench.namespace.canary("deploy", str(checkout / "manifests"), "--image", image(version))


@CANARY_AND_SOMETIMES_TASK
def test_a_first_release_is_promoted_when_a_person_approves_it(workbench: Workbench, driver: str) -> None:
    run = new_run(workbench, STABLE, "approve", driver)
    run.go()
    assert "nothing to compare (first release)" in run.summaries[0]
    assert (run.results[ASKED], run.results[PROMOTED], run.results[REJECTED]) == ("Succeeded", "Succeeded", "Skipped")
    assert workbench.deployments() == {"sampleapp": image(STABLE)}


@pytest.mark.parametrize(
    ("deploys", "promotes"),
    [
        ("canary", "task"),
        ("task", "canary"),
        pytest.param("canary", "canary", marks=pytest.mark.long),
        pytest.param("task", "task", marks=pytest.mark.long),
    ],
)
def test_a_good_version_is_promoted_by_either_driver_when_a_person_approves_it(
    workbench: Workbench, deploys: str, promotes: str
) -> None:
    with_stable(workbench)
    run = new_run(workbench, GOOD, "approve", deploys)
    run.go("Build", "DeployCanary")
    assert workbench.deployments() == {
        "sampleapp": image(STABLE),
        "sampleapp-baseline": image(STABLE),
        "sampleapp-canary": image(GOOD),
    }
    assert "**PROMOTE**" in run.summaries[0]
    assert all((run.artifacts["compare-report-1-1"] / f"report.{one}").exists() for one in ("json", "html"))
    assert run.issues == []  # among them would be a load that ended before the comparison

    run.parameters = {**run.parameters, "driver": promotes}
    run.go("PromoteRejectCanary")
    assert run.results["PromoteRejectCanary"] == "Succeeded", run.log
    assert workbench.deployments() == {"sampleapp": image(GOOD)}
    assert SECRETS["registryPassword"] not in run.log


@pytest.mark.long
def test_a_bad_version_is_rejected_by_a_person(workbench: Workbench) -> None:
    with_stable(workbench)
    run = new_run(workbench, BAD, "reject", askOnReject=True)
    run.go()
    assert (run.results[ASKED], run.results[PROMOTED], run.results[REJECTED]) == ("Failed", "Skipped", "Succeeded")
    assert list(run.artifacts["evidence-1-1"].rglob("*.log"))
    assert workbench.deployments() == {"sampleapp": image(STABLE)}


@CANARY_AND_SOMETIMES_TASK
def test_a_bad_version_is_rejected_by_its_verdict_and_nobody_is_asked(workbench: Workbench, driver: str) -> None:
    with_stable(workbench)
    run = new_run(workbench, BAD, None, driver)
    run.go()
    assert "**REJECT**" in run.summaries[0]
    assert (run.results[ASKED], run.results[PROMOTED], run.results[REJECTED]) == ("Skipped", "Skipped", "Succeeded")
    assert workbench.deployments() == {"sampleapp": image(STABLE)}


def test_canary_refuses_to_promote_against_the_verdict_even_if_a_person_approves(workbench: Workbench) -> None:
    with_stable(workbench)
    run = new_run(workbench, BAD, "approve", askOnReject=True)
    run.go()
    assert (run.results[ASKED], run.results[PROMOTED], run.results[REJECTED]) == ("Succeeded", "Failed", "Succeeded")
    assert workbench.deployments() == {"sampleapp": image(STABLE)}


@pytest.mark.long
def test_a_canary_for_which_nobody_decides_in_time_is_rejected_and_cannot_be_promoted_later(
    workbench: Workbench,
) -> None:
    with_stable(workbench)
    run = new_run(workbench, GOOD, "time out", "task")
    run.go()
    assert (run.results[ASKED], run.results[REJECTED]) == ("Failed", "Succeeded")
    assert workbench.deployments() == {"sampleapp": image(STABLE)}

    run.answer = "approve"
    run.go("PromoteRejectCanary")  # the stage again, without a new canary
    assert (run.results[ASKED], run.results[PROMOTED]) == ("Succeeded", "Failed")
    assert run.issues == [f"error: There is no canary of {image(GOOD)} to promote. Run the stage that deploys it first"]
    assert workbench.deployments() == {"sampleapp": image(STABLE)}


def test_a_canary_that_does_not_become_ready_is_rejected(workbench: Workbench) -> None:
    with_stable(workbench)
    run = new_run(workbench, GOOD)
    run.variables = VARIABLES | {"CANARY_TIMEOUT": "2s"}
    (run.checkout / "app" / "app.py").write_text("raise SystemExit('no configuration')\n")
    run.go()
    assert (run.results["DeployCanary.Deploy"], run.results["DeployCanary.Compare"]) == ("Failed", "Skipped")
    assert (run.results[ASKED], run.results[REJECTED]) == ("Skipped", "Succeeded")
    assert workbench.deployments() == {"sampleapp": image(STABLE)}


@pytest.mark.long
@CANARY_AND_SOMETIMES_TASK
def test_a_stage_that_is_run_again_continues_with_its_own_canary(workbench: Workbench, driver: str) -> None:
    with_stable(workbench)
    run = new_run(workbench, GOOD, "approve", driver)
    run.go("Build", "DeployCanary")
    before = workbench.namespace.get("deployment", "sampleapp-canary")
    run.go("DeployCanary")
    after = workbench.namespace.get("deployment", "sampleapp-canary")
    assert before is not None
    assert after is not None
    assert before["metadata"]["uid"] == after["metadata"]["uid"]
    assert run.log.count("the canary of this run is running") == 3  # in Compare, and in both jobs of the second attempt
    assert run.artifacts.keys() == {"compare-report-1-1", "compare-report-2-2"}

    run.go("PromoteRejectCanary")
    run.go("PromoteRejectCanary")  # a promote that is run again finds its work done
    assert run.results["PromoteRejectCanary"] == "Succeeded", run.log
    assert f"sampleapp runs {image(GOOD)} already" in run.log
    assert workbench.deployments() == {"sampleapp": image(GOOD)}


@pytest.mark.long
def test_a_cancelled_run_rejects_its_canary_and_the_next_run_begins_afresh(workbench: Workbench) -> None:
    with_stable(workbench)
    cancelled = new_run(workbench, BAD)
    cancelled.go(cancel_at="watch sampleapp in namespace")
    assert "interrupted. Canary and baseline are still running" in cancelled.log
    assert cancelled.results["DeployCanary"] == "Canceled", cancelled.log
    assert (cancelled.results[ASKED], cancelled.results[REJECTED]) == ("Skipped", "Succeeded")
    assert workbench.deployments() == {"sampleapp": image(STABLE)}

    run = new_run(workbench, GOOD, "approve")
    run.go("Build", "DeployCanary")
    assert "no canary is running" in run.log
    assert workbench.deployments()["sampleapp-canary"] == image(GOOD)


@pytest.mark.long
def test_a_promote_that_was_cancelled_says_so_and_is_finished_when_the_stage_runs_again(workbench: Workbench) -> None:
    with_stable(workbench)
    run = new_run(workbench, GOOD, "approve")
    run.go("Build", "DeployCanary")
    run.go("PromoteRejectCanary", cancel_at="configured Deployment sampleapp")
    assert (run.results[PROMOTED], run.results[REJECTED]) == ("Canceled", "Succeeded")
    assert "a promote of sampleapp was interrupted: stable may run the new version" in run.log

    run.cancelled = False
    run.go("PromoteRejectCanary")
    assert run.results[PROMOTED] == "Succeeded", run.log
    assert workbench.deployments() == {"sampleapp": image(GOOD)}


def test_a_second_run_leaves_the_canary_of_the_first_alone(workbench: Workbench) -> None:
    with_stable(workbench)
    with_canary_of_another_run(workbench, GOOD)
    run = new_run(workbench, BAD, None, "task")  # the task by itself would replace that canary
    run.go()
    found = f"sampleapp-canary in namespace {workbench.namespace.name} runs {image(GOOD)}, not {image(BAD)}"
    assert [issue.partition(":")[0] for issue in run.issues] == ["error", "warning"]
    assert all(found in issue for issue in run.issues)
    assert (run.results["DeployCanary.Deploy"], run.results[REJECTED]) == ("Failed", "Succeeded")
    assert workbench.deployments()["sampleapp-canary"] == image(GOOD)


@CANARY_AND_SOMETIMES_TASK
def test_a_run_that_supersedes_others_rejects_their_canary(workbench: Workbench, driver: str) -> None:
    with_stable(workbench)
    with_canary_of_another_run(workbench, BAD)
    run = new_run(workbench, GOOD, "approve", driver, supersede=True)
    run.go("Build", "DeployCanary")  # another test promotes such a canary
    assert [issue.partition(":")[0] for issue in run.issues] == ["warning"]
    assert workbench.deployments() == {
        "sampleapp": image(STABLE),
        "sampleapp-baseline": image(STABLE),
        "sampleapp-canary": image(GOOD),
    }


def test_a_flag_that_canary_does_not_have_fails_the_run(workbench: Workbench) -> None:
    with_stable(workbench)
    run = new_run(workbench, GOOD)
    workbench.copy_pipeline(run.checkout)
    template = run.checkout / "pipeline" / "azure" / "canary-steps.yml"
    template.write_text(template.read_text().replace("--percentage", "--percent-of-pods"))
    run.go()
    assert run.results["DeployCanary.Deploy"] == "Failed"
    assert "No such option" in run.log


def test_a_variable_that_is_not_set_makes_no_broken_secret(workbench: Workbench) -> None:
    with_stable(workbench)
    unset = {name: f"$({name})" for name in SECRETS}  # what Azure puts into a step for them
    run = Run(workbench, workbench.checkout(GOOD), GOOD, None, QUICK, VARIABLES, unset)
    run.go()
    assert run.results["DeployCanary.Deploy"] == "Failed"
    assert any("A variable for the Secret azure-pipelines-canary-k8s is not set" in issue for issue in run.issues)
    assert workbench.namespace.get("secret", "azure-pipelines-canary-k8s") is None
    assert workbench.deployments() == {"sampleapp": image(STABLE)}
