"""Expands a pipeline as Azure does before a run: parameters, templates, and `${{ … }}` with if, elseif and else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.pipelines.azure.expressions import Closed, Scope, UnknownError, evaluate, text, truth

EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
DIRECTIVE = re.compile(r"\$\{\{\s*(if|elseif|else|each|insert)\b(.*?)\}\}", re.DOTALL)
TYPES: dict[str, type | tuple[type, ...]] = {"string": str, "boolean": bool, "number": (int, float)}


class _Loader(yaml.SafeLoader):
    """YAML 1.2 booleans: `on` and `yes` are text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$", re.IGNORECASE), list("tTfF"))


def load_pipeline(file: Path, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return an expanded pipeline; raises UnknownError for anything that is not known here."""
    document = yaml.load(file.read_text(), _Loader)
    expanded: dict[str, Any] = _expand(document, _scope(document, parameters, file), file.parent)
    return expanded


def _scope(document: Mapping[str, Any], given: Mapping[str, Any], file: Path) -> Scope:
    """Check the parameters against their declarations, and return what expressions of this file refer to."""
    values = Closed()
    declared = {one["name"]: one for one in document.get("parameters", [])}
    if more := given.keys() - declared.keys():
        raise UnknownError(f"{file}: there is no parameter {', '.join(more)}")
    for name, declaration in declared.items():
        if more := declaration.keys() - {"name", "displayName", "type", "default", "values"}:
            raise UnknownError(f"{file}: {name}: {', '.join(more)}")
        if name not in given and "default" not in declaration:
            raise UnknownError(f"{file}: a value is required for parameter {name}")
        value = _typed(given.get(name, declaration.get("default")), declaration["type"], f"{file}: {name}")
        if "values" in declaration and value not in declaration["values"]:
            raise UnknownError(f"{file}: {name}: {value} is not one of {declaration['values']}")
        values[name] = value
    return Scope({"parameters": values}, {})


def _typed(value: Any, kind: str, where: str) -> Any:
    """Return a parameter's value in its type; raises UnknownError."""
    if kind == "boolean" and isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if kind == "number" and isinstance(value, str) and re.fullmatch(r"-?\d+", value):
        return int(value)
    if kind == "string" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if kind not in TYPES or not isinstance(value, TYPES[kind]) or (kind == "number" and isinstance(value, bool)):
        raise UnknownError(f"{where}: {value!r} is not a {kind}")
    return value


def _expand(node: Any, scope: Scope, folder: Path) -> Any:
    """Return a node without template expressions."""
    if isinstance(node, list):
        return [item for one in node for item in _items(one, scope, folder)]
    if isinstance(node, dict):
        expanded: dict[str, Any] = {}
        for key, value in _chosen(node, scope):
            made = _expand(value, scope, folder)
            if DIRECTIVE.fullmatch(key):
                if not isinstance(made, dict):
                    raise UnknownError(f"{key} in a mapping must hold a mapping")
                expanded |= made
            else:
                expanded[key] = made
        return expanded
    return _replace(node, scope) if isinstance(node, str) else node


def _items(one: Any, scope: Scope, folder: Path) -> list[Any]:
    """Return what an item of a list becomes: itself, the items of a branch, or those of a template."""
    if isinstance(one, dict) and any(DIRECTIVE.fullmatch(key) for key in one):
        made: list[Any] = []
        for _, value in _chosen(one, scope):
            made += _expand(value, scope, folder)
        return made
    if isinstance(one, dict) and "template" in one:
        if more := one.keys() - {"template", "parameters"}:
            raise UnknownError(f"template {one['template']}: {', '.join(more)}")
        file = folder / one["template"]
        document = yaml.load(file.read_text(), _Loader)
        if more := document.keys() - {"parameters", "steps"}:
            raise UnknownError(f"{file}: {', '.join(more)}: only templates of steps are known")
        given = _expand(one.get("parameters", {}), scope, folder)
        steps: list[Any] = _expand(document["steps"], _scope(document, given, file), file.parent)
        return steps
    return [_expand(one, scope, folder)]


def _chosen(node: Mapping[str, Any], scope: Scope) -> list[tuple[str, Any]]:
    """Return the entries of a mapping whose branch is taken."""
    taken: list[tuple[str, Any]] = []
    matched: bool | None = None  # in the last chain of if, elseif and else; None outside of one
    for key, value in node.items():
        directive = DIRECTIVE.fullmatch(key) if isinstance(key, str) else None
        if directive is None:
            if isinstance(key, str) and EXPRESSION.search(key):
                raise UnknownError(f"key {key}")
            taken.append((key, value))
            matched = None
            continue
        word, condition = directive[1], directive[2]
        if word == "if":
            matched = truth(evaluate(condition, scope))
            now = matched
        elif word in ("elseif", "else") and matched is not None:
            now = not matched and (word == "else" or truth(evaluate(condition, scope)))
            matched = matched or now
        else:
            raise UnknownError(f"{key}")
        if now:
            taken.append((key, value))
    return taken


def _replace(value: str, scope: Scope) -> Any:
    """Return a text with its expressions replaced; a text that is one expression keeps the type of the value."""
    if whole := EXPRESSION.fullmatch(value.strip()):
        return evaluate(whole[1], scope)
    return EXPRESSION.sub(lambda found: text(evaluate(found[1], scope)), value)
