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
from tests.localcluster.server import MERGE, STRATEGIC, Server

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


def test_a_value_of_the_wrong_type_is_refused_as_invalid(server: Server) -> None:
    wrong = route(("web", 1))
    wrong["spec"] |= {"hostnames": [None], "rules": [{"backendRefs": [{"name": "web", "port": 80, "weight": 1.5}]}]}
    answer = server.call("POST", ROUTES, wrong)
    weight = "spec.rules[0].backendRefs[0].weight"
    assert answer.code == 422
    assert answer.causes == {
        "spec.hostnames[0]": 'Invalid value: "null": spec.hostnames[0] in body must be of type string: "null"',
        weight: f'Invalid value: "number": {weight} in body must be of type integer: "number"',
        "<nil>": "Invalid value: null: some validation rules were not checked because the object was invalid; "
        "correct the existing errors to complete validation",
    }


def test_a_missing_field_is_refused_and_an_empty_one_is_not_missing(server: Server) -> None:
    policies = f"/apis/{API}/namespaces/default/backendtlspolicies"
    target = {"group": "", "kind": "Service", "name": "web"}
    spec = {"targetRefs": [target], "validation": {"hostname": "web.test", "wellKnownCACertificates": "System"}}
    server.post(policies, {"apiVersion": API, "kind": "BackendTLSPolicy", "metadata": {"name": "a"}, "spec": spec})
    del target["group"]
    wrong = {"apiVersion": API, "kind": "BackendTLSPolicy", "metadata": {"name": "b"}, "spec": spec}
    assert server.call("POST", policies, wrong).causes["spec.targetRefs[0].group"] == "Required value"


def test_items_with_the_same_key_are_refused(server: Server) -> None:
    wrong = route(("web", 1), matches=[{"headers": [{"name": "a", "value": value} for value in "12"]}])
    assert server.call("POST", ROUTES, wrong).causes == {
        "spec.rules[0].matches[0].headers[1]": 'Duplicate value: {"name":"a"}'
    }


def test_a_put_names_the_version_that_it_replaces(server: Server) -> None:
    server.post(ROUTES, route(("web", 1)))
    answer = server.call("PUT", f"{ROUTES}/web", route(("web", 2)))
    assert answer.causes == {"metadata.resourceVersion": "Invalid value: 0: must be specified for an update"}


def test_a_route_has_no_status_until_a_controller_writes_a_valid_one(server: Server) -> None:
    assert "status" not in server.post(ROUTES, {**route(("web", 1)), "status": {"parents": []}})
    answer = server.call("PATCH", f"{ROUTES}/web/status", {"status": {"parents": [{}]}}, MERGE)
    assert answer.causes["status.parents[0].controllerName"] == "Required value"
    condition = {
        "type": "Accepted",
        "status": "True",
        "reason": "Accepted",
        "message": "",
        "lastTransitionTime": "soon",
    }
    parent = {"parentRef": {"name": "entry"}, "controllerName": CONTROLLER, "conditions": [condition]}
    answer = server.call("PATCH", f"{ROUTES}/web/status", {"status": {"parents": [parent]}}, MERGE)
    where = "parents[0].conditions[0].lastTransitionTime"
    assert answer.causes[f"status.{where}"] == (
        f'Invalid value: "soon": {where} in body must be of type date-time: "soon"'
    )


def test_a_status_update_owns_the_metadata_in_it_and_does_not_change_it(server: Server) -> None:
    server.post(ROUTES, route(("web", 1)))
    answer = server.call("PATCH", f"{ROUTES}/web/status?fieldManager=c", {"metadata": {"labels": {"a": "b"}}}, MERGE)
    meta = answer.body["metadata"]
    owned = {entry["manager"]: entry["fieldsV1"] for entry in meta["managedFields"]}
    assert "labels" not in meta
    assert owned["c"] == {"f:metadata": {"f:labels": {".": {}, "f:a": {}}}}


def test_whoever_creates_a_route_owns_its_spec_itself(server: Server) -> None:
    made = server.post(ROUTES, route(("web", 1)))
    (entry,) = made["metadata"]["managedFields"]
    assert entry["fieldsV1"] == {"f:spec": {".": {}, "f:parentRefs": {}, "f:rules": {}}}
