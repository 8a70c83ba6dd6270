"""The Kubernetes REST API over a registry: JSON only, one asyncio process."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from aiohttp import web

from localcluster.apimachinery.errors import ApiError, Cause, invalid
from localcluster.apimachinery.objects import Object
from localcluster.apimachinery.resources import NAMESPACE
from localcluster.apiserver import chunks, discovery, proxy, request_info, requests, scale, tables, watch
from localcluster.apiserver.chaos import Chaos
from localcluster.apiserver.proxy import Kubelet, Services
from localcluster.apiserver.request_info import Target
from localcluster.apiserver.warnings import unsupported
from localcluster.storage import formats
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
    """Return the application; it answers under `/SECRET/` only, and with chaos not always.

    What streams (watches, logs) ends when the application shuts down.
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
        """Let in only who knows the secret and calls us by a loopback name; turn errors into Status answers."""
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
        except Exception as error:  # the boundary: whatever else goes wrong is our fault, and said to be
            LOG.exception("a %s request failed", request.method)
            return web.json_response(ApiError(500, f"internal error: {error!r}").status(), status=500)

    def _check_caller(self, request: web.Request) -> None:
        first = request.raw_path.split("?")[0].removeprefix("/").partition("/")[0]  # `*` of OPTIONS has no slash
        if not requests.is_loopback(request.host) or not hmac.compare_digest(first.encode(), self.secret.encode()):
            raise ApiError(403, "forbidden: this server answers under the secret path of its kubeconfig only")

    async def end_streams(self, _app: web.Application) -> None:
        """Cancel every watch and log that is still being followed."""
        for task in list(self.streams):
            task.cancel()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        path = request.raw_path.split("?")[0].removeprefix(f"/{self.secret}")
        parts = [p for p in path.split("/") if p]
        if parts and parts[0] in ("healthz", "readyz", "livez"):
            return web.Response(text="ok")
        review = len(parts) == 4 and parts[1] == discovery.REVIEW_GROUP and request.method == "POST"
        target = None if review else request_info.parse(path)

        async def handle() -> web.StreamResponse:
            if review:
                return await _review(request, parts[3])
            return await self._answer(request, target, parts)

        if self.chaos is None:
            return await handle()
        return await self.chaos.answer(request, f"{request.method} {path}", target, self.store, handle)

    async def _answer(self, request: web.Request, target: Target | None, parts: list[str]) -> web.StreamResponse:
        if target is None:
            if parts[:1] == ["openapi"] and request.headers.get("Kubectl-Command") == "kubectl explain":
                return web.Response(text=NO_EXPLANATION, status=406)  # kubectl shows what is no Status but plain text
            return web.json_response(discovery.document(parts))
        sub, resource = target.subresource, target.resource
        if sub in NOT_SERVED:
            raise ApiError(501, f"localcluster has no {resource.plural}/{sub}")
        if sub and sub not in resource.subresources:
            raise request_info.unknown()
        if sub == "proxy":
            return await proxy.proxy(request, target, self.store, self.kubelet, self.services)
        if sub == "log":
            return await self._stream(proxy.log(request, target, self.store, self.kubelet))
        return await self._objects(request, target)

    async def _objects(self, request: web.Request, target: Target) -> web.StreamResponse:
        method = request.method
        if method == "GET" and requests.flag(request, "watch"):
            return await self._stream(self._watch(request, target))
        if method == "GET":
            return self._get(request, target) if target.name else self._list(request, target)
        if method == "POST" and not target.name:
            return self._create(request, target, await requests.json_body(request))
        if method == "PUT" and target.name:
            return self._put(request, target, await requests.json_body(request))
        if method == "PATCH" and target.name and request.content_type == APPLY:
            return self._apply(request, target, await requests.yaml_body(request))
        if method == "PATCH" and target.name:
            return self._patch(request, target, await request.read())
        if method == "DELETE" and not target.subresource:
            return self._delete(request, target, await requests.delete_body(request))
        raise _not_allowed()

    def _get(self, request: web.Request, target: Target) -> web.Response:
        obj = self.store.get(target.resource, target.namespace, target.name)
        if target.subresource == "scale":
            return web.json_response(scale.of(obj))
        if include := requests.table(request):
            return web.json_response(tables.table(target.resource, [obj], _version(obj), include=include))
        return web.json_response(obj)

    def _list(self, request: web.Request, target: Target) -> web.Response:
        objects, meta = chunks.listed(request, target, self.store)
        if include := requests.table(request):
            made = tables.table(target.resource, objects, meta["resourceVersion"], include=include)
            return web.json_response({**made, "metadata": meta})
        items = [{k: v for k, v in obj.items() if k not in ("kind", "apiVersion")} for obj in objects]
        return web.json_response(_list_of(target, items, meta))

    async def _watch(self, request: web.Request, target: Target) -> web.StreamResponse:
        if requests.flag(request, "sendInitialEvents"):
            message = "Forbidden: sendInitialEvents is forbidden for watch on this server"
            raise requests.bad_option("ListOptions", "sendInitialEvents", message, "FieldValueForbidden")
        include, timeout = requests.table(request), request.query.get("timeoutSeconds", "")
        events = watch.watch(
            self.store,
            target.resource,
            requests.selection(request, target),
            version=requests.version(request),
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
                shown = tables.table(target.resource, rows, _version(obj), include=include)
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

    def _create(self, request: web.Request, target: Target, body: Object) -> web.Response:
        obj, warnings = requests.typed(request, target, body)
        who, dry_run = requests.manager(request), requests.dry_run(request)
        created = self.registry.create(target.resource, obj, manager=who, dry_run=dry_run)
        warnings += unsupported(created)
        return web.json_response(created, status=201, headers=requests.warning_headers(warnings))

    def _put(self, request: web.Request, target: Target, body: Object) -> web.Response:
        if target.subresource == "scale":
            obj, warnings = self._scaled(target, body), list[str]()
        else:
            obj, warnings = requests.typed(request, target, body)
        who, dry_run = requests.manager(request), requests.dry_run(request)
        old = self.store.glance(target.resource, target.namespace, target.name)
        stored = self.registry.update(
            target.resource, obj, manager=who, subresource=target.subresource, dry_run=dry_run
        )
        headers = requests.warning_headers(warnings + unsupported(stored, old))
        return web.json_response(scale.of(stored) if target.subresource == "scale" else stored, headers=headers)

    def _scaled(self, target: Target, body: Object) -> Object:
        return scale.scaled(self.store.get(target.resource, target.namespace, target.name), body)

    def _patch(self, request: web.Request, target: Target, body: bytes) -> web.Response:
        if "force" in request.query:
            message = "Forbidden: may not be specified for non-apply patch"
            raise requests.bad_option("PatchOptions", "force", message, "FieldValueForbidden")
        old = self.store.get(target.resource, target.namespace, target.name)
        if target.subresource == "scale":
            return self._put(request, target, patched(ANY, scale.of(old), body, request.content_type))
        new = patched(type_of(target.resource), old, body, request.content_type)
        meta = new.get("metadata", {})
        if isinstance(meta, dict) and (uid := meta.get("uid")) != old["metadata"]["uid"]:
            cause = formats.bad("metadata.uid", uid, "field is immutable")
            raise invalid(target.resource.kind, target.resource.group, target.name, [cause])
        try:
            return self._put(request, target, new)
        except ApiError as error:  # what is wrong with the object that a patch makes is wrong with the patch
            sentence = error.message.partition(f"cannot be handled as a {target.resource.kind}: ")[2]
            if error.code != 400 or not sentence:
                raise
            message = f"Invalid value: {json.dumps(body.decode(errors='replace'))}: {sentence}"
            raise invalid("", "", "", [Cause("patch", message)]) from None

    def _apply(self, request: web.Request, target: Target, config: Object) -> web.Response:
        who = request.query.get("fieldManager")
        if not who:
            message = "Required value: is required for apply patch"
            raise requests.bad_option("PatchOptions", "fieldManager", message, "FieldValueRequired")
        old = self.store.glance(target.resource, target.namespace, target.name)
        stored, created = self.registry.apply(
            target.resource,
            requests.named(config, target),
            manager=who,
            force=requests.flag(request, "force"),
            subresource=target.subresource,
            dry_run=requests.dry_run(request),
        )
        headers = requests.warning_headers(unsupported(stored, old))
        return web.json_response(stored, status=201 if created else 200, headers=headers)

    def _delete(self, request: web.Request, target: Target, body: Object) -> web.Response:
        resource, name = target.resource, target.name
        if not name and resource == NAMESPACE:  # nor can they be deleted all at once in Kubernetes
            raise _not_allowed()
        grace, policy = requests.delete_options(request, body)
        selected = requests.selection(request, target)
        victims = [obj for obj in self.store.peek(resource, target.namespace) if selected(obj)]
        if name:
            victims = [self.store.get(resource, target.namespace, name)]
            requests.check_preconditions(target, victims[0], body)
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
            return web.json_response(_list_of(target, deleted, {"resourceVersion": str(self.store.version)}))
        if "deletionTimestamp" in deleted[0]["metadata"] or resource.kind in RETURNED_WHEN_DELETED:
            return web.json_response(deleted[0])
        details = {"name": name, "group": resource.group, "kind": resource.plural, "uid": victims[0]["metadata"]["uid"]}
        head = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        return web.json_response({**head, "details": {k: v for k, v in details.items() if v}})


async def _review(request: web.Request, plural: str) -> web.Response:
    """Answer an access review: whoever knows the secret may do everything.

    kubectl asks in protobuf, which there is no need to read.
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


def _list_of(target: Target, items: list[Object], meta: Object) -> dict[str, Any]:
    head = {"kind": f"{target.resource.kind}List", "apiVersion": target.resource.api_version}
    return {**head, "metadata": meta, "items": items}


def _version(obj: Object) -> str:
    return str(obj["metadata"].get("resourceVersion", ""))
