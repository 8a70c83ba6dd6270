"""The types of the kinds that are served: to decode objects, and for the lists in server-side apply and patches.

They come from schema.json and, for the kinds of the Gateway API, from gateway.json. scripts/make_localcluster_schema.py
makes both.
"""

import base64
import binascii
import functools
import json
from dataclasses import dataclass, field, replace
from importlib import resources

from localcluster.apimachinery import quantity
from localcluster.apimachinery.errors import ApiError
from localcluster.apimachinery.objects import Json, Object, clone
from localcluster.apimachinery.resources import Resource

# Keys of list maps that have a default.
KEY_DEFAULTS = {"protocol": "TCP"}
LIMITS = ("enum", "minimum", "maximum", "minLength", "maxLength", "pattern", "minItems", "maxItems", "maxProperties")
_GO = {"boolean": "bool", "time": "string", "number": "float64"}


@dataclass(frozen=True)
class Type:
    """The type of a field.

    Attributes:
        kind: `struct`, `map`, `list`, or the name of a scalar.
        name: of a struct.
        fields: of a struct.
        required: names of the required fields of a struct.
        element: of a map or a list.
        keys: the fields that identify the items of a list (server-side apply); empty for other lists.
        is_set: whether a list is a set.
        atomic: whether a map or struct has one owner and is replaced as a whole.
        merge_key: the field that identifies the items of a list (strategic merge patch).
        strategies: of a strategic merge patch: `merge`, `retainKeys`, `replace`.
        default: the value of a missing field, None without one.
        limits: of a value, by the names of OpenAPI: `enum`, `maximum`, ….
    """

    kind: str
    name: str = ""
    fields: dict[str, "Type"] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    element: "Type | None" = None
    keys: tuple[str, ...] = ()
    is_set: bool = False
    atomic: bool = False
    merge_key: str = ""
    strategies: tuple[str, ...] = ()
    default: Json = None
    limits: dict[str, Json] = field(default_factory=dict)

    def child(self, key: str) -> "Type | None":
        """Return the type of a field or a map's value, or None for an unknown field."""
        return self.fields.get(key) if self.kind == "struct" else self.element


ANY = Type("any")


@functools.cache
def _types() -> dict[str, Type]:
    """Return the types of all kinds, by apiVersion/Kind."""
    files = [resources.files("localcluster.storage") / name for name in ("schema.json", "gateway.json")]
    builtin, custom = (json.loads(file.read_text()) for file in files)
    source = {key: builtin[key] | custom[key] for key in ("kinds", "types")}
    structs: dict[str, Type] = {}

    def made(notation: str | dict[str, Json]) -> Type:
        if isinstance(notation, str):
            if not notation.startswith("#"):
                return Type(notation)
            if notation not in structs:
                entry = source["types"][notation[1:]]
                name, required = notation.rpartition(".")[2], tuple(entry.get("required", ()))
                structs[notation] = Type("struct", name, {}, required, atomic=entry.get("atomic", False))
                structs[notation].fields.update({key: made(value) for key, value in entry["fields"].items()})
            return structs[notation]
        extra = {
            "strategies": tuple(notation.get("strategy", "").split(",")),
            "atomic": notation.get("atomic", False),
            "default": notation.get("default"),
            "limits": {key: value for key, value in notation.items() if key in LIMITS},
        }
        if "list" in notation:
            keys, merge = tuple(notation.get("keys", ())), notation.get("merge", "")
            of = made(notation["list"])
            return Type("list", element=of, keys=keys, is_set=notation.get("set", False), merge_key=merge, **extra)
        if "map" in notation:
            return Type("map", element=made(notation["map"]), **extra)
        inner = made(notation["type"])
        return replace(inner, **extra | {"atomic": inner.atomic or extra["atomic"]})

    return {kind: made(notation) for kind, notation in source["kinds"].items()}


def type_of(resource: Resource) -> Type:
    """Return the type of a kind's objects."""
    return _types()[f"{resource.api_version}/{resource.kind}"]


def decoded(resource: Resource, obj: Object) -> tuple[Object, list[str]]:
    """Return a copy of an object as its type defines it, and a sentence for each unknown field, which is dropped.

    Nulls are dropped; quantities become strings. Raises ApiError 400 if a value has the wrong type. Outside of the
    metadata of a custom resource, such values stay for its validation.
    """
    complaint = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
    reader = _Reader(complaint, is_lenient=resource.is_custom)
    return dict(reader.read(type_of(resource), obj, "", "", resource.kind)), reader.unknown


class _Reader:
    def __init__(self, complaint: str, *, is_lenient: bool) -> None:
        self.complaint = complaint
        self.is_lenient = is_lenient
        self.unknown: list[str] = []

    def read(self, of: Type, value: Json, path: str, go: str, owner: str) -> Json:
        """Return the value as its type defines it; `go` is the path in Go's JSON errors, without indices."""
        if of.kind == "any" or (self._keeps(path) and not _fits(of, value)):
            return clone(value)
        if of.kind in ("struct", "map"):
            if not isinstance(value, dict):
                raise self._wrong(value, go, owner, of.name or "map")
            result = {}
            for key, item in value.items():
                child = of.child(key)
                where = f"{path}.{key}" if path else key
                if child is None:
                    self.unknown.append(f'unknown field "{where}"')
                elif item is not None:
                    name = go if of.kind == "map" else f"{go}.{key}" if go else key
                    result[key] = self.read(child, item, where, name, of.name or owner)
            return result
        if of.kind == "list":
            assert of.element is not None
            if not isinstance(value, list):
                raise self._wrong(value, go, owner, f"[]{of.element.name or of.element.kind}")
            items = [v for v in value if v is not None or self._keeps(path)]
            return [self.read(of.element, item, f"{path}[{i}]", go, owner) for i, item in enumerate(items)]
        return self._scalar(of.kind, value, go, owner)

    def _keeps(self, path: str) -> bool:
        """Return whether a value of the wrong type stays as it is."""
        return self.is_lenient and bool(path) and not path.startswith("metadata")

    def _scalar(self, kind: str, value: Json, go: str, owner: str) -> Json:
        if kind == "quantity" and isinstance(value, str | int | float) and not isinstance(value, bool):
            try:
                return quantity.canonical(str(value))
            except ValueError:
                message = f"quantities must match the regular expression '{quantity.PATTERN.pattern}'"
                raise ApiError(400, f"{self.complaint}: {message}") from None
        if not is_scalar(kind, value):
            raise self._wrong(value, go, owner, _GO.get(kind, kind))
        if kind == "bytes":
            try:
                base64.b64decode(value, validate=True)
            except (binascii.Error, UnicodeEncodeError, ValueError):
                raise ApiError(400, f"{self.complaint}: illegal base64 data at input byte 0") from None
        return value

    def _wrong(self, value: Json, go: str, owner: str, wanted: str) -> ApiError:
        names = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}
        field_name = f"{owner}.{go}".removesuffix(".")
        message = f"json: cannot unmarshal {names[type(value)]} into Go struct field {field_name} of type {wanted}"
        return ApiError(400, f"{self.complaint}: {message}")


def _fits(of: Type, value: Json) -> bool:
    if of.kind in ("struct", "map"):
        return isinstance(value, dict)
    return isinstance(value, list) if of.kind == "list" else is_scalar(of.kind, value)


def is_scalar(kind: str, value: Json) -> bool:
    """Return whether a value has a scalar type."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind in ("string", "bytes", "time"):
        return isinstance(value, str)
    if kind in ("int32", "int64", "integer"):
        bits = 31 if kind == "int32" else 63
        return number and isinstance(value, int) and -(2**bits) <= value < 2**bits
    if kind == "number":
        return number
    if kind == "boolean":
        return isinstance(value, bool)
    return number or isinstance(value, str)  # quantity, int-or-string
