"""The Services of a release by a route, and the record of what the route was."""

from canary.errors import InputError
from canary.marks import ROUTE, ROUTE_BEFORE, Variant, service_name
from canary.objects import SERVICE, Object, annotations_of, pod_labels
from canary.observe.deployments import Workload
from canary.ports import World
from canary.release.commands import Commands
from canary.release.route_writes import HASH, hash_of
from canary.state.route_record import RouteRecord
from canary.variants.derive import own_marks
from canary.variants.route import Header, leads_to

_ABOUT_ONE_SERVICE = ("prometheus.io/", "external-dns.alpha.kubernetes.io/")


def new_record(world: World, workload: Workload, route: Object) -> RouteRecord:
    """Return the record of a route as it is now.

    Raises:
        InputError: it does not lead to the workload, or not by exactly one Service.
    """
    assert workload.stable is not None
    name, namespace = route["metadata"]["name"], world.cluster.namespace
    labels = pod_labels(workload.stable)
    selecting = {
        one["metadata"]["name"]: one["spec"]["selector"]
        for one in world.cluster.find(SERVICE)
        if one["spec"].get("selector") and one["spec"]["selector"].items() <= labels.items()
    }
    led = [one for one in selecting if leads_to(route["spec"], namespace, one)]
    if len(led) != 1:
        services = f"the Services of {workload.name} are {', '.join(sorted(selecting))}" if selecting else "it has none"
        why = "by several Services" if led else f"no requests to {workload.name}: {services}"
        raise InputError(f"HTTPRoute {name} sends {why}. It must have one of its Services as a backend")
    (service,) = led
    _refuse_another_release(world, workload, route)
    present = hash_of(world, workload)
    if not present:
        raise InputError(f"stable {workload.name} has no ReplicaSet yet: wait until it is ready")
    selector = {**selecting[service], HASH: present}
    header = Header.parse(world.options.match) if world.options.match else None
    return RouteRecord(workload.name, name, service, route["spec"], selector, header)


def variant_service(world: World, workload: Workload, record: RouteRecord, variant: Variant) -> Object:
    """Return the Service of a variant: as the workload's own, but for the pods that it selects.

    Raises:
        InputError: the workload's own Service was deleted.
    """
    own = world.cluster.get(SERVICE, record.service)
    if own is None:
        raise InputError(f"Service {record.service}, to which HTTPRoute {record.route} leads, was deleted")
    label = {world.options.label: str(variant)}
    selector = record.selector if variant is Variant.STABLE else own["spec"]["selector"] | label
    mark = record.annotations if variant is Variant.STABLE else {ROUTE: record.route}
    ports = [{key: value for key, value in port.items() if key != "nodePort"} for port in own["spec"]["ports"]]
    return {
        "apiVersion": SERVICE.api_version,
        "kind": SERVICE.kind,
        "metadata": {
            "name": service_name(workload.name, variant),
            "labels": label,  # and none of the Service's own: what selects it by them must not find pods twice
            "annotations": _of_its_own(annotations_of(own)) | mark,
        },
        "spec": {"selector": dict(selector), "ports": ports},
    }


def _refuse_another_release(world: World, workload: Workload, route: Object) -> None:
    """Refuse a route that another release divides, or may divide again, such as after a promote that failed.

    Two releases would each put back what the other has written.
    """
    for one in world.cluster.find(SERVICE):
        other, marks = one["metadata"]["name"].removesuffix(f"-{Variant.STABLE}"), annotations_of(one)
        if ROUTE_BEFORE in marks and marks.get(ROUTE) == route["metadata"]["name"] and other != workload.name:
            raise InputError(
                f"HTTPRoute {route['metadata']['name']} divides the requests of a release of {other}, and only one "
                f"release at a time can divide a route: wait until that one has ended, or end it: "
                f"{Commands(world.options, other).reject}. Or give {workload.name} an HTTPRoute of its own"
            )


def _of_its_own(annotations: dict[str, str]) -> dict[str, str]:
    """Return the annotations of a Service that hold for a copy of it, too: neither its scrapes nor its DNS names."""
    kept = own_marks(annotations)
    return {key: value for key, value in kept.items() if not key.startswith(_ABOUT_ONE_SERVICE)}
