"""Requests that the API server forwards to a pod: the proxy subresources and the log."""

from collections.abc import AsyncIterator
from typing import Protocol

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from localcluster.apimachinery.errors import ApiError
from localcluster.apimachinery.objects import Object
from localcluster.apimachinery.pod_log_options import PodLogOptions
from localcluster.apimachinery.resources import POD
from localcluster.apiserver.request_info import RequestInfo
from localcluster.storage.store import Store

# RFC 9110, 7.6.1: headers that belong to one connection are not forwarded.
_HOP = frozenset(
    ("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "host")
)
_TIMEOUT = aiohttp.ClientTimeout(total=60, connect=5)  # seconds


class Kubelet(Protocol):
    """What the API server asks of the kubelet."""

    def pod_log(self, namespace: str, pod: str, container: str, options: PodLogOptions) -> AsyncIterator[bytes]:
        """Yield a container's output (an async generator); raises ApiError when there is none."""
        ...

    def pod_address(self, pod: Object, port: int) -> tuple[str, int]:
        """Return the host and port where a container port really listens; raises ApiError 503."""
        ...


class Services(Protocol):
    """What the API server asks of kube-proxy."""

    def service_address(self, service: Object, port: str) -> tuple[str, int]:
        """Return the host and port of a ready pod behind a Service's port (name, number or ""); raises ApiError 503."""
        ...


async def proxy(
    request: web.Request, info: RequestInfo, store: Store, kubelet: Kubelet, services: Services
) -> web.StreamResponse:
    """Forward a request to the pod, or to a pod of the Service, and return its answer; raises ApiError 503.

    Each request has its own connection, so that the requests are spread over the pods of a Service.
    """
    host, port = _address(info, store, kubelet, services)
    query = request.rel_url.raw_query_string
    url = URL(f"http://{host}:{port}{info.rest or '/'}{'?' + query if query else ''}", encoded=True)
    headers = CIMultiDict((k, v) for k, v in request.headers.items() if k.lower() not in _HOP)
    headers["X-Forwarded-Host"] = request.host
    body = await request.read()
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT, auto_decompress=False) as session,
            session.request(request.method, url, headers=headers, data=body or None, allow_redirects=False) as upstream,
        ):
            content = await upstream.read()
            passed = CIMultiDict((k, v) for k, v in upstream.headers.items() if k.lower() not in _HOP)
            return web.Response(status=upstream.status, reason=upstream.reason, headers=passed, body=content)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise ApiError(503, f"error trying to reach service: {error}") from None


def _address(info: RequestInfo, store: Store, kubelet: Kubelet, services: Services) -> tuple[str, int]:
    parts = info.name.split(":")
    if len(parts) == 3:  # scheme:name:port
        scheme, name, port = parts
    elif len(parts) == 2:
        scheme, name, port = "", *parts
    else:
        scheme, name, port = "", info.name, ""
    if scheme not in ("", "http"):
        raise ApiError(400, f"localcluster proxies only http, not {scheme}")
    obj = store.get(info.resource, info.namespace, name)
    if info.resource != POD:
        return services.service_address(obj, port)
    ports = [p for c in obj["spec"]["containers"] for p in c.get("ports", [])]
    if not port:
        port = str(ports[0]["containerPort"]) if ports else "80"
    if not port.isdigit():
        raise ApiError(400, f'pods are proxied by port number: "{port}" is not a number')
    return kubelet.pod_address(obj, int(port))


async def log(request: web.Request, info: RequestInfo, store: Store, kubelet: Kubelet) -> web.StreamResponse:
    """Return the log of a container; with `follow`, continue until it ends."""
    if request.method != "GET":
        raise ApiError(405, "the server does not allow this method on the requested resource")
    query = request.query
    pod = store.get(POD, info.namespace, info.name)
    names, inits = ([c["name"] for c in pod["spec"].get(key, [])] for key in ("containers", "initContainers"))
    container = query.get("container") or names[0]
    if len(names) > 1 and "container" not in query:
        message = f"a container name must be specified for pod {info.name}, choose one of: [{' '.join(names)}]"
        if inits:
            message += f" or one of the init containers: [{' '.join(inits)}]"
        raise ApiError(400, message)
    if container not in [*names, *inits]:
        raise ApiError(400, f"container {container} is not valid for pod {info.name}")
    options = PodLogOptions(
        follow=query.get("follow") == "true",
        tail_lines=_number(request, "tailLines"),
        since_seconds=_number(request, "sinceSeconds"),
        previous=query.get("previous") == "true",
        timestamps=query.get("timestamps") == "true",
    )
    chunks = kubelet.pod_log(info.namespace, info.name, container, options)
    response: web.StreamResponse | None = None
    async for chunk in chunks:
        if response is None:  # until the first chunk, an error can still be answered as a Status
            response = await _start(request)
        await response.write(chunk)
    response = response or await _start(request)
    await response.write_eof()
    return response


def _number(request: web.Request, name: str) -> int | None:
    value = request.query.get(name)
    if value is not None and not value.isdigit():
        raise ApiError(400, f"{name} must be a number that is not negative")
    return None if value is None else int(value)


async def _start(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    return response
