"""Warnings, which kubectl prints, about fields that localcluster accepts but does not act on."""

from __future__ import annotations

import pathlib
import subprocess
from typing import Any

import yaml

from tests.localcluster.cluster import BIN, Namespace
from tests.localcluster.objects import container, deployment, pod, service

ROOT = pathlib.Path(__file__).parents[3]
IGNORED = "Warning: localcluster does not act on"


def warnings(namespace: Namespace, *arguments: str, stdin: str | None = None) -> list[str]:
    """Return the warnings of a successful kubectl command."""
    command = [str(BIN / "kubectl"), "--kubeconfig", namespace.cluster.kubeconfig, "-n", namespace.name, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, input=stdin, check=False)
    assert done.returncode == 0, done.stderr
    return [line for line in done.stderr.splitlines() if line.startswith("Warning")]


def applied(namespace: Namespace, *objects: dict[str, Any], how: tuple[str, ...] = ()) -> list[str]:
    return warnings(namespace, "apply", *how, "-f", "-", stdin=yaml.safe_dump_all(objects))


def test_one_warning_per_object_names_the_fields_without_effect(namespace: Namespace) -> None:
    node: dict[str, Any] = {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": []}]}
    }
    mounts = [{"name": "data", "mountPath": "/data", "subPathExpr": "$(HOSTNAME)", "readOnly": True}]
    limits = {"limits": {"memory": "1Gi"}, "requests": {"cpu": "1", "nvidia.com/gpu": "1"}}
    asks_for_much = deployment(
        replicas=0,
        pod={
            "containers": [container(volumeMounts=mounts, resources=limits)],
            "affinity": {"nodeAffinity": node},
            "tolerations": [{"operator": "Exists"}],
            "volumes": [{"name": "data", "emptyDir": {"sizeLimit": "1Gi"}}],
            "activeDeadlineSeconds": 60,
        },
    )
    expected = ", ".join(
        f"spec.template.spec.{field}"
        for field in (
            "activeDeadlineSeconds",
            "affinity.nodeAffinity",
            "volumes[*].emptyDir.sizeLimit",
            "tolerations",
            "containers[*].resources.limits",
            "containers[*].volumeMounts[*].readOnly",
            "containers[*].volumeMounts[*].subPathExpr",
            "containers[*].resources.requests[nvidia.com/gpu]",
        )
    )
    assert applied(namespace, asks_for_much) == [f"{IGNORED} {expected}"]
    assert warnings(namespace, "set", "image", "deploy/web", "web=web:2") == []  # nothing new
    asks_for_much["spec"]["template"]["spec"]["hostNetwork"] = True
    assert applied(namespace, asks_for_much) == [f"{IGNORED} spec.template.spec.hostNetwork"]
    asks_for_much["metadata"]["name"] = "other"
    (said,) = applied(namespace, asks_for_much, how=("--server-side",))
    assert said == f"{IGNORED} {expected.replace('volumes', 'hostNetwork, spec.template.spec.volumes', 1)}"


def test_warnings_name_the_fields_of_services_nodes_and_namespaces_without_effect(namespace: Namespace) -> None:
    udp = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "http", "port": 8080}]
    said = applied(namespace, service(sessionAffinity="ClientIP", ports=udp))
    assert said == [f"{IGNORED} spec.sessionAffinity, spec.ports[*].protocol UDP"]
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace.name}}
    label = "pod-security.kubernetes.io/enforce"
    space["metadata"] |= {"labels": {label: "restricted"}}  # type: ignore[operator]
    assert f"{IGNORED} metadata.labels[{label}]" in applied(namespace, space)
    tainted = warnings(namespace, "taint", "node", "localcluster", "a=b:NoSchedule", "--dry-run=server")
    assert tainted == [f"{IGNORED} spec.taints"]


def test_a_kind_that_is_only_stored_gets_a_warning(namespace: Namespace) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}}
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "reader"}}
    budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"}}
    scaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    objects: list[dict[str, Any]] = [
        account,
        {**role, "rules": [rule]},
        {**budget, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}},
        {**scaler, "spec": {"maxReplicas": 3, "scaleTargetRef": target}},
    ]
    said = applied(namespace, *objects)
    kinds = ["HorizontalPodAutoscaler", "PodDisruptionBudget", "Role", "ServiceAccount"]
    assert sorted(said) == [f"Warning: localcluster only stores a {kind}: it does not act on it" for kind in kinds]
    assert warnings(namespace, "label", "role", "reader", "team=blue") == []


def test_fields_with_effect_get_no_warning(namespace: Namespace) -> None:
    plain = pod("plain", serviceAccountName="default", nodeSelector={"kubernetes.io/hostname": "elsewhere"})
    assert applied(namespace, deployment(replicas=0), service(), plain) == []


def test_the_manifests_of_the_sample_app_get_one_warning(namespace: Namespace) -> None:
    said = warnings(namespace, "apply", "--dry-run=server", "-f", str(ROOT / "manifests"))
    pod_spec = "spec.template.spec"
    fields = ["securityContext", "containers[*].resources.limits", "containers[*].securityContext"]
    assert said == [f"{IGNORED} {', '.join(f'{pod_spec}.{field}' for field in fields)}"]
