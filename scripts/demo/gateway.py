"""A Gateway with a real controller, Traefik, and what the demo checks of the HTTPRoute behind it."""

from __future__ import annotations

import socket
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import requests
import yaml
from kubernetes import client

from scripts.demo.children import CommandError
from scripts.demo.cluster import connection, items

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable, Mapping

    from scripts.demo.children import Children
    from scripts.demo.load import Answer

MANIFESTS = Path(__file__).with_name("gateway.yml")
GROUP, VERSION = "gateway.networking.k8s.io", "v1"
NAME = "sampleapp"  # of the route, and of the Service that it has as a backend
HOST = "127.0.0.1"
PATIENCE = 60.0  # seconds until Traefik must listen
BETWEEN_LOOKS = 0.5  # seconds
PERCENTAGE = 5
"""Percent of the requests that the canary gets in the demo, and the baseline as well."""
FEWEST, MOST = 0.03, 0.08
"""Shares of the answers between which 5 % lie, of some thousand; by pods, the canary would have a sixth."""


@dataclass(frozen=True)
class Route:
    """The HTTPRoute at one instant, and the Services there are.

    Attributes:
        written: what a person wrote of it: spec, labels and annotations.
        services: names of all Services.
    """

    written: Mapping[str, Any]
    services: tuple[str, ...]

    @property
    def shares(self) -> dict[str, float]:
        """Return the share of the requests that each Service gets, 0 to 1; those that get none are left out."""
        (rule,) = self.written["spec"]["rules"]
        weights = {one["name"]: one.get("weight", 1) for one in rule["backendRefs"]}
        return {name: weight / sum(weights.values()) for name, weight in weights.items() if weight}

    @property
    def sentence(self) -> str:
        """Return what the route does, for a person."""
        parts = [f"{share:.0%} to {name}".replace("%", " %") for name, share in self.shares.items()]
        return f"HTTPRoute {NAME} sends requests: {', '.join(parts)}"


class Gateway(Protocol):
    """A Gateway whose route a release divides.

    Attributes:
        process: its controller.
        url: where it listens.
    """

    process: subprocess.Popen[str]
    url: str

    def look(self) -> Route:
        """Return the current state."""

    def address(self) -> str | None:
        """Return its URL, or None while nothing answers there."""


class Traefik:
    """A Traefik on this machine that serves the Gateways of a localcluster."""

    def __init__(self, children: Children, kubeconfig: Path, namespace: str) -> None:
        """Start it, and create the objects of gateway.yml; raises CommandError."""
        self._kubeconfig, self._namespace = kubeconfig, namespace
        with socket.socket() as free:
            free.bind((HOST, 0))
            self._port: int = free.getsockname()[1]
        self.url = f"http://{HOST}:{self._port}/"
        cluster = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]
        self.process: subprocess.Popen[str] = children.start(
            "traefik",
            f"--entrypoints.http.address={HOST}:{self._port}",
            "--providers.kubernetesgateway=true",
            f"--providers.kubernetesgateway.endpoint={cluster['server']}",
            "--providers.kubernetesgateway.token=unused",  # localcluster asks for none
            "--providers.kubernetesgateway.throttleduration=0s",
            "--global.checknewversion=false",
            "--global.sendanonymoususage=false",
        )
        end = time.monotonic() + PATIENCE
        while not self._listens():
            if self.process.poll() is not None or time.monotonic() > end:
                raise CommandError(f"traefik did not start: {children.log.read_text().strip()}")
            time.sleep(0.05)
        self._create()

    def look(self) -> Route:
        """Return the current state; raises CommandError if the API server does not answer."""
        with connection(self._kubeconfig) as api:
            found: Any = client.CustomObjectsApi(api).get_namespaced_custom_object(
                GROUP, VERSION, self._namespace, "httproutes", NAME, _request_timeout=10
            )
            services = items(client.CoreV1Api(api).list_namespaced_service, self._namespace, selector="")
        marks = {key: found["metadata"].get(key) for key in ("labels", "annotations")}
        return Route({"spec": found["spec"], **marks}, tuple(sorted(one["metadata"]["name"] for one in services)))

    def address(self) -> str | None:
        """Return the URL as soon as the app answers there."""
        try:
            answer = requests.get(self.url, timeout=5)
        except requests.RequestException:
            return None
        return self.url if "X-Served-By" in answer.headers else None

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self._port)) == 0

    def _create(self) -> None:
        with connection(self._kubeconfig) as api:
            custom = client.CustomObjectsApi(api)
            for manifest in yaml.safe_load_all(MANIFESTS.read_text()):
                for listener in manifest["spec"].get("listeners", []):
                    listener["port"] = self._port
                if manifest["kind"] == "GatewayClass":
                    custom.create_cluster_custom_object(GROUP, VERSION, "gatewayclasses", manifest)
                else:
                    plural = f"{manifest['kind'].lower()}s"
                    custom.create_namespaced_custom_object(GROUP, VERSION, self._namespace, plural, manifest)


@dataclass
class Division:
    """What was seen of a route during a release.

    Attributes:
        before: the route before the release.
        shares: all shares that the canary's Service had, 0 to 1.
        answered: answers of each variant while the route gave the canary a share.
    """

    before: Route
    shares: set[float] = field(default_factory=set)
    answered: Counter[str] = field(default_factory=Counter)
    _pending: list[Answer] = field(default_factory=list)
    _last: Route | None = None
    _looked: float = 0.0

    def notice(self, gateway: Gateway, answers: Iterable[Answer]) -> str:
        """Take note of new answers and, twice a second at most, of the route; return what it does if it has changed."""
        self._pending += [one for one in answers if not one.failure]
        if time.monotonic() - self._looked < BETWEEN_LOOKS:
            return ""
        last, now = self._last or self.before, gateway.look()
        self._last, self._looked = now, time.monotonic()
        share = now.shares.get(f"{NAME}-canary", 0.0)
        self.shares.add(share)
        if now.shares == last.shares and share:  # all the time since the last look
            self.answered.update(one.variant for one in self._pending)
        self._pending = []
        return now.sentence if now.shares != last.shares else ""

    def measured(self, variant: str) -> float:
        """Return the share of the answers that came from a variant while the route was divided, 0 to 1."""
        return self.answered[variant] / max(1, self.answered.total())
