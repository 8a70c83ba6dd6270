"""Writes Events, which `kubectl describe` and `kubectl events` show."""

import logging

from localcluster.apimachinery.objects import Object, now
from localcluster.apimachinery.resources import EVENT, NAMESPACE
from localcluster.storage.registry import Registry

log = logging.getLogger(__name__)


class Recorder:
    """Writes the Events of one component. A repeated Event about the same object only increases its count."""

    def __init__(self, registry: Registry, component: str) -> None:
        self._registry = registry
        self._component = component
        self._names: dict[tuple[str, ...], str] = {}

    def normal(self, obj: Object, reason: str, message: str, field: str = "") -> None:
        """Write an Event of type Normal."""
        self.record("Normal", obj, reason, message, field)

    def warning(self, obj: Object, reason: str, message: str, field: str = "") -> None:
        """Write an Event of type Warning; `field` is the path of a part, such as `spec.containers{app}`."""
        self.record("Warning", obj, reason, message, field)

    def record(self, kind: str, obj: Object, reason: str, message: str, field: str) -> None:
        """Write an Event of a type, `Normal` or `Warning`."""
        store, meta = self._registry.store, obj["metadata"]
        namespace = meta.get("namespace") or "default"
        space = store.find(NAMESPACE, "", namespace)
        if space is None or "deletionTimestamp" in space["metadata"]:
            log.info("%s %s/%s: %s: %s", obj["kind"], namespace, meta["name"], reason, message)
            return
        key = (namespace, meta["uid"], kind, reason, message, field)
        known = store.find(EVENT, namespace, self._names[key]) if key in self._names else None
        if known is not None:
            known.update(count=known["count"] + 1, lastTimestamp=now())
            store.update(EVENT, known)
            return
        involved = {"kind": obj["kind"], "apiVersion": obj["apiVersion"], "namespace": namespace, "name": meta["name"]}
        involved |= {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
        if field:
            involved["fieldPath"] = field
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{meta['name']}.", "namespace": namespace},
            "involvedObject": involved,
            "type": kind,
            "reason": reason,
            "message": message,
            "count": 1,
            "firstTimestamp": now(),
            "lastTimestamp": now(),
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": "",
        }
        made = self._registry.create(EVENT, event, manager=self._component)
        self._names[key] = made["metadata"]["name"]
