"""Whether requests find stable's pods: the Services that lead to it, before a promote and after it.

A rollout can succeed while no request arrives any more: a Service whose selector matches nothing has no endpoints.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

from canary.errors import InputError, TimedOutError
from canary.events import Note
from canary.objects import DEPLOYMENT, ENDPOINT_SLICE, SERVICE, Kind, Object, pod_labels
from canary.observe.deployments import pods_of, ready_since
from canary.observe.rollout import POLL, wait_until_ready
from canary.ports import Cluster, World

SERVICE_NAME = "kubernetes.io/service-name"
"""Label of an EndpointSlice: its Service."""


def services_by_deployment(cluster: Cluster, names: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return the names of the Services that lead to each of these Deployments now; none to one that is not there."""
    services = cluster.find(SERVICE)
    found = {}
    for name in names:
        live = cluster.get(DEPLOYMENT, name)
        led = [one["metadata"]["name"] for one in services if live is not None and _leads_to(one, live)]
        found[name] = frozenset(led)
    return found


def check_services(
    cluster: Cluster, after: Sequence[Object], *, action: str, gone: Container[str] = ()
) -> tuple[str, ...]:
    """Refuse what would cut off a Service that leads to a Deployment today, and return what to warn of.

    A Service that is not among the objects stays as it is.

    Args:
        cluster: the Kubernetes API.
        after: Deployments and Services as they are going to be, defaults filled in by the API server.
        action: what is going to change them, such as `promote`.
        gone: names of Services that it is going to delete.

    Raises:
        InputError: a Service would not select the new pods, or would lead to a named port that they do not have.
    """
    services = {one["metadata"]["name"]: one for one in cluster.find(SERVICE)}
    today = {name: one for name, one in services.items() if name not in gone}
    planned = today | {one["metadata"]["name"]: one for one in after if Kind.of(one) == SERVICE}
    warnings: list[str] = []
    for deployment in (one for one in after if Kind.of(one) == DEPLOYMENT):
        live = cluster.get(DEPLOYMENT, deployment["metadata"]["name"])
        for name in sorted(today):
            if live is not None and _leads_to(today[name], live):
                warnings += _check_selector(planned[name], deployment, live, action)
                warnings += _check_ports(planned[name], today[name], deployment, live, action)
    return tuple(warnings)


def wait_until_serving(world: World, before: Mapping[str, Iterable[str]], *, gone: Iterable[str] = ()) -> None:
    """Wait until Deployments are ready, and requests to their Services reach every ready pod.

    Args:
        world: what to work with.
        before: by Deployment, the names of the Services that led to it before the change.
        gone: names of Services that are about to be deleted.

    Raises:
        TimedOutError: no progress for as long as the options' timeout.
        InputError: a Deployment is gone.
    """
    wait_until_ready(world, before)
    after = services_by_deployment(world.cluster, before)
    wait_for_endpoints(world, {name: {*before[name], *after[name]} - {*gone} for name in before})


def wait_for_endpoints(
    world: World, services: Mapping[str, Iterable[str]], *, meanwhile: Callable[[], object] = lambda: None
) -> None:
    """Wait until every ready pod of Deployments is a ready endpoint of their Services.

    Args:
        world: what to work with.
        services: names of Services, by the Deployment that they are to lead to. One that is deleted is passed over.
        meanwhile: what to do while waiting, twice a second.

    Raises:
        TimedOutError: pods were missing among the endpoints for as long as the options' timeout.
    """
    began, told = world.patient_now(), ""
    while True:
        missing = next(
            (text for name, of in services.items() for one in of if (text := _missing(world, name, one))), ""
        )
        if not missing:
            return
        if world.patient_now() - began >= world.options.timeout:
            raise TimedOutError(f"{missing} after {world.options.timeout:g} s")
        if not told:
            told = missing
            world.listen(Note(f"waiting: {missing}"))
        world.clock.sleep(POLL)
        meanwhile()


def wait_until_gone(world: World, name: str, service: str, *, patience: float) -> bool:
    """Wait until a Service leads to no pod but those of one Deployment, and return whether it does.

    Args:
        world: what to work with.
        name: of the Deployment.
        service: name of the Service.
        patience: seconds to wait at most.
    """
    began = world.patient_now()
    while True:
        deployment = world.cluster.get(DEPLOYMENT, name)
        own = {one["metadata"]["name"] for one in pods_of(world.cluster, deployment)} if deployment else set()
        if own.issuperset(_endpoints(world.cluster, service)):
            return True
        if world.patient_now() - began >= patience:
            return False
        world.clock.sleep(POLL)


def _leads_to(service: Object, deployment: Object) -> bool:
    """Return whether a Service selects the pods that a Deployment makes."""
    selector = _selector(service)
    return bool(selector) and selector.items() <= pod_labels(deployment).items()


def _selector(service: Object) -> Mapping[str, str]:
    """Return a Service's selector, empty where it has none, or none that counts."""
    spec = service.get("spec") or {}
    return {} if spec.get("type") == "ExternalName" else spec.get("selector") or {}


def _check_selector(service: Object, deployment: Object, live: Object, action: str) -> Iterator[str]:
    """Refuse a Service that would not select the new pods, and yield what to warn of."""
    name, workload = service["metadata"]["name"], deployment["metadata"]["name"]
    if not _leads_to(service, deployment):
        why = "it would select no pods"
        if selector := _selector(service):
            why = f"its selector would be {_shown(selector)}, and the pods' labels {_shown(pod_labels(deployment))}"
        raise InputError(
            f"{action} would cut Service {name} off from {workload}, to which it leads today: {why}. Let the selector "
            f"match the labels. If the Service is to leave {workload}, change it by itself first, with kubectl apply"
        )
    if not _leads_to(service, live):
        yield (
            f"Service {name} will lead to pods of the new version alone as soon as {action} writes it, while "
            f"{workload} still runs the old one: let its selector ask only for labels that both versions have"
        )


def _check_ports(service: Object, today: Object, deployment: Object, live: Object, action: str) -> Iterator[str]:
    """Refuse named ports that requests would no longer come to, and yield what to warn of."""
    name, workload = service["metadata"]["name"], deployment["metadata"]["name"]
    is_headless = service["spec"].get("clusterIP") == "None"  # its clients choose the pods' ports themselves
    were = {_key(port): port for port in today["spec"].get("ports") or []}
    for port in service["spec"].get("ports") or []:
        if _is_declared(port, deployment):
            continue
        target, was = _target(port), were.get(_key(port))
        worked = was is not None and _is_declared(was, live)
        if isinstance(target, str):
            where = f"port {port['port']} of Service {name} leads to the port named {target} of {workload}'s pods"
            if worked and not is_headless:
                raise InputError(
                    f"{action} would cut off Service {name}: {where}, and no container of the new version has a port "
                    "of that name. Name one so, or change the Service's targetPort"
                )
            yield f"{where}, and no container of the new version has a port of that name"
        elif worked:
            yield (
                f"port {port['port']} of Service {name} leads to port {target} of {workload}'s pods, which no "
                "container of the new version lists: make sure that the new version listens there"
            )


def _key(port: Object) -> tuple[int, str]:
    return port["port"], port.get("protocol") or "TCP"


def _target(port: Object) -> int | str:
    target: int | str = port.get("targetPort") or port["port"]
    return target


def _is_declared(port: Object, deployment: Object) -> bool:
    """Return whether a container of a Deployment's pods lists the port that a Service's port leads to."""
    spec, target = deployment["spec"]["template"]["spec"], _target(port)
    sidecars = [one for one in spec.get("initContainers") or [] if one.get("restartPolicy") == "Always"]
    listed = [own for container in [*spec["containers"], *sidecars] for own in container.get("ports") or []]
    field = "name" if isinstance(target, str) else "containerPort"
    return any(own.get(field) == target and (own.get("protocol") or "TCP") == _key(port)[1] for own in listed)


def _missing(world: World, name: str, service_name: str) -> str:
    """Return which pods requests to a Service do not come to, empty if they come to all."""
    service, deployment = world.cluster.get(SERVICE, service_name), world.cluster.get(DEPLOYMENT, name)
    if service is None or deployment is None:
        return ""
    pods = {one["metadata"]["name"] for one in pods_of(world.cluster, deployment) if ready_since(one) is not None}
    missing = pods - set(_endpoints(world.cluster, service_name))
    if not missing:
        return ""
    return f"Service {service_name} leads to {len(pods) - len(missing)} of {len(pods)} ready pods of {name}"


def _endpoints(cluster: Cluster, service: str) -> Iterator[str]:
    """Yield the names of the pods that are ready endpoints of a Service."""
    for found in cluster.find(ENDPOINT_SLICE, labels={SERVICE_NAME: service}):
        for endpoint in found.get("endpoints") or []:
            is_ready = (endpoint.get("conditions") or {}).get("ready") is not False  # nothing said means ready
            if is_ready and (endpoint.get("targetRef") or {}).get("kind") == "Pod":
                yield endpoint["targetRef"]["name"]


def _shown(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or "none"
