"""A tag that was pushed again is told from an image that nodes merely call by different names."""

from __future__ import annotations

import pytest

from canary.errors import PromoteError
from canary.events import Note
from canary.observe.image_ids import RunningImage
from tests.canary.story import Story, deployment

INDEX, MANIFEST, OTHER = (f"sha256:{digit * 64}" for digit in "abc")
PINNED = f"app@{INDEX}"


def image(story: Story) -> str:
    return str(story.deployment()["spec"]["template"]["spec"]["containers"][0]["image"])


def promoted(story: Story, new: str = "app:2") -> list[str]:
    """Release an image with the canary on node one and stable on node two, and return the warnings about IDs."""
    story.simulator.nodes.update({"app-canary-": "one", "app-baseline-": "one", "app-": "two"})
    story.stable(deployment("app:1"))
    story.release(deployment(new)).deploy()
    story.release(deployment(new)).promote()
    assert image(story) == new
    return [note.text for note in story.heard(Note) if note.warning and "cannot be told" in note.text]


def test_one_digest_under_two_repositories_is_one_content(story: Story) -> None:
    story.simulator.image_ids |= {
        "app:2 on one": f"registry.example/mirror/app@{INDEX}",
        "app:2 on two": f"docker-pullable://registry.example/app@{INDEX}",
    }
    assert promoted(story) == []


def test_one_local_image_under_two_schemes_is_one_content(story: Story) -> None:
    story.simulator.image_ids |= {"app:2 on one": f"docker://{INDEX}", "app:2 on two": INDEX}
    assert promoted(story) == []


def test_another_digest_is_another_content_where_nodes_name_images_alike(story: Story) -> None:
    story.simulator.image_ids |= {
        "app:1": f"registry.example/app@{INDEX}",
        "app:2 on one": f"registry.example/app@{MANIFEST}",
        "app:2 on two": f"registry.example/app@{OTHER}",
    }
    with pytest.raises(PromoteError) as raised:
        promoted(story)
    assert (
        f"container app of app runs registry.example/app@{OTHER} on node two, the canary's ran "
        f"registry.example/app@{MANIFEST} on node one: was the tag app:2 pushed again? "
        "To release one content, give the image by its digest (--image NAME@sha256:…), which is the same everywhere"
    ) in str(raised.value)
    assert image(story) == "app:1"


def test_another_digest_where_nodes_name_the_old_image_differently_is_promoted_and_said(story: Story) -> None:
    story.simulator.image_ids |= {
        "app:1 on one": f"app@{OTHER}",
        "app:1 on two": "app@sha256:" + "d" * 64,
        "app:2 on one": f"app@{INDEX}",
        "app:2 on two": f"app@{MANIFEST}",
    }
    [told] = promoted(story)
    assert told.startswith(
        f"whether container app of app runs what the canary ran cannot be told: it runs app@{MANIFEST} on node two, "
        f"the canary's ran app@{INDEX} on node one, and nodes here name one image differently: app:1 is "
    )


def test_another_digest_on_a_node_of_the_canary_s_is_another_content_whatever_other_nodes_do(story: Story) -> None:
    story.simulator.nodes.update({"app-baseline-": "two", "app-": "one"})
    story.simulator.image_ids |= {"app:1 on one": f"app@{OTHER}", "app:1 on two": f"app@{MANIFEST}"}
    story.simulator.image_ids["app:2"] = f"app@{INDEX}"
    story.stable(deployment("app:1"))
    story.release(deployment("app:2")).deploy()
    story.simulator.image_ids["app:2"] = f"app@{MANIFEST}"
    with pytest.raises(PromoteError, match="was the tag app:2 pushed again"):
        story.release(deployment("app:2")).promote()
    assert image(story) == "app:1"


def test_an_id_that_only_its_node_knows_is_not_compared_and_that_is_said(story: Story) -> None:
    story.simulator.image_ids |= {"app:2 on one": MANIFEST, "app:2 on two": f"app@{INDEX}"}
    [told] = promoted(story)
    assert "and one of the two IDs is known to its node alone" in told


def test_an_image_that_is_asked_for_by_digest_is_one_content_whatever_nodes_name_it(story: Story) -> None:
    story.simulator.image_ids |= {f"{PINNED} on one": f"app@{INDEX}", f"{PINNED} on two": f"app@{MANIFEST}"}
    assert promoted(story, PINNED) == []


@pytest.mark.parametrize(
    "image_id",
    [
        f"docker.io/library/app@{INDEX}",
        f"docker-pullable://app@{INDEX}",
        f"docker://{INDEX}",
        INDEX,
        INDEX.removeprefix("sha256:"),
    ],
)
def test_the_digest_is_found_in_the_ids_of_every_runtime(image_id: str) -> None:
    assert RunningImage("app", "app:2", image_id, "one").digest == INDEX.removeprefix("sha256:")


def test_images_of_a_canary_of_another_release_are_not_compared(story: Story) -> None:
    story.stable(deployment("app:1"))
    story.release(deployment("app:3")).deploy()
    story.release(deployment("app:2"), unproven=True).promote()
    assert image(story) == "app:2"
