"""What becomes of objects beside the Deployments that are there already, and how it is told."""

from __future__ import annotations

from typing import Any

import pytest

from canary.events import Differs, Written
from canary.objects import CONFIG_MAP, SERVICE
from tests.canary.commandline import CommandLine
from tests.canary.story import Story, config_map, deployment, service

NEW = ("m.yml", "--image", "app:2", "--percentage", "50")


def secret(value: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "stringData": {"password": value}}


def port(story: Story) -> int:
    return int((story.cluster.get(SERVICE, "app") or {})["spec"]["ports"][0]["port"])


def colour(story: Story) -> str:
    return str((story.cluster.get(CONFIG_MAP, "settings") or {})["data"]["colour"])


def configured(image: str) -> dict[str, Any]:
    made = deployment(image)
    made["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "settings"}}]
    return made


@pytest.fixture
def canary(in_cluster: CommandLine, story: Story) -> CommandLine:
    """Give the command in a folder whose manifests change a Service, a ConfigMap and a Secret of a stable app:1."""
    story.stable(service(), config_map(colour="red"), secret("hunter2"), configured("app:1"))
    in_cluster.write_objects(
        "m.yml", service(port=9090), config_map(colour="blue"), secret("hunter3"), configured("app:2")
    )
    return in_cluster


def test_deploy_shows_what_would_change_and_what_becomes_of_it(canary: CommandLine, story: Story) -> None:
    result = canary("deploy", *NEW)
    assert result.code == 0
    told = result.lines
    at = told.index("Service app would change: held until promote")
    assert told[at + 1 : at + 10] == [
        "  --- live",
        "  +++ manifests",
        "  @@ -13,5 +13,5 @@",
        "     ports:",
        "     - name: http",
        "  -    port: 8080",
        "  +    port: 9090",
        "       protocol: TCP",
        "       targetPort: http",
    ]
    at = told.index("ConfigMap settings would change: held until promote; only the canary gets it, as settings-canary")
    assert told[at + 6 : at + 8] == ["  -  colour: red", "  +  colour: blue"]
    assert "  +  password: <7 bytes, changed>" in told
    assert "hunter" not in result.err + result.out
    assert (port(story), colour(story)) == (8080, "red")


def test_a_dry_run_of_deploy_shows_the_same_and_the_copies_and_writes_nothing(
    canary: CommandLine, story: Story
) -> None:
    result = canary("deploy", *NEW, "--dry-run")
    assert "Service app would change: held until promote" in result.lines
    names = [(one["kind"], one["metadata"]["name"]) for one in result.yaml()]
    assert names == [("Deployment", "app-canary"), ("Deployment", "app-baseline"), ("ConfigMap", "settings-canary")]
    assert story.names() == {"app"}


def test_a_dry_run_as_json_holds_the_differences(canary: CommandLine) -> None:
    differs = canary("deploy", *NEW, "--dry-run", "-o", "json").json()["differs"]
    assert [(one["kind"], one["name"], one["copy"], one["now"]) for one in differs] == [
        ("Service", "app", "", False),
        ("ConfigMap", "settings", "settings-canary", False),
        ("Secret", "token", "", False),
    ]
    assert "+  colour: blue" in differs[1]["difference"]


def test_others_now_writes_them_at_deploy_and_says_what_that_means(canary: CommandLine, story: Story) -> None:
    result = canary("deploy", *NEW, "--others", "now")
    assert result.code == 0
    assert (port(story), colour(story)) == (9090, "blue")
    warned = "warning: Service app changes now, also for stable and baseline; a reject does not undo it"
    assert warned in result.lines
    assert story.cluster.get(CONFIG_MAP, "settings-canary") is None
    assert canary("reject", "app").code == 0
    assert (port(story), colour(story)) == (9090, "blue")


def test_others_now_once_held_writes_them_and_the_canary_keeps_its_copy(story: Story) -> None:
    story.stable(config_map(colour="red"), configured("app:1"))
    new = (config_map(colour="blue"), configured("app:2"))
    story.release(*new).deploy()
    story.release(*new, others="now").deploy()
    assert colour(story) == "blue"
    assert story.cluster.get(CONFIG_MAP, "settings-canary") is not None
    story.release(*new).promote()
    assert story.names() == {"app"}


def test_others_now_leaves_what_kubectl_wrote_and_the_manifest_dropped_behind_no_longer(story: Story) -> None:
    story.create_as("kubectl-client-side-apply", config_map(colour="red", size="1"))
    story.stable(deployment("app:1"))
    story.release(config_map(colour="red"), deployment("app:2"), others="now").deploy()
    assert (story.cluster.get(CONFIG_MAP, "settings") or {})["data"] == {"colour": "red"}


def test_a_reject_leaves_held_objects_as_they_are(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    story.release(service(port=9090), deployment("app:2")).deploy()
    story.release(names=("app",)).reject()
    assert port(story) == 8080


def test_a_deploy_that_goes_on_shows_what_is_held_again(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    new = (service(port=9090), deployment("app:2"))
    story.release(*new).deploy()
    story.events.clear()
    story.release(*new).deploy()
    assert [told.name for told in story.heard(Differs)] == ["app"]
    assert [event.action for event in story.heard(Written)] == ["unchanged", "unchanged"]
