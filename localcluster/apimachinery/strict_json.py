"""JSON as Kubernetes reads it: without NaN and Infinity, and not nested too deeply."""

from __future__ import annotations

import json
from typing import NoReturn

from localcluster.apimachinery.objects import Json


def parsed(text: bytes | str) -> Json:
    """Return the value of a JSON text; raises ValueError."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("exceeded max depth") from None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not valid in JSON")
