"""A promote never breaks a Service for its clients."""

from __future__ import annotations

from pathlib import Path

import yaml

from e2e.cluster import Namespace
from e2e.polling import poll
from e2e.traffic import Traffic


def test_a_service_that_matches_no_pod_is_refused_without_effect_on_clients(stable: Namespace, manifests: Path) -> None:
    file = manifests / "service.yml"
    service = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump(service | {"spec": service["spec"] | {"selector": {"app": "samplapp"}}}))
    release = (str(manifests), "--image", "sampleapp:20")
    says = "promote would cut Service sampleapp off from sampleapp, to which it leads today: its selector would be "

    with Traffic(stable) as traffic:
        poll("requests are answered", lambda: traffic.answers.total() > 10)
        assert says in stable.canary("deploy", *release, code=2).err
        assert stable.images("sampleapp-canary") is None
        assert says in stable.canary("promote", *release, "--unproven", code=2).err
        before = traffic.answers.total()
        poll("requests are still answered", lambda: traffic.answers.total() > before + 10)

        file.write_text(yaml.safe_dump(service))
        stable.canary("promote", *release, "--unproven")
        promoted = traffic.answers.total()
        poll("requests are answered by the new pods", lambda: traffic.answers.total() > promoted + 10)

    assert stable.images("sampleapp") == ["sampleapp:20"]
    assert set(traffic.answers) <= {200, 500}, "503 is what a Service without endpoints answers"
    assert not traffic.errors


def test_a_dropped_label_that_a_service_needs_is_refused(stable: Namespace, manifests: Path) -> None:
    file = manifests / "deployment.yml"
    without = yaml.safe_load(file.read_text())
    labelled = yaml.safe_load(file.read_text())
    labelled["spec"]["template"]["metadata"]["labels"]["tier"] = "web"
    file.write_text(yaml.safe_dump(labelled))
    stable.canary("apply", str(manifests), "--image", "sampleapp:10")
    port = {"name": "http", "port": 80, "targetPort": "http"}
    spec = {"selector": {"tier": "web"}, "ports": [port]}
    stable.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec})

    file.write_text(yaml.safe_dump(without))
    refused = stable.canary("deploy", str(manifests), "--image", "sampleapp:20", code=2).err
    assert "promote would cut Service web off from sampleapp" in refused
    assert stable.images("sampleapp-canary") is None
