"""The pods of all variants have few permissions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from e2e.cluster import Namespace

PROBE = """
import errno, os
print("uid", os.getuid())
for folder in ("/app", "/tmp"):
    try:
        open(folder + "/file", "w")
    except OSError as error:
        print(folder, errno.errorcode[error.errno])
print([line.split()[1] for line in open("/proc/self/status") if line.startswith(("CapEff", "NoNewPrivs"))])
"""
BARE_POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "bare"},
    "spec": {"containers": [{"name": "bare", "image": "sampleapp:10"}]},
}


@pytest.fixture
def released(stable: Namespace, manifests: Path) -> Namespace:
    """Give a namespace with pods of all three variants."""
    stable.canary("deploy", str(manifests), "--image", "sampleapp:20", "--percentage", "50")
    return stable


def test_pods_meet_the_restricted_pod_security_standard(released: Namespace) -> None:
    pods = released.list("pods", "app=sampleapp")
    assert len(pods) == 4
    for pod in pods:
        container = pod["spec"]["containers"][0]["securityContext"]
        assert container["readOnlyRootFilesystem"] is True
        assert container["allowPrivilegeEscalation"] is False
        assert container["capabilities"]["drop"] == ["ALL"]
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        assert pod["spec"]["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"


@pytest.mark.skipif("E2E_KUBECONFIG" not in os.environ, reason="localcluster enforces no Pod Security and has no exec")
def test_a_running_pod_is_not_root_and_cannot_write(released: Namespace) -> None:
    with pytest.raises(AssertionError, match="violates PodSecurity"):  # so it is enforced here
        released.apply(BARE_POD)
    for pod in released.list("pods", "app=sampleapp"):
        seen = released.kubectl("exec", pod["metadata"]["name"], "--", "python3", "-c", PROBE)
        assert seen.splitlines() == [
            "uid 65532",
            "/app EROFS",
            "/tmp EROFS",
            "['0000000000000000', '1']",
        ]
