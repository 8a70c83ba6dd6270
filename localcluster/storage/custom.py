"""Defaults, types and limits that a CustomResourceDefinition sets for the values of its kind.

Its rules in CEL are not checked.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace

from localcluster.apimachinery.errors import Cause, duplicate, invalid_value, not_supported, required
from localcluster.apimachinery.objects import Json, Object, clone
from localcluster.storage.schema import ANY, Type

_BLOCKING = (
    "FieldValueNotSupported",
    "FieldValueRequired",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueTypeInvalid",
)
_WITHOUT_RULES = ("ReferenceGrant",)  # kinds without rules in CEL
_NOTE = (
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete "
    "validation"
)
# The types and formats of JSON schemas, by our names of types.
_TYPES = {
    "struct": ("object", ""),
    "map": ("object", ""),
    "list": ("array", ""),
    "int32": ("integer", ""),
    "int64": ("integer", ""),
    "time": ("string", "date-time"),
}
_GIVEN = {
    str: ("string", ""),
    int: ("integer", "int64"),
    float: ("number", "double"),
    dict: ("object", ""),
    list: ("array", ""),
    type(None): ("null", ""),
}
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


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


def problems(of: Type, obj: Object) -> list[Cause]:
    """Return the errors of an object, without those of its metadata and status."""
    found = [*_missing(of, obj, "")]
    for key, value in obj.items():
        if key not in ("metadata", "status"):
            found += _problems(of.fields[key], value, key)
    return _with_note(found, obj)


def problems_of_status(of: Type, obj: Object) -> list[Cause]:
    """Return the errors of an object's status, if it has one. Their sentences name the fields without `status`."""
    found = _problems(of.fields["status"], obj["status"], "") if "status" in obj else []
    return _with_note([replace(cause, field=f"status.{cause.field}") for cause in found], obj)


def _with_note(found: list[Cause], obj: Object) -> list[Cause]:
    if obj["kind"] not in _WITHOUT_RULES and any(cause.reason in _BLOCKING for cause in found):
        return [*found, invalid_value("<nil>", None, _NOTE)]
    return found


def _problems(of: Type, value: Json, path: str) -> Iterator[Cause]:
    if problem := _misfit(of, value):
        shown, wanted, given = problem
        sentence = f"Invalid value: {json.dumps(shown)}: {path} in body must be of type {wanted}: {json.dumps(given)}"
        yield Cause(path, sentence, "FieldValueTypeInvalid")
        return
    yield from _limits(of, value, path)
    if isinstance(value, dict):
        yield from _missing(of, value, path)
        for key, item in value.items():
            yield from _problems(of.child(key) or ANY, item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and of.element:
        for i, item in enumerate(value):
            yield from _problems(of.element, item, f"{path}[{i}]")
        yield from _repeated(of, value, path)


def _missing(of: Type, value: Object, path: str) -> Iterator[Cause]:
    for key in of.required:
        if key not in value:
            yield required(f"{path}.{key}" if path else key)


def _repeated(of: Type, items: list[Json], path: str) -> Iterator[Cause]:
    seen: list[Json] = []
    for i, item in enumerate(items):
        name = {key: item.get(key) for key in of.keys} if of.keys and isinstance(item, dict) else item
        if (of.keys or of.is_set) and name in seen:
            yield duplicate(f"{path}[{i}]", name)
        seen.append(name)


def _misfit(of: Type, value: Json) -> tuple[str, str, str] | None:
    """Return what an error shows of a value that has the wrong type, the type it should have, and the one it has."""
    if of.kind == "any":
        return None
    wanted, form = _TYPES.get(of.kind, (of.kind, ""))
    if isinstance(value, bool):
        given, form_given = "boolean", ""
    else:
        given, form_given = next(names for kind, names in _GIVEN.items() if isinstance(value, kind))
    if given == wanted or (wanted == "number" and given == "integer"):
        is_odd = form == "date-time" and not _DATE_TIME.fullmatch(value)
        return (value, form, value) if is_odd else None
    if wanted == "integer" and given == "number" and value.is_integer():
        return None
    if form and given not in ("string", "array"):
        return form_given, form, form_given
    return given, wanted, given


def _limits(of: Type, value: Json, path: str) -> Iterator[Cause]:
    limits = of.limits
    if "enum" in limits and value not in limits["enum"]:
        yield not_supported(path, value, tuple(limits["enum"]))
    if "minimum" in limits and value < limits["minimum"]:
        yield invalid_value(path, value, f"{path} in body should be greater than or equal to {limits['minimum']}")
    if "maximum" in limits and value > limits["maximum"]:
        yield invalid_value(path, value, f"{path} in body should be less than or equal to {limits['maximum']}")
    if "maxLength" in limits and len(value) > limits["maxLength"]:
        yield Cause(path, f"Too long: may not be more than {limits['maxLength']} bytes", "FieldValueTooLong")
    elif "minLength" in limits and len(value) < limits["minLength"]:
        yield invalid_value(path, value, f"{path} in body should be at least {limits['minLength']} chars long")
    elif "pattern" in limits and not _matches(limits["pattern"], value):
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
