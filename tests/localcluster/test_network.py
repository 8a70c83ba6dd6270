"""Machines whose only loopback address is 127.0.0.1 (macOS), simulated in a network namespace."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.localcluster.cluster import BIN, Command
from tests.localcluster.objects import container, deployment, service

ALONE = "ip link set lo up && ip address del 127.0.0.1/8 dev lo && ip address add 127.0.0.1/32 dev lo && exec "


def can_isolate() -> bool:
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"):
        return False
    return subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not can_isolate(), reason="needs root, unshare and ip for a network namespace")


class Alone:
    """A network namespace with one loopback address, and a cluster in it."""

    def __init__(self, command: Command) -> None:
        self.command = command
        ready = 'sh -c "echo; exec sleep 1000"'
        holder = ["unshare", "--net", "sh", "-c", ALONE + ready]
        self.holder = subprocess.Popen(holder, stdout=subprocess.PIPE, text=True)
        assert self.holder.stdout
        assert self.holder.stdout.readline() == "\n"

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        inside = ["nsenter", "--net", "--target", str(self.holder.pid), *arguments]
        done = subprocess.run(inside, env=self.command.env, capture_output=True, text=True, input=stdin, check=False)
        assert done.returncode == 0, done.stderr
        return done

    def localcluster(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "localcluster", *arguments, "--name", "alone")

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        path = str(self.command.home / "alone" / "kubeconfig")
        return self.run(str(BIN / "kubectl"), "--kubeconfig", path, *arguments, stdin=stdin).stdout

    def fetch(self, address: str) -> str:
        program = f"import urllib.request as r; print(r.urlopen('http://{address}/', timeout=10).read().decode())"
        return self.run(sys.executable, "-c", program).stdout

    def close(self) -> None:
        self.localcluster("down")
        self.holder.terminate()
        assert self.holder.stdout
        self.holder.stdout.close()
        self.holder.wait()


@pytest.fixture
def alone(command: Command) -> Iterator[Alone]:
    machine = Alone(command)
    yield machine
    machine.close()


def test_pods_and_services_share_one_address_on_different_ports(alone: Alone) -> None:
    said = alone.localcluster("up", "--end-with", str(os.getpid())).stderr
    assert "This machine has 127.0.0.1 only" in said
    assert "Prometheus cannot discover pods here" in said
    two_ports = container(ports=[{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 8000}])
    both = [deployment(replicas=2, pod={"containers": [two_ports]}), service(), deployment("more"), service("more")]
    alone.kubectl("apply", "-f", "-", stdin="\n---\n".join(json.dumps(o) for o in both))
    for name in ("web", "more"):
        alone.kubectl("rollout", "status", f"deploy/{name}", "--timeout=60s")
    found = json.loads(alone.localcluster("status", "--output", "json").stdout)
    assert found["shared_address"]
    where = {name: ports["8080"] for name, ports in found["services"].items()}
    assert len(set(where.values())) == 2
    for name in ("web", "more"):
        assert alone.fetch(where[f"default/{name}"]).split()[1].startswith(f"{name}-")
        proxied = alone.kubectl("get", "--raw", f"/api/v1/namespaces/default/services/{name}:8080/proxy/")
        assert proxied.split()[1].startswith(f"{name}-")
    pods = json.loads(alone.kubectl("get", "pods", "-o", "json"))["items"]
    assert {p["status"]["podIP"] for p in pods} == {"127.0.0.1"}
    for pod in pods:
        name = pod["metadata"]["name"]
        assert alone.kubectl("get", "--raw", f"/api/v1/namespaces/default/pods/{name}:8080/proxy/").split()[1] == name
    moved = [name for name, address in where.items() if not address.endswith(":8080")]
    events = json.loads(alone.kubectl("get", "events", "-o", "json"))["items"]
    told = {f"default/{e['involvedObject']['name']}" for e in events if e["reason"] == "Listening"}
    assert told == set(moved)
