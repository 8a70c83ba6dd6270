"""The installed command: its version, its completion, and its life as a plugin of kubectl."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from canary import __version__
from tests.canary.commandline import CANARY, CommandLine
from tests.canary.quick_release import NEW

PATH = f"{CANARY.parent}{os.pathsep}{os.environ['PATH']}"


def shell(*command: str, **env: str) -> str:
    """Return what a command prints, with the installed commands on PATH."""
    done = subprocess.run(
        command, env=os.environ | {"PATH": PATH} | env, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_version_of_the_cluster_is_shown_beside_the_own_one(canary: CommandLine) -> None:
    shown = canary("version", "-o", "json").json()
    assert (shown["canary"], shown["problem"]) == (__version__, "")
    assert shown["python"].startswith(platform.python_version())
    lines = canary("version").out.splitlines()
    assert lines[0] == f"canary      {__version__}"
    assert lines[2] == f"Kubernetes  {shown['kubernetes']}"
    assert shown["kubernetes"].startswith("v1.")


def test_without_a_cluster_the_version_says_why_there_is_none(command_line: CommandLine) -> None:
    result = command_line("version")
    assert result.code == 0
    assert "Kubernetes  no kubeconfig" in result.out or "no-kubeconfig" in result.out


def test_yaml_has_the_same_values_as_json(canary: CommandLine) -> None:
    assert canary("deploy", *NEW).code == 0
    assert canary("reject", "app", "--reason", "it's ##vso[task.complete] y: 1e3\nno", "-o", "yaml").code == 0
    for command in (("status",), ("config",), ("doctor", "app")):
        as_json, as_yaml = (canary(*command, "--output", form) for form in ("json", "yaml"))
        assert yaml.safe_load(as_yaml.out) == json.loads(as_json.out)


def test_no_text_of_yaml_is_a_command_for_the_agent_of_a_pipeline(canary: CommandLine) -> None:
    assert canary("deploy", *NEW).code == 0
    result = canary("reject", "app", "--reason", "##vso[task.complete]", "-o", "yaml")
    assert "##" not in result.out
    assert yaml.safe_load(result.out)["rejected"][0]["reason"].endswith("##vso[task.complete]")


BASH = """
source <(canary completion bash)
complete() {
  COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
  _canary_completion canary
  echo "${COMPREPLY[*]}"
}
compopt() { echo "compopt $*"; }
"""


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (("re",), "release reject reap report"),
        (("release", "--gate", "m"), "manual"),
        (("release", "--tolera"), "--tolerance"),
        (("status", "-o", ""), "text json yaml"),
        (("release", "mani"), "compopt -o default"),
        (("release", "--kubeconfig", ""), "compopt -o default"),
    ],
)
def test_bash_completes_commands_options_words_and_files(typed: tuple[str, ...], offered: str) -> None:
    words = " ".join(f"'{word}'" for word in typed)
    assert shell("bash", "-c", f"{BASH}complete canary {words}").split() == offered.split()


@pytest.mark.parametrize("name", ["zsh", "fish"])
def test_zsh_and_fish_accept_their_scripts(name: str, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(shell("canary", "completion", name))
    assert "_CANARY_COMPLETE" in script.read_text()
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed: its script is printed, but nobody reads it")
    shell(name, "-n", str(script))


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes() -> None:
    assert "release" in shell("fish", "-c", "canary completion fish | source; complete -C 'canary rel'")


def test_kubectl_finds_the_plugin_runs_it_and_completes_it() -> None:
    assert f"{CANARY.parent / 'kubectl-canary'}" in shell("kubectl", "plugin", "list")
    assert shell("kubectl", "canary", "status", "--help").startswith("Usage: kubectl canary status ")
    assert shell("kubectl", "__complete", "canary", "rel").splitlines()[0].split("\t")[0] == "release"
    assert shell("kubectl", "__complete", "canary", "release", "--gate", "w").splitlines()[0] == "webhook"


def test_errors_of_the_plugin_name_commands_that_work() -> None:
    done = subprocess.run(
        ["kubectl", "canary", "status", "--foo"],
        env=os.environ | {"PATH": PATH},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "see kubectl canary status --help" in done.stderr
