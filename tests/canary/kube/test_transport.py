"""Requests that get no answer: which are repeated, for how long, and what is reported in the end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3
from kubernetes import client

from canary.errors import ClusterError, LockLostError, NotAnsweringError, UnreachableError
from canary.kube.availability import Availability
from canary.kube.cluster import Cluster
from canary.kube.connection import Connection
from canary.kube.transport import Transport, refusal
from canary.objects import Kind
from tests.canary.kube.fake_time import Time
from tests.http_servers import running


@dataclass
class Server:
    """An API server that answers what a test tells it, in order, then 200.

    Attributes:
        answers: status codes; 0 closes the connection without any.
        seen: method, path and headers of each request.
        message: what the answers say, `said STATUS` if it is empty.
        headers: sent with the answers.
    """

    answers: list[int] = field(default_factory=list)
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def server() -> Iterator[Server]:
    script = Server()

    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            script.seen.append((self.command, self.path, dict(self.headers)))
            status = script.answers.pop(0) if script.answers else 200
            if status == 0:
                self.close_connection = True
                return
            message = script.message or f"said {status}"
            body = json.dumps({"kind": "Status", "message": message, "reason": "Because"}).encode()
            self.send_response(status)
            for name, value in script.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
    http.daemon_threads = True
    script.port = http.server_address[1]
    with running(http):
        yield script


def connection(url: str, token: str = "") -> Connection:
    configuration = client.Configuration()
    configuration.host = url
    configuration.proxy = None
    configuration.retries = False
    if token:
        configuration.api_key["BearerToken"] = f"Bearer {token}"
    return Connection(client.ApiClient(configuration), "default", url)


def transport_to(url: str, time: Time, *tokens: str, said: list[str] | None = None) -> Transport:
    """Return a transport that waits by that clock, and takes another token for each connection."""
    left = iter(tokens)
    availability = Availability((said if said is not None else []).append, lambda: time.now)
    return Transport(lambda: connection(url, next(left, "")), sleep=time.sleep, availability=availability)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def transport(server: Server, time: Time) -> Iterator[Transport]:
    made = transport_to(server.url, time)
    yield made
    made.close()


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("trouble", [0, 429, 502, 503, 504])
def test_a_request_without_an_answer_is_sent_again(
    server: Server, transport: Transport, method: str, trouble: int
) -> None:
    server.answers = [200, trouble, trouble]
    transport.request("GET", "/healthz")
    assert transport.request(method, "/x", body=None if method == "GET" else {}).status == 200
    assert [seen[0] for seen in server.seen[1:]] == [method] * 3


@pytest.mark.parametrize("trouble", [0, 502, 503, 504])
def test_a_write_that_may_have_been_carried_out_is_marked_when_it_is_sent_again(
    server: Server, transport: Transport, trouble: int
) -> None:
    server.answers = [200, trouble, 409]
    assert not transport.request("POST", "/x", body={"a": 1}).repeated
    answer = transport.request("POST", "/x", body={"a": 1})
    assert (answer.status, answer.repeated) == (409, True)
    server.answers = [429, 409]
    assert not transport.request("POST", "/x", body={"a": 1}).repeated


def test_a_post_that_was_answered_429_is_sent_again(server: Server, transport: Transport) -> None:
    server.answers = [429]
    assert transport.request("POST", "/x", body={"a": 1}).status == 200


@pytest.mark.parametrize("trouble", [0, 500, 503])
def test_a_post_that_changes_nothing_is_sent_again(server: Server, transport: Transport, trouble: int) -> None:
    server.answers = [trouble]
    assert transport.request("POST", "/x", body={"may": "I"}, read_only=True).status == 200


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422, 500])
def test_an_answer_is_returned_whatever_its_status(server: Server, transport: Transport, status: int) -> None:
    server.answers = [status]
    assert transport.request("PATCH", "/x", body={}).status == status
    assert len(server.seen) == 1


def test_a_server_error_is_final_for_a_write_and_not_for_a_read(server: Server, transport: Transport) -> None:
    server.answers = [500, 500]
    assert transport.request("GET", "/x").status == 200
    server.answers = [500]
    assert transport.request("PUT", "/x", body={}).status == 500


def test_a_write_that_etcd_did_not_answer_in_time_is_sent_again(server: Server, transport: Transport) -> None:
    server.answers, server.message = [500, 409], "etcdserver: request timed out"
    answer = transport.request("POST", "/x", body={"a": 1})
    assert (answer.status, answer.repeated) == (409, True)


@pytest.mark.parametrize(
    ("body", "times"),
    [
        ({"data": {}}, 2),
        ({"metadata": {"name": "x"}}, 2),
        ({"metadata": {"resourceVersion": "1"}}, 1),
        ([{"op": "test", "path": "/metadata/resourceVersion", "value": "1"}], 1),
    ],
)
def test_a_write_that_lost_a_race_is_sent_again_unless_it_names_a_resource_version(
    server: Server, transport: Transport, body: object, times: int
) -> None:
    server.answers = [409]
    server.message = 'Operation cannot be fulfilled on configmaps "x": the object has been modified; please apply'
    answer = transport.request("PATCH", "/x", body=body)
    assert len(server.seen) == times
    assert (answer.status, answer.repeated) == (200 if times == 2 else 409, False)


def test_a_busy_server_is_asked_again_after_the_time_it_names(server: Server, transport: Transport, time: Time) -> None:
    transport.request("GET", "/x")
    server.answers, server.headers = [429], {"Retry-After": "7"}
    assert transport.request("GET", "/x").status == 200
    assert time.now == 7


def test_a_server_that_never_answered_is_given_up_soon_and_silently(time: Time) -> None:
    said: list[str] = []
    transport = transport_to("http://127.0.0.1:1", time, said=said)
    with pytest.raises(UnreachableError, match=r"cannot reach http://127.0.0.1:1: .*refused") as raised:
        transport.request("GET", "/x")
    assert raised.value.exit_code == 3
    assert time.now <= 3
    assert said == []
    transport.close()


@pytest.mark.parametrize("trouble", [0, 503])
def test_a_server_that_answered_before_is_waited_for_and_reported_once(
    server: Server, time: Time, trouble: int
) -> None:
    said: list[str] = []
    transport = transport_to(server.url, time, said=said)
    transport.request("GET", "/x")
    server.answers = [trouble] * 60
    assert transport.request("GET", "/x").status == 200
    assert time.now == pytest.approx(120, abs=10)
    assert transport.availability.away == pytest.approx(time.now)
    lost, back = said
    why = "answers 503: said 503" if trouble else "Remote end closed connection without response"
    assert lost.startswith(f"{server.url} {why}" if trouble else f"cannot reach {server.url}: ")
    assert why in lost
    assert lost.endswith("; waiting up to 300 s for it")
    assert back == f"{server.url} answers again, after {time.now:.0f} s"
    transport.close()


def test_a_single_lost_answer_is_not_reported(server: Server, time: Time) -> None:
    said: list[str] = []
    transport = transport_to(server.url, time, said=said)
    transport.request("GET", "/x")
    server.answers = [0, 503]
    transport.request("GET", "/x")
    assert said == []
    transport.close()


def test_a_server_that_stays_away_is_given_up_after_the_timeout(
    server: Server, transport: Transport, time: Time
) -> None:
    transport.request("GET", "/x")
    server.answers = [503] * 400
    answer = transport.request("GET", "/x")
    assert 290 <= time.now <= 300
    assert isinstance(refusal(answer, "get Deployment app"), UnreachableError)
    server.answers = [0] * 400
    with pytest.raises(UnreachableError, match=r"cannot reach .* \(tried for \d+ s\)"):
        transport.request("GET", "/x")
    assert 590 <= time.now <= 600


def test_each_attempt_of_a_write_is_checked_first(server: Server, transport: Transport) -> None:
    transport.request("GET", "/x")
    server.answers = [0, 503, 429]
    attempts: list[int] = []

    def stop_at_the_fourth() -> None:
        attempts.append(len(server.seen))
        if len(attempts) == 4:
            raise LockLostError("taken by bob")

    with pytest.raises(LockLostError):
        transport.request("PUT", "/x", body={}, before=stop_at_the_fourth)
    assert attempts == [1, 2, 3, 4]
    assert len(server.seen) == 4


@pytest.mark.parametrize("trouble", [500, 502, 503, 504])
def test_a_lost_node_is_not_mistaken_for_a_lost_api_server(
    server: Server, transport: Transport, time: Time, trouble: int
) -> None:
    transport.request("GET", "/x")
    server.answers = [trouble] * 100
    with pytest.raises(NotAnsweringError, match=f"read the log of Pod app-1: {trouble}: said {trouble}"):
        Log(transport, "shop").log("app-1", "app", tail=1)
    assert 5 < time.now <= 10


def test_a_silent_node_is_not_mistaken_for_a_silent_api_server(
    transport: Transport, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport.request("GET", "/x")

    def silent(*_: object, **__: object) -> None:
        raise urllib3.exceptions.ReadTimeoutError(None, "/log", "Read timed out.")  # type: ignore[arg-type]

    monkeypatch.setattr(transport.connection.api, "call_api", silent)
    with pytest.raises(NotAnsweringError, match="Read timed out"):
        Log(transport, "shop").log("app-1", "app", tail=1)
    assert time.now == 0
    assert transport.availability.away == 0


class Log(Cluster):
    """A cluster that knows the path of Pods without discovery."""

    def _path(self, kind: Kind, name: str = "") -> str:
        return f"/{kind.kind}/{name}"


LACKS = 'deployments.apps "app" is forbidden: User "ada" cannot get resource "deployments" in API group "apps"'


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_right_after_an_outage_is_asked_again(
    server: Server, transport: Transport, method: str, status: int
) -> None:
    transport.request("GET", "/x")
    server.message, server.answers = LACKS, [0, *[status] * 4]
    answer = transport.request(method, "/x", body=None if method == "GET" else {})
    assert answer.status == 200


def test_a_refusal_that_lasts_is_final(server: Server, transport: Transport, time: Time) -> None:
    transport.request("GET", "/x")
    server.message, server.answers = LACKS, [0, *[403] * 40]
    assert transport.request("GET", "/x").status == 403
    assert time.now == pytest.approx(20, abs=3)


@pytest.mark.parametrize(
    ("earlier", "message"),
    [([200], LACKS), ([], LACKS), ([200, 429], LACKS), ([200, 0], "admission webhook denied the request: no")],
)
def test_a_refusal_without_an_outage_or_for_another_reason_is_final_at_once(
    server: Server, transport: Transport, earlier: list[int], message: str
) -> None:
    server.message, server.answers = message, [*earlier, 403]
    if earlier:
        transport.request("GET", "/x")
    assert transport.request("GET", "/x").status == 403
    assert len(server.seen) == len(earlier) + 1


def test_a_sample_that_is_refused_by_a_server_that_came_back_a_moment_ago_is_missing(
    server: Server, transport: Transport
) -> None:
    transport.request("GET", "/x")
    server.message, server.answers = LACKS, [0, 403]
    with pytest.raises(NotAnsweringError, match="no answer"):
        transport.get_once("/x", timeout=2)
    with pytest.raises(NotAnsweringError, match=r"is starting: .*forbidden"):
        transport.get_once("/x", timeout=2)


def test_credentials_that_expired_are_fetched_again_once(server: Server, time: Time) -> None:
    tokens = iter(["old", "new"])
    transport = Transport(
        lambda: connection(server.url, next(tokens)),
        sleep=time.sleep,
        availability=Availability(monotonic=lambda: time.now),
    )
    server.answers = [401]
    assert transport.request("GET", "/x").status == 200
    assert [seen[2]["authorization"] for seen in server.seen] == ["Bearer old", "Bearer new"]
    transport.close()


def test_credentials_that_are_not_accepted_are_a_cluster_error(server: Server, transport: Transport) -> None:
    server.answers = [401, 401]
    with pytest.raises(ClusterError, match=r"does not accept the credentials \(401\): said 401"):
        transport.request("GET", "/x")


def test_a_request_that_is_sent_once_is_not_repeated(server: Server, transport: Transport) -> None:
    server.answers = [503]
    assert transport.get_once("/x", timeout=2).status == 503
    server.answers = [0]
    with pytest.raises(NotAnsweringError, match="no answer"):
        transport.get_once("/x", timeout=2)
    assert len(server.seen) == 2


def test_parameters_are_escaped(server: Server, transport: Transport) -> None:
    transport.request("GET", "/x", params={"labelSelector": "a/b=c,d=e"})
    assert parse_qs(urlsplit(server.seen[0][1]).query) == {"labelSelector": ["a/b=c,d=e"]}
