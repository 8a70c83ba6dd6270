"""A web service that gives a good answer to `success_rate` percent of all requests, and counts good and bad answers.

    GET :8080/         `Hello World!` with status 200, or a bad answer with status 500
    GET :8080/healthz  is the process alive? (liveness probe: when it fails, the kubelet restarts the container)
    GET :8080/readyz   is the app ready? (readiness probe: while it fails, Services send the pod no requests)
    GET :8000/metrics  the counts, on a separate port: publishing the service does not publish its metrics

Environment variables: SUCCESS_RATE, HOST, PORT, METRICS_PORT, VERSION; and, to practise with, LATENCY_MS, CRASH_EVERY.
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

# Percent of all answers that are good. Edit this line, build an image and release it: the canary shows the difference.
success_rate = 5

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)  # seconds


@dataclass(frozen=True)
class Settings:
    """The settings that environment variables change.

    Attributes:
        success_rate: percent of all answers that are good, 0 to 100.
        latency_ms: delay of every answer, in milliseconds.
        crash_every: number of requests after which the process exits; 0 means never.
        host: address to listen on.
        port: for requests of users.
        metrics_port: for Prometheus.
        version: reported by the metric `app_info`.
        pod: value of the header X-Served-By. In a pod, HOSTNAME is the name of the pod.
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
    """Return the settings; raises ValueError with one line about the first invalid one."""

    def number(name: str, default: float, low: int, high: int) -> float:
        text = environ.get(name, str(default))
        try:
            value = type(default)(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:  # in this form, it also refuses NaN
            kind = "a whole number" if type(default) is int else "a number"
            raise ValueError(f"{name}={text} is not {kind} from {low} to {high}")
        return value

    return Settings(
        success_rate=number("SUCCESS_RATE", float(success_rate), 0, 100),
        latency_ms=number("LATENCY_MS", 0.0, 0, 60_000),
        crash_every=int(number("CRASH_EVERY", 0, 0, 1_000_000_000)),
        host=environ.get("HOST", "0.0.0.0"),  # noqa: S104 - all addresses of a pod belong to the pod
        port=int(number("PORT", 8080, 1, 65535)),
        metrics_port=int(number("METRICS_PORT", 8000, 1, 65535)),
        version=environ.get("VERSION", "dev"),
        pod=environ.get("HOSTNAME", "localhost"),
    )


def create_app(
    settings: Settings, chance: Callable[[], float] = random.random, registry: CollectorRegistry = REGISTRY
) -> Flask:
    """Return the web application; `chance` returns random numbers from 0 (included) to 1 (excluded)."""
    requests = Counter("requests_total", "Answers, as the app judges them.", ["custom_status"], registry=registry)
    for status in ("good", "bad"):
        requests.labels(custom_status=status)  # starts both at 0: rate() misses the first increase of a new series
    duration = Histogram("request_duration_seconds", "Time to answer.", buckets=BUCKETS, registry=registry)
    Info("app", "The running version.", registry=registry).info({"version": settings.version})

    app = Flask(__name__)
    numbers = itertools.count(1)

    @app.get("/")
    def hello() -> tuple[str, int, dict[str, str]]:
        if settings.crash_every and next(numbers) % settings.crash_every == 0:
            print(f"app: exiting because of CRASH_EVERY={settings.crash_every}", file=sys.stderr, flush=True)
            os._exit(1)  # ends all threads at once; the kubelet then restarts the container
        with duration.time():
            time.sleep(settings.latency_ms / 1000)
            good = chance() < settings.success_rate / 100  # 0 percent is never, 100 percent is always
        requests.labels(custom_status="good" if good else "bad").inc()
        text, status = ("Hello World!", 200) if good else ("Internal Server Error", 500)
        return text, status, {"X-Served-By": settings.pod}

    @app.get("/healthz")
    @app.get("/readyz")  # the same check: the app is ready once it listens, and on SIGTERM it first closes the port
    def fine() -> str:
        return "ok"

    return app


def main() -> None:
    """Serve until SIGTERM; if that is not possible, print one line on stderr and exit with code 2."""
    try:
        settings = read_settings(os.environ)
        # One process with threads: several processes would each have their own counters, and a scrape would read one.
        server = Server(
            (settings.host, settings.port),
            create_app(settings),
            numthreads=16,
            request_queue_size=128,  # connections that can wait; the default of 5 delays a burst by a second
            shutdown_timeout=20,  # seconds to finish open requests; less than the pod's terminationGracePeriodSeconds
        )
        server.prepare()  # starts to listen
        start_http_server(settings.metrics_port, settings.host)
    except (ValueError, OSError) as error:
        print(f"app: {error}", file=sys.stderr)
        sys.exit(2)

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())  # in a container this is process 1, which has no default handlers
    threading.Thread(target=server.serve).start()
    print(f"app: {settings.success_rate:g} % good on {settings.host}:{settings.port}", flush=True)
    stop.wait()
    server.stop()  # closes the port, then finishes open requests


if __name__ == "__main__":
    main()
