"""Requests that are forwarded to pods: proxies and logs."""

from __future__ import annotations

import http.server
from collections.abc import Iterator
from typing import Any

import pytest

from localcluster.apimachinery.pod_log_options import PodLogOptions
from tests.http_servers import running
from tests.localcluster.objects import container, pod, service
from tests.localcluster.server import PODS, SERVICES, Server


class _Echo(http.server.BaseHTTPRequestHandler):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        seen = f"{self.command} {self.path} {self.headers.get('X-Test')} ".encode() + body
        self.send_response(418)
        self.send_header("X-From", f"{self.client_address[1]}")
        self.send_header("Content-Length", str(len(seen)))
        self.end_headers()
        self.wfile.write(seen)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def upstream(server: Server) -> Iterator[None]:
    """Provide a pod and a Service that answer with the request that they got."""
    echo = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    with running(echo):
        server.node.address = ("127.0.0.1", echo.server_address[1])
        server.post(PODS, pod("a"))
        server.post(SERVICES, service())
        yield


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("target", [PODS + "/a:8080", PODS + "/a", SERVICES + "/web:http", SERVICES + "/http:web:8080"])
@pytest.mark.usefixtures("upstream")
def test_method_path_query_headers_and_body_pass_through(server: Server, method: str, target: str) -> None:
    body = None if method == "GET" else b"hello"
    answer = server.call(method, target + "/proxy/x%2Fy/?q=1%202", body, "text/plain", **{"X-Test": "t"})
    seen = f"{method} /x%2Fy/?q=1%202 t ".encode() + (body or b"")
    assert (answer.code, answer.body) == (418, seen)


@pytest.mark.usefixtures("upstream")
def test_each_proxied_request_has_its_own_connection(server: Server) -> None:
    ports = {server.call("GET", SERVICES + "/web:http/proxy/").headers["X-From"] for _ in range(3)}
    assert len(ports) == 3


def test_a_pod_that_does_not_answer_is_unavailable(server: Server) -> None:
    server.post(PODS, pod("a"))
    server.post(SERVICES, service())
    server.node.endpoints = False
    refused = server.call("GET", PODS + "/a:8080/proxy/metrics")
    assert (refused.code, refused.body["reason"]) == (503, "ServiceUnavailable")
    empty = server.call("GET", SERVICES + "/web:http/proxy/")
    assert (empty.code, empty.message) == (503, 'no endpoints available for service "web"')
    assert server.call("GET", PODS + "/nope:8080/proxy/").code == 404
    assert server.call("GET", PODS + "/a:http/proxy/").code == 400


def test_logs_are_passed_on_with_their_options(server: Server) -> None:
    server.node.logs = {"web": [b"one\n", b"two\n"]}
    server.post(PODS, pod("a"))
    query = "?follow=true&tailLines=5&sinceSeconds=60&timestamps=true"
    assert server.call("GET", PODS + "/a/log" + query).body == b"one\ntwo\n"
    (asked,) = server.node.asked
    assert asked == PodLogOptions(follow=True, tail_lines=5, since_seconds=60, timestamps=True, previous=False)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "a container name must be specified for pod a, choose one of: [web side]"),
        ("?container=nope", "container nope is not valid for pod a"),
        ("?container=web&tailLines=x", "tailLines must be a number that is not negative"),
    ],
)
def test_logs_need_an_existing_container(server: Server, query: str, message: str) -> None:
    server.post(PODS, pod("a", container(), container(name="side")))
    answer = server.call("GET", PODS + "/a/log" + query)
    assert (answer.code, answer.message) == (400, message)
