"""The lock on a release: one Lease for each workload. While one driver works, another one reports who holds the lock.

Leases are advisory: this module makes drivers respect them. A driver writes its name into the Lease, on the condition
that nobody else has written it since (`resourceVersion`), and renews the Lease from a thread of its own. Before each
attempt of a write it checks that the Lease still has its name, and was renewed so recently that nobody can take it over
before the attempt ends.

Times that another machine wrote are never trusted. As in client-go's leader election, a driver takes a lock over only
after it has watched the Lease for its whole duration, by its own clock, without seeing a change.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from canary.errors import CanaryError, ConflictError, InputError, LockedError, LockLostError
from canary.events import Listener, Note
from canary.marks import Variant, variant_name
from canary.objects import DEPLOYMENT, LEASE, Object
from canary.ports import Clock, Cluster
from canary.retry import retry_on_conflict
from canary.state.lease import (
    DURATION,
    duration,
    holder_of,
    how_lost,
    lease_name,
    process_mark,
    renewed,
    taken,
    without_holder,
)
from canary.times import readable

LONGEST_ATTEMPT = 35.0
"""Most seconds that one attempt of a write can take, by the transport's time limits."""

POLL = 1.0
"""Seconds between two attempts to take a lock that another driver holds."""


class Process(Protocol):
    """This process."""

    @property
    def name(self) -> str:
        """Its name, for a person."""

    @property
    def mark(self) -> str:
        """Its unique mark: no other process has it, on any machine, at any time."""

    def is_gone(self, mark: str) -> bool:
        """Return whether the process with this mark has certainly ended."""


@dataclass
class _Watched:
    """A Lease that another driver holds, as this driver has seen it.

    Attributes:
        content: what its holder last wrote.
        since: when this driver first saw that content, by its own clock.
        has_changed: whether the content changed meanwhile, so that its holder is alive.
    """

    content: object = None
    since: float = 0.0
    has_changed: bool = False

    def see(self, lease: Object, now: float) -> None:
        """Record the Lease as it is now."""
        content = (process_mark(lease), lease.get("spec"))
        if content != self.content:
            self.has_changed = self.content is not None
            self.content, self.since = content, now


class LeaseLock:
    """Holds Leases while a driver works on a release; see `ports.Lock`."""

    def __init__(
        self,
        cluster: Cluster,
        process: Process,
        clock: Clock,
        *,
        background: Callable[[], AbstractContextManager[Cluster]],
        alongside: Callable[[Cluster, str], None],
        break_lock: bool = False,
        patience: float = 0.0,
        renew_every: float = DURATION / 4,
    ) -> None:
        """Hold nothing yet.

        Args:
            cluster: the Kubernetes API; its writes must not wait for `check`.
            process: this process.
            clock: time.
            background: opens another connection to the Kubernetes API, for the thread that renews, and for giving the
                locks back after an error without a long wait.
            alongside: called by that thread after each renewal, with that connection and the name of the workload.
            break_lock: take the locks even from a driver that is at work.
            patience: seconds to wait for a driver that holds a lock. Only a wait as long as the Lease's duration shows
                whether that driver is still alive.
            renew_every: seconds between two renewals.
        """
        self._cluster = cluster
        self._process = process
        self._clock = clock
        self._background = background
        self._alongside = alongside
        self._break_lock = break_lock
        self._patience = patience
        self._renew_every = renew_every
        self._held: tuple[str, ...] = ()
        self._renewed: dict[str, float] = {}  # monotonic seconds at which the last renewal that succeeded began

    @property
    def breaks(self) -> bool:
        """Whether the lock is taken even from a driver that is at work."""
        return self._break_lock

    def has_ended(self, process: str) -> bool:
        """Return whether the process with this mark has certainly ended; see `ports.Lock`."""
        return self._process.is_gone(process)

    @contextmanager
    def held(self, names: Sequence[str], listen: Listener) -> Iterator[None]:
        """Hold the locks of these workloads; see `ports.Lock`."""
        wanted = [name for name in sorted(set(names)) if name not in self._held]
        if not wanted:
            yield
            return
        outer, own_names, done, failed = self._held, list[str](), threading.Event(), True
        renewing = threading.Thread(target=self._keep_renewing, args=(own_names, done), name="canary-lock", daemon=True)
        renewing.start()
        try:
            for name in wanted:
                self._take(name, listen)
                self._held += (name,)
                own_names.append(name)
            try:
                yield
                failed = False
            except InputError:
                self.check()  # another driver may have taken the lock and caused this error
                raise
        finally:
            done.set()
            renewing.join(5)  # it may be waiting for an API server that is away; then it writes nothing more
            self._held = outer
            with self._background() if failed and own_names else nullcontext(self._cluster) as cluster:
                for name in own_names:
                    self._give_back(cluster, name, listen)

    def check(self) -> None:
        """Make sure that all locks are still held, and will be until one attempt of a write has ended.

        A lock that could not be renewed while the API server was away is renewed now, unless somebody has taken it.

        Raises:
            LockLostError: another driver has taken a lock, or somebody has deleted it.
            ClusterError: the Lease cannot be read or renewed.
        """
        while True:
            for name in self._held:
                self._check(name)
            if all(map(self._is_safe, self._held)):  # else the API server was away meanwhile
                return

    def _check(self, name: str) -> None:
        def attempt() -> bool | None:
            lease = self._cluster.get(LEASE, lease_name(name))
            if lease is None or not self._is_ours(lease):
                raise LockLostError(f"{how_lost(name, lease)}: this driver stops here and leaves the release as it is")
            return self._is_safe(name) or self._renewed_now(self._cluster, name, lease) or None

        retry_on_conflict(attempt, f"renew Lease {lease_name(name)}")

    def _is_safe(self, name: str) -> bool:
        """Return whether nobody can take over our lock before an attempt that begins now has ended."""
        return self._clock.monotonic() - self._renewed[name] + LONGEST_ATTEMPT < DURATION

    def _take(self, name: str, listen: Listener) -> None:
        """Take a lock, and wait for it if necessary. Time during which the API server is away does not count.

        Raises:
            LockedError: another driver still holds it.
        """
        watched, began, is_announced = _Watched(), self._watching_time(), False
        while True:
            try:
                self._try_to_take(name, watched, listen)
            except LockedError as error:
                if self._watching_time() - began >= self._patience:
                    raise
                if not is_announced:
                    listen(Note(f"waiting up to {self._patience:g} s for the lock on {name}: {error.holder}"))
                    is_announced = True
                self._clock.sleep(POLL)
            else:
                return

    def _watching_time(self) -> float:
        """Return seconds that pass only while the API server answers."""
        return self._clock.monotonic() - self._cluster.away

    def _try_to_take(self, name: str, watched: _Watched, listen: Listener) -> None:
        note: Note | None = None

        def attempt() -> float | None:
            nonlocal note
            began = self._clock.monotonic()
            lease = self._cluster.get(LEASE, lease_name(name))
            if lease is None:
                return began if self._create(name) else None
            watched.see(lease, self._watching_time())
            note = self._may_be_taken(name, lease, watched) or note
            return None if self._cluster.update(self._taken(lease)) is None else began

        try:
            self._renewed[name] = retry_on_conflict(attempt, f"take Lease {lease_name(name)}")
        except ConflictError as error:
            raise LockedError(f"several drivers are trying to work on {name} at the same time: try again") from error
        if note:
            listen(note)

    def _create(self, name: str) -> bool:
        """Create a Lease that is ours; return False where another driver was faster."""
        made = {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": {"name": lease_name(name)}}
        try:
            return self._is_ours(self._cluster.create(self._taken(made)))
        except InputError:
            if self._cluster.get(LEASE, lease_name(name)) is None:
                raise
            return False

    def _taken(self, lease: Object) -> Object:
        return taken(lease, self._process.name, self._process.mark, self._clock.now())

    def _may_be_taken(self, name: str, lease: Object, watched: _Watched) -> Note | None:
        """Return what to report when a lock is taken from another driver, None where nobody held it.

        Raises:
            LockedError: another driver holds it.
        """
        holder = holder_of(lease)
        if holder is None or self._is_ours(lease):
            return None
        if self._process.is_gone(process_mark(lease)):
            return Note(f"taking over the lock on {name} from {holder.name}, which is no longer running")
        unchanged = self._watching_time() - watched.since
        if unchanged >= duration(lease):
            return Note(
                f"taking over the lock on {name} from {holder.name}, which did not renew it for {unchanged:.0f} s"
            )
        if self._break_lock:
            return Note(
                f"breaking the lock on {name}, which {holder.name} has held since {readable(holder.since)}",
                warning=True,
            )
        held = f"{holder.name} has held the lock on {name} since {readable(holder.since)}"
        held += f" and last renewed it at {readable(holder.renewed)}"
        advice = (
            "It renewed the lock just now, so it is at work: wait until it is done"
            if watched.has_changed
            else f"It may be gone: to find out, wait {duration(lease):.0f} s (--lock-timeout)"
        )
        raise LockedError(f"{held}. {advice}, or pass --break-lock to stop it and take the release over", held)

    def _keep_renewing(self, names: Sequence[str], done: threading.Event) -> None:
        """Renew the locks until the work is done. Runs in a thread of its own."""
        with self._background() as cluster:
            while not done.wait(self._renew_every):
                for name in names:
                    try:
                        self._renew(cluster, name)
                    except CanaryError:
                        continue  # try again; `check` notices before the next write if somebody takes the lock

    def _renew(self, cluster: Cluster, name: str) -> None:
        lease = cluster.get(LEASE, lease_name(name))
        if lease is None or not self._is_ours(lease):
            return
        if self._renewed_now(cluster, name, lease):
            self._alongside(cluster, name)

    def _renewed_now(self, cluster: Cluster, name: str, lease: Object) -> bool:
        """Renew our lock; return False where somebody else has written it meanwhile."""
        began = self._clock.monotonic()
        if cluster.update(renewed(lease, self._clock.now())) is None:
            return False
        self._renewed[name] = began
        return True

    def _give_back(self, cluster: Cluster, name: str, listen: Listener) -> None:
        """Let other drivers work. Where the release has ended, delete the Lease."""
        try:
            retry_on_conflict(lambda: self._given_back(cluster, name), f"give back Lease {lease_name(name)}")
        except CanaryError as error:
            text = f"the lock on {name} could not be given back ({error}): it expires within {DURATION:.0f} s"
            listen(Note(text, warning=True))

    def _given_back(self, cluster: Cluster, name: str) -> bool | None:
        """Return True once the lock is no longer ours, None where others wrote the Lease meanwhile."""
        lease = cluster.get(LEASE, lease_name(name))
        if lease is None or not self._is_ours(lease):
            return True
        if variants := _variants(cluster, name):
            return None if cluster.update(without_holder(lease, variants)) is None else True
        return cluster.delete(LEASE, lease_name(name), version=lease["metadata"]["resourceVersion"]) or None

    def _is_ours(self, lease: Object | None) -> bool:
        return lease is not None and holder_of(lease) is not None and process_mark(lease) == self._process.mark


def _variants(cluster: Cluster, name: str) -> list[Object]:
    names = (variant_name(name, variant) for variant in (Variant.CANARY, Variant.BASELINE))
    return [deployment for own in names if (deployment := cluster.get(DEPLOYMENT, own)) is not None]
