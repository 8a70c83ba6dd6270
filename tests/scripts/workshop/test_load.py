"""Load that goes on after `make lesson` can be stopped by the command that it names."""

from __future__ import annotations

import itertools
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from scripts.workshop.cluster import Cluster
from scripts.workshop.load import BackgroundLoad

LOCALCLUSTER = {"gitVersion": "v1.34.0+localcluster"}


@dataclass(frozen=True)
class Counting(Cluster):
    """A cluster whose pods get no requests before the load starts."""

    looks: itertools.count[int] = field(default_factory=itertools.count)

    def measure(self) -> dict[str, float]:
        return {"sampleapp-x": 0}

    def counted(self) -> dict[str, float]:
        return {"sampleapp-x": next(self.looks)}


def test_load_in_the_background_names_the_command_that_stops_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    started: list[subprocess.Popen[str]] = []
    popen = subprocess.Popen

    def start(*words: Any, **options: Any) -> subprocess.Popen[str]:
        started.append(popen(*words, **options))
        return started[-1]

    monkeypatch.setattr("scripts.workshop.load.subprocess.Popen", start)
    load = BackgroundLoad(tmp_path, Counting("anna", "anna", LOCALCLUSTER), said.append)

    load.start("sleep 300\ntrue")

    command = "kill -- -$(cat .cache/workshop/load-anna.pid)"
    assert said[-1] == (f"requests arrive; the load runs in the background, for an hour at most. To stop it: {command}")
    (process,) = started
    group = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    monkeypatch.undo()
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True)
    process.wait(30)
    assert psutil.wait_procs(group[1:], timeout=30)[1] == []


def test_load_in_a_pod_is_stopped_by_deleting_it(tmp_path: Path) -> None:
    kind = BackgroundLoad(tmp_path, Cluster("anna", "anna", {"gitVersion": "v1.34.0"}), print)
    vars(kind.cluster)["kind_name"] = "kind"
    assert kind.how_to_stop() == "kubectl delete pod load"
