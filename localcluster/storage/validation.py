"""Validation: the errors that Kubernetes gives, each with its field."""

import base64
import json
import re
from collections.abc import Iterator

from localcluster.apimachinery import quantity
from localcluster.apimachinery.errors import Cause, duplicate, forbidden, invalid_value, not_supported, required
from localcluster.apimachinery.objects import Json, Object
from localcluster.apimachinery.resources import GATEWAY_API
from localcluster.apimachinery.selectors import OPERATORS, matches
from localcluster.storage import custom, service_validation
from localcluster.storage.formats import (
    check_name,
    file_path,
    labels_and_annotations,
    port_name,
    port_number,
    port_reference,
    relative_path,
    variable_name,
)
from localcluster.storage.schema import ANY, Type

_RULE_OF_NAME = {"Namespace": "label", "Service": "service"}
_ANY_NAME = ("Role", "RoleBinding")
_MIB = 1024 * 1024


def problems(of: Type, obj: Object, old: Object | None = None) -> list[Cause]:
    """Return the errors of an object with its defaults set and, for an update, of the change."""
    found = [*_metadata(obj, old)]
    check = {
        "Deployment": _workload,
        "ReplicaSet": _workload,
        "Pod": _pod,
        "Service": service_validation.service,
        "ConfigMap": _data,
        "Secret": _data,
        "Event": _event,
        "Lease": _lease,
    }.get(obj["kind"])
    if check:
        found += check(obj, old)
    if obj["apiVersion"].startswith(f"{GATEWAY_API}/"):
        return found + custom.problems(of, obj)
    said = {cause.field for cause in found}
    return found + [cause for cause in _required(of, obj, "") if cause.field not in said]


def problems_of_status(of: Type, obj: Object) -> list[Cause]:
    """Return the errors in a status: of a custom resource all, otherwise those of its addresses."""
    if obj["apiVersion"].startswith(f"{GATEWAY_API}/"):
        return custom.problems_of_status(of, obj)
    return list(service_validation.status(obj)) if obj["kind"] in ("Pod", "Service") else []


def _required(of: Type, value: Json, path: str) -> Iterator[Cause]:
    """Yield the required fields that are missing."""
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
        yield invalid_value("metadata.name", meta["name"], "must not contain dots")
    elif old is None and obj["kind"] not in _ANY_NAME:
        yield from check_name(_RULE_OF_NAME.get(obj["kind"], "subdomain"), "metadata.name", meta["name"])
    yield from labels_and_annotations("metadata", meta)
    if old is not None and meta.get("uid") not in (None, "", old["metadata"]["uid"]):
        yield invalid_value("metadata.uid", meta["uid"], "field is immutable")


def _workload(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = obj["spec"]
    for key in ("replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
        if spec.get(key, 0) < 0:
            yield invalid_value(f"spec.{key}", spec[key], "must be greater than or equal to 0")
    template = spec["template"]
    selector, labels = spec.get("selector"), template["metadata"].get("labels")
    if selector is None:
        yield required("spec.selector")
    elif not selector.get("matchLabels") and not selector.get("matchExpressions"):
        yield invalid_value("spec.selector", {}, "empty selector is invalid for deployment")
    operators = [e.get("operator") for e in (selector or {}).get("matchExpressions", [])]
    for i, operator in enumerate(operators):
        if operator not in OPERATORS:
            yield invalid_value(
                f"spec.selector.matchExpressions[{i}].operator", operator, "not a valid selector operator"
            )
    if selector is None or (set(operators) <= OPERATORS and selector and not matches(selector, labels or {})):
        yield invalid_value("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    yield from labels_and_annotations("spec.template.metadata", template["metadata"])
    yield from _pod_spec("spec.template.spec", template["spec"])
    if template["spec"].get("restartPolicy") != "Always":
        yield not_supported("spec.template.spec.restartPolicy", template["spec"].get("restartPolicy"), ("Always",))
    if obj["kind"] == "Deployment":
        yield from _strategy(spec)
        if spec["progressDeadlineSeconds"] <= spec.get("minReadySeconds", 0):
            yield invalid_value(
                "spec.progressDeadlineSeconds", spec["progressDeadlineSeconds"], "must be greater than minReadySeconds"
            )
    if old is not None and selector is not None and selector != old["spec"]["selector"]:
        yield invalid_value("spec.selector", selector, "field is immutable")


def _strategy(spec: Object) -> Iterator[Cause]:
    strategy, path = spec["strategy"], "spec.strategy"
    if strategy["type"] not in ("Recreate", "RollingUpdate"):
        yield not_supported(path, strategy["type"], ("Recreate", "RollingUpdate"))
    rolling = strategy.get("rollingUpdate")
    if strategy["type"] == "Recreate" and rolling:
        why = "may not be specified when strategy `type` is 'Recreate'"
        yield forbidden(f"{path}.rollingUpdate", why)
    elif rolling:
        for key, value in rolling.items():
            if isinstance(value, str) and not re.fullmatch(r"[0-9]+%", value):
                sentence = (
                    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', "
                )
                yield invalid_value(
                    f"{path}.rollingUpdate.{key}", value, f"{sentence}regex used for validation is '[0-9]+%')"
                )
            elif isinstance(value, int) and value < 0:
                yield invalid_value(f"{path}.rollingUpdate.{key}", value, "must be greater than or equal to 0")
        if all(str(rolling.get(key)) in ("0", "0%") for key in ("maxSurge", "maxUnavailable")):
            shown = rolling["maxUnavailable"]
            yield invalid_value(f"{path}.rollingUpdate.maxUnavailable", shown, "may not be 0 when `maxSurge` is 0")


def _pod(obj: Object, old: Object | None) -> Iterator[Cause]:
    yield from _pod_spec("spec", obj["spec"])
    if old is None:
        return
    for i, container in enumerate(obj["spec"]["containers"]):
        if not container.get("image"):  # a second time, as in Kubernetes
            yield required(f"spec.containers[{i}].image")
    # Only images, deadlines and tolerations can change. (nodeName is the scheduler's.)
    may_change = ("tolerations", "activeDeadlineSeconds", "nodeName", "containers", "initContainers")
    was, will = ({k: v for k, v in o["spec"].items() if k not in may_change} for o in (old, obj))
    for key in ("containers", "initContainers"):
        was[key], will[key] = ([{**c, "image": ""} for c in o["spec"].get(key, [])] for o in (old, obj))
    if was != will:
        yield forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
            "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
            "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
        )


def _pod_spec(path: str, spec: Object) -> Iterator[Cause]:
    volumes: set[str | None] = set()
    for i, volume in enumerate(spec.get("volumes", [])):
        where, name = f"{path}.volumes[{i}]", volume.get("name")
        if name:
            yield from check_name("label", f"{where}.name", name)
        if name in volumes:
            yield duplicate(f"{where}.name", name)
        volumes.add(name)
        yield from _files(where, volume)
        for j, source in enumerate(volume.get("projected", {}).get("sources", [])):
            yield from _files(f"{where}.projected.sources[{j}]", source)
        for other in sorted(volume.keys() - {"name"}, key=lambda source: source != "emptyDir")[1:]:
            yield forbidden(f"{where}.{other}", "may not specify more than 1 volume type")
    if not spec.get("containers"):
        yield required(f"{path}.containers")
    names: set[str] = set()
    for group in ("initContainers", "containers"):
        for i, container in enumerate(spec.get(group, [])):
            where = f"{path}.{group}[{i}]"
            yield from _container(where, container, volumes)
            name = container.get("name")
            if name in names:
                yield duplicate(f"{where}.name", name)
            names.add(name)
    if spec.get("restartPolicy") not in ("Always", "OnFailure", "Never"):
        yield not_supported(f"{path}.restartPolicy", spec.get("restartPolicy"), ("Always", "OnFailure", "Never"))


def _files(path: str, source: Object) -> Iterator[Cause]:
    """Yield the errors of the files in a volume, or in one source of a projected volume."""
    for kind in ("configMap", "secret"):
        for i, item in enumerate(source.get(kind, {}).get("items", [])):
            yield from file_path(f"{path}.{kind}.items[{i}].path", item.get("path", ""))
    for item in source.get("downwardAPI", {}).get("items", []):
        yield from file_path(f"{path}.downwardAPI.path", item.get("path", ""))  # without an index, as in Kubernetes


def _container(path: str, container: Object, volumes: set[str | None]) -> Iterator[Cause]:
    if not container.get("name"):
        yield required(f"{path}.name")
    else:
        yield from check_name("label", f"{path}.name", container["name"])
    if not container.get("image"):
        yield required(f"{path}.image")
    seen: set[str] = set()
    for i, port in enumerate(container.get("ports", [])):
        where = f"{path}.ports[{i}]"
        if name := port.get("name"):
            yield from port_name(f"{where}.name", name)
            if name in seen:
                yield duplicate(f"{where}.name", name)
            seen.add(name)
        if "containerPort" not in port:
            yield required(f"{where}.containerPort")
        else:
            yield from port_number(f"{where}.containerPort", port["containerPort"])
        if port.get("protocol") not in ("TCP", "UDP", "SCTP"):
            yield not_supported(f"{where}.protocol", port.get("protocol"), ("SCTP", "TCP", "UDP"))
    for i, source in enumerate(container.get("envFrom", [])):
        if prefix := source.get("prefix"):
            yield from variable_name(f"{path}.envFrom[{i}].prefix", prefix)
    for i, variable in enumerate(container.get("env", [])):
        yield from variable_name(f"{path}.env[{i}].name", variable.get("name", ""))
        if variable.get("value") and "valueFrom" in variable:
            yield invalid_value(f"{path}.env[{i}].valueFrom", "", "may not be specified when `value` is not empty")
    places: set[str] = set()
    for i, mount in enumerate(container.get("volumeMounts", [])):
        where, place = f"{path}.volumeMounts[{i}]", mount.get("mountPath", "")
        if mount.get("name") not in volumes:
            yield Cause(f"{where}.name", f'Not found: "{mount.get("name", "")}"', "FieldValueNotFound")
        if place in places:
            yield invalid_value(f"{where}.mountPath", place, "must be unique")
        places.add(place)
        yield from relative_path(f"{path}.volumeMounts.subPath", mount.get("subPath", ""))  # without an index here too
    if container.get("imagePullPolicy") not in ("Always", "IfNotPresent", "Never"):
        values = ("Always", "IfNotPresent", "Never")
        yield not_supported(f"{path}.imagePullPolicy", container.get("imagePullPolicy"), values)
    yield from _limits(f"{path}.resources", container.get("resources", {}))
    for key in ("livenessProbe", "readinessProbe", "startupProbe"):
        if key in container:
            yield from _probe(f"{path}.{key}", container[key])


def _probe(path: str, probe: Object) -> Iterator[Cause]:
    handlers = [h for h in ("exec", "httpGet", "tcpSocket", "grpc") if h in probe]
    if not handlers:
        yield required(path, "must specify a handler type")
    for extra in handlers[1:]:
        yield forbidden(f"{path}.{extra}", "may not specify more than 1 handler type")
    for handler in handlers:
        if handler in ("httpGet", "tcpSocket"):
            yield from port_reference(f"{path}.{handler}.port", probe[handler].get("port", 0))
    for key in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        if probe.get(key, 0) < 0:
            yield invalid_value(f"{path}.{key}", probe[key], "must be greater than or equal to 0")
    if not path.endswith("readinessProbe") and probe.get("successThreshold", 1) != 1:
        yield invalid_value(f"{path}.successThreshold", probe["successThreshold"], "must be 1")


def _limits(path: str, resources: Object) -> Iterator[Cause]:
    for part in ("limits", "requests"):
        for name, wanted in resources.get(part, {}).items():
            if quantity.amount(wanted) < 0:
                yield invalid_value(f"{path}.{part}[{name}]", wanted, "must be greater than or equal to 0")
    for name, wanted in resources.get("requests", {}).items():
        limit = resources.get("limits", {}).get(name)
        if limit is not None and quantity.amount(wanted) > quantity.amount(limit):
            yield invalid_value(f"{path}.requests", wanted, f"must be less than or equal to {name} limit of {limit}")


def _data(obj: Object, old: Object | None) -> Iterator[Cause]:
    for part in ("data", "binaryData"):
        for key in obj.get(part, {}):
            yield from check_name("config key", f"{part}[{key}]", key)
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
            yield forbidden("immutable", why)
        for part in ("data", "binaryData"):
            if obj.get(part) != old.get(part):
                yield forbidden(part, why)
    if obj.get("type") != old.get("type"):
        yield invalid_value("type", obj.get("type"), "field is immutable")


def _is_json(encoded: str) -> bool:
    try:
        json.loads(base64.b64decode(encoded))
    except ValueError:
        return False
    return True


def _event(obj: Object, _: Object | None) -> Iterator[Cause]:
    about = obj.get("involvedObject", {}).get("namespace", "")
    if about != obj["metadata"].get("namespace") and (about or obj["metadata"].get("namespace") != "default"):
        yield invalid_value("involvedObject.namespace", about, "does not match event.namespace")


def _lease(obj: Object, _: Object | None) -> Iterator[Cause]:
    seconds = obj.get("spec", {}).get("leaseDurationSeconds", 1)
    if seconds <= 0:
        yield invalid_value("spec.leaseDurationSeconds", seconds, "must be greater than 0")
