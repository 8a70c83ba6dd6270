"""A canary that answers well but crashes is rejected. Verdict, status and evidence say how it died."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.cluster import Namespace
from e2e.traffic import Traffic

# PROMOTE has to wait long enough for the crash to come first, on a busy machine too.
WATCH = ("--tolerance", "0.5", "--warm-up", "1s", "--min-duration", "90s", "--max-duration", "150s")
GREEDY = (
    "import threading, time, app; "
    "threading.Thread(target=lambda: (time.sleep(8), b'x' * 10**9), daemon=True).start(); "
    "app.main()"
)
"""Serves well, and takes a gigabyte after a while."""


def changed(manifests: Path, **container: Any) -> str:
    """Write fields into the container of the manifests, and return their folder."""
    file = manifests / "deployment.yml"
    deployment = yaml.safe_load(file.read_text())
    (only,) = deployment["spec"]["template"]["spec"]["containers"]
    only.update(container)
    file.write_text(yaml.safe_dump(deployment, sort_keys=False))
    return str(manifests)


def watched_to_its_end(stable: Namespace, manifests: str) -> str:
    """Deploy a canary, watch it under load until it is rejected, and return the verdict's sentence."""
    stable.canary("deploy", manifests, "--image", "sampleapp:20", "--percentage", "100")
    with Traffic(stable):
        verdict = stable.canary("watch", "sampleapp", *WATCH, "--output", "json", code=1).json()
    assert verdict["decision"] == "REJECT"
    sentence: str = verdict["sentence"]
    (workload,) = stable.canary("status", "sampleapp", "--output", "json").json()["workloads"]
    assert (workload["verdict"], workload["sentence"]) == ("REJECT", sentence)
    return sentence


def evidence_of_reject(stable: Namespace, reason: str) -> Path:
    """Reject the canary, and return the folder with its evidence."""
    result = stable.canary("reject", "sampleapp", "--reason", reason, "--output", "json")
    (rejected,) = result.json()["rejected"]
    assert rejected["evidence"] in result.err
    assert stable.images("sampleapp-canary") is None
    return stable.folder / str(rejected["evidence"])


def ends(folder: Path) -> list[dict[str, Any]]:
    """Return how the canary's containers ended: the one that is down now, and the one before the last start."""
    pods = json.loads((folder / "pods.json").read_text())
    containers = [one for pod in pods if pod["variant"] == "canary" for one in pod["containers"]]
    states = [one.get(state) or {} for one in containers for state in ("state", "lastState")]
    return [state["terminated"] for state in states if "terminated" in state]


def test_a_crashing_canary_is_rejected_with_its_exit_code_and_last_log_lines(
    stable: Namespace, manifests: Path
) -> None:
    crashing = changed(manifests, env=[{"name": "CRASH_EVERY", "value": "200"}])

    sentence = watched_to_its_end(stable, crashing)

    assert "Error (exit code 1)" in sentence
    assert "none of the baseline's did" in sentence
    assert "exiting because of CRASH_EVERY=200" in sentence
    folder = evidence_of_reject(stable, sentence)
    assert 1 in [end["exitCode"] for end in ends(folder)]
    assert "Error (exit code 1)" in (folder / "summary.txt").read_text()
    logs = [file.read_text() for file in folder.glob("sampleapp-canary-*.log")]
    assert any("exiting because of CRASH_EVERY=200" in log for log in logs)
    assert "sampleapp-canary" in (folder / "events.txt").read_text()
    counted = json.loads((folder / "samples.json").read_text())["totals"]
    assert {variant for variant, *_ in counted} >= {"baseline", "canary"}
    assert json.loads((folder / "verdict.json").read_text())["reason"] == sentence


def test_a_release_rejects_a_crashing_canary_and_names_the_saved_evidence(stable: Namespace, manifests: Path) -> None:
    crashing = changed(manifests, env=[{"name": "CRASH_EVERY", "value": "200"}])
    release = ("release", crashing, "--image", "sampleapp:20", "--percentage", "100", "--gate", "auto", *WATCH)

    with Traffic(stable):
        result = stable.canary(*release, "--evidence", "kept", "--output", "json", code=1)

    (rejected,) = result.json()["rejected"]
    assert rejected["evidence"].startswith("kept/sampleapp-")
    assert "exit code 1" in rejected["reason"]
    assert "exit code 1" in (stable.folder / rejected["evidence"] / "summary.txt").read_text()
    assert stable.images("sampleapp") == ["sampleapp:10"]


@pytest.mark.skipif("E2E_KUBECONFIG" not in os.environ, reason="localcluster's processes have no memory limit")
def test_a_canary_that_runs_out_of_memory_is_rejected_with_that_reason(stable: Namespace, manifests: Path) -> None:
    limits = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "160Mi"}}

    sentence = watched_to_its_end(stable, changed(manifests, command=["python3", "-c", GREEDY], resources=limits))

    assert "OOMKilled (exit code 137)" in sentence
    folder = evidence_of_reject(stable, sentence)
    assert "OOMKilled" in [end["reason"] for end in ends(folder)]
    assert "OOMKilled (exit code 137)" in (folder / "summary.txt").read_text()
