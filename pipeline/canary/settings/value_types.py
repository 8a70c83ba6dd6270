"""What the values of settings may be, and how they are read from text (flags, environment) and from YAML.

Each kind carries its JSON Schema, too, so that an editor completes `canary.yml` by the rules that the driver checks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from canary.times import DURATION_PATTERN, duration, parse_duration
from canary.verdict.measures import METRIC_NAME

Schema = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """One kind of value.

    Attributes:
        wanted: what a user should give, to follow "give": `a whole number from 1 to 100`.
        schema: the same as JSON Schema.
        read: returns the setting's value for one from YAML; ValueError when it is not of this kind.
        read_text: the same for a text from a flag or the environment.
        show: returns the value as a user would write it.
        metavar: what help texts call it.
        many: whether a flag may be given several times.
    """

    wanted: str
    schema: Schema
    read: Callable[[Any], Any]
    read_text: Callable[[str], Any]
    show: Callable[[Any], str] = str
    metavar: str = "TEXT"
    many: bool = False


def text(metavar: str = "TEXT") -> Kind:
    """Return the kind of strings that are not empty."""

    def read(value: object) -> str:
        if not isinstance(value, str) or not value:
            raise ValueError(value)
        return value

    return Kind("a non-empty string", {"type": "string", "minLength": 1}, read, read, metavar=metavar)


def port() -> Kind:
    """Return the kind of a port's name or number; the setting is a string either way."""
    named, numbered = text(), whole(1, 65535)

    def read(value: object) -> str:
        return named.read(value) if isinstance(value, str) else str(numbered.read(value))

    schema = {"type": ["string", "integer"], "minLength": 1, "minimum": 1, "maximum": 65535}
    return Kind("a port's name or number", schema, read, named.read_text, metavar="PORT")


def matching(pattern: str, wanted: str, metavar: str) -> Kind:
    """Return the kind of strings that match a regular expression in full."""

    def read(value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
            raise ValueError(value)
        return value

    return Kind(wanted, {"type": "string", "pattern": f"^(?:{pattern})$"}, read, read, metavar=metavar)


def texts(metavar: str) -> Kind:
    """Return the kind of lists of strings, of which one may stand alone; the environment separates them by spaces."""

    def read(value: object) -> tuple[str, ...]:
        value = [value] if isinstance(value, str) else value
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise ValueError(value)
        return tuple(value)

    schema = {"type": ["array", "string"], "items": {"type": "string", "minLength": 1}, "minLength": 1}
    return Kind(
        "a string or a list of strings", schema, read, lambda line: tuple(line.split()), " ".join, metavar, many=True
    )


def metrics() -> Kind:
    """Return the kind of named pairs of selectors, each with a tolerance of its own or none.

    In the file they are a mapping by name; as text `NAME=GOOD,TOTAL[,TOLERANCE]`, in the environment one a line.
    """
    one_share = share("0.05")

    def written(name: object, value: object) -> str:
        if not isinstance(name, str) or not re.fullmatch(METRIC_NAME, name, re.ASCII) or not isinstance(value, dict):
            raise ValueError(value)
        selectors = [value.get("good"), value.get("total")]
        if not set(value) <= {"good", "total", "tolerance"} or not all(isinstance(s, str) and s for s in selectors):
            raise ValueError(value)
        own = [repr(one_share.read(value["tolerance"]))] if "tolerance" in value else []
        return f"{name}={','.join([*map(str, selectors), *own])}"

    def read(value: object) -> tuple[str, ...]:
        if not isinstance(value, dict) or not value:
            raise ValueError(value)
        return tuple(written(name, one) for name, one in value.items())

    selector = {"type": "string", "minLength": 1}
    one = {
        "type": "object",
        "additionalProperties": False,
        "required": ["good", "total"],
        "properties": {"good": selector, "total": selector, "tolerance": one_share.schema},
    }
    schema = {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": f"^{METRIC_NAME}$"},
        "additionalProperties": one,
    }
    wanted = "a mapping of names to good and total (both selectors) and an optional tolerance from 0 to 1"
    lines: Callable[[str], Any] = lambda given: tuple(filter(None, map(str.strip, given.splitlines())))  # noqa: E731
    return Kind(wanted, schema, read, lines, " ".join, "NAME=GOOD,TOTAL[,TOLERANCE]", many=True)


def choice(*words: str) -> Kind:
    """Return the kind of a few words."""

    def read(value: object) -> str:
        if value not in words:
            raise ValueError(value)
        return str(value)

    return Kind(" or ".join(words), {"enum": list(words)}, read, read, metavar="|".join(words))


def whole(least: int, most: int | None = None) -> Kind:
    """Return the kind of whole numbers, both ends included."""

    def read(value: object) -> int:
        number = _number(value)
        if number != int(number) or number < least or (most is not None and number > most):
            raise ValueError(value)
        return int(number)

    def read_text(line: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,18}", line, re.ASCII):
            raise ValueError(line)
        return read(int(line))

    wanted = f"a whole number, {least} or more" if most is None else f"a whole number from {least} to {most}"
    schema = {"type": "integer", "minimum": least} | ({} if most is None else {"maximum": most})
    return Kind(wanted, schema, read, read_text, metavar="N")


def rising(least: int, most: int, example: str) -> Kind:
    """Return the kind of lists of whole numbers, each larger than the one before; in text, commas separate them.

    The schema cannot say that they rise, nor how large they may be in text.
    """
    one = whole(least, most)

    def checked(numbers: tuple[int, ...]) -> tuple[int, ...]:
        if not numbers or list(numbers) != sorted(set(numbers)):
            raise ValueError(numbers)
        return numbers

    def read_text(line: str) -> tuple[int, ...]:
        return checked(tuple(one.read_text(part.strip()) for part in line.split(",")))

    def read(value: object) -> tuple[int, ...]:
        if isinstance(value, str):
            return read_text(value)
        return checked(tuple(one.read(item) for item in (value if isinstance(value, list) else [value])))

    return Kind(
        f"rising whole numbers from {least} to {most}, such as {example}",
        one.schema
        | {
            "type": ["array", "string", "integer"],
            "items": one.schema,
            "minItems": 1,
            "uniqueItems": True,
            "pattern": r"^ *[0-9]{1,18} *(?:, *[0-9]{1,18} *)*$",
        },
        read,
        read_text,
        lambda numbers: ",".join(map(str, numbers)),
        "N,N,…",
    )


def share(example: str, *, ends: bool = True) -> Kind:
    """Return the kind of numbers in 0–1, both ends included or not."""

    def read(value: object) -> float:
        number = _number(value)
        if not 0 <= number <= 1 or (not ends and number in (0, 1)):
            raise ValueError(value)
        return float(number)

    wanted = f"a share {'from 0 to 1' if ends else 'between 0 and 1'}, such as {example}"
    limits = {"minimum": 0, "maximum": 1} if ends else {"exclusiveMinimum": 0, "exclusiveMaximum": 1}
    return Kind(wanted, {"type": "number"} | limits, read, lambda line: read(float(line)), "{:g}".format, "SHARE")


def time(example: str) -> Kind:
    """Return the kind of times, in seconds: `90`, `90s`, `1m30s`, `250ms`."""

    def read(value: object) -> float:
        if isinstance(value, str):
            return parse_duration(value)
        number = _number(value)
        if number < 0:
            raise ValueError(value)
        return float(number)

    schema = {"type": ["string", "number"], "minimum": 0, "pattern": f"^(?:{DURATION_PATTERN})$"}
    return Kind(f"a duration such as {example}", schema, read, parse_duration, duration, "DURATION")


def _number(value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(value)  # noqa: TRY004 - whoever reads settings expects one kind of error
    return value
