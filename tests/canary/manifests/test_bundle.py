"""What a release deploys: read from files, folders and stdin, and refused with file and line."""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.errors import InputError
from canary.manifests.bundle import Bundle, digest, load, require_deployment
from canary.objects import describe, identity

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: sampleapp
spec:
  selector:
    matchLabels: {app: sampleapp}
  template:
    metadata:
      labels: {app: sampleapp}
    spec:
      containers:
        - name: sampleapp
          image: sampleapp:10
"""
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: sampleapp}\nspec: {selector: {app: sampleapp}}\n"


def names(bundle: Bundle) -> list[str]:
    return [describe(item) for item in bundle.objects]


def refusal(path: Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(InputError) as error:
        load([str(path)], namespace="lab")
    return str(error.value).removeprefix(f"{path}:")


def test_folders_are_searched_recursively_and_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "b.yaml").write_text(SERVICE)
    (tmp_path / "a.yml").write_text(DEPLOYMENT)
    (tmp_path / "c.json").write_text('{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}')
    (tmp_path / "readme.txt").write_text("not a manifest")
    (tmp_path / ".github").mkdir()
    (tmp_path / ".github" / "ci.yml").write_text("on: push")
    (tmp_path / "._a.yml").write_text("not a manifest")

    bundle = load([str(tmp_path)], namespace="lab")

    assert names(bundle) == ["Deployment sampleapp", "ConfigMap c", "Service sampleapp"]
    assert bundle.sources == (f"{tmp_path}/a.yml:1", f"{tmp_path}/c.json:1", f"{tmp_path}/deep/er/b.yaml:1")
    assert [describe(item) for item in bundle.deployments] == ["Deployment sampleapp"]
    assert [describe(item) for item in bundle.others] == ["ConfigMap c", "Service sampleapp"]


def test_a_file_may_have_several_documents_and_empty_ones_are_skipped(tmp_path: Path) -> None:
    file = tmp_path / "all.yml"
    file.write_text(f"---\n# nothing\n---\n{SERVICE}---\n{DEPLOYMENT}---\n")
    bundle = load([str(file)], namespace="lab")
    assert bundle.sources == (f"{file}:4", f"{file}:9")
    assert bundle.source(bundle.deployments[0]) == f"{file}:9"


def test_lists_are_unfolded_and_each_item_has_its_own_line(tmp_path: Path) -> None:
    file = tmp_path / "list.yml"
    file.write_text(
        "apiVersion: v1\nkind: List\nitems:\n"
        "- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n"
        "- apiVersion: v1\n  kind: ConfigMapList\n  items:\n"
        "  - {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n"
    )
    bundle = load([str(file)], namespace="lab")
    assert names(bundle) == ["ConfigMap a", "ConfigMap b"]
    assert bundle.sources == (f"{file}:4", f"{file}:8")


def test_a_dash_reads_stdin(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(SERVICE)
    bundle = load(["-", str(tmp_path)], namespace="lab", stdin=io.BytesIO(DEPLOYMENT.encode()))
    assert bundle.sources == ("<stdin>:1", f"{tmp_path}/a.yml:1")
    with pytest.raises(InputError, match="there is no stdin to read"):
        load(["-"], namespace="lab")
    with pytest.raises(InputError, match="stdin can be read only once"):
        load(["-", "-"], namespace="lab", stdin=io.BytesIO(DEPLOYMENT.encode()))


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(DEPLOYMENT)
    assert names(load([str(tmp_path), str(tmp_path / "a.yml")], namespace="lab")) == ["Deployment sampleapp"]


def test_the_namespace_is_set_on_namespaced_objects(tmp_path: Path) -> None:
    file = tmp_path / "a.yml"
    file.write_text(f"{SERVICE}---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: lab}}\n")
    service, namespace = load([str(file)], namespace="lab").objects
    assert service["metadata"] == {"name": "sampleapp", "namespace": "lab"}
    assert namespace["metadata"] == {"name": "lab"}


WRONG = {
    "not a mapping": ("---\n- a\n", "2: a Kubernetes object is a mapping, this is a list"),
    "a text": ("---\nhello\n", "2: a Kubernetes object is a mapping, this is a string"),
    "no kind": ("apiVersion: v1\nmetadata: {name: a}\n", "1: not a Kubernetes object: kind is missing"),
    "no apiVersion": ("# x\nkind: Service\n", "2: not a Kubernetes object: apiVersion is missing"),
    "no metadata": ("apiVersion: v1\nkind: Service\n", "1: Service: metadata is missing"),
    "no name": ("apiVersion: v1\nkind: Service\nmetadata: {}\n", "1: Service: metadata.name is missing"),
    "a number for a name": (
        "apiVersion: v1\nkind: Service\nmetadata: {name: 1}\n",
        "1: Service: metadata.name is missing",
    ),
    "a name that Kubernetes makes up": (
        "apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: a-}\n",
        "1: Job: metadata.name is missing (generateName makes a new object each time)",
    ),
    "labels that are none": (
        "apiVersion: v1\nkind: Service\nmetadata: {name: a, labels: [b]}\n",
        "1: Service a: metadata.labels must be a mapping",
    ),
    "a Helm hook": (
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a, annotations: {helm.sh/hook: pre-install}}\n",
        "1: Job a is a Helm hook, which only Helm runs; leave it out: helm template --no-hooks",
    ),
    "a kustomization": (
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yml]\n",
        "1: a kustomization; build it and pass the result: kubectl kustomize FOLDER | canary … -",
    ),
    "another namespace": (
        "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: prod}\n",
        "1: Service a is in namespace prod, but the release is in lab: pass --namespace prod, or change the manifest",
    ),
    "YAML that is none": (
        "kind: Deployment\n  metadata: {}\n",
        "2: not valid YAML: mapping values are not allowed here",
    ),
    "no selector": (
        DEPLOYMENT.replace("    matchLabels: {app: sampleapp}\n", ""),
        "1: Deployment sampleapp: spec.selector must be a mapping",
    ),
    "a selector that matches nothing": (
        DEPLOYMENT.replace("matchLabels: {app: sampleapp}", "matchLabels: {}"),
        "1: Deployment sampleapp: spec.selector must match labels",
    ),
    "a selector that is none": (
        DEPLOYMENT.replace("matchLabels: {app: sampleapp}", "matchLabels: app"),
        "1: Deployment sampleapp: spec.selector must match labels",
    ),
    "labels of pods that are none": (
        DEPLOYMENT.replace("labels: {app: sampleapp}", "labels: app"),
        "1: Deployment sampleapp: spec.template.metadata.labels must be a mapping",
    ),
    "no containers": (
        DEPLOYMENT.replace("        - name: sampleapp\n          image: sampleapp:10\n", "        []\n"),
        "1: Deployment sampleapp: spec.template.spec.containers must be a list of containers",
    ),
    "replicas in words": (
        DEPLOYMENT.replace("spec:\n  selector", "spec:\n  replicas: two\n  selector"),
        "1: Deployment sampleapp: spec.replicas must be a whole number, 0 or more",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_error_in_a_manifest_names_file_and_line(case: str, tmp_path: Path) -> None:
    text, message = WRONG[case]
    assert refusal(tmp_path / "a.yml", text) == message


def test_a_selector_may_match_by_expressions_alone(tmp_path: Path) -> None:
    expressions = "matchExpressions: [{key: app, operator: In, values: [sampleapp]}]"
    (tmp_path / "a.yml").write_text(DEPLOYMENT.replace("matchLabels: {app: sampleapp}", expressions))
    assert load([str(tmp_path)], namespace="lab").deployments


def test_an_object_that_is_given_twice_is_refused_with_both_places(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(DEPLOYMENT)
    (tmp_path / "b.yml").write_text(f"{SERVICE}---\n{DEPLOYMENT}")
    with pytest.raises(InputError) as error:
        load([str(tmp_path)], namespace="lab")
    assert str(error.value) == f"{tmp_path}/b.yml:6: Deployment sampleapp is already given at {tmp_path}/a.yml:1"


def test_the_same_kind_and_name_of_two_groups_are_two_objects(tmp_path: Path) -> None:
    knative = SERVICE.replace("v1\n", "serving.knative.dev/v1\n", 1)
    (tmp_path / "a.yml").write_text(f"{SERVICE}---\n{knative}")
    assert len(load([str(tmp_path)], namespace="lab").objects) == 2


def test_paths_without_manifests_are_refused(tmp_path: Path) -> None:
    def message(*paths: str) -> str:
        with pytest.raises(InputError) as error:
            load(paths, namespace="lab")
        return str(error.value)

    assert message() == "no manifests given: name files, folders or - for stdin"
    assert (
        message(f"{tmp_path}/nowhere")
        == f"{tmp_path}/nowhere: no such file or folder; pass manifests that exist, or - for stdin"
    )
    assert message(f"{tmp_path}") == f"{tmp_path}: no manifests in this folder (.yml, .yaml, .json)"
    (tmp_path / "a.yml").write_text("---\n")
    assert message(f"{tmp_path}") == f"no Kubernetes objects in {tmp_path}"
    (tmp_path / "a.yml").write_bytes(b"a: \xff\n")
    assert message(f"{tmp_path}") == f"{tmp_path}/a.yml: not UTF-8 text"


def test_a_release_needs_a_deployment(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(SERVICE)
    with pytest.raises(InputError) as error:
        require_deployment(load([str(tmp_path)], namespace="lab"))
    assert str(error.value) == "no Deployment in the manifests (only Service): a release needs a Deployment"


objects = st.lists(
    st.builds(
        lambda kind, name, data: {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "data": data},
        st.sampled_from(["ConfigMap", "Service"]),
        st.text("abc", min_size=1, max_size=3),
        st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3),
    ),
    min_size=1,
    max_size=5,
    unique_by=identity,
)


def bundle_of(items: list[dict[str, Any]]) -> Bundle:
    return Bundle(tuple(items), tuple("x.yml:1" for _ in items), "lab")


@given(objects, st.randoms(use_true_random=False))
def test_the_digest_does_not_depend_on_any_order(items: list[dict[str, Any]], dice: random.Random) -> None:
    shuffled = [dict(dice.sample(list(item.items()), len(item))) for item in dice.sample(items, len(items))]
    assert digest(bundle_of(shuffled)) == digest(bundle_of(items))


@given(objects, objects)
def test_different_objects_have_different_digests(left: list[dict[str, Any]], right: list[dict[str, Any]]) -> None:
    same = sorted(left, key=identity) == sorted(right, key=identity)
    assert (digest(bundle_of(left)) == digest(bundle_of(right))) == same


def test_the_digest_is_the_same_in_all_processes_and_versions() -> None:
    item = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "ä"}, "data": {"b": "1", "a": "2"}}
    assert digest(bundle_of([item])) == "sha256:3f6160aab2dfe5f6f3f4b88ac7398180892f53f8854a7924c142a7e81c5e654f"
