"""The commands in docs/your-own-app.md work as written: they fork, replace the app, and release two versions of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.template import IDENTITY, IS_FORK, committed_copy

PAGE = Path(__file__).parents[2] / "docs/your-own-app.md"
PROGRAMS = Path(sys.executable).parent
ENVIRONMENT = ("make venv", "source .venv/bin/activate")  # the tests run in it already
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def script() -> str:
    """Return the page as a script: its commands, and its files written where their first line says."""
    lines = ["set -eux", "trap 'jobs -p | xargs -r kill; localcluster down' EXIT", "set -m"]
    for language, text in BLOCKS:
        name = text.partition("\n")[0].removeprefix("# ")
        if language == "sh":
            lines += [line for line in text.splitlines() if line not in ENVIRONMENT]
        elif name.startswith(("app/", "manifests/")):
            lines += [f"cat >{name} <<'END OF FILE'", text.rstrip("\n"), "END OF FILE"]
    # The environment of the tests is complete. `make venv` would install another one.
    return "\n".join(lines).replace("\nmake fork ", f"\nmake --old-file=venv PYTHON_BIN={PROGRAMS} fork ")


@pytest.mark.skipif(IS_FORK, reason="this repository is a fork already")
@pytest.mark.long
@pytest.mark.timeout(300)
def test_an_app_that_is_not_flask_comes_from_a_fork_to_a_promotion_and_a_rejection(tmp_path: Path) -> None:
    top = committed_copy(tmp_path / "clone")

    done = subprocess.run(
        ["bash", "-c", script()],
        cwd=top,
        env=os.environ
        | IDENTITY
        | {
            "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
            "LOCALCLUSTER_HOME": str(tmp_path / "home"),
            "XDG_STATE_HOME": str(tmp_path / "state"),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )

    output = done.stdout
    assert done.returncode == 0, output
    assert "The app is now shop, with the image registry.example/shop" in output
    [expected] = [text for language, text in BLOCKS if language == "yaml" and text.startswith("# canary.yml\n")]
    assert set(expected.splitlines()[1:]) <= set((top / "canary.yml").read_text().splitlines())
    doctor = output.partition("+ canary doctor")[2].partition("+ export CANARY_MIN_DURATION")[0]
    assert [line for line in doctor.splitlines() if line.startswith(("warning", "failed"))] == []
    assert "releases are possible here\n" in doctor
    assert "promoted shop: it now runs registry.example/shop:2" in output
    assert "rejected shop: canary" in output
    assert "exit code 1" in output
    last = output.rpartition("+ kubectl get deployments -o wide")[2]
    assert "registry.example/shop:2" in last
    assert "shop-canary" not in last
    assert (top / "locust.log").read_text().rstrip().count("failed") == 0
