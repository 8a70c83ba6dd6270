"""GitHub's expressions, `${{ … }}`, as far as this repository's workflows use them. Everything else is an error.

https://docs.github.com/actions/reference/workflows-and-actions/expressions says how they are evaluated.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Value = Any
"""A value of an expression: None, a bool, a number, a text, a mapping or a list."""

Functions = Mapping[str, Callable[..., Value]]

STATUS_FUNCTIONS = ("success", "failure", "always", "cancelled")
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<word>[A-Za-z_][\w-]*)"
    r"|(?P<sign>==|!=|<=|>=|&&|\|\||[!<>().,\[\]]))"
)
_EMBEDDED = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


class ExpressionError(Exception):
    """An expression that is wrong, or that this evaluator does not know."""


class Strict(dict[str, Value]):
    """A context whose names are all known: another name is a mistake, not an empty value."""


@dataclass(frozen=True)
class Scope:
    """What an expression can refer to.

    Attributes:
        contexts: `github`, `needs`, … by name.
        functions: functions besides `toJSON` and `fromJSON`, which every scope has.
    """

    contexts: Mapping[str, Value]
    functions: Functions

    def evaluate(self, expression: str) -> Value:
        """Return the value of an expression, without its `${{ }}`."""
        parser = _Parser(expression, self)
        value = parser.parse_or()
        parser.expect_end()
        return value

    def interpolate(self, text: object) -> str:
        """Return a text with its expressions replaced by their values."""
        if not isinstance(text, str):
            return as_text(text)
        replaced = _EMBEDDED.sub(lambda found: as_text(self.evaluate(found[1])).replace("${{", "$\0{{"), text)
        if "${{" in replaced:
            raise ExpressionError(f"an expression does not end: {text}")
        return replaced.replace("$\0{{", "${{")

    def holds(self, condition: object) -> bool:
        """Return whether an `if:` holds. Without a function of the status, GitHub adds `success()`."""
        if condition is None:
            return is_true(self.evaluate("success()"))
        text = str(condition).strip()
        if text.startswith("${{"):
            if not text.endswith("}}") or text.count("${{") != 1:
                raise ExpressionError(f"if: one expression expected: {text}")
            text = text[3:-2]
        called = set(re.findall(r"([A-Za-z]+)\(", text))
        value = self.evaluate(text)
        return is_true(value) and (bool(called & set(STATUS_FUNCTIONS)) or is_true(self.evaluate("success()")))


def is_true(value: Value) -> bool:
    """Return whether a value counts as true."""
    return value not in (None, False, 0, "") and not (isinstance(value, float) and math.isnan(value))


def as_text(value: Value) -> str:
    """Return a value as it appears in a text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, Mapping | list):
        raise ExpressionError(f"an object in a text: {value}; use toJSON")
    return str(value)


def _as_number(value: Value) -> float:
    if value is None or value == "":
        return 0.0
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _equal(left: Value, right: Value) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left.casefold() == right.casefold()
    if type(left) is type(right):
        return bool(left == right)
    return _as_number(left) == _as_number(right)


class _Parser:
    """Parses and evaluates at once. All operands are evaluated: none has an effect."""

    def __init__(self, expression: str, scope: Scope) -> None:
        self._expression = expression
        self._scope = scope
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while expression[at:].strip():
            found = _TOKEN.match(expression, at)
            if not found:
                raise ExpressionError(f"unknown sign at {expression[at:].strip()!r} in {expression.strip()!r}")
            self._tokens.append((str(found.lastgroup), found[found.lastgroup or 0]))
            at = found.end()

    def parse_or(self) -> Value:
        value = self._parse_and()
        while self._take("||"):
            right = self._parse_and()
            value = value if is_true(value) else right
        return value

    def expect_end(self) -> None:
        if self._tokens:
            raise ExpressionError(f"unexpected {self._tokens[0][1]!r} in {self._expression.strip()!r}")

    def _parse_and(self) -> Value:
        value = self._parse_comparison()
        while self._take("&&"):
            right = self._parse_comparison()
            value = right if is_true(value) else value
        return value

    def _parse_comparison(self) -> Value:
        value = self._parse_not()
        for sign, compare in (("==", _equal), ("!=", lambda left, right: not _equal(left, right))):
            if self._take(sign):
                return compare(value, self._parse_not())
        return value

    def _parse_not(self) -> Value:
        return not is_true(self._parse_not()) if self._take("!") else self._parse_primary()

    def _parse_primary(self) -> Value:
        if not self._tokens:
            raise ExpressionError(f"{self._expression.strip()!r} ends too early")
        kind, token = self._tokens.pop(0)
        if kind == "text":
            return token[1:-1].replace("''", "'")
        if kind == "number":
            return float(token)
        if token == "(":
            value = self.parse_or()
            self._expect(")")
            return self._parse_properties(value, "(…)")
        if kind != "word":
            raise ExpressionError(f"unexpected {token!r} in {self._expression.strip()!r}")
        if token in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[token]
        if self._take("("):
            return self._parse_properties(self._call(token), token)
        if token not in self._scope.contexts:
            raise ExpressionError(f"no context {token!r} here: {self._expression.strip()!r}")
        return self._parse_properties(self._scope.contexts[token], token)

    def _call(self, name: str) -> Value:
        arguments: list[Value] = []
        while not self._take(")"):
            arguments.append(self.parse_or())
            if not self._take(","):
                self._expect(")")
                break
        known: Functions = {"toJSON": lambda value: json.dumps(value, indent=2), "fromJSON": json.loads}
        function = known.get(name) or self._scope.functions.get(name)
        if function is None:
            raise ExpressionError(f"unknown function {name}() in {self._expression.strip()!r}")
        return function(*arguments)

    def _parse_properties(self, value: Value, path: str) -> Value:
        while True:
            if self._take("."):
                kind, name = self._tokens.pop(0)
                if kind != "word":
                    raise ExpressionError(f"unknown: {path}.{name} in {self._expression.strip()!r}")
            elif self._take("["):
                name = as_text(self.parse_or())
                self._expect("]")
            else:
                return value
            if isinstance(value, Strict) and name not in value:
                raise ExpressionError(f"no {path}.{name} here: {self._expression.strip()!r}")
            if isinstance(value, list):
                raise ExpressionError(f"unknown: an item of the list {path} in {self._expression.strip()!r}")
            value = value.get(name) if isinstance(value, Mapping) else None
            path += f".{name}"

    def _take(self, sign: str) -> bool:
        if self._tokens and self._tokens[0] == ("sign", sign):
            self._tokens.pop(0)
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise ExpressionError(f"{sign!r} expected in {self._expression.strip()!r}")
