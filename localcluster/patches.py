"""Patches: JSON patch, merge patch and strategic merge patch."""

from __future__ import annotations

import json

import jsonpatch

from localcluster.status import ApiError
from localcluster.store import Json, Object, clone

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = ("application/apply-patch+yaml", "application/apply-patch+json")


def patched(obj: Object, body: bytes, content_type: str) -> Object:
    """Return what a patch makes of an object; raises ApiError 400, 415 and 422."""
    try:
        patch = json.loads(body)
    except ValueError as error:
        raise ApiError(400, f"the patch is not JSON: {error}") from None
    if content_type == JSON_PATCH:
        return json_patch(obj, patch)
    if content_type in (MERGE_PATCH, STRATEGIC):
        return merge(obj, patch)
    raise ApiError(415, f"{content_type} is not a patch that this server knows")


def json_patch(obj: Object, patch: Json) -> Object:
    """Apply an RFC 6902 patch."""
    try:
        return dict(jsonpatch.apply_patch(obj, patch))
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError, KeyError) as error:
        raise ApiError(422, f"the server rejected our request due to an error in our request: {error}") from None


def merge(obj: Json, patch: Json) -> Json:
    """Apply an RFC 7386 patch."""
    if not isinstance(patch, dict):
        return clone(patch)
    result = dict(obj) if isinstance(obj, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result
