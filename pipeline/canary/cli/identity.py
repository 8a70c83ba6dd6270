"""Who holds a lock: the identity of a process, and whether the process of another identity has ended."""

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
    """Return what all processes share whose numbers are unique among them: a boot of a machine and a PID namespace."""
    try:
        return f"{BOOT.read_text().strip()} {NAMESPACE.readlink()}"
    except OSError:  # not Linux
        return f"{uuid.getnode():x}"


@dataclass(frozen=True)
class ProcessIdentity:
    """The identity of this process; see `state.lock.Process`.

    Attributes:
        place: what the process number is unique in.
        number: the process number.
        token: tells processes apart that get the same number one after the other.
        is_alone: whether this process has no other identity at the same time.
    """

    place: str = field(default_factory=_place)
    number: int = field(default_factory=os.getpid)
    token: str = field(default_factory=lambda: secrets.token_hex(4))
    is_alone: bool = True

    @property
    def name(self) -> str:
        """The process for a person: user, host and number."""
        return f"{self.person}, process {self.number}"

    @property
    def person(self) -> str:
        """Who runs the process: user and host."""
        return f"{_user()}@{socket.gethostname()}"

    @property
    def mark(self) -> str:
        """The process for a program: unique on all machines and at all times."""
        return f"{self.place} {self.number} {self.token}"

    def is_gone(self, mark: str) -> bool:
        """Return whether the process with this mark has certainly ended."""
        place, _, number = mark.rpartition(" ")[0].rpartition(" ")
        if place != self.place or not number.isdecimal():
            return False
        if int(number) == self.number:
            return self.is_alone  # this process has got its number
        try:
            os.kill(int(number), 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the user of a container may have no name
        return str(os.getuid())
