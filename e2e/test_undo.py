"""Promotes that a real cluster refuses are undone, with the cluster's own reason."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from e2e.cluster import Namespace
from e2e.configuration import state
from e2e.polling import poll

MISSING = ("--image", "sampleapp:missing", "--unproven", "--timeout", "12s")


@pytest.fixture
def configured(configured: Namespace, manifests: Path) -> Namespace:
    """Add another Service to the manifests."""
    service = yaml.safe_load((manifests / "service.yml").read_text())
    service["spec"]["ports"][0]["targetPort"] = 8081
    (manifests / "service.yml").write_text(yaml.safe_dump(service))
    return configured


def leftovers(namespace: Namespace) -> list[str]:
    names = namespace.kubectl("get", "cm,secret,lease", "-o", "name").split()
    return [name for name in names if name.endswith(("-before", "-canary"))]


def test_configuration_and_held_objects_are_back_as_they_were(configured: Namespace, manifests: Path) -> None:
    was = state(configured)
    told = configured.canary("promote", str(manifests), *MISSING, code=5).err
    assert "promote failed and was undone: Deployment sampleapp: " in told
    assert "configured ConfigMap settings: as it was before" in told
    assert state(configured) == was
    assert leftovers(configured) == []


def test_another_driver_finishes_the_undo_of_a_killed_one(configured: Namespace, manifests: Path) -> None:
    was = state(configured)
    driver = configured.start("promote", str(manifests), *MISSING)
    assert driver.stderr is not None
    try:
        for line in driver.stderr:
            if "as it was before" in line:
                break
    finally:
        driver.kill()
        driver.communicate(timeout=60)
    # It may have finished: then the next fails for the same reason, and takes that back, too.
    told = configured.canary("promote", str(manifests), *MISSING, code=5).err
    assert "promote failed and was undone: Deployment sampleapp: " in told
    assert state(configured) == was
    assert leftovers(configured) == []


def test_an_unfinished_undo_is_shown_and_finished(configured: Namespace, manifests: Path) -> None:
    """The state that a driver leaves if it is killed after it recorded the undo and before it started it."""
    driver = configured.start("promote", str(manifests), *MISSING, "--timeout", "10m")
    try:
        poll("stable's new pods come", lambda: configured.images("sampleapp") == ["sampleapp:missing"], 120)
    finally:
        driver.kill()
        driver.communicate(timeout=60)
    configured.kubectl("annotate", "configmap/sampleapp-before", "canary-lab/undoing=the pods did not get ready")

    assert "finish the undo of a promote that failed (the pods" in configured.canary("status", "sampleapp").out
    refused = configured.canary("deploy", str(manifests), "--image", "sampleapp:20", code=2).err
    assert "canary rollback sampleapp" in refused
    told = configured.canary("promote", str(manifests), "--image", "sampleapp:20", code=5).err
    assert "promote failed and was undone: the pods did not get ready" in told
    assert configured.images("sampleapp") == ["sampleapp:10"]
    assert leftovers(configured) == []


def test_a_first_release_that_does_not_start_leaves_nothing(namespace: Namespace, manifests: Path) -> None:
    namespace.canary("promote", str(manifests), *MISSING, code=5)
    assert namespace.list("deployments") == []
    assert namespace.get("service", "sampleapp") is None
    assert leftovers(namespace) == []


def serves(namespace: Namespace, kind: str) -> bool:
    return kind in namespace.kubectl("api-resources", "-o", "name").split()


def test_the_reason_names_an_exceeded_quota(stable: Namespace, manifests: Path) -> None:
    if not serves(stable, "resourcequotas"):
        pytest.skip("the cluster enforces no quotas")
    stable.canary("deploy", str(manifests), "--image", "sampleapp:20", "--percentage", "50")
    used = len(stable.list("pods"))
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}, "spec": {"hard": {"pods": used}}}
    stable.apply(quota)
    poll("the quota counts", lambda: ((stable.get("resourcequota", "few") or {}).get("status") or {}).get("used"))
    was = state(stable)
    told = stable.canary("promote", str(manifests), "--image", "sampleapp:20", "--timeout", "12s", code=5).err
    assert "promote failed and was undone: " in told
    assert "exceeded quota: few" in told
    assert state(stable) == was
    assert len(stable.pods_of("sampleapp")) == 2


def test_the_reason_names_an_admission_policy_that_refuses_a_write(configured: Namespace, manifests: Path) -> None:
    if not serves(configured, "validatingadmissionpolicies.admissionregistration.k8s.io"):
        pytest.skip("the cluster has no admission policies")
    release = (str(manifests), "--image", "sampleapp:20")
    configured.canary("deploy", *release, "--percentage", "50")
    was = state(configured)
    with refused_by_policy(configured, "sampleapp:20"):
        told = configured.canary("promote", *release, code=5).err
    assert "promote failed and was undone: " in told
    assert "not on a Friday" in told
    assert state(configured) == was
    assert configured.images("sampleapp-canary") == ["sampleapp:20"]
    assert leftovers(configured) == ["lease.coordination.k8s.io/sampleapp-canary"]  # of the release, which goes on


@contextmanager
def refused_by_policy(namespace: Namespace, image: str) -> Iterator[None]:
    """Let the API server refuse every update of a Deployment to an image, except in dry runs."""
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["deployments"]}
    says = f"request.dryRun || object.spec.template.spec.containers.all(one, one.image != '{image}')"
    where = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace.name}}}
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": namespace.name},
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": says, "message": "not on a Friday"}],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": namespace.name},
        "spec": {"policyName": namespace.name, "validationActions": ["Deny"], "matchResources": where},
    }

    def in_force() -> bool:
        probe = ("annotate", "--overwrite", "deployment/sampleapp-canary", f"probe={time.monotonic()}")
        return not namespace.kubectl(*probe, check=False)

    try:
        namespace.apply(policy, binding)
        poll("the policy is in force", in_force)
        yield
    finally:
        namespace.kubectl("delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", namespace.name)
