"""Finds and kills the processes of pods that a killed daemon has left behind, and no others.

Each process of a pod has LOCALCLUSTER_STATE in its environment, and its children inherit it. A process can lose the
variable (some overwrite it with their title). Such a process is recognised by its working directory, which is the
pod's. A user's shell in that directory has a terminal, which no pod has.
"""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path


def find(state: Path) -> list[int]:
    """Return the ids of all processes of the pods of the cluster in this state folder."""
    mark = f"LOCALCLUSTER_STATE={state}"
    mine = {os.getpid(), os.getppid()}
    marked = {pid for pid, environment in _environments() if mark in environment}
    return sorted((marked | _at_work_in(state / "pods")) - mine)


def _at_work_in(folder: Path) -> set[int]:
    """Return the processes without a terminal whose working directory is in a folder (Linux)."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or belongs to another user
            terminal = (process / "stat").read_text().rpartition(")")[2].split()[4]
            if terminal == "0" and (process / "cwd").readlink().is_relative_to(folder):
                found.add(int(process.name))
    return found


def end(state: Path) -> int:
    """Kill the processes that were left behind; returns their number."""
    killed: set[int] = set()
    deadline = time.monotonic() + 5
    while (left := find(state)) and time.monotonic() < deadline:
        for pid in left:
            killed.add(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)  # the next round finds processes that were just forked
    return len(killed)


def _environments() -> list[tuple[int, list[str]]]:
    if not Path("/proc/self/environ").exists():  # macOS, where ps shows the environment of the user's processes
        listed = subprocess.run(["ps", "-axwwE", "-o", "pid=,command="], capture_output=True, text=True, check=True)
        lines = [line.split() for line in listed.stdout.splitlines()]
        return [(int(words[0]), words[1:]) for words in lines if words]
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):  # it has ended, or belongs to another user
                found.append((int(folder.name), (folder / "environ").read_text(errors="replace").split("\0")))
    return found
