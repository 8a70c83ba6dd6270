"""Listens on one address of a Service, and checks that connections arrive."""

import asyncio
import errno
import random
import selectors
import socket

from localcluster.kubeproxy.splice import RESET, join
from localcluster.network import bound

Address = tuple[str, int]
ARRIVAL = 1.0  # seconds; the longest time for a connection to this machine
BATCH = 64  # connections that are accepted before other work continues


class Listener:
    """One listening address of a Service.

    Attributes:
        address: where it listens.
        port: the port of the Service that it stands for.
    """

    def __init__(self, address: Address, port: int) -> None:
        """Bind the address; raises OSError if another program uses it."""
        self.port = port
        self._endpoints: list[Address] = []
        self._listening = False
        self._joining: set[asyncio.Task[None]] = set()
        self._socket: socket.socket | None = bound(*address)
        self.address = address

    @property
    def is_idle(self) -> bool:
        """Return whether it has no endpoints and refuses connections. Another program can take the port then."""
        return not self._listening

    def aim(self, endpoints: list[Address]) -> None:
        """Forward new connections to endpoints; without endpoints, connections are refused.

        Raises OSError if another program uses the address, or gets the connections to it.
        """
        self._endpoints = endpoints
        if endpoints and not self._listening:
            self._socket = self._socket or bound(*self.address)
            self._socket.listen(1024)
            self._check_arrival(self._socket)
            asyncio.get_running_loop().add_reader(self._socket, self._accept)
            self._listening = True
        elif not endpoints and self._listening:
            self.close()
            self._socket = bound(*self.address)  # reserves the port and refuses connections
        elif not endpoints and can_connect(self.address):
            raise OSError(errno.EADDRINUSE, "another process listens there")

    def _check_arrival(self, listening: socket.socket) -> None:
        """Connect to the address; raises OSError if the connection does not arrive at the listening socket."""
        with socket.socket() as probe, selectors.DefaultSelector() as selector:
            probe.settimeout(ARRIVAL)
            probe.connect(self.address)
            selector.register(listening, selectors.EVENT_READ)
            while selector.select(ARRIVAL):
                connection, peer = listening.accept()
                if peer == probe.getsockname():
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    connection.close()
                    return
                self._join(connection)  # another client came first
        raise OSError(errno.EADDRINUSE, "another process gets the connections")

    def close(self) -> None:
        """Stop listening. Open connections continue."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
        self._socket, self._listening = None, False

    def _accept(self) -> None:
        assert self._socket is not None
        for _ in range(BATCH):
            try:
                connection, _ = self._socket.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            self._join(connection)

    def _join(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        target = random.choice(self._endpoints)  # noqa: S311 - balancing, not cryptography
        task = asyncio.ensure_future(join(connection, target))
        self._joining.add(task)
        task.add_done_callback(self._joining.discard)


def can_connect(address: Address) -> bool:
    """Return whether a program accepts connections at an address."""
    with socket.socket() as probe:
        probe.settimeout(ARRIVAL)
        try:
            probe.connect(address)
        except OSError:
            return False
        return True
