"""The handlers of probes and lifecycle hooks: httpGet, tcpSocket, exec and sleep."""

import asyncio
import contextlib
import os
import signal
import ssl
from collections.abc import Callable

import aiohttp

from localcluster.apimachinery.objects import Object
from localcluster.kubelet.logs import tail
from localcluster.kubelet.process import Process

Run = list[str]  # a command line


class Failed(Exception):  # noqa: N818 - the result of a probe, not an error
    """A probe or hook has failed; the message is what the kubelet says in the Event."""


class Target:
    """The container that probes and hooks act on.

    Attributes:
        container: its spec, for named ports.
        host: where its process listens.
        port: returns the real port for a container port.
        launch: starts a command in the container.
    """

    def __init__(
        self, container: Object, host: str, port: Callable[[int], int], launch: Callable[[Run], Process]
    ) -> None:
        self.container = container
        self.host = host
        self.port = port
        self.launch = launch

    async def ask(self, action: Object, seconds: float) -> None:
        """Run an httpGet, tcpSocket, exec or sleep handler; raises Failed."""
        if "sleep" in action:
            await asyncio.sleep(action["sleep"]["seconds"])
        elif "exec" in action:
            await self._exec(action["exec"]["command"], seconds)
        elif "tcpSocket" in action:
            await self._connect(action["tcpSocket"], seconds)
        elif "httpGet" in action:
            await self._get(action["httpGet"], seconds)
        else:
            raise Failed(f"localcluster does not support {', '.join(action)}; use httpGet, tcpSocket or exec")

    def _address(self, action: Object) -> tuple[str, int]:
        wanted = action["port"]
        for port in self.container.get("ports") or []:
            if wanted == port.get("name"):
                wanted = port["containerPort"]
        if not isinstance(wanted, int):
            raise Failed(f"couldn't find port: \"{wanted}\" in the container's ports")
        return action.get("host") or self.host, self.port(wanted)

    async def _connect(self, action: Object, seconds: float) -> None:
        host, port = self._address(action)
        try:
            async with asyncio.timeout(seconds):
                _, writer = await asyncio.open_connection(host, port)
        except TimeoutError:
            raise Failed(f"dial tcp {host}:{port}: i/o timeout") from None
        except OSError as error:
            raise Failed(f"dial tcp {host}:{port}: connect: {_words(error)}") from error
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def _get(self, action: Object, seconds: float) -> None:
        host, port = self._address(action)
        scheme = action.get("scheme", "HTTP").lower()
        url = f"{scheme}://{host}:{port}/{action.get('path', '/').lstrip('/')}"
        headers = {"User-Agent": "kube-probe/localcluster", "Connection": "close", "Accept": "*/*"}
        headers |= {h["name"]: h["value"] for h in action.get("httpHeaders") or []}
        insecure = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if scheme == "https" else None
        if insecure is not None:  # the kubelet does not verify certificates either
            insecure.check_hostname, insecure.verify_mode = False, ssl.CERT_NONE
        limit = aiohttp.ClientTimeout(total=seconds)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit) as session,
                session.get(url, headers=headers, ssl=insecure or True, allow_redirects=False) as answer,
            ):
                if not 200 <= answer.status < 400:
                    raise Failed(f"HTTP probe failed with statuscode: {answer.status}")
        except TimeoutError:
            raise Failed(f'Get "{url}": context deadline exceeded (Client.Timeout exceeded)') from None
        except aiohttp.ClientConnectorError as error:
            why = f"dial tcp {host}:{port}: connect: {_words(error.os_error)}"
            raise Failed(f'Get "{url}": {why}') from error
        except aiohttp.ClientError as error:
            raise Failed(f'Get "{url}": {error}') from error

    async def _exec(self, command: Run, seconds: float) -> None:
        try:
            process = self.launch(command)
        except OSError as error:
            raise Failed(f'command "{" ".join(command)}": {_words(error)}') from error
        try:
            async with asyncio.timeout(seconds):
                code = await process.ended()
        except TimeoutError:
            raise Failed(f'command "{" ".join(command)}" timed out after {seconds:g}s') from None
        finally:
            process.signal(signal.SIGKILL)
        if code:
            raise Failed(tail(process.log) or f"exit code {code}")


def _words(error: OSError) -> str:
    return (os.strerror(error.errno) if error.errno else str(error)).lower()
