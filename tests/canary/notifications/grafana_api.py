"""A server with the part of Grafana's HTTP API that annotations need, as its documentation has it.

https://grafana.com/docs/grafana/latest/developers/http_api/annotations/: a service account token as a bearer; times in
milliseconds; `text` is required; PATCH changes the fields that it has and keeps the others.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.http_servers import Answer, Endpoint, Request, answering

TOKEN = "glsa_hunter2"
MISSING_PERMISSION = "You'll need additional permissions to perform this action. Permissions needed: "
TYPES = {"dashboardUID": str, "panelId": int, "time": int, "timeEnd": int, "tags": list, "text": str, "data": dict}


def _answer(status: int, **body: Any) -> Answer:
    return Answer(status, json.dumps(body), {"Content-Type": "application/json"})


@dataclass
class GrafanaApi:
    """The annotations of a Grafana.

    Attributes:
        prefix: the path that it is served from.
        may: whether the token's account may write annotations.
        annotations: by ID.
    """

    prefix: str = ""
    may: bool = True
    annotations: dict[int, dict[str, Any]] = field(default_factory=dict)

    def answer(self, request: Request) -> Answer:
        """Return the answer to a request."""
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _answer(401, message="Invalid API key", messageId="api-key.invalid", statusCode=401, traceID="")
        if not self.may:
            permission = "annotations:create" if request.method == "POST" else "annotations:write"
            message = f"{MISSING_PERMISSION}{permission}"
            return _answer(403, accessErrorId="ACE0000000001", message=message, title="Access denied")
        path = request.path.removeprefix(self.prefix)
        if not path.startswith("/api/annotations") or request.headers.get("Content-Type") != "application/json":
            return _answer(404, message="Not found")
        body = request.json
        if any(key not in TYPES or type(value) is not TYPES[key] for key, value in body.items()) or not all(
            isinstance(tag, str) for tag in body.get("tags", [])
        ):
            return _answer(400, message="bad request data")
        return self._create(body) if request.method == "POST" else self._patch(path, body)

    def _create(self, body: dict[str, Any]) -> Answer:
        if not body.get("text"):
            return _answer(400, message="Failed to save annotation")
        self.annotations[len(self.annotations) + 1] = {"timeEnd": body["time"], **body}
        return _answer(200, message="Annotation added", id=len(self.annotations))

    def _patch(self, path: str, body: dict[str, Any]) -> Answer:
        number = int(path.rpartition("/")[2])
        if number not in self.annotations:
            return _answer(404, message="Annotation not found")
        self.annotations[number] |= body
        return _answer(200, message="Annotation patched")

    @property
    def regions(self) -> list[dict[str, Any]]:
        """Return the annotations that have an end of their own."""
        return [one for one in self.annotations.values() if one["timeEnd"] != one["time"]]

    @property
    def points(self) -> list[dict[str, Any]]:
        """Return the annotations of one moment."""
        return [one for one in self.annotations.values() if one["timeEnd"] == one["time"]]


@contextmanager
def serving(api: GrafanaApi) -> Iterator[Endpoint]:
    """Serve a Grafana on a port of its own."""
    with answering(api.answer) as endpoint:
        yield endpoint
