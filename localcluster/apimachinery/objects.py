"""Objects as plain JSON: reading, copying, and times as Kubernetes writes them."""

import json
import marshal
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

Json = Any  # what json.loads returns
Object = dict[str, Any]
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # of generated names: no vowels, so that they spell no words
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"  # annotation


def now(later: float = 0.0) -> str:
    """Return the time so many seconds from now, as Kubernetes writes it: to the second, in UTC."""
    return (datetime.now(UTC) + timedelta(seconds=later)).strftime("%Y-%m-%dT%H:%M:%SZ")


def clone(value: Json) -> Json:
    """Return a copy of JSON data. A cluster does little else: marshal takes a fifth of the time that Python code takes.

    Version 2 has no references, so that parts which occur twice are copied twice.
    """
    return marshal.loads(marshal.dumps(value, 2))  # noqa: S302 - it reads what it has just written


def parsed(text: bytes | str) -> Json:
    """Return the value of a JSON text; raises ValueError, as Kubernetes does also for NaN and deep nesting."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("exceeded max depth") from None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not valid in JSON")
