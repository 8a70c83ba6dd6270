"""The Deployment controller: the same steps in the same order as Kubernetes' pkg/controller/deployment."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from localcluster.apimachinery.errors import ApiError
from localcluster.apimachinery.objects import ALPHABET, LAST_APPLIED, Object, clone
from localcluster.apimachinery.resources import DEPLOYMENT, POD, REPLICA_SET
from localcluster.controllers.controller import (
    MANAGER,
    Controller,
    Key,
    controller_of,
    is_over,
    key_of,
    owned,
    owner_reference,
    scaled_value,
)
from localcluster.controllers.deployment_status import created_condition, paused_condition, rollout_status
from localcluster.storage.store import Change

HASH = "pod-template-hash"
PREFIX = "deployment.kubernetes.io/"
REVISION, HISTORY = PREFIX + "revision", PREFIX + "revision-history"
DESIRED, MAXIMUM = PREFIX + "desired-replicas", PREFIX + "max-replicas"
NOT_COPIED = {REVISION, HISTORY, DESIRED, MAXIMUM, LAST_APPLIED}


class Deployments(Controller):
    """Rolls out the pod templates of Deployments."""

    def keys_for(self, change: Change) -> Iterable[Key]:
        """Return the changed Deployment, the owner of a ReplicaSet, or the Deployments that can adopt a ReplicaSet."""
        if change.resource == POD and change.type == "DELETED":  # the strategy Recreate waits for the last old pod
            namespace, owner = change.object["metadata"]["namespace"], controller_of(change.object)
            rs = self.store.peek(REPLICA_SET, namespace, owner["name"]) if owner else None
            above = controller_of(rs) if rs else None
            return [(namespace, above["name"])] if above else []
        return self.keys_of_owners(change, DEPLOYMENT, REPLICA_SET)

    def sync(self, key: Key) -> float | None:
        """Take the next step of a rollout, and write the status."""
        deployment = self.store.find(DEPLOYMENT, *key)
        if deployment is None:
            return None
        sets = sorted(map(clone, owned(self, deployment, REPLICA_SET)), key=_age)
        if "deletionTimestamp" in deployment["metadata"]:
            return self._write_status(deployment, sets, progressing=False)
        deployment = self._note_pause(deployment)
        if deployment["spec"].get("paused"):
            self._scale_in_proportion(deployment, sets)
            self._clean_up(deployment, sets)
            return self._write_status(deployment, sets, progressing=False)
        if any(_replicas(s) and _annotation(s, DESIRED) not in ("", str(_replicas(deployment))) for s in sets):
            self._scale_in_proportion(deployment, sets)
            return self._write_status(deployment, sets, progressing=False)
        if deployment["spec"]["strategy"]["type"] == "Recreate":
            return self._recreate(deployment, sets)
        return self._roll(deployment, sets)

    # -- the two strategies

    def _recreate(self, deployment: Object, sets: list[Object]) -> float | None:
        new = find_new(deployment, sets)
        old = [s for s in sets if s is not new]
        running = [s for s in old if _replicas(s)]
        for s in running:
            self._scale(deployment, s, 0)
        if running:
            return self._write_status(deployment, sets)
        uids = {s["metadata"]["uid"] for s in old}
        for pod in self.store.peek_all(POD, deployment["metadata"]["namespace"]):
            owner = controller_of(pod)
            if owner is not None and owner["uid"] in uids and not is_over(pod):
                return self._write_status(deployment, sets)
        deployment, new, sets = self._new_set(deployment, sets)
        self._scale(deployment, new, _replicas(deployment))
        return self._finish(deployment, sets)

    def _roll(self, deployment: Object, sets: list[Object]) -> float | None:
        deployment, new, sets = self._new_set(deployment, sets)
        old = [s for s in sets if s is not new]
        if self._scale(deployment, new, new_size(deployment, sets, new)):
            return self._write_status(deployment, sets)
        if self._scale_down_old(deployment, old, new):
            return self._write_status(deployment, sets)
        return self._finish(deployment, sets)

    def _finish(self, deployment: Object, sets: list[Object]) -> float | None:
        if is_complete(deployment):
            self._clean_up(deployment, sets)
        return self._write_status(deployment, sets)

    def _scale_down_old(self, deployment: Object, old: list[Object], new: Object) -> bool:
        """Scale down old ReplicaSets, unhealthy pods first, without going below the required availability."""
        if not any(_replicas(s) for s in old):
            return False
        surplus = sum(map(_replicas, [*old, new])) - (_replicas(deployment) - max_unavailable(deployment))
        surplus -= _replicas(new) - _available(new)
        if surplus <= 0:
            return False
        scaled = False
        for s in old:
            unhealthy = min(surplus, _replicas(s) - _available(s))
            if unhealthy > 0:
                surplus -= unhealthy
                scaled |= self._scale(deployment, s, _replicas(s) - unhealthy)
        spare = sum(map(_available, [*old, new])) - (_replicas(deployment) - max_unavailable(deployment))
        for s in old:
            fewer = min(spare, _replicas(s))
            if fewer > 0:
                spare -= fewer
                scaled |= self._scale(deployment, s, _replicas(s) - fewer)
        return scaled

    # -- ReplicaSets

    def _new_set(self, deployment: Object, sets: list[Object]) -> tuple[Object, Object, list[Object]]:
        """Find or create the ReplicaSet of the current template, and set the revision of both."""
        new = find_new(deployment, sets)
        revision = 1 + max((_revision(s) for s in sets if s is not new), default=0)
        if new is None:
            new = self._create_set(deployment, sets, revision)
            sets = [*sets, new]
            status = created_condition(deployment, new["metadata"]["name"])
            deployment = self._update_status(deployment, status)
        else:
            wanted = _annotations_for(deployment, new, revision)
            minimum = deployment["spec"].get("minReadySeconds", 0)
            if wanted != new["metadata"].get("annotations") or minimum != new["spec"].get("minReadySeconds", 0):
                new["metadata"]["annotations"] = wanted
                new["spec"]["minReadySeconds"] = minimum
                new.update(self.registry.update(REPLICA_SET, new, manager=MANAGER))
        if _annotation(deployment, REVISION) != _annotation(new, REVISION):
            annotations = {**(deployment["metadata"].get("annotations") or {}), REVISION: _annotation(new, REVISION)}
            deployment["metadata"]["annotations"] = annotations
            deployment = self.registry.update(DEPLOYMENT, deployment, manager=MANAGER, subresource="status")
        return deployment, new, sets

    def _create_set(self, deployment: Object, sets: list[Object], revision: int) -> Object:
        meta, spec = deployment["metadata"], deployment["spec"]
        mark = template_hash(spec["template"], deployment.get("status", {}).get("collisionCount") or 0)
        template = clone(spec["template"])
        template.setdefault("metadata", {}).setdefault("labels", {})[HASH] = mark
        selector = clone(spec["selector"])
        selector.setdefault("matchLabels", {})[HASH] = mark
        rs: Object = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": f"{meta['name']}-{mark}",
                "namespace": meta["namespace"],
                "labels": template["metadata"]["labels"],
                "annotations": _annotations_for(deployment, {"metadata": {}}, revision),
                "ownerReferences": [owner_reference(deployment)],
            },
            "spec": {
                "replicas": 0,
                "minReadySeconds": spec.get("minReadySeconds", 0),
                "selector": selector,
                "template": template,
            },
        }
        size = new_size(deployment, [*sets, rs], rs)
        rs["spec"]["replicas"] = size
        try:
            made = self.registry.create(REPLICA_SET, rs, manager=MANAGER)
        except ApiError as error:
            if error.reason == "AlreadyExists":  # a hash collision: the next count gives another hash
                status = {**deployment.get("status", {})}
                status["collisionCount"] = status.get("collisionCount", 0) + 1
                self._update_status(deployment, status)
            raise
        if size:
            message = f"Scaled up replica set {made['metadata']['name']} from 0 to {size}"
            self.recorder.normal(deployment, "ScalingReplicaSet", message)
        return made

    def _scale(self, deployment: Object, rs: Object, size: int) -> bool:
        """Scale a ReplicaSet and write an Event about it; returns whether its size has changed."""
        before = _replicas(rs)
        annotations = {**(rs["metadata"].get("annotations") or {}), **_size_annotations(deployment)}
        if size == before and annotations == rs["metadata"].get("annotations"):
            return False
        rs["spec"]["replicas"] = size
        rs["metadata"]["annotations"] = annotations
        rs.update(self.registry.update(REPLICA_SET, rs, manager=MANAGER))
        if size != before:
            way = "up" if size > before else "down"
            message = f"Scaled {way} replica set {rs['metadata']['name']} from {before} to {size}"
            self.recorder.normal(deployment, "ScalingReplicaSet", message)
        return size != before

    def _scale_in_proportion(self, deployment: Object, sets: list[Object]) -> None:
        """Spread a new number of replicas over the ReplicaSets of a rollout in progress (proportional scaling)."""
        new = find_new(deployment, sets)
        active = [s for s in sets if _replicas(s)]
        total = _replicas(deployment)
        if len(active) <= 1:
            latest = active[0] if active else new or (sets[-1] if sets else None)
            if latest is not None:
                self._scale(deployment, latest, total)
            return
        if new is not None and _replicas(new) == _available(new) == total == int(_annotation(new, DESIRED) or -1):
            for s in active:
                if s is not new:
                    self._scale(deployment, s, 0)
            return
        allowed = total + max_surge(deployment) if total else 0
        to_add = allowed - sum(map(_replicas, active))
        # The largest first; among equals, the newest when scaling up, the oldest when scaling down.
        active = sorted(active if to_add < 0 else reversed(active), key=_replicas, reverse=True)
        sizes, added = [], 0
        for s in active:
            share = _share(deployment, s) if to_add else 0
            left = to_add - added
            share = min(share, left) if to_add > 0 else max(share, left)
            sizes.append(_replicas(s) + share)
            added += share
        sizes[0] = max(0, sizes[0] + to_add - added)
        for s, size in zip(active, sizes, strict=True):
            self._scale(deployment, s, size)

    def _clean_up(self, deployment: Object, sets: list[Object]) -> None:
        """Delete the oldest revisions beyond revisionHistoryLimit."""
        new = find_new(deployment, sets)
        limit = deployment["spec"].get("revisionHistoryLimit", 10)
        idle = [s for s in sets if s is not new and not _replicas(s) and not s.get("status", {}).get("replicas")]
        idle = [s for s in idle if "deletionTimestamp" not in s["metadata"]]
        for s in sorted(idle, key=_revision)[: max(0, len(idle) - limit)]:
            self.registry.delete(REPLICA_SET, *key_of(s))

    # -- status

    def _note_pause(self, deployment: Object) -> Object:
        status = paused_condition(deployment)
        return deployment if status is None else self._update_status(deployment, status)

    def _write_status(self, deployment: Object, sets: list[Object], *, progressing: bool = True) -> float | None:
        new = find_new(deployment, sets)
        status, wait = rollout_status(deployment, sets, new, max_unavailable(deployment), progressing=progressing)
        if status != deployment.get("status"):
            self._update_status(deployment, status)
        return wait

    def _update_status(self, deployment: Object, status: Object) -> Object:
        return self.registry.update(DEPLOYMENT, {**deployment, "status": status}, manager=MANAGER, subresource="status")


def template_hash(template: Object, collisions: int) -> str:
    """Return the pod-template-hash of a template: ten letters."""
    text = json.dumps(template, sort_keys=True) + (str(collisions) if collisions else "")
    return "".join(ALPHABET[byte % len(ALPHABET)] for byte in hashlib.sha256(text.encode()).digest()[:10])


def find_new(deployment: Object, sets: list[Object]) -> Object | None:
    """Return the oldest ReplicaSet with the Deployment's template (apart from the hash label), or None."""
    return next((s for s in sets if _bare(s["spec"]["template"]) == _bare(deployment["spec"]["template"])), None)


def new_size(deployment: Object, sets: list[Object], new: Object) -> int:
    """Return the size that the new ReplicaSet can have now."""
    wanted, present = _replicas(deployment), _replicas(new)
    if deployment["spec"]["strategy"]["type"] == "Recreate" or present >= wanted:
        return wanted
    room = wanted + max_surge(deployment) - sum(map(_replicas, sets))
    return present + max(0, min(room, wanted - present))


def max_surge(deployment: Object) -> int:
    """Return how many pods more than `replicas` a rollout can have."""
    rolling = deployment["spec"]["strategy"].get("rollingUpdate") or {}
    return scaled_value(rolling.get("maxSurge"), _replicas(deployment), up=True)


def max_unavailable(deployment: Object) -> int:
    """Return how many pods can be unavailable in a rollout; 1 if this and maxSurge would both be 0."""
    strategy = deployment["spec"]["strategy"]
    if strategy["type"] == "Recreate" or not _replicas(deployment):
        return 0
    share = scaled_value((strategy.get("rollingUpdate") or {}).get("maxUnavailable"), _replicas(deployment), up=False)
    return min(share or (0 if max_surge(deployment) else 1), _replicas(deployment))


def is_complete(deployment: Object) -> bool:
    """Return whether all replicas are updated and available, and no old ones exist."""
    status = deployment.get("status", {})
    counts = {status.get(k, 0) for k in ("replicas", "updatedReplicas", "availableReplicas")}
    observed = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    return counts == {_replicas(deployment)} and observed


def _bare(template: Object) -> Object:
    meta = template.get("metadata") or {}
    labels = {k: v for k, v in (meta.get("labels") or {}).items() if k != HASH}
    return {**template, "metadata": {**meta, "labels": labels}}


def _annotations_for(deployment: Object, rs: Object, revision: int) -> dict[str, str]:
    """Return the annotations of the new ReplicaSet: the Deployment's, the revision (it never decreases), the sizes."""
    old = rs["metadata"].get("annotations") or {}
    copied = {k: v for k, v in (deployment["metadata"].get("annotations") or {}).items() if k not in NOT_COPIED}
    result = {**old, **copied}
    if int(old.get(REVISION, "0")) < revision:
        if REVISION in old:
            result[HISTORY] = ",".join(filter(None, [old.get(HISTORY), old[REVISION]]))
        result[REVISION] = str(revision)
    return result if DESIRED in old else {**result, **_size_annotations(deployment)}


def _size_annotations(deployment: Object) -> dict[str, str]:
    total = _replicas(deployment)
    return {DESIRED: str(total), MAXIMUM: str(total + max_surge(deployment))}


def _share(deployment: Object, rs: Object) -> int:
    """Return the change in replicas that keeps a ReplicaSet's share of the total."""
    if not _replicas(deployment):
        return -_replicas(rs)
    before = int(_annotation(rs, MAXIMUM) or 0) or deployment.get("status", {}).get("replicas") or 1
    whole = _replicas(deployment) + max_surge(deployment)
    return int(_replicas(rs) * whole / before + 0.5) - _replicas(rs)


def _replicas(obj: Object) -> int:
    return int(obj["spec"]["replicas"])


def _available(rs: Object) -> int:
    return int(rs.get("status", {}).get("availableReplicas", 0))


def _annotation(obj: Object, key: str) -> str:
    return str((obj["metadata"].get("annotations") or {}).get(key, ""))


def _revision(rs: Object) -> int:
    return int(_annotation(rs, REVISION) or 0)


def _age(rs: Object) -> tuple[Any, ...]:
    return rs["metadata"]["creationTimestamp"], _revision(rs), rs["metadata"]["name"]
