"""Whether an argument is a Deployment's name or manifests."""

from __future__ import annotations

from pathlib import Path

import pytest

from canary.cli.arguments import names_and_manifests
from tests.canary.commandline import CommandLine
from tests.canary.story import Story, deployment


def nobody(name: str) -> bool:
    """No Deployment has this name."""
    return False


@pytest.mark.parametrize("name", ["sampleapp", "deployment/sampleapp", "deploy/sampleapp", "deployment.apps/sampleapp"])
def test_names_are_plain_or_as_kubectl_writes_them(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert names_and_manifests([name], nobody) == (["sampleapp"], [])


@pytest.mark.parametrize("path", ["-", "manifests/", "./a", "/nowhere/at/all", "a.yml", "a.yaml", "a.json", "deploy/"])
def test_an_argument_with_a_slash_or_a_suffix_of_manifests_is_manifests(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert names_and_manifests(["app", path], nobody) == (["app"], [path])


def test_a_file_below_a_folder_named_deploy_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deploy" / "prod").mkdir(parents=True)
    assert names_and_manifests(["deploy/prod"], nobody) == ([], ["deploy/prod"])


def test_a_folder_that_is_also_a_deployment_is_refused(in_cluster: CommandLine, story: Story) -> None:
    in_cluster.write_objects("web/app.yml", deployment())
    in_cluster.write_objects("app/app.yml", deployment())
    assert in_cluster("apply", "web").code == 0
    assert in_cluster("doctor", "web", "--output", "json").json()["checks"][-1]["workload"] == "app"
    assert in_cluster("status", "web").out.startswith(f"app in namespace {story.namespace}\n")

    result = in_cluster("reject", "app")
    assert result.code == 2
    assert result.err == (
        "canary: error: app may be a Deployment, and is also a folder here: "
        "write deployment/app for the Deployment, or app/ for the manifests in the folder\n"
    )


def test_a_folder_with_code_alone_does_not_make_a_name_ambiguous(in_cluster: CommandLine) -> None:
    in_cluster.write_objects("m.yml", deployment())
    assert in_cluster("apply", "m.yml").code == 0
    in_cluster.write("app/server.py", "")
    assert in_cluster("status", "app").code == 0
    assert "app: nothing to reject" in in_cluster("reject", "app").err


def test_without_a_cluster_the_name_of_a_folder_is_refused(command_line: CommandLine) -> None:
    command_line.write_objects("web/app.yml", deployment())
    result = command_line("reject", "web")
    assert (result.code, "web may be a Deployment, and is also a folder here" in result.err) == (2, True)


@pytest.mark.parametrize(
    "command", ["release", "deploy", "promote", "apply", "watch --report-only", "reject", "status", "doctor"]
)
def test_an_empty_argument_is_refused(in_cluster: CommandLine, command: str) -> None:
    command, *more = command.split()
    in_cluster.write_objects("app.yml", deployment())
    result = in_cluster(command, "", *more)
    assert (result.code, result.lines[-1]) == (
        2,
        "canary: error: an argument is empty: check whether a shell variable in the command is set",
    )
