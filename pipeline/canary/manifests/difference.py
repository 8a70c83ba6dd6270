"""The difference between two versions of an object, as `kubectl diff` shows it, without the API server's own fields."""

from difflib import unified_diff
from typing import Any

from canary.manifests.documents import dump
from canary.manifests.masking import masked
from canary.marks import OWN_PREFIX
from canary.objects import LAST_APPLIED, Object

MOST_LINES = 60
"""Lines shown of one object's difference."""

LONGEST_LINE = 200
"""Characters shown of a line."""

_CONTEXT = 2
_METADATA = ("labels", "annotations")


def is_same(live: Object, planned: Object) -> bool:
    """Return whether two versions of an object are equal, apart from the API server's own fields."""
    return _bare(live) == _bare(planned)


def difference(live: Object, planned: Object, before: str = "live", after: str = "manifests") -> tuple[str, ...]:
    """Return a unified diff with masked Secrets. A long diff is cut, and says so.

    Args:
        live: the object as it is.
        planned: the object as it would be.
        before: the name of the first in the diff.
        after: the name of the second.

    Returns:
        Lines without line ends; none if nothing would change.
    """
    was, wanted = _lines(masked(live)), _lines(masked(planned, before=live))
    lines = list(unified_diff(was, wanted, before, after, n=_CONTEXT, lineterm=""))
    left_out = len(lines) - MOST_LINES
    return (*map(_cut, lines[:MOST_LINES]), *([f"… {left_out} more lines"] if left_out > 0 else []))


def _lines(obj: Object) -> list[str]:
    return dump([_bare(obj)]).splitlines()[1:]


def _bare(obj: Object) -> Object:
    """Return an object with only its authors' fields, in a fixed order."""
    metadata = {"name": obj["metadata"]["name"]}
    for which in _METADATA:
        if marks := _marks(obj["metadata"].get(which)):
            metadata[which] = marks
    others = ("apiVersion", "kind", "metadata", "status")
    kept = {key: obj[key] for key in sorted(obj) if key not in others and obj[key] not in ({}, None)}
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata, **_sorted(kept)}


def _marks(marks: dict[str, str] | None) -> dict[str, str]:
    """Return labels or annotations without this driver's own and without kubectl's copy of the manifest."""
    return {
        key: value
        for key, value in sorted((marks or {}).items())
        if key != LAST_APPLIED and not key.startswith(OWN_PREFIX)
    }


def _sorted(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _cut(line: str) -> str:
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}… {len(line) - LONGEST_LINE} more characters"
