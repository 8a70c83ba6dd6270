"""Requests to the API server: sent, repeated where that is sound, and its errors in our words.

Bodies are JSON as it is: the official client's typed models would drop fields that they do not know.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import urllib3
from kubernetes import client

from canary.errors import ClusterError, ForbiddenError, InputError, NotAnsweringError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from canary.connection import Connection

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0
TYPED_PATCH = ("failed to create typed patch object", "duplicate entries for key")
"""How the API server words a wrong type, or a list item given twice, in a server-side apply: as its own error, 500."""

FORBIDDEN = re.compile(r'User ".*?" cannot (\S+) (?:resource|path) "([^"]+)"(?: in API group "([^"]*)")?')
"""How an API server words that an account lacks a right. Admission refuses with the same code, in other words."""


@dataclass(frozen=True)
class Answer:
    """What the API server answered.

    Attributes:
        status: HTTP status code.
        body: its body.
        date: when it was sent, by the server's clock, as HTTP writes it; empty where it does not say.
    """

    status: int
    body: bytes
    date: str = ""

    @property
    def text(self) -> str:
        """Return the body as text."""
        return self.body.decode(errors="replace")

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON is what the server sends
        """Return the body, parsed."""
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        """Return the `reason` of a `Status`, empty if the body is none."""
        return str(self._status().get("reason") or "")

    @property
    def message(self) -> str:
        """Return the API server's sentence, or the beginning of the body."""
        return str(self._status().get("message") or self.text.strip()[:300] or f"HTTP {self.status}")

    @property
    def fields(self) -> tuple[str, ...]:
        """Return what is wrong with which field, as the API server says it."""
        causes = (self._status().get("details") or {}).get("causes") or []
        return tuple(f"{cause.get('field')}: {cause.get('message')}" for cause in causes if cause.get("field"))

    def _status(self) -> dict[str, Any]:
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) and value.get("kind") == "Status" else {}


@dataclass
class Transport:
    """Sends requests and repeats those that failed on the way.

    Attributes:
        connect: opens a connection; called again when the API server no longer accepts the credentials.
        patience: seconds for which a server that has answered before may be unreachable.
        first_patience: the same for one that never answered.
        sleep: waits.
        monotonic: seconds that only rise.
    """

    connect: Callable[[], Connection]
    patience: float = 60.0
    first_patience: float = 3.0
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    _connection: Connection | None = field(default=None, init=False, repr=False)
    _answered: bool = field(default=False, init=False, repr=False)

    @property
    def connection(self) -> Connection:
        """Return the connection, opened on first use."""
        if self._connection is None:
            self._connection = self.connect()
        return self._connection

    def close(self) -> None:
        """Close all sockets."""
        if self._connection is not None:
            self._connection.api.close()
            self._connection = None

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
        asks: bool = False,
    ) -> Answer:
        """Return the answer, whatever its status.

        What failed on the way, or was answered 429, 502, 503 or 504, is repeated for a while; a POST only where it
        cannot have been carried out, or where it only `asks` and changes nothing.

        Raises:
            ClusterError: no answer, or 401.
        """
        deadline = self.monotonic() + (self.patience if self._answered else self.first_patience)
        delay, renewed = 0.2, False
        while True:
            try:
                answer = self._once(
                    method,
                    path,
                    timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
                    params=params,
                    body=body,
                    content_type=content_type,
                )
            except urllib3.exceptions.HTTPError as error:
                unsent = isinstance(
                    error, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError
                )
                if isinstance(error, urllib3.exceptions.SSLError) or not (unsent or asks or method != "POST"):
                    raise self._unreachable(error) from error
                if self.monotonic() + delay > deadline:
                    raise self._unreachable(error) from error
            else:
                self._answered = True
                if answer.status == 401 and not renewed:
                    renewed = True
                    self.close()
                    continue
                if answer.status == 401:
                    raise ClusterError(
                        f"{self.connection.description} does not accept the credentials (401): {answer.message}"
                    )
                again = (429,) if method == "POST" and not asks else (429, 502, 503, 504)
                if answer.status not in again or self.monotonic() + delay > deadline:
                    return answer
            self.sleep(delay)
            delay = min(delay * 2, 5.0)

    def once(self, path: str, *, params: Mapping[str, str] | None = None, timeout: float) -> Answer:
        """Return the answer to one GET, not repeated.

        Raises:
            NotAnsweringError: no answer within `timeout` seconds. Whether it is the API server that is silent, or what
                lies behind it, the next request that matters will tell.
        """
        try:
            return self._once("GET", path, timeout=(timeout, timeout), params=params)
        except urllib3.exceptions.HTTPError as error:
            raise NotAnsweringError(f"no answer from {self.connection.description}: {_cause(error)}") from error

    def _once(
        self,
        method: str,
        path: str,
        *,
        timeout: tuple[float, float],
        params: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "",
    ) -> Answer:
        api = self.connection.api
        headers = {"Accept": "application/json, */*"} | ({"Content-Type": content_type} if body is not None else {})
        request = api.param_serialize(
            method,
            path,
            query_params=list((params or {}).items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            response = api.call_api(*request, _request_timeout=timeout)
            return Answer(response.status, response.read(), response.getheader("Date") or "")
        except client.ApiException as error:
            raise urllib3.exceptions.SSLError(str(error.reason)) from error

    def _unreachable(self, error: Exception) -> ClusterError:
        return ClusterError(f"cannot reach {self.connection.description}: {_cause(error)}")


def _cause(error: Exception) -> str:
    """Return what went wrong without urllib3's object addresses."""
    return str(error).rpartition(">: ")[2] or str(error)


def refusal(answer: Answer, what: str) -> InputError | ClusterError:
    """Return the API server's refusal as an error of ours.

    Args:
        answer: with a status of 400 or more.
        what: was asked for, such as `create Deployment sampleapp-canary`.
    """
    detail = "; ".join(answer.fields) if answer.fields and len(answer.fields) > 1 else answer.message
    if answer.status == 403 and (lacking := FORBIDDEN.search(answer.message)):
        verb, resource, group = lacking.groups(default="")
        return ForbiddenError(f"{what}: {answer.message}", f"{verb} {resource}{group and '.'}{group}")
    if answer.status in (400, 403, 404, 409, 413, 422) or any(words in answer.message for words in TYPED_PATCH):
        return InputError(f"{what}: {detail}")
    return ClusterError(f"{what}: the API server answered {answer.status}: {answer.message}")
