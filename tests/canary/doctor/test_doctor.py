"""`canary doctor` says what is in order, what to know, and what no release can be made with; it changes nothing."""

from __future__ import annotations

import time
from typing import Any

import pytest

from canary.doctor.check import CheckOutcome
from canary.doctor.connection import PrometheusService, Route, check_clock, check_proxies
from canary.errors import ClusterError, ForbiddenError
from canary.objects import Kind
from tests.canary.cluster_simulator import unready, waiting
from tests.canary.doctor_checks import WithoutRights, about, examined, outcomes
from tests.canary.story import WRITES, Faulty, Story, config_map, deployment, service


def orderly(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return a Deployment whose pods say when they are ready, and pause before they end."""
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    container["readinessProbe"] = {"httpGet": {"path": "/readyz", "port": "http"}}
    container["lifecycle"] = {"preStop": {"sleep": {"seconds": 5}}}
    return manifest


def test_where_all_is_well_every_line_says_so(story: Story) -> None:
    story.stable(service(), orderly(deployment("app:1")))
    checks = examined(story, "app")
    assert {one.outcome for one in checks if one.subject != "clock"} == {CheckOutcome.OK}
    assert [one.subject for one in checks] == [
        "proxy", "API server", "clock", "namespace", *["permissions"] * 5, "tolerance", "stable", "share", "images",
        "surroundings", "readiness", "shutdown", "metrics", "traffic",
    ]  # fmt: skip
    [(_, text)] = about(checks, "API server")
    assert "Kubernetes v1." in text
    assert "4 of 4 pods of app ready (app:1)" in about(checks, "stable")[0][1]
    assert "app: 4 of 4 pods have their images" in about(checks, "images")[0][1]
    assert "the canary gets about 25 % of requests, 2 of 8 pods, at 50 %" in about(checks, "share")[0][1]
    assert "app: stable 133.3 requests/s, over 3 s" in about(checks, "traffic")[0][1]


def test_nothing_is_changed(story: Story) -> None:
    def write(*_: Any, **__: Any) -> None:
        raise AssertionError("a write")

    story.stable(service(), deployment("app:1"))
    writes = dict.fromkeys(WRITES, write)
    assert examined(story, "app", cluster=Faulty(story.cluster, writes))


def test_an_empty_namespace_is_looked_at_as_far_as_it_goes(story: Story) -> None:
    checks = examined(story)
    assert outcomes(checks)["workloads"] == ["warning"]
    assert outcomes(checks)["permissions"] == ["ok"] * 5


def test_before_the_first_release_its_manifests_are_looked_at(story: Story) -> None:
    checks = examined(story, "app", manifests=[service(), deployment("app:1")])
    assert "no Deployment app yet" in about(checks, "stable")[0][1]
    assert outcomes(checks)["surroundings"] == ["ok"], "the Service of the manifests counts"
    assert "has no pods yet" in about(checks, "metrics")[0][1]


def test_a_namespace_that_is_not_there_is_all_there_is_to_say(story: Story) -> None:
    checks = examined(story, "app", cluster=story.simulator.cluster("nowhere"))
    assert about(checks, "namespace") == [("failed", "there is no namespace nowhere: create it, or pass --namespace")]
    assert checks[-1].subject == "namespace"


def test_a_cluster_that_does_not_answer_is_all_there_is_to_say(story: Story) -> None:
    def silent(*_: Any, **__: Any) -> None:
        raise ClusterError("cannot reach here: connection refused")

    checks = examined(story, "app", cluster=Faulty(story.cluster, {"server": silent}))
    assert outcomes(checks) == {"proxy": ["ok"], "API server": ["failed"]}


def test_a_missing_right_is_named_as_kubectl_takes_it_and_no_release_can_be_made(story: Story) -> None:
    cluster = WithoutRights(story, ("patch", "deployments", "-canary"), ("get", "pods/log", ""))
    [(outcome, text), *others] = about(examined(story, "app", cluster=cluster), "permissions")
    assert outcome == "failed"
    assert "to deploy, watch, reject: missing patch deployments.apps app-canary, get pods/log" in text
    assert "pipeline/rbac.yml" in text
    assert [one for one, _ in others] == ["ok"] * 4


def test_who_may_not_write_stable_may_be_meant_not_to_promote(story: Story) -> None:
    cluster = WithoutRights(story, ("patch", "deployments", "app"), ("create", "configmaps", ""))
    rights = about(examined(story, "app", cluster=cluster), "permissions")
    assert rights[1][0] == "warning"
    assert "this account cannot promote, which may be intended" in rights[1][1]


def test_who_may_write_stable_but_not_keep_what_was_before_is_not_meant(story: Story) -> None:
    rights = about(examined(story, "app", cluster=WithoutRights(story, ("create", "configmaps", ""))), "permissions")
    assert rights[1][0] == "failed"
    assert "create configmaps" in rights[1][1]


def test_what_would_warn_is_only_warned_of(story: Story) -> None:
    checks = examined(story, "app", cluster=WithoutRights(story, ("list", "poddisruptionbudgets", "")))
    assert [one for one, text in about(checks, "permissions") if "poddisruptionbudgets" in text] == ["warning"]


def test_the_permission_to_create_events_is_optional(story: Story) -> None:
    checks = examined(story, "app", cluster=WithoutRights(story, ("create", "events", "")))
    [(outcome, text)] = [one for one in about(checks, "permissions") if one[0] != "ok"]
    assert outcome == "warning"
    assert text == (
        "permissions to write Events: missing create events: kubectl describe deployment will not show the release: "
        "grant it, or do without it"
    )


def test_rights_are_asked_for_the_manifests_other_objects_by_their_names(story: Story) -> None:
    cluster = WithoutRights(story)
    examined(story, "app", cluster=cluster, manifests=[service("front"), deployment("app:2")])
    assert ("update", "services", "front", None) in cluster.asked
    assert ("patch", "deployments", "app", None) in cluster.asked
    assert ("patch", "deployments", "app-canary", None) in cluster.asked
    assert ("get", "pods/proxy", "", None) in cluster.asked


def test_configuration_takes_rights_for_its_copies_and_secrets_for_what_was_before(story: Story) -> None:
    cluster = WithoutRights(story)
    examined(story, "app", cluster=cluster, manifests=[config_map(), deployment("app:2")])
    assert {("get", "configmaps", "settings-canary", None), ("create", "configmaps", "", None)} <= set(cluster.asked)
    assert not any(resource == "secrets" for _, resource, _, _ in cluster.asked)
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}}
    examined(story, "app", cluster=cluster, manifests=[secret, deployment("app:2")])
    assert {("delete", "secrets", "key-canary", None), ("get", "secrets", "app-before", None)} <= set(cluster.asked)


def test_counts_from_prometheus_take_other_rights_in_its_namespace(story: Story) -> None:
    cluster = WithoutRights(story, ("get", "services/proxy", "prometheus:9090"))
    prometheus = PrometheusService("monitoring", "prometheus:9090")
    rights = about(examined(story, "app", cluster=cluster, direct=False, prometheus=prometheus), "permissions")
    assert ("get", "services/proxy", "prometheus:9090", "monitoring") in cluster.asked
    assert not any(resource == "pods/proxy" for _, resource, _, _ in cluster.asked)
    assert rights[-1][0] == "failed"
    assert "get services/proxy prometheus:9090" in rights[-1][1]
    assert "without --prometheus" in rights[-1][1]


def test_the_api_server_itself_is_asked_about_rights(story: Story) -> None:
    assert story.cluster.may("patch", "apps", "deployments/scale", "app-canary")
    assert story.cluster.plural(Kind("policy/v1", "PodDisruptionBudget")) == "poddisruptionbudgets"


@pytest.mark.parametrize(
    ("theirs", "ours", "outcome", "told"),
    [
        (1000.0, 1000.9, "ok", "agree"),
        (1000.0, 996.0, "ok", "agree"),
        (1000.0, 1012.5, "warning", "12 s ahead of"),
        (1000.0, 900.5, "warning", "100 s behind"),
        (None, 1000.0, "warning", "carry no time"),
    ],
)
def test_clocks_are_compared(theirs: float | None, ours: float, outcome: str, told: str) -> None:
    check = check_clock(theirs, ours)
    assert check.outcome == outcome
    assert told in check.text


def test_the_clock_is_the_one_of_the_answer(story: Story) -> None:
    assert about(examined(story), "clock")[0][0] == "warning", "the story plays in 2001"
    story.clock.time = time.time()
    assert about(examined(story), "clock")[0][0] == "ok"


@pytest.mark.parametrize(
    ("host", "proxy", "outcome"),
    [
        ("10.0.0.1", "", "ok"),
        ("10.0.0.1", "http://proxy:3128", "warning"),
        ("prometheus.monitoring.svc", "http://proxy:3128", "warning"),
        ("cluster.example.com", "http://proxy:3128", "ok"),
    ],
)
def test_a_proxy_on_the_way_is_named_and_one_that_leads_elsewhere_is_warned_of(
    host: str, proxy: str, outcome: str
) -> None:
    [check] = check_proxies([Route("Prometheus", host, proxy)])
    assert check.outcome == outcome
    assert proxy in check.text
    assert outcome == "ok" or f"add {host} to NO_PROXY" in check.advice


def test_a_stable_that_deploy_would_refuse_is_warned_of_with_the_reason(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    story.simulator.set_status(story.namespace, "app-", unready)
    story.simulator.warn(story.namespace, "app-", "FailedMount", "no such volume", times=1)
    story.simulator.settle()
    [(outcome, text)] = about(examined(story, "app"), "stable")
    assert (outcome, "no such volume" in text) == ("warning", True)


def test_images_that_do_not_come_are_named_and_secrets_that_are_not_there(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    story.simulator.script["app:2"] = waiting("ImagePullBackOff", "no such image")
    incoming = deployment("app:2")
    incoming["spec"]["template"]["spec"]["imagePullSecrets"] = [{"name": "registry"}]
    with pytest.raises(Exception, match="no such image"):
        story.release(service(), incoming).deploy()
    told = about(examined(story, "app"), "images")
    assert [outcome for outcome, _ in told] == ["warning"] * 3
    assert "ImagePullBackOff: no such image" in told[0][1]
    assert "Secret registry, which app needs to pull its images, does not exist" in told[2][1]


def test_an_image_without_a_tag_is_named(story: Story) -> None:
    story.stable(service(), deployment("app:1"))
    manifests = (service(), deployment("app"))
    told = about(examined(story, "app", manifests=manifests), "images")
    assert ("warning", True) in {(outcome, "app has no tag" in text) for outcome, text in told}


def test_a_secret_that_may_not_be_seen_is_no_trouble_but_said(story: Story) -> None:
    def may_not(kind: Kind, *_: Any) -> None:
        if kind.kind == "Secret":
            raise ForbiddenError("secrets is forbidden")

    one = deployment("app:1")
    one["spec"]["template"]["spec"]["imagePullSecrets"] = [{"name": "registry"}]
    story.stable(service(), one)
    [(outcome, text)] = about(examined(story, "app", cluster=Faulty(story.cluster, {"get": may_not})), "images")
    assert outcome == "ok"
    assert "Secret registry: not allowed to check" in text


def test_what_surrounds_a_workload_is_warned_of(story: Story) -> None:
    story.stable(deployment("app:1"))
    [(outcome, text)] = about(examined(story, "app"), "surroundings")
    assert (outcome, text[:10]) == ("warning", "no Service")


def test_a_workload_that_no_release_can_be_made_of_hides_nothing_of_the_others(story: Story) -> None:
    long = "a" * 60
    story.stable(deployment("app:1"), deployment("app:1", name=long))
    [(outcome, text)] = about(examined(story), "workload")
    assert (outcome, f"Deployment {long}: the name of its baseline" in text) == ("warning", True)
    assert {check.workload for check in examined(story)} >= {"app", long}
    assert [outcome for outcome, _ in about(examined(story, long), "workload")] == ["failed"]


def test_where_none_is_named_the_first_few_are_looked_at(story: Story) -> None:
    story.stable(service(), *(deployment(f"app:{n}", name=f"app-{n}", replicas=1) for n in range(7)))
    story.release(deployment("app:9", name="app-3")).deploy()
    checks = examined(story)
    assert {one.workload for one in checks if one.workload} == {f"app-{n}" for n in range(5)}
    assert outcomes(checks)["workloads"] == ["warning"]
    assert "a release of app-3 is in progress" in about(checks, "release")[0][1]


def test_a_right_that_is_missing_in_the_middle_does_not_end_the_rest(story: Story) -> None:
    def may_not(kind: Kind, *_: Any, **__: Any) -> None:
        if kind.kind == "Pod":
            raise ForbiddenError("list Pods: pods is forbidden")

    story.stable(service(), deployment("app:1", name="a"), deployment("app:1", name="b"))
    checks = examined(story, "a", "b", cluster=Faulty(story.cluster, {"find": may_not}))
    assert [one.workload for one in checks if one.subject == "workload"] == ["a", "b"]
