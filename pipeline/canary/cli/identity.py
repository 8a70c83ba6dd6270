"""The process that we are, and whether another one still runs."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
import uuid
from dataclasses import dataclass, field
from pathlib import Path

BOOT = Path("/proc/sys/kernel/random/boot_id")
NAMESPACE = Path("/proc/self/ns/pid")


def _place() -> str:
    """Return what processes share among which a process number means one: a boot of a machine, and a PID namespace."""
    try:
        return f"{BOOT.read_text().strip()} {NAMESPACE.readlink()}"
    except OSError:  # not Linux
        return f"{uuid.getnode():x}"


@dataclass(frozen=True)
class ThisProcess:
    """See `lock.Process`.

    Attributes:
        place: among what its number means one process.
        number: the process's.
        token: of no other process, as numbers are used again.
    """

    place: str = field(default_factory=_place)
    number: int = field(default_factory=os.getpid)
    token: str = field(default_factory=lambda: secrets.token_hex(4))

    @property
    def name(self) -> str:
        """What a person recognises it by."""
        return f"{_user()}@{socket.gethostname()}, process {self.number}"

    @property
    def mark(self) -> str:
        """What tells it from any other, of any machine and any time."""
        return f"{self.place} {self.number} {self.token}"

    def is_gone(self, mark: str) -> bool:
        """Return whether it is certain that the process of this mark runs no more."""
        place, _, rest = mark.rpartition(" ")[0].rpartition(" ")
        if place != self.place or not rest.isdecimal():
            return False
        if int(rest) == self.number:
            return True  # its number is ours now
        try:
            os.kill(int(rest), 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())
