"""What a console shows of the cluster, and what its buttons do there."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from canary.errors import CanaryError, InputError, LockedError
from canary.events import Answer, Decided, KeepsWatching
from canary.ports import Clock, Cluster
from canary.release.overview import Action, Choice, Overview, WorkloadOverview
from canary.release.read_overview import read_overview
from canary.settings.options import Options
from canary.state.decision import WaitingGate, record_decision
from canary.state.lease import DURATION, Holder

PACE = 1.0
"""Least seconds between two overviews, however many pages are open."""

OPEN = 5.0
"""Seconds after which a page that has not asked again counts as closed. Pages ask every two seconds."""

LINGER = 5.0
"""Seconds for which a console stays after a page has got the last state, so that the others get it, too."""

MOST_LINGER = 60.0
"""Most seconds to wait until a page has got the last state, while the cluster is slow."""

BUSY = 0.2
"""Share of the time that a console may spend on reading: many workloads are read less often."""


class Reject(Protocol):
    """Rejects a release, as `canary reject` does."""

    def __call__(self, names: Sequence[str], *, by: str, reason: str, breaks_lock: bool) -> None:
        """Reject these workloads.

        Args:
            names: of the workloads.
            by: who wants that.
            reason: why, empty if none is given.
            breaks_lock: whether to take the lock from a driver that is at work.

        Raises:
            CanaryError: they were not rejected.
        """


class ClusterDesk:
    """Reads the releases of a namespace, and answers gates that wait; see `app.Desk`."""

    def __init__(
        self,
        cluster: Cluster,
        options: Options,
        names: Sequence[str],
        *,
        clock: Clock,
        reject: Reject,
        has_ended: Callable[[str], bool],
    ) -> None:
        """Read nothing yet.

        Args:
            cluster: the Kubernetes API.
            options: how releases are made, where a release itself does not say.
            names: of the workloads to show, none for all that have to do with releases.
            clock: time.
            reject: rejects a release for which no gate waits.
            has_ended: returns whether the process of a driver, by its mark, has certainly ended.
        """
        self._cluster = cluster
        self._options = options
        self._names = tuple(names)
        self._clock = clock
        self._reject = reject
        self._has_ended = has_ended
        self._lock = threading.Lock()
        self._acting = threading.Lock()
        self._renewals: dict[str, tuple[Holder, float]] = {}
        self._seen: Overview | None = None
        self._next_at = 0.0
        self._known: frozenset[str] = frozenset()
        # Monotonic seconds at which a page last asked, at which the reading of what it got began, and before which
        # nothing read may be shown any more.
        self._asked_at = self._read_at = self._shown_at = self._outdated_before = float("-inf")

    def overview(self) -> Overview:
        """Return the releases as they are now, or were within the last second.

        Raises:
            CanaryError: the cluster cannot be read.
        """
        self._asked_at = self._clock.monotonic()
        with self._lock:
            is_outdated = self._clock.monotonic() >= self._next_at or self._read_at < self._outdated_before
            if self._seen is None or is_outdated:
                try:
                    self._seen = self._read()
                except CanaryError:
                    self._shown_at = self._asked_at  # pages show the error
                    raise
            self._shown_at = self._read_at
            return self._seen

    def linger(self) -> None:
        """Wait until the pages that are open have got the state of now; return at once if none is open."""
        now = self._clock.monotonic
        began = self._outdated_before = now()
        while self._shown_at < began and self._is_open() and now() - began < MOST_LINGER:
            self._clock.sleep(0.1)
        if self._shown_at >= began:
            self._clock.sleep(LINGER)

    def act(self, workload: str, action: Action, *, by: str, typed: str, reason: str) -> str:
        """Do what a button says, and return what was done, in a sentence for the person.

        Args:
            workload: on which.
            action: which button.
            by: who pressed it.
            typed: the name of the release, where the button asks for it.
            reason: why, empty if the person gives none.

        Raises:
            CanaryError: it was not done. The message says why.
        """
        with self._acting:
            try:
                with self._lock:
                    one = next((one for one in self._read().workloads if one.status.name == workload), None)
                    choice = _choice(one, action)
                    if one is None or choice is None:
                        raise InputError(f"{workload} has no release to {action} any longer")
                    if choice.why_not:
                        command = f": {choice.command}" if choice.command else ""
                        raise InputError(f"{choice.why_not}{command}")
                    if choice.confirm and typed.strip() != choice.confirm:
                        raise InputError(
                            f"{choice.warning}. To confirm, type the name of the release: {choice.confirm}"
                        )
                    if one.status.gate is not None:
                        return self._answer(one.status.gate, action, by=by, reason=reason)
                return self._rejected(one, by=by, reason=reason)  # it takes a while, and pages go on asking
            finally:
                self._seen = None  # whatever happens, the next page shows it

    def _read(self) -> Overview:
        began = self._clock.monotonic()
        seen = read_overview(
            self._cluster,
            self._options,
            self._names,
            self._clock.now(),
            has_ended=self._has_ended,
            known=() if self._names else self._known,
        )
        took, self._read_at = self._clock.monotonic() - began, began
        self._next_at = began + max(PACE, took / BUSY)
        self._known |= {one.status.name for one in seen.workloads}
        self._note_renewals(seen)
        return seen

    def _is_open(self) -> bool:
        """Return whether a page has asked lately, or is waiting for its answer."""
        return self._lock.locked() or self._clock.monotonic() - self._asked_at <= OPEN

    def _answer(self, gate: WaitingGate, action: Action, *, by: str, reason: str) -> str:
        """Record a decision for a driver that waits at its gate."""
        together = " and ".join(gate.workloads)
        answer: Answer = KeepsWatching(by, reason=reason)
        if action is not Action.WATCH:
            answer = Decided(promote=action is Action.PROMOTE, by=by, reason=reason)
        if not record_decision(self._cluster, gate, answer, self._clock.now()):
            raise InputError(f"{gate.driver} no longer waits for a decision on {together}")
        if action is Action.WATCH:
            return f"Recorded: keep watching {together}. {gate.driver} takes more looks, and asks again."
        return f"Recorded: {action} {together}. {gate.driver} does it now."

    def _rejected(self, one: WorkloadOverview, *, by: str, reason: str) -> str:
        """Reject a release for which no gate waits."""
        together = " and ".join(one.together)
        breaks_lock = one.status.is_at_work or self._wait_for_renewal(one) == 0.0
        try:
            self._reject(one.together, by=by, reason=reason, breaks_lock=breaks_lock)
        except LockedError as error:
            advice = "Look at the page again, then decide"
            if left := self._wait_for_renewal(one):
                advice = f"It may be gone: press the button again in {math.ceil(left)} s, when the console knows that"
            raise InputError(f"{error.holder}. {advice}") from error
        return f"Rejected {together}: canary and baseline are deleted; stable was not touched."

    def _note_renewals(self, seen: Overview) -> None:
        """Note since when each driver's lock is as it is."""
        now, known = self._watching_time(), self._renewals
        holders = {one.status.name: one.status.driver for one in seen.workloads}
        self._renewals = {
            name: known[name] if name in known and known[name][0] == holder else (holder, now)
            for name, holder in holders.items()
            if holder is not None
        }

    def _wait_for_renewal(self, one: WorkloadOverview) -> float | None:
        """Return for how many more seconds the drivers of a release must renew no lock to be gone for certain.

        None if no driver holds a lock of it. The time of the driver's clock says nothing for certain.
        """
        since = [self._renewals[name][1] for name in one.together if name in self._renewals]
        return max(0.0, max(since) + DURATION - self._watching_time()) if since else None

    def _watching_time(self) -> float:
        """Return seconds that pass only while the API server answers: else no driver can renew its lock."""
        return self._clock.monotonic() - self._cluster.away


def _choice(one: WorkloadOverview | None, action: Action) -> Choice | None:
    return next((choice for choice in one.choices if choice.action is action), None) if one else None
