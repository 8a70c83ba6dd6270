"""All writes of objects: defaults, validation, field ownership, deletion.

The API server and the controllers call the same methods: in Kubernetes, controllers are API clients too.
"""

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

from localcluster.apimachinery.errors import ApiError, conflict, invalid, invalid_value, not_found
from localcluster.apimachinery.objects import ALPHABET, Object, clone, now
from localcluster.apimachinery.resources import DEPLOYMENT, NAMESPACE, POD, RESOURCES, SERVICE, Resource
from localcluster.storage import custom, defaults, validation
from localcluster.storage.apply import managed_fields
from localcluster.storage.apply.server_side import applied
from localcluster.storage.schema import decoded, type_of
from localcluster.storage.service_allocator import ServiceAllocator
from localcluster.storage.store import Store

PROTECTED_NAMESPACES = ("default", "kube-system", "kube-public")  # namespaces that cannot be deleted
_SERVER_SET = ("name", "namespace", "deletionTimestamp", "deletionGracePeriodSeconds")
_STATUS_KEEPS = {
    "Deployment": ("labels",),
    "Pod": ("ownerReferences",),
}  # metadata that a status update does not change


class Registry:
    """Writes objects into a store.

    `service_range` holds the cluster IPs of Services. If it is a single address, all Services share it.
    """

    def __init__(self, store: Store, service_range: str = "127.96.128.0/17") -> None:
        self.store = store
        self._allocator = ServiceAllocator(store, service_range)

    def create(self, resource: Resource, obj: Object, *, manager: str, dry_run: bool = False) -> Object:
        """Create an object (metadata.generateName is honoured) and return it as stored.

        Raises ApiError 403 and 404 for its namespace, 409 if it exists, 422 if it is invalid.
        """
        return self._create(resource, clone(obj), manager, dry_run=dry_run)

    def _create(self, resource: Resource, obj: Object, manager: str | None, *, dry_run: bool) -> Object:
        """Create an object. Without a manager, its managedFields stay as they are."""
        meta = obj.setdefault("metadata", {})
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"] + "".join(secrets.choice(ALPHABET) for _ in range(5))
        for server_set in ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"):
            meta.pop(server_set, None)
        if resource.namespaced:
            self._check_namespace(meta["namespace"], meta.get("name", ""))
        if meta.pop("resourceVersion", ""):
            raise ApiError(500, "resourceVersion should not be set on objects to be created", reason="")
        if "status" in resource.subresources and resource.kind != "Node":
            obj["status"] = {}
        if resource.is_custom:
            obj.pop("status", None)
        self._complete(resource, obj, None)
        if manager is not None:
            given = {key: value for key, value in obj.items() if key != "status"}
            meta["managedFields"] = managed_fields.after_update(type_of(resource), None, given, manager)
        if not meta["managedFields"]:
            del meta["managedFields"]
        self._assign(resource, obj, None)
        return self.store.create(resource, obj, dry_run=dry_run)

    def update(
        self, resource: Resource, obj: Object, *, manager: str, subresource: str = "", dry_run: bool = False
    ) -> Object:
        """Replace an object: with the subresource `status` only its status, otherwise all but its status.

        Raises ApiError 404, 409 if metadata.resourceVersion or uid differ, 422 if it is invalid.
        """
        new = clone(obj)
        old = clone(self.store.current(resource, new))
        if resource.is_custom and not new["metadata"].get("resourceVersion"):
            cause = invalid_value("metadata.resourceVersion", 0, "must be specified for an update")
            raise invalid(resource.kind, resource.group, new["metadata"]["name"], [cause])
        given = new["metadata"].get("managedFields") if not subresource else None
        meta = new["metadata"]
        self._prepare(resource, old, new, subresource)
        # A status update of a custom resource owns the metadata that it has, although it does not change it.
        seen = {**new, "metadata": meta} if subresource and resource.is_custom else new
        new["metadata"]["managedFields"] = managed_fields.after_update(
            type_of(resource), old, seen, manager, subresource, given=given
        )
        self._assign(resource, new, old)
        return self._write(resource, old, new, subresource, dry_run=dry_run)

    def apply(
        self,
        resource: Resource,
        config: Object,
        *,
        manager: str,
        force: bool = False,
        subresource: str = "",
        dry_run: bool = False,
    ) -> tuple[Object, bool]:
        """Apply a configuration server-side; return the object as stored and whether it was created.

        Raises what create and update raise, and ApiError 400, 409 (conflicts with other managers) and 500 as Kubernetes
        does.
        """
        meta = config["metadata"]
        if meta.get("managedFields"):
            raise ApiError(400, "metadata.managedFields must be nil")
        live = self.store.find(resource, meta.get("namespace", ""), meta["name"])
        of, uid = type_of(resource), meta.get("uid")
        if live is None:
            if uid:
                why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                raise conflict(resource, meta["name"], why)
            shell = {k: meta[k] for k in ("name", "namespace") if k in meta}
            empty = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": shell}
            made = applied(of, empty, config, manager, force=force, subresource=subresource)
            return self._create(resource, decoded(resource, made)[0], None, dry_run=dry_run), True
        if uid not in (None, live["metadata"]["uid"]):
            cause = invalid_value("metadata.uid", uid, "field is immutable")
            raise invalid(resource.kind, resource.group, meta["name"], [cause])
        self.store.current(resource, config)
        made = applied(of, live, config, manager, force=force, subresource=subresource)
        new = decoded(resource, made)[0]
        self._prepare(resource, live, new, subresource)
        self._assign(resource, new, live)
        return self._write(resource, live, new, subresource, dry_run=dry_run), False

    def _prepare(self, resource: Resource, old: Object, new: Object, subresource: str) -> None:
        """Complete a new version of an object, in place: fields that this write must not change stay as they are."""
        if subresource == "status":  # it also changes most metadata: the Deployment controller writes revisions so
            kept: Collection[str] = _STATUS_KEEPS.get(resource.kind, ())
            if resource.is_custom:
                kept = {*old["metadata"], *new["metadata"]} - {"managedFields"}
            meta = {k: v for k, v in new["metadata"].items() if k not in (*_SERVER_SET, *kept)}
            meta |= {k: v for k, v in clone(old["metadata"]).items() if k in (*_SERVER_SET, *kept)}
            status = new.get("status", None if resource.is_custom else {})
            new.update({**clone(old), "status": status, "metadata": meta})
            if resource.is_custom:
                custom.fill(type_of(resource), new)
            if new["status"] is None:
                del new["status"]
            if problems := validation.problems_of_status(type_of(resource), new):
                raise invalid(resource.kind, resource.group, new["metadata"]["name"], problems)
            return
        if "status" in resource.subresources:
            new.pop("status", None)
            new |= {key: value for key, value in old.items() if key == "status"}
        for key in ("deletionTimestamp", "deletionGracePeriodSeconds"):
            new["metadata"].pop(key, None)
            if key in old["metadata"]:
                new["metadata"][key] = old["metadata"][key]
        self._complete(resource, new, old)

    def _complete(self, resource: Resource, new: Object, old: Object | None) -> None:
        defaults.fill(new)
        custom.fill(type_of(resource), new)
        if problems := validation.problems(type_of(resource), new, old):
            raise invalid(resource.kind, resource.group, new["metadata"].get("name", ""), problems)

    def _assign(self, resource: Resource, new: Object, old: Object | None) -> None:
        """Set the fields that the cluster decides. managedFields are complete by then, so no client owns these."""
        if resource == SERVICE:
            self._allocator.allocate(new, old)
        else:
            defaults.admit(new)

    def _write(self, resource: Resource, old: Object, new: Object, subresource: str, *, dry_run: bool) -> Object:
        new_generation = False if subresource == "status" else None
        if resource == DEPLOYMENT and new_generation is None and _annotations(new) != _annotations(old):
            new_generation = True
        stored = self.store.update(resource, new, new_generation=new_generation, dry_run=dry_run)
        meta = stored["metadata"]
        over = "deletionTimestamp" in meta and not meta.get("finalizers")
        if over and resource not in (POD, NAMESPACE) and not dry_run:
            self.store.remove(resource, meta.get("namespace", ""), meta["name"])
        return stored

    def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        grace: int | None = None,
        propagation: str = "Background",
        dry_run: bool = False,
    ) -> Object:
        """Delete an object and return it.

        A running pod is only marked (deletionTimestamp, deletionGracePeriodSeconds): the kubelet ends its processes and
        then calls `store.remove`. A namespace is only marked too, until its controller has emptied it. So is an object
        with finalizers: the update that removes the last finalizer removes the object. `Foreground` adds the finalizer
        `foregroundDeletion`, which the garbage collector removes when the dependents are gone. `Orphan` removes the
        owner reference from the dependents. Raises ApiError 404, and 403 for namespaces that every cluster has.
        """
        if resource == NAMESPACE and name in PROTECTED_NAMESPACES:
            details = {"name": name, "kind": "namespaces"}
            message = f'namespaces "{name}" is forbidden: this namespace may not be deleted'
            raise ApiError(403, message, details=details)
        obj = self.store.get(resource, namespace, name)
        if propagation == "Orphan" and not dry_run:
            self._orphan(obj["metadata"]["uid"])
        meta = obj["metadata"]
        if propagation == "Foreground" and "foregroundDeletion" not in meta.get("finalizers", []):
            meta["finalizers"] = [*meta.get("finalizers", []), "foregroundDeletion"]
        seconds = 0
        if resource == POD and obj["spec"].get("nodeName"):
            ended = obj.get("status", {}).get("phase") in ("Succeeded", "Failed")
            usual = obj["spec"].get("terminationGracePeriodSeconds", 30)
            seconds = 0 if ended else usual if grace is None else grace
        if not seconds and not meta.get("finalizers") and resource != NAMESPACE:
            return obj if dry_run else self.store.remove(resource, namespace, name)
        first, before = "deletionTimestamp" not in meta, meta.get("deletionGracePeriodSeconds", 0)
        if first:
            meta["deletionTimestamp"] = now(seconds)
        elif seconds < before:  # the grace period counts from the first request
            asked = datetime.fromisoformat(meta["deletionTimestamp"]) - timedelta(seconds=before - seconds)
            meta["deletionTimestamp"] = asked.strftime("%Y-%m-%dT%H:%M:%SZ")
        if first or seconds < before:
            meta["deletionGracePeriodSeconds"] = seconds
        if first and resource == NAMESPACE:
            obj["status"] = {**obj.get("status", {}), "phase": "Terminating"}
        return self.store.update(resource, obj, new_generation=first, dry_run=dry_run)

    def _orphan(self, uid: str) -> None:
        for resource in RESOURCES:
            for dependent in self.store.list(resource):
                owners = dependent["metadata"].get("ownerReferences", [])
                if any(owner["uid"] == uid for owner in owners):
                    dependent["metadata"]["ownerReferences"] = [owner for owner in owners if owner["uid"] != uid]
                    self.store.update(resource, dependent)

    def _check_namespace(self, namespace: str, name: str) -> None:
        found = self.store.find(NAMESPACE, "", namespace)
        if found is None:
            raise not_found(NAMESPACE, namespace)
        if "deletionTimestamp" in found["metadata"]:
            message = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise ApiError(403, f'"{name}" is forbidden: {message}')


def _annotations(obj: Object) -> dict[str, str]:
    return dict(obj["metadata"].get("annotations") or {})
