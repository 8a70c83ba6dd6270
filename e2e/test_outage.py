"""The API server does not answer for a moment: the driver waits, reports it, and continues."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from e2e.cluster import Namespace
from e2e.drivers import started, told
from e2e.faulty_proxy import FaultyProxy
from e2e.traffic import Traffic

WATCH = ("watch", "sampleapp", "--tolerance", "0.05", "--warm-up", "1s", "--min-duration", "8s", "--interval", "1s")


@pytest.fixture
def proxy(stable: Namespace) -> Iterator[FaultyProxy]:
    config = yaml.safe_load(stable.kubeconfig.read_text())
    proxy = FaultyProxy(config["clusters"][0]["cluster"]["server"])
    yield proxy
    proxy.close()


@pytest.fixture
def released(stable: Namespace, proxy: FaultyProxy, manifests: Path) -> Namespace:
    """Give a namespace with a release in progress. Its drivers reach the API server through the proxy."""
    stable.canary("deploy", str(manifests), "--image", "sampleapp:20", "--percentage", "50")
    config = yaml.safe_load(stable.kubeconfig.read_text())
    cluster = config["clusters"][0]["cluster"]
    cluster["tls-server-name"] = urlsplit(cluster["server"]).hostname
    cluster["server"] = proxy.url
    kubeconfig = stable.folder / "through-the-proxy"
    kubeconfig.write_text(yaml.safe_dump(config))
    return replace(stable, kubeconfig=kubeconfig)


def outage(proxy: FaultyProxy, driver: subprocess.Popen[str]) -> None:
    """Cut the connections until the driver has noticed."""
    proxy.cut()
    told(driver, "waiting up to 300 s for it")
    proxy.mend()
    told(driver, "answers again, after")


def test_a_watch_continues_after_an_outage(stable: Namespace, released: Namespace, proxy: FaultyProxy) -> None:
    with Traffic(stable), started(released, *WATCH) as driver:
        told(driver, "waiting:")
        outage(proxy, driver)
        _, rest = driver.communicate(timeout=120)
    assert driver.returncode == 0, rest
    assert "verdict PROMOTE" in rest


def test_a_promote_continues_after_an_outage(
    stable: Namespace, released: Namespace, proxy: FaultyProxy, manifests: Path
) -> None:
    with started(released, "promote", str(manifests), "--image", "sampleapp:20") as driver:
        told(driver, "configured Deployment sampleapp")
        outage(proxy, driver)
        _, rest = driver.communicate(timeout=120)
    assert driver.returncode == 0, rest
    assert stable.images("sampleapp") == ["sampleapp:20"]
    assert stable.images("sampleapp-canary") is None
    assert stable.list("leases") == []
