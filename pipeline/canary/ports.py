"""What a release needs from outside, as Protocols. `cli` builds the real ones; tests pass in others."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from canary.events import Answer, Listener
from canary.objects import Kind, Object
from canary.settings.options import Options
from canary.verdict.comparison import Verdict
from canary.verdict.exposed_metrics import ExposedMetrics
from canary.verdict.scrapes import Pod, Scrape


class Server(NamedTuple):
    """What an API server says about itself.

    Attributes:
        version: version of Kubernetes, such as `v1.35.4`.
        time: its clock in Unix seconds, to the second; None if it does not say.
    """

    version: str
    time: float | None


class Cluster(Protocol):
    """The Kubernetes API, seen from one namespace.

    Objects go in and come out as plain dicts. Every method raises ClusterError if the API server is unreachable, does
    not accept the credentials or forbids the request, and InputError if it rejects the object itself.
    """

    @property
    def namespace(self) -> str:
        """The namespace of the release."""

    @property
    def away(self) -> float:
        """Seconds for which the API server has not answered, in all outages together."""

    def server(self) -> Server:
        """Return the API server's version and time."""

    def may(self, verb: str, group: str, resource: str, name: str = "", *, namespace: str | None = None) -> bool:
        """Return whether the account has a permission.

        Args:
            verb: verb of RBAC.
            group: API group, empty for the core group.
            resource: plural name, with a subresource if any: `deployments/scale`.
            name: name of the object, empty for all.
            namespace: namespace of the object, by default the release's; empty if the kind is cluster-scoped.
        """

    def serves(self, kind: Kind) -> bool:
        """Return whether the API server has the kind."""

    def plural(self, kind: Kind) -> str:
        """Return the plural name of a kind, as RBAC has it: `deployments`."""

    def get(self, kind: Kind, name: str) -> Object | None:
        """Return an object, None if it does not exist."""

    def find(self, kind: Kind, *, labels: Mapping[str, str] | None = None) -> list[Object]:
        """Return the objects in the namespace that have all of the labels."""

    def create(self, obj: Object, *, dry_run: bool = False) -> Object:
        """Create an object by POST. InputError if it exists."""

    def replace(self, obj: Object, *, dry_run: bool = False) -> Object:
        """Write an object as given, whether it has changed or been deleted since it was read."""

    def update(self, obj: Object) -> Object | None:
        """Write an object that was read. Return None if it has been written or deleted since."""

    def apply(self, obj: Object, *, dry_run: bool = False) -> Object:
        """Apply an object server-side as field manager `canary`, with force."""

    def apply_over(self, live: Object, obj: Object) -> Object | None:
        """Apply an object over `live`. Return None if `live` has been written or deleted since it was read."""

    def annotate(
        self, kind: Kind, name: str, annotations: Mapping[str, str | None], *, version: str | None = None
    ) -> Object | None:
        """Set annotations of an object. None removes one.

        With a resource version, return None if the object has been written since it had that version.
        """

    def take_over(self, kind: Kind, name: str) -> bool:
        """Make `canary` the owner of fields that kubectl, Helm or the task own. Return whether anything changed."""

    def scale(self, name: str, replicas: int) -> None:
        """Set a Deployment's replicas through its scale subresource."""

    def delete(self, kind: Kind, name: str, *, uid: str | None = None, version: str | None = None) -> bool:
        """Delete an object and, in the background, what it owns. Return whether it existed.

        With a uid or a resource version, an object that has another one counts as not existing.
        """

    def log(self, pod: str, container: str, *, tail: int, previous: bool = False) -> str:
        """Return a container's last log lines, empty if there are none."""

    def events(self, obj: Object) -> list[Object]:
        """Return the Events about an object, oldest first."""


class Lock(Protocol):
    """Keeps other drivers away from a release."""

    @property
    def breaks(self) -> bool:
        """Whether it is taken even from a driver that is at work."""

    def has_ended(self, process: str) -> bool:
        """Return whether the process with this mark, which holds a lock, has certainly ended."""

    def held(self, names: Sequence[str], listen: Listener) -> AbstractContextManager[None]:
        """Return what holds the workloads of these names while it is entered; what is held already stays so.

        Raises:
            LockedError: another driver works on one of them.
            ClusterError: the account may not hold any, or the cluster cannot be reached.
        """


class SampleSource(Protocol):
    """Where the counts come from."""

    def read(self, pods: Sequence[Pod], since: float) -> list[Scrape]:
        """Return what the pods counted: scrapes taken at or after `since` (Unix seconds)."""

    def exposed(self, pods: Sequence[Pod]) -> ExposedMetrics:
        """Return what the pods expose now, those left out that do not answer.

        Raises:
            ClusterError: it may not be read, or who keeps it does not answer.
        """


class Clock(Protocol):
    """Time."""

    def now(self) -> float:
        """Return Unix seconds."""

    def monotonic(self) -> float:
        """Return seconds that only rise, whatever is done to the machine's date."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class Gate(Protocol):
    """Who turns a verdict into an action."""

    def decide(self, verdict: Verdict, elsewhere: Callable[[], Answer | None]) -> Answer:
        """Return what is to be done.

        Args:
            verdict: what the evidence says. Without comparisons there is nothing to compare (a first release).
            elsewhere: returns what somebody has decided elsewhere meanwhile, None if nothing. A gate that waits calls
                it every second. From the first call on, others can decide.
        """


@dataclass(frozen=True)
class World:
    """What every step of a release works with.

    Attributes:
        cluster: the Kubernetes API.
        clock: time.
        listen: is told of every event.
        options: how the release is made.
        samples: where the counts come from, None where nothing is counted.
    """

    cluster: Cluster
    clock: Clock
    listen: Listener
    options: Options
    samples: SampleSource | None = None

    def patient_now(self) -> float:
        """Return seconds that pass only while the API server answers: what time limits are measured by."""
        return self.clock.now() - self.cluster.away
