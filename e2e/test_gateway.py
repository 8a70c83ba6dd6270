"""Releases by shares of requests: an HTTPRoute divides them, with a real controller of the Gateway API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.cluster import Namespace
from e2e.documented_commands import type_lines
from e2e.drivers import started, told
from e2e.gateway import Clients, gateway, route, shares
from e2e.polling import poll
from e2e.traefik import UNREACHABLE

pytestmark = [
    pytest.mark.skipif(UNREACHABLE, reason="no port leads into the cluster: make e2e"),
    pytest.mark.timeout(600),  # hundreds of requests, one after the other, on a busy node
]

GATEWAY = ("--traffic", "gateway", "--route", "sampleapp")
WATCH = ("--tolerance", "0.1", "--warm-up", "1s", "--interval", "500ms", "--min-duration", "3s", "--gate", "auto")


@pytest.fixture
def address(stable: Namespace) -> Iterator[str]:
    """Give the address of a Gateway whose route leads to stable."""
    with gateway(stable) as address:
        stable.apply(route())
        poll("the route is served", lambda: shares_of(address) == {"sampleapp"})
        yield address


def shares_of(address: str) -> set[str]:
    with Clients(address, threads=1) as clients:
        poll("an answer", lambda: clients.answered or clients.problems)
    return {*clients.answered, *clients.problems}


def spec(namespace: Namespace, name: str = "sampleapp") -> Any:
    found = namespace.get("httproute", name)
    assert found is not None
    return found["spec"]


def weights(namespace: Namespace) -> dict[str, int]:
    (rule,) = spec(namespace)["rules"]
    return {one["name"]: one["weight"] for one in rule["backendRefs"]}


def services(namespace: Namespace) -> set[str]:
    return {one["metadata"]["name"] for one in namespace.list("services")}


def test_the_canary_gets_its_share_and_the_route_is_as_before_after_a_reject(
    stable: Namespace, manifests: Path, address: str
) -> None:
    before = spec(stable)
    with Clients(address) as kept, Clients(address, keep_alive=False) as fresh:
        stable.canary("deploy", str(manifests), "--image", "sampleapp:20", "--steps", "5,50", *GATEWAY)
        poll("requests come to the canary", lambda: kept.answered["sampleapp-canary"])
    assert weights(stable) == {"sampleapp-stable": 18, "sampleapp-baseline": 1, "sampleapp-canary": 1}
    counted = shares(address, 400)
    with Clients(address) as kept_on, Clients(address, keep_alive=False) as fresh_ones:
        stable.canary("reject", "sampleapp")

    assert 17 <= counted["sampleapp-canary"] <= 23  # Traefik takes turns, by the weights
    assert 17 <= counted["sampleapp-baseline"] <= 23
    assert spec(stable) == before
    assert services(stable) == {"sampleapp"}
    for clients in (kept, fresh, kept_on, fresh_ones):
        assert clients.problems == {}
        assert clients.answered["sampleapp"]


def test_the_page_on_shares_shows_commands_that_work(stable: Namespace, manifests: Path, address: str) -> None:
    assert manifests == stable.folder / "manifests"
    settings = {"warm-up": "1s", "min-duration": "3s", "interval": "500ms"}
    (stable.folder / "canary.yml").write_text(json.dumps(settings))
    before = spec(stable)
    with Clients(address) as kept:
        type_lines(stable, "traffic.md", "Accepted")
        doctor = type_lines(stable, "traffic.md", "canary doctor", folder=stable.folder)
        released = type_lines(
            stable, "traffic.md", "canary release", folder=stable.folder, change={"0.5,5,25,50": "25,50"}
        )
        by_hand = type_lines(stable, "traffic.md", "--percentage 5 --replicas 2", folder=stable.folder)
        type_lines(stable, "traffic.md", "range .spec", "get services")
        type_lines(stable, "traffic.md", "canary reject", folder=stable.folder)

    assert "HTTPRoute sampleapp gives 5 % of requests to the canary" in doctor
    assert "HTTPRoute sampleapp gives 25 % of requests to the canary, and as many to the baseline" in released
    assert "configured HTTPRoute sampleapp: all requests to sampleapp, as before" in released
    assert "promoted sampleapp: it now runs sampleapp:20" in released
    assert "scaled Deployment sampleapp-canary: to 2" in by_hand
    assert spec(stable) == before
    assert services(stable) == {"sampleapp"}
    assert not kept.problems


def test_a_release_in_steps_is_promoted_without_a_lost_request(
    stable: Namespace, manifests: Path, address: str
) -> None:
    before = spec(stable)
    with Clients(address) as kept, Clients(address, keep_alive=False) as fresh:
        result = stable.canary(
            "release",
            str(manifests),
            "--image",
            "sampleapp:20",
            "--steps",
            "25,50",
            *GATEWAY,
            *WATCH,
            "--output",
            "json",
        )

    assert result.json()["promoted"], result.err
    assert "HTTPRoute sampleapp gives 50 % of requests to the canary" in result.err
    assert stable.images("sampleapp") == ["sampleapp:20"]
    assert spec(stable) == before
    assert services(stable) == {"sampleapp"}
    assert (kept.problems, fresh.problems) == ({}, {})


def test_what_others_do_while_a_gate_waits_loses_no_request_and_stays(
    stable: Namespace, manifests: Path, address: str
) -> None:
    release = ("release", str(manifests), "--image", "sampleapp:20", "--percentage", "25", *GATEWAY, *WATCH)
    with (
        Clients(address) as kept,
        Clients(address, keep_alive=False) as fresh,
        started(stable, *release, "--gate", "manual") as driver,
    ):
        told(driver, "waiting up to")
        stable.kubectl("scale", "deployment/sampleapp", "--replicas=3")
        stable.kubectl("rollout", "restart", "deployment/sampleapp")
        told(driver, "stable sampleapp is being rolled out: until it is ready, canary and baseline may get more")
        told(driver, "the requests to sampleapp are divided again")
        stable.kubectl("rollout", "status", "deployment/sampleapp")
        poll("the shares come back", lambda: 40 <= shares(address, 200)["sampleapp-canary"] <= 60)
        timeout = [{"op": "add", "path": "/spec/rules/0/timeouts", "value": {"request": "9s"}}]
        stable.kubectl("patch", "httproute", "sampleapp", "--type=json", "-p", json.dumps(timeout))
        told(driver, "HTTPRoute sampleapp was edited since the release of sampleapp began")
        stable.canary("reject", "sampleapp")
        driver.wait(60)

    (rule,) = spec(stable)["rules"]
    assert rule["timeouts"] == {"request": "9s"}
    assert [one["name"] for one in rule["backendRefs"]] == ["sampleapp"]
    assert services(stable) == {"sampleapp"}
    assert (kept.problems, fresh.problems) == ({}, {})


def test_the_original_manifest_applied_in_the_middle_is_noticed_and_left(
    stable: Namespace, manifests: Path, address: str
) -> None:
    before = spec(stable)
    stable.canary("deploy", str(manifests), "--image", "sampleapp:20", "--percentage", "25", *GATEWAY)
    stable.apply(route())
    watch = stable.canary("watch", "sampleapp", *WATCH[:-2], "--max-duration", "4s", code=4)
    assert "HTTPRoute sampleapp is as it was before the release, and divides no requests" in watch.err
    assert spec(stable) == before
    stable.canary("reject", "sampleapp")
    assert spec(stable) == before
    assert services(stable) == {"sampleapp"}
    found = stable.get("httproute", "sampleapp")
    assert found is not None
    assert not [key for key in found["metadata"]["annotations"] if "canary-lab" in key]


def test_testers_reach_a_canary_that_gets_no_other_requests(stable: Namespace, manifests: Path, address: str) -> None:
    before, tester = spec(stable), {"x-canary": "always"}
    match = (*GATEWAY, "--match", "header:X-Canary=always")
    assert manifests == stable.folder / "manifests"
    type_lines(stable, "traffic.md", "--percentage 0", folder=stable.folder)

    poll("testers reach the canary", lambda: shares(address, 50, tester).keys() == {"sampleapp-canary"})
    assert shares(address, 200).keys() == {"sampleapp"}

    stable.canary("deploy", str(manifests), "--image", "sampleapp:20", "--percentage", "50", *match)
    poll("half of all others do, too", lambda: shares(address, 50).keys() == {"sampleapp-canary", "sampleapp-baseline"})
    assert shares(address, 200, tester).keys() == {"sampleapp-canary"}
    stable.canary("reject", "sampleapp")
    assert spec(stable) == before


def test_doctor_checks_the_route(stable: Namespace, manifests: Path, address: str) -> None:
    doctor = ("doctor", str(manifests), "--percentage", "5", *GATEWAY)
    fine = stable.canary(*doctor).out
    assert "sampleapp: HTTPRoute sampleapp gives 5 % of requests to the canary, and as many to the baseline" in fine

    stable.apply(route(service="other"))
    wrong = poll("a refusal", lambda: refused(stable, *doctor))
    assert "Gateway entry says BackendNotFound" in wrong


def test_a_backend_in_another_namespace_without_a_grant_is_refused_before_anything_is_written(
    stable: Namespace, manifests: Path, address: str
) -> None:
    elsewhere = route()
    elsewhere["spec"]["rules"][0]["backendRefs"].append({"name": "shop", "namespace": "default", "port": 80})
    stable.apply(elsewhere)
    poll("a refusal", lambda: "RefNotPermitted" in refused(stable, "doctor", str(manifests), *GATEWAY))
    deploy = stable.canary("deploy", str(manifests), "--image", "sampleapp:20", "--percentage", "5", *GATEWAY, code=2)
    assert "HTTPRoute sampleapp is not served: Gateway entry says RefNotPermitted" in deploy.err
    assert services(stable) == {"sampleapp"}
    assert stable.images("sampleapp-canary") is None


def refused(namespace: Namespace, *doctor: str) -> str:
    """Return what doctor says of the route if it refuses it, else nothing."""
    lines = namespace.canary(*doctor, code=None).out.splitlines()
    return next((line for line in lines if line.startswith("failed   route ")), "")
