"""The platforms and versions of Python that a bundle has packages for, and which packages each needs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.utils import parse_wheel_filename

MACOS = ("10_9", "10_12", "10_13", "10_15", "11_0", "12_0", "13_0", "14_0")
GLIBC = ("1", "2010", "2014", "_2_5", "_2_12", "_2_17", "_2_24", "_2_26", "_2_27", "_2_28", "_2_31", "_2_34")
OLD_GLIBC = {"1": "2.5", "2010": "2.12", "2014": "2.17"}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PIN = re.compile(r"^(\S+==\S+(?: ; [^\\]*)?) \\\n((?: +--hash=\S+(?: \\)?\n)+)", re.MULTILINE)


@dataclass(frozen=True)
class Platform:
    """A system that a bundle can have packages for.

    Attributes:
        name: what $PLATFORMS calls it.
        system: what Python's platform.system() says there.
        machine: what platform.machine() says there.
        tags: platform tags of wheels that work there. The first ones work on the oldest systems.
    """

    name: str
    system: str
    machine: str
    tags: tuple[str, ...]

    def oldest(self, wheel: str) -> tuple[int, ...]:
        """Return the oldest version of glibc or macOS that a wheel works on; () if it works on any."""
        versions = [version_of(tag.platform) for tag in parse_wheel_filename(wheel)[3] if tag.platform in self.tags]
        return min(versions, default=())


PLATFORMS = (
    *(
        Platform(f"linux-{machine}", "Linux", machine, tuple(f"manylinux{glibc}_{machine}" for glibc in GLIBC))
        for machine in ("x86_64", "aarch64")
    ),
    *(
        Platform(
            f"macos-{machine}",
            "Darwin",
            machine,
            tuple(f"macosx_{macos}_{kind}" for macos in MACOS for kind in ("universal2", machine)),
        )
        for machine in ("x86_64", "arm64")
    ),
)


@dataclass(frozen=True)
class Target:
    """A platform and a version of Python, such as 3.12."""

    platform: Platform
    python: str

    def __str__(self) -> str:
        return f"{self.platform.name}, Python {self.python}"


def version_of(tag: str) -> tuple[int, ...]:
    """Return the version of glibc or macOS in a platform tag: (2, 28) for manylinux_2_28_x86_64."""
    if old := re.match(r"manylinux(\d+)_", tag):
        return tuple(int(part) for part in OLD_GLIBC[old[1]].split("."))
    found = re.match(r"(?:manylinux|macosx)_(\d+)_(\d+)_", tag)
    return (int(found[1]), int(found[2])) if found else ()


def requirements(lock: str, target: Target) -> list[str]:
    """Return the pins of a lock file that apply to a target, with their hashes and without their conditions.

    pip decides about the conditions for the machine that it runs on, and not for `--platform`.
    """
    environment = {
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "os_name": "posix",
        "sys_platform": target.platform.system.lower(),
        "platform_system": target.platform.system,
        "platform_machine": target.platform.machine,
        "python_version": target.python,
        "python_full_version": f"{target.python}.0",
    }
    found = []
    for pin, hashes in PIN.findall(lock):
        requirement = Requirement(pin)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            found.append(f"{pin.partition(' ; ')[0]} {' '.join(hashes.replace(chr(92), '').split())}")
    return found
