"""The kinds of the Gateway API: a real controller, Traefik, sends requests by them."""

from __future__ import annotations

import http.client
import random
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.localcluster.cluster import BIN, Namespace, until
from tests.localcluster.objects import deployment, service
from tests.localcluster.server import STRATEGIC, Server

GROUP = "gateway.networking.k8s.io"
API = f"{GROUP}/v1"
PORT = 18080
TRAEFIK = str(BIN / "traefik")
ROUTES = f"/apis/{API}/namespaces/default/httproutes"
CLASSES = f"/apis/{API}/gatewayclasses"
CONTROLLER = "traefik.io/gateway-controller"


def gateway(name: str, of_class: str) -> dict[str, Any]:
    listener = {"name": "http", "port": PORT, "protocol": "HTTP"}
    spec = {"gatewayClassName": of_class, "listeners": [listener]}
    return {"apiVersion": API, "kind": "Gateway", "metadata": {"name": name}, "spec": spec}


def route(*backends: tuple[str, int], name: str = "web", **rule: Any) -> dict[str, Any]:
    """Return an HTTPRoute to Services with weights."""
    references = [{"name": service, "port": 8080, "weight": weight} for service, weight in backends]
    spec = {"parentRefs": [{"name": "entry"}], "rules": [{"backendRefs": references, **rule}]}
    return {"apiVersion": API, "kind": "HTTPRoute", "metadata": {"name": name}, "spec": spec}


@pytest.fixture
def traefik(namespace: Namespace, tmp_path: Path) -> Iterator[str]:
    """Run a Traefik that watches the namespace of the test, and give its address. Others use the port elsewhere."""
    address = f"127.77.{random.randrange(256)}.{random.randrange(1, 255)}"
    arguments = [
        f"--entrypoints.http.address={address}:{PORT}",
        "--providers.kubernetesgateway=true",
        f"--providers.kubernetesgateway.endpoint={namespace.cluster.server}",
        "--providers.kubernetesgateway.token=unused",
        f"--providers.kubernetesgateway.namespaces={namespace.name}",
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
    ]
    log = tmp_path / "log"
    with log.open("w") as output, subprocess.Popen([TRAEFIK, *arguments], stdout=output, stderr=output) as process:
        until("Traefik listens", lambda: is_listening(address))
        yield address
        process.terminate()


def is_listening(address: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, PORT)) == 0


def answers(address: str, requests: int) -> Counter[str]:
    """Return how often each version, or which error, has answered on one connection that is kept alive."""
    answered: Counter[str] = Counter()
    with closing(http.client.HTTPConnection(address, PORT, timeout=10)) as connection:
        for _ in range(requests):
            connection.request("GET", "/env/VERSION")
            answer = connection.getresponse()
            body = answer.read().decode()
            answered[body if answer.status == 200 else f"error {answer.status}"] += 1
    return answered


def conditions(obj: dict[str, Any]) -> dict[str, str]:
    return {one["type"]: one["status"] for one in obj.get("status", {}).get("conditions", [])}


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has one loopback address, whose port may be taken")
def test_a_controller_sends_requests_by_the_weights_of_a_route(namespace: Namespace, traefik: str) -> None:
    of_class = {"apiVersion": API, "kind": "GatewayClass", "metadata": {"name": namespace.name}}
    namespace.apply(
        {**of_class, "spec": {"controllerName": CONTROLLER}},
        gateway("entry", namespace.name),
        *(deployment(f"web-{version}", image=f"web:{version}") for version in "12"),
        *(service(f"web-{version}") for version in "12"),
        route(("web-1", 1900), ("web-2", 100)),
    )
    for version in "12":
        namespace.wait_for_rollout(f"web-{version}")

    until("both versions answer", lambda: set(answers(traefik, 40)) == {"1", "2"})
    shares = answers(traefik, 400)
    assert 10 <= shares["2"] <= 30, shares
    assert conditions(namespace.get("gatewayclass", namespace.name)) == {"Accepted": "True"}
    assert conditions(namespace.get("gateway", "entry"))["Programmed"] == "True"

    namespace.apply(route(("web-1", 0), ("web-2", 1)))
    changed = namespace.get("httproute", "web")

    def is_seen() -> bool:
        parents = namespace.get("httproute", "web")["status"]["parents"]
        observed = [one["observedGeneration"] for parent in parents for one in parent["conditions"]]
        return set(observed) == {changed["metadata"]["generation"]}

    until("the controller has seen the new weights", is_seen)
    until("the second version has all requests", lambda: answers(traefik, 40) == {"2": 40})
    shown = namespace.kubectl("get", "gateway").splitlines()[0].split()
    assert shown == ["NAME", "CLASS", "ADDRESS", "PROGRAMMED", "AGE"]


def test_fields_of_a_route_have_the_defaults_of_its_definition(server: Server) -> None:
    made = server.post(ROUTES, route(("web", 3)))
    assert made["spec"]["parentRefs"] == [{"group": GROUP, "kind": "Gateway", "name": "entry"}]
    (rule,) = made["spec"]["rules"]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]
    assert rule["backendRefs"] == [{"group": "", "kind": "Service", "name": "web", "port": 8080, "weight": 3}]


def test_a_null_is_a_missing_field(server: Server) -> None:
    with_null = route(("web", 3))
    with_null["spec"]["rules"][0]["backendRefs"][0]["weight"] = None
    made = server.post(ROUTES, with_null)
    assert made["spec"]["rules"][0]["backendRefs"][0]["weight"] == 1


def test_a_class_waits_for_its_controller(server: Server) -> None:
    of_class = {"apiVersion": API, "kind": "GatewayClass", "metadata": {"name": "c"}}
    made = server.post(CLASSES, {**of_class, "spec": {"controllerName": CONTROLLER}})
    assert conditions(made) == {"Accepted": "Unknown"}


@pytest.mark.parametrize(
    ("changed", "field", "message"),
    [
        ({"weight": -1}, "weight", "in body should be greater than or equal to 0"),
        ({"weight": 1_000_001}, "weight", "in body should be less than or equal to 1000000"),
        ({"name": ""}, "name", "in body should be at least 1 chars long"),
        ({"namespace": "a_b"}, "namespace", "in body should match"),
        ({"namespace": "a\n"}, "namespace", "in body should match"),
        ({"kind": "x" * 64}, "kind", "Too long: may not be more than 63 bytes"),
    ],
)
def test_values_outside_their_limits_are_refused(
    changed: dict[str, Any], field: str, message: str, server: Server
) -> None:
    wrong = route(("web", 1))
    wrong["spec"]["rules"][0]["backendRefs"][0] |= changed
    answer = server.call("POST", ROUTES, wrong)
    assert answer.code == 422
    assert message in answer.causes[f"spec.rules[0].backendRefs[0].{field}"]


def test_a_word_that_is_not_known_and_too_many_items_are_refused(server: Server) -> None:
    wrong = route(*((f"web-{number}", 1) for number in range(17)))
    wrong["spec"]["rules"][0]["matches"] = [{"method": "FETCH"}]
    answer = server.call("POST", ROUTES, wrong)
    assert answer.causes["spec.rules[0].backendRefs"] == "Too many: 17: must have at most 16 items"
    assert answer.causes["spec.rules[0].matches[0].method"].startswith('Unsupported value: "FETCH": supported values:')


def test_a_custom_resource_has_no_strategic_merge_patch(server: Server) -> None:
    server.post(ROUTES, route(("web", 1)))
    answer = server.call("PATCH", f"{ROUTES}/web", {"metadata": {"labels": {"a": "b"}}}, STRATEGIC)
    assert answer.code == 415
    assert "application/merge-patch+json" in answer.message


def test_a_status_changes_no_generation_and_a_spec_does(server: Server) -> None:
    made = server.post(ROUTES, route(("web", 1)))
    told = {**made, "status": {"parents": []}, "spec": {}}
    answer = server.call("PUT", f"{ROUTES}/web/status", told).body
    assert (answer["metadata"]["generation"], answer["spec"]) == (1, made["spec"])
    answer = server.call("PUT", f"{ROUTES}/web", {**answer, "spec": route(("web", 2))["spec"]}).body
    assert (answer["metadata"]["generation"], answer["status"]) == (2, {"parents": []})
