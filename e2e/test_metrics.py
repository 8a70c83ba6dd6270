"""Metrics from real pods: a worse one rejects the release, and a misspelt one decides nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.cluster import Namespace
from e2e.traffic import Traffic


def test_the_worse_of_several_metrics_rejects_and_is_named(namespace: Namespace, manifests: Path) -> None:
    namespace.canary("apply", str(manifests), "--image", "sampleapp:20")
    with Traffic(namespace):
        result = namespace.canary(
            "release", str(manifests), "--image", "sampleapp:5", "--percentage", "100", "--gate", "auto",
            "--metric", 'answered=requests_total{custom_status=~"good|bad"},requests_total,0.01',
            "--metric", 'good=requests_total{custom_status="good"},requests_total,0.05',
            "--latency-objective", "1s", "--latency-tolerance", "0.5", "--warm-up", "1s", "--min-duration", "3s",
            "--interval", "500ms", "--output", "json", code=1,
        )  # fmt: skip

    verdict = result.json()["verdict"]
    found = {one["metric"]: one for one in verdict["comparisons"]}
    assert set(found) == {"answered", "good", "latency"}
    assert found["good"]["decision"] == "REJECT"
    assert found["answered"]["share"] == {"baseline": 1.0, "canary": 1.0}
    assert verdict["sentence"].startswith("good: canary ")
    assert found["good"]["reject_alpha"] == pytest.approx(0.05 / 10 / 3)
    assert namespace.images("sampleapp") == ["sampleapp:20"]


def test_a_misspelt_selector_promotes_nothing_and_the_error_suggests_the_right_value(
    stable: Namespace, manifests: Path
) -> None:
    good = 'requests_total{custom_status="gut"}'
    with Traffic(stable):
        result = stable.canary(
            "release", str(manifests), "--image", "sampleapp:5", "--percentage", "100", "--gate", "auto",
            "--tolerance", "0.05", "--good", good, "--warm-up", "1s", "--min-duration", "3s", code=2,
        )  # fmt: skip

    assert f'has custom_status="gut" (in {good}, the selector for good requests)' in result.err
    assert 'Did you mean "good"? The values of custom_status are "good", "bad"' in result.err
    assert stable.images("sampleapp") == ["sampleapp:10"]
