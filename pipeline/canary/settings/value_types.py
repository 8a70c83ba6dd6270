"""The types of settings: how their values are read from text (flags, environment) and from YAML, and written.

Each type has its JSON Schema, so that an editor checks `canary.yml` by the same rules as the driver.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from canary import times
from canary.urls import origin
from canary.verdict.measures import METRIC_NAME
from canary.verdict.tolerance import MULTIPLE, REQUIREMENT, Multiple, Tolerance, read_tolerance, tolerance_text

Schema = dict[str, Any]

_HOST = r"(?:[A-Za-z0-9_][-A-Za-z0-9_.]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"


@dataclass(frozen=True)
class ValueType:
    """A type of values.

    Attributes:
        requirement: what a value must be, for errors: `a whole number from 1 to 100`.
        schema: the requirement as JSON Schema.
        read: returns the setting's value for a value from YAML. ValueError if it does not meet the requirement.
        from_text: turns a text from a flag or the environment into a value for `read`.
        show: returns the value as a user would write it.
        metavar: its name in help texts.
        is_list: whether a flag may be given several times.
        is_secret: whether a value may hold a secret: a wrong one is never printed, of another one what `show` returns.
    """

    requirement: str
    schema: Schema
    read: Callable[[Any], Any]
    from_text: Callable[[str], Any] = str
    show: Callable[[Any], str] = str
    metavar: str = "TEXT"
    is_list: bool = False
    is_secret: bool = False

    def read_text(self, text: str) -> Any:  # noqa: ANN401 - a value of this type
        """Return the setting's value for a text. ValueError if it does not meet the requirement."""
        return self.read(self.from_text(text))


def string(metavar: str = "TEXT") -> ValueType:
    """Return the type of non-empty strings."""

    def read(value: object) -> str:
        if not isinstance(value, str) or not value:
            raise ValueError(value)
        return value

    return ValueType("a non-empty string", {"type": "string", "minLength": 1}, read, metavar=metavar)


def port() -> ValueType:
    """Return the type of a port, by name or number. The setting is always a string."""
    name, number = string(), integer(1, 65535)

    def read(value: object) -> str:
        return name.read(value) if isinstance(value, str) else str(number.read(value))

    schema = {"type": ["string", "integer"], "minLength": 1, "minimum": 1, "maximum": 65535}
    return ValueType("a port's name or number", schema, read, metavar="PORT")


def pattern(regex: str, requirement: str, metavar: str) -> ValueType:
    """Return the type of strings that match a regular expression in full."""

    def read(value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(regex, value, re.ASCII):
            raise ValueError(value)
        return value

    return ValueType(requirement, {"type": "string", "pattern": f"^(?:{regex})$"}, read, metavar=metavar)


def url(example: str) -> ValueType:
    """Return the type of URLs without user and password. A wrong value may hold one, and so is not shown."""
    regex = rf"https?://{_HOST}(?:/[^\s?#]*)?"
    return replace(
        pattern(regex, f"a URL such as {example}, without user and password", "URL"),
        from_text=str.strip,
        is_secret=True,
    )


def secret_url(example: str) -> ValueType:
    """Return the type of URLs that hold a secret in any part after the host, or of `@FILE` with such a URL."""

    def show(value: str) -> str:
        return value if value.startswith("@") else f"{origin(value)}/…"

    regex = rf"@.+|https?://(?:[^\s/?#@]*@)?{_HOST}(?:[/?#]\S*)?"
    of_text = pattern(regex, f"a URL such as {example}, or @FILE with a file that holds the URL", "URL|@FILE")
    return replace(
        of_text, from_text=str.strip, show=show, is_secret=True
    )  # a Secret made of a file ends with a newline


def strings(metavar: str) -> ValueType:
    """Return the type of lists of strings, or of a single one. In the environment, spaces separate them."""

    def read(value: object) -> tuple[str, ...]:
        if isinstance(value, tuple):  # from flags
            return value
        value = [value] if isinstance(value, str) else value
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise ValueError(value)
        return tuple(value)

    schema = {"type": ["array", "string"], "items": {"type": "string", "minLength": 1}, "minLength": 1}
    return ValueType("a string or a list of strings", schema, read, str.split, " ".join, metavar, is_list=True)


def headers() -> ValueType:
    """Return the type of lists of `NAME=@FILE`, or of a single one. A wrong value may hold the header's value."""
    regex = r"[-A-Za-z0-9!#$%&'*+.^_`|~]+=@.+"
    of_any = strings("NAME=@FILE")

    def read(value: object) -> tuple[str, ...]:
        texts: tuple[str, ...] = of_any.read(value)
        if not all(re.fullmatch(regex, text) for text in texts):
            raise ValueError
        return texts

    return replace(
        of_any,
        requirement="NAME=@FILE, with the header's value in that file, as others can read arguments and settings",
        schema=of_any.schema | {"items": {"type": "string", "pattern": f"^(?:{regex})$"}, "pattern": f"^(?:{regex})$"},
        read=read,
        is_secret=True,
    )


def metric_list() -> ValueType:
    """Return the type of metrics: named pairs of selectors, each with an optional tolerance.

    The file has a mapping by name; a text is `NAME=GOOD,TOTAL[,TOLERANCE]`, with one line each in the environment.
    """
    tolerance = share_or_multiple()

    def as_text(name: object, value: object) -> str:
        if not isinstance(name, str) or not re.fullmatch(METRIC_NAME, name, re.ASCII) or not isinstance(value, dict):
            raise ValueError(value)
        selectors = [value.get("good"), value.get("total")]
        if not set(value) <= {"good", "total", "tolerance"} or not all(isinstance(s, str) and s for s in selectors):
            raise ValueError(value)
        own = [str(tolerance.read(value["tolerance"]))] if "tolerance" in value else []
        return f"{name}={','.join([*map(str, selectors), *own])}"

    def from_text(text: str) -> tuple[str, ...]:
        return tuple(filter(None, map(str.strip, text.splitlines())))

    def read(value: object) -> tuple[str, ...]:
        if isinstance(value, tuple):  # from a text
            return value
        if not isinstance(value, dict) or not value:
            raise ValueError(value)
        return tuple(as_text(name, metric) for name, metric in value.items())

    selector = {"type": "string", "minLength": 1}
    metric = {
        "type": "object",
        "additionalProperties": False,
        "required": ["good", "total"],
        "properties": {"good": selector, "total": selector, "tolerance": tolerance.schema},
    }
    schema = {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": f"^{METRIC_NAME}$"},
        "additionalProperties": metric,
    }
    requirement = "a mapping of names to good and total (both selectors) and an optional tolerance"
    return ValueType(requirement, schema, read, from_text, " ".join, "NAME=GOOD,TOTAL[,TOLERANCE]", is_list=True)


def choice(*words: str) -> ValueType:
    """Return the type of a choice of words."""

    def read(value: object) -> str:
        if value not in words:
            raise ValueError(value)
        return str(value)

    all_words = f"{', '.join(words[:-1])} or {words[-1]}"
    return ValueType(all_words, {"enum": list(words)}, read, metavar="|".join(words))


def switch() -> ValueType:
    """Return the type of `on` and `off`. In canary.yml, they may also be booleans: that is how YAML 1.1 reads them."""
    words = choice("on", "off")

    def read(value: object) -> str:
        return ("on" if value else "off") if isinstance(value, bool) else str(words.read(value))

    return replace(words, schema={"enum": ["on", "off", True, False]}, read=read)


def integer(least: int, most: int | None = None) -> ValueType:
    """Return the type of whole numbers from `least` to `most`."""

    def read(value: object) -> int:
        number = _number(value)
        if number != int(number) or number < least or (most is not None and number > most):
            raise ValueError(value)
        return int(number)

    def from_text(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,18}", text, re.ASCII):
            raise ValueError(text)
        return int(text)

    requirement = f"a whole number, {least} or more" if most is None else f"a whole number from {least} to {most}"
    schema = {"type": "integer", "minimum": least} | ({} if most is None else {"maximum": most})
    return ValueType(requirement, schema, read, from_text, metavar="N")


def percentage() -> ValueType:
    """Return the type of percentages from 0 to 100, such as 5 or 0.5. Whole ones are integers."""

    def read(value: object) -> float:
        number = _number(value)
        if not 0 <= number <= 100:
            raise ValueError(value)
        return int(number) if number == int(number) else float(number)

    def from_text(text: str) -> float:
        if not re.fullmatch(r"[0-9]{1,3}(?:\.[0-9]{1,6})?", text, re.ASCII):
            raise ValueError(text)
        return read(float(text))

    schema = {"type": "number", "minimum": 0, "maximum": 100}
    return ValueType("a percentage from 0 to 100", schema, read, from_text, metavar="N")


def rising_percentages(example: str) -> ValueType:
    """Return the type of lists of percentages, each larger than the one before. In a text, commas separate them.

    The schema cannot express that they rise, nor their limits in a text.
    """
    item = percentage()

    def read(value: object) -> tuple[float, ...]:
        if isinstance(value, str):
            value = [item.from_text(part.strip()) for part in value.split(",")]
        numbers = tuple(map(item.read, value if isinstance(value, list) else [value]))
        if not numbers or list(numbers) != sorted(set(numbers)):
            raise ValueError(numbers)
        return numbers

    return ValueType(
        f"rising percentages from 0 to 100, such as {example}",
        item.schema
        | {
            "type": ["array", "string", "number"],
            "items": item.schema,
            "minItems": 1,
            "uniqueItems": True,
            "pattern": r"^ *[0-9]{1,3}(?:\.[0-9]{1,6})? *(?:, *[0-9]{1,3}(?:\.[0-9]{1,6})? *)*$",
        },
        read,
        show=lambda numbers: ",".join(map(str, numbers)),
        metavar="N,N,…",
    )


def share(example: str, *, ends: bool = True) -> ValueType:
    """Return the type of numbers in 0–1, with or without the ends."""

    def read(value: object) -> float:
        number = _number(value)
        if not 0 <= number <= 1 or (not ends and number in (0, 1)):
            raise ValueError(value)
        return float(number)

    requirement = f"a share {'from 0 to 1' if ends else 'between 0 and 1'}, such as {example}"
    limits = {"minimum": 0, "maximum": 1} if ends else {"exclusiveMinimum": 0, "exclusiveMaximum": 1}
    return ValueType(requirement, {"type": "number"} | limits, read, float, "{:g}".format, "SHARE")


def share_or_multiple() -> ValueType:
    """Return the type of tolerances: a share in 0–1, or a text such as `1.5x` for a multiple of the baseline's errors.

    The schema cannot express that the multiple is more than 1.
    """
    schema = {"type": ["number", "string"], "minimum": 0, "maximum": 1, "pattern": f"^(?:{MULTIPLE})$"}

    def show(value: Tolerance) -> str:
        return str(value) if isinstance(value, Multiple) else f"{value:g}"

    return ValueType(REQUIREMENT, schema, read_tolerance, tolerance_text, show, "SHARE|MULTIPLE")


def duration(example: str) -> ValueType:
    """Return the type of durations, in seconds: `90`, `90s`, `1m30s`, `250ms`."""

    def read(value: object) -> float:
        if isinstance(value, str):
            return times.parse_duration(value)
        number = _number(value)
        if number < 0:
            raise ValueError(value)
        return float(number)

    schema = {"type": ["string", "number"], "minimum": 0, "pattern": f"^(?:{times.DURATION_PATTERN})$"}
    return ValueType(f"a duration such as {example}", schema, read, show=times.duration, metavar="DURATION")


def _number(value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(value)  # noqa: TRY004 - callers expect ValueError alone
    return value
