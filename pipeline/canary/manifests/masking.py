"""Secrets without their values: all output shows `<n bytes>` instead."""

import base64
import binascii
from copy import deepcopy

from canary.objects import LAST_APPLIED, Object, annotations_of


def masked(item: Object, *, before: Object | None = None) -> Object:
    """Return an object without the values of a Secret; other objects are returned unchanged.

    Args:
        item: any object.
        before: the same object before a change. Changed values are marked, because their length may be the same.
    """
    if item.get("kind") != "Secret":
        return item
    copy = deepcopy(item)
    for field, decode in (("data", _decoded), ("stringData", _encoded)):
        if isinstance(copy.get(field), dict):
            was = {key: decode(value) for key, value in ((before or {}).get(field) or {}).items()}
            copy[field] = {key: _mask(decode(value), was.get(key)) for key, value in copy[field].items()}
    annotations = annotations_of(copy)
    if LAST_APPLIED in annotations:  # kubectl repeats the values there
        annotations[LAST_APPLIED] = f"<{len(annotations[LAST_APPLIED].encode())} bytes>"
    return copy


def _mask(value: bytes, was: bytes | None) -> str:
    changed = "" if was is None or was == value else ", changed"
    return f"<{len(value)} bytes{changed}>"


def _decoded(value: object) -> bytes:
    text = _encoded(value)
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return text


def _encoded(value: object) -> bytes:
    return str(value).encode()
