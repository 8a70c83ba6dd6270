"""`canary secret`: the password of a registry comes from stdin, and is never printed."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from canary.objects import LAST_APPLIED, SECRET
from tests.canary.commandline import CommandLine
from tests.canary.story import Story

PASSWORD = "correct horse battery staple"
LOGIN = ("secret", "registry", "--server", "registry.example", "--username", "robot")


def login(story: Story) -> dict[str, Any]:
    secret = story.cluster.get(SECRET, "registry")
    assert secret is not None
    config: dict[str, dict[str, dict[str, Any]]] = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))
    return config["auths"]["registry.example"]


def test_a_registry_secret_is_created_then_updated_and_left_alone_when_nothing_changes(
    in_cluster: CommandLine, story: Story
) -> None:
    messages = []
    for password in (PASSWORD, PASSWORD, "another"):
        result = in_cluster(*LOGIN, stdin=f"{password}\n")
        assert (result.code, result.out) == (0, "")
        messages.append(result.err)
    assert messages == ["Secret registry created\n", "Secret registry unchanged\n", "Secret registry configured\n"]
    secret = story.cluster.get(SECRET, "registry")
    assert secret is not None
    assert secret["type"] == "kubernetes.io/dockerconfigjson"
    assert LAST_APPLIED not in (secret["metadata"].get("annotations") or {})
    auth = base64.b64encode(b"robot:another").decode()
    assert login(story) == {"username": "robot", "password": "another", "auth": auth}


def test_the_result_is_json_and_the_password_ends_before_a_windows_newline(
    in_cluster: CommandLine, story: Story
) -> None:
    result = in_cluster(*LOGIN, "-o", "json", stdin=f"{PASSWORD}\r\n")
    assert result.json() == {"name": "registry", "namespace": story.namespace, "action": "created"}
    assert login(story)["password"] == PASSWORD


def test_labels_and_annotations_in_the_cluster_survive_an_update(in_cluster: CommandLine, story: Story) -> None:
    in_cluster(*LOGIN, stdin="1")
    story.cluster.annotate(SECRET, "registry", {"team": "a"})
    in_cluster(*LOGIN, stdin="2")
    secret = story.cluster.get(SECRET, "registry")
    assert secret is not None
    assert secret["metadata"]["annotations"]["team"] == "a"
    assert login(story)["password"] == "2"


def test_the_type_of_a_secret_cannot_change(in_cluster: CommandLine, story: Story) -> None:
    own = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "registry"}, "stringData": {"a": "1"}}
    story.cluster.create(own)
    result = in_cluster(*LOGIN, stdin=PASSWORD)
    assert result.code == 2
    assert "apply Secret registry: " in result.err
    assert "field is immutable" in result.err
    assert PASSWORD not in result.err


def test_a_dry_run_shows_lengths_and_writes_nothing(in_cluster: CommandLine, story: Story) -> None:
    result = in_cluster(*LOGIN, "--dry-run", stdin=PASSWORD)
    assert result.code == 0
    [secret] = result.yaml()
    assert all(value.endswith(" bytes>") for value in secret["data"].values())
    encoded = base64.b64encode(PASSWORD.encode()).decode()
    assert PASSWORD not in result.out + result.err
    assert encoded not in result.out + result.err
    assert story.cluster.get(SECRET, "registry") is None


def test_wrong_input_is_reported_in_one_line(command_line: CommandLine) -> None:
    result = command_line(*LOGIN, stdin="\n")
    assert (result.code, result.err) == (
        2,
        "canary: error: the password on stdin is empty: check the file or variable that it comes from\n",
    )


@pytest.mark.parametrize("missing", ["--server", "--username"])
def test_server_and_username_are_required(missing: str, command_line: CommandLine) -> None:
    at = LOGIN.index(missing)
    result = command_line(*LOGIN[:at], *LOGIN[at + 2 :], stdin=PASSWORD)
    assert (result.code, missing in result.err) == (2, True)
