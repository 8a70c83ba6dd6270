"""Patches; strategic merge patches follow the documentation of Kubernetes."""

from __future__ import annotations

from typing import Any

import pytest

from localcluster.apimachinery.resources import DEPLOYMENT
from localcluster.storage.patches import merge, strategic
from localcluster.storage.schema import type_of
from tests.localcluster.objects import deployment
from tests.localcluster.server import DEPLOYMENTS, JSON_PATCH, STRATEGIC, Server

Object = dict[str, Any]
POD = type_of(DEPLOYMENT).fields["spec"].fields["template"].fields["spec"]
META = type_of(DEPLOYMENT).fields["metadata"]


def pod(*containers: Object, **spec: Any) -> Object:
    return {"containers": list(containers), **spec}


@pytest.mark.parametrize(
    ("old", "patch", "new"),
    [
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": 1}, {"a": None}, {}),
        ({"a": {"b": 1}}, {"a": {"c": None, "d": 2}}, {"a": {"b": 1, "d": 2}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": "x"}, {"a": {"b": 1}}, {"a": {"b": 1}}),
    ],
)
def test_a_merge_patch_follows_rfc_7386(old: Object, patch: Object, new: Object) -> None:
    assert merge(old, patch) == new


@pytest.mark.parametrize(
    ("old", "patch", "new"),
    [
        pytest.param(
            pod({"name": "a", "image": "1"}, {"name": "b", "image": "1"}),
            pod({"name": "b", "image": "2"}),
            pod({"name": "a", "image": "1"}, {"name": "b", "image": "2"}),
            id="items are merged by their key",
        ),
        pytest.param(
            pod({"name": "a"}), pod({"name": "b"}), pod({"name": "b"}, {"name": "a"}), id="new items come first"
        ),
        pytest.param(
            pod({"name": "a"}, {"name": "b"}),
            pod({"name": "a", "$patch": "delete"}),
            pod({"name": "b"}),
            id="$patch: delete takes an item away",
        ),
        pytest.param(
            pod({"name": "a"}, {"name": "b"}),
            pod({"$patch": "replace"}, {"name": "c"}),
            pod({"name": "c"}),
            id="$patch: replace replaces a list",
        ),
        pytest.param(
            pod({"name": "a"}, {"name": "b"}, {"name": "c"}),
            {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}]},
            pod({"name": "b"}, {"name": "c"}, {"name": "a"}),
            id="$setElementOrder orders those it names, the others stay before what they stood before",
        ),
        pytest.param(
            pod(volumes=[{"name": "v", "emptyDir": {}}]),
            {"volumes": [{"name": "v", "$retainKeys": ["name", "configMap"], "configMap": {"name": "c"}}]},
            pod(volumes=[{"name": "v", "configMap": {"name": "c"}}]),
            id="$retainKeys drops the other kind of volume",
        ),
        pytest.param(
            pod(nodeSelector={"a": "1"}),
            {"nodeSelector": {"$patch": "replace", "b": "2"}},
            pod(nodeSelector={"b": "2"}),
            id="$patch: replace replaces a map",
        ),
        pytest.param(
            pod({"name": "a", "args": ["x", "y"]}),
            pod({"name": "a", "args": ["z"]}),
            pod({"name": "a", "args": ["z"]}),
            id="lists without a key are replaced",
        ),
        pytest.param(
            pod({"name": "a", "env": [{"name": "A", "value": "1"}]}),
            pod({"name": "a", "env": [{"name": "A", "value": None, "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]}),
            pod({"name": "a", "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]}),
            id="null takes a field away",
        ),
    ],
)
def test_a_strategic_merge_patch_follows_its_directives_and_merge_keys(old: Object, patch: Object, new: Object) -> None:
    assert strategic(POD, old, patch) == new


def test_a_strategic_merge_patch_merges_lists_of_scalars() -> None:
    old = {"finalizers": ["a", "b"]}
    assert strategic(META, old, {"finalizers": ["b", "c"]}) == {"finalizers": ["a", "b", "c"]}
    assert strategic(META, old, {"$deleteFromPrimitiveList/finalizers": ["a"]}) == {"finalizers": ["b"]}


def test_changing_the_type_of_a_strategy_drops_the_parameters_of_the_old_type(server: Server) -> None:
    server.post(DEPLOYMENTS, deployment())
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    patched = server.call("PATCH", DEPLOYMENTS + "/web", patch, STRATEGIC).body
    assert patched["spec"]["strategy"] == {"type": "Recreate"}


def test_a_json_patch_is_applied_or_refused(server: Server) -> None:
    server.post(DEPLOYMENTS, deployment())
    image = "/spec/template/spec/containers/0/image"
    patch = [{"op": "test", "path": image, "value": "web:1"}, {"op": "replace", "path": image, "value": "web:2"}]
    patched = server.call("PATCH", DEPLOYMENTS + "/web", patch, JSON_PATCH).body
    assert patched["spec"]["template"]["spec"]["containers"][0]["image"] == "web:2"
