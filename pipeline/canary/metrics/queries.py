"""Prometheus' HTTP API: by URL, or through the API server's service proxy."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from canary.errors import ClusterError, InputError, NotAnsweringError
from canary.metrics.api import Api
from canary.urls import cause, is_loopback, origin, shown

SERVICE = re.compile(r"svc:(?P<namespace>[a-z0-9-]+)/(?P<service>(?:https?:)?[a-z0-9-]+:[a-z0-9-]+)")


class UrlQueries:
    """A Prometheus at a URL, or a server with the same API."""

    def __init__(
        self, url: str, *, headers: Mapping[str, Path] | None = None, ca: Path | None = None, timeout: float = 10.0
    ) -> None:
        """Query a URL.

        Args:
            url: the URL without `/api/v1`.
            headers: the file of each header's value. It is read for each query, as tokens are renewed.
            ca: file with CA certificates to trust instead of the usual ones.
            timeout: seconds that a query may take.

        Raises:
            InputError: the URL is not valid.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(
                f"Prometheus: {shown(url)!r} is not a URL; write http://HOST:PORT or svc:NAMESPACE/NAME:PORT"
            )
        self._url = url.rstrip("/")
        self._shown = origin(url) + parts.path.rstrip("/")
        self._headers = dict(headers or {})
        self._timeout = timeout
        self._session = requests.Session()
        self._session.verify = str(ca) if ca else True
        self._session.trust_env = not is_loopback(url)

    def query(self, expression: str, at: float | None = None) -> Any:  # noqa: ANN401 - its shape follows the expression
        """Return `data.result` of an instant query; see `prometheus.Queries`."""
        try:
            response = self._session.get(
                f"{self._url}/api/v1/query",
                params=_parameters(expression, at),
                headers={name: _value(name, file) for name, file in self._headers.items()},
                timeout=self._timeout,
                allow_redirects=False,
            )
        except requests.Timeout as error:
            raise NotAnsweringError(f"Prometheus at {self._shown} did not answer in {self._timeout:g} s") from error
        except requests.exceptions.InvalidHeader:  # the exception holds the value, which may be a secret
            raise InputError(
                "Prometheus: the file of --prometheus-header has a character that a header cannot have"
            ) from None
        except OSError as error:
            raise NotAnsweringError(f"cannot reach Prometheus at {self._shown}: {cause(error)}") from error
        if response.status_code in (401, 403):
            # Another program may renew an expired token in the file at any moment. A missing permission stays missing.
            kind = NotAnsweringError if response.status_code == 401 else ClusterError
            raise kind(
                f"Prometheus at {self._shown} does not accept the credentials ({response.status_code}); "
                "pass them in a header: --prometheus-header Authorization=@FILE"
            )
        if 300 <= response.status_code < 400:
            raise ClusterError(
                f"Prometheus at {self._shown} redirects to another address: is a login page in front of it?"
            )
        return _result(response.text, f"Prometheus at {self._shown} ({response.status_code})")

    def close(self) -> None:
        """Close all sockets."""
        self._session.close()


class ServiceQueries:
    """A Prometheus in the cluster, reached through the API server with nothing but the kubeconfig."""

    def __init__(self, api: Api, address: str, *, timeout: float = 10.0) -> None:
        """Query a Service.

        Args:
            api: the API server.
            address: `svc:NAMESPACE/NAME:PORT` with the number or name of the port, and `https:NAME` for TLS.
            timeout: seconds that a query may take.

        Raises:
            InputError: the address is not valid.
        """
        service = SERVICE.fullmatch(address)
        if not service:
            raise InputError(f"Prometheus: {address!r} is not an address; write svc:NAMESPACE/NAME:PORT")
        self._api = api
        self._address = address
        self._path = f"/api/v1/namespaces/{service['namespace']}/services/{service['service']}/proxy/api/v1/query"
        self._timeout = timeout

    def query(self, expression: str, at: float | None = None) -> Any:  # noqa: ANN401 - its shape follows the expression
        """Return `data.result` of an instant query; see `prometheus.Queries`."""
        text = self._api.get_text(self._path, params=_parameters(expression, at), timeout=self._timeout)
        return _result(text, f"Prometheus at {self._address}")


def _parameters(expression: str, at: float | None) -> dict[str, str]:
    return {"query": expression} | ({} if at is None else {"time": f"{at:.3f}"})


def _result(text: str, server: str) -> Any:  # noqa: ANN401 - its shape follows the expression
    try:
        answer = json.loads(text)
        if answer["status"] == "success" and not answer.get("warnings"):
            return answer["data"]["result"]
        problem = f"{answer.get('errorType', 'warning')}: {answer.get('error') or '; '.join(answer['warnings'])}"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotAnsweringError(f"{server} did not answer as Prometheus does: {text[:100]!r}") from error
    if answer.get("errorType") == "bad_data":
        raise InputError(f"{server} rejects the query: {problem}")
    raise NotAnsweringError(f"{server}: {problem}")  # a warning means that some data is missing


def _value(name: str, file: Path) -> str:
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"Prometheus: header {name}: cannot read {file}: {error}") from error
