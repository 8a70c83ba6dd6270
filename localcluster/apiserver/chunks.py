"""Lists, whole or in chunks: `limit` ends a chunk, and `continue` returns the next one of the same snapshot."""

import base64
import json
import re

from aiohttp import web

from localcluster.apimachinery.errors import ApiError
from localcluster.apimachinery.objects import Object, parsed
from localcluster.apiserver import requests
from localcluster.apiserver.request_info import RequestInfo
from localcluster.storage.store import Store

_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)
NOW = -1  # in a continue token: take the objects as they are now


def listed(request: web.Request, info: RequestInfo, store: Store) -> tuple[list[Object], Object]:
    """Return the objects that a request lists (the store's own: do not change them), and the metadata of the list.

    Raises ApiError 400, and 410 if a chunk or an exact version is too old.
    """
    token, wanted, limit = request.query.get("continue", ""), requests.resource_version(request), _limit(request)
    exact = request.query.get("resourceVersionMatch") == "Exact"
    version, start = store.version, ("", "")
    if token:
        if wanted not in ("", "0"):
            raise ApiError(400, "specifying resource version is not allowed when using continue")
        version, start = _read(token)
        version = store.version if version == NOW else version
    elif exact and wanted:
        version = int(wanted)
    elif wanted == "0":
        limit = 0  # a real server then answers from its watch cache, which ignores the limit
    objects = _at(store, info, version, start if token else None)
    selected = requests.selector(request, info)
    found = [obj for obj in objects if _key(obj) > start and selected(obj)]
    meta: Object = {"resourceVersion": str(version)}
    if limit and len(found) > limit:
        meta["continue"] = _token(version, _key(found[limit - 1]))
        if not request.query.get("labelSelector") and not request.query.get("fieldSelector"):
            meta["remainingItemCount"] = len(found) - limit
        found = found[:limit]
    return found, meta


def _at(store: Store, info: RequestInfo, version: int, start: tuple[str, str] | None) -> list[Object]:
    try:
        return list(store.at(info.resource, info.namespace, version))
    except ApiError as error:
        if start is None:
            raise ApiError(410, "The resourceVersion for the provided list is too old.") from error
        raise ApiError(410, _TOO_OLD, meta={"continue": _token(NOW, start)}) from error


def _limit(request: web.Request) -> int:
    text = request.query.get("limit", "0") or "0"
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise ApiError(400, f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return max(0, int(text))


def _key(obj: Object) -> tuple[str, str]:
    meta = obj["metadata"]
    return meta.get("namespace", ""), meta["name"]


def _token(version: int, last: tuple[str, str]) -> str:
    content = {"v": "meta.k8s.io/v1", "rv": version, "start": "/".join(last) + "\0"}
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def _read(token: str) -> tuple[int, tuple[str, str]]:
    """Return what a continue token holds: the version of the list, and the last object of the chunk before."""
    try:
        content = parsed(base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True))
        namespace, _, name = content["start"].removesuffix("\0").partition("/")
        return int(content["rv"]), (namespace, name)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ApiError(400, "continue key is not valid: it is not one that this server gave") from None
