"""Fixtures of the tests of a release."""

from __future__ import annotations

import pytest

from tests.canary.story import Story, deployment, http_route, service


@pytest.fixture
def deployed(story: Story) -> Story:
    """Give a story whose canary, app:2 beside app:1, is ready."""
    story.stable(service(), deployment("app:1"))
    story.release(service(), deployment("app:2")).deploy()
    story.events.clear()
    return story


@pytest.fixture
def routed(story: Story) -> Story:
    """Give a namespace with stable, its Service, and an HTTPRoute that leads there."""
    story.stable(service(), deployment("app:1"))
    story.cluster.create(http_route())
    story.simulator.settle()
    return story
