"""Hands a decision to the driver that waits for it at its gate, and waits until that driver has carried it out."""

from collections.abc import Sequence

from canary.errors import InputError, InterruptedReleaseError
from canary.events import Decided, HandedOver, Note
from canary.marks import DIGEST, Variant, variant_name
from canary.objects import DEPLOYMENT, LEASE, Object, annotations_of
from canary.observe.deployments import images
from canary.ports import World
from canary.release.commands import Commands
from canary.release.recall import recall
from canary.state.decision import WaitingGate, record_decision, waiting_gate, waits, withdraw_decision
from canary.state.lease import DURATION, lease_name, process_mark

POLL = 1.0
"""Seconds between two looks."""

ACCEPTED_WITHIN = 15.0
"""Seconds after which a driver that has not accepted a decision is taken for dead. It looks every second."""


def find_gate(world: World, names: Sequence[str], *, digest: str = "") -> WaitingGate | None:
    """Return the gate that waits for a decision on these workloads, None if none does.

    Args:
        world: what to work with.
        names: of the workloads.
        digest: of the manifests to promote, empty to reject.

    Raises:
        InputError: it waits for a decision on other workloads too, or for one on other manifests.
    """
    for name in names:
        canary = world.cluster.get(DEPLOYMENT, variant_name(name, Variant.CANARY))
        gate = waiting_gate(world.cluster, name, canary)
        if gate is None or canary is None:
            continue
        if set(gate.workloads) != set(names):
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
        return gate
    return None


def hand_over(world: World, gate: WaitingGate, decided: Decided) -> bool:
    """Hand a decision to a gate, and wait until the release has ended.

    Args:
        world: what to work with.
        gate: as found.
        decided: the decision.

    Returns:
        Whether the driver at the gate ended the release. False if it does not wait any longer, is gone, or failed: then
        this command can take the lock.

    Raises:
        InputError: somebody else has decided before.
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
                world.listen(Note(f"{gate.driver} did not accept it: it is gone, or busy", warning=True))
                return False
            clock.sleep(POLL)
        if not _ended(world, gate, canary):
            return False
    except KeyboardInterrupt:
        raise InterruptedReleaseError(
            f"interrupted: the decision to {action} {together} stays recorded, and {gate.driver} carries it out"
        ) from None
    world.listen(HandedOver(gate.workloads, decided.promote, gate.driver))
    return True


def _ended(world: World, gate: WaitingGate, canary: Object) -> bool:
    """Wait while the driver holds the lock. Return whether the release has ended; else the driver stopped before."""
    name, seen, since = gate.workloads[-1], None, world.patient_now()
    while (lease := world.cluster.get(LEASE, lease_name(name))) is not None and process_mark(lease) == gate.process:
        if lease.get("spec") != seen:
            seen, since = lease.get("spec"), world.patient_now()
        elif world.patient_now() - since >= DURATION:
            return False
        world.clock.sleep(POLL)
    return _same(world, gate.workloads[0], canary) is None


def _same(world: World, name: str, canary: Object) -> Object | None:
    """Return a canary as it is now, None if it is gone, or another one has its name."""
    live = world.cluster.get(DEPLOYMENT, variant_name(name, Variant.CANARY))
    return live if live is not None and live["metadata"]["uid"] == canary["metadata"]["uid"] else None
