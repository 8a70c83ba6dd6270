"""The variants go, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest

from canary.errors import InterruptedReleaseError
from canary.events import Note, Rejected
from canary.objects import POD, REPLICA_SET
from tests.canary.story import Faulty, Story, deployment


def test_reject_deletes_the_variants_with_all_that_they_own_and_leaves_stable_alone(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    before = story.deployment()
    pods = {pod["metadata"]["uid"] for pod in story.cluster.find(POD) if "canary" not in pod["metadata"]["name"]}

    story.release(deployment("app:2")).reject("answers are slow")

    assert story.names() == {"app"}
    assert story.deployment()["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    [event] = story.heard(Rejected)
    assert (event.reason, event.deleted) == ("answers are slow", ("app-baseline", "app-canary"))
    story.until(lambda: len(story.cluster.find(REPLICA_SET)) == 1)
    story.until(lambda: {pod["metadata"]["uid"] for pod in story.cluster.find(POD)} < pods)
    assert len(story.cluster.find(POD)) == 4


def test_reject_again_says_that_there_is_nothing(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).reject()
    assert any("nothing to reject" in note.text for note in story.heard(Note))
    assert story.heard(Rejected) == []


def test_a_deployment_without_the_label_is_left_alone_and_said(story: Story) -> None:
    story.stable(deployment("app:1"), deployment("mine:1", name="app-canary"))
    story.release(names=("app",)).reject()
    assert story.names() == {"app", "app-canary"}
    assert any("is not deleted" in note.text and note.warning for note in story.heard(Note))


def test_without_names_every_release_in_progress_is_rejected(story: Story) -> None:
    story.stable(deployment("app:1"), deployment("worker:1", name="worker"))
    story.release(deployment("app:2"), deployment("worker:2", name="worker")).deploy()
    story.release().reject()
    assert story.names() == {"app", "worker"}


def test_an_interrupted_reject_is_finished_by_the_next(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()

    def interrupt(_kind: Any, name: str, **_: Any) -> None:
        if name == "app-canary":
            raise KeyboardInterrupt

    with pytest.raises(InterruptedReleaseError, match="canary reject"):
        story.release(names=("app",), cluster=Faulty(story.cluster, {"delete": interrupt})).reject()
    assert story.names() == {"app", "app-canary"}

    story.release().reject()
    assert story.names() == {"app"}
