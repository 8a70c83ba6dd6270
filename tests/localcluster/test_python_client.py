"""The official Python client: typed calls, dynamic calls and watches."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import kubernetes
import pytest
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient

from tests.localcluster.objects import deployment
from tests.localcluster.server import Server, config_map


@pytest.fixture
def client(server: Server, tmp_path: pathlib.Path) -> Iterator[kubernetes.client.ApiClient]:
    with kubernetes.config.new_client_from_config(server.kubeconfig(tmp_path)) as client:
        yield client
        client.rest_client.pool_manager.clear()


@pytest.fixture
def dynamic(client: kubernetes.client.ApiClient, tmp_path: pathlib.Path) -> DynamicClient:
    return kubernetes.dynamic.DynamicClient(client, cache_file=str(tmp_path / "discovery"))


def test_typed_calls_work(client: kubernetes.client.ApiClient) -> None:
    apps = kubernetes.client.AppsV1Api(client)
    made = apps.create_namespaced_deployment("default", deployment(replicas=2))  # type: ignore[arg-type] # a dict is allowed too
    assert made.spec.replicas == 2
    apps.patch_namespaced_deployment("web", "default", {"spec": {"paused": True}})
    assert apps.read_namespaced_deployment("web", "default").spec.paused
    apps.patch_namespaced_deployment_scale("web", "default", {"spec": {"replicas": 3}})
    scale = apps.read_namespaced_deployment_scale("web", "default")
    assert scale.spec
    assert scale.spec.replicas == 3
    (listed,) = apps.list_deployment_for_all_namespaces(label_selector="!x", field_selector="metadata.name=web").items
    assert listed.metadata
    assert listed.metadata.name == "web"
    assert apps.delete_namespaced_deployment("web", "default")["status"] == "Success"  # type: ignore[index]
    with pytest.raises(ApiException, match="NotFound") as missing:
        apps.read_namespaced_deployment("web", "default")
    assert missing.value.status == 404


def test_dynamic_calls_work(dynamic: DynamicClient) -> None:
    resource = dynamic.resources.get(api_version="v1", kind="ConfigMap")
    made = resource.server_side_apply(body=config_map(a="1"), namespace="default", field_manager="me")
    assert made.data.a == "1"
    assert [item.kind for item in resource.get(namespace="default").items] == ["ConfigMap"]
    resource.patch(
        body={"data": {"b": "2"}}, name="c", namespace="default", content_type="application/merge-patch+json"
    )
    assert resource.get(name="c", namespace="default").to_dict()["data"] == {"a": "1", "b": "2"}
    resource.delete(name="c", namespace="default")
    assert resource.get(namespace="default").items == []


def test_a_typed_watch_resumes_after_its_list(client: kubernetes.client.ApiClient) -> None:
    core = kubernetes.client.CoreV1Api(client)
    version = core.list_namespaced_config_map("default").metadata.resource_version  # type: ignore[union-attr]
    core.create_namespaced_config_map("default", config_map())  # type: ignore[arg-type] # a dict is allowed too
    core.delete_namespaced_config_map("c", "default")
    watch = kubernetes.watch.Watch()
    events = watch.stream(
        core.list_namespaced_config_map, "default", resource_version=version, timeout_seconds=1, label_selector="!x"
    )
    assert [(event["type"], event["object"].metadata.name) for event in events] == [("ADDED", "c"), ("DELETED", "c")]


def test_a_dynamic_watch_gets_events(dynamic: DynamicClient) -> None:
    resource = dynamic.resources.get(api_version="v1", kind="ConfigMap")
    resource.create(body=config_map(), namespace="default")
    events = resource.watch(namespace="default", timeout=1)
    assert [(event["type"], event["object"].metadata.name) for event in events] == [("ADDED", "c")]
