"""Defaults and limits that a CustomResourceDefinition sets for the values of its kind.

Its rules in CEL are not checked.
"""

import re
from collections.abc import Iterator

from localcluster.apimachinery.errors import Cause, invalid_value, not_supported
from localcluster.apimachinery.objects import Json, clone
from localcluster.storage.schema import ANY, Type


def fill(of: Type, value: Json) -> None:
    """Set the defaults of missing fields, in place, at all depths."""
    if isinstance(value, dict):
        for key, child in of.fields.items():
            if value.get(key) is None and child.default is not None:
                value[key] = clone(child.default)
        for key, item in value.items():
            fill(of.child(key) or ANY, item)
    elif isinstance(value, list) and of.element:
        for item in value:
            fill(of.element, item)


def problems(of: Type, value: Json, path: str = "") -> Iterator[Cause]:
    """Yield the values that are outside their limits."""
    yield from _limits(of, value, path)
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in ("metadata", "status") or path:
                where = f"{path}[{key}]" if of.kind == "map" else f"{path}.{key}" if path else key
                yield from problems(of.child(key) or ANY, item, where)
    elif isinstance(value, list) and of.element:
        for i, item in enumerate(value):
            yield from problems(of.element, item, f"{path}[{i}]")


def _limits(of: Type, value: Json, path: str) -> Iterator[Cause]:
    limits = of.limits
    if "enum" in limits and value not in limits["enum"]:
        yield not_supported(path, value, tuple(limits["enum"]))
    if "minimum" in limits and value < limits["minimum"]:
        yield invalid_value(path, value, f"{path} in body should be greater than or equal to {limits['minimum']}")
    if "maximum" in limits and value > limits["maximum"]:
        yield invalid_value(path, value, f"{path} in body should be less than or equal to {limits['maximum']}")
    if "minLength" in limits and len(value) < limits["minLength"]:
        yield invalid_value(path, value, f"{path} in body should be at least {limits['minLength']} chars long")
    if "maxLength" in limits and len(value) > limits["maxLength"]:
        yield Cause(path, f"Too long: may not be more than {limits['maxLength']} bytes", "FieldValueTooLong")
    if "pattern" in limits and not _matches(limits["pattern"], value):
        yield invalid_value(path, value, f"{path} in body should match '{limits['pattern']}'")
    if "minItems" in limits and len(value) < limits["minItems"]:
        yield invalid_value(path, len(value), f"{path} in body should have at least {limits['minItems']} items")
    if "maxItems" in limits and len(value) > limits["maxItems"]:
        yield Cause(path, f"Too many: {len(value)}: must have at most {limits['maxItems']} items", "FieldValueTooMany")
    if "maxProperties" in limits and len(value) > limits["maxProperties"]:
        most = limits["maxProperties"]
        yield Cause(path, f"Too many: {len(value)}: must have at most {most} items", "FieldValueTooMany")


def _matches(pattern: str, value: str) -> bool:
    """Return whether a text matches a pattern of Go's: there, `$` is not the place before a last newline."""
    return re.search(pattern, value) is not None and not value.endswith("\n")
