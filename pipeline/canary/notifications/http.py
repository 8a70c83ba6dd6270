"""Sends JSON to a server, and says which failures are worth another attempt. No message shows a secret."""

import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from canary import __version__
from canary.errors import InputError
from canary.notifications.outbox import TryAgainError
from canary.printable import printable
from canary.urls import cause, is_loopback

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 10.0

LONGEST_ANSWER = 200
"""Characters of an answer that a message quotes."""


class RefusedError(InputError):
    """The server refuses a request.

    Attributes:
        status: HTTP status code.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Http:
    """A server at a URL. It is reached through the proxies of the environment, unless it is on this machine."""

    def __init__(
        self,
        url: str,
        *,
        is_secret: bool = False,
        sign: Callable[[requests.PreparedRequest], requests.PreparedRequest] | None = None,
    ) -> None:
        """Send requests to a URL.

        Args:
            url: the beginning of the URL of each request.
            is_secret: whether the URL is a secret. The server may repeat parts of it, so its answers are not quoted.
            sign: adds credentials to a request.
        """
        self._url = url
        self._is_secret = is_secret
        self._session = requests.Session()
        self._session.trust_env = not is_loopback(url)
        self._session.auth = sign or (lambda request: request)  # else the user's .netrc would be asked for a password
        self._session.headers["User-Agent"] = f"canary/{__version__}"

    def send(self, method: str, path: str, *, json: object = None, params: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401
        """Send a request, once, and return the answer's body: parsed if it is JSON, else as text.

        Raises:
            TryAgainError: no answer, or one that may be another a moment later (429, 5xx).
            InputError: the request cannot be sent, or (RefusedError) the server refuses it.
        """
        try:
            response = self._session.request(
                method,
                f"{self._url}{path}",
                json=json,
                params=params,
                timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
                allow_redirects=False,  # another host must not get the document
            )
        except requests.Timeout:
            raise TryAgainError(f"no answer within {READ_TIMEOUT:g} s") from None
        except requests.ConnectionError as error:
            raise TryAgainError(printable(cause(error))) from None
        except (requests.RequestException, ValueError, HTTPError) as error:  # its text may hold the URL
            raise InputError(f"the request cannot be sent ({type(error).__name__})") from None
        status = response.status_code
        if 200 <= status < 300:
            try:
                return response.json()
            except ValueError:
                return response.text
        if 300 <= status < 400:
            raise RefusedError(f"it redirects to another address ({status}), which is not followed", status)
        text = "" if self._is_secret else printable(_message(response))[:LONGEST_ANSWER]
        shown = f"it answers {status}" + (f" ({text})" if text else "")
        if status == 429 or status >= 500:
            raise TryAgainError(shown, _seconds(response.headers.get("Retry-After")))
        raise RefusedError(shown, status)

    def close(self) -> None:
        """Close all sockets."""
        self._session.close()


def _message(response: requests.Response) -> str:
    """Return what a server says about a failure: the field `message` of JSON, as Grafana has it, or the whole text."""
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return response.text.strip()


def _seconds(retry_after: str | None) -> float:
    """Return the seconds of a Retry-After header: a number, or a date. 0 if it is missing or neither."""
    if not retry_after:
        return 0.0
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return 0.0
