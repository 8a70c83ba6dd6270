"""A controller of the Gateway API that serves every route at once, and notes requests that would find no pod."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from localcluster.apimachinery.objects import clone
from localcluster.apimachinery.resources import ENDPOINT_SLICE, RESOURCES, SERVICE
from localcluster.controllers.controller import Controller, Key, key_of
from localcluster.storage.store import Change

Object = dict[str, Any]
HTTP_ROUTE = next(one for one in RESOURCES if one.kind == "HTTPRoute")
SERVICE_NAME = "kubernetes.io/service-name"
MUTE = "test/mute"
"""Annotation of a route whose changes the controller does not see."""


class GatewayController(Controller):
    """Writes the status of HTTPRoutes.

    Attributes:
        lost: by namespace, what requests would have found no pod, for a test to look at.
        abrupt: by namespace, Services that got requests in the change that named them first, or until the one that
            named them no more. Envoy behind Contour loses requests then.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.lost: dict[str, list[str]] = {}
        self.abrupt: dict[str, list[str]] = {}
        self._seen: dict[Key, tuple[set[str], set[str]]] = {}

    def keys_for(self, change: Change) -> Iterable[Key]:
        """Return the changed route, or all routes of the namespace of a Service or an EndpointSlice."""
        if change.resource == HTTP_ROUTE:
            return [key_of(change.object)] if change.type != "DELETED" else []
        if change.resource not in (SERVICE, ENDPOINT_SLICE):
            return []
        return [key_of(one) for one in self.store.peek_all(HTTP_ROUTE, change.object["metadata"]["namespace"])]

    def sync(self, key: Key) -> float | None:
        """Say that a route is accepted, and whether its backends are there."""
        route = self.store.find(HTTP_ROUTE, *key)
        if route is None or MUTE in (route["metadata"].get("annotations") or {}):
            return None
        backends = [one for rule in route["spec"].get("rules") or [] for one in rule.get("backendRefs") or []]
        missing = [one["name"] for one in backends if self.store.peek(SERVICE, key[0], one["name"]) is None]
        for one in backends:
            if one.get("weight", 1) and not self._has_endpoints(key[0], one["name"]):
                self.lost.setdefault(key[0], []).append(f"{one['name']}, weight {one.get('weight', 1)}")
        self._compare(key, backends)
        generation = route["metadata"]["generation"]
        conditions = [
            _condition("Accepted", "Accepted", generation),
            _condition("ResolvedRefs", "BackendNotFound" if missing else "ResolvedRefs", generation, *missing),
        ]
        parents = [
            {"parentRef": parent, "controllerName": "example.com/gateway", "conditions": conditions}
            for parent in route["spec"].get("parentRefs") or []
        ]
        if route.get("status") != {"parents": parents}:
            self.registry.update(
                HTTP_ROUTE, {**clone(route), "status": {"parents": parents}}, manager="gateway", subresource="status"
            )
        return None

    def _compare(self, key: Key, backends: list[Object]) -> None:
        """Note which Services come or go with requests, since the route was last looked at."""
        named = {one["name"] for one in backends}
        used = {one["name"] for one in backends if one.get("weight", 1)}
        named_before, used_before = self._seen.get(key, (named, used))
        self._seen[key] = named, used
        for name in sorted((used - named_before) | (used_before - named)):
            self.abrupt.setdefault(key[0], []).append(name)

    def _has_endpoints(self, namespace: str, service: str) -> bool:
        slices = self.store.peek_all(ENDPOINT_SLICE, namespace)
        own = [one for one in slices if (one["metadata"].get("labels") or {}).get(SERVICE_NAME) == service]
        return any(point["conditions"].get("ready") for one in own for point in one["endpoints"] or [])


def _condition(kind: str, reason: str, generation: int, *missing: str) -> Object:
    return {
        "type": kind,
        "status": "False" if missing else "True",
        "reason": reason,
        "message": f"no Service {', '.join(missing)}" if missing else "",
        "observedGeneration": generation,
        "lastTransitionTime": "2001-09-09T01:46:40Z",
    }
