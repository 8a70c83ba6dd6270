"""What a request asks for: its object, options and selectors."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

import yaml
from aiohttp import web

from localcluster.apimachinery import selectors
from localcluster.apimachinery.errors import ApiError, Cause, invalid
from localcluster.apimachinery.objects import Json, Object
from localcluster.apimachinery.strict_json import parsed
from localcluster.apiserver.request_info import RequestInfo
from localcluster.storage.schema import decoded

_DELETE_OPTIONS = {"propagationPolicy": str, "gracePeriodSeconds": int, "preconditions": dict, "dryRun": list}
_WORDS = {str: "a string", int: "a number", dict: "an object", list: "a list"}
POLICIES = ("Foreground", "Background", "Orphan")


class _JsonLoader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: what looks like a time is a string, as in JSON."""


def _as_written(loader: _JsonLoader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


_JsonLoader.add_constructor("tag:yaml.org,2002:timestamp", _as_written)


def is_loopback(host: str) -> bool:
    """Return whether a Host header names this machine: a web page that rebinds its own name to 127.0.0.1 does not."""
    name = host if host.endswith("]") else host.rsplit(":", 1)[0]
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


async def json_body(request: web.Request) -> Object:
    """Return the request's body; raises ApiError 415 and 400."""
    if "protobuf" in request.content_type:
        raise ApiError(415, f"localcluster reads JSON, not protobuf: {_instead_of_protobuf(request)}")
    try:
        return _map(parsed(await request.read() or b"{}"))
    except ValueError as error:
        raise ApiError(400, f"the body is not JSON: {error}") from None


def _instead_of_protobuf(request: web.Request) -> str:
    command = request.headers.get("Kubectl-Command", "")
    if not command.startswith("kubectl create"):
        return "let your client send application/json, or use kubectl apply -f"
    return f"add this to the end of your {command} command: --dry-run=client -o yaml | kubectl apply -f -"


async def yaml_body(request: web.Request) -> Object:
    """Return the configuration that is to be applied; raises ApiError 400."""
    body = await request.read()
    try:
        config = parsed(body)
    except ValueError:
        try:
            config = yaml.load(body, _JsonLoader)  # noqa: S506 - a SafeLoader
        except (yaml.YAMLError, ValueError, RecursionError) as error:  # of dates that are none, and of endless nesting
            raise ApiError(400, f"error decoding YAML: {error}") from None
    if not _map(config).get("kind") or not config.get("apiVersion"):
        raise ApiError(400, f"invalid object type: {config.get('apiVersion', '')}, Kind={config.get('kind', '')}")
    return _map(config)


def _map(body: Json) -> Object:
    if not isinstance(body, dict):
        raise ApiError(400, "the body must be an object")
    return body


def named(obj: Object, info: RequestInfo) -> Object:
    """Return the object with kind, name and namespace of its URL; raises ApiError 400 where these contradict it."""
    resource = info.resource
    kind, version = obj.get("kind") or resource.kind, obj.get("apiVersion") or resource.api_version
    if (kind, version) != (resource.kind, resource.api_version):
        what = f'{kind} in version "{str(version).rpartition("/")[2]}"'
        raise ApiError(400, f"{what} cannot be handled as a {resource.kind}: it is a {kind} of {version}")
    meta = obj.get("metadata") or {}
    if not isinstance(meta, dict):
        raise ApiError(400, f"{resource.kind}.metadata must be an object")
    meta = dict(meta)
    if meta.get("namespace") not in (None, "", info.namespace):
        raise ApiError(400, "the namespace of the provided object does not match the namespace sent on the request")
    if info.namespace:
        meta["namespace"] = info.namespace
    if info.name and meta.setdefault("name", info.name) != info.name:
        message = f"the name of the object ({meta['name']}) does not match the name on the URL ({info.name})"
        raise ApiError(400, message)
    return {**obj, "kind": kind, "apiVersion": version, "metadata": meta}


def typed(request: web.Request, info: RequestInfo, body: Object) -> tuple[Object, list[str]]:
    """Return the object that the body is, and warnings of fields that nobody knows.

    Raises ApiError 400 where it is none of this kind, or has unknown fields and fieldValidation is Strict.
    """
    resource = info.resource
    obj, unknown = decoded(resource, named(body, info))
    validation = request.query.get("fieldValidation", "Warn")
    if unknown and validation == "Strict":
        complaint = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
        raise ApiError(400, f"{complaint}: strict decoding error: {', '.join(unknown)}")
    return obj, unknown if validation == "Warn" else []


def bad_option(kind: str, field: str, message: str, reason: str = "FieldValueNotSupported") -> ApiError:
    """Return the 422 of a request whose options do not do."""
    return invalid(kind, "meta.k8s.io", "", [Cause(field, message, reason)])


def dry_run(request: web.Request, options: Object | None = None) -> bool:
    """Return whether nothing is to be stored, by the query or by the options in a body; raises ApiError 422."""
    value = request.query.get("dryRun") or ",".join(map(str, (options or {}).get("dryRun") or []))
    if value not in ("", "All"):
        kind = {"POST": "Create", "PUT": "Update"}.get(request.method, request.method.capitalize())
        raise bad_option(f"{kind}Options", "dryRun", f'Unsupported value: ["{value}"]: supported values: "All"')
    return value == "All"


def field_manager(request: web.Request) -> str:
    """Return the field manager: the one that is named, else the client's name, as in Kubernetes."""
    return request.query.get("fieldManager") or request.headers.get("User-Agent", "unknown").split("/")[0]


async def delete_body(request: web.Request) -> Object:
    """Return the DeleteOptions that a request brings; raises ApiError 400."""
    body = await json_body(request) if request.can_read_body else {}
    for key, wanted in _DELETE_OPTIONS.items():
        if body.get(key) is not None and not isinstance(body[key], wanted):
            raise ApiError(400, f"DeleteOptions cannot be read: {key} must be {_WORDS[wanted]}")
    return body


def delete_options(request: web.Request, body: Object) -> tuple[int | None, str]:
    """Return grace period (in seconds, None for the usual) and propagation policy; raises ApiError 400 and 422."""
    options = {**{k: v for k, v in request.query.items() if k in ("gracePeriodSeconds", "propagationPolicy")}, **body}
    policy = options.get("propagationPolicy") or ("Orphan" if options.get("orphanDependents") else "Background")
    if policy not in POLICIES:
        supported = '"Foreground", "Background", "Orphan", "nil"'
        message = f'Unsupported value: "{policy}": supported values: {supported}'
        raise bad_option("DeleteOptions", "propagationPolicy", message)
    grace = options.get("gracePeriodSeconds")
    if grace is not None and not re.fullmatch(r"-?[0-9]+", str(grace)):
        raise ApiError(400, f"gracePeriodSeconds must be a number, not {grace!r}")
    return None if grace is None else int(grace) if int(grace) >= 0 else 1, policy  # Kubernetes: less than 0 means 1


def check_preconditions(info: RequestInfo, obj: Object, body: Object) -> None:
    """Raise ApiError 409 unless the object is the one that the client means."""
    meta, what = obj["metadata"], f"{info.resource.kind}.{info.resource.group}".removesuffix(".")
    wanted = body.get("preconditions") or {}
    for key, word in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        if wanted.get(key) not in (None, meta[key]):
            why = f"the {word} in the precondition ({wanted[key]}) does not match the {word} in record ({meta[key]})"
            message = f'Operation cannot be fulfilled on {what} "{meta["name"]}": {why}'
            details = {"name": meta["name"], "group": info.resource.group, "kind": info.resource.kind}
            raise ApiError(409, f"{message}. The object might have been deleted and then recreated", details=details)


def included_in_rows(request: web.Request) -> str:
    """Return what the rows of a Table should include, empty where the client wants plain objects."""
    wanted = "as=Table" in request.headers.get("Accept", "").replace(" ", "")
    return request.query.get("includeObject", "Metadata") if wanted else ""


def flag(request: web.Request, name: str) -> bool:
    """Return whether a yes-or-no option is set."""
    return request.query.get(name) in ("1", "true")


def resource_version(request: web.Request) -> str:
    """Return the resource version that a list or watch starts at, empty for any; raises ApiError 400."""
    value = request.query.get("resourceVersion", "")
    if not re.fullmatch("[0-9]*", value):
        raise ApiError(400, f'invalid resource version: resourceVersion: Invalid value: "{value}": it is not a number')
    return value


def selector(request: web.Request, info: RequestInfo) -> Callable[[Object], bool]:
    """Return the predicate of the request's namespace, name, labelSelector and fieldSelector; raises ApiError 400."""
    labels = selectors.label_selector(request.query.get("labelSelector", ""))
    fields = selectors.field_selector(info.resource, request.query.get("fieldSelector", ""))

    def selected(obj: Object) -> bool:
        meta = obj["metadata"]
        here = not info.namespace or meta.get("namespace") == info.namespace
        with_name = not info.name or meta["name"] == info.name
        return here and with_name and labels(meta.get("labels") or {}) and fields(obj)

    return selected
