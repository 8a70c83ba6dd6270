"""The Kubernetes REST API over a registry: JSON only, one asyncio process."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
import logging
from typing import TYPE_CHECKING, Any

from aiohttp import web

from localcluster import discovery, paths, proxy, selectors, tables, watch
from localcluster.patches import patched
from localcluster.status import ApiError
from localcluster.store import clone

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from localcluster.backend import Backend
    from localcluster.paths import Target
    from localcluster.registry import Registry
    from localcluster.store import Object

LOG = logging.getLogger(__name__)
RETURNED_WHEN_DELETED = ("Pod", "Service", "ServiceAccount")  # other kinds answer a delete with a Status
NOT_SERVED = ("exec", "attach", "portforward", "eviction", "ephemeralcontainers", "binding", "token")


def make_app(registry: Registry, secret: str, backend: Backend) -> web.Application:
    """Return the application; it answers under `/SECRET/` only.

    Its runner should have a short shutdown_timeout; what streams (watches, logs) ends when the application shuts down.
    """
    api = _Api(registry, secret, backend)
    app = web.Application(middlewares=[api.guard], client_max_size=3 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", api.answer)
    app.on_shutdown.append(api.end_streams)
    return app


class _Api:
    def __init__(self, registry: Registry, secret: str, backend: Backend) -> None:
        self.registry = registry
        self.store = registry.store
        self.secret = secret.encode()
        self.backend = backend
        self.streams: set[asyncio.Task[Any]] = set()

    @web.middleware
    async def guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Let in only who knows the secret and calls us by a loopback name; turn errors into Status answers."""
        first = request.raw_path.split("?")[0].split("/")[1]
        try:
            self._check_caller(request.host, first)
            return await handler(request)
        except ApiError as error:
            return web.json_response(error.status(), status=error.code)
        except (web.HTTPException, asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:  # the boundary: whatever else goes wrong is our fault, and said to be
            LOG.exception("%s %s failed", request.method, request.path.partition("/")[2])
            return web.json_response(ApiError(500, f"internal error: {error!r}").status(), status=500)

    def _check_caller(self, host: str, secret: str) -> None:
        if not _is_loopback(host) or not hmac.compare_digest(secret.encode(), self.secret):
            raise ApiError(403, "forbidden: this server answers under the secret path of its kubeconfig only")

    async def end_streams(self, _app: web.Application) -> None:
        """Cancel every watch and log that is still being followed."""
        for task in list(self.streams):
            task.cancel()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        path = request.raw_path.split("?")[0].removeprefix(f"/{self.secret.decode()}")
        if path.strip("/") in ("healthz", "readyz", "livez"):
            return web.Response(text="ok")
        parts = [p for p in path.split("/") if p]
        if len(parts) == 4 and parts[1] == discovery.REVIEW_GROUP and request.method == "POST":
            return await _review(request, parts[3])
        target = paths.parse(path)
        if target is None:
            return web.json_response(discovery.document(parts))
        if target.subresource in ("proxy", "log"):
            return await self.stream(request, target)
        return await self.objects(request, target)

    async def stream(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Answer a request whose body comes from a pod."""
        if target.subresource == "log":
            return await self._tracked(proxy.log(request, target, self.store, self.backend))
        return await proxy.proxy(request, target, self.store, self.backend)

    async def objects(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Answer a request about objects."""
        resource, sub = target.resource, target.subresource
        if sub in NOT_SERVED:
            raise ApiError(501, f"localcluster has no {resource.plural}/{sub}")
        if sub and sub not in resource.subresources:
            raise paths.unknown()
        query, dry_run = request.query, _dry_run(request)
        if request.method == "GET" and target.name and query.get("watch") not in ("1", "true"):
            return self._get(request, target)
        if request.method == "GET" and query.get("watch") in ("1", "true"):
            return await self._tracked(self._watch(request, target))
        if request.method == "GET":
            return self._list(request, target)
        if request.method == "POST" and not target.name:
            obj = _same_target(await _json(request), target)
            created = self.registry.create(resource, obj, manager=_manager(request), dry_run=dry_run)
            return web.json_response(created, status=201)
        if request.method == "PUT" and target.name:
            return self._put(request, target, await _json(request))
        if request.method == "PATCH" and target.name:
            return self._patch(request, target, await request.read())
        if request.method == "DELETE" and not sub:
            options = {**_flat(request), **(await _json(request) if request.can_read_body else {})}
            return self._delete(request, target, options, dry_run=dry_run)
        raise ApiError(405, "the server does not allow this method on the requested resource")

    def _get(self, request: web.Request, target: Target) -> web.Response:
        obj = self.store.get(target.resource, target.namespace, target.name)
        if target.subresource == "scale":
            return web.json_response(_scale(obj))
        if include := _table(request):
            return web.json_response(tables.table(target.resource, [obj], _version(obj), include=include))
        return web.json_response(obj)

    def _list(self, request: web.Request, target: Target) -> web.Response:
        query, resource = request.query, target.resource
        version = str(self.store.version)
        if query.get("resourceVersionMatch") == "Exact" and query.get("resourceVersion") != version:
            raise ApiError(410, "The provided resource version is not kept any more", reason="Expired")
        selected = _selection(request, target)
        objects = [obj for obj in self.store.peek(resource, target.namespace) if selected(obj)]
        if include := _table(request):
            return web.json_response(tables.table(resource, objects, version, include=include))
        meta = {"resourceVersion": version}
        items = [{k: v for k, v in obj.items() if k not in ("kind", "apiVersion")} for obj in objects]
        head = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": meta}
        return web.json_response({**head, "items": items})

    async def _watch(self, request: web.Request, target: Target) -> web.StreamResponse:
        query = request.query
        if query.get("sendInitialEvents") == "true":
            message = "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch on this server"
            raise ApiError(422, f'ListOptions.meta.k8s.io "" is invalid: {message}')
        selected = _selection(request, target)
        include = _table(request)
        timeout = query.get("timeoutSeconds", "")
        events = watch.watch(
            self.store,
            target.resource,
            selected,
            version=query.get("resourceVersion", ""),
            timeout=float(timeout) if timeout.isdigit() else None,
            bookmarks=query.get("allowWatchBookmarks") in ("1", "true"),
        )
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        async for kind, obj in events:
            shown = obj
            if include and kind != "ERROR":
                rows = [] if kind == "BOOKMARK" else [obj]
                shown = tables.table(target.resource, rows, _version(obj), include=include)
            await response.write(watch.line(kind, shown))
        await response.write_eof()
        return response

    async def _tracked(self, stream: Awaitable[web.StreamResponse]) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        self.streams.add(task)
        try:
            return await stream
        finally:
            self.streams.discard(task)

    def _put(self, request: web.Request, target: Target, body: Object) -> web.Response:
        if target.subresource == "scale":
            old = self.store.get(target.resource, target.namespace, target.name)
            return self._write_scale(request, target, old, body)
        obj = _same_target(body, target)
        return web.json_response(
            self.registry.update(
                target.resource,
                obj,
                manager=_manager(request),
                subresource=target.subresource,
                dry_run=_dry_run(request),
            )
        )

    def _patch(self, request: web.Request, target: Target, body: bytes) -> web.Response:
        old = self.store.get(target.resource, target.namespace, target.name)
        kind = request.content_type
        if target.subresource == "scale":
            return self._write_scale(request, target, old, patched(_scale(old), body, kind))
        return self._put(request, target, patched(old, body, kind))

    def _write_scale(self, request: web.Request, target: Target, old: Object, scale: Object) -> web.Response:
        old["spec"]["replicas"] = scale.get("spec", {}).get("replicas", 0)
        old["metadata"]["resourceVersion"] = scale.get("metadata", {}).get("resourceVersion", "")
        stored = self.registry.update(
            target.resource, old, manager=_manager(request), subresource="scale", dry_run=_dry_run(request)
        )
        return web.json_response(_scale(stored))

    def _delete(self, request: web.Request, target: Target, options: Object, *, dry_run: bool) -> web.Response:
        names = [(target.namespace, target.name)]
        if not target.name:
            selected = _selection(request, target)
            objects = self.store.peek(target.resource, target.namespace)
            names = [(o["metadata"].get("namespace", ""), o["metadata"]["name"]) for o in objects if selected(o)]
        deleted = [self._delete_one(target, namespace, name, options, dry_run=dry_run) for namespace, name in names]
        if target.name:
            return web.json_response(deleted[0])
        head = {"kind": f"{target.resource.kind}List", "apiVersion": target.resource.api_version}
        return web.json_response({**head, "metadata": {"resourceVersion": str(self.store.version)}, "items": deleted})

    def _delete_one(self, target: Target, namespace: str, name: str, options: Object, *, dry_run: bool) -> Object:
        resource = target.resource
        old = self.store.get(resource, namespace, name)
        _check_preconditions(old, options.get("preconditions") or {})
        grace = options.get("gracePeriodSeconds")
        propagation = options.get("propagationPolicy") or (
            "Orphan" if options.get("orphanDependents") else "Background"
        )
        deleted = self.registry.delete(
            resource,
            namespace,
            name,
            grace=None if grace is None else int(grace),
            propagation=propagation,
            dry_run=dry_run,
        )
        gone = self.store.find(resource, namespace, name) is None
        if not target.name or not gone or resource.kind in RETURNED_WHEN_DELETED:
            return deleted
        details = {"name": name, "group": resource.group, "kind": resource.plural, "uid": old["metadata"]["uid"]}
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _is_loopback(host: str) -> bool:
    """Return whether a Host header names this machine: a web page that rebinds its own name to 127.0.0.1 does not."""
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    name = name.strip("[]")
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


async def _review(request: web.Request, plural: str) -> web.Response:
    """Answer an access review: whoever knows the secret may do everything.

    kubectl asks in protobuf, which there is no need to read.
    """
    kind = discovery.REVIEWS.get(plural)
    if kind is None:
        raise paths.unknown()
    spec = (await _json(request)).get("spec", {}) if request.content_type == "application/json" else {}
    status: dict[str, Any] = {"allowed": True, "reason": "whoever knows the secret path may do everything"}
    if kind == "SelfSubjectRulesReview":
        rules = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
        urls = [{"verbs": ["*"], "nonResourceURLs": ["*"]}]
        status = {"resourceRules": rules, "nonResourceRules": urls, "incomplete": False}
    head = {"kind": kind, "apiVersion": f"{discovery.REVIEW_GROUP}/v1", "metadata": {}}
    return web.json_response({**head, "spec": spec, "status": status}, status=201)


async def _json(request: web.Request) -> Object:
    """Return the request's body; raises ApiError 415 and 400."""
    if "protobuf" in request.content_type:
        raise ApiError(415, "localcluster reads JSON, not protobuf: use kubectl apply -f instead of kubectl create")
    try:
        body = json.loads(await request.read() or b"{}")
    except ValueError as error:
        raise ApiError(400, f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise ApiError(400, "the body must be a JSON object")
    return body


def _flat(request: web.Request) -> dict[str, Any]:
    return {k: request.query[k] for k in ("gracePeriodSeconds", "propagationPolicy") if k in request.query}


def _same_target(obj: Object, target: Target) -> Object:
    """Return the object with the namespace of its URL; raises ApiError 400 where the two contradict each other."""
    resource = target.resource
    kind, version = obj.get("kind", resource.kind), obj.get("apiVersion", resource.api_version)
    if (kind, version) != (resource.kind, resource.api_version):
        raise ApiError(
            400,
            f"{resource.kind} in version {resource.version!r} cannot be handled as a {resource.kind}: "
            f"the object is a {kind} of {version}",
        )
    obj = {"kind": kind, "apiVersion": version, **clone(obj)}
    meta = obj.setdefault("metadata", {})
    if not isinstance(meta, dict):
        raise ApiError(400, f"{resource.kind}.metadata must be an object")
    if meta.get("namespace") not in (None, "", target.namespace):
        raise ApiError(400, "the namespace of the provided object does not match the namespace sent on the request")
    if target.namespace:
        meta["namespace"] = target.namespace
    if target.name and meta.setdefault("name", target.name) != target.name:
        message = f"the name of the object ({meta['name']}) does not match the name on the URL ({target.name})"
        raise ApiError(400, message)
    return obj


def _check_preconditions(obj: Object, wanted: Object) -> None:
    meta = obj["metadata"]
    for key, word in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        if wanted.get(key) not in (None, meta[key]):
            why = f"Precondition failed: {word} in precondition: {wanted[key]}, {word} in object meta: {meta[key]}"
            raise ApiError(409, f'Operation cannot be fulfilled on {obj["kind"]} "{meta["name"]}": {why}')


def _selection(request: web.Request, target: Target) -> Callable[[Object], bool]:
    """Return the predicate of the request's namespace, name, labelSelector and fieldSelector."""
    labels = selectors.label_selector(request.query.get("labelSelector", ""))
    fields = selectors.field_selector(target.resource, request.query.get("fieldSelector", ""))

    def selected(obj: Object) -> bool:
        meta = obj["metadata"]
        here = not target.namespace or meta.get("namespace") == target.namespace
        named = not target.name or meta["name"] == target.name
        return here and named and labels(meta.get("labels") or {}) and fields(obj)

    return selected


def _table(request: web.Request) -> str:
    """Return what the rows of a Table should include, empty where the client wants plain objects."""
    wanted = "as=Table" in request.headers.get("Accept", "").replace(" ", "")
    return request.query.get("includeObject", "Metadata") if wanted else ""


def _dry_run(request: web.Request) -> bool:
    value = request.query.get("dryRun", "")
    if value not in ("", "All"):
        raise ApiError(422, f'dryRun: Unsupported value: "{value}": supported values: "All"')
    return value == "All"


def _manager(request: web.Request) -> str:
    """Return the field manager: the one that is named, else the client's name, as in Kubernetes."""
    return request.query.get("fieldManager") or request.headers.get("User-Agent", "unknown").split("/")[0]


def _version(obj: Object) -> str:
    return str(obj["metadata"].get("resourceVersion", ""))


def _scale(obj: Object) -> Object:
    meta = {k: obj["metadata"][k] for k in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")}
    selector = selectors.as_text(obj["spec"].get("selector", {}))
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": meta,
        "spec": {"replicas": obj["spec"].get("replicas", 1)},
        "status": {"replicas": obj.get("status", {}).get("replicas", 0), "selector": selector},
    }
