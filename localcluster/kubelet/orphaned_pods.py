"""Finds and ends what a daemon that was killed has left behind, and nothing else.

Every process of a pod carries LOCALCLUSTER_STATE in its environment, and whatever it starts inherits that; a stranger's
process does not have it, whatever its number. A process may lose it (one that writes its title writes over it): then it
is known by its working folder, which is the pod's. Somebody's shell in that folder has a terminal, which no pod has.
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
    marked = {pid for pid, environment in _environments() if mark in environment}
    return sorted((marked | _at_work_in(state / "pods")) - mine)


def _at_work_in(folder: Path) -> set[int]:
    """Return the processes without a terminal whose working folder is in there (Linux)."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # gone meanwhile, or another user's
            terminal = (process / "stat").read_text().rpartition(")")[2].split()[4]
            if terminal == "0" and (process / "cwd").readlink().is_relative_to(folder):
                found.add(int(process.name))
    return found


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
