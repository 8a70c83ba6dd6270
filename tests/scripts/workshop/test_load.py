"""Load that goes on after `make lesson` can be stopped by the command that it names."""

from __future__ import annotations

import itertools
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from scripts.workshop.cluster import Cluster
from scripts.workshop.lessons import CORE, ROOT
from scripts.workshop.load import BackgroundLoad
from scripts.workshop.page import sections

LOCALCLUSTER = {"gitVersion": "v1.34.0+localcluster"}


@dataclass(frozen=True)
class Counting(Cluster):
    """A cluster whose pods get no requests before the load starts."""

    looks: itertools.count[int] = field(default_factory=itertools.count)

    def measure(self) -> dict[str, float]:
        return {"sampleapp-x": 0}

    def counted(self) -> dict[str, float]:
        return {"sampleapp-x": next(self.looks)}


class Interrupted(Counting):
    """A cluster at which somebody presses Ctrl-C before the first request has arrived."""

    def counted(self) -> dict[str, float]:
        raise KeyboardInterrupt


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[str]]:
    """Give the processes of load that the test starts."""
    processes: list[subprocess.Popen[str]] = []

    class Kept(subprocess.Popen[str]):
        def __init__(self, *words: Any, **options: Any) -> None:
            super().__init__(*words, **options)
            processes.append(self)

    monkeypatch.setattr("scripts.workshop.load.subprocess.Popen", Kept)
    return processes


def test_load_in_the_background_names_the_command_that_stops_it(
    tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    said: list[str] = []
    load = BackgroundLoad(tmp_path, Counting("anna", "anna", LOCALCLUSTER), said.append)

    load.start("sleep 300\ntrue")

    command = "kill -- -$(cat .cache/workshop/load-anna.pid)"
    assert said[-1] == (f"requests arrive; the load runs in the background, for an hour at most. To stop it: {command}")
    process = started[0]
    group = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True)
    process.wait(30)
    assert psutil.wait_procs(group[1:], timeout=30)[1] == []


def test_load_does_not_stay_after_an_interruption_that_comes_before_its_first_request(
    tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    load = BackgroundLoad(tmp_path, Interrupted("anna", "anna", LOCALCLUSTER), print)

    with pytest.raises(KeyboardInterrupt):
        load.start("sleep 300\ntrue locust")

    assert started[0].wait(30) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("localcluster", "address=$(kubectl --namespace anna get service sampleapp "),
        ("kind", "kubectl --namespace anna run load --image registry.example/fortio:1 -- load "),
    ],
)
def test_load_is_sent_to_the_namespace_of_the_lesson_and_its_image_can_be_another(
    place: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOAD_IMAGE", "registry.example/fortio:1")
    command = next(
        block.text
        for section in sections(ROOT / "docs" / CORE)
        for block in section.blocks
        if "load" in block.words and block.applies(place, {})
    )
    assert BackgroundLoad(tmp_path, Cluster("anna", "bert", {}), print).here(command).startswith(expected)


def test_load_in_a_pod_is_stopped_by_deleting_it(tmp_path: Path) -> None:
    kind = BackgroundLoad(tmp_path, Cluster("anna", "anna", {"gitVersion": "v1.34.0"}), print)
    vars(kind.cluster)["kind_name"] = "kind"
    assert kind.how_to_stop() == "kubectl delete pod load"
