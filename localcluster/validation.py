"""What makes no sense, in Kubernetes' words: every finding names its field."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING

from localcluster.schema import ANY
from localcluster.selectors import OPERATORS, matches
from localcluster.status import Cause

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localcluster.schema import Type
    from localcluster.store import Json, Object

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_NAME_PART = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_ENDS = "and must start and end with an alphanumeric character"
_LOWER = "consist of lower case alphanumeric characters"
_ALL_SIGNS = "consist of alphanumeric characters, '-', '_' or '.'"
_DNS_1035 = (
    f"a DNS-1035 label must {_LOWER} or '-', start with an alphabetic character, and end with an alphanumeric character"
)
_LABEL_VALUE = f"a valid label must be an empty string or {_ALL_SIGNS}, {_ENDS}"
_KEY = f"a valid config key must {_ALL_SIGNS}"
# Rule: longest, regular expression, what is demanded, examples.
_RULES = {
    "subdomain": (
        253,
        _SUBDOMAIN,
        f"a lowercase RFC 1123 subdomain must {_LOWER}, '-' or '.', {_ENDS}",
        "'example.com'",
    ),
    "label": (63, _LABEL, f"a lowercase RFC 1123 label must {_LOWER} or '-', {_ENDS}", "'my-name',  or '123-abc'"),
    "service": (63, r"[a-z]([-a-z0-9]*[a-z0-9])?", _DNS_1035, "'my-name',  or 'abc-123'"),
    "name part": (63, _NAME_PART, f"name part must {_ALL_SIGNS}, {_ENDS}", "'MyName',  or 'my.name',  or '123-abc'"),
    "label value": (63, f"({_NAME_PART})?", _LABEL_VALUE, "'MyValue',  or 'my_value',  or '12345'"),
    "config key": (253, "[-._a-zA-Z0-9]+", _KEY, "'key.name',  or 'KEY_NAME',  or 'key-name'"),
}
_RULE_OF_NAME = {"Namespace": "label", "Service": "service"}
_ANY_NAME = ("Role", "RoleBinding")
_MIB = 1024 * 1024


def problems(of: Type, obj: Object, old: Object | None = None) -> list[Cause]:
    """Return what is wrong with a defaulted object and, when there is an old one, with the change."""
    found = [*_metadata(obj, old)]
    check = {
        "Deployment": _workload,
        "ReplicaSet": _workload,
        "Pod": _pod,
        "Service": _service,
        "ConfigMap": _data,
        "Secret": _data,
        "Event": _event,
        "Lease": _lease,
    }.get(obj["kind"])
    if check:
        found += check(obj, old)
    said = {cause.field for cause in found}
    return found + [cause for cause in _required(of, obj, "") if cause.field not in said]


def required(field: str, why: str = "") -> Cause:
    """Return the cause of a field that is missing."""
    return Cause(field, f"Required value: {why}" if why else "Required value", "FieldValueRequired")


def bad(field: str, value: Json, why: str) -> Cause:
    """Return the cause of a value that does not do."""
    shown = json.dumps(value, separators=(",", ":"))
    return Cause(field, f"Invalid value: {shown}: {why}", "FieldValueInvalid")


def _unsupported(field: str, value: Json, values: tuple[str, ...]) -> Cause:
    supported = ", ".join(f'"{v}"' for v in values)
    return Cause(
        field, f"Unsupported value: {json.dumps(value)}: supported values: {supported}", "FieldValueNotSupported"
    )


def _forbidden(field: str, why: str) -> Cause:
    return Cause(field, f"Forbidden: {why}", "FieldValueForbidden")


def _name(rule: str, field: str, value: str) -> Iterator[Cause]:
    longest, pattern, _, _ = _RULES[rule]
    if len(value) > longest:
        yield bad(field, value, f"must be no more than {longest} characters")
    if not re.fullmatch(pattern, value):
        yield bad(field, value, _sentence(rule))


def _sentence(rule: str) -> str:
    _, pattern, demand, examples = _RULES[rule]
    return f"{demand} (e.g. {examples}, regex used for validation is '{pattern}')"


def _required(of: Type, value: Json, path: str) -> Iterator[Cause]:
    """Yield the fields that the type demands and that are not there."""
    if of.kind == "struct" and isinstance(value, dict):
        for key in of.required:
            if value.get(key) in (None, "", []) and not (of.fields[key].kind == "struct" and of.fields[key].required):
                yield required(f"{path}.{key}" if path else key)
    if isinstance(value, dict):
        for key, item in value.items():
            if key != "status":
                where = f"{path}[{key}]" if of.kind == "map" else f"{path}.{key}" if path else key
                yield from _required(of.child(key) or ANY, item, where)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _required(of.element or ANY, item, f"{path}[{i}]")


def _metadata(obj: Object, old: Object | None) -> Iterator[Cause]:
    meta = obj["metadata"]
    if not meta.get("name"):
        yield required("metadata.name", "name or generateName is required")
    elif obj["kind"] == "Namespace" and "." in meta["name"]:
        yield bad("metadata.name", meta["name"], "must not contain dots")
    elif old is None and obj["kind"] not in _ANY_NAME:
        yield from _name(_RULE_OF_NAME.get(obj["kind"], "subdomain"), "metadata.name", meta["name"])
    yield from _labels("metadata", meta)
    if old is not None and meta.get("uid") not in (None, "", old["metadata"]["uid"]):
        yield bad("metadata.uid", meta["uid"], "field is immutable")


def _labels(path: str, meta: Object) -> Iterator[Cause]:
    for key, value in meta.get("labels", {}).items():
        yield from _qualified(f"{path}.labels", key)
        yield from _name("label value", f"{path}.labels", value)
    for key in meta.get("annotations", {}):
        yield from _qualified(f"{path}.annotations", key.lower())
    size = sum(len(k) + len(v) for k, v in meta.get("annotations", {}).items())
    if size > 256 * 1024:
        yield Cause(f"{path}.annotations", "Too long: may not be more than 262144 bytes", "FieldValueTooLong")


def _qualified(field: str, key: str) -> Iterator[Cause]:
    prefix, slash, name = key.rpartition("/")
    if slash and not re.fullmatch(_SUBDOMAIN, prefix):
        yield bad(field, key, f"prefix part {_sentence('subdomain')}")
    if len(name) > 63:
        yield bad(field, key, "name part must be no more than 63 characters")
    if not re.fullmatch(_NAME_PART, name):
        yield bad(field, key, _sentence("name part"))


def _workload(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = obj["spec"]
    for key in ("replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
        if spec.get(key, 0) < 0:
            yield bad(f"spec.{key}", spec[key], "must be greater than or equal to 0")
    template = spec["template"]
    selector, labels = spec.get("selector"), template["metadata"].get("labels")
    if selector is None:
        yield required("spec.selector")
    elif not selector.get("matchLabels") and not selector.get("matchExpressions"):
        yield bad("spec.selector", {}, "empty selector is invalid for deployment")
    operators = [e.get("operator") for e in (selector or {}).get("matchExpressions", [])]
    for i, operator in enumerate(operators):
        if operator not in OPERATORS:
            yield bad(f"spec.selector.matchExpressions[{i}].operator", operator, "not a valid selector operator")
    if selector is None or (set(operators) <= OPERATORS and selector and not matches(selector, labels or {})):
        yield bad("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    yield from _labels("spec.template.metadata", template["metadata"])
    yield from _pod_spec("spec.template.spec", template["spec"])
    if template["spec"].get("restartPolicy") != "Always":
        yield _unsupported("spec.template.spec.restartPolicy", template["spec"].get("restartPolicy"), ("Always",))
    if obj["kind"] == "Deployment":
        yield from _strategy(spec)
        if spec["progressDeadlineSeconds"] <= spec.get("minReadySeconds", 0):
            yield bad(
                "spec.progressDeadlineSeconds", spec["progressDeadlineSeconds"], "must be greater than minReadySeconds"
            )
    if old is not None and selector is not None and selector != old["spec"]["selector"]:
        yield bad("spec.selector", selector, "field is immutable")


def _strategy(spec: Object) -> Iterator[Cause]:
    strategy, path = spec["strategy"], "spec.strategy"
    if strategy["type"] not in ("Recreate", "RollingUpdate"):
        yield _unsupported(path, strategy["type"], ("Recreate", "RollingUpdate"))
    rolling = strategy.get("rollingUpdate")
    if strategy["type"] == "Recreate" and rolling:
        why = "may not be specified when strategy `type` is 'Recreate'"
        yield _forbidden(f"{path}.rollingUpdate", why)
    elif rolling:
        for key, value in rolling.items():
            if isinstance(value, str) and not re.fullmatch(r"[0-9]+%", value):
                sentence = (
                    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', "
                )
                yield bad(f"{path}.rollingUpdate.{key}", value, f"{sentence}regex used for validation is '[0-9]+%')")
            elif isinstance(value, int) and value < 0:
                yield bad(f"{path}.rollingUpdate.{key}", value, "must be greater than or equal to 0")
        if all(str(rolling.get(key)) in ("0", "0%") for key in ("maxSurge", "maxUnavailable")):
            shown = rolling["maxUnavailable"]
            yield bad(f"{path}.rollingUpdate.maxUnavailable", shown, "may not be 0 when `maxSurge` is 0")


def _pod(obj: Object, old: Object | None) -> Iterator[Cause]:
    if old is None:
        yield from _pod_spec("spec", obj["spec"])
        return
    # Kubernetes names a few fields that may change: images, deadlines and tolerations; nodeName is the scheduler's.
    may_change = ("tolerations", "activeDeadlineSeconds", "nodeName", "containers", "initContainers")
    was, will = ({k: v for k, v in o["spec"].items() if k not in may_change} for o in (old, obj))
    for key in ("containers", "initContainers"):
        was[key], will[key] = ([{**c, "image": ""} for c in o["spec"].get(key, [])] for o in (old, obj))
    if was != will:
        yield _forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
            "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
            "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
        )


def _pod_spec(path: str, spec: Object) -> Iterator[Cause]:
    volumes = {volume.get("name") for volume in spec.get("volumes", [])}
    if not spec.get("containers"):
        yield required(f"{path}.containers")
    names: set[str] = set()
    for group in ("initContainers", "containers"):
        for i, container in enumerate(spec.get(group, [])):
            where = f"{path}.{group}[{i}]"
            yield from _container(where, container, volumes)
            name = container.get("name")
            if name in names:
                yield Cause(f"{where}.name", f'Duplicate value: "{name}"', "FieldValueDuplicate")
            names.add(name)
    if spec.get("restartPolicy") not in ("Always", "OnFailure", "Never"):
        yield _unsupported(f"{path}.restartPolicy", spec.get("restartPolicy"), ("Always", "OnFailure", "Never"))


def _container(path: str, container: Object, volumes: set[str | None]) -> Iterator[Cause]:
    if not container.get("name"):
        yield required(f"{path}.name")
    else:
        yield from _name("label", f"{path}.name", container["name"])
    if not container.get("image"):
        yield required(f"{path}.image")
    seen: set[str] = set()
    for i, port in enumerate(container.get("ports", [])):
        where = f"{path}.ports[{i}]"
        if name := port.get("name"):
            yield from _port_name(f"{where}.name", name)
            if name in seen:
                yield Cause(f"{where}.name", f'Duplicate value: "{name}"', "FieldValueDuplicate")
            seen.add(name)
        if "containerPort" not in port:
            yield required(f"{where}.containerPort")
        else:
            yield from _port_number(f"{where}.containerPort", port["containerPort"])
        if port.get("protocol") not in ("TCP", "UDP", "SCTP"):
            yield _unsupported(f"{where}.protocol", port.get("protocol"), ("SCTP", "TCP", "UDP"))
    for i, mount in enumerate(container.get("volumeMounts", [])):
        if mount.get("name") not in volumes:
            where = f"{path}.volumeMounts[{i}].name"
            yield Cause(where, f'Not found: "{mount.get("name", "")}"', "FieldValueNotFound")
    if container.get("imagePullPolicy") not in ("Always", "IfNotPresent", "Never"):
        values = ("Always", "IfNotPresent", "Never")
        yield _unsupported(f"{path}.imagePullPolicy", container.get("imagePullPolicy"), values)
    yield from _limits(f"{path}.resources", container.get("resources", {}))
    for key in ("livenessProbe", "readinessProbe", "startupProbe"):
        if key in container:
            yield from _probe(f"{path}.{key}", container[key])


def _probe(path: str, probe: Object) -> Iterator[Cause]:
    handlers = [h for h in ("exec", "httpGet", "tcpSocket", "grpc") if h in probe]
    if not handlers:
        yield required(path, "must specify a handler type")
    for extra in handlers[1:]:
        yield _forbidden(f"{path}.{extra}", "may not specify more than 1 handler type")
    for handler in handlers:
        if handler in ("httpGet", "tcpSocket"):
            yield from _port(f"{path}.{handler}.port", probe[handler].get("port", 0))
    for key in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        if probe.get(key, 0) < 0:
            yield bad(f"{path}.{key}", probe[key], "must be greater than or equal to 0")
    if not path.endswith("readinessProbe") and probe.get("successThreshold", 1) != 1:
        yield bad(f"{path}.successThreshold", probe["successThreshold"], "must be 1")


def _limits(path: str, resources: Object) -> Iterator[Cause]:
    for name, wanted in resources.get("requests", {}).items():
        limit = resources.get("limits", {}).get(name)
        if limit is not None and _amount(wanted) > _amount(limit):
            yield bad(f"{path}.requests", wanted, f"must be less than or equal to {name} limit of {limit}")


def _amount(quantity: str) -> float:
    """Return a quantity as a number."""
    number, suffix = re.match(r"^([+-]?[0-9.]+(?:[eE][-+]?[0-9]+)?)(.*)$", quantity).groups()  # type: ignore[union-attr]
    powers = {s: 1024 ** (i + 1) for i, s in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))}
    powers |= {s: 1000 ** (i + 1) for i, s in enumerate(("k", "M", "G", "T", "P", "E"))}
    return float(float(number) * {**powers, "m": 1e-3, "u": 1e-6, "n": 1e-9}.get(suffix, 1))


def _port(field: str, value: Json) -> Iterator[Cause]:
    yield from _port_name(field, value) if isinstance(value, str) else _port_number(field, value)


def _port_number(field: str, value: int) -> Iterator[Cause]:
    if not 1 <= value <= 65535:
        yield bad(field, value, "must be between 1 and 65535, inclusive")


def _port_name(field: str, value: str) -> Iterator[Cause]:
    if len(value) > 15:
        yield bad(field, value, "must be no more than 15 characters")
    if not re.fullmatch(r"[-a-z0-9]+", value):
        yield bad(field, value, "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    elif not re.search(r"[a-z]", value):
        yield bad(field, value, "must contain at least one letter (a-z)")
    if value.startswith("-") or value.endswith("-"):
        yield bad(field, value, "must not begin or end with a hyphen")


def _service(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = obj["spec"]
    kinds = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
    if spec["type"] not in kinds:
        yield _unsupported("spec.type", spec["type"], kinds)
    ports = spec.get("ports", [])
    if not ports and spec["type"] != "ExternalName" and spec.get("clusterIP") != "None":
        yield required("spec.ports")
    names: set[str] = set()
    for i, port in enumerate(ports):
        where = f"spec.ports[{i}]"
        name = port.get("name", "")
        if not name and len(ports) > 1:
            yield required(f"{where}.name")
        elif name:
            yield from _name("label", f"{where}.name", name)
            if name in names:
                yield Cause(f"{where}.name", f'Duplicate value: "{name}"', "FieldValueDuplicate")
            names.add(name)
        yield from _port_number(f"{where}.port", port.get("port", 0))
        yield from _port(f"{where}.targetPort", port.get("targetPort") or 0)
    before = (old or {}).get("spec", {}).get("clusterIP")
    if before and spec.get("clusterIP") not in (None, "", before) and spec["type"] != "ExternalName":
        yield bad("spec.clusterIPs[0]", [spec["clusterIP"]], "may not change once set")


def _data(obj: Object, old: Object | None) -> Iterator[Cause]:
    for part in ("data", "binaryData"):
        for key in obj.get(part, {}):
            yield from _name("config key", f"{part}[{key}]", key)
    if sum(len(v) for part in ("data", "binaryData") for v in obj.get(part, {}).values()) > _MIB:
        yield Cause(
            "data" if obj["kind"] == "Secret" else "",
            "Too long: may not be more than 1048576 bytes",
            "FieldValueTooLong",
        )
    wanted = {"kubernetes.io/dockerconfigjson": ".dockerconfigjson", "kubernetes.io/dockercfg": ".dockercfg"}
    if (key := wanted.get(obj.get("type", ""))) and key not in obj.get("data", {}):
        yield required(f"data[{key}]")
    elif key and not _is_json(obj["data"][key]):
        message = 'Invalid value: "<secret contents redacted>": it is not JSON'
        yield Cause(f"data[{key}]", message)
    if old is None:
        return
    if old.get("immutable"):
        why = "field is immutable when `immutable` is set"
        if not obj.get("immutable"):
            yield _forbidden("immutable", why)
        for part in ("data", "binaryData"):
            if obj.get(part) != old.get(part):
                yield _forbidden(part, why)
    if obj.get("type") != old.get("type"):
        yield bad("type", obj.get("type"), "field is immutable")


def _is_json(encoded: str) -> bool:
    try:
        json.loads(base64.b64decode(encoded))
    except ValueError:
        return False
    return True


def _event(obj: Object, _: Object | None) -> Iterator[Cause]:
    about = obj["involvedObject"].get("namespace", "")
    if about != obj["metadata"].get("namespace") and (about or obj["metadata"].get("namespace") != "default"):
        yield bad("involvedObject.namespace", about, "does not match event.namespace")


def _lease(obj: Object, _: Object | None) -> Iterator[Cause]:
    seconds = obj.get("spec", {}).get("leaseDurationSeconds", 1)
    if seconds <= 0:
        yield bad("spec.leaseDurationSeconds", seconds, "must be greater than 0")
