"""API errors: `Status` objects with a code, a reason and a cause for each invalid field, as Kubernetes words them."""

import json
from dataclasses import dataclass
from typing import Any

from localcluster.apimachinery.objects import Json
from localcluster.apimachinery.resources import Resource

REASONS = {
    400: "BadRequest",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    501: "NotImplemented",
    503: "ServiceUnavailable",
}


@dataclass(frozen=True)
class Cause:
    """What is wrong with one field.

    Attributes:
        field: its path, as in `spec.template.spec.containers[0].image`.
        message: what is wrong, as Kubernetes words it.
        reason: `FieldValueRequired`, `FieldValueInvalid`, …
    """

    field: str
    message: str
    reason: str = "FieldValueInvalid"


class ApiError(Exception):
    """A failed API request; `status()` is the body of the answer."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        reason: str | None = None,
        details: dict[str, Any] | None = None,
        causes: tuple[Cause, ...] = (),
        meta: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = REASONS.get(code, "Unknown") if reason is None else reason
        self.meta = meta or {}
        self.headers = headers or {}
        self.details = {k: v for k, v in (details or {}).items() if v}
        if causes:
            self.details["causes"] = [{"reason": c.reason, "message": c.message, "field": c.field} for c in causes]

    def status(self) -> dict[str, Any]:
        """Return the `Status` object that the client gets."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.meta,
            "status": "Failure",
            "message": self.message,
            "code": self.code,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details:
            status["details"] = self.details
        return status


def not_found(resource: Resource, name: str) -> ApiError:
    """Return the 404 of an object that does not exist."""
    return ApiError(404, f'{resource.full_name} "{name}" not found', details=_details(resource, name))


def conflict(resource: Resource, name: str, why: str) -> ApiError:
    """Return the 409 of a write of an outdated object."""
    message = f'Operation cannot be fulfilled on {resource.full_name} "{name}": {why}'
    return ApiError(409, message, details=_details(resource, name))


def already_exists(resource: Resource, name: str) -> ApiError:
    """Return the 409 of a POST of an object that exists."""
    message = f'{resource.full_name} "{name}" already exists'
    return ApiError(409, message, reason="AlreadyExists", details=_details(resource, name))


def invalid(kind: str, group: str, name: str, causes: list[Cause]) -> ApiError:
    """Return the 422 of an object with invalid fields."""
    sentences = [f"{cause.field}: {cause.message}" for cause in causes]
    text = sentences[0] if len(sentences) == 1 else f"[{', '.join(sentences)}]"
    what = f"{kind}.{group}" if group else kind
    details = {"name": name, "group": group, "kind": kind}
    return ApiError(422, f'{what} "{name}" is invalid: {text}', details=details, causes=tuple(causes))


def _details(resource: Resource, name: str) -> dict[str, Any]:
    return {"name": name, "group": resource.group, "kind": resource.plural}


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
    shown = json.dumps(value, separators=(",", ":"))
    return Cause(field, f"Duplicate value: {shown}", "FieldValueDuplicate")
