"""One object that cannot be read does not hide the others of its namespace."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from canary.errors import ForbiddenError
from canary.marks import DIGEST, EXPIRES, STATE, VERSION_LABEL
from canary.objects import DEPLOYMENT
from tests.canary.commandline import CommandLine
from tests.canary.drivers import lock
from tests.canary.story import Faulty, Story, config_map, deployment

LONG = "a" * 60
PAST = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def releases(story: Story) -> Story:
    """Give two expired releases, one of whose canaries does not say when, and a long name that another tool made."""
    for name, expires in (("app", "soon"), ("worker", PAST)):
        story.stable(deployment(name=name))
        story.release(deployment("app:2", name=name)).deploy()
        story.cluster.annotate(DEPLOYMENT, f"{name}-canary", {EXPIRES: expires})
    foreign = deployment("app:2", name="other")
    foreign["metadata"] = {"name": f"{LONG}-canary", "labels": {VERSION_LABEL: "canary"}}
    story.cluster.create(foreign)
    return story


def problem(story: Story) -> str:
    return (
        "annotation canary-lab/expires of Deployment app-canary is not a valid time: 'soon'; "
        f"remove it: kubectl annotate deployment app-canary -n {story.namespace} canary-lab/expires-"
    )


def test_status_reports_what_it_cannot_read_and_shows_everything_else(releases: Story, in_cluster: CommandLine) -> None:
    text = in_cluster("status")
    assert text.code == 0
    assert text.lines == [f"canary: warning: {problem(releases)}"]
    assert [line.split()[0] for line in text.out.splitlines() if line[:1].strip()] == [LONG, "app", "worker"]
    assert f"{LONG}-canary" in text.out

    result = in_cluster("status", "--output", "json")
    foreign, app, worker = result.json()["workloads"]
    assert app["problems"] == [problem(releases)]
    assert [one["name"] for one in app["variants"]] == ["app", "app-baseline", "app-canary"]
    assert (foreign["problems"], worker["problems"]) == ([], [])
    assert [one["name"] for one in foreign["variants"]] == [f"{LONG}-canary"]


def test_reap_reports_what_it_cannot_read_and_rejects_everything_else(releases: Story, in_cluster: CommandLine) -> None:
    result = in_cluster("reap", "--output", "json")
    assert result.code == 2
    foreign, app, worker = result.json()["reaped"]
    assert (app["expired"], app["reason"], app["exit_code"]) == (False, problem(releases), 2)
    assert (worker["deleted"], worker["exit_code"]) == (["worker-baseline", "worker-canary"], 0)
    assert "never expires" in foreign["reason"]
    assert f"warning: app is left: {problem(releases)}" in result.lines
    assert releases.names() == {"app", "app-baseline", "app-canary", "worker", f"{LONG}-canary"}


@pytest.mark.parametrize(("state", "kept"), [("soon", "[]"), ("done", "{"), ("done", "[1]")])
def test_a_record_of_a_promote_that_cannot_be_read_is_reported_and_says_how_to_go_on(
    story: Story, in_cluster: CommandLine, state: str, kept: str
) -> None:
    for name in ("app", "worker"):
        story.stable(deployment(name=name))
        story.release(deployment("app:2", name=name)).deploy()
        story.cluster.annotate(DEPLOYMENT, f"{name}-canary", {EXPIRES: PAST})
    record = config_map("app-before", **{"objects.json": kept})
    record["metadata"]["annotations"] = {DIGEST: "d", STATE: state}
    story.cluster.create(record)

    status = in_cluster("status", "--output", "json")
    assert status.code == 0
    app, worker = status.json()["workloads"]
    [told] = app["problems"]
    assert told.startswith("the version of app before its last promote, in ConfigMap app-before, cannot be read (")
    assert told.endswith(f"kubectl delete configmap app-before -n {story.namespace}")
    assert worker["problems"] == []

    reaped = in_cluster("reap", "--output", "json")
    assert reaped.code == 2
    assert [(one["workload"], one["expired"]) for one in reaped.json()["reaped"]] == [("app", False), ("worker", True)]


def test_a_release_that_may_not_be_rejected_does_not_keep_the_others(story: Story) -> None:
    for name in ("app", "worker"):
        story.stable(deployment(name=name))
        story.release(deployment("app:2", name=name)).deploy()
    story.clock.time += 2000

    def forbid(kind: Any, name: str, **_: Any) -> None:
        if name == "app-baseline":
            raise ForbiddenError("may not delete app-baseline")

    app, worker = story.release(cluster=Faulty(story.cluster, {"delete": forbid}), lock=lock(story)).reap()
    assert (app.expired, app.reason, app.exit_code) == (False, "may not delete app-baseline", 3)
    assert worker.expired


def test_a_long_name_of_another_tool_can_be_rejected(releases: Story, in_cluster: CommandLine) -> None:
    assert in_cluster("reject", LONG).code == 0
    assert f"{LONG}-canary" not in releases.names()
