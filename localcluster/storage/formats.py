"""The formats of names, labels, paths and ports, with the errors that Kubernetes gives."""

import re
from collections.abc import Iterator

from localcluster.apimachinery.errors import Cause, invalid_value, required
from localcluster.apimachinery.objects import Json, Object

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_NAME_PART = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_ENDS = "and must start and end with an alphanumeric character"
_LOWER = "consist of lower case alphanumeric characters"
_ALL_SIGNS = "consist of alphanumeric characters, '-', '_' or '.'"
_DNS_1035 = (
    f"a DNS-1035 label must {_LOWER} or '-', start with an alphabetic character, and end with an alphanumeric character"
)
_LABEL_VALUE = f"a valid label must be an empty string or {_ALL_SIGNS}, {_ENDS}"
_KEY = f"a valid config key must {_ALL_SIGNS}"
# By name of the format: maximum length, regular expression, requirement, examples.
_RULES = {
    "subdomain": (
        253,
        _SUBDOMAIN,
        f"a lowercase RFC 1123 subdomain must {_LOWER}, '-' or '.', {_ENDS}",
        "'example.com'",
    ),
    "label": (63, _LABEL, f"a lowercase RFC 1123 label must {_LOWER} or '-', {_ENDS}", "'my-name',  or '123-abc'"),
    "service": (63, r"[a-z]([-a-z0-9]*[a-z0-9])?", _DNS_1035, "'my-name',  or 'abc-123'"),
    "name part": (63, _NAME_PART, f"name part must {_ALL_SIGNS}, {_ENDS}", "'MyName',  or 'my.name',  or '123-abc'"),
    "label value": (63, f"({_NAME_PART})?", _LABEL_VALUE, "'MyValue',  or 'my_value',  or '12345'"),
    "config key": (253, "[-._a-zA-Z0-9]+", _KEY, "'key.name',  or 'KEY_NAME',  or 'key-name'"),
}


def check_name(rule: str, field: str, value: str) -> Iterator[Cause]:
    """Yield the errors of a name that must have a format."""
    longest, pattern, _, _ = _RULES[rule]
    if len(value) > longest:
        yield invalid_value(field, value, f"must be no more than {longest} characters")
    if not re.fullmatch(pattern, value):
        yield invalid_value(field, value, _sentence(rule))
    elif rule == "config key" and value.startswith(".."):  # a key becomes a file name in volumes
        yield invalid_value(field, value, "must not be '..'" if value == ".." else "must not start with '..'")
    elif rule == "config key" and value == ".":
        yield invalid_value(field, value, "must not be '.'")


def relative_path(field: str, path: str) -> Iterator[Cause]:
    """Yield the errors of a path that must stay inside a volume."""
    if path.startswith("/"):
        yield invalid_value(field, path, "must be a relative path")
    if ".." in path.split("/"):
        yield invalid_value(field, path, "must not contain '..'")


def file_path(field: str, path: str) -> Iterator[Cause]:
    """Yield the errors of the path of a file in a volume."""
    yield from relative_path(field, path)
    if path.startswith("..") and not path.startswith("../"):
        yield invalid_value(field, path, "must not start with '..'")


def _sentence(rule: str) -> str:
    _, pattern, demand, examples = _RULES[rule]
    return f"{demand} (e.g. {examples}, regex used for validation is '{pattern}')"


def labels_and_annotations(path: str, meta: Object) -> Iterator[Cause]:
    """Yield the errors of labels and annotations."""
    for key, value in meta.get("labels", {}).items():
        yield from _qualified(f"{path}.labels", key)
        yield from check_name("label value", f"{path}.labels", value)
    for key in meta.get("annotations", {}):
        yield from _qualified(f"{path}.annotations", key.lower())
    size = sum(len(k) + len(v) for k, v in meta.get("annotations", {}).items())
    if size > 256 * 1024:
        yield Cause(f"{path}.annotations", "Too long: may not be more than 262144 bytes", "FieldValueTooLong")


def _qualified(field: str, key: str) -> Iterator[Cause]:
    prefix, slash, name = key.rpartition("/")
    if slash and not re.fullmatch(_SUBDOMAIN, prefix):
        yield invalid_value(field, key, f"prefix part {_sentence('subdomain')}")
    if len(name) > 63:
        yield invalid_value(field, key, "name part must be no more than 63 characters")
    if not re.fullmatch(_NAME_PART, name):
        yield invalid_value(field, key, _sentence("name part"))


def variable_name(field: str, value: str) -> Iterator[Cause]:
    """Yield the errors of the name of an environment variable."""
    if not value:
        yield required(field)
    elif not re.fullmatch(r"[ -<>-~]+", value):
        demand = "must consist only of printable ASCII characters other than '='"
        yield invalid_value(field, value, f"a valid environment variable name {demand}")


def port_reference(field: str, value: Json) -> Iterator[Cause]:
    """Yield the errors of a port name or number."""
    yield from port_name(field, value) if isinstance(value, str) else port_number(field, value)


def port_number(field: str, value: int) -> Iterator[Cause]:
    """Yield the errors of a port number."""
    if not 1 <= value <= 65535:
        yield invalid_value(field, value, "must be between 1 and 65535, inclusive")


def port_name(field: str, value: str) -> Iterator[Cause]:
    """Yield the errors of a port name."""
    if len(value) > 15:
        yield invalid_value(field, value, "must be no more than 15 characters")
    if not re.fullmatch(r"[-a-z0-9]+", value):
        yield invalid_value(field, value, "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    elif not re.search(r"[a-z]", value):
        yield invalid_value(field, value, "must contain at least one letter (a-z)")
    if value.startswith("-") or value.endswith("-"):
        yield invalid_value(field, value, "must not begin or end with a hyphen")
