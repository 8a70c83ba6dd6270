"""Sends requests to the API server, repeats them where that is safe, and translates errors.

Bodies are plain JSON: the official client's typed models would drop fields that they do not know.
"""

import json
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import urllib3
from kubernetes import client

from canary.errors import (
    ClusterError,
    CredentialsError,
    ForbiddenError,
    InputError,
    NotAnsweringError,
    UnreachableError,
)
from canary.kube.availability import QUIET, Availability
from canary.kube.connection import Connection

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0
FIRST_DELAY = 0.2
LONGEST_DELAY = 2.0
"""Seconds between two attempts, doubled from the first to the longest."""

RELAYED = 10.0
"""Seconds for which a request is repeated whose server error may come from a kubelet that is gone."""

AWAY = {502, 503, 504}
"""Answers of a proxy or load balancer whose API server is away, and of an API server that stops or starts."""

ETCD = "etcdserver: "
"""Start of the message of a 500 if etcd did not answer the API server: the write may have been carried out or not."""

STALE = "the object has been modified"
"""Part of the message of a 409 if a write lost a race. A write that names no resource version can be sent again."""

UNSENT = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
"""Errors before anything was sent."""

TYPED_PATCH = ("failed to create typed patch object", "duplicate entries for key")
"""Messages for a wrong type or a duplicate list item in a server-side apply. The API server answers them with 500."""

FORBIDDEN = re.compile(r'User ".*?" cannot (\S+) (?:resource|path) "([^"]+)"(?: in API group "([^"]*)")?')
"""The message if the account lacks a permission. Admission refuses with the same status, but another message."""


@dataclass(frozen=True)
class Answer:
    """What the API server answered.

    Attributes:
        status: HTTP status code.
        body: HTTP body.
        date: header `Date`, the time by the server's clock; empty if there is none.
        retry_after: seconds of the header `Retry-After`; 0 if there is none.
        repeated: whether the same write was sent before without an answer, and may have been carried out.
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
        """Return the `reason` of a `Status`, empty if the body is not a `Status`."""
        return str(self._status().get("reason") or "")

    @property
    def message(self) -> str:
        """Return the API server's sentence, or the beginning of the body."""
        return str(self._status().get("message") or self.text.strip()[:300] or f"HTTP {self.status}")

    @property
    def fields(self) -> tuple[str, ...]:
        """Return what is wrong with each field, in the API server's words."""
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
    """Sends requests, and repeats those that got no answer.

    Attributes:
        connect: opens a connection. Called again if the API server no longer accepts the credentials.
        patience: seconds for which a server that has answered before may be away.
        first_patience: the same for a server that has not answered yet.
        sleep: waits for some seconds.
        availability: what is known of the way to the API server.
    """

    connect: Callable[[], Connection]
    patience: float = 300.0
    first_patience: float = 3.0
    sleep: Callable[[float], None] = time.sleep
    availability: Availability = field(default_factory=Availability)
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
        read_only: bool = False,
        relayed: bool = False,
        before: Callable[[], None] = lambda: None,
    ) -> Answer:
        """Return the answer, whatever its status.

        A request is repeated for a while if it got no answer; if the answer is 429, 502, 503 or 504; if it is 500
        because etcd did not answer (a read is repeated after any 500); or if it is 409 because others wrote at the
        same time. A request that is forbidden a moment after an outage is repeated too: an API server answers before
        it has loaded its authorization rules.

        Args:
            method: HTTP method.
            path: path of the URL, with its leading slash.
            params: query parameters.
            body: body, sent as JSON.
            content_type: media type of the body.
            read_only: whether a POST changes nothing.
            relayed: whether a kubelet answers through the API server. A server error may then be the kubelet's.
            before: called before each attempt. What it raises takes the place of the answer.

        Raises:
            UnreachableError: no answer.
            CredentialsError: 401.
            NotAnsweringError: no answer in time through a kubelet, which is more likely to hang than the API server.
        """
        changes = method != "GET" and not read_only
        delay, renewed, repeated = FIRST_DELAY, False, False
        with self.availability.outage() as outage:
            while True:
                before()
                patience = self.patience if self._answered else self.first_patience
                failure: Exception | None = None
                answer = Answer(0, b"")
                try:
                    answer = self.send(
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
                        raise CredentialsError(
                            f"{self.connection.description} does not accept the credentials (401): {answer.message}"
                        )
                    if not _is_temporary(answer, body, changes=changes):
                        outage.is_over = True
                        return replace(answer, repeated=repeated)
                    why = f"{self.connection.description} answers {answer.status}: {answer.message}"
                    repeated |= changes and answer.status not in (409, 429)
                wait = max(delay, answer.retry_after)
                is_away = failure is not None or answer.status in AWAY
                outage.note_failure(self.connection.description, why, patience, is_fault=is_away)
                if outage.seconds + wait > (patience if failure or not relayed else min(patience, RELAYED)):
                    if failure:
                        raise self._unreachable(failure, outage.seconds) from failure
                    return replace(answer, repeated=repeated)
                self.sleep(wait)
                delay = min(delay * 2, LONGEST_DELAY)

    def get_once(self, path: str, *, params: Mapping[str, str] | None = None, timeout: float) -> Answer:
        """Return the answer to a GET that is sent only once.

        Raises:
            NotAnsweringError: no answer within `timeout` seconds, or a refusal by an API server that was away until a
                moment ago. It stays open whether the API server is silent, or the pod or Service behind it.
        """
        try:
            answer = self.send("GET", path, timeout=(timeout, timeout), params=params)
        except urllib3.exceptions.HTTPError as error:
            if not isinstance(error, urllib3.exceptions.ReadTimeoutError):
                self.availability.note_fault()
            raise NotAnsweringError(f"no answer from {self.connection.description}: {_cause(error)}") from error
        if self._refuses_too_early(answer):
            raise NotAnsweringError(f"{self.connection.description} is starting: {answer.message}")
        return answer

    def _refuses_too_early(self, answer: Answer) -> bool:
        """Return whether an API server that has just started refuses because it has not loaded its rules yet."""
        is_refusal = answer.status == 401 or (answer.status == 403 and FORBIDDEN.search(answer.message))
        return bool(is_refusal and answer.reason) and self.availability.is_settling

    def send(
        self,
        method: str,
        path: str,
        *,
        timeout: tuple[float, float],
        params: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "",
    ) -> Answer:
        """Send a request, once, and return the answer."""
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
            # The official client turns an error of TLS into a status of 0.
            if isinstance(error.__context__, urllib3.exceptions.SSLError):
                raise error.__context__ from error
            raise urllib3.exceptions.SSLError(str(error.reason)) from error

    def _unreachable(self, error: Exception, seconds: float = 0.0) -> UnreachableError:
        after = f" (tried for {seconds:.0f} s)" if seconds >= QUIET else ""
        return UnreachableError(f"cannot reach {self.connection.description}: {_cause(error)}{after}")


def _is_temporary(answer: Answer, body: object, *, changes: bool) -> bool:
    """Return whether the same request may be answered in another way a moment later."""
    match answer.status:
        case 500:
            return not changes or answer.message.startswith(ETCD)
        case 409:
            return STALE in answer.message and not _names_version(body)
        case status:
            return status in AWAY | {429}


def _is_untrusted(error: Exception) -> bool:
    """Return whether one side rejects the other's certificate. Another attempt would not change that."""
    if not isinstance(error, urllib3.exceptions.SSLError):
        return False
    cause = error.args[0] if error.args else None
    if isinstance(cause, ssl.SSLError):
        return any(word in (cause.reason or "") for word in ("CERTIFICATE", "UNKNOWN_CA"))
    return isinstance(cause, ValueError)  # urllib3's own check of the name in the certificate


def _names_version(body: object) -> bool:
    """Return whether a body is for one resource version only; a JSON patch may test for one."""
    meta = body.get("metadata") if isinstance(body, dict) else None
    return not isinstance(body, dict) or bool(isinstance(meta, dict) and meta.get("resourceVersion"))


def _seconds(retry_after: str | None) -> float:
    """Return the seconds of a Retry-After header, 0 if it has a date or is missing."""
    return float(retry_after) if retry_after and retry_after.isdecimal() else 0.0


def _cause(error: Exception) -> str:
    """Return the cause of an error, without the addresses of urllib3's objects."""
    return str(error).rpartition(">: ")[2] or str(error)


def refusal(answer: Answer, what: str) -> InputError | ClusterError:
    """Return an answer that is a refusal as one of our errors.

    Args:
        answer: an answer with a status of 400 or more.
        what: the action, such as `create Deployment sampleapp-canary`.
    """
    detail = "; ".join(answer.fields) if len(answer.fields) > 1 else answer.message
    if answer.status == 403 and (missing_right := FORBIDDEN.search(answer.message)):
        verb, resource, group = missing_right.groups(default="")
        return ForbiddenError(f"{what}: {answer.message}", f"{verb} {resource}{group and '.'}{group}")
    if answer.status in (400, 403, 404, 409, 413, 422) or any(words in answer.message for words in TYPED_PATCH):
        return InputError(f"{what}: {detail}")
    kind = UnreachableError if answer.status in AWAY else ClusterError
    return kind(f"{what}: the API server answered {answer.status}: {answer.message}")
