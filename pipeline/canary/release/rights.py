"""Whether the account has the permissions for a promote or a rollback, and its undo: checked before any write."""

from collections.abc import Iterable, Mapping, Sequence

from canary.errors import ForbiddenError
from canary.manifests.bundle import Bundle
from canary.marks import Variant, before_name, rollback_name, service_name, variant_name
from canary.objects import CONFIG_MAP, DEPLOYMENT, ENDPOINT_SLICE, HTTP_ROUTE, SECRET, SERVICE, Kind
from canary.ports import Cluster
from canary.state.snapshots import Snapshot

Right = tuple[str, Kind, str]
"""Verb, kind and name; an empty name means any."""

_SEES_ROUTES = [("list", SERVICE, ""), ("list", ENDPOINT_SLICE, "")]
"""Whether requests reach the new pods."""


def check_promote_rights(cluster: Cluster, bundle: Bundle) -> None:
    """Refuse a promote that this account could not carry out, or not undo.

    Raises:
        ForbiddenError: the account lacks a permission; it may be one that is only meant to deploy.
    """
    needed: list[Right] = []
    for obj in (*bundle.others, *bundle.deployments):
        kind, name = Kind.of(obj), obj["metadata"]["name"]
        needed += [("patch", kind, name), ("delete" if cluster.get(kind, name) is None else "update", kind, name)]
    names = [incoming["metadata"]["name"] for incoming in bundle.deployments]
    saves_secrets = any(("update", SECRET, other["metadata"]["name"]) in needed for other in bundle.others)
    needed.append(("create", CONFIG_MAP, ""))
    needed += [(verb, CONFIG_MAP, before_name(name)) for name in names for verb in ("patch", "delete")]
    if saves_secrets:
        needed += _keeps_secrets(map(before_name, names))
    needed += [*_SEES_ROUTES, *_deletes_variants(names)]
    _require(cluster, needed, "promote, and to undo a promote that fails")


def check_rollback_rights(cluster: Cluster, snapshots: Mapping[str, Sequence[Snapshot]]) -> None:
    """Refuse a rollback that this account could not carry out, or not undo.

    Args:
        cluster: the Kubernetes API.
        snapshots: by workload, the objects as they were before its last promote.

    Raises:
        ForbiddenError: the account lacks a permission.
    """
    needed: list[Right] = [("create", CONFIG_MAP, "")]
    for workload, saved in snapshots.items():
        own = rollback_name(workload)
        needed += [("patch", CONFIG_MAP, before_name(workload))]
        needed += [(verb, CONFIG_MAP, own) for verb in ("patch", "delete")]
        if any(snapshot.kind == SECRET for snapshot in saved):
            needed += _keeps_secrets([own])
        needed += _deletes_variants([workload])
        for snapshot in saved:
            is_replaced = snapshot.object is not None and cluster.get(snapshot.kind, snapshot.name) is not None
            needed.append(("update" if is_replaced else "delete", snapshot.kind, snapshot.name))
    _require(cluster, [*needed, *_SEES_ROUTES], "roll back, and to undo a rollback that fails")


def check_traffic_rights(cluster: Cluster, workload: str, route: str) -> None:
    """Refuse a release by a route that this account could not begin, or not end.

    Raises:
        ForbiddenError: the account lacks a permission.
    """
    names = [service_name(workload, variant) for variant in Variant]
    needed: list[Right] = [("get", HTTP_ROUTE, route), ("update", HTTP_ROUTE, route), *_SEES_ROUTES]
    needed += [
        ("create", SERVICE, ""),
        *((verb, SERVICE, one) for one in names for verb in ("get", "update", "delete")),
    ]
    _require(cluster, needed, "divide the requests by a route", role="sampleapp-route")


def _keeps_secrets(names: Iterable[str]) -> list[Right]:
    return [("create", SECRET, ""), *((verb, SECRET, name) for name in names for verb in ("get", "delete"))]


def _deletes_variants(names: Iterable[str]) -> list[Right]:
    variants = (Variant.CANARY, Variant.BASELINE)
    return [("delete", DEPLOYMENT, variant_name(name, variant)) for name in names for variant in variants]


def _require(cluster: Cluster, needed: Iterable[Right], purpose: str, *, role: str = "") -> None:
    missing = []
    for verb, kind, name in needed:
        group, resource = kind.api_version.rpartition("/")[0], cluster.plural(kind)
        if not cluster.may(verb, group, resource, name):
            missing.append(f"{verb} {resource}{'.' if group else ''}{group} {name}".rstrip())
    if missing:
        raise ForbiddenError(
            f"this account may not {', '.join(missing)}, which is needed to {purpose}. Nothing was changed. "
            f"To grant these permissions, use the Role {f'{role} ' if role else ''}in pipeline/rbac.yml",
            missing[0],
        )
