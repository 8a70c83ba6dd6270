"""`scripts/bootstrap`: what it installs, and its errors on machines without a suitable Python."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BOOTSTRAP = "scripts/bootstrap"


@pytest.fixture
def machine(tmp_path: Path, repository: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the script in a copy of the repository, with a PATH of a few system tools and the given programs."""
    top, path = tmp_path / "clone", tmp_path / "bin"
    path.mkdir()
    for name in ("pyproject.toml", "requirements/demo.lock", BOOTSTRAP):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(repository / name, top / name)
    for tool in ("sh", "cat", "cksum", "dirname", "grep"):
        (path / tool).symlink_to(shutil.which(tool) or tool)

    def run(bundle: str = "", **programs: str) -> subprocess.CompletedProcess[str]:
        if bundle:
            (top / "wheels").mkdir()
            (top / "wheels/TARGETS").write_text(bundle)
            shutil.copy(repository / "requirements/workshop.lock", top / "requirements")
        for name, script in programs.items():
            program = path / (name.replace("_", ".") if name.startswith("python") else name.replace("_", "-"))
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)
        return subprocess.run(
            [top / BOOTSTRAP, "demo"], env={"PATH": str(path)}, capture_output=True, text=True, check=False, timeout=60
        )

    return run


OLD = """case "$2" in *sys.exit*) exit 1 ;; *) echo 3.9.6 ;; esac"""
NEW = f"""case "$2" in *ensurepip*) exit 1 ;; *) exec {sys.executable} "$@" ;; esac"""
AS = """case "$2" in *sys.exit*) exit 0 ;; esac; echo """
"""A Python that is new enough, and that says where it runs and which version it is."""
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.mark.parametrize(
    ("system", "command"),
    [
        ({"brew": ":"}, "brew install python"),
        ({"dnf": ":"}, "sudo dnf install -y python3.12"),
        ({"zypper": ":"}, "sudo zypper install -y python312"),
        ({"apk": ":"}, "sudo apk add python3"),
        ({"pacman": ":"}, "sudo pacman -S --noconfirm python"),
        ({"apt_get": ":", "apt_cache": '[ "$2" = python3.11-venv ]'}, "sudo apt-get install -y python3.11-venv"),
        ({"apt_get": ":", "apt_cache": "exit 100"}, "curl -LsSf https://astral.sh/uv/install.sh | sh"),
        ({}, "curl -LsSf https://astral.sh/uv/install.sh | sh"),
    ],
)
def test_the_error_about_an_old_python_has_its_version_and_the_command_that_installs_a_newer_one(
    machine: Callable[..., subprocess.CompletedProcess[str]], system: dict[str, str], command: str
) -> None:
    done = machine(python3=OLD, **system)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        f"Python 3.11 or newer is required (found: 3.9.6). Install it, then run make again:  {command}"
    )


def test_the_error_says_that_no_python_was_found(machine: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = machine(brew=":")
    assert done.returncode == 2
    assert "(found: none)" in done.stderr
    assert done.stderr.splitlines()[-1].endswith("brew install python")


def test_the_error_about_a_missing_venv_module_has_the_package_that_brings_it(
    machine: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = machine(python3=NEW, apt_get=":")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        f"python3 has no venv module. Install it, then run make again:  sudo apt-get install -y python{VERSION}-venv"
    )


def test_an_environment_that_is_up_to_date_is_left_alone(
    machine: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    uv = f"""echo "$1 $2" >>{calls}
if [ "$1" = venv ]; then
  /bin/mkdir -p .venv/bin; echo "VIRTUAL_ENV=$PWD/.venv" >.venv/bin/activate
  /bin/ln -s {sys.executable} .venv/bin/python
fi"""
    first, second = machine(uv=uv), machine()
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert calls.read_text().split("\n") == ["venv --quiet", "pip install", "pip install", ""]
    assert second.stderr == ""


def test_an_environment_is_updated_when_requirements_change(
    machine: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    uv = f"""echo "$1 $2" >>{calls}
/bin/mkdir -p .venv/bin; echo "VIRTUAL_ENV=$PWD/.venv" >.venv/bin/activate
/bin/ln -sf {sys.executable} .venv/bin/python"""
    machine(uv=uv)
    with (tmp_path / "clone/requirements/demo.lock").open("a") as lock:
        lock.write("# changed\n")
    assert machine().returncode == 0
    assert calls.read_text().count("pip install") == 4


BUNDLE = """Linux x86_64 3.11 (glibc 2.28 or newer)
Darwin arm64 3.12 (macOS 12.0 or newer)
"""


@pytest.mark.parametrize(
    ("programs", "found"), [({"python3": AS + "Linux riscv64 3.12"}, "Linux riscv64 3.12"), ({}, "no Python")]
)
def test_the_error_of_a_bundle_says_what_the_machine_is_and_what_the_bundle_has(
    machine: Callable[..., subprocess.CompletedProcess[str]], programs: dict[str, str], found: str
) -> None:
    done = machine(bundle=BUNDLE, **programs)
    assert done.returncode == 2
    assert done.stderr.split("\n", 2)[2] == (
        f"This bundle has no packages for this machine (found: {found}). It has packages for:\n{BUNDLE}"
        "Install one of these versions of Python, or make a bundle for this machine, as docs/offline.md shows.\n"
    )


def test_a_bundle_is_installed_without_the_network_into_a_python_that_it_has_packages_for(
    machine: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """Also when the first Python on PATH is a newer one."""
    calls = tmp_path / "calls"
    uv = f"""echo "$@" >>{calls}
if [ "$1" = venv ]; then
  /bin/mkdir -p .venv/bin; echo "VIRTUAL_ENV=$PWD/.venv" >.venv/bin/activate
  /bin/ln -s {sys.executable} .venv/bin/python
fi"""
    done = machine(bundle=BUNDLE, uv=uv, python3=AS + "Linux x86_64 3.15", python3_11=AS + "Linux x86_64 3.11")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[1] == (
        "from wheels/, without a network: what the demo and the tutorial need, and not what tests and checks need"
    )
    wheels = tmp_path / "clone/wheels"
    settings = tmp_path / "clone/.venv/pip.conf"
    assert settings.read_text() == f"[global]\nno-index = true\nfind-links = {wheels}\n"
    assert calls.read_text() == (
        "venv --quiet --clear --python python3.11 .venv\n"
        "pip install --quiet --python .venv/bin/python --no-index --find-links wheels "
        "--require-hashes -r requirements/workshop.lock\n"
        "pip install --quiet --python .venv/bin/python --no-index --find-links wheels "
        "--no-deps --no-build-isolation --editable .\n"
    )
