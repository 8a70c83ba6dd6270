"""The HTTP server of the Kubernetes REST API. It speaks JSON only."""

import asyncio
import hmac
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from aiohttp import web

from localcluster.apimachinery.errors import ApiError, Cause, invalid, invalid_value
from localcluster.apimachinery.objects import Object
from localcluster.apimachinery.resources import NAMESPACE
from localcluster.apiserver import chunks, discovery, proxy, request_info, requests, scale, tables, watch
from localcluster.apiserver.chaos import Chaos
from localcluster.apiserver.proxy import Kubelet, Services
from localcluster.apiserver.request_info import RequestInfo
from localcluster.apiserver.warnings import unsupported, warning_headers
from localcluster.storage.patches import APPLY, patched
from localcluster.storage.registry import Registry
from localcluster.storage.schema import ANY, type_of

LOG = logging.getLogger(__name__)
RETURNED_WHEN_DELETED = ("Pod", "Service", "ServiceAccount")  # other kinds answer a delete with a Status
LARGEST_BODY = 3 * 1024 * 1024  # bytes, as in Kubernetes
NO_EXPLANATION = (
    "localcluster does not describe the fields of objects: run kubectl explain on another cluster, "
    "or read https://kubernetes.io/docs/reference/kubernetes-api/"
)
NOT_SERVED = ("exec", "attach", "portforward", "eviction", "ephemeralcontainers", "binding", "token")


def make_app(
    registry: Registry, secret: str, kubelet: Kubelet, services: Services, chaos: Chaos | None = None
) -> web.Application:
    """Return the application. It answers only under `/SECRET/`, and with chaos not always.

    Watches and logs end when the application shuts down.
    """
    api = _Api(registry, secret, kubelet, services, chaos)
    app = web.Application(middlewares=[api.guard], client_max_size=LARGEST_BODY)
    app.router.add_route("*", "/{path:.*}", api.answer)
    app.on_shutdown.append(api.end_streams)
    return app


class _Api:
    def __init__(
        self, registry: Registry, secret: str, kubelet: Kubelet, services: Services, chaos: Chaos | None
    ) -> None:
        self.registry = registry
        self.store = registry.store
        self.secret = secret
        self.kubelet = kubelet
        self.services = services
        self.chaos = chaos
        self.streams: set[asyncio.Task[Any]] = set()

    @web.middleware
    async def guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Let in only callers that know the secret and use a loopback name; turn errors into Status answers."""
        try:
            self._check_caller(request)
            return await handler(request)
        except ApiError as error:
            return web.json_response(error.status(), status=error.code, headers=error.headers)
        except web.HTTPRequestEntityTooLarge:
            too_large = ApiError(413, f"Request entity too large: limit is {LARGEST_BODY}")
            return web.json_response(too_large.status(), status=too_large.code)
        except (web.HTTPException, asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:  # the boundary: any other error is a bug of localcluster, and the answer says so
            LOG.exception("a %s request failed", request.method)
            return web.json_response(ApiError(500, f"internal error: {error!r}").status(), status=500)

    def _check_caller(self, request: web.Request) -> None:
        first = (
            request.raw_path.split("?")[0].removeprefix("/").partition("/")[0]
        )  # the path `*` of OPTIONS has no slash
        if not requests.is_loopback(request.host) or not hmac.compare_digest(first.encode(), self.secret.encode()):
            raise ApiError(403, "forbidden: this server answers under the secret path of its kubeconfig only")

    async def end_streams(self, _app: web.Application) -> None:
        """Cancel all watches and followed logs."""
        for task in list(self.streams):
            task.cancel()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        path = request.raw_path.split("?")[0].removeprefix(f"/{self.secret}")
        parts = [p for p in path.split("/") if p]
        if parts and parts[0] in ("healthz", "readyz", "livez"):
            return web.Response(text="ok")
        review = len(parts) == 4 and parts[1] == discovery.REVIEW_GROUP and request.method == "POST"
        info = None if review else request_info.parse(path)

        async def handle() -> web.StreamResponse:
            if review:
                return await _review(request, parts[3])
            return await self._answer(request, info, parts)

        if self.chaos is None:
            return await handle()
        return await self.chaos.answer(request, f"{request.method} {path}", info, self.store, handle)

    async def _answer(self, request: web.Request, info: RequestInfo | None, parts: list[str]) -> web.StreamResponse:
        if info is None:
            if parts[:1] == ["openapi"] and request.headers.get("Kubectl-Command") == "kubectl explain":
                return web.Response(text=NO_EXPLANATION, status=406)  # kubectl shows plain text as it is
            return web.json_response(discovery.document(parts))
        sub, resource = info.subresource, info.resource
        if sub in NOT_SERVED:
            raise ApiError(501, f"localcluster has no {resource.plural}/{sub}")
        if sub and sub not in resource.subresources:
            raise request_info.unknown()
        if sub == "proxy":
            return await proxy.proxy(request, info, self.store, self.kubelet, self.services)
        if sub == "log":
            return await self._stream(proxy.log(request, info, self.store, self.kubelet))
        return await self._objects(request, info)

    async def _objects(self, request: web.Request, info: RequestInfo) -> web.StreamResponse:
        method = request.method
        if method == "GET" and requests.flag(request, "watch"):
            return await self._stream(self._watch(request, info))
        if method == "GET":
            return self._get(request, info) if info.name else self._list(request, info)
        if method == "POST" and not info.name:
            return self._create(request, info, await requests.json_body(request))
        if method == "PUT" and info.name:
            return self._put(request, info, await requests.json_body(request))
        if method == "PATCH" and info.name and request.content_type == APPLY:
            return self._apply(request, info, await requests.yaml_body(request))
        if method == "PATCH" and info.name:
            return self._patch(request, info, await request.read())
        if method == "DELETE" and not info.subresource:
            return self._delete(request, info, await requests.delete_body(request))
        raise _not_allowed()

    def _get(self, request: web.Request, info: RequestInfo) -> web.Response:
        obj = self.store.get(info.resource, info.namespace, info.name)
        if info.subresource == "scale":
            return web.json_response(scale.of(obj))
        if include := requests.rows_include(request):
            return web.json_response(tables.table(info.resource, [obj], _version(obj), include=include))
        return web.json_response(obj)

    def _list(self, request: web.Request, info: RequestInfo) -> web.Response:
        objects, meta = chunks.listed(request, info, self.store)
        if include := requests.rows_include(request):
            made = tables.table(info.resource, objects, meta["resourceVersion"], include=include)
            return web.json_response({**made, "metadata": meta})
        items = [{k: v for k, v in obj.items() if k not in ("kind", "apiVersion")} for obj in objects]
        return web.json_response(_list_of(info, items, meta))

    async def _watch(self, request: web.Request, info: RequestInfo) -> web.StreamResponse:
        if requests.flag(request, "sendInitialEvents"):
            message = "Forbidden: sendInitialEvents is forbidden for watch on this server"
            raise requests.bad_option("ListOptions", "sendInitialEvents", message, "FieldValueForbidden")
        include, timeout = requests.rows_include(request), request.query.get("timeoutSeconds", "")
        events = watch.watch(
            self.store,
            info.resource,
            requests.selector(request, info),
            version=requests.resource_version(request),
            timeout=float(timeout) if timeout.isdigit() else None,
            bookmarks=requests.flag(request, "allowWatchBookmarks"),
        )
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        async for kind, obj in events:
            if self.chaos is not None:
                await self.chaos.delay(request, f"GET {request.path.removeprefix(f'/{self.secret}')}")
            shown = obj
            if include and kind != "ERROR":
                rows = [] if kind == "BOOKMARK" else [obj]
                shown = tables.table(info.resource, rows, _version(obj), include=include)
            await response.write(watch.line(kind, shown))
        await response.write_eof()
        return response

    async def _stream(self, answer: Coroutine[Any, Any, web.StreamResponse]) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        self.streams.add(task)
        try:
            return await answer
        finally:
            self.streams.discard(task)

    def _create(self, request: web.Request, info: RequestInfo, body: Object) -> web.Response:
        obj, warnings = requests.typed(request, info, body)
        who, dry_run = requests.field_manager(request), requests.dry_run(request)
        created = self.registry.create(info.resource, obj, manager=who, dry_run=dry_run)
        warnings += unsupported(created)
        return web.json_response(created, status=201, headers=warning_headers(warnings))

    def _put(self, request: web.Request, info: RequestInfo, body: Object) -> web.Response:
        if info.subresource == "scale":
            obj, warnings = self._scaled(info, body), list[str]()
        else:
            obj, warnings = requests.typed(request, info, body)
        who, dry_run = requests.field_manager(request), requests.dry_run(request)
        old = self.store.peek(info.resource, info.namespace, info.name)
        stored = self.registry.update(info.resource, obj, manager=who, subresource=info.subresource, dry_run=dry_run)
        headers = warning_headers(warnings + unsupported(stored, old))
        return web.json_response(scale.of(stored) if info.subresource == "scale" else stored, headers=headers)

    def _scaled(self, info: RequestInfo, body: Object) -> Object:
        return scale.scaled(self.store.get(info.resource, info.namespace, info.name), body)

    def _patch(self, request: web.Request, info: RequestInfo, body: bytes) -> web.Response:
        if "force" in request.query:
            message = "Forbidden: may not be specified for non-apply patch"
            raise requests.bad_option("PatchOptions", "force", message, "FieldValueForbidden")
        old = self.store.get(info.resource, info.namespace, info.name)
        if info.subresource == "scale":
            return self._put(request, info, patched(ANY, scale.of(old), body, request.content_type))
        new = patched(type_of(info.resource), old, body, request.content_type, is_custom=info.resource.is_custom)
        meta = new.get("metadata", {})
        if isinstance(meta, dict) and (uid := meta.get("uid")) != old["metadata"]["uid"]:
            cause = invalid_value("metadata.uid", uid, "field is immutable")
            raise invalid(info.resource.kind, info.resource.group, info.name, [cause])
        try:
            return self._put(request, info, new)
        except ApiError as error:  # an error in the patched object is an error of the patch
            sentence = error.message.partition(f"cannot be handled as a {info.resource.kind}: ")[2]
            if error.code != 400 or not sentence:
                raise
            message = f"Invalid value: {json.dumps(body.decode(errors='replace'))}: {sentence}"
            raise invalid("", "", "", [Cause("patch", message)]) from None

    def _apply(self, request: web.Request, info: RequestInfo, config: Object) -> web.Response:
        who = request.query.get("fieldManager")
        if not who:
            message = "Required value: is required for apply patch"
            raise requests.bad_option("PatchOptions", "fieldManager", message, "FieldValueRequired")
        old = self.store.peek(info.resource, info.namespace, info.name)
        stored, created = self.registry.apply(
            info.resource,
            requests.named(config, info),
            manager=who,
            force=requests.flag(request, "force"),
            subresource=info.subresource,
            dry_run=requests.dry_run(request),
        )
        headers = warning_headers(unsupported(stored, old))
        return web.json_response(stored, status=201 if created else 200, headers=headers)

    def _delete(self, request: web.Request, info: RequestInfo, body: Object) -> web.Response:
        resource, name = info.resource, info.name
        if not name and resource == NAMESPACE:  # Kubernetes cannot delete all namespaces at once either
            raise _not_allowed()
        grace, policy = requests.delete_options(request, body)
        selected = requests.selector(request, info)
        victims = [obj for obj in self.store.peek_all(resource, info.namespace) if selected(obj)]
        if name:
            victims = [self.store.get(resource, info.namespace, name)]
            requests.check_preconditions(info, victims[0], body)
        deleted = [
            self.registry.delete(
                resource,
                victim["metadata"].get("namespace", ""),
                victim["metadata"]["name"],
                grace=grace,
                propagation=policy,
                dry_run=requests.dry_run(request, body),
            )
            for victim in victims
        ]
        if not name:
            return web.json_response(_list_of(info, deleted, {"resourceVersion": str(self.store.version)}))
        if "deletionTimestamp" in deleted[0]["metadata"] or resource.kind in RETURNED_WHEN_DELETED:
            return web.json_response(deleted[0])
        details = {"name": name, "group": resource.group, "kind": resource.plural, "uid": victims[0]["metadata"]["uid"]}
        head = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        return web.json_response({**head, "details": {k: v for k, v in details.items() if v}})


async def _review(request: web.Request, plural: str) -> web.Response:
    """Answer an access review: whoever knows the secret may do everything.

    kubectl sends protobuf here. There is no need to read it.
    """
    kind = discovery.REVIEWS.get(plural)
    if kind is None:
        raise request_info.unknown()
    spec = (await requests.json_body(request)).get("spec", {}) if request.content_type == "application/json" else {}
    status: dict[str, Any] = {"allowed": True, "reason": "whoever knows the secret path may do everything"}
    if kind == "SelfSubjectRulesReview":
        rules = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
        urls = [{"verbs": ["*"], "nonResourceURLs": ["*"]}]
        status = {"resourceRules": rules, "nonResourceRules": urls, "incomplete": False}
    head = {"kind": kind, "apiVersion": f"{discovery.REVIEW_GROUP}/v1", "metadata": {}}
    return web.json_response({**head, "spec": spec, "status": status}, status=201)


def _not_allowed() -> ApiError:
    return ApiError(405, "the server does not allow this method on the requested resource")


def _list_of(info: RequestInfo, items: list[Object], meta: Object) -> dict[str, Any]:
    head = {"kind": f"{info.resource.kind}List", "apiVersion": info.resource.api_version}
    return {**head, "metadata": meta, "items": items}


def _version(obj: Object) -> str:
    return str(obj["metadata"].get("resourceVersion", ""))
