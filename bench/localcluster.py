"""Measure localcluster against its limits: `make bench`.

The limits: 100 pods of a trivial process are available in 20 s; an API get takes 5 ms (median); a Service accepts
1,000 new connections a second; the daemon takes 120 MB. Prints the figures, and exits with 1 when one misses its limit.

    python -m bench.localcluster 100 300 1000

prints instead how long that many pods take to start, and the daemon's CPU time and memory. It checks no limits.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from bench.process import cpu_seconds, resident_megabytes

PODS = 100
GETS = 500
CONNECTIONS = 5000
SERVER = """
import asyncio, os, signal
async def answer(reader, writer):
    await reader.readline()
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok")
    await writer.drain()
    writer.close()
async def main():
    server = await asyncio.start_server(answer, os.environ["HOST"], int(os.environ["PORT"]), backlog=1024)
    await server.serve_forever()
asyncio.run(main())
"""
DOCKERFILE = 'FROM python:3\nWORKDIR /srv\nCOPY server.py .\nCMD ["python", "server.py"]\n'


def main() -> None:
    """Measure, print, and clean up."""
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "LOCALCLUSTER_HOME": f"{folder}/home"}
        context = Path(folder) / "context"
        context.mkdir()
        (context / "server.py").write_text(SERVER)
        (context / "Dockerfile").write_text(DOCKERFILE)
        run(env, "build", str(context), "-t", "server:1")
        run(env, "up")
        try:
            if sizes := [int(word) for word in sys.argv[1:]]:
                grow(env, sizes)
            else:
                sys.exit(report(measure(env)))
        finally:
            run(env, "down")


def run(env: dict[str, str], *arguments: str) -> str:
    """Run localcluster and return what it prints."""
    command = [sys.executable, "-m", "localcluster", *arguments]
    return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout


def measure(env: dict[str, str]) -> list[tuple[str, float, float, str]]:
    """Return rows of what was measured, its figure, limit and unit; a negative limit is a minimum."""
    api = Api(run(env, "kubeconfig").strip())
    pid = json.loads(run(env, "status", "--output", "json"))["pid"]
    api.create("/api/v1/namespaces/default/services", service())
    started = time.monotonic()
    api.create("/apis/apps/v1/namespaces/default/deployments", deployment("sleeper", PODS, ["sleep", "1000"]))
    while api.get("/apis/apps/v1/namespaces/default/deployments/sleeper")["status"].get("availableReplicas") != PODS:
        time.sleep(0.1)
    up = time.monotonic() - started
    memory = resident_megabytes(pid)
    api.create("/apis/apps/v1/namespaces/default/deployments", deployment("server", 2, None))
    while api.get("/apis/apps/v1/namespaces/default/deployments/server")["status"].get("availableReplicas") != 2:
        time.sleep(0.1)
    get = statistics.median(api.timed("/apis/apps/v1/namespaces/default/deployments/sleeper") for _ in range(GETS))
    address = api.get("/api/v1/namespaces/default/services/server")["spec"]["clusterIP"]
    before = cpu_seconds(pid)
    elapsed = asyncio.run(connect(address, CONNECTIONS))
    cpu = cpu_seconds(pid) - before
    return [
        (f"{PODS} pods available", up, 20, "s"),
        ("API get, median", get * 1000, 5, "ms"),
        ("new connections per second", CONNECTIONS / elapsed, -1000, "/s"),
        ("new connections per second of the daemon's CPU time", CONNECTIONS / cpu, -1000, "/s"),
        (f"memory of the daemon with {PODS} pods", memory, 120, "MB"),
    ]


def grow(env: dict[str, str], sizes: list[int]) -> None:
    """Print what starting that many pods takes, for each size in a fresh cluster."""
    for size in sizes:
        run(env, "down")
        run(env, "up")
        api = Api(run(env, "kubeconfig").strip())
        pid = json.loads(run(env, "status", "--output", "json"))["pid"]
        started = time.monotonic()
        api.create("/apis/apps/v1/namespaces/default/deployments", deployment("sleeper", size, ["sleep", "100000"]))
        path = "/apis/apps/v1/namespaces/default/deployments/sleeper"
        while api.get(path)["status"].get("availableReplicas") != size:
            time.sleep(0.5)
        seconds = time.monotonic() - started
        cpu, memory = cpu_seconds(pid), resident_megabytes(pid)
        print(f"{size:>5} pods available: {seconds:>6.1f} s, daemon {cpu:>5.1f} s of CPU, {memory:.0f} MB")


def report(rows: list[tuple[str, float, float, str]]) -> int:
    """Print the rows and return the exit code."""
    missed = 0
    for what, figure, limit, unit in rows:
        good = figure >= -limit if limit < 0 else figure <= limit
        missed += not good
        word = "at least" if limit < 0 else "at most"
        print(f"{'ok    ' if good else 'MISSED'} {what:<56} {figure:>9.1f} {unit:<3} ({word} {abs(limit)})")
    return 1 if missed else 0


class Api:
    """A client of the API server."""

    def __init__(self, kubeconfig: str) -> None:
        config = yaml.safe_load(Path(kubeconfig).read_text())
        self.server = config["clusters"][0]["cluster"]["server"]
        self.open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """Return an object."""
        with self.open(self.server + path) as answer:
            return {"status": {}, **json.load(answer)}

    def timed(self, path: str) -> float:
        """Return the seconds that a get takes, including its connection."""
        started = time.perf_counter()
        self.get(path)
        return time.perf_counter() - started

    def create(self, path: str, obj: dict[str, Any]) -> None:
        """Create an object."""
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.server + path, json.dumps(obj).encode(), headers)  # noqa: S310 - ours
        with self.open(request) as answer:
            answer.read()


def deployment(name: str, replicas: int, command: list[str] | None) -> dict[str, Any]:
    """Return a Deployment of the bench's image."""
    container: dict[str, Any] = {"name": "main", "image": "server:1", "ports": [{"containerPort": 8080}]}
    if command:
        container["command"] = command
    else:
        container["readinessProbe"] = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def service() -> dict[str, Any]:
    """Return the Service in front of the servers."""
    spec = {"selector": {"app": "server"}, "ports": [{"port": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "server"}, "spec": spec}


async def connect(host: str, count: int) -> float:
    """Return the seconds that `count` requests take, 50 at a time, with one new connection per request."""
    left = iter(range(count))

    async def client() -> None:
        for _ in left:
            reader, writer = await asyncio.open_connection(host, 8080)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            answer = await reader.read()
            if not answer.endswith(b"ok"):
                raise RuntimeError(f"the server should answer ok, not {answer!r}")
            writer.close()

    started = time.monotonic()
    await asyncio.gather(*(client() for _ in range(50)))
    return time.monotonic() - started


if __name__ == "__main__":
    main()
