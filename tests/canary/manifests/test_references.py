"""Which configuration pods refer to, and the same with copies in its place."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from canary.errors import InputError
from canary.manifests.references import (
    Reference,
    copy_name,
    references,
    references_as_text,
    references_from_text,
    with_copies,
    without_copies,
)
from tests.canary.story import deployment

EVERYWHERE: dict[str, Any] = {
    "volumes": [
        {"name": "a", "configMap": {"name": "in-volume", "optional": True, "items": [{"key": "k", "path": "p"}]}},
        {"name": "b", "secret": {"secretName": "in-volume", "defaultMode": 256}},
        {
            "name": "c",
            "projected": {"sources": [{"configMap": {"name": "projected"}}, {"secret": {"name": "projected"}}]},
        },
        {"name": "d", "emptyDir": {}},
    ],
    "imagePullSecrets": [{"name": "pull"}],
    "initContainers": [{"name": "init", "image": "app:2", "envFrom": [{"configMapRef": {"name": "init"}}]}],
    "containers": [
        {
            "name": "app",
            "image": "app:2",
            "envFrom": [
                {"configMapRef": {"name": "all", "optional": True}, "prefix": "P_"},
                {"secretRef": {"name": "all"}},
            ],
            "env": [
                {"name": "A", "value": "all"},
                {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "one", "key": "one", "optional": True}}},
                {"name": "C", "valueFrom": {"secretKeyRef": {"name": "one", "key": "one"}}},
                {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            ],
        }
    ],
}
FOUND = {
    *(Reference("ConfigMap", name) for name in ("in-volume", "projected", "init", "all", "one")),
    *(Reference("Secret", name) for name in ("in-volume", "projected", "pull", "all", "one")),
}


def everywhere() -> dict[str, Any]:
    made = deployment("app:2")
    made["spec"]["template"]["spec"] = deepcopy(EVERYWHERE)
    return made


def test_references_are_found_in_volumes_variables_and_pull_secrets_of_all_containers() -> None:
    assert references(everywhere()) == FOUND


def test_a_deployment_without_configuration_refers_to_none() -> None:
    assert references(deployment("app:2")) == frozenset()


@pytest.mark.parametrize("one", sorted(FOUND), ids=str)
def test_a_copy_replaces_only_its_own_reference(one: Reference) -> None:
    changed = with_copies(everywhere(), [one])
    expected = (FOUND - {one}) | {Reference(one.kind, f"{one.name}-canary")}
    assert references(changed) == expected
    assert without_copies(changed, [one]) == everywhere()


def test_fields_beside_a_name_do_not_change() -> None:
    spec = with_copies(everywhere(), FOUND)["spec"]["template"]["spec"]
    assert spec["volumes"][0]["configMap"] == {
        "name": "in-volume-canary",
        "optional": True,
        "items": [{"key": "k", "path": "p"}],
    }
    assert spec["containers"][0]["envFrom"][0] == {
        "configMapRef": {"name": "all-canary", "optional": True},
        "prefix": "P_",
    }
    assert spec["containers"][0]["env"][0] == {"name": "A", "value": "all"}


def test_the_given_deployment_is_not_changed() -> None:
    given = everywhere()
    with_copies(given, FOUND)
    assert given == everywhere()


@pytest.mark.parametrize("nonsense", [None, "x", [], [None], [1], {"a": 1}])
@pytest.mark.parametrize("where", ["volumes", "imagePullSecrets", "initContainers"])
def test_invalid_values_are_left_to_the_api_server(where: str, nonsense: object) -> None:
    made = deployment("app:2")
    made["spec"]["template"]["spec"][where] = nonsense
    assert references(made) == frozenset()
    assert with_copies(made, FOUND) == made


def test_references_read_back_from_an_annotation() -> None:
    assert references_from_text(references_as_text(FOUND)) == FOUND
    assert references_from_text("") == frozenset()


def test_a_name_that_is_too_long_for_a_copy_is_refused() -> None:
    assert copy_name(Reference("ConfigMap", "x" * 246)) == "x" * 246 + "-canary"
    with pytest.raises(InputError, match=r"254 characters \(the limit is 253\): give it a name of at most 246"):
        copy_name(Reference("ConfigMap", "x" * 247))
