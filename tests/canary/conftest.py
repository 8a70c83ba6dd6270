"""Fixtures of the driver's tests."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser import browser
from tests.canary.cluster_simulator import Clock, Simulator
from tests.canary.commandline import CommandLine
from tests.canary.quick_release import pods_that_answer
from tests.canary.story import Story, deployment, service

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def shared_ghosts() -> Iterator[Simulator]:
    cluster = Simulator()
    yield cluster
    cluster.close()


@pytest.fixture
def simulator(shared_ghosts: Simulator) -> Iterator[Simulator]:
    """Give the cluster with nothing scripted."""
    yield shared_ghosts
    shared_ghosts.script.clear()
    shared_ghosts.image_ids.clear()
    shared_ghosts.nodes.clear()
    shared_ghosts.logs.clear()
    shared_ghosts.act(shared_ghosts.registry.refusals.clear)
    shared_ghosts.answers.clear()


@pytest.fixture
def answers(simulator: Simulator) -> Iterator[Simulator]:
    """Let the pods of app:1 and app:2 answer 90 % good, those of app:3 half."""
    with pods_that_answer(0.9) as old, pods_that_answer(0.9) as equal, pods_that_answer(0.5) as worse:
        simulator.answers.update({"app:1": old, "app:2": equal, "app:3": worse})
        yield simulator


@pytest.fixture
def clock(simulator: Simulator) -> Clock:
    return Clock(simulator.settle)


@pytest.fixture
def story(simulator: Simulator, clock: Clock) -> Iterator[Story]:
    """Give a namespace of its own, and everything that a release in it takes."""
    namespace = f"t-{uuid.uuid4().hex[:8]}"
    simulator.namespace(namespace)
    cluster = simulator.cluster(namespace)
    yield Story(simulator, cluster, clock, namespace)
    cluster.close()
    simulator.remove(namespace)  # sweeping up what all tests have left would slow down each of them


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Give the system's Chromium, no longer than a module: meanwhile, no other event loop can run in this thread."""
    with browser() as started:
        yield started


@pytest.fixture
def command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """Give the command `canary`, in an empty folder and with nothing of this machine's settings."""
    return CommandLine(tmp_path, monkeypatch, capsys)


@pytest.fixture
def in_cluster(command_line: CommandLine, story: Story) -> CommandLine:
    """Give the command `canary` with a kubeconfig whose context is the story's namespace."""
    return command_line.of_cluster(story.simulator.url, story.namespace)


@pytest.fixture
def canary(in_cluster: CommandLine, story: Story) -> CommandLine:
    """Give the command in a namespace where app:1 is stable, with its manifests in m.yml."""
    in_cluster.write_objects("m.yml", deployment(), service())
    assert in_cluster("apply", "m.yml").code == 0
    return in_cluster
