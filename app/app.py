"""A web service whose answers are good in `success_rate` percent of all requests, and that says so in its metrics.

    GET :8080/         `Hello World!` with status 200, or a bad answer with status 500
    GET :8080/healthz  is the process alive? (liveness: while it fails, the container is restarted)
    GET :8080/readyz   may it get traffic? (readiness: while it fails, Services leave the pod out)
    GET :8000/metrics  what was counted, on a port of its own: publishing the service does not publish its metrics

The environment sets SUCCESS_RATE, HOST, PORT, METRICS_PORT, VERSION; and, to practise with, LATENCY_MS and CRASH_EVERY.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cheroot.wsgi import Server
from flask import Flask
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, Info, start_http_server

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Percent of the answers that are good. Edit this line, build, release, and let the canary tell.
success_rate = 5

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)  # seconds


@dataclass(frozen=True)
class Settings:
    """What the environment may change.

    Attributes:
        success_rate: percent of the answers that are good, 0 to 100.
        latency_ms: milliseconds by which every answer is late.
        crash_every: which request after a start ends the process; 0 is none.
        host: address to listen on.
        port: for traffic.
        metrics_port: for Prometheus.
        version: what `app_info` says is running.
        pod: who answers, for the header X-Served-By; in a pod, HOSTNAME is the pod's name.
    """

    success_rate: float
    latency_ms: float
    crash_every: int
    host: str
    port: int
    metrics_port: int
    version: str
    pod: str


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings, or raise ValueError with one line about the first that makes no sense."""

    def number(name: str, default: float, low: int, high: int) -> float:
        text = environ.get(name, str(default))
        try:
            value = type(default)(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:  # written so that NaN is refused as well
            kind = "a whole number" if type(default) is int else "a number"
            raise ValueError(f"{name}={text} is not {kind} from {low} to {high}")
        return value

    return Settings(
        success_rate=number("SUCCESS_RATE", float(success_rate), 0, 100),
        latency_ms=number("LATENCY_MS", 0.0, 0, 60_000),
        crash_every=int(number("CRASH_EVERY", 0, 0, 1_000_000_000)),
        host=environ.get("HOST", "0.0.0.0"),  # noqa: S104 - all addresses of a pod are its own
        port=int(number("PORT", 8080, 1, 65535)),
        metrics_port=int(number("METRICS_PORT", 8000, 1, 65535)),
        version=environ.get("VERSION", "dev"),
        pod=environ.get("HOSTNAME", "localhost"),
    )


def create_app(
    settings: Settings, chance: Callable[[], float] = random.random, registry: CollectorRegistry = REGISTRY
) -> Flask:
    """Return the web application; `chance` returns shares from 0 (included) to 1 (not included)."""
    requests = Counter("requests_total", "Answers, by the app's own judgement.", ["custom_status"], registry=registry)
    for status in ("good", "bad"):
        requests.labels(custom_status=status)  # there from the start, at zero: rate() cannot see a series begin
    duration = Histogram("request_duration_seconds", "Time to answer.", buckets=BUCKETS, registry=registry)
    Info("app", "What is running.", registry=registry).info({"version": settings.version})

    app = Flask(__name__)
    numbers = itertools.count(1)

    @app.get("/")
    def hello() -> tuple[str, int, dict[str, str]]:
        if settings.crash_every and next(numbers) % settings.crash_every == 0:
            print(f"app: CRASH_EVERY={settings.crash_every}, so this is it", file=sys.stderr, flush=True)
            os._exit(1)  # at once, threads and all; Kubernetes sees it, and starts the container again
        with duration.time():
            time.sleep(settings.latency_ms / 1000)
            good = chance() < settings.success_rate / 100  # 0 percent is never, 100 percent is always
        requests.labels(custom_status="good" if good else "bad").inc()
        text, status = ("Hello World!", 200) if good else ("Internal Server Error", 500)
        return text, status, {"X-Served-By": settings.pod}

    @app.get("/healthz")
    @app.get("/readyz")  # the same here: whoever listens is ready, and on SIGTERM the port closes first of all
    def fine() -> str:
        return "ok"

    return app


def main() -> None:
    """Serve until SIGTERM; end with one line on stderr and exit code 2 when that is not possible."""
    try:
        settings = read_settings(os.environ)
        # One process with threads: of several, each would have counters of its own, and a scrape would see any of them.
        server = Server(
            (settings.host, settings.port),
            create_app(settings),
            numthreads=16,
            request_queue_size=128,  # connections that may wait; with the usual 5, a burst waits for a second
            shutdown_timeout=20,  # seconds for what is in flight; less than the pod's terminationGracePeriodSeconds
        )
        server.prepare()  # listens
        start_http_server(settings.metrics_port, settings.host)
    except (ValueError, OSError) as error:
        print(f"app: {error}", file=sys.stderr)
        sys.exit(2)

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())  # process 1, which it is in a container, has no default for them
    threading.Thread(target=server.serve).start()
    print(f"app: {settings.success_rate:g} % good on {settings.host}:{settings.port}", flush=True)
    stop.wait()
    server.stop()  # closes the port, then answers what is in flight


if __name__ == "__main__":
    main()
