"""The wheel installs as `canary` does for people who have no clone, and everything works from there.

Needs a package index.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from canary import __version__
from e2e.console import Page
from tests.canary.commandline import CANARY

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

REPOSITORY = Path(__file__).parents[2]
UNREACHABLE = """
apiVersion: v1
kind: Config
clusters: [{name: lab, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: lab, context: {cluster: lab}}]
current-context: lab
"""
INSTALLERS = {
    "pipx": (("pipx", "install", "--quiet", "--python", sys.executable), ("pipx", "uninstall", "canary-lab")),
    "uv": (
        ("uv", "tool", "install", "--quiet", "--python", sys.executable),
        ("uv", "tool", "uninstall", "canary-lab"),
    ),
}
"""How docs/install.md installs and uninstalls with each tool."""


@dataclass(frozen=True)
class Machine:
    """A folder outside of the repository, with only the installed commands, kubectl and the system's on PATH.

    Attributes:
        folder: the working folder.
        bin: where the tools put commands.
        env: variables of every command.
    """

    folder: Path
    bin: Path
    env: dict[str, str]

    def run(self, *command: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        words = [str(word) for word in command]
        done = subprocess.run(words, env=self.env, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == code, f"{words}:\n{done.stdout}{done.stderr}"
        return done


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the bin/ of an environment with pipx and uv."""
    folder = tmp_path_factory.mktemp("tools")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin/pip", "install", "--quiet", "pipx", "uv"], check=True)
    return folder / "bin"


@pytest.fixture(scope="module")
def wheel(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([tools / "uv", "build", "--quiet", "--wheel", "--out-dir", folder, REPOSITORY], check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture
def machine(tools: Path, tmp_path: Path) -> Iterator[Machine]:
    """Give a machine where nothing of this repository is installed; a localcluster on it ends with the test."""
    commands, system, work = (tmp_path / name for name in ("commands", "system", "work"))
    for folder in (commands, system, work):
        folder.mkdir()
    for program in (CANARY.parent / "kubectl", tools / "pipx", tools / "uv"):
        (system / program.name).symlink_to(program)
    own = {
        "PATH": os.pathsep.join([str(commands), str(system), "/usr/bin", "/bin"]),
        "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_BIN_DIR": str(commands),
        "PIPX_MAN_DIR": str(tmp_path / "man"),
        "UV_TOOL_DIR": str(tmp_path / "uv"),
        "UV_TOOL_BIN_DIR": str(commands),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "LOCALCLUSTER_HOME": str(tmp_path / "localcluster"),
        "KUBECONFIG": str(tmp_path / "no-kubeconfig"),
    }
    inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    made = Machine(work, commands, inherited | own)
    yield made
    if (commands / "localcluster").exists():
        made.run("localcluster", "down")


def test_the_wheel_has_every_file_of_the_packages(wheel: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "pipeline/canary", "localcluster"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    wanted = {name.removeprefix("pipeline/") for name in listed.stdout.splitlines()}
    assert {"canary/canary.schema.json", "canary/console/static/console.js", "canary/py.typed"} < wanted
    assert {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name} == wanted


@pytest.mark.parametrize("tool", INSTALLERS)
def test_all_commands_work_when_a_tool_has_installed_the_wheel(tool: str, wheel: Path, machine: Machine) -> None:
    install, uninstall = INSTALLERS[tool]
    machine.run(*install, f"{wheel}[localcluster]")
    assert {path.name for path in machine.bin.iterdir()} == {
        *("canary", "kubectl-canary", "kubectl_complete-canary", "localcluster")
    }
    assert machine.run("canary", "--version").stdout == f"canary, version {__version__}\n"
    assert f"{machine.bin}/kubectl-canary" in machine.run("kubectl", "plugin", "list").stdout
    assert machine.run("kubectl", "canary", "status", "--help").stdout.startswith("Usage: kubectl canary status ")
    assert machine.run("kubectl", "__complete", "canary", "rel").stdout.startswith("release\t")
    shipped = (REPOSITORY / "pipeline/canary/canary.schema.json").read_text()
    assert machine.run("canary", "config", "--schema").stdout == shipped

    machine.run("localcluster", "up")
    kubeconfig = machine.run("localcluster", "kubeconfig").stdout.strip()
    machine.env["KUBECONFIG"] = kubeconfig
    assert json.loads(machine.run("canary", "version", "-o", "json").stdout)["kubernetes"].startswith("v1.")
    assert machine.run("kubectl", "canary", "status").stdout == "no release in namespace default\n"
    refused = machine.run("canary", "watch", "sampleapp", "--tolerance", "0.05", "--report", "out", code=2)
    assert "sampleapp" in refused.stderr
    assert "</html>" in (machine.folder / "out/report.html").read_text()
    check_console(machine, "default")

    machine.run("localcluster", "down")
    machine.run(*uninstall)
    assert not list(machine.bin.iterdir())


def check_console(machine: Machine, words: str) -> None:
    """Open the page of a console, which must have these words, and the files that it loads."""
    command = ["canary", "console", "--no-open"]
    with subprocess.Popen(command, env=machine.env, cwd=machine.folder, stderr=subprocess.PIPE, text=True) as console:
        assert console.stderr is not None
        try:
            page = Page.in_output(next(line for line in console.stderr if "?token=" in line))
            page.until(words)
            base = page.address.partition("/?")[0]
            for name in ("console.css", "console.js", "icon.svg"):
                assert page.session.get(f"{base}/static/{name}", timeout=30).status_code == 200
        finally:
            console.terminate()


def test_without_the_extra_canary_works_and_localcluster_names_what_it_needs(wheel: Path, machine: Machine) -> None:
    machine.run(*INSTALLERS["uv"][0], wheel)
    assert machine.run("canary", "config").stdout
    refused = machine.run("localcluster", "up", code=2)
    assert "localcluster: not installed: jsonpatch. Install the extra 'localcluster'" in refused.stderr
    Path(machine.env["KUBECONFIG"]).write_text(UNREACHABLE)
    check_console(machine, "cannot reach")
    (machine.bin / "localcluster").unlink()  # there is no cluster to end
