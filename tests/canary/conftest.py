"""Fixtures of the driver's tests."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.canary.ghosts import Clock, Ghosts
from tests.canary.story import Story


@pytest.fixture(scope="session")
def shared_ghosts() -> Iterator[Ghosts]:
    cluster = Ghosts()
    yield cluster
    cluster.close()


@pytest.fixture
def ghosts(shared_ghosts: Ghosts) -> Iterator[Ghosts]:
    """Give the cluster with nothing scripted."""
    yield shared_ghosts
    shared_ghosts.script.clear()
    shared_ghosts.image_ids.clear()
    shared_ghosts.logs.clear()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def story(ghosts: Ghosts, clock: Clock) -> Iterator[Story]:
    """Give a namespace of its own, and everything that a release in it takes."""
    namespace = f"t-{uuid.uuid4().hex[:8]}"
    ghosts.namespace(namespace)
    cluster = ghosts.cluster(namespace)
    yield Story(ghosts, cluster, clock, namespace)
    cluster.close()
