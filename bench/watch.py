"""Measure the CPU and memory that `canary watch` takes, by the number of pods: `make bench-watch`.

`canary watch` runs against a server on loopback (bench/watched_cluster.py) and looks every five seconds. It counts
requests twice: once straight from the pods and once from Prometheus. The figures are the driver's CPU time per look,
which other work on the machine hardly changes, and its peak memory. Start and end are left out.

Half of the watched pods belong to the canary and half to the baseline. Stable has as many pods as each of them, which
the driver lists but does not read. Each pod exposes the sample app's metrics and PADDING further lines, as a larger app
would. SECONDS is the length of each run, PODS the sizes. Exits with 1 when counting straight from the pods takes more
than the limits allow.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import yaml

from bench.process import cpu_seconds, peak_megabytes
from bench.watched_cluster import PADDING

ROOT = Path(__file__).resolve().parents[1]
SECONDS = float(os.environ.get("SECONDS", "40"))
SIZES = [int(size) for size in os.environ.get("PODS", "10 100 1000").split()]
INTERVAL = 5.0
MOST_SHARE, MOST_MEGABYTES = 0.30, 150.0


@dataclass(frozen=True)
class Figure:
    """The result of one run.

    Attributes:
        pods: watched.
        source: where the counts came from.
        share: of a core, in 0–1.
        megabytes: of memory, at the peak.
        looks: measured.
    """

    pods: int
    source: str
    share: float
    megabytes: float
    looks: int


def measure(pods: int, source: str) -> Figure:
    """Watch that many pods and return what it takes."""
    served = [sys.executable, "-m", "bench.watched_cluster", str(pods // 2)]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(served, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server,
    ):
        assert server.stdout
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        kubeconfig = Path(folder) / "kubeconfig"
        context = {"name": "bench", "context": {"cluster": "bench", "user": "bench", "namespace": "shop"}}
        kubeconfig.write_text(
            yaml.safe_dump(
                {
                    "current-context": "bench",
                    "contexts": [context],
                    "clusters": [{"name": "bench", "cluster": {"server": url}}],
                    "users": [{"name": "bench", "user": {}}],
                }
            )
        )
        command = [sys.executable, "-m", "canary", "watch", "app", "--kubeconfig", str(kubeconfig)]
        command += ["--interval", f"{INTERVAL:g}s", "--tolerance", "0.000001", "--max-duration", "1h"]
        command += ["--prometheus", url] if source == "Prometheus" else []
        env = {key: value for key, value in os.environ.items() if not key.startswith("CANARY_")}
        try:
            with (Path(folder) / "stderr").open("w+") as stderr:
                driver = subprocess.Popen(command, cwd=folder, env=env, stderr=stderr)
                try:
                    return _measured(driver.pid, server.stdout, pods, source)
                except ProcessLookupError:
                    raise SystemExit(f"canary watch ended: {(Path(folder) / 'stderr').read_text()}") from None
                finally:
                    driver.kill()
                    driver.wait()
        finally:
            server.kill()


def _measured(driver: int, looks: IO[str], pods: int, source: str) -> Figure:
    """Return what a driver takes from its third look on: until then it checks what the pods expose."""
    for _ in range(3):
        looks.readline()
    used, began, count = cpu_seconds(driver), time.monotonic(), 0
    while time.monotonic() - began < SECONDS:
        looks.readline()
        count += 1
    return Figure(pods, source, (cpu_seconds(driver) - used) / count / INTERVAL, peak_megabytes(driver), count)


def main() -> int:
    """Measure all sizes, print the figures as they come, and return the exit code."""
    print(f"canary watch, one look every {INTERVAL:g} s, {PADDING + 20} lines of metrics per pod")
    print("| pods | counts from | CPU, of a core | peak memory |\n| ---: | --- | ---: | ---: |")
    exceeded = False
    for source in ("the pods", "Prometheus"):
        for pods in SIZES:
            figure = measure(pods, source)
            print(f"| {pods:,} | {source} | {figure.share:.1%} | {figure.megabytes:.0f} MB |", flush=True)
            is_limited = source == "the pods"
            exceeded |= is_limited and (figure.share > MOST_SHARE or figure.megabytes > MOST_MEGABYTES)
    if exceeded:
        print(
            f"bench-watch: above the limits (from the pods): {MOST_SHARE:.0%} of a core, {MOST_MEGABYTES:.0f} MB",
            file=sys.stderr,
        )
    return int(exceeded)


if __name__ == "__main__":
    sys.exit(main())
