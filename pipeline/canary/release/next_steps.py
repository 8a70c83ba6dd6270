"""What can be done next with a workload: what for, and the command that does it."""

from __future__ import annotations

from canary.marks import DIGEST, VERSION_LABEL
from canary.objects import annotations_of
from canary.observe.deployments import Workload, images, is_ready
from canary.settings.options import Options
from canary.settings.release_arguments import MANIFESTS, ReleaseArguments, arguments_of, command
from canary.state.last_promote import LastPromote, PromoteState
from canary.state.record import Record
from canary.variants.steps import Step
from canary.verdict.rule import Decision


def next_steps(
    options: Options, found: Workload, record: Record | None, step: Step | None, was: LastPromote | None
) -> tuple[str, ...]:
    """Return what can be done now, each as `purpose: command`.

    Args:
        options: how the release is made, and where.
        found: the workload.
        record: what was counted and judged, None before that.
        step: which of its steps the release is at, None without a canary.
        was: the last promote, None where nothing is kept of one.
    """
    say = _Commands(options, found)
    if was is not None and was.state is PromoteState.ROLLING_BACK:
        return (f"finish the rollback that was interrupted: {say.rollback}",)
    if was is not None and was.state is PromoteState.PROMOTING and not _is_of_another(found, was):
        return _unfinished(say, found, was)
    if found.canary is not None:
        return _in_release(say, options, found, record, step)
    if found.baseline is not None:
        return (f"delete the baseline that is left without a canary: {say.reject}",)
    if found.stable is not None:
        return (f"try a new version beside stable: {say.new}",)
    return (f"{found.name} does not exist yet; create it: {say.new}",)


def _is_of_another(found: Workload, was: LastPromote) -> bool:
    """Return whether the canary is of another release than the promote, which was given up then."""
    annotations = annotations_of(found.canary) if found.canary else {}
    return bool(annotations.get(DIGEST, was.digest) != was.digest)


def _unfinished(say: _Commands, found: Workload, was: LastPromote) -> tuple[str, ...]:
    """Return what ends a promote that was begun and is not done."""
    if was.failed:
        ends = say.rollback if was.can_be_rolled_back else say.promote
        return (f"finish the undo of a promote that failed ({was.failed}): {ends}",)
    on = (f"finish the promote that was interrupted: {say.promote}",) if found.canary or not was.images else ()
    back = (f"return to the state before that promote: {say.rollback}",) if was.can_be_rolled_back else ()
    return (*on, *back)


def _in_release(
    say: _Commands, options: Options, found: Workload, record: Record | None, step: Step | None
) -> tuple[str, ...]:
    reject = f"delete canary and baseline: {say.reject}"
    if (record and record.decision is Decision.REJECT) or found.canary is None:
        return (reject,)
    grows: tuple[str, ...] = ()
    if step is not None and step.following and found.stable is not None:
        grows = (f"watch, then continue with {step.following[0]}: {say.release}",)
    compare = "continue to compare canary and baseline" if record else "compare canary and baseline"
    watch = say.watch(options)
    if not is_ready(found.canary):  # promote would refuse it
        return (*grows, f"wait until the pods are ready, then {compare}: {watch}", reject)
    compared = found.stable is None or (record is not None and record.decision is Decision.PROMOTE)
    promote = "roll the canary's version out to stable" + ("" if compared else ", without a PROMOTE verdict")
    return (*grows, f"{compare}: {watch}", f"{promote}: {say.promote}", reject)


class _Commands:
    """The commands for one workload."""

    def __init__(self, options: Options, found: Workload) -> None:
        self._connection, self._name = options.connection_flags, found.name
        given = arguments_of(found.canary) if found.canary else None
        label = given.label if given else options.label
        self._label = () if label == VERSION_LABEL else ("--label", label)
        if given is None:
            shown = images(found.canary) if found.canary else ("IMAGE",)
            flags = tuple(part for image in shown for part in ("--image", image))
            given = ReleaseArguments((MANIFESTS,), promote=flags, release=flags)
        self._given = given

    @property
    def rollback(self) -> str:
        """Goes back."""
        return command("rollback", self._name, *self._label, connection=self._connection)

    @property
    def reject(self) -> str:
        """Ends the release."""
        return command("reject", self._name, *self._label, connection=self._connection)

    @property
    def promote(self) -> str:
        """Promotes."""
        return command(
            "promote", *self._given.manifests, *self._given.promote, *self._label, connection=self._connection
        )

    @property
    def release(self) -> str:
        """Goes on with the release from step to step."""
        return command(
            "release", *self._given.manifests, *self._given.release, *self._label, connection=self._connection
        )

    @property
    def new(self) -> str:
        """Begins a release of something new."""
        return command("release", MANIFESTS, "--image", "IMAGE", connection=self._connection)

    def watch(self, options: Options) -> str:
        """Compares; only a report where nobody has said what is tolerated."""
        flags = self._given.watch
        known = "--tolerance" in flags or all(one.tolerance is not None for one in options.measures.metrics)
        report = () if known else ("--report-only",)
        return command("watch", self._name, *flags, *report, *self._label, connection=self._connection)
