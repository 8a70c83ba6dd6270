"""Monitoring: every supported Prometheus finds the app, and Grafana shows the data behind the verdict."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from canary.notifications.grafana import TAG

ROOT = Path(__file__).parent.parent
POD = yaml.safe_load((ROOT / "manifests/deployment.yml").read_text())["spec"]["template"]
DASHBOARD = json.loads((ROOT / "monitoring/grafana/sampleapp.json").read_text())


def read(path: str) -> dict[str, Any]:
    """Return the one object of a file."""
    found: dict[str, Any] = yaml.safe_load((ROOT / path).read_text())
    return found


# The fields in the services' published definitions; both services refuse others.
@pytest.mark.parametrize(
    ("path", "kind", "endpoints", "known"),
    [
        (
            "monitoring/aks/pod-monitor.yml",
            "azmonitoring.coreos.com/v1 PodMonitor",
            "podMetricsEndpoints",
            {"selector", "labelLimit", "labelNameLengthLimit", "labelValueLengthLimit"},
        ),
        ("monitoring/gke/pod-monitoring.yml", "monitoring.googleapis.com/v1 PodMonitoring", "endpoints", {"selector"}),
    ],
    ids=["AKS", "GKE"],
)
def test_managed_prometheus_resources_scrape_the_metrics_port_of_all_variants(
    path: str, kind: str, endpoints: str, known: set[str]
) -> None:
    monitor = read(path)
    assert f"{monitor['apiVersion']} {monitor['kind']}" == kind
    assert "namespace" not in monitor["metadata"]
    assert monitor["spec"].keys() == known | {endpoints}
    assert monitor["spec"]["selector"] == {"matchLabels": {"app": "sampleapp"}}
    assert POD["metadata"]["labels"]["app"] == "sampleapp"
    assert monitor["spec"][endpoints] == [{"port": "metrics", "interval": "5s"}]
    assert "metrics" in {port["name"] for port in POD["spec"]["containers"][0]["ports"]}


def expressions() -> list[str]:
    """Return the dashboard's queries."""
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def test_the_dashboard_begins_with_the_titles_and_queries_of_the_how_to() -> None:
    titles = [panel["title"] for panel in DASHBOARD["panels"]]
    assert titles[:2] == ["All sampleapp pods", "sampleapp baseline and canary"]
    assert expressions()[:2] == [
        'rate(requests_total{pod=~"sampleapp-.*", custom_status="good"}[1m])',
        'rate(requests_total{pod=~"sampleapp-baseline-.*|sampleapp-canary-.*", custom_status="good"}[1m])',
    ]


@pytest.mark.parametrize("title", ["Share of good answers", "Requests per second", "Response time, 95th percentile"])
def test_a_panel_shows_all_variants_on_one_axis_in_lines_that_need_no_colour(title: str) -> None:
    (panel,) = (one for one in DASHBOARD["panels"] if one["title"] == title)
    fields = panel["fieldConfig"]
    variants = {"stable", "baseline", "canary"}
    assert {target["legendFormat"] for target in panel["targets"]} == variants
    assert fields["defaults"]["custom"]["axisPlacement"] == "left"
    set_for = {
        one["matcher"]["options"]: {each["id"]: each["value"] for each in one["properties"]}
        for one in fields["overrides"]
    }
    assert set_for.keys() == variants
    assert all(sorted(own) == ["color", "custom.lineStyle"] for own in set_for.values())
    assert len({own["custom.lineStyle"]["fill"] for own in set_for.values()}) == len(variants)


def test_the_dashboard_uses_metrics_that_the_app_has() -> None:
    source = (ROOT / "app/app.py").read_text()
    names = {name for query in expressions() for name in re.findall(r"rate\((\w+)\{", query)}
    assert names == {"requests_total", "request_duration_seconds_bucket"}
    assert all(f'"{name.removesuffix("_bucket")}"' in source for name in names)


def test_a_pod_that_is_scraped_twice_counts_once_in_sums() -> None:
    sums = [query for query in expressions() if "sum" in query]
    assert len(sums) == 10
    for query in sums:
        assert query.count("rate(") == query.count("max by (namespace, pod")


def test_the_dashboard_shows_the_annotations_of_releases_by_their_tag() -> None:
    (query,) = DASHBOARD["annotations"]["list"]
    assert query["enable"]
    assert query["datasource"] == {"type": "grafana", "uid": "-- Grafana --"}
    assert (query["target"]["type"], query["target"]["tags"]) == ("tags", [TAG])


def test_grafanas_sidecar_finds_the_dashboard_by_the_label_in_the_chart_values() -> None:
    (generator,) = read("monitoring/grafana/kustomization.yaml")["configMapGenerator"]
    sidecar = read("monitoring/kube-prometheus-stack.values.yaml")["grafana"]["sidecar"]["dashboards"]
    assert generator["options"]["labels"] == {sidecar["label"]: sidecar["labelValue"]}
    assert generator["files"] == ["sampleapp.json"]


def test_the_chart_is_pinned_and_its_release_has_the_name_that_the_monitor_expects() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^CHART := \d+\.\d+\.\d+$", makefile, re.MULTILINE)
    (release,) = re.findall(r"helm upgrade --install (\S+) kube-prometheus-stack", makefile)
    assert read("misc/service-monitor.yml")["metadata"]["labels"]["release"] == release
