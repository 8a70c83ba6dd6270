"""What kubectl shows of a release."""

from __future__ import annotations

import getpass
import re
import socket
from pathlib import Path

from e2e.cluster import Namespace
from e2e.documented_commands import type_lines


def test_kubectl_shows_on_the_deployment_what_happened_in_a_release(stable: Namespace, manifests: Path) -> None:
    release = (str(manifests), "--image", "sampleapp:20")
    stable.canary("deploy", *release, "--percentage", "50")
    stable.canary("promote", *release)
    stable.canary("deploy", str(manifests), "--image", "sampleapp:5", "--percentage", "50")
    stable.canary("reject", "sampleapp", "--reason", "answers are slow")

    described = stable.kubectl("describe", "deployment", "sampleapp").split("\nEvents:", 1)[1]
    lines = [re.split(r"\s{2,}", line.strip()) for line in described.splitlines()]
    shown = [
        (kind, reason, source, message)
        for kind, reason, _, source, message in (line for line in lines if len(line) == 5)
    ]
    who = f"{getpass.getuser()}@{socket.gethostname()}"
    assert [one for one in shown if one[2] == "canary"] == [
        ("Normal", "CanaryDeployed", "canary", "deployed sampleapp-canary: it runs sampleapp:20"),
        ("Normal", "CanaryPromoted", "canary", f"promoted sampleapp: it now runs sampleapp:20 (decided by {who})"),
        ("Normal", "CanaryDeployed", "canary", "deployed sampleapp-canary: it runs sampleapp:5"),
        ("Warning", "CanaryRejected", "canary", f"rejected sampleapp: answers are slow (decided by {who})"),
    ]

    warnings = stable.kubectl("get", "events", "--field-selector", "reason=CanaryRejected", "--no-headers")
    assert re.fullmatch(r"\S+ +Warning +CanaryRejected +deployment/sampleapp +rejected sampleapp: .*\n", warnings)
    type_lines(stable, "notifications.md", "kubectl describe deployment", "kubectl get events")
    listed = stable.kubectl("events", "--for", "deployment/sampleapp", "--types", "Warning")
    assert "rejected sampleapp: answers are slow" in listed
