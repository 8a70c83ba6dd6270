"""What can be wrong with a field, in the words of k8s.io/apimachinery/pkg/util/validation/field."""

from __future__ import annotations

import json

from localcluster.apimachinery.errors import Cause
from localcluster.apimachinery.objects import Json


def required(field: str, why: str = "") -> Cause:
    """Return the cause of a field that is missing."""
    return Cause(field, f"Required value: {why}" if why else "Required value", "FieldValueRequired")


def invalid_value(field: str, value: Json, why: str) -> Cause:
    """Return the cause of a value that does not do."""
    shown = json.dumps(value, separators=(",", ":"))
    return Cause(field, f"Invalid value: {shown}: {why}", "FieldValueInvalid")


def not_supported(field: str, value: Json, values: tuple[str, ...]) -> Cause:
    """Return the cause of a value that is none of those supported."""
    supported = ", ".join(f'"{v}"' for v in values)
    return Cause(
        field, f"Unsupported value: {json.dumps(value)}: supported values: {supported}", "FieldValueNotSupported"
    )


def forbidden(field: str, why: str) -> Cause:
    """Return the cause of a field that may not be there, or not change."""
    return Cause(field, f"Forbidden: {why}", "FieldValueForbidden")


def duplicate(field: str, value: Json) -> Cause:
    """Return the cause of a value that is there twice."""
    return Cause(field, f"Duplicate value: {json.dumps(value)}", "FieldValueDuplicate")
