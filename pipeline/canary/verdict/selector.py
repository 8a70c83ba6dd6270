"""Selectors of time series, written as in PromQL: `requests_total{custom_status="good", path!~"/internal/.*"}`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from canary.errors import InputError

_NAME = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*")
_MATCHER = re.compile(r"""\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\s*(,|$)""")
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True)
class Matcher:
    """One condition on a label. A missing label counts as empty.

    Attributes:
        label: its name.
        operator: `=`, `!=`, `=~` or `!~`.
        value: the value to compare with; for `=~` and `!~` a regular expression that must match the whole value.
    """

    label: str
    operator: str
    value: str

    @property
    def is_negative(self) -> bool:
        """Return whether the condition excludes values instead of selecting them."""
        return self.operator in ("!=", "!~")

    def accepts(self, value: str) -> bool:
        """Return whether a series whose label has this value meets the condition."""
        is_equal = self.value == value if self.operator in ("=", "!=") else bool(re.fullmatch(self.value, value))
        return is_equal != self.is_negative

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether a series with these labels meets the condition."""
        return self.accepts(labels.get(self.label, ""))

    def __str__(self) -> str:
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.label}{self.operator}"{escaped}"'


@dataclass(frozen=True)
class Selector:
    """The series of one name that meet all conditions.

    Attributes:
        name: name of the series, including `_total`.
        matchers: the conditions.
    """

    name: str
    matchers: tuple[Matcher, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Selector:
        """Return the selector from a text in PromQL's syntax.

        Raises:
            InputError: it is not a name with an optional `{label="value", …}`.
        """
        name = _NAME.match(text)
        rest = text[name.end() :].strip() if name else ""
        if not name or (rest and not (rest.startswith("{") and rest.endswith("}"))):
            raise InputError(
                f"selector {text!r}: write the name of a metric and conditions, such as "
                'requests_total{custom_status="good"}'
            )
        inside, at, matchers = rest[1:-1].strip(), 0, []
        while at < len(inside):
            found = _MATCHER.match(inside, at)
            if not found:
                raise InputError(
                    f'selector {text!r}: cannot read {inside[at:]!r}; write label="value", with =, !=, =~ or !~'
                )
            label, operator, quoted, _ = found.groups()
            value = _ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1], escape[1]), quoted[1:-1])
            if operator in ("=~", "!~"):
                try:
                    re.compile(value)
                except re.error as error:
                    raise InputError(f"selector {text!r}: {value!r} is not a regular expression: {error}") from error
            matchers.append(Matcher(label, operator, value))
            at = found.end()
        return cls(name[1], tuple(matchers))

    def matches(self, name: str, labels: Mapping[str, str]) -> bool:
        """Return whether the selector matches a series."""
        return name == self.name and all(matcher.matches(labels) for matcher in self.matchers)

    def narrowed(self, matchers: Iterable[Matcher]) -> Selector:
        """Return the selector with further conditions."""
        return Selector(self.name, (*self.matchers, *matchers))

    def __str__(self) -> str:
        return self.name + ("{" + ", ".join(map(str, self.matchers)) + "}" if self.matchers else "")
