"""Events: one-line remarks on an object that `kubectl describe` and `kubectl get events` show."""

from __future__ import annotations

import logging

from localcluster.apimachinery.objects import Object, now
from localcluster.apimachinery.resources import EVENT, NAMESPACE
from localcluster.storage.registry import Registry

log = logging.getLogger(__name__)


class Recorder:
    """Writes the Events of one component; what is said again of the same object is counted, not repeated."""

    def __init__(self, registry: Registry, component: str) -> None:
        self._registry = registry
        self._component = component
        self._names: dict[tuple[str, ...], str] = {}

    def normal(self, obj: Object, reason: str, message: str, field: str = "") -> None:
        """Remark on something that went as it should."""
        self.record("Normal", obj, reason, message, field)

    def warning(self, obj: Object, reason: str, message: str, field: str = "") -> None:
        """Remark on something that did not; field is the path of a part, as in `spec.containers{app}`."""
        self.record("Warning", obj, reason, message, field)

    def record(self, kind: str, obj: Object, reason: str, message: str, field: str) -> None:
        """Write an Event of a type: `Normal` or `Warning`."""
        store, meta = self._registry.store, obj["metadata"]
        namespace = meta.get("namespace") or "default"
        home = store.find(NAMESPACE, "", namespace)
        if home is None or "deletionTimestamp" in home["metadata"]:
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
