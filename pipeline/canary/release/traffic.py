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

Each change of the route is written in turns, so that no Service comes or goes with requests: see `route_turns`.

`NAME-stable` selects the pods of stable's present template alone. When they are about to be replaced, by a promote or
by somebody else, it selects the same pods as the workload's own Service: whatever the controller has seen so far,
requests find ready pods. When stable is complete again, it selects the pods that there are then.
"""

from dataclasses import dataclass, replace
from fractions import Fraction

from canary.errors import InputError
from canary.events import Written
from canary.marks import COMPARED, ROUTE, Variant, service_name, variant_name
from canary.objects import SERVICE, Object, annotations_of
from canary.observe.deployments import Workload, read_workload
from canary.observe.quiet import QUIET, wait_until_quiet
from canary.observe.rollout import POLL
from canary.observe.routes import check_route, find_route, read_route, wait_until_seen
from canary.observe.services import wait_for_endpoints, wait_until_gone
from canary.ports import World
from canary.release.commands import Commands
from canary.release.lookout import follow
from canary.release.rights import check_traffic_rights
from canary.release.route_services import new_record, variant_service
from canary.release.route_writes import (
    division,
    edited,
    is_as_before,
    is_unedited,
    leads_to_them,
    names_them,
    put_back_by_others,
    select_all_pods,
    select_present_pods,
    to_stable,
    without_record,
    write_back,
    write_division,
    written_division,
)
from canary.state.route_record import RouteRecord, read_route_record
from canary.variants.route import (
    divided,
    is_same_but_for_weights_of,
    names_twice,
    names_variants,
    share_of,
)
from canary.variants.steps import Step, step_at_hand

LARGEST_SHARE = 50
"""Most percent of the requests that canary and baseline can get, each."""


@dataclass(frozen=True)
class Divided:
    """What a release writes so that a route divides the requests.

    Attributes:
        services: Services to create.
        routes: the HTTPRoute, as the release will write it.
    """

    services: tuple[Object, ...] = ()
    routes: tuple[Object, ...] = ()


def check_traffic(world: World, workload: Workload) -> Divided:
    """Refuse a release whose requests could not be divided, and return what it will write.

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
        return Divided()
    if options.steps[-1] > LARGEST_SHARE:
        raise InputError(
            f"{options.steps[-1]:g} % for the canary and as much for the baseline are more than all requests: with "
            f"--traffic gateway, the limit is {LARGEST_SHARE}"
        )
    if workload.stable is None:
        return Divided()
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
    if record is not None:
        wait_until_seen(world, options.route, QUIET)  # a driver that was killed may just have written it
    route = read_route(world.cluster, options.route)
    check_route(world.cluster, route)
    check_traffic_rights(world.cluster, workload.name, options.route)
    if record is not None and names_them(world, route, record):
        _refuse_edited(world, route, record)
    fresh = record or new_record(world, workload, route)
    for percentage in options.steps:
        _check_division(world, route, fresh, share_of(percentage))
    made = [variant_service(world, workload, fresh, variant) for variant in Variant]
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
    step = step_at_hand(options.steps, [workload.canary] if workload.canary else [])
    spec = divided(fresh.before, world.cluster.namespace, division(fresh, share_of(step.percentage)))
    shown = {key: route[key] for key in ("apiVersion", "kind")} | {"metadata": {"name": options.route}, "spec": spec}
    return Divided(tuple(one for one in made if one["metadata"]["name"] not in there), (shown,))


def begin(world: World, workload: Workload) -> None:
    """Let all requests go to stable's pods alone, unless they are divided already.

    Raises:
        TimedOutError: the controller has not seen the change; run the command again.
        InputError: somebody has edited the route since the release began.
    """
    route = read_route(world.cluster, world.options.route)
    record = read_route_record(world.cluster, workload)
    if record is None:
        record = new_record(world, workload, route)
        _create(world, variant_service(world, workload, record, Variant.STABLE))
    elif record.before != route["spec"] and not names_them(world, route, record):  # nothing of ours is in it
        record = replace(new_record(world, workload, route), header=record.header)
        world.cluster.replace(variant_service(world, workload, record, Variant.STABLE))
    select_present_pods(world, workload, record)
    if leads_to_them(world, route, record):
        return
    wait_for_endpoints(world, {workload.name: [service_name(workload.name, Variant.STABLE)]})
    world.clock.sleep(POLL)  # a controller reads Services and routes by watches of their own
    write_division(world, record, to_stable(record), is_begun=False)


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
            _create(world, variant_service(world, workload, record, variant))
    follow(world, [name])  # stable may have been rolled out while no driver ran
    wait_for_endpoints(
        world,
        {variant_name(name, one): [service_name(name, one)] for one in (*COMPARED, Variant.STABLE)},
        meanwhile=lambda: follow(world, [name]),
    )
    world.clock.sleep(POLL)
    write_division(world, record, division(record, share_of(step.percentage)))


def check_unedited(world: World, name: str) -> None:
    """Refuse to go on where somebody has edited the route, or put it back.

    Raises:
        InputError: somebody has.
    """
    record = read_route_record(world.cluster, read_workload(world.cluster, name))
    if record is None:
        return
    route = read_route(world.cluster, record.route)
    if is_as_before(world.cluster.namespace, route, record):
        raise InputError(put_back_by_others(world.options, record))
    _refuse_edited(world, route, record)


def put_back(world: World, name: str) -> None:
    """Make the route of a workload what it was, before stable's pods are replaced.

    What somebody has edited meanwhile stays: then the variants' backends alone are replaced.
    """
    workload = read_workload(world.cluster, name)
    record = read_route_record(world.cluster, workload)
    if record is None:
        _require_record(world, workload)
        return
    select_all_pods(world, workload, record)
    write_back(world, record, is_ending=False)


def withdraw(world: World, name: str) -> RouteRecord | None:
    """Let no request come to canary and baseline any more, and return the record; None if the release divides none."""
    workload = read_workload(world.cluster, name)
    record = read_route_record(world.cluster, workload)
    if record is None:
        _require_record(world, workload)
    route = None if record is None else find_route(world.cluster, record.route)
    if record is None or route is None or not leads_to_them(world, route, record):
        return record
    is_open = select_present_pods(world, workload, record)
    if is_unedited(world, route, record):
        wait_for_endpoints(world, {name: [service_name(name, Variant.STABLE)]})
        try:
            write_division(world, record, to_stable(record), is_ending=True)
        except InputError:  # somebody has edited, deleted or put back the route between two writes
            write_back(world, record, is_ending=True)
        if not is_open:
            wait_until_quiet(world, workload)
    else:  # requests come to the variants by the workload's Service, until their pods end
        write_back(world, record, is_ending=True)
    return record


def end(world: World, record: RouteRecord | None) -> None:
    """Make the route what it was, and delete the Services of the variants. There are no variants any more."""
    if record is None:
        return
    if wait_until_gone(world, record.workload, record.service, patience=QUIET):
        world.clock.sleep(POLL)  # else requests would come to pods that end, by the workload's own Service
    write_back(world, record, is_ending=True)
    wait_until_seen(world, record.route, QUIET)  # who was killed after the last write has not waited
    there = {one["metadata"]["name"]: one for one in world.cluster.find(SERVICE)}
    for variant in (*COMPARED, Variant.STABLE):  # the last one has the record
        name = service_name(record.workload, variant)
        if name in there and ROUTE in annotations_of(there[name]):
            _delete_service(world, name)


def _check_division(world: World, route: Object, record: RouteRecord, share: Fraction) -> None:
    """Refuse a share that the route cannot give; try it as a dry run."""
    namespace = world.cluster.namespace
    spec = divided(record.before, namespace, division(record, share))
    is_same = is_same_but_for_weights_of(spec, record.before, namespace, division(record, share))
    if not is_same or names_twice(record.before, namespace, record.service):
        raise InputError(
            f"HTTPRoute {record.route} names Service {record.service} several times in one rule: merge its backends"
        )
    world.cluster.replace({**route, "spec": spec}, dry_run=True)


def _require_record(world: World, workload: Workload) -> None:
    """Refuse to delete variants to which a route leads, if nobody knows any more what the route was.

    Raises:
        InputError: somebody has deleted the Service with the record.
    """
    name, route_name = workload.name, annotations_of(workload.canary).get(ROUTE, "")
    route = find_route(world.cluster, route_name) if route_name else None
    if route is not None and names_variants(route["spec"], world.cluster.namespace, name):
        raise InputError(without_record(world.options, world.cluster.namespace, name, route_name))


def _refuse_edited(world: World, route: Object, record: RouteRecord) -> None:
    """Refuse a route that is neither as before nor as the release wrote it."""
    namespace = world.cluster.namespace
    if not is_as_before(namespace, route, record) and written_division(namespace, route, record) is None:
        raise edited(world.options, record)


def _create(world: World, service: Object) -> None:
    world.cluster.create(service)
    world.listen(Written("Service", service["metadata"]["name"], "created"))


def _delete_service(world: World, name: str) -> None:
    if world.cluster.delete(SERVICE, name):
        world.listen(Written("Service", name, "deleted"))
