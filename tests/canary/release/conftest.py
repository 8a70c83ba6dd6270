"""Fixtures of the tests of a release."""

from __future__ import annotations

import pytest

from tests.canary.story import Story, deployment, service


@pytest.fixture
def deployed(story: Story) -> Story:
    """Give a story whose canary, app:2 beside app:1, is ready."""
    story.stable(service(), deployment("app:1"))
    story.release(service(), deployment("app:2")).deploy()
    story.events.clear()
    return story
