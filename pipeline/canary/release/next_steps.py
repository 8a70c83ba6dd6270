"""What can be done next with a workload: the purpose, and the command for it."""

from canary.marks import DIGEST
from canary.objects import annotations_of
from canary.observe.deployments import Workload, is_ready
from canary.release.commands import Commands
from canary.settings.options import Options
from canary.state.last_promote import LastPromote, PromoteState
from canary.state.record import Record
from canary.variants.steps import Step
from canary.verdict.comparison import Decision


def next_steps(
    options: Options,
    workload: Workload,
    record: Record | None,
    step: Step | None,
    last: LastPromote | None,
    *,
    driver: str = "",
    gate_waits: bool = False,
    route: str = "",
) -> tuple[str, ...]:
    """Return what can be done now, each as `purpose: command`.

    Args:
        options: how the release is made, and where.
        workload: as it is now.
        record: what was counted and judged, None before that.
        step: the current step of the release, None without a canary.
        last: the last promote, None where the cluster has no record of one.
        driver: name of the driver that works on it, empty if none does. Other commands would wait for its lock.
        gate_waits: whether that driver waits at its gate: then only a decision is possible.
        route: name of the HTTPRoute that a release divides, or has not put back yet; empty if none does.
    """
    commands = Commands.of(options, workload.name, workload.canary)
    if driver and not gate_waits:
        is_release = workload.canary is not None or workload.baseline is not None
        is_promote = last is not None and last.state in (PromoteState.PROMOTING, PromoteState.ROLLING_BACK)
        stop = f"stop {driver}, and delete canary and baseline: {commands.reject} --break-lock"
        wait = f"wait until {driver} is done, and see the state again: {commands.status}"
        return (wait, stop) if is_release and not is_promote else (wait,)
    if last is not None and last.state is PromoteState.ROLLING_BACK:
        return (f"finish the rollback that was interrupted: {commands.rollback}",)
    if last is not None and last.state is PromoteState.PROMOTING and not _is_of_another_release(workload, last):
        return _after_interrupted_promote(commands, last, can_be_finished=bool(workload.canary or route))
    if workload.canary is not None:
        steps = _in_release(commands, workload, record, step)
        return tuple(one for one in steps if one.endswith((commands.promote, commands.reject))) if gate_waits else steps
    if workload.baseline is not None:
        return (f"delete the baseline that is left without a canary: {commands.reject}",)
    if route:
        return (f"put HTTPRoute {route} back, and delete the Services of canary and baseline: {commands.reject}",)
    if workload.stable is not None:
        return (f"try a new version next to stable: {commands.new}",)
    return (f"{workload.name} does not exist yet; create it: {commands.new}",)


def _is_of_another_release(workload: Workload, last: LastPromote) -> bool:
    """Return whether the canary is of another release than a promote that was interrupted and given up."""
    return annotations_of(workload.canary).get(DIGEST, last.digest) != last.digest


def _after_interrupted_promote(commands: Commands, last: LastPromote, *, can_be_finished: bool) -> tuple[str, ...]:
    if last.failed:
        return (f"finish the undo of a promote that failed ({last.failed}): {commands.finish_undo(last)}",)
    steps = []
    if can_be_finished or not last.images:
        steps.append(f"finish the promote that was interrupted: {commands.promote}")
    if last.can_be_rolled_back:
        steps.append(f"return to the state before that promote: {commands.rollback}")
    return tuple(steps)


def _in_release(commands: Commands, workload: Workload, record: Record | None, step: Step | None) -> tuple[str, ...]:
    reject = f"delete canary and baseline: {commands.reject}"
    if (record and record.decision is Decision.REJECT) or workload.canary is None:
        return (reject,)
    grow: tuple[str, ...] = ()
    if step is not None and step.following and workload.stable is not None:
        grow = (f"watch, then continue with {step.following[0]}: {commands.release}",)
    compare = "continue to compare canary and baseline" if record else "compare canary and baseline"
    if not is_ready(workload.canary):  # promote would refuse it
        return (*grow, f"wait until the pods are ready, then {compare}: {commands.watch}", reject)
    is_proven = workload.stable is None or (record is not None and record.decision is Decision.PROMOTE)
    promote = "roll the canary's version out to stable" + ("" if is_proven else ", without a PROMOTE verdict")
    return (*grow, f"{compare}: {commands.watch}", f"{promote}: {commands.promote}", reject)
