"""Label and field selectors, as lists, watches and controllers use them."""

import re
from collections.abc import Callable, Mapping

from localcluster.apimachinery.errors import ApiError
from localcluster.apimachinery.objects import Object
from localcluster.apimachinery.resources import Resource

_KEY = r"(?:[A-Za-z0-9.-]+/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?"
_REQUIREMENT = re.compile(
    rf"\s*(?:(?P<absent>!)\s*(?P<no>{_KEY})"
    rf"|(?P<set>{_KEY})\s+(?P<word>in|notin)\s*\((?P<values>[^()]*)\)"
    rf"|(?P<key>{_KEY})\s*(?:(?P<op>==|=|!=)\s*(?P<value>[A-Za-z0-9_.-]*)|(?P<cmp>[<>])\s*(?P<number>-?\d+))?)\s*"
)

OPERATORS = frozenset(("In", "NotIn", "Exists", "DoesNotExist"))
# Fields that can be selected, by kind, in addition to metadata.name and metadata.namespace.
_FIELDS = {
    "Pod": ("spec.nodeName", "spec.restartPolicy", "spec.serviceAccountName", "status.phase", "status.podIP"),
    "Namespace": ("status.phase",),
    "Node": ("spec.unschedulable",),
    "Secret": ("type",),
    "ReplicaSet": ("status.replicas",),
    "Event": (
        *(f"involvedObject.{f}" for f in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion")),
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
}


def _split(selector: str) -> list[str]:
    """Split at the commas that are not inside parentheses."""
    return re.split(r",(?![^(]*\))", selector) if selector.strip() else []


def label_selector(selector: str) -> Callable[[Mapping[str, str]], bool]:
    """Return the predicate for a label selector such as `app=web,tier in (a, b),!canary`; raises ApiError 400."""
    tests = [_requirement(part, selector) for part in _split(selector)]
    return lambda labels: all(test(labels) for test in tests)


def _requirement(part: str, selector: str) -> Callable[[Mapping[str, str]], bool]:
    found = _REQUIREMENT.fullmatch(part)
    if found is None:
        raise ApiError(400, f"unable to parse requirement: {part.strip()!r} in selector {selector!r}")
    if key := found["no"]:
        return lambda labels: key not in labels
    if key := found["set"]:
        values = {value.strip() for value in found["values"].split(",")}
        if found["word"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    key, value = found["key"], found["value"]
    if found["cmp"]:
        limit, above = int(found["number"]), found["cmp"] == ">"
        return lambda labels: _compare(labels.get(key), limit, above=above)
    if found["op"] is None:
        return lambda labels: key in labels
    if found["op"] == "!=":
        return lambda labels: labels.get(key) != value
    return lambda labels: labels.get(key) == value


def _compare(value: str | None, limit: int, *, above: bool) -> bool:
    if value is None or not re.fullmatch(r"-?\d+", value):
        return False
    return int(value) > limit if above else int(value) < limit


def matches(selector: Object, labels: Mapping[str, str]) -> bool:
    """Return whether a LabelSelector object (matchLabels, matchExpressions) selects these labels."""
    if any(labels.get(k) != v for k, v in selector.get("matchLabels", {}).items()):
        return False
    for expression in selector.get("matchExpressions", []):
        value, values = labels.get(expression["key"]), expression.get("values") or []
        wanted = {
            "In": value is not None and value in values,
            "NotIn": value not in values,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }
        if not wanted[expression["operator"]]:
            return False
    return True


def as_text(selector: Object) -> str:
    """Return a LabelSelector object as kubectl -l writes it."""
    parts = [f"{k}={v}" for k, v in sorted(selector.get("matchLabels", {}).items())]
    for expression in selector.get("matchExpressions", []):
        key, values = expression["key"], ",".join(sorted(expression.get("values") or []))
        parts.append(
            {
                "In": f"{key} in ({values})",
                "NotIn": f"{key} notin ({values})",
                "Exists": key,
                "DoesNotExist": f"!{key}",
            }[expression["operator"]]
        )
    return ",".join(parts)


def field_selector(resource: Resource, selector: str) -> Callable[[Object], bool]:
    """Return the predicate for a field selector such as `status.phase=Running`; raises ApiError 400."""
    allowed = {"metadata.name", "metadata.namespace", *_FIELDS.get(resource.kind, ())}
    tests: list[tuple[str, bool, str]] = []
    for part in _split(selector):
        found = re.fullmatch(r"([^=!]+)(==|=|!=)(.*)", part.strip())
        if found is None:
            raise ApiError(400, f"invalid selector: '{selector}'; can't understand '{part}'")
        if found[1] not in allowed:
            only = '"metadata.name", "metadata.namespace"'
            unknown = f'"{found[1]}" is not a known field selector: only {only}'
            raise ApiError(400, f"field label not supported: {found[1]}" if len(allowed) > 2 else unknown)
        tests.append((found[1], found[2] != "!=", found[3]))
    return lambda obj: all((_field(obj, path) == value) is equal for path, equal, value in tests)


def _field(obj: Object, path: str) -> str:
    if path == "source":
        return str(obj.get("source", {}).get("component", "")) or str(obj.get("reportingComponent", ""))
    value: object = obj
    for name in path.split("."):
        value = value.get(name, "") if isinstance(value, dict) else ""
    return str(value).lower() if isinstance(value, bool) else str(value)
