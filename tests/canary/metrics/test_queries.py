"""Failures of Prometheus' HTTP API, by a stub: a real Prometheus does not fail on demand."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from canary.errors import ClusterError, InputError, NotAnsweringError
from canary.metrics import ServiceQueries, UrlQueries
from tests.http_servers import serving

ONE = '{"status": "success", "data": {"resultType": "scalar", "result": [1, "1"]}}'


@pytest.mark.parametrize(
    ("status", "body", "error", "message"),
    [
        (401, "", NotAnsweringError, r"does not accept the credentials \(401\); pass them in a header"),
        (403, "", ClusterError, r"does not accept the credentials \(403\)"),
        (302, "", ClusterError, "redirects to another address"),
        (503, "busy", NotAnsweringError, r"\(503\) did not answer as Prometheus does: 'busy'"),
        (200, "<html>", NotAnsweringError, "did not answer as Prometheus does: '<html>'"),
        (200, "[]", NotAnsweringError, "did not answer as Prometheus does"),
        (503, '{"status": "error", "errorType": "timeout", "error": "slow"}', NotAnsweringError, "timeout: slow"),
        (200, ONE[:-1] + ', "warnings": ["store is down"]}', NotAnsweringError, "warning: store is down"),
    ],
)
def test_each_failure_of_prometheus_has_its_error_message(
    status: int, body: str, error: type[ClusterError], message: str
) -> None:
    with (
        serving(lambda *_: (status, body)) as page,
        contextlib.closing(UrlQueries(f"http://{page.address}")) as queries,
    ):
        with pytest.raises(error, match=message) as raised:
            queries.query("up")
        assert raised.type is error


def test_a_prometheus_that_hangs_is_given_up() -> None:
    released = threading.Event()

    def hang(*_: object) -> tuple[int, str]:
        released.wait(30)
        return 200, ONE

    with serving(hang) as page, contextlib.closing(UrlQueries(f"http://{page.address}", timeout=0.2)) as queries:
        with pytest.raises(NotAnsweringError, match=r"did not answer in 0\.2 s"):
            queries.query("up")
        released.set()


def test_an_unreachable_prometheus_is_reported_without_the_password_in_its_url() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        port = taken.getsockname()[1]
        queries = UrlQueries(f"http://me:secret@127.0.0.1:{port}/prom")
        with contextlib.closing(queries), pytest.raises(NotAnsweringError) as raised:
            queries.query("up")
    assert str(raised.value) == f"cannot reach Prometheus at http://127.0.0.1:{port}/prom: Connection refused"


def test_headers_are_read_again_for_each_query(tmp_path: Path) -> None:
    token, seen = tmp_path / "token", []

    def note(_: str, headers: Mapping[str, str]) -> tuple[int, str]:
        seen.append(headers["Authorization"])
        return 200, ONE

    with serving(note) as page:
        headers = {"Authorization": token}
        with contextlib.closing(UrlQueries(f"http://{page.address}", headers=headers)) as queries:
            for value in ("Bearer old", "Bearer new"):
                token.write_text(value + "\n")
                queries.query("up")
            token.write_text("Bearer secret\nX-Other: 1")
            with pytest.raises(InputError, match="a header cannot have") as raised:
                queries.query("up")
            token.unlink()
            with pytest.raises(InputError, match=r"header Authorization: cannot read .*token"):
                queries.query("up")
    assert seen == ["Bearer old", "Bearer new"]
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("address", ["prometheus:9090", "ftp://x", "svc:monitoring/prometheus", ""])
def test_an_invalid_address_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="svc:NAMESPACE/NAME:PORT"):
        UrlQueries(address)
    with pytest.raises(InputError, match="svc:NAMESPACE/NAME:PORT"):
        ServiceQueries(None, address)  # type: ignore[arg-type]
