"""Requests to the API server: sent, repeated where that is sound, and its errors in our words.

Bodies are JSON as it is: the official client's typed models would drop fields that they do not know.
"""

from __future__ import annotations

import json
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import urllib3
from kubernetes import client

from canary.errors import ClusterError, ForbiddenError, InputError, NotAnsweringError, UnreachableError
from canary.kube.availability import QUIET, Contact
from canary.kube.connection import Connection

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0
FIRST_DELAY = 0.2
LONGEST_DELAY = 2.0
"""Seconds between two attempts; it doubles from the first to the longest."""

RELAYED = 10.0
"""Seconds for which a server error is asked about again that may be that of a kubelet which is gone."""

AWAY = {502, 503, 504}
"""How a proxy or load balancer answers for an API server that is away, and an API server that stops or starts."""

ETCD = "etcdserver: "
"""How the message of a 500 begins when the API server's store did not answer: whether it wrote is open."""

STALE = "the object has been modified"
"""How a 409 is worded of a write that lost a race; one that names no version of the object can be sent again."""

UNSENT = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
"""What fails before anything is sent."""

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
        retry_after: seconds after which the server wants to be asked again, 0 where it does not say.
        repeated: whether the same write was sent before, got no answer, and may have been carried out.
    """

    status: int
    body: bytes
    date: str = ""
    retry_after: float = 0.0
    repeated: bool = False

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
        patience: seconds for which a server that has answered before may be away.
        first_patience: the same for one that never answered.
        sleep: waits.
        contact: what is known of the way there.
    """

    connect: Callable[[], Connection]
    patience: float = 300.0
    first_patience: float = 3.0
    sleep: Callable[[float], None] = time.sleep
    contact: Contact = field(default_factory=Contact)
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
        relayed: bool = False,
        before: Callable[[], None] = lambda: None,
    ) -> Answer:
        """Return the answer, whatever its status.

        Sent again for a while is what failed on the way, or was answered 429, 502, 503 or 504, or 500 because etcd did
        not answer, or 409 because others wrote at the same time; where nothing is changed, after any 500. What is
        forbidden a moment after an outage is asked for again: an API server answers before it has loaded who may do
        what.

        Args:
            method: of HTTP.
            path: beginning with a slash.
            params: of the query.
            body: sent as JSON.
            content_type: of the body.
            asks: whether a POST changes nothing.
            relayed: whether a kubelet answers, through the API server: then a server error may well be its own.
            before: called before each attempt; what it raises comes instead of the answer.

        Raises:
            UnreachableError: no answer, or 401.
            NotAnsweringError: a kubelet was asked, and nothing came until the time was up: it is more likely to hang
                than the API server is.
        """
        changes = method != "GET" and not asks
        delay, renewed, repeated = FIRST_DELAY, False, False
        with self.contact.outage() as outage:
            while True:
                before()
                patience = self.patience if self._answered else self.first_patience
                failure: Exception | None = None
                answer = Answer(0, b"")
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
                    if _is_untrusted(error):
                        raise self._unreachable(error) from error
                    if relayed and isinstance(error, urllib3.exceptions.ReadTimeoutError):
                        raise NotAnsweringError(
                            f"no answer from {self.connection.description}: {_cause(error)}"
                        ) from error
                    failure = error
                    why = f"cannot reach {self.connection.description}: {_cause(error)}"
                    repeated |= changes and not isinstance(error, UNSENT)
                else:
                    self._answered |= answer.status not in AWAY
                    if answer.status == 401 and not renewed:
                        renewed = True
                        self.close()
                        continue
                    if self._refuses_too_early(answer):
                        self.sleep(delay)
                        delay = min(delay * 2, LONGEST_DELAY)
                        continue
                    if answer.status == 401:
                        raise UnreachableError(
                            f"{self.connection.description} does not accept the credentials (401): {answer.message}"
                        )
                    is_passing = answer.status == 500 and (not changes or answer.message.startswith(ETCD))
                    is_passing |= answer.status == 409 and STALE in answer.message and not _names_version(body)
                    if answer.status not in AWAY | {429} and not is_passing:
                        outage.is_over = True
                        return replace(answer, repeated=repeated)
                    why = f"{self.connection.description} answers {answer.status}: {answer.message}"
                    repeated |= changes and answer.status not in (409, 429)
                wait = max(delay, answer.retry_after)
                is_away = failure is not None or answer.status in AWAY
                outage.goes_on(self.connection.description, why, patience, is_fault=is_away)
                if outage.lasts + wait > (patience if failure or not relayed else min(patience, RELAYED)):
                    if failure:
                        raise self._unreachable(failure, outage.lasts) from failure
                    return replace(answer, repeated=repeated)
                self.sleep(wait)
                delay = min(delay * 2, LONGEST_DELAY)

    def once(self, path: str, *, params: Mapping[str, str] | None = None, timeout: float) -> Answer:
        """Return the answer to one GET, not repeated.

        Raises:
            NotAnsweringError: no answer within `timeout` seconds, or a refusal by an API server that was away until a
                moment ago. Whether it is the API server that is silent, or what lies behind it, the next request that
                matters will tell.
        """
        try:
            answer = self._once("GET", path, timeout=(timeout, timeout), params=params)
        except urllib3.exceptions.HTTPError as error:
            if not isinstance(error, urllib3.exceptions.ReadTimeoutError):
                self.contact.note_fault()
            raise NotAnsweringError(f"no answer from {self.connection.description}: {_cause(error)}") from error
        if self._refuses_too_early(answer):
            raise NotAnsweringError(f"{self.connection.description} is starting: {answer.message}")
        return answer

    def _refuses_too_early(self, answer: Answer) -> bool:
        """Return whether an API server that has just started says no before it knows who may do what."""
        is_refusal = answer.status == 401 or (answer.status == 403 and FORBIDDEN.search(answer.message))
        return bool(is_refusal and answer.reason) and self.contact.is_settling

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
            headers = response.headers
            return Answer(
                response.status, response.read(), headers.get("Date") or "", _seconds(headers.get("Retry-After"))
            )
        except client.ApiException as error:
            # The official client makes a status of 0 of what TLS has to say.
            if isinstance(error.__context__, urllib3.exceptions.SSLError):
                raise error.__context__ from error
            raise urllib3.exceptions.SSLError(str(error.reason)) from error

    def _unreachable(self, error: Exception, seconds: float = 0.0) -> UnreachableError:
        after = f" (tried for {seconds:.0f} s)" if seconds >= QUIET else ""
        return UnreachableError(f"cannot reach {self.connection.description}: {_cause(error)}{after}")


def _is_untrusted(error: Exception) -> bool:
    """Return whether one side does not accept the other's certificate, which no second attempt changes."""
    if not isinstance(error, urllib3.exceptions.SSLError):
        return False
    cause = error.args[0] if error.args else None
    if isinstance(cause, ssl.SSLError):
        return any(word in (cause.reason or "") for word in ("CERTIFICATE", "UNKNOWN_CA"))
    return isinstance(cause, ValueError)  # urllib3's own check of the name in it


def _names_version(body: object) -> bool:
    """Return whether a body is meant for one version of an object alone; a JSON patch may test for it."""
    meta = body.get("metadata") if isinstance(body, dict) else None
    return not isinstance(body, dict) or bool(isinstance(meta, dict) and meta.get("resourceVersion"))


def _seconds(retry_after: str | None) -> float:
    """Return what a Retry-After header says, 0 where it says a date or nothing."""
    return float(retry_after) if retry_after and retry_after.isdecimal() else 0.0


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
    kind = UnreachableError if answer.status in AWAY else ClusterError
    return kind(f"{what}: the API server answered {answer.status}: {answer.message}")
