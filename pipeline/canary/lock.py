"""The lock on a release, a Lease for each workload: of two drivers one works, and the other says who does.

Leases of Kubernetes are advisory: this is what makes drivers heed them. Whoever wants to work writes its name into the
Lease, on the condition that nobody else has meanwhile (`resourceVersion`), and does so again and again from a thread of
its own. Before each write it looks whether it still stands there.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from canary.collaborators import DEPLOYMENT, LEASE
from canary.errors import CanaryError, InputError, LockedError, LockLostError
from canary.events import Note, Variant
from canary.variants import OWN_PREFIX, variant_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from canary.collaborators import Clock, Cluster, Object
    from canary.events import Listener

DURATION = 60.0
"""Seconds for which a lock holds without being renewed."""

POLL = 1.0
"""Seconds between two looks at a lock that is waited for."""

ATTEMPTS = 5
"""How often a lock is tried to be taken, or given back, while others write it at the same time."""

PROCESS = f"{OWN_PREFIX}process"
"""Annotation of a Lease: the holder's process, for a program to recognise."""


@dataclass(frozen=True)
class Holder:
    """Who works on a release.

    Attributes:
        name: such as `ada@laptop, process 4711`.
        since: Unix seconds when it began.
        renewed: Unix seconds when it last said that it still does.
    """

    name: str
    since: float
    renewed: float


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
            background: opens the Kubernetes API once more, for the thread that renews.
            alongside: is called from that thread, with that cluster and the name of each workload, after each renewal.
            break_lock: take the locks even from those who work.
            patience: seconds to wait for those who work.
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

    @contextmanager
    def held(self, names: Sequence[str], listen: Listener) -> Iterator[None]:
        """Hold the locks of these workloads; see `collaborators.Lock`."""
        wanted = [name for name in sorted(set(names)) if name not in self._held]
        if not wanted:
            yield
            return
        before, done = self._held, threading.Event()
        try:
            for name in wanted:
                self._take(name, listen)
                self._held += (name,)
            renewing = threading.Thread(target=self._keep, args=(wanted, done), name="canary-lock", daemon=True)
            renewing.start()
            try:
                yield
            except InputError:
                self.check()  # what this driver stumbles over may be what another one has done that took the lock
                raise
            finally:
                done.set()
                renewing.join(5)  # it may be waiting for an API server that is away; it writes nothing more then
        finally:
            taken, self._held = [name for name in self._held if name in wanted], before
            for name in taken:
                self._give_back(name, listen)

    def check(self) -> None:
        """Do nothing if everything is still held that was taken.

        Raises:
            LockLostError: another driver has taken a lock, or somebody has deleted it.
        """
        for name in self._held:
            lease = self._cluster.get(LEASE, lease_name(name))
            if not self._is_ours(lease):
                raise LockLostError(f"{_lost(name, lease)}: this driver stops here and leaves the release as it is")

    def _take(self, name: str, listen: Listener) -> None:
        """Take a lock, waiting for it as long as patience lasts.

        Raises:
            LockedError: another driver still works.
        """
        began, is_told = self._clock.now(), False
        while True:
            try:
                self._try_to_take(name, listen)
            except LockedError as error:
                if self._clock.now() - began >= self._patience:
                    raise
                if not is_told:
                    listen(Note(f"waiting up to {self._patience:g} s for the lock on {name}: {error}"))
                    is_told = True
                self._clock.sleep(POLL)
            else:
                return

    def _try_to_take(self, name: str, listen: Listener) -> None:
        for _ in range(ATTEMPTS):
            lease = self._cluster.get(LEASE, lease_name(name))
            if lease is None:
                if self._create(name):
                    return
                continue
            note = self._may_be_taken(name, lease)
            if self._cluster.update(self._taken(lease)) is not None:
                if note:
                    listen(note)
                return
        raise LockedError(f"several drivers want to work on {name} at this moment: try again")

    def _create(self, name: str) -> bool:
        """Make a Lease that is ours, and return whether nobody was quicker."""
        made = {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": {"name": lease_name(name)}}
        try:
            self._cluster.create(self._taken(made))
        except InputError:
            if self._cluster.get(LEASE, lease_name(name)) is None:
                raise
            return False
        return True

    def _may_be_taken(self, name: str, lease: Object) -> Note | None:
        """Return what is to be said when a lock is taken, None where nobody had it."""
        there = _named(lease)
        if there is None or self._is_ours(lease):
            return None
        ago = self._clock.now() - there.renewed
        if not _is_fresh(lease, self._clock.now()):
            return Note(f"the lock on {name} is taken over from {there.name}, who last renewed it {ago:.0f} s ago")
        if self._process.is_gone(_mark(lease)):
            return Note(f"the lock on {name} is taken over from {there.name}, which runs no more")
        if self._break_lock:
            return Note(f"the lock on {name} is broken: {there.name} held it since {_time(there.since)}", warning=True)
        raise LockedError(
            f"{there.name} works on {name} since {_time(there.since)}, and renewed its lock {ago:.0f} s ago: wait "
            "until it is done, or take the release over with --break-lock, which stops it. A driver that is gone loses "
            f"the lock {DURATION:.0f} s after it last renewed it"
        )

    def _taken(self, lease: Object) -> Object:
        """Return a Lease with us as its holder."""
        now = _stamp(self._clock.now())
        spec = lease.get("spec") or {}
        annotations = (lease["metadata"].get("annotations") or {}) | {PROCESS: self._process.mark}
        metadata = {key: value for key, value in lease["metadata"].items() if key != "ownerReferences"}
        return {
            **lease,
            "metadata": {**metadata, "annotations": annotations},
            "spec": {
                "holderIdentity": self._process.name,
                "leaseDurationSeconds": int(DURATION),
                "acquireTime": now,
                "renewTime": now,
                "leaseTransitions": (spec.get("leaseTransitions") or 0) + (1 if spec else 0),
            },
        }

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
        cluster.update({**lease, "spec": lease["spec"] | {"renewTime": _stamp(self._clock.now())}})
        self._alongside(cluster, name)

    def _give_back(self, name: str, listen: Listener) -> None:
        """Let others work; where the release has ended, leave nothing."""
        try:
            for _ in range(ATTEMPTS):
                lease = self._cluster.get(LEASE, lease_name(name))
                if lease is None or not self._is_ours(lease):
                    return
                variants = self._variants(name)
                if not variants:
                    if self._cluster.delete(LEASE, lease_name(name), version=lease["metadata"]["resourceVersion"]):
                        return
                elif self._cluster.update(_without_holder(lease, variants)) is not None:
                    return
        except CanaryError as error:
            why = f"the lock on {name} could not be given back ({error}): it ends by itself within {DURATION:.0f} s"
            listen(Note(why, warning=True))

    def _variants(self, name: str) -> list[Object]:
        names = (variant_name(name, variant) for variant in (Variant.CANARY, Variant.BASELINE))
        return [found for one in names if (found := self._cluster.get(DEPLOYMENT, one)) is not None]

    def _is_ours(self, lease: Object | None) -> bool:
        return lease is not None and _named(lease) is not None and _mark(lease) == self._process.mark


def holder(cluster: Cluster, name: str, at: float) -> Holder | None:
    """Return who works on a workload's release, None if nobody does or has said so lately.

    Args:
        cluster: the Kubernetes API.
        name: of the workload.
        at: Unix seconds, now.
    """
    lease = cluster.get(LEASE, lease_name(name))
    return _named(lease) if lease is not None and _is_fresh(lease, at) else None


def lease_name(name: str) -> str:
    """Return the name of a workload's Lease."""
    return variant_name(name, Variant.CANARY)


def _named(lease: Object) -> Holder | None:
    """Return whom a Lease names, fresh or not."""
    spec = lease.get("spec") or {}
    name = spec.get("holderIdentity")
    if not name:
        return None
    return Holder(name, _seconds(spec.get("acquireTime")), _seconds(spec.get("renewTime")))


def _is_fresh(lease: Object, at: float) -> bool:
    there = _named(lease)
    duration = (lease.get("spec") or {}).get("leaseDurationSeconds") or DURATION
    return there is not None and at - there.renewed < duration


def _mark(lease: Object) -> str:
    annotations = lease["metadata"].get("annotations") or {}
    return str(annotations.get(PROCESS, ""))


def _without_holder(lease: Object, variants: Sequence[Object]) -> Object:
    """Return a Lease that nobody holds, and that goes with the variants when another tool deletes them."""
    kept = ("leaseDurationSeconds", "leaseTransitions")
    annotations = {key: value for key, value in (lease["metadata"]["annotations"] or {}).items() if key != PROCESS}
    owners = [
        {
            "apiVersion": DEPLOYMENT.api_version,
            "kind": DEPLOYMENT.kind,
            "name": one["metadata"]["name"],
            "uid": one["metadata"]["uid"],
        }
        for one in variants
    ]
    return {
        **lease,
        "metadata": {**lease["metadata"], "annotations": annotations, "ownerReferences": owners},
        "spec": {key: lease["spec"][key] for key in kept if key in lease["spec"]},
    }


def _lost(name: str, lease: Object | None) -> str:
    if lease is None:
        return f"the lock on {name}, Lease {lease_name(name)}, was deleted"
    there = _named(lease)
    if there is None:
        return f"the lock on {name} was taken, and given back, by another driver"
    return f"the lock on {name} was taken by {there.name} at {_time(there.since)}"


def _stamp(seconds: float) -> str:
    """Return a time as Leases have it (MicroTime)."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _seconds(stamp: str | None) -> float:
    return datetime.fromisoformat(stamp).timestamp() if stamp else 0.0


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
