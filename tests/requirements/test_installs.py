"""The lock files and the wheel install with the tools that people have: the oldest supported pip, and uv.

Needs a package index.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.console import Page

pytestmark = pytest.mark.long

REPOSITORY = Path(__file__).parents[2]
LOCKS = (*(str(path) for path in sorted((REPOSITORY / "requirements").glob("*.lock"))), "app/requirements.txt")
KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: lab, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: lab, context: {cluster: lab}}]
current-context: lab
"""
OLDEST_PIP = "22.0.2"
"""What Ubuntu 22.04 ships, the oldest of the supported systems."""


def run(*command: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert not check or done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the bin/ of an environment with uv and pipx."""
    folder = tmp_path_factory.mktemp("tools")
    run(sys.executable, "-m", "venv", folder)
    run(folder / "bin/pip", "install", "--quiet", "uv", "pipx")
    return folder / "bin"


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_installs_with_the_oldest_pip(lock: str, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", tmp_path)
    pip = tmp_path / "bin/pip"
    run(pip, "install", "--quiet", f"pip=={OLDEST_PIP}")
    assert run(pip, "--version").stdout.startswith(f"pip {OLDEST_PIP} ")
    run(pip, "install", "--quiet", "--require-hashes", "-r", lock)
    run(pip, "check")


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_installs_with_uv(lock: str, tools: Path, tmp_path: Path) -> None:
    run(tools / "uv", "venv", "--quiet", "--python", sys.executable, tmp_path / "venv")
    python = tmp_path / "venv/bin/python"
    run(tools / "uv", "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", lock)
    run(tools / "uv", "pip", "check", "--python", python)


@pytest.mark.parametrize("tool", ["uv", "pipx"])
def test_the_wheel_is_a_tool_of_its_own_with_its_pages_and_its_plugin_of_kubectl(
    tool: str, tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tools / "uv", "build", "--quiet", "--wheel", "--out-dir", tmp_path, REPOSITORY)
    (wheel,) = tmp_path.glob("*.whl")
    programs = tmp_path / "bin"
    for name in ("UV_TOOL_DIR", "PIPX_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "tools"))
    for name in ("UV_TOOL_BIN_DIR", "PIPX_BIN_DIR"):
        monkeypatch.setenv(name, str(programs))
    run(tools / tool, *(("tool",) if tool == "uv" else ()), "install", "--python", sys.executable, wheel)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert run("kubectl", "canary", "status", "--help").stdout.startswith("Usage: kubectl canary status ")
    plugins = run("kubectl", "plugin", "list", check=False).stdout  # it complains of the one in this environment
    assert str(programs / "kubectl-canary") in plugins
    schema = run(programs / "canary", "config", "--schema").stdout
    assert schema == (REPOSITORY / "pipeline/canary/canary.schema.json").read_text()

    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    with subprocess.Popen([programs / "canary", "console", "--no-open"], stderr=subprocess.PIPE, text=True) as console:
        try:
            assert console.stderr
            Page.in_output(console.stderr.readline()).until("cannot reach")
        finally:
            console.terminate()


def test_each_command_of_the_wheel_works_or_names_the_extra_that_it_needs(tools: Path, tmp_path: Path) -> None:
    run(tools / "uv", "build", "--quiet", "--wheel", "--out-dir", tmp_path, REPOSITORY)
    (wheel,) = tmp_path.glob("*.whl")
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    programs = tmp_path / "venv/bin"
    run(programs / "pip", "install", "--quiet", wheel)
    assert run(programs / "canary", "config").stdout
    # The official client brings aiohttp.
    without = run(programs / "localcluster", "up", check=False)
    assert without.returncode == 2
    assert "localcluster: not installed: jsonpatch. Install the extra 'localcluster'" in without.stderr

    run(programs / "pip", "install", "--quiet", f"{wheel}[localcluster]")
    home = f"LOCALCLUSTER_HOME={tmp_path / 'home'}"
    try:
        run("env", home, programs / "localcluster", "up")
        kubeconfig = run("env", home, programs / "localcluster", "kubeconfig").stdout.strip()
        status = run(programs / "canary", "status", "--kubeconfig", kubeconfig)
        assert "sampleapp does not exist yet" in status.stdout
    finally:
        run("env", home, programs / "localcluster", "down")
