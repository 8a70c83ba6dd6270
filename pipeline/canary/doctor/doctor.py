"""Checks a cluster as a release would, and says what is in order, what to know, and what makes a release impossible.

What a person runs first on a cluster of theirs, and sends when asking for help: so it goes on past what is wrong as far
as it can, changes nothing, and says no secret.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from canary.doctor.check import Check, failed, ok, warning
from canary.doctor.connection import ROLES, PrometheusService, Route, check_clock, check_proxies, check_rights
from canary.doctor.workload import check_images, check_metrics, check_stable
from canary.errors import ClusterError, ForbiddenError, InputError
from canary.manifests.bundle import Bundle
from canary.objects import DEPLOYMENT, NAMESPACE, SERVICE, Kind, Object, labels_of
from canary.observe.deployments import Workload, read_workload
from canary.observe.surroundings import Planned, findings
from canary.ports import SampleSource, World
from canary.variants import derive as variants
from canary.variants.sizes import expected_share, replicas, variant_replicas

MANY = 5
"""Workloads that are looked at where none is named."""


@dataclass(frozen=True)
class Subject:
    """What is to be looked at.

    Attributes:
        server: the API server, for a person.
        routes: how requests go to it, and to Prometheus.
        names: of the workloads; empty means all of the namespace.
        bundle: the manifests of the next release, None where none are given.
        direct: whether counts are read from the pods.
        prometheus: the Prometheus in the cluster that they are read from, None where there is none such.
    """

    server: str
    routes: tuple[Route, ...]
    names: tuple[str, ...] = ()
    bundle: Bundle | None = None
    direct: bool = True
    prometheus: PrometheusService | None = None


def check_connection(world: World, subject: Subject) -> Iterator[Check]:
    """Yield what there is to say of the way to the cluster; nothing else can be looked at where that fails.

    Raises:
        InputError: there is no way to any cluster, such as no kubeconfig.
    """
    yield from check_proxies(subject.routes)
    asked = world.clock.now()
    try:
        server = world.cluster.server()
        answered = world.clock.now()
        yield ok("API server", f"{subject.server} answers: Kubernetes {server.version}")
        yield check_clock(server.time, (asked + answered) / 2)
        yield _check_namespace(world)
    except ClusterError as error:
        yield failed(
            "API server", str(error), "check the network from here to it, and your credentials in the kubeconfig"
        )


def check_releases(world: World, samples: SampleSource, subject: Subject) -> Iterator[Check]:
    """Yield what there is to say of releases: of our rights, then of one workload after the other."""
    cluster = world.cluster
    names = subject.names
    try:
        there = () if names else _workloads(world)
        if len(there) > MANY:
            text = f"{len(there)} Deployments; only the first {MANY} are checked"
            yield warning("workloads", text, "name the one that you want to check")
        names = names or there[:MANY]
        others = subject.bundle.others if subject.bundle else ()
        yield from check_rights(cluster, names, others, subject.prometheus, pods=subject.direct)
        if not names:
            text = f"there is no Deployment in namespace {cluster.namespace} yet"
            yield warning("workloads", text, "to check the manifests of the first release: canary doctor MANIFESTS")
        for name in names:
            try:
                yield from _of_workload(world, samples, subject, read_workload(cluster, name))
            except ForbiddenError as error:
                yield failed("workload", str(error), ROLES, workload=name)
            except InputError as error:
                outcome = failed if subject.names else warning
                yield outcome(
                    "workload", str(error), "fix this first: no release of it is possible before", workload=name
                )
    except ClusterError as error:
        yield failed("API server", str(error), "it answered a moment ago: try again")


def _check_namespace(world: World) -> Check:
    name = world.cluster.namespace
    try:
        there = world.cluster.get(NAMESPACE, name) is not None
    except ForbiddenError:
        return ok("namespace", f"{name}; not allowed to check whether it exists (not required)")
    if there:
        return ok("namespace", name)
    return failed("namespace", f"there is no namespace {name}", "create it, or pass --namespace")


def _workloads(world: World) -> tuple[str, ...]:
    """Return the names of the namespace's stable Deployments."""
    try:
        found = world.cluster.find(DEPLOYMENT)
    except ForbiddenError:  # the rights are looked at next, and name it
        return ()
    labels = {one["metadata"]["name"]: labels_of(one) for one in found}
    return tuple(sorted(name for name, own in labels.items() if world.options.label not in own))


def _of_workload(world: World, samples: SampleSource, subject: Subject, found: Workload) -> Iterator[Check]:
    cluster, options, name = world.cluster, world.options, found.name
    yield check_stable(cluster, found)
    canary = _canary(world, subject, found)
    if found.canary is not None:
        text = f"a release of {name} is in progress ({found.canary['metadata']['name']}); canary status tells more"
        yield ok("release", text, workload=name)
    if found.stable is not None and canary is not None:
        text = expected_share(name, replicas(canary), replicas(found.stable))
        yield ok("share", text if found.canary else f"{text}, at {options.steps[0]} %", workload=name)
    yield from check_images(cluster, found, canary)
    if canary is not None:
        services = tuple(one for one in (subject.bundle.others if subject.bundle else ()) if Kind.of(one) == SERVICE)
        said = findings(cluster, Planned(name, found.stable, canary, options.label, services))
        yield from (warning("surroundings", one.text, one.advice, workload=name) for one in said)
        if not said:
            yield ok("surroundings", f"no conflicts found for a release of {name}", workload=name)
    yield from check_metrics(world, samples, found, direct=subject.direct)


def _canary(world: World, subject: Subject, found: Workload) -> Object | None:
    """Return the canary that there is, or would be: of the manifests, else of what stable is now."""
    if found.canary is not None:
        return found.canary
    incoming = subject.bundle.deployments if subject.bundle else ()
    source = next((one for one in incoming if one["metadata"]["name"] == found.name), found.stable)
    if source is None:
        return None
    count = variant_replicas(replicas(found.stable or source), world.options.steps[0])
    return variants.canary(source, replicas=count, label=world.options.label)
