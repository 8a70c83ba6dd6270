"""The lock files install with the tools that people have: the oldest supported pip, and uv.

Needs a package index.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

REPOSITORY = Path(__file__).parents[2]
LOCKS = (*(str(path) for path in sorted((REPOSITORY / "requirements").glob("*.lock"))), "app/requirements.txt")
OLDEST_PIP = "22.0.2"
"""What Ubuntu 22.04 ships, the oldest of the supported systems."""


def run(*command: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert not check or done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the bin/ of an environment with uv."""
    folder = tmp_path_factory.mktemp("tools")
    run(sys.executable, "-m", "venv", folder)
    run(folder / "bin/pip", "install", "--quiet", "uv")
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
