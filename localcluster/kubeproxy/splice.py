"""Joins two TCP connections and forwards all bytes, also of half-closed connections."""

import asyncio
import socket
import struct
from typing import cast

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with RST, as a refused connection ends


async def join(accepted: socket.socket, target: tuple[str, int]) -> None:
    """Forward an accepted connection to a target, or reset it if the target does not answer."""
    loop = asyncio.get_running_loop()
    onward = socket.socket()
    try:
        onward.setblocking(False)
        await loop.sock_connect(onward, target)
    except OSError:
        onward.close()
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        accepted.close()
        return
    except BaseException:
        onward.close()
        accepted.close()
        raise
    near, far = Half(), Half()
    near.peer, far.peer = far, near
    await loop.connect_accepted_socket(lambda: far, onward)
    await loop.connect_accepted_socket(lambda: near, accepted)
    far.transport.resume_reading()
    near.transport.resume_reading()


class Half(asyncio.Protocol):
    """One of the two connections."""

    peer: "Half"
    transport: asyncio.Transport

    def __init__(self) -> None:
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Do not read before the other half is connected."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        """Forward data to the other half."""
        self.peer.transport.write(data)

    def eof_received(self) -> bool:
        """Close one direction; if both are closed, close both connections."""
        self._ended = True
        if self.peer._ended:  # noqa: SLF001 - the same class
            self.peer.transport.close()
            return False
        self.peer.transport.write_eof()
        return True

    def pause_writing(self) -> None:
        """Stop reading from the other half while this one cannot write."""
        self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        """Resume reading from the other half."""
        self.peer.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        """Close the other half after pending writes, or immediately after an error."""
        if error is not None:
            self.peer.transport.abort()
        else:
            self.peer.transport.close()
