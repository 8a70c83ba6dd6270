"""The lock on a release, a Lease for each workload: of two drivers one works, and the other says who does.

Leases of Kubernetes are advisory: this is what makes drivers heed them. Whoever wants to work writes its name into the
Lease, on the condition that nobody else has meanwhile (`resourceVersion`), and renews that again and again from a
thread of its own. Before each attempt of a write it checks that its name still stands there, and that it was renewed so
lately that nobody can take it over before the attempt has ended.

No time that another machine has written is trusted. As in client-go's leader election, a lock is taken over once *we*
have watched it for its whole duration, by our own clock, without seeing it change.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from canary.errors import CanaryError, ClusterError, InputError, LockedError, LockLostError
from canary.events import Listener, Note
from canary.marks import Variant, variant_name
from canary.objects import DEPLOYMENT, LEASE, Object
from canary.ports import Clock, Cluster
from canary.state.lease import (
    DURATION,
    duration,
    holder_of,
    how_lost,
    lease_name,
    process_mark,
    renewed,
    taken,
    time,
    without_holder,
)

LONGEST_ATTEMPT = 35.0
"""Seconds that one attempt of a write takes at most, by the transport's time limits."""

POLL = 1.0
"""Seconds between two looks at a lock that is waited for."""

ATTEMPTS = 5
"""How often a lock is tried to be taken, or given back, while others write it at the same time."""


class Process(Protocol):
    """The process that we are."""

    @property
    def name(self) -> str:
        """What a person recognises it by."""

    @property
    def mark(self) -> str:
        """What tells it from any other, of any machine and any time."""

    def is_gone(self, mark: str) -> bool:
        """Return whether it is certain that the process of this mark runs no more."""


@dataclass
class _Watched:
    """A Lease that somebody else holds, as we have seen it.

    Attributes:
        record: what its holder writes.
        since: when we first saw it so, by our own clock.
        has_changed: whether it changed while we watched: then its holder is alive.
    """

    record: object = None
    since: float = 0.0
    has_changed: bool = False

    def see(self, lease: Object, now: float) -> None:
        """Note what there is now."""
        record = (process_mark(lease), lease.get("spec"))
        if record != self.record:
            self.has_changed = self.record is not None
            self.record, self.since = record, now


class LeaseLock:
    """Holds Leases while a release is worked on; see `collaborators.Lock`."""

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
            process: who we are.
            clock: time.
            background: opens the Kubernetes API once more: for the thread that renews, and to give back what is held
                when the work has failed, without waiting for long.
            alongside: is called from that thread, with that cluster and the name of each workload, after each renewal.
            break_lock: take the locks even from those who work.
            patience: seconds to wait for those who work, or may. Only who waits as long as a lock holds can tell.
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

    @contextmanager
    def held(self, names: Sequence[str], listen: Listener) -> Iterator[None]:
        """Hold the locks of these workloads; see `collaborators.Lock`."""
        wanted = [name for name in sorted(set(names)) if name not in self._held]
        if not wanted:
            yield
            return
        before, mine, done, failed = self._held, list[str](), threading.Event(), True
        renewing = threading.Thread(target=self._keep, args=(mine, done), name="canary-lock", daemon=True)
        renewing.start()
        try:
            for name in wanted:
                self._take(name, listen)
                self._held += (name,)
                mine.append(name)
            try:
                yield
                failed = False
            except InputError:
                self.check()  # what this driver stumbles over may be what another one has done that took the lock
                raise
        finally:
            done.set()
            renewing.join(5)  # it may be waiting for an API server that is away; it writes nothing more then
            self._held = before
            with self._background() if failed and mine else nullcontext(self._cluster) as cluster:
                for name in mine:
                    self._give_back(cluster, name, listen)

    def check(self) -> None:
        """Make sure that everything is still held that was taken, and will be until one attempt of a write has ended.

        Who could not renew a lock for a while, as the API server was away, renews it now if nobody has taken it.

        Raises:
            LockLostError: another driver has taken a lock, or somebody has deleted it.
            ClusterError: the API server does not tell, or does not let us renew it.
        """
        while True:
            for name in self._held:
                self._check(name)
            if all(map(self._is_safe, self._held)):  # else the API server was away in between
                return

    def _check(self, name: str) -> None:
        for _ in range(ATTEMPTS):
            lease = self._cluster.get(LEASE, lease_name(name))
            if lease is None or not self._is_ours(lease):
                raise LockLostError(f"{how_lost(name, lease)}: this driver stops here and leaves the release as it is")
            if self._is_safe(name) or self._renewed_now(self._cluster, name, lease):
                return
        raise ClusterError(f"Lease {lease_name(name)} cannot be renewed: others write it at the same time")

    def _is_safe(self, name: str) -> bool:
        """Return whether nobody can take a lock of ours over before an attempt that begins now has ended."""
        return self._clock.monotonic() - self._renewed[name] + LONGEST_ATTEMPT < DURATION

    def _take(self, name: str, listen: Listener) -> None:
        """Take a lock, waiting for it as long as patience lasts. An API server that is away stops the time.

        Raises:
            LockedError: another driver still works, or may.
        """
        watched, began, is_told = _Watched(), self._watching_time(), False
        while True:
            try:
                self._try_to_take(name, watched, listen)
            except LockedError as error:
                if self._watching_time() - began >= self._patience:
                    raise
                if not is_told:
                    listen(Note(f"waiting up to {self._patience:g} s for the lock on {name}: {error.holder}"))
                    is_told = True
                self._clock.sleep(POLL)
            else:
                return

    def _watching_time(self) -> float:
        """Return seconds that pass only while we can see what others write."""
        return self._clock.monotonic() - self._cluster.away

    def _try_to_take(self, name: str, watched: _Watched, listen: Listener) -> None:
        note: Note | None = None
        for _ in range(ATTEMPTS):
            began = self._clock.monotonic()
            lease = self._cluster.get(LEASE, lease_name(name))
            if lease is None:
                if self._create(name):
                    self._renewed[name] = began
                    return
                continue
            watched.see(lease, self._watching_time())
            note = self._may_be_taken(name, lease, watched) or note
            if self._cluster.update(self._taken(lease)) is not None:
                self._renewed[name] = began
                if note:
                    listen(note)
                return
        raise LockedError(f"several drivers want to work on {name} at this moment: try again")

    def _create(self, name: str) -> bool:
        """Make a Lease that is ours, and return whether nobody was quicker."""
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
        """Return what is to be said when a lock is taken, None where nobody had it."""
        there = holder_of(lease)
        if there is None or self._is_ours(lease):
            return None
        if self._process.is_gone(process_mark(lease)):
            return Note(f"the lock on {name} is taken over from {there.name}, which is no longer running")
        unchanged = self._watching_time() - watched.since
        if unchanged >= duration(lease):
            return Note(
                f"the lock on {name} is taken over from {there.name}, which did not renew it for {unchanged:.0f} s"
            )
        if self._break_lock:
            return Note(f"the lock on {name} is broken: {there.name} held it since {time(there.since)}", warning=True)
        held = (
            f"{there.name} has held the lock on {name} since {time(there.since)}, last renewed at {time(there.renewed)}"
        )
        told = (
            "It has renewed the lock meanwhile, so it is at work: wait until it is done, or pass"
            if watched.has_changed
            else f"It may be gone, which {duration(lease):.0f} s of waiting would show: raise --lock-timeout, or pass"
        )
        raise LockedError(f"{held}. {told} --break-lock to take the release over, which stops it", held)

    def _keep(self, names: Sequence[str], done: threading.Event) -> None:
        """Renew until all is done: what a thread of its own does while this driver works or waits for an answer."""
        with self._background() as cluster:
            while not done.wait(self._renew_every):
                for name in names:
                    try:
                        self._renew(cluster, name)
                    except CanaryError:
                        # Tried again; if meanwhile somebody else takes the lock, `check` says so before the next write.
                        continue

    def _renew(self, cluster: Cluster, name: str) -> None:
        lease = cluster.get(LEASE, lease_name(name))
        if lease is None or not self._is_ours(lease):
            return
        if self._renewed_now(cluster, name, lease):
            self._alongside(cluster, name)

    def _renewed_now(self, cluster: Cluster, name: str, lease: Object) -> bool:
        """Renew a lock of ours, and return whether nobody else has written it meanwhile."""
        began = self._clock.monotonic()
        if cluster.update(renewed(lease, self._clock.now())) is None:
            return False
        self._renewed[name] = began
        return True

    def _give_back(self, cluster: Cluster, name: str, listen: Listener) -> None:
        """Let others work; where the release has ended, leave nothing."""
        try:
            for _ in range(ATTEMPTS):
                lease = cluster.get(LEASE, lease_name(name))
                if lease is None or not self._is_ours(lease):
                    return
                variants = _variants(cluster, name)
                if not variants:
                    if cluster.delete(LEASE, lease_name(name), version=lease["metadata"]["resourceVersion"]):
                        return
                elif cluster.update(without_holder(lease, variants)) is not None:
                    return
        except CanaryError as error:
            why = f"the lock on {name} could not be given back ({error}): it ends by itself within {DURATION:.0f} s"
            listen(Note(why, warning=True))

    def _is_ours(self, lease: Object | None) -> bool:
        return lease is not None and holder_of(lease) is not None and process_mark(lease) == self._process.mark


def _variants(cluster: Cluster, name: str) -> list[Object]:
    names = (variant_name(name, variant) for variant in (Variant.CANARY, Variant.BASELINE))
    return [found for one in names if (found := cluster.get(DEPLOYMENT, one)) is not None]
