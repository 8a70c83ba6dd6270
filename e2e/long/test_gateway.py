"""Many releases by shares of requests: none is lost, shares are as asked, and a kill at any write mends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.cluster import Namespace
from e2e.gateway import Clients, gateway, route, shares
from e2e.killing_proxy import KillingProxy
from e2e.polling import poll
from e2e.traefik import UNREACHABLE

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(3000),
    pytest.mark.skipif(UNREACHABLE, reason="no port leads into the cluster: make e2e"),
]

GATEWAY = ("--traffic", "gateway", "--route", "sampleapp")
WATCH = ("--warm-up", "0s", "--interval", "500ms", "--min-duration", "1s", "--min-requests", "20", "--gate", "auto")
TWO_DEGREES = 23.1
"""Chi-square of three classes that chance exceeds once in 100,000 times: exp(-23.1 / 2)."""


TURNS = 4 if "E2E_KUBECONFIG" in os.environ else 10
"""Promotes, and as many rejects; fewer on kind, where two take 40 seconds."""

THIRD = 3
"""Each third write, because one takes half a minute; tests/canary/release/test_gateway.py kills at each of them."""


@pytest.fixture
def address(stable: Namespace) -> Iterator[str]:
    """Give the address of a Gateway whose route leads to stable."""
    with gateway(stable) as address:
        stable.apply(route())
        poll("the route is served", lambda: answers(address, 1).get("sampleapp"))
        yield address


def answers(address: str, requests: int) -> Any:
    with Clients(address, threads=1, rate=2000) as clients:
        poll("an answer", lambda: clients.answered.total() + clients.problems.total() >= requests)
    return clients.answered


def left(namespace: Namespace) -> Any:
    """Return what a release must leave as it was."""
    found = namespace.get("httproute", "sampleapp")
    assert found is not None
    annotations = {key: value for key, value in found["metadata"]["annotations"].items() if "canary-lab" in key}
    names = [{one["metadata"]["name"] for one in namespace.list(kind)} for kind in ("services", "deployments")]
    return found["spec"], annotations, *names


def test_no_request_is_lost_in_promotes_and_rejects(stable: Namespace, manifests: Path, address: str) -> None:
    before = left(stable)
    with Clients(address, rate=50) as kept, Clients(address, rate=50, keep_alive=False) as fresh:
        for turn in range(TURNS):
            image = f"sampleapp:{(20, 10)[turn % 2]}"
            release = ("release", str(manifests), "--image", image, "--percentage", "25", "--tolerance", "0.5")
            stable.canary(*release, *GATEWAY, *WATCH)
            assert stable.images("sampleapp") == [image]
            stable.canary("deploy", str(manifests), "--image", "sampleapp:5", "--percentage", "25", *GATEWAY)
            kept.answered.pop("sampleapp-canary", None)
            poll("requests to the canary", lambda: kept.answered["sampleapp-canary"])
            stable.canary("reject", "sampleapp")
            assert left(stable) == before
            assert (kept.problems, fresh.problems) == ({}, {}), f"in turn {turn}"
    assert kept.answered.total() + fresh.answered.total() > 5000


def test_shares_on_one_connection_are_as_asked(stable: Namespace, manifests: Path, address: str) -> None:
    for percentage, requests in ((0.5, 4000), (1, 2000), (5, 1000), (50, 1000)):
        deploy = ("deploy", str(manifests), "--image", "sampleapp:20", "--percentage", str(percentage))
        stable.canary(*deploy, *GATEWAY)
        poll("Traefik applies the route", partial(is_close, address, percentage))
        found = deviation(address, requests, percentage)
        print(f"{percentage} %: chi-square {found:.2f} of {requests} requests")
        assert found < TWO_DEGREES
    stable.canary("reject", "sampleapp")


def is_close(address: str, percentage: float) -> bool:
    return deviation(address, 1000, percentage) < 6


def deviation(address: str, requests: int, percentage: float) -> float:
    """Return chi-square of what the variants answered on one connection that is kept alive."""
    counted = shares(address, requests)
    total, share = counted.total(), percentage / 100
    expected = {"sampleapp": 1 - 2 * share, "sampleapp-baseline": share, "sampleapp-canary": share}
    if any(counted[name] for name in counted.keys() | expected.keys() if not expected.get(name)):
        return float("inf")
    return sum((counted[name] - total * part) ** 2 / (total * part) for name, part in expected.items() if part)


@pytest.mark.skipif("E2E_KUBECONFIG" in os.environ, reason="the proxy that kills drivers speaks no TLS")
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("versions", [(10, 20, 0), (20, 5, 1)], ids=["promote", "reject"])
def test_a_release_killed_at_some_of_its_writes_is_gone_on_with_by_the_same_command(
    stable: Namespace, manifests: Path, address: str, versions: tuple[int, int, int], before: bool
) -> None:
    was, (old, new, code) = left(stable), versions
    release = ("release", str(manifests), "--image", f"sampleapp:{new}", "--percentage", "50", "--tolerance", "0.05")
    stable.canary("apply", str(manifests), "--image", f"sampleapp:{old}")
    with Clients(address, rate=100) as kept, Clients(address, rate=100, keep_alive=False) as fresh:
        for nth in count(1 if before else 2, THIRD):
            with killing(stable, nth, before=before) as proxy:
                driver = replace(stable, kubeconfig=proxied(stable, proxy)).start(*release, *GATEWAY, *WATCH)
                proxy.kill = driver.kill
                _, err = driver.communicate(timeout=180)
            killed = proxy.has_killed
            if killed:
                assert driver.returncode == -9, err
                stable.canary(*release, *GATEWAY, *WATCH, code=code)
            else:
                assert driver.returncode == code, err
            assert left(stable) == was, f"killed at {proxy.writes[-1]}"
            assert stable.images("sampleapp") == [f"sampleapp:{old if code else new}"]
            assert (kept.problems, fresh.problems) == ({}, {}), f"killed at {proxy.writes[-1]}"
            if not killed:
                break
            stable.canary("apply", str(manifests), "--image", f"sampleapp:{old}")
    print(f"killed at each third of {nth - 1} writes, {kept.answered.total() + fresh.answered.total()} answers")
    assert nth > 12


@contextmanager
def killing(namespace: Namespace, nth: int, *, before: bool) -> Iterator[KillingProxy]:
    """Give a proxy while a block lasts."""
    server = yaml.safe_load(namespace.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    with closing(KillingProxy(server, nth, before=before)) as proxy:
        yield proxy


def proxied(namespace: Namespace, proxy: KillingProxy) -> Path:
    """Return a kubeconfig whose server is the proxy."""
    kubeconfig = yaml.safe_load(namespace.kubeconfig.read_text())
    kubeconfig["clusters"][0]["cluster"]["server"] = proxy.url
    path = namespace.folder / "proxied.kubeconfig"
    path.write_text(yaml.safe_dump(kubeconfig))
    return path
