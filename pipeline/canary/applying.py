"""What server-side apply would make of an object, worked out here where the API server cannot be asked.

A dry run keeps what kubectl or Helm wrote and the manifest no longer has: promote first takes those fields over, which
a dry run cannot. Where the account may not even make a dry run, all of it is worked out.
"""

from __future__ import annotations

import json
from base64 import b64encode
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from canary.ownership import is_ours, is_predecessor, union

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from canary.manifests import Object

_MISSING = object()
_KEY_DEFAULTS = {"protocol": "TCP"}
"""Keys of lists whose items a manifest may leave them out of."""


def without_dropped(planned: Object, live: Object, incoming: Object) -> Object:
    """Return what apply would make of an object once promote has taken over the fields of kubectl, Helm and the task.

    Args:
        planned: what a dry run says before that.
        live: as the API server has it, with its managedFields.
        incoming: as it is going to be applied.

    Returns:
        `planned` less the fields that only such predecessors own and the manifest does not have. What the API server
        would fill in for them is missing.
    """
    entries = [entry for entry in live["metadata"].get("managedFields") or [] if entry.get("fieldsV1")]
    taken: Object = {}
    for entry in entries:
        if is_predecessor(entry):
            taken = union(taken, entry["fieldsV1"])
    others = [entry["fieldsV1"] for entry in entries if not is_predecessor(entry) and not is_ours(entry)]
    result = deepcopy(planned)
    _drop(result, taken, _folded(incoming), others)
    return result


def estimated(live: Object, incoming: Object) -> Object:
    """Return what apply would make of an object, without asking: defaults are those that the live one has.

    Args:
        live: as the API server has it, with its managedFields.
        incoming: as it is going to be applied.
    """
    return without_dropped(_merged(live, _folded(incoming)), live, incoming)


def _folded(obj: Object) -> Object:
    """Return a Secret with its type, and with its `stringData` where the API server puts it; others as they are."""
    if obj["kind"] != "Secret":
        return obj
    texts = obj.get("stringData")
    plain = (
        {key: b64encode(str(value).encode()).decode() for key, value in texts.items()}
        if isinstance(texts, dict)
        else {}
    )
    kept = {key: value for key, value in obj.items() if key != "stringData"}
    return {"type": "Opaque", **kept, "data": (obj.get("data") or {}) | plain}


def _merged(live: Any, wanted: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(live, dict) and isinstance(wanted, dict):
        return live | {key: _merged(live.get(key), value) for key, value in wanted.items()}
    if isinstance(live, list) and isinstance(wanted, list) and len(live) == len(wanted):
        return [_merged(*pair) for pair in zip(live, wanted, strict=True)]
    return wanted


def _drop(value: Any, fields: Mapping[str, Any], wanted: Any, others: list[Mapping[str, Any]]) -> None:  # noqa: ANN401
    """Take out of a value, in place, the fields that are not wanted and that nobody else owns."""
    for key, below in fields.items():
        found = _find(value, key)
        if key == "." or found is _MISSING:
            continue
        own = _find(wanted, key)
        theirs = [fields_[key] for fields_ in others if key in fields_]
        if own is _MISSING and not theirs and (not below or "." in below):
            _remove(value, key, found)
        else:
            _drop(found, below, own, theirs)
            if own is _MISSING and found in ([], {}):
                _remove(value, key, found)


def _find(value: Any, key: str) -> Any:  # noqa: ANN401
    """Return what a key of `fieldsV1` stands for in a value: `f:name`, `k:{"name":"app"}` or `v:"item"`."""
    kind, _, text = key.partition(":")
    if kind == "f":
        return value.get(text, _MISSING) if isinstance(value, dict) else _MISSING
    items: Iterable[Any] = value if isinstance(value, list) else ()
    if kind == "v":
        wanted = json.loads(text)
        return next((item for item in items if item == wanted), _MISSING)
    if kind == "k":
        keys: dict[str, Any] = json.loads(text)
        return next((item for item in items if isinstance(item, dict) and _has(item, keys)), _MISSING)
    return _MISSING


def _has(item: Object, keys: Mapping[str, Any]) -> bool:
    return all(item.get(key, _KEY_DEFAULTS.get(key)) == value for key, value in keys.items())


def _remove(value: Any, key: str, found: Any) -> None:  # noqa: ANN401
    if isinstance(value, dict):
        del value[key.partition(":")[2]]
    else:
        value.remove(found)
