"""Errors of fields, as k8s.io/apimachinery/pkg/util/validation/field words them."""

from __future__ import annotations

import json

from localcluster.apimachinery.errors import Cause
from localcluster.apimachinery.objects import Json


def required(field: str, why: str = "") -> Cause:
    """Return the cause for a missing field."""
    return Cause(field, f"Required value: {why}" if why else "Required value", "FieldValueRequired")


def invalid_value(field: str, value: Json, why: str) -> Cause:
    """Return the cause for an invalid value."""
    shown = json.dumps(value, separators=(",", ":"))
    return Cause(field, f"Invalid value: {shown}: {why}", "FieldValueInvalid")


def not_supported(field: str, value: Json, values: tuple[str, ...]) -> Cause:
    """Return the cause for a value that is not one of those supported."""
    supported = ", ".join(f'"{v}"' for v in values)
    return Cause(
        field, f"Unsupported value: {json.dumps(value)}: supported values: {supported}", "FieldValueNotSupported"
    )


def forbidden(field: str, why: str) -> Cause:
    """Return the cause for a field that must not be set, or not change."""
    return Cause(field, f"Forbidden: {why}", "FieldValueForbidden")


def duplicate(field: str, value: Json) -> Cause:
    """Return the cause for a duplicate value."""
    return Cause(field, f"Duplicate value: {json.dumps(value)}", "FieldValueDuplicate")
