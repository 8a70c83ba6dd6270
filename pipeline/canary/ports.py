"""What a release needs of the world, as Protocols: the real ones are built in `cli.py`, tests pass in others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from canary.events import Decided, Listener
from canary.objects import Kind, Object
from canary.settings.options import Options
from canary.verdict.exposed_metrics import ExposedMetrics
from canary.verdict.rule import Verdict
from canary.verdict.scrapes import Pod, Scrape


class Server(NamedTuple):
    """What an API server says of itself.

    Attributes:
        version: of Kubernetes, such as `v1.35.4`.
        time: Unix seconds, to the second; None where it does not say.
    """

    version: str
    time: float | None


class Cluster(Protocol):
    """The Kubernetes API, seen from one namespace.

    Objects go in and come out as plain dicts. Every method raises ClusterError when the API server cannot be reached,
    does not know the caller or forbids the request, and InputError when it finds the object itself wrong.
    """

    @property
    def namespace(self) -> str:
        """The namespace of the release."""

    @property
    def away(self) -> float:
        """Seconds for which the API server has not answered so far, all in all."""

    def server(self) -> Server:
        """Return what the API server says of itself."""

    def may(self, verb: str, group: str, resource: str, name: str = "", *, namespace: str | None = None) -> bool:
        """Return whether we have a right.

        Args:
            verb: as RBAC has it.
            group: API group, empty for the core's.
            resource: plural, with its subresource: `deployments/scale`.
            name: of the object, empty for any.
            namespace: where it lives, the release's by default; empty for what lives in none.
        """

    def serves(self, kind: Kind) -> bool:
        """Return whether the API server knows the kind."""

    def plural(self, kind: Kind) -> str:
        """Return what rights call a kind: `deployments`."""

    def get(self, kind: Kind, name: str) -> Object | None:
        """Return an object, None if there is none."""

    def find(self, kind: Kind, *, labels: Mapping[str, str] | None = None) -> list[Object]:
        """Return the namespace's objects that carry all of the labels."""

    def create(self, obj: Object, *, dry_run: bool = False) -> Object:
        """Create an object by POST; one that exists already is an InputError."""

    def replace(self, obj: Object, *, dry_run: bool = False) -> Object:
        """Put an object back as given, whatever it is by now."""

    def update(self, obj: Object) -> Object | None:
        """Write an object that was read, unless it has been written or deleted since: then return None."""

    def apply(self, obj: Object, *, dry_run: bool = False) -> Object:
        """Apply an object server-side, as field manager `canary`, by force."""

    def apply_over(self, live: Object, obj: Object) -> Object | None:
        """Apply an object as `apply` does, unless `live` has been written or deleted since it was read: return None."""

    def annotate(self, kind: Kind, name: str, annotations: Mapping[str, str | None]) -> Object:
        """Set annotations of an object; None removes one."""

    def take_over(self, kind: Kind, name: str) -> bool:
        """Make `canary` the owner of the fields that kubectl, Helm or the task own; return whether anything changed."""

    def scale(self, name: str, replicas: int) -> None:
        """Set a Deployment's replicas through its scale subresource."""

    def delete(self, kind: Kind, name: str, *, uid: str | None = None, version: str | None = None) -> bool:
        """Delete an object and, in the background, what it owns; return whether it was there.

        With a uid or a resource version given, one that has another one is not there.
        """

    def log(self, pod: str, container: str, *, tail: int, previous: bool = False) -> str:
        """Return a container's last log lines, empty if there are none to be had."""

    def events(self, obj: Object) -> list[Object]:
        """Return the Events about an object, oldest first."""


class Lock(Protocol):
    """Keeps other drivers away from a release."""

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

    def decide(self, verdict: Verdict) -> Decided | None:
        """Return what is to be done, None to keep watching.

        A verdict without comparisons has nothing to compare (a first release).
        """


@dataclass(frozen=True)
class World:
    """What every step of a release works with.

    Attributes:
        cluster: the Kubernetes API.
        clock: time.
        listen: is told of every event.
        options: how the release is made.
    """

    cluster: Cluster
    clock: Clock
    listen: Listener
    options: Options

    def patient_now(self) -> float:
        """Return seconds that pass only while the API server answers: what time limits are measured by."""
        return self.clock.now() - self.cluster.away
