"""Finds, starts and stops the daemon of a cluster, from another process."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import yaml

from localcluster.folders import Folders
from localcluster.kubelet import orphaned_pods


class StartError(Exception):
    """The daemon did not start; the message shows the end of its log."""


def start(folders: Folders, timeout: int, options: list[str]) -> None:
    """Start the daemon and wait until its API answers; if another command starts one meanwhile, use that one.

    Raises StartError.
    """
    folders.make()
    command = [sys.executable, "-m", "localcluster", "up", "--foreground", "--name", folders.name]
    with folders.log.open("ab") as log:
        daemon = subprocess.Popen(
            [*command, *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "LOCALCLUSTER_HOME": str(folders.base)},
        )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopping this command stops the daemon too
    try:
        up = _wait(lambda: _answers(folders) or (daemon.poll() is not None and find(folders) is None), timeout)
    except KeyboardInterrupt:
        daemon.terminate()
        daemon.wait()
        raise
    if not up or find(folders) is None:
        daemon.terminate()
        daemon.wait()
        end = folders.log.read_text(errors="replace").splitlines()[-5:]
        raise StartError("\n".join([f"{folders.name} did not start; its log {folders.log} ends with:", *end]))


def stop(folders: Folders) -> tuple[bool, int]:
    """Stop the daemon and delete what it leaves.

    Returns whether there was one, and how many processes of pods an earlier, killed daemon had left behind.
    """
    pid = find(folders)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        if not _wait(lambda: find(folders) is None, 15):
            os.kill(pid, signal.SIGKILL)
            _wait(lambda: find(folders) is None, 5)
    left = orphaned_pods.end(folders.state)
    shutil.rmtree(folders.pods, ignore_errors=True)
    folders.kubeconfig.unlink(missing_ok=True)
    folders.facts.unlink(missing_ok=True)
    return pid is not None, left


def find(folders: Folders) -> int | None:
    """Return the process id of the daemon, None when no daemon holds the lock."""
    if not folders.lock.exists():
        return None
    with folders.lock.open("r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(lock.read() or 0) or None
        return None


def facts(folders: Folders) -> dict[str, Any]:
    """Return what `localcluster status --output json` prints."""
    pid = find(folders)
    known: dict[str, Any] = {"name": folders.name, "up": pid is not None, "pid": pid, "state": str(folders.state)}
    known |= {"log": str(folders.log), "kubeconfig": str(folders.kubeconfig) if pid else None}
    known |= {"shared_address": False, "chaos": None, "services": {}, "taken": {}}
    return known | (json.loads(folders.facts.read_text()) if pid and folders.facts.exists() else {})


def server(folders: Folders) -> str:
    """Return the URL of the API server, the secret path included."""
    return str(yaml.safe_load(folders.kubeconfig.read_text())["clusters"][0]["cluster"]["server"])


def _answers(folders: Folders) -> bool:
    if not folders.kubeconfig.exists():
        return False
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy: it is this machine
    try:
        with direct.open(f"{server(folders)}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:  # the kubeconfig of a daemon that was killed: the new one will replace it
        return False


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
