"""What server-side apply makes of maps of strings: labels, annotations, and the content of ConfigMaps and Secrets.

They get the manifest's keys, and lose those that only kubectl, Helm, the task or this driver owns.
"""

from base64 import b64encode
from typing import Any

from canary.apply.managed_fields import is_ours, is_predecessor
from canary.objects import Object


def with_merged_maps(incoming: Object, live: Object) -> Object:
    """Return a manifest with the keys that its maps keep.

    Args:
        incoming: the manifest.
        live: the same object as the API server has it, with its managedFields.
    """
    given = _folded(incoming)
    metadata = given["metadata"] | {
        field: _kept(live, "metadata", field) | (given["metadata"].get(field) or {})
        for field in ("labels", "annotations")
    }
    content = {
        field: _kept(live, field) | (given.get(field) or {})
        for field in ("data", "binaryData")
        if given.get(field) or live.get(field)
    }
    return {**given, "metadata": metadata, **(content if given["kind"] in ("ConfigMap", "Secret") else {})}


def _kept(live: Object, *path: str) -> dict[str, str]:
    """Return the keys and values of a live object's map that apply does not remove: it owns what it applied before."""
    owned: dict[bool, set[str]] = {True: set(), False: set()}
    for entry in live["metadata"].get("managedFields") or []:
        fields = _at(entry.get("fieldsV1"), *(f"f:{name}" for name in path))
        owned[is_predecessor(entry) or is_ours(entry)] |= {key.removeprefix("f:") for key in fields}
    gone = owned[True] - owned[False]
    return {key: value for key, value in _at(live, *path).items() if key not in gone}


def _at(value: Any, *path: str) -> dict[str, Any]:  # noqa: ANN401 - JSON
    for name in path:
        value = (value or {}).get(name)
    return value or {}


def _folded(obj: Object) -> Object:
    """Return a Secret with its type, and its `stringData` where the API server puts it; others as they are."""
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
