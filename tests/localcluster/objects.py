"""Objects that tests apply."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def container(image: str = "web:1", **spec: Any) -> Object:
    """Return a container of the test image, which is ready as soon as it answers."""
    probe = {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 1}
    return {
        "name": "web",
        "image": image,
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": probe,
        **spec,
    }


def deployment(
    name: str = "web", *, replicas: int = 1, image: str = "web:1", pod: Object | None = None, **spec: Any
) -> Object:
    """Return a Deployment of the test image."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container(image)], **(pod or {})}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template, **spec},
    }


def pod(name: str, *containers: Object, **spec: Any) -> Object:
    """Return a pod."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": list(containers) or [container()], "terminationGracePeriodSeconds": 5, **spec},
    }


def script(text: str, name: str = "main", **spec: Any) -> Object:
    """Return a container that runs a shell script."""
    return {"name": name, "image": "web:1", "command": ["/bin/sh", "-c", text], **spec}


def service(name: str = "web", **spec: Any) -> Object:
    """Return a Service in front of a Deployment of its name."""
    ports = [{"name": "http", "port": 8080, "targetPort": "http"}]
    meta = {"name": name}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta,
        "spec": {"selector": {"app": name}, "ports": ports} | spec,
    }
