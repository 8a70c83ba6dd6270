"""Fixtures: a cluster for each test process, a namespace for each test, and an API server without a kubelet."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Iterator

import pytest

from tests.localcluster.cluster import DATA, Cluster, Command, Namespace
from tests.localcluster.server import Server


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Return a cache folder that all test processes share."""
    return tmp_path_factory.getbasetemp().parent / "localcluster-cache"


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory, cache: pathlib.Path) -> Command:
    """Return the command, with the test image built as web:1 and web:2."""
    command = Command(tmp_path_factory.mktemp("home"), cache)
    for version in ("1", "2"):
        command("build", str(DATA / "web"), "-t", f"web:{version}", "--build-arg", f"VERSION={version}")
    return command


@pytest.fixture(scope="session")
def cluster(command: Command) -> Iterator[Cluster]:
    """Provide a cluster with a back-off of one second."""
    command("up", "--back-off", "1", "--end-with", str(os.getpid()))  # so that it ends even if this process is killed
    yield Cluster(command, "localcluster")
    command("down")


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """Provide a namespace, which is deleted after the test."""
    name = f"t-{abs(hash(request.node.nodeid)) % 10**10}"
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(space))
    yield Namespace(cluster, name)
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def server() -> Iterator[Server]:
    """Provide an API server with the namespaces `default` and `other`."""
    with Server() as running:
        yield running
