"""What the demo checks in the cluster through the API, so that it need not trust what the driver says."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from scripts.demo.children import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Pod:
    """A pod of stable.

    Attributes:
        uid: distinguishes it from another pod of the same name.
        images: of its containers.
        restarts: of all its containers.
    """

    uid: str
    images: tuple[str, ...]
    restarts: int


@dataclass(frozen=True)
class Seen:
    """The workload at one instant.

    Attributes:
        deployments: names of the workload's Deployments.
        image: in the template of the stable Deployment; empty if there is none.
        pods: of the stable Deployment, without those that are being deleted.
        answering: number of ready pods, of all variants.
    """

    deployments: tuple[str, ...]
    image: str
    pods: frozenset[Pod]
    answering: int


def look(kubeconfig: Path, namespace: str) -> Seen:
    """Return the current state of sampleapp; raises CommandError if the API server does not answer."""
    with connection(kubeconfig) as api:
        apps, core = client.AppsV1Api(api), client.CoreV1Api(api)
        deployments, sets, pods = (
            items(each, namespace)
            for each in (
                apps.list_namespaced_deployment,
                apps.list_namespaced_replica_set,
                core.list_namespaced_pod,
            )
        )
    own = {each["metadata"]["name"] for each in sets if "sampleapp" in owners(each)}
    stable = [each for each in pods if own & owners(each) and "deletionTimestamp" not in each["metadata"]]
    return Seen(
        tuple(each["metadata"]["name"] for each in deployments),
        next(
            (images(each["spec"]["template"])[0] for each in deployments if each["metadata"]["name"] == "sampleapp"), ""
        ),
        frozenset(Pod(each["metadata"]["uid"], images(each), restarts(each)) for each in stable),
        sum(ready(each) for each in pods),
    )


def items(ask: Callable[..., Any], namespace: str, selector: str = "app=sampleapp") -> list[dict[str, Any]]:
    """Return the items that a list call of the client answers, as plain JSON."""
    answer = ask(namespace, label_selector=selector, _preload_content=False, _request_timeout=10)
    found: list[dict[str, Any]] = json.loads(answer.data)["items"]
    return found


def owners(item: dict[str, Any]) -> set[str]:
    """Return the names of an object's owners."""
    return {each["name"] for each in item["metadata"].get("ownerReferences", [])}


def images(item: dict[str, Any]) -> tuple[str, ...]:
    """Return the images of a pod or of a template."""
    return tuple(each["image"] for each in item["spec"]["containers"])


def restarts(pod: dict[str, Any]) -> int:
    """Return how often the containers of a pod were restarted."""
    return sum(each["restartCount"] for each in pod["status"].get("containerStatuses", []))


def ready(pod: dict[str, Any]) -> bool:
    """Return whether a pod gets traffic."""
    conditions = pod["status"].get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def make_namespace(kubeconfig: Path, name: str) -> None:
    """Make a namespace that enforces the Pod Security Standard "restricted"; raises CommandError."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    with connection(kubeconfig) as api:
        body = client.V1Namespace(metadata=client.V1ObjectMeta(name=name, labels=labels))
        client.CoreV1Api(api).create_namespace(body)


def delete_namespace(kubeconfig: Path, name: str) -> None:
    """Delete a namespace with all its objects; raises CommandError."""
    with connection(kubeconfig) as api:
        client.CoreV1Api(api).delete_namespace(name)


@contextmanager
def connection(kubeconfig: Path) -> Iterator[client.ApiClient]:
    """Give the official client for a kubeconfig; its errors are raised as CommandError."""
    try:
        with config.new_client_from_config(str(kubeconfig)) as api:
            yield api
    except ApiException as error:
        message = json.loads(error.body)["message"] if error.body else error.reason
        raise CommandError(f"the API server says: {message}") from error
    except (HTTPError, config.ConfigException) as error:
        raise CommandError(f"the API server does not answer: {error}") from error
