"""JSON as Kubernetes reads it: without NaN and Infinity, and not nested without end."""

from __future__ import annotations

import json
from typing import NoReturn

from localcluster.apimachinery.objects import Json


def parsed(text: bytes | str) -> Json:
    """Return the value; raises ValueError where the text is no JSON."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("exceeded max depth") from None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")
