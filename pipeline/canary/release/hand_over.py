"""Hands a decision to the driver that waits for it at its gate, and waits until that driver has carried it out."""

from collections.abc import Sequence
from dataclasses import replace

from canary.errors import InputError, InterruptedReleaseError, PromoteError, UnreachableError
from canary.events import Decided, HandedOver, Note
from canary.manifests.bundle import Bundle, digest
from canary.marks import DIGEST, Variant, variant_name
from canary.objects import DEPLOYMENT, LEASE, Object, annotations_of
from canary.observe.deployments import images
from canary.ports import World
from canary.release import promote as promotes
from canary.release.commands import Commands
from canary.release.recall import recall
from canary.state.decision import WaitingGate, record_decision, waiting_gate, waits, withdraw_decision
from canary.state.lease import DURATION, lease_name, process_mark

POLL = 1.0
"""Seconds between two looks."""

ACCEPTED_WITHIN = 15.0
"""Seconds after which a driver that has not accepted a decision is taken for dead. It looks every second."""


def promote(world: World, bundle: Bundle, names: Sequence[str], *, by: str) -> bool:
    """Let the driver that waits at the gate of this release promote it. Return whether one waited, and has.

    Args:
        world: what to work with.
        bundle: the manifests.
        names: of their Deployments.
        by: who decides.

    Raises:
        InputError, ClusterError: a promote would be refused, or somebody else has decided before.
        PromoteError: that driver did not promote.
    """
    for gate in _find_gates(world, names, digest=digest(bundle)):
        promotes.check(world, bundle)
        if _hand_over(world, gate, Decided(promote=True, by=by)):
            _check_promoted(world, gate, bundle)
            world.listen(HandedOver(gate.workloads, promote=True, to=gate.driver))
            return True
    return False


def reject(world: World, names: Sequence[str], *, by: str, reason: str) -> tuple[str, ...]:
    """Let the drivers that wait at the gates of these workloads reject them. Return the names of the other workloads.

    Args:
        world: what to work with.
        names: of the workloads.
        by: who decides.
        reason: why, empty if none is given.

    Raises:
        InputError, ClusterError: one waits for a decision on other workloads too, or somebody else has decided before.
    """
    left = tuple(names)
    for gate in _find_gates(world, names):
        if _hand_over(world, gate, Decided(promote=False, by=by, reason=reason)):
            world.listen(HandedOver(gate.workloads, promote=False, to=gate.driver))
            left = tuple(name for name in left if name not in gate.workloads)
    return left


def _check_promoted(world: World, gate: WaitingGate, bundle: Bundle) -> None:
    """Raise PromoteError if the driver at the gate has ended the release without promoting it."""
    try:
        promotes.check(replace(world, options=replace(world.options, unproven=False)), bundle)
    except InputError as error:
        together = " and ".join(gate.workloads)
        raise PromoteError(
            f"{gate.driver} ended the release of {together} without promoting it: its output says why"
        ) from error


def _find_gates(world: World, names: Sequence[str], *, digest: str = "") -> tuple[WaitingGate, ...]:
    """Return the gates that wait for a decision on these workloads.

    Args:
        world: what to work with.
        names: of the workloads.
        digest: of the manifests to promote, empty to reject.

    Raises:
        InputError: one waits for a decision on other workloads too, or for one on other manifests.
    """
    found: dict[str, WaitingGate] = {}
    for name in names:
        canary = world.cluster.get(DEPLOYMENT, variant_name(name, Variant.CANARY))
        gate = waiting_gate(world.cluster, name, canary)
        if gate is None or canary is None:
            continue
        if not set(gate.workloads) <= set(names):
            raise InputError(
                f"{gate.driver} waits for one decision on {' and '.join(gate.workloads)} together. To reject all: "
                f"{Commands(world.options, *gate.workloads).reject}. To stop that driver: --break-lock"
            )
        if digest and annotations_of(canary).get(DIGEST) != digest:
            raise InputError(
                f"{gate.driver} waits at its gate with other images or manifests ({', '.join(images(canary))}) than "
                "those given now: pass the ones that it was given (canary status shows the command). To stop that "
                "driver: --break-lock"
            )
        found[gate.workloads[0]] = gate
    return tuple(found.values())


def _hand_over(world: World, gate: WaitingGate, decided: Decided) -> bool:
    """Hand a decision to a gate, and wait until the release has ended.

    Args:
        world: what to work with.
        gate: as found.
        decided: the decision.

    Returns:
        Whether the driver at the gate ended the release. False if it does not wait any longer, or is gone: then this
        command can take the lock.

    Raises:
        InputError: somebody else has decided before.
        PromoteError: that driver could not promote.
    """
    name, cluster, clock = gate.workloads[0], world.cluster, world.clock
    recall(world, gate.workloads)  # before that driver deletes the canary
    canary = cluster.get(DEPLOYMENT, variant_name(name, Variant.CANARY))
    if canary is None or not record_decision(cluster, gate, decided, clock.now()):
        return False
    action = "promote" if decided.promote else "reject"
    together = " and ".join(gate.workloads)
    world.listen(Note(f"{gate.driver} waits at its gate: the decision to {action} {together} is recorded for it"))
    try:
        recorded = world.patient_now()
        while waits(_same(world, name, canary), gate):
            if world.patient_now() - recorded >= ACCEPTED_WITHIN and withdraw_decision(cluster, gate):
                text = f"{gate.driver} did not accept it within {ACCEPTED_WITHIN:g} s: taking the lock"
                world.listen(Note(text, warning=True))
                return False
            clock.sleep(POLL)
        is_gone = _is_gone(world, gate)
    except KeyboardInterrupt:
        raise InterruptedReleaseError(
            f"interrupted: the decision to {action} {together} stays recorded, and {gate.driver} carries it out"
        ) from None
    except UnreachableError as error:
        raise UnreachableError(
            f"{error}. The decision to {action} {together} is recorded, and {gate.driver} carries it out. To see: "
            f"canary status {' '.join(gate.workloads)}"
        ) from error
    if _same(world, name, canary) is None:
        return True
    if decided.promote and not is_gone:
        raise PromoteError(
            f"{gate.driver} could not promote {together}: its output says why. Canary and baseline are still running. "
            f"To see what is there: canary status {' '.join(gate.workloads)}"
        )
    return False


def _is_gone(world: World, gate: WaitingGate) -> bool:
    """Wait while the driver holds the lock. Return whether it has not renewed the lock for so long that it is gone."""
    name, seen, since = gate.workloads[-1], None, world.patient_now()
    while (lease := world.cluster.get(LEASE, lease_name(name))) is not None and process_mark(lease) == gate.process:
        if lease.get("spec") != seen:
            seen, since = lease.get("spec"), world.patient_now()
        elif world.patient_now() - since >= DURATION:
            return True
        world.clock.sleep(POLL)
    return False


def _same(world: World, name: str, canary: Object) -> Object | None:
    """Return a canary as it is now, None if it is gone, or another one has its name."""
    live = world.cluster.get(DEPLOYMENT, variant_name(name, Variant.CANARY))
    return live if live is not None and live["metadata"]["uid"] == canary["metadata"]["uid"] else None
