"""`canary secret`: values come from stdin, files and the environment, and are never printed."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from canary.collaborators import SECRET
from tests.canary.commandline import CommandLine
from tests.canary.story import Story

PASSWORD = "correct horse battery staple"
LOGIN = ("secret", "registry", "--server", "registry.example", "--username", "robot")


def values(story: Story, name: str) -> dict[str, bytes]:
    secret = story.cluster.get(SECRET, name)
    assert secret is not None
    return {key: base64.b64decode(value) for key, value in secret["data"].items()}


def login(story: Story) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(values(story, "registry")[".dockerconfigjson"])
    return config["auths"]["registry.example"]


def test_a_registry_secret_is_created_then_updated_and_left_alone_when_nothing_changes(
    in_cluster: CommandLine, story: Story
) -> None:
    told = []
    for password in (PASSWORD, PASSWORD, "another"):
        result = in_cluster(*LOGIN, "--password-stdin", stdin=f"{password}\n")
        assert (result.code, result.out) == (0, "")
        told.append(result.err)
    assert told == ["Secret registry created\n", "Secret registry unchanged\n", "Secret registry configured\n"]
    secret = story.cluster.get(SECRET, "registry")
    assert secret is not None
    assert secret["type"] == "kubernetes.io/dockerconfigjson"
    auth = base64.b64encode(b"robot:another").decode()
    assert login(story) == {"username": "robot", "password": "another", "auth": auth}


def test_a_password_comes_from_a_file_or_the_environment_too(in_cluster: CommandLine, story: Story) -> None:
    in_cluster.write("password", f"{PASSWORD}\n")
    assert in_cluster(*LOGIN, "--password-file", "password").code == 0
    assert login(story)["password"] == PASSWORD
    result = in_cluster(*LOGIN, "--password-env", "TOKEN", "-o", "json", environment={"TOKEN": "other"})
    assert result.json() == {"name": "registry", "namespace": story.namespace, "action": "configured"}
    assert login(story)["password"] == "other"


def test_values_of_ones_own_are_kept_to_the_byte(in_cluster: CommandLine, story: Story) -> None:
    (in_cluster.folder / "key").write_bytes(b"\x00\xff\n")
    arguments = ("secret", "own", "--from-file", "a=key", "--from-env", "b=B", "--from-stdin", "c")
    assert in_cluster(*arguments, stdin="from stdin\n", environment={"B": "é"}).code == 0
    assert values(story, "own") == {"a": b"\x00\xff\n", "b": "é".encode(), "c": b"from stdin"}


def test_labels_and_annotations_in_the_cluster_survive_an_update(in_cluster: CommandLine, story: Story) -> None:
    in_cluster("secret", "own", "--from-stdin", "a", stdin="1")
    story.cluster.annotate(SECRET, "own", {"team": "a"})
    in_cluster("secret", "own", "--from-stdin", "b", stdin="2")
    secret = story.cluster.get(SECRET, "own")
    assert secret is not None
    assert secret["metadata"]["annotations"]["team"] == "a"
    assert values(story, "own") == {"b": b"2"}


def test_the_type_of_a_secret_cannot_change(in_cluster: CommandLine) -> None:
    in_cluster("secret", "registry", "--from-stdin", "a", stdin="1")
    result = in_cluster(*LOGIN, "--password-stdin", stdin=PASSWORD)
    assert result.code == 2
    assert result.err == (
        "canary: error: Secret registry exists with type Opaque, which cannot become kubernetes.io/dockerconfigjson: "
        "delete it first, or choose another name\n"
    )


@pytest.mark.parametrize("flags", [("--password-stdin",), ("--from-stdin", "a")])
def test_a_dry_run_shows_lengths_and_writes_nothing(
    flags: tuple[str, ...], in_cluster: CommandLine, story: Story
) -> None:
    arguments = LOGIN if flags == ("--password-stdin",) else LOGIN[:2]
    result = in_cluster(*arguments, *flags, "--dry-run", stdin=PASSWORD)
    assert result.code == 0
    [secret] = result.yaml()
    assert all(value.endswith(" bytes>") for value in secret["data"].values())
    encoded = base64.b64encode(PASSWORD.encode()).decode()
    assert PASSWORD not in result.out + result.err
    assert encoded not in result.out + result.err
    assert story.cluster.get(SECRET, "registry") is None


WRONG = {
    (): "a Secret of what? give --server for a registry, or --from-file, --from-env or --from-stdin",
    ("--server", "x"): "a registry's Secret takes --server and --username",
    ("--username", "x", "--password-stdin"): "a registry's Secret takes --server and --username",
    ("--server", "x", "--username", "y"): (
        "a registry's Secret takes one of --password-stdin, --password-env and --password-file"
    ),
    ("--server", "x", "--username", "y", "--password-stdin", "--password-env", "Z"): (
        "a registry's Secret takes one of --password-stdin, --password-env and --password-file"
    ),
    ("--server", "x", "--username", "y", "--password-stdin"): "the password is empty",
    ("--server", "x", "--username", "y", "--password-env", "NOPE"): "environment variable NOPE is not set",
    ("--server", "x", "--username", "y", "--password-file", "latin"): "the password is not UTF-8 text",
    ("--server", "x", "--from-stdin", "a"): (
        "a Secret is either for a registry (--server …) or of values of your own (--from-…)"
    ),
    ("--from-file", "a"): "--from-file a: write KEY=PATH",
    ("--from-env", "=a"): "--from-env =a: write KEY=VARIABLE",
    ("--from-file", "a=nowhere"): "nowhere: No such file or directory",
    ("--from-file", "a=latin", "--from-env", "a=HOME"): "--from-env a=HOME: key a is given twice",
    ("--from-file", "a=latin", "--from-stdin", "a"): "--from-stdin a: key a is given twice",
}


@pytest.mark.parametrize("flags", WRONG, ids=" ".join)
def test_wrong_input_is_told_in_one_line(flags: tuple[str, ...], command_line: CommandLine) -> None:
    (command_line.folder / "latin").write_bytes(b"\xff")
    result = command_line("secret", "name", *flags)
    assert (result.code, result.out, result.err) == (2, "", f"canary: error: {WRONG[flags]}\n")
