"""The decision on a release that waits at its gate, recorded on the canary.

A driver that waits at its gate holds the release's lock, so no other driver may act. It writes onto each canary that it
waits. `canary promote`, `canary reject` and consoles then record their decision on the canary of the first workload,
and the driver that waits carries it out. Each of them writes only if nobody has written the canary since it was read,
so one decision wins, and the other person is told.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from canary.errors import CredentialsError, InputError, LockLostError, UnreachableError
from canary.events import Answer, Decided, KeepsWatching
from canary.marks import DECISION, GATE, Variant, variant_name
from canary.objects import DEPLOYMENT, LEASE, Object, annotations_of
from canary.ports import Clock, Cluster
from canary.retry import retry_on_conflict
from canary.state.lease import holder_of, how_lost, lease_name, process_mark
from canary.times import parse_timestamp, timestamp

WATCH = "watch"
"""How the decision to keep watching is recorded."""


@dataclass(frozen=True)
class WaitingGate:
    """A driver that waits at its gate.

    Attributes:
        driver: its name, for a person.
        process: its process, for a program.
        since: Unix seconds when it began to wait, by its own clock.
        workloads: names of the workloads of its release, in its order.
        can_watch: whether it understands the decision to keep watching; older drivers do not.
    """

    driver: str
    process: str
    since: float
    workloads: tuple[str, ...]
    can_watch: bool = False


def waiting_gate(cluster: Cluster, name: str, canary: Object | None) -> WaitingGate | None:
    """Return the gate that waits for a decision on a workload, None if none does.

    Args:
        cluster: the Kubernetes API.
        name: of the workload.
        canary: its Deployment, None if there is none.

    Raises:
        InputError: the annotation cannot be read.
    """
    noted = _read(canary, GATE)
    lease = cluster.get(LEASE, lease_name(name)) if noted else None
    holder = holder_of(lease) if lease else None
    if noted is None or lease is None or holder is None or process_mark(lease) != noted["process"]:
        return None  # a driver that was stopped at its gate leaves the annotation
    return WaitingGate(
        holder.name,
        noted["process"],
        parse_timestamp(noted["since"]),
        tuple(noted["workloads"]),
        can_watch=bool(noted.get("can_watch")),
    )


def record_decision(cluster: Cluster, gate: WaitingGate, decided: Answer, at: float) -> bool:
    """Record a decision for a gate. Return False if the gate does not wait any longer.

    Raises:
        InputError: another decision was recorded before, or the driver at the gate does not understand this one.
    """
    together = " and ".join(gate.workloads)
    if isinstance(decided, KeepsWatching) and not gate.can_watch:
        raise InputError(f"{gate.driver} is of an older version, which cannot be told to keep watching {together}")
    mark = secrets.token_hex(8)

    def attempt() -> bool | None:
        canary = _canary(cluster, gate.workloads[0])
        if (_read(canary, DECISION) or {}).get("mark") == mark:
            return True  # an attempt was carried out whose answer was lost
        if not waits(canary, gate) or not _asks_since(canary, gate.since):
            return False  # also if the same driver asks another time: that is another question
        earlier = recorded_decision(canary)
        if earlier:
            raise InputError(told(earlier, together))
        return True if _annotate(cluster, canary, {DECISION: _as_json(decided, at, mark)}) else None

    return retry_on_conflict(attempt, f"record the decision on {gate.workloads[0]}")


def withdraw_decision(cluster: Cluster, gate: WaitingGate) -> bool:
    """Withdraw a recorded decision. Return False if the gate has accepted it."""

    def attempt() -> bool | None:
        canary = _canary(cluster, gate.workloads[0])
        if not waits(canary, gate):
            return False
        return True if _annotate(cluster, canary, {DECISION: None, GATE: None}) else None

    return retry_on_conflict(attempt, f"withdraw the decision on {gate.workloads[0]}")


def waits(canary: Object | None, gate: WaitingGate) -> bool:
    """Return whether a gate still waits, by the canary of its first workload."""
    return (_read(canary, GATE) or {}).get("process") == gate.process


def _asks_since(canary: Object | None, since: float) -> bool:
    noted = _read(canary, GATE)
    return noted is not None and parse_timestamp(noted["since"]) == since


def recorded_decision(canary: Object | None) -> Answer | None:
    """Return the decision that is recorded on a canary, None if there is none.

    Raises:
        InputError: the annotation cannot be read.
    """
    recorded = _read(canary, DECISION)
    if recorded is None:
        return None
    if recorded["decision"] == WATCH:
        return KeepsWatching(recorded["by"], reason=recorded["reason"])
    return Decided(recorded["decision"] == "promote", recorded["by"], reason=recorded["reason"])


class GateRecord:
    """What a driver that waits at its gate writes onto the canaries, and reads there."""

    def __init__(self, cluster: Cluster, clock: Clock, names: Sequence[str]) -> None:
        """Write nothing yet: a gate that decides at once needs no record."""
        self._cluster = cluster
        self._clock = clock
        self._names = tuple(names)
        self._is_open = False
        self._process = ""

    def decided(self) -> Answer | None:
        """Return what somebody has decided elsewhere, None if nothing. The first call writes that this gate waits.

        None also while the API server does not answer: an outage does not end the wait.

        Raises:
            InputError: somebody deleted the canary, or what is recorded on it cannot be read.
            LockLostError: another driver has taken the lock.
            CredentialsError: the API server does not accept the credentials any longer.
        """
        try:
            lease = self._cluster.get(LEASE, lease_name(self._names[0]))
            if not self._is_open:
                self._open(lease)
            canary = _canary(self._cluster, self._names[0])
        except CredentialsError:
            raise
        except UnreachableError:
            return None
        if self._process and (lease is None or process_mark(lease) != self._process):
            lost = how_lost(self._names[0], lease)
            raise LockLostError(f"{lost}: this driver stops here and leaves the release as it is")
        if canary is None:
            gone = variant_name(self._names[0], Variant.CANARY)
            raise InputError(f"Deployment {gone} was deleted while the gate waited for a decision on it")
        decided = recorded_decision(canary)
        if decided is None and _read(canary, GATE) is None:
            self._is_open = False  # a command took this gate for dead, as it was slow: the next call writes it again
        return decided

    def close(self, decided: Answer) -> Answer:
        """Write that the gate waits no longer, and return the decision that holds.

        Args:
            decided: the answer of the gate. A decision that somebody recorded elsewhere before it takes precedence.
        """
        if not self._process and not self._is_open:
            return decided
        at = self._clock.now()

        def attempt() -> tuple[Answer] | None:
            canary = _canary(self._cluster, self._names[0])
            if canary is None:
                return (decided,)
            holds = recorded_decision(canary) or decided
            marks = {GATE: None, DECISION: _as_json(holds, at) if isinstance(holds, Decided) else None}
            return (holds,) if _annotate(self._cluster, canary, marks) else None

        (holds,) = retry_on_conflict(attempt, f"close the gate of {self._names[0]}")
        for name in self._names[1:]:
            if _canary(self._cluster, name) is not None:
                self._cluster.annotate(DEPLOYMENT, variant_name(name, Variant.CANARY), {GATE: None})
        self._is_open = False
        return holds

    def _open(self, lease: Object | None) -> None:
        self._process = self._process or (process_mark(lease) if lease else "")
        gate = {
            "process": self._process,
            "since": timestamp(self._clock.now()),
            "workloads": self._names,
            "can_watch": True,
        }
        for name in reversed(self._names):  # the first one last: with it, others can decide
            marks = {GATE: json.dumps(gate), DECISION: None}  # of an earlier driver: it was never carried out
            self._cluster.annotate(DEPLOYMENT, variant_name(name, Variant.CANARY), marks)
        self._is_open = True


def _canary(cluster: Cluster, name: str) -> Object | None:
    return cluster.get(DEPLOYMENT, variant_name(name, Variant.CANARY))


def _annotate(cluster: Cluster, canary: Object | None, marks: dict[str, str | None]) -> bool:
    """Annotate a canary if nobody has written it since it was read; return whether that was so."""
    if canary is None:
        return False
    metadata = canary["metadata"]
    return cluster.annotate(DEPLOYMENT, metadata["name"], marks, version=metadata["resourceVersion"]) is not None


def told(decided: Answer, together: str) -> str:
    """Return what somebody else is told who decides on the same workloads."""
    if isinstance(decided, KeepsWatching):
        return f"{decided.by} has already decided to keep watching {together}: the gate asks again later"
    return f"{decided.by} has already decided to {'promote' if decided.promote else 'reject'} {together}"


def _as_json(decided: Answer, at: float, mark: str = "") -> str:
    action = WATCH
    if isinstance(decided, Decided):
        action = "promote" if decided.promote else "reject"
    recorded = {"decision": action, "by": decided.by, "at": timestamp(at), "reason": decided.reason, "mark": mark}
    return json.dumps(recorded)


def _check_gate(read: dict[str, Any]) -> None:
    """Raise KeyError, TypeError or ValueError if this is no gate."""
    workloads = read["workloads"]
    if not (isinstance(workloads, list) and workloads and all(isinstance(name, str) for name in workloads)):
        raise TypeError("workloads must be a list of names")
    if not isinstance(read["process"], str):
        raise TypeError("process must be a text")
    parse_timestamp(read["since"])


def _check_decision(read: dict[str, Any]) -> None:
    """Raise KeyError, TypeError or ValueError if this is no decision."""
    if read["decision"] not in ("promote", "reject", WATCH):
        raise ValueError(f"decision must be promote, reject or {WATCH}")
    if not (isinstance(read["by"], str) and isinstance(read["reason"], str)):
        raise TypeError("by and reason must be texts")


_CHECKS = {GATE: _check_gate, DECISION: _check_decision}


def _read(canary: Object | None, mark: str) -> dict[str, Any] | None:
    text = annotations_of(canary).get(mark) if canary else None
    if canary is None or text is None:
        return None
    try:
        read: dict[str, Any] = json.loads(text)
        if not isinstance(read, dict):
            raise TypeError("it is not an object")  # noqa: TRY301 - one message for all that is wrong
        _CHECKS[mark](read)
    except (KeyError, TypeError, ValueError) as error:
        metadata = canary["metadata"]
        what = f"there is no {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(
            f"annotation {mark} of Deployment {metadata['name']} cannot be read ({what}); "
            f"remove it: kubectl annotate deployment {metadata['name']} -n {metadata['namespace']} {mark}-"
        ) from error
    return read
