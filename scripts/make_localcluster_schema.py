#!/usr/bin/env python3
"""Print the types of localcluster's kinds: from the schemas in kubernetes-validate, or from CustomResourceDefinitions.

    python scripts/make_localcluster_schema.py > localcluster/storage/schema.json
    python scripts/make_localcluster_schema.py FOLDER > localcluster/storage/gateway.json

FOLDER is config/crd/standard of Gateway API's repository.

A simple field is a string: `string`, `bytes`, `time`, `int32`, `int64`, `boolean`, `number`, `quantity`,
`int-or-string`, `any`, or `#Name` for a type in the table. Other fields are objects with some of these keys: `list` or
`map` (the type of the items), `keys` (list-map keys), `set`, `atomic`, `merge` (patch merge key), `strategy` (patch
strategy), and, of CustomResourceDefinitions, `type`, `default`, and the limits of a value (`enum`, `maximum`, …).
"""

from __future__ import annotations

import json
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from localcluster.apimachinery.resources import GATEWAY_API, RESOURCES

SOURCE = "v1.37.0-local"
METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
LIMITS = ("enum", "minimum", "maximum", "minLength", "maxLength", "pattern", "minItems", "maxItems", "maxProperties")


def load() -> dict[str, Any]:
    """Return the definitions of Kubernetes, by full name."""
    folder = resources.files("kubernetes_validate") / "kubernetes-json-schema" / SOURCE
    definitions: dict[str, Any] = json.loads((folder / "_definitions.json").read_text())["$defs"]
    return definitions


def short(full_name: str) -> str:
    """Return io.k8s.api.core.v1.PodSpec as core.v1.PodSpec."""
    return full_name.removeprefix("io.k8s.api.").removeprefix("io.k8s.apimachinery.pkg.").removeprefix("apis.")


class Table:
    """The types that localcluster's kinds refer to, directly or indirectly."""

    def __init__(self, definitions: dict[str, Any]) -> None:
        self.definitions = definitions
        self.types: dict[str, Any] = {}

    def field(self, schema: dict[str, Any]) -> str | dict[str, Any]:
        """Return a field's type in the short notation."""
        extra: dict[str, Any] = {}
        if strategy := schema.get("x-kubernetes-patch-strategy"):
            extra["strategy"] = strategy
        if schema.get("x-kubernetes-map-type") == "atomic":
            extra["atomic"] = True
        if "$ref" in schema:
            name = self.reference(schema["$ref"].rpartition("/")[2])
            return {"type": name, **extra} if extra else name
        kind = schema.get("type", "any")
        kind = next(k for k in kind if k != "null") if isinstance(kind, list) else kind
        if kind == "array":
            return {"list": self.field(schema["items"]), **extra, **list_keys(schema)}
        if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
            return {"map": self.field(schema["additionalProperties"]), **extra}
        if kind == "object":
            return "any"
        formats = {"int32": "int32", "int64": "int64", "byte": "bytes", "date-time": "time"}
        return formats.get(schema.get("format", ""), str(kind))

    def reference(self, full_name: str) -> str:
        """Return the notation of a named type, and add the type to the table."""
        schema, name = self.definitions[full_name], short(full_name)
        if name in ("util.intstr.IntOrString", "api.resource.Quantity"):
            return "int-or-string" if "intstr" in name else "quantity"
        if not schema.get("properties"):
            return str(self.field({k: v for k, v in schema.items() if k != "x-kubernetes-map-type"}))
        if name not in self.types:
            entry = self.types[name] = {"fields": {}}
            if schema.get("x-kubernetes-map-type") == "atomic":
                entry["atomic"] = True
            if required := schema.get("required"):
                entry["required"] = sorted(required)
            entry["fields"] = {key: self.field(value) for key, value in sorted(schema["properties"].items())}
        return f"#{name}"


def list_keys(schema: dict[str, Any]) -> dict[str, Any]:
    """Return what identifies the items of a list."""
    found: dict[str, Any] = {}
    if key := schema.get("x-kubernetes-patch-merge-key"):
        found["merge"] = key
    if schema.get("x-kubernetes-list-type") == "map":
        found["keys"] = schema["x-kubernetes-list-map-keys"]
    elif schema.get("x-kubernetes-list-type") == "set":
        found["set"] = True
    return found


class CustomTable(Table):
    """The types of CustomResourceDefinitions: structs are named after their places; values have defaults and limits."""

    def field(self, schema: dict[str, Any], path: str = "") -> str | dict[str, Any]:
        """Return a field's type in the short notation."""
        kind = schema.get("type", "any")
        of: str | dict[str, Any]
        extra: dict[str, Any] = {"atomic": True} if schema.get("x-kubernetes-map-type") == "atomic" else {}
        extra |= {key: schema[key] for key in ("default", *LIMITS) if key in schema}
        if kind == "array":
            return {"list": self.field(schema["items"], path), **extra, **list_keys(schema)}
        if isinstance(schema.get("additionalProperties"), dict):
            return {"map": self.field(schema["additionalProperties"], path), **extra}
        if path.endswith(".metadata") and path.count(".") == 1:
            of = f"#{short(METADATA)}"  # in schema.json
        elif schema.get("properties"):
            fields = {key: self.field(value, f"{path}.{key}") for key, value in sorted(schema["properties"].items())}
            self.types[path] = {"fields": fields}
            if schema.get("required"):
                self.types[path]["required"] = sorted(schema["required"])
            of = f"#{path}"
        else:
            of = super().field({"type": kind, "format": schema.get("format", "")})
        return {"type": of, **extra} if extra else of


def custom_kinds(folder: Path) -> tuple[str, Table, dict[str, Any]]:
    """Return the version of the Gateway API, its types, and those of its kinds."""
    source, table, kinds = "", CustomTable({}), {}
    for resource in (one for one in RESOURCES if one.group == GATEWAY_API):
        definition = yaml.safe_load((folder / f"{resource.group}_{resource.plural}.yaml").read_text())
        source = definition["metadata"]["annotations"]["gateway.networking.k8s.io/bundle-version"]
        versions = {one["name"]: one["schema"]["openAPIV3Schema"] for one in definition["spec"]["versions"]}
        kinds[f"{resource.api_version}/{resource.kind}"] = table.field(versions[resource.version], resource.kind)
    return source, table, kinds


def built_in_kinds() -> tuple[str, Table, dict[str, Any]]:
    """Return the version of Kubernetes, its types, and those of its kinds."""
    definitions = load()
    table, kinds = Table(definitions), {}
    for resource in (one for one in RESOURCES if one.group != GATEWAY_API):
        wanted = {"group": resource.group, "version": resource.version, "kind": resource.kind}
        full = next(n for n, d in definitions.items() if wanted in d.get("x-kubernetes-group-version-kind", []))
        kinds[f"{resource.api_version}/{resource.kind}"] = table.reference(full)
    return SOURCE, table, kinds


def main() -> None:
    """Print the table, with one type per line."""
    source, table, kinds = custom_kinds(Path(sys.argv[1])) if sys.argv[1:] else built_in_kinds()
    lines = [f"{json.dumps(n)}: {json.dumps(t, separators=(',', ':'))}" for n, t in sorted(table.types.items())]
    sys.stdout.write(f'{{"source": "{source}", "kinds": {json.dumps(kinds, indent=1)}, "types": {{\n')
    sys.stdout.write(",\n".join(lines) + "\n}}\n")


if __name__ == "__main__":
    main()
