"""Patches: JSON patch, merge patch and strategic merge patch."""

import json

import jsonpatch

from localcluster.apimachinery.errors import ApiError
from localcluster.apimachinery.objects import Json, Object, clone, parsed
from localcluster.storage.schema import ANY, Type

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"

_ODD_PATCH = (TypeError, KeyError, ValueError, AttributeError)  # what jsonpatch raises for invalid operations
_ORDER, _RETAIN, _DELETE_ITEMS = "$setElementOrder/", "$retainKeys", "$deleteFromPrimitiveList/"


def patched(of: Type, obj: Object, body: bytes, content_type: str, *, is_custom: bool = False) -> Object:
    """Return the patched object; raises ApiError 400, 415 and 422. Custom resources have no strategic merge patch."""
    if is_custom and content_type == STRATEGIC:
        accepted = f"{JSON_PATCH}, {MERGE_PATCH}, {APPLY}"
        raise ApiError(
            415, f"the body of the request was in an unknown format - accepted media types include: {accepted}"
        )
    if content_type not in (JSON_PATCH, MERGE_PATCH, STRATEGIC):
        raise ApiError(415, f"localcluster does not support patches of type {content_type}")
    try:
        patch = parsed(body)
    except ValueError as error:
        raise ApiError(400, f"error decoding patch: {error}") from None
    if not isinstance(patch, list if content_type == JSON_PATCH else dict):
        raise ApiError(
            400, f"error decoding patch: a {content_type} is a JSON {'array' if 'json-p' in content_type else 'object'}"
        )
    if content_type == JSON_PATCH:
        try:
            return dict(jsonpatch.apply_patch(obj, patch))
        except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, *_ODD_PATCH) as error:
            raise ApiError(422, f"the server rejected our request due to an error in our request: {error}") from None
    return dict(merge(obj, patch) if content_type == MERGE_PATCH else strategic(of, obj, patch))


def merge(obj: Json, patch: Json) -> Json:
    """Return a value after a JSON merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return clone(patch)
    result = dict(obj) if isinstance(obj, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def strategic(of: Type, obj: Json, patch: Json) -> Json:
    """Return a map or struct after a strategic merge patch.

    As Kubernetes documents it: lists with a merge key are merged by that key. The directives are `$patch` (replace,
    delete, merge), `$setElementOrder/LIST`, `$retainKeys` and `$deleteFromPrimitiveList/LIST`.
    """
    if not isinstance(patch, dict):
        return clone(patch)
    for key, value in patch.items():
        if key.startswith((_DELETE_ITEMS, _ORDER, _RETAIN)) and not isinstance(value, list):
            raise ApiError(400, f"{key} of a strategic merge patch must be a list")
    directive = patch.get("$patch", "merge")
    if directive == "delete":
        return {}
    result = dict(obj) if isinstance(obj, dict) and directive != "replace" else {}
    if _RETAIN in patch:
        result = {key: value for key, value in result.items() if key in patch[_RETAIN]}
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        child = of.child(key) or ANY
        if value is None:
            result.pop(key, None)
        elif isinstance(value, list) and "merge" in child.strategies:
            result[key] = _merged_list(child, result.get(key) or [], value)
        else:
            result[key] = strategic(child, result.get(key), value)
    for key, value in patch.items():
        name = key.partition("/")[2]
        if key.startswith(_DELETE_ITEMS):
            result[name] = [item for item in result.get(name) or [] if item not in value]
        elif key.startswith(_ORDER) and result.get(name):
            before = obj.get(name) or [] if isinstance(obj, dict) else []
            result[name] = _ordered(of.child(name) or ANY, result[name], value, before)
    return result


def _merged_list(of: Type, old: list[Json], patch: list[Json]) -> list[Json]:
    if not of.merge_key:  # a set of scalars
        return _ordered(of, old + [item for item in patch if item not in old], patch, old)
    if any(not isinstance(item, dict) for item in patch):
        raise ApiError(422, f"a list that is merged by {of.merge_key} has items that are not objects")
    gone = [item.get(of.merge_key) for item in patch if item.get("$patch") == "delete"]
    replaced = any(item.get("$patch") == "replace" for item in patch)
    left = [] if replaced else [item for item in old if item.get(of.merge_key) not in gone]
    result = list(left)
    wanted = [item for item in patch if item.get("$patch") not in ("delete", "replace")]
    for item in wanted:
        if of.merge_key not in item:
            raise ApiError(422, f"map: {json.dumps(item)} does not contain declared merge key: {of.merge_key}")
        at = next((i for i, o in enumerate(result) if o.get(of.merge_key) == item[of.merge_key]), None)
        if at is None:
            result.append(strategic(of.element or ANY, {}, item))
        else:
            result[at] = strategic(of.element or ANY, result[at], item)
    return _ordered(of, result, wanted, left)


def _ordered(of: Type, items: list[Json], order: list[Json], before: list[Json]) -> list[Json]:
    """Sort the items that `order` names; each other item stays before the first item that it was before."""

    def key_of(item: Json) -> Json:
        return item.get(of.merge_key) if isinstance(item, dict) else item

    wanted, places = [key_of(item) for item in order], [key_of(item) for item in before]
    named = sorted((i for i in items if key_of(i) in wanted), key=lambda item: wanted.index(key_of(item)))
    others = [item for item in items if key_of(item) not in wanted]
    result = []
    while named and others:
        first, other = key_of(named[0]), key_of(others[0])
        was_before = first in places and other in places and places.index(other) < places.index(first)
        result.append((others if was_before else named).pop(0))
    return result + named + others
