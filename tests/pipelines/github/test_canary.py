"""The workflow canary.yml, run from a commit to a promoted or rejected canary, on localcluster."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol

import pytest
import yaml

from e2e.cluster import ROOT, Namespace
from tests.pipelines.github.project import check_out, new_run
from tests.pipelines.github.runner import APPROVED, CANCELLED, REJECTED, TIMED_OUT, Run
from tests.pipelines.workbench import Workbench

QUICK = {"settings": {"warm-up": "0s", "min-duration": "1s", "interval": "200ms"}}
JOBS = ("build", "deploy", "compare", "promote", "reject")


class Start(Protocol):
    def __call__(self, success_rate: int, review: Callable[[], str] = ..., **more: Any) -> Run: ...


@pytest.fixture
def start(workbench: Workbench) -> Start:
    """Give a function that changes the app's share of good answers and runs the project's workflow."""

    def run(success_rate: int, review: Callable[[], str] = lambda: APPROVED, **more: Any) -> Run:
        made = new_run(workbench, success_rate, review, **QUICK | more)
        made.start()
        return made

    return run


@pytest.fixture
def stable(workbench: Workbench) -> Namespace:
    """Give a namespace in which stable answers well in 50 % of all requests."""
    folder = check_out(workbench, 50)
    workbench.build(folder / "app", "sampleapp:50")
    workbench.namespace.canary("apply", str(folder / "manifests"), "--image", "sampleapp:50")
    return workbench.namespace


def deploy_by_hand(workbench: Workbench) -> None:
    """Start a release outside of GitHub."""
    folder = check_out(workbench, 5)
    workbench.build(folder / "app", "sampleapp:5")
    workbench.namespace.canary("deploy", str(folder / "manifests"), "--image", "sampleapp:5")


def results(*words: str) -> dict[str, str]:
    """Return the results of the jobs in their order."""
    return dict(zip(JOBS, words, strict=True))


def image_of(run: Run) -> str:
    return run.jobs["build"].outputs["image"]


def variants(namespace: Namespace) -> list[str]:
    """Return the names of canary and baseline, as far as they exist."""
    names = [one["metadata"]["name"] for one in namespace.list("deployments")]
    return [name for name in names if name.endswith(("-canary", "-baseline"))]


def test_a_first_release_and_then_a_good_version_are_promoted_after_approval(
    start: Start, workbench: Workbench
) -> None:
    namespace = workbench.namespace
    asked: list[list[str]] = []

    def review() -> str:
        asked.append(variants(namespace))
        return APPROVED

    first = start(50, review)
    assert first.results == results("success", "success", "success", "success", "skipped")
    assert namespace.images("sampleapp") == [image_of(first)]

    second = start(95, review)
    assert second.results == results("success", "success", "success", "success", "skipped")
    assert namespace.images("sampleapp") == [image_of(second)] != [image_of(first)]
    assert asked == [["sampleapp-canary"], ["sampleapp-baseline", "sampleapp-canary"]]
    assert variants(namespace) == []
    assert second.jobs["compare"].outputs["decision"] == "promote"
    assert re.search(r"canary \S+ % good vs baseline", second.jobs["compare"].outputs["sentence"])
    assert (second.artifacts / "report-1/report.md").read_text() in second.jobs["compare"].summary
    assert (second.artifacts / "report-1/report.html").exists()
    assert namespace.get("deployment", "fortio-deploy")


@pytest.mark.parametrize("answer", [REJECTED, pytest.param(TIMED_OUT, marks=pytest.mark.long)])
def test_without_approval_the_canary_is_deleted_and_its_evidence_is_kept(
    start: Start, stable: Namespace, answer: str
) -> None:
    run = start(95, lambda: answer)
    assert run.results == results("success", "success", "success", "failure", "success")
    assert stable.images("sampleapp") == ["sampleapp:50"]
    assert variants(stable) == []
    url = "https://github.com/Octo-Org/Shop/actions/runs/1"
    assert f"rejected sampleapp: not approved in the environment production ({url})" in run.jobs["reject"].log
    assert list((run.artifacts / "evidence-1").glob("*/*"))


@pytest.mark.long
def test_a_canary_that_the_reaper_has_rejected_meanwhile_cannot_be_promoted(start: Start, stable: Namespace) -> None:
    def review() -> str:
        stable.canary("reject", "sampleapp", "--reason", "expired")
        return APPROVED

    run = start(95, review)
    assert run.results == results("success", "success", "success", "failure", "success")
    assert "run canary deploy and canary watch first" in run.jobs["promote"].log
    assert "sampleapp: nothing to reject, it has no variants" in run.jobs["reject"].log
    assert stable.images("sampleapp") == ["sampleapp:50"]


def test_a_canary_that_somebody_has_deployed_meanwhile_is_not_rejected(
    start: Start, stable: Namespace, workbench: Workbench
) -> None:
    def review() -> str:
        stable.canary("reject", "sampleapp", "--reason", "expired")
        deploy_by_hand(workbench)
        return REJECTED

    run = start(95, review)
    assert run.results == results("success", "success", "success", "failure", "success")
    assert f"::warning::sampleapp-canary runs sampleapp:5, not {image_of(run)}" in run.jobs["reject"].log
    assert stable.images("sampleapp-canary") == ["sampleapp:5"]


def test_nobody_is_asked_about_a_canary_whose_verdict_is_reject(start: Start, stable: Namespace) -> None:
    def review() -> str:
        raise AssertionError("GitHub asked for an approval")

    run = start(5, review)
    assert run.results == results("success", "success", "failure", "skipped", "success")
    assert stable.images("sampleapp") == ["sampleapp:50"]
    assert variants(stable) == []
    sentence = run.jobs["compare"].outputs["sentence"]
    assert re.search(r"canary \S+ % good vs baseline .*: worse by", sentence)
    assert f"::error::{sentence}" in run.jobs["compare"].log
    assert f"rejected sampleapp: {sentence} (https://" in run.jobs["reject"].log


@pytest.mark.long
def test_jobs_can_be_run_again_after_a_rejection_and_after_a_promote(start: Start, stable: Namespace) -> None:
    answers = iter([REJECTED, APPROVED, APPROVED])
    run = start(95, lambda: next(answers))
    run.again("compare")  # its canary has been deleted
    assert run.results == results("success", "success", "failure", "skipped", "success")
    assert "run canary deploy first, or again if somebody deleted the canary" in run.jobs["compare"].log
    assert "sampleapp: nothing to reject, it has no variants" in run.jobs["reject"].log

    run.again("deploy")
    assert run.results == results("success", "success", "success", "success", "skipped")
    assert stable.images("sampleapp") == [image_of(run)]

    run.again("promote")
    assert run.results == results("success", "success", "success", "success", "skipped")
    assert "unchanged Deployment sampleapp" in run.jobs["promote"].log
    assert stable.images("sampleapp") == [image_of(run)]


def test_a_run_that_is_cancelled_while_it_watches_deletes_its_canary(start: Start, stable: Namespace) -> None:
    run = start(95, variables={"WATCH_TIME": "60s"}, cancel_at="watch sampleapp")
    assert run.results == results("success", "success", "cancelled", "cancelled", "success")
    assert "interrupted" in run.jobs["compare"].log
    assert "rejected sampleapp: the run was cancelled (https://" in run.jobs["reject"].log
    assert variants(stable) == []


@pytest.mark.long
def test_a_run_that_is_cancelled_while_it_waits_for_approval_deletes_its_canary(
    start: Start, stable: Namespace
) -> None:
    run = start(95, lambda: CANCELLED)
    assert run.results == results("success", "success", "success", "cancelled", "success")
    assert "rejected sampleapp: the run was cancelled (https://" in run.jobs["reject"].log
    assert variants(stable) == []


def test_a_release_that_somebody_else_has_started_is_left_alone(
    start: Start, stable: Namespace, workbench: Workbench
) -> None:
    deploy_by_hand(workbench)
    run = start(95)
    assert run.results == results("success", "failure", "skipped", "skipped", "skipped")
    assert "another release of sampleapp is in progress" in run.jobs["deploy"].log
    assert stable.images("sampleapp-canary") == ["sampleapp:5"]


@pytest.mark.long
def test_a_run_that_is_started_by_hand_may_supersede_another_release(
    start: Start, stable: Namespace, workbench: Workbench
) -> None:
    deploy_by_hand(workbench)
    run = start(95, inputs={"supersede": True})
    assert run.results == results("success", "success", "success", "success", "skipped")
    assert "rejected sampleapp: superseded" in run.jobs["deploy"].log
    assert stable.images("sampleapp") == [image_of(run)]


@pytest.mark.long
def test_pods_get_the_secret_for_pulling_images(start: Start, stable: Namespace) -> None:
    run = start(95, variables={"PULL_USERNAME": "octocat"}, secrets={"PULL_TOKEN": "correct horse battery"})
    assert run.results == results("success", "success", "success", "success", "skipped")
    secret = stable.get("secret", "ghcr")
    assert secret
    assert secret["type"] == "kubernetes.io/dockerconfigjson"
    deployment = stable.get("deployment", "sampleapp")
    assert deployment
    assert deployment["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "ghcr"}]


def test_a_fork_without_a_cluster_builds_and_deploys_nothing(start: Start) -> None:
    run = start(95, variables={"CANARY_CLUSTER": ""})
    assert set(run.results.values()) == {"skipped"}


def test_a_run_never_ends_one_that_is_in_progress() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/canary.yml").read_text())
    assert workflow["concurrency"] == {"group": "canary", "cancel-in-progress": False}
