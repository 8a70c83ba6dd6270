"""`canary rollback` undoes the last promote, finished or killed."""

from __future__ import annotations

from pathlib import Path

import yaml

from e2e.cluster import Namespace
from e2e.configuration import settings, state
from e2e.polling import poll


def test_a_finished_promote_is_rolled_back(configured: Namespace, manifests: Path) -> None:
    was = state(configured)
    configured.canary("promote", str(manifests), "--image", "sampleapp:20", "--unproven")
    (manifests / "configmap.yml").write_text(yaml.safe_dump(settings("green")))
    configured.canary("deploy", str(manifests), "--image", "sampleapp:5")  # the next release is on its way
    assert "rollback restores sampleapp:10, replaced " in configured.canary("status").out

    told = configured.canary("rollback", "sampleapp", "--output", "json")

    assert state(configured) == was
    assert told.json()["rolled_back"] == [{"workload": "sampleapp", "images": ["sampleapp:10"]}]
    assert [one["workload"] for one in told.json()["rejected"]] == ["sampleapp"]
    assert [found["metadata"]["name"] for found in configured.list("deployments")] == ["sampleapp"]
    poll("only stable's pods are left", lambda: len(configured.list("pods")) == len(configured.pods_of("sampleapp")))
    assert "is already rolled back" in configured.canary("rollback", "sampleapp").err
    assert state(configured) == was


def test_a_killed_promote_is_rolled_back_after_its_variants_were_rejected(
    configured: Namespace, manifests: Path
) -> None:
    was = state(configured)
    driver = configured.start("promote", str(manifests), "--image", "sampleapp:missing", "--unproven")
    try:
        poll("stable's new pods come", lambda: configured.images("sampleapp") == ["sampleapp:missing"], 120)
    finally:
        driver.kill()
        driver.communicate(timeout=60)
    assert (
        f"To go back to the version before: canary rollback sampleapp --namespace {configured.name}"
        in configured.canary("reject", "sampleapp", "--break-lock").err
    )

    configured.canary("rollback", "sampleapp")

    assert state(configured) == was
    names = configured.kubectl("get", "cm,lease", "-o", "name").split()
    assert [name for name in names if "sampleapp-" in name] == ["configmap/sampleapp-before"]


def test_the_same_command_finishes_a_killed_rollback(configured: Namespace, manifests: Path) -> None:
    was = state(configured)
    configured.canary("promote", str(manifests), "--image", "sampleapp:20", "--unproven")
    driver = configured.start("rollback", "sampleapp")
    try:
        poll("the rollback writes stable", lambda: configured.images("sampleapp") == ["sampleapp:10"], 120)
    finally:
        driver.kill()
        driver.communicate(timeout=60)

    told = configured.canary("rollback", "sampleapp", "--break-lock").err

    assert "rolled back" in told
    assert state(configured) == was
    assert configured.get("configmap", "sampleapp-rollback") is None


def test_a_rollback_to_a_version_that_no_longer_starts_is_undone(configured: Namespace, manifests: Path) -> None:
    configured.canary("promote", str(manifests), "--image", "sampleapp:20", "--unproven")
    was = state(configured)
    record = yaml.safe_load(configured.kubectl("get", "configmap", "sampleapp-before", "-o", "yaml"))
    record["data"]["objects.json"] = record["data"]["objects.json"].replace("sampleapp:10", "sampleapp:missing")
    configured.apply({key: record[key] for key in ("apiVersion", "kind", "metadata", "data")})

    told = configured.canary("rollback", "sampleapp", "--timeout", "12s", code=5).err

    assert "rollback failed and was undone: Deployment sampleapp: " in told
    assert state(configured) == was
