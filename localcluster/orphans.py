"""Finds and ends what a daemon that was killed has left behind, and nothing else.

Every process of a pod carries LOCALCLUSTER_STATE in its environment, and whatever it starts inherits that; a stranger's
process does not have it, whatever its number.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path


def find(state: Path) -> list[int]:
    """Return the ids of all processes that belong to pods of the cluster in this state folder."""
    mark = f"LOCALCLUSTER_STATE={state}"
    mine = {os.getpid(), os.getppid()}
    return [pid for pid, environment in _environments() if mark in environment and pid not in mine]


def end(state: Path) -> int:
    """Kill the processes of pods that were left behind; returns how many there were."""
    killed: set[int] = set()
    deadline = time.monotonic() + 5
    while (left := find(state)) and time.monotonic() < deadline:
        for pid in left:
            killed.add(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)  # a process that was just forked shows up in the next round
    return len(killed)


def _environments() -> list[tuple[int, list[str]]]:
    if not Path("/proc/self/environ").exists():  # macOS; there ps shows the environment of one's own processes
        listed = subprocess.run(["ps", "-axwwE", "-o", "pid=,command="], capture_output=True, text=True, check=True)
        lines = [line.split() for line in listed.stdout.splitlines()]
        return [(int(words[0]), words[1:]) for words in lines if words]
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):  # gone meanwhile, or another user's
                found.append((int(folder.name), (folder / "environ").read_text(errors="replace").split("\0")))
    return found
