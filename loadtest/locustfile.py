"""Steady load for the sample app: `locust -f loadtest/locustfile.py --headless --users 20 --host http://ADDRESS:8080`.

`make load` runs it on this machine, and locust.yml in a cluster, on several machines.

Each user sends `--rate` requests per second, and does not wait for earlier answers, as real users do not. Load that
waits for a slow service sends less just when the service is slow, and its percentiles look better than they are.

Each request opens a new connection, because a Service chooses a pod once per connection. `--keep-alive` shows the other
case: the pods that were chosen first get all requests, and a canary may get none. `--ramp 2m` starts the users in ten
steps within two minutes. The step at which answers become slow or fail shows the limit of the service.

A bad answer of the app (500) is an answer. A failure is what no user should see: a connection that is refused or breaks
off, or an answer that is not from the app. Of another app than the sample app, each answer counts: `--any-answer`.
"""

from __future__ import annotations

import http.client
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import gevent
from gevent.pool import Pool
from locust import LoadTestShape, User, constant_throughput, events, task
from locust.util.timespan import parse_timespan

if TYPE_CHECKING:
    import argparse

    from locust.argument_parser import LocustArgumentParser
    from locust.env import Environment

STEPS = 10  # of a ramp


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def add_options(parser: LocustArgumentParser) -> None:
    """Add the options of this file to Locust's."""
    parser.add_argument("--rate", type=float, default=10, env_var="RATE", help="Requests per second, of each user.")
    parser.add_argument("--keep-alive", action="store_true", env_var="KEEP_ALIVE", help="Keep one connection per user.")
    parser.add_argument(
        "--any-answer", action="store_true", env_var="ANY_ANSWER", help="Take answers of any app, with any status."
    )
    parser.add_argument(
        "--ramp",
        type=parse_timespan,
        env_var="RAMP",
        include_in_web_ui=False,  # it has its own ramp
        help="Start the users in ten steps within this time, such as 2m.",
    )
    parser.add_argument(
        "--answers",
        env_var="ANSWERS",
        include_in_web_ui=False,
        help="Write one line per answer to this file: time, status, pod or error.",
    )


@events.init.add_listener  # type: ignore[untyped-decorator]
def set_the_clock(**_: object) -> None:
    """Update gevent's clock, which stops while Python imports modules. Otherwise the run would end too early."""
    gevent.get_hub().loop.update_now()


@events.init.add_listener  # type: ignore[untyped-decorator]
def end_quietly(**_: object) -> None:
    """Let Ctrl-C end the run without a traceback of the request that it interrupts."""
    hub = gevent.get_hub()
    hub.NOT_ERROR = (*hub.NOT_ERROR, KeyboardInterrupt)  # gevent still hands it to Locust, which prints the summary


@events.init.add_listener  # type: ignore[untyped-decorator]
def write_answers(environment: Environment, **_: object) -> None:
    """Write each answer to the file of `--answers`; status 0 is a failure."""
    if environment.parsed_options and environment.parsed_options.answers:
        file = Path(environment.parsed_options.answers).open("a", buffering=1)  # noqa: SIM115 - until the process ends
        environment.events.request.add_listener(
            lambda context, exception, **_: file.write(
                f"{time.time():.3f} {0 if exception else context['status']} {exception or context['pod']}\n"
            )
        )


class Ramp(LoadTestShape):
    """Starts the users in equal steps, and then keeps all of them until the run time ends."""

    abstract = True  # so that Locust does not use it by default; `follow_ramp` does
    use_common_options = True

    options: argparse.Namespace

    def tick(self) -> tuple[int, float] | None:
        """Return the number of users for now and how many may start per second; None at the end."""
        elapsed = time.perf_counter() - self.start_time
        if self.options.run_time and elapsed >= self.options.run_time:
            return None
        step = min(int(elapsed / self.options.ramp * STEPS) + 1, STEPS)
        users: int = self.options.num_users or 1
        return max(users * step // STEPS, 1), users


@events.init.add_listener  # type: ignore[untyped-decorator]
def follow_ramp(environment: Environment, **_: object) -> None:
    """Use the ramp if `--ramp` is given."""
    if environment.parsed_options and environment.parsed_options.ramp:
        environment.shape_class = shape = Ramp()  # type: ignore[no-untyped-call]
        shape.options = environment.parsed_options


class Caller(User):
    """Sends requests for `/`."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        assert environment.parsed_options
        self.rate: float = environment.parsed_options.rate
        self.keep_alive: bool = environment.parsed_options.keep_alive
        self.any_answer: bool = environment.parsed_options.any_answer
        self.url = urlsplit(self.host or str(environment.host))
        self.pace = constant_throughput(self.rate)
        self.calls = Pool(1 if self.keep_alive else 1000)  # a connection carries one request at a time
        self.kept: http.client.HTTPConnection | None = None

    def wait_time(self) -> float:
        """Return the seconds until the next request."""
        return self.pace(self)

    def on_start(self) -> None:
        """Start at a random time, so that the users do not send all at once."""
        gevent.sleep(random.uniform(0, 1 / self.rate))  # noqa: S311 - not for secrets

    @task
    def send(self) -> None:
        """Send a request, and do not wait for the answer."""
        self.calls.spawn(self.ask)

    def on_stop(self) -> None:
        """Wait for the answers that are still missing."""
        self.calls.join(timeout=10)

    def ask(self) -> None:
        """Send a request, wait for the answer, and count it."""
        began, status, pod, length = time.perf_counter(), 0, "", 0
        failure: Exception | None = None
        connection = self.kept or http.client.HTTPConnection(self.url.netloc, timeout=10)
        try:
            connection.request("GET", self.url.path or "/")
            answer = connection.getresponse()
            length, status, pod = len(answer.read()), answer.status, answer.getheader("X-Served-By", "")
            if not self.any_answer and (not pod or status not in (200, 500)):
                failure = http.client.HTTPException(f"{status} {answer.reason}, not from the app")
        except (OSError, http.client.HTTPException) as error:
            failure = error
        self.kept = connection if self.keep_alive and not failure else None
        if not self.kept:
            connection.close()
        self.environment.events.request.fire(
            request_type="GET",
            name="/ failed" if failure else f"/ {status}",
            response_time=(time.perf_counter() - began) * 1000,  # milliseconds
            response_length=length,
            exception=failure,
            context={"status": status, "pod": pod},
        )
