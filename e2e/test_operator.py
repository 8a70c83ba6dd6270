"""misc/service-monitor.yml with the Prometheus operator: Prometheus finds, scrapes and counts the app.

The workflow's job `monitoring` installs the operator with Helm. This test is for machines that cannot pull images.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from e2e.cluster import ROOT, Namespace
from e2e.polling import poll
from e2e.prometheus import Prometheus, counted_by_pods
from e2e.traffic import Traffic

CRDS = os.environ.get("E2E_OPERATOR_CRDS")
MONITOR = ROOT / "misc/service-monitor.yml"

pytestmark = [
    pytest.mark.skipif(CRDS is None, reason="needs the Prometheus operator's images and CRDs: make e2e OFFLINE=1"),
    pytest.mark.timeout(600),  # three rollouts, each with a limit of its own
]


@pytest.fixture(scope="module")
def operator(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Install the operator and its kinds. They stay, like monitoring/prometheus."""
    own = Namespace("prometheus-operator", kubeconfig, tmp_path_factory.mktemp("operator"))
    # Server-side: the CRDs are larger than the annotation in which kubectl would keep them.
    own.kubectl("apply", "--server-side", "-f", str(CRDS))
    own.kubectl("wait", "--for=condition=Established", "-f", str(CRDS), "--timeout=120s")
    own.kubectl("apply", "-f", str(ROOT / "e2e/operator/operator.yml"))
    own.kubectl("rollout", "status", "deployment/operator", "--timeout=170s")


def install_prometheus(namespace: Namespace) -> Prometheus:
    """Let the operator create a Prometheus in a namespace. Its first configuration has the existing monitors.

    Later ones wait for the kubelet to renew the Secret in the pod, and for the reloader to look: minutes.
    """
    namespace.kubectl("apply", "-f", str(ROOT / "e2e/operator/prometheus.yml"))
    poll("the operator has made the Prometheus", lambda: namespace.get("statefulset", "prometheus-sampleapp"), 120)
    namespace.kubectl("rollout", "status", "statefulset/prometheus-sampleapp", "--timeout=170s")
    return Prometheus(namespace, "prometheus-operated:9090")


@pytest.mark.usefixtures("operator")
def test_the_operators_prometheus_scrapes_every_variant_that_the_service_monitor_names(
    stable: Namespace, manifests: Path
) -> None:
    stranger = yaml.safe_load(MONITOR.read_text())
    stranger["metadata"] = {"name": "stranger", "labels": {"release": "other"}}
    stable.apply(stranger)
    stable.kubectl("apply", "-f", str(MONITOR))
    prometheus = install_prometheus(stable)
    stable.canary("deploy", str(manifests), "--image", "sampleapp:20", "--percentage", "100")
    variants = ("sampleapp", "sampleapp-baseline", "sampleapp-canary")
    pods = {p["metadata"]["name"]: variant for variant in variants for p in stable.pods_of(variant)}
    assert set(pods.values()) == set(variants)

    def up() -> bool:
        """Whether each pod is a target once, of this monitor alone, and answers."""
        targets = [
            (t["scrapePool"], t["labels"]["pod"], t["health"])
            for t in prometheus.get("targets?state=active")["activeTargets"]
        ]
        return sorted(targets) == sorted((f"serviceMonitor/{stable.name}/sampleapp/0", pod, "up") for pod in pods)

    poll("every pod is a target that is up", up, 300)
    with Traffic(stable) as traffic:
        poll(
            "each pod has answered",
            lambda: {pod for (pod, _), n in counted_by_pods(stable).items() if n} == pods.keys(),
        )
    assert set(traffic.answers) <= {200, 500}
    assert not traffic.errors
    counts = counted_by_pods(stable)
    assert sum(counts.values()) == traffic.answers.total()
    poll("Prometheus has what the pods counted", lambda: prometheus.counted(stable) == counts)
