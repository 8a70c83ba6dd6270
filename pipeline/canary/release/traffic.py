"""Divides a workload's requests by an HTTPRoute while its release is in progress, and puts the route back after it.

The order of writes keeps two promises: no request is sent to a Service without ready endpoints, and no variant is
deleted while requests still come to it. Each step looks at what is there, and can be run again after a kill:

    (deploy creates the variants without pods: a release that is killed from here on is found by its canary)
    begin     Service NAME-stable with what the route was; route: all requests to NAME-stable
    (deploy lets the pods start: no request comes to them, although the workload's own Service selects them)
    shift     Services NAME-baseline and NAME-canary; route: their share of the requests
    withdraw  route: all requests to NAME-stable; wait until the variants count none
    (reject deletes the variants)
    end       route as it was; delete the Services, NAME-stable last

A promote first puts the route back, because stable's pods are about to be replaced, and then is as one by pods.
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from canary.errors import CanaryError, InputError, TimedOutError
from canary.events import Note, Written
from canary.marks import COMPARED, ROUTE, Variant, service_name, variant_name
from canary.objects import HTTP_ROUTE, SERVICE, Object, annotations_of, labels_of, pod_labels
from canary.observe.deployments import Workload, newest_replica_set, progress, read_workload
from canary.observe.observation import observe, pods_to_sample
from canary.observe.routes import check_route, read_route, wait_until_served
from canary.observe.services import wait_for_endpoints
from canary.plurals import in_percent
from canary.ports import World
from canary.release.commands import Commands
from canary.retry import retry_on_conflict
from canary.state.route_record import RouteRecord, read_route_record
from canary.variants.derive import own_marks
from canary.variants.route import (
    Division,
    Header,
    divided,
    gathered,
    is_same_but_for_weights_of,
    leads_to,
    names_variants,
    share_of,
)
from canary.variants.steps import Step, step_of

LARGEST_SHARE = 50
"""Most percent of the requests that canary and baseline can get, each."""

HASH = "pod-template-hash"
"""Label by which the ReplicaSets of a Deployment tell their pods apart."""

QUIET = 60.0
"""Seconds to wait until variants count no more requests, after the controller has seen the route."""

_BETWEEN_COUNTS = 1.0  # seconds


def check_traffic(world: World, workload: Workload) -> tuple[Object, ...]:
    """Refuse a release whose requests could not be divided, and return the Services that it will create.

    Raises:
        InputError, ForbiddenError: see `read_route`, `check_route`, `divided`. Nothing was changed.
    """
    options, record = world.options, read_route_record(world.cluster, workload)
    if not options.route:
        if record is not None:
            raise InputError(
                f"a release of {workload.name} by HTTPRoute {record.route} is in progress. To end it: "
                f"{Commands(options, workload.name).reject}"
            )
        return ()
    if options.steps[-1] > LARGEST_SHARE:
        raise InputError(
            f"{options.steps[-1]:g} % for the canary and as much for the baseline are more than all requests: with "
            f"--traffic gateway, the limit is {LARGEST_SHARE}"
        )
    if workload.stable is None:
        return ()
    if workload.canary is not None and ROUTE not in annotations_of(workload.canary):
        raise InputError(
            f"a release of {workload.name} by numbers of pods is in progress. To continue it, omit --traffic gateway; "
            f"to end it: {Commands(options, workload.name).reject}"
        )
    if record is not None and record.route != options.route:
        raise InputError(
            f"a release of {workload.name} by HTTPRoute {record.route} is in progress, and not by {options.route}. To "
            f"end it: {Commands(options, workload.name).reject}"
        )
    if record is not None and options.match and str(record.header) != options.match:
        raise InputError(
            f"the release of {workload.name} that is in progress has {record.header or 'no --match'}, and not "
            f"{options.match}. To end it: {Commands(options, workload.name).reject}"
        )
    route = read_route(world.cluster, options.route)
    check_route(world.cluster, route)
    fresh = record or _new_record(world, workload, route)
    for percentage in options.steps:
        _check_division(world, route, fresh, share_of(percentage))
    made = [_service(world, workload, fresh, variant) for variant in Variant]
    there = {one["metadata"]["name"]: one for one in world.cluster.find(SERVICE)}
    for service in made:
        name = service["metadata"]["name"]
        if name not in there:
            world.cluster.create(service, dry_run=True)
        elif ROUTE not in annotations_of(there[name]):
            raise InputError(
                f"Service {name} is not of a release (it has no annotation {ROUTE}), and the release needs that name: "
                "rename the Service, or delete it"
            )
    return tuple(one for one in made if one["metadata"]["name"] not in there)


def begin(world: World, workload: Workload) -> None:
    """Let all requests go to stable's pods alone, unless they are divided already.

    Raises:
        TimedOutError: the controller has not seen the change; run the command again.
        InputError: somebody has edited the route since the release began.
    """
    route = read_route(world.cluster, world.options.route)
    record = read_route_record(world.cluster, workload)
    if record is not None and record.before != route["spec"] and not _names_variants(world, route, record):
        _delete_service(world, service_name(workload.name, Variant.STABLE))  # the route was edited before we wrote it
        record = None
    if record is None:
        record = _new_record(world, workload, route)
        _create(world, _service(world, workload, record, Variant.STABLE))
    if _names_variants(world, route, record):
        return
    wait_for_endpoints(world, {workload.name: [service_name(workload.name, Variant.STABLE)]})
    _write(world, record, _to_stable(record))


def shift(world: World, name: str, step: Step) -> None:
    """Give canary and baseline of a workload, which are ready, the share of a step.

    Raises:
        TimedOutError, InputError: see `begin`.
    """
    workload = read_workload(world.cluster, name)
    record = read_route_record(world.cluster, workload)
    if record is None:
        return
    there = {one["metadata"]["name"] for one in world.cluster.find(SERVICE)}
    for variant in COMPARED:
        if service_name(name, variant) not in there:
            _create(world, _service(world, workload, record, variant))
    wait_for_endpoints(
        world, {variant_name(name, one): [service_name(name, one)] for one in (*COMPARED, Variant.STABLE)}
    )
    _write(world, record, _division(record, share_of(step.percentage)))


def put_back(world: World, name: str) -> RouteRecord | None:
    """Make the route of a workload what it was, and return its record; None if its release divides none.

    What somebody has edited meanwhile stays: then the variants' backends alone are replaced.
    """
    record = read_route_record(world.cluster, read_workload(world.cluster, name))
    if record is not None and _put_back(world, record):
        wait_until_served(world, record.route)
    return record


def withdraw(world: World, name: str) -> RouteRecord | None:
    """Let no request come to canary and baseline any more, and return the record; None if the release divides none."""
    workload = read_workload(world.cluster, name)
    record = read_route_record(world.cluster, workload)
    route = None if record is None else world.cluster.get(HTTP_ROUTE, record.route)
    if record is None or route is None or not _names_variants(world, route, record):
        return record
    if _is_unedited(world, route, record) and _selects_stable(world, workload, record):
        _write(world, record, _to_stable(record), must_be_ours=False, patient=False)
    else:
        _put_back(world, record)
        _wait_patiently(world, record)
    _wait_until_quiet(world, workload)
    return record


def end(world: World, record: RouteRecord | None) -> None:
    """Make the route what it was, and delete the Services of the variants. There are no variants any more."""
    if record is None:
        return
    if _put_back(world, record):
        _wait_patiently(world, record)
    there = {one["metadata"]["name"]: one for one in world.cluster.find(SERVICE)}
    for variant in (*COMPARED, Variant.STABLE):  # the last one has the record
        name = service_name(record.workload, variant)
        if name in there and ROUTE in annotations_of(there[name]):
            _delete_service(world, name)


def why_not_divided(world: World, names: Sequence[str]) -> str:
    """Return why requests are not divided as the release asked for, empty if they are.

    Where somebody has rolled stable out again, `NAME-stable` would select no pods any more: the route is changed first.
    """
    for name in names:
        workload = read_workload(world.cluster, name)
        record = read_route_record(world.cluster, workload)
        if record is None or workload.canary is None:
            continue
        route, step = world.cluster.get(HTTP_ROUTE, record.route), step_of(workload.canary)
        if route is None:
            return f"HTTPRoute {record.route} was deleted"
        if step is None:
            continue
        share = share_of(step.percentage)
        if not _selects_stable(world, workload, record):
            if waits := _follow(world, workload, record, share):
                return waits
        elif route["spec"] != divided(record.before, world.cluster.namespace, _division(record, share)):
            return f"HTTPRoute {record.route} was edited: it does not divide the requests as this release wrote"
    return ""


def _new_record(world: World, workload: Workload, route: Object) -> RouteRecord:
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
    present = _hash_of(world, workload)
    if not present:
        raise InputError(f"stable {workload.name} has no ReplicaSet yet: wait until it is ready")
    selector = {**selecting[service], HASH: present}
    header = Header.parse(world.options.match) if world.options.match else None
    return RouteRecord(workload.name, name, service, route["spec"], selector, header)


def _service(world: World, workload: Workload, record: RouteRecord, variant: Variant) -> Object:
    """Return the Service of a variant: as the workload's own, but for the pods that it selects."""
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
            "annotations": own_marks(annotations_of(own)) | mark,
        },
        "spec": {"selector": dict(selector), "ports": ports},
    }


def _division(record: RouteRecord, share: Fraction) -> Division:
    """Return the division while there are variants."""
    return Division(record.workload, record.service, share, record.header)


def _to_stable(record: RouteRecord) -> Division:
    """Return the division while there are no variants."""
    return Division(record.workload, record.service, Fraction(0))


def _check_division(world: World, route: Object, record: RouteRecord, share: Fraction) -> None:
    """Refuse a share that the route cannot give; try it as a dry run."""
    namespace = world.cluster.namespace
    spec = divided(record.before, namespace, _division(record, share))
    if not is_same_but_for_weights_of(spec, record.before, namespace, _division(record, share)):
        raise InputError(
            f"HTTPRoute {record.route} names Service {record.service} several times in one rule: merge its backends"
        )
    world.cluster.replace({**route, "spec": spec}, dry_run=True)


def _write(
    world: World, record: RouteRecord, division: Division, *, must_be_ours: bool = True, patient: bool = True
) -> None:
    """Divide the requests, and wait until the controller has seen it."""
    spec, share = divided(record.before, world.cluster.namespace, division), division.share

    def attempt() -> Object | None:
        route = read_route(world.cluster, record.route)
        if route["spec"] == spec:
            return route
        if must_be_ours and not _is_unedited(world, route, record):
            raise InputError(
                f"HTTPRoute {record.route} was edited since the release of {record.workload} began. Its other changes "
                f"stay if you end the release: {Commands(world.options, record.workload).reject}"
            )
        return world.cluster.update({**route, "spec": spec})

    retry_on_conflict(attempt, f"divide the requests of HTTPRoute {record.route}")
    part = f"{in_percent(float(share))} of requests each to canary and baseline" if share else "all requests to stable"
    if division.header:
        part += f", those with {division.header.name}: {division.header.value} to the canary"
    world.listen(Written("HTTPRoute", record.route, "configured", part))
    if patient:
        wait_until_served(world, record.route)
    else:
        _wait_patiently(world, record)


def _put_back(world: World, record: RouteRecord) -> bool:
    """Make a route what it was, and return whether that changed it."""
    changed = False

    def attempt() -> Object | None:
        nonlocal changed
        route = world.cluster.get(HTTP_ROUTE, record.route)
        if route is None or not _names_variants(world, route, record):
            return route or {}
        changed = True
        if _is_unedited(world, route, record):
            return world.cluster.update({**route, "spec": record.before})
        text = f"HTTPRoute {record.route} was edited during the release: what was edited stays"
        world.listen(Note(text, warning=True))
        spec = gathered(route["spec"], world.cluster.namespace, record.workload, record.service)
        return world.cluster.update({**route, "spec": spec})

    retry_on_conflict(attempt, f"put HTTPRoute {record.route} back")
    if changed:
        world.listen(Written("HTTPRoute", record.route, "configured", f"all requests to {record.service}, as before"))
    return changed


def _is_unedited(world: World, route: Object, record: RouteRecord) -> bool:
    division = _to_stable(record)
    return is_same_but_for_weights_of(route["spec"], record.before, world.cluster.namespace, division)


def _names_variants(world: World, route: Object, record: RouteRecord) -> bool:
    return names_variants(route["spec"], world.cluster.namespace, record.workload)


def _hash_of(world: World, workload: Workload) -> str:
    """Return the hash of stable's present pod template, empty if it has no ReplicaSet yet."""
    newest = None if workload.stable is None else newest_replica_set(world.cluster, workload.stable)
    return labels_of(newest).get(HASH, "") if newest else ""


def _selects_stable(world: World, workload: Workload, record: RouteRecord) -> bool:
    """Return whether the Service of stable selects the pods that stable has now."""
    return record.selector.get(HASH) == _hash_of(world, workload)


def _follow(world: World, workload: Workload, record: RouteRecord, share: Fraction) -> str:
    """Let the requests to a stable that was rolled out again find its new pods; return what is waited for.

    Until the rollout is complete, the route leads to the workload's own Service, which selects old and new pods.
    """
    if _put_back(world, record):
        text = f"stable {workload.name} is rolled out: HTTPRoute {record.route} leads to Service {record.service} again"
        world.listen(Note(text, warning=True))
    if workload.stable is None or not progress(workload.stable).complete:
        return f"stable {workload.name} is rolled out; until it is ready, HTTPRoute {record.route} is as it was before"
    followed = replace(record, selector={**record.selector, HASH: _hash_of(world, workload)})
    world.cluster.replace(_service(world, workload, followed, Variant.STABLE))
    wait_for_endpoints(world, {workload.name: [service_name(workload.name, Variant.STABLE)]})
    _write(world, followed, _division(followed, share))
    return ""


def _wait_patiently(world: World, record: RouteRecord) -> None:
    """Wait until the controller has seen the route; go on if it does not, so that a release can end without one."""
    try:
        wait_until_served(world, record.route)
    except TimedOutError as error:
        world.listen(Note(f"{error}; the release ends nevertheless", warning=True))


def _wait_until_quiet(world: World, workload: Workload) -> None:
    """Wait until canary and baseline count no more requests: a controller may have seen a route, and act later."""
    if world.samples is None or workload.canary is None:
        return
    before: dict[tuple[str, str], tuple[float, dict[str, float]]] = {}
    began, seen_at = world.patient_now(), world.clock.now()
    while world.patient_now() - began < QUIET:
        world.clock.sleep(_BETWEEN_COUNTS)
        try:
            scene = observe(world.cluster, [workload.name], world.clock.now())
            pods = [one for one in pods_to_sample(scene, world.options.metrics_port) if one.variant in COMPARED]
            scrapes = [one for one in world.samples.read(pods, seen_at) if one.counters is not None]
        except CanaryError:
            return
        latest = {(one.pod.uid, one.process): one for one in sorted(scrapes, key=lambda one: one.at)}
        now = {key: (one.at, dict(one.counters or {})) for key, one in latest.items()}
        if all(key in before and before[key][0] < at and before[key][1] == counts for key, (at, counts) in now.items()):
            return
        before = now
    text = f"canary and baseline of {workload.name} still answer requests, which do not come by the route"
    world.listen(Note(text, warning=True))


def _create(world: World, service: Object) -> None:
    world.cluster.create(service)
    world.listen(Written("Service", service["metadata"]["name"], "created"))


def _delete_service(world: World, name: str) -> None:
    if world.cluster.delete(SERVICE, name):
        world.listen(Written("Service", name, "deleted"))
