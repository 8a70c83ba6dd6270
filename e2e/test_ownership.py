"""Whichever tool made stable, fields that a new version drops are gone after promote."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.cluster import Namespace

Object = dict[str, Any]
Maker = Callable[[Namespace, Object], None]


def by_kubectl(namespace: Namespace, deployment: Object) -> None:
    """Create it with kubectl apply, as a person does."""
    namespace.apply(deployment)


def by_the_task(namespace: Namespace, deployment: Object) -> None:
    """Create it with the kubectl commands of the pipelines' deploy steps: apply, image, annotations, labels."""
    deployment = copy.deepcopy(deployment)
    image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "sampleapp:5"
    namespace.apply(deployment)
    target = "deployment/sampleapp"
    namespace.kubectl("set", "image", target, f"sampleapp={image}")
    namespace.kubectl("annotate", target, "azure-pipelines/run=7", "azure-pipelines/pipeline=release", "--overwrite")
    namespace.kubectl("label", target, "workflow=release", "--overwrite")


def by_helm_3(namespace: Namespace, deployment: Object) -> None:
    """Create it as Helm 3 does: a POST, then strategic merge patches, all with manager helm."""
    old = copy.deepcopy(deployment)
    (changed,) = (c for c in old["spec"]["template"]["spec"]["containers"] if c["name"] == "sampleapp")
    variables = changed.pop("env")
    namespace.kubectl("create", "--field-manager=helm", "-f", "-", stdin=yaml.safe_dump(old))
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "sampleapp", "env": variables}]}}}}
    namespace.kubectl("patch", "deployment", "sampleapp", "--field-manager=helm", "-p", json.dumps(patch))


def by_helm_4(namespace: Namespace, deployment: Object) -> None:
    """Create it as Helm 4 does: server-side apply with manager helm."""
    namespace.kubectl("apply", "--server-side", "--field-manager=helm", "-f", "-", stdin=yaml.safe_dump(deployment))


def with_variable_and_sidecar(sample: Object) -> Object:
    """Return an older version of the sample's Deployment."""
    old = copy.deepcopy(sample)
    old["spec"]["replicas"] = 1
    pod = old["spec"]["template"]["spec"]
    app = pod["containers"][0]
    app["image"] = "sampleapp:10"
    app["env"] = [{"name": "DROPPED", "value": "yes"}]
    sidecar = {key: app[key] for key in ("image", "securityContext")} | {"name": "sidecar"}
    sidecar["env"] = [{"name": "PORT", "value": "8081"}, {"name": "METRICS_PORT", "value": "8001"}]
    pod["containers"].append(sidecar)
    return old


@pytest.mark.parametrize("make", [by_kubectl, by_the_task, by_helm_3, by_helm_4])
def test_a_dropped_variable_and_sidecar_are_gone_after_promote(
    namespace: Namespace, manifests: Path, sample: dict[str, Object], make: Maker
) -> None:
    new = copy.deepcopy(sample["Deployment"])
    new["spec"]["replicas"] = 1
    (manifests / "deployment.yml").write_text(yaml.safe_dump(new))
    namespace.apply(sample["Service"])
    make(namespace, with_variable_and_sidecar(sample["Deployment"]))
    namespace.kubectl("rollout", "status", "deployment/sampleapp", "--timeout=120s")

    release = (str(manifests), "--image", "sampleapp:20")
    namespace.canary("deploy", *release, "--percentage", "50")
    namespace.canary("promote", *release)

    (live,) = containers(namespace)
    assert live["name"] == "sampleapp"
    assert live["image"] == "sampleapp:20"
    assert "env" not in live

    # and what the promote wrote, a later kubectl apply removes when its manifest no longer says it
    nxt = copy.deepcopy(new)
    (container,) = nxt["spec"]["template"]["spec"]["containers"]
    del container["livenessProbe"], container["resources"]["limits"]["cpu"]
    container["image"] = "sampleapp:20"
    namespace.apply(nxt)
    (live,) = containers(namespace)
    assert live["image"] == "sampleapp:20"
    assert "livenessProbe" not in live
    assert live["resources"]["limits"] == {"memory": container["resources"]["limits"]["memory"]}
    assert live["readinessProbe"]["httpGet"]["path"] == container["readinessProbe"]["httpGet"]["path"]


def containers(namespace: Namespace) -> list[Object]:
    """Return the containers of stable's template."""
    deployment = namespace.get("deployment", "sampleapp") or {}
    found: list[Object] = deployment["spec"]["template"]["spec"]["containers"]
    return found
