"""`canary doctor` on a real cluster: good and bad findings, and the missing permissions of an account."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.accounts import DEPLOY, log_in
from e2e.cluster import ROOT, Namespace
from e2e.traffic import Traffic

Checks = list[dict[str, Any]]


def doctor(namespace: Namespace, *arguments: str, code: int = 0) -> Checks:
    checks: Checks = namespace.canary("doctor", *arguments, "--output", "json", code=code).json()["checks"]
    return checks


def outcomes(checks: Checks, subject: str) -> list[str]:
    return [one["outcome"] for one in checks if one["subject"] == subject]


def test_a_running_stable_that_answers_is_ready_for_releases(stable: Namespace) -> None:
    with Traffic(stable):
        checks = doctor(stable, "sampleapp", "--tolerance", "0.05")
    assert [one for one in checks if one["outcome"] != "ok"] == []
    text = {one["subject"]: one["text"] for one in checks}
    assert "2 of 2 pods have metrics" in text["metrics"]
    assert "stable" in text["traffic"]
    assert "Kubernetes v1." in text["API server"]


def test_an_empty_namespace_is_checked_with_the_manifests_of_a_first_release(
    namespace: Namespace, manifests: Path
) -> None:
    assert outcomes(doctor(namespace), "workloads") == ["warning"]
    checks = doctor(namespace, f"{manifests}/", "--image", "sampleapp:10")
    assert outcomes(checks, "stable") == ["ok"]
    assert "failed" not in {one["outcome"] for one in checks}
    assert namespace.list("pods") == []


def test_the_traffic_of_each_variant_is_shown_during_a_release(stable: Namespace, manifests: Path) -> None:
    stable.canary("deploy", str(manifests), "--image", "sampleapp:20", "--percentage", "50")
    with Traffic(stable):
        checks = doctor(stable, "sampleapp")
    [traffic] = [one["text"] for one in checks if one["subject"] == "traffic"]
    assert outcomes(checks, "release") == ["ok"]
    assert all(variant in traffic for variant in ("stable", "baseline", "canary"))


def test_deploy_and_doctor_warn_about_other_objects_of_the_workload(stable: Namespace, manifests: Path) -> None:
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "sampleapp"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "sampleapp"}}},
    }
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "sampleapp"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "sampleapp"},
            "minReplicas": 2,
            "maxReplicas": 4,
        },
    }
    stable.apply(budget, scaler)
    deploy = ("deploy", str(manifests), "--image", "sampleapp:20", "--percentage", "50")

    first, again = stable.canary(*deploy), stable.canary(*deploy)

    for kind in ("PodDisruptionBudget", "HorizontalPodAutoscaler"):
        assert first.err.count(f"warning: {kind} sampleapp") == 1
        assert f"warning: {kind}" not in again.err
    assert outcomes(doctor(stable, "sampleapp"), "surroundings") == ["warning", "warning"]


def test_anti_affinity_without_a_node_for_the_canary_is_reported_before_and_after(
    stable: Namespace, manifests: Path
) -> None:
    if len(stable.list("nodes")) > 3:
        pytest.skip("there are nodes for all")
    term = {"labelSelector": {"matchLabels": {"app": "sampleapp"}}, "topologyKey": "kubernetes.io/hostname"}
    file = manifests / "deployment.yml"
    deployment = yaml.safe_load(file.read_text())
    deployment["spec"]["template"]["spec"]["affinity"] = {
        "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    }
    file.write_text(yaml.safe_dump(deployment))
    said = "sampleapp requires anti-affinity between its pods. With the variants there are 4 pods"

    assert said in stable.canary("doctor", f"{manifests}/", "--image", "sampleapp:20").out
    if "E2E_KUBECONFIG" not in os.environ:
        return  # localcluster has one node, on which every pod has a place
    late = stable.canary("deploy", str(manifests), "--image", "sampleapp:20", "--timeout", "5s", code=4)
    assert f"warning: {said}" in late.err
    assert "Unschedulable" in late.err.splitlines()[-1]


@pytest.mark.skipif("E2E_KUBECONFIG" not in os.environ, reason="localcluster has no RBAC")
def test_an_account_with_few_permissions_learns_what_it_lacks(stable: Namespace, manifests: Path) -> None:
    stable.kubectl("apply", "-f", str(ROOT / "pipeline/rbac.yml"))

    checks = doctor(log_in(stable, DEPLOY), f"{manifests}/", "--image", "sampleapp:20", code=3)

    rights = {one["text"].split(":")[0]: one for one in checks if one["subject"] == "permissions"}
    assert rights["permissions to deploy, watch, reject"]["outcome"] == "ok", rights
    assert rights["permissions to promote"]["outcome"] == "warning"
    assert "which may be intended" in rights["permissions to promote"]["text"]
    assert "patch/update/delete deployments.apps sampleapp" in rights["permissions to promote"]["text"]
    assert (
        rights["permissions to read metrics"]["outcome"],
        "get pods/proxy" in rights["permissions to read metrics"]["text"],
    ) == (
        "failed",
        True,
    )
    [metrics] = [one for one in checks if one["subject"] == "metrics"]
    assert metrics["outcome"] == "failed"
    assert "--prometheus" in metrics["advice"]
