"""Rejects abandoned canaries: they have expired, and nobody works on them."""

from dataclasses import dataclass

from canary.errors import ForbiddenError, InputError, LockedError
from canary.events import Note, Started
from canary.marks import DIGEST
from canary.observe.deployments import Workload, read_workload
from canary.ports import Lock, World
from canary.release.commands import Commands
from canary.release.reject import reject
from canary.release.status import workloads_in_release
from canary.state.expiry import expiry
from canary.state.last_promote import is_rolling_back, unfinished_digest
from canary.state.lease import read_holder
from canary.state.route_record import read_route_record
from canary.times import readable


@dataclass(frozen=True)
class Reaped:
    """What happened to one workload.

    Attributes:
        workload: name of the stable Deployment.
        expired: whether its release was ended, or would be without a dry run: its canary had expired, or was deleted
            before its HTTPRoute was put back.
        deleted: names of the Deployments that were deleted.
        reason: why it was rejected, or kept.
        exit_code: of the error for which it was kept, 0 if there was none.
    """

    workload: str
    expired: bool
    deleted: tuple[str, ...]
    reason: str
    exit_code: int = 0


def reap(world: World, lock: Lock, *, dry_run: bool = False) -> tuple[Reaped, ...]:
    """Reject every release of the namespace that has expired, and return what happened to each release.

    One that cannot be read, or may not be rejected, does not stop the others.
    """
    names = workloads_in_release(world.cluster, world.options.label)
    world.listen(Started("reap", names, world.cluster.namespace))
    return tuple(_reap(world, lock, name, dry_run=dry_run) for name in names)


def _reap(world: World, lock: Lock, name: str, *, dry_run: bool) -> Reaped:
    try:
        return _judged(world, lock, name, dry_run=dry_run)
    except LockedError as error:
        reason, code = str(error), 0
    except (InputError, ForbiddenError) as error:
        reason, code = str(error), error.exit_code
    world.listen(Note(f"{name} is left: {reason}", warning=bool(code)))
    return Reaped(name, False, (), reason, code)


def _judged(world: World, lock: Lock, name: str, *, dry_run: bool) -> Reaped:
    left, why = _left(world, name)
    reason = f"{why}, and nobody works on it"
    deleted: tuple[str, ...] = ()
    if not (left or dry_run):
        with lock.held((name,), world.listen):
            left, _ = _left(world, name)  # somebody may have continued it meanwhile
            deleted = () if left else reject(world, name, reason)
    if left:
        world.listen(Note(f"{name} is left: {left}"))
    elif dry_run:
        if there := read_holder(world.cluster, name):
            held = f"{there.name}, who last renewed its lock at {readable(there.renewed)}, is still at work"
            reason = f"{why}, unless {held}"
        world.listen(Note(f"{name} would be rejected: {reason}"))
    return Reaped(name, not left, deleted, left or reason)


def _left(world: World, name: str) -> tuple[str, str]:
    """Return why a workload is kept, empty if it is not, and why its release is to be ended."""
    cluster, now = world.cluster, world.clock.now()
    found = read_workload(cluster, name)
    canary = found.canary
    if canary is None:
        return _left_without_canary(world, found)
    at = expiry(canary)
    if at is None:
        return "its canary was created by another tool, and never expires", ""
    if at > now:
        return f"its canary does not expire before {readable(at)}", ""
    kept = _interrupted(world, found, canary["metadata"]["annotations"].get(DIGEST))
    return kept, "" if kept else f"its canary expired at {readable(at)}"


def _left_without_canary(world: World, found: Workload) -> tuple[str, str]:
    """Return the same for a workload of which a baseline is left, or a route and the Services of the variants."""
    record = read_route_record(world.cluster, found)
    if found.baseline is not None or record is None:
        return f"it has a baseline, but no canary. To delete it: canary reject {found.name}", ""
    kept = _interrupted(world, found, unfinished_digest(world.cluster, found.name))
    return kept, "" if kept else f"its variants were deleted before its release by HTTPRoute {record.route} had ended"


def _interrupted(world: World, found: Workload, digest: str | None) -> str:
    """Return how to finish a rollback, or a promote of this digest, that was interrupted; empty if none was."""
    if is_rolling_back(world.cluster, found.name):
        return f"its rollback was interrupted. To finish it: {Commands(world.options, found.name).rollback}"
    if digest is not None and digest == unfinished_digest(world.cluster, found.name):
        commands = Commands.of(world.options, found.name, found.canary)
        return f"its promote was interrupted. To finish it: {commands.promote}. To go back: {commands.rollback}"
    return ""
