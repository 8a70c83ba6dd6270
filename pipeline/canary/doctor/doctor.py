"""Checks a cluster as a release would: what is fine, what the user should know, and what makes a release impossible.

People run this first on their cluster, and send its output when they ask for help. So it continues after an error as
far as it can, changes nothing, and shows no secret.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from canary.doctor.check import Check, failed, ok, warning
from canary.doctor.connection import ROLES, PrometheusService, Route, check_clock, check_proxies, check_rights
from canary.doctor.route import check_route
from canary.doctor.template import check_template
from canary.doctor.workload import check_images, check_metrics, check_stable
from canary.errors import ClusterError, ForbiddenError, InputError
from canary.manifests.bundle import Bundle
from canary.marks import version_labels
from canary.objects import DEPLOYMENT, NAMESPACE, SERVICE, Kind, Object, labels_of
from canary.observe.deployments import Workload, read_workload
from canary.observe.surroundings import Planned, findings
from canary.ports import SampleSource, World
from canary.variants import derive as variants
from canary.variants.sizes import expected_share, replicas, variant_replicas

MANY = 5
"""Most workloads that are checked where none is named."""


@dataclass(frozen=True)
class Subject:
    """What to check.

    Attributes:
        server: the API server, for a person.
        routes: how requests reach it, and Prometheus.
        names: of the workloads; empty means all of the namespace.
        bundle: the manifests of the next release, None where none are given.
        direct: whether metrics are read from the pods.
        prometheus: the Prometheus in the cluster that they are read from, None where there is none.
    """

    server: str
    routes: tuple[Route, ...]
    names: tuple[str, ...] = ()
    bundle: Bundle | None = None
    direct: bool = True
    prometheus: PrometheusService | None = None


def check_connection(world: World, subject: Subject) -> Iterator[Check]:
    """Check the connection to the cluster; where that fails, nothing else can be checked.

    Raises:
        InputError: there is no cluster to connect to, such as without a kubeconfig.
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
    """Check the permissions of this account, then one workload after the other."""
    cluster = world.cluster
    names = subject.names
    try:
        deployments = () if names else _workloads(world)
        if len(deployments) > MANY:
            text = f"{len(deployments)} Deployments; only the first {MANY} are checked"
            yield warning("workloads", text, "name the one that you want to check")
        names = names or deployments[:MANY]
        others = subject.bundle.others if subject.bundle else ()
        yield from check_rights(
            cluster, names, others, subject.prometheus, pods=subject.direct, route=world.options.route
        )
        yield _check_tolerance(world)
        if not names:
            text = f"there are no Deployments in namespace {cluster.namespace} yet"
            yield warning("workloads", text, "to check the manifests of the first release: canary doctor MANIFESTS")
        for name in names:
            try:
                yield from _of_workload(world, samples, subject, read_workload(cluster, name))
            except ForbiddenError as error:
                yield failed("workload", str(error), ROLES, workload=name)
            except InputError as error:
                check = failed if subject.names else warning
                yield check("workload", str(error), "fix this first: until then it cannot be released", workload=name)
    except ClusterError as error:
        yield failed("API server", str(error), "it answered a moment ago: try again")


def _check_namespace(world: World) -> Check:
    name = world.cluster.namespace
    try:
        exists = world.cluster.get(NAMESPACE, name) is not None
    except ForbiddenError:
        return ok("namespace", f"{name}; not allowed to check whether it exists (not required)")
    if exists:
        return ok("namespace", name)
    return failed("namespace", f"there is no namespace {name}", "create it, or pass --namespace")


def _check_tolerance(world: World) -> Check:
    without = [metric.name for metric in world.options.measures.metrics if metric.tolerance is None]
    if not without:
        return ok("tolerance", "every metric has one, so the verdict can decide")
    return warning(
        "tolerance",
        f"none for {', '.join(without)}: how much worse than the baseline a canary may be, and still be promoted",
        "set tolerance in canary.yml, or pass --tolerance: without it, canary release --gate auto refuses",
    )


def _workloads(world: World) -> tuple[str, ...]:
    """Return the names of the namespace's stable Deployments."""
    try:
        found = world.cluster.find(DEPLOYMENT)
    except ForbiddenError:  # the check of the permissions comes next, and names it
        return ()
    labels = {one["metadata"]["name"]: labels_of(one) for one in found}
    keys = version_labels(world.options.label)
    return tuple(sorted(name for name, own in labels.items() if not own.keys() & keys))


def _of_workload(world: World, samples: SampleSource, subject: Subject, workload: Workload) -> Iterator[Check]:
    cluster, options, name = world.cluster, world.options, workload.name
    yield check_stable(cluster, workload)
    canary = _canary(world, subject, workload)
    if workload.canary is not None:
        text = f"a release of {name} is in progress ({workload.canary['metadata']['name']}); canary status shows more"
        yield ok("release", text, workload=name)
    if options.route:
        yield from check_route(world, workload)
    elif workload.stable is not None and canary is not None:
        text = expected_share(name, replicas(canary), replicas(workload.stable))
        yield ok("share", text if workload.canary else f"{text}, at {options.steps[0]} %", workload=name)
    incoming = {one["metadata"]["name"] for one in subject.bundle.deployments} if subject.bundle else set()
    yield from check_images(cluster, workload, canary, is_incoming=name in incoming)
    if canary is not None:
        services = tuple(one for one in (subject.bundle.others if subject.bundle else ()) if Kind.of(one) == SERVICE)
        said = findings(cluster, Planned(name, workload.stable, canary, options.label, services))
        yield from (warning("surroundings", one.text, one.advice, workload=name) for one in said)
        if not said:
            yield ok("surroundings", f"no conflicts found for a release of {name}", workload=name)
        yield from check_template(name, canary)
    yield from check_metrics(world, samples, workload, direct=subject.direct)


def _canary(world: World, subject: Subject, workload: Workload) -> Object | None:
    """Return the canary that exists, or would be created: from the manifests, else from stable as it is now."""
    if workload.canary is not None:
        return workload.canary
    incoming = subject.bundle.deployments if subject.bundle else ()
    source = next((one for one in incoming if one["metadata"]["name"] == workload.name), workload.stable)
    if source is None:
        return None
    count = world.options.replicas or variant_replicas(replicas(workload.stable or source), world.options.steps[0])
    return variants.canary(source, replicas=count, label=world.options.label)
