"""The workshop as a person does it: each command of its pages shows what the page says, and each lesson has its start.

On localcluster, also what a person types to get there: `make venv`, `localcluster up`, `localcluster down`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.console import Page
from e2e.newcomer import clone, environment, shims
from e2e.polling import poll
from scripts.workshop.cluster import DEFAULT
from scripts.workshop.page import Block, sections
from scripts.workshop.session import Session

ON_KIND = "E2E_KUBECONFIG" in os.environ
PLACE = "kind" if ON_KIND else "localcluster"
KIND_CLUSTER = os.environ.get("E2E_KIND_CLUSTER", "")

pytestmark = [
    pytest.mark.skipif(ON_KIND and not KIND_CLUSTER, reason="builds images for kind, and this cluster is another one"),
    pytest.mark.timeout(600),
]


@dataclass(frozen=True)
class Newcomer:
    """A person who reads a page.

    Attributes:
        folder: the top folder of the clone.
        environment: of each terminal.
        namespace: on a cluster that is shared with others; the page's on one's own.
    """

    folder: Path
    environment: dict[str, str]
    namespace: str

    def session(self) -> Session:
        """Return terminals in the clone."""
        return Session(self.folder, self.environment, change=self.here)

    def here(self, text: str) -> str:
        """Return a text of the page as it is here: this namespace, and ports that nobody else uses."""
        text = re.sub(rf"(in|namespace|the namespace) {DEFAULT}\b", rf"\1 {self.namespace}", text)
        text = text.replace(f'namespace "{DEFAULT}"', f'namespace "{self.namespace}"')
        text = text.replace(f"namespace/{DEFAULT}", f"namespace/{self.namespace}")
        return text.replace("127.0.0.1:9090", "127.0.0.1:0").replace(
            "service/prometheus 9090", "service/prometheus :9090"
        )

    def has(self, block: Block) -> bool:
        """Return whether a block is for this person, whose cluster on kind is there already."""
        return block.applies(PLACE, self.environment) and not (ON_KIND and "setup" in block.words)


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    """Give a person with a clone, on localcluster without a cluster yet, on kind with a kubeconfig."""
    own = environment(tmp_path, LOCALCLUSTER_HOME=str(tmp_path / "home"))
    own["PATH"] = f"{shims(tmp_path)}{os.pathsep}{own['PATH']}"
    name = DEFAULT
    if ON_KIND:
        name = f"tutorial-{uuid.uuid4().hex[:6]}"
        shutil.copy(os.environ["E2E_KUBECONFIG"], tmp_path / "kubeconfig")
        own |= {"KUBECONFIG": str(tmp_path / "kubeconfig"), "NAMESPACE": name, "KIND_CLUSTER_NAME": KIND_CLUSTER}
    top = clone(tmp_path)
    own["PATH"] = f"{top / '.venv/bin'}{os.pathsep}{own['PATH']}" if ON_KIND else own["PATH"]
    yield Newcomer(top, own, name)
    for command in (
        ("kubectl delete namespace --wait=false --ignore-not-found " + name,) if ON_KIND else ("localcluster down",)
    ):
        subprocess.run(command.split(), env=own | {"PATH": f"{top / '.venv/bin'}:{own['PATH']}"}, check=True)


def test_each_command_of_the_tutorial_shows_what_the_page_says(newcomer: Newcomer) -> None:
    typed = []
    with newcomer.session() as session:
        for section in sections(newcomer.folder / "docs/tutorial.md"):
            for block in filter(newcomer.has, section.blocks):
                if block.language == "promql":
                    if "4" in session.terminals and session.terminals["4"].output:
                        look_at_prometheus(session.terminals["4"].output, block.text, newcomer.namespace)
                    continue
                session.type(block)
                typed.append(block.text)
                if block.text == "canary watch sampleapp\n":
                    Page.in_output(session.terminals["3"].output).until("PROMOTE")
    assert any(text.startswith("canary promote") for text in typed)


def look_at_prometheus(output: str, query: str, namespace: str) -> None:
    """Wait until a query shows what the page says: each pod once, and a canary that is better than the baseline."""
    port = re.findall(r"127\.0\.0\.1:(\d+)", output)[-1]
    url = f"http://127.0.0.1:{port}/api/v1/query?query={urllib.parse.quote(query)}"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def shows_it() -> bool:
        with direct.open(url, timeout=10) as answer:
            found = json.load(answer)["data"]["result"]
        rates: dict[str, float] = {}
        for series in found:
            if series["metric"]["namespace"] == namespace:
                variant = series["metric"]["pod"].rsplit("-", 2)[0]
                rates[variant] = rates.get(variant, 0) + float(series["value"][1])
        expected = {"sampleapp-baseline", "sampleapp-canary"} | ({"sampleapp"} if "baseline" not in query else set())
        return rates.keys() == expected and rates["sampleapp-canary"] > rates["sampleapp-baseline"]

    poll(f"Prometheus shows the variants for {query}", shows_it, 90)
