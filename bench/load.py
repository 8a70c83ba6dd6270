"""Measure the requests/s per core that Locust and Fortio send and the app answers: `make bench-load`.

The app runs on loopback. Each load generator in turn sends requests to it: first with one new connection per request,
then with kept-alive connections. The figures are per CPU second, so other work on the machine makes the measurement
longer but hardly changes it. Start-up is left out. Prints the Markdown table of docs/load.md on stdout. FORTIO is the
path of the fortio program; without one, its rows are left out. Takes about a minute; SECONDS is the length of each of
the four runs.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.process import cpu_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
SECONDS = float(os.environ.get("SECONDS", "10"))
RATE = 150  # requests per second that Locust sends: well below its limit, so that it keeps the rate


@dataclass(frozen=True)
class Instant:
    """The totals at one instant.

    Attributes:
        app: CPU seconds of the app.
        load: CPU seconds of the load generator.
        answers: requests that the app has answered.
    """

    app: float
    load: float
    answers: int


def free_port() -> int:
    """Return a port that is free."""
    with socket.socket() as attempt:
        attempt.bind(("127.0.0.1", 0))
        port: int = attempt.getsockname()[1]
        return port


class App:
    """The running app.

    Attributes:
        url: where it takes requests.
        pid: its process.
    """

    def __init__(self, pid: int, port: int, metrics_port: int) -> None:
        self.pid = pid
        self.url = f"http://127.0.0.1:{port}/"
        self._metrics = f"http://127.0.0.1:{metrics_port}/metrics"

    def answers(self) -> int:
        """Return how many requests the app says it has answered; raises OSError while it does not listen."""
        with urllib.request.urlopen(self._metrics, timeout=5) as answer:  # noqa: S310 - our own URL
            text = answer.read().decode()
        return int(sum(float(n) for n in re.findall(r"^requests_total\{.*\} (\S+)", text, re.MULTILINE)))


@contextmanager
def process(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process in the background, with its output in `log`."""
    with log.open("ab") as out:
        child = subprocess.Popen(command, env=os.environ | environment, stdout=out, stderr=out)
    with child:
        try:
            yield child
        finally:
            child.terminate()


@contextmanager
def running_app(folder: Path) -> Iterator[App]:
    """Run the app on free ports."""
    port, metrics_port = free_port(), free_port()
    environment = {"HOST": "127.0.0.1", "PORT": str(port), "METRICS_PORT": str(metrics_port), "SUCCESS_RATE": "100"}
    with process([sys.executable, str(ROOT / "app/app.py")], environment, folder / "app.log") as child:
        app = App(child.pid, port, metrics_port)
        for _ in range(300):
            try:
                app.answers()
                break
            except OSError:
                time.sleep(0.1)
        yield app


def run(name: str, command: list[str], app: App, folder: Path) -> tuple[Instant, Instant]:
    """Run a load generator against the app; returns two instants that are SECONDS apart, the first after start-up."""
    log = folder / "load.log"
    before = app.answers()
    with process(command, {}, log) as child:
        deadline = time.monotonic() + 60
        while app.answers() < before + RATE:  # one second of load
            if child.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"bench-load: {name} sends too few requests. The end of its output:\n{log.read_text()[-500:]}")
            time.sleep(0.2)
        instants = []
        for pause in (0, SECONDS):
            time.sleep(pause)
            instants.append(Instant(cpu_seconds(app.pid), cpu_seconds(child.pid), app.answers()))
    return instants[0], instants[1]


def commands(url: str) -> dict[tuple[str, str], list[str]]:
    """Return the command of each load generator, by its name and how it connects."""
    limit = f"{SECONDS + 120:.0f}s"  # normally stopped earlier; this is in case this program is killed
    locust = [
        *(sys.executable, "-m", "locust", "--locustfile", str(ROOT / "loadtest/locustfile.py"), "--headless"),
        *("--host", url, "--users", "10", "--spawn-rate", "10", "--rate", str(RATE / 10), "--run-time", limit),
    ]
    found = {("Locust", "one per request"): locust, ("Locust", "kept alive"): [*locust, "--keep-alive"]}
    if fortio := os.environ.get("FORTIO") or shutil.which("fortio"):
        ask = [fortio, "load", "-qps", "0", "-c", "4", "-t", limit, "-allow-initial-errors"]
        found["Fortio", "one per request"] = [*ask, "-keepalive=false", url]
        found["Fortio", "kept alive"] = [*ask, url]
    return found


def main() -> None:
    """Measure, and print the table."""
    with tempfile.TemporaryDirectory() as name, running_app(Path(name)) as app:
        print(
            f"load: {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs, Python {platform.python_version()}",
            file=sys.stderr,
        )
        print("| load generator | connections | requests/s it sends per core | requests/s the app answers per core |")
        print("| --- | --- | ---: | ---: |")
        for (generator, connection), command in commands(app.url).items():
            begin, end = run(generator, command, app, Path(name))
            done = end.answers - begin.answers
            sent, answered = done / (end.load - begin.load), done / (end.app - begin.app)
            print(f"| {generator} | {connection} | {sent:,.0f} | {answered:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
