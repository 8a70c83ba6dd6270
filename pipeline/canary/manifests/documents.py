"""YAML and JSON text as plain JSON values, each with its line.

Scalars are read as Kubernetes' own tools read them (sigs.k8s.io/yaml, YAML 1.1), so that a manifest has the same
meaning as for `kubectl apply`:

* `yes`, `no`, `on`, `off`, `y`, `n` are booleans, `0644` and `0o644` are octal, `1e3` is a number;
* dates and times stay strings, and so does `22:22`, which YAML 1.1 would read as base 60;
* keys become strings: `1: a` is `{"1": "a"}`, `on: a` is `{"true": "a"}`.

A key that appears twice in one mapping is refused, while Kubernetes silently takes the last. Only plain values are
built: no tag creates an object. PyYAML's own constructor does not fit: it takes the last key, too, and its aliases give
the same object again, so that a change in one place would change all of them.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from canary.errors import InputError

Path = tuple[str | int, ...]
"""Position of a value in its document: keys and indices from the root."""

_MOST_VALUES = 500_000
"""More values than this come from aliases of aliases ("billion laughs"), not from a manifest."""


@dataclass(frozen=True)
class Document:
    """One document of a file.

    Attributes:
        value: plain JSON value; None for an empty document.
        lines: the line (from 1) of each value, by its path; for JSON only the first line of the document.
    """

    value: Any
    lines: dict[Path, int]

    def line(self, path: Path = ()) -> int:
        """Return the line of the value at a path, or of the nearest value around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def parse(text: str, name: str) -> list[Document]:
    """Return the documents of a text in YAML or JSON.

    Args:
        text: the file's content.
        name: its name in errors, such as `manifests/deployment.yml`.

    Raises:
        InputError: `name:line: what is wrong`, without any of the text, which may be a Secret.
    """
    if text.lstrip().startswith("{") or name.endswith(".json"):
        try:
            return list(_json(text))
        except _JSONError as error:
            if name.endswith(".json"):
                raise InputError(f"{name}:{error.line}: not valid JSON: {error}") from error
    return list(_yaml(text, name))


class _JSONError(Exception):
    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def _json(text: str) -> Iterator[Document]:
    """Yield JSON documents that follow each other, as `kubectl -f` accepts them."""
    decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_not_finite)
    at = _skip_space(text, 0)
    while at < len(text):
        line = text.count("\n", 0, at) + 1
        try:
            value, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise _JSONError(error.msg, error.lineno) from error
        except (ValueError, RecursionError) as error:
            raise _JSONError(str(error), line) from error
        yield Document(value, {(): line})
        at = _skip_space(text, end)


def dump(values: Iterable[Any]) -> str:
    """Return values as YAML documents that read back the same, with `parse` and with kubectl."""
    return yaml.dump_all(values, Dumper=Dumper, sort_keys=False, explicit_start=True)


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key, value in pairs:
        if key in mapping:
            raise ValueError(f"key {key!r} appears twice in one object")
        mapping[key] = value
    return mapping


def _not_finite(constant: str) -> float:
    raise ValueError(f"{constant} is not a JSON number")


class _Loader(yaml.SafeLoader):
    """PyYAML's scanner, parser and composer, with Kubernetes' rules for plain scalars."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML keeps its rules on the class; ours follow below


_BOOLEANS = {"y": True, "yes": True, "true": True, "on": True, "n": False, "no": False, "false": False, "off": False}
_INT = re.compile(r"[-+]?(0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO]?[0-7_]+|0|[1-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9][0-9_]*|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

for _tag, _pattern, _first in (
    ("bool", r"yes|Yes|YES|no|No|NO|[yYnN]|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", "yYnNtTfFoO"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
    ("int", _INT.pattern, "-+0123456789"),
    ("float", f"{_FLOAT.pattern}|{_NOT_FINITE.pattern}", "-+.0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), list(_first))


class Dumper(yaml.SafeDumper):
    """PyYAML's dumper, which also quotes strings that Kubernetes' tools would not read as strings: `y`, `1e3`."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as above
        first: [
            *_Loader.yaml_implicit_resolvers.get(first, []),
            *yaml.SafeDumper.yaml_implicit_resolvers.get(first, []),
        ]
        for first in {*_Loader.yaml_implicit_resolvers, *yaml.SafeDumper.yaml_implicit_resolvers}
    }

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        """Write no aliases: a dry run shows each object in full."""
        return True

    def represent_text(self, text: str) -> yaml.ScalarNode:
        """Write a text with several lines as a block, if YAML can."""
        return self.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Dumper.add_representer(str, Dumper.represent_text)


def _yaml(text: str, name: str) -> Iterator[Document]:
    try:
        loader = _Loader(text)
        while loader.check_node():
            constructor = _Constructor(name)
            node = loader.get_node()
            assert node is not None
            value = constructor.value(node, ())
            yield Document(value, constructor.lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise InputError(f"{name}:{line}: not valid YAML: {_sentence(error)}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InputError(f"{name}:{line}: not valid YAML: a control character") from error
    except RecursionError as error:
        raise InputError(f"{name}:1: not valid YAML: nested too deeply") from error


def _sentence(error: yaml.MarkedYAMLError) -> str:
    """Return PyYAML's message without its snippet of the text."""
    if error.context and error.problem:
        return f"{error.problem} ({error.context})"
    return error.problem or error.context or "cannot be read"


class _Constructor:
    """Turns the nodes of one document into plain values, and records their lines."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[Path, int] = {}
        self.enclosing: set[int] = set()
        self.values = 0

    def value(self, node: yaml.Node, path: Path) -> Any:  # noqa: ANN401 - a JSON value is any value
        self.values += 1
        if self.values > _MOST_VALUES:
            raise self.error(node, "its aliases expand to too many values")
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node)
        if id(node) in self.enclosing:
            raise self.error(node, "an alias refers to a value that contains it")
        is_sequence = isinstance(node, yaml.SequenceNode)
        if node.tag != f"tag:yaml.org,2002:{'seq' if is_sequence else 'map'}":
            raise self.error(node, f"tag {node.tag!r} is not supported")
        self.enclosing.add(id(node))
        try:
            if is_sequence:
                return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
            return self.mapping(node, path)
        finally:
            self.enclosing.discard(id(node))

    def mapping(self, node: yaml.Node, path: Path) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                for source in value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]:
                    if not isinstance(source, yaml.MappingNode):
                        raise self.error(source, "<< takes a mapping")
                    merged = self.value(source, path) | merged
                continue
            key = self.key(key_node)
            if key in own:
                hint = "; is --- missing between two documents?" if not path and key in ("apiVersion", "kind") else ""
                raise self.error(key_node, f"key {key!r} appears twice in one mapping{hint}")
            self.lines[(*path, key)] = key_node.start_mark.line + 1
            own[key] = self.value(value_node, (*path, key))
        return merged | own

    def key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self.error(node, "a key must be a scalar")
        key = self.scalar(node)
        if key is None:
            raise self.error(node, "a key must be a string")
        return key if isinstance(key, str) else json.dumps(key)

    def scalar(self, node: yaml.ScalarNode) -> str | bool | int | float | None:
        text: str = node.value
        match node.tag.removeprefix("tag:yaml.org,2002:"):
            case "str" | "timestamp" | "value" | "!":
                return text
            case "null":
                return None
            case "bool" if text.lower() in _BOOLEANS:
                return _BOOLEANS[text.lower()]
            case "int" if _INT.fullmatch(text):
                return _integer(text)
            case "int" | "float" if _FLOAT.fullmatch(text):
                number = float(text.replace("_", ""))
                return text if math.isinf(number) else _whole(number)
            case "float":
                raise self.error(node, "JSON has neither infinity nor NaN")
            case _:
                raise self.error(node, f"tag {node.tag!r} is not supported")

    def error(self, node: yaml.Node, problem: str) -> InputError:
        return InputError(f"{self.name}:{node.start_mark.line + 1}: not valid YAML: {problem}")


def _integer(text: str) -> int | float:
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-").replace("_", "").lower()
    base = {"0x": 16, "0b": 2, "0o": 8}.get(digits[:2], 8 if len(digits) > 1 and digits.startswith("0") else 10)
    number = sign * int(digits.removeprefix("0o") if base == 8 else digits, base)
    return number if -(2**63) <= number < 2**64 else _whole(float(number))


def _whole(number: float) -> int | float:
    """Return a whole number as an int: JSON does not tell 1.0 from 1."""
    return int(number) if number.is_integer() and abs(number) < 1e21 else number
