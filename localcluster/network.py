"""Loopback addresses: a /16 of 127/8 for every cluster, or, where only 127.0.0.1 exists, free ports of that one."""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import socket
from dataclasses import dataclass, field

LOCALHOST = "127.0.0.1"
FIRST, LAST = 96, 223  # second byte of the ranges: 127.96.0.0/16 … 127.223.0.0/16
API_PORT = 6443


class NotLoopbackError(Exception):
    """An address could be reached from other machines: a bug, since the API lets no such address in."""


class NoAddressError(Exception):
    """No loopback range is free on this machine."""


@dataclass
class Network:
    """The addresses of one cluster.

    Attributes:
        prefix: the first two bytes, as in `127.96`; empty where all share 127.0.0.1.
        lock: what keeps other clusters of this machine off the range as long as this process lives.
    """

    prefix: str
    lock: socket.socket | None = None
    _taken: set[str] = field(default_factory=set)
    _numbers: itertools.cycle[int] = field(default_factory=lambda: itertools.cycle(range(256 + 1, 128 * 256)))

    @property
    def shared(self) -> bool:
        """Return whether pods and Services share 127.0.0.1 on ports of their own."""
        return not self.prefix

    @property
    def api_address(self) -> str:
        """Return the address that the API listens on."""
        return LOCALHOST if self.shared else f"{self.prefix}.0.1"

    @property
    def service_range(self) -> str:
        """Return the addresses for Services, as in `127.96.128.0/17`."""
        return f"{LOCALHOST}/32" if self.shared else f"{self.prefix}.128.0/17"

    def take(self) -> str:
        """Return an address for a pod; an address that was given back comes again as late as possible."""
        if self.shared:
            return LOCALHOST
        for number in itertools.islice(self._numbers, 128 * 256):
            address = f"{self.prefix}.{number // 256}.{number % 256}"
            if number % 256 not in (0, 255) and address not in self._taken:
                self._taken.add(address)
                return address
        raise NoAddressError(f"all pod addresses of {self.prefix}.0.0/17 are in use")

    def give_back(self, address: str) -> None:
        """Take note that a pod is gone."""
        self._taken.discard(address)

    def close(self) -> None:
        """Give the range back."""
        if self.lock is not None:
            self.lock.close()


def choose() -> Network:
    """Return a range that no other localcluster of this machine has; raises NoAddressError."""
    if not can_bind(f"127.{FIRST}.0.1"):
        return Network("")
    for second in range(FIRST, LAST + 1):
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind(f"\0localcluster/127.{second}")  # an abstract name: it goes with the process, whatever ends that
        except OSError:
            lock.close()
            continue
        return Network(f"127.{second}", lock)
    raise NoAddressError(f"each of 127.{FIRST}.0.0/16 to 127.{LAST}.0.0/16 belongs to a running localcluster")


def bound(address: str, port: int = 0) -> socket.socket:
    """Return a TCP socket that is bound to a loopback address: all sockets that localcluster listens on are made here.

    Raises OSError where another program has the address, and NotLoopbackError where other machines could reach it.
    """
    if not ipaddress.ip_address(address).is_loopback:
        raise NotLoopbackError(f"localcluster listens on loopback addresses only, and {address} is none")
    made = socket.socket()
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setblocking(False)
        made.bind((address, port))
    except OSError:
        made.close()
        raise
    return made


def can_bind(address: str, port: int = 0) -> bool:
    """Return whether a TCP socket can be bound there."""
    try:
        bound(address, port).close()
    except OSError:
        return False
    return True


def api_port(address: str) -> int:
    """Return the usual port of an API server, or 0 (any free one) where that is taken."""
    return API_PORT if can_bind(address, API_PORT) else 0


def free_port(address: str = LOCALHOST) -> int:
    """Return a port of an address that is free now."""
    with contextlib.closing(bound(address)) as probe:
        return int(probe.getsockname()[1])
