"""Ctrl-C at different moments of a real demo."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(
    ("traffic", "moment"),
    [
        ("pods", "$ localcluster up"),
        ("pods", "$ localcluster build"),
        ("pods", "$ canary release"),
        ("pods", "$ locust"),
        ("gateway", "$ canary release"),
    ],
)
def test_ctrl_c_leaves_no_process(traffic: str, moment: str, tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path), "TRAFFIC": traffic}
    demo = subprocess.Popen(
        [sys.executable, "-m", "scripts.demo"],
        cwd=ROOT,
        env={k: v for k, v in environment.items() if k not in ("CLUSTER", "CONTEXT", "GATE", "KEEP")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert demo.stdout
        seen = []
        for line in demo.stdout:
            seen.append(line)
            if line.startswith(moment):
                break
        assert moment in seen[-1], "".join(seen)
        running = processes_of(tmp_path)
        assert running
        assert any("traefik" in one for one in running) == (traffic == "gateway")
        if moment == "$ canary release":
            assert any(
                re.match(r"Watch the releases in your browser: http://127\.0\.0\.1:\d+/\?token=", one) for one in seen
            )
        demo.send_signal(signal.SIGINT)
        rest, _ = demo.communicate(timeout=90)
    finally:
        demo.kill()
        demo.communicate()
    assert demo.returncode == 130, rest
    assert "Traceback" not in rest
    assert processes_of(tmp_path) == []
    assert not list(tmp_path.glob("canary-demo-*"))


def processes_of(folder: Path) -> list[str]:
    """Return the command lines of all processes that were started with the folder in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_text()
            command = (process / "cmdline").read_text()
        except (OSError, UnicodeDecodeError):
            continue
        if str(folder) in environment and command and process.name != str(os.getpid()):
            found.append(command.replace("\0", " "))
    return found
