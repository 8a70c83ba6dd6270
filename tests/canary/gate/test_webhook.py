"""A gate that asks an HTTP server."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from canary.cli.clock import SystemClock
from canary.errors import TimedOutError
from canary.events import Decided, Event, Note
from canary.gate.webhook import WebhookGate
from canary.verdict.evidence import Evidence
from canary.verdict.rule import combine, compare
from tests.http_servers import running

WORSE = combine([compare(Evidence(900, 1000), Evidence(500, 1000), tolerance=0.05)])
BETTER = combine([compare(Evidence(500, 1000), Evidence(900, 1000), tolerance=0.05)])
RELEASE = {"namespace": "lab", "workloads": ["app"], "images": ["app:2"]}


def nobody() -> None:
    """Say that nobody has decided elsewhere."""


@dataclass
class Hook:
    """A server with scripted answers, the last of which it repeats."""

    script: list[tuple[int, str]]
    asked: list[tuple[str, Any, dict[str, str]]] = field(default_factory=list)
    hang: threading.Event | None = None
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook.asked.append((self.path, body, dict(self.headers)))
                if hook.hang:
                    hook.hang.wait(30)
                status, text = hook.script[min(len(hook.asked), len(hook.script)) - 1]
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self.server.server_port}"

    def gate(self, *, token: Callable[[], str] = str, timeout: float = 30.0) -> WebhookGate:
        url = f"{self.origin}/hooks/secret-path"
        return WebhookGate(SystemClock(), self.events.append, url, token, RELEASE, timeout, interval=0.01)

    @property
    def warnings(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Note) and event.warning]


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook([])
    with running(made.server):
        yield made


def test_200_promotes_403_rejects_and_202_is_asked_again(hook: Hook) -> None:
    hook.script = [(202, ""), (202, ""), (200, "")]
    assert hook.gate().decide(BETTER, nobody) == Decided(promote=True, by=hook.origin)
    assert len(hook.asked) == 3
    hook.script = [(403, "")]
    assert hook.gate().decide(BETTER, nobody) == Decided(promote=False, by=hook.origin)
    assert hook.warnings == []


def test_the_question_says_what_is_to_be_decided(hook: Hook) -> None:
    hook.script = [(200, "ok")]
    hook.gate().decide(BETTER, nobody)
    ((path, question, headers),) = hook.asked
    assert path == "/hooks/secret-path"
    assert question == {"version": 1, **RELEASE, "decision": "PROMOTE", "sentence": BETTER.sentence}
    assert headers["Content-Type"] == "application/json"
    assert "Authorization" not in headers


def test_the_answer_may_say_who_decided_and_why(hook: Hook) -> None:
    hook.script = [(403, json.dumps({"by": "grace", "reason": "answers\x1b[31m are slow"}))]
    assert hook.gate().decide(BETTER, nobody) == Decided(promote=False, by="grace", reason="answers [31m are slow")


@pytest.mark.parametrize("body", ["", "[1]", '"yes"', '{"by": 7, "reason": null}', "{"])
def test_a_body_of_another_form_is_ignored(hook: Hook, body: str) -> None:
    hook.script = [(200, body)]
    assert hook.gate().decide(BETTER, nobody) == Decided(promote=True, by=hook.origin)


def test_a_promote_against_the_verdict_must_say_that_it_is_one(hook: Hook) -> None:
    hook.script = [(200, ""), (200, '{"against_verdict": "yes"}'), (200, '{"against_verdict": true}')]
    assert hook.gate().decide(WORSE, nobody) == Decided(promote=True, by=hook.origin)
    assert len(hook.asked) == 3
    (warning,) = hook.warnings
    assert warning.startswith(f"{hook.origin} answered 200, but the verdict is REJECT")
    assert warning.endswith('it must send "against_verdict": true; asking again')


@pytest.mark.parametrize("status", [201, 302, 401, 404, 500])
def test_any_other_answer_is_reported_once_and_asked_again(hook: Hook, status: int) -> None:
    hook.script = [(status, ""), (status, ""), (200, "")]
    decided = hook.gate().decide(BETTER, nobody)
    assert isinstance(decided, Decided)
    assert decided.promote
    assert {path for path, _, _ in hook.asked} == {"/hooks/secret-path"}
    assert hook.warnings == [
        f"{hook.origin} answered {status}, where 200 promotes, 403 rejects and 202 waits; asking again"
    ]


def test_without_a_decision_it_gives_up_and_names_the_last_problem(hook: Hook) -> None:
    hook.script = [(404, "")]
    with pytest.raises(TimedOutError) as late:
        hook.gate(timeout=0.2).decide(BETTER, nobody)
    assert str(late.value) == (
        f"--gate webhook: {hook.origin} did not decide within 0.2 s (--gate-timeout); it answered 404, where 200 "
        "promotes, 403 rejects and 202 waits"
    )


def test_a_server_that_is_away_is_asked_again(hook: Hook) -> None:
    gate = WebhookGate(SystemClock(), hook.events.append, "http://127.0.0.1:9/x", str, RELEASE, 0.2, interval=0.01)
    with pytest.raises(TimedOutError, match="it cannot be reached: Connection refused"):
        gate.decide(BETTER, nobody)
    assert hook.warnings == ["http://127.0.0.1:9 cannot be reached: Connection refused; asking again"]


def test_a_server_that_hangs_does_not_keep_a_decision_from_elsewhere(hook: Hook) -> None:
    hook.hang = threading.Event()
    hook.script = [(200, "")]

    def elsewhere() -> Decided | None:
        return Decided(promote=False, by="ada") if hook.asked else None

    assert hook.gate().decide(BETTER, elsewhere) == Decided(promote=False, by="ada")
    hook.hang.set()


def test_the_token_is_sent_read_anew_and_never_shown(hook: Hook) -> None:
    hook.script = [(401, ""), (200, "")]
    tokens = iter(["old", "s3cret"])
    hook.gate(token=lambda: next(tokens)).decide(BETTER, nobody)
    assert [headers["Authorization"] for _, _, headers in hook.asked] == ["Bearer old", "Bearer s3cret"]
    assert "s3cret" not in repr(hook.events)
    assert "secret-path" not in repr(hook.events)


PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.mark.parametrize("url", ["http://approvals.test/secret-path?key=hunter2", "http://127.0.0.1:99999/secret-path"])
def test_no_problem_shows_more_of_the_url_than_its_host(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nobody listens there
    events: list[Event] = []
    gate = WebhookGate(SystemClock(), events.append, url, str, RELEASE, 0.2, interval=0.01)
    with pytest.raises(TimedOutError, match="it cannot be reached: ") as late:
        gate.decide(BETTER, nobody)
    for secret in ("secret-path", "hunter2"):
        assert secret not in f"{late.value} {events}"


def test_the_token_is_sent_whatever_netrc_has_for_the_host(
    hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, resolve = hook.server.server_port, socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, *more, **named: resolve("127.0.0.1", *more, **named))
    netrc = tmp_path / "netrc"
    netrc.write_text("machine approvals.test login ada password hunter2\n")
    monkeypatch.setenv("NETRC", str(netrc))
    hook.script = [(200, "")]
    url = f"http://approvals.test:{port}/"
    for token in (lambda: "s3cret", str):
        WebhookGate(SystemClock(), hook.events.append, url, token, RELEASE, 30, 0.01).decide(BETTER, nobody)
    sent = [headers.get("Authorization") for _, _, headers in hook.asked]
    assert sent == ["Bearer s3cret", None]


def test_nobody_but_the_verdict_is_called_auto(hook: Hook) -> None:
    hook.script = [(403, '{"by": "auto", "reason": "too slow"}')]
    assert hook.gate().decide(BETTER, nobody) == Decided(promote=False, by=hook.origin, reason="too slow")
