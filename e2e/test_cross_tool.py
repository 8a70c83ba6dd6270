"""The pipelines' own canary steps finish what `canary` started, and the reverse. Nothing is left over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from e2e.cluster import Namespace
from e2e.polling import poll
from e2e.task import Task
from e2e.traffic import Traffic

AZURE, GITHUB = "azure-pipelines/version", "workflow/version"
WATCH = ("--tolerance", "0.05", "--warm-up", "1s", "--min-duration", "2s", "--interval", "500ms")


@pytest.fixture
def task(request: pytest.FixtureRequest, namespace: Namespace, manifests: Path) -> Task:
    """Give one of the other tools, with its label, in a namespace where sampleapp:10 is stable."""
    objects = tuple(yaml.safe_load(file.read_text()) for file in sorted(manifests.glob("*.yml")))
    own = Task(namespace, objects, getattr(request, "param", AZURE))
    own.promote("sampleapp:10")
    return own


def deployments(namespace: Namespace) -> dict[str, list[str]]:
    """Return the images of each Deployment, by name."""
    return {
        found["metadata"]["name"]: [c["image"] for c in found["spec"]["template"]["spec"]["containers"]]
        for found in namespace.list("deployments")
    }


def leftovers(namespace: Namespace) -> set[str]:
    """Return the objects of a release that still exist, as kind/name."""
    kinds = ("deployments", "configmaps", "secrets", "leases")
    names = {f"{found['kind']}/{found['metadata']['name']}" for kind in kinds for found in namespace.list(kind)}
    return {name for name in names if name.endswith(("-canary", "-baseline", "-before"))}


def listed(namespace: Namespace, *names: str) -> set[str]:
    """Return which of these names are in the output of `canary status`."""
    text = namespace.canary("status", "sampleapp").out
    return {name for name in names if name.partition("/")[2] in text}


@pytest.mark.parametrize("task", [AZURE, GITHUB], indirect=True)
def test_canary_compares_and_promotes_what_the_task_deployed(task: Task, manifests: Path) -> None:
    namespace = task.namespace
    task.deploy("sampleapp:20")
    with Traffic(namespace):
        namespace.canary("watch", "sampleapp", *WATCH)
    assert {"sampleapp-canary", "sampleapp-baseline"} <= set(namespace.canary("status").out.split())
    namespace.canary("promote", str(manifests), "--image", "sampleapp:20")

    assert deployments(namespace) == {"sampleapp": ["sampleapp:20"]}
    assert leftovers(namespace) == {"ConfigMap/sampleapp-before"}


@pytest.mark.parametrize("task", [AZURE, GITHUB], indirect=True)
def test_canary_rejects_what_the_task_deployed(task: Task) -> None:
    namespace = task.namespace
    before = namespace.get("deployment", "sampleapp")
    task.deploy("sampleapp:20")
    namespace.canary("reject")

    assert deployments(namespace) == {"sampleapp": ["sampleapp:10"]}
    after = namespace.get("deployment", "sampleapp")
    assert before is not None
    assert after is not None
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert leftovers(namespace) == set()


@pytest.mark.parametrize("ending", ["promote", "reject"])
def test_the_task_finishes_what_canary_deployed_and_compared(task: Task, manifests: Path, ending: str) -> None:
    namespace = task.namespace
    namespace.canary("deploy", str(manifests), "--image", "sampleapp:20", "--percentage", "50", "--label", task.label)
    with Traffic(namespace):
        namespace.canary("watch", "sampleapp", "--label", task.label, *WATCH)
    if ending == "promote":
        task.promote("sampleapp:20")
    else:
        task.reject()

    assert deployments(namespace) == {"sampleapp": ["sampleapp:20" if ending == "promote" else "sampleapp:10"]}

    def is_all_listed() -> bool:
        left = leftovers(namespace)  # fewer and fewer: the garbage collector deletes what belonged to the variants
        return listed(namespace, *left) == left

    poll("status lists what the task has left", is_all_listed)

    # and the next release begins as if nothing had been there
    again = (str(manifests), "--image", "sampleapp:5", "--label", task.label)
    namespace.canary("deploy", *again)
    namespace.canary("reject", "sampleapp", "--label", task.label)
    assert leftovers(namespace) == set()


def test_the_task_accepts_a_stable_that_canary_promoted(task: Task, manifests: Path) -> None:
    namespace = task.namespace
    release = (str(manifests), "--image", "sampleapp:20", "--label", task.label)
    namespace.canary("deploy", *release)
    namespace.canary("promote", *release)

    task.deploy("sampleapp:5")
    variants = deployments(namespace)
    assert variants == {
        "sampleapp": ["sampleapp:20"],
        "sampleapp-baseline": ["sampleapp:20"],
        "sampleapp-canary": ["sampleapp:5"],
    }
    task.promote("sampleapp:5")
    assert deployments(namespace) == {"sampleapp": ["sampleapp:5"]}
    assert leftovers(namespace) == {"ConfigMap/sampleapp-before"}  # canary's own promote kept it


@pytest.mark.parametrize("task", [AZURE, GITHUB], indirect=True)
def test_a_baseline_that_the_task_left_behind_is_listed_and_rejected(task: Task) -> None:
    namespace = task.namespace
    task.deploy("sampleapp:20")
    namespace.kubectl("delete", "deployment", "sampleapp-canary")

    found = json.loads(namespace.canary("status", "sampleapp", "--output", "json").out)
    assert [one["name"] for one in found["workloads"][0]["variants"]] == ["sampleapp", "sampleapp-baseline"]
    namespace.canary("reject", "sampleapp")
    assert deployments(namespace) == {"sampleapp": ["sampleapp:10"]}
