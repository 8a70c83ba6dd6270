"""Azure Pipelines' expressions: `${{ … }}` in templates, and conditions.

Knows the functions and the forms of values that this repository uses; raises UnknownError for all others. As in Azure,
comparisons ignore case and convert the right operand to the type of the left one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^']|'')*')|(?P<name>[A-Za-z_][\w-]*)|(?P<number>-?\d+(?:\.\d+)?)|(?P<mark>[().,\[\]]))"
)


class UnknownError(Exception):
    """The runner does not know something in the pipeline, and must not guess."""


@dataclass(frozen=True)
class Scope:
    """What an expression can refer to.

    Attributes:
        values: `parameters`, `variables`, `dependencies` and `stageDependencies`, as far as they are known there.
        functions: job status functions such as `succeeded`; others are the same everywhere.
    """

    values: Mapping[str, Any]
    functions: Mapping[str, Callable[..., Any]]


def truth(value: Any) -> bool:
    """Return a value as a boolean."""
    return bool(value)


def text(value: Any) -> str:
    """Return a value as a string."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def equal(left: Any, right: Any) -> bool:
    """Return whether two values are equal."""
    if isinstance(left, bool):
        return left is (right if isinstance(right, bool) else truth(right))
    if isinstance(right, bool) and left is None:
        return right is False
    return text(left).casefold() == text(right).casefold()


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "and": lambda *all_of: all(truth(one) for one in all_of),
    "or": lambda *any_of: any(truth(one) for one in any_of),
    "not": lambda one: not truth(one),
    "eq": equal,
    "ne": lambda left, right: not equal(left, right),
    "in": lambda left, *rights: any(equal(left, right) for right in rights),
}


def evaluate(expression: str, scope: Scope) -> Any:
    """Return the value of an expression; raises UnknownError."""
    tokens, position = [], 0
    stripped = expression.strip()
    while position < len(stripped):
        found = TOKEN.match(stripped, position)
        if found is None or found.lastgroup is None:
            raise UnknownError(f"not an expression that the runner knows: {expression}")
        tokens.append((found.lastgroup, found[found.lastgroup]))
        position = found.end()
    parser = _Parser(tokens, scope, expression)
    value = parser.value()
    parser.expect_end()
    return value


@dataclass
class _Parser:
    tokens: list[tuple[str, str]]
    scope: Scope
    expression: str
    at: int = 0

    def value(self) -> Any:
        kind, word = self._next()
        if kind == "string":
            return word[1:-1].replace("''", "'")
        if kind == "number":
            return float(word) if "." in word else int(word)
        if kind != "name":
            raise self._unknown(word)
        if self._take("("):
            return self._call(word)
        if word.lower() in ("true", "false"):
            return word.lower() == "true"
        if word not in self.scope.values:
            raise self._unknown(word)
        return self._path(self.scope.values[word])

    def _call(self, name: str) -> Any:
        arguments: list[Any] = []
        while not self._take(")"):
            if arguments and not self._take(","):
                raise self._unknown("a call without a comma")
            arguments.append(self.value())
        function = {**FUNCTIONS, **self.scope.functions}.get(name)
        if function is None:
            raise self._unknown(f"{name}()")
        return function(*arguments)

    def _path(self, value: Any) -> Any:
        while True:
            if self._take("."):
                key = self._next()[1]
            elif self._take("["):
                key = str(self.value())
                if not self._take("]"):
                    raise self._unknown("[ without ]")
            else:
                return value
            if value is None:
                continue
            if not isinstance(value, Mapping):
                raise self._unknown(f".{key}")
            if getattr(value, "closed", False) and key not in value:
                raise self._unknown(key)
            value = value.get(key)

    def _next(self) -> tuple[str, str]:
        if self.at >= len(self.tokens):
            raise self._unknown("the end")
        self.at += 1
        return self.tokens[self.at - 1]

    def _take(self, mark: str) -> bool:
        if self.at < len(self.tokens) and self.tokens[self.at] == ("mark", mark):
            self.at += 1
            return True
        return False

    def expect_end(self) -> None:
        if self.at != len(self.tokens):
            raise self._unknown(self.tokens[self.at][1])

    def _unknown(self, what: str) -> UnknownError:
        return UnknownError(f"the runner does not know {what} in: {self.expression}")


class Closed(dict[str, Any]):
    """A mapping with no other keys: undeclared parameters and jobs that are no dependencies are errors."""

    closed = True
