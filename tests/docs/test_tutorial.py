"""The commands in docs/tutorial.md work as written, in a copy of the repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ("make venv", "source .venv/bin/activate")  # the tests run in it already


def commands(page: Path) -> list[str]:
    """Return the lines of a page's shell blocks."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line not in ENVIRONMENT]


@pytest.mark.timeout(300)
def test_the_tutorial_ends_with_the_better_version_promoted_and_the_worse_one_rejected(tmp_path: Path) -> None:
    top = tmp_path / "clone"
    for part in ("app", "manifests", "loadtest"):
        shutil.copytree(ROOT / part, top / part)
    shutil.copy(ROOT / "canary.yml", top)
    lines = commands(ROOT / "docs/tutorial.md")
    assert lines[0] == "localcluster up"
    script = ["set -eux", "trap 'jobs -p | xargs -r kill; localcluster down' EXIT", "set -m", *lines]

    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=top,
        env=os.environ
        | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
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
    assert "promoted sampleapp: it now runs sampleapp:20" in output
    assert "rejected sampleapp: canary" in output
    assert "exit code 1" in output
    last = output.rpartition("kubectl get deployments -o wide")[2]
    assert "sampleapp:20" in last
    assert "sampleapp-canary" not in last
