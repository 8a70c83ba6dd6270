"""What an HTTPRoute was before a release divided its requests, for whoever ends the release.

The Service of stable, `NAME-stable`, has it as an annotation. It is the first object that such a release creates, and
the last one that it deletes: a driver that is killed in between leaves what the next one needs.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from canary.errors import ForbiddenError, InputError
from canary.marks import ROUTE, ROUTE_BEFORE, Variant, service_name, version_labels
from canary.objects import SERVICE, Object, annotations_of
from canary.observe.deployments import Workload
from canary.ports import Cluster
from canary.variants.route import Header


@dataclass(frozen=True)
class RouteRecord:
    """A route that a release divides, or has begun to.

    Attributes:
        workload: name of the stable Deployment.
        route: name of the HTTPRoute.
        service: name of the Service that the route had as a backend.
        before: the route's spec before the release.
        selector: labels of stable's pods, as the Service `NAME-stable` selects them.
        header: by which testers reach the canary, None if there is none.
    """

    workload: str
    route: str
    service: str
    before: Object
    selector: Mapping[str, str]
    header: Header | None = None

    @property
    def annotations(self) -> dict[str, str]:
        """Return the annotations of the Service `NAME-stable`."""
        match = str(self.header) if self.header else ""
        kept = {"service": self.service, "match": match, "spec": self.before}
        return {ROUTE: self.route, ROUTE_BEFORE: json.dumps(kept)}


def read_route_record(cluster: Cluster, workload: Workload) -> RouteRecord | None:
    """Return the record of a workload's route, None if its release divides none.

    No request is sent for a workload whose canary says that its release is one by numbers of pods.

    Raises:
        ForbiddenError: the release divides a route, and Services may not be listed.
        InputError: the record cannot be read.
    """
    is_by_route = workload.canary is not None and ROUTE in annotations_of(workload.canary)
    if workload.canary is not None and not is_by_route:
        return None
    try:
        services = cluster.find(SERVICE)
    except ForbiddenError:
        if is_by_route:
            raise
        return None
    name = service_name(workload.name, Variant.STABLE)
    found = next((one for one in services if one["metadata"]["name"] == name), None)
    return None if found is None else _parsed(cluster, workload.name, found)


def workloads_of_routes(cluster: Cluster, label: str) -> tuple[str, ...]:
    """Return the names of the workloads of which there is a record, none where Services may not be listed."""
    suffix = f"-{Variant.STABLE}"
    try:
        found = [one for key in version_labels(label) for one in cluster.find(SERVICE, labels={key: Variant.STABLE})]
    except ForbiddenError:
        return ()
    names = [one["metadata"]["name"] for one in found if ROUTE_BEFORE in annotations_of(one)]
    return tuple(name.removesuffix(suffix) for name in names)


def _parsed(cluster: Cluster, workload: str, service: Object) -> RouteRecord | None:
    annotations = annotations_of(service)
    if ROUTE not in annotations:
        return None
    try:
        read = json.loads(annotations[ROUTE_BEFORE])
        header = Header.parse(read["match"]) if read["match"] else None
        selector = service["spec"].get("selector") or {}
        return RouteRecord(workload, annotations[ROUTE], read["service"], read["spec"], selector, header)
    except (KeyError, TypeError, ValueError) as error:
        name = service["metadata"]["name"]
        raise InputError(
            f"what HTTPRoute {annotations[ROUTE]} was before the release of {workload}, on Service {name}, cannot be "
            f"read ({error}). Let the route lead to the Service of {workload} again, then delete what is left: "
            f"kubectl delete service {name} -n {cluster.namespace}"
        ) from error
