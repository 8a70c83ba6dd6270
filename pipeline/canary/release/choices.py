"""What a person can do with a workload from a console, and what each choice does, in numbers."""

from dataclasses import dataclass

from canary.observe.deployments import Workload, images
from canary.plurals import counted
from canary.release.commands import Commands
from canary.release.headline import short
from canary.release.overview import Action, Choice, Phase
from canary.settings.options import Options
from canary.settings.release_arguments import arguments_of
from canary.state.last_promote import LastPromote
from canary.times import parse_duration
from canary.variants.sizes import replicas
from canary.verdict.comparison import Decision

NEEDS_MANIFESTS = "A promote needs the manifests, which a console does not have. Run this command where they are"


@dataclass(frozen=True)
class Situation:
    """What the choices depend on.

    Attributes:
        options: how the release is made.
        together: the workloads of the release.
        phase: what happens with it.
        decision: the last verdict's.
        driver: name of the driver that works on it, empty if none does.
        last: the last promote, None without one.
        can_watch: whether that driver understands the decision to keep watching.
        decided: what somebody has decided at the gate and that driver has not yet accepted, in a sentence; else empty.
    """

    options: Options
    together: tuple[Workload, ...]
    phase: Phase
    decision: Decision
    driver: str = ""
    last: LastPromote | None = None
    can_watch: bool = True
    decided: str = ""

    @property
    def release(self) -> str:
        """The name of the release: those of its workloads."""
        return " ".join(one.name for one in self.together)


def choices(now: Situation) -> tuple[Choice, ...]:
    """Return what each button does, in their order; none where nothing is to be decided."""
    if now.phase is Phase.IDLE:
        return ()
    if now.phase in (Phase.PROMOTING, Phase.ROLLING_BACK):
        return _unfinished(now)
    if now.phase is Phase.WAITING and now.decided:
        why = f"{now.decided}. {now.driver} carries it out"
        return tuple(Choice(action, text, why_not=why) for action, text in _ends(now))
    if now.phase is Phase.WAITING:
        why = "" if now.can_watch else f"{now.driver} is of an older version"
        watch = Choice(Action.WATCH, _watches(now), why_not=why)
        return (_promote_at_gate(now), Choice(Action.REJECT, _deletes(now)), watch)
    if any(one.canary is None for one in now.together):
        return (_reject(now),)
    return (_promote_elsewhere(now), _reject(now))


def _promote_at_gate(now: Situation) -> Choice:
    if now.decision is not Decision.REJECT:
        return Choice(Action.PROMOTE, _replaces(now))
    warning = "This promotes against the verdict, and stable records that"
    return Choice(Action.PROMOTE, _replaces(now), confirm=now.release, warning=warning)


def _promote_elsewhere(now: Situation) -> Choice:
    command = _commands(now).promote
    if now.driver:
        why = f"{now.driver} is still comparing: wait until it asks for a decision"
        return Choice(Action.PROMOTE, _replaces(now), why_not=why)
    if now.decision is Decision.REJECT:
        why = "The verdict is REJECT. This command promotes against it, and stable records that"
        return Choice(Action.PROMOTE, _replaces(now), why_not=why, command=f"{command} --unproven")
    return Choice(Action.PROMOTE, _replaces(now), why_not=NEEDS_MANIFESTS, command=command)


def _reject(now: Situation) -> Choice:
    command = _commands(now).reject
    if not now.driver:
        return Choice(Action.REJECT, _deletes(now), command=command)
    warning = f"{now.driver} is at work: this takes the lock away from it, so that it stops"
    return Choice(Action.REJECT, _deletes(now), command=f"{command} --break-lock", confirm=now.release, warning=warning)


def _unfinished(now: Situation) -> tuple[Choice, ...]:
    commands, is_rollback = _commands(now), now.phase is Phase.ROLLING_BACK
    what, finish = ("rollback", commands.rollback) if is_rollback else ("promote", commands.promote)
    if now.last is not None and now.last.failed and not is_rollback:
        what, finish = "undo of a promote", commands.finish_undo(now.last)
    if now.driver:
        return ()
    why = f"The {what} was interrupted. This command finishes it"
    return tuple(Choice(action, text, why_not=why, command=finish) for action, text in _ends(now))


def _ends(now: Situation) -> tuple[tuple[Action, str], ...]:
    return (Action.PROMOTE, _replaces(now)), (Action.REJECT, _deletes(now))


def _commands(now: Situation) -> Commands:
    first = now.together[0]
    if len(now.together) == 1:
        return Commands.of(now.options, first.name, first.canary)
    given = arguments_of(first.canary) if first.canary else None
    return Commands(now.options, *(one.name for one in now.together), arguments=given)


def _replaces(now: Situation) -> str:
    return " and ".join(_replaced(one, is_named=len(now.together) > 1) for one in now.together)


def _replaced(one: Workload, *, is_named: bool) -> str:
    new = ", ".join(map(short, images(one.canary))) if one.canary else "the new version"
    of = f" of {one.name}" if is_named else ""
    if one.stable is None:
        return f"make {new} the first stable version{of}"
    pods = counted(replicas(one.stable), "stable pod")
    if one.canary is not None and images(one.canary) == images(one.stable):
        return f"restart {pods}{of} with the canary's configuration"
    return f"replace {pods}{of} with {new}"


def _deletes(now: Situation) -> str:
    canary = sum(replicas(one.canary) for one in now.together if one.canary)
    baseline = sum(replicas(one.baseline) for one in now.together if one.baseline)
    pods = [
        counted(count, f"{variant} pod") for count, variant in ((canary, "canary"), (baseline, "baseline")) if count
    ]
    return f"delete {' and '.join(pods or ['canary and baseline'])}; stable is not touched"


def _watches(now: Situation) -> str:
    seconds = _min_duration(now)
    again = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
    return f"take more looks; asks again in about {again}, or when the verdict changes"


def _min_duration(now: Situation) -> float:
    """Return the seconds after which the gate asks again, as the release was started."""
    canary = now.together[0].canary
    given = arguments_of(canary) if canary else None
    flags = given.release or given.watch if given else ()
    try:
        return max(parse_duration(flags[flags.index("--min-duration") + 1]), 1.0)
    except (ValueError, IndexError):
        return now.options.min_duration
