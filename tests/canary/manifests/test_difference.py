"""Differences as a person reads them before a release."""

from __future__ import annotations

import base64
from typing import Any

from canary.apply.managed_fields import with_last_applied
from canary.manifests.difference import LONGEST_LINE, MOST_LINES, difference, is_same
from tests.canary.story import config_map, service


def secret(**values: str) -> dict[str, Any]:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "type": "Opaque", "data": data}


def test_a_difference_is_a_unified_diff_of_yaml() -> None:
    assert difference(config_map(colour="red", size="1"), config_map(colour="blue", size="1")) == (
        "--- live",
        "+++ manifests",
        "@@ -4,4 +4,4 @@",
        "   name: settings",
        " data:",
        "-  colour: red",
        "+  colour: blue",
        "   size: '1'",
    )


def test_fields_of_the_api_server_are_not_a_difference() -> None:
    live = with_last_applied(service())
    live["metadata"] |= {"uid": "1", "resourceVersion": "7", "generation": 3, "managedFields": [{}], "namespace": "a"}
    live |= {"status": {"loadBalancer": {}}}
    planned = with_last_applied(service())
    planned["metadata"]["annotations"]["canary-lab/digest"] = "sha256:1"
    assert is_same(live, planned)
    assert difference(live, planned) == ()


def test_labels_and_annotations_of_other_tools_are_a_difference() -> None:
    live, planned = service(), service()
    planned["metadata"] |= {"labels": {"team": "a"}, "annotations": {"example.com/x": "1"}}
    assert not is_same(live, planned)
    assert {"+    team: a", "+    example.com/x: '1'"} <= set(difference(live, planned))


def test_values_of_secrets_are_masked_and_a_change_of_the_same_length_is_marked() -> None:
    live, planned = secret(password="hunter2", user="ada", gone="x"), secret(password="hunter3", user="ada", new="yz")
    live["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "hunter2"}
    lines = difference(live, planned)
    assert [line for line in lines if line[1:2] == " " and ":" in line and line[0] in "+-"] == [
        "-  gone: <1 bytes>",
        "-  password: <7 bytes>",
        "+  new: <2 bytes>",
        "+  password: <7 bytes, changed>",
    ]
    assert not any("hunter" in line for line in lines)


def test_multi_line_texts_differ_line_by_line() -> None:
    lines = difference(config_map(file="a\nb\nc\n"), config_map(file="a\nB\nc\n"))
    assert [line for line in lines if line.startswith(("-  ", "+  "))] == ["-    b", "+    B"]


def test_a_long_difference_is_cut_and_says_so() -> None:
    lines = difference(config_map(), config_map(**{f"key{n:03}": "x" for n in range(200)}))
    assert len(lines) == MOST_LINES + 1
    assert lines[-1].startswith("… ")
    assert lines[-1].endswith(" more lines")


def test_a_long_line_is_cut_and_says_so() -> None:
    lines = difference(config_map(a="x"), config_map(a="y" * 1000))
    [longest] = [line for line in lines if "yyy" in line]
    assert longest.endswith("more characters")
    assert len(longest) < LONGEST_LINE + 40
