"""Measure how many requests a second a core sends, with Locust and Fortio, and the app answers: `make bench-load`.

The app runs on loopback; each load generator in turn asks it, with a connection a request and with kept connections.
What counts is CPU time, not time on the clock, so other work on the machine makes the measurement longer and hardly
changes it. Start-up is left out. Prints the Markdown table of docs/load.md on stdout. FORTIO names Fortio's program;
without one, its rows are left out. Takes about a minute; SECONDS is the length of each of the four runs.
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

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
SECONDS = float(os.environ.get("SECONDS", "10"))
TICKS = os.sysconf("SC_CLK_TCK")  # per second; the unit of /proc/PID/stat
RATE = 150  # requests per second that Locust is asked for: well below what it can do, so that it keeps its pace


@dataclass(frozen=True)
class Instant:
    """What has been used and done so far.

    Attributes:
        app: CPU seconds of the app.
        load: CPU seconds of the load generator.
        answers: of the app.
    """

    app: float
    load: float
    answers: int


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used, its own and the kernel's for it (proc(5): utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as attempt:
        attempt.bind(("127.0.0.1", 0))
        port: int = attempt.getsockname()[1]
        return port


class App:
    """The running app.

    Attributes:
        url: for requests.
        pid: of its process.
    """

    def __init__(self, pid: int, port: int, metrics_port: int) -> None:
        self.pid = pid
        self.url = f"http://127.0.0.1:{port}/"
        self._metrics = f"http://127.0.0.1:{metrics_port}/metrics"

    def answers(self) -> int:
        """Return the app's own count of its answers; raises OSError while it does not listen."""
        with urllib.request.urlopen(self._metrics, timeout=5) as answer:  # noqa: S310 - our own URL
            text = answer.read().decode()
        return int(sum(float(n) for n in re.findall(r"^requests_total\{.*\} (\S+)", text, re.MULTILINE)))


@contextmanager
def process(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Have a process running; its output is in `log`."""
    with log.open("ab") as out:
        child = subprocess.Popen(command, env=os.environ | environment, stdout=out, stderr=out)
    with child:
        try:
            yield child
        finally:
            child.terminate()


@contextmanager
def running_app(folder: Path) -> Iterator[App]:
    """Have the app running on free ports."""
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
    """Let a load generator ask the app, and return two instants SECONDS apart, after it has got going."""
    log = folder / "load.log"
    before = app.answers()
    with process(command, {}, log) as child:
        deadline = time.monotonic() + 60
        while app.answers() < before + RATE:  # a second's worth
            if child.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"bench-load: {name} does not send: {log.read_text()[-500:]}")
            time.sleep(0.2)
        instants = []
        for pause in (0, SECONDS):
            time.sleep(pause)
            instants.append(Instant(cpu_seconds(app.pid), cpu_seconds(child.pid), app.answers()))
    return instants[0], instants[1]


def commands(url: str) -> dict[tuple[str, str], list[str]]:
    """Return the load generators' commands, by their names and how they connect."""
    limit = f"{SECONDS + 120:.0f}s"  # they are ended before; this is in case this program is killed
    locust = [
        *(sys.executable, "-m", "locust", "--locustfile", str(ROOT / "loadtest/locustfile.py"), "--headless"),
        *("--host", url, "--users", "10", "--spawn-rate", "10", "--rate", str(RATE / 10), "--run-time", limit),
    ]
    found = {("Locust", "a request"): locust, ("Locust", "kept"): [*locust, "--keep-alive"]}
    if fortio := os.environ.get("FORTIO") or shutil.which("fortio"):
        ask = [fortio, "load", "-qps", "0", "-c", "4", "-t", limit, "-allow-initial-errors"]
        found["Fortio", "a request"] = [*ask, "-keepalive=false", url]
        found["Fortio", "kept"] = [*ask, url]
    return found


def main() -> None:
    """Measure and print the table."""
    with tempfile.TemporaryDirectory() as name, running_app(Path(name)) as app:
        print(
            f"load: {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs, Python {platform.python_version()}",
            file=sys.stderr,
        )
        print("| load generator | connection | requests/s a core of it sends | requests/s a core of the app answers |")
        print("| --- | --- | ---: | ---: |")
        for (generator, connection), command in commands(app.url).items():
            begin, end = run(generator, command, app, Path(name))
            done = end.answers - begin.answers
            sent, answered = done / (end.load - begin.load), done / (end.app - begin.app)
            print(f"| {generator} | {connection} | {sent:,.0f} | {answered:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
