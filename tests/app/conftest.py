"""The app as a module, and as a process that is asked over HTTP."""

from __future__ import annotations

import http.client
import importlib.util
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

APP = Path(__file__).parents[2] / "app" / "app.py"


@pytest.fixture(scope="session")
def sampleapp() -> ModuleType:
    """Give the module app/app.py."""
    spec = importlib.util.spec_from_file_location("sampleapp", APP)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["sampleapp"] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Reply:
    """An answer over HTTP.

    Attributes:
        status: HTTP's.
        text: body.
        served_by: header X-Served-By.
    """

    status: int
    text: str
    served_by: str | None


@dataclass(frozen=True)
class Running:
    """A running app.

    Attributes:
        process: the app.
        port: for traffic.
        metrics_port: for metrics.
    """

    process: subprocess.Popen[str]
    port: int
    metrics_port: int

    def get(self, path: str = "/", port: int | None = None) -> Reply:
        """Send a request over a new connection."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return Reply(answer.status, answer.read().decode(), answer.getheader("X-Served-By"))
        finally:
            connection.close()

    def metrics(self) -> dict[str, float]:
        """Return all samples by name and labels, as Prometheus would scrape them."""
        lines = self.get("/metrics", self.metrics_port).text.splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}

    def listens(self) -> bool:
        """Return whether the app accepts connections."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


Start = Callable[..., Running]


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command(**variables: str) -> tuple[list[str], dict[str, str]]:
    """Return the app's command line and environment, with only these of its variables."""
    own = {"SUCCESS_RATE", "LATENCY_MS", "CRASH_EVERY", "HOST", "PORT", "METRICS_PORT", "VERSION", "HOSTNAME"}
    return [sys.executable, str(APP)], {k: v for k, v in os.environ.items() if k not in own} | variables


@pytest.fixture
def start() -> Iterator[Start]:
    """Give a function that starts the app with environment variables and returns when it answers."""
    started: list[subprocess.Popen[str]] = []

    def start_app(**variables: str) -> Running:
        port, metrics_port = free_port(), free_port()
        argv, environment = command(HOST="127.0.0.1", PORT=str(port), METRICS_PORT=str(metrics_port), **variables)
        process = subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout
        assert "good on 127.0.0.1" in process.stdout.readline(), process.communicate()[1]
        return Running(process, port, metrics_port)

    yield start_app
    for process in started:
        process.kill()
        process.communicate()


def terminate(running: Running) -> None:
    """Tell the app to stop, as the kubelet does."""
    running.process.send_signal(signal.SIGTERM)
