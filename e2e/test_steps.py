"""A release in steps that is killed continues with real requests."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from e2e.cluster import Namespace
from e2e.documented_commands import type_lines, typed
from e2e.polling import poll
from e2e.traffic import Traffic

STEP = "canary-lab/step"


def at(namespace: Namespace) -> tuple[str, int]:
    """Return the canary's step and its replicas."""
    canary = namespace.get("deployment", "sampleapp-canary")
    assert canary is not None
    return canary["metadata"]["annotations"][STEP], canary["spec"]["replicas"]


def test_a_killed_release_continues_at_its_step(stable: Namespace, manifests: Path) -> None:
    assert manifests == stable.folder / "manifests"
    (stable.folder / "canary.yml").write_text(json.dumps({"warm-up": "1s", "min-duration": "4s", "interval": "500ms"}))
    two_pods = {"10,25,50": "50,100"}
    with Traffic(stable) as traffic:
        with typed(stable, "steps-and-metrics.md", "--steps", folder=stable.folder, change=two_pods) as driver:
            poll("the canary has grown", lambda: (stable.images("sampleapp-canary") and at(stable)) == ("100", 2))
            driver.send_signal(signal.SIGKILL)
        release = ("release", "manifests/", "--image", "sampleapp:20", "--steps", "50,100", "--tolerance", "0.05")
        result = stable.canary(*release, "--gate", "auto", "--min-duration", "3s", "--output", "json")
        doctor = type_lines(stable, "steps-and-metrics.md", "canary doctor", folder=stable.folder)

    assert "step 2 of 2 (100 %), " in result.err
    assert "step 1 of 2" not in result.err
    assert result.json()["verdict"]["decision"] == "PROMOTE"
    assert stable.images("sampleapp") == ["sampleapp:20"]
    assert stable.images("sampleapp-canary") is None
    assert set(traffic.answers) <= {200, 500}
    assert not traffic.errors
    assert "releases are possible here" in doctor
