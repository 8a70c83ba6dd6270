"""A release waits at its gate. Another shell, or a web server, decides."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from e2e.cluster import Namespace
from e2e.documented_commands import type_lines, typed
from e2e.drivers import started, told
from e2e.traffic import Traffic

AS_JSON = {"--gate": "--output json --gate"}
QUICK = {"percentage": 50, "warm-up": "1s", "min-duration": "2s", "interval": "500ms"}
RELEASE = ("--image", "sampleapp:20", "--percentage", "50", "--warm-up", "1s", "--min-duration", "2s")
JUDGED = ("--tolerance", "0.05", "--interval", "500ms", "--output", "json")


@pytest.fixture
def traffic(stable: Namespace) -> Iterator[Namespace]:
    """Give a namespace with load on its stable version."""
    with Traffic(stable):
        yield stable


def test_a_promote_in_another_shell_decides(traffic: Namespace, manifests: Path, tmp_path: Path) -> None:
    assert manifests == tmp_path / "manifests"
    (tmp_path / "canary.yml").write_text(json.dumps(QUICK))
    with typed(traffic, "gates.md", "--gate manual", folder=tmp_path, change=AS_JSON) as release:
        told(release, "To promote, run elsewhere: canary promote ")
        status = ""
        while "waits for a decision since " not in status:
            status = traffic.canary("status", "sampleapp").out
        promoted = type_lines(traffic, "gates.md", "canary promote manifests/", folder=tmp_path)
        out, err = release.communicate(timeout=60)
    assert release.returncode == 0, err
    assert f", process {release.pid} waits at its gate: the decision to promote sampleapp is recorded" in promoted
    assert json.loads(out)["by"] in err
    assert "decided to promote, by " in err
    assert traffic.images("sampleapp") == ["sampleapp:20"]
    assert traffic.images("sampleapp-canary") is None
    assert traffic.list("leases") == []


def test_a_reject_in_another_shell_decides(traffic: Namespace, manifests: Path) -> None:
    with started(traffic, "release", str(manifests), *RELEASE, *JUDGED, "--gate", "manual") as release:
        told(release, "To promote, run elsewhere: canary promote ")
        rejected = traffic.canary("reject", "sampleapp", "--reason", "the colour is wrong", "--output", "json")
        _, err = release.communicate(timeout=60)
    assert release.returncode == 1, err
    (handed_over,) = rejected.json()["handed_over"]
    assert handed_over["to"].endswith(f", process {release.pid}")
    assert ": the colour is wrong (verdict: " in err
    assert "rejected sampleapp" in rejected.err
    assert traffic.images("sampleapp") == ["sampleapp:10"]
    assert traffic.images("sampleapp-canary") is None


@contextmanager
def hook(*statuses: int) -> Iterator[tuple[str, list[Any]]]:
    """Run a web server with these answers; yield its URL and the questions that it got."""
    questions: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            questions.append((self.headers["Authorization"], body))
            self.send_response(statuses[min(len(questions), len(statuses)) - 1])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/gate", questions
        server.shutdown()


@pytest.mark.parametrize(("answer", "code", "runs"), [(200, 0, "sampleapp:20"), (403, 1, "sampleapp:10")])
def test_a_web_server_decides(answer: int, code: int, runs: str, traffic: Namespace, manifests: Path) -> None:
    assert manifests == traffic.folder / "manifests"
    token = traffic.folder / "token"
    token.write_text("s3cret\n")
    (traffic.folder / "canary.yml").write_text(json.dumps(QUICK | {"gate-token-file": str(token)}))
    with hook(202, answer) as (url, questions):
        example = {"https://approvals.example/canary": url}
        with typed(traffic, "gates.md", "--gate webhook", folder=traffic.folder, change=example) as release:
            said = "".join(release.communicate(timeout=120))
    assert release.returncode == code, said
    assert [(header, question["decision"]) for header, question in questions] == [("Bearer s3cret", "PROMOTE")] * 2
    assert questions[0][1]["workloads"] == ["sampleapp"]
    assert "s3cret" not in said
    assert traffic.images("sampleapp") == [runs]
    assert traffic.images("sampleapp-canary") is None
