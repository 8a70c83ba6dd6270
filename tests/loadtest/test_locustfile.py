"""How Locust sends requests, and which answers count as failures."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.http_servers import running

LOCUSTFILE = Path(__file__).parents[2] / "loadtest" / "locustfile.py"


@dataclass
class Service:
    """A server whose answers the test sets.

    Attributes:
        status: of its answers.
        pod: for the header X-Served-By, none if empty.
        hold: answers wait for it.
        connections: accepted so far.
        requests: that have arrived so far.
    """

    status: int = 200
    pod: str = "sampleapp-abc"
    hold: threading.Event = field(default_factory=threading.Event)
    connections: int = 0
    requests: int = 0
    url: str = ""


@pytest.fixture
def service() -> Iterator[Service]:
    """Give a service that answers immediately."""
    state = Service()
    state.hold.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            state.connections += 1
            super().setup()

        def do_GET(self) -> None:
            state.requests += 1
            state.hold.wait(60)
            self.send_response(state.status)
            if state.pod:
                self.send_header("X-Served-By", state.pod)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    with running(server):
        state.url = f"http://127.0.0.1:{server.server_port}"
        yield state
        state.hold.set()


@dataclass(frozen=True)
class Outcome:
    """The results of Locust.

    Attributes:
        requests: by name.
        failures: by name.
        answers: lines that it wrote, without the times.
    """

    requests: dict[str, int]
    failures: dict[str, int]
    answers: list[str]


def load(url: str, folder: Path, enough: Callable[[], bool] | None, *options: str) -> Outcome:
    """Run Locust until `enough` returns true, or to its own end if that is None; returns its results."""
    answers = folder / "answers"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "locust", "--headless", "--locustfile", str(LOCUSTFILE), "--host", url),
            *("--users", "2", "--spawn-rate", "2", "--rate", "20", "--answers", str(answers)),
            *("--json-file", str(folder / "statistics"), "--exit-code-on-error", "0", *options),
        ],
        env={k: v for k, v in os.environ.items() if k not in ("RATE", "KEEP_ALIVE", "ANSWERS", "ANY_ANSWER")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        end = time.monotonic() + 60
        while enough and not enough():
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < end, "not enough within a minute"
            time.sleep(0.05)
        if enough:
            process.terminate()
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, output
    entries = json.loads((folder / "statistics.json").read_text())
    return Outcome(
        {each["name"]: each["num_requests"] for each in entries},
        {each["name"]: each["num_failures"] for each in entries if each["num_failures"]},
        [line.split(" ", 1)[1] for line in answers.read_text().splitlines()],
    )


def test_each_request_opens_its_own_connection(service: Service, tmp_path: Path) -> None:
    outcome = load(service.url, tmp_path, lambda: service.requests >= 20)
    assert service.connections == service.requests == outcome.requests["/ 200"] >= 20


def test_ctrl_c_ends_a_run_with_the_summary_only(service: Service) -> None:
    words = ("--headless", "--only-summary", "--users", "20", "--spawn-rate", "20", "--rate", "50")
    process = subprocess.Popen(
        [sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), "--host", service.url, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        end = time.monotonic() + 60
        while service.requests < 100:
            assert time.monotonic() < end, "not enough within a minute"
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, output
    assert "Aggregated" in output
    assert "Traceback" not in output
    assert "KeyboardInterrupt" not in output


def test_answers_of_another_app_are_no_failures_if_any_answer_counts(service: Service, tmp_path: Path) -> None:
    service.pod, service.status = "", 503
    outcome = load(service.url, tmp_path, lambda: service.requests >= 20, "--any-answer")
    assert outcome.requests["/ 503"] >= 20
    assert outcome.failures == {}


def test_with_keep_alive_each_user_has_one_connection_for_all_requests(service: Service, tmp_path: Path) -> None:
    load(service.url, tmp_path, lambda: service.requests >= 20, "--keep-alive")
    assert service.requests >= 20
    assert service.connections == 2


def test_a_ramp_brings_all_users_on_and_ends_with_the_run_time(service: Service, tmp_path: Path) -> None:
    outcome = load(service.url, tmp_path, None, "--users", "20", "--keep-alive", "--ramp", "2s", "--run-time", "6s")
    assert service.connections == 20  # one per user
    assert not outcome.failures
    assert outcome.requests["/ 200"] == service.requests


def test_a_ramp_has_ten_equal_steps_then_stays_and_ends_with_the_run_time() -> None:
    program = """
import argparse, time, locustfile
ramp = locustfile.Ramp()
ramp.options = argparse.Namespace(num_users=50, ramp=10_000, run_time=20_000)
for age in (0, 500, 1500, 8500, 9500, 15_000, 20_001):
    ramp.start_time = time.perf_counter() - age
    print(ramp.tick())
"""
    done = subprocess.run(  # in a separate process, because Locust replaces all of Python's sockets with gevent's
        [sys.executable, "-c", program], cwd=LOCUSTFILE.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n") == ["(5, 50)", "(5, 50)", "(10, 50)", "(45, 50)", "(50, 50)", "(50, 50)", "None", ""]


def test_requests_keep_coming_while_unused_answers(service: Service, tmp_path: Path) -> None:
    service.hold.clear()

    def enough() -> bool:
        if service.requests >= 30:  # two users that wait for their answers would send two
            service.hold.set()
        return service.hold.is_set()

    outcome = load(service.url, tmp_path, enough)
    assert outcome.requests["/ 200"] >= 30
    assert not outcome.failures


def test_a_bad_answer_of_the_app_is_not_a_failure(service: Service, tmp_path: Path) -> None:
    service.status = 500
    outcome = load(service.url, tmp_path, lambda: service.requests >= 10)
    assert outcome.requests["/ 500"] >= 10
    assert not outcome.failures
    assert set(outcome.answers) == {"500 sampleapp-abc"}


@pytest.mark.parametrize(("status", "pod"), [(503, ""), (500, ""), (404, "sampleapp-abc")])
def test_an_answer_that_is_not_the_apps_is_a_failure(service: Service, tmp_path: Path, status: int, pod: str) -> None:
    service.status, service.pod = status, pod
    outcome = load(service.url, tmp_path, lambda: service.requests >= 10)
    assert outcome.failures["/ failed"] == outcome.requests["/ failed"] == len(outcome.answers) >= 10
    assert all(answer.startswith("0 ") and str(status) in answer for answer in outcome.answers)


def test_a_refused_connection_is_a_failure(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, and not listening
        answers = tmp_path / "answers"
        outcome = load(
            f"http://127.0.0.1:{unused.getsockname()[1]}",
            tmp_path,
            lambda: answers.exists() and len(answers.read_text().splitlines()) >= 5,
        )
    assert outcome.failures["/ failed"] == outcome.requests["/ failed"] >= 5
    assert all("refused" in answer for answer in outcome.answers)
