"""Releases by a route that are refused before anything is written, and what a dry run shows."""

from __future__ import annotations

from typing import Any

import pytest

from canary.errors import CanaryError, InputError, InterruptedReleaseError
from canary.objects import GATEWAY, GATEWAY_CLASS, HTTP_ROUTE
from tests.canary.gateway_controller import MUTE
from tests.canary.release.routed import (
    Killed,
    by_route,
    edit,
    left_nothing,
    route,
    services,
    set_timeout,
    state,
    weights,
)
from tests.canary.story import Story, deployment, http_route, service


def test_a_route_that_is_not_there_is_refused(routed: Story) -> None:
    refused(routed, "there is no HTTPRoute shop in namespace NS (the HTTPRoutes there are app)", route="shop")


def test_more_than_all_requests_are_refused(routed: Story) -> None:
    refused(
        routed,
        "60 % for the canary and as much for the baseline are more than all requests: with --traffic gateway, the "
        "limit is 50",
        steps=(5, 60),
    )


def refused(story: Story, message: str, **options: Any) -> None:
    version, names = story.deployment()["metadata"]["resourceVersion"], services(story)
    with pytest.raises(CanaryError) as error:
        by_route(story, **options).deploy()
    assert str(error.value) == message.replace("NS", story.namespace)
    assert story.names() == {"app"}
    assert services(story) == names
    assert story.deployment()["metadata"]["resourceVersion"] == version


def test_a_route_elsewhere_is_refused(routed: Story) -> None:
    edit(routed, lambda spec: spec["rules"][0]["backendRefs"][0].update(name="other"))
    routed.cluster.create(service("other", 8080) | {"spec": {"selector": {"app": "other"}, "ports": [{"port": 8080}]}})
    routed.simulator.settle()
    refused(
        routed,
        "HTTPRoute app sends no requests to app: the Services of app are app. It must have one of its Services as a "
        "backend",
    )


def test_a_route_with_a_backend_that_is_missing_is_refused(routed: Story) -> None:
    edit(routed, lambda spec: spec["rules"][0]["backendRefs"].append({"name": "gone", "port": 80, "weight": 1}))
    refused(routed, "HTTPRoute app is not served: Gateway entry says BackendNotFound: no Service gone")


def test_a_route_whose_last_change_no_controller_has_seen_is_refused(routed: Story) -> None:
    routed.cluster.annotate(HTTP_ROUTE, "app", {MUTE: "yes"})
    edit(routed, set_timeout)
    refused(routed, "HTTPRoute app is not served: the controller of Gateway entry has not seen its last change")


class Lacking:
    """A cluster whose account lacks a permission, or that lacks a kind."""

    def __init__(self, story: Story, right: tuple[str, str, str] | None = None, kind: Any = None) -> None:
        self._cluster, self._right, self._kind = story.cluster, right, kind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    def may(self, verb: str, group: str, resource: str, name: str = "", **_: Any) -> bool:
        return (verb, resource, name) != self._right and self._cluster.may(verb, group, resource, name)

    def serves(self, kind: Any) -> bool:
        return kind != self._kind and self._cluster.serves(kind)


def test_a_cluster_without_the_gateway_api_is_refused(routed: Story) -> None:
    refused(
        routed,
        "the cluster has no HTTPRoute of gateway.networking.k8s.io/v1: --traffic gateway needs the Gateway API and a "
        "controller for it. Without them, use --traffic pods",
        cluster=Lacking(routed, kind=HTTP_ROUTE),
    )


def test_a_release_can_end_in_a_cluster_that_has_lost_the_gateway_api(routed: Story) -> None:
    by_route(routed).deploy()
    routed.release(names=("app",), cluster=Lacking(routed, kind=HTTP_ROUTE)).reject()
    assert routed.names() == {"app"}
    assert services(routed) == {"app"}


@pytest.mark.parametrize(
    "right",
    [
        ("update", "httproutes", "app"),
        ("update", "services", "app-stable"),
        ("delete", "services", "app-canary"),
        ("list", "endpointslices", ""),
    ],
)
def test_a_permission_that_is_missing_is_named_before_anything_is_written(
    routed: Story, right: tuple[str, str, str]
) -> None:
    verb, resource, name = right
    groups = {"httproutes": ".gateway.networking.k8s.io", "endpointslices": ".discovery.k8s.io"}
    missing = f"{verb} {resource}{groups.get(resource, '')} {name}".rstrip()
    refused(
        routed,
        f"this account may not {missing}, which is needed to divide the requests by a route. Nothing was changed. To "
        "grant these permissions, use the Role sampleapp-route in pipeline/rbac.yml",
        cluster=Lacking(routed, right),
    )


@pytest.fixture
def unaccepted(routed: Story) -> str:
    """Give the name of the class of the route's Gateway, which no controller has accepted."""
    name = f"gone-{routed.namespace}"
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    for kind, own, spec in (
        (GATEWAY_CLASS, name, {"controllerName": "e.com/gone"}),
        (GATEWAY, "entry", {"gatewayClassName": name, "listeners": [listener]}),
    ):
        made = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": own}, "spec": spec}
        routed.cluster.create(made)
    return name


@pytest.mark.usefixtures("unaccepted")
def test_a_class_without_a_controller_is_named(routed: Story) -> None:
    routed.cluster.annotate(HTTP_ROUTE, "app", {MUTE: "yes"})
    edit(routed, set_timeout)
    refused(
        routed,
        "HTTPRoute app is not served: the controller of Gateway entry has not seen its last change. No controller "
        "has accepted GatewayClass gone-NS: is e.com/gone running?",
    )


@pytest.mark.usefixtures("unaccepted")
def test_a_controller_that_accepts_no_class_is_running_if_it_says_what_is_wrong_with_the_route(routed: Story) -> None:
    edit(routed, lambda spec: spec["rules"][0]["backendRefs"].append({"name": "gone", "port": 80, "weight": 1}))
    refused(routed, "HTTPRoute app is not served: Gateway entry says BackendNotFound: no Service gone")


def test_a_service_of_the_name_that_is_needed_is_refused(routed: Story) -> None:
    routed.cluster.create(service("app-stable"))
    refused(
        routed,
        "Service app-stable is not of a release (it has no annotation canary-lab/route), and the release needs that "
        "name: rename the Service, or delete it",
    )


@pytest.mark.parametrize(("port", "weight"), [(8080, 1), (8081, 0)])
def test_a_service_twice_in_one_rule_is_refused(routed: Story, port: int, weight: int) -> None:
    edit(routed, lambda spec: spec["rules"][0]["backendRefs"].append({"name": "app", "port": port, "weight": weight}))
    refused(routed, "HTTPRoute app names Service app several times in one rule: merge its backends")


def test_several_deployments_at_once_are_refused(routed: Story) -> None:
    with pytest.raises(InputError) as error:
        routed.release(deployment("app:2"), deployment("web:2", name="web"), route="app", steps=(5,)).deploy()
    assert str(error.value) == (
        "--traffic gateway releases one Deployment at a time, and the manifests have app and web: release each by "
        "itself, or use --traffic pods"
    )


def test_a_route_that_another_release_divides_is_refused(routed: Story) -> None:
    routed.stable(service("web"), deployment("web:1", name="web"))
    edit(routed, lambda spec: spec["rules"].append({"backendRefs": [{"name": "web", "port": 8080, "weight": 1}]}))
    by_route(routed).deploy()
    with pytest.raises(InputError) as error:
        routed.release(deployment("web:2", name="web"), route="app", steps=(5,)).deploy()
    assert str(error.value) == (
        "HTTPRoute app divides the requests of a release of app, and only one release at a time can divide a route: "
        "wait until that one has ended, or end it: canary reject app. Or give web an HTTPRoute of its own"
    )


def test_a_route_that_another_release_may_divide_again_is_refused(routed: Story) -> None:
    routed.stable(service("web"), deployment("web:1", name="web"))
    edit(routed, lambda spec: spec["rules"].append({"backendRefs": [{"name": "web", "port": 8080, "weight": 1}]}))
    original = route(routed)["spec"]
    by_route(routed).deploy()
    edit(routed, lambda spec: spec.update(original))
    with pytest.raises(InputError, match="HTTPRoute app divides the requests of a release of app"):
        routed.release(deployment("web:2", name="web"), route="app", steps=(5,)).deploy()


def test_another_route_is_refused_during_a_release(routed: Story) -> None:
    by_route(routed).deploy()
    routed.cluster.create(http_route("shop"))
    routed.simulator.settle()
    with pytest.raises(InputError, match=r"by HTTPRoute app is in progress, and not by shop. To end it: canary reject"):
        by_route(routed, route="shop").deploy()


def test_the_other_way_to_divide_is_refused_during_a_release(routed: Story) -> None:
    by_route(routed).deploy()
    with pytest.raises(InputError, match=r"a release of app by HTTPRoute app is in progress. To end it: canary reject"):
        by_route(routed, route="", steps=(50,)).deploy()
    routed.release(names=("app",)).reject()
    by_route(routed, route="", steps=(50,)).deploy()
    with pytest.raises(InputError, match=r"a release of app by numbers of pods is in progress. To continue it, omit"):
        by_route(routed).deploy()


@pytest.mark.parametrize(
    ("writes", "seen"), [(4, {"app": 1, "app-stable": 0}), (5, {"app": 0, "app-stable": 1}), (6, {"app-stable": 1})]
)
def test_after_an_interrupted_begin_a_release_by_pods_is_refused_and_reject_cleans_up(
    routed: Story, writes: int, seen: dict[str, int]
) -> None:
    was = state(route(routed))
    with pytest.raises(InterruptedReleaseError):
        by_route(routed, cluster=Killed(routed.cluster, writes, before=False)).deploy()
    assert weights(routed) == seen
    with pytest.raises(InputError, match=r"a release of app by HTTPRoute app is in progress. To end it: canary reject"):
        routed.release(service(), deployment("app:2"), steps=(50,)).deploy()
    routed.release().reject()
    left_nothing(routed, was)


def test_a_dry_run_shows_the_services_and_the_route(routed: Story) -> None:
    before = state(route(routed))
    written = by_route(routed).planned("deploy")
    assert [(one["kind"], one["metadata"]["name"]) for one in written] == [
        ("Service", "app-stable"),
        ("Service", "app-baseline"),
        ("Service", "app-canary"),
        ("Deployment", "app-canary"),
        ("Deployment", "app-baseline"),
        ("HTTPRoute", "app"),
    ]
    assert [one["weight"] for one in written[-1]["spec"]["rules"][0]["backendRefs"]] == [18, 1, 1]
    left_nothing(routed, before)
