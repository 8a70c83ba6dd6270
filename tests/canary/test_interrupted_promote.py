"""What may be done, and what not, after the driver of a promote was stopped in the middle."""

from __future__ import annotations

from typing import Any

import pytest

from canary.collaborators import CONFIG_MAP
from canary.errors import InputError
from canary.events import Note, Variant
from tests.canary.ghosts import ready
from tests.canary.interruption import interrupt_promote
from tests.canary.story import Story, deployment


def image(found: dict[str, Any]) -> str:
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


def test_a_release_whose_promote_was_interrupted_is_not_deployed_again(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    interrupt_promote(story)

    with pytest.raises(InputError, match="canary promote, with the same manifests and images, finishes it"):
        story.release(deployment("app:2")).deploy()


def test_rejecting_after_an_interrupted_promote_warns_of_what_stable_runs(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    interrupt_promote(story)
    story.ghosts.script.clear()
    story.release(names=("app",)).reject()
    assert any(note.warning and "promote of app was interrupted" in note.text for note in story.heard(Note))

    story.release(deployment("app:1")).apply()
    story.release(deployment("app:3")).deploy()
    story.release(deployment("app:3")).promote()
    assert image(story.deployment()) == "app:3"
    assert story.cluster.get(CONFIG_MAP, "app-before") is None


def test_a_promote_against_the_verdict_that_was_interrupted_is_finished_by_the_next(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    story.counts.good[Variant.CANARY] = 0.1
    story.release(names=("app",)).watch()
    interrupt_promote(story, decided=True)
    story.ghosts.script.clear()  # first: pods may come at any moment, and are to get ready
    story.ghosts.settle()
    story.ghosts.haunt(story.namespace, "app-", ready)

    story.release(deployment("app:2")).promote()
    assert image(story.deployment()) == "app:2"


def test_another_release_is_told_of_a_promote_that_was_interrupted_and_how_to_finish_it(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    interrupt_promote(story)

    with pytest.raises(InputError, match=r"app-canary runs app:2 .*; its promote was interrupted: canary promote"):
        story.release(deployment("app:3")).deploy()
