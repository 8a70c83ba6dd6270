"""The store: copies, resource versions and history."""

from __future__ import annotations

import asyncio

import pytest

from localcluster.apimachinery.errors import ApiError
from localcluster.apimachinery.resources import CONFIG_MAP
from localcluster.storage.store import Change, Store
from tests.localcluster.server import config_map


def test_changing_an_object_does_not_change_the_store() -> None:
    store, given = Store(), config_map(a="1")
    made = store.create(CONFIG_MAP, given)
    got = store.get(CONFIG_MAP, "", "c")
    for mine in (given, made, got, *store.list(CONFIG_MAP)):
        mine["data"]["a"] = "2"
    assert store.get(CONFIG_MAP, "", "c")["data"] == {"a": "1"}


def test_each_write_has_a_higher_version_and_is_in_the_history() -> None:
    store, seen = Store(), list[Change]()
    stop = store.listen(seen.append)
    obj = store.create(CONFIG_MAP, config_map(a="1"))
    obj["data"] = {"a": "2"}
    store.update(CONFIG_MAP, obj)
    store.update(CONFIG_MAP, {**obj, "metadata": {"name": "c"}})  # this changes nothing
    store.remove(CONFIG_MAP, "", "c")
    stop()
    store.create(CONFIG_MAP, config_map())
    assert [c.type for c in seen] == ["ADDED", "MODIFIED", "DELETED"]
    assert [c.version for c in seen] == sorted({c.version for c in seen})
    assert store.since(CONFIG_MAP, seen[0].version)[:2] == seen[1:]
    assert seen[1].previous is not None
    assert (seen[1].previous["data"], seen[1].object["data"]) == ({"a": "1"}, {"a": "2"})


def test_a_version_outside_of_the_history_is_expired() -> None:
    store = Store(history=3)
    start = store.version
    for name in "abcd":
        store.create(CONFIG_MAP, config_map(name))
    assert [c.object["metadata"]["name"] for c in store.since(CONFIG_MAP, start + 1)] == ["b", "c", "d"]
    for unknown in (start, store.version + 1):
        with pytest.raises(ApiError) as gone:
            store.since(CONFIG_MAP, unknown)
        assert (gone.value.code, gone.value.reason) == (410, "Expired")


def test_an_outdated_version_or_another_uid_is_a_conflict() -> None:
    store = Store()
    old = store.create(CONFIG_MAP, config_map())
    store.update(CONFIG_MAP, {**old, "data": {"a": "1"}})
    for meta in (old["metadata"], {"name": "c", "uid": "other"}):
        with pytest.raises(ApiError) as conflict:
            store.update(CONFIG_MAP, {**config_map(), "metadata": meta})
        assert (conflict.value.code, conflict.value.reason) == (409, "Conflict")


def test_a_queue_gets_all_changes_while_it_is_open() -> None:
    async def names() -> list[str]:
        store = Store()
        with store.queue() as queue:
            store.create(CONFIG_MAP, config_map("a"))
        store.create(CONFIG_MAP, config_map("b"))
        return [queue.get_nowait().object["metadata"]["name"] for _ in range(queue.qsize())]

    assert asyncio.run(names()) == ["a"]
