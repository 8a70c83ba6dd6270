"""Traefik, a real controller of the Gateway API: a process beside localcluster, or a pod of a real cluster."""

from __future__ import annotations

import http.client
import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from string import Template

import yaml

from e2e.cluster import ROOT, Namespace, Objects, command
from e2e.polling import poll

PORT = 18080  # of the listeners of Gateways, and where Traefik listens
NODE_PORTS = os.environ.get("E2E_GATEWAY_PORTS", "").split()  # that the cluster passes on: one for each pytest worker
UNREACHABLE = "E2E_KUBECONFIG" in os.environ and not NODE_PORTS


@contextmanager
def traefik(namespace: Namespace) -> Iterator[str]:
    """Give host and port of a Traefik that serves the Gateways of a namespace, whichever cluster it is in."""
    with (_in_the_cluster if NODE_PORTS else _beside_localcluster)(namespace) as address:
        poll("Traefik answers", lambda: _answers(address))
        yield address


def arguments(namespace: Namespace, entry: str) -> list[str]:
    """Return the command line of a Traefik that listens on an address and watches one namespace."""
    return [
        f"--entrypoints.http.address={entry}",
        "--providers.kubernetesgateway=true",
        f"--providers.kubernetesgateway.namespaces={namespace.name}",
        "--providers.kubernetesgateway.throttleduration=0s",
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
    ]


@contextmanager
def _beside_localcluster(namespace: Namespace) -> Iterator[str]:
    address = f"127.78.{random.randrange(256)}.{random.randrange(1, 255)}:{PORT}"  # elsewhere others use the port
    cluster = yaml.safe_load(namespace.kubeconfig.read_text())["clusters"][0]["cluster"]
    api = [
        f"--providers.kubernetesgateway.endpoint={cluster['server']}",
        "--providers.kubernetesgateway.token=unused",
    ]
    line = [command("traefik"), *arguments(namespace, address), *api]
    with (
        (namespace.folder / "traefik.log").open("w") as output,
        subprocess.Popen(line, stdout=output, stderr=output) as process,
    ):
        try:
            yield address
        finally:
            process.terminate()


@contextmanager
def _in_the_cluster(namespace: Namespace) -> Iterator[str]:
    """Run it in a namespace of its own, because tests look at all objects in theirs."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    node_port = NODE_PORTS[int(worker.removeprefix("gw"))]
    own = replace(namespace, name=f"{namespace.name}-traefik")
    objects = _objects(own, node_port, arguments(namespace, f":{PORT}"))
    own.apply(*objects)
    try:
        own.kubectl("rollout", "status", "deployment/traefik", "--timeout=120s")
        yield f"127.0.0.1:{node_port}"
    finally:
        own.kubectl("delete", "service", "traefik")  # the next test of this worker needs its port
        own.kubectl("delete", "--wait=false", "-f", "-", stdin=yaml.safe_dump_all(objects[:-1]))


def _objects(own: Namespace, node_port: str, arguments: list[str]) -> Objects:
    text = (ROOT / "e2e/traefik.yml").read_text()
    filled = Template(text).substitute(NAMESPACE=own.name, NODE_PORT=node_port)
    objects: Objects = list(yaml.safe_load_all(filled))
    (deployment,) = (one for one in objects if one["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    container["args"] = arguments
    return objects


def _answers(address: str) -> bool:
    """Return whether anything answers in HTTP: on kind, a proxy accepts connections before Traefik does."""
    with closing(http.client.HTTPConnection(address, timeout=5)) as connection:
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return False
    return True
