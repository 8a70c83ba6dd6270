"""Chaos: injects the faults that a real API server, its etcd and the network can cause, at a rate and by a seed.

Nothing else happens. The events of one watch keep their order, but a watch can be late or end, so that its client sees
a change later than the client of another watch. Objects that do not exist have no conflicts. Health checks are spared.
"""

import asyncio
import enum
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from localcluster.apimachinery.errors import ApiError, conflict
from localcluster.apiserver import requests, watch
from localcluster.apiserver.request_info import RequestInfo
from localcluster.storage.store import Store

log = logging.getLogger(__name__)
LONGEST_DELAY = 2.0  # seconds; the longest delay of a watch event
ENDING = 0.25  # share of a watch's faults that end the watch; the others delay an event
STALE = "the object has been modified; please apply your changes to the latest version and try again"


class Fault(enum.Enum):
    """What can happen to a request. The values are what the log says."""

    CONFLICT = "409 Conflict"
    EXPIRED = "410 Expired"
    TOO_MANY = "429 Too Many Requests"
    INTERNAL = "500, and nothing was done"
    INTERNAL_DONE = "500, though it was done"
    UNAVAILABLE = "503 Service Unavailable"
    CUT = "the connection is cut, and nothing was done"
    LOST = "the answer is lost, though it was done"


ANYTIME = (Fault.TOO_MANY, Fault.INTERNAL, Fault.UNAVAILABLE, Fault.CUT)


@dataclass
class Chaos:
    """Decides which requests fail, and how: by the seed, and by how often the same request came before.

    Attributes:
        seed: the same seed gives the same faults for the same requests, whatever other requests come between.
        rate: share of requests, and of watch events, that get a fault; 0–1.
    """

    seed: int
    rate: float
    _seen: Counter[str] = field(default_factory=Counter)

    def decide(self, request: str, possible: tuple[Fault, ...]) -> Fault | None:
        """Return the fault of a request such as `GET /api/v1/pods`, or None."""
        draw = self._draw(request)
        if draw.random() >= self.rate:
            return None
        fault = draw.choice(possible)
        log.info("chaos %d: %s: %s, time %d", self.seed, fault.value, request, self._seen[request])
        return fault

    def event(self, watch: str) -> float | None:
        """Return the delay of a watch's next event in seconds, or None if the watch ends before that event."""
        draw = self._draw(f"event of {watch}")
        if draw.random() >= self.rate:
            return 0.0
        if draw.random() < ENDING:
            log.info("chaos %d: the watch ends: %s", self.seed, watch)
            return None
        seconds = draw.uniform(0, LONGEST_DELAY)
        log.info("chaos %d: an event comes %.1f s late: %s", self.seed, seconds, watch)
        return seconds

    def _draw(self, what: str) -> random.Random:
        self._seen[what] += 1
        return random.Random(f"{self.seed} {what} {self._seen[what]}")  # noqa: S311 - a test's dice

    async def answer(
        self,
        request: web.Request,
        name: str,
        info: RequestInfo | None,
        store: Store,
        handler: Callable[[], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Answer a request, or inject a fault; raises ApiError, and CancelledError for a cut connection."""
        fault = self.decide(name, _possible(request, info, store))
        if fault == Fault.CONFLICT:
            assert info is not None
            raise conflict(info.resource, info.name, STALE)
        if fault == Fault.EXPIRED and requests.flag(request, "watch"):
            return await _expired_watch(request)
        if fault == Fault.EXPIRED:
            raise ApiError(410, "The resourceVersion for the provided list is too old.")
        if fault == Fault.TOO_MANY:
            raise ApiError(429, "Too many requests, please try again later.", headers={"Retry-After": "1"})
        if fault == Fault.UNAVAILABLE:
            raise ApiError(503, "the server is currently unable to handle the request")
        if fault == Fault.CUT:
            _cut(request)
        if fault == Fault.INTERNAL:
            raise ApiError(500, "etcdserver: leader changed")
        answer = await handler()
        if fault == Fault.INTERNAL_DONE:
            raise ApiError(500, "etcdserver: request timed out")
        if fault == Fault.LOST:
            _cut(request)
        return answer

    async def delay(self, request: web.Request, name: str) -> None:
        """Delay an event of a watch, or end the watch: raises CancelledError."""
        seconds = self.event(name)
        if seconds is None:
            _cut(request)
        elif seconds:
            await asyncio.sleep(seconds)


def _possible(request: web.Request, info: RequestInfo | None, store: Store) -> tuple[Fault, ...]:
    """Return the faults that a request can get."""
    if info is None or info.subresource in ("proxy", "log"):
        return ANYTIME
    if request.method == "GET":
        if requests.flag(request, "watch"):
            begins = request.query.get("resourceVersion", "") in ("", "0")
            return ANYTIME if begins else (*ANYTIME, Fault.EXPIRED)
        aged = "continue" in request.query or request.query.get("resourceVersionMatch") == "Exact"
        return (*ANYTIME, Fault.LOST, *([Fault.EXPIRED] if aged else []))
    done = (*ANYTIME, Fault.INTERNAL_DONE, Fault.LOST)
    there = info.name and store.find(info.resource, info.namespace, info.name)
    return (*done, Fault.CONFLICT) if request.method in ("PUT", "PATCH") and there else done


async def _expired_watch(request: web.Request) -> web.StreamResponse:
    """Answer as a watch whose resource version is too old: with one ERROR event."""
    old = int(requests.resource_version(request))
    error = ApiError(410, f"too old resource version: {old} ({old + 1})", reason="Expired")
    return web.Response(body=watch.line("ERROR", error.status()), content_type="application/json")


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
    raise asyncio.CancelledError  # as if the client had disconnected
