"""Events on the Deployment, as the commands write them."""

from __future__ import annotations

from typing import Any

import pytest

from canary.cli.identity import ProcessIdentity
from canary.objects import DEPLOYMENT, EVENT
from tests.canary.cluster_simulator import Simulator, unready
from tests.canary.commandline import CommandLine
from tests.canary.quick_release import NEW, QUICK
from tests.canary.story import Story, deployment, service

RELEASE = ("--gate", "auto", *QUICK, "--percentage", "50")


def events(story: Story) -> list[dict[str, Any]]:
    """Return the driver's Events, oldest first."""
    found = [one for one in story.cluster.find(EVENT) if one["source"].get("component") == "canary"]
    return sorted(found, key=lambda one: int(one["metadata"]["resourceVersion"]))


def told(story: Story) -> list[tuple[str, str, str, str]]:
    """Return subject, type, reason and message of the driver's Events."""
    return [(one["involvedObject"]["name"], one["type"], one["reason"], one["message"]) for one in events(story)]


@pytest.mark.usefixtures("answers")
def test_a_promoted_release_is_written_on_stable(canary: CommandLine, story: Story) -> None:
    assert canary("release", *NEW, "--gate", "auto", *QUICK).code == 0

    deployed, verdict, promoted = told(story)
    assert deployed == ("app", "Normal", "CanaryDeployed", "deployed app-canary: it runs app:2")
    assert verdict[:3] == ("app", "Normal", "CanaryVerdict")
    assert verdict[3].startswith("PROMOTE: canary ")
    assert promoted == (
        "app",
        "Normal",
        "CanaryPromoted",
        "promoted app: it now runs app:2 (decided by the verdict)",
    )


def test_an_event_has_the_fields_and_the_name_that_client_go_gives_it(canary: CommandLine, story: Story) -> None:
    assert canary("deploy", *NEW).code == 0

    [event] = events(story)
    stable = story.deployment()
    name, _, nanoseconds = event["metadata"]["name"].rpartition(".")
    assert name == "app"
    assert 10**18 < int(nanoseconds, 16) < 10**19
    assert event["involvedObject"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "namespace": story.namespace,
        "name": "app",
        "uid": stable["metadata"]["uid"],
        "resourceVersion": stable["metadata"]["resourceVersion"],
    }
    assert event["firstTimestamp"] == event["lastTimestamp"]
    assert (event["count"], event["source"]) == (1, {"component": "canary"})
    assert (event["reportingComponent"], event["reportingInstance"]) == ("canary", "")


@pytest.mark.usefixtures("answers")
def test_each_command_of_a_pipeline_writes_its_own_event(canary: CommandLine, story: Story) -> None:
    assert canary("deploy", *NEW).code == 0
    assert canary("watch", "app", *QUICK).code == 0
    assert canary("promote", "m.yml", "--image", "app:2").code == 0
    assert canary("rollback", "app").code == 0
    assert canary("deploy", *NEW).code == 0
    assert canary("reject", "app", "--reason", "answers are slow").code == 0

    assert [reason for _, _, reason, _ in told(story)] == [
        "CanaryDeployed",
        "CanaryVerdict",
        "CanaryPromoted",
        "CanaryRolledBack",
        "CanaryDeployed",
        "CanaryRejected",
    ]
    who = f" (decided by {ProcessIdentity().person})"
    assert told(story)[2][3] == f"promoted app: it now runs app:2{who}"
    assert told(story)[-1] == ("app", "Warning", "CanaryRejected", f"rejected app: answers are slow{who}")


@pytest.mark.usefixtures("answers")
def test_a_release_that_is_rejected_by_its_verdict_warns(canary: CommandLine, story: Story) -> None:
    assert canary("release", "m.yml", "--image", "app:3", *RELEASE).code == 1

    _, verdict, rejected = told(story)
    assert verdict[:3] == ("app", "Warning", "CanaryVerdict")
    assert verdict[3].startswith("REJECT: canary 50")
    assert rejected[:3] == ("app", "Warning", "CanaryRejected")


def test_an_undone_promote_warns(canary: CommandLine, story: Story, simulator: Simulator) -> None:
    simulator.script["app:2"] = unready
    assert canary("promote", *NEW[:3], "--unproven", "--timeout", "2s").code == 5

    [(subject, kind, reason, message)] = told(story)
    assert (subject, kind, reason) == ("app", "Warning", "CanaryUndone")
    assert message.startswith("undone: app is as it was before, because ")


def test_a_first_release_is_written_on_the_canary_until_there_is_stable(in_cluster: CommandLine, story: Story) -> None:
    in_cluster.write_objects("m.yml", deployment("app:1", replicas=1), service())
    assert in_cluster("deploy", "m.yml").code == 0
    canary = story.deployment("app-canary")
    assert in_cluster("reject", "app").code == 0

    deployed, rejected = events(story)
    assert deployed["involvedObject"]["name"] == "app-canary"
    assert deployed["involvedObject"]["uid"] == canary["metadata"]["uid"]
    assert rejected["reason"] == "CanaryRejected"
    assert rejected["involvedObject"]["uid"] == canary["metadata"]["uid"]
    assert story.cluster.get(DEPLOYMENT, "app-canary") is None


def test_an_abandoned_canary_that_is_reaped_warns(canary: CommandLine, story: Story) -> None:
    assert canary("deploy", *NEW, "--expire-after", "0").code == 0
    assert canary("reap").code == 0

    [_, (subject, kind, reason, message)] = told(story)
    assert (subject, kind, reason) == ("app", "Warning", "CanaryRejected")
    assert "expired" in message


def test_a_dry_run_writes_no_event(canary: CommandLine, story: Story) -> None:
    assert canary("deploy", *NEW, "--dry-run").code == 0
    assert canary("deploy", *NEW, "--expire-after", "0").code == 0
    before = told(story)
    assert canary("promote", *NEW[:3], "--dry-run").code == 0
    assert canary("reap", "--dry-run").code == 0
    assert told(story) == before


@pytest.mark.usefixtures("answers")
def test_an_account_that_may_not_create_events_is_told_so_once(canary: CommandLine, story: Story) -> None:
    story.simulator.forbid_events(story.namespace)

    result = canary("release", *NEW, "--gate", "auto", *QUICK)

    assert result.code == 0, result.err
    assert told(story) == []
    [note] = [line for line in result.lines if "Events:" in line]
    assert note.startswith("warning: 3 of 3 notifications could not be sent as Kubernetes Events: create Event app.")
    assert 'cannot create resource "events" in API group ""' in note
    assert note.endswith("This does not affect the release. To permit Events, use the Role in pipeline/rbac.yml")
