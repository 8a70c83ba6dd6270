"""What a promote keeps of what was before."""

from __future__ import annotations

import json
from typing import Any

import pytest

from canary.errors import InputError
from canary.marks import STATE
from canary.objects import CONFIG_MAP, SECRET
from canary.state import last_promote as before
from tests.canary.story import Faulty, Story, config_map, deployment, secret


def refuse(kind: Any, *_: Any, **__: Any) -> None:
    assert kind != SECRET, "it looks at a Secret"


def test_no_secret_is_touched_where_none_would_be_overwritten(story: Story) -> None:
    story.cluster.create(config_map(colour="red"))
    watched: Any = Faulty(story.cluster, {"get": refuse, "find": refuse, "delete": refuse})

    before.save(watched, "app", "d", [config_map(), secret("fresh") | {"kind": "ConfigMap"}])
    assert [one.name for one in before.snapshots_before(watched, "app")] == ["settings", "fresh"]
    assert before.unfinished_digest(watched, "app") == "d"
    before.delete_last_promote(watched, "app")

    assert story.cluster.find(CONFIG_MAP) == [story.cluster.get(CONFIG_MAP, "settings")]


def test_values_of_secrets_are_kept_in_a_secret_and_the_order_is_kept(story: Story) -> None:
    story.cluster.create(secret())
    story.cluster.create(config_map(colour="red"))

    before.save(story.cluster, "app", "d", [config_map(), secret(value="new"), secret("other"), deployment()])

    kept = before.snapshots_before(story.cluster, "app")
    assert [(one.name, one.object is None) for one in kept] == [
        ("settings", False),
        ("password", False),
        ("other", True),
        ("app", True),
    ]
    assert kept[1].object == story.cluster.get(SECRET, "password")
    assert secret()["data"]["value"] not in json.dumps(story.cluster.get(CONFIG_MAP, "app-before"))
    before.delete_last_promote(story.cluster, "app")
    assert [one["metadata"]["name"] for one in story.cluster.find(SECRET)] == ["password"]


def test_who_is_stopped_between_the_two_deletions_leaves_no_secret(story: Story) -> None:
    story.cluster.create(secret())
    before.save(story.cluster, "app", "d", [secret()])

    def interrupt(kind: Any, *_: Any, **__: Any) -> None:
        if kind == SECRET:
            raise KeyboardInterrupt

    stopped: Any = Faulty(story.cluster, {"delete": interrupt})
    with pytest.raises(KeyboardInterrupt):
        before.delete_last_promote(stopped, "app")

    assert before.unfinished_digest(story.cluster, "app") is None
    story.until(lambda: story.cluster.get(SECRET, "app-before") is None)


def test_who_is_stopped_before_the_secret_is_made_has_saved_nothing(story: Story) -> None:
    story.cluster.create(secret())

    def interrupt(obj: Any, **_: Any) -> None:
        if obj["kind"] == "Secret":
            raise KeyboardInterrupt

    stopped: Any = Faulty(story.cluster, {"create": interrupt})
    with pytest.raises(KeyboardInterrupt):
        before.save(stopped, "app", "d", [secret()])

    before.save(story.cluster, "app", "d", [secret()])
    assert before.snapshots_before(story.cluster, "app")[0].object == story.cluster.get(SECRET, "password")


def test_what_the_same_release_has_saved_is_not_saved_anew(story: Story) -> None:
    story.cluster.create(secret())
    before.save(story.cluster, "app", "d", [secret()])
    was = before.snapshots_before(story.cluster, "app")
    story.cluster.replace(secret(value="promoted"))

    before.save(story.cluster, "app", "d", [secret()])
    assert before.snapshots_before(story.cluster, "app") == was

    before.save(story.cluster, "app", "another", [secret()])
    assert before.snapshots_before(story.cluster, "app")[0].object == story.cluster.get(SECRET, "password")


def test_what_is_kept_of_a_finished_promote_stays_and_counts_as_no_promote_under_way(story: Story) -> None:
    story.cluster.create(config_map(colour="red"))
    before.save(story.cluster, "app", "d", [config_map()])
    assert before.unfinished_digest(story.cluster, "app") == "d"

    before.mark_done(story.cluster, "app", ["app:2"], "sha256:made")

    found = before.read_last_promote(story.cluster, "app")
    assert found is not None
    assert (found.digest, found.state, found.promoted) == ("d", before.PromoteState.DONE, ("app:2",))
    assert before.unfinished_digest(story.cluster, "app") is None
    assert [one.name for one in before.snapshots_before(story.cluster, "app")] == ["settings"]


def test_a_record_without_a_state_is_of_a_promote_under_way_as_older_drivers_made_it(story: Story) -> None:
    before.save(story.cluster, "app", "d", [config_map()])
    story.cluster.annotate(CONFIG_MAP, "app-before", {STATE: None})
    assert before.unfinished_digest(story.cluster, "app") == "d"


def test_more_than_a_person_would_read_is_compressed(story: Story) -> None:
    story.cluster.create(config_map(text="line\n" * 180_000))
    before.save(story.cluster, "app", "d", [config_map()])
    assert "data" not in (story.cluster.get(CONFIG_MAP, "app-before") or {})
    assert before.snapshots_before(story.cluster, "app")[0].object == story.cluster.get(CONFIG_MAP, "settings")


def test_a_config_map_of_somebody_else_is_neither_read_nor_overwritten(story: Story) -> None:
    theirs = story.cluster.create(config_map("app-before", recipe="soup"))
    assert before.unfinished_digest(story.cluster, "app") is None
    assert before.snapshots_before(story.cluster, "app") == ()
    before.delete_last_promote(story.cluster, "app")
    with pytest.raises(InputError, match="ConfigMap app-before is not from canary"):
        before.save(story.cluster, "app", "d", [config_map()])
    assert story.cluster.get(CONFIG_MAP, "app-before") == theirs
