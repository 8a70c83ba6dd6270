"""The cluster's REST API without a client library: plain status codes and bodies."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.cluster import command

DEPLOYMENTS = "/apis/apps/v1/namespaces/{namespace}/deployments"
CORE = "/api/v1/namespaces/{namespace}"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


@dataclass(frozen=True)
class Answer:
    """An answer of the API.

    Attributes:
        code: HTTP status.
        body: parsed.
    """

    code: int
    body: Any

    @property
    def refusal(self) -> tuple[int, str | None, list[str]]:
        """Return code, reason, and the fields at fault, each once."""
        causes = (self.body.get("details") or {}).get("causes") or []
        return self.code, self.body.get("reason"), sorted({cause["field"] for cause in causes if "field" in cause})


@dataclass(frozen=True)
class Api:
    """Requests to a cluster through `kubectl proxy`; `{namespace}` in a path stands for the test's.

    Attributes:
        url: of the proxy.
        namespace: of the test.
    """

    url: str
    namespace: str

    def __call__(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Answer:
        """Return the answer to one request."""
        request = urllib.request.Request(
            self.url + path.replace("{namespace}", self.namespace),
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": content_type, "User-Agent": "contract/1"},
            method=method,
        )
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(request, timeout=20) as answer:
                return Answer(answer.status, json.load(answer))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, json.load(error))


@contextmanager
def proxy(kubeconfig: Path) -> Iterator[str]:
    """Run `kubectl proxy` while the block lasts, and give its URL."""
    line = [command("kubectl"), "--kubeconfig", str(kubeconfig), "proxy", "--port=0", "--append-server-path"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            yield "http://" + running.stdout.readline().split()[-1]
        finally:
            running.terminate()
