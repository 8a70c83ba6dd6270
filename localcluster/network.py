"""Loopback addresses: a /16 of 127/8 for each cluster or, if only 127.0.0.1 exists, free ports of that address."""

import contextlib
import ipaddress
import itertools
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

LOCALHOST = "127.0.0.1"
FIRST, LAST = 96, 223  # second byte of the ranges: 127.96.0.0/16 … 127.223.0.0/16
API_PORT = 6443


class NotLoopbackError(Exception):
    """An address that other machines can reach. This is a bug: validation refuses such addresses."""


class NoAddressError(Exception):
    """No loopback address or range is free on this machine."""


@dataclass
class Network:
    """The addresses of one cluster.

    Attributes:
        prefix: the first two bytes, such as `127.96`; empty if everything shares 127.0.0.1.
        lock: reserves the range against other clusters on this machine while this process lives.
    """

    prefix: str
    lock: socket.socket | None = None
    _taken: set[str] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.cycle(range(256 + 1, 128 * 256)))

    @property
    def shared(self) -> bool:
        """Return whether pods and Services share 127.0.0.1, each on its own ports."""
        return not self.prefix

    @property
    def api_address(self) -> str:
        """Return the address of the API server."""
        return LOCALHOST if self.shared else f"{self.prefix}.0.1"

    @property
    def service_range(self) -> str:
        """Return the range of cluster IPs, such as `127.96.128.0/17`."""
        return f"{LOCALHOST}/32" if self.shared else f"{self.prefix}.128.0/17"

    def take(self) -> str:
        """Return a free address for a pod. Addresses are reused as late as possible."""
        if self.shared:
            return LOCALHOST
        for number in itertools.islice(self._numbers, 128 * 256):
            address = f"{self.prefix}.{number // 256}.{number % 256}"
            if number % 256 not in (0, 255) and address not in self._taken:
                self._taken.add(address)
                return address
        raise NoAddressError(f"all pod addresses of {self.prefix}.0.0/17 are in use")

    def give_back(self, address: str) -> None:
        """Free the address of a pod."""
        self._taken.discard(address)

    def close(self) -> None:
        """Free the range."""
        if self.lock is not None:
            self.lock.close()


def choose() -> Network:
    """Return a network that no other localcluster on this machine uses; raises NoAddressError."""
    if not can_bind(f"127.{FIRST}.0.1"):
        return Network("")
    for second in range(FIRST, LAST + 1):
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind(f"\0localcluster/127.{second}")  # an abstract socket: it disappears with the process
        except OSError:
            lock.close()
            continue
        return Network(f"127.{second}", lock)
    raise NoAddressError(f"each of 127.{FIRST}.0.0/16 to 127.{LAST}.0.0/16 belongs to a running localcluster")


def bound(address: str, port: int = 0) -> socket.socket:
    """Return a TCP socket that is bound to a loopback address. All sockets that localcluster listens on come from here.

    Raises OSError if another program uses the address, and NotLoopbackError if other machines can reach it.
    """
    if not ipaddress.ip_address(address).is_loopback:
        raise NotLoopbackError(f"localcluster listens only on loopback addresses; {address} is not one")
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
    """Return whether a TCP socket can be bound to an address."""
    try:
        bound(address, port).close()
    except OSError:
        return False
    return True


def api_port(address: str) -> int:
    """Return the usual port of an API server, or 0 (any free port) if it is taken."""
    return API_PORT if can_bind(address, API_PORT) else 0


def free_port(address: str = LOCALHOST) -> int:
    """Return a free port of an address."""
    with contextlib.closing(bound(address)) as probe:
        return int(probe.getsockname()[1])
