"""A gate that asks an HTTP server until it decides, as Flagger's confirmation webhooks do.

The server gets a POST with what is to be decided, as JSON:

    version     1
    namespace   of the release
    workloads   names of its Deployments
    images      that it releases
    decision    the verdict: PROMOTE, REJECT or UNDECIDED
    sentence    the verdict for a person

It answers 200 to promote, 403 to reject and 202 to be asked again. The body of a 200 or 403 may be a JSON object that
says who decided (`by`) and why (`reason`). To promote against the verdict REJECT, the body of a 200 must also have
`"against_verdict": true`: a server that always answers 200 promotes no canary that was found worse.
"""

import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from canary.errors import InputError, TimedOutError
from canary.events import Answer, Decided, Listener, Note
from canary.gate import POLL
from canary.ports import Clock
from canary.printable import printable
from canary.urls import cause, is_loopback, origin
from canary.verdict.comparison import Decision, Verdict

VERSION = 1
"""Version of the question's format."""

SHORTEST_INTERVAL = 0.1
"""Least seconds between two questions."""

ANSWERS_WITHIN = 10.0
"""Seconds that the server may take for one answer."""


_Answer = Future[requests.Response]


@dataclass(frozen=True)
class WebhookGate:
    """Asks an HTTP server.

    Attributes:
        clock: time.
        listen: is told what the gate waits for, and of answers that are no decision.
        url: of the server. Only its origin is shown, as the rest may be a secret.
        token: returns the bearer token to send, empty to send none. It is read for each question: tokens are renewed.
        release: namespace, workloads and images, for the question.
        timeout: seconds to wait for a decision.
        interval: seconds between two questions.
    """

    clock: Clock
    listen: Listener
    url: str
    token: Callable[[], str]
    release: Mapping[str, Any]
    timeout: float
    interval: float

    def decide(self, verdict: Verdict, elsewhere: Callable[[], Answer | None]) -> Answer:
        """Return what the server, or somebody elsewhere, decides.

        Raises:
            TimedOutError: neither decides in time.
            InputError: the token cannot be read.
        """
        self.listen(Note(f"asking {origin(self.url)} for a decision, for up to {self.timeout:g} s"))
        question = {"version": VERSION, **self.release, "decision": str(verdict.decision), "sentence": verdict.sentence}
        began, asked, problem, answer = self.clock.monotonic(), float("-inf"), "", None
        while (decided := elsewhere()) is None:
            now = self.clock.monotonic()
            if answer is None and now - asked >= max(self.interval, SHORTEST_INTERVAL):
                asked, answer = now, self._ask(question)
            elif answer is not None and answer.done():
                found, answer = _found(answer, verdict), None
                if isinstance(found, Decided):
                    return found if found.by else replace(found, by=origin(self.url))
                if found and found != problem:
                    self.listen(Note(f"{origin(self.url)} {found}; asking again", warning=True))
                problem = found
                continue
            elif answer is not None and now - asked >= ANSWERS_WITHIN + POLL:
                answer = None  # it drips: a time limit of `requests` is for each part of an answer
            if now - began >= self.timeout:
                last = f"; it {problem}" if problem else ""
                limit = f"{self.timeout:g} s (--gate-timeout)"
                raise TimedOutError(f"--gate webhook: {origin(self.url)} did not decide within {limit}{last}")
            self.clock.sleep(min(POLL, max(self.interval, SHORTEST_INTERVAL)))
        return decided

    def _ask(self, question: Mapping[str, Any]) -> _Answer:
        """Ask in the background: a server that hangs must not keep the gate from hearing of a decision elsewhere."""
        answer = _Answer()

        def ask() -> None:
            try:
                answer.set_result(self._post(question))
            except Exception as error:  # noqa: BLE001 - it is raised where the answer is read
                answer.set_exception(error)

        threading.Thread(target=ask, name="canary-gate", daemon=True).start()
        return answer

    def _post(self, question: Mapping[str, Any]) -> requests.Response:
        token = self.token()

        def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
            if token:
                request.headers["Authorization"] = f"Bearer {token}"
            return request

        with requests.Session() as session:
            session.trust_env = not is_loopback(self.url)
            return session.post(
                self.url,
                json=question,
                auth=sign,  # also without a token: else the user's .netrc would be asked for one
                timeout=ANSWERS_WITHIN,
                allow_redirects=False,
            )


def _found(answer: _Answer, verdict: Verdict) -> Decided | str:
    """Return a decision, or why an answer is none; empty if the server says to wait.

    Raises:
        InputError: the token cannot be read.
    """
    try:
        response = answer.result()
    except requests.Timeout:
        return f"did not answer within {ANSWERS_WITHIN:g} s"
    except InputError:
        raise
    except (OSError, ValueError, HTTPError) as error:  # its text may hold the URL or the token
        return f"cannot be reached: {cause(error)}"
    status = response.status_code
    if status == 202:
        return ""
    if status not in (200, 403):
        return f"answered {status}, where 200 promotes, 403 rejects and 202 waits"
    body = _body(response)
    if status == 200 and verdict.decision is Decision.REJECT and body.get("against_verdict") is not True:
        return 'answered 200, but the verdict is REJECT: to promote nevertheless, it must send "against_verdict": true'
    by = _text(body, "by")
    return Decided(status == 200, "" if by == "auto" else by, reason=_text(body, "reason"))


def _body(response: requests.Response) -> Mapping[str, Any]:
    """Return the body if it is a JSON object, else an empty one: it is optional."""
    try:
        body = json.loads(response.text)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _text(body: Mapping[str, Any], key: str) -> str:
    value = body.get(key)
    return printable(value)[:200] if isinstance(value, str) else ""
