"""The app as a process: what its pod, its Service and Prometheus see of it."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest

from e2e.polling import poll

from .conftest import Start, command, free_port, terminate


def test_it_answers_on_the_ports_in_the_environment(start: Start) -> None:
    app = start(SUCCESS_RATE="100", HOSTNAME="me", VERSION="7")
    reply = app.get("/")
    assert (reply.status, reply.text, reply.served_by) == (200, "Hello World!", "me")
    metrics = app.metrics()
    assert metrics['requests_total{custom_status="good"}'] == 1
    assert metrics['requests_total{custom_status="bad"}'] == 0
    assert metrics['app_info{version="7"}'] == 1
    assert metrics["request_duration_seconds_count"] == 1


def test_it_listens_on_all_addresses_and_ports_8080_and_8000_by_default(sampleapp: ModuleType) -> None:
    settings = sampleapp.read_settings({})
    assert (settings.host, settings.port, settings.metrics_port) == ("0.0.0.0", 8080, 8000)


def test_counters_are_exact_with_many_threads(start: Start) -> None:
    app = start(SUCCESS_RATE="50")
    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda _: app.get("/").status, range(400)))
    metrics = app.metrics()
    assert metrics['requests_total{custom_status="good"}'] == statuses.count(200)
    assert metrics['requests_total{custom_status="bad"}'] == statuses.count(500)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_on_sigterm_it_accepts_no_more_requests_and_finishes_open_ones(start: Start) -> None:
    """More requests than threads: those that wait for one are in flight as well."""
    app = start(SUCCESS_RATE="100", LATENCY_MS="2000")
    with ThreadPoolExecutor(24) as pool:
        replies = [pool.submit(app.get) for _ in range(24)]
        poll("all connections are accepted", lambda: established(app.port) >= 24)
        terminate(app)
        poll("it closes the port", lambda: not app.listens())
        assert app.process.poll() is None, "it ended before it had answered"
        assert {reply.result().status for reply in replies} == {200}
    assert app.process.wait(30) == 0
    assert app.process.stderr is not None
    assert app.process.stderr.read() == ""


def established(port: int) -> int:
    """Return how many connections to a port are open, by what the kernel says."""
    suffix = f":{port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    return sum(row[1].endswith(suffix) and row[3] == "01" for row in rows)


def test_on_sigterm_an_idle_connection_does_not_delay_the_end(start: Start) -> None:
    app = start()
    connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=10)
    try:
        connection.request("GET", "/readyz")
        assert connection.getresponse().read() == b"ok"
        terminate(app)
        assert app.process.wait(15) == 0
    finally:
        connection.close()


def test_ctrl_c_ends_it_without_a_message(start: Start) -> None:
    app = start()
    app.process.send_signal(signal.SIGINT)
    assert app.process.wait(15) == 0
    assert app.process.stderr is not None
    assert app.process.stderr.read() == ""


def test_a_crash_ends_the_process_with_one_line_that_says_why(start: Start) -> None:
    app = start(CRASH_EVERY="3")
    assert {app.get("/").status for _ in range(2)} <= {200, 500}
    with pytest.raises((http.client.HTTPException, OSError)):
        app.get("/")
    assert app.process.wait(10) == 1
    assert app.process.stderr is not None
    assert app.process.stderr.read() == "app: exiting because of CRASH_EVERY=3\n"


@pytest.mark.parametrize(
    "variable",
    ["SUCCESS_RATE=abc", "SUCCESS_RATE=101", "SUCCESS_RATE=-1", "PORT=no", "LATENCY_MS=-1", "CRASH_EVERY=x"],
)
def test_an_invalid_setting_is_one_line_and_exit_code_2(variable: str) -> None:
    name, _, text = variable.partition("=")
    argv, environment = command(**{"HOST": "127.0.0.1", name: text})
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"app: {variable} is not a ")
    assert done.stderr.count("\n") == 1


def test_a_port_that_is_taken_is_one_line_and_exit_code_2() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        argv, environment = command(HOST="127.0.0.1", PORT=port, METRICS_PORT=str(free_port()))
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "Address already in use" in done.stderr
    assert done.stderr.count("\n") == 1
