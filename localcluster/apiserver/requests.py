"""What a request contains: its object, its options and its selectors."""

import ipaddress
import re
from collections.abc import Callable

import yaml
from aiohttp import web

from localcluster.apimachinery import selectors
from localcluster.apimachinery.errors import ApiError, Cause, invalid
from localcluster.apimachinery.objects import Json, Object, parsed
from localcluster.apiserver.request_info import RequestInfo
from localcluster.storage.schema import decoded

_DELETE_OPTIONS = {"propagationPolicy": str, "gracePeriodSeconds": int, "preconditions": dict, "dryRun": list}
_WORDS = {str: "a string", int: "a number", dict: "an object", list: "a list"}
POLICIES = ("Foreground", "Background", "Orphan")


class _JsonLoader(yaml.SafeLoader):
    """Reads YAML as Kubernetes does: values that look like times are strings, as in JSON."""


def _as_written(loader: _JsonLoader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


_JsonLoader.add_constructor("tag:yaml.org,2002:timestamp", _as_written)


def is_loopback(host: str) -> bool:
    """Return whether a Host header names this machine. A web page that rebinds its own name to 127.0.0.1 does not."""
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
        raise ApiError(400, f"the body is not valid JSON: {error}") from None


def _instead_of_protobuf(request: web.Request) -> str:
    command = request.headers.get("Kubectl-Command", "")
    if not command.startswith("kubectl create"):
        return "let your client send application/json, or use kubectl apply -f"
    return f"add this to the end of your {command} command: --dry-run=client -o yaml | kubectl apply -f -"


async def yaml_body(request: web.Request) -> Object:
    """Return the configuration to apply; raises ApiError 400."""
    body = await request.read()
    try:
        config = parsed(body)
    except ValueError:
        try:
            config = yaml.load(body, _JsonLoader)  # noqa: S506 - a SafeLoader
        except (
            yaml.YAMLError,
            ValueError,
            RecursionError,
        ) as error:  # ValueError: an invalid date; RecursionError: nested too deeply
            raise ApiError(400, f"error decoding YAML: {error}") from None
    if not _map(config).get("kind") or not config.get("apiVersion"):
        raise ApiError(400, f"invalid object type: {config.get('apiVersion', '')}, Kind={config.get('kind', '')}")
    return _map(config)


def _map(body: Json) -> Object:
    if not isinstance(body, dict):
        raise ApiError(400, "the body must be an object")
    return body


def named(obj: Object, info: RequestInfo) -> Object:
    """Return the object with kind, name and namespace of its URL; raises ApiError 400 if they contradict it."""
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
    """Return the object in the body, and warnings about unknown fields.

    Raises ApiError 400 if the body is not of this kind, or if fieldValidation is Strict and fields are unknown.
    """
    resource = info.resource
    obj, unknown = decoded(resource, named(body, info))
    validation = request.query.get("fieldValidation", "Warn")
    if unknown and validation == "Strict":
        complaint = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
        raise ApiError(400, f"{complaint}: strict decoding error: {', '.join(unknown)}")
    return obj, unknown if validation == "Warn" else []


def bad_option(kind: str, field: str, message: str, reason: str = "FieldValueNotSupported") -> ApiError:
    """Return the 422 of a request with an invalid option."""
    return invalid(kind, "meta.k8s.io", "", [Cause(field, message, reason)])


def dry_run(request: web.Request, options: Object | None = None) -> bool:
    """Return whether the query, or the options in a body, ask for a dry run; raises ApiError 422."""
    value = request.query.get("dryRun") or ",".join(map(str, (options or {}).get("dryRun") or []))
    if value not in ("", "All"):
        kind = {"POST": "Create", "PUT": "Update"}.get(request.method, request.method.capitalize())
        raise bad_option(f"{kind}Options", "dryRun", f'Unsupported value: ["{value}"]: supported values: "All"')
    return value == "All"


def field_manager(request: web.Request) -> str:
    """Return the field manager: the given one, or else the client's name, as in Kubernetes."""
    return request.query.get("fieldManager") or request.headers.get("User-Agent", "unknown").split("/")[0]


async def delete_body(request: web.Request) -> Object:
    """Return the DeleteOptions in the body of a request; raises ApiError 400."""
    body = await json_body(request) if request.can_read_body else {}
    for key, wanted in _DELETE_OPTIONS.items():
        if body.get(key) is not None and not isinstance(body[key], wanted):
            raise ApiError(400, f"DeleteOptions cannot be read: {key} must be {_WORDS[wanted]}")
    return body


def delete_options(request: web.Request, body: Object) -> tuple[int | None, str]:
    """Return grace period (seconds; None for the default) and propagation policy; raises ApiError 400 and 422."""
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
    """Raise ApiError 409 unless the object meets the preconditions of a delete."""
    meta, what = obj["metadata"], f"{info.resource.kind}.{info.resource.group}".removesuffix(".")
    wanted = body.get("preconditions") or {}
    for key, word in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        if wanted.get(key) not in (None, meta[key]):
            why = f"the {word} in the precondition ({wanted[key]}) does not match the {word} in record ({meta[key]})"
            message = f'Operation cannot be fulfilled on {what} "{meta["name"]}": {why}'
            details = {"name": meta["name"], "group": info.resource.group, "kind": info.resource.kind}
            raise ApiError(409, f"{message}. The object might have been deleted and then recreated", details=details)


def rows_include(request: web.Request) -> str:
    """Return what each row of a Table includes of its object, or "" if the client wants plain objects."""
    wanted = "as=Table" in request.headers.get("Accept", "").replace(" ", "")
    return request.query.get("includeObject", "Metadata") if wanted else ""


def flag(request: web.Request, name: str) -> bool:
    """Return whether a boolean option is set."""
    return request.query.get(name) in ("1", "true")


def resource_version(request: web.Request) -> str:
    """Return the resource version that a list or watch starts at, or "" for any; raises ApiError 400."""
    value = request.query.get("resourceVersion", "")
    if not re.fullmatch("[0-9]*", value):
        raise ApiError(400, f'invalid resource version: resourceVersion: Invalid value: "{value}": it is not a number')
    return value


def selector(request: web.Request, info: RequestInfo) -> Callable[[Object], bool]:
    """Return the predicate for a request's namespace, name, labelSelector and fieldSelector; raises ApiError 400."""
    labels = selectors.label_selector(request.query.get("labelSelector", ""))
    fields = selectors.field_selector(info.resource, request.query.get("fieldSelector", ""))

    def selected(obj: Object) -> bool:
        meta = obj["metadata"]
        here = not info.namespace or meta.get("namespace") == info.namespace
        with_name = not info.name or meta["name"] == info.name
        return here and with_name and labels(meta.get("labels") or {}) and fields(obj)

    return selected
