"""Discovery: versions, groups and kinds, and as much OpenAPI as kubectl needs."""

from typing import Any

from localcluster.apimachinery.errors import ApiError
from localcluster.apimachinery.resources import NAMESPACE, RESOURCES, VERSION, Resource

REVIEWS = {"selfsubjectaccessreviews": "SelfSubjectAccessReview", "selfsubjectrulesreviews": "SelfSubjectRulesReview"}
REVIEW_GROUP = "authorization.k8s.io"
_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_SUBRESOURCE_VERBS = {"log": ["get"], "proxy": ["create", "delete", "get", "patch", "update"]}


def document(path: list[str]) -> dict[str, Any]:
    """Return the document at a path that names no object; raises ApiError 404."""
    match path:
        case []:
            return {"paths": ["/api", "/api/v1", "/apis", *_group_paths(), "/openapi/v3", "/version"]}
        case ["version"]:
            major, minor, _ = VERSION.removeprefix("v").split(".")
            build = {"gitCommit": "", "gitTreeState": "clean", "buildDate": "2026-01-01T00:00:00Z"}
            platform = {"goVersion": "", "compiler": "", "platform": "localcluster/python"}
            return {"major": major, "minor": minor, "gitVersion": f"{VERSION}+localcluster", **build, **platform}
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["apis"]:
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(g, v) for g, v in _groups()]}
        case ["api", "v1"]:
            return _resource_list("", "v1")
        case ["apis", group]:
            for name, version in _groups():
                if name == group:
                    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, version)}
        case ["apis", group, version] if (group, version) in _groups():
            return _resource_list(group, version)
        case ["openapi", "v3"]:
            paths = ["api/v1", *(p.removeprefix("/") for p in _group_paths())]
            return {"paths": {p: {"serverRelativeURL": f"/openapi/v3/{p}?hash=1"} for p in paths}}
        case ["openapi", "v3", "api", "v1"]:
            return _openapi("", "v1")
        case ["openapi", "v3", "apis", group, version] if (group, version) in _groups():
            return _openapi(group, version)
    raise ApiError(404, "the server could not find the requested resource")


def _groups() -> list[tuple[str, str]]:
    return [*dict.fromkeys((r.group, r.version) for r in RESOURCES if r.group), (REVIEW_GROUP, "v1")]


def _group_paths() -> list[str]:
    return [f"/apis/{group}/{version}" for group, version in _groups()]


def _group(name: str, version: str) -> dict[str, Any]:
    preferred = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [preferred], "preferredVersion": preferred}


def _resource_list(group: str, version: str) -> dict[str, Any]:
    entries = [entry for r in RESOURCES if (r.group, r.version) == (group, version) for entry in _entries(r)]
    if group == REVIEW_GROUP:
        entries = [
            {"name": plural, "singularName": kind.lower(), "namespaced": False, "kind": kind, "verbs": ["create"]}
            for plural, kind in REVIEWS.items()
        ]
    api_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": entries}


def _entries(resource: Resource) -> list[dict[str, Any]]:
    kind = {"namespaced": resource.namespaced, "kind": resource.kind}
    verbs = [v for v in _VERBS if v != "deletecollection" or resource != NAMESPACE]
    entry = {"name": resource.plural, "singularName": resource.kind.lower(), **kind, "verbs": verbs}
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.plural in ("pods", "services", "deployments", "replicasets"):
        entry["categories"] = ["all"]
    entries = [entry]
    for sub in resource.subresources:
        what: dict[str, Any] = dict(kind)
        if sub == "scale":
            what |= {"group": "autoscaling", "version": "v1", "kind": "Scale"}
        sub_verbs = _SUBRESOURCE_VERBS.get(sub, ["get", "patch", "update"])
        entries.append({"name": f"{resource.plural}/{sub}", "singularName": "", **what, "verbs": sub_verbs})
    return entries


def _openapi(group: str, version: str) -> dict[str, Any]:
    """Return the minimum that kubectl needs: PATCH of each kind supports fieldValidation and dryRun."""
    prefix = f"/apis/{group}/{version}" if group else f"/api/{version}"
    query = [
        {"name": n, "in": "query", "schema": {"type": "string"}} for n in ("dryRun", "fieldManager", "fieldValidation")
    ]
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for resource in RESOURCES:
        if (resource.group, resource.version) != (group, version):
            continue
        kind = {"group": group, "version": version, "kind": resource.kind}
        where = f"{prefix}/namespaces/{{namespace}}" if resource.namespaced else prefix
        patch = {"x-kubernetes-action": "patch", "x-kubernetes-group-version-kind": kind, "parameters": query}
        paths[f"{where}/{resource.plural}/{{name}}"] = {"patch": {**patch, "responses": {}}}
        schemas[resource.kind] = {"type": "object", "x-kubernetes-group-version-kind": [kind]}
    info = {"title": "localcluster", "version": VERSION}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}
