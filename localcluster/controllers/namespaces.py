"""The namespace controller."""

from collections.abc import Iterable

from localcluster.apimachinery.objects import Object
from localcluster.apimachinery.resources import NAMESPACE, POD, RESOURCES, SERVICE_ACCOUNT
from localcluster.controllers.controller import MANAGER, Controller, Key, key_of
from localcluster.storage.store import Change


class Namespaces(Controller):
    """Empties namespaces that are being deleted, and gives new namespaces the ServiceAccount `default`."""

    def keys_for(self, change: Change) -> Iterable[Key]:
        """Return the changed namespace, or the namespace of a deleted object."""
        if change.resource == NAMESPACE:
            return [key_of(change.object)]
        return [("", change.object["metadata"].get("namespace", ""))] if change.type == "DELETED" else []

    def sync(self, key: Key) -> float | None:
        """Delete the objects of a namespace that is being deleted, and then the namespace."""
        namespace = self.store.find(NAMESPACE, *key)
        if namespace is None:
            return None
        name = key[1]
        if "deletionTimestamp" not in namespace["metadata"]:
            if self.store.find(SERVICE_ACCOUNT, name, "default") is None:
                account: Object = {"apiVersion": "v1", "kind": "ServiceAccount"}
                account["metadata"] = {"name": "default", "namespace": name}
                self.registry.create(SERVICE_ACCOUNT, account, manager=MANAGER)
            return None
        content = [(r, o) for r in RESOURCES if r.namespaced for o in self.store.peek_all(r, name)]
        # Pods last: the owners must go first, or they would create new pods.
        for resource, obj in sorted(content, key=lambda each: each[0] == POD):
            if "deletionTimestamp" not in obj["metadata"] and self.store.peek(resource, *key_of(obj)):
                self.registry.delete(resource, *key_of(obj))
        if not any(any(self.store.peek_all(r, name)) for r in RESOURCES if r.namespaced):
            self.store.remove(NAMESPACE, *key)
        return None
