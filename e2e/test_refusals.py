"""The driver refuses bad input with one clear line, and changes nothing."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.cluster import Namespace
from e2e.polling import poll

BAD_INPUT = [
    pytest.param(["--image", "sampleapp:20", "--percentage", "0"], "percentage", id="percentage below 1"),
    pytest.param(["--image", "sampleapp:20", "--percentage", "101"], "percentage", id="percentage above 100"),
    pytest.param(["--image", "other:20"], "other", id="image that matches no container"),
    pytest.param(["--image", "sampleapp:20", "--gate", "auto"], "tolerance", id="gate auto without a tolerance"),
]


@pytest.mark.parametrize(("options", "names"), BAD_INPUT)
def test_a_bad_option_gives_one_line_and_exit_2(
    namespace: Namespace, manifests: Path, options: list[str], names: str
) -> None:
    result = namespace.canary("release", str(manifests), *options, code=2)
    assert names in result.err
    assert namespace.list("deployments") == []


def test_a_bad_manifest_gives_one_line_and_exit_2(
    namespace: Namespace, manifests: Path, sample: dict[str, Any]
) -> None:
    def release(objects: str) -> str:
        (manifests / "deployment.yml").write_text(objects)
        return namespace.canary("deploy", str(manifests), "--image", "sampleapp:20", code=2).err

    deployment = sample["Deployment"]
    assert "deployment.yml:2" in release("kind: Deployment\n  metadata: {}\n")
    assert "no Deployment" in release("")
    assert "sampleapp" in release(yaml.safe_dump_all([deployment, deployment]))
    foreign = copy.deepcopy(deployment)
    foreign["metadata"]["namespace"] = "elsewhere"
    assert "elsewhere" in release(yaml.safe_dump(foreign))
    assert namespace.list("deployments") == []

    empty = manifests.parent / "empty"
    empty.mkdir()
    assert str(empty) in namespace.canary("deploy", str(empty), "--image", "sampleapp:20", code=2).err
    assert "nowhere" in namespace.canary("deploy", "nowhere", "--image", "sampleapp:20", code=2).err


def test_an_unknown_namespace_gives_exit_2(namespace: Namespace, manifests: Path) -> None:
    missing = Namespace("e2e-not-there", namespace.kubeconfig, namespace.folder)
    result = missing.canary("deploy", str(manifests), "--image", "sampleapp:20", code=2)
    assert "e2e-not-there" in result.err


def test_an_unreachable_cluster_gives_exit_3(namespace: Namespace, manifests: Path, tmp_path: Path) -> None:
    config = yaml.safe_load(namespace.kubeconfig.read_text())
    config["clusters"][0]["cluster"] = {"server": "http://127.0.0.1:1"}
    nowhere = tmp_path / "kubeconfig"
    nowhere.write_text(yaml.safe_dump(config))
    lost = Namespace(namespace.name, nowhere, namespace.folder)
    result = lost.canary("status", "sampleapp", code=3)
    assert "127.0.0.1:1" in result.err


def test_another_release_in_progress_is_named(stable: Namespace, manifests: Path) -> None:
    stable.canary("deploy", str(manifests), "--image", "sampleapp:20", "--percentage", "50")
    result = stable.canary("deploy", str(manifests), "--image", "sampleapp:5", "--percentage", "50", code=2)
    assert "sampleapp:20" in result.err
    assert stable.images("sampleapp-canary") == ["sampleapp:20"]


def test_a_version_that_no_canary_ran_is_not_promoted(stable: Namespace, manifests: Path) -> None:
    result = stable.canary("promote", str(manifests), "--image", "sampleapp:20", code=2)
    assert "--unproven" in result.err
    assert stable.images("sampleapp") == ["sampleapp:10"]

    stable.canary("deploy", str(manifests), "--image", "sampleapp:5", "--percentage", "50")
    stable.canary("promote", str(manifests), "--image", "sampleapp:20", code=2)
    assert stable.images("sampleapp") == ["sampleapp:10"]


def test_a_hotfix_of_stable_is_shown_and_not_overwritten(stable: Namespace, manifests: Path) -> None:
    release = (str(manifests), "--image", "sampleapp:20")
    stable.canary("deploy", *release, "--percentage", "50")
    stable.kubectl("scale", "deployment/sampleapp", "--replicas", "3")
    stable.kubectl("set", "image", "deployment/sampleapp", "sampleapp=sampleapp:5")
    stable.kubectl("rollout", "status", "deployment/sampleapp", "--timeout", "120s")

    refused = stable.canary("promote", *release, code=2).err
    assert (
        "stable sampleapp has changed (spec.containers[sampleapp].image) since sampleapp-canary was deployed" in refused
    )
    changed = [line.split()[-1] for line in refused.splitlines() if "image: " in line]
    assert changed == ["sampleapp:10", "sampleapp:5"]
    assert stable.images("sampleapp") == ["sampleapp:5"]
    applied = stable.canary("apply", *release, code=2).err
    assert "a release of sampleapp is in progress" in applied

    stable.canary("promote", *release, "--overwrite-stable")
    assert stable.images("sampleapp") == ["sampleapp:20"]
    assert stable.images("sampleapp-canary") is None


@pytest.mark.parametrize("trouble", ["paused", "unready"])
def test_a_broken_stable_is_not_used_as_baseline(stable: Namespace, manifests: Path, trouble: str) -> None:
    if trouble == "paused":
        stable.kubectl("rollout", "pause", "deployment/sampleapp")
    else:
        stable.kubectl("set", "image", "deployment/sampleapp", "sampleapp=sampleapp:missing")
        poll("the rollout has begun", lambda: len(stable.list("pods")) > 2)
    result = stable.canary("deploy", str(manifests), "--image", "sampleapp:20", code=2)
    assert "sampleapp" in result.err
    assert stable.images("sampleapp-canary") is None


def test_a_canary_that_does_not_start_is_named_with_its_reason_and_not_promoted(
    stable: Namespace, manifests: Path
) -> None:
    result = stable.canary(
        "deploy", str(manifests), "--image", "sampleapp:missing", "--percentage", "50", "--timeout", "15s", code=4
    )
    assert "sampleapp-canary-" in result.err
    assert "Image" in result.err

    assert "promote" not in stable.canary("status", "sampleapp").out
    promote = ("promote", str(manifests), "--image", "sampleapp:missing")
    result = stable.canary(*promote, "--timeout", "3s", code=2)
    assert "the canary is not ready: Deployment sampleapp-canary: 0 of 1 pods ready" in result.err
    assert "--unproven" in result.err
    assert stable.images("sampleapp") == ["sampleapp:10"]

    stable.canary("reject", str(manifests))
    assert stable.images("sampleapp-canary") is None
    assert stable.images("sampleapp") == ["sampleapp:10"]


def test_a_promote_that_does_not_get_ready_is_undone(stable: Namespace, manifests: Path) -> None:
    before = (stable.get("deployment", "sampleapp") or {})["spec"]
    result = stable.canary(
        "promote", str(manifests), "--image", "sampleapp:missing", "--unproven", "--timeout", "15s", code=5
    )
    after = (stable.get("deployment", "sampleapp") or {})["spec"]
    assert "undone" in result.err
    assert after["template"] == before["template"]
