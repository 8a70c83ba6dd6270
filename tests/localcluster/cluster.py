"""A localcluster under test, and what tests do with it."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
import yaml

Object = dict[str, Any]
BIN = pathlib.Path(sys.executable).parent
DATA = pathlib.Path(__file__).parent / "data"


def until(what: str, condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Return the first true answer of a condition; fail with the last one when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {seconds:g} s; last: {answer!r}")
        time.sleep(0.05)


class Command:
    """The command `localcluster` with a home of its own."""

    def __init__(self, home: pathlib.Path, cache: pathlib.Path, **env: str) -> None:
        self.home = home
        self.env = {**os.environ, "LOCALCLUSTER_HOME": str(home), "LOCALCLUSTER_CACHE": str(cache), **env}

    def __call__(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "localcluster", *arguments]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, done.stderr
        return done


class Cluster:
    """A running localcluster."""

    def __init__(self, command: Command, name: str) -> None:
        self.command = command
        self.name = name
        self.kubeconfig = command("kubeconfig", "--name", name).stdout.strip()
        config = yaml.safe_load(pathlib.Path(self.kubeconfig).read_text())
        self.server = config["clusters"][0]["cluster"]["server"]

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Return what kubectl prints; fail with what it says where it fails."""
        command = [str(BIN / "kubectl"), "--kubeconfig", self.kubeconfig, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, input=stdin, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


class Namespace:
    """A namespace of a cluster, and what tests do in it."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster = cluster
        self.name = name

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self.cluster.kubectl("-n", self.name, *arguments, stdin=stdin)

    def follow(self, pod: str) -> subprocess.Popen[str]:
        """Return a running `kubectl logs --follow`."""
        command = [str(BIN / "kubectl"), "--kubeconfig", self.cluster.kubeconfig, "-n", self.name, "logs", "-f", pod]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def apply(self, *objects: Object) -> None:
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))

    def get(self, kind: str, name: str) -> Object:
        found: Object = json.loads(self.kubectl("get", kind, name, "-o", "json"))
        return found

    def list(self, kind: str, *arguments: str) -> Any:
        return json.loads(self.kubectl("get", kind, "-o", "json", *arguments))["items"]

    def pod(self, name: str, condition: Callable[[Object], Any], what: str = "pod", seconds: float = 30.0) -> Object:
        """Return a pod once a condition holds of it."""
        found: Object = until(what, lambda: (pod := self.get("pod", name)) and condition(pod) and pod, seconds)
        return found

    def events(self, name: str, reason: str) -> Any:
        """Return the messages of the events of an object."""
        found = [e for e in self.list("events") if e["involvedObject"]["name"] == name]
        return [e["message"] for e in found if e["reason"] == reason]

    def fetch(self, service: str, path: str = "/", port: str = "http") -> str:
        """Return the body of an answer that came through the API server's Service proxy."""
        url = f"{self.cluster.server}/api/v1/namespaces/{self.name}/services/{service}:{port}/proxy{path}"
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
            return str(answer.read().decode())
