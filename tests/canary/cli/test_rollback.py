"""`canary rollback`: what it prints, and how it ends."""

from __future__ import annotations

import pytest

from canary.errors import InterruptedReleaseError
from canary.objects import CONFIG_MAP
from tests.canary.commandline import CommandLine
from tests.canary.story import Faulty, Story, config_map, deployment, image_of, secret


@pytest.fixture
def canary(in_cluster: CommandLine, story: Story) -> CommandLine:
    """Give the command in a namespace where app:2 was promoted over app:1, with a ConfigMap and a Secret."""
    story.stable(config_map(colour="red"), secret(value="old"), deployment("app:1"))
    new = (config_map(colour="blue"), secret(value="hunter3"), config_map("fresh"), deployment("app:2"))
    story.release(*new).deploy()
    story.cluster.delete(CONFIG_MAP, "fresh")
    story.release(*new).promote()
    return in_cluster


def test_a_rollback_reports_what_it_does_and_exits_with_0(canary: CommandLine, story: Story) -> None:
    result = canary("rollback", "app")
    assert (result.code, result.out) == (0, "")
    assert result.lines[0] == f"rollback app in namespace {story.namespace}"
    assert "configured ConfigMap settings: as it was before" in result.lines
    assert "deleted ConfigMap fresh: did not exist before" in result.lines
    assert result.lines[-1] == "rolled back app: it now runs app:1"
    assert image_of(story.deployment()) == "app:1"


def test_a_rollback_prints_json(canary: CommandLine) -> None:
    result = canary("rollback", "app", "--output", "json")
    assert result.json() == {"rolled_back": [{"workload": "app", "images": ["app:1"]}], "rejected": []}


def test_a_dry_run_prints_the_objects_without_the_values_of_secrets_and_changes_nothing(
    canary: CommandLine, story: Story
) -> None:
    result = canary("rollback", "app", "--dry-run")
    assert result.code == 0
    settings, password, stable = result.yaml()
    assert settings["data"] == {"colour": "red"}
    assert password["data"] == {"value": "<3 bytes>"}
    assert stable["spec"]["template"]["spec"]["containers"][0]["image"] == "app:1"
    assert "status" not in stable
    assert set(stable["metadata"]) <= {"name", "namespace", "labels", "annotations"}
    assert result.lines == ["would delete ConfigMap fresh, which did not exist before"]
    assert image_of(story.deployment()) == "app:2"


def test_status_shows_the_rollback_and_the_images_it_restores(canary: CommandLine) -> None:
    lines = canary("status", "app").out.splitlines()
    [line] = [line for line in lines if line.startswith("  rollback ")]
    assert line.startswith("  rollback restores app:1, replaced 20")
    assert line.endswith(" UTC: canary rollback app")
    [app] = canary("status", "app", "--output", "json").json()["workloads"]
    assert app["rollback"]["images"] == ["app:1"]


def test_a_first_release_cannot_be_rolled_back(in_cluster: CommandLine, story: Story) -> None:
    story.release(deployment("app:1")).deploy()
    story.release(deployment("app:1")).promote()
    result = in_cluster("rollback", "app")
    assert result.code == 2
    assert result.lines[-1] == (
        "canary: error: cannot roll app back: its last promote was its first. To delete it: "
        f"kubectl delete deployment/app -n {story.namespace}"
    )


def test_a_rollback_of_a_misspelt_name_suggests_a_similar_one(canary: CommandLine) -> None:
    result = canary("rollback", "ap")
    assert result.code == 2
    assert "there is no Deployment ap in namespace" in result.err
    assert "did you mean app?" in result.err


def test_a_rollback_without_a_name_is_refused(canary: CommandLine) -> None:
    result = canary("rollback")
    assert result.code == 2
    assert "name the one to roll back, as in canary rollback NAME" in result.err


def test_the_rollback_command_that_reject_prints_after_an_interrupted_promote_works(
    in_cluster: CommandLine, story: Story
) -> None:
    story.stable(deployment("app:1"))
    new = deployment("app:2")
    story.release(new).deploy()

    def interrupt(obj: object, *_: object, **__: object) -> None:
        raise KeyboardInterrupt

    stopped = Faulty(story.cluster, {"delete": interrupt})  # stable is written, the variants are still there
    with pytest.raises(InterruptedReleaseError):
        story.release(new, cluster=stopped).promote()

    line = in_cluster("reject", "app").lines[-1]
    assert line == (
        "warning: a promote of app was interrupted: stable may run the new version. To go back to the version before: "
        "canary rollback app"
    )
    command = line.partition(": canary ")[2].split()
    assert in_cluster(*command).code == 0
    assert image_of(story.deployment()) == "app:1"
