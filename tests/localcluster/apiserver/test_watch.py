"""Watches: what they send, where they resume, when they end."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from localcluster.apiserver import watch as watch_module
from tests.localcluster.server import CONFIG_MAPS, MERGE, PODS, SECRET, Server, config_map


def labelled(server: Server, name: str, **labels: str | None) -> None:
    server.call("PATCH", f"{CONFIG_MAPS}/{name}", {"metadata": {"labels": labels}}, MERGE)


def short(events: Iterator[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["type"], event["object"]["metadata"]["name"]) for event in events]


def test_without_a_version_a_watch_starts_with_all_existing_objects(server: Server) -> None:
    server.post(CONFIG_MAPS, config_map("a"))
    assert short(server.watch(CONFIG_MAPS + "?watch=1&timeoutSeconds=1")) == [("ADDED", "a")]


def test_a_watch_resumes_where_a_list_ended(server: Server) -> None:
    server.post(CONFIG_MAPS, config_map("a"))
    version = server.get(CONFIG_MAPS)["metadata"]["resourceVersion"]
    server.post(CONFIG_MAPS, config_map("b"))
    labelled(server, "a", x="1")
    server.call("DELETE", CONFIG_MAPS + "/b")
    events = server.watch(f"{CONFIG_MAPS}?watch=true&resourceVersion={version}&timeoutSeconds=1")
    assert short(events) == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]


def test_a_watch_sends_changes_as_they_happen(server: Server) -> None:
    version = server.get(CONFIG_MAPS)["metadata"]["resourceVersion"]
    events = server.watch(f"{CONFIG_MAPS}?watch=1&resourceVersion={version}&timeoutSeconds=15")
    server.post(CONFIG_MAPS, config_map("a"))
    first = next(events)
    assert (first["type"], first["object"]["kind"], first["object"]["metadata"]["name"]) == ("ADDED", "ConfigMap", "a")
    server.call("DELETE", CONFIG_MAPS + "/a")
    last = next(events)
    assert last["type"] == "DELETED"
    assert int(last["object"]["metadata"]["resourceVersion"]) > int(first["object"]["metadata"]["resourceVersion"])


def test_an_object_that_stops_matching_the_selector_is_deleted_for_the_watch(server: Server) -> None:
    version = server.get(CONFIG_MAPS)["metadata"]["resourceVersion"]
    server.post(CONFIG_MAPS, config_map("a"))
    labelled(server, "a", tier="front")
    labelled(server, "a", tier="front", x="1")
    labelled(server, "a", tier=None)
    labelled(server, "a", x="2")
    events = server.watch(f"{CONFIG_MAPS}?watch=1&resourceVersion={version}&timeoutSeconds=1&labelSelector=tier")
    assert short(events) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


def test_a_watch_of_a_name_sends_only_that_object(server: Server) -> None:
    for name in ("a", "b"):
        server.post(CONFIG_MAPS, config_map(name))
    by_field = "?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Db"
    assert short(server.watch(CONFIG_MAPS + by_field)) == [("ADDED", "b")]
    assert short(server.watch(CONFIG_MAPS + "/b?watch=1&timeoutSeconds=1")) == [("ADDED", "b")]


def test_a_watch_from_an_expired_version_gets_an_error_event() -> None:
    with Server(history=3) as server:
        for number in range(4):
            server.post(CONFIG_MAPS, config_map(f"c{number}"))
        (event,) = server.watch(PODS + "?watch=1&resourceVersion=1&timeoutSeconds=1")
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")


def test_bookmarks_contain_the_version_to_resume_from(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "BOOKMARK", 0.01)
    version = server.post(CONFIG_MAPS, config_map("a"))["metadata"]["resourceVersion"]
    bookmark = next(server.watch(f"{PODS}?watch=1&allowWatchBookmarks=true&resourceVersion={version}"))
    assert (bookmark["type"], bookmark["object"]["kind"]) == ("BOOKMARK", "Pod")
    assert bookmark["object"]["metadata"]["resourceVersion"] == version


def test_streaming_lists_are_refused_so_that_clients_fall_back(server: Server) -> None:
    query = "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    assert server.call("GET", PODS + query).code == 422


def test_a_client_that_reads_too_slowly_is_disconnected_and_can_resume(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "BEHIND", 4)
    version = server.get(CONFIG_MAPS)["metadata"]["resourceVersion"]
    path = f"{CONFIG_MAPS}?watch=1&resourceVersion={{}}&timeoutSeconds=3"
    seen: list[dict[str, Any]] = []
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
        connection.request("GET", f"/{SECRET}{path.format(version)}")
        answer = connection.getresponse()
        for number in range(40):
            server.post(CONFIG_MAPS, config_map(f"c{number:02}", data="x" * 500_000))
        with contextlib.suppress(http.client.IncompleteRead, json.JSONDecodeError, ConnectionError):
            for line in answer:
                seen.append(json.loads(line))  # noqa: PERF401 - keep the events before the cut
    assert 0 < len(seen) < 40
    last = seen[-1]["object"]["metadata"]["resourceVersion"]
    again = [name for _, name in short(server.watch(path.format(last)))]
    assert [name for _, name in short(iter(seen))] + again == [f"c{number:02}" for number in range(40)]
