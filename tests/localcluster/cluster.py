"""A localcluster under test."""

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
    """Return the first true result of a condition; fail with the last result on a timeout."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {seconds:g} s; last: {answer!r}")
        time.sleep(0.05)


class Command:
    """The command `localcluster` with its own LOCALCLUSTER_HOME."""

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
        """Return what kubectl prints; fail with its error message."""
        command = [str(BIN / "kubectl"), "--kubeconfig", self.kubeconfig, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, input=stdin, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


class Namespace:
    """A namespace of a cluster."""

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

    def wait_for_rollout(self, name: str = "web") -> str:
        """Wait until a Deployment is rolled out; returns what kubectl prints."""
        return self.kubectl("rollout", "status", f"deploy/{name}", "--timeout=60s")

    def get(self, kind: str, name: str) -> Object:
        found: Object = json.loads(self.kubectl("get", kind, name, "-o", "json"))
        return found

    def list(self, kind: str, *arguments: str) -> Any:
        return json.loads(self.kubectl("get", kind, "-o", "json", *arguments))["items"]

    def pod(self, name: str, condition: Callable[[Object], Any], what: str = "pod", seconds: float = 30.0) -> Object:
        """Return a pod as soon as it meets a condition."""
        found: Object = until(what, lambda: (pod := self.get("pod", name)) and condition(pod) and pod, seconds)
        return found

    def events(self, name: str, reason: str) -> Any:
        """Return the messages of the events of an object."""
        found = [e for e in self.list("events") if e["involvedObject"]["name"] == name]
        return [e["message"] for e in found if e["reason"] == reason]

    def fetch(self, service: str, path: str = "/", port: str = "http") -> str:
        """Return the body of an answer through the Service proxy of the API server."""
        url = f"{self.cluster.server}/api/v1/namespaces/{self.name}/services/{service}:{port}/proxy{path}"
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
            return str(answer.read().decode())
