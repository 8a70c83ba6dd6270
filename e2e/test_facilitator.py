"""The commands of docs/facilitator.md give each participant a namespace, and a kubeconfig that reaches nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.cluster import command
from e2e.newcomer import clone, environment, shims
from scripts.workshop.page import Block, blocks
from scripts.workshop.session import Session

ON_KIND = "E2E_KUBECONFIG" in os.environ
PLACE = "kind" if ON_KIND else "localcluster"
NAMES = ("anna", "bert", "carla")

pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True)
class Facilitator:
    """A person who teaches, with a clone and a cluster.

    Attributes:
        folder: the top folder of the clone.
        environment: of each terminal.
        suffix: of the names of this test's participants, because others use the cluster too.
    """

    folder: Path
    environment: dict[str, str]
    suffix: str

    def here(self, text: str) -> str:
        """Return a text of the page with names that nobody else uses."""
        return re.sub(rf"\b({'|'.join(NAMES)})\b", rf"\1-{self.suffix}", text)

    def kubectl(self, *arguments: str, **own: str) -> str:
        """Return the output of kubectl."""
        done = subprocess.run(
            [command("kubectl"), *arguments],
            env=self.environment | own,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr


@pytest.fixture
def facilitator(tmp_path: Path, kubeconfig: Path) -> Iterator[Facilitator]:
    top, bin_, own = clone(tmp_path), shims(tmp_path), environment(tmp_path, KUBECONFIG=str(tmp_path / "kubeconfig"))
    own["PATH"] = os.pathsep.join((str(top / ".venv/bin"), str(bin_), own["PATH"]))
    shutil.copy(kubeconfig, tmp_path / "kubeconfig")
    facilitator = Facilitator(top, own, uuid.uuid4().hex[:6])
    yield facilitator
    names = [f"{name}-{facilitator.suffix}" for name in NAMES]
    facilitator.kubectl("delete", "namespace", *names, "--wait=false", "--ignore-not-found")


def to_type(page: Path) -> list[Block]:
    """Return the blocks of the page for this kind of cluster, without those that need a registry."""
    found = blocks(page.read_text(encoding="utf-8"))
    return [one for one in found if "not-run" not in one.words and one.applies(PLACE, {})]


def test_each_participant_gets_a_namespace_and_a_kubeconfig_that_reaches_nothing_else(facilitator: Facilitator) -> None:
    anna, bert, _ = (f"{name}-{facilitator.suffix}" for name in NAMES)
    *setup, last = to_type(facilitator.folder / "docs/facilitator.md")
    assert "kubectl delete namespace" in last.text
    with Session(facilitator.folder, facilitator.environment, change=facilitator.here) as session:
        for block in setup:
            session.type(block)

        binding = json.loads(facilitator.kubectl("get", "rolebinding", "workshop", "-n", bert, "-o", "json"))
        assert binding["roleRef"]["name"] == "edit"
        assert [(one["name"], one["namespace"]) for one in binding["subjects"]] == [("workshop", bert)]
        if ON_KIND:
            own = facilitator.folder / f".cache/participants/{anna}.kubeconfig"
            as_anna = {"KUBECONFIG": str(own)}
            assert own.stat().st_mode & 0o077 == 0
            assert "sampleapp" in facilitator.kubectl("get", "deployments", **as_anna)
            assert "forbidden" in facilitator.kubectl("get", "deployments", "-n", bert, **as_anna)
            assert "forbidden" in facilitator.kubectl("delete", "namespace", anna, **as_anna)
            assert "unchanged" in created_again(facilitator, anna, as_anna)
        session.type(last)

    assert "NotFound" in facilitator.kubectl("get", "namespace", anna) or "Terminating" in facilitator.kubectl(
        "get", "namespace", anna
    )


def created_again(facilitator: Facilitator, name: str, own: dict[str, str]) -> str:
    """Return what a participant sees who creates the namespace nevertheless."""
    line = f"kubectl create namespace {name} --dry-run=client -o yaml | kubectl apply -f -"
    done = subprocess.run(
        ["bash", "-c", line], env=facilitator.environment | own, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr
