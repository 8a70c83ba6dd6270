"""The Kubernetes API as a release uses it: objects in and out as plain dicts, errors translated once, here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

from canary import ports
from canary.apply.managed_fields import FIELD_MANAGER, is_made_by_us, take_over
from canary.errors import ClusterError, ForbiddenError, InputError, NotAnsweringError
from canary.kube.transport import Answer, Transport, refusal
from canary.objects import DEPLOYMENT, EVENT, Kind, Object
from canary.retry import retry_on_conflict

NO_LOG = "unable to retrieve container logs"
"""What a kubelet sends in place of a log that it has deleted."""

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
SERVER_SET = ("uid", "creationTimestamp", "generation", "resourceVersion", "selfLink", "managedFields")


class Cluster(ports.Cluster):
    """The real cluster. What each method does is documented in `ports.Cluster`."""

    def __init__(
        self, transport: Transport, namespace: str, *, before_write: Callable[[], None] = lambda: None
    ) -> None:
        """Use a transport.

        Args:
            transport: sends the requests.
            namespace: namespace of the release.
            before_write: called before each attempt of a write, dry runs excepted. What it raises stops the write.
        """
        self.transport = transport
        self._before_write = before_write
        self._namespace = namespace
        self._resources: dict[str, dict[str, tuple[str, bool]]] = {}

    @property
    def namespace(self) -> str:
        return self._namespace

    @property
    def away(self) -> float:
        return self.transport.availability.away

    def server(self) -> ports.Server:
        answer = self.transport.request("GET", "/version")
        sent = parsedate_to_datetime(answer.date).timestamp() if answer.date else None
        return ports.Server(str(_object(answer, "get the version").get("gitVersion")), sent)

    def may(self, verb: str, group: str, resource: str, name: str = "", *, namespace: str | None = None) -> bool:
        plural, _, subresource = resource.partition("/")
        attributes = {
            "verb": verb,
            "group": group,
            "resource": plural,
            "subresource": subresource,
            "name": name,
            "namespace": self._namespace if namespace is None else namespace,
        }
        kind = Kind("authorization.k8s.io/v1", "SelfSubjectAccessReview")
        body = {
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
        }
        answer = self.transport.request("POST", self._path(kind), body=body, read_only=True)
        return bool(_object(answer, f"ask whether we may {verb} {resource}")["status"]["allowed"])

    def serves(self, kind: Kind) -> bool:
        return kind.kind in self._discover(kind.api_version)

    def plural(self, kind: Kind) -> str:
        return self._path(kind).rpartition("/")[2]

    def get(self, kind: Kind, name: str) -> Object | None:
        answer = self.transport.request("GET", self._path(kind, name))
        if answer.status == 404:
            return None
        return _object(answer, f"get {kind.kind} {name}")

    def in_namespace(self, namespace: str) -> Cluster:
        """Return the same cluster, with another namespace as that of the release. It only reads."""
        return Cluster(self.transport, namespace)

    def find_everywhere(self, kind: Kind) -> list[Object]:
        """Return the objects of a kind in all namespaces.

        Raises:
            ForbiddenError: the account may not list them in all namespaces.
        """
        return self._list(kind, {}, everywhere=True)

    def find(self, kind: Kind, *, labels: Mapping[str, str] | None = None) -> list[Object]:
        selector = ",".join(f"{key}={value}" for key, value in (labels or {}).items())
        params = {"labelSelector": selector} if selector else {}
        return self._list(kind, params)

    def create(self, obj: Object, *, dry_run: bool = False) -> Object:
        kind, name = Kind.of(obj), obj["metadata"]["name"]
        params = _write_params(dry_run=dry_run) | {"fieldValidation": "Strict"}
        answer = self._write("POST", self._path(kind), params=params, body=self._placed(obj))
        if answer.status == 409 and answer.repeated:
            live = self.get(kind, name)  # most likely created by the first attempt, whose answer was lost
            if live is not None and any(map(is_made_by_us, live["metadata"].get("managedFields") or [])):
                return live
        return _object(answer, f"create {kind.kind} {name}")

    def replace(self, obj: Object, *, dry_run: bool = False) -> Object:
        kind, name = Kind.of(obj), obj["metadata"]["name"]
        what = f"replace {kind.kind} {name}"

        def attempt() -> Object | None:
            live = self.get(kind, name)
            if live is None:
                return self.create(_without_server_fields(obj), dry_run=dry_run)
            metadata = obj["metadata"] | {key: live["metadata"][key] for key in ("uid", "resourceVersion")}
            params = _write_params(dry_run=dry_run)
            answer = self._write("PUT", self._path(kind, name), params=params, body={**obj, "metadata": metadata})
            return None if answer.status == 409 else _object(answer, what)

        return retry_on_conflict(attempt, what)

    def update(self, obj: Object) -> Object | None:
        kind, name = Kind.of(obj), obj["metadata"]["name"]
        answer = self._write("PUT", self._path(kind, name), params=_write_params(), body=obj)
        return None if answer.status in (404, 409) else _object(answer, f"update {kind.kind} {name}")

    def apply(self, obj: Object, *, dry_run: bool = False) -> Object:
        return _object(self._apply(obj, dry_run=dry_run), f"apply {obj['kind']} {obj['metadata']['name']}")

    def apply_over(self, live: Object, obj: Object) -> Object | None:
        metadata = obj["metadata"] | {"resourceVersion": live["metadata"]["resourceVersion"]}
        answer = self._apply({**obj, "metadata": metadata})
        return None if answer.status == 409 else _object(answer, f"apply {obj['kind']} {obj['metadata']['name']}")

    def annotate(
        self, kind: Kind, name: str, annotations: Mapping[str, str | None], *, version: str | None = None
    ) -> Object | None:
        metadata: Object = {"annotations": dict(annotations)}
        if version is not None:
            metadata["resourceVersion"] = version
        answer = self._write(
            "PATCH",
            self._path(kind, name),
            params=_write_params(),
            body={"metadata": metadata},
            content_type=MERGE_PATCH,
        )
        if version is not None and answer.status == 409:
            return None
        return _object(answer, f"annotate {kind.kind} {name}")

    def take_over(self, kind: Kind, name: str) -> bool:
        what, path = f"take over the fields of {kind.kind} {name}", self._path(kind, name)

        def attempt() -> bool | None:
            live = self.get(kind, name)
            patch = take_over(live) if live else None
            if patch is None:
                return False
            answer = self._write("PATCH", path, params=_write_params(), body=patch, content_type=JSON_PATCH)
            return None if answer.status == 409 else bool(_object(answer, what))

        return retry_on_conflict(attempt, what)

    def scale(self, name: str, replicas: int) -> None:
        answer = self._write(
            "PATCH",
            f"{self._path(DEPLOYMENT, name)}/scale",
            params=_write_params(),
            body={"spec": {"replicas": replicas}},
            content_type=MERGE_PATCH,
        )
        _object(answer, f"scale Deployment {name}")

    def delete(self, kind: Kind, name: str, *, uid: str | None = None, version: str | None = None) -> bool:
        body: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        preconditions = {key: value for key, value in (("uid", uid), ("resourceVersion", version)) if value}
        if preconditions:
            body["preconditions"] = preconditions
        answer = self._write("DELETE", self._path(kind, name), params={}, body=body)
        if answer.status == 404 or (preconditions and answer.status == 409):
            return answer.repeated  # the first attempt, whose answer was lost, has deleted it
        _object(answer, f"delete {kind.kind} {name}")
        return True

    def log(self, pod: str, container: str, *, tail: int, previous: bool = False) -> str:
        params = {"container": container, "tailLines": str(tail), "previous": str(previous).lower()}
        path = f"{self._path(Kind('v1', 'Pod'), pod)}/log"
        answer = self.transport.request("GET", path, params=params, relayed=True)
        if answer.status in (400, 404) or answer.text.startswith(NO_LOG):  # not started yet, or never restarted
            return ""
        if answer.status >= 500:
            raise NotAnsweringError(f"read the log of Pod {pod}: {answer.status}: {answer.message}")
        if answer.status >= 400:
            raise refusal(answer, f"read the log of Pod {pod}")
        return answer.text

    def events(self, obj: Object) -> list[Object]:
        selector = f"involvedObject.uid={obj['metadata']['uid']}"
        return sorted(self._list(EVENT, {"fieldSelector": selector}), key=_time)

    def get_text(self, path: str, *, params: Mapping[str, str] | None = None, timeout: float) -> str:
        """Return the answer to a GET, such as that of a pod or a Service behind the API server's proxy.

        The request is not repeated: whoever reads samples comes again anyway.

        Args:
            path: path of the URL, with its leading slash.
            params: query parameters.
            timeout: seconds to wait.

        Raises:
            NotAnsweringError: the pod or Service behind the proxy did not answer with 200, or the API server did not
                accept the credentials: they expire, and the next request by another method renews them.
            ForbiddenError: the API server forbids the request.
        """
        answer = self.transport.get_once(path, params=params, timeout=timeout)
        if answer.status == 403 and answer.reason:
            raise ForbiddenError(f"GET {path}: {answer.message}")
        if answer.status != 200:
            raise NotAnsweringError(f"GET {path}: {answer.status}: {answer.message}")
        return answer.text

    def close(self) -> None:
        """Close all sockets."""
        self.transport.close()

    def _apply(self, obj: Object, *, dry_run: bool = False) -> Answer:
        params = _write_params(dry_run=dry_run) | {"force": "true", "fieldValidation": "Strict"}
        path = self._path(Kind.of(obj), obj["metadata"]["name"])
        return self._write("PATCH", path, params=params, body=self._placed(obj), content_type=APPLY_PATCH)

    def _write(
        self, method: str, path: str, *, params: Mapping[str, str], body: object, content_type: str = "application/json"
    ) -> Answer:
        before = self._before_write if "dryRun" not in params else lambda: None
        return self.transport.request(method, path, params=params, body=body, content_type=content_type, before=before)

    def _list(self, kind: Kind, params: Mapping[str, str], *, everywhere: bool = False) -> list[Object]:
        path = f"{_root(kind.api_version)}/{self.plural(kind)}" if everywhere else self._path(kind)
        answer = self.transport.request("GET", path, params=params)
        items = _object(answer, f"list {kind.kind}s")["items"] or []
        # items of a list carry neither kind nor apiVersion
        return [{"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in items]

    def _path(self, kind: Kind, name: str = "") -> str:
        resources = self._discover(kind.api_version)
        if kind.kind not in resources:
            raise InputError(
                f"the cluster has no {kind.kind} of {kind.api_version}: is the custom resource definition installed?"
            )
        plural, namespaced = resources[kind.kind]
        scope = f"/namespaces/{self._namespace}" if namespaced else ""
        return f"{_root(kind.api_version)}{scope}/{plural}" + (f"/{name}" if name else "")

    def _placed(self, obj: Object) -> Object:
        """Return the object with the release's namespace, or without one if its kind is cluster-scoped."""
        metadata = {key: value for key, value in obj["metadata"].items() if key != "namespace"}
        if self._discover(obj["apiVersion"])[obj["kind"]][1]:
            metadata["namespace"] = self._namespace
        return {**obj, "metadata": metadata}

    def _discover(self, api_version: str) -> dict[str, tuple[str, bool]]:
        """Return for each kind of a group and version its plural name, and whether it is namespaced."""
        if api_version not in self._resources:
            answer = self.transport.request("GET", _root(api_version))
            if answer.status == 404:
                return {}
            resources = _object(answer, f"discover {api_version}")["resources"]
            self._resources[api_version] = {
                item["kind"]: (item["name"], item["namespaced"]) for item in resources if "/" not in item["name"]
            }
        return self._resources[api_version]


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _write_params(*, dry_run: bool = False) -> dict[str, str]:
    return {"fieldManager": FIELD_MANAGER} | ({"dryRun": "All"} if dry_run else {})


def _object(answer: Answer, action: str) -> Object:
    if answer.status >= 400:
        raise refusal(answer, action)
    try:
        value = answer.json
    except ValueError as error:
        raise ClusterError(f"{action}: the answer is not JSON; is this a Kubernetes API server?") from error
    if not isinstance(value, dict):
        raise ClusterError(f"{action}: the answer is not an object; is this a Kubernetes API server?")
    return value


def _without_server_fields(obj: Object) -> Object:
    return {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key not in SERVER_SET}}


def _time(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or "")
