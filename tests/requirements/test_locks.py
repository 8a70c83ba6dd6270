"""The lock files install with every pip that a supported system ships, not only with the newest."""

from __future__ import annotations

import re
from importlib import metadata
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

LOCKS = (
    "requirements/build.lock",
    "requirements/canary.lock",
    "requirements/demo.lock",
    "requirements/dev.lock",
    "requirements/gateway.lock",
    "app/requirements.txt",
)
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[([^\]]+)\])?==", re.MULTILINE)
REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)\s*\[([^\]]+)\]([^;]*)(?:;(.*))?$")


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def extras(text: str | None) -> set[str]:
    return {normalized(extra.strip()) for extra in (text or "").split(",") if extra.strip()}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_package_that_is_required_with_an_extra_is_pinned_with_that_extra(lock: str, repository: Path) -> None:
    """With --require-hashes, pip before 23.3 does not accept the pin `X==1` for a requirement `X[extra]`."""
    pinned = {normalized(name): extras(given) for name, given in PIN.findall((repository / lock).read_text("utf-8"))}
    required = [
        (name, found)
        for name in pinned
        for line in installed_requirements(name)
        if (found := REQUIREMENT.match(line)) and "extra" not in (found[4] or "")
    ]
    assert pinned
    for name, found in required:
        wanted, lacking = normalized(found[1]), extras(found[2]) - pinned.get(normalized(found[1]), set())
        assert wanted not in pinned or not lacking, (
            f"{lock}: {name} requires {found[0]!r}: pin {wanted}{sorted(lacking)}"
        )


def test_the_check_above_sees_requirements_with_extras() -> None:
    assert any(REQUIREMENT.match(line) for line in installed_requirements("pytest-cov"))


def installed_requirements(name: str) -> list[str]:
    """Return the requirements of a package; none for one that is not installed on this system or Python."""
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []
