"""Image references: which names are valid, by the grammar of container registries."""

import re

_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)"
_DOMAIN = rf"(?:{_HOST}(?:\.{_HOST})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = re.compile(
    rf"((?:{_DOMAIN}/)?{_COMPONENT}(?:/{_COMPONENT})*)(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?:@{_DIGEST})?"
)
_LONGEST = 255


def problem(reference: str) -> str:
    """Return why an image reference is invalid, or an empty string."""
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        lower = _REFERENCE.fullmatch(reference.lower())
        if lower is None:
            return "invalid reference format"
        name = reference[: lower.end(1)]
        shown = name if "/" in name else f"library/{name}"
        return f"invalid reference format: repository name ({shown}) must be lowercase"
    too_long = len(found.group(1)) > _LONGEST
    return f"repository name must not be more than {_LONGEST} characters" if too_long else ""


def normal_name(reference: str) -> str:
    """Return a reference with its tag, and without the optional parts of Docker Hub's names.

    Digests are ignored (`app:1@sha256:…` is `app:1`).
    """
    name = reference.partition("@")[0].removeprefix("docker.io/").removeprefix("library/")
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"
