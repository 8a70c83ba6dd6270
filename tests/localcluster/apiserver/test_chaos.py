"""Chaos: its rate, its seed, and that only faults happen that a real cluster can have."""

from __future__ import annotations

import contextlib
import http.client
import logging
import math
from collections import Counter
from collections.abc import Iterator

import pytest

from localcluster.apimachinery.resources import CONFIG_MAP
from localcluster.apiserver import chaos as chaos_module
from localcluster.apiserver.chaos import ANYTIME, Chaos, Fault
from tests.localcluster.server import CONFIG_MAPS, DEPLOYMENTS, MERGE, PODS, Answer, Server, config_map

FAILURES = {409, 410, 429, 500, 503}
CUT = 0  # instead of a status code


@pytest.fixture
def chaotic() -> Iterator[Server]:
    """Provide a server on which every request fails until its rate is changed."""
    with Server(Chaos(7, 1.0)) as running:
        yield running


def code(server: Server, method: str, path: str, body: object = None, content_type: str = "application/json") -> int:
    """Return the status code of an answer, or CUT if there is no answer."""
    try:
        return server.call(method, path, body, content_type).code
    except (ConnectionError, http.client.HTTPException):
        return CUT


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.3])
def test_requests_and_events_fail_at_the_given_rate(rate: float) -> None:
    chaos, many = Chaos(1, rate), 20_000
    failed = sum(chaos.decide(f"GET /api/{n % 50}", ANYTIME) is not None for n in range(many))
    late = sum(chaos.event("GET /api/v1/pods") != 0 for n in range(many))
    bound = 4 * math.sqrt(many * rate * (1 - rate))
    assert abs(failed - many * rate) < bound
    assert abs(late - many * rate) < bound


def test_all_possible_faults_are_equally_likely() -> None:
    chaos = Chaos(1, 1.0)
    found = Counter(chaos.decide(f"GET /{n}", tuple(Fault)) for n in range(8000))
    assert set(found) == set(Fault)
    assert all(abs(count - 1000) < 4 * math.sqrt(1000 * 7 / 8) for count in found.values())


def decisions(seed: int, requests: list[str]) -> dict[str, list[Fault | None]]:
    chaos = Chaos(seed, 0.3)
    made: dict[str, list[Fault | None]] = {}
    for request in requests:
        made.setdefault(request, []).append(chaos.decide(request, ANYTIME))
    return made


def test_the_same_seed_gives_the_same_faults_whatever_requests_come_between() -> None:
    one, two = ["GET /a"] * 200, ["PATCH /b"] * 200
    assert decisions(7, one + two) == decisions(7, [r for pair in zip(one, two, strict=True) for r in pair])
    assert decisions(7, one) != decisions(8, one)


def test_a_client_meets_the_same_faults_again_with_the_same_seed(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[list[int]] = []
    for _ in range(2):
        with Server(Chaos(3, 0.4)) as server:
            codes = [code(server, "POST", CONFIG_MAPS, config_map(f"c{n}")) for n in range(20)]
            codes += [
                code(server, "PATCH", f"{CONFIG_MAPS}/c{n % 20}", {"data": {"a": str(n)}}, MERGE) for n in range(60)
            ]
            seen.append(codes)
    assert seen[0] == seen[1]
    assert {200, 201, 409, 429, 500, 503, CUT} <= set(seen[0])


def test_each_fault_is_logged_with_its_request(chaotic: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    code(chaotic, "GET", f"{CONFIG_MAPS}/c?x=y")
    (told,) = [r.getMessage() for r in caplog.records if r.name == chaos_module.__name__]
    assert told.startswith("chaos 7: ")
    assert told.endswith(f": GET {CONFIG_MAPS}/c, time 1")


def test_too_many_requests_has_a_retry_after_header(chaotic: Server) -> None:
    answers: list[Answer] = []
    while not any(answer.code == 429 for answer in answers):
        with contextlib.suppress(ConnectionError, http.client.HTTPException):
            answers.append(chaotic.call("GET", PODS))
    refused = answers[-1]
    assert (refused.headers["Retry-After"], refused.body["reason"]) == ("1", "TooManyRequests")
    assert {answer.code for answer in answers} <= {429, 500, 503}


def test_a_write_has_happened_exactly_if_its_fault_says_so(chaotic: Server) -> None:
    chaos = chaotic.chaos
    assert chaos is not None
    happened: dict[int, set[bool]] = {}
    for n in range(60):
        answered = code(chaotic, "POST", CONFIG_MAPS, config_map(f"c{n}"))
        exists = chaotic.store.find(CONFIG_MAP, "default", f"c{n}") is not None
        happened.setdefault(answered, set()).add(exists)
    assert happened == {429: {False}, 503: {False}, 500: {False, True}, CUT: {False, True}}


def test_only_changes_of_existing_objects_get_conflicts(chaotic: Server) -> None:
    assert chaotic.chaos is not None
    for method, path in (("GET", PODS), ("POST", CONFIG_MAPS), ("DELETE", f"{PODS}/x"), ("PATCH", f"{DEPLOYMENTS}/x")):
        assert 409 not in {code(chaotic, method, path, {}, MERGE) for _ in range(40)}
    chaotic.chaos.rate = 0.0
    chaotic.post(CONFIG_MAPS, config_map("c"))
    chaotic.chaos.rate = 1.0
    assert 409 in {code(chaotic, "PATCH", f"{CONFIG_MAPS}/c", {}, MERGE) for _ in range(40)}


def test_health_checks_get_no_faults(chaotic: Server) -> None:
    assert {code(chaotic, "GET", path) for path in ("/healthz", "/readyz", "/livez") for _ in range(20)} == {200}


def test_a_watch_is_late_or_ends_but_keeps_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chaos_module, "LONGEST_DELAY", 0.02)
    monkeypatch.setattr(chaos_module.Chaos, "decide", lambda *_: None)  # the watch itself starts without a fault
    with Server(Chaos(1, 0.5)) as server:
        names = [f"c{n:02}" for n in range(30)]
        version = server.get(CONFIG_MAPS)["metadata"]["resourceVersion"]
        for name in names:
            server.post(CONFIG_MAPS, config_map(name))
        seen: list[str] = []
        watches = 0
        while len(seen) < len(names):
            watches += 1
            with contextlib.suppress(ConnectionError, http.client.HTTPException):
                for event in server.watch(f"{CONFIG_MAPS}?watch=1&resourceVersion={version}"):
                    seen.append(event["object"]["metadata"]["name"])
                    version = event["object"]["metadata"]["resourceVersion"]
                    if len(seen) == len(names):
                        break
        assert seen == names
        assert watches > 1


def test_an_expired_watch_gets_an_error_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chaos_module.Chaos, "decide", lambda _chaos, _request, possible: possible[-1])
    with Server(Chaos(1, 0.0)) as server:
        (event,) = server.watch(f"{CONFIG_MAPS}?watch=1&resourceVersion=1")
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
