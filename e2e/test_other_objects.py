"""Changes to other objects reach stable only at promote, and the canary before that."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.cluster import Namespace
from e2e.polling import poll
from e2e.traffic import Traffic

Object = dict[str, Any]
HALF = ("--percentage", "50")


def settings(rate: str, **more: str) -> Object:
    data = {"SUCCESS_RATE": rate, **more}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": data}


def write(manifests: Path, *objects: Object) -> None:
    for obj in objects:
        (manifests / f"{obj['kind'].lower()}.yml").write_text(yaml.safe_dump(obj, sort_keys=False))


def read(manifests: Path, kind: str) -> Object:
    obj: Object = yaml.safe_load((manifests / f"{kind}.yml").read_text())
    return obj


def get(namespace: Namespace, kind: str, name: str) -> Object:
    found = namespace.get(kind, name)
    assert found is not None, f"no {kind} {name}"
    return found


def state(namespace: Namespace, deployment: str) -> tuple[int, set[tuple[str, int]]]:
    """Return the values that change when a Deployment or its pods change."""
    pods = namespace.pods_of(deployment)
    restarts = {(pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["restartCount"]) for pod in pods}
    return get(namespace, "deployment", deployment)["metadata"]["generation"], restarts


def answers(namespace: Namespace, least: int = 60) -> set[int]:
    """Send requests to the Service and return the status codes."""
    with Traffic(namespace) as traffic:
        poll("requests are answered", lambda: traffic.answers.total() >= least)
    assert not traffic.errors
    return set(traffic.answers)


@pytest.fixture
def configured(namespace: Namespace, manifests: Path) -> Namespace:
    """Give a stable with its success rate in a ConfigMap."""
    deployment = read(manifests, "deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    container["envFrom"] = [{"configMapRef": {"name": "settings"}}]
    write(manifests, deployment, settings("10"))
    namespace.canary("apply", str(manifests), "--image", "sampleapp:10")
    return namespace


def test_a_broken_service_does_not_reach_clients_before_promote(stable: Namespace, manifests: Path) -> None:
    service = read(manifests, "service")
    service["spec"]["ports"][0]["targetPort"] = 9999
    write(manifests, service)

    told = stable.canary("deploy", str(manifests), "--image", "sampleapp:20", *HALF).err

    assert "Service sampleapp would change: held until promote" in told
    assert "-    targetPort: http" in told
    assert "+    targetPort: 9999" in told
    assert get(stable, "service", "sampleapp")["spec"]["ports"][0]["targetPort"] == "http"
    assert answers(stable) <= {200, 500}

    stable.canary("promote", str(manifests), "--image", "sampleapp:20")
    assert get(stable, "service", "sampleapp")["spec"]["ports"][0]["targetPort"] == 9999


def test_others_now_changes_the_service_at_deploy_as_the_task_does(stable: Namespace, manifests: Path) -> None:
    service = read(manifests, "service")
    service["metadata"]["labels"] = {"app": "sampleapp", "tier": "front"}
    write(manifests, service)
    told = stable.canary("deploy", str(manifests), "--image", "sampleapp:20", *HALF, "--others", "now").err
    assert "warning: Service sampleapp changes now, also for stable and baseline" in told
    assert get(stable, "service", "sampleapp")["metadata"]["labels"]["tier"] == "front"


def test_a_broken_configuration_reaches_neither_stable_nor_baseline(configured: Namespace, manifests: Path) -> None:
    before = get(configured, "configmap", "settings")["metadata"]["resourceVersion"]
    stable = state(configured, "sampleapp")
    write(manifests, settings("abc"))

    told = configured.canary("deploy", str(manifests), "--image", "sampleapp:20", *HALF, "--timeout", "20s", code=4).err

    assert "ConfigMap settings would change: held until promote; only the canary gets it, as settings-canary" in told
    assert "SUCCESS_RATE" in told.splitlines()[-1]  # the app's own last words, in the reason
    assert get(configured, "configmap", "settings-canary")["data"] == {"SUCCESS_RATE": "abc"}
    assert get(configured, "configmap", "settings")["metadata"]["resourceVersion"] == before
    assert state(configured, "sampleapp") == stable
    (restarts,) = (count for _, count in state(configured, "sampleapp-baseline")[1])
    assert restarts == 0
    assert answers(configured) <= {200, 500}

    configured.canary("reject", "sampleapp")
    poll("the copy goes with its canary", lambda: configured.get("configmap", "settings-canary") is None)
    assert get(configured, "configmap", "settings")["metadata"]["resourceVersion"] == before
    assert state(configured, "sampleapp") == stable


def test_the_copy_is_deleted_with_the_canary_by_any_tool(configured: Namespace, manifests: Path) -> None:
    write(manifests, settings("100"))
    configured.canary("deploy", str(manifests), "--image", "sampleapp:10", *HALF)
    assert configured.get("configmap", "settings-canary") is not None
    configured.kubectl("delete", "deployment", "sampleapp-canary")
    poll("the copy is collected", lambda: configured.get("configmap", "settings-canary") is None)
    assert get(configured, "configmap", "settings")["data"] == {"SUCCESS_RATE": "10"}


def test_a_good_configuration_is_promoted_and_restarts_the_pods_of_stable(
    configured: Namespace, manifests: Path
) -> None:
    write(manifests, settings("100"))
    configured.canary("deploy", str(manifests), "--image", "sampleapp:10", *HALF)
    assert 500 in answers(configured)  # stable and baseline answer as badly as before

    configured.canary("promote", str(manifests), "--image", "sampleapp:10")

    assert get(configured, "configmap", "settings")["data"] == {"SUCCESS_RATE": "100"}
    assert answers(configured) == {200}
    poll("no copy is left", lambda: configured.get("configmap", "settings-canary") is None)
    generation = get(configured, "deployment", "sampleapp")["metadata"]["generation"]
    configured.canary("promote", str(manifests), "--image", "sampleapp:10")
    assert get(configured, "deployment", "sampleapp")["metadata"]["generation"] == generation


def test_a_key_that_the_manifest_drops_disappears_for_the_canary_first(configured: Namespace, manifests: Path) -> None:
    configured.kubectl("delete", "configmap", "settings")
    configured.apply(settings("10", OLD="1"))
    configured.canary("deploy", str(manifests), "--image", "sampleapp:20", *HALF)
    assert get(configured, "configmap", "settings-canary")["data"] == {"SUCCESS_RATE": "10"}
    assert get(configured, "configmap", "settings")["data"] == {"SUCCESS_RATE": "10", "OLD": "1"}
    configured.canary("promote", str(manifests), "--image", "sampleapp:20")
    assert get(configured, "configmap", "settings")["data"] == {"SUCCESS_RATE": "10"}


def test_configuration_with_a_hashed_name_needs_no_copy(configured: Namespace, manifests: Path) -> None:
    (manifests / "configmap.yml").unlink()

    def kustomized(rate: str) -> str:
        kustomization = {
            "resources": ["deployment.yml", "service.yml"],
            "configMapGenerator": [{"name": "settings", "literals": [f"SUCCESS_RATE={rate}"]}],
            "generatorOptions": {"immutable": True},
        }
        (manifests / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        return configured.kubectl("kustomize", str(manifests))

    def referred(deployment: str) -> str:
        (container,) = get(configured, "deployment", deployment)["spec"]["template"]["spec"]["containers"]
        return str(container["envFrom"][0]["configMapRef"]["name"])

    configured.canary("apply", "-", "--image", "sampleapp:10", stdin=kustomized("10"))
    old, new = referred("sampleapp"), kustomized("100")
    configured.canary("deploy", "-", "--image", "sampleapp:10", *HALF, stdin=new)
    assert referred("sampleapp") == referred("sampleapp-baseline") == old
    fresh = referred("sampleapp-canary")
    assert fresh != old

    told = configured.canary("reject", "sampleapp").err
    assert f"ConfigMap/{fresh}" in told
    configured.canary("deploy", "-", "--image", "sampleapp:10", *HALF, stdin=new)
    configured.canary("promote", "-", "--image", "sampleapp:10", stdin=new)
    assert referred("sampleapp") == fresh
    assert answers(configured) == {200}


def test_immutable_configuration_with_new_content_is_refused(configured: Namespace, manifests: Path) -> None:
    configured.kubectl("delete", "configmap", "settings")
    configured.apply({**settings("10"), "immutable": True})
    write(manifests, {**settings("100"), "immutable": True})
    told = configured.canary("deploy", str(manifests), "--image", "sampleapp:20", *HALF, code=2).err
    assert "ConfigMap settings: it is immutable" in told
    assert configured.images("sampleapp-canary") is None


def test_a_changed_selector_is_refused_before_a_pod_starts(stable: Namespace, manifests: Path) -> None:
    deployment = read(manifests, "deployment")
    deployment["spec"]["selector"]["matchLabels"] = {"app": "other"}
    deployment["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    write(manifests, deployment)
    told = stable.canary("deploy", str(manifests), "--image", "sampleapp:20", *HALF, code=2).err
    assert "promote could not write Deployment sampleapp: its selector is" in told
    assert stable.images("sampleapp-canary") is None


@contextmanager
def policy(namespace: Namespace, expression: str, message: str) -> Iterator[str]:
    """Let an admission policy refuse some objects of the namespace while the block lasts. Give the policy's name."""
    name = f"canary-{namespace.name}"
    group, match = "admissionregistration.k8s.io/v1", {"kubernetes.io/metadata.name": namespace.name}
    rule = {"apiGroups": ["apps", ""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"]}
    constraints = {"resourceRules": [{**rule, "resources": ["deployments", "services"]}]}
    scope = {"namespaceSelector": {"matchLabels": match}}
    namespace.apply(
        {
            "apiVersion": group,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {**constraints, **scope},
                "validations": [{"expression": expression, "message": message}],
            },
        },
        {
            "apiVersion": group,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"], "matchResources": scope},
        },
    )
    try:
        yield name
    finally:
        for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
            namespace.kubectl("delete", kind, name, "--wait=false")


@pytest.mark.skipif("E2E_KUBECONFIG" not in os.environ, reason="localcluster has no admission")
@pytest.mark.parametrize("kind", ["deployment", "service"])
def test_a_refusal_by_an_admission_policy_is_found_before_a_pod_starts(
    stable: Namespace, manifests: Path, kind: str
) -> None:
    changed = copy.deepcopy(read(manifests, kind))
    changed["metadata"]["labels"] = {"app": "sampleapp", "day": "friday"}
    write(manifests, changed)
    forbidden = (
        "object.metadata.name != 'sampleapp' || !has(object.metadata.labels) || !('day' in object.metadata.labels)"
    )
    with policy(stable, forbidden, "not on a friday") as name:
        poll("the policy holds", lambda: "denied" in dry_run(stable, changed))
        told = stable.canary("deploy", str(manifests), "--image", "sampleapp:20", *HALF, code=2).err

    assert f"promote could not write {changed['kind']} sampleapp: " in told
    assert name in told
    assert "not on a friday" in told
    assert stable.images("sampleapp-canary") is None


def dry_run(namespace: Namespace, obj: Object) -> str:
    """Return the API server's error about an object, empty if it accepts it."""
    line = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-")
    try:
        namespace.kubectl(*line, stdin=yaml.safe_dump(obj))
    except AssertionError as error:
        return str(error)
    return ""


@pytest.mark.skipif("E2E_KUBECONFIG" not in os.environ, reason="localcluster's kubelet reads each object anew")
def test_a_node_keeps_the_old_content_of_an_immutable_name(namespace: Namespace) -> None:
    """A new object with the same name reaches only pods on other nodes, so stable's configuration would be unknown."""

    def value(pod: str) -> str:
        script = "import os, time; print(os.environ['SUCCESS_RATE'], flush=True); time.sleep(600)"
        container = {
            "name": "app",
            "image": "sampleapp:10",
            "command": ["python", "-c", script],
            "envFrom": [{"configMapRef": {"name": "settings"}}],
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
        security = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
        spec = {"terminationGracePeriodSeconds": 0, "securityContext": security, "containers": [container]}
        namespace.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod}, "spec": spec})
        namespace.kubectl("wait", f"pod/{pod}", "--for=condition=Ready", "--timeout=120s")
        return poll("the pod has spoken", lambda: namespace.kubectl("logs", pod).strip())

    namespace.apply({**settings("old"), "immutable": True})
    assert value("first") == "old"
    namespace.kubectl("delete", "configmap", "settings")
    namespace.apply({**settings("new"), "immutable": True})
    assert value("second") == "old"
