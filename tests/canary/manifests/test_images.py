"""`--image` and `--image-pull-secret`: what they match, and what they change."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.errors import InputError
from canary.manifests.bundle import Bundle
from canary.manifests.images import (
    Image,
    image_name,
    images_of,
    parse_image,
    refuse_other_workloads,
    with_images,
    with_pull_secrets,
)

DIGEST = "sha256:" + "0123456789abcdef" * 4


def workload(kind: str, *images: str, api_version: str = "apps/v1", name: str = "app") -> dict[str, Any]:
    """Return an object of a kind whose last image is a container's and the others are init containers'."""
    *init, main = images
    pod = {
        "initContainers": [{"name": f"i{number}", "image": image} for number, image in enumerate(init)],
        "containers": [{"name": "c", "image": main}],
    }
    specs: dict[str, Any] = {
        "Pod": pod,
        "CronJob": {"jobTemplate": {"spec": {"template": {"spec": pod}}}},
    }
    spec = specs.get(kind, {"template": {"spec": pod}})
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec}


KINDS = [
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("apps/v1", "ReplicaSet"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("v1", "Pod"),
    ("v1", "ReplicationController"),
]


def bundle_of(*items: dict[str, Any]) -> Bundle:
    return Bundle(items, tuple(f"m.yml:{number}" for number, _ in enumerate(items, 1)), "lab")


def replaced(there: str, asked: str) -> str:
    [item] = with_images(bundle_of(workload("Deployment", there)), [parse_image(asked)]).objects
    return images_of(item)[0]


@pytest.mark.parametrize(
    ("there", "asked", "result"),
    [
        ("sampleapp", "sampleapp:20", "sampleapp:20"),
        ("sampleapp:10", "sampleapp:20", "sampleapp:20"),
        ("sampleapp:10", "sampleapp", "sampleapp"),
        (f"sampleapp@{DIGEST}", "sampleapp:20", "sampleapp:20"),
        (f"sampleapp:10@{DIGEST}", "sampleapp:20", "sampleapp:20"),
        ("sampleapp:10", f"sampleapp@{DIGEST}", f"sampleapp@{DIGEST}"),
        ("host:5000/team/app", "host:5000/team/app:2", "host:5000/team/app:2"),
        ("host:5000/team/app:1", "host:5000/team/app:2", "host:5000/team/app:2"),
        ("app:1", "app=host:5000/team/app:2", "host:5000/team/app:2"),
        ("host:5000/app:1", "host:5000/app=other.example/app:2", "other.example/app:2"),
    ],
)
def test_an_image_is_found_by_its_name_without_tag_and_digest(there: str, asked: str, result: str) -> None:
    assert replaced(there, asked) == result


@pytest.mark.parametrize(
    ("there", "asked"),
    [
        ("sampleapp2:10", "sampleapp:20"),
        ("team/sampleapp:10", "sampleapp:20"),
        ("host:5000/app:1", "host:app"),
        ("host:5001/app:1", "host:5000/app:2"),
    ],
)
def test_an_image_of_another_name_is_not_touched_and_that_is_an_error(there: str, asked: str) -> None:
    with pytest.raises(InputError) as error:
        replaced(there, asked)
    assert str(error.value).startswith(
        f"--image {asked}: no container's image is named {parse_image(asked).name}; the manifests have {there}"
    )


@pytest.mark.parametrize(("api_version", "kind"), KINDS)
def test_images_change_in_containers_and_init_containers_of_every_workload(api_version: str, kind: str) -> None:
    item = workload(kind, "app:1", "other:1", "app:1", api_version=api_version)
    [changed] = with_images(bundle_of(item), [Image("app", "app:2")]).objects
    assert images_of(changed) == ("app:2", "other:1", "app:2")
    assert images_of(item) == ("app:1", "other:1", "app:1")


def test_images_are_matched_against_the_manifests_not_against_each_other() -> None:
    swap = [parse_image("a=b:1"), parse_image("b=a:1")]
    [item] = with_images(bundle_of(workload("Deployment", "a:0", "b:0")), swap).objects
    assert images_of(item) == ("b:1", "a:1")


def test_two_images_for_one_name_are_refused() -> None:
    images = [parse_image("app:1"), parse_image("app=x/app:2")]
    with pytest.raises(InputError) as error:
        with_images(bundle_of(workload("Deployment", "app:0")), images)
    assert str(error.value) == "--image: app:1 and x/app:2 would both replace app"


@pytest.mark.parametrize("text", ["", "app:", ":1", "app:1:2", "App:1", "app=", "app@sha256:12", "a b:1", "app:-1"])
def test_an_invalid_image_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not an image such as registry:5000/app"):
        parse_image(text)


def test_the_name_to_be_replaced_has_no_tag() -> None:
    with pytest.raises(InputError, match="'app:1' is not an image name: give the part before tag and digest"):
        parse_image("app:1=app:2")


component = st.from_regex(r"[a-z0-9]+([._-][a-z0-9]+)?", fullmatch=True)


@given(
    registry=st.sampled_from(["", "host/", "host:5000/", "registry.example/", "localhost:1/"]),
    path=st.lists(component, min_size=1, max_size=3),
    tag=st.none() | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True),
    digest=st.none() | st.just(DIGEST),
)
def test_tag_and_digest_are_not_part_of_a_name(
    registry: str, path: list[str], tag: str | None, digest: str | None
) -> None:
    name = registry + "/".join(path)
    reference = name + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    assert image_name(reference) == name
    assert parse_image(reference) == Image(name, reference)


@pytest.mark.parametrize(("api_version", "kind"), KINDS)
def test_pull_secrets_are_appended_to_every_workload_and_never_twice(api_version: str, kind: str) -> None:
    once = with_pull_secrets(bundle_of(workload(kind, "app:1", api_version=api_version)), ["a", "b", "a"])
    twice = with_pull_secrets(once, ["b", "c"])
    assert '"imagePullSecrets": [{"name": "a"}, {"name": "b"}]'.replace('"', "'") in str(once.objects)
    assert "'imagePullSecrets': [{'name': 'a'}, {'name': 'b'}, {'name': 'c'}]" in str(twice.objects)


def test_objects_without_pods_get_no_pull_secrets() -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": []}}
    assert with_pull_secrets(bundle_of(service), ["a"]).objects == (service,)


def test_the_name_of_a_pull_secret_is_checked() -> None:
    with pytest.raises(InputError, match="--image-pull-secret A_B: not a valid Secret name"):
        with_pull_secrets(bundle_of(workload("Deployment", "app:1")), ["A_B"])


def test_a_workload_that_can_have_no_canary_is_refused_when_its_image_would_change() -> None:
    bundle = bundle_of(workload("Deployment", "app:1"), workload("StatefulSet", "db:1", "app:1", name="worker"))
    refuse_other_workloads(bundle, [Image("nothing", "nothing:2")])
    with pytest.raises(InputError) as error:
        refuse_other_workloads(bundle, [Image("app", "app:2")])
    assert str(error.value) == (
        "m.yml:2: StatefulSet worker runs app:1 as well, and a StatefulSet cannot be released as a canary: "
        "leave it out of these manifests and deploy it with canary apply"
    )


def test_malformed_pods_are_left_to_the_api_server() -> None:
    item = workload("Deployment", "app:1")
    item["spec"]["template"]["spec"]["initContainers"] = {"not": "a list"}
    assert images_of(item) == ("app:1",)


def test_an_error_suggests_the_same_image_in_another_registry() -> None:
    with pytest.raises(InputError) as error:
        replaced("shop", "registry.example/shop:3")
    assert str(error.value).endswith("; to replace shop, pass --image shop=registry.example/shop:3")
    assert replaced("shop", "shop=registry.example/shop:3") == "registry.example/shop:3"
