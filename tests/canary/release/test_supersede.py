"""A release takes the place of another that is in progress, where it is told to."""

from __future__ import annotations

import pytest

from canary.errors import InputError
from canary.events import Rejected
from canary.marks import DIGEST, VERSION_LABEL
from canary.objects import DEPLOYMENT
from tests.canary.commandline import CommandLine
from tests.canary.interruption import interrupt_promote
from tests.canary.story import Story, deployment


def images(story: Story) -> dict[str, str]:
    return {
        found["metadata"]["name"]: found["spec"]["template"]["spec"]["containers"][0]["image"]
        for found in story.cluster.find(DEPLOYMENT)
    }


def test_the_release_in_progress_is_rejected_and_the_new_one_deployed(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    story.release(deployment("app:3"), supersede=True).deploy()
    assert images(story) == {"app": "app:1", "app-baseline": "app:1", "app-canary": "app:3"}
    [rejected] = story.heard(Rejected)
    assert (rejected.workload, rejected.reason) == ("app", "superseded by a release of app:3")


def test_a_whole_release_supersedes(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    assert story.release(deployment("app:3"), supersede=True).run().promoted
    assert images(story) == {"app": "app:3"}


def test_the_same_release_is_gone_on_with_and_not_rejected(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    uid = story.deployment("app-canary")["metadata"]["uid"]
    story.release(deployment("app:2"), supersede=True).deploy()
    assert story.deployment("app-canary")["metadata"]["uid"] == uid
    assert story.heard(Rejected) == []


def test_a_canary_of_another_tool_is_superseded_too(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    story.cluster.annotate(DEPLOYMENT, "app-canary", {DIGEST: None})
    story.release(deployment("app:3"), supersede=True).deploy()
    assert images(story)["app-canary"] == "app:3"


def test_only_the_workload_that_is_in_the_way_is_rejected(story: Story) -> None:
    story.stable(deployment("app:1"), deployment("worker:1", name="worker"))
    story.release(deployment("app:2"), deployment("worker:2", name="worker")).deploy()
    story.release(deployment("app:3"), supersede=True).deploy()
    assert images(story)["worker-canary"] == "worker:2"
    assert [one.workload for one in story.heard(Rejected)] == ["app"]


def test_what_is_on_its_way_to_stable_is_not_superseded(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    interrupt_promote(story)
    with pytest.raises(InputError, match=r"Its promote was interrupted. To finish it: canary promote"):
        story.release(deployment("app:3"), supersede=True).deploy()
    assert images(story)["app-canary"] == "app:2"


def test_a_deployment_that_is_no_variant_is_not_superseded(story: Story) -> None:
    story.stable(deployment("app:1"), deployment("other:1", name="app-canary"))
    with pytest.raises(InputError, match=f"no label {VERSION_LABEL}"):
        story.release(deployment("app:3"), supersede=True).deploy()
    assert images(story)["app-canary"] == "other:1"


def test_without_it_another_release_is_named_with_the_way_out(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    with pytest.raises(InputError, match=r"canary reject app .or pass --supersede with the new release"):
        story.release(deployment("app:3")).deploy()


def test_the_command_supersedes(in_cluster: CommandLine, story: Story) -> None:
    for version in (1, 2, 3):
        in_cluster.write_objects(f"{version}.yml", deployment(f"app:{version}"))
    assert in_cluster("apply", "1.yml").code == 0
    assert in_cluster("deploy", "2.yml").code == 0
    assert in_cluster("deploy", "3.yml").code == 2
    assert in_cluster("deploy", "3.yml", "--supersede").code == 0
    assert images(story)["app-canary"] == "app:3"
