"""A client outside the cluster. It knows the address and port of a node, and nothing about Kubernetes."""

from __future__ import annotations

import http.client
import time
from collections import Counter
from dataclasses import dataclass, field

from e2e.background import InBackground

LIMIT = 120_000  # requests, so that nothing runs for ever
PATIENCE = 30  # seconds: a busy machine answers slowly, and a slow answer is not lost


def ask(host: str, port: int, connection: http.client.HTTPConnection | None = None) -> tuple[int, str]:
    """Return the status of an answer and the pod that sent it. Without a connection, open a new one."""
    own = connection is None
    connection = connection or http.client.HTTPConnection(host, port, timeout=PATIENCE)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("X-Served-By", "")
    finally:
        if own:
            connection.close()


@dataclass
class Client(InBackground):
    """Sends requests at a steady rate, one new connection per request, until the block ends.

    Attributes:
        host: address of a node.
        port: NodePort of the Service.
        rate: requests per second, of all threads together.
        answers: HTTP status codes, counted.
        errors: connections that were refused, reset or timed out, counted by message.
    """

    host: str
    port: int
    rate: float = 100
    answers: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    def send(self) -> None:
        """Send requests until the block ends."""
        due = time.monotonic()
        for _ in range(LIMIT // self.threads):
            due = max(due + self.threads / self.rate, time.monotonic() - 1)
            if self.stop.wait(max(0.0, due - time.monotonic())):
                return
            try:
                status, _ = ask(self.host, self.port)
                self.answers[status] += 1
            except (OSError, http.client.HTTPException) as error:
                self.errors[f"{type(error).__name__}: {error}"] += 1
