"""Lists in chunks: what a continue token returns, and for how long it is valid."""

from __future__ import annotations

import pathlib
import subprocess
from collections.abc import Iterator

import pytest

from tests.localcluster.cluster import BIN
from tests.localcluster.server import CONFIG_MAPS, MERGE, Answer, Server, config_map

EVERYWHERE = "/api/v1/configmaps"


def names(answer: Answer) -> list[str]:
    return [item["metadata"]["name"] for item in answer.body["items"]]


def chunk(server: Server, path: str, limit: int, after: Answer | None = None) -> Answer:
    token = f"&continue={after.body['metadata']['continue']}" if after else ""
    return server.call("GET", f"{path}{'&' if '?' in path else '?'}limit={limit}{token}")


def filled(server: Server) -> None:
    for name in "abcde":
        server.post(CONFIG_MAPS, config_map(name, labels={"odd": str(name in "ace")}, k="1"))
    server.post(CONFIG_MAPS.replace("default", "other"), config_map("a"))


def test_chunks_add_up_to_the_list_across_namespaces(server: Server) -> None:
    filled(server)
    first = chunk(server, EVERYWHERE, 4)
    rest = chunk(server, EVERYWHERE, 4, first)
    assert (names(first), names(rest)) == (["a", "b", "c", "d"], ["e", "a"])
    assert first.body["metadata"]["remainingItemCount"] == 2
    assert set(rest.body["metadata"]) == {"resourceVersion"}


def test_later_chunks_show_the_objects_as_they_were_at_the_first_chunk(server: Server) -> None:
    filled(server)
    first = chunk(server, CONFIG_MAPS, 2)
    server.call("DELETE", f"{CONFIG_MAPS}/c")
    server.call("PATCH", f"{CONFIG_MAPS}/d", {"data": {"k": "2"}}, MERGE)
    server.post(CONFIG_MAPS, config_map("dd"))
    rest = chunk(server, CONFIG_MAPS, 100, first)
    assert [(item["metadata"]["name"], item["data"]) for item in rest.body["items"]] == [
        (name, {"k": "1"}) for name in "cde"
    ]
    assert rest.body["metadata"]["resourceVersion"] == first.body["metadata"]["resourceVersion"]


def test_chunks_of_a_selection_do_not_count_the_remaining_objects(server: Server) -> None:
    filled(server)
    path = f"{CONFIG_MAPS}?labelSelector=odd%3DTrue"
    first = chunk(server, path, 2)
    assert (names(first), names(chunk(server, path, 2, first))) == (["a", "c"], ["e"])
    assert "remainingItemCount" not in first.body["metadata"]


@pytest.fixture
def forgetful() -> Iterator[Server]:
    """Provide a server that keeps only the last three changes."""
    with Server(history=3) as running:
        yield running


def test_a_list_at_an_exact_version_shows_the_past_until_it_expires(
    forgetful: Server,
) -> None:
    filled(forgetful)
    version = forgetful.get(CONFIG_MAPS)["metadata"]["resourceVersion"]
    path = f"{CONFIG_MAPS}?resourceVersion={version}&resourceVersionMatch=Exact"
    forgetful.call("DELETE", f"{CONFIG_MAPS}/a")
    assert names(forgetful.call("GET", path)) == list("abcde")
    for name in "bcde":
        forgetful.call("DELETE", f"{CONFIG_MAPS}/{name}")
    gone = forgetful.call("GET", path)
    assert (gone.code, gone.body["reason"]) == (410, "Expired")


def test_an_expired_token_comes_with_a_new_one_for_the_current_objects(
    forgetful: Server,
) -> None:
    filled(forgetful)
    first = chunk(forgetful, CONFIG_MAPS, 2)
    for number in range(4):
        forgetful.post(CONFIG_MAPS, config_map(f"x{number}"))
    expired = chunk(forgetful, CONFIG_MAPS, 2, first)
    assert (expired.code, expired.body["reason"]) == (410, "Expired")
    assert expired.message.startswith("The provided continue parameter is too old to display a consistent list result.")
    assert names(chunk(forgetful, CONFIG_MAPS, 4, expired)) == ["c", "d", "e", "x0"]


@pytest.mark.parametrize("query", ["limit=x", "continue=x", "continue=e30", "limit=2&continue=bnVsbA"])
def test_an_invalid_limit_or_token_is_a_bad_request(server: Server, query: str) -> None:
    assert server.call("GET", f"{CONFIG_MAPS}?{query}").code == 400


def test_a_token_cannot_be_combined_with_a_resource_version(server: Server) -> None:
    filled(server)
    token = chunk(server, CONFIG_MAPS, 2).body["metadata"]["continue"]
    refused = server.call("GET", f"{CONFIG_MAPS}?resourceVersion=1&continue={token}")
    assert (refused.code, refused.message) == (400, "specifying resource version is not allowed when using continue")


def test_kubectl_reads_a_whole_list_in_chunks(server: Server, tmp_path: pathlib.Path) -> None:
    filled(server)
    get = [str(BIN / "kubectl"), "--kubeconfig", server.kubeconfig(tmp_path), "get", "configmaps", "--no-headers"]
    for output in ("name", "wide"):
        command = [*get, "--chunk-size=2", "-o", output]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert [line.split()[0].removeprefix("configmap/") for line in shown.splitlines()] == list("abcde")
