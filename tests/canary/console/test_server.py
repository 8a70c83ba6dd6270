"""The server of the console: where it listens, what it refuses, and TLS."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from canary.console.app import make_app
from canary.console.security import Access
from canary.console.server import MOST_BYTES, PATIENCE, THREADS, Server
from canary.console.tls import TLS
from canary.errors import InputError
from tests.canary.console.fake_desk import FakeDesk
from tests.canary.console.serving import Console, serving

CERTIFICATE = Path(__file__).parents[1] / "kube" / "certificate.pem"


def serve(desk: FakeDesk, host: str, port: int = 0, tls: TLS | None = None) -> Server:
    access = Access()
    return Server(make_app(desk, access=access, reports=None, person="ada"), access, host, port, tls)


def test_it_takes_a_free_port_and_its_address_opens_it(console: Console) -> None:
    assert console.address.startswith("http://127.0.0.1:")
    assert console.open().status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "console.example.com"])
def test_it_listens_elsewhere_than_on_loopback_only_with_tls(desk: FakeDesk, host: str) -> None:
    with pytest.raises(InputError) as refused:
        serve(desk, host)
    assert str(refused.value) == (
        f"--listen {host}: without TLS, others on the network could read the token and press the buttons; pass "
        "--tls-cert FILE and --tls-key FILE, or listen on 127.0.0.1"
    )


def test_it_says_that_a_port_is_taken(desk: FakeDesk, console: Console) -> None:
    port = urlsplit(console.base).port or 0
    with pytest.raises(InputError) as refused:
        serve(desk, "127.0.0.1", port)
    assert str(refused.value).startswith(f"the console cannot listen on 127.0.0.1:{port}: ")
    assert str(refused.value).endswith("pass another address or port (--listen 127.0.0.1:0 takes a free port)")


def test_with_tls_it_serves_https_on_all_addresses_and_its_cookie_is_of_this_host_alone(desk: FakeDesk) -> None:
    tls = TLS.read(CERTIFICATE, CERTIFICATE)
    with serving(desk, tls=tls, host="0.0.0.0") as console:
        assert console.address.startswith("https://127.0.0.1:")  # the certificate's name: nobody can open 0.0.0.0
        console.session.verify = str(CERTIFICATE)
        cookie = console.session.get(console.address, allow_redirects=False, timeout=10).headers["Set-Cookie"]
        assert cookie.startswith("__Host-canary-lab-")
        assert "; Secure" in cookie
        assert "is as good as sampleapp:10" in console.get("/").text
        assert "ada pressed reject" in console.press("reject").text


def test_with_tls_it_answers_for_the_names_of_its_certificate_alone(desk: FakeDesk) -> None:
    with serving(desk, tls=TLS.read(CERTIFICATE, CERTIFICATE)) as console:
        console.session.verify = str(CERTIFICATE)
        assert console.get("/", Host="attacker.example").status_code == 421


@pytest.mark.parametrize("tls", [None, TLS.read(CERTIFICATE, CERTIFICATE)], ids=["http", "https"])
def test_connections_that_stay_silent_keep_no_other_waiting(desk: FakeDesk, tls: TLS | None) -> None:
    with serving(desk, tls=tls) as console, ExitStack() as silent:
        console.session.verify = str(CERTIFICATE)
        for _ in range(2 * THREADS):
            silent.enter_context(socket.create_connection(("127.0.0.1", urlsplit(console.base).port or 0)))
        assert console.session.get(console.address, timeout=PATIENCE / 2).status_code == 200


def test_plain_http_to_its_tls_port_gets_no_page(desk: FakeDesk) -> None:
    with serving(desk, tls=TLS.read(CERTIFICATE, CERTIFICATE)) as console:
        with pytest.raises(requests.RequestException):
            requests.get(console.address.replace("https", "http"), timeout=10).raise_for_status()
        context = ssl.create_default_context(cafile=CERTIFICATE)
        with (
            socket.create_connection(("127.0.0.1", urlsplit(console.base).port)) as raw,
            context.wrap_socket(raw, server_hostname="127.0.0.1") as connection,
        ):
            assert connection.version() in ("TLSv1.2", "TLSv1.3")


@pytest.mark.parametrize(
    ("certificate", "key", "reason"),
    [
        ("missing.pem", CERTIFICATE, "no such file or directory"),
        (CERTIFICATE, "missing.pem", "no such file or directory"),
        (__file__, __file__, "no certificate or crl found"),
    ],
)
def test_files_for_tls_that_cannot_be_used_are_refused(certificate: Path | str, key: Path | str, reason: str) -> None:
    with pytest.raises(InputError) as refused:
        TLS.read(Path(certificate), Path(key))
    assert str(refused.value) == (
        f"certificate {certificate} with key {key}: {reason}; pass a certificate chain and its private key without a "
        "password, both as PEM files (--tls-cert, --tls-key)"
    )


def test_requests_that_are_too_large_are_refused(console: Console, desk: FakeDesk) -> None:
    assert console.press("reject", reason="x" * (MOST_BYTES + 1)).status_code == 413
    console.session.headers["X-Large"] = "x" * (MOST_BYTES + 1)
    assert console.get("/").status_code == 413
    assert desk.acts == []


def test_many_browsers_at_once_are_all_answered(console: Console) -> None:
    console.open()
    found: list[int] = []

    def look() -> None:
        found.append(console.get("/live").status_code)

    threads = [threading.Thread(target=look) for _ in range(4 * THREADS)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert found == [200] * len(threads)
