"""What a pod refers to: ConfigMaps, Secrets, and its own fields (the downward API)."""

import base64
import re
from typing import Any

from localcluster.apimachinery.objects import Object
from localcluster.apimachinery.resources import CONFIG_MAP, SECRET
from localcluster.storage.store import Store


class MissingReferenceError(Exception):
    """A pod refers to a ConfigMap, a Secret or a key that does not exist."""


def read_data(store: Store, kind: str, namespace: str, name: str, *, optional: bool = False) -> dict[str, bytes] | None:
    """Return the data of a `configmap` or `secret` by key, or None if it is optional and does not exist.

    Raises MissingReferenceError.
    """
    found = store.find(CONFIG_MAP if kind == "configmap" else SECRET, namespace, name)
    if found is None:
        if optional:
            return None
        raise MissingReferenceError(f'{kind} "{name}" not found')
    encoded = found.get("data") or {}
    plain = {k: base64.b64decode(v) if kind == "secret" else v.encode() for k, v in encoded.items()}
    binary = found.get("binaryData") or {}
    return plain | {k: base64.b64decode(v) for k, v in binary.items()}


def field_value(pod: Object, path: str) -> str:
    """Return the value of a field of the pod in the downward API."""
    found = re.fullmatch(r"metadata\.(labels|annotations)(?:\['(.+)'\])?", path)
    if found and found.group(2):
        return str((pod["metadata"].get(found.group(1)) or {}).get(found.group(2), ""))
    if found:
        entries = sorted((pod["metadata"].get(found.group(1)) or {}).items())
        return "\n".join(f'{k}="{v}"' for k, v in entries)
    value: Any = pod
    for name in path.split("."):
        value = value.get(name, "") if isinstance(value, dict) else ""
    return ",".join(each["ip"] for each in value) if isinstance(value, list) else str(value)
